// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The objects that follow the options in a constructor, matched by type, in any order.

template <class T, class... Parts>
inline constexpr std::size_t count_of = (std::size_t{0} + ... + std::is_same_v<T, std::remove_cvref_t<Parts>>);

template <class T, class... Candidates>
inline constexpr bool is_one_of = (std::is_same_v<std::remove_cvref_t<T>, Candidates> || ...);

/// The one part of type T, as the reference it was passed by.
template <class T, class First, class... Rest>
[[nodiscard]] constexpr decltype(auto) part_of(First&& first, Rest&&... rest) noexcept {
    if constexpr (std::is_same_v<T, std::remove_cvref_t<First>>) return std::forward<First>(first);
    else return part_of<T>(std::forward<Rest>(rest)...);
}

/// A policy object that is copied: the part if one was passed, else a default one.
template <class T, class... Parts>
[[nodiscard]] constexpr T copied_part([[maybe_unused]] Parts&&... parts) {
    static_assert(count_of<T, Parts...> <= 1, "plateau: the same part was passed twice");
    if constexpr (count_of<T, Parts...> == 1) {
        return T(part_of<T>(std::forward<Parts>(parts)...));
    } else {
        static_assert(std::is_default_constructible_v<T>,
                      "plateau: a policy of this type has state: pass an object of it after the options");
        return T();
    }
}

/// A policy object that is shared with others, as a clock is: referred to, never owned. One without state is made here.
template <class T>
class shared_part {
public:
    template <class... Parts>
    explicit constexpr shared_part(std::in_place_t, [[maybe_unused]] Parts&&... parts) noexcept {
        static_assert(count_of<T, Parts...> <= 1, "plateau: the same part was passed twice");
        if constexpr (!std::is_empty_v<T>) {
            static_assert(count_of<T, Parts...> == 1,
                          "plateau: a shared part of this type has state: pass the object after the options");
            static_assert((!std::is_same_v<T, Parts> && ...) && (!std::is_same_v<const T, Parts> && ...),
                          "plateau: a shared part (clock, executor, account) is taken by reference and outlives what "
                          "uses it: pass an lvalue");
            target_ = __builtin_addressof(part_of<T>(std::forward<Parts>(parts)...));
        }
    }

    [[nodiscard]] constexpr decltype(auto) operator*() const noexcept {
        if constexpr (std::is_empty_v<T>) return T{};
        else return (*target_);
    }

private:
    struct nothing {};
    PLATEAU_NO_UNIQUE_ADDRESS std::conditional_t<std::is_empty_v<T>, nothing, T*> target_{};
};

}
PLATEAU_NAMESPACE_END
