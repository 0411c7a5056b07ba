// SPDX-License-Identifier: MIT
// One budget of bytes for all shards, and an outer one for several caches. The witness is the outer budget's account.
#include "cache/byte_budget_checks.hpp"
#include "tools/catch.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <cstddef>

using namespace plateau_test;

TEST_CASE("one shard may fill the whole budget, and gives way when others come", "[cache][unit]") {
    passes(a_budget_moves_between_shards<four_by_low_bits>);
}

TEST_CASE("an entry heavier than a shard's part is kept, and can be pinned", "[cache][unit]") {
    passes(a_heavy_entry_is_kept<four_by_low_bits>);
}

TEST_CASE("what fits the budget together stays together", "[cache][unit]") {
    budget_account account;
    using cache_type = plateau::concurrent_lru_cache<int, weighed, four_by_low_bits>;
    constexpr std::size_t each = 1'000 + cache_type::entry_overhead;
    cache_type cache{{.max_bytes = 40 * each}, account.part()};
    for (int key = 0; key < 40; ++key) cache.put(4 * key + (key < 25 ? 0 : key % 4), weighed{1'000});  // unevenly
    CHECK(cache.size() == 40);
    CHECK(cache.stats().evictions == 0);
    CHECK(account.charged() == 40 * each);
    cache.put(4'003, weighed{1'000});
    CHECK(cache.size() == 40);
    CHECK(cache.stats().evictions == 1);
    cache.check_invariants();
}

TEST_CASE("several caches share an outer budget, and it is whole again in the end", "[cache][unit]") {
    budget_account account(100'000);
    plateau::pin<weighed> last = plateau::cache_reason::absent;
    std::size_t pinned = 0;
    {
        plateau::lru_cache<int, weighed, charged_alone> alone{{.max_entries = 1'000}, account.part()};
        plateau::concurrent_lru_cache<int, weighed, four_by_low_bits> shared{{.max_bytes = 80'000}, account.part()};
        random_source random("an outer budget");
        for (int i = 0; i < 20'000; ++i) {
            const int key = static_cast<int>(random.below(300));
            if (random.below(2) == 0) alone.put(key, weighed{random.below(3'000)});
            else shared.put(key, weighed{random.below(3'000)});
            if (random.below(50) == 0) alone.clear();
            if (random.below(50) == 0) shared.clear();
            if (random.below(10) == 0) shared.erase(static_cast<int>(random.below(300)));
            REQUIRE(account.charged() <= 100'000);
            REQUIRE(account.charged() >= alone.stats().bytes + shared.stats().bytes + shared.stats().pinned_bytes);
            REQUIRE(shared.stats().bytes <= 80'000);
            if (i % 500 == 0) {
                alone.check_invariants();
                shared.check_invariants();
            }
        }
        shared.clear();
        alone.clear();
        shared.put(1, weighed{2'000});
        last = shared.pin(1);
        REQUIRE(last);
        pinned = shared.stats().pinned_bytes;
    }
    CHECK(account.charged() == pinned);
    last.reset();
    CHECK(account.charged() == 0);
    CHECK(account.refused() > 0);
}

TEST_CASE("where the outer budget is used up a cache makes do with what it has", "[cache][unit]") {
    budget_account account(10'000);
    plateau::lru_cache<int, weighed, charged_alone> cache{{.max_entries = 1'000}, account.part()};
    cache.put(1, weighed{5'000});
    REQUIRE(account.take_all());
    CHECK(cache.put(2, weighed{5'000}));  // in place of the first
    CHECK_FALSE(cache.contains(1));
    CHECK(cache.put(3, weighed{9'500}).reason() == plateau::cache_reason::over_budget);
    CHECK(cache.contains(2));
    account.give_back();
    CHECK(cache.put(3, weighed{9'500}));
}

TEST_CASE("a bound that changes while bytes wander is kept", "[cache][unit]") {
    passes(a_wandering_bound_is_kept<four_by_low_bits>);
}

TEST_CASE("pins are bounded together, wherever they are", "[cache][unit]") {
    passes(pins_are_bounded_together<four_by_low_bits>);
}

TEST_CASE("what is erased by choice leaves the outer budget before the call returns", "[cache][unit]") {
    passes(what_is_erased_leaves_the_outer_budget<four_by_low_bits>);
}

TEST_CASE("a put that stores nothing takes nobody's place", "[cache][unit]") {
    budget_account account;
    plateau::concurrent_lru_cache<int, weighed, four_by_low_bits> cache{{.max_bytes = 100'000}, account.part()};
    for (int key = 0; key < 80; ++key) cache.put(key, weighed{1'000});
    CHECK(cache.put(1'000, weighed{90'000}, {.time_to_live = plateau::duration::zero()}));
    CHECK(cache.size() == 80);
}

TEST_CASE("a pinned value that ends beside the end of its cache gives nothing back twice", "[cache][unit]") {
    passes(a_value_that_ends_beside_its_cache_gives_back_once<charged_tellingly>);
}
