// SPDX-License-Identifier: MIT
#pragma once

/// How keys and values become bytes and come back.
///
/// Known: integers, enumerations, float and double; strings, vectors, optionals, pairs, tuples and arrays of what is
/// known. A type of yours joins by two functions in its own namespace, that name the same parts in the same order:
///
///     void dump_append(plateau::dump_writer& to, const page& p) { to.put(p.html, p.version); }
///     bool dump_read(plateau::dump_reader& from, page& p) { return from.get(p.html, p.version); }
///
/// A struct is never copied as bytes unless its functions say so (`to.put_bytes(p)`, `from.get_bytes(p)`): it may hide
/// a pointer, padding, or a bool that is neither.
///
/// Such a type may hold others of its kind, as a tree does: nested up to `dump_reader::max_depth`. What is deeper is
/// written, and not read.

#include <plateau/cache/dump_format.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>
#include <plateau/owned_bytes.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Bytes in one allocation that only grows. Bounded by whoever fills it.
class byte_buffer {
public:
    /// Effects: appends `count` bytes of any content. Returns: where they begin. Throws: std::bad_alloc.
    [[nodiscard]] std::byte* extend(std::size_t count) {
        const std::size_t wanted = saturating_add(size_, count);
        if (wanted > capacity_) grow(wanted);
        return bytes_.get() + std::exchange(size_, wanted);
    }
    void clear() noexcept { size_ = 0; }
    void shrink(std::size_t size) noexcept { size_ = size; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::span<std::byte> bytes() noexcept { return {bytes_.get(), size_}; }

private:
    void grow(std::size_t wanted) {
        const std::size_t twice = saturating_mul<std::size_t>(capacity_, 2);
        const std::size_t next = wanted > twice ? wanted : twice;
        auto larger = std::make_unique_for_overwrite<std::byte[]>(next);
        if (size_ != 0) std::memcpy(larger.get(), bytes_.get(), size_);
        bytes_ = std::move(larger);
        capacity_ = next;
    }

    std::unique_ptr<std::byte[]> bytes_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

namespace dump_lookup {
void dump_append() = delete;
void dump_read() = delete;
template <class T>
concept provided = requires(dump_writer& to, dump_reader& from, const T& value, T& place) {
    dump_append(to, value);
    { dump_read(from, place) } -> std::convertible_to<bool>;
};
template <class T>
void append(dump_writer& to, const T& value) {
    dump_append(to, value);
}
template <class T>
[[nodiscard]] bool read(dump_reader& from, T& place) {
    return static_cast<bool>(dump_read(from, place));
}
}

/// Any number of the underlying type is a value of an enumeration whose type is fixed, as that of a scoped one is.
template <class T>
concept fixed_enum = std::is_enum_v<T> && requires {
    T{std::underlying_type_t<T>{}};
};
template <class T>
concept dump_scalar = std::is_integral_v<T> || fixed_enum<T> || std::is_same_v<T, float> || std::is_same_v<T, double>;
/// Scalars of which any bytes are a value: arrays of them are copied at once.
template <class T>
concept dump_plain = dump_scalar<T> && !std::is_same_v<T, bool> && !std::is_enum_v<T>;

template <class T>
struct dumpable;
template <class T>
inline constexpr bool tuple_is_dumpable = false;
template <template <class...> class C, class... Parts>
inline constexpr bool tuple_is_dumpable<C<Parts...>> = (dumpable<Parts>::value && ...);
template <template <class, std::size_t> class C, class T, std::size_t N>
inline constexpr bool tuple_is_dumpable<C<T, N>> = dumpable<T>::value;

template <class T>
[[nodiscard]] constexpr bool is_dumpable() noexcept {
    if constexpr (dump_lookup::provided<T>) return true;
    else if constexpr (dump_scalar<T>) return true;
    else if constexpr (string_shaped<T>) return true;
    else if constexpr (vector_shaped<T>) return dumpable<typename T::value_type>::value;
    else if constexpr (is_optional<T>) return dumpable<typename T::value_type>::value;
    else if constexpr (tuple_shaped<T>) return tuple_is_dumpable<T>;
    else return false;
}
template <class T>
struct dumpable : std::bool_constant<std::is_default_constructible_v<T> && is_dumpable<T>()> {};

/// The shape of a type, so that a dump is not read as something else. For a type with functions of its own only its
/// size is known: `content_version` tells its forms apart.
template <class T>
[[nodiscard]] constexpr std::uint64_t layout_of(std::uint64_t above = 0xcbf29ce484222325U) noexcept {
    const auto with = [](std::uint64_t sum, std::uint64_t word) { return (sum ^ word) * 0x100000001b3U; };  // FNV-1a
    if constexpr (dump_lookup::provided<T>) {
        return with(with(above, 'u'), sizeof(T));
    } else if constexpr (std::is_enum_v<T>) {
        return layout_of<std::underlying_type_t<T>>(with(above, 'e'));
    } else if constexpr (dump_scalar<T>) {
        const bool exact = std::is_integral_v<T>;
        return with(with(above, !exact ? 'f' : std::is_signed_v<T> ? 'i' : 'n'), sizeof(T));
    } else if constexpr (string_shaped<T>) {
        return with(with(above, 's'), sizeof(typename T::value_type));
    } else if constexpr (vector_shaped<T>) {
        return layout_of<typename T::value_type>(with(above, 'v'));
    } else if constexpr (is_optional<T>) {
        return layout_of<typename T::value_type>(with(above, 'o'));
    } else {
        std::uint64_t sum = with(with(above, 't'), std::tuple_size<T>::value);
        [&]<std::size_t... I>(std::index_sequence<I...>) { ((sum = layout_of<std::tuple_element_t<I, T>>(sum)), ...); }
        (std::make_index_sequence<std::tuple_size<T>::value>{});
        return sum;
    }
}

}

/// A type that a dump can hold. It has a default constructor: it is read into such an object.
template <class T>
concept dumpable = detail::dumpable<T>::value;

/// Where a key or a value is written to, part by part.
class dump_writer {
public:
    explicit dump_writer(detail::byte_buffer& to) noexcept : to_(&to) {}

