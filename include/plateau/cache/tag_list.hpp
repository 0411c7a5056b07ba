// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>
#include <string_view>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN

/// The names that one entry can be invalidated by: at most eight, each any text.
///
/// It refers to the text and copies none: names live until the call that takes the list returns, as temporaries in the
/// call itself do. `.tags = {"catalog", "product:" + id}` is right; a list kept in a variable needs names that are.
class tag_list {
public:
    static constexpr std::size_t capacity = 8;

    constexpr tag_list() noexcept = default;
    template <class... Names>
        requires((sizeof...(Names) != 0) && (std::is_convertible_v<const Names&, std::string_view> && ...))
    constexpr tag_list(const Names&... names PLATEAU_LIFETIMEBOUND) noexcept
        : names_{std::string_view(names)...}, size_(sizeof...(Names)) {
        static_assert(sizeof...(Names) <= capacity, "plateau: an entry of a tagged_cache has at most 8 tags");
    }

    /// Returns: false, and the list is as it was, when it holds eight already: what is stored with it then could not be
    /// invalidated by `name`.
    [[nodiscard]] constexpr bool add(std::string_view name) noexcept {
        if (size_ == capacity) return false;
        names_[size_++] = name;
        return true;
    }

    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] constexpr const std::string_view* begin() const noexcept PLATEAU_LIFETIMEBOUND { return names_; }
    [[nodiscard]] constexpr const std::string_view* end() const noexcept PLATEAU_LIFETIMEBOUND {
        return names_ + size_;
    }

private:
    std::string_view names_[capacity]{};
    std::size_t size_ = 0;
};

PLATEAU_NAMESPACE_END
