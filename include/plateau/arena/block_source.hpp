// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/arena/limits.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The head of some contiguous blocks while an arena holds them; the memory behind it, to the end of the last block, is
/// the arena's. `next`, `serial` and `closed_at` belong to the arena, the rest to the pool.
struct alignas(16) block_run {
    block_run* next;
    std::uint64_t serial;
    std::size_t blocks;
    std::uint32_t region;      ///< the superblock's place in the pool's table; `own_mapping` when it has none
    std::uint16_t first;       ///< the first block's place in the superblock
    std::uintptr_t closed_at;  ///< 0, or where the free end began that was given up: nothing is put behind it

    static constexpr std::uint32_t own_mapping = UINT32_MAX;
};

/// A request that has ended while somebody still holds its memory. Linked in the pool until that is over.
struct parked_scope {
    parked_scope* previous = nullptr;
    parked_scope* next = nullptr;
    std::int64_t since = 0;  ///< nanoseconds on the steady clock's time line, as of the pool's latest `maintain`
};

/// What arenas and scopes need of a pool, and all that they know of it. Every member may be called from any thread.
class block_source {
public:
    block_source(const block_source&) = delete;
    block_source& operator=(const block_source&) = delete;

    [[nodiscard]] std::size_t block_bytes() const noexcept { return block_bytes_; }

    struct taken {
        block_run* run;  ///< null: refused, and nothing has changed
        arena_reason reason;
    };
    /// Effects: takes contiguous blocks. With `opens`, the caller begins to hold memory: it counts as a scope until
    /// its `give_back(..., closes)`.
    [[nodiscard]] virtual taken take(std::size_t blocks, bool opens) noexcept = 0;
    /// Effects: makes `run` longer by `more` blocks, in place. Returns: whether it could; if not, nothing has changed.
    [[nodiscard]] virtual bool extend(block_run& run, std::size_t more) noexcept = 0;
    /// Effects: gives back a list of runs, linked by `next`. With `closes`, it was all that the caller held.
    virtual void give_back(block_run* runs, bool closes) noexcept = 0;

    /// Effects: counts a scope that has ended and is still held, until `unpark`. The pool does not end before that:
    /// whoever ends it first is in violation. The record stays where it is.
    virtual void park(parked_scope& scope) noexcept = 0;
    virtual void unpark(parked_scope& scope) noexcept = 0;

protected:
    explicit block_source(std::size_t block_bytes) noexcept : block_bytes_(block_bytes) {}
    ~block_source() = default;

private:
    const std::size_t block_bytes_;
};

/// For arenas and scopes: what they draw on.
struct pool_access {
    template <class Pool>
    [[nodiscard]] static block_source& source_of(Pool& pool) noexcept {
        return pool;
    }
};

}
PLATEAU_NAMESPACE_END
