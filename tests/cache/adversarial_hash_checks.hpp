// SPDX-License-Identifier: MIT
/// What is checked of look-ups after long use, for caches of several policies.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/new_witness.hpp"

#include <plateau/cache.hpp>

#include <cstdint>

namespace plateau_test {

/// Counts how often keys are compared: the price of a long chain, without a clock.
struct counting_equal {
    using is_transparent = void;
    static inline std::uint64_t calls = 0;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
        ++calls;
        return a == b;
    }
};
struct counts_equalities : plateau::cache_policies {
    using equal = counting_equal;
};

template <class Policies>
void churn_leaves_no_trace(shared_check& check) {
    plateau::lru_cache<std::uint64_t, std::uint64_t, Policies> cache{{.max_entries = 1'000}};
    std::uint64_t next = 0;
    const auto cost = [&] {
        counting_equal::calls = 0;
        for (std::uint64_t i = 0; i < 1'000; ++i) {
            static_cast<void>(cache.contains(next - 1 - i));
            static_cast<void>(cache.contains(next + i));
        }
        return counting_equal::calls;
    };
    for (; next < 1'000; ++next) cache.put(next, next);
    const std::uint64_t first = cost();
    const new_scope scope;
    for (; next < 1'000'000; ++next) {
        cache.put(next, next);
        if (next % 3 == 0) cache.erase(next - 500);
    }
    const auto delta = scope.delta();
    for (const std::uint64_t end = next + 1'000; next < end; ++next) cache.put(next, next);
    const std::uint64_t last = cost();
    check.equal(delta.calls, 0U, "the number of allocations while the size is constant");
    check.expect(last <= 2 * first, "look-ups compare as many keys after a million changes as at first");
    cache.check_invariants();
}

}  // namespace plateau_test
