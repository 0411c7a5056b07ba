#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang-tidy 14 has nothing to say about the headers and the instantiations of uses.hpp (see .clang-tidy)."""
import pathlib
import subprocess
import tempfile

import common


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()
    tool = common.pinned_tool("clang-tidy")
    if tool is None:
        checks.skip("clang-tidy", "no clang-tidy 14")
        checks.end()
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "all.cpp"
        source.write_text("".join(f"#include <{header}>\n" for header in common.headers(a.root)) +
                          f'#include "{a.root}/tests/lint/uses.hpp"\nint main() {{ return use_plateau(); }}\n')
        done = subprocess.run([tool, "--quiet", f"--config-file={a.root}/.clang-tidy", str(source), "--", "-std=c++20",
                               f"-I{a.root}/include", "-pthread"], capture_output=True, text=True)
        checks.check(done.returncode == 0, "clang-tidy over all headers", done.stdout)
    checks.end()


main()
