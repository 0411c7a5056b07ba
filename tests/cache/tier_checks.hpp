// SPDX-License-Identifier: MIT
/// What is checked of a cache with a second tier, for tiers of several types; their clock is turned by hand.
#pragma once

#include "seeded_bugs/shared_check.hpp"

#include <plateau/cache.hpp>
#include <plateau/cache/loading_cache.hpp>
#include <plateau/cache/tiered_cache.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

namespace plateau_test {

/// A tier in memory that does what the test says. A defect has its own, by `Name`.
template <class Name>
struct told_tier {
    using entry = plateau::tier_entry<int>;
    using reason = plateau::tier_reason;

    std::map<int, entry> held;
    /// Asked before each call, and by its letter: g, p or e. What they answer, other than none, is the answer.
    std::function<reason(char, int)> instead;
    int gets = 0;
    int puts = 0;
    int erasures = 0;
    plateau::time_point until{};

    plateau::result<entry, reason> get(const int& key, plateau::time_point latest) {
        ++gets;
        until = latest;
        const auto at = held.find(key);
        const std::optional<entry> found = at == held.end() ? std::nullopt : std::optional(at->second);
        if (instead) {
            if (const reason why = instead('g', key); why != reason::none) return why;
        }
        if (!found) return reason::absent;
        return *found;
    }
    reason put(const int& key, const int& value, plateau::duration time_to_live, plateau::time_point latest) {
        ++puts;
        until = latest;
        if (instead) {
            if (const reason why = instead('p', key); why != reason::none) return why;
        }
        held.insert_or_assign(key, entry{value, time_to_live});
        return reason::none;
    }
    reason erase(const int& key, plateau::time_point latest) {
        ++erasures;
        until = latest;
        if (instead) {
            if (const reason why = instead('e', key); why != reason::none) return why;
        }
        return held.erase(key) != 0 ? reason::none : reason::absent;
    }
};

struct near_by_hand : plateau::cache_policies {
    using clock = plateau::manual_clock;
    static constexpr plateau::duration tick{1};
};
template <class Name>
using tiered = plateau::tiered_cache<plateau::lru_cache<int, int, near_by_hand>, told_tier<Name>>;

/// A cache of ten entries over a tier.
template <class Name>
struct two_tiers {
    plateau::manual_clock clock{plateau::time_point{std::chrono::hours(1)}};
    told_tier<Name> tier;
    tiered<Name> cache;

