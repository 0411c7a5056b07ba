#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Translation units that disagree on an option must not link where a plateau type crosses between them.

The options travel in the inline namespace, so a mixed program is refused by the linker, naming the plateau type,
instead of being corrupt. The same options must link and run.
"""
import itertools
import pathlib
import subprocess
import tempfile

import common

TAKES = """
#include <plateau/stop.hpp>
bool stopped(const plateau::inplace_stop_source& source);
bool stopped(const plateau::inplace_stop_source& source) { return source.stop_requested(); }
"""
GIVES = """
#include <plateau/stop.hpp>
bool stopped(const plateau::inplace_stop_source& source);
int main() {
    plateau::inplace_stop_source source;
    return stopped(source) ? 1 : 0;
}
"""
OPTIONS = {
    "default": [],
    "no exceptions": ["-fno-exceptions"],
    "hardened": ["-DPLATEAU_HARDENED=1"],
    "address sanitizer": ["-fsanitize=address"],
    "own violation handler": ["-DPLATEAU_VIOLATION_HANDLER=on_violation", "-include", "handler.hpp"],
}
HANDLER = "inline void on_violation(const char*) noexcept {}\n"


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()
    for compiler in (common.compilers()[name] for name in ("g++", "clang++")):
        if not compiler.found:
            checks.skip(f"mixed options under {compiler.name}", compiler.why_missing)
            continue
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "handler.hpp").write_text(HANDLER)
            objects = {}
            for (index, (option, flags)), (side, text) in itertools.product(
                    enumerate(OPTIONS.items()), {"takes": TAKES, "gives": GIVES}.items()):
                source = folder / f"{side}.cpp"
                source.write_text(text)
                objects[side, option] = folder / f"{side}{index}.o"
                ok, output = compiler.run([f"-I{a.root}/include", f"-I{folder}", *flags,
                                           "-c", source, "-o", objects[side, option]])
                checks.check(ok, f"{side} with {option} under {compiler.name}", output)
            for one, other in itertools.product(OPTIONS, OPTIONS):
                program = folder / "program"
                link = ["-pthread", objects["gives", one], objects["takes", other], "-o", program]
                # With the sanitizer's runtime at hand, nothing but plateau's own names can keep a mix from linking.
                if "address sanitizer" in (one, other):
                    link.append("-fsanitize=address")
                ok, output = compiler.run(link)
                if one != other:
                    checks.check(not ok and "plateau" in output,
                                 f"{one} and {other} link into one program under {compiler.name}", output)
                elif checks.check(ok, f"{one} on both sides does not link under {compiler.name}", output):
                    checks.check(subprocess.run([program]).returncode == 0,
                                 f"{one} on both sides does not run under {compiler.name}")
    checks.end()


main()
