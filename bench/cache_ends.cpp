// SPDX-License-Identifier: MIT
/// How the entries of a cache end: in any number on a small stack, and over time in small portions.

#include "cache_cells.hpp"
#include "workloads.hpp"

#include <plateau/cache.hpp>
#include <plateau/clock.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <pthread.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace bench {
namespace {

using namespace std::chrono_literals;
using u64 = std::uint64_t;

// ---- the end of a cache with a million entries on a stack of 256 KiB

constexpr std::size_t small_stack = 256 * 1024;
constexpr u64 links = 1'000'000;

/// A value whose end erases the next entry: a chain that would take a stack frame for each, were ends nested.
template <class Cache>
class link {
public:
    link(Cache& of, u64 next, u64& ended) noexcept : of_(&of), next_(next), ended_(&ended) {}
    link(link&& other) noexcept : of_(std::exchange(other.of_, nullptr)), next_(other.next_), ended_(other.ended_) {}
    link& operator=(link&&) = delete;
    ~link() {
        if (of_ == nullptr) return;
        ++*ended_;
        of_->erase(next_);
    }
    friend std::size_t owned_bytes(const link&) noexcept { return 0; }

private:
    Cache* of_;
    u64 next_;
    u64* ended_;
};

template <template <class, class> class Cache>
struct chain {
    struct cache;
    using value = link<cache>;
    struct cache : Cache<u64, value> {
        using Cache<u64, value>::Cache;
    };

    static u64 ended_on_a_small_stack() {
        u64 ended = 0;
        auto whole = std::make_unique<cache>(plateau::cache_options{.max_entries = 2 * links});
        for (u64 i = 0; i < links; ++i) whole->put(i, value(*whole, i + 1, ended));
        on_a_small_stack([&] { whole->erase(u64{0}); });
        for (u64 i = 0; i < links; ++i) whole->put(i, value(*whole, i + 1, ended));
        on_a_small_stack([&] { whole.reset(); });
        return ended;
    }

    template <class F>
    static void on_a_small_stack(F f) {
        pthread_attr_t small;
        ::pthread_attr_init(&small);
        ::pthread_attr_setstacksize(&small, small_stack);
        ::pthread_t thread{};
        const auto call = [](void* argument) -> void* {
            (*static_cast<F*>(argument))();
            return nullptr;
        };
        if (::pthread_create(&thread, &small, call, &f) == 0) ::pthread_join(thread, nullptr);
        ::pthread_attr_destroy(&small);
    }
};

/// In a process of its own: what overflows its stack is a missed claim, not the end of the measurement.
template <class F>
u64 in_a_child(F f) {
    int answer[2];
    if (::pipe(answer) != 0) return 0;
    const ::pid_t child = ::fork();
    if (child == 0) {
        const u64 value = f();
        ::_exit(::write(answer[1], &value, sizeof value) == sizeof value ? 0 : 1);
    }
    ::close(answer[1]);
    u64 value = 0;
    if (child < 0 || ::read(answer[0], &value, sizeof value) != sizeof value) value = 0;
    ::close(answer[0]);
    if (child > 0) ::waitpid(child, nullptr, 0);
    return value;
}

template <template <class, class> class Cache>
void teardown(benchmark::State& state) {
    for (auto _ : state)
        state.counters["ended"] = static_cast<double>(in_a_child(&chain<Cache>::ended_on_a_small_stack));
}

// ---- entries that are over leave in portions of the budget

struct by_hand : plateau::cache_policies {
    using clock = plateau::manual_clock;
};
struct shared_by_hand : plateau::concurrent_cache_policies {
    using clock = plateau::manual_clock;
    static constexpr std::size_t shards = 1;  // so that every call meets entries that are over
};

/// Of calls that each have a budget, while many entries are over.
struct portions {
    u64 largest = 0;
    u64 reclaimed = 0;
    u64 over_budget = 0;  // calls that took more

