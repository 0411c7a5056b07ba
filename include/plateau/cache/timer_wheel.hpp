// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The deadline of a slot that has none. Others are ticks.
inline constexpr std::uint32_t no_deadline = 0xffff'ffffU;

/// The neighbours of a slot in the list it waits in. Its deadline stands apart: that alone is read by every hit, and
/// sixteen of them fit in a cache line.
struct timer_links {
    std::uint32_t previous;
    std::uint32_t next;
};

/// Deadlines sorted as far as they need to be: a hierarchical timing wheel (Varghese and Lauck, 1987) of 5 levels with
/// 64 lists each, linked through 32-bit slots. An entry falls from level to level as its deadline comes nearer, and
/// into the `due` list when it may have come.
///
/// Time only passes by `advance`, which splices the lists that time has reached into `due`: at most 320 of them,
/// however far the clock jumped. `take` then works through `due` as far as its caller's budget reaches.
///
/// The cells belong to the caller: `cells.deadline(slot)` and `cells.links(slot)` answer references. Complexity: O(1)
/// but for what is said above.
class timer_wheel {
public:
    static constexpr unsigned levels = 5;
    static constexpr unsigned level_bits = 6;
    static constexpr unsigned lists_per_level = 1U << level_bits;
    /// No deadline may lie further ahead. The wheel itself covers half of it; the rest waits in its last level.
    static constexpr std::uint32_t horizon = (1U << 31) - 1;

    timer_wheel() noexcept {
        for (unsigned id = 0; id < list_count; ++id) lists_[id] = {name_of(id), name_of(id)};
    }

