// SPDX-License-Identifier: MIT
#include "cache/cache_test_types.hpp"
#include "cache/deadline_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::duration;
using plateau::time_point;

namespace {

using exact = exact_by_hand;
using milliseconds_exact = milliseconds_by_hand;

constexpr duration shipped_tick = plateau::cache_policies::tick;

/// get, peek, contains and visit agree; the answer is theirs.
template <class Cache>
bool lives(Cache& cache, int key) {
    shared_check check;
    const bool answer = plateau_test::lives(check, cache, key);
    CHECK(check.why() == "");
    return answer;
}

}  // namespace

TEST_CASE("an entry is expired exactly at its deadline, for every way to look, and purge agrees", "[cache][unit]") {
    passes(an_entry_is_over_at_its_deadline<exact>);
}

TEST_CASE("an expired entry is not chosen by erase_if, and a put over it does not replace", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<exact> cache{{.max_entries = 10, .reclaim_budget = 0}, clock};
    cache.put(1, 1, {.time_to_live = 10ns});
    clock.advance(10ns);
    int seen = 0;
    CHECK(cache.erase_if([&](int, int) { return ++seen != 0; }) == 0);
    CHECK(seen == 0);
    CHECK_FALSE(cache.put(1, 2).replaced());
    CHECK(cache.get(1) == 2);
}

