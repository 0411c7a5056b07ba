// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

template <class T>
inline constexpr bool always_false = false;

template <class T>
[[nodiscard]] constexpr std::size_t measure_owned_bytes(const T& value) noexcept;

/// A user's own answer: `owned_bytes(const T&)` beside the type.
namespace owned_bytes_lookup {
void owned_bytes() = delete;
template <class T>
concept provided = requires(const T& value) {
    { owned_bytes(value) } -> std::convertible_to<std::size_t>;
};
struct call {
    template <class T>
    constexpr std::size_t operator()(const T& value) const {
        return static_cast<std::size_t>(owned_bytes(value));
    }
};
}

/// The shapes below are recognised by their members, so that weighing a string does not cost the include of <string>;
/// and only in a type that is a template of those very arguments, not in a class derived from it that may own more.
template <class T, class... Arguments>
inline constexpr bool is_template_of = false;
template <template <class...> class C, class... Arguments>
inline constexpr bool is_template_of<C<Arguments...>, Arguments...> = true;

template <class T>
concept string_shaped = requires(const T& text) {
    typename T::traits_type;
    typename T::allocator_type;
    requires is_template_of<T, typename T::value_type, typename T::traits_type, typename T::allocator_type>;
    { text.data() } -> std::convertible_to<const typename T::value_type*>;
    { text.capacity() } -> std::convertible_to<std::size_t>;
};

template <class T>
concept vector_shaped = !string_shaped<T> && requires(const T& items) {
    typename T::allocator_type;
    requires is_template_of<T, typename T::value_type, typename T::allocator_type>;
    { items.data() } -> std::convertible_to<const typename T::value_type*>;
    { items.capacity() } -> std::convertible_to<std::size_t>;
    { items.size() } -> std::convertible_to<std::size_t>;
};

template <class T>
inline constexpr bool is_unique_ptr = false;
template <class T, class D>
inline constexpr bool is_unique_ptr<std::unique_ptr<T, D>> =
    std::is_object_v<T> && !std::is_array_v<T> && (!std::is_polymorphic_v<T> || std::is_final_v<T>);

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
concept tuple_shaped = requires {
    std::tuple_size<T>::value;
};

template <class T>
concept measurable = owned_bytes_lookup::provided<T> || string_shaped<T> || vector_shaped<T> || is_unique_ptr<T> ||
    is_optional<T> || tuple_shaped<T> || std::is_trivially_destructible_v<T>;

template <class T>
[[nodiscard]] constexpr std::size_t owned_by_string(const T& text) noexcept {
    const auto* const begin = reinterpret_cast<const unsigned char*>(std::addressof(text));
    const auto* const data = reinterpret_cast<const unsigned char*>(text.data());
    const bool inside = data >= begin && data < begin + sizeof(T);  // a short string needs no heap
    return inside ? 0 : saturating_mul(saturating_add<std::size_t>(text.capacity(), 1), sizeof(typename T::value_type));
}

template <class T>
[[nodiscard]] constexpr std::size_t owned_by_elements(const T& items) noexcept {
    std::size_t sum = 0;
    for (const auto& item : items) sum = saturating_add(sum, measure_owned_bytes(item));
    return sum;
}

template <class T>
[[nodiscard]] constexpr std::size_t measure_owned_bytes(const T& value) noexcept {
    static_assert(measurable<T>,
                  "plateau: what this type owns on the heap is unknown; give it a function `std::size_t "
                  "owned_bytes(const T&) noexcept` in its own namespace, or name `sizeof_only` as the weigher");
    if constexpr (owned_bytes_lookup::provided<T>) {
        return owned_bytes_lookup::call{}(value);
    } else if constexpr (string_shaped<T>) {
        return owned_by_string(value);
    } else if constexpr (vector_shaped<T>) {
        const std::size_t own = saturating_mul<std::size_t>(value.capacity(), sizeof(typename T::value_type));
        using item = typename T::value_type;
        if constexpr (std::is_trivially_destructible_v<item> && !owned_bytes_lookup::provided<item>) return own;
        else return saturating_add(own, owned_by_elements(value));
    } else if constexpr (is_unique_ptr<T>) {
        return value ? saturating_add(sizeof(*value), measure_owned_bytes(*value)) : 0;
    } else if constexpr (is_optional<T>) {
        return value ? measure_owned_bytes(*value) : 0;
    } else if constexpr (tuple_shaped<T>) {
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            using std::get;
            std::size_t sum = 0;
            ((sum = saturating_add(sum, measure_owned_bytes(get<I>(value)))), ...);
            return sum;
        }
        (std::make_index_sequence<std::tuple_size<T>::value>{});
    } else {
        return 0;  // trivially destructible: owns nothing
    }
}

struct owned_bytes_function {
    /// Bytes on the heap behind `value`, `sizeof(value)` not included.
    template <class T>
    [[nodiscard]] constexpr std::size_t operator()(const T& value) const noexcept {
        return measure_owned_bytes(value);
    }
};

}

/// `owned_bytes(x)`: the bytes that x holds on the heap, beside its own `sizeof`. Known for string, vector, unique_ptr,
/// optional, pair, tuple and array, through any depth, and for what is trivially destructible (0). A type of yours
/// joins by a function `std::size_t owned_bytes(const T&) noexcept` in its own namespace; a type about which nothing is
/// known does not compile, and neither does a unique_ptr to a type that others derive from (polymorphic and not final).
///
/// Counted are the bytes asked from the allocator, not what the allocator rounds them to. Complexity: linear in the
/// elements of nested containers, else constant. Sums saturate.
inline namespace customization {
inline constexpr detail::owned_bytes_function owned_bytes{};
}

/// Weighs a cache entry or a queued item by what it holds on the heap. The holder adds the `sizeof` of its slot itself,
/// so a weigher answers only for what stands behind it.
struct owned_bytes_weigher {
    template <class... Parts>
    [[nodiscard]] constexpr std::size_t operator()(const Parts&... parts) const noexcept {
        std::size_t sum = 0;
        ((sum = detail::saturating_add(sum, detail::measure_owned_bytes(parts))), ...);
        return sum;
    }
};

/// Weighs a value by its `sizeof` alone, that is by the slot which the holder counts in any case: for types that own
/// nothing worth counting. Named, because it hides what they do own.
struct sizeof_only {
    template <class... Parts>
    [[nodiscard]] constexpr std::size_t operator()(const Parts&...) const noexcept {
        return 0;
    }
};

PLATEAU_NAMESPACE_END
