#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The examples compile, run and exit 0 under the compilers that the tests themselves are not built with."""
import pathlib
import subprocess
import tempfile

import common


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()
    for compiler in (common.compilers()[name] for name in ("clang++", "libc++")):
        if not compiler.found:
            checks.skip(f"the examples under {compiler.name}", compiler.why_missing)
            continue
        for example in sorted((a.root / "examples").glob("*.cpp")):
            with tempfile.TemporaryDirectory() as folder:
                program = pathlib.Path(folder) / example.stem
                flags = [*common.STRICT, "-pthread", f"-I{a.root}/include", "-o", program]
                ok, output = compiler.run([*flags, example])
                if checks.check(ok, f"{example.name} does not compile under {compiler.name}", output):
                    ran = subprocess.run([program], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
                    checks.check(ran.returncode == 0, f"{example.name} ends with {ran.returncode} under {compiler.name}")
    checks.end()


main()
