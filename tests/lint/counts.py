#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/report.py counts what ran, and nothing that did not run passes."""
import json
import pathlib
import subprocess
import sys
import tempfile
import xml.sax.saxutils

import common

CATCH = "All tests passed (7 assertions in 3 test cases)\n"
# What the test is, whether it ended well, what it printed, labels asked for -> status and last line of the report.
CASES = [
    ("unit", True, CATCH, "unit", 0, "3 passed, 0 failed"),
    ("unit", True, "All tests passed (1 assertion in 1 test case)\n", "unit", 0, "1 passed, 0 failed"),
    ("unit", False, "test cases: 5 | 3 passed | 2 failed\n", "unit", 1, "3 passed, 2 failed"),
    ("unit", True, "test cases: 5 | 4 passed | 1 failed as expected\n", "unit", 0, "5 passed, 0 failed"),
    ("unit", True, "test cases: 5 | 4 passed | 1 skipped\n", "unit", 0, "4 passed, 0 failed, 1 skipped"),
    ("unit", False, "No test cases matched '[unit]'\nNo tests ran\n", "unit", 1, "0 passed, 1 failed"),
    ("unit", True, "No tests ran\n", "unit", 1, "0 passed, 1 failed"),
    ("unit", False, "terminate called\n", "unit", 1, "0 passed, 1 failed"),
    ("unit", False, CATCH + "ERROR: LeakSanitizer: detected memory leaks\n", "unit", 1, "3 passed, 1 failed"),
    ("unit", None, "", "unit", 1, "0 passed, 1 failed"),
    ("unit", True, CATCH, "unit model", 1, "3 passed, 1 failed"),
    ("lint", True, "checks: 4 passed, 0 failed, 2 skipped\n", "lint", 0, "4 passed, 0 failed, 2 skipped"),
    ("lint", True, "checks: 0 passed, 0 failed, 0 skipped\n", "lint", 1, "0 passed, 1 failed"),
    ("unit examples", True, "hello\n", "examples", 0, "1 passed, 0 failed"),
    ("unit examples", False, "hello\n", "examples", 1, "0 passed, 1 failed"),
]


def main():
    common.arguments(__doc__).parse_args()
    checks = common.Checks()
    for labels, ok, output, asked, status, last in CASES:
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder) / "check"
            tree.mkdir()
            (tree / "tests.json").write_text(json.dumps(
                {"tests": [{"name": "one", "properties": [{"name": "LABELS", "value": labels.split()}]}]}))
            if ok is not None:
                (tree / "junit.xml").write_text(
                    f'<testsuite><testcase name="one" time="1" status="{"run" if ok else "fail"}">'
                    f"<system-out>{xml.sax.saxutils.escape(output)}</system-out></testcase></testsuite>")
            done = subprocess.run(
                [sys.executable, "-B", pathlib.Path(__file__).resolve().parents[1] / "report.py", "--build", folder,
                 "--bars", "/dev/null", "--tree", "check", *asked.split()], capture_output=True, text=True)
            said = (done.stdout + done.stderr).splitlines()
            checks.check(done.returncode == status and said[-1:] == [last],
                         f"{labels}, ended {ok}, {output.strip()!r}: not {last!r}", "\n".join(said))
    for option in (["--broken", "check"], ["--skipped", "g++: none"]):
        done = subprocess.run([sys.executable, "-B", pathlib.Path(__file__).resolve().parents[1] / "report.py", *option,
                               "unit"], capture_output=True, text=True)
        checks.check(done.returncode == 1, f"{option}: a label that ran nothing is no failure", done.stdout)
    checks.end()


main()
