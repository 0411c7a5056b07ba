#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every shell script parses, stops at its first error, is executable, and is clean under shellcheck where that is."""
import os
import shutil
import subprocess

import common


def is_bash(file):
    with file.open("rb") as text:
        return text.readline().startswith(b"#!/usr/bin/env bash")


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()
    files = (f for folder in ("tests", "bench", "examples", ".ci") for f in (a.root / folder).rglob("*"))
    scripts = sorted(f for f in files if f.is_file() and f.suffix in {"", ".sh"} and is_bash(f))
    shellcheck = shutil.which("shellcheck")
    if not shellcheck:
        checks.skip("shellcheck", "it is not installed")
    for script in scripts:
        name = script.relative_to(a.root)
        done = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
        checks.check(done.returncode == 0, f"{name}: does not parse", done.stderr)
        checks.check("\nset -euo pipefail\n" in script.read_text(encoding="utf-8"), f"{name}: no `set -euo pipefail`")
        checks.check(os.access(script, os.X_OK), f"{name}: not executable")
        if shellcheck:
            done = subprocess.run([shellcheck, "--severity=warning", "-x", script], cwd=script.parent,
                                  capture_output=True, text=True)
            checks.check(done.returncode == 0, f"{name}: shellcheck", done.stdout)
    checks.end()


main()
