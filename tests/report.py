#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what CTest ran, by label, from the output of the tests themselves, and holds the figures that they print
against the bars of proof_bars.txt.

usage: report.py [--tree NAME]... [--built NAME=SECONDS]... [--broken NAME]... [--skipped REASON]... [--without KIND]...
                 [--whole] [--nightly] label...
       report.py --tree NAME --replay SCHEDULE
A test case of Catch2 counts as one, as does a check of a lint or package script and an example. A label that ran
nothing, a tree that did not build, a test without a readable count, a seeded bug that survives and a figure below its
bar are failures. The figures are written to proof.md as well. The last line is the sum.
--replay has the explore tests of a tree, whose commands CTest listed, repeat the one schedule.
"""
import argparse
import collections
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped, self.seconds = passed, failed, skipped, 0.0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.seconds += other.seconds

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def count_from(output):
    """The count that a test printed about itself, or None."""
    checks = re.findall(r"^checks: (\d+) passed, (\d+) failed, (\d+) skipped$", output, re.M)
    if checks:
        return Count(*map(int, checks[-1]))
    if all_passed := re.search(r"^All tests passed \(.* in (\d+) test cases?\)", output, re.M):
        return Count(int(all_passed[1]))
    if some := re.search(r"^test cases:\s*(\d+) \|(.*)$", output, re.M):
        def part(word):
            found = re.search(rf"(\d+) {word}", some[2])
            return int(found[1]) if found else 0
        return Count(part("passed") + part("failed as expected"), part("failed(?! as)"), part("skipped"))
    return None


def selected_tests(tree):
    """(test name, labels, command) for every test of a tree that was asked for."""
    for test in json.loads((tree / "tests.json").read_text())["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        yield test["name"], properties.get("LABELS", []), test.get("command", [])


def read_tree(tree):
    """(test name, labels, count, remarks, output) for every test of a tree that CTest ran or should have run."""
    name = tree.name
    ran = {}
    report = tree / "junit.xml"
    if report.exists():
        for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
            ran[case.get("name")] = case
    for test, its_labels, _ in selected_tests(tree):
        case = ran.get(test)
        if case is None:
            yield test, its_labels, Count(failed=1), [f"{test} in {name}: CTest did not run it"], ""
            continue
        output = case.findtext("system-out") or ""
        ok = case.get("status") == "run"
        count = count_from(output)
        remarks = [f"{test} in {name}: {line}" for line in re.findall(r"^skipped: .*$", output, re.M)]
        if count is None and "examples" in its_labels:
            count = Count(passed=int(ok), failed=int(not ok))
        elif count is None:
            count = Count(failed=1)
            remarks.append(f"{test} in {name}: it ended without a count")
        elif not ok and count.failed == 0:
            count.failed = 1
            remarks.append(f"{test} in {name}: it failed after its last test")
        elif ok and count.failed == 0 and count.passed + count.skipped == 0:
            count.failed = 1
            remarks.append(f"{test} in {name}: it ran nothing")
        count.seconds = float(case.get("time") or 0)
        yield test, its_labels, count, remarks, output


@dataclasses.dataclass
class Bar:
    kind: str
    rooms: list
    figure: str
    least: int
    in_each_tree: bool


def read_bars(file, nightly):
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            kind, rooms, figure, ordinary, night, over = (cell.strip() for cell in line.split("|"))
            least = int(night if nightly else ordinary)
            if least > 0:
                yield Bar(kind, rooms.split(), figure, least, over == "each")


class Proof:
    """The figures of a run, by room and name and then by tree, and the table of them."""

    def __init__(self):
        self.figures = collections.defaultdict(collections.Counter)
        self.rows, self.failures = [], []

    def read(self, tree, output):
        for room, figure, number in re.findall(r"^proof: (.+?) \| (.+?) \| (\d+)$", output, re.M):
            self.figures[room, figure][tree] += int(number)

    def row(self, rooms, figure, number, bar, met):
        verdict = "" if met is None else "met" if met else "missing" if number == "0" else "below"
        self.rows.append((", ".join(rooms), figure, number, bar, verdict))
        if met is False:
            self.failures.append(f"{', '.join(rooms)}: {figure}: {number}, the bar is {bar}")

    def judge(self, bar, race_trees):
        by_tree = sum((self.figures.get((room, bar.figure), collections.Counter()) for room in bar.rooms),
                      collections.Counter())
        if bar.in_each_tree:
            seen = [by_tree[tree] for tree in race_trees] or [0]
            number = f"{min(seen):,} in each of {len(seen)} trees" if min(seen) else "0"
            self.row(bar.rooms, bar.figure, number, f"{bar.least:,} in each", min(seen) >= bar.least)
        else:
            self.row(bar.rooms, bar.figure, f"{by_tree.total():,}", f"{bar.least:,}", by_tree.total() >= bar.least)

    def make_table(self, bars, labels, without, trees_of_kind):
        barred = set()
        for bar in bars:
            asked = bar.kind in labels or set(bar.rooms) <= labels
            if asked and bar.kind not in without:
                self.judge(bar, trees_of_kind[bar.kind])
                barred |= {(room, bar.figure) for room in bar.rooms} if len(bar.rooms) == 1 else set()
        total = {what: by_tree.total() for what, by_tree in sorted(self.figures.items())}
        planted = {(room, figure.replace(" planted", " killed")): number
                   for (room, figure), number in total.items() if figure.endswith(" planted")}
        for what, number in planted.items():
            killed = total.get(what, 0)
            self.row([what[0]], what[1], f"{killed:,}", f"{number:,} planted", killed == number)
        for what, number in total.items():
            if what not in barred and what not in planted and not what[1].endswith(" planted"):
                self.row([what[0]], what[1], f"{number:,}", "", None)

    def markdown(self, nightly):
        head = ("room", "figure", "this run", "bar", "verdict")
        table = [head, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(head))]

        def line(row):
            cells = (cell.rjust(w) if i in (2, 3) else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths)))
            return "| " + " | ".join(cells) + " |"

        dashes = "|" + "|".join(("-" * (w + 1) + ":") if i in (2, 3) else "-" * (w + 2)
                                for i, w in enumerate(widths)) + "|"
        length = "nightly" if nightly else "ordinary"
        return "\n".join([f"Figures of this run (bars of the {length} run):", "", line(head), dashes,
                          *map(line, self.rows)])


class SeededBugs:
    """What the tests of the seeded bugs printed: `killed <bug> by <test>`, `survived <bug>`."""

    def __init__(self):
        self.killed, self.survived = [], []

    def read(self, output):
        self.killed += re.findall(r"^killed .+? by .+$", output, re.M)
        self.survived += re.findall(r"^survived .+$", output, re.M)


def replay(tree, asked):
    """Has the explore tests of a tree repeat one schedule, and shows what those that know its scenario say of it.
    Returns: the exit status."""
    name, _, mode = asked.rpartition(":")[0].rpartition(":")
    known, status = False, 0
    for _, labels, command in selected_tests(tree):
        if "explore" not in labels or not command:
            continue
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", env={**os.environ, "PLATEAU_REPLAY": asked})
        if f"explored {name}: {mode}," in done.stdout or done.returncode < 0:
            print(done.stdout)
            known, status = True, status or done.returncode
    if not known:
        print(f"failed: no exploration is named '{name}' and has a mode '{mode}'")
    return 1 if status or not known else 0


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build")
    arguments.add_argument("--bars", type=pathlib.Path, default=HERE / "proof_bars.txt")
    for option in ("tree", "built", "broken", "skipped", "without"):
        arguments.add_argument(f"--{option}", action="append", default=[])
    for option in ("whole", "nightly"):
        arguments.add_argument(f"--{option}", action="store_true")
    arguments.add_argument("--replay")
    arguments.add_argument("label", nargs="*")
    a = arguments.parse_args()
    if a.replay:
        return replay(a.build / a.tree[0], a.replay)

    total, by_label, remarks, failures = Count(), {label: Count() for label in a.label}, [], []
    proof, bugs, trees_of_kind = Proof(), SeededBugs(), collections.defaultdict(list)
    for tree in a.tree:
        for test, labels, count, its_remarks, output in read_tree(a.build / tree):
            total.add(count)
            remarks += its_remarks
            proof.read(tree, output)
            bugs.read(output)
            if count.failed:
                failures.append(f"{test} in {tree}")
            for label in set(labels) & by_label.keys():
                by_label[label].add(count)
            for label in labels:
                if tree not in trees_of_kind[label]:
                    trees_of_kind[label].append(tree)

    for line in [] if a.whole else bugs.killed:
        print(line)
    if bugs.killed or bugs.survived:
        print(f"seeded bugs: {len(bugs.killed)} killed, {len(bugs.survived)} survived")
    proof.make_table(list(read_bars(a.bars, a.nightly)), set(a.label), set(a.without), trees_of_kind)
    if proof.rows:
        table = proof.markdown(a.nightly)
        print(f"\n{table}\n")
        (a.build / "proof.md").write_text(f"{table}\n", encoding="utf-8")

    for built in a.built:
        tree, seconds = built.split("=")
        print(f"build of {tree}: {seconds} s")
    for label, count in by_label.items():
        if label in a.without and total.passed:
            continue
        if count.passed + count.failed == 0:
            total.failed += 1
            print(f"{label}: ran nothing, which is a failure")
        else:
            print(f"{label}: {count}, {count.seconds:.1f} s")
    for remark in remarks:
        print(remark)
    for tree in a.broken:
        total.failed += 1
        print(f"failed: the build of {tree}")
    for failure in failures:
        print(f"failed: {failure}")
    for bug in bugs.survived:
        total.failed += 1
        print(f"failed: {bug}")
    for failure in proof.failures:
        total.failed += 1
        print(f"failed: {failure}")
    for reason in a.skipped:
        total.skipped += 1
        print(f"skipped: {reason}")
    print(total)
    return 1 if total.failed else 0


sys.exit(main())
