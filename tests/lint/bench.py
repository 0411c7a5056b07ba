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

    installed = []
    for rival, header in (("BOOST", "boost/multi_index_container.hpp"), ("TBB", "tbb/concurrent_queue.h"),
                          ("POCO", "Poco/LRUCache.h"), ("ROCKSDB", "rocksdb/cache.h")):
        if has(header):
            installed.append(f"-DPLATEAU_BENCH_HAS_{rival}")
        else:
            checks.skip(f"the benchmarks with {rival}", "it is not installed")
    rivals = {"without rivals": [], "with rivals": installed}
    harness = has("benchmark/benchmark.h")
    if not harness:
        checks.skip("the benchmarks", "Google Benchmark is not installed")
    for source in sorted((a.root / "bench").rglob("*.cpp")):
        text = source.read_text(encoding="utf-8")
        timed = "benchmark/benchmark.h" in text
        if timed and not harness:
            continue
        asks = timed and ("PLATEAU_BENCH_HAS" in text or '"rivals' in text)
        for what, flags in (rivals if asks else {"alone": []}).items():
            ok, output = compiler.run([*common.STRICT, *flags, "-O0", "-pthread", f"-I{a.root}/include",
                                       "-fsyntax-only", source])
            checks.check(ok, f"{source.relative_to(a.root)} does not compile {what}", output)
    checks.end()


main()
