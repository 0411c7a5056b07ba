// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/arena_bound.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/charge.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/parts.hpp>

#include <bit>
#include <cstddef>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What a cache asks of its key, its value and its policies, and of its options, and says where it is not so: asked
/// once, ahead of all that is made from them.
template <class K, class V, class Policies>
struct cache_requirements {
    static_assert(std::is_object_v<K> && std::is_object_v<V> && !std::is_const_v<K> && !std::is_const_v<V>,
                  "plateau: a cache key and a cache value are plain object types");
    static_assert(
        std::is_base_of_v<cache_policies, Policies>,
        "plateau: the third argument of a cache is its policies, which derive from plateau::cache_policies: a "
        "hash, an order or a weigher of yours is named in them");
    static_assert(!arena_bound_v<K> || arena_bound_v<typename Policies::allocator>,
                  "plateau: this cache key may point into memory that ends with a request (a pointer, "
                  "view, span, reference or arena type); store an owning copy, or unowned<T>");
    static_assert(!arena_bound_v<V> || arena_bound_v<typename Policies::allocator>,
                  "plateau: this cache value may point into memory that ends with a request (a pointer, view, span, "
                  "reference or arena type); store an owning copy, or unowned<T>");
    static_assert(std::is_move_constructible_v<K> && std::is_move_constructible_v<V>,
                  "plateau: a cache moves keys and values into its slab: they must be move constructible");
    static_assert(std::is_nothrow_destructible_v<K> && std::is_nothrow_destructible_v<V>,
                  "plateau: the destructors of cache keys and values must not throw");

    static constexpr bool has_pins = std::is_same_v<typename Policies::pins, counted>;
    static_assert(has_pins || std::is_same_v<typename Policies::pins, none>,
                  "plateau: the pins policy is plateau::counted or plateau::none");
    static_assert(is_one_of<typename Policies::stats, counting, bare>,
                  "plateau: the stats policy is plateau::counting or plateau::bare");
    static_assert(is_one_of<typename Policies::eviction, lru, s3fifo>,
                  "plateau: the eviction policy is plateau::lru or plateau::s3fifo");
    static_assert(clock<typename Policies::clock>, "plateau: the clock policy needs `time_point now() const noexcept`");
    static_assert(charge<typename Policies::charge>,
                  "plateau: the charge policy has try_charge(bytes) and refund(bytes)");
    static_assert(std::has_single_bit(Policies::max_page_slots), "plateau: max_page_slots is a power of two");

    using weigher_type = typename Policies::weigher;
    static_assert(std::is_invocable_r_v<std::size_t, const weigher_type&, const K&, const V&>,
                  "plateau: a cache weigher answers std::size_t for (const K&, const V&)");

    using listener_type = typename Policies::listener;
    /// What a listener is told of a value, which others may have pinned.
    using told_value = std::conditional_t<has_pins, const V&, V&&>;
    static_assert(std::is_same_v<listener_type, no_listener> ||
                      std::is_nothrow_invocable_v<listener_type&, const K&, told_value, removal_cause>,
                  "plateau: a cache listener is callable with (const K&, V&&, removal_cause), or with (const K&, const "
                  "V&, removal_cause) where values can be pinned, and is noexcept");

    /// Of the types, where this compiles.
    static constexpr bool met = true;

    // ---- of the options. Throws: std::invalid_argument

    /// `most`: entries that a shard can tell apart.
    static const cache_options& checked(const cache_options& options, std::size_t most) {
        require_bound(options.max_entries, options.max_bytes);
        require_option(options.max_entries != 0, "cache_options: max_entries is 0: nothing could be kept");
        require_option(options.max_bytes != 0, "cache_options: max_bytes is 0: nothing could be kept");
        require_option(options.max_entry_bytes != 0, "cache_options: max_entry_bytes is 0: nothing could be kept");
        require_max_entries(options.max_entries, most);
        require_option(options.time_to_live > duration::zero(), "cache_options: time_to_live is not above zero");
        require_option(options.time_to_idle > duration::zero(), "cache_options: time_to_idle is not above zero");
        require_option(options.ttl_jitter >= 0 && options.ttl_jitter < 1,
                       "cache_options: ttl_jitter is not from 0 to below 1");
        return options;
    }
    static void require_bound(std::size_t max_entries, std::size_t max_bytes) {
        require_option(max_entries != unlimited || max_bytes != unlimited,
                       "cache_options: max_entries or max_bytes must be set: without either it would grow for ever");
    }
    static void require_max_entries(std::size_t max_entries, std::size_t most) {
        require_option(max_entries == unlimited || max_entries <= most,
                       std::is_same_v<typename Policies::eviction, lru>
                           ? "cache_options: max_entries is above 2^32 - 2^16"
                           : "cache_options: max_entries is above 2^29 - 2^16");
    }
};

}
PLATEAU_NAMESPACE_END
