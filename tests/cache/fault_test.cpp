// SPDX-License-Identifier: MIT
// Every fallible step of every operation fails once, and from then on: the cache is afterwards what it was before.
#include "cache/cache_test_types.hpp"
#include "tools/bombing_allocator.hpp"
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

struct fallible : plateau::cache_policies {
    using hash = throwing_hash;
    using equal = throwing_equal;
    using weigher = throwing_weigher;
    using allocator = bombing_allocator<std::byte>;
    using clock = plateau::manual_clock;
};
struct fallible_shrunk : shrunk<fallible> {};
struct fallible_pins : shrunk<fallible> {
    using pins = plateau::counted;
};
struct fallible_shards : plateau::concurrent_cache_policies {
    using hash = throwing_hash;
    using equal = throwing_equal;
    using weigher = throwing_weigher;
    using allocator = bombing_allocator<std::byte>;
    using clock = plateau::manual_clock;
    static constexpr std::size_t shards = 2;
    static constexpr std::size_t min_shard_entries = 1;
};

using value = throwing_value;
using key = throwing_value;

template <class P>
using one_thread = plateau::lru_cache<key, value, P>;
using shared_cache = plateau::concurrent_lru_cache<key, value, fallible_shards>;

/// A cache with what it needs, and what it held before the operation.
template <class Cache>
struct subject {
    std::unique_ptr<allocation_tally> tally = std::make_unique<allocation_tally>();
    std::unique_ptr<value_tally> lives = std::make_unique<value_tally>();
    std::unique_ptr<plateau::manual_clock> clock = std::make_unique<plateau::manual_clock>();
    std::unique_ptr<Cache> cache;
    std::vector<std::pair<int, int>> before;
    std::optional<plateau::cache_stats> stats_before;

    subject(plateau::cache_options options, int entries) {
        cache = std::make_unique<Cache>(options, *clock, bombing_allocator<std::byte>{*tally});
        for (int i = 0; i < entries; ++i) cache->put(key{*lives, i}, value{*lives, 100 + i});
        before = content();
        stats_before = cache->stats();
    }

    /// Key and value of each entry, from the least recently used on.
    std::vector<std::pair<int, int>> content() const {
        std::vector<std::pair<int, int>> all;
        cache->erase_if([&](const key& k, const value& v) {
            all.emplace_back(k.number(), v.number());
            return false;
        });
        return all;
    }

    void check_sound() const {
        cache->check_invariants();
        CHECK(lives->corrupt == 0);
        CHECK(lives->live == static_cast<std::int64_t>(2 * cache->size()));
        CHECK(tally->wrong_sizes == 0);
        CHECK(cache->stats().entries == content().size());
    }
};

/// Sweeps `operation` over a cache of `entries` entries. After a throw the content is what it was; after none it may be
/// new.
template <class Cache, class Operation>
sweep_report sweep(plateau::cache_options options, int entries, Operation operation, fault kinds = fault::any) {
    const auto report = sweep_faults(
        kinds,
        [=] {
            return subject<Cache>{options, entries};
        },
        operation,
        [](const subject<Cache>& s, const sweep_step& step) {
            CAPTURE(step.failing, step.threw);
            s.check_sound();
            if (step.threw) {
                CHECK(s.content() == s.before);
                CHECK(s.cache->stats().bytes == s.stats_before->bytes);
                CHECK(s.cache->stats().insertions == s.stats_before->insertions);
            }
        });
    CHECK(report.points > 0);
    CHECK(report.leaked_bytes == 0);
    CHECK(report.leaked_blocks == 0);
    return report;
}

template <class Cache>
std::uint64_t sweep_all_operations() {
    using s = subject<Cache>;
    const std::size_t each = Cache::entry_overhead + 1;
    std::uint64_t points = 0;
    const auto with = [&](plateau::cache_options options, int entries, auto operation) {
        points += 2 * sweep<Cache>(options, entries, operation).points;
    };
    for (const plateau::cache_options& options :
         {plateau::cache_options{.max_entries = 8}, plateau::cache_options{.max_bytes = 8 * each},
          plateau::cache_options{.max_entries = 8, .max_bytes = 100 * each, .max_entry_bytes = 1'000'000}}) {
        for (const int entries : {0, 1, 3, 4, 8}) {
            CAPTURE(options.max_entries, options.max_bytes, entries);
            with(options, entries, [](s& t) {
                key k{*t.lives, 50};
                value v{*t.lives, 1};
                t.cache->put(std::move(k), std::move(v));
            });
            with(options, entries, [](s& t) {
                const key k{*t.lives, 50};
                const value v{*t.lives, 1};
                t.cache->put(k, v);
            });
            with(options, entries, [](s& t) {  // replaces, where there are entries
                key k{*t.lives, 0};
                value v{*t.lives, 1};
                t.cache->put(k, std::move(v));
            });
            with(options, entries, [](s& t) {  // the first deadline builds the wheel
                t.cache->put(key{*t.lives, 50}, value{*t.lives, 1}, {.time_to_live = std::chrono::seconds(30)});
            });
            with(options, entries, [](s& t) { static_cast<void>(t.cache->peek(0)); });
            with(options, entries, [](s& t) { static_cast<void>(t.cache->contains(0)); });
        }
    }
    return points;
}

}  // namespace

TEST_CASE("a put, look-up or deadline that fails at any step leaves lru_cache as it was", "[cache][alloc]") {
    CHECK(sweep_all_operations<one_thread<fallible>>() > 500);
}
TEST_CASE("the same with pages of two slots", "[cache][alloc]") {
    CHECK(sweep_all_operations<one_thread<fallible_shrunk>>() > 500);
}
TEST_CASE("the same with pins", "[cache][alloc]") { CHECK(sweep_all_operations<one_thread<fallible_pins>>() > 500); }
TEST_CASE("the same with shards", "[cache][alloc]") { CHECK(sweep_all_operations<shared_cache>() > 500); }

