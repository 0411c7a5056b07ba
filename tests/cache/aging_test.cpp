// SPDX-License-Identifier: MIT
// Ends that depend on use or on chance: time to idle, jitter, and what is read of them.
#include "cache/aging_checks.hpp"
#include "cache/cache_test_types.hpp"
#include "cache/deadline_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/death.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::duration;
using plateau::order;
using plateau::time_point;

namespace {

struct shared_by_hand : plateau::concurrent_cache_policies {
    using clock = plateau::manual_clock;
    static constexpr duration tick{1};
    static constexpr std::size_t shards = 1;
};
using sole_idling = cache_by_hand<exact_by_hand>;
using shared_idling = plateau::concurrent_cache<int, int, shared_by_hand>;

}  // namespace

TEMPLATE_TEST_CASE("an entry that is used stays, one that idles leaves when its time has come", "[cache][unit]",
                   sole_idling, shared_idling) {
    plateau::manual_clock clock;
    TestType cache{{.max_entries = 100, .time_to_idle = 10ns}, clock};
    for (int key = 0; key < 5; ++key) cache.put(key, key);
    for (int step = 0; step < 20; ++step) {
        clock.advance(9ns);
        CHECK(cache.get(0) == 0);
        CHECK(cache.visit(1, [](const int&) noexcept {}));
        if (step == 0) CHECK(cache.peek(2) == 2);
        if (step == 0) CHECK(cache.contains(3));
        CHECK(cache.peek(2).has_value() == (step == 0));
        CHECK(cache.contains(3) == (step == 0));
        cache.check_invariants();
    }
    CHECK(cache.purge_expired() == 3);
    CHECK(cache.size() == 2);
    clock.advance(9ns);
    CHECK(cache.contains(0));
    clock.advance(1ns);
    CHECK_FALSE(cache.contains(0));
    CHECK_FALSE(cache.get(1));
    CHECK(cache.purge_expired() == 1);
    CHECK(cache.stats().expirations == 5);
}

TEST_CASE("a pin, and a get at a time of the caller's, are uses", "[cache][unit]") {
    struct pinning_by_hand : exact_by_hand {
        using pins = plateau::counted;
    };
    plateau::manual_clock clock;
    cache_by_hand<pinning_by_hand> cache{{.max_entries = 100, .time_to_idle = 10ns}, clock};
    cache.put(1, 1);
    cache.put(2, 2);
    const time_point later = clock.now() + 9ns;
    CHECK(cache.get(2, later) == 2);
    clock.set(later);
    { CHECK(cache.pin(1)); }
    clock.advance(9ns);
    CHECK(cache.contains(1));
    CHECK(cache.contains(2));
}

TEST_CASE("of a time to live and a time to idle, the one that ends first holds", "[cache][unit]") {
    plateau::manual_clock clock;
    sole_idling cache{{.max_entries = 100, .time_to_live = 100ns, .time_to_idle = 30ns}, clock};
    cache.put(1, 1);
    cache.put(2, 2, {.time_to_live = 20ns});
    cache.put(3, 3, {.time_to_live = plateau::forever});
    CHECK(cache.remaining(1) == 30ns);
    CHECK(cache.remaining(2) == 20ns);
    for (int step = 0; step < 9; ++step) {
        clock.advance(10ns);
        CHECK(cache.get(1) == 1);
        CHECK(cache.get(2).has_value() == (step == 0));
        CHECK(cache.get(3) == 3);
    }
    CHECK(cache.remaining(1) == 10ns);
    CHECK(cache.remaining(3) == 30ns);
    clock.advance(10ns);
    CHECK_FALSE(cache.get(1));
    CHECK(cache.get(3) == 3);
}

