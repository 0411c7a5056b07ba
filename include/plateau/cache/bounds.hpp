// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// How far `bytes` are above `limit`.
[[nodiscard]] constexpr std::size_t excess(std::size_t bytes, std::size_t limit) noexcept {
    return bytes > limit ? bytes - limit : 0;
}

/// The bounds of a core, as they were set. Where shards share a budget of bytes, `max_bytes` and `max_pinned_bytes` are
/// what this one may use of it now, and `all_bytes` is the whole.
struct core_bounds {
    std::size_t max_entries;
    std::size_t max_bytes;
    std::size_t all_bytes;
    std::size_t fair_bytes;  ///< of all_bytes: for how many entries this shard is laid out
    std::size_t max_entry_bytes;
    std::size_t max_pinned_bytes;
    unsigned reclaim_budget;

    /// Whether what an entry weighs has to be kept with it.
    [[nodiscard]] bool need_weights() const noexcept {
        return max_bytes != unlimited || max_entry_bytes != unlimited || max_pinned_bytes != unlimited;
    }
    /// What would be left of `max_bytes` after it gave up to `wanted`, and kept `least`.
    [[nodiscard]] std::size_t share_without(std::size_t wanted, std::size_t least) const noexcept {
        return larger(excess(max_bytes, wanted), smaller(least, max_bytes));
    }
    /// The same of what it can give when `used` bytes are in use.
    [[nodiscard]] std::size_t givable(std::size_t wanted, std::size_t least, std::size_t used) const noexcept {
        return excess(max_bytes, larger(share_without(wanted, least), used));
    }
    /// Bytes for pins that are not among the `used`. None of a bound that is no share.
    [[nodiscard]] std::size_t spare_pinned(std::size_t used) const noexcept {
        return max_pinned_bytes == unlimited ? 0 : excess(max_pinned_bytes, used);
    }
};

/// How far the bounds of a core reach: worked out when one of them changes, read by every put.
///
/// I1  real_limit_ is unlimited without a byte bound. With one it is what `real_bytes` says of `max_bytes`, and beside
///     that what could not be given back when the bound was lowered, until the bounds are set anew.
///
/// `slot` is the bytes of a slot of the slab, with all that it may ever take.
template <class Shape>
class bounds_reach {
    using slab_type = typename Shape::slab_type;

public:
    static constexpr std::size_t max_weight = 0xffff'ffffU;

    void set(const core_bounds& bounds, std::size_t slot) noexcept {
        heaviest_ = smaller(smaller(bounds.all_bytes, bounds.max_entry_bytes), max_weight);
        slots_ = smaller(bounds.max_entries, Shape::max_slots);
        if (bounds.all_bytes != unlimited) slots_ = smaller(slots_, slots_for_bytes(bounds));
        real_limit_ = real_bytes(bounds.max_bytes, slot);
    }
    /// Effects: another part of a shared budget. What must stay beside it, because it cannot be given back yet, stays
    /// allowed.
    void set_share(core_bounds& bounds, std::size_t bytes, std::size_t slot) noexcept {
        const std::size_t allowed = real_bytes(bounds.max_bytes, slot);
        const std::size_t overhang = real_limit_ != unlimited ? excess(real_limit_, allowed) : 0;
        bounds.max_bytes = bytes;
        real_limit_ = saturating_add(real_bytes(bytes, slot), overhang);
    }
    /// Effects: bytes that cannot be given back yet are allowed beside the bound.
    void allow_beside(const core_bounds& bounds, std::size_t bytes, std::size_t slot) noexcept {
        real_limit_ = saturating_add(real_bytes(bounds.max_bytes, slot), bytes);
    }

    /// How many entries there may be.
    [[nodiscard]] std::size_t slots() const noexcept { return slots_; }
    /// What one entry may be charged.
    [[nodiscard]] std::size_t heaviest() const noexcept { return heaviest_; }
    /// What idle slots and charged bytes may come to together.
    [[nodiscard]] std::size_t real_limit() const noexcept { return real_limit_; }

    /// What may be held for that many charged bytes.
    [[nodiscard]] static constexpr std::size_t real_bytes(std::size_t bytes, std::size_t slot) noexcept {
        return bytes == unlimited ? unlimited : saturating_add(bytes, slack_bytes(bytes, 1, slot));
    }
    /// What the slabs of `shards` may come to beside that many charged bytes.
    [[nodiscard]] static constexpr std::size_t slack_bytes(std::size_t bytes, std::size_t shards,
                                                           std::size_t slot) noexcept {
        constexpr std::size_t idle_slots = 2 * slab_type::page_slots + Shape::outbox_slots;
        return saturating_add(bytes / 8, saturating_mul(shards, idle_slots * slot));
    }

    /// The slots of the slab's first page. Without a byte bound it never shrinks: then it is one page, unless that
    /// would be larger than `most_bytes`. The system gives such a page memory as its slots are first used.
    [[nodiscard]] static std::size_t first_page(const core_bounds& bounds, std::size_t most_bytes) noexcept {
        if (bounds.max_bytes != unlimited) return 0;
        const std::size_t slots = saturating_add(bounds.max_entries, Shape::outbox_slots);
        return slots <= most_bytes / slab_type::slot_bytes ? slots : 0;
    }

private:
    /// A shard may hold more than its part, but the tables of all are not laid out for all of it.
    [[nodiscard]] static std::size_t slots_for_bytes(const core_bounds& bounds) noexcept {
        const std::size_t most = smaller(saturating_add(bounds.fair_bytes, bounds.fair_bytes / 4), bounds.all_bytes);
        const std::size_t least = smaller(bounds.all_bytes / Shape::entry_overhead, std::size_t{1});
        return larger(most / Shape::entry_overhead, least);
    }

    std::size_t heaviest_ = 0;
    std::size_t slots_ = 0;
    std::size_t real_limit_ = unlimited;
};

}
PLATEAU_NAMESPACE_END
