// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/chunk_index.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The order of eviction, exact: who was used longest ago goes first.
///
/// An order of eviction owns the links of the entries that stand in a cache (`previous` and `next` of a node), and what
/// it keeps beside them. `slots[slot]` answers the node of a slot. It is told of every entry that comes (`insert`),
/// takes another's place (`replace`), is used (`use`) and goes (`remove`), and answers who goes next (`victim`).
/// What it needs beside the links it gets in `reserve`, which alone may fail; `bytes_an_entry` are charged for it.
class lru_order {
public:
    static constexpr unsigned slot_bits = 32;  ///< what a link has room for
    static constexpr std::size_t bytes_an_entry = 0;

    template <class Allocator>
    explicit lru_order(const Allocator&) noexcept {}

    /// Room for that many entries. Throws: what the allocator throws; then nothing has changed.
    void reserve(std::size_t) noexcept {}
    /// Gives back what was reserved. Expects: nobody stands here.
    void release() noexcept {}
    [[nodiscard]] std::size_t bytes() const noexcept { return 0; }
    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t) noexcept { return 0; }

    /// Expects: room was reserved.
    template <class Slots>
    PLATEAU_ALWAYS_INLINE void insert(Slots slots, std::uint32_t slot, std::uint32_t) noexcept {
        auto& entry = slots[slot];
        entry.previous = nil;
        entry.next = newest_;
        if (newest_ != nil) slots[newest_].previous = slot;
        else oldest_ = slot;
        newest_ = slot;
    }
    /// `slot` comes where `old` was, as the same entry: it was used.
    template <class Slots>
    void replace(Slots slots, std::uint32_t old, std::uint32_t slot) noexcept {
        remove(slots, old);
        insert(slots, slot, 0);
    }
    template <class Slots>
    PLATEAU_ALWAYS_INLINE void use(Slots slots, std::uint32_t slot) noexcept {
        if (slot == newest_) return;
        auto& used = slots[slot];
        slots[used.previous].next = used.next;  // it is not the newest, so there is a newer one
        if (used.next != nil) slots[used.next].previous = used.previous;
        else oldest_ = used.previous;
        used.previous = nil;
        used.next = newest_;
        slots[newest_].previous = slot;
        newest_ = slot;
    }
    template <class Slots>
    void remove(Slots slots, std::uint32_t slot) noexcept {
        const auto& entry = slots[slot];
        if (entry.previous != nil) slots[entry.previous].next = entry.next;
        else newest_ = entry.next;
        if (entry.next != nil) slots[entry.next].previous = entry.previous;
        else oldest_ = entry.previous;
    }

    /// Returns: who goes next, never `spared` while somebody else stands here. The caller removes it.
    /// `hash_of(slot)` answers an entry's hash. Expects: somebody stands here.
    template <class Slots, class HashOf>
    [[nodiscard]] std::uint32_t victim(Slots, std::uint32_t, HashOf) noexcept {
        return oldest_;
    }

    [[nodiscard]] std::uint32_t coldest() const noexcept { return oldest_; }
    [[nodiscard]] std::uint32_t hottest() const noexcept { return newest_; }
    template <class Slots>
    [[nodiscard]] std::uint32_t hotter(Slots slots, std::uint32_t slot) const noexcept {
        return slots[slot].previous;
    }
    template <class Slots>
    [[nodiscard]] std::uint32_t colder(Slots slots, std::uint32_t slot) const noexcept {
        return slots[slot].next;
    }
    /// Returns: who was put last of those that stand here; nil if that one has gone.
    [[nodiscard]] std::uint32_t latest() const noexcept { return newest_; }

    template <class Slots>
    void check_invariants(Slots slots, std::size_t entries) const noexcept {
        std::uint32_t newer = nil;
        for (std::uint32_t slot = newest_; slot != nil; newer = slot, slot = slots[slot].next) {
            PLATEAU_EXPECTS(slots[slot].previous == newer, "lru: the list is linked both ways");
            PLATEAU_EXPECTS(entries-- != 0, "lru: the list holds each entry once");
        }
        PLATEAU_EXPECTS(newer == oldest_ && entries == 0, "lru: the list ends at the oldest entry");
    }

private:
    std::uint32_t newest_ = nil;
    std::uint32_t oldest_ = nil;
};

}
PLATEAU_NAMESPACE_END
