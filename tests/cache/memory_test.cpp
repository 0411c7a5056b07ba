// SPDX-License-Identifier: MIT
// Bytes as the allocator and operator new saw them, never the cache's own counters.
#include "cache/cache_test_types.hpp"
#include "cache/memory_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"
#include "tools/threads.hpp"

#include <plateau/cache.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;
using plateau::unlimited;

namespace {

struct counted_small : shrunk<counted_policies> {};
struct counted_shards : plateau::concurrent_cache_policies {
    using allocator = counting_allocator<std::byte>;
    using clock = plateau::manual_clock;
    static constexpr std::size_t shards = 4;
    static constexpr std::size_t min_shard_entries = 1;
};
struct counted_pins : counted_policies {
    using pins = plateau::counted;
};
struct counted_alone : counted_shards {
    static constexpr std::size_t shards = 1;
};
using text = counted_string;

/// Runs random traffic, and holds what was asked for against the ceiling: at the end of each call, and, but for the
/// entry on its way in, at every moment within.
template <class Cache>
void stays_below(const char* name, plateau::cache_options options, std::size_t keys, std::size_t longest, int steps) {
    random_source random{name};
    INFO(random_source::repeat());
    CAPTURE(options.max_entries, options.max_bytes, longest);
    allocation_tally tally;
    plateau::manual_clock clock;
    {
        Cache cache{options, clock, counting_allocator<std::byte>{tally}};
        const std::size_t ceiling = cache.memory_ceiling();
        std::size_t after = 0;
        std::size_t within = 0;
        for (int i = 0; i < steps; ++i) {
            const int key = static_cast<int>(random.below(keys));
            const std::size_t size = random.one_in(50) ? random.below(longest) : random.below(longest / 50 + 1);
            text value(size, 'x', counting_allocator<char>{tally});
            const std::size_t incoming = plateau::owned_bytes(value) + Cache::entry_overhead;
            tally.reset_peak();
            if (random.one_in(10)) cache.erase(key);
            else if (random.one_in(4))
                cache.put(key, std::move(value), {.time_to_live = std::chrono::milliseconds(random.below(1'000))});
            else cache.put(key, std::move(value));
            within = std::max(within, static_cast<std::size_t>(tally.peak_bytes) -
                                          std::min(incoming, static_cast<std::size_t>(tally.peak_bytes)));
            value.clear();
            value.shrink_to_fit();
            after = std::max(after, static_cast<std::size_t>(tally.live_bytes));
            if (random.one_in(1'000)) cache.clear();
            if (random.one_in(100)) clock.advance(std::chrono::milliseconds(random.below(500)));
            if (random.one_in(100)) cache.purge_expired();
        }
        CHECK(after <= ceiling);
        CHECK(within <= ceiling);
        CHECK(cache.memory_ceiling() == ceiling);
        cache.check_invariants();
    }
    CHECK(tally.live_bytes == 0);
    CHECK(tally.wrong_sizes == 0);
}

}  // namespace

TEST_CASE("what is held stays below the ceiling at every moment, and all of it comes back", "[cache][alloc]") {
    const auto all = []<class Cache>(const char* name, std::type_identity<Cache>) {
        stays_below<Cache>(name, {.max_bytes = 100'000}, 2'000, 5'000, 20'000);
        stays_below<Cache>(name, {.max_bytes = 1'000'000}, 20'000, 500'000, 20'000);
        stays_below<Cache>(name, {.max_bytes = 3'000}, 100, 1'000, 5'000);
        stays_below<Cache>(name, {.max_entries = 100, .max_entry_bytes = 2'000}, 200, 1'500, 5'000);
        stays_below<Cache>(name, {.max_entries = 50, .max_bytes = 50'000}, 1'000, 5'000, 10'000);
    };
    all("shipped", std::type_identity<plateau::lru_cache<int, text, counted_policies>>{});
    all("small", std::type_identity<plateau::lru_cache<int, text, counted_small>>{});
    all("shards", std::type_identity<plateau::concurrent_lru_cache<int, text, counted_shards>>{});
}

TEST_CASE("the ceiling holds while a cache bounded by entries grows to its bound", "[cache][alloc]") {
    passes(the_ceiling_holds_while_it_grows<counted_policies>);
}

TEST_CASE("many small entries that make way for a large one leave no second budget behind", "[cache][alloc]") {
    // The slots of the victims came back after the call had looked at what stood idle.
    allocation_tally tally;
    plateau::manual_clock clock;
    using cache_type = plateau::lru_cache<int, text, counted_policies>;
    constexpr std::size_t budget = 8'000'000;
    cache_type cache{{.max_bytes = budget}, clock, counting_allocator<std::byte>{tally}};
    for (int i = 0; i < 200'000; ++i) cache.put(i, text(counting_allocator<char>{tally}));
    CHECK(cache.size() > 80'000);
    cache.put(-1, text(budget - 1'000, 'x', counting_allocator<char>{tally}));
    CHECK(cache.contains(-1));
    CHECK(static_cast<std::size_t>(tally.live_bytes) <= cache.memory_ceiling());
    cache.check_invariants();
    for (int i = 0; i < 10; ++i) {
        cache.put(i, text(budget / 4, 'x', counting_allocator<char>{tally}));
        CHECK(static_cast<std::size_t>(tally.live_bytes) <= cache.memory_ceiling());
    }
}

TEST_CASE("a bound that was lowered far leaves a cache that still holds what fits", "[cache][unit]") {
    plateau::lru_cache<int, int> cache{{.max_bytes = 400'000'000}};
    for (int i = 0; i < 1'000'000; ++i) cache.put(i, i);
    cache.set_max_bytes(100 * cache.entry_overhead);
    CHECK(cache.size() == 100);
    for (int i = 0; i < 1'000; ++i) cache.put(i, i);
    CHECK(cache.size() == 100);
    cache.check_invariants();
}

TEST_CASE("a lowered bound is answered by the ceiling with what is really held", "[cache][alloc]") {
    allocation_tally tally;
    plateau::manual_clock clock;
    plateau::lru_cache<int, text, counted_policies> cache{
        {.max_entries = 10'000, .max_entry_bytes = 500}, clock, counting_allocator<std::byte>{tally}};
    for (int i = 0; i < 10'000; ++i) cache.put(i, text(300, 'x', counting_allocator<char>{tally}));
    for (const std::size_t bound : {9'000U, 5'000U, 100U, 1U, 0U}) {
        cache.set_max_entries(bound);
        CAPTURE(bound);
        CHECK(static_cast<std::size_t>(tally.live_bytes) <= cache.memory_ceiling());
    }
}

TEMPLATE_TEST_CASE(
    "a pin that keeps the memory of a lowered bound neither empties the cache nor hides from the ceiling",
    "[cache][alloc]", (plateau::lru_cache<int, int, counted_pins>),
    (plateau::concurrent_cache<int, int, counted_alone>)) {
    // The limit was raised by what could not be given back. The ceiling left that out; and where bytes come from a
    // pool, the next of them set the limit back, so that every put sent all others away, with the pin and after it.
    allocation_tally tally;
    plateau::manual_clock clock;
    TestType cache{{.max_entries = 20'000}, clock, counting_allocator<std::byte>{tally}};
    for (int i = 0; i < 20'000; ++i) cache.put(i, i);
    {
        const auto held = cache.pin(19'999);
        cache.set_max_bytes(200 * TestType::entry_overhead);
        for (int i = 0; i < 500; ++i) cache.put(i, i);
        CHECK(cache.size() == 200);
        CHECK(static_cast<std::size_t>(tally.live_bytes) <= cache.memory_ceiling());
    }
    for (int i = 0; i < 500; ++i) cache.put(i, i);
    CHECK(cache.size() == 200);
    CHECK(static_cast<std::size_t>(tally.live_bytes) <= cache.memory_ceiling());
    cache.check_invariants();
    cache.clear();
    CHECK(tally.live_bytes < 20'000);
}

TEST_CASE("a ceiling after a lowered bound has room for the deadlines of the slots that were left behind",
          "[cache][alloc]") {
    passes(a_lowered_ceiling_has_room_for_deadlines<int>);
}

TEST_CASE("the first deadline after a lowered byte bound stays below the ceiling while it is set", "[cache][alloc]") {
    passes(a_first_deadline_fits_a_lowered_bound<counted_policies>);
}

TEMPLATE_TEST_CASE("a first deadline fits the ceiling of a lowered bound while a pin keeps the slots of the old",
                   "[cache][alloc]", (plateau::lru_cache<int, int, counted_pins>),
                   (plateau::concurrent_cache<int, int, counted_alone>)) {
    allocation_tally tally;
    plateau::manual_clock clock;
    TestType cache{{.max_entries = 20'000}, clock, counting_allocator<std::byte>{tally}};
    for (int i = 0; i < 20'000; ++i) cache.put(i, i);
    const auto held = cache.pin(19'999);
    cache.set_max_bytes(200 * TestType::entry_overhead);
    for (int i = 0; i < 500; ++i) cache.put(i, i);
    const std::size_t ceiling = cache.memory_ceiling();
    tally.reset_peak();
    for (int i = 0; i < 500; ++i) cache.put(i, i, {.time_to_live = std::chrono::seconds(1)});
    CHECK(static_cast<std::size_t>(tally.peak_bytes) <= ceiling);
    CHECK(cache.memory_ceiling() == ceiling);
    CHECK(cache.size() == 200);
    cache.check_invariants();
}

TEST_CASE("what is pinned beyond a lowered bound stands in the ceiling until it is let go", "[cache][alloc]") {
    allocation_tally tally;
    plateau::manual_clock clock;
    using cache_type = plateau::lru_cache<int, text, counted_pins>;
    cache_type cache{{.max_bytes = 10'000'000}, clock, counting_allocator<std::byte>{tally}};
    std::vector<plateau::pin<text>> held;
    for (int i = 0; i < 2'000; ++i) {
        cache.put(i, text(300, 'x', counting_allocator<char>{tally}));
        held.push_back(cache.pin(i));
    }
    cache.set_max_bytes(1'000);
    CHECK(static_cast<std::size_t>(tally.live_bytes) > 2'000 * 300U);
    CHECK(static_cast<std::size_t>(tally.live_bytes) <= cache.memory_ceiling());
    held.clear();
    CHECK(static_cast<std::size_t>(tally.live_bytes) <= cache.memory_ceiling());
    CHECK(cache.memory_ceiling() < 1'000'000);
}

TEST_CASE("a bound of 0 gives the memory of the entries back, as clear does", "[cache][alloc]") {
    passes(a_bound_of_0_gives_the_memory_back<counted_policies>);
}

TEST_CASE("clear gives all memory of the entries back", "[cache][alloc]") {
    allocation_tally tally;
    plateau::manual_clock clock;
    plateau::lru_cache<int, text, counted_policies> cache{
        {.max_entries = 10'000}, clock, counting_allocator<std::byte>{tally}};
    const std::int64_t empty = tally.live_bytes;
    for (int i = 0; i < 10'000; ++i) cache.put(i, text(300, 'x', counting_allocator<char>{tally}));
    cache.clear();
    CHECK(tally.live_bytes == empty);
    cache.put(1, text(300, 'x', counting_allocator<char>{tally}));
    CHECK(cache.size() == 1);
    cache.check_invariants();
}

TEST_CASE("at constant size no call of any kind allocates", "[cache][alloc]") {
    random_source random{"steady"};
    struct hand : plateau::cache_policies {
        using clock = plateau::manual_clock;
    };
    struct hand_shared : plateau::concurrent_cache_policies {
        using clock = plateau::manual_clock;
    };
    const auto steady = [&](auto& cache, plateau::manual_clock& clock) {
        const auto traffic = [&](int steps) {
            for (int i = 0; i < steps; ++i) {
                const auto key = static_cast<std::uint64_t>(random.below(4'000));
                switch (random.below(8)) {
                case 0:
                    static_cast<void>(cache.get(key));
                    break;
                case 1:
                    static_cast<void>(cache.peek(key));
                    break;
                case 2:
                    cache.erase(key);
                    break;
                case 3:
                    cache.purge_expired(8);
                    break;
                case 4:
                    static_cast<void>(cache.stats());
                    break;
                case 5:
                    clock.advance(std::chrono::milliseconds(1));
                    break;
                default:
                    cache.put(key, key,
                              {.time_to_live = random.one_in(2) ? plateau::forever
                                                                : std::chrono::milliseconds(random.below(5'000))});
                    break;
                }
            }
        };
        // A cache that falls empty gives its memory back, so a few entries stay.
        for (std::uint64_t i = 0; i < 4'000; ++i) cache.put(i, i);
        traffic(20'000);
        for (std::uint64_t i = 0; i < 4'000; ++i) cache.put(i, i);
        const new_scope scope;
        traffic(50'000);
        return scope.delta();
    };
    plateau::manual_clock clock;
    plateau::lru_cache<std::uint64_t, std::uint64_t, hand> one{{.max_entries = 1'000}, clock};
    const auto a = steady(one, clock);
    CHECK(a.calls == 0);
    plateau::lru_cache<std::uint64_t, std::uint64_t, hand> by_bytes{{.max_bytes = 100'000}, clock};
    const auto b = steady(by_bytes, clock);
    CHECK(b.calls == 0);
    plateau::concurrent_lru_cache<std::uint64_t, std::uint64_t, hand_shared> shared{{.max_entries = 1'000}, clock};
    const auto c = steady(shared, clock);
    CHECK(c.calls == 0);
}

TEST_CASE("an entry of two words costs at most what its overhead says", "[cache][alloc]") {
    allocation_tally tally;
    plateau::manual_clock clock;
    using cache_type = plateau::lru_cache<std::uint64_t, std::uint64_t, counted_policies>;
    cache_type cache{{.max_entries = 1'000'000}, clock, counting_allocator<std::byte>{tally}};
    for (std::uint64_t i = 0; i < 1'000'000; ++i) cache.put(i, i);
    CHECK(tally.live_bytes / 1'000'000 <= 32);
    CHECK(static_cast<std::size_t>(tally.live_bytes) <= 1'000'000 * cache_type::entry_overhead + 10'000);
}

TEST_CASE("a cache whose ceiling cannot be stated says unlimited", "[cache][unit]") {
    CHECK(plateau::lru_cache<int, std::string>{{.max_entries = 10}}.memory_ceiling() == unlimited);
    CHECK(plateau::lru_cache<int, std::string>{{.max_entries = 10, .max_entry_bytes = 1'000}}.memory_ceiling() !=
          unlimited);
    CHECK(plateau::lru_cache<int, std::string>{{.max_bytes = 1'000}}.memory_ceiling() != unlimited);
    CHECK(plateau::lru_cache<int, int>{{.max_entries = 10}}.memory_ceiling() != unlimited);
    CHECK(plateau::lru_cache<int, std::string>{{.max_bytes = unlimited - 1}}.memory_ceiling() == unlimited);
    CHECK(plateau::concurrent_lru_cache<int, int>{{.max_entries = 10, .max_bytes = 1'000}}.memory_ceiling() !=
          unlimited);
    CHECK(plateau::concurrent_lru_cache<int, std::string>{{.max_entries = 10}}.memory_ceiling() == unlimited);
}

TEST_CASE("a ceiling in bytes is near its budget", "[cache][unit]") {
    constexpr std::size_t budget = 64 * 1'024 * 1'024;
    CHECK(plateau::lru_cache<int, std::string>{{.max_bytes = budget}}.memory_ceiling() <=
          budget + budget * 3 / 10 + 1'000'000);
}

TEST_CASE("a million entries end on a stack of 256 KiB, by clear and by the cache's end", "[cache][unit]") {
    value_tally tally;
    run_on_stack(256 * 1'024, [&] {
        plateau::lru_cache<int, counting_value> cache{{.max_entries = 1'000'000}};
        for (int round = 0; round < 2; ++round) {
            for (int i = 0; i < 1'000'000; ++i) cache.put(i, counting_value{tally, i});
            if (round == 0) cache.clear();
        }
    });
    CHECK(tally.live == 0);
    CHECK(tally.corrupt == 0);
    CHECK(tally.constructions == 2'000'000);
}