    /// Effects: appends each part. Throws: std::bad_alloc, and what a part's own function throws.
    template <class... Parts>
    void put(const Parts&... parts) {
        (put_one(parts), ...);
    }
    /// The bytes of an object as they lie in memory, padding included: for types without pointers.
    template <class T>
    void put_bytes(const T& value) {
        static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
                      "plateau: only a trivially copyable object is its bytes");
        put_bytes(std::addressof(value), sizeof value);
    }
    void put_bytes(const void* bytes, std::size_t size) {
        std::byte* const to = to_->extend(size);
        if (size != 0) std::memcpy(to, bytes, size);
    }

private:
    template <class T>
    void put_one(const T& value) {
        static_assert(detail::dumpable<T>::value,
                      "plateau: how this type is dumped is unknown; give it `void dump_append(plateau::dump_writer&, "
                      "const T&)` and `bool dump_read(plateau::dump_reader&, T&)` in its own namespace");
        if constexpr (detail::dump_lookup::provided<T>) {
            detail::dump_lookup::append(*this, value);
        } else if constexpr (detail::dump_scalar<T>) {
            put_bytes(value);
        } else if constexpr (detail::string_shaped<T>) {
            put_count(value.size());
            put_bytes(value.data(), value.size() * sizeof(typename T::value_type));
        } else if constexpr (detail::vector_shaped<T>) {
            put_count(value.size());
            if constexpr (detail::dump_plain<typename T::value_type>)
                put_bytes(value.data(), value.size() * sizeof(typename T::value_type));
            else
                for (const auto& item : value) put_one(item);
        } else if constexpr (detail::is_optional<T>) {
            put_one(value.has_value());
            if (value) put_one(*value);
        } else {
            [&]<std::size_t... I>(std::index_sequence<I...>) {
                using std::get;
                (put_one(get<I>(value)), ...);
            }
            (std::make_index_sequence<std::tuple_size<T>::value>{});
        }
    }
    void put_count(std::size_t count) { put_bytes(std::uint64_t{count}); }

    detail::byte_buffer* to_;
};

/// Where a key or a value is read from, part by part. The bytes may be anybody's: no number in them is believed, and
/// what is read never takes more memory than the bound of one entry, nor more stack than `max_depth` calls.
class dump_reader {
public:
    /// Of types with functions of their own that are read within one another.
    static constexpr unsigned max_depth = 128;

    /// `max_bytes`: what everything that is read from here may take on the heap.
    dump_reader(std::span<const std::byte> from, std::size_t max_bytes) noexcept : from_(from), budget_(max_bytes) {}

