// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/fwd.hpp>

#include <cstdint>

PLATEAU_NAMESPACE_BEGIN

/// What a loading_cache did beside its cache, whose figures stand first.
template <class CacheStats>
struct loading_cache_stats : CacheStats {
    std::uint64_t loads = 0;
    std::uint64_t load_failures = 0;
    std::uint64_t loads_absent = 0;
    std::uint64_t loads_overdue = 0;
    std::uint64_t loads_refused = 0;
    double load_seconds = 0;
    std::uint64_t stale_served = 0;
    std::uint64_t absent_served = 0;
    std::uint64_t loading = 0;
    std::uint64_t waiters = 0;

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        constexpr auto gauge = field_kind::gauge;
        CacheStats::visit_fields(f);
        f(field_info{"loads", "", "Loads that brought a value.", counter}, loads);
        f(field_info{"load_failures", "", "Loads that failed.", counter}, load_failures);
        f(field_info{"loads_absent", "", "Loads that found the key absent.", counter}, loads_absent);
        f(field_info{"loads_overdue", "", "Loads that took longer than they may.", counter}, loads_overdue);
        f(field_info{"loads_refused", "", "Calls refused for a bound of loads or waiters.", counter}, loads_refused);
        f(field_info{"load_time", "seconds", "Time spent in loads that have ended.", counter}, load_seconds);
        f(field_info{"stale_served", "", "Values handed out past their time to live.", counter}, stale_served);
        f(field_info{"absent_served", "", "Calls told from memory that a key is absent.", counter}, absent_served);
        f(field_info{"loading", "", "Loads that have not ended, overdue ones included.", gauge}, loading);
        f(field_info{"load_waiters", "", "Calls that wait for the load of another.", gauge}, waiters);
    }
};

PLATEAU_NAMESPACE_END
