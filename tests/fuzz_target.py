#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs one libFuzzer program for a while and ends with the count that tests/report.py reads.

usage: fuzz_target.py --room ROOM --corpus FOLDER --scratch FOLDER PROGRAM
It starts from the committed corpus, which it only reads; new inputs and the input of a failure go below --scratch.
PLATEAU_PROOF_SCALE makes it longer, PLATEAU_TEST_SEED takes a seed back.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

SECONDS = 10


def main():
    arguments = argparse.ArgumentParser()
    for option in ("--room", "--corpus", "--scratch"):
        arguments.add_argument(option, required=True)
    arguments.add_argument("program")
    a = arguments.parse_args()
    seconds = SECONDS * int(os.environ.get("PLATEAU_PROOF_SCALE") or 1)
    found, failed = pathlib.Path(a.scratch, "found"), pathlib.Path(a.scratch, "failed")
    shutil.rmtree(found, ignore_errors=True)
    for folder in (found, failed):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(failed.iterdir())

    command = [a.program, f"-max_total_time={seconds}", "-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1",
               f"-artifact_prefix={failed}/"]
    if seed := os.environ.get("PLATEAU_TEST_SEED"):
        command.append(f"-seed={int(seed) % 2**32}")
    # libFuzzer writes to the first folder only.
    done = subprocess.run([*command, found, a.corpus], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    inputs = re.findall(r"^stat::number_of_executed_units:\s*(\d+)$", done.stdout, re.M)
    ok = done.returncode == 0 and inputs and int(inputs[-1]) > 0
    print("\n".join(done.stdout.splitlines()[-8 if ok else -80:]))
    for artefact in sorted(set(failed.iterdir()) - before):
        print(f"failed: to see it again: {a.program} {artefact}")
    if inputs:
        print(f"proof: {a.room} | fuzz inputs | {inputs[-1]}")
    print(f"checks: {int(bool(ok))} passed, {int(not ok)} failed, 0 skipped")
    return 0 if ok else 1


sys.exit(main())
