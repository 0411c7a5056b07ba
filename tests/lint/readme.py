#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program on the README's first screen compiles as it stands, runs, and has at most 20 lines."""
import pathlib
import re
import subprocess
import tempfile

import common

MAX_LINES = 20


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()
    readme = a.root / "README.md"
    if not checks.check(readme.exists(), "README.md is not there"):
        checks.end()
    program = re.search(r"^```cpp\n(.*?)^```", readme.read_text(encoding="utf-8"), re.M | re.S)
    if not checks.check(program, "README.md: no ```cpp block"):
        checks.end()
    lines = program[1].count("\n")
    checks.check(lines <= MAX_LINES, f"README.md: its program has {lines} lines, more than {MAX_LINES}")
    for compiler in common.compilers().values():
        if not compiler.found:
            checks.skip(f"the README's program under {compiler.name}", compiler.why_missing)
            continue
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "readme.cpp"
            source.write_text(program[1])
            flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-pthread", f"-I{a.root}/include"]
            ok, output = compiler.run([*flags, source, "-o", f"{folder}/readme"])
            if checks.check(ok, f"README.md: its program does not compile under {compiler.name}", output):
                ran = subprocess.run([f"{folder}/readme"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
                checks.check(ran.returncode == 0, f"README.md: its program ends with {ran.returncode}")
    checks.end()


main()
