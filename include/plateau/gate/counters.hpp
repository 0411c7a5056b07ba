// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/describe.hpp>

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Nothing but an address, of which each thread has its own.
inline constinit thread_local char thread_mark = 0;

/// A number below `Stripes` that is the thread's own where luck will have it. A power of two.
template <std::size_t Stripes>
[[nodiscard]] PLATEAU_ALWAYS_INLINE std::size_t stripe_of_thread() noexcept {
    static_assert(std::has_single_bit(Stripes));
    if constexpr (Stripes == 1) {
        return 0;
    } else {
        // Addresses of threads differ by the size of a stack: the fold spreads them.
        const auto place = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&thread_mark));
        return static_cast<std::size_t>((place * 0x9e3779b97f4a7c15U) >> (64 - std::bit_width(Stripes - 1)));
    }
}

/// `Kinds` counters, each in stripes on lines of their own, so that threads that count at the same time seldom meet.
/// Two threads may share a stripe: so it is added to by read-modify-writes. Relaxed: a count guards no other memory.
template <class Stats, class Sync, std::size_t Stripes, std::size_t Kinds>
class striped_counters;

template <class Sync, std::size_t Stripes, std::size_t Kinds>
class striped_counters<counting, Sync, Stripes, Kinds> {
public:
    PLATEAU_ALWAYS_INLINE void add(std::size_t kind) noexcept {
        stripes_[stripe_of_thread<Stripes>()].counts[kind].fetch_add(1, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t sum(std::size_t kind) const noexcept {
        std::uint64_t all = 0;
        for (const stripe& one : stripes_) all += one.counts[kind].load(std::memory_order_relaxed);
        return all;
    }

private:
    struct alignas(destructive_interference) stripe {
        typename Sync::template atomic<std::uint64_t> counts[Kinds]{};
    };

    stripe stripes_[Stripes];
};

template <class Sync, std::size_t Stripes, std::size_t Kinds>
class striped_counters<bare, Sync, Stripes, Kinds> {
public:
    static void add(std::size_t) noexcept {}
    [[nodiscard]] static std::uint64_t sum(std::size_t) noexcept { return 0; }
};

}
PLATEAU_NAMESPACE_END
