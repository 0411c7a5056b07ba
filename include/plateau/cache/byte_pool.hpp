// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/charge.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>

#include <atomic>
#include <cstddef>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What is left of a budget of bytes that the shards of a cache share. A shard takes from it what it is about to use, a
/// little ahead, and gives back what it no longer needs: so a put that finds its shard provided touches no line but the
/// shard's own.
///
/// I1  what is taken never exceeds the limit, unless the limit was lowered: then nothing is handed out until it fits.
/// I2  the outer budget has been charged exactly what is taken.
///
/// `take` is called under the lock of the shard that takes. Whoever lowers the limit enters every shard after that, so
/// that a shard either has seen the new limit or is told to give back.
///
/// Thread safety: any thread. Complexity: constant; lock-free, beside what the outer budget does.
template <class Sync, charge Charge>
class byte_pool {
public:
    byte_pool(std::size_t limit, const Charge& outer) : limit_(limit), outer_(outer) {}
    byte_pool(const byte_pool&) = delete;
    byte_pool& operator=(const byte_pool&) = delete;

    /// Returns: how many bytes were taken: `wanted`, or what there is, but at least `least`; 0 when there are not so
    /// many.
    [[nodiscard]] std::size_t take(std::size_t least, std::size_t wanted) noexcept {
        std::size_t taken = taken_.load(std::memory_order_relaxed);
        std::size_t share = 0;
        do {
            const std::size_t limit = limit_.load(std::memory_order_relaxed);
            const std::size_t left = saturating_sub(limit, taken);
            if (left < least) return 0;
            share = larger(least, smaller(wanted, left));
        } while (!taken_.compare_exchange_weak(taken, taken + share, std::memory_order_relaxed));  // a sum, no news
        if (outer_.try_charge(share)) return share;
        if (share != least && outer_.try_charge(least)) {
            taken_.fetch_sub(share - least, std::memory_order_relaxed);
            return least;
        }
        taken_.fetch_sub(share, std::memory_order_relaxed);
        return 0;
    }
    void give(std::size_t bytes) noexcept {
        if (bytes == 0) return;
        outer_.refund(bytes);
        taken_.fetch_sub(bytes, std::memory_order_relaxed);
    }

    void set_limit(std::size_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }
    [[nodiscard]] std::size_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t taken() const noexcept { return taken_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t left() const noexcept { return saturating_sub(limit(), taken()); }

private:
    typename Sync::template atomic<std::size_t> limit_;
    typename Sync::template atomic<std::size_t> taken_{0};
    PLATEAU_NO_UNIQUE_ADDRESS Charge outer_;
};

}
PLATEAU_NAMESPACE_END
