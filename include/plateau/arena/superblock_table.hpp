// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Which blocks of which superblock are free, and which of them hold memory: two words a superblock. For one thread, or
/// under a lock.
///
/// The free block that is taken is the lowest that holds memory, then the lowest; what goes back to the system goes
/// from the other end, so that superblocks empty from there.
///
/// I1  a bit of `free` or of `resident` stands for a block that the superblock has.
/// I2  a block that is not free holds memory, or is on its way back to the system.
/// I3  no superblock below `hint_` has a free block.
class superblock_table {
public:
    static constexpr std::uint32_t none = UINT32_MAX;

    /// Where a run of blocks is.
    struct place {
        std::uint32_t region = none;
        std::uint32_t first = 0;
        explicit operator bool() const noexcept { return region != none; }
    };
    /// Idle blocks on their way back to the system.
    struct leaving {
        std::byte* memory = nullptr;
        std::uint32_t region = none;  ///< none: the whole superblock has left the table
        std::uint32_t first = 0;
        std::uint32_t blocks = 0;
        std::uint32_t mapped = 0;  ///< blocks behind `memory` when the whole superblock leaves
    };

    explicit superblock_table(std::size_t block_bytes) noexcept : block_bytes_(block_bytes) {}
    superblock_table(const superblock_table&) = delete;
    superblock_table& operator=(const superblock_table&) = delete;
    ~superblock_table() { ::operator delete(entries_); }

    /// Returns: false when a new superblock has no place in the table and the heap has none for a larger one.
    [[nodiscard]] bool make_place() noexcept { return spare_ != none || count_ < capacity_ || grow(); }

    /// Expects: make_place() has answered true.
    std::uint32_t insert(std::byte* base, std::uint32_t blocks, bool resident) noexcept {
        std::uint32_t region = count_;
        if (spare_ != none) spare_ = entries_[region = spare_].blocks;
        else ++count_;
        entries_[region] = {base, low(blocks), resident ? low(blocks) : 0, blocks};
        if (region < hint_) hint_ = region;
        return region;
    }

    /// Returns: `blocks` free blocks in a row, 1 to 64.
    [[nodiscard]] place find(std::size_t blocks, bool some_idle) noexcept {
        while (hint_ < count_ && entries_[hint_].free == 0) ++hint_;
        if (blocks == 1) {
            place found;
            if (some_idle) found = find_one([](const entry& in) { return in.free & in.resident; });
            return found ? found : find_one([](const entry& in) { return in.free; });
        }
        for (std::uint32_t region = hint_; region < count_; ++region)
            if (const std::uint64_t starts = starts_of(entries_[region].free, blocks))
                return {region, static_cast<std::uint32_t>(std::countr_zero(starts))};
        return {};
    }
    [[nodiscard]] bool is_free(place at, std::size_t blocks) const noexcept {
        const entry& in = entries_[at.region];
        return at.first + blocks <= in.blocks && (~in.free & mask(at.first, blocks)) == 0;
    }
    /// How many of these blocks hold no memory.
    [[nodiscard]] std::size_t empty_in(place at, std::size_t blocks) const noexcept {
        return static_cast<std::size_t>(std::popcount(mask(at.first, blocks) & ~entries_[at.region].resident));
    }
    [[nodiscard]] std::byte* address(place at) const noexcept {
        return entries_[at.region].base + at.first * block_bytes_;
    }

    void take(place at, std::size_t blocks) noexcept {
        entry& in = entries_[at.region];
        in.free &= ~mask(at.first, blocks);
        in.resident |= mask(at.first, blocks);
    }
    void give(place at, std::size_t blocks) noexcept {
        PLATEAU_EXPECTS(at.region < count_ && at.first + blocks <= entries_[at.region].blocks,
                        "arena_pool: a block that is given back was never handed out, or its head was overwritten");
        entry& in = entries_[at.region];
        const std::uint64_t given = mask(at.first, blocks);
        PLATEAU_EXPECTS((in.free & given) == 0 && (~in.resident & given) == 0,
                        "arena_pool: a block is given back twice");
        in.free |= given;
        if (at.region < hint_) hint_ = at.region;
    }

    /// Effects: takes idle blocks out, the last ones first, until `out` is full or they are `want`; with `whole_only`,
    /// superblocks without a block in use. Blocks of `spared` stay.
    /// Returns: how many entries of `out` it has filled.
    template <std::size_t N>
    [[nodiscard]] std::size_t pick_idle(leaving (&out)[N], std::size_t want, bool whole_only, place spared,
                                        std::size_t spared_blocks) noexcept {
        std::size_t filled = 0;
        for (std::uint32_t region = count_; region-- > 0 && filled < N && want > 0;) {
            const std::uint64_t stays = spared.region == region ? mask(spared.first, spared_blocks) : 0;
            while (filled < N && want > 0) {
                const leaving next = pick_from(region, want, whole_only, stays);
                if (next.blocks == 0) break;
                out[filled++] = next;
                want -= next.blocks < want ? next.blocks : want;
            }
        }
        return filled;
    }
    /// Effects: blocks that were `leaving` a superblock that stays are free again. Returns: the superblock, if it holds
    /// nothing any more and has left the table.
    leaving settle(const leaving& gone) noexcept {
        entry& in = entries_[gone.region];
        in.free |= mask(gone.first, gone.blocks);
        if (gone.region < hint_) hint_ = gone.region;
        return in.free == low(in.blocks) && in.resident == 0 ? remove(gone.region) : leaving{};
    }

