// SPDX-License-Identifier: MIT
// The caches beside the textbook: the same random calls on both, the same answers, and every invariant after every
// step.
#include "cache/cache_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/lru_oracle.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace plateau_test;
using plateau::duration;
using plateau::time_point;

namespace {

using text = counted_string;

struct model_policies : plateau::cache_policies {
    using clock = plateau::manual_clock;
    using allocator = counting_allocator<std::byte>;
};
struct exact_policies : model_policies {
    static constexpr duration tick{1};
};
/// Pages of two, with an outbox large enough that no entry goes because the slab has holes (its own test says when one
/// does).
template <class Base>
struct small_pages : shrunk<Base> {
    static constexpr std::size_t outbox_slots = 64;
};
struct coarse_shrunk : small_pages<model_policies> {};
struct exact_shrunk : small_pages<exact_policies> {
    using pins = plateau::counted;
};
struct all_equal_hash {
    template <class Q>
    std::uint64_t operator()(const Q&) const noexcept {
        return 7;
    }
    using is_transparent = void;
    using is_avalanching = void;
};
struct colliding : exact_policies {
    using hash = all_equal_hash;
};
struct one_shard_model : plateau::concurrent_cache_policies {
    using clock = plateau::manual_clock;
    using allocator = counting_allocator<std::byte>;
    static constexpr duration tick{1};
    static constexpr std::size_t shards = 1;
};

template <class Cache>
struct harness {
    using policies = typename Cache::policies;
    using oracle_type = lru_oracle<int, std::string>;
    static constexpr std::int64_t tick = policies::tick.count();

    harness(std::string_view name, std::size_t max_entries, std::size_t max_bytes, std::size_t max_entry_bytes)
        : random(name),
          cache({.max_entries = max_entries,
                 .max_bytes = max_bytes,
                 .max_entry_bytes = max_entry_bytes,
                 .reclaim_budget = std::numeric_limits<unsigned>::max()},
                clock, counting_allocator<std::byte>{tally}),
          oracle(max_entries, max_bytes),
          entries(max_entries),
          bytes(max_bytes) {
        oracle.max_entry_bytes = max_entry_bytes;
    }

    std::int64_t now() const { return clock.now().time_since_epoch().count() / tick; }

    /// What the documentation says of deadlines: whole ticks, rounded down, at least one, at most 2^31 - 1 ahead.
    std::int64_t deadline(duration time_to_live) const {
        if (time_to_live == plateau::forever) return oracle_type::never;
        if (time_to_live <= duration::zero()) return now();
        const std::int64_t end = (clock.now().time_since_epoch() + time_to_live).count() / tick;
        return std::clamp(end, now() + 1, now() + 0x7fffffff);
    }

