// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/key_match.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/parts.hpp>

#include <cstdint>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The objects of a cache's policies: what follows the options in its constructor, and a default one for each that does
/// not. The clock is referred to, and outlives the cache; the others are the cache's own copies, from which each shard
/// copies those that it needs.
///
/// But for the listener, which user code may change as it is called, nothing here changes once the cache is made.
template <class Policies>
class policy_parts {
public:
    using hash_type = typename Policies::hash;
    using equal_type = typename Policies::equal;
    using weigher_type = typename Policies::weigher;
    using listener_type = typename Policies::listener;
    using judge_type = typename Policies::judge;
    using charge_type = typename Policies::charge;
    using clock_type = typename Policies::clock;

    /// Throws: what copying them does.
    template <class... Parts>
    explicit policy_parts(std::in_place_t, Parts&&... parts)
        : hash(copied_part<hash_type>(parts...)),
          equal(copied_part<equal_type>(parts...)),
          weigher(copied_part<weigher_type>(parts...)),
          listener(copied_part<listener_type>(std::forward<Parts>(parts)...)),
          judge(copied_part<judge_type>(parts...)),
          charge(copied_part<charge_type>(parts...)),
          clock(std::in_place, std::forward<Parts>(parts)...) {
        static_assert((is_one_of<Parts, hash_type, equal_type, weigher_type, listener_type, judge_type, charge_type,
                                 clock_type, typename Policies::allocator> &&
                       ...),
                      "plateau: this part is none of the types that the cache's policies name");
    }
    policy_parts(const policy_parts&) = delete;
    policy_parts& operator=(const policy_parts&) = delete;

    template <class Key>
    [[nodiscard]] std::uint64_t hash_of(const Key& key) const {
        return spread<hash_type>(static_cast<std::uint64_t>(hash(key)));
    }
    [[nodiscard]] time_point now() const noexcept { return (*clock).now(); }

    PLATEAU_NO_UNIQUE_ADDRESS hash_type hash;
    PLATEAU_NO_UNIQUE_ADDRESS equal_type equal;
    PLATEAU_NO_UNIQUE_ADDRESS weigher_type weigher;
    PLATEAU_NO_UNIQUE_ADDRESS listener_type listener;
    PLATEAU_NO_UNIQUE_ADDRESS judge_type judge;
    PLATEAU_NO_UNIQUE_ADDRESS charge_type charge;
    shared_part<clock_type> clock;
};

}
PLATEAU_NAMESPACE_END
