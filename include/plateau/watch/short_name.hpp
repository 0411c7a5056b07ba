// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/contract.hpp>

#include <cstddef>
#include <cstring>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A name of 1 to 63 bytes, held in place: what is named has a size that does not depend on its name.
class short_name {
public:
    static constexpr std::size_t max_size = 63;

    short_name() = default;

    /// Throws: std::invalid_argument with `sentence` when the text has not 1 to 63 bytes.
    short_name(std::string_view text, const char* sentence) {
        require_option(!text.empty() && text.size() <= max_size, sentence);
        std::memcpy(text_, text.data(), text.size());
        size_ = static_cast<unsigned char>(text.size());
    }

    [[nodiscard]] std::string_view view() const noexcept PLATEAU_LIFETIMEBOUND { return {text_, size_}; }

private:
    char text_[max_size] = {};
    unsigned char size_ = 0;
};

static_assert(sizeof(short_name) == 64);

}
PLATEAU_NAMESPACE_END
