// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/chunk_index.hpp>
#include <plateau/cache/key_match.hpp>
#include <plateau/cache/lru_order.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/cache/s3fifo_order.hpp>
#include <plateau/cache/slab.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What the policies of a cache make of its structure: the types of its parts, and what an entry takes in them.
template <class K, class V, class Policies>
struct cache_shape {
    static constexpr bool has_pins = std::is_same_v<typename Policies::pins, counted>;
    static constexpr bool has_listener = !std::is_same_v<typename Policies::listener, no_listener>;
    static constexpr bool owns_nothing = std::is_trivially_destructible_v<K> && std::is_trivially_destructible_v<V>;
    /// True when the end of an entry is something that user code could notice.
    static constexpr bool ends_matter = has_listener || !owns_nothing;

    using note_type = typename Policies::note;
    static_assert(std::is_trivially_copyable_v<note_type> && std::is_default_constructible_v<note_type>,
                  "plateau: a cache note is trivially copyable and can be made by default");
    using allocator_type = typename Policies::allocator;
    using match_type = key_match<K, typename Policies::hash, typename Policies::equal>;
    using order_type =
        std::conditional_t<std::is_same_v<typename Policies::eviction, lru>, lru_order, s3fifo_order<Policies>>;
    using node_type = cache_node<K, V, match_type::keeps_hash, note_type, order_type::slot_bits>;
    using slab_type = slab<node_type, allocator_type, Policies::max_page_slots, Policies::max_page_bytes, has_pins>;
    using index_type = chunk_index<allocator_type>;

    static constexpr std::size_t index_bytes_an_entry = 8;  ///< 64 bytes for 8.3 entries, rounded up
    static constexpr std::size_t entry_overhead =
        slab_type::slot_bytes + index_bytes_an_entry + order_type::bytes_an_entry;
    static constexpr std::size_t max_slots = (std::size_t{1} << order_type::slot_bits) - (std::size_t{1} << 16);
    /// Slots that may be taken beyond the bound, by entries that have left and not ended.
    static constexpr std::size_t outbox_slots = Policies::outbox_slots;
};

}
PLATEAU_NAMESPACE_END
