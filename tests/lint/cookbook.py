#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The programs of the cookbook compile as they stand, run and end with 0.

Every ```cpp block of docs/cookbook/*.md is a program. All of them are compiled as one, each in a namespace of its own,
since most of the time goes into reading the headers; `--only PAGE` takes those of one page. What a program ends with is
that of its page and number in the page.
"""
import os
import pathlib
import re
import subprocess
import tempfile

import common

NIGHTLY = os.environ.get("PLATEAU_PROOF_SCALE", "1") != "1"
INCLUDE = re.compile(r"^#include .*\n", re.M)
MAIN = re.compile(r"^int main\(\) \{", re.M)


def programs(page):
    """(line, text) of each block."""
    text = page.read_text(encoding="utf-8")
    return [(text[:block.start()].count("\n") + 2, block[1])
            for block in re.finditer(r"^```cpp\n(.*?)^```", text, re.M | re.S)]


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--only", default="", help="only the pages whose name contains this")
    a = parser.parse_args()
    checks = common.Checks()
    pages = [page for page in sorted((a.root / "docs" / "cookbook").glob("*.md")) if a.only in page.name]
    checks.check(pages, "docs/cookbook: no page")
    includes, bodies, calls = set(), [], []
    for page in pages:
        found = programs(page)
        checks.check(found, f"{page.name}: no ```cpp block")
        for line, program in found:
            if not checks.check(len(MAIN.findall(program)) == 1, f"{page.name}:{line}: not one `int main() {{`"):
                continue
            name = f"recipe_{len(calls)}"
            includes.update(INCLUDE.findall(program))
            # A main without a return ends with 0; another function has to say so.
            body = MAIN.sub("int program() {", INCLUDE.sub("\n", program)).rstrip().removesuffix("}") + "return 0; }\n"
            bodies.append(f'namespace {name} {{\n#line {line} "{page.name}"\n{body}}}\n')
            calls.append(f'    if (const int code = {name}::program()) '
                         f'return std::printf("{page.name}:{line} ends with %d\\n", code), 1;\n')
    source = "".join(sorted(includes | {"#include <cstdio>\n"})) + "".join(bodies)
    source += "int main() {\n" + "".join(calls) + "}\n"
    for compiler in common.compilers().values():
        if compiler.name != "g++" and not NIGHTLY:
            continue
        if not compiler.found:
            checks.skip(f"the cookbook under {compiler.name}", compiler.why_missing)
            continue
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "cookbook"
            flags = [*common.STRICT, "-pthread", f"-I{a.root}/include", "-x", "c++", "-", "-o", program]
            ok, output = compiler.run(flags, source)
            if checks.check(ok, f"docs/cookbook does not compile under {compiler.name}", output):
                ran = subprocess.run([program], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                     timeout=60)
                checks.check(ran.returncode == 0,
                             f"docs/cookbook ends with {ran.returncode} under {compiler.name}", ran.stdout + ran.stderr)
    checks.end()


main()
