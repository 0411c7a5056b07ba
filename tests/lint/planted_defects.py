#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A check that cannot fail proves nothing: each lint script passes on a small clean tree, and fails, with the right
words, once a defect is planted in it."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import common

HERE = pathlib.Path(__file__).resolve().parent
SPDX = "// SPDX-License-Identifier: MIT\n"


def header(body, includes=""):
    return f"{SPDX}#pragma once\n{includes}\n{body}\n"


OPTION_TAG = """#if defined(__SANITIZE_ADDRESS__)
#define TAG p
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TAG p
#endif
#endif
#if !defined(TAG)
#define TAG o
#endif
#if defined(__cpp_exceptions)
#define EXCEPTIONS x
#else
#define EXCEPTIONS n
#endif
#if PLATEAU_HARDENED + 0
#define HARDENED h
#else
#define HARDENED o
#endif
#if defined(PLATEAU_VIOLATION_HANDLER)
#define HANDLER u
#else
#define HANDLER o
#endif
#define JOIN(a, b, c, d) v_##a##b##c##d
#define NAME(a, b, c, d) JOIN(a, b, c, d)
"""
STOP = OPTION_TAG + """namespace plateau { inline namespace NAME(EXCEPTIONS, HARDENED, TAG, HANDLER) {
struct inplace_stop_source { bool stop_requested() const { return false; } };
} }
"""

CLEAN = {
    "include/plateau/version.hpp": header('#define PLATEAU_VERSION_MAJOR 1\n#define PLATEAU_VERSION_MINOR 2\n'
                                          '#define PLATEAU_VERSION_PATCH 3\n#define PLATEAU_VERSION_STRING "1.2.3"'),
    "include/plateau/cache.hpp": header("", "#include <plateau/detail/one.hpp>\n"),
    "include/plateau/gate.hpp": header("", "#include <plateau/detail/one.hpp>\n"),
    "include/plateau/channel.hpp": header("", "#include <plateau/detail/one.hpp>\n"),
    "include/plateau/arena.hpp": header("", "#include <plateau/arena/request_arena.hpp>\n"),
    "include/plateau/arena/request_arena.hpp": header("", "#include <plateau/detail/one.hpp>\n"),
    "include/plateau/fwd.hpp": header("namespace plateau {\nclass cache;\n}"),
    "include/plateau/plateau.hpp": header("", "#include <plateau/cache.hpp>\n"),
    "include/plateau/stop.hpp": header(STOP),
    "include/plateau/detail/one.hpp": header("namespace plateau {\ninline int one() { return 1; }\n}"),
    "CHANGELOG.md": "# Changelog\n\n## [1.2.3] - 2026-01-01\n",
    "vcpkg.json": '{"version-semver": "1.2.3"}',
    "packaging/vcpkg/vcpkg.json": '{"version-semver": "1.2.3"}',
    "conanfile.py": "load(version.hpp)\n",
    "README.md": "```cpp\n#include <plateau/cache.hpp>\nint main() { return plateau::one() - 1; }\n```\n",
    "docs/cookbook/page.md": "# Page\n\n```cpp\n#include <plateau/cache.hpp>\nint main() {\n}\n```\n",
    "tests/cases/refused.cpp": SPDX + "// expect WRONG: negative\n#if defined(WRONG)\nint wrong[-1];\n#endif\n",
    "examples/one.cpp": SPDX + "int main() {}\n",
    "bench/one.cpp": SPDX + "int main() {}\n",
    "tests/run.sh": "#!/usr/bin/env bash\n# SPDX-License-Identifier: MIT\nset -euo pipefail\necho hello\n",
    "tests/lint/uses.hpp": SPDX + "#pragma once\nstatic int use_plateau() { return 0; }\n",
}
ONE = "include/plateau/detail/one.hpp"
CACHE = "include/plateau/cache.hpp"
GCC, CLANG, LIBCXX = (f"headers.py --compiler {name} --only" for name in ("g++", "clang++", "libc++"))

