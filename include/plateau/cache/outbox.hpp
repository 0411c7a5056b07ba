// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/chunk_index.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/config.hpp>

#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Entries on their way out, linked through their slots: who left first is told of first. Whoever holds the slab calls.
///
/// previous = a cause, or `told`: nobody needs to hear of it any more, only the end is left.
class outbox {
public:
    [[nodiscard]] bool empty() const noexcept { return first_ == nil; }

    template <class Slab>
    void push(const Slab& slab, std::uint32_t slot, removal_cause cause) noexcept {
        link(slab, slot, static_cast<std::uint32_t>(cause));
    }
    template <class Slab>
    void push_told(const Slab& slab, std::uint32_t slot) noexcept {
        link(slab, slot, told);
    }
    /// Effects: appends `other`, which is empty then.
    template <class Slab>
    void append(const Slab& slab, outbox& other) noexcept {
        if (other.empty()) return;
        if (empty()) first_ = other.first_;
        else slab.node(last_).next = other.first_;
        last_ = other.last_;
        other = {};
    }
    /// Expects: not empty.
    template <class Slab>
    [[nodiscard]] std::uint32_t pop(const Slab& slab) noexcept {
        const std::uint32_t slot = first_;
        first_ = slab.node(slot).next;
        return slot;
    }

    template <class Node>
    [[nodiscard]] static bool was_told(const Node& removed) noexcept {
        return removed.previous == told;
    }
    /// Means nothing of one who was told.
    template <class Node>
    [[nodiscard]] static removal_cause cause_of(const Node& removed) noexcept {
        return static_cast<removal_cause>(removed.previous);
    }

private:
    static constexpr std::uint32_t told = 0x100;

    template <class Slab>
    void link(const Slab& slab, std::uint32_t slot, std::uint32_t note) noexcept {
        auto& removed = slab.node(slot);
        removed.previous = note;
        removed.next = nil;
        if (empty()) first_ = slot;
        else slab.node(last_).next = slot;
        last_ = slot;
    }

    std::uint32_t first_ = nil;
    std::uint32_t last_ = nil;  // means something while there is a first
};

}
PLATEAU_NAMESPACE_END
