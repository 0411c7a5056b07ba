// SPDX-License-Identifier: MIT
/// What the arena room's tests have in common.
#pragma once

#include "tools/fault.hpp"

#include <plateau/arena.hpp>
#include <plateau/literals.hpp>

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <new>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace plateau_test {

inline constexpr bool under_asan = PLATEAU_DETAIL_ASAN != 0;
inline constexpr std::size_t page = 4096;

/// Superblocks of four blocks: their edges are near.
struct small_superblocks : plateau::arena_policies {
    static constexpr std::size_t superblock_blocks = 4;
};

/// The witness of what a pool asked for: exact, and not the pool's own word. One thread.
class counted_upstream final : public std::pmr::memory_resource {
public:
    std::size_t live_bytes = 0;
    std::size_t live_mappings = 0;
    std::size_t peak_bytes = 0;
    std::size_t calls = 0;

private:
    void* do_allocate(std::size_t bytes, std::size_t align) override {
        if (fault_due(fault::allocator)) throw std::bad_alloc();
        void* const memory = ::operator new (bytes, std::align_val_t{align});
        ++calls;
        ++live_mappings;
        live_bytes += bytes;
        if (live_bytes > peak_bytes) peak_bytes = live_bytes;
        return memory;
    }
    void do_deallocate(void* memory, std::size_t bytes, std::size_t align) override {
        --live_mappings;
        live_bytes -= bytes;
        ::operator delete (memory, std::align_val_t{align});
    }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

/// A budget that tells what it holds.
struct counted_budget {
    std::size_t max_bytes = plateau::unlimited;
    std::size_t bytes = 0;

    bool try_charge(std::size_t n) noexcept {
        if (n > max_bytes - bytes) return false;
        bytes += n;
        return true;
    }
    void refund(std::size_t n) noexcept { bytes -= n; }
};

/// How many bytes at [begin, begin + bytes) are resident, as the kernel says; 0 where nothing is mapped.
inline std::size_t resident_bytes(const void* begin, std::size_t bytes) {
    const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const auto first = reinterpret_cast<std::uintptr_t>(begin) / size * size;
    std::vector<unsigned char> pages((bytes + size - 1) / size);
    if (mincore(reinterpret_cast<void*>(first), bytes, pages.data()) != 0) return 0;
    std::size_t sum = 0;
    for (const unsigned char one : pages) sum += (one & 1U) != 0 ? size : 0;
    return sum;
}

inline plateau::time_point at_second(std::int64_t n) { return plateau::time_point(std::chrono::seconds(n)); }

/// Writes every byte, so that a wrong one shows to whoever looks, the sanitizers included.
inline void* fill(void* memory, std::size_t bytes, int with = 0x5a) {
    auto* const at = static_cast<unsigned char*>(memory);
    for (std::size_t i = 0; i < bytes; ++i) at[i] = static_cast<unsigned char>(with);
    return memory;
}
inline bool is_filled(const void* memory, std::size_t bytes, int with = 0x5a) {
    const auto* const at = static_cast<const unsigned char*>(memory);
    for (std::size_t i = 0; i < bytes; ++i)
        if (at[i] != static_cast<unsigned char>(with)) return false;
    return true;
}

}  // namespace plateau_test
