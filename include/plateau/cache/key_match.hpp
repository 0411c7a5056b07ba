// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/seed.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A hash that spreads its input over all its bits says so by `is_avalanching`; any other is mixed first.
template <class Hash>
[[nodiscard]] constexpr std::uint64_t spread(std::uint64_t hash) noexcept {
    if constexpr (requires { typename Hash::is_avalanching; }) return hash;
    else return mix(hash);
}
/// What the index sees of a hash: its low half. The shard is chosen by the top bits.
[[nodiscard]] constexpr std::uint32_t low_half(std::uint64_t spread_hash) noexcept {
    return static_cast<std::uint32_t>(spread_hash);
}

/// Tells which entry has a key: by the half of the hash that the index sees, then by equality.
///
/// The hash of a scalar key is computed anew where it is needed again. Any other is kept in the entry, and compared
/// before the keys are. Two keys that are equal have equal hashes; a key is not changed while it is stored.
template <class K, class Hash, class Equal>
class key_match {
public:
    static constexpr bool keeps_hash = !std::is_scalar_v<K> || !std::is_nothrow_invocable_v<const Hash&, const K&>;

    key_match(const Hash& hash, const Equal& equal) : hash_(hash), equal_(equal) {}

    template <class Node>
    void keep_hash([[maybe_unused]] Node& entry, [[maybe_unused]] std::uint32_t hash) const noexcept {
        if constexpr (keeps_hash) entry.hash = hash;
    }
    template <class Node>
    [[nodiscard]] std::uint32_t hash_of(const Node& entry) const noexcept {
        if constexpr (keeps_hash) return entry.hash;
        else return low_half(spread<Hash>(hash_(entry.key)));
    }
    /// Throws: what the equality throws.
    template <class Node, class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool is_of(const Node& entry, [[maybe_unused]] std::uint32_t hash,
                                                   const Q& key) const {
        if constexpr (keeps_hash) {
            if (entry.hash != hash) return false;
        }
        return static_cast<bool>(equal_(entry.key, key));
    }

private:
    PLATEAU_NO_UNIQUE_ADDRESS Hash hash_;
    PLATEAU_NO_UNIQUE_ADDRESS Equal equal_;
};

}
PLATEAU_NAMESPACE_END