TEST_CASE("uses put an end off across every level of the wheel, and purges find it where it is", "[cache][unit]") {
    random_source random("idle levels", 0);
    for (const std::int64_t idle : {1, 2, 63, 64, 65, 4'095, 4'096, 262'144, 16'777'216, 1'073'741'824}) {
        plateau::manual_clock clock;
        sole_idling cache{{.max_entries = 10, .time_to_idle = duration(idle)}, clock};
        cache.put(1, 1);
        for (int step = 0; step < 300; ++step) {
            clock.advance(duration(static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(idle)))));
            if (random.one_in(2)) CHECK(cache.purge_expired() == 0);
            REQUIRE(cache.get(1) == 1);
            REQUIRE(cache.remaining(1) == duration(idle));
            cache.check_invariants();
        }
        clock.advance(duration(idle - 1));
        CHECK(cache.purge_expired() == 0);
        CHECK(cache.contains(1));
        clock.advance(1ns);
        CHECK(cache.purge_expired() == 1);
        CHECK(cache.size() == 0);
    }
}

TEST_CASE("a clock that goes back an hour keeps an idling entry no longer than its time", "[cache][unit]") {
    plateau::manual_clock clock{time_point{2h}};
    cache_by_hand<milliseconds_by_hand> cache{{.max_entries = 10, .time_to_idle = 1min}, clock};
    cache.put(1, 1);
    clock.advance(30s);
    CHECK(cache.get(1) == 1);
    clock.set(time_point{1h});
    CHECK(cache.get(1) == 1);
    CHECK(cache.remaining(1) == 1min);
    clock.set(time_point{2h + 89s});
    CHECK(cache.contains(1));
    clock.set(time_point{2h + 90s});
    CHECK_FALSE(cache.get(1));
    CHECK(cache.size() == 0);
}

TEST_CASE("a clock that jumps a hundred years ends what idled, and the cache works on", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<milliseconds_by_hand> cache{{.max_entries = 10, .time_to_idle = 1min}, clock};
    for (int round = 0; round < 2; ++round) {
        for (int key = 0; key < 5; ++key) cache.put(key, key);
        clock.advance(24h * 365 * 100);
        CHECK_FALSE(cache.get(0));
        CHECK(cache.purge_expired() == 4);
        cache.check_invariants();
    }
    cache.put(1, 1);
    clock.advance(59s);
    CHECK(cache.get(1) == 1);
    clock.advance(59s);
    CHECK(cache.get(1) == 1);
}

TEST_CASE("an entry that is got and nothing else outlives the 32 bits of its ticks", "[cache][unit]") {
    passes(an_entry_that_is_got_outlives_its_ticks<exact_by_hand>);
}

TEST_CASE("time to idle of 1 ns, the longest, and past the end of time are only times", "[cache][unit]") {
    const time_point last{(duration::max)()};
    for (const duration idle : {1ns, (duration::max)() - 1ns}) {
        plateau::manual_clock clock{last - 100ns};
        sole_idling cache{{.max_entries = 10, .time_to_idle = idle}, clock};
        cache.put(1, 1);
        CHECK(cache.get(1) == 1);
        clock.advance(1ns);
        CHECK(cache.get(1).has_value() == (idle != 1ns));
        clock.set(last);
        CHECK(cache.get(1).has_value() == (idle != 1ns));
        cache.check_invariants();
    }
}