# script and its arguments; what is planted: file -> new text; words of the failure
DEFECTS = [
    ("include_edges.py", {CACHE: header("", "#include <plateau/gate.hpp>\n")}, "may not include plateau/gate.hpp"),
    ("include_edges.py", {ONE: header("", "#include <plateau/cache.hpp>\n")}, "may not include plateau/cache.hpp"),
    ("include_edges.py", {ONE: header("", "#include <map>\n")}, "may not include <map>"),
    ("include_edges.py", {ONE: header("", "#  include <functional>\n")}, "may not include <functional>"),
    ("include_edges.py", {ONE: header("", '#include "two.hpp"\n')}, "<plateau/...> is the form"),
    ("include_edges.py", {ONE: header("", "#include <plateau/two.hpp>\n")}, "which is not there"),
    ("include_edges.py", {ONE: header("#ifdef NDEBUG\n#endif")}, "depends on NDEBUG"),
    ("include_edges.py", {ONE: header("inline void f(int x) { assert(x); }")}, "uses assert()"),
    ("include_edges.py", {ONE: SPDX + "int one();\n"}, "no #pragma once"),
    ("include_edges.py", {"include/plateau/attic/x.hpp": header("")}, "a folder of no floor"),
    (f"{GCC} alone", {ONE: header("inline std::size_t one() { return 1; }")}, "one.hpp alone under g++"),
    (f"{GCC} alone", {ONE: header("inline int one() { int unused; return 1; }")}, "unused variable"),
    (f"{GCC} alone", {ONE: header("inline short one(int x) { short y{0}; y = x; return y; }")}, "-Werror=conversion"),
    (f"{GCC} twice", {ONE: header("int one() { return 1; }")}, "twice in one program"),
    (f"{GCC} hostile", {ONE: header("inline int one() { return std::numeric_limits<int>::max(); }",
                                    "#include <limits>\n")}, "hostile macros"),
    (f"{GCC} exceptions", {ONE: header("inline void one() { throw 1; }")}, "without exceptions under g++"),
    (f"{GCC} RTTI", {ONE: header("inline bool one(int& x) { return typeid(x) == typeid(int); }",
                                 "#include <typeinfo>\n")}, "without RTTI under g++"),
    (f"{CLANG} hostile", {ONE: header("class one { int unused_ = 1; };")}, "unused-private-field"),
    (f"{LIBCXX} alone", {ONE: header("inline std::size_t one(std::string_view s) { return s.size(); }",
                                     "#include <typeinfo>\n")}, "one.hpp alone under libc++"),
    ("line_budgets.py", {CACHE: header("", "#include <regex>\n#include <iostream>\n")}, "cache.hpp: "),
    ("line_budgets.py", {"include/plateau/fwd.hpp": header("", "#include <vector>\n")}, "fwd.hpp: "),
    ("mixed_options.py", {"include/plateau/stop.hpp": header(STOP.replace("b##c##d", "b##d"))},
     "default and address sanitizer link into one program"),
    ("mixed_options.py", {"include/plateau/stop.hpp": header(STOP.replace("NAME(E", "v1 { } inline namespace v2 {//"))},
     "default and hardened link into one program"),
    ("must_not_compile.py --cases tests/cases",
     {"tests/cases/refused.cpp": SPDX + "// expect WRONG: negative\n#if defined(WRONG)\n#endif\n"},
     "refused.cpp: WRONG compiles under g++"),
    ("must_not_compile.py --cases tests/cases",
     {"tests/cases/refused.cpp": SPDX + "// expect WRONG: no such words\n#if defined(WRONG)\nint wrong[-1];\n#endif\n"},
     "does not say 'no such words'"),
    ("must_not_compile.py --cases tests/cases",
     {"tests/cases/refused.cpp": SPDX + "// expect WRONG: negative\nint wrong[-1];\n#if defined(WRONG)\n#endif\n"},
     "does not compile without a mistake"),
    ("must_not_compile.py --cases tests/cases",
     {"tests/cases/refused.cpp": SPDX + "#if defined(WRONG)\nint wrong[-1];\n#endif\n"}, "no line `// expect"),
    ("version.py", {"vcpkg.json": '{"version-semver": "1.2.4"}'}, "vcpkg.json: version-semver is 1.2.4"),
    ("version.py", {"CHANGELOG.md": "## [1.2.2] - 2026-01-01\n"}, "CHANGELOG.md"),
    ("version.py", {"conanfile.py": 'version = "1.2.3"\n'}, "conanfile.py"),
    ("readme.py", {"README.md": "```cpp\nint main() { return wrong; }\n```\n"}, "does not compile"),
    ("readme.py", {"README.md": "```cpp\nint main() { return 3; }\n```\n"}, "ends with 3"),
    ("readme.py", {"README.md": "```cpp\nint main() {\n" + "\n" * 19 + "}\n```\n"}, "more than 20"),
    ("readme.py", {"README.md": "No program.\n"}, "no ```cpp block"),
    ("cookbook.py", {"docs/cookbook/page.md": "```cpp\nint main() { return wrong; }\n```\n"}, "page.md:2:"),
    ("cookbook.py", {"docs/cookbook/page.md": "```cpp\nint main() { return 3; }\n```\n"}, "page.md:2 ends with 3"),
    ("cookbook.py", {"docs/cookbook/page.md": "```cpp\nint one();\n```\n"}, "not one `int main() {`"),
    ("cookbook.py", {"docs/cookbook/page.md": "No program.\n"}, "no ```cpp block"),
    ("bench.py", {"bench/one.cpp": SPDX + "int main() { return wrong; }\n"}, "bench/one.cpp does not compile"),
    ("examples.py", {"examples/one.cpp": SPDX + "int main() { return 3; }\n"}, "one.cpp ends with 3"),
    ("scripts.py", {"tests/run.sh": "#!/usr/bin/env bash\nset -euo pipefail\nif true\n"}, "does not parse"),
    ("scripts.py", {"tests/run.sh": "#!/usr/bin/env bash\necho hello\n"}, "no `set -euo pipefail`"),
    ("format.py", {ONE: header("namespace plateau {\ninline int one( ) { return 1; }\n}")},
     "differs from clang-format's"),
    ("tidy.py", {ONE: header("inline int* one() { return 0; }")}, "modernize-use-nullptr"),
    ("format.py", {ONE: "#pragma once\n"}, "no SPDX line"),
]


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.suffix == ".sh":
            path.chmod(0o755)


