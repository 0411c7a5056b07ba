// SPDX-License-Identifier: MIT
// What a layer may ask of the cache it stands on: notes, a judge, conditions, and a sweep within the budget.
#include "cache/cache_test_types.hpp"
#include "tools/catch.hpp"

#include <plateau/cache.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::removal_cause;
using layer = plateau::detail::layer_access;

namespace {

/// Groups, of which each may be over.
struct groups {
    std::array<bool, 8> over{};
    std::uint64_t epoch = 0;
    void end(std::size_t group) {
        over[group] = true;
        ++epoch;
    }
};
struct group_note {
    std::uint32_t group = 0;
};
struct group_judge {
    const groups* of;
    bool over(const group_note& note) const noexcept { return of->over[note.group]; }
    std::uint64_t epoch() const noexcept { return of->epoch; }
};
struct second_note {
    std::uint32_t word = 0;
};

using heard = std::vector<std::pair<int, removal_cause>>;
struct hears {
    heard* all;
    void operator()(const int& key, const int&, removal_cause cause) noexcept { all->emplace_back(key, cause); }
};

template <class Base>
struct grouped : plateau::detail::noted<Base, group_note> {
    using judge = group_judge;
    using clock = plateau::manual_clock;
    using listener = hears;
    static constexpr std::size_t shards = 1;
};
using sole_groups = plateau::lru_cache<int, int, grouped<plateau::cache_policies>>;
using shared_groups = plateau::concurrent_lru_cache<int, int, grouped<plateau::concurrent_cache_policies>>;

constexpr auto always = []() noexcept { return true; };

template <class Cache>
plateau::put_result put_in(Cache& cache, int key, std::uint32_t group, plateau::put_options how = {}) {
    typename Cache::policies::note note{};
    note.group = group;
    return layer::put(cache, key, 10 * key, how, note, always);
}

}  // namespace

TEMPLATE_TEST_CASE("an entry that its judge calls over is gone for every way to look", "[cache][unit]", sole_groups,
                   shared_groups) {
    plateau::manual_clock clock;
    groups of;
    heard told;
    TestType cache{{.max_entries = 100, .reclaim_budget = 0}, clock, group_judge{&of}, hears{&told}};
    for (int key = 0; key < 8; ++key) put_in(cache, key, key % 2 == 0 ? 1 : 2);
    of.end(1);
    CHECK_FALSE(cache.peek(0));
    CHECK_FALSE(cache.contains(0));
    CHECK(cache.size() == 8);
    CHECK_FALSE(cache.get(0));
    CHECK(told == heard{{0, removal_cause::tag}});
    CHECK_FALSE(cache.visit(2, [](const int&) noexcept {}));
    CHECK_FALSE(cache.erase(4));
    std::vector<int> seen;
    cache.erase_if([&](const int& key, const int&) { return seen.push_back(key), false; });
    CHECK(seen == std::vector<int>{1, 3, 5, 7});
    CHECK(cache.peek(1) == 10);
    CHECK(cache.purge_expired() == 1);
    CHECK(cache.size() == 4);
    CHECK(cache.stats().invalidations == 4);
    CHECK(cache.stats().expirations == 0);
    cache.check_invariants();
}

TEST_CASE("a put over an entry that its judge calls over replaces nothing", "[cache][unit]") {
    plateau::manual_clock clock;
    groups of;
    heard told;
    sole_groups cache{{.max_entries = 100, .reclaim_budget = 0}, clock, group_judge{&of}, hears{&told}};
    put_in(cache, 1, 1);
    of.end(1);
    CHECK_FALSE(put_in(cache, 1, 2).replaced());
    CHECK(told == heard{{1, removal_cause::tag}});
    CHECK(cache.get(1) == 10);
}

TEST_CASE("an entry that is expired and condemned leaves once, as expired", "[cache][unit]") {
    plateau::manual_clock clock;
    groups of;
    heard told;
    sole_groups cache{{.max_entries = 100}, clock, group_judge{&of}, hears{&told}};
    put_in(cache, 1, 1, {.time_to_live = 1s});
    of.end(1);
    clock.advance(2s);
    CHECK_FALSE(cache.get(1));
    CHECK(told == heard{{1, removal_cause::expired}});
    CHECK(cache.purge_expired() == 0);
}

TEST_CASE("an entry that is expired, condemned, pinned and the next to be evicted leaves once and weighs once",
          "[cache][unit]") {
    struct pinned_groups : grouped<plateau::cache_policies> {
        using pins = plateau::counted;
    };
    for (int way = 0; way < 4; ++way) {
        plateau::manual_clock clock;
        groups of;
        heard told;
        plateau::lru_cache<int, int, pinned_groups> cache{
            {.max_entries = 2, .max_bytes = 1'000'000}, clock, group_judge{&of}, hears{&told}};
        put_in(cache, 1, 1, {.time_to_live = 1s});
        put_in(cache, 2, 2);
        auto held = cache.pin(1);
        (void)cache.get(2);
        of.end(1);
        clock.advance(2s);
        if (way == 0) put_in(cache, 3, 2);
        else if (way == 1) CHECK_FALSE(cache.erase(1));
        else if (way == 2) CHECK_FALSE(cache.get(1));
        else CHECK(cache.purge_expired() == 1);
        CHECK(told == heard{{1, removal_cause::expired}});
        CHECK(*held == 10);
        CHECK(cache.stats().bytes == cache.size() * cache.entry_overhead);
        CHECK(cache.stats().pinned_bytes == cache.entry_overhead);
        held.reset();
        CHECK(cache.stats().pinned_bytes == 0);
        CHECK(told.size() == 1);
        cache.check_invariants();
    }
}

