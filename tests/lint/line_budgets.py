#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an #include costs its user: preprocessed lines from outside plateau (g++, -E -P) against a budget.

The budgets are thousands of lines on g++ 12's standard library; 5 % of slack covers another patch level. fwd.hpp is
measured against <unordered_map> of the same library.
"""
import common

BUDGETS = {"plateau/cache.hpp": 50_000, "plateau/gate.hpp": 40_000, "plateau/plateau.hpp": 64_000}
FWD_SHARE = 0.3
SLACK = 1.05


def preprocessed(compiler, root, header):
    """(lines from outside plateau, lines of plateau's own); blank lines do not count, as with -P."""
    ok, output = compiler.run([f"-I{root}/include", "-pthread", "-E", "-x", "c++", "-"], f"#include <{header}>\n")
    if not ok:
        raise RuntimeError(output)
    own_prefix = f'"{root}/include/plateau/'
    outside = own = 0
    in_own = False
    for line in output.splitlines():
        if line.startswith("# "):
            in_own = line.split(" ", 2)[2].startswith(own_prefix)
        elif line.strip():
            own += in_own
            outside += not in_own
    return outside, own


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--budget", type=int, help="one budget for every header, in place of the table")
    a = parser.parse_args()
    checks = common.Checks()
    compiler = common.compilers()["g++"]
    if not compiler.found:
        checks.skip("line budgets", compiler.why_missing)
        checks.end()
    found = common.headers(a.root)
    yardstick, _ = preprocessed(compiler, a.root, "unordered_map")
    budgets = {header: a.budget if a.budget is not None else lines for header, lines in BUDGETS.items()}
    budgets["plateau/fwd.hpp"] = int(FWD_SHARE * yardstick)
    for header, budget in budgets.items():
        if header not in found:
            checks.check(False, f"{header}: has a budget and is not there")
            continue
        outside, own = preprocessed(compiler, a.root, header)
        print(f"{header}: {outside} lines from outside (budget {budget}), {own} of its own")
        checks.check(outside <= SLACK * budget, f"{header}: {outside} lines from outside, budget {budget}")
    checks.end()


main()