    template <class F>
    void for_each_mapping(F f) const noexcept {
        for (std::uint32_t region = 0; region < count_; ++region)
            if (entries_[region].base != nullptr) f(entries_[region].base, entries_[region].blocks);
    }

    struct tally {
        std::size_t free = 0;
        std::size_t resident = 0;
        std::size_t mapped = 0;
    };
    [[nodiscard]] tally check_invariants() const noexcept {
        tally sum;
        for (std::uint32_t region = 0; region < count_; ++region) {
            const entry& in = entries_[region];
            if (in.base == nullptr) {
                PLATEAU_EXPECTS(in.free == 0 && in.resident == 0, "arena_pool: a superblock that is gone has blocks");
                continue;
            }
            PLATEAU_EXPECTS(((in.free | in.resident) & ~low(in.blocks)) == 0, "arena_pool: I1, blocks out of range");
            PLATEAU_EXPECTS(region >= hint_ || in.free == 0, "arena_pool: I3, a free block below the hint");
            sum.free += static_cast<std::size_t>(std::popcount(in.free));
            sum.resident += static_cast<std::size_t>(std::popcount(in.resident));
            sum.mapped += in.blocks;
        }
        return sum;
    }

    /// The most that the table of `regions` superblocks takes, the moment of its growth included.
    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t regions) noexcept {
        return 3 * sizeof(entry) * (regions < min_capacity ? min_capacity : regions);
    }

private:
    struct entry {
        std::byte* base;  // null: a spare place, and `blocks` is the next one
        std::uint64_t free;
        std::uint64_t resident;
        std::uint32_t blocks;
    };
    static constexpr std::uint32_t min_capacity = 8;

    [[nodiscard]] static constexpr std::uint64_t low(std::size_t blocks) noexcept {
        return blocks >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << blocks) - 1;
    }
    [[nodiscard]] static constexpr std::uint64_t mask(std::size_t first, std::size_t blocks) noexcept {
        return low(blocks) << first;
    }
    /// The bits at which `length` set bits in a row begin.
    [[nodiscard]] static constexpr std::uint64_t starts_of(std::uint64_t bits, std::size_t length) noexcept {
        for (std::size_t have = 1; have < length && bits != 0;) {
            const std::size_t step = have < length - have ? have : length - have;
            bits &= bits >> step;
            have += step;
        }
        return bits;
    }

    template <class Bits>
    [[nodiscard]] place find_one(Bits bits) const noexcept {
        for (std::uint32_t region = hint_; region < count_; ++region)
            if (const std::uint64_t candidates = bits(entries_[region]))
                return {region, static_cast<std::uint32_t>(std::countr_zero(candidates))};
        return {};
    }

    [[nodiscard]] leaving pick_from(std::uint32_t region, std::size_t want, bool whole_only,
                                    std::uint64_t stays) noexcept {
        entry& in = entries_[region];
        const std::uint64_t idle = in.free & in.resident & ~stays;
        if (idle == 0) return {};
        if (whole_only) return in.free == low(in.blocks) && stays == 0 ? remove(region) : leaving{};
        const auto top = static_cast<std::uint32_t>(63 - std::countl_zero(idle));
        auto length = static_cast<std::uint32_t>(std::countl_one(idle << (63 - top)));
        if (length > want) length = static_cast<std::uint32_t>(want);
        const leaving out{.memory = in.base + (top + 1 - length) * block_bytes_,
                          .region = region,
                          .first = top + 1 - length,
                          .blocks = length};
        const std::uint64_t going = mask(out.first, length);
        if (in.free == low(in.blocks) && (in.resident & ~going) == 0 && stays == 0) return remove(region);
        in.free &= ~going;
        in.resident &= ~going;
        return out;
    }

    leaving remove(std::uint32_t region) noexcept {
        entry& in = entries_[region];
        const leaving out{.memory = in.base,
                          .region = none,
                          .blocks = static_cast<std::uint32_t>(std::popcount(in.resident)),
                          .mapped = in.blocks};
        in = {nullptr, 0, 0, std::exchange(spare_, region)};
        return out;
    }

    PLATEAU_COLD bool grow() noexcept {
        const std::uint32_t wider = capacity_ == 0 ? min_capacity : 2 * capacity_;
        auto* const moved = static_cast<entry*>(::operator new(wider * sizeof(entry), std::nothrow));
        if (moved == nullptr) return false;
        for (std::uint32_t region = 0; region < count_; ++region) ::new (moved + region) entry(entries_[region]);
        ::operator delete(entries_);
        entries_ = moved;
        capacity_ = wider;
        return true;
    }

    const std::size_t block_bytes_;
    entry* entries_ = nullptr;
    std::uint32_t count_ = 0;
    std::uint32_t capacity_ = 0;
    std::uint32_t spare_ = none;
    std::uint32_t hint_ = 0;
};

}
PLATEAU_NAMESPACE_END
