#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/report.py holds the figures of a run against their bars, and notices what is below, missing or survived;
tests/fuzz_target.py notices what a fuzzer found; tests/run.sh refuses what it does not know."""
import json
import pathlib
import subprocess
import sys
import tempfile
import xml.sax.saxutils

import common

TESTS = pathlib.Path(__file__).resolve().parents[1]
PASSED = "All tests passed (7 assertions in 3 test cases)\n"
BARS = """# a comment
model   | cache       | model operations    | 100 | 1000 | all
explore | floor cache | interleavings       | 50  | 500  | all
race    | watch       | race seconds: judge | 4   | 20   | each
"""
KILLED = "killed lost wake-up by a waiter looks again\nkilled stale size by the size is exact\n"
PLANTED = "proof: cache | seeded bugs planted | 2\n"

# Output of each test (its labels, its tree); arguments of the report -> whether it passes, what it says.
MODEL, EXPLORE, RACE = "model cache", "explore floor", "race watch"
CASES = [
    ([("check", MODEL, "proof: cache | model operations | 30\n"),
      ("proof", MODEL, "proof: cache | model operations | 70\n")], "model", True,
     "| cache | model operations |      100 | 100 | met     |"),
    ([("check", MODEL, "proof: cache | model operations | 99\n")], "model", False,
     "failed: cache: model operations: 99, the bar is 100"),
    ([("check", MODEL, "")], "model", False, "failed: cache: model operations: 0, the bar is 100"),
    ([("check", MODEL, "")], "cache", False, "failed: cache: model operations: 0, the bar is 100"),
    ([("check", "unit cache", "")], "unit", True, "3 passed, 0 failed"),
    ([("check", MODEL, "proof: cache | model operations | 999\n")], "--nightly model", False,
     "failed: cache: model operations: 999, the bar is 1,000"),
    ([("check", MODEL, "proof: cache | model operations | 1000\n")], "--nightly model", True, "| met "),
    ([("proof", EXPLORE, "proof: floor | interleavings | 49\nproof: tools | interleavings | 9\n")], "explore", False,
     "failed: floor, cache: interleavings: 49, the bar is 50"),
    ([("proof", EXPLORE, "proof: floor | interleavings | 49\n"),
      ("proof", "explore cache", "proof: cache | interleavings | 1\n")], "explore", True, "| floor, cache | interleavings |       50 |  50 | met     |"),
    ([("proof", EXPLORE, "proof: floor | interleavings | 49\n")], "floor", True,
     "| floor | interleavings |       49 |"),
    ([("a", RACE, "proof: watch | race seconds: judge | 4\n"), ("b", RACE, "proof: watch | race seconds: judge | 5\n")],
     "race", True, "4 in each of 2 trees | 4 in each | met "),
    ([("a", RACE, "proof: watch | race seconds: judge | 4\n"), ("b", RACE, "proof: watch | race seconds: judge | 3\n")],
     "race", False, "failed: watch: race seconds: judge: 3 in each of 2 trees, the bar is 4 in each"),
    ([("a", RACE, "proof: watch | race seconds: judge | 8\n"), ("b", RACE, "")], "race", False,
     "race seconds: judge: 0"),
    ([("proof", "seeded cache", KILLED + PLANTED + "proof: cache | seeded bugs killed | 2\n")], "seeded", True,
     "killed lost wake-up by a waiter looks again"),
    ([("proof", "seeded cache", KILLED + PLANTED + "proof: cache | seeded bugs killed | 2\n")], "seeded", True,
     "seeded bugs: 2 killed, 0 survived"),
    ([("proof", "seeded cache", PLANTED + "proof: cache | seeded bugs killed | 1\n")], "seeded", False,
     "failed: cache: seeded bugs killed: 1, the bar is 2 planted"),
    ([("proof", "seeded cache", PLANTED)], "seeded", False,
     "failed: cache: seeded bugs killed: 0, the bar is 2 planted"),
    ([("proof", "seeded cache", KILLED + "survived split pop\n")], "seeded", False, "failed: survived split pop"),
    ([("check", MODEL, "proof: cache | model operations | 100\n")], "--without fuzz model fuzz", True,
     "3 passed, 0 failed"),
    ([], "--without fuzz fuzz", False, "fuzz: ran nothing, which is a failure"),
]


def report(folder, outputs, arguments):
    trees = dict.fromkeys(tree for tree, _, _ in outputs)
    for tree in trees:
        (folder / tree).mkdir()
        its = [(f"test {i}", labels, text) for i, (where, labels, text) in enumerate(outputs) if where == tree]
        (folder / tree / "tests.json").write_text(json.dumps({"tests": [
            {"name": name, "properties": [{"name": "LABELS", "value": labels.split()}]} for name, labels, _ in its]}))
        cases = "".join(f'<testcase name="{name}" time="1" status="run"><system-out>'
                        f"{xml.sax.saxutils.escape(text + PASSED)}</system-out></testcase>" for name, _, text in its)
        (folder / tree / "junit.xml").write_text(f"<testsuite>{cases}</testsuite>")
    (folder / "bars.txt").write_text(BARS)
    named = [word for tree in trees for word in ("--tree", tree)]
    return subprocess.run([sys.executable, "-B", TESTS / "report.py", "--build", folder, "--bars", folder / "bars.txt",
                           *named, *arguments.split()], capture_output=True, text=True)


def check_reports(checks):
    for outputs, arguments, passes, words in CASES:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            done = report(folder, outputs, arguments)
            said = done.stdout + done.stderr
            checks.check((done.returncode == 0) == passes and words in said,
                         f"report.py {arguments} on {outputs}: not {words!r}", said)
            table = [line for line in said.splitlines() if line.startswith("|")]
            kept = folder / "proof.md"
            checks.check([line for line in (kept.read_text() if kept.exists() else "").splitlines()
                          if line.startswith("|")] == table, f"report.py {arguments}: proof.md is not what is printed")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-B", TESTS / "report.py", "--build", folder, "model"],
                              capture_output=True, text=True)
    checks.check("failed: cache: model operations: 0" in done.stdout, "the bars in the tree are not read", done.stderr)


FUZZERS = [
    ("echo 'stat::number_of_executed_units: 1234'", True,
     "proof: cache | fuzz inputs | 1234\nchecks: 1 passed, 0 failed"),
    ("echo crash; touch \"${artifacts}crash-1\"; exit 77", False, "/failed/crash-1\nchecks: 0 passed, 1 failed"),
    ("echo 'stat::number_of_executed_units: 0'", False, "checks: 0 passed, 1 failed"),
    ("true", False, "checks: 0 passed, 1 failed"),
    # The first folder is the one that libFuzzer writes to.
    ("[ -n \"$(ls -A \"$first\")\" ] && exit 1; echo x >\"$first/new\"; echo 'stat::number_of_executed_units: 5'", True,
     "fuzz inputs | 5"),
]
FAKE_FUZZER = """#!/usr/bin/env bash
first=""
for argument in "$@"; do
    case "$argument" in
    -artifact_prefix=*) artifacts=${argument#*=} ;;
    -*) ;;
    *) first=${first:-$argument} ;;
    esac
