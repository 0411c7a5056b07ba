// SPDX-License-Identifier: MIT
/// What is checked of entries that idle, for caches of several policies; their clock is turned by hand.
#pragma once

#include "cache/deadline_checks.hpp"
#include "seeded_bugs/shared_check.hpp"

#include <plateau/cache.hpp>

#include <cstdint>

namespace plateau_test {

/// A time to idle counts as no more than 2^31 - 1 ticks; between the calls lies one less.
template <class Policies>
void an_entry_that_is_got_outlives_its_ticks(shared_check& check) {
    constexpr plateau::duration step{(std::int64_t{1} << 31) - 2};
    plateau::manual_clock clock;
    cache_by_hand<Policies> cache{{.max_entries = 10, .time_to_idle = plateau::duration(std::int64_t{1} << 40)}, clock};
    cache.put(1, 1);
    for (int round = 0; round < 9; ++round) {
        clock.advance(step);
        check.expect(cache.get(1).has_value(), "what is used in time stays");
        check.equal(cache.remaining(1).value_or(plateau::duration{}).count(), step.count() + 1,
                    "the time that is left");
        cache.check_invariants();
    }
    clock.advance(step + plateau::duration(1));
    check.expect(!cache.get(1), "what idled is over");
}

}  // namespace plateau_test
