// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/key_text.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>
#include <plateau/hash.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

template <class T>
inline constexpr bool is_letter =
    std::is_same_v<T, bool> || std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char8_t> ||
    std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;

/// What a composite key takes as a number. A `char` could be meant as text, and a `bool` is often a pointer or a
/// literal that decayed: neither is taken.
template <class T>
concept key_number = !string_like<T> && sizeof(T) <= sizeof(std::uint64_t) &&
                     ((std::is_integral_v<T> && !is_letter<T>) || std::is_enum_v<T>);

/// Sign and magnitude: the same for equal numbers of different types.
struct key_integer {
    static constexpr std::size_t most_bytes =
        key_frame::digits::most + 2;  // framed; -2^63 has a digit less, and a sign

    bool negative;
    std::uint64_t magnitude;
};

/// A part of a key in the form that is framed: a text, or a number.
template <class T>
[[nodiscard]] constexpr auto key_part_of(const T& part) {
    if constexpr (string_like<T>) {
        return static_cast<std::string_view>(part);
    } else if constexpr (std::is_enum_v<T>) {
        return key_part_of(static_cast<std::underlying_type_t<T>>(part));
    } else {
        const std::uint64_t word = to_word(part);
        if constexpr (std::is_signed_v<T>) {
            if (part < 0) return key_integer{true, 0 - word};
        }
        return key_integer{false, word};
    }
}

}

/// The key of one tenant's entry: the tenant first, then any number of fields, each with its length.
///
///     cache.put(composite_key{tenant, "user", id}, page);
///     if (auto hit = cache.get(composite_key{tenant, "user", id})) ...
///
/// Promise     Different parts make different keys: ("ab", "c") and ("a", "bc") differ, so do "1" and 1, and a part may
///             hold any bytes. All keys of a tenant begin with `composite_key{tenant}`, and no other tenant's key does:
///             `key.starts_with(composite_key{tenant})` tells whose an entry is.
/// Parts       Texts (whatever converts to std::string_view; a literal ends at its first NUL), and integers and
///             enumerations by value, so that `7` and `std::uint64_t{7}` are one key.
/// Form        Printable where its parts are: `4:acme4:useri7e`. The same in every build and process: fit for a store
///             that others share.
/// Use         With a cache of std::string keys and its default hash and equality: a look-up makes no string.
/// Memory      Up to `inline_bytes` in place; a longer key takes one allocation. Neither copied nor moved.
/// Throws      std::bad_alloc, beyond `inline_bytes`; of numbers alone, few enough to fit, nothing.
class composite_key {
    template <class T>
    static constexpr bool is_part = (detail::string_like<T> && !std::is_null_pointer_v<T>) || detail::key_number<T>;
    template <class... Parts>
    static constexpr bool always_fits = (detail::key_number<Parts> && ...) &&
                                        sizeof...(Parts) * detail::key_integer::most_bytes
                                            <= detail::key_text::inline_bytes;

public:
    static constexpr std::size_t inline_bytes = detail::key_text::inline_bytes;

    template <class Tenant, class... Fields>
    explicit composite_key(const Tenant& tenant, const Fields&... fields) noexcept(always_fits<Tenant, Fields...>) {
        static_assert(is_part<Tenant> && (is_part<Fields> && ...),
                      "plateau: a part of a composite key is a text, an integer or an enumeration (a bool or a "
                      "character could mean either: convert it)");
        build(detail::key_part_of(tenant), detail::key_part_of(fields)...);
    }
    composite_key(const composite_key&) = delete;
    composite_key& operator=(const composite_key&) = delete;

    /// Until the key ends.
    [[nodiscard]] operator std::string_view() const noexcept PLATEAU_LIFETIMEBOUND { return text_.view(); }

    [[nodiscard]] friend bool operator==(const composite_key& a, std::string_view b) noexcept {
        return a.text_.view() == b;
    }
    [[nodiscard]] friend bool operator==(const composite_key& a, const composite_key& b) noexcept {
        return a.text_.view() == b.text_.view();
    }

private:
    template <class... Parts>
    void build(const Parts&... parts) {
        std::size_t size = 0;
        ((size = detail::saturating_add(size, framed_size(parts))), ...);
        char* at = text_.make(size);
        ((at = append(at, parts)), ...);
    }

    [[nodiscard]] static std::size_t framed_size(std::string_view text) noexcept {
        return detail::key_frame::of_text(text.size());
    }
    [[nodiscard]] static std::size_t framed_size(detail::key_integer number) noexcept {
        return detail::key_frame::digits(number.magnitude).size() + (number.negative ? 3 : 2);
    }
    [[nodiscard]] static char* append(char* to, std::string_view text) noexcept {
        return detail::key_frame::append_text(to, text);
    }
    [[nodiscard]] static char* append(char* to, detail::key_integer number) noexcept {
        *to++ = 'i';
        if (number.negative) *to++ = '-';
        to = detail::key_frame::append(to, detail::key_frame::digits(number.magnitude).view());
        *to++ = 'e';
        return to;
    }

    detail::key_text text_;
};

PLATEAU_NAMESPACE_END
