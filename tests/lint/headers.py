#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every public header under one compiler, with strict warnings as errors.

alone        each header is the only one in its translation unit (g++; the nightly run adds libc++)
twice        two translation units with all headers, in opposite orders, link into one program that runs
hostile      after all standard headers, with min, max and other macros of platform headers defined
options      without exceptions, without RTTI, hardened; the main types are instantiated (uses.hpp). One at a time
             under g++, and every night under all
refused      without exceptions, wrong options end the program with their sentence on a line of its own
"""
import os
import pathlib
import tempfile

import common

STANDARD = """
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits
clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint
cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format forward_list fstream
functional future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory
memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator semaphore
set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string string_view strstream
syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray
variant vector version
""".split()
# Macros that <windows.h>, <sys/sysmacros.h>, X11, <AssertMacros.h> and Unix compilers define.
HOSTILE = """
min(a,b) max(a,b) small near far interface major(x) minor(x) makedev(x,y) linux unix None Bool Status check(x)
verify(x) assert(x) ERROR IN OUT OPTIONAL
""".split()


def standard_block():
    skipped = {"codecvt", "strstream"}      # deprecated: including them warns
    return "".join(f"#if __has_include(<{h}>)\n#include <{h}>\n#endif\n" for h in STANDARD if h not in skipped)


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--compiler", required=True, choices=["g++", "clang++", "libc++"])
    parser.add_argument("--only", default="", help="only the checks whose name contains this")
    a = parser.parse_args()
    checks = common.Checks()
    compiler = common.compilers()[a.compiler]
    if not compiler.found:
        checks.skip(f"headers under {compiler.name}", compiler.why_missing)
        checks.end()
    found = common.headers(a.root)
    include = [f"-I{a.root}/include", *common.STRICT, "-pthread"]
    includes = "".join(f"#include <{header}>\n" for header in found)
    backwards = "".join(f"#include <{header}>\n" for header in reversed(found))
    uses = f'#include "{a.root}/tests/lint/uses.hpp"\n'
    program = includes + uses + "int main() { return use_plateau(); }\n"

    def syntax(what, source, *flags):
        if a.only not in what:
            return
        ok, output = compiler.run([*include, *(flags or ["-fsyntax-only"]), "-x", "c++", "-"], source)
        checks.check(ok, f"{what} under {compiler.name}", output)

    # clang++ reads the standard library that g++ has; libc++ takes a minute, which the nightly run has.
    nightly = os.environ.get("PLATEAU_PROOF_SCALE", "1") != "1"
    if a.compiler == "g++" or (a.compiler == "libc++" and (nightly or a.only)):
        for header in found:
            syntax(f"{header} alone", f"#include <{header}>\n")

    macros = "".join(f"#undef {macro.split('(')[0]}\n#define {macro} plateau_must_not_meet_this_macro\n"
                     for macro in HOSTILE)
    syntax("all headers after the standard ones, with hostile macros", standard_block() + macros + includes)
    if a.compiler == "g++" or nightly or a.only:
        syntax("all headers without exceptions", program, "-fsyntax-only", "-fno-exceptions")
        syntax("all headers without RTTI", program, "-fsyntax-only", "-fno-rtti")
    syntax("all headers without exceptions and RTTI, hardened", program,
           "-fsyntax-only", "-fno-exceptions", "-fno-rtti", "-DPLATEAU_HARDENED=1")
    syntax("all headers, hardened", program, "-fsyntax-only", "-DPLATEAU_HARDENED=1")
    # Some warnings are the optimiser's, so this one generates code.
    syntax("all headers, optimised", program, "-O2", "-S", "-o", "/dev/null")

    # Not in a tree that holds a few headers, as the lints of the lints make.
    refused = "wrong options without exceptions"
    if a.only in refused and (a.root / "include/plateau/detail/contract.hpp").exists():
        with tempfile.TemporaryDirectory() as folder:
            wrong = ("#include <plateau/detail/contract.hpp>\n"
                     'int main() { plateau::detail::require_option(false, "some_options: a sentence"); }\n')
            built = pathlib.Path(folder) / "refused"
            ok, output = compiler.run([*include, "-fno-exceptions", "-x", "c++", "-", "-o", built], wrong)
            if checks.check(ok, f"{refused} under {compiler.name}", output):
                ended = common.subprocess.run([built], capture_output=True, text=True)
                checks.check(ended.returncode != 0 and ended.stderr.startswith("plateau: some_options: a sentence\n"),
                             f"{refused} are not said on one line under {compiler.name}", ended.stderr)
    if a.only not in "all headers twice in one program":
        checks.end()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        declared = "int other();\n"
        (folder / "one.cpp").write_text(f"{includes}{uses}{declared}int main() {{ return use_plateau() + other(); }}\n")
        (folder / "two.cpp").write_text(f"{backwards}{uses}{declared}int other() {{ return use_plateau(); }}\n")
        ok, output = compiler.run([*include, folder / "one.cpp", folder / "two.cpp", "-o", folder / "twice"])
        if checks.check(ok, f"all headers twice in one program under {compiler.name}", output):
            checks.check(common.subprocess.run([folder / "twice"]).returncode == 0,
                         f"the program with all headers twice, under {compiler.name}, does not exit 0")
    checks.end()


main()
