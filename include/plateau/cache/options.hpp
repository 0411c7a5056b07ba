// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// The bounds of a cache. At least one of `max_entries` and `max_bytes` is set: there is no unbounded cache.
struct cache_options {
    std::size_t max_entries = unlimited;  ///< 1 to 2^32 - 2^16; with `s3fifo` to 2^29 - 2^16

    /// Bytes charged for all entries together: for each, what its weigher answers plus `entry_overhead`.
    std::size_t max_bytes = unlimited;

    /// Bytes charged for one entry, overhead included. A heavier one is refused as too_large, and so is one heavier
    /// than `max_bytes`, or of 4 GiB and more.
    std::size_t max_entry_bytes = unlimited;

    /// Bytes charged for the entries that are pinned at the same time, in the cache or no longer; one whose last pin
    /// has gone counts until it was destroyed. 0: as `max_bytes`; where both are open, nothing bounds what is pinned.
    /// The memory ceiling counts them beside `max_bytes`.
    std::size_t max_pinned_bytes = 0;

    /// From the put that stored an entry to its end. Rounded down to whole ticks of 16.8 ms, but at least one; above
    /// 2^31 ticks (about a year) it counts as that.
    duration time_to_live = forever;

    /// From its last use (a hit of get, visit or pin, or the put that stored it) to its end: what nobody asks for goes.
    /// Rounded and bounded as `time_to_live`; of the two, what comes first ends the entry. Takes 4 bytes an entry.
    duration time_to_idle = forever;

    /// The share of a time to live, its own or the cache's, by which an entry may end sooner, at random: entries that
    /// were stored together do not end together. From 0 to below 1.
    double ttl_jitter = 0;

    /// Entries that one put or erase looks at, at most, to give expired and invalidated ones back beside its own work.
    unsigned reclaim_budget = 4;
};

struct put_options {
    std::optional<duration> time_to_live{};  ///< for this entry, in place of the cache's
};

/// The ends from which the entries of a cache are gone through.
enum class order : unsigned char { hottest_first, coldest_first };

/// Why a cache did not keep an entry, or did not hand one out.
enum class cache_reason : unsigned char {
    none,
    absent,       ///< no such entry
    too_large,    ///< heavier than one entry may be
    over_budget,  ///< no entry may be kept (a bound was set to 0), or the memory is held by entries being destroyed
    pinned_full,  ///< another pin would exceed `max_pinned_bytes`
};

[[nodiscard]] constexpr std::string_view to_string(cache_reason reason) noexcept {
    switch (reason) {
    case cache_reason::none:
        return "none";
    case cache_reason::absent:
        return "absent";
    case cache_reason::too_large:
        return "too_large";
    case cache_reason::over_budget:
        return "over_budget";
    case cache_reason::pinned_full:
        return "pinned_full";
    }
    return "unknown";
}

/// Why an entry left.
enum class removal_cause : unsigned char {
    size,      ///< to make room: a bound was reached, or lowered
    expired,   ///< its time to live was over
    replaced,  ///< a put of the same key
    erased,    ///< erase, erase_if
    tag,       ///< a layer invalidated it
    cleared,   ///< clear, or the end of the cache
    rejected,  ///< a layer had a value that it could not store, and nobody else has it
};

[[nodiscard]] constexpr std::string_view to_string(removal_cause cause) noexcept {
    switch (cause) {
    case removal_cause::size:
        return "size";
    case removal_cause::expired:
        return "expired";
    case removal_cause::replaced:
        return "replaced";
    case removal_cause::erased:
        return "erased";
    case removal_cause::tag:
        return "tag";
    case removal_cause::cleared:
        return "cleared";
    case removal_cause::rejected:
        return "rejected";
    }
    return "unknown";
}

/// What a put came to: true when the cache now answers as if the entry had been stored at that moment.
class put_result {
public:
    constexpr put_result(cache_reason why) noexcept : reason_(why) {}
    [[nodiscard]] static constexpr put_result kept(bool replaced) noexcept {
        put_result done(cache_reason::none);
        done.replaced_ = replaced;
        return done;
    }

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return reason_ == cache_reason::none; }
    [[nodiscard]] constexpr cache_reason reason() const noexcept { return reason_; }
    /// True when an entry of that key, not expired, was there before.
    [[nodiscard]] constexpr bool replaced() const noexcept { return replaced_; }

private:
    cache_reason reason_;
    bool replaced_ = false;
};

PLATEAU_NAMESPACE_END