    explicit two_tiers(plateau::duration time_to_live = plateau::forever)
        : cache({.cache = {.max_entries = 10, .time_to_live = time_to_live}}, clock, tier) {}
};

template <class Name>
void what_the_tier_has_is_kept_near(shared_check& check) {
    using namespace std::chrono_literals;
    two_tiers<Name> both(30ns);
    both.tier.held = {{1, {10, 20ns}}, {2, {20, plateau::forever}}, {3, {30, 1h}}};
    check.expect(both.cache.get(1) == 10, "what only the tier has is found");
    check.expect(both.tier.until == both.clock.now() + 50ms, "the tier is told how long it may take");
    check.expect(both.cache.get(1) == 10 && both.cache.contains(1), "and then is near");
    check.equal(both.tier.gets, 1, "the times that the tier was asked");
    both.clock.advance(19ns);
    check.expect(both.cache.contains(1), "it is near for what is left of its time to live");
    both.clock.advance(1ns);
    check.expect(!both.cache.contains(1), "and no longer");
    for (const int key : {2, 3}) {
        check.expect(both.cache.get(key) == 10 * key, "it is found in the tier");
        both.clock.advance(29ns);
        check.expect(both.cache.contains(key), "it is near for the cache's own time to live");
        both.clock.advance(1ns);
        check.expect(!both.cache.contains(key), "however long it lives in the tier");
    }
    check.expect(!both.cache.get(4) && both.tier.gets == 4, "what neither has is absent");
    check.expect(!both.cache.peek(2) && !both.cache.visit(2, [](int) noexcept {}), "only get asks the tier");
    check.equal(both.tier.gets, 4, "the times that the tier was asked in the end");
    const auto now = both.cache.stats();
    check.equal(now.tier_hits, 3U, "the hits of the tier");
    check.equal(now.tier_misses, 1U, "its misses");
    check.equal(now.hits, 1U, "the hits near");
}

template <class Name>
void what_is_put_and_erased_goes_through(shared_check& check) {
    using namespace std::chrono_literals;
    using reason = plateau::tier_reason;
    two_tiers<Name> both(1min);
    auto& held = both.tier.held;
    check.expect(bool(both.cache.put(1, 10)), "there is room");
    check.expect(held.at(1).value == 10 && held.at(1).time_to_live == 1min, "the tier has it, for as long");
    both.cache.put(1, 11, {.time_to_live = 5ns});
    check.expect(held.at(1).value == 11 && held.at(1).time_to_live == 5ns, "the tier has the latest");
    check.expect(both.cache.erase(1), "it was near");
    check.expect(held.empty() && !both.cache.get(1), "it is gone from both");
    check.expect(!both.cache.erase(1) && both.tier.erasures == 2, "the tier is asked in any case");
    held = {{2, {20, 1h}}};
    reason far{};
    check.expect(!both.cache.erase(2, far) && far == reason::none, "it was in the tier alone");
    check.expect(!both.cache.erase(2, far) && far == reason::absent, "it is nowhere");

    held = {{3, {30, 1h}}};
    check.expect(bool(both.cache.put(3, 31, {.time_to_live = 0ns})), "a put of what is over erases");
    check.expect(held.empty(), "from the tier as well");

    both.cache.put(4, 40);
    both.tier.instead = [](char call, int) { return call == 'p' ? reason::too_large : reason::none; };
    check.expect(bool(both.cache.put(4, 41)) && both.cache.get(4) == 41, "it is kept near");
    check.expect(held.empty(), "and the tier does not keep what is older");
    both.tier.instead = nullptr;

    held = {{5, {50, 1h}}};
    const int puts = both.tier.puts;
    both.cache.set_max_entries(0);
    check.expect(!both.cache.put(5, 51) && held.at(5).value == 50 && both.tier.puts == puts,
                 "what is refused near does not reach the tier");
    check.expect(both.cache.get(5) == 50 && !both.cache.contains(5), "what has no room near is handed out");
    both.cache.set_max_entries(10);

    check.expect(both.cache.get(5) == 50 && both.cache.contains(5), "it is near");
    both.cache.clear();
    check.expect(both.cache.size() == 0 && both.cache.get(5) == 50, "clear leaves the tier as it is");
    check.equal(both.cache.erase_if([](int, int) { return true; }), 1U, "the entries that erase_if erases");
    check.expect(held.count(5) == 1, "erase_if leaves the tier as it is");
    both.cache.check_invariants();
}

template <class Name>
void a_tier_that_fails_is_a_miss(shared_check& check) {
    using namespace std::chrono_literals;
    using reason = plateau::tier_reason;
    two_tiers<Name> both;
    both.tier.held = {{1, {10, 1h}}};
    std::uint64_t failures = 0;
    const auto all_calls_miss = [&] {
        check.expect(!both.cache.get(1) && !both.cache.contains(1), "a tier that fails is a miss");
        check.expect(bool(both.cache.put(2, 20)) && both.cache.get(2) == 20, "the near cache works on");
        reason far{};
        check.expect(both.cache.erase(2, far) && !both.cache.contains(2), "the near cache works on");
        check.expect(far != reason::none && far != reason::absent, "an erasure that failed is told");
        failures += 3;
        const auto now = both.cache.stats();
        check.equal(now.tier_failures + now.tier_timeouts, failures, "the failures counted");
        check.equal(now.tier_hits + now.tier_misses + now.tier_stores + now.tier_erasures, 0U, "the answers counted");
    };
    both.tier.instead = [](char, int) { return reason::unavailable; };
    all_calls_miss();
    check.equal(both.cache.stats().tier_timeouts, 0U, "the time-outs counted");
    both.tier.instead = [](char, int) { return reason::timed_out; };
    all_calls_miss();
    check.equal(both.cache.stats().tier_timeouts, 3U, "the time-outs counted");
    both.tier.instead = [](char, int) -> reason { throw std::runtime_error("down"); };
    all_calls_miss();
    both.tier.instead = [](char, int) -> reason { throw 1; };
    all_calls_miss();
    both.tier.instead = [](char, int) { return static_cast<reason>(77); };
    all_calls_miss();
    both.tier.instead = nullptr;
    check.expect(both.cache.get(1) == 10, "once the tier is back, so is what it holds");
}

template <class Name>
void a_tier_that_lies_is_not_believed(shared_check& check) {
    using namespace std::chrono_literals;
    two_tiers<Name> both(1min);
    for (const plateau::duration lie : {0ns, -1ns, (plateau::duration::min)()}) {
        both.tier.held = {{1, {10, lie}}};
        check.expect(!both.cache.get(1) && both.cache.size() == 0, "what is over is not handed out");
    }
    check.equal(both.cache.stats().tier_misses, 3U, "the misses counted");
    both.tier.held = {{1, {10, (plateau::duration::max)()}}};
    check.expect(both.cache.get(1) == 10, "what lives for ever is handed out");
    both.clock.advance(1min);
    check.expect(!both.cache.contains(1), "and is near for no longer than anything is");
    both.cache.put(2, 20);
    both.tier.instead = [](char call, int) {
        return call == 'g' ? plateau::tier_reason::too_large : plateau::tier_reason::none;
    };
    check.expect(!both.cache.get(3) && both.cache.get(2) == 20, "an answer that makes no sense is a failure");
    both.cache.check_invariants();
}

/// It is told until when, and comes back later.
template <class Name>
void a_tier_that_overstays_is_counted(shared_check& check) {
    using namespace std::chrono_literals;
    using reason = plateau::tier_reason;
    two_tiers<Name> both;
    both.tier.held = {{1, {10, 1h}}};
    both.tier.instead = [&](char, int) {
        both.clock.advance(50ms);
        return reason::none;
    };
    check.expect(both.cache.get(1) == 10, "it kept its time");
    both.cache.clear();
    check.equal(both.cache.stats().tier_overstays, 0U, "the calls that came too late");
    both.tier.instead = [&](char, int) {
        both.clock.advance(50ms + 1ns);
        return reason::none;
    };
    check.expect(both.cache.get(1) == 10 && both.cache.contains(1), "what comes late is still an answer");
    both.cache.put(2, 20);
    both.cache.erase(2);
    check.equal(both.cache.stats().tier_overstays, 3U, "the calls that came too late");
    both.tier.instead = [&](char, int) -> reason {
        both.clock.advance(1h);
        throw std::runtime_error("too late");
    };
    check.expect(!both.cache.get(3), "a failure that comes late is one");
    check.equal(both.cache.stats().tier_overstays, 4U, "the calls that came too late");
}

/// While the tier looks, another call writes the same key, as a thread might.
template <class Name>
void a_value_from_the_tier_does_not_undo_a_write(shared_check& check) {
    using namespace std::chrono_literals;
    using reason = plateau::tier_reason;
    two_tiers<Name> both;
    const auto meanwhile = [&](auto write) {
        both.tier.instead = [&both, write](char call, int) {
            if (call == 'g') write(both.cache);
            return reason::none;
        };
        const auto got = both.cache.get(1);
        both.tier.instead = nullptr;
        return got;
    };
    both.tier.held = {{1, {10, 1h}}};
    check.expect(meanwhile([](auto& cache) { cache.erase(1); }) == 10, "the look-up began before the erasure");
    check.expect(!both.cache.contains(1) && !both.cache.get(1), "what was erased is not brought back");

    both.tier.held = {{1, {10, 1h}}};
    check.expect(meanwhile([](auto& cache) { cache.put(1, 11); }) == 10, "the look-up began before the put");
    check.expect(both.cache.get(1) == 11, "the newer value stays");
    both.cache.inner().clear();

    both.tier.held = {{1, {10, 1h}}};
    check.expect(meanwhile([](auto& cache) {
                     cache.put(1, 12);
                     cache.inner().clear();  // evicted
                 }) == 10,
                 "the look-up began before the put");
    check.expect(!both.cache.contains(1) && both.cache.get(1) == 12, "the older value is not kept");

    // A write is at the tier when the look-up begins.
    both.tier.held = {{1, {10, 1h}}};
    both.cache.inner().clear();
    std::optional<int> seen;
    both.tier.instead = [&](char call, int) {
        if (call == 'p') {
            both.cache.inner().clear();
            seen = both.cache.get(1);
        }
        return reason::none;
    };
    both.cache.put(1, 13);
    both.tier.instead = nullptr;
    check.expect(seen == 10, "until the put is done, the tier has the older value");
    check.expect(!both.cache.contains(1) && both.cache.get(1) == 13, "which is not kept");
    both.cache.check_invariants();
}

/// Two puts of one key, of which the first to reach the near cache is the last to reach the tier.
template <class Name>
void the_tier_decides_between_puts_that_overlap(shared_check& check) {
    using reason = plateau::tier_reason;
    two_tiers<Name> both;
    bool inside = false;
    both.tier.instead = [&](char call, int) {
        if (call == 'p' && !std::exchange(inside, true)) both.cache.put(1, 11);
        return reason::none;
    };
    check.expect(bool(both.cache.put(1, 10)), "it is stored");
    both.tier.instead = nullptr;
    check.expect(both.tier.held.at(1).value == 10, "the tier has what came there last");
    check.expect(both.cache.get(1) == 10, "and so has the near cache");
}

// ---- loads over a tier

struct shared_near : plateau::concurrent_cache_policies {
    using clock = plateau::manual_clock;
    static constexpr plateau::duration tick{1};
    static constexpr std::size_t shards = 1;
};
template <class Policies>
using shared_tiered = plateau::tiered_cache<plateau::concurrent_lru_cache<int, int, Policies>, told_tier<Policies>>;

/// A load stores what it brought in the tier while its key is erased: between the two, the tier has the old value.
template <class Policies>
void what_is_taken_back_is_given_to_nobody(shared_check& check) {
    using reason = plateau::tier_reason;
    plateau::manual_clock clock;
    told_tier<Policies> tier;
    int origin = 1;
    plateau::loading_cache<shared_tiered<Policies>> all{
        {.cache = {.cache = {.max_entries = 10}}}, clock, [&](int) { return origin; }, tier};
    int seen = 0;
    tier.instead = [&](char call, int key) {
        if (call != 'p' || origin != 1) return reason::none;
        origin = 2;
        static_cast<void>(all.erase(key));
        tier.held = {{key, {1, plateau::forever}}};  // here it has come in, and its caller has yet to be told
        seen = *all.get(key);
        return reason::none;
    };
    check.equal(*all.get(1), 1, "what comes to who asked before the change");
    check.equal(seen, 2, "what comes to who asked after it");
    tier.instead = nullptr;
    check.equal(*all.get(1), 2, "what comes to who asks next");
    all.check_invariants();
}

}  // namespace plateau_test
