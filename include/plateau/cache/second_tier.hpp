// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>
#include <plateau/result.hpp>

#include <concepts>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// What a second tier said. `absent` and `too_large` are answers; `unavailable` and `timed_out` are failures.
enum class tier_reason : unsigned char {
    none,
    absent,       ///< it holds no such entry
    unavailable,  ///< it cannot be asked, or failed
    timed_out,    ///< it had no answer in time
    too_large,    ///< it keeps no value of this size
};

[[nodiscard]] constexpr std::string_view to_string(tier_reason reason) noexcept {
    switch (reason) {
    case tier_reason::none:
        return "none";
    case tier_reason::absent:
        return "absent";
    case tier_reason::unavailable:
        return "unavailable";
    case tier_reason::timed_out:
        return "timed_out";
    case tier_reason::too_large:
        return "too_large";
    }
    return "unknown";
}

/// An entry as a second tier hands it out.
template <class V>
struct tier_entry {
    V value;
    duration time_to_live = forever;  ///< what is left of it; zero or less: it is over
};

/// A cache behind the cache: a server such as Redis, a disk, another process.
///
/// Contract of a type that fits: a call returns by `until`, with `timed_out` if it has to; what it answers is believed
/// to be no older than what was last put or erased through it. It may fail, and throw: both are misses. From threads
/// that share the cache it is called by several at once.
template <class T, class K, class V>
concept second_tier = requires(T& tier, const K& key, const V& value, duration time_to_live, time_point until) {
    { tier.get(key, until) } -> std::same_as<result<tier_entry<V>, tier_reason>>;
    { tier.put(key, value, time_to_live, until) } -> std::same_as<tier_reason>;
    { tier.erase(key, until) } -> std::same_as<tier_reason>;
};

PLATEAU_NAMESPACE_END