TEST_CASE("at any offset and length, ticks never serve late and expire early by less than two ticks", "[cache][unit]") {
    random_source random{"ticks"};
    INFO(random_source::repeat());
    for (int round = 0; round < 300; ++round) {
        plateau::manual_clock clock{time_point{duration(random.between(0, 1'000'000'000))}};
        cache_by_hand<by_hand> cache{{.max_entries = 10}, clock};
        clock.advance(duration(random.between(0, 3 * shipped_tick.count())));
        const duration length{random.between(shipped_tick.count(), 100 * shipped_tick.count())};
        cache.put(1, 1, {.time_to_live = length});
        const time_point stored = clock.now();
        CAPTURE(length.count());
        clock.set(stored + length - 2 * shipped_tick);
        if (length > 2 * shipped_tick) REQUIRE(cache.contains(1));
        clock.set(stored + length);
        REQUIRE_FALSE(lives(cache, 1));
    }
}

TEST_CASE("a positive time to live below a tick counts as one tick", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<by_hand> cache{{.max_entries = 10}, clock};
    cache.put(1, 1, {.time_to_live = 1ns});
    CHECK(cache.contains(1));
    clock.advance(shipped_tick - 1ns);
    CHECK(cache.contains(1));
    clock.advance(1ns);
    CHECK_FALSE(lives(cache, 1));
}

TEST_CASE("a time to live of zero or less stores nothing, and ends an old entry as expired", "[cache][unit]") {
    for (const duration none : {duration(0), duration(-1), duration::min()}) {
        CAPTURE(none.count());
        plateau::manual_clock clock;
        cache_by_hand<exact> cache{{.max_entries = 10}, clock};
        const auto fresh = cache.put(1, 1, {.time_to_live = none});
        CHECK(fresh);
        CHECK_FALSE(fresh.replaced());
        CHECK(cache.size() == 0);
        cache.put(1, 1);
        const auto over = cache.put(1, 2, {.time_to_live = none});
        CHECK(over);
        CHECK(over.replaced());
        CHECK(cache.size() == 0);
        CHECK(cache.stats().expirations == 1);
        CHECK(cache.stats().rejections == 0);
    }
}

TEST_CASE("forever is never, and near forever does not overflow", "[cache][unit]") {
    for (const time_point start : {time_point{}, time_point{1h}, time_point::max() - 1h, time_point::min()}) {
        plateau::manual_clock clock{start};
        cache_by_hand<by_hand> cache{{.max_entries = 10}, clock};
        cache.put(1, 1, {.time_to_live = plateau::forever});
        CHECK_FALSE(cache.next_deadline());
        cache.put(2, 2, {.time_to_live = plateau::forever - 1ns});
        CHECK(lives(cache, 1));
        CHECK(lives(cache, 2));
        clock.set(time_point::max());
        CHECK(lives(cache, 1));
        cache.check_invariants();
    }
}

TEST_CASE("above about a year a time to live counts as 2^31 ticks", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<by_hand> cache{{.max_entries = 10}, clock};
    cache.put(1, 1, {.time_to_live = 24h * 365 * 50});
    clock.advance(24h * 365);
    CHECK(lives(cache, 1));
    clock.advance(24h * 365 / 2);
    CHECK_FALSE(lives(cache, 1));
}

TEST_CASE("a clock that goes back an hour makes nothing immortal and nothing undead", "[cache][unit]") {
    plateau::manual_clock clock{time_point{2h}};
    cache_by_hand<milliseconds_exact> cache{{.max_entries = 10}, clock};
    cache.put(1, 1, {.time_to_live = 10s});
    clock.advance(10s);
    CHECK_FALSE(cache.get(1));
    cache.put(2, 2, {.time_to_live = 10s});
    clock.set(time_point{1h});
    cache.put(3, 3, {.time_to_live = 10s});  // counted from the latest time seen
    CHECK_FALSE(cache.contains(1));
    CHECK(lives(cache, 2));
    CHECK(lives(cache, 3));
    cache.check_invariants();
    clock.set(time_point{2h + 19s});
    CHECK(lives(cache, 2));
    clock.set(time_point{2h + 20s});
    CHECK_FALSE(lives(cache, 2));
    CHECK_FALSE(lives(cache, 3));
    CHECK(cache.size() == 0);
}

TEST_CASE("a clock that goes back between two looks does not bring an expired entry back", "[cache][unit]") {
    passes(a_clock_that_goes_back_revives_nothing<milliseconds_exact>);
}

TEST_CASE("a clock that jumps a hundred years expires what had a deadline, and the cache works on", "[cache][unit]") {
    passes(a_jump_of_years_is_only_time<by_hand>);
}

TEST_CASE("the first deadline of a cache that is older than 2^31 ticks is kept", "[cache][unit]") {
    passes(the_first_deadline_of_an_old_cache_is_kept<exact>);
}

TEST_CASE("time that stands still expires nothing", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<exact> cache{{.max_entries = 100}, clock};
    for (int i = 0; i < 100; ++i) cache.put(i, i, {.time_to_live = 1ns});
    CHECK(cache.purge_expired() == 0);
    CHECK(cache.size() == 100);
    clock.advance(1ns);
    CHECK(cache.purge_expired() == 100);
}

TEST_CASE("get at a time of the caller's reads no clock and decides by that time", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<exact> cache{{.max_entries = 10}, clock};
    cache.put(1, 1, {.time_to_live = 10ns});
    CHECK(cache.get(1, time_point{9ns}) == 1);
    CHECK_FALSE(cache.get(1, time_point{10ns}));
}

TEST_CASE("the cache-wide time to live holds for every put, and a put's own goes before it", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<exact> cache{{.max_entries = 10, .time_to_live = 100ns}, clock};
    cache.put(1, 1);
    cache.put(2, 2, {.time_to_live = 200ns});
    cache.put(3, 3, {.time_to_live = plateau::forever});
    cache.put(4, 4, {.time_to_live = 50ns});
    clock.advance(50ns);
    CHECK_FALSE(lives(cache, 4));
    CHECK(lives(cache, 1));
    clock.advance(50ns);
    CHECK_FALSE(lives(cache, 1));
    CHECK(lives(cache, 2));
    clock.advance(100ns);
    CHECK_FALSE(lives(cache, 2));
    CHECK(lives(cache, 3));
}

TEST_CASE("an overwrite takes the new deadline, sooner, later or never", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<exact> cache{{.max_entries = 10}, clock};
    cache.put(1, 1, {.time_to_live = 10ns});
    cache.put(1, 2, {.time_to_live = 1'000'000ns});
    cache.put(2, 1, {.time_to_live = 1'000'000ns});
    cache.put(2, 2, {.time_to_live = 10ns});
    cache.put(3, 1, {.time_to_live = 10ns});
    cache.put(3, 2);
    clock.advance(10ns);
    CHECK(cache.purge_expired() == 1);
    CHECK(lives(cache, 1));
    CHECK_FALSE(lives(cache, 2));
    CHECK(lives(cache, 3));
    clock.advance(1'000'000ns);
    CHECK(cache.purge_expired() == 1);
    CHECK(cache.size() == 1);
}

TEST_CASE("next_deadline is never later than the first deadline, and leads to it in few steps", "[cache][unit]") {
    random_source random{"next deadline"};
    INFO(random_source::repeat());
    plateau::manual_clock clock;
    cache_by_hand<exact> cache{{.max_entries = 1'000'000, .reclaim_budget = 0}, clock};
    std::multimap<std::int64_t, int> deadlines;
    for (int i = 0; i < 2'000; ++i) {
        const std::int64_t length = random.between(1, std::int64_t{1} << random.between(1, 30));
        cache.put(i, i, {.time_to_live = duration(length)});
        deadlines.emplace(length, i);
    }
    // An idle server's loop: sleeps until next_deadline, purges, and nothing else. Each deadline is met on its tick.
    std::size_t wakes = 0;
    while (auto next = cache.next_deadline()) {
        ++wakes;
        const std::int64_t first = deadlines.begin()->first;
        REQUIRE(next->time_since_epoch().count() <= first);
        REQUIRE((*next > clock.now() || wakes == 1));
        clock.set(*next);
        const std::size_t due = deadlines.count(next->time_since_epoch().count());
        REQUIRE(cache.purge_expired() == due);
        deadlines.erase(next->time_since_epoch().count());
    }
    CHECK(deadlines.empty());
    CHECK(cache.size() == 0);
    CHECK(wakes <= 2'000 * 5);
}

TEST_CASE("purge touches no more entries than its budget, and get, put and erase no more than theirs",
          "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<exact> cache{{.max_entries = 10'000, .reclaim_budget = 3}, clock};
    for (int i = 0; i < 1'000; ++i) cache.put(i, i, {.time_to_live = 10ns});
    clock.advance(10ns);
    CHECK(cache.purge_expired(0) == 0);
    CHECK(cache.purge_expired(7) == 7);
    std::uint64_t before = cache.stats().expirations;
    cache.put(5'000, 1);
    CHECK(cache.stats().expirations - before == 3);
    before = cache.stats().expirations;
    cache.erase(6'000);
    CHECK(cache.stats().expirations - before == 3);
    before = cache.stats().expirations;
    static_cast<void>(cache.get(5'000));
    CHECK(cache.stats().expirations - before <= 3);
    cache.check_invariants();
}

TEST_CASE("a million entries with distinct deadlines leave by purge alone, and all memory with them",
          "[cache][alloc]") {
    plateau::manual_clock clock;
    const new_scope scope;
    plateau::lru_cache<int, int, exact> cache{{.max_entries = 1'000'000}, clock};
    const std::int64_t empty = scope.delta().live_bytes;
    for (int i = 0; i < 1'000'000; ++i) cache.put(i, i, {.time_to_live = duration(i + 1)});
    std::size_t left = cache.size();
    bool within = true;
    clock.advance(500'000ns);
    while (left > 500'000) {
        const std::size_t given = cache.purge_expired(1'000);
        within &= given <= 1'000;
        left -= given;
    }
    CHECK(within);
    CHECK(cache.size() == 500'000);
    clock.advance(500'001ns);
    while (cache.size() != 0) within &= cache.purge_expired(10'000) <= 10'000;
    CHECK(within);
    const std::int64_t end = scope.delta().live_bytes;
    // What stays is a wheel: fixed, whatever was held.
    CHECK(end - empty <= 4'096);
    cache.check_invariants();
}

TEST_CASE("idle reclaim gives the memory of expired values back without any look-up", "[cache][alloc]") {
    plateau::manual_clock clock;
    plateau::lru_cache<int, std::string, by_hand> cache{{.max_entries = 1'000, .time_to_live = 30s}, clock};
    const new_scope scope;
    for (int i = 0; i < 1'000; ++i) cache.put(i, std::string(10'000, 'x'));
    const std::int64_t held = scope.delta().live_bytes;
    clock.advance(30s);
    cache.purge_expired();
    const std::int64_t left = scope.delta().live_bytes;
    CHECK(held > 10'000'000);
    CHECK(left <= 4'096);
}
