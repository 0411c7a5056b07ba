// SPDX-License-Identifier: MIT
/// What is checked of deadlines, for caches of several policies; their clock is turned by hand.
#pragma once

#include "cache/cache_test_types.hpp"
#include "seeded_bugs/shared_check.hpp"

#include <plateau/cache.hpp>

#include <chrono>
#include <cstdint>

namespace plateau_test {

struct exact_by_hand : by_hand {
    static constexpr plateau::duration tick{1};
};
struct milliseconds_by_hand : by_hand {
    static constexpr plateau::duration tick{1'000'000};
};
template <class Policies>
using cache_by_hand = plateau::lru_cache<int, int, Policies>;

/// get, peek, contains and visit agree; the answer is theirs.
template <class Cache>
bool lives(shared_check& check, Cache& cache, int key) {
    const bool peeked = cache.peek(key).has_value();
    const bool contained = cache.contains(key);
    const bool visited = cache.visit(key, [](int) noexcept {});
    const bool got = cache.get(key).has_value();
    const bool again = cache.contains(key);
    check.expect(peeked == contained && peeked == visited && peeked == got && got == again, "all ways to look agree");
    return peeked;
}

template <class Policies>
void an_entry_is_over_at_its_deadline(shared_check& check) {
    using namespace std::chrono_literals;
    plateau::manual_clock clock{plateau::time_point{5s}};
    cache_by_hand<Policies> cache{{.max_entries = 10}, clock};
    cache.put(1, 1, {.time_to_live = 100ns});
    clock.advance(99ns);
    check.expect(lives(check, cache, 1), "an entry lives until its deadline");
    check.equal(cache.purge_expired(), 0U, "the number of entries purged before a deadline");
    check.expect(cache.next_deadline().has_value(), "a deadline is ahead");
    clock.advance(1ns);
    check.expect(!cache.peek(1), "peek: an entry is over at its deadline");
    check.expect(!cache.contains(1), "contains: an entry is over at its deadline");
    check.equal(cache.purge_expired(), 1U, "the number of entries purged at a deadline");
    check.equal(cache.size(), 0U, "the size after a purge");
    cache.put(2, 2, {.time_to_live = 100ns});
    clock.advance(100ns);
    check.expect(!cache.visit(2, [](int) noexcept {}), "visit: an entry is over at its deadline");
    cache.put(3, 3, {.time_to_live = 100ns});
    clock.advance(100ns);
    check.expect(!cache.get(3), "get: an entry is over at its deadline");
    cache.put(4, 4, {.time_to_live = 100ns});
    clock.advance(100ns);
    check.expect(!cache.erase(4), "erase: an entry is over at its deadline");
    check.equal(cache.size(), 0U, "the size at the end");
    check.equal(cache.stats().expirations, 4U, "the number of expirations");
    cache.check_invariants();
}

template <class Policies>
void a_clock_that_goes_back_revives_nothing(shared_check& check) {
    using namespace std::chrono_literals;
    plateau::manual_clock clock{plateau::time_point{2h}};
    cache_by_hand<Policies> cache{{.max_entries = 10, .reclaim_budget = 0}, clock};
    cache.put(1, 1, {.time_to_live = 10s});
    cache.put(2, 2, {.time_to_live = 10s});
    clock.advance(10s);
    check.expect(!cache.get(2), "an entry is over at its deadline");
    clock.set(plateau::time_point{});
    check.expect(!cache.contains(1), "contains: who was over stays over");
    check.expect(!cache.get(1), "get: who was over stays over");
}

/// Past 2^31 ticks the 32 bits of a deadline start anew.
template <class Policies>
void a_jump_of_years_is_only_time(shared_check& check) {
    using namespace std::chrono_literals;
    for (int years : {1, 2, 3, 10, 100, 290}) {
        plateau::manual_clock clock;
        cache_by_hand<Policies> cache{{.max_entries = 100}, clock};
        for (int i = 0; i < 50; ++i) cache.put(i, i, {.time_to_live = std::chrono::seconds(i + 1)});
        cache.put(99, 99);
        for (int jump = 0; jump < years; ++jump) clock.advance(24h * 365);
        check.equal(cache.purge_expired(), 50U, "the number of entries purged after years");
        check.expect(lives(check, cache, 99), "who has no deadline lives on");
        cache.check_invariants();
        for (int i = 0; i < 50; ++i) cache.put(i, i, {.time_to_live = std::chrono::seconds(i + 1)});
        clock.advance(25s);
        check.equal(cache.purge_expired(), 25U, "the number of entries purged later");
        check.expect(!lives(check, cache, 24), "a deadline set after years is kept");
        check.expect(lives(check, cache, 25), "a deadline set after years does not come early");
        cache.check_invariants();
    }
}

/// The wheel took the new time for a shift, and the entry expired at once.
template <class Policies>
void the_first_deadline_of_an_old_cache_is_kept(shared_check& check) {
    using namespace std::chrono_literals;
    plateau::manual_clock clock;
    for (const plateau::duration age : {plateau::duration(std::int64_t{1} << 31), plateau::duration(3'222'138'083),
                                        plateau::duration(std::int64_t{1} << 33)}) {
        cache_by_hand<Policies> fresh{{.max_entries = 10}, clock};
        clock.advance(age);
        fresh.put(1, 1, {.time_to_live = 100ns});
        check.expect(fresh.contains(1), "an entry lives when it was put");
        clock.advance(99ns);
        check.equal(fresh.purge_expired(), 0U, "the number of entries purged before a deadline");
        check.expect(fresh.contains(1), "an entry lives until its deadline");
        clock.advance(1ns);
        check.expect(!fresh.contains(1), "an entry is over at its deadline");
    }
}

}  // namespace plateau_test
