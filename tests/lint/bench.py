#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmarks compile, with and without their rivals: nothing else in the test run would notice."""
import common


def main():
    a = common.arguments(__doc__).parse_args()
    checks = common.Checks()
    compiler = common.compilers()["g++"]
    if not compiler.found:
        checks.skip("the benchmarks", compiler.why_missing)
        checks.end()

    def has(header):
        return compiler.run(["-fsyntax-only", "-x", "c++", "-"], f"#include <{header}>\n")[0]

    rivals = {"without rivals": []}
    if has("boost/multi_index_container.hpp"):
        rivals["with Boost"] = ["-DPLATEAU_BENCH_HAS_BOOST"]
    else:
        checks.skip("the benchmarks with Boost.MultiIndex", "it is not installed")
    harness = has("benchmark/benchmark.h")
    if not harness:
        checks.skip("the benchmarks", "Google Benchmark is not installed")
    for source in sorted((a.root / "bench").rglob("*.cpp")):
        timed = source.stem.endswith("_bench")
        if timed and not harness:
            continue
        text = source.read_text(encoding="utf-8")
        asks = timed and ("PLATEAU_BENCH_HAS_BOOST" in text or "rivals.hpp" in text)
        for what, flags in (rivals if asks else {"alone": []}).items():
            ok, output = compiler.run([*common.STRICT, *flags, "-O0", "-pthread", f"-I{a.root}/include",
                                       "-fsyntax-only", source])
            checks.check(ok, f"{source.relative_to(a.root)} does not compile {what}", output)
    checks.end()


main()