TEST_CASE("a purge looks at no more entries than its budget, though uses have put their ends off", "[cache][unit]") {
    plateau::manual_clock clock;
    sole_idling cache{{.max_entries = 1'000, .time_to_idle = 100ns, .reclaim_budget = 0}, clock};
    for (int key = 0; key < 1'000; ++key) cache.put(key, key);
    clock.advance(99ns);
    for (int key = 0; key < 1'000; key += 2) (void)cache.get(key);
    clock.advance(1ns);
    std::size_t removed = 0;
    std::size_t calls = 0;
    for (; removed < 500; ++calls) {
        const std::size_t now = cache.purge_expired(10);
        REQUIRE(now <= 10);
        REQUIRE(calls <= 100);
        removed += now;
    }
    CHECK(calls >= 50);
    CHECK(cache.purge_expired() == 0);
    CHECK(cache.size() == 500);
    cache.check_invariants();
}

TEST_CASE("with a time to idle all memory is within the ceiling, and comes back by purges alone", "[cache][unit]") {
    struct tallied : milliseconds_by_hand {
        using allocator = counting_allocator<std::byte>;
    };
    for (const bool by_bytes : {false, true}) {
        plateau::manual_clock clock;
        allocation_tally tally;
        using cache_type = cache_by_hand<tallied>;
        plateau::cache_options options{.time_to_idle = 1min};
        (by_bytes ? options.max_bytes : options.max_entries) = by_bytes ? 10'000 * cache_type::entry_overhead : 10'000;
        cache_type cache{options, clock, counting_allocator<std::byte>{tally}};
        for (int key = 0; key < 30'000; ++key) {
            cache.put(key, key);
            (void)cache.get(key / 2);
            clock.advance(1ms);
            REQUIRE(static_cast<std::size_t>(tally.peak_bytes.load()) + sizeof cache <= cache.memory_ceiling());
        }
        while (cache.size() != 0) {
            clock.advance(1s);
            cache.purge_expired(1'000);
        }
        cache.purge_expired();
        CHECK(tally.live_bytes.load() < 8'192);
    }
}

TEST_CASE("whoever names no time to idle pays no byte for it", "[cache][unit]") {
    struct tallied : milliseconds_by_hand {
        using allocator = counting_allocator<std::byte>;
    };
    const auto held = [](duration idle) {
        plateau::manual_clock clock;
        allocation_tally tally;
        cache_by_hand<tallied> cache{{.max_entries = 10'000, .time_to_live = 1h, .time_to_idle = idle},
                                     clock,
                                     counting_allocator<std::byte>{tally}};
        for (int key = 0; key < 10'000; ++key) cache.put(key, key);
        return static_cast<std::size_t>(tally.live_bytes.load());
    };
    const std::size_t without = held(plateau::forever);
    const std::size_t with = held(1min);
    CHECK(with - without >= 4 * 10'000);
    CHECK(with - without < 4 * 10'100);
}

TEST_CASE("jitter shortens a time to live by up to its share, and never lengthens it", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<exact_by_hand> cache{{.max_entries = 20'000, .time_to_live = 1'000'000ns, .ttl_jitter = 0.2}, clock};
    std::set<std::int64_t> ends;
    double sum = 0;
    for (int key = 0; key < 10'000; ++key) {
        const duration life = key % 2 == 0 ? 1'000'000ns : 500'000ns;
        if (key % 2 == 0) cache.put(key, key);
        else cache.put(key, key, {.time_to_live = life});
        const auto left = cache.remaining(key);
        REQUIRE(left);
        REQUIRE(*left <= life);
        REQUIRE(left->count() >= life.count() / 5 * 4);
        ends.insert(left->count());
        sum += static_cast<double>(left->count()) / static_cast<double>(life.count());
    }
    CHECK(ends.size() > 9'000);
    CHECK(std::abs(sum / 10'000 - 0.9) < 0.005);
}

TEST_CASE("jitter leaves no deadline below a tick, and none where there was none", "[cache][unit]") {
    plateau::manual_clock clock;
    cache_by_hand<exact_by_hand> cache{{.max_entries = 1'000, .ttl_jitter = std::nextafter(1.0, 0.0)}, clock};
    cache.put(0, 0);
    CHECK(cache.remaining(0) == plateau::forever);
    CHECK_FALSE(cache.next_deadline());
    for (const duration life : {1ns, 2ns, 1'000ns, (duration::max)() - 1ns}) {
        for (int key = 1; key < 100; ++key) {
            cache.put(key, key, {.time_to_live = life});
            const auto left = cache.remaining(key);
            REQUIRE(left);
            CHECK((*left >= 1ns && *left <= life));
        }
    }
    cache.put(0, 1, {.time_to_live = 0ns});
    CHECK_FALSE(cache.contains(0));
}

TEST_CASE("two caches draw different ends for the same entries", "[cache][unit]") {
    plateau::manual_clock clock;
    const plateau::cache_options options{.max_entries = 100, .time_to_live = 1'000'000'000ns, .ttl_jitter = 0.5};
    sole_idling one{options, clock};
    sole_idling other{options, clock};
    int same = 0;
    for (int key = 0; key < 100; ++key) {
        one.put(key, key);
        other.put(key, key);
        same += one.remaining(key) == other.remaining(key);
    }
    CHECK(same < 10);
}

TEMPLATE_TEST_CASE("what is left of an entry's time is told, and asking is no use of it", "[cache][unit]", sole_idling,
                   shared_idling) {
    plateau::manual_clock clock;
    TestType cache{{.max_entries = 2}, clock};
    CHECK_FALSE(cache.remaining(1));
    cache.put(1, 1);
    CHECK(cache.remaining(1) == plateau::forever);
    cache.put(2, 2, {.time_to_live = 30ns});
    CHECK(cache.remaining(1) == plateau::forever);
    clock.advance(10ns);
    CHECK(cache.remaining(2) == 20ns);
    clock.advance(19ns);
    CHECK(cache.remaining(2) == 1ns);
    clock.advance(1ns);
    CHECK_FALSE(cache.remaining(2));
    const auto stats = cache.stats();
    CHECK(stats.hits + stats.misses == 0);
}

TEST_CASE("entries are told hottest or coldest first, the live ones, and nothing counts as used", "[cache][unit]") {
    plateau::manual_clock clock;
    sole_idling cache{{.max_entries = 10, .time_to_idle = 10ns}, clock};
    for (int key = 0; key < 5; ++key) cache.put(key, 10 * key, {.time_to_live = key == 3 ? 1ns : 1'000ns});
    (void)cache.get(1);
    clock.advance(1ns);
    const auto told = [&](order from) {
        std::vector<int> keys;
        std::as_const(cache).for_each(from, [&](const int& key, const int& value) {
            CHECK(value == 10 * key);
            keys.push_back(key);
        });
        return keys;
    };
    const auto before = cache.stats();
    CHECK(told(order::coldest_first) == std::vector<int>{0, 2, 4, 1});
    CHECK(told(order::hottest_first) == std::vector<int>{1, 4, 2, 0});
    CHECK(cache.stats().hits == before.hits);
    CHECK(cache.remaining(0) == 9ns);
}

TEST_CASE("each shard tells its entries in its order, and a call from inside is trapped", "[cache][unit]") {
    plateau::concurrent_lru_cache<int, int> cache{{.max_entries = 10'000}};
    for (int key = 0; key < 1'000; ++key) cache.put(key, key);
    std::set<int> seen;
    cache.for_each(order::hottest_first, [&](const int& key, const int&) { seen.insert(key); });
    CHECK(seen.size() == 1'000);
    CHECK(dies([&] {
              cache.for_each(order::hottest_first, [&](const int& key, const int&) { (void)cache.get(key + 1); });
          }).says("from inside its own visit"));
}

TEST_CASE("a time to idle that is not above zero, and a jitter that is no share, are refused with a sentence",
          "[cache][unit]") {
    const auto refusal = [](const plateau::cache_options& options) -> std::string {
        try {
            const plateau::lru_cache<int, int> cache{options};
        } catch (const std::invalid_argument& why) {
            return why.what();
        }
        return "none";
    };
    const std::string idle = "cache_options: time_to_idle is not above zero";
    CHECK(refusal({.max_entries = 1, .time_to_idle = 0ns}) == idle);
    CHECK(refusal({.max_entries = 1, .time_to_idle = -1ns}) == idle);
    const std::string jitter = "cache_options: ttl_jitter is not from 0 to below 1";
    for (const double share : {1.0, 1.5, -0.1, std::numeric_limits<double>::quiet_NaN()})
        CHECK(refusal({.max_entries = 1, .ttl_jitter = share}) == jitter);
    CHECK(refusal({.max_entries = 1, .ttl_jitter = 0.999}) == "none");
}
