// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// How the head and the tail of a ring are packed, so that one exchange claims a slot and its weight, and shows whether
/// somebody waits or the queue has ended.
///
///     word  = [ weight | lap | slot | aborted:1 | closed:1 | waits:1 ]     all that went in (out) so far, modulo each
///     stamp = [ weight | lap | slot |     0     |    0     | full:1  ]     of a cell: whose turn it is
///
/// The split is chosen from the bounds. `weight` has one bit more than the byte bound, so that the difference of two
/// words is exact; it has no bits where bytes are not bounded. `slot` has as many as the slots need; `lap` has the
/// rest: a thread that holds an old word for exactly all laps would be taken in by it, and there are at least 2^8.
class queue_words {
public:
    using word = std::uint64_t;

    static constexpr word waits = 1;
    static constexpr word full = 1;
    static constexpr word closed = 2;
    static constexpr word aborted = 4;

    /// `slots`: 1 to 2^32. `max_weight`: 0 where nothing is weighed.
    queue_words(std::size_t slots, std::size_t max_weight, unsigned max_lap_bits)
        : slots_(slots),
          slot_bits_(static_cast<unsigned>(std::bit_width(slots - 1))),
          lap_bits_(smaller(lap_bits_left(slot_bits_, max_weight), max_lap_bits)),
          weight_shift_(smaller(flag_bits + slot_bits_ + lap_bits_, 63U)),
          position_(((word{1} << (lap_bits_ + slot_bits_)) - 1) << flag_bits),
          max_weight_(max_weight) {}

    /// Whether so many slots and so much weight fit into a word together.
    [[nodiscard]] static constexpr bool fit(std::size_t slots, std::size_t max_weight) noexcept {
        const auto taken = static_cast<unsigned>(std::bit_width(slots - 1)) + weight_bits(max_weight) + flag_bits;
        return taken + 8 <= 64;
    }

    [[nodiscard]] std::size_t slots() const noexcept { return slots_; }
    [[nodiscard]] word max_weight() const noexcept { return max_weight_; }

    [[nodiscard]] std::size_t slot(word at) const noexcept {
        return static_cast<std::size_t>((at >> flag_bits) & ((word{1} << slot_bits_) - 1));
    }
    [[nodiscard]] word position(word at) const noexcept { return at & position_; }
    [[nodiscard]] word lap_before(word at) const noexcept { return (at - one_lap()) & position_; }
    [[nodiscard]] word lap_after(word at) const noexcept { return (at + one_lap()) & position_; }
    /// The word after `at` when `count` items of that weight together were let through, at most `slots()`. The flags
    /// stay.
    template <bool Weighed>
    [[nodiscard]] word next(word at, word weight, std::size_t count = 1) const noexcept {
        const word steps = count * one;
        const word further = slot(at) + count < slots_ ? at + steps : at + steps + one_lap() - slots_ * one;
        if constexpr (Weighed)
            return (further & (position_ | flags)) | ((at & ~(position_ | flags)) + (weight << weight_shift_));
        else return further & (position_ | flags);
    }

    /// What a cell shows when it is free for the item of that position, or holds it.
    [[nodiscard]] word free_stamp(word at) const noexcept { return position(at); }
    [[nodiscard]] word first_stamp(std::size_t slot) const noexcept { return word{slot} << flag_bits; }
    [[nodiscard]] word full_stamp(word at, word weight) const noexcept {
        return position(at) | full | (weight << weight_shift_);
    }
    [[nodiscard]] word weight_of(word stamp) const noexcept { return max_weight_ == 0 ? 0 : stamp >> weight_shift_; }

    /// Items and weight between two words, `tail` being the later one.
    [[nodiscard]] std::size_t items(word tail, word head) const noexcept {
        const word laps = (lap(tail) - lap(head)) & ((word{1} << lap_bits_) - 1);
        return static_cast<std::size_t>(laps) * slots_ + slot(tail) - slot(head);
    }
    [[nodiscard]] word weight(word tail, word head) const noexcept {
        if (max_weight_ == 0) return 0;
        const word kept = ~(position_ | flags);
        return ((tail & kept) - (head & kept)) >> weight_shift_;
    }
    /// Items that a word says have passed, in all laps since its lap was 0.
    [[nodiscard]] std::uint64_t passed(word at) const noexcept { return lap(at) * slots_ + slot(at); }
    /// Items in all laps that a word can tell apart. 0: more than 64 bits count.
    [[nodiscard]] std::uint64_t in_all_laps() const noexcept { return (word{1} << lap_bits_) * slots_; }

private:
    static constexpr unsigned flag_bits = 3;
    static constexpr word flags = waits | closed | aborted;
    static constexpr word one = word{1} << flag_bits;

    static constexpr unsigned weight_bits(std::size_t max_weight) noexcept {
        return max_weight == 0 ? 0 : static_cast<unsigned>(std::bit_width(max_weight)) + 1;
    }
    static constexpr unsigned lap_bits_left(unsigned slot_bits, std::size_t max_weight) noexcept {
        return 64 - flag_bits - slot_bits - weight_bits(max_weight);
    }
    [[nodiscard]] word one_lap() const noexcept { return one << slot_bits_; }
    [[nodiscard]] word lap(word at) const noexcept { return position(at) >> (flag_bits + slot_bits_); }

    std::size_t slots_;
    unsigned slot_bits_;
    unsigned lap_bits_;
    unsigned weight_shift_;
    word position_;
    word max_weight_;
};

}
PLATEAU_NAMESPACE_END
