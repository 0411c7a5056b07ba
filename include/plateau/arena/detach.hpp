// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/arena/containers.hpp>
#include <plateau/arena_bound.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

template <class T>
[[nodiscard]] auto detach_value(const T& value);

/// A user's own way out: `detach(const T&)` beside the type.
namespace detach_lookup {
void detach() = delete;
template <class T>
concept provided = requires(const T& value) {
    detach(value);
};
struct call {
    template <class T>
    auto operator()(const T& value) const {
        return detach(value);
    }
};
}

template <class T>
concept array_shaped = requires(const T& items) {
    typename T::allocator_type;
    items.data();
    items.capacity();
};
template <class T>
concept map_shaped = requires(const T& items) {
    typename T::key_type;
    typename T::mapped_type;
    items.begin();
    items.size();
};

template <class T>
inline constexpr bool is_span = false;
template <class T, std::size_t N>
inline constexpr bool is_span<std::span<T, N>> = true;
template <class T>
inline constexpr bool is_optional_value = false;
template <class T>
inline constexpr bool is_optional_value<std::optional<T>> = true;
template <class T>
inline constexpr bool is_pair = false;
template <class A, class B>
inline constexpr bool is_pair<std::pair<A, B>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class... Ts>
inline constexpr bool is_tuple<std::tuple<Ts...>> = true;

template <class Range>
[[nodiscard]] auto detach_elements(const Range& items) {
    using owned = decltype(detach_value(*items.begin()));
    std::vector<owned> out;
    out.reserve(items.size());
    for (const auto& item : items) out.push_back(detach_value(item));
    return out;
}

template <class Map>
[[nodiscard]] auto detach_map(const Map& items) {
    using key = decltype(detach_value(items.begin()->first));
    using value = decltype(detach_value(items.begin()->second));
    std::unordered_map<key, value> out;
    out.reserve(items.size());
    for (const auto& [k, v] : items) out.emplace(detach_value(k), detach_value(v));
    return out;
}

template <class T>
[[nodiscard]] auto detach_value(const T& value) {
    if constexpr (detach_lookup::provided<T>) {
        return detach_lookup::call{}(value);
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
        return std::string(static_cast<std::string_view>(value));
    } else if constexpr (array_shaped<T> || is_span<T>) {
        return detach_elements(value);
    } else if constexpr (map_shaped<T>) {
        return detach_map(value);
    } else if constexpr (is_optional_value<T>) {
        using owned = decltype(detach_value(*value));
        return value ? std::optional<owned>(detach_value(*value)) : std::optional<owned>();
    } else if constexpr (is_pair<T>) {
        return std::pair(detach_value(value.first), detach_value(value.second));
    } else if constexpr (is_tuple<T>) {
        return std::apply([](const auto&... parts) { return std::tuple(detach_value(parts)...); }, value);
    } else {
        static_assert(
            std::is_trivially_copyable_v<T> && !arena_bound_v<T>,
            "plateau: how to copy this type out of an arena is unknown; give it a function `detach(const T&)` "
            "in its own namespace that returns a type without arena memory");
        return value;
    }
}

struct detach_function {
    template <class T>
    [[nodiscard]] auto operator()(const T& value) const {
        using owned = decltype(detach_value(value));
        static_assert(!arena_bound_v<owned>, "plateau: what detach answers must not point into the arena");
        return detach_value(value);
    }
};

}

/// `detach(x)`: a deep copy of x in types of the standard library that own what they hold, and the one way out of an
/// arena: strings and views as std::string, vectors and spans as std::vector, maps as std::unordered_map, optional,
/// pair and tuple of these, and what is trivially copyable as it is. A type of yours joins by a function `detach(const
/// T&)` in its own namespace; one about which nothing is known does not compile.
///
/// Limit: a trivially copyable struct that hides a pointer is copied with it.
/// Throws: std::bad_alloc. Complexity: linear in what is copied.
inline namespace customization {
inline constexpr detail::detach_function detach{};
}

PLATEAU_NAMESPACE_END
