// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/bounds.hpp>
#include <plateau/cache/timer_wheel.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The most memory that one core may come to, in the parts that a cache adds up over its shards. Beside them stand the
/// bounded bytes and their slack, which shards share.
struct core_ceiling {
    std::size_t structure;  ///< tables, index and order; without a byte bound, entries too
    std::size_t overhang;   ///< beyond the byte bound: what was left behind when it was lowered
    std::size_t scattered;  ///< pages that pinned entries may hold back, each alone in one
    std::size_t pinned;     ///< bytes charged for what is pinned now
    std::size_t slot;       ///< bytes of one slot
};

/// What the parts of a core may come to within its bounds. What stands there now counts where it is more: a bound that
/// was lowered leaves memory behind until the cache is cleared.
///
/// Complexity: O(1). Refers to the parts; made for one question.
template <class Shape>
class structure_ceiling {
    using slab_type = typename Shape::slab_type;
    using index_type = typename Shape::index_type;
    using order_type = typename Shape::order_type;

public:
    /// For `entries` at most, where a slot takes `slot` bytes.
    structure_ceiling(const slab_type& slab, const index_type& index, const order_type& order, std::size_t entries,
                      std::size_t slot) noexcept
        : slab_(slab),
          index_(index),
          order_(order),
          entries_(entries),
          slots_(saturating_add(entries, Shape::outbox_slots)),
          slot_(slot) {}

    /// Of a core that takes `itself` beside them, and is charged that much for what is here and what is pinned.
    [[nodiscard]] core_ceiling within(const core_bounds& bounds, std::size_t charged, std::size_t pinned_now,
                                      std::size_t itself) const noexcept {
        const bool by_bytes = bounds.all_bytes != unlimited;
        const std::size_t held = saturating_add(slab_.idle_slots() * slot_, charged);
        const std::size_t allowed = bounds_reach<Shape>::real_bytes(bounds.max_bytes, slot_);
        return {
            .structure = saturating_add(itself, by_bytes ? beside_charged_slots() : with_slots(bounds.max_entry_bytes)),
            .overhang = by_bytes ? saturating_sub(held, allowed) : 0,
            .scattered = Shape::has_pins ? entries_ / slab_type::page_slots + 1 : 0,
            .pinned = pinned_now,
            .slot = slot_,
        };
    }
    /// What pins may come to: what is pinned, and a page for each that was left behind by all other entries.
    [[nodiscard]] static constexpr std::size_t pinned(std::size_t bytes, std::size_t scattered,
                                                      std::size_t slot) noexcept {
        const std::size_t pages = smaller(bytes / Shape::entry_overhead, scattered);
        return saturating_add(bytes, saturating_mul(pages, slab_type::page_slots * slot));
    }

private:
    /// Without the bytes of the slots, which are charged.
    [[nodiscard]] std::size_t beside_charged_slots() const noexcept {
        return saturating_add(tables(), larger(slab_type::table_bytes_for(slots_), slab_.table_bytes()));
    }
    /// With the slots, and with entries that are bounded one by one alone.
    [[nodiscard]] std::size_t with_slots(std::size_t max_entry_bytes) const noexcept {
        const std::size_t slots = larger(slab_type::bytes_for(slots_, slot_), slab_.bytes_with(slot_));
        const std::size_t structure = saturating_add(tables(), slots);
        if constexpr (Shape::owns_nothing) return structure;
        return saturating_add(structure, saturating_mul(slots_, max_entry_bytes));
    }
    /// Index, order and wheel.
    [[nodiscard]] std::size_t tables() const noexcept {
        std::size_t sum = sizeof(timer_wheel);
        sum = saturating_add(sum, larger(index_type::bytes_for(entries_), index_.bytes()));
        sum = saturating_add(sum, outgrown_index());
        return saturating_add(sum, larger(order_type::bytes_for(entries_), order_.bytes()));
    }
    /// While an index grows, the one that it was before stands beside the new, whether the slots are many or few large
    /// entries fill the budget. What the order of eviction keeps grows after it, and is smaller.
    [[nodiscard]] std::size_t outgrown_index() const noexcept { return index_type::bytes_for(entries_ / 2 + 1); }

    const slab_type& slab_;
    const index_type& index_;
    const order_type& order_;
    std::size_t entries_;
    std::size_t slots_;
    std::size_t slot_;
};

}
PLATEAU_NAMESPACE_END