    /// Effects: reads each part in turn. Returns: whether all are there, whole; if not, the parts hold something valid.
    template <class... Parts>
    [[nodiscard]] bool get(Parts&... parts) {
        return (get_one(parts) && ...);
    }
    /// The reverse of put_bytes. Any bytes are taken: the type has no invalid ones.
    template <class T>
    [[nodiscard]] bool get_bytes(T& value) noexcept {
        static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
                      "plateau: only a trivially copyable object is its bytes");
        return get_bytes(std::addressof(value), sizeof value);
    }
    [[nodiscard]] bool get_bytes(void* to, std::size_t size) noexcept {
        if (size > from_.size()) return false;
        if (size != 0) std::memcpy(to, from_.data(), size);
        from_ = from_.subspan(size);
        return true;
    }

    /// Bytes that are left.
    [[nodiscard]] std::size_t remaining() const noexcept { return from_.size(); }
    /// Asked before `bytes` are allocated because the dump says so. Returns: false if the bound forbids it.
    [[nodiscard]] bool may_allocate(std::size_t bytes) noexcept {
        if (bytes > budget_) return false;
        budget_ -= bytes;
        return true;
    }

private:
    template <class T>
    [[nodiscard]] bool get_one(T& value) {
        static_assert(detail::dumpable<T>::value,
                      "plateau: how this type is dumped is unknown; give it `void dump_append(plateau::dump_writer&, "
                      "const T&)` and `bool dump_read(plateau::dump_reader&, T&)` in its own namespace");
        if constexpr (detail::dump_lookup::provided<T>) {
            if (depth_ == max_depth) return false;
            ++depth_;
            const bool whole = detail::dump_lookup::read(*this, value);
            --depth_;
            return whole;
        } else if constexpr (std::is_enum_v<T>) {
            std::underlying_type_t<T> number{};
            if (!get_one(number)) return false;
            value = static_cast<T>(number);
            return true;
        } else if constexpr (std::is_same_v<T, bool>) {
            unsigned char byte = 0;
            if (!get_bytes(byte) || byte > 1) return false;
            value = byte != 0;
            return true;
        } else if constexpr (detail::dump_scalar<T>) {
            return get_bytes(value);
        } else if constexpr (detail::string_shaped<T>) {
            return get_text(value);
        } else if constexpr (detail::vector_shaped<T>) {
            if constexpr (detail::dump_plain<typename T::value_type>) return get_plain(value);
            else return get_items(value);
        } else if constexpr (detail::is_optional<T>) {
            bool present = false;
            if (!get_one(present)) return false;
            if (!present) return value.reset(), true;
            return get_one(value.emplace());
        } else {
            return [&]<std::size_t... I>(std::index_sequence<I...>) {
                using std::get;
                return (get_one(get<I>(value)) && ...);
            }
            (std::make_index_sequence<std::tuple_size<T>::value>{});
        }
    }

    /// A string that grows takes twice what it had, or more: what is too long for this one is made anew.
    template <class T>
    [[nodiscard]] bool get_text(T& text) {
        using letter = typename T::value_type;
        constexpr std::size_t rounding = 16;  // and the zero at its end
        std::uint64_t count = 0;
        if (!get_bytes(count) || count > remaining() / sizeof(letter)) return false;
        const auto size = static_cast<std::size_t>(count);
        if (size <= text.capacity()) {
            text.resize(size);
        } else {
            if (!may_allocate(detail::saturating_mul(size + rounding, sizeof(letter)))) return false;
            text = T(size, letter(), text.get_allocator());
        }
        return get_bytes(text.data(), size * sizeof(letter));
    }
    template <class T>
    [[nodiscard]] bool get_plain(T& items) {
        constexpr std::size_t each = sizeof(typename T::value_type);
        std::uint64_t count = 0;
        if (!get_bytes(count) || count > remaining() / each) return false;
        if (!may_allocate(static_cast<std::size_t>(count) * each)) return false;
        items.resize(static_cast<std::size_t>(count));
        return get_bytes(items.data(), items.size() * each);
    }
    template <class T>
    [[nodiscard]] bool get_items(T& items) {
        std::uint64_t count = 0;
        if (!get_bytes(count) || count > remaining()) return false;  // an item takes a byte at least
        if (!may_allocate(detail::saturating_mul<std::size_t>(count, sizeof(typename T::value_type)))) return false;
        items.clear();
        items.reserve(static_cast<std::size_t>(count));
        for (; count != 0; --count) {
            if (!get_one(items.emplace_back())) return false;
        }
        return true;
    }

    std::span<const std::byte> from_;
    std::size_t budget_;
    unsigned depth_ = 0;
};

PLATEAU_NAMESPACE_END
