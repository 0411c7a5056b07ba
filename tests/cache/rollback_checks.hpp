// SPDX-License-Identifier: MIT
/// What is checked of calls that fail in their midst, for caches of several policies.
#pragma once

#include "cache/cache_test_types.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/bombing_allocator.hpp"
#include "tools/fault.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/cache.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>

namespace plateau_test {

/// Pages of two slots, whose allocations fail on demand.
struct bombed : shrunk<plateau::cache_policies> {
    using allocator = bombing_allocator<std::byte>;
};

/// Whether the call lets out the fault that stands at its `n`-th point.
template <class Call>
bool throws_at(fault kinds, std::uint64_t n, Call call) {
    const armed_fault armed{kinds, n};
    try {
        call();
    } catch (const injected_fault&) {
        return true;
    } catch (const std::bad_alloc&) {
        return true;
    }
    return false;
}

template <class Policies>
void a_put_that_throws_takes_no_slot(shared_check& check) {
    allocation_tally tally;
    value_tally lives;
    plateau::lru_cache<int, throwing_value, Policies> cache{{.max_entries = 4}, bombing_allocator<std::byte>{tally}};
    throwing_value value{lives, 7};
    for (int i = 0; i < 100; ++i)
        check.expect(throws_at(fault::move, 1, [&] { cache.put(i, value); }),
                     "a put gets its slot, and then the move into it throws");
    for (int i = 0; i < 4; ++i) check.expect(static_cast<bool>(cache.put(i, value)), "a put gets its slot");
    check.equal(cache.size(), 4U, "the size");
    cache.check_invariants();
}

template <class Policies>
void a_get_that_throws_moves_nobody_up(shared_check& check) {
    allocation_tally tally;
    value_tally lives;
    plateau::lru_cache<int, throwing_value, Policies> cache{{.max_entries = 2}, bombing_allocator<std::byte>{tally}};
    cache.put(1, throwing_value{lives, 1});
    cache.put(2, throwing_value{lives, 2});
    check.expect(throws_at(fault::copy, 1, [&] { static_cast<void>(cache.get(1)); }), "the copy throws");
    check.equal(cache.stats().hits, 0U, "the number of hits");
    cache.put(3, throwing_value{lives, 3});
    check.expect(!cache.contains(1), "who could not be copied is where it was: the least recently used");
    check.expect(cache.contains(2), "the other stays");
}

/// The first deadline asks for a column in each of many pages.
template <class Policies>
void a_column_is_had_for_all_pages_or_none(shared_check& check) {
    allocation_tally tally;
    {
        plateau::lru_cache<int, int, Policies> cache{{.max_bytes = 100'000}, bombing_allocator<std::byte>{tally}};
        for (int i = 0; i < 20; ++i) cache.put(i, i);
        const auto put = [&] { cache.put(0, 0, {.time_to_live = std::chrono::hours(1)}); };
        std::uint64_t failed = 0;
        while (throws_at(fault::allocator, failed + 1, put)) {
            ++failed;
            cache.check_invariants();
        }
        check.expect(failed > 3, "a first deadline allocates in several pages");
        check.equal(cache.size(), 20U, "the size");
    }
    check.equal(tally.live_bytes.load(), 0, "what is held after the end");
    check.equal(tally.wrong_sizes.load(), 0, "deallocations of a wrong size");
}

}  // namespace plateau_test
