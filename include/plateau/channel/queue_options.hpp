// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// What becomes of an item that alone is heavier than `max_bytes`.
enum class oversize : unsigned char {
    refuse,  ///< it is refused: too_large
    alone,   ///< it is let in when the queue is empty, and counts as `max_bytes`; then no ceiling in bytes is stated
};

/// The bounds of a queue. At least one of `max_items` and `max_bytes` is set: there is no unbounded queue. Both are
/// counted in one word, which has 53 bits for the two of them: 2^21 slots leave bytes up to 2 GiB.
struct queue_options {
    std::size_t max_items = 1024;  ///< 1 to 2^32

    /// Bytes charged for all queued items together: for each, what its weigher answers plus `item_overhead`. Up to
    /// 2^44. No more slots are made than items of weight 0 would fit.
    std::size_t max_bytes = unlimited;

    /// Producers that wait are told when no more than this is queued, in items and in bytes. 0: half of the bound.
    std::size_t low_water_items = 0;
    std::size_t low_water_bytes = 0;

    plateau::oversize oversize = plateau::oversize::refuse;
};

/// Why a queue did not take an item, or did not hand one out.
enum class queue_reason : unsigned char {
    none,
    empty,      ///< try_pop: nothing is there now
    full,       ///< try_push: no room now
    too_large,  ///< heavier than the queue may ever hold
    timed_out,
    cancelled,
    closed,   ///< no more items are taken; pop: and all were popped
    aborted,  ///< nothing goes in or out any more, and what was queued is gone
};

[[nodiscard]] constexpr std::string_view to_string(queue_reason reason) noexcept {
    switch (reason) {
    case queue_reason::none:
        return "none";
    case queue_reason::empty:
        return "empty";
    case queue_reason::full:
        return "full";
    case queue_reason::too_large:
        return "too_large";
    case queue_reason::timed_out:
        return "timed_out";
    case queue_reason::cancelled:
        return "cancelled";
    case queue_reason::closed:
        return "closed";
    case queue_reason::aborted:
        return "aborted";
    }
    return "unknown";
}

PLATEAU_NAMESPACE_END
