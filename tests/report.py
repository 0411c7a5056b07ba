#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what CTest ran, by label, from the output of the tests themselves.

usage: report.py [--tree NAME]... [--built NAME=SECONDS]... [--broken NAME]... [--skipped REASON]... label...
A test case of Catch2 counts as one, as does a check of a lint or package script and an example. A label that ran
nothing, a tree that did not build and a test without a readable count are failures. The last line is the sum.
"""
import argparse
import json
import pathlib
import re
import sys
import xml.etree.ElementTree


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


def read_tree(tree):
    """(test name, labels, count, remarks) for every test of a tree that CTest ran or should have run."""
    name = tree.name
    labels = {}
    for test in json.loads((tree / "tests.json").read_text())["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        labels[test["name"]] = properties.get("LABELS", [])
    ran = {}
    report = tree / "junit.xml"
    if report.exists():
        for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
            ran[case.get("name")] = case
    for test, its_labels in labels.items():
        case = ran.get(test)
        if case is None:
            yield test, its_labels, Count(failed=1), [f"{test} in {name}: CTest did not run it"]
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
        yield test, its_labels, count, remarks


def main():
    arguments = argparse.ArgumentParser()
    here = pathlib.Path(__file__).resolve()
    arguments.add_argument("--build", type=pathlib.Path, default=here.parents[1] / "build")
    for option in ("tree", "built", "broken", "skipped"):
        arguments.add_argument(f"--{option}", action="append", default=[])
    arguments.add_argument("label", nargs="+")
    a = arguments.parse_args()

    total, by_label, remarks, failures = Count(), {label: Count() for label in a.label}, [], []
    for tree in a.tree:
        for test, labels, count, its_remarks in read_tree(a.build / tree):
            total.add(count)
            remarks += its_remarks
            if count.failed:
                failures.append(f"{test} in {tree}")
            for label in set(labels) & by_label.keys():
                by_label[label].add(count)

    for built in a.built:
        tree, seconds = built.split("=")
        print(f"build of {tree}: {seconds} s")
    for label, count in by_label.items():
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
    for reason in a.skipped:
        total.skipped += 1
        print(f"skipped: {reason}")
    print(total)
    return 1 if total.failed else 0


sys.exit(main())
