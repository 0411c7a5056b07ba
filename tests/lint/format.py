#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every C++ file is what clang-format 14 makes of it (the version is pinned: others format differently), and every
source file, in whatever language, names its licence."""
import subprocess

import common

FOLDERS = ("include", "tests", "bench", "examples", "packaging", ".github")
SOURCES = {".hpp", ".cpp", ".py", ".sh", ".cmake", ".yml"}


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()
    tool = common.pinned_tool("clang-format")
    if tool is None:
        checks.skip("format", "no clang-format 14")
    for file in sorted(file for folder in FOLDERS for file in (a.root / folder).rglob("*") if file.is_file()):
        name = file.relative_to(a.root)
        if file.suffix in SOURCES or file.name == "CMakeLists.txt":
            with open(file, encoding="utf-8") as text:
                top = text.readline() + text.readline()
            checks.check("SPDX-License-Identifier: MIT" in top, f"{name}: no SPDX line on top")
        if tool and file.suffix in {".hpp", ".cpp"}:
            done = subprocess.run([tool, "--style=file", "--dry-run", "-Werror", str(file)],
                                  capture_output=True, text=True)
            checks.check(done.returncode == 0, f"{name}: differs from clang-format's", done.stderr)
    checks.end()


main()