    void count(u64 before, u64 after, u64 budget) {
        largest = std::max(largest, after - before);
        reclaimed += after - before;
        over_budget += after - before > budget;
    }
};

/// Every entry is over by its deadline: deadlines in every list of the wheel, all of them past at once.
template <class Cache>
struct expired {
    Cache cache;
    expired(unsigned budget, plateau::manual_clock& clock)
        : cache{{.max_entries = 2 * entries, .time_to_live = 1h, .reclaim_budget = budget}, clock} {
        for (u64 i = 0; i < entries; ++i) cache.put(i, i, {.time_to_live = 20ms * (1 + i % 50'000)});
        clock.advance(20min);
    }
};

/// Every entry is over by its tag, and half of them by their deadlines as well.
template <class Cache>
struct invalidated {
    plateau::tagged_cache<Cache> cache;
    invalidated(unsigned budget, plateau::manual_clock& clock)
        : cache{{.cache = {.max_entries = 2 * entries, .time_to_live = 1h, .reclaim_budget = budget}}, clock} {
        for (u64 i = 0; i < entries; ++i)
            cache.put(i, i,
                      {.time_to_live = i % 2 == 0 ? 20ms * (1 + i % 50'000) : plateau::duration(2h),
                       .tags = {"page", "all"}});
        clock.advance(20min);
        cache.invalidate_tag("all");
    }
};

template <class Ended>
portions portions_of(unsigned budget) {
    plateau::manual_clock clock;
    Ended all(budget, clock);
    auto& cache = all.cache;
    portions seen;
    const auto ended = [&] {
        const auto now = cache.stats();
        return now.expirations + now.invalidations;
    };
    const auto counted = [&](u64 allowed, auto call) {
        const u64 before = ended();
        call();
        seen.count(before, ended(), allowed);
    };
    u64 fresh = entries;
    for (u64 i = 0; cache.size() > fresh - entries; ++i) {
        // What a call does for its own key stands beside its budget: none of these keys was ever here.
        counted(budget, [&] { cache.put(fresh++, i); });
        counted(budget, [&] { cache.erase(~i); });
        counted(0, [&] { benchmark::DoNotOptimize(cache.get(~i)); });
        counted(3 * budget, [&] { cache.purge_expired(3 * budget); });
    }
    return seen;
}

template <class Ended>
void reclaiming(benchmark::State& state) {
    for (auto _ : state) {
        u64 over = 0;
        u64 missing = 0;
        for (const unsigned budget : {1U, 4U, 64U}) {
            const portions seen = portions_of<Ended>(budget);
            over += seen.over_budget;
            missing += seen.largest != 3 * budget || seen.reclaimed != entries;
        }
        state.counters["calls_over_budget"] = static_cast<double>(over);
        state.counters["budgets_not_used"] = static_cast<double>(missing);
    }
}

template <class F>
void add_once(const std::string& name, F measure) {
    benchmark::RegisterBenchmark(name.c_str(), measure)->Iterations(1)->Repetitions(1);
}

template <class K, class V>
using shared_s3fifo = plateau::concurrent_cache<K, V>;
template <class K, class V>
using shared_lru = plateau::concurrent_lru_cache<K, V>;
template <class K, class V>
using lru = plateau::lru_cache<K, V>;

}

void register_ends() {
    add_once("teardown/lru", teardown<lru>);
    add_once("teardown/shared_lru", teardown<shared_lru>);
    add_once("teardown/shared_s3fifo", teardown<shared_s3fifo>);
    add_once("reclaim/lru", reclaiming<expired<plateau::lru_cache<u64, u64, by_hand>>>);
    add_once("reclaim/shared_lru", reclaiming<expired<plateau::concurrent_lru_cache<u64, u64, shared_by_hand>>>);
    add_once("reclaim/shared_s3fifo", reclaiming<expired<plateau::concurrent_cache<u64, u64, shared_by_hand>>>);
    add_once("reclaim/lru_tagged", reclaiming<invalidated<plateau::lru_cache<u64, u64, by_hand>>>);
    add_once("reclaim/shared_s3fifo_tagged",
             reclaiming<invalidated<plateau::concurrent_cache<u64, u64, shared_by_hand>>>);
}

}
