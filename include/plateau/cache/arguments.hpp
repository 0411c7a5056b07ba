// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/slab.hpp>
#include <plateau/config.hpp>

#include <memory>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What a cache makes a T from, by the rule of std::map::insert_or_assign: what converts to a T, or is assigned to one.
/// An explicit constructor alone is not enough: 5 is no vector, though one of five zeros can be made from it.
template <class Argument, class T>
concept stored_as = std::is_constructible_v<T, Argument> &&
    (std::is_convertible_v<Argument, T> || std::is_assignable_v<T&, Argument>);

/// The sentences of `put` for arguments of other types.
template <class K, class V, class Q, class U>
constexpr void require_put_arguments() noexcept {
    static_assert(stored_as<Q, K>,
                  "plateau: put: this key neither converts to K nor is assigned to one: write put(K(...), value)");
    static_assert(stored_as<U, V>,
                  "plateau: put: this value neither converts to V nor is assigned to one: write put(key, V(...))");
}

/// An argument of `put` on its way into its slot. A caller's rvalue of the very type stays the caller's until it is
/// moved into the slot, so that a refused put leaves it untouched; anything else becomes a T here, outside every lock.
template <class T, class Argument>
class put_argument {
    using bare_argument = std::remove_cvref_t<Argument>;
    static constexpr bool is_t = std::is_same_v<bare_argument, T>;
    static constexpr bool movable = is_t && !std::is_lvalue_reference_v<Argument> && !std::is_const_v<Argument>;
    static constexpr bool refers = movable || (is_t && std::is_trivially_copyable_v<T>);

public:
    explicit put_argument(Argument&& argument) : held_(hold(argument)) {}
    put_argument(const put_argument&) = delete;
    put_argument& operator=(const put_argument&) = delete;

    [[nodiscard]] const T& view() const noexcept { return held_; }
    void construct_at(T* place) {
        if constexpr (refers && !movable) std::construct_at(place, held_);
        else std::construct_at(place, std::move(held_));
    }

private:
    using held_type = std::conditional_t<movable, T&, std::conditional_t<refers, const T&, T>>;

    static held_type hold(std::remove_reference_t<Argument>& argument) {
        if constexpr (refers) return argument;
        else return static_cast<T>(std::forward<Argument>(argument));
    }

    held_type held_;
};

/// Ends one part of an entry when the other could not be made.
template <class T>
struct construction_guard {
    T* part;
    ~construction_guard() {
        if (part != nullptr) std::destroy_at(part);
    }
};

/// Effects: makes a key and a value in the places of an entry, as `put_argument`s know how. What moves without a throw
/// comes last: a caller's argument is not lost to the other's failure. Throws: what moving either throws; then neither
/// is there.
template <class K, class V, class Key, class Value>
void construct_both(K* key_place, Key& key, V* value_place, Value& value) {
    if constexpr (std::is_nothrow_move_constructible_v<V>) {
        key.construct_at(key_place);
        construction_guard<K> undone{key_place};
        value.construct_at(value_place);
        undone.part = nullptr;
    } else {
        value.construct_at(value_place);
        construction_guard<V> undone{value_place};
        key.construct_at(key_place);
        undone.part = nullptr;
    }
}

/// Integers of different types that mean the same number; a number that K cannot be is nowhere in the cache.
template <class K, class Q>
[[nodiscard]] constexpr bool same_number(K key, Q query) noexcept {
    return (query < Q{}) == (key < K{}) && static_cast<Q>(key) == query;
}

/// Whether hash and equality take what is not a K as it is.
template <class Policies>
inline constexpr bool compares_across_types = requires {
    typename Policies::hash::is_transparent;
    typename Policies::equal::is_transparent;
};

/// What a look-up was asked for, in a form that hashes and compares as a K does.
template <class K, class Q, bool Transparent>
class lookup_key {
    static constexpr bool is_number = !std::is_same_v<K, Q> && std::is_integral_v<K> && std::is_integral_v<Q>;
    static constexpr bool as_it_is = std::is_same_v<K, Q> || (Transparent && !is_number);
    // Not asked where it does not matter: of a string whose allocator has no default, the question is an error.
    static_assert(std::disjunction_v<std::bool_constant<as_it_is>, std::is_constructible<K, const Q&>>,
                  "plateau: this query is not comparable: hash and equality are not transparent, and K cannot be made "
                  "from it");

public:
    explicit lookup_key(const Q& query) : held_(hold(query)) {
        if constexpr (is_number) possible_ = same_number(held_, query);
    }
    lookup_key(const lookup_key&) = delete;
    lookup_key& operator=(const lookup_key&) = delete;

    /// False for a number that no K can be.
    [[nodiscard]] bool possible() const noexcept {
        if constexpr (is_number) return possible_;
        else return true;
    }
    [[nodiscard]] const auto& view() const noexcept { return held_; }

private:
    using held_type = std::conditional_t<as_it_is, const Q&, const K>;

    static held_type hold(const Q& query) {
        if constexpr (as_it_is) return query;
        else return static_cast<K>(query);
    }

    held_type held_;
    PLATEAU_NO_UNIQUE_ADDRESS std::conditional_t<is_number, bool, nothing> possible_{};
};

}
PLATEAU_NAMESPACE_END
