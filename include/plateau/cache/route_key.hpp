// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/key_text.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

struct route_key_options {
    std::size_t max_bytes = 1024;  ///< of the key, frames included
};

/// Why a request has no key. It is then answered without the cache.
enum class route_reason : unsigned char {
    none,
    too_large,      ///< the key would exceed `max_bytes`
    bad_escape,     ///< the value of a chosen parameter holds a `%` without two hexadecimal digits
    question_mark,  ///< the query begins with `?`, behind which its first parameter would not be seen
};

[[nodiscard]] constexpr std::string_view to_string(route_reason reason) noexcept {
    switch (reason) {
    case route_reason::none:
        return "none";
    case route_reason::too_large:
        return "too_large";
    case route_reason::bad_escape:
        return "bad_escape";
    case route_reason::question_mark:
        return "question_mark";
    }
    return "unknown";
}

namespace detail {

/// The bytes that a name or a value of a form stands for: `%41` is A, `+` is a space.
class form_bytes {
public:
    static constexpr int end = -1;
    static constexpr int bad = -2;  ///< a `%` without two hexadecimal digits; then there is no further byte

    explicit constexpr form_bytes(std::string_view encoded) noexcept : rest_(encoded) {}

    [[nodiscard]] constexpr int next() noexcept {
        if (rest_.empty()) return end;
        const char first = rest_[0];
        if (first != '%') {
            rest_.remove_prefix(1);
            return first == '+' ? ' ' : static_cast<unsigned char>(first);
        }
        const int high = rest_.size() < 3 ? bad : digit(rest_[1]);
        const int low = rest_.size() < 3 ? bad : digit(rest_[2]);
        if (high == bad || low == bad) return bad;
        rest_.remove_prefix(3);
        return high * 16 + low;
    }

private:
    [[nodiscard]] static constexpr int digit(char c) noexcept {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return bad;
    }

    std::string_view rest_;
};

/// Calls `f(char)` with each byte that `encoded` stands for. Returns: false at a bad escape.
template <class F>
constexpr bool decode_form(std::string_view encoded, F f) noexcept {
    form_bytes bytes(encoded);
    for (int byte = bytes.next();; byte = bytes.next()) {
        if (byte < 0) return byte == form_bytes::end;
        f(static_cast<char>(byte));
    }
}

/// Whether an encoded name is `name`. One with a bad escape is nobody's.
[[nodiscard]] constexpr bool means(std::string_view encoded, std::string_view name) noexcept {
    if (encoded.size() < name.size()) return false;
    form_bytes bytes(encoded);
    for (const char wanted : name) {
        if (bytes.next() != static_cast<unsigned char>(wanted)) return false;
    }
    return bytes.next() == form_bytes::end;
}

/// Calls `f(value)` with the encoded value of each parameter of that name, in the order of the query.
template <class F>
constexpr void for_each_value(std::string_view query, std::string_view name, F f) {
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(end == query.npos ? query.size() : end + 1);
        if (pair.empty()) continue;
        const std::size_t equals = pair.find('=');
        const std::string_view value = equals == pair.npos ? std::string_view() : pair.substr(equals + 1);
        if (means(pair.substr(0, equals), name)) f(value);
    }
}

}

/// The key of a cached page: the path and the chosen parameters of the query, and nothing else that a stranger can
/// vary.
///
///     const plateau::route_key key{path, query, {"page", "sort"}};
///     if (key) pages.put(*key, html);           // else the answer is not cached: key.reason() says why
///
/// Promise     Requests that agree in the path and in the values of the chosen parameters have one key, whatever else
///             stands in the query and in whatever order; requests that differ in them have different keys. A key that
///             would be too large is refused, never cut.
/// Path        Byte for byte: give it as your router matched it. It is not decoded, because what was decoded once must
///             not be decoded again: /%2541 would answer for /A.
/// Query       As it stands in the request line, still encoded, without the `?`: with it, it is refused where a name is
///             chosen. Read as forms are (WHATWG URL, application/x-www-form-urlencoded): parts between `&`, name and
///             value at the first `=`, `+` is a space, `%41` is A, in names too. A missing `=` is an empty value; a
///             parameter that is missing is not an empty one. A parameter that is there several times counts with all
///             its values, in their order.
/// Form        Framed as a composite_key is: path, then name and value of each, by name. One path goes with one list of
///             names: keys do not say which names were looked for. `composite_key{tenant, *key}` adds a tenant.
/// Complexity  O(names * (bytes of the query + names)), whatever the query holds; no memory but the key's own.
/// Memory      Up to `inline_bytes` in place; a longer key takes one allocation. Neither copied nor moved.
/// Throws      std::bad_alloc, beyond `inline_bytes`.
class [[nodiscard]] route_key {
public:
    static constexpr std::size_t inline_bytes = detail::key_text::inline_bytes;
    using options = route_key_options;

