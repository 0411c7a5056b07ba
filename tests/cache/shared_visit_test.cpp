// SPDX-License-Identifier: MIT
// A visitor of one shard that called another waited for it while that one's visitor waited for him: two threads stood
// still for ever, and one thread was not told.
#include "cache/shared_visit_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <vector>

using namespace plateau_test;

namespace {

using cache_type = plateau::concurrent_lru_cache<int, int, four_shards>;

constexpr auto inside = inside_its_own_visit;

}  // namespace

TEST_CASE("a visitor that calls its cache is trapped, whichever shard he calls", "[cache][unit]") {
    passes(a_visitor_that_calls_is_trapped<four_shards>);
}

TEST_CASE("a predicate that calls its cache is trapped, whichever shard it calls", "[cache][unit]") {
    cache_type cache{{.max_entries = 1'000}};
    for (int key = 0; key < 64; ++key) cache.put(key, key);
    for (int key = 0; key < 64; key += 7)
        CHECK(dies([&] { cache.erase_if([&](const int&, const int&) { return cache.contains(key); }); }).says(inside));
}

TEST_CASE("after a visit that ended by itself the cache may be called again", "[cache][unit]") {
    cache_type cache{{.max_entries = 1'000}};
    for (int key = 0; key < 64; ++key) cache.put(key, key);
    int sum = 0;
    for (int key = 0; key < 64; ++key) CHECK(cache.visit(key, [&](const int& value) noexcept { sum += value; }));
    CHECK(sum == 63 * 64 / 2);
    CHECK(cache.erase_if([](const int& key, const int&) { return key % 2 == 0; }) == 32);
    CHECK(cache.size() == 32);
}

TEST_CASE("a bound on pins smaller than the number of shards is still a bound", "[cache][unit]") {
    passes(a_small_bound_on_pins_is_a_bound<four_shards>);
}
