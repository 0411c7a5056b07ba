// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN

namespace detail {

template <class S>
concept file_sink = std::same_as<std::remove_cvref_t<S>, std::FILE*>;

template <class S>
concept appendable_sink = requires(std::remove_reference_t<S>& sink, const char* text, std::size_t size) {
    sink.append(text, size);
};

template <class S>
concept callable_sink = std::invocable < std::remove_reference_t<S>
&, std::string_view > ;

}

/// Where text goes: a `FILE*`, an object with `append(const char*, std::size_t)` such as std::string, or a callable
/// that takes a std::string_view. The text comes in pieces of any length, in order; a piece is gone when the call ends.
///
/// What a sink throws leaves the writer, and the pieces already written stay written. A FILE* tells of its errors by
/// std::ferror.
template <class S>
concept text_sink = detail::file_sink<S> || detail::appendable_sink<S> || detail::callable_sink<S>;

namespace detail {

/// Text on its way into a sink of any type: collects pieces in place, so that a sink is called once a few lines, and
/// allocates nothing. What is not flushed is not written: a destructor could not report a sink's exception.
class text_out {
public:
    template <text_sink S>
        requires(!std::same_as<std::remove_cvref_t<S>, text_out>)
    explicit text_out(S& sink PLATEAU_LIFETIMEBOUND) noexcept : target_(target_of(sink)), emit_(&emit<S>) {}

    text_out(const text_out&) = delete;
    text_out& operator=(const text_out&) = delete;

    text_out& put(std::string_view text) {
        while (text.size() > capacity - size_) {
            const std::size_t part = capacity - size_;
            append(text.substr(0, part));
            flush();
            text.remove_prefix(part);
        }
        append(text);
        return *this;
    }

    /// `text`, then spaces up to `width`; a longer text is followed by one space.
    text_out& column(std::string_view text, std::size_t width) {
        put(text);
        return spaces(text.size() < width ? width - text.size() : 1);
    }

    /// Spaces up to `width`, then `text`.
    text_out& right(std::string_view text, std::size_t width) {
        spaces(text.size() < width ? width - text.size() : 0);
        return put(text);
    }

    template <std::integral I>
    text_out& number(I value, std::size_t width = 0) {
        char digits[24];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        return right({digits, static_cast<std::size_t>(end - digits)}, width);
    }

    /// The shortest text that reads back as the same value, with a point in every locale.
    text_out& number(double value) {
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        return put({digits, static_cast<std::size_t>(end - digits)});
    }

    /// At most four significant digits: for people.
    text_out& rounded(double value) {
        char digits[32];
        const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 4).ptr;
        return put({digits, static_cast<std::size_t>(end - digits)});
    }

    /// "1.5 MiB", right-aligned; `unlimited` in words.
    text_out& size(std::uint64_t bytes, std::size_t width = 0) {
        if (bytes == unlimited) return right("unlimited", width);
        constexpr std::string_view units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
        unsigned unit = 0;
        std::uint64_t tenths_left = 0;
        while (bytes >= 1024 && unit + 1 < std::size(units)) {
            tenths_left = (bytes & 1023) * 10 >> 10;
            bytes >>= 10;
            ++unit;
        }
        char text[32];
        char* end = std::to_chars(text, text + sizeof text, bytes).ptr;
        if (unit != 0) {
            *end++ = '.';
            *end++ = static_cast<char>('0' + tenths_left);
        }
        std::memcpy(end, units[unit].data(), units[unit].size());
        end += units[unit].size();
        return right({text, static_cast<std::size_t>(end - text)}, width);
    }

    void flush() {
        if (size_ == 0) return;
        const std::string_view pending(buffer_, size_);
        size_ = 0;
        emit_(target_, pending);
    }

private:
    static constexpr std::size_t capacity = 512;

    template <class S>
    static const void* target_of(S& sink) noexcept {
        if constexpr (file_sink<S>) {
            PLATEAU_EXPECTS(sink != nullptr, "a FILE* that text is written to is not null");
            return sink;
        } else {
            return __builtin_addressof(sink);
        }
    }

    template <class S>
    static void emit(const void* target, std::string_view text) {
        if constexpr (file_sink<S>) {
            // A short count is kept by the stream as its error flag, which is its owner's to ask for.
            static_cast<void>(
                std::fwrite(text.data(), 1, text.size(), static_cast<std::FILE*>(const_cast<void*>(target))));
        } else {
            S& sink = *static_cast<S*>(const_cast<void*>(target));
            if constexpr (appendable_sink<S>) sink.append(text.data(), text.size());
            else sink(text);
        }
    }

    text_out& spaces(std::size_t count) {
        constexpr std::string_view blank = "                                ";
        for (; count > blank.size(); count -= blank.size()) put(blank);
        return put(blank.substr(0, count));
    }

    void append(std::string_view text) noexcept {
        if (text.empty()) return;
        std::memcpy(buffer_ + size_, text.data(), text.size());
        size_ += text.size();
    }

    const void* target_;
    void (*emit_)(const void*, std::string_view);
    std::size_t size_ = 0;
    char buffer_[capacity];
};

/// Calls `body(text_out&)` and hands what it wrote to the sink.
template <text_sink S, class Body>
void write_text(S&& sink, Body&& body) {
    text_out out(sink);
    body(out);
    out.flush();
}

}
PLATEAU_NAMESPACE_END
