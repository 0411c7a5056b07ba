// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"

#include <plateau/detail/checked.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <type_traits>

namespace {

// Exact for every operation on operands of up to 64 bits.
__extension__ using wide = __int128;

template <class T>
std::set<T> boundaries() {
    std::set<T> values;
    const auto add = [&](wide value) {
        if (value >= wide{std::numeric_limits<T>::min()} && value <= wide{std::numeric_limits<T>::max()})
            values.insert(static_cast<T>(value));
    };
    for (const wide around : {wide{0}, wide{1} << 7, wide{1} << 8, wide{1} << 31, wide{1} << 32, wide{1} << 63,
                              wide{std::numeric_limits<T>::max()} / 2, wide{std::numeric_limits<T>::max()},
                              wide{std::numeric_limits<T>::min()} / 2, wide{std::numeric_limits<T>::min()}}) {
        for (const wide near : {around - 1, around, around + 1, -around - 1, -around, -around + 1}) add(near);
    }
    return values;
}

template <class T>
T clamp(wide exact) {
    if (exact < wide{std::numeric_limits<T>::min()}) return std::numeric_limits<T>::min();
    if (exact > wide{std::numeric_limits<T>::max()}) return std::numeric_limits<T>::max();
    return static_cast<T>(exact);
}

/// The product of two 64-bit numbers fits in `wide` unless both are large unsigned ones; then only that it overflows
/// matters.
template <class T>
wide product(T a, T b) {
    if constexpr (std::is_same_v<T, std::uint64_t>) {
        if (a != 0 && b > std::numeric_limits<T>::max() / a) return wide{std::numeric_limits<T>::max()} + 1;
    }
    return wide{a} * wide{b};
}

template <class T>
bool agrees(T a, T b) {
    namespace d = plateau::detail;
    const wide sum = wide{a} + wide{b};
    const wide difference = wide{a} - wide{b};
    const wide times = product(a, b);
    constexpr T untouched = 42;
    T out = untouched;
    bool ok = d::checked_add(a, b, out) == (sum == wide{clamp<T>(sum)});
    ok = ok && out == (sum == wide{clamp<T>(sum)} ? clamp<T>(sum) : untouched);
    out = untouched;
    ok = ok && d::checked_mul(a, b, out) == (times == wide{clamp<T>(times)});
    ok = ok && out == (times == wide{clamp<T>(times)} ? clamp<T>(times) : untouched);
    return ok && d::saturating_add(a, b) == clamp<T>(sum) && d::saturating_sub(a, b) == clamp<T>(difference) &&
           d::saturating_mul(a, b) == clamp<T>(times);
}

}  // namespace

TEMPLATE_TEST_CASE("checked and saturating arithmetic is exact on every boundary", "[floor][unit]", std::uint8_t,
                   std::int8_t, std::uint16_t, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, std::size_t) {
    const auto values = boundaries<TestType>();
    REQUIRE(values.size() >= 8);
    for (const TestType a : values)
        for (const TestType b : values)
            if (!agrees(a, b)) FAIL(static_cast<long double>(a) << " and " << static_cast<long double>(b));
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
