# SPDX-License-Identifier: MIT
"""What the lint scripts share: the tree they look at, the compilers they find, and the count they end with."""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror"]


class Checks:
    """Prints what fails and what is skipped; ends with the line that tests/report.py counts."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, ok, what, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: {what}")
            for line in detail.rstrip().splitlines()[:12]:
                print(f"    {line}")
        return ok

    def skip(self, what, why):
        self.skipped += 1
        print(f"skipped: {what}: {why}")

    def end(self):
        print(f"checks: {self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(1 if self.failed or self.passed + self.skipped == 0 else 0)


class Compiler:
    def __init__(self, name, command, why_missing):
        self.name, self.command, self.why_missing = name, command, why_missing
        self.found = shutil.which(command[0]) is not None

    def run(self, arguments, stdin=None):
        """(succeeded, everything it printed)"""
        done = subprocess.run(
            [*self.command, "-std=c++20", *map(str, arguments)],
            input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode == 0, done.stdout


def compilers():
    every = [
        Compiler("g++", ["g++"], "no g++"),
        Compiler("clang++", ["clang++"], "no clang++"),
        Compiler("libc++", ["clang++-19", "-stdlib=libc++"], "no clang++-19 with libc++"),
    ]
    libcxx = every[2]
    if libcxx.found and not libcxx.run(["-fsyntax-only", "-x", "c++", "-"], "#include <version>\nint main() {}\n")[0]:
        libcxx.found = False
    return {compiler.name: compiler for compiler in every}


def pinned_tool(tool):
    """The command for version 14 of clang-format or clang-tidy, or None: other versions say other things."""
    for name in (f"{tool}-14", tool):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            if re.search(r"version 14\.", version):
                return name
    return None


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2],
                        help="the tree to look at (default: this one)")
    return parser


def headers(root):
    """The public headers: everything in include/plateau, as one writes it in an #include."""
    include = root / "include"
    return sorted(str(path.relative_to(include)) for path in (include / "plateau").rglob("*.hpp"))
