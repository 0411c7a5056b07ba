// SPDX-License-Identifier: MIT
#include "floor/floor_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"

#include <plateau/detail/checked.hpp>

#include <cstddef>
#include <cstdint>

using namespace plateau_test;

namespace {

template <class T>
bool agrees(T a, T b) {
    return arithmetic_agrees<shipped_arithmetic>(a, b);
}

}  // namespace

TEMPLATE_TEST_CASE("checked and saturating arithmetic is exact on every boundary", "[floor][unit]", std::uint8_t,
                   std::int8_t, std::uint16_t, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, std::size_t) {
    passes(arithmetic_is_exact_on_boundaries<shipped_arithmetic, TestType>);
}

TEST_CASE("checked and saturating arithmetic is exact on all pairs of bytes", "[floor][unit]") {
    int wrong = 0;
    for (int a = -128; a <= 255; ++a)
        for (int b = -128; b <= 255; ++b) {
            if (a >= 0 && b >= 0) wrong += agrees(static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b)) ? 0 : 1;
            if (a < 128 && b < 128) wrong += agrees(static_cast<std::int8_t>(a), static_cast<std::int8_t>(b)) ? 0 : 1;
        }
    CHECK(wrong == 0);
}

TEST_CASE("checked arithmetic may write its result over an operand", "[floor][unit]") {
    std::size_t sum = SIZE_MAX - 1;
    CHECK(plateau::detail::checked_add<std::size_t>(sum, 1, sum));
    CHECK(sum == SIZE_MAX);
    CHECK_FALSE(plateau::detail::checked_add<std::size_t>(sum, 1, sum));
    CHECK(sum == SIZE_MAX);
    CHECK_FALSE(plateau::detail::checked_mul<std::size_t>(sum, 2, sum));
    CHECK(sum == SIZE_MAX);
}

static_assert(plateau::detail::saturating_add<std::size_t>(SIZE_MAX, 1) == SIZE_MAX);
static_assert(plateau::detail::saturating_sub<std::size_t>(0, 1) == 0);
static_assert(noexcept(plateau::detail::saturating_mul(1, 1)));