    route_key(std::string_view path, std::string_view query, std::initializer_list<std::string_view> names,
              route_key_options bounds = {})
        : route_key(path, query, std::span<const std::string_view>(names.begin(), names.size()), bounds) {}
    route_key(std::string_view path, std::string_view query, std::span<const std::string_view> names,
              route_key_options bounds = {}) {
        const std::size_t size = measure(path, query, names, bounds.max_bytes);
        if (*this) write(text_.make(size), path, query, names);
    }
    route_key(const route_key&) = delete;
    route_key& operator=(const route_key&) = delete;

    [[nodiscard]] explicit operator bool() const noexcept { return reason_ == route_reason::none; }
    [[nodiscard]] route_reason reason() const noexcept { return reason_; }
    /// Until the key ends. Of a refusal: a violation.
    [[nodiscard]] std::string_view operator*() const& noexcept PLATEAU_LIFETIMEBOUND {
        PLATEAU_EXPECTS(*this, "a refused route_key has no text: test it, or ask for its reason()");
        return text_.view();
    }
    std::string_view operator*() const&& = delete;  // whoever cannot test it cannot use it

private:
    /// By name, each name once, and the values of one name in the order of the query. Names are few: the next is looked
    /// for among all, so that nothing has to be kept.
    template <class F>
    static void for_each_chosen(std::string_view query, std::span<const std::string_view> names, F f) {
        const std::string_view* name = nullptr;
        for (;;) {
            const std::string_view* next = nullptr;
            for (const std::string_view& other : names) {
                if ((name == nullptr || other > *name) && (next == nullptr || other < *next)) next = &other;
            }
            if (next == nullptr) return;
            name = next;
            detail::for_each_value(query, *name, [&](std::string_view value) { f(*name, value); });
        }
    }

    /// Returns: the bytes of the key. Effects: sets the reason if it has none.
    [[nodiscard]] std::size_t measure(std::string_view path, std::string_view query,
                                      std::span<const std::string_view> names, std::size_t max_bytes) noexcept {
        if (!names.empty() && query.starts_with('?')) reason_ = route_reason::question_mark;
        std::size_t size = detail::key_frame::of_text(path.size());
        for_each_chosen(query, names, [&](std::string_view name, std::string_view value) {
            if (size > max_bytes || reason_ != route_reason::none) return;
            std::size_t length = 0;
            if (!detail::decode_form(value, [&](char) { ++length; })) {
                reason_ = route_reason::bad_escape;
                return;
            }
            size = detail::saturating_add(size, detail::key_frame::of_text(name.size()));
            size = detail::saturating_add(size, detail::key_frame::of_text(length));
        });
        if (size > max_bytes && reason_ == route_reason::none) reason_ = route_reason::too_large;
        return size;
    }
    /// Expects: measured.
    static void write(char* to, std::string_view path, std::string_view query,
                      std::span<const std::string_view> names) noexcept {
        to = detail::key_frame::append_text(to, path);
        for_each_chosen(query, names, [&](std::string_view name, std::string_view value) {
            to = detail::key_frame::append_text(to, name);
            std::size_t length = 0;
            static_cast<void>(detail::decode_form(value, [&](char) { ++length; }));
            to = detail::key_frame::append_size(to, length);
            static_cast<void>(detail::decode_form(value, [&](char byte) { *to++ = byte; }));
        });
    }

    detail::key_text text_;
    route_reason reason_ = route_reason::none;
};

PLATEAU_NAMESPACE_END