    [[nodiscard]] std::uint32_t now() const noexcept { return now_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    template <class Cells>
    void add(Cells cells, std::uint32_t slot, std::uint32_t deadline) noexcept {
        cells.deadline(slot) = deadline;
        if (deadline == no_deadline) return;
        schedule(cells, slot);
        ++size_;
    }

    template <class Cells>
    void remove(Cells cells, std::uint32_t slot) noexcept {
        if (cells.deadline(slot) == no_deadline) return;
        unlink(cells, slot);
        --size_;
    }

    /// Effects: moves time on to `now`, if that is later.
    template <class Cells>
    void advance(Cells cells, std::uint32_t now) noexcept {
        if (now <= now_) return;
        for (unsigned level = 0; level < levels; ++level) {
            const std::uint32_t from = now_ >> (level_bits * level);
            const std::uint32_t steps = (now >> (level_bits * level)) - from;
            if (steps == 0) break;  // then no higher level has moved either
            std::uint64_t reached = occupied_[level] & window(from + 1, steps);
            for (; reached != 0; reached &= reached - 1)
                splice_into_due(cells, level * lists_per_level + static_cast<unsigned>(std::countr_zero(reached)));
        }
        now_ = now;
    }

    /// Effects: takes one slot from `due`. Returns: true with `expired` set to the slot if its deadline has come (it
    /// has left the wheel), false with nil if it has not (it was scheduled again). Expects: `due` is not empty.
    template <class Cells>
    bool take(Cells cells, std::uint32_t& expired) noexcept {
        const std::uint32_t slot = lists_[due].first;
        unlink(cells, slot);
        if (cells.deadline(slot) <= now_) {
            --size_;
            expired = slot;
            return true;
        }
        schedule(cells, slot);
        return false;
    }

    [[nodiscard]] bool has_due() const noexcept { return lists_[due].first != name_of(due); }

    /// Returns: the tick at which `advance` next has something to do, at or before the earliest deadline: exact for
    /// deadlines less than 64 ticks ahead. Expects: the wheel is not empty.
    [[nodiscard]] std::uint32_t next_tick() const noexcept {
        if (has_due()) return now_;
        std::uint64_t earliest = no_deadline;
        for (unsigned level = 0; level < levels; ++level) {
            if (occupied_[level] == 0) continue;
            const std::uint64_t first = (now_ >> (level_bits * level)) + 1;
            const auto ahead = static_cast<unsigned>(
                std::countr_zero(std::rotr(occupied_[level], static_cast<int>(first % lists_per_level))));
            const std::uint64_t tick = (first + ahead) << (level_bits * level);
            if (tick < earliest) earliest = tick;
        }
        return static_cast<std::uint32_t>(earliest);
    }

    /// Effects: all ticks are counted from a later origin, whole turns of the wheel (multiples of 2^30) later: the
    /// lists stay as they are, and it is `now`. The caller lowers the deadlines by as much, those before the origin to
    /// 0.
    void rebase(std::uint32_t now) noexcept { now_ = now; }

private:
    static constexpr unsigned list_count = levels * lists_per_level + 1;
    static constexpr unsigned due = list_count - 1;

    /// Links from here on name lists, not slots: each list is a ring that leads through its own name.
    static constexpr std::uint32_t first_name = 0xffff'fe00U;
    [[nodiscard]] static constexpr std::uint32_t name_of(unsigned id) noexcept { return first_name + id; }
    static_assert(first_name + list_count < no_deadline);

    struct list {
        std::uint32_t first;
        std::uint32_t last;
    };

    /// The lists at positions first, first + 1, ... of a level, `count` of them, as bits.
    [[nodiscard]] static constexpr std::uint64_t window(std::uint32_t first, std::uint32_t count) noexcept {
        if (count >= lists_per_level) return ~std::uint64_t{0};
        return std::rotl((std::uint64_t{1} << count) - 1, static_cast<int>(first % lists_per_level));
    }

    [[nodiscard]] unsigned list_for(std::uint32_t deadline) const noexcept {
        if (deadline <= now_) return due;
        const std::uint32_t ahead = deadline - now_;
        unsigned level = (static_cast<unsigned>(std::bit_width(ahead)) - 1) / level_bits;
        if (level >= levels) level = levels - 1;
        return level * lists_per_level + ((deadline >> (level_bits * level)) % lists_per_level);
    }

    template <class Cells>
    void set_next(Cells cells, std::uint32_t of, std::uint32_t to) noexcept {
        if (of >= first_name) lists_[of - first_name].first = to;
        else cells.links(of).next = to;
    }
    template <class Cells>
    void set_previous(Cells cells, std::uint32_t of, std::uint32_t to) noexcept {
        if (of >= first_name) lists_[of - first_name].last = to;
        else cells.links(of).previous = to;
    }

    template <class Cells>
    void schedule(Cells cells, std::uint32_t slot) noexcept {
        timer_links& cell = cells.links(slot);
        const unsigned id = list_for(cells.deadline(slot));
        cell.previous = name_of(id);
        cell.next = lists_[id].first;
        set_previous(cells, cell.next, slot);
        lists_[id].first = slot;
        if (id != due) occupied_[id / lists_per_level] |= bit_of(id);
    }

    template <class Cells>
    void unlink(Cells cells, std::uint32_t slot) noexcept {
        const timer_links cell = cells.links(slot);
        set_next(cells, cell.previous, cell.next);
        set_previous(cells, cell.next, cell.previous);
        if (cell.previous != cell.next || cell.next < first_name) return;
        const unsigned id = cell.next - first_name;  // it was alone: both links named its list
        if (id != due) occupied_[id / lists_per_level] &= ~bit_of(id);
    }

    /// The ring of a list is cut at its name and tied in before the name of `due`. Expects: the list is not empty.
    template <class Cells>
    void splice_into_due(Cells cells, unsigned id) noexcept {
        list& from = lists_[id];
        const std::uint32_t last_due = lists_[due].last;
        set_next(cells, last_due, from.first);
        cells.links(from.first).previous = last_due;
        cells.links(from.last).next = name_of(due);
        lists_[due].last = from.last;
        from = {name_of(id), name_of(id)};
        occupied_[id / lists_per_level] &= ~bit_of(id);
    }

    [[nodiscard]] static constexpr std::uint64_t bit_of(unsigned id) noexcept {
        return std::uint64_t{1} << (id % lists_per_level);
    }

    list lists_[list_count];
    std::uint64_t occupied_[levels] = {};
    std::uint32_t now_ = 0;
    std::size_t size_ = 0;
};

}
PLATEAU_NAMESPACE_END
