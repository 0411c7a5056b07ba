// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>
#include <plateau/hash.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {
template <class Sync, class Allocator>
class tag_table;
}

/// The names that one entry can be invalidated by: at most eight, each any text.
///
/// It keeps a fingerprint of 64 bits of each, not the text: names may end as soon as the list is made, and a list can
/// be kept, copied and returned. `.tags = {"catalog", "product:" + id}`. Names of the same fingerprint end together.
class tag_list {
public:
    static constexpr std::size_t capacity = 8;

    tag_list() noexcept = default;
    template <class... Names>
        requires((sizeof...(Names) != 0) && (std::is_convertible_v<const Names&, std::string_view> && ...))
    tag_list(const Names&... names) : prints_{fingerprint(names)...}, size_(sizeof...(Names)) {
        static_assert(sizeof...(Names) <= capacity, "plateau: an entry of a tagged_cache has at most 8 tags");
    }

    /// Returns: false, and the list is as it was, when it holds eight already: what is stored with it then could not be
    /// invalidated by `name`. Complexity: linear in the name.
    [[nodiscard]] bool add(std::string_view name) noexcept {
        if (size_ == capacity) return false;
        prints_[size_++] = fingerprint(name);
        return true;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

private:
    template <class Sync, class Allocator>
    friend class detail::tag_table;

    /// Under a constant key: a list is made without a table, which hashes it once more with a secret of its own.
    [[nodiscard]] static std::uint64_t fingerprint(std::string_view name) noexcept {
        return siphash13::of(hash_key{0x746167732c20646fU, 0x6e6f74206c696573U}, name);
    }

    std::uint64_t prints_[capacity]{};
    std::size_t size_ = 0;
};

PLATEAU_NAMESPACE_END
