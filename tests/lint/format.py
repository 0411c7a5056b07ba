#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every C++ file is what clang-format 14 makes of it (the version is pinned: others format differently)."""
import subprocess

import common

FOLDERS = ("include", "tests", "bench", "examples", "packaging")


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()
    tool = common.pinned_tool("clang-format")
    files = sorted(f for folder in FOLDERS for e in ("hpp", "cpp") for f in (a.root / folder).rglob(f"*.{e}"))
    if tool is None:
        checks.skip("format", "no clang-format 14")
        checks.end()
    for file in files:
        done = subprocess.run([tool, "--style=file", "--dry-run", "-Werror", str(file)], capture_output=True, text=True)
        checks.check(done.returncode == 0, f"{file.relative_to(a.root)}: differs from clang-format's", done.stderr)
        with open(file, encoding="utf-8") as text:
            first = text.readline()
        checks.check("SPDX-License-Identifier: MIT" in first, f"{file.relative_to(a.root)}: no SPDX line on top")
    checks.end()


main()
