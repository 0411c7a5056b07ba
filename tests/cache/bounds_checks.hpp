// SPDX-License-Identifier: MIT
/// What is checked of weights at the ends of their type, for caches of several policies.
#pragma once

#include "cache/cache_test_types.hpp"
#include "seeded_bugs/shared_check.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>

namespace plateau_test {

struct weighs_itself : plateau::cache_policies {
    using weigher = says_itself;
};

template <class Policies>
void a_weight_that_overflows_is_too_large(shared_check& check) {
    using weighing = plateau::lru_cache<int, std::size_t, Policies>;
    constexpr std::size_t overhead = weighing::entry_overhead;
    weighing cache{{.max_bytes = plateau::unlimited - 1}};
    for (const std::size_t weight : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - overhead, SIZE_MAX - overhead + 1,
                                     std::size_t{1} << 32, (std::size_t{1} << 32) - overhead}) {
        const auto put = cache.put(1, weight);
        check.expect(put.reason() == plateau::cache_reason::too_large, "a weight that does not fit is too large");
        check.equal(cache.size(), 0U, "the size after a refusal");
    }
    check.expect(static_cast<bool>(cache.put(1, (std::size_t{1} << 32) - overhead - 1)), "the largest weight fits");
    check.equal(cache.stats().bytes, (std::size_t{1} << 32) - 1, "the bytes charged");
    check.equal(cache.stats().rejections, 6U, "the number of rejections");
    cache.check_invariants();
}

}  // namespace plateau_test
