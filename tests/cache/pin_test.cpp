// SPDX-License-Identifier: MIT
#include "cache/cache_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/cache.hpp>

#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace plateau_test;
using plateau::cache_reason;

namespace {

struct with_pins : plateau::cache_policies {
    using pins = plateau::counted;
};
template <class V>
using pinning_cache = plateau::lru_cache<int, V, with_pins>;

struct eight_shards : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 8;
    static constexpr std::size_t min_shard_entries = 1;
};

using value = counting_value;

}  // namespace

static_assert(!std::is_copy_constructible_v<plateau::pin<int>> &&
              std::is_nothrow_move_constructible_v<plateau::pin<int>>);
static_assert(std::is_nothrow_move_assignable_v<plateau::pin<int>>);
static_assert(!std::is_convertible_v<plateau::pin<int>, bool>);
static_assert(std::is_same_v<decltype(*std::declval<plateau::pin<int>&>()), const int&>);

TEST_CASE("a pin keeps its value through eviction, replacement, clear and the end of the cache, then it ends once",
          "[cache][unit]") {
    value_tally tally;
    std::vector<plateau::pin<value>> pins;
    {
        pinning_cache<value> cache{{.max_entries = 1, .max_bytes = 1'000'000}};
        cache.put(1, value{tally, 1});
        pins.push_back(cache.pin(1));
        cache.put(2, value{tally, 2});  // evicts 1
        pins.push_back(cache.pin(2));
        cache.put(2, value{tally, 3});  // replaces it
        pins.push_back(cache.pin(2));
        cache.clear();
        cache.check_invariants();
        cache.put(4, value{tally, 4});
        pins.push_back(cache.pin(4));
        CHECK_FALSE(cache.contains(1));
    }
    REQUIRE(pins.size() == 4);
    for (int i = 0; i < 4; ++i) {
        REQUIRE(pins[static_cast<std::size_t>(i)]);
        CHECK(pins[static_cast<std::size_t>(i)]->number() == i + 1);
    }
    CHECK(tally.live == 4);
    pins.pop_back();
    CHECK(tally.live == 3);
    pins.clear();
    CHECK(tally.live == 0);
    CHECK(tally.corrupt == 0);
}

TEST_CASE("the last pin of a cache that is gone gives back all its memory", "[cache][alloc]") {
    value_tally tally;
    const new_scope scope;
    {
        std::optional<plateau::pin<value>> kept;
        {
            pinning_cache<value> cache{{.max_entries = 100, .max_bytes = 1'000'000}};
            for (int i = 0; i < 100; ++i) cache.put(i, value{tally, i});
            kept.emplace(cache.pin(50));
        }
        CHECK((*kept)->number() == 50);
        CHECK(tally.live == 1);
    }
    const auto left = scope.delta();
    CHECK(left.live_bytes == 0);
    CHECK(tally.live == 0);
}

