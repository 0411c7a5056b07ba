// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// std::reference_wrapper, known by its members: naming it costs the include of <functional>.
template <class T>
concept reference_wrapper_shaped = requires(const T& ref) {
    typename T::type;
    { ref.get() }
    noexcept;
    requires std::is_same_v<decltype(ref.get()), typename T::type&>;
    requires std::is_convertible_v<const T&, typename T::type&>;
};

/// An allocator that draws on a memory resource of somebody else's, as std::pmr::polymorphic_allocator does.
template <class T>
concept resource_allocator_shaped = requires(const T& allocator) {
    typename T::value_type;
    requires std::is_pointer_v<decltype(allocator.resource())>;
};

template <class T>
struct arena_bound
    : std::bool_constant<std::is_pointer_v<T> || reference_wrapper_shaped<T> || resource_allocator_shaped<T>> {};

template <class T>
struct arena_bound<const T> : arena_bound<T> {};
template <class T>
struct arena_bound<volatile T> : arena_bound<T> {};
template <class T>
struct arena_bound<T&> : std::true_type {};
template <class T>
struct arena_bound<T&&> : std::true_type {};
template <class T>
struct arena_bound<T[]> : arena_bound<T> {};
template <class T, std::size_t N>
struct arena_bound<T[N]> : arena_bound<T> {};

template <class T, std::size_t N>
struct arena_bound<std::span<T, N>> : std::true_type {};
template <class C, class Traits>
struct arena_bound<std::basic_string_view<C, Traits>> : std::true_type {};

template <class T>
struct arena_bound<unowned<T>> : std::false_type {};

/// A compound is bound when a part of it is: vector<T*>, pair<string_view, int>, optional<span<T>>, pmr containers.
template <template <class...> class C, class... Parts>
    requires(!reference_wrapper_shaped<C<Parts...>> && !resource_allocator_shaped<C<Parts...>>)
struct arena_bound<C<Parts...>> : std::bool_constant<(arena_bound<Parts>::value || ...)> {};
template <template <class, std::size_t> class C, class T, std::size_t N>
struct arena_bound<C<T, N>> : arena_bound<T> {};

}

/// True for what may point into memory that ends with a request: raw pointers, references and reference wrappers,
/// spans and views, containers on a memory resource, and compounds of them. Whatever outlives a request (a cache, a
/// queue, a pool) refuses such a type at compile time; `unowned<T>` lets it in by name.
///
/// Limit: a struct that hides a pointer among its members is not seen.
template <class T>
inline constexpr bool arena_bound_v = detail::arena_bound<T>::value;

/// A value that may point to what it does not own, let into a long-lived holder by name: the program, not the library,
/// makes sure that the target outlives the holder. Converts from and to T, compares and hashes as T.
template <class T>
struct unowned {
    T value{};

    constexpr unowned() = default;
    constexpr unowned(T target) noexcept(std::is_nothrow_move_constructible_v<T>) : value(std::move(target)) {}

    constexpr operator const T&() const noexcept PLATEAU_LIFETIMEBOUND { return value; }
    friend constexpr bool operator==(const unowned&, const unowned&) = default;
    friend constexpr bool operator==(const unowned& a, const T& b) { return a.value == b; }
};

PLATEAU_NAMESPACE_END