def lint(root, command):
    script, *arguments = command.split()
    arguments = [str(root / "tests/cases") if argument == "tests/cases" else argument for argument in arguments]
    done = subprocess.run([sys.executable, "-B", HERE / script, "--root", root, *arguments],
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main():
    common.arguments(__doc__).parse_args()
    checks = common.Checks()
    with tempfile.TemporaryDirectory() as folder:
        root, clean = pathlib.Path(folder) / "tree", pathlib.Path(folder) / "clean"
        plant(clean, CLEAN)
        for name in (".clang-format", ".clang-tidy"):
            shutil.copy(HERE.parents[1] / name, clean)
        if tool := common.pinned_tool("clang-format"):
            subprocess.run([tool, "-i", *clean.rglob("*.[ch]pp")], check=True)

        def fresh():
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(clean, root)

        available = set()
        for command in dict.fromkeys(command.split(" --only")[0] for command, _, _ in DEFECTS):
            fresh()
            status, output = lint(root, command)
            checks.check(status == 0, f"{command}: fails on the clean tree", output)
            if "checks: 0 passed" not in output:
                available.add(command)
        for command, files, words in DEFECTS:
            if command.split(" --only")[0] not in available:
                checks.skip(f"planted defect for {command}", "it is skipped here")
                continue
            fresh()
            plant(root, files)
            status, output = lint(root, command)
            checks.check(status != 0 and words in output, f"{command}: does not say '{words}' of {sorted(files)}",
                         output)
    checks.end()


main()
