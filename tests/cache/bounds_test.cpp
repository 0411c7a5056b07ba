// SPDX-License-Identifier: MIT
#include "cache/bounds_checks.hpp"
#include "cache/cache_test_types.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::cache_reason;
using plateau::unlimited;

namespace {

using weighing = plateau::lru_cache<int, std::size_t, weighs_itself>;
constexpr std::size_t overhead = weighing::entry_overhead;

using plain = plateau::lru_cache<int, int>;

/// The sentence with which the constructor refuses, or "".
template <class Cache = plain>
std::string refusal(const plateau::cache_options& options) {
    try {
        const Cache cache{options};
        return "";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

}  // namespace

static_assert(!std::is_copy_constructible_v<plain> && !std::is_move_constructible_v<plain> &&
              !std::is_copy_assignable_v<plain>);
static_assert(std::is_same_v<plain::options, plateau::cache_options>);

TEST_CASE("a cache without a bound, or with a bound of 0, is refused with a sentence", "[cache][unit]") {
    CHECK(refusal({}).find("max_entries or max_bytes") != std::string::npos);
    CHECK(refusal({.time_to_live = 30s}).find("max_entries or max_bytes") != std::string::npos);
    CHECK(refusal({.max_entry_bytes = 100}).find("max_entries or max_bytes") != std::string::npos);
    CHECK(refusal({.max_entries = 0}).find("max_entries is 0") != std::string::npos);
    CHECK(refusal({.max_bytes = 0}).find("max_bytes is 0") != std::string::npos);
    CHECK(refusal({.max_entries = 1, .max_bytes = 0}).find("max_bytes is 0") != std::string::npos);
    CHECK(refusal({.max_entries = 1, .max_entry_bytes = 0}).find("max_entry_bytes is 0") != std::string::npos);
    CHECK(refusal({.max_entries = 1, .time_to_live = 0s}).find("time_to_live") != std::string::npos);
    CHECK(refusal({.max_entries = 1, .time_to_live = -1s}).find("time_to_live") != std::string::npos);
    CHECK(refusal({.max_entries = std::size_t{1} << 32}).find("2^32") != std::string::npos);
    CHECK(refusal({.max_entries = unlimited - 1}).find("2^32") != std::string::npos);
    CHECK(refusal({.max_entries = 1}).empty());
    CHECK(refusal({.max_bytes = 1}).empty());
    CHECK(refusal({.max_bytes = unlimited - 1}).empty());
    CHECK(refusal({.max_entries = (std::size_t{1} << 32) - (std::size_t{1} << 16)}).empty());
    CHECK(refusal<plateau::concurrent_lru_cache<int, int>>({}).find("max_entries or max_bytes") != std::string::npos);
    CHECK(refusal<plateau::concurrent_lru_cache<int, int>>({.max_entries = 1}).empty());
    CHECK(refusal<plateau::concurrent_lru_cache<int, int>>({.max_bytes = unlimited - 1}).empty());
}

TEST_CASE("a refused construction leaves nothing behind", "[cache][alloc]") {
    const new_scope scope;
    for (int i = 0; i < 10; ++i) static_cast<void>(refusal({.max_entries = 0}).size());
    const auto left = scope.delta();
    CHECK(left.live_bytes == 0);
}

TEST_CASE("a cache of one entry holds the last one", "[cache][unit]") {
    plain cache{{.max_entries = 1}};
    for (int i = 0; i < 1'000; ++i) {
        REQUIRE(cache.put(i, i));
        REQUIRE(cache.get(i) == i);
        REQUIRE_FALSE(cache.contains(i - 1));
        REQUIRE(cache.size() == 1);
        cache.check_invariants();
    }
    CHECK(cache.stats().evictions == 999);
}

TEST_CASE("a byte budget that holds no entry refuses every put, and stays usable", "[cache][unit]") {
    for (const std::size_t bytes : {std::size_t{1}, overhead - 1}) {
        weighing cache{{.max_bytes = bytes}};
        CHECK(cache.put(1, 0U).reason() == cache_reason::too_large);
        CHECK_FALSE(cache.get(1));
        CHECK_FALSE(cache.erase(1));
        CHECK(cache.set_max_bytes(overhead) == 0);
        CHECK(cache.put(1, 0U));
        cache.check_invariants();
    }
}

TEST_CASE("an entry of weight 0 costs its slot", "[cache][unit]") {
    weighing cache{{.max_bytes = 3 * overhead}};
    for (int i = 0; i < 100; ++i) cache.put(i, 0U);
    CHECK(cache.size() == 3);
    CHECK(cache.stats().bytes == 3 * overhead);
}

TEST_CASE("a weight that overflows with the overhead is too large, never small", "[cache][unit]") {
    passes(a_weight_that_overflows_is_too_large<weighs_itself>);
}

TEST_CASE("a heavier value of the same key evicts others, never the newcomer", "[cache][unit]") {
    weighing cache{{.max_bytes = 10 + 2 * overhead}};
    cache.put(1, 4U);
    cache.put(2, 4U);
    const auto grown = cache.put(1, 7U);
    CHECK(grown.replaced());
    CHECK(cache.contains(1));
    CHECK_FALSE(cache.contains(2));
    CHECK(cache.stats().bytes == 7 + overhead);
    cache.check_invariants();
}

TEST_CASE("an oversize value is refused: the old value, all others and the argument stay", "[cache][unit]") {
    plateau::lru_cache<int, std::string> cache{{.max_bytes = 10'000, .max_entry_bytes = 1'000}};
    cache.put(1, "old");
    cache.put(2, "other");
    std::string big(2'000, 'x');
    const auto refused = cache.put(1, std::move(big));
    CHECK_FALSE(refused);
    CHECK(refused.reason() == cache_reason::too_large);
    CHECK_FALSE(refused.replaced());
    CHECK(big == std::string(2'000, 'x'));
    CHECK(cache.get(1) == "old");
    CHECK(cache.get(2) == "other");
    CHECK(cache.stats().rejections == 1);
    CHECK(cache.stats().evictions == 0);
}

TEST_CASE("max_entry_bytes holds without a byte budget too", "[cache][unit]") {
    // The weights were charged but not kept, and the sum ran below 0.
    plateau::lru_cache<int, std::string> cache{{.max_entries = 3, .max_entry_bytes = 1'000}};
    CHECK(cache.put(1, std::string(2'000, 'x')).reason() == cache_reason::too_large);
    for (int i = 0; i < 10; ++i) {
        CHECK(cache.put(i, std::string(static_cast<std::size_t>(50 * i), 'x')));
        cache.check_invariants();
    }
    CHECK(cache.memory_ceiling() != unlimited);
    cache.clear();
    CHECK(cache.stats().bytes == 0);
    cache.check_invariants();
}

namespace {

struct moody_weigher {
    std::size_t* next;
    std::size_t* calls;
    template <class V>
    std::size_t operator()(int, const V&) const noexcept {
        ++*calls;
        return *next;
    }
};
struct moody : plateau::cache_policies {
    using weigher = moody_weigher;
};

}  // namespace

TEST_CASE("a weigher is asked once a put, and what it answers later changes nothing", "[cache][unit]") {
    std::size_t next = 100;
    std::size_t calls = 0;
    plateau::lru_cache<int, int, moody> cache{{.max_bytes = 1'000 + 5 * overhead}, moody_weigher{&next, &calls}};
    cache.put(1, 1);
    CHECK(calls == 1);
    next = 500;
    cache.put(2, 2);
    cache.put(1, 1);
    CHECK(calls == 3);
    next = 0;
    CHECK(cache.stats().bytes == 1'000 + 2 * cache.entry_overhead);
    cache.erase(1);
    CHECK(cache.stats().bytes == 500 + cache.entry_overhead);
    next = SIZE_MAX;
    CHECK(cache.put(3, 3).reason() == cache_reason::too_large);
    cache.clear();
    CHECK(cache.stats().bytes == 0);
    CHECK(calls == 4);
    cache.check_invariants();
}

TEST_CASE("set_max_entries(0) empties and refuses with over_budget, and a new bound opens the cache again",
          "[cache][unit]") {
    plain cache{{.max_entries = 10}};
    for (int i = 0; i < 10; ++i) cache.put(i, i);
    CHECK(cache.set_max_entries(0) == 10);
    CHECK(cache.size() == 0);
    CHECK(cache.put(1, 1).reason() == cache_reason::over_budget);
    CHECK(cache.stats().evictions == 10);
    CHECK(cache.set_max_entries(5) == 0);
    CHECK(cache.put(1, 1));
    cache.check_invariants();
}

TEST_CASE("set_max_bytes(0) empties and refuses with over_budget, and a new bound opens the cache again",
          "[cache][unit]") {
    plain cache{{.max_entries = 10, .max_bytes = 10'000}};
    for (int i = 0; i < 10; ++i) cache.put(i, i);
    CHECK(cache.set_max_bytes(0) == 10);
    CHECK(cache.put(1, 1).reason() == cache_reason::over_budget);
    CHECK(cache.set_max_bytes(10'000) == 0);
    CHECK(cache.put(1, 1));
    cache.check_invariants();
}

TEST_CASE("bounds move live, evict the least recently used, and may not both be lifted", "[cache][unit]") {
    plain cache{{.max_entries = 10}};
    for (int i = 0; i < 10; ++i) cache.put(i, i);
    static_cast<void>(cache.get(0));
    CHECK(cache.set_max_entries(3) == 7);
    CHECK(cache.contains(0));
    CHECK(cache.contains(9));
    CHECK(cache.contains(8));
    CHECK_THROWS_AS(cache.set_max_entries(unlimited), std::invalid_argument);
    CHECK_THROWS_AS(cache.set_max_entries(std::size_t{1} << 32), std::invalid_argument);
    CHECK(cache.set_max_bytes(unlimited) == 0);
    CHECK(cache.size() == 3);
    CHECK(cache.set_max_bytes(2 * cache.entry_overhead) == 1);
    CHECK(cache.set_max_entries(unlimited) == 0);
    CHECK_THROWS_AS(cache.set_max_bytes(unlimited), std::invalid_argument);
    CHECK(cache.set_max_bytes(1'000 * cache.entry_overhead) == 0);
    for (int i = 0; i < 2'000; ++i) cache.put(i, i);
    CHECK(cache.size() == 1'000);
    cache.check_invariants();
}

TEST_CASE("the first byte bound of a cache that had none weighs what is there", "[cache][unit]") {
    plateau::lru_cache<int, std::string> cache{{.max_entries = 10}};
    for (int i = 0; i < 10; ++i) cache.put(i, std::string(999, 'x'));
    const std::size_t each = 1'000 + cache.entry_overhead;
    CHECK(cache.set_max_bytes(5 * each) == 5);
    CHECK(cache.stats().bytes == 5 * each);
    CHECK(cache.put(20, std::string(1'999, 'x')));
    CHECK(cache.size() == 4);
    cache.check_invariants();
}

TEST_CASE("a key that is empty, and one of a megabyte, is a key like any other", "[cache][unit]") {
    plateau::lru_cache<std::string, std::string> cache{{.max_bytes = 4'000'000}};
    const std::string megabyte(1'000'000, 'k');
    CHECK(cache.put("", ""));
    CHECK(cache.put(megabyte, "big"));
    CHECK(cache.get("") == "");
    CHECK(cache.get(std::string_view{}) == "");
    CHECK(cache.get(megabyte) == "big");
    CHECK_FALSE(cache.contains(std::string_view(megabyte).substr(1)));
    CHECK(cache.stats().bytes >= 1'000'000);
    CHECK(cache.erase(""));
    CHECK(cache.erase(std::string_view{megabyte}));
    CHECK(cache.size() == 0);
    cache.check_invariants();
}

TEST_CASE("a put of the same entry over and over changes no sum", "[cache][unit]") {
    weighing cache{{.max_bytes = 100 + overhead}};
    for (int i = 0; i < 1'000; ++i) {
        const auto put = cache.put(1, 100U);
        REQUIRE(put);
        REQUIRE(put.replaced() == (i != 0));
    }
    CHECK(cache.size() == 1);
    CHECK(cache.stats().bytes == 100 + overhead);
    CHECK(cache.put(1, 101U).reason() == cache_reason::too_large);
    CHECK(cache.get(1) == 100U);
}

TEST_CASE("erase_if stops at its budget, and begins with the least recently used", "[cache][unit]") {
    plain cache{{.max_entries = 10}};
    for (int i = 0; i < 10; ++i) cache.put(i, i);
    const auto odd = [](int key, int) { return key % 2 == 1; };
    CHECK(cache.erase_if(odd, 0) == 0);
    CHECK(cache.erase_if(odd, 2) == 2);
    CHECK_FALSE(cache.contains(1));
    CHECK_FALSE(cache.contains(3));
    CHECK(cache.contains(5));
    CHECK(cache.erase_if(odd) == 3);
    CHECK(cache.size() == 5);
    cache.check_invariants();
}