done
"""


def check_fuzz_target(checks):
    for body, passes, words in FUZZERS:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "corpus").mkdir()
            (folder / "corpus" / "one").write_text("committed")
            program = folder / "fuzzer"
            program.write_text(FAKE_FUZZER + body + "\n")
            program.chmod(0o755)
            done = subprocess.run([sys.executable, "-B", TESTS / "fuzz_target.py", "--room", "cache", "--corpus",
                                   folder / "corpus", "--scratch", folder / "scratch", program],
                                  capture_output=True, text=True)
            said = done.stdout + done.stderr
            checks.check((done.returncode == 0) == passes and words in said,
                         f"fuzz_target.py of '{body}': not {words!r}", said)
            checks.check([file.name for file in (folder / "corpus").iterdir()] == ["one"],
                         "fuzz_target.py wrote to the committed corpus")


EXPLORER = """#!/usr/bin/env bash
case "$PLATEAU_REPLAY" in
"two: waits:weak:p3s2/1") printf 'explored two: waits: weak, 1 executions\\nfailed\\n'; exit 1 ;;
"two: waits:weak:p3s2/0") printf 'explored two: waits: weak, 1 executions\\n' ;;
*) echo 'All tests passed' ;;
esac
"""


def check_replay(checks):
    for asked, status, words in (("two: waits:weak:p3s2/1", 1, "1 executions\nfailed"),
                                 ("two: waits:weak:p3s2/0", 0, "1 executions"),
                                 ("two: waits:sequential:p3/1", 1, "no exploration is named 'two: waits'"),
                                 ("nothing", 1, "no exploration is named")):
        with tempfile.TemporaryDirectory() as name:
            tree = pathlib.Path(name) / "proof"
            tree.mkdir()
            program = tree / "explorer"
            program.write_text(EXPLORER)
            program.chmod(0o755)
            (tree / "tests.json").write_text(json.dumps({"tests": [
                {"name": "floor.explore", "command": [str(program)],
                 "properties": [{"name": "LABELS", "value": ["explore", "floor"]}]}]}))
            done = subprocess.run([sys.executable, "-B", TESTS / "report.py", "--build", name, "--tree", "proof",
                                   "--replay", asked], capture_output=True, text=True)
            checks.check(done.returncode == status and words in done.stdout, f"--replay '{asked}': not {words!r}",
                         done.stdout + done.stderr)


def check_arguments(checks):
    for arguments, words in ((["nothing"], "no such label: nothing"), (["explore", "--replay"], "--replay needs"),
                             (["--replay", ""], "--replay needs"), (["unit", "--replay", "a:sc:1"], "leave out unit")):
        done = subprocess.run([TESTS / "run.sh", *arguments], capture_output=True, text=True)
        checks.check(done.returncode == 2 and words in done.stderr, f"run.sh {arguments}: not {words!r}",
                     done.stdout + done.stderr)


def main():
    common.arguments(__doc__).parse_args()
    checks = common.Checks()
    check_reports(checks)
    check_fuzz_target(checks)
    check_replay(checks)
    check_arguments(checks)
    checks.end()


main()
