#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What must not compile, and the sentence the user must see.

Each must_not_compile/*.cpp compiles as it stands, and holds mistakes behind macros, with a line
`// expect MACRO: REGEX` for each. With -DMACRO every compiler must refuse it with a matching error or note, so that it
is that mistake which is refused and nothing else. A diagnostic that is the compiler's own is worded by each in its own
way: REGEX covers both. The nightly run asks both; the ordinary one asks clang only whether the cases compile.
"""
import os
import pathlib
import re
import tempfile

import common


NIGHTLY = os.environ.get("PLATEAU_PROOF_SCALE", "1") != "1"


def precompiled(a, compiler, scratch):
    """Flags with which all headers are read from one file compiled before: most of a refusal's time is reading."""
    everything = scratch / "everything.hpp"
    everything.write_text("".join(f"#include <{header}>\n" for header in common.headers(a.root)))
    made, _ = compiler.run([f"-I{a.root}/include", f"-I{a.root}/tests", *common.STRICT, "-x", "c++-header", everything,
                            "-o", scratch / "everything.hpp.gch"])
    return ["-include", everything] if made else []


def check_case(a, checks, compiler, case, early, ask_mistakes):
    text = case.read_text(encoding="utf-8")
    expected = dict(re.findall(r"^// expect (\w+): (.+)$", text, re.M))
    checks.check(expected, f"{case.name}: no line `// expect MACRO: REGEX`")
    macros = set(re.findall(r"defined\((\w+)\)", text))
    checks.check(macros == expected.keys(), f"{case.name}: {macros ^ expected.keys()} not expected or not there")
    flags = [f"-I{a.root}/include", f"-I{a.root}/tests", *common.STRICT, "-fsyntax-only"]
    ok, output = compiler.run([*flags, case])
    checks.check(ok, f"{case.name}: does not compile without a mistake under {compiler.name}", output)
    for macro, sentence in expected.items() if ask_mistakes else ():
        ok, output = compiler.run([*flags, *early, case, f"-D{macro}"])
        if checks.check(not ok, f"{case.name}: {macro} compiles under {compiler.name}"):
            said = [line for line in output.splitlines() if "error" in line or "note" in line]
            checks.check(any(re.search(sentence, line) for line in said),
                         f"{case.name}: of {macro}, {compiler.name} does not say '{sentence}'", output)


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--cases", help="the folder of the cases, in place of the tree's own")
    a = parser.parse_args()
    checks = common.Checks()
    folder = a.root / "tests/lint/must_not_compile" if a.cases is None else pathlib.Path(a.cases)
    for compiler in (common.compilers()[name] for name in ("g++", "clang++")):
        if not compiler.found:
            checks.skip(f"what must not compile, under {compiler.name}", compiler.why_missing)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            early = precompiled(a, compiler, pathlib.Path(scratch)) if compiler.name == "g++" else []
            for case in sorted(folder.glob("*.cpp")):
                check_case(a, checks, compiler, case, early, compiler.name == "g++" or NIGHTLY or a.cases is not None)
    checks.end()


main()
