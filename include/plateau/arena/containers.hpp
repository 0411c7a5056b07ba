// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/arena/request_arena.hpp>
#include <plateau/arena_bound.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>
#include <plateau/hash.hpp>

#include <concepts>
#include <cstddef>
#include <memory_resource>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Whatever has an arena to lend, as request_scope does.
template <class T>
concept has_arena = requires(T& owner) {
    { owner.arena() } -> std::same_as<request_arena&>;
};

}

/// Puts the elements of a standard container into an arena: one word, no virtual call, and no arena by default.
///
/// Passes itself on to elements that take an allocator, so that the strings of an `arena_vector<arena_string>` lie in
/// the arena, too. A copy of a container lies in the same arena; assignment and swap leave each container in its own,
/// so that moving between two arenas copies the elements.
///
/// Throws: limit_exceeded, where the arena refuses. The arena outlives the containers, and their destructors.
template <class T>
class arena_allocator {
public:
    using value_type = T;
    using propagate_on_container_copy_assignment = std::false_type;
    using propagate_on_container_move_assignment = std::false_type;
    using propagate_on_container_swap = std::false_type;
    using is_always_equal = std::false_type;

    arena_allocator(request_arena& arena PLATEAU_LIFETIMEBOUND) noexcept : arena_(&arena) {}
    template <detail::has_arena Owner>
        requires(!std::same_as<Owner, request_arena>)
    arena_allocator(Owner& owner PLATEAU_LIFETIMEBOUND)
    noexcept : arena_(&owner.arena()) {}
    template <class U>
    arena_allocator(const arena_allocator<U>& other) noexcept : arena_(&other.arena()) {}

    [[nodiscard]] T* allocate(std::size_t n) {
        // A product that overflows becomes a size that the arena refuses as too_large.
        return static_cast<T*>(arena_->allocate_bytes(detail::saturating_mul(n, sizeof(T)), alignof(T)));
    }
    void deallocate(T* p, std::size_t n) noexcept { arena_->deallocate_bytes(p, n * sizeof(T)); }

    template <class U, class... Args>
    void construct(U* at, Args&&... args) {
        std::uninitialized_construct_using_allocator(at, *this, std::forward<Args>(args)...);
    }

    [[nodiscard]] request_arena& arena() const noexcept { return *arena_; }

    template <class U>
    [[nodiscard]] friend bool operator==(const arena_allocator& a, const arena_allocator<U>& b) noexcept {
        return &a.arena() == &b.arena();
    }

private:
    request_arena* arena_;
};

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

template <class T>
using arena_vector = std::vector<T, arena_allocator<T>>;
using arena_string = std::basic_string<char, std::char_traits<char>, arena_allocator<char>>;
/// Keyed hashing, and look-up by what compares with K: an arena_string by any string.
template <class K, class V>
using arena_map = std::unordered_map<K, V, keyed_hash, arena_key_equal, arena_allocator<std::pair<const K, V>>>;

namespace detail {

template <class T>
struct arena_bound<arena_allocator<T>> : std::true_type {};
template <>
struct arena_bound<checkpoint> : std::true_type {};

}
PLATEAU_NAMESPACE_END
