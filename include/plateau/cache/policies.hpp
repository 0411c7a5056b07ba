// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/charge.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/fwd.hpp>
#include <plateau/hash.hpp>
#include <plateau/owned_bytes.hpp>
#include <plateau/sync.hpp>

#include <cstddef>
#include <memory>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

namespace detail {

template <class A, class B>
concept comparable = requires(const A& a, const B& b) {
    static_cast<bool>(a == b);
};
template <class A, class B>
inline constexpr bool compares_without_throwing = false;
template <class A, class B>
    requires comparable<A, B>
inline constexpr bool compares_without_throwing<A, B> = noexcept(std::declval<const A&>() == std::declval<const B&>());

}

/// Equality by `==`, across types.
struct any_equal {
    using is_transparent = void;
    template <class A, class B>
    [[nodiscard]] constexpr bool operator()([[maybe_unused]] const A& a, [[maybe_unused]] const B& b) const
        noexcept(detail::compares_without_throwing<A, B>) {
        static_assert(detail::comparable<A, B>,
                      "plateau: a key of this cache is not comparable with what is looked up: the two need an "
                      "operator==, or the policies an `equal` of yours");
        if constexpr (detail::comparable<A, B>) return static_cast<bool>(a == b);
        else return false;
    }
};

/// Nobody wants to know what leaves the cache.
struct no_listener {};

/// The `pins` policy. `counted`: the cache has `pin`, at 4 bytes an entry. `none`: it has not.
struct counted {};
struct none {};

/// The `eviction` policy: who goes first when there is no room. `lru`: who was used longest ago, exactly. `s3fifo`: who
/// was not used again soon after it came (Yang and others, 2023); a scan passes by, a hit costs less, and 4 bytes an
/// entry are charged for the memory of those that left.
struct lru {};
struct s3fifo {};

/// The `note` policy: what a layer keeps with each entry, trivially copyable and made by default. `no_note`: nothing.
struct no_note {};

/// The `judge` policy: says of an entry's note that the entry is over, though its deadline has not come.
///
/// `bool over(const note&) const noexcept`: an entry of which it is true counts as gone, and is removed with cause
/// `tag`. `std::uint64_t epoch() const noexcept`: changes whenever `over` may have become true of more entries; from
/// then on the calls that change the cache look for them within their `reclaim_budget`.
struct no_judge {};

/// What changes the layout or the cost of a cache. Derive, override with `using`, and name the result as the cache's
/// last template argument. Objects of these types follow the options in the constructor where they have state.
struct cache_policies {
    using hash = keyed_hash;              ///< `std::uint64_t f(const Q&)`; `is_transparent` lets look-ups skip the K
    using equal = any_equal;              ///< `bool f(const K&, const Q&)`
    using weigher = owned_bytes_weigher;  ///< `std::size_t f(const K&, const V&)`: bytes beside the entry's own slot
    using clock = coarse_clock;
    using charge = no_charge;  ///< an outer budget, charged with what is charged here, and again with what is pinned
    /// `f(const K&, V&&, removal_cause) noexcept`, after the fact; `const V&` where values can be pinned.
    using listener = no_listener;
    using pins = none;
    using allocator = std::allocator<std::byte>;
    using stats = counting;
    using sync = default_sync;
    using eviction = lru;
    using note = no_note;    ///< for layers
    using judge = no_judge;  ///< for layers; copied into every shard

    /// Internal constants, here so that tests can shrink them.
    static constexpr duration tick{std::int64_t{1} << 24};    ///< resolution of deadlines
    static constexpr std::size_t max_page_slots = 1024;       ///< entries a page of the slab, at most; a power of two
    static constexpr std::size_t max_page_bytes = 64 * 1024;  ///< bytes a page, unless 16 entries need more
    static constexpr std::size_t max_first_page_bytes = 64
                                                        << 20;  ///< the whole slab as one page, where it never shrinks
    static constexpr std::size_t outbox_slots = 4;  ///< entries that may be on their way out while new ones come in
};

/// The same for caches that threads share.
struct concurrent_cache_policies : cache_policies {
    using pins = counted;
    using eviction = s3fifo;  ///< of `concurrent_cache`; `concurrent_lru_cache` is `lru` whatever stands here

    static constexpr std::size_t outbox_slots = 16;
    static constexpr std::size_t shards = 0;              ///< a power of two; 0: four for each processor
    static constexpr std::size_t min_shard_entries = 64;  ///< fewer shards rather than smaller ones
};

PLATEAU_NAMESPACE_END
