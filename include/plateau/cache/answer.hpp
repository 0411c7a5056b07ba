// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A copy of a value, if there is one, in a form that crosses a call well. An optional of a small value would be
/// written in narrow parts and read back by one wide load, which waits longer than the look-up took.
template <class V>
inline constexpr bool fits_a_register = std::is_trivially_copyable_v<V> && sizeof(V) <= sizeof(std::uint64_t);

template <class V>
class small_answer {
public:
    small_answer(std::nullopt_t) noexcept {}
    small_answer(const V& value) noexcept : present_(1) { std::memcpy(&bits_, std::addressof(value), sizeof value); }

    [[nodiscard]] PLATEAU_ALWAYS_INLINE operator std::optional<V>() const noexcept {
        if (present_ == 0) return std::nullopt;
        union {
            char none;
            V value;
        } copy{};
        std::memcpy(std::addressof(copy.value), &bits_, sizeof(V));
        return std::optional<V>(std::in_place, copy.value);
    }

private:
    std::uint64_t bits_ = 0;
    std::uint64_t present_ = 0;
};
template <class V>
using answer_of = std::conditional_t<fits_a_register<V>, small_answer<V>, std::optional<V>>;

}
PLATEAU_NAMESPACE_END