    duration some_time_to_live() {
        switch (random.below(8)) {
        case 0:
            return duration(random.between(-1, 1));
        case 1:
            return duration(tick * random.between(1, 3));
        case 2:
            return duration(tick * random.between(1, 300) + random.between(0, 5));
        case 3:
            return duration(tick * random.between(1, 300'000));
        default:
            return plateau::forever;
        }
    }

    text some_text() {
        const std::size_t size = random.one_in(3) ? random.below(16) : random.below(200);
        return text(size, static_cast<char>('a' + random.below(26)), counting_allocator<char>{tally});
    }

    void put() {
        const int key = some_key();
        text value = some_text();
        const std::string plain(value.data(), value.size());
        const auto time_to_live = some_time_to_live();
        const std::size_t weight = plateau::owned_bytes(value) + Cache::entry_overhead;
        const auto expected = oracle.put(key, plain, weight, deadline(time_to_live), now());
        const auto result = cache.put(key, std::move(value), {.time_to_live = time_to_live});
        REQUIRE(static_cast<bool>(result) == (expected != oracle_type::stored::refused));
        REQUIRE(result.replaced() == (expected == oracle_type::stored::replaced));
        if (!result) REQUIRE(std::string_view(value) == plain);  // a refused put leaves the argument alone
    }

    void look_up() {
        const int key = some_key();
        switch (random.below(4)) {
        case 0: {
            const auto expected = oracle.get(key, now());
            const auto hit = cache.get(key);
            REQUIRE(hit.has_value() == expected.has_value());
            if (hit) REQUIRE(std::string_view(*hit) == *expected);
            break;
        }
        case 1: {
            const auto expected = oracle.peek(key, now());
            const auto hit = cache.peek(key);
            REQUIRE(hit.has_value() == expected.has_value());
            if (hit) REQUIRE(std::string_view(*hit) == *expected);
            break;
        }
        case 2:
            REQUIRE(cache.contains(key) == oracle.peek(key, now()).has_value());
            break;
        default: {
            std::string seen;
            const auto expected = oracle.get(key, now());
            const bool visited =
                cache.visit(key, [&](const text& value) noexcept { seen.assign(value.data(), value.size()); });
            REQUIRE(visited == expected.has_value());
            if (visited) REQUIRE(seen == *expected);
            break;
        }
        }
    }

    void turn() {
        static constexpr std::int64_t ticks[] = {0, 1, 2, 60, 64, 65, 4'095, 4'096, 300'000, 20'000'000};
        // Rarely a year, so that the 32 bits of a deadline start anew, or an hour back.
        if (random.one_in(200))
            clock.advance(duration(tick * std::min<std::int64_t>(std::int64_t{3} << 30, INT64_MAX / tick / 64)));
        else clock.advance(duration(tick * ticks[random.below(std::size(ticks))] + random.between(0, 1)));
    }

    void step() {
        switch (random.below(20)) {
        default:
            put();
            break;
        case 8:
        case 9:
        case 10:
        case 11:
        case 12:
        case 13:
            look_up();
            break;
        case 14: {
            const int key = some_key();
            REQUIRE(cache.erase(key) == oracle.erase(key, now()));
            break;
        }
        case 15: {
            const int remainder = static_cast<int>(random.below(5));
            const auto chosen = [=](int key, const auto&) { return key % 5 == remainder; };
            REQUIRE(cache.erase_if(chosen) == oracle.erase_if(chosen, now()));
            break;
        }
        case 16:
            turn();
            break;
        case 17:
            cache.purge_expired();
            oracle.purge(now());
            REQUIRE(cache.size() == oracle.size());
            if (bytes != plateau::unlimited) REQUIRE(cache.stats().bytes == oracle.bytes());
            break;
        case 18:
            resize();
            break;
        case 19:
            if (random.one_in(20)) {
                cache.clear();
                oracle.clear();
                REQUIRE(cache.size() == 0);
            }
            break;
        }
        ++steps;
    }

    void resize() {
        // Before the bound moves, so that both evict from the same entries.
        cache.purge_expired();
        oracle.purge(now());
        if (random.one_in(2) && entries != plateau::unlimited) {
            const std::size_t n = random.one_in(4) ? entries : random.below(entries + 1);
            REQUIRE(cache.set_max_entries(n) == oracle.set_max_entries(n));
        } else if (bytes != plateau::unlimited) {
            const std::size_t n = random.one_in(4) ? bytes : random.below(bytes + 1);
            REQUIRE(cache.set_max_bytes(n) == oracle.set_max_bytes(n));
        }
    }

    /// The whole content, in order: the cache is asked from its oldest on by erase_if, which chooses nothing.
    void compare() {
        cache.purge_expired();
        oracle.purge(now());
        std::vector<std::pair<int, std::string>> content;
        cache.erase_if([&](int key, const text& value) {
            content.emplace_back(key, std::string(value.data(), value.size()));
            return false;
        });
        std::vector<std::pair<int, std::string>> expected;
        for (const auto& e : oracle.hottest_first()) expected.emplace_back(e.key, e.value);
        std::reverse(expected.begin(), expected.end());
        REQUIRE(content == expected);
    }

    void run(std::size_t count) {
        INFO(random_source::repeat());
        for (std::size_t i = 0; i < count; ++i) {
            CAPTURE(i);
            step();
            cache.check_invariants();
            REQUIRE(static_cast<std::size_t>(tally.live_bytes) + sizeof(Cache) <= cache.memory_ceiling());
            if (i % 16 == 0) compare();
        }
    }

    int some_key() {
        return static_cast<int>(
            random.below(std::min<std::size_t>(entries == plateau::unlimited ? 40 : 2 * entries + 1, 60)));
    }

    random_source random;
    allocation_tally tally;
    plateau::manual_clock clock;
    Cache cache;
    oracle_type oracle;
    std::size_t entries;
    std::size_t bytes;
    std::size_t steps = 0;
};

template <class Cache>
void compare_with_the_textbook(const char* name, std::size_t count) {
    std::size_t steps = 0;
    constexpr std::size_t weight = Cache::entry_overhead + 100;
    for (const std::size_t max_entries :
         {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{17}, plateau::unlimited}) {
        for (const std::size_t max_bytes : {Cache::entry_overhead, 3 * weight, 20 * weight, plateau::unlimited}) {
            if (max_entries == plateau::unlimited && max_bytes == plateau::unlimited) continue;
            for (const std::size_t max_entry_bytes : {weight, plateau::unlimited}) {
                CAPTURE(max_entries, max_bytes, max_entry_bytes);
                harness<Cache> pair{name, max_entries, max_bytes, max_entry_bytes};
                pair.run(count);
                steps += pair.steps;
                pair.cache.clear();
                pair.cache.check_invariants();
            }
        }
    }
    CHECK(steps == 38 * count);
}

}  // namespace

TEST_CASE("lru_cache answers as the textbook does", "[cache][model]") {
    compare_with_the_textbook<plateau::lru_cache<int, text, model_policies>>("shipped constants", 3'000);
}
TEST_CASE("lru_cache with ticks of a nanosecond answers as the textbook does", "[cache][model]") {
    compare_with_the_textbook<plateau::lru_cache<int, text, exact_policies>>("exact ticks", 3'000);
}
TEST_CASE("lru_cache with pages of two slots answers as the textbook does", "[cache][model]") {
    compare_with_the_textbook<plateau::lru_cache<int, text, coarse_shrunk>>("pages of two", 3'000);
}
TEST_CASE("lru_cache with pins, shrunk, answers as the textbook does", "[cache][model]") {
    compare_with_the_textbook<plateau::lru_cache<int, text, exact_shrunk>>("pins", 3'000);
}
TEST_CASE("lru_cache whose keys all have one hash answers as the textbook does", "[cache][model]") {
    compare_with_the_textbook<plateau::lru_cache<int, text, colliding>>("one hash", 2'000);
}
TEST_CASE("concurrent_lru_cache with one shard answers as the textbook does", "[cache][model]") {
    compare_with_the_textbook<plateau::concurrent_lru_cache<int, text, one_shard_model>>("one shard", 3'000);
}
