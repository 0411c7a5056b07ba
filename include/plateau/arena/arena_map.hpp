// SPDX-License-Identifier: MIT
#pragma once

/// Maps that lie in an arena. Not part of <plateau/arena.hpp>: <unordered_map> is 5,000 lines that few requests need.

#include <plateau/arena/containers.hpp>
#include <plateau/arena/detach.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>
#include <plateau/hash.hpp>

#include <string_view>
#include <unordered_map>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// Equality of keys across types; texts of any string type by their characters.
struct arena_key_equal {
    using is_transparent = void;
    template <class A, class B>
    [[nodiscard]] constexpr bool operator()(const A& a, const B& b) const {
        if constexpr (detail::string_like<A> && detail::string_like<B>)
            return std::string_view(a) == std::string_view(b);
        else return a == b;
    }
};

/// Keyed hashing, and look-up by what compares with K: an arena_string by any string.
template <class K, class V>
using arena_map = std::unordered_map<K, V, keyed_hash, arena_key_equal, arena_allocator<std::pair<const K, V>>>;

namespace detail {

template <class Map>
struct detach_map {
    [[nodiscard]] auto operator()(const Map& items) const {
        using key = decltype(detach_value(items.begin()->first));
        using value = decltype(detach_value(items.begin()->second));
        std::unordered_map<key, value> out;
        out.reserve(items.size());
        for (const auto& [k, v] : items) out.emplace(detach_value(k), detach_value(v));
        return out;
    }
};

}
PLATEAU_NAMESPACE_END
