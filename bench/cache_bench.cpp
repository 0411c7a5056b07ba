// SPDX-License-Identifier: MIT
/// The cache room against what would be used in its place. Names are <workload>/<cache>; cache.claims refers to them.

#include "cache_cells.hpp"
#include "cache_subjects.hpp"
#include "rivals.hpp"
#include "rivals_libraries.hpp"
#include "team.hpp"
#include "witness.hpp"
#include "workloads.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

namespace bench {
namespace {

using u64 = std::uint64_t;

// ---- what is measured

/// CPU time of one operation at steady state.
template <class Workload, class Cache>
void operation(benchmark::State& state) {
    if constexpr (missing_rival<Cache>) {
        state.SkipWithError(Cache::missing);
    } else {
        const auto cache = std::make_unique<Cache>(entries);
        Workload workload;
        workload.warm_up(*cache);
        for (auto _ : state) workload.step(*cache);
    }
}

/// How often an operation allocates at steady state.
template <class Workload, class Cache>
void allocations(benchmark::State& state) {
    for (auto _ : state) {
        const auto cache = std::make_unique<Cache>(entries);
        Workload workload;
        workload.warm_up(*cache);
        const auto before = witness::read();
        {
            const witness::armed armed;
            for (std::size_t i = 0; i < universe; ++i) workload.step(*cache);
        }
        const auto seen = witness::read() - before;
        state.counters["allocations_per_op"] = static_cast<double>(seen.allocations) / static_cast<double>(universe);
    }
}

/// Heap bytes that a million entries hold, keys and values included.
template <class K, class V, class Cache>
void memory(benchmark::State& state) {
    if constexpr (missing_rival<Cache>) {
        state.SkipWithError(Cache::missing);
    } else {
        constexpr std::size_t count = 1'000'000;
        for (auto _ : state) {
            const auto before = witness::read();
            const witness::armed armed;
            const auto cache = std::make_unique<Cache>(count);
            fill<Cache, K, V>(*cache, count);
            const auto seen = witness::read() - before;
            state.counters["bytes_per_entry"] = static_cast<double>(seen.bytes) / static_cast<double>(count);
        }
    }
}

/// Wall time of a fixed number of operations shared by threads, each on its own core.
template <class K, class V, class Cache, unsigned Threads>
void shared_zipf(benchmark::State& state) {
    if constexpr (missing_rival<Cache>) {
        state.SkipWithError(Cache::missing);
    } else {
        constexpr std::size_t operations = 2'000'000;
        for (auto _ : state) {
            const auto cache = std::make_unique<Cache>(entries);
            zipf<K, V>{}.warm_up(*cache);
            const auto report = run_team(Threads, [&](unsigned thread) {
                zipf<K, V> workload(thread * operations / Threads);
                for (std::size_t i = 0; i < operations / Threads; ++i) workload.step(*cache);
            });
            state.SetIterationTime(report.seconds);
            state.counters["at_once"] = report.at_once;
            state.counters["operations"] = benchmark::Counter(operations, benchmark::Counter::kIsRate);
        }
    }
}

// ---- who takes part

template <template <class, class> class Workload, template <class, class> class Cache, class K = u64, class V = u64>
auto* add(const std::string& name) {
    return benchmark::RegisterBenchmark(name.c_str(), operation<Workload<K, V>, Cache<K, V>>);
}

// Whoever takes a microsecond an operation is measured less often, and not to find out how often: its warm-up alone
// takes seconds.
constexpr int few = 3;
template <template <class, class> class Cache>
void add_slow(const std::string& name) {
    add<zipf, Cache>(name)->Repetitions(few)->Iterations(entries);
}

template <template <class, class> class Workload, template <class, class> class Cache>
void add_allocations(const std::string& name) {
    benchmark::RegisterBenchmark(("allocations_" + name).c_str(), allocations<Workload<u64, u64>, Cache<u64, u64>>)
        ->Iterations(1)
        ->Repetitions(1);
}

template <template <class, class> class Cache, class K = u64, class V = u64>
void add_memory(const std::string& name) {
    benchmark::RegisterBenchmark(("memory/" + name).c_str(), memory<K, V, Cache<K, V>>)->Iterations(1)->Repetitions(1);
}

template <template <class, class> class Cache, unsigned Threads>
auto* add_shared(const std::string& name) {
    return benchmark::RegisterBenchmark(name.c_str(), shared_zipf<u64, u64, Cache<u64, u64>, Threads>)
        ->Iterations(1)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
}

template <class K, class V>
using mutexed_std = mutexed<std_lru<K, V>>;

template <template <class, class> class Workload>
void add_all(const std::string& workload) {
    add<Workload, std_lru>(workload + "/std");
    add<Workload, boost_mru>(workload + "/boost");
    add<Workload, lru_plain>(workload + "/lru");
    add<Workload, lru_ttl>(workload + "/lru_ttl");
    add<Workload, s3fifo_plain>(workload + "/s3fifo");
    add_allocations<Workload, lru_plain>(workload + "/lru");
    add_allocations<Workload, lru_everything>(workload + "/lru_everything");
    add_allocations<Workload, s3fifo_everything>(workload + "/s3fifo_everything");
    add_allocations<Workload, shared_lru_everything>(workload + "/shared_lru_everything");
    add_allocations<Workload, shared_s3fifo_everything>(workload + "/shared_s3fifo_everything");
    add_allocations<Workload, lru_tagged>(workload + "/lru_tagged");
    add_allocations<Workload, shared_s3fifo_tagged>(workload + "/shared_s3fifo_tagged");
}

void add_strings() {
    add<zipf, std_lru, std::string, blob64>("string_zipf/std");
    add<zipf, boost_mru, std::string, blob64>("string_zipf/boost");
    add<zipf, lru_plain, std::string, blob64>("string_zipf/lru");
    add<zipf, lru_fold, std::string, blob64>("string_zipf/lru_fold");
}

void add_libraries() {
    add_slow<poco_lru>("zipf/poco");
    add_slow<poco_expire>("zipf/poco_expire");
    add_slow<tbb_lru>("zipf/tbb");
    add_slow<rocksdb_lru>("zipf/rocksdb_lru");
    add_slow<rocksdb_hyper_clock>("zipf/rocksdb_hyper_clock");
}

void add_memories() {
    add_memory<std_lru>("std");
    add_memory<boost_mru>("boost");
    add_memory<lru_plain>("lru");
    add_memory<lru_bytes>("lru_bytes");
    add_memory<lru_ttl>("lru_ttl");
    add_memory<lru_ttl_bytes>("lru_ttl_bytes");
    add_memory<lru_pins>("lru_pins");
    add_memory<lru_ttl_bytes_pins>("lru_ttl_bytes_pins");
    add_memory<s3fifo_plain>("s3fifo");
    add_memory<s3fifo_bytes>("s3fifo_bytes");
    add_memory<s3fifo_ttl>("s3fifo_ttl");
    add_memory<s3fifo_ttl_bytes>("s3fifo_ttl_bytes");
    add_memory<s3fifo_pins>("s3fifo_pins");
    add_memory<s3fifo_ttl_bytes_pins>("s3fifo_ttl_bytes_pins");
}

void add_teams() {
    add_shared<mutexed_std, 2>("two_threads_zipf/std");
    add_shared<tbb_lru, 2>("two_threads_zipf/tbb")->Repetitions(few);
    add_shared<rocksdb_lru, 2>("two_threads_zipf/rocksdb_lru")->Repetitions(few);
    add_shared<rocksdb_hyper_clock, 2>("two_threads_zipf/rocksdb_hyper_clock");
    add_shared<shared_lru_plain, 2>("two_threads_zipf/lru");
    add_shared<shared_s3fifo_plain, 2>("two_threads_zipf/s3fifo");
    add_shared<shared_s3fifo_plain, 1>("one_thread_zipf/s3fifo");
}

void register_all() {
    add_all<hit>("hit");
    add<hit, lru_ttl_now>("hit/lru_ttl_now");
    add_all<miss>("miss");
    add_all<evict>("evict");
    add<evict, s3fifo_ttl>("evict/s3fifo_ttl");
    add_all<zipf>("zipf");
    add<zipf, s3fifo_ttl>("zipf/s3fifo_ttl");
    add_strings();
    add_libraries();
    add_memories();
    add_teams();
    register_probes();
    register_ends();
    const char* const traces = std::getenv("PLATEAU_TRACES");
    register_traces(traces != nullptr ? traces : "");
}

}
}

int main(int argc, char** argv) {
    bench::register_all();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
