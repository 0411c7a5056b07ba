// SPDX-License-Identifier: MIT
/// What is checked of the declared ceiling, for caches of several policies that count what they allocate.
#pragma once

#include "cache/cache_test_types.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/counting_allocator.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>

namespace plateau_test {

struct counted_policies : plateau::cache_policies {
    using allocator = counting_allocator<std::byte>;
    using clock = plateau::manual_clock;
};

template <class Policies>
void the_ceiling_holds_while_it_grows(shared_check& check) {
    // With a bound on the bytes of an entry its weight is kept too: then the slab has every column that it counts.
    for (const std::size_t max_entry_bytes : {plateau::unlimited, std::size_t{1'000}}) {
        for (const std::size_t bound : {std::size_t{1}, std::size_t{2}, std::size_t{11}, std::size_t{1'023},
                                        std::size_t{1'025}, std::size_t{100'000}}) {
            allocation_tally tally;
            plateau::manual_clock clock;
            plateau::lru_cache<std::uint64_t, std::uint64_t, Policies> cache{
                {.max_entries = bound, .max_entry_bytes = max_entry_bytes},
                clock,
                counting_allocator<std::byte>{tally}};
            for (std::uint64_t i = 0; i < 2 * bound; ++i)
                cache.put(i, i, {.time_to_live = i % 3 == 0 ? plateau::forever : plateau::duration(1'000'000'000)});
            check.expect(static_cast<std::size_t>(tally.peak_bytes) <= cache.memory_ceiling(),
                         "the most that was ever held is below the ceiling");
            check.equal(cache.size(), bound, "the size");
        }
    }
}

/// The first deadline takes twelve bytes for every slot of the slab, the empty ones too.
template <class V>
void a_lowered_ceiling_has_room_for_deadlines(shared_check& check) {
    allocation_tally tally;
    plateau::manual_clock clock;
    plateau::lru_cache<int, V, counted_policies> cache{
        {.max_entries = 20'000}, clock, counting_allocator<std::byte>{tally}};
    for (int i = 0; i < 20'000; ++i) cache.put(i, V(i));
    cache.set_max_entries(2'000);
    const std::size_t ceiling = cache.memory_ceiling();
    cache.put(0, V(0), {.time_to_live = plateau::duration(1'000'000'000)});
    check.expect(static_cast<std::size_t>(tally.peak_bytes) <= ceiling, "the most that was held is below the ceiling");
    check.expect(static_cast<std::size_t>(tally.live_bytes) <= ceiling, "what is held is below the ceiling");
    check.equal(cache.memory_ceiling(), ceiling, "the ceiling with a deadline");
}

template <class Policies>
void a_bound_of_0_gives_the_memory_back(shared_check& check) {
    allocation_tally tally;
    plateau::manual_clock clock;
    plateau::lru_cache<int, counted_string, Policies> cache{
        {.max_entries = 10'000, .max_bytes = 100'000'000}, clock, counting_allocator<std::byte>{tally}};
    const std::int64_t empty = tally.live_bytes;
    const auto fill = [&] {
        for (int i = 0; i < 10'000; ++i) cache.put(i, counted_string(30, 'x', counting_allocator<char>{tally}));
    };
    fill();
    check.equal(cache.set_max_entries(0), 10'000U, "entries that a bound of 0 entries evicts");
    check.equal(tally.live_bytes.load(), empty, "what is held under a bound of 0 entries");
    cache.set_max_entries(10'000);
    fill();
    check.equal(cache.set_max_bytes(0), 10'000U, "entries that a bound of 0 bytes evicts");
    check.equal(tally.live_bytes.load(), empty, "what is held under a bound of 0 bytes");
}

/// The same under a byte bound.
template <class Policies>
void a_first_deadline_fits_a_lowered_bound(shared_check& check) {
    using cache_type = plateau::lru_cache<int, int, Policies>;
    for (const std::size_t left : {5'000U, 2'000U, 500U, 20U}) {
        allocation_tally tally;
        plateau::manual_clock clock;
        cache_type cache{
            {.max_bytes = 20'000 * cache_type::entry_overhead}, clock, counting_allocator<std::byte>{tally}};
        for (int i = 0; i < 20'000; ++i) cache.put(i, i);
        cache.set_max_bytes(left * cache_type::entry_overhead);
        const std::size_t ceiling = cache.memory_ceiling();
        tally.reset_peak();
        cache.put(0, 0, {.time_to_live = std::chrono::seconds(1)});
        check.expect(static_cast<std::size_t>(tally.peak_bytes) <= ceiling,
                     "the most that the put held is below the ceiling");
        check.equal(cache.memory_ceiling(), ceiling, "the ceiling");
        cache.check_invariants();
    }
}

}  // namespace plateau_test
