// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#if defined(__SSE2__)
#    include <emmintrin.h>
#endif

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// No slot.
inline constexpr std::uint32_t nil = 0xffff'ffffU;

/// Twelve entries of the index in one cache line: a byte of the hash for each, how many entries passed by because the
/// chunk was full, and the slots. Those who passed by are counted in four classes, by the low two bits of their hash: a
/// look-up goes on only after its own. A count that reached 255 stays there until the index grows.
struct alignas(64) index_chunk {
    static constexpr unsigned width = 12;

    unsigned char tags[width];  ///< 0: free; else 0x80 | seven bits of the hash
    unsigned char passed_by[4];
    std::uint32_t slots[width];
};
static_assert(sizeof(index_chunk) == 64);

/// How far the entries of an index were gone through, in the order of its chunks.
struct index_cursor {
    std::uint32_t chunk_count = 0;
    std::uint32_t chunk = 0;
    std::uint32_t position = 0;

    [[nodiscard]] bool is_at_start() const noexcept { return chunk == 0 && position == 0; }
};

/// What an index without memory looks into: nothing is there, and nobody passed by. Never written.
inline constexpr index_chunk no_chunk{};

/// Bit i is set when `tags[i] == tag`. The portable form and the SSE2 form answer alike.
[[nodiscard]] inline std::uint32_t match_portable(const index_chunk& chunk, unsigned char tag) noexcept {
    std::uint32_t found = 0;
    for (unsigned i = 0; i < index_chunk::width; ++i) found |= std::uint32_t{chunk.tags[i] == tag} << i;
    return found;
}