TEST_CASE("a pin of what is absent is refused with absent, and may be asked only for its reason", "[cache][unit]") {
    pinning_cache<int> cache{{.max_entries = 1, .max_bytes = 1'000}};
    const auto none = cache.pin(7);
    CHECK_FALSE(none);
    CHECK(none.reason() == cache_reason::absent);
    const auto end = dies([&] { static_cast<void>(*none); });
    CHECK(end.signal == SIGABRT);
    CHECK(end.message == "plateau: a refused pin has no value: test it, or ask for its reason()\n");
}

TEST_CASE("a pin that was moved from or reset holds nothing, and says absent", "[cache][unit]") {
    value_tally tally;
    pinning_cache<value> cache{{.max_entries = 2, .max_bytes = 1'000'000}};
    cache.put(1, value{tally, 1});
    cache.put(2, value{tally, 2});
    auto a = cache.pin(1);
    auto b = std::move(a);
    CHECK_FALSE(a);
    CHECK(a.reason() == cache_reason::absent);
    CHECK(b->number() == 1);
    auto& self = b;
    b = std::move(self);
    CHECK(b->number() == 1);
    b = cache.pin(2);
    CHECK(b->number() == 2);
    b.reset();
    b.reset();
    CHECK_FALSE(b);
    CHECK(cache.stats().pinned_bytes == 0);
    CHECK(tally.live == 2);
}

TEST_CASE("pinned bytes are charged once an entry, at its first pin, until its last", "[cache][unit]") {
    pinning_cache<std::string> cache{{.max_entries = 10, .max_bytes = 100'000}};
    cache.put(1, std::string(1'000, 'x'));
    const std::size_t charge = cache.stats().bytes;
    CHECK(charge == 1'001 + pinning_cache<std::string>::entry_overhead);
    auto a = cache.pin(1);
    auto b = cache.pin(1);
    CHECK(cache.stats().pinned_bytes == charge);
    a.reset();
    CHECK(cache.stats().pinned_bytes == charge);
    cache.erase(1);
    CHECK(cache.stats().bytes == 0);
    CHECK(cache.stats().pinned_bytes == charge);
    b.reset();
    CHECK(cache.stats().pinned_bytes == 0);
}

TEST_CASE("past the pinned budget a pin is refused instead of memory growing", "[cache][alloc]") {
    using cache_type = pinning_cache<std::string>;
    constexpr std::size_t weight = 1'001 + cache_type::entry_overhead;
    cache_type cache{{.max_bytes = 100 * weight, .max_pinned_bytes = 10 * weight}};
    const new_scope scope;
    std::vector<plateau::pin<std::string>> pins;
    pins.reserve(1'000);
    const std::int64_t own = scope.delta().live_bytes;
    std::size_t refused = 0;
    std::int64_t most = 0;
    for (int i = 0; i < 1'000'000; ++i) {
        cache.put(i, std::string(1'000, 'x'));
        auto pin = cache.pin(i);
        if (pin) pins.push_back(std::move(pin));
        else refused += pin.reason() == cache_reason::pinned_full ? 1 : 0;
        most = std::max(most, scope.delta().live_bytes - own);
    }
    CHECK(pins.size() == 10);
    CHECK(refused == 999'990);
    CHECK(most <= static_cast<std::int64_t>(cache.memory_ceiling()));
    cache.check_invariants();
    pins.clear();
    CHECK(cache.pin(999'999));
}

TEST_CASE("a pinned budget of 0 means: as the byte budget", "[cache][unit]") {
    using cache_type = pinning_cache<int>;
    cache_type cache{{.max_bytes = 3 * cache_type::entry_overhead}};
    std::vector<plateau::pin<int>> pins;
    for (int i = 0; i < 4; ++i) {
        cache.put(i, i);
        if (auto pin = cache.pin(i)) pins.push_back(std::move(pin));
        else CHECK(pin.reason() == cache_reason::pinned_full);
    }
    CHECK(pins.size() == 3);
}

TEST_CASE("a pinned budget smaller than the number of shards stays a budget in each", "[cache][unit]") {
    using cache_type = plateau::concurrent_lru_cache<int, int, eight_shards>;
    cache_type cache{{.max_entries = 1'000, .max_bytes = 1'000'000, .max_pinned_bytes = 7}};
    std::size_t pinned = 0;
    for (int i = 0; i < 1'000; ++i) {
        cache.put(i, i);
        pinned += cache.pin(i) ? 1 : 0;
    }
    CHECK(pinned == 0);
}

TEST_CASE("a replacement under a pin changes the cache, not the pinned value", "[cache][unit]") {
    pinning_cache<std::string> cache{{.max_entries = 10, .max_bytes = 100'000}};
    cache.put(1, "old");
    const auto pin = cache.pin(1);
    CHECK(cache.put(1, "new").replaced());
    CHECK(*pin == "old");
    CHECK(cache.get(1) == "new");
    CHECK(*cache.pin(1) == "new");
}

TEST_CASE("pinning makes an entry the most recently used, and does not keep it from eviction", "[cache][unit]") {
    pinning_cache<int> cache{{.max_entries = 2, .max_bytes = 100'000}};
    cache.put(1, 1);
    cache.put(2, 2);
    const auto pin = cache.pin(1);
    cache.put(3, 3);
    CHECK(cache.contains(1));
    CHECK_FALSE(cache.contains(2));
    cache.put(4, 4);
    CHECK_FALSE(cache.contains(1));
    CHECK(*pin == 1);
    cache.check_invariants();
}

TEST_CASE("pinning allocates nothing", "[cache][alloc]") {
    pinning_cache<int> cache{{.max_entries = 2, .max_bytes = 100'000}};
    cache.put(1, 1);
    const new_scope scope;
    for (int i = 0; i < 100; ++i) {
        auto a = cache.pin(1);
        auto b = cache.pin(1);
        static_cast<void>(a);
    }
    const auto delta = scope.delta();
    CHECK(delta.calls == 0);
}
