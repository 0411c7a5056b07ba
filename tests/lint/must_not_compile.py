#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What must not compile, and the sentence the user must see.

Each must_not_compile/*.cpp holds one mistake, in an #if !defined(CONTROL) part, and a line `// expect: REGEX`. The file
must be refused by every compiler with a matching line, and must compile with -DCONTROL, so that it is the mistake that
is refused and nothing else. A diagnostic that is the compiler's own is worded by each in its own way: REGEX covers both.
"""
import re

import common


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--cases", help="the folder of the cases, in place of the tree's own")
    a = parser.parse_args()
    checks = common.Checks()
    folder = a.root / "tests/lint/must_not_compile" if a.cases is None else common.pathlib.Path(a.cases)
    cases = sorted(folder.glob("*.cpp"))
    for compiler in (common.compilers()[name] for name in ("g++", "clang++")):
        if not compiler.found:
            checks.skip(f"what must not compile, under {compiler.name}", compiler.why_missing)
            continue
        for case in cases:
            expect = re.search(r"^// expect: (.+)$", case.read_text(encoding="utf-8"), re.M)
            if not checks.check(expect, f"{case.name}: no line `// expect: REGEX`"):
                continue
            flags = [f"-I{a.root}/include", *common.STRICT, "-fsyntax-only", case]
            ok, output = compiler.run(flags)
            checks.check(not ok, f"{case.name} compiles under {compiler.name}")
            errors = [line for line in output.splitlines() if "error" in line or "note" in line]
            checks.check(ok or any(re.search(expect[1], line) for line in errors),
                         f"{case.name}: {compiler.name} does not say '{expect[1]}'", output)
            ok, output = compiler.run([*flags, "-DCONTROL"])
            checks.check(ok, f"{case.name}: the control part does not compile under {compiler.name}", output)
    checks.end()


main()
