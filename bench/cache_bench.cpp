// SPDX-License-Identifier: MIT
/// The cache room against what would be used in its place. Names are <workload>/<cache>; cache.claims refers to them.

#include "rivals.hpp"
#include "team.hpp"
#include "witness.hpp"
#include "workloads.hpp"

#include <plateau/cache.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace bench {
namespace {

using u64 = std::uint64_t;

// ---- plateau behind the face of rivals.hpp

enum class bound { entries, bytes };
enum class deadlines { none, kept };

template <class Cache>
[[nodiscard]] plateau::cache_options options_for(std::size_t max_entries, bound by, deadlines kind) {
    plateau::cache_options options;
    if (by == bound::entries) options.max_entries = max_entries;
    else options.max_bytes = max_entries * Cache::entry_overhead;  // the keys and values measured so own nothing
    // Longer than any run: what is timed is the keeping and checking of deadlines, not their arrival.
    if (kind == deadlines::kept) options.time_to_live = std::chrono::hours(1);
    return options;
}

template <class Cache, class K, class V, bound By, deadlines Kind>
class plateau_cache {
public:
    explicit plateau_cache(std::size_t max_entries) : cache_(options_for<Cache>(max_entries, By, Kind)) {}

    [[gnu::always_inline]] std::optional<V> get(const K& key) { return cache_.get(key); }
    [[gnu::always_inline]] std::optional<V> get(const K& key, plateau::time_point now) { return cache_.get(key, now); }
    void put(const K& key, const V& value) { cache_.put(key, value); }

private:
    Cache cache_;
};

struct with_pins : plateau::cache_policies {
    using pins = plateau::counted;
};

template <class K, class V, bound By = bound::entries, deadlines Kind = deadlines::none,
          class Policies = plateau::cache_policies>
using plateau_lru = plateau_cache<plateau::lru_cache<K, V, Policies>, K, V, By, Kind>;

struct sixteen_shards : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 16;
};

template <class K, class V>
using plateau_shared =
    plateau_cache<plateau::concurrent_lru_cache<K, V, sixteen_shards>, K, V, bound::entries, deadlines::none>;

/// A loop that reads the clock once and hands the moment to many look-ups.
template <class K, class V>
class plateau_given_now : public plateau_lru<K, V, bound::entries, deadlines::kept> {
    using base = plateau_lru<K, V, bound::entries, deadlines::kept>;

public:
    using base::base;
    [[gnu::always_inline]] std::optional<V> get(const K& key) { return base::get(key, now_); }

private:
    plateau::time_point now_ = plateau::coarse_clock{}.now();
};

// ---- what is measured

/// CPU time of one operation at steady state, and how often it allocates.
template <class Workload, class Cache>
void operation(benchmark::State& state) {
    if constexpr (missing_rival<Cache>) {
        state.SkipWithError(Cache::missing);
    } else {
        const auto cache = std::make_unique<Cache>(entries);
        Workload workload;
        workload.warm_up(*cache);
        for (auto _ : state) workload.step(*cache);

        constexpr std::size_t counted = entries;
        const auto before = witness::read();
        {
            const witness::armed armed;
            for (std::size_t i = 0; i < counted; ++i) workload.step(*cache);
        }
        const auto seen = witness::read() - before;
        state.counters["allocations_per_op"] = static_cast<double>(seen.allocations) / static_cast<double>(counted);
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

// ---- who takes part

template <template <class, class> class Workload, template <class, class> class Cache, class K, class V>
void add(const std::string& name) {
    benchmark::RegisterBenchmark(name.c_str(), operation<Workload<K, V>, Cache<K, V>>);
}

template <template <class, class> class Cache, class K = u64, class V = u64>
void add_memory(const std::string& name) {
    benchmark::RegisterBenchmark(("memory/" + name).c_str(), memory<K, V, Cache<K, V>>)->Iterations(1)->Repetitions(1);
}

template <template <class, class> class Cache, unsigned Threads>
void add_shared(const std::string& name) {
    benchmark::RegisterBenchmark(name.c_str(), shared_zipf<u64, u64, Cache<u64, u64>, Threads>)
        ->Iterations(1)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
}

template <class K, class V>
using lru_plain = plateau_lru<K, V>;
template <class K, class V>
using lru_bytes = plateau_lru<K, V, bound::bytes>;
template <class K, class V>
using lru_ttl = plateau_lru<K, V, bound::entries, deadlines::kept>;
template <class K, class V>
using lru_ttl_bytes = plateau_lru<K, V, bound::bytes, deadlines::kept>;
template <class K, class V>
using lru_pins = plateau_lru<K, V, bound::entries, deadlines::none, with_pins>;
template <class K, class V>
using lru_ttl_bytes_pins = plateau_lru<K, V, bound::bytes, deadlines::kept, with_pins>;
template <class K, class V>
using mutexed_std = mutexed<std_lru<K, V>>;

template <template <class, class> class Workload>
void add_all(const std::string& workload) {
    add<Workload, std_lru, u64, u64>(workload + "/std");
    add<Workload, boost_mru, u64, u64>(workload + "/boost");
    add<Workload, lru_plain, u64, u64>(workload + "/plateau");
    add<Workload, lru_bytes, u64, u64>(workload + "/plateau_bytes");
    add<Workload, lru_ttl, u64, u64>(workload + "/plateau_ttl");
    add<Workload, lru_ttl_bytes, u64, u64>(workload + "/plateau_ttl_bytes");
}

void register_all() {
    add_all<hit>("hit");
    add<hit, plateau_given_now, u64, u64>("hit/plateau_ttl_now");
    add_all<miss>("miss");
    add_all<evict>("evict");
    add_all<zipf>("zipf");

    add<zipf, std_lru, std::string, blob64>("string_zipf/std");
    add<zipf, boost_mru, std::string, blob64>("string_zipf/boost");
    add<zipf, lru_plain, std::string, blob64>("string_zipf/plateau");
    add<zipf, lru_ttl, std::string, blob64>("string_zipf/plateau_ttl");

    add_memory<std_lru>("std");
    add_memory<boost_mru>("boost");
    add_memory<lru_plain>("plateau");
    add_memory<lru_bytes>("plateau_bytes");
    add_memory<lru_ttl>("plateau_ttl");
    add_memory<lru_ttl_bytes>("plateau_ttl_bytes");
    add_memory<lru_pins>("plateau_pins");
    add_memory<lru_ttl_bytes_pins>("plateau_ttl_bytes_pins");

    add_shared<mutexed_std, 2>("two_threads_zipf/mutexed_std");
    add_shared<plateau_shared, 2>("two_threads_zipf/plateau");
    add_shared<plateau_shared, 1>("one_thread_zipf/plateau");
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
