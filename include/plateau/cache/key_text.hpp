// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Text of a known size, made once: in place up to `inline_bytes`, beyond that in one allocation.
class key_text {
public:
    static constexpr std::size_t inline_bytes = 112;

    key_text() = default;
    key_text(const key_text&) = delete;
    key_text& operator=(const key_text&) = delete;
    ~key_text() {
        if (data_ != inline_) delete[] data_;
    }

    /// Effects: room for `size` characters. Expects: the first call. Throws: std::bad_alloc, beyond `inline_bytes`.
    [[nodiscard]] char* make(std::size_t size) {
        if (size > inline_bytes) data_ = new char[size];
        size_ = size;
        return data_;
    }
    [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }

private:
    char* data_ = inline_;
    std::size_t size_ = 0;
    char inline_[inline_bytes];
};

/// How the parts of a key are framed: as in bencode, a text is its length, a colon and its bytes, a number is `i`, its
/// decimal digits and `e`. No framed part begins another, so a sequence of them can be read in one way only: different
/// sequences have different bytes, and none is a piece of another's part.
namespace key_frame {

struct digits {
    static constexpr std::size_t most = 20;  ///< of 2^64 - 1
    char text[most];
    std::size_t first = most;

    explicit constexpr digits(std::uint64_t number) noexcept : text{} {
        do text[--first] = static_cast<char>('0' + number % 10);
        while ((number /= 10) != 0);
    }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return most - first; }
    [[nodiscard]] constexpr std::string_view view() const noexcept { return {text + first, size()}; }
};

/// Bytes of a framed text whose own bytes are `size`. Saturates.
[[nodiscard]] constexpr std::size_t of_text(std::size_t size) noexcept {
    return saturating_add(size, digits(size).size() + 1);
}

[[nodiscard]] inline char* append(char* to, std::string_view text) noexcept {
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    return to + text.size();
}
/// What stands before the bytes of a text.
[[nodiscard]] inline char* append_size(char* to, std::size_t size) noexcept {
    to = append(to, digits(size).view());
    *to++ = ':';
    return to;
}
[[nodiscard]] inline char* append_text(char* to, std::string_view text) noexcept {
    return append(append_size(to, text.size()), text);
}

}
}
PLATEAU_NAMESPACE_END
