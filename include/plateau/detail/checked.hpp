// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <concepts>
#include <limits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Sums and products of sizes, weights and times that come from outside. `checked_*` answers false, and leaves `out`
/// alone, when the exact result does not fit; `saturating_*` answers the nearest value that does.
template <std::integral T>
[[nodiscard]] constexpr bool checked_add(T a, T b, T& out) noexcept {
    T exact{};
    if (__builtin_add_overflow(a, b, &exact)) return false;
    out = exact;
    return true;
}

template <std::integral T>
[[nodiscard]] constexpr bool checked_mul(T a, T b, T& out) noexcept {
    T exact{};
    if (__builtin_mul_overflow(a, b, &exact)) return false;
    out = exact;
    return true;
}

template <std::integral T>
[[nodiscard]] constexpr T saturating_add(T a, T b) noexcept {
    T exact{};
    if (!__builtin_add_overflow(a, b, &exact)) return exact;
    return b < T{0} ? (std::numeric_limits<T>::min)() : (std::numeric_limits<T>::max)();
}

template <std::integral T>
[[nodiscard]] constexpr T saturating_sub(T a, T b) noexcept {
    T exact{};
    if (!__builtin_sub_overflow(a, b, &exact)) return exact;
    if constexpr (std::unsigned_integral<T>) return T{0};
    return b < T{0} ? (std::numeric_limits<T>::max)() : (std::numeric_limits<T>::min)();
}

template <std::integral T>
[[nodiscard]] constexpr T saturating_mul(T a, T b) noexcept {
    T exact{};
    if (!__builtin_mul_overflow(a, b, &exact)) return exact;
    return (a < T{0}) != (b < T{0}) ? (std::numeric_limits<T>::min)() : (std::numeric_limits<T>::max)();
}

/// std::min and std::max, without the cost of <algorithm>.
template <class T>
[[nodiscard]] constexpr T smaller(T a, T b) noexcept {
    return b < a ? b : a;
}
template <class T>
[[nodiscard]] constexpr T larger(T a, T b) noexcept {
    return a < b ? b : a;
}

}
PLATEAU_NAMESPACE_END