TEST_CASE("a get that fails at any step does not touch the entry", "[cache][alloc]") {
    // The move of the answer into the caller's hands is the caller's: by then the entry was used.
    using cache_type = one_thread<fallible>;
    const fault inside = fault::hash | fault::equal | fault::copy | fault::callback;
    sweep<cache_type>(
        {.max_entries = 8}, 4, [](subject<cache_type>& t) { static_cast<void>(t.cache->get(0)); }, inside);
    sweep<cache_type>(
        {.max_entries = 8}, 4,
        [](subject<cache_type>& t) { t.cache->visit(0, [](const value&) { fault_here(fault::callback); }); }, inside);
}

TEST_CASE("an erase that fails at any step erases nothing", "[cache][alloc]") {
    using cache_type = one_thread<fallible_shrunk>;
    sweep<cache_type>({.max_entries = 8}, 4, [](subject<cache_type>& t) { t.cache->erase(2); });
}

TEST_CASE("a predicate that throws leaves a sound cache without those it had chosen", "[cache][alloc]") {
    using cache_type = one_thread<fallible_shrunk>;
    sweep_faults(
        fault::callback,
        [] {
            return subject<cache_type>{{.max_entries = 8}, 8};
        },
        [](subject<cache_type>& t) {
            t.cache->erase_if([](const key& k, const value&) {
                fault_here(fault::callback);
                return k.number() % 2 == 0;
            });
        },
        [](const subject<cache_type>& t, const sweep_step& step) {
            t.check_sound();
            const std::size_t asked = step.threw ? step.failing - 1 : 8;
            CHECK(t.cache->size() == 8 - (asked + 1) / 2);
        });
}

TEST_CASE("the first byte bound that fails while it weighs leaves the cache without one", "[cache][alloc]") {
    using cache_type = one_thread<fallible_shrunk>;
    sweep<cache_type>({.max_entries = 8}, 8,
                      [](subject<cache_type>& t) { t.cache->set_max_bytes(1'000 * cache_type::entry_overhead); });
}

TEST_CASE("after a first byte bound that failed while it weighed, entries are charged as before", "[cache][alloc]") {
    // The weigher is asked from the moment at which the bound is to be set, and what it answers was added to the bytes
    // although no weight was kept that could be taken off again.
    using cache_type = one_thread<fallible>;
    subject<cache_type> t{{.max_entries = 8}, 4};
    {
        const armed_fault armed{fault::weigh, 2};
        CHECK_THROWS_AS(t.cache->set_max_bytes(1'000 * cache_type::entry_overhead), injected_fault);
    }
    for (int i = 0; i < 8; ++i) {
        t.cache->put(key{*t.lives, i}, value{*t.lives, i});
        t.cache->check_invariants();
        CHECK(t.cache->stats().bytes == t.cache->size() * cache_type::entry_overhead);
    }
    t.cache->set_max_bytes(1'000 * cache_type::entry_overhead);
    CHECK(t.cache->stats().bytes == t.cache->size() * (cache_type::entry_overhead + 1));
    t.check_sound();
}

TEST_CASE("a construction that fails at any allocation leaves nothing behind", "[cache][alloc]") {
    const auto build = [](auto make) {
        const auto report = sweep_faults(
            fault::any, [] { return std::make_unique<allocation_tally>(); }, make,
            [](const std::unique_ptr<allocation_tally>& tally, const sweep_step&) {
                CHECK(tally->live_blocks == 0);
                CHECK(tally->wrong_sizes == 0);
            });
        CHECK(report.points > 0);
        CHECK(report.leaked_bytes == 0);
    };
    build([](std::unique_ptr<allocation_tally>& tally) {
        plateau::manual_clock clock;
        const one_thread<fallible> cache{
            {.max_entries = 8, .max_bytes = 10'000, .time_to_live = std::chrono::seconds(1)},
            clock,
            bombing_allocator<std::byte>{*tally}};
    });
    build([](std::unique_ptr<allocation_tally>& tally) {
        plateau::manual_clock clock;
        const shared_cache cache{
            {.max_entries = 1'000, .max_bytes = 1'000'000}, clock, bombing_allocator<std::byte>{*tally}};
    });
}

TEST_CASE("while nothing can be allocated, a full cache still takes entries", "[cache][alloc]") {
    using cache_type = one_thread<fallible>;
    subject<cache_type> t{{.max_entries = 8}, 8};
    t.cache->put(key{*t.lives, 100}, value{*t.lives, 1});  // one through the outbox, so that its slot exists
    bool all = true;
    {
        const armed_fault armed{fault::allocator | fault::operator_new, 1, fault_mode::from_then_on};
        for (int i = 0; i < 1'000; ++i) all &= static_cast<bool>(t.cache->put(key{*t.lives, i}, value{*t.lives, i}));
        CHECK(armed.fired() == 0);
    }
    CHECK(all);
    t.check_sound();
}

TEST_CASE("a key whose move throws costs the caller nothing but the call", "[cache][alloc]") {
    using cache_type = one_thread<fallible>;
    sweep_faults(
        fault::move,
        [] {
            return subject<cache_type>{{.max_entries = 8}, 4};
        },
        [](subject<cache_type>& t) {
            key k{*t.lives, 50};
            value v{*t.lives, 7};
            try {
                t.cache->put(std::move(k), std::move(v));
            } catch (const injected_fault&) {
                CHECK(k.number() == 50);
                throw;
            }
        },
        [](const subject<cache_type>& t, const sweep_step&) { t.check_sound(); });
}