TEMPLATE_TEST_CASE("what is over is swept within the budget, by calls that change the cache and by purge_expired",
                   "[cache][unit]", sole_groups, shared_groups) {
    constexpr int many = 1'000;
    plateau::manual_clock clock;
    groups of;
    heard told;
    TestType cache{{.max_entries = 2 * many, .reclaim_budget = 4}, clock, group_judge{&of}, hears{&told}};
    for (int key = 0; key < many; ++key) put_in(cache, key, key % 2 == 0 ? 1 : 2);
    of.end(1);
    std::size_t calls = 0;
    for (; cache.size() > many / 2; ++calls) {
        const std::size_t before = cache.size();
        CHECK_FALSE(cache.erase(-1));
        CHECK(before - cache.size() <= 4);
        REQUIRE(calls < 2 * many);
    }
    cache.check_invariants();
    for (const auto& [key, cause] : told) CHECK((key % 2 == 0 && cause == removal_cause::tag));

    of.end(2);
    while (cache.size() != 0) {
        const std::size_t before = cache.size();
        const std::size_t removed = cache.purge_expired(7);
        CHECK(removed == before - cache.size());
        CHECK(removed <= 7);
        REQUIRE(++calls < 5 * many);
    }
    CHECK(cache.stats().invalidations == many);
}

TEST_CASE("a sweep that the index grows under begins anew and forgets nobody", "[cache][unit]") {
    plateau::manual_clock clock;
    groups of;
    heard told;
    sole_groups cache{{.max_entries = 4'000, .reclaim_budget = 1}, clock, group_judge{&of}, hears{&told}};
    for (int key = 0; key < 100; ++key) put_in(cache, key, 1);
    of.end(1);
    for (int key = 100; key < 2'100; ++key) put_in(cache, key, 2);
    CHECK(cache.purge_expired() + cache.stats().invalidations >= 100);
    CHECK(cache.stats().invalidations == 100);
    CHECK(cache.size() == 2'000);
}

TEMPLATE_TEST_CASE("a put whose condition fails changes nothing", "[cache][unit]", sole_groups, shared_groups) {
    plateau::manual_clock clock;
    groups of;
    heard told;
    TestType cache{{.max_entries = 100}, clock, group_judge{&of}, hears{&told}};
    put_in(cache, 1, 1);
    const auto before = cache.stats();
    typename TestType::policies::note note{};
    const auto never = []() noexcept { return false; };
    const auto refused = layer::put(cache, 1, 99, {}, note, never);
    CHECK(refused.reason() == plateau::cache_reason::absent);
    CHECK(cache.peek(1) == 10);
    CHECK(cache.stats().replacements == before.replacements);
    CHECK(cache.stats().rejections == before.rejections);
    CHECK(told.empty());
}

TEMPLATE_TEST_CASE("a layer looks at value and note, at a time of its own", "[cache][unit]", sole_groups,
                   shared_groups) {
    plateau::manual_clock clock;
    groups of;
    heard told;
    TestType cache{{.max_entries = 2}, clock, group_judge{&of}, hears{&told}};
    put_in(cache, 1, 5, {.time_to_live = 10s});
    put_in(cache, 2, 6);
    int value = 0;
    std::uint32_t group = 0;
    const auto look = [&](const int& found, const group_note& note) {
        value = found;
        group = note.group;
    };
    CHECK(layer::look(cache, 1, layer::now(cache), look));
    CHECK((value == 10 && group == 5));
    put_in(cache, 3, 7);  // evicts what was not looked at
    CHECK(cache.contains(1));
    CHECK_FALSE(cache.contains(2));
    CHECK(cache.stats().hits == 1);
    struct failure {};
    CHECK_THROWS_AS(layer::look(cache, 1, clock.now(), [](const int&, const group_note&) { throw failure{}; }),
                    failure);
    CHECK(cache.stats().hits == 1);
    CHECK_FALSE(layer::look(cache, 1, clock.now() + 10s, look));
    CHECK(cache.stats().expirations == 1);
    CHECK_FALSE(layer::erase_if_note(cache, 3, [](const group_note& note) { return note.group != 7; }));
    CHECK(layer::erase_if_note(cache, 3, [](const group_note& note) { return note.group == 7; }));
    CHECK(cache.size() == 0);
}

TEST_CASE("the listener hears of a value that a layer could not store", "[cache][unit]") {
    plateau::manual_clock clock;
    groups of;
    heard told;
    sole_groups cache{{.max_entries = 2}, clock, group_judge{&of}, hears{&told}};
    layer::tell_rejected(cache, 4, 40);
    CHECK(told == heard{{4, removal_cause::rejected}});
    CHECK(cache.stats().discards == 1);
    CHECK(cache.size() == 0);
}

TEST_CASE("notes of two layers stand beside each other, and each binds to its own", "[cache][unit]") {
    using below = plateau::detail::noted<plateau::cache_policies, second_note>;
    using both = plateau::detail::noted<below, group_note>;
    static_assert(sizeof(both::note) == 8 && std::is_trivially_copyable_v<both::note>);
    using cache_type = plateau::lru_cache<int, int>::with_policies<both>;
    static_assert(std::is_same_v<cache_type, plateau::lru_cache<int, int, both>>);
    static_assert(cache_type::entry_overhead == plateau::lru_cache<int, int>::entry_overhead + 8);
    cache_type cache{{.max_entries = 2}};
    both::note note{};
    note.group = 3;
    note.word = 4;
    layer::put(cache, 1, 10, {}, note, always);
    std::uint32_t sum = 0;
    layer::look(cache, 1, layer::now(cache), [&](const int&, const second_note& mine) { sum += mine.word; });
    layer::look(cache, 1, layer::now(cache), [&](const int&, const group_note& mine) { sum += mine.group; });
    CHECK(sum == 7);
    static_assert(!layer::has_far<cache_type>());
}