[[nodiscard]] PLATEAU_ALWAYS_INLINE std::uint32_t match(const index_chunk& chunk, unsigned char tag) noexcept {
#if defined(__SSE2__)
    const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(&chunk));
    const __m128i same = _mm_cmpeq_epi8(tags, _mm_set1_epi32(static_cast<int>(tag * 0x0101'0101U)));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(same)) & 0xfffU;
#else
    return match_portable(chunk, tag);
#endif
}

/// From hash to slot: an open hash table without tombstones, after F14 (Bronson and Shi, 2019).
///
/// An entry stands in the first chunk with room, from its home on; each full chunk it passed counts it. A look-up that
/// meets a chunk which nobody of its class passed ends there, and an erasure takes its count back: churn leaves no
/// trace (but where a count stuck, which takes hundreds of equal hashes), and no rehash is needed at constant size.
///
/// The index keeps only slots. Its owner knows the hash of each (32 bits) and compares the keys.
///
/// Complexity: expected O(1) and one cache line a look-up; O(size) in a call that grows. At most `capacity` slots.
template <class Allocator>
class chunk_index {
    using chunk_allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<index_chunk>;
    using traits = std::allocator_traits<chunk_allocator>;

public:
    explicit chunk_index(const Allocator& allocator) noexcept : allocator_(allocator) {}
    chunk_index(const chunk_index&) = delete;
    chunk_index& operator=(const chunk_index&) = delete;
    ~chunk_index() { release(); }

    /// Returns: the slot of that hash for which `same(slot)` holds, or nil.
    template <class Same>
    PLATEAU_ALWAYS_INLINE std::uint32_t find(std::uint32_t hash, Same same) const {
        const unsigned char tag = tag_of(hash);
        std::uint32_t at = home_of(hash);
        for (std::uint32_t probed = 0;;) {
            const index_chunk& chunk = chunks_[at];
            for (std::uint32_t found = match(chunk, tag); found != 0; found &= found - 1) {
                const std::uint32_t slot = chunk.slots[lowest(found)];
                if (same(slot)) [[likely]]
                    return slot;
            }
            if (passed_by(chunk, hash) == 0 || ++probed > chunk_count_) return nil;
            at = step(at, hash, probed, chunk_count_);
        }
    }

    /// Expects: room for it was reserved, and the key of `slot` is absent.
    void insert(std::uint32_t hash, std::uint32_t slot) noexcept { put_in(chunks_, chunk_count_, hash, slot); }

    /// Expects: `slot` stands in the index under `hash`.
    void erase(std::uint32_t hash, std::uint32_t slot) noexcept {
        const place where = find_slot(hash, slot);
        chunks_[where.chunk].tags[where.position] = 0;
        for (std::uint32_t at = home_of(hash), probed = 0; probed < where.probed;
             at = step(at, hash, probed, chunk_count_)) {
            unsigned char& count = passed_by(chunks_[at], hash);
            if (count != stuck) --count;
            ++probed;
        }
    }

    /// The entry of `hash` moves from one slot to another.
    void replace(std::uint32_t hash, std::uint32_t from, std::uint32_t to) noexcept {
        const place where = find_slot(hash, from);
        chunks_[where.chunk].slots[where.position] = to;
    }

    /// Effects: makes room for `count` slots in all, where `count` <= `capacity`. The steps are `capacity` halved again
    /// and again, so that the last one is exact. `hash_of(slot)` answers the hash of a slot and does not throw.
    /// Throws: what the allocator throws; then nothing has changed.
    template <class HashOf>
    void reserve(std::size_t count, std::size_t capacity, HashOf hash_of) {
        if (count <= room_) [[likely]]
            return;
        grow(step_for(count, capacity), hash_of);
    }

    /// Effects: gives all memory back. Expects: the index is empty.
    void release() noexcept {
        if (room_ == 0) return;
        traits::deallocate(allocator_, chunks_, chunk_count_);
        chunks_ = nowhere();
        chunk_count_ = 1;
        room_ = 0;
    }

    /// Effects: `visit(slot)`, which may erase that slot, for the entries from `at` on, until `budget` is used up or
    /// the end is reached: then `at` is at the start again. An entry, or a chunk without one, takes one from the
    /// budget. Where the index grew meanwhile, it starts anew. Returns: whether the end was reached.
    template <class F>
    bool visit_some(index_cursor& at, std::size_t& budget, F visit) const {
        if (at.chunk_count != chunk_count_) at = {chunk_count_, 0, 0};
        for (; at.chunk < chunk_count_; ++at.chunk, at.position = 0) {
            const index_chunk& chunk = chunks_[at.chunk];
            if (budget == 0) return false;
            if (match(chunk, 0) == 0xfffU) --budget;
            for (; at.position < index_chunk::width; ++at.position) {
                if (chunk.tags[at.position] == 0) continue;
                if (budget == 0) return false;
                --budget;
                visit(chunk.slots[at.position]);
            }
        }
        at.chunk = 0;
        return true;
    }

    /// Slots that fit before the next growth.
    [[nodiscard]] std::size_t room() const noexcept { return room_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return room_ == 0 ? 0 : chunk_count_ * sizeof(index_chunk); }
    /// Bytes of an index with room for `count` slots.
    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t count) noexcept {
        return saturating_mul(chunks_for(count), sizeof(index_chunk));
    }

    /// It holds `size` slots, and each can be reached from its home, past chunks that count it.
    template <class HashOf>
    void check_invariants(std::size_t size, HashOf hash_of) const noexcept {
        std::size_t slots = 0;
        std::uint64_t passed = 0;
        std::uint64_t counted = 0;
        bool exact = true;
        for_each([&](std::uint32_t slot) {
            passed += find_slot(hash_of(slot), slot).probed;
            PLATEAU_EXPECTS(find(hash_of(slot), [&](std::uint32_t other) { return other == slot; }) == slot,
                            "index: a chunk forgets nobody who passed by");
            ++slots;
        });
        for (std::uint32_t at = 0; at < chunk_count_; ++at)
            for (const unsigned char count : chunks_[at].passed_by) {
                counted += count;
                exact = exact && count != stuck;
            }
        PLATEAU_EXPECTS(slots == size && size <= room_, "index: each entry stands in one chunk");
        PLATEAU_EXPECTS(!exact || counted == passed,
                        "index: a chunk counts the entries that passed by, and forgets none");
    }

private:
    /// Seven tenths full at most: 7.7 bytes an entry. Two more, so that a small index has somewhere to pass on to.
    [[nodiscard]] static constexpr std::size_t chunks_for(std::size_t count) noexcept {
        return saturating_add<std::size_t>(saturating_mul<std::size_t>(count, 10) / 83, 2);
    }
    [[nodiscard]] static constexpr std::size_t step_for(std::size_t count, std::size_t capacity) noexcept {
        std::size_t step = capacity;
        while (step / 2 >= count && step > 2 * index_chunk::width) step = step / 2 + step % 2;
        return larger(step, count);
    }

    [[nodiscard]] static constexpr unsigned char tag_of(std::uint32_t hash) noexcept {
        return static_cast<unsigned char>(0x80U | (hash & 0x7fU));
    }
    static constexpr unsigned char stuck = 255;
    template <class Chunk>
    [[nodiscard]] static auto& passed_by(Chunk& chunk, std::uint32_t hash) noexcept {
        return chunk.passed_by[hash & 3U];
    }
    [[nodiscard]] static std::uint32_t lowest(std::uint32_t bits) noexcept {
        return static_cast<std::uint32_t>(std::countr_zero(bits));
    }
    /// The high bits choose the home, the low bits are the tag.
    [[nodiscard]] static constexpr std::uint32_t home_in(std::uint32_t chunk_count, std::uint32_t hash) noexcept {
        return static_cast<std::uint32_t>((std::uint64_t{hash} * chunk_count) >> 32);
    }
    [[nodiscard]] std::uint32_t home_of(std::uint32_t hash) const noexcept { return home_in(chunk_count_, hash); }
    /// The way of an entry: its home, then a chunk that its low bits choose, then one after the other. The jump keeps
    /// what one full chunk turns away from filling the next.
    [[nodiscard]] static std::uint32_t step(std::uint32_t at, std::uint32_t hash, std::uint32_t probed,
                                            std::uint32_t chunk_count) noexcept {
        if (probed == 1) {
            at += 1 + (hash & 0x7fU);
            return at < chunk_count ? at : at % chunk_count;
        }
        return at + 1 == chunk_count ? 0 : at + 1;
    }

    struct place {
        std::uint32_t chunk;
        std::uint32_t position;
        std::uint32_t probed;  ///< chunks passed on the way
    };
    [[nodiscard]] place find_slot(std::uint32_t hash, std::uint32_t slot) const noexcept {
        std::uint32_t at = home_of(hash);
        for (std::uint32_t probed = 0;;) {
            const index_chunk& chunk = chunks_[at];
            for (std::uint32_t found = match(chunk, tag_of(hash)); found != 0; found &= found - 1)
                if (chunk.slots[lowest(found)] == slot) [[likely]]
                    return {at, lowest(found), probed};
            PLATEAU_EXPECTS(++probed <= chunk_count_, "a cache key changed its hash while it was stored");
            at = step(at, hash, probed, chunk_count_);
        }
    }

    static void put_in(index_chunk* chunks, std::uint32_t chunk_count, std::uint32_t hash,
                       std::uint32_t slot) noexcept {
        std::uint32_t at = home_in(chunk_count, hash);
        for (std::uint32_t probed = 0;;) {
            index_chunk& chunk = chunks[at];
            if (const std::uint32_t free = match(chunk, 0); free != 0) {
                chunk.tags[lowest(free)] = tag_of(hash);
                chunk.slots[lowest(free)] = slot;
                return;
            }
            unsigned char& count = passed_by(chunk, hash);
            if (count != stuck) ++count;
            at = step(at, hash, ++probed, chunk_count);
        }
    }

    template <class F>
    void for_each(F visit) const {
        for (std::uint32_t at = 0; at < chunk_count_; ++at)
            for (unsigned i = 0; i < index_chunk::width; ++i)
                if (chunks_[at].tags[i] != 0) visit(chunks_[at].slots[i]);
    }

    template <class HashOf>
    PLATEAU_COLD void grow(std::size_t count, HashOf hash_of) {
        const auto chunk_count = static_cast<std::uint32_t>(chunks_for(count));
        index_chunk* const chunks = traits::allocate(allocator_, chunk_count);
        for (std::uint32_t i = 0; i < chunk_count; ++i) std::construct_at(chunks + i);
        for_each([&](std::uint32_t slot) { put_in(chunks, chunk_count, hash_of(slot), slot); });
        release();
        chunks_ = chunks;
        chunk_count_ = chunk_count;
        room_ = count;
    }

    [[nodiscard]] static index_chunk* nowhere() noexcept { return const_cast<index_chunk*>(&no_chunk); }

    index_chunk* chunks_ = nowhere();
    std::uint32_t chunk_count_ = 1;
    std::size_t room_ = 0;  // slots that fit before the next growth
    PLATEAU_NO_UNIQUE_ADDRESS chunk_allocator allocator_;
};

}
PLATEAU_NAMESPACE_END
