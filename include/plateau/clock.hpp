// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>
#include <plateau/sync.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <ctime>

PLATEAU_NAMESPACE_BEGIN

/// Every length of time in the library. One type, so that options aggregates stay plain and all chrono literals fit.
using duration = std::chrono::nanoseconds;

/// Every moment in the library, on the monotonic clock: it never jumps with the wall clock.
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// A duration option that is never reached.
inline constexpr duration forever = (duration::max)();

/// A source of the present. `now` answers on the time line of std::chrono::steady_clock and may be called from any
/// thread. What it answers may stand still or go back: the types that use it remember the latest answer.
template <class T>
concept clock = requires(const T& source) {
    { source.now() } -> std::same_as<time_point>;
    requires noexcept(source.now());
};

namespace detail {

[[nodiscard]] constexpr time_point saturating_add(time_point moment, duration length) noexcept {
    return time_point(duration(saturating_add(moment.time_since_epoch().count(), length.count())));
}

}

/// The system's monotonic clock, to the nanosecond.
struct steady_clock {
    [[nodiscard]] time_point now() const noexcept {
        return std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
    }
};

/// The system's monotonic clock as of its last tick: behind by 1 to 10 ms, at a quarter of the price. Where the system
/// has none, the same as `steady_clock`.
struct coarse_clock {
    [[nodiscard]] time_point now() const noexcept {
#if defined(CLOCK_MONOTONIC_COARSE)
        std::timespec read{};
        ::clock_gettime(CLOCK_MONOTONIC_COARSE, &read);
        return time_point(std::chrono::seconds(read.tv_sec) + duration(read.tv_nsec));
#else
        return steady_clock{}.now();
#endif
    }
};

/// A clock that a test turns by hand. Starts at the epoch.
///
/// Thread safety: any thread may read and turn it. `advance` saturates instead of wrapping; `set` may go back.
template <class Sync>
class basic_manual_clock {
public:
    basic_manual_clock() = default;
    explicit basic_manual_clock(time_point start) noexcept : now_(start.time_since_epoch().count()) {}
    basic_manual_clock(const basic_manual_clock&) = delete;
    basic_manual_clock& operator=(const basic_manual_clock&) = delete;

    [[nodiscard]] time_point now() const noexcept { return time_point(duration(now_.load(std::memory_order_acquire))); }

    void advance(duration length) noexcept {
        auto seen = now_.load(std::memory_order_relaxed);  // the exchange below orders it
        while (!now_.compare_exchange_weak(seen, detail::saturating_add(seen, length.count()),
                                           std::memory_order_acq_rel, std::memory_order_relaxed)) {}
    }

    void set(time_point moment) noexcept { now_.store(moment.time_since_epoch().count(), std::memory_order_release); }

private:
    typename Sync::template atomic<duration::rep> now_{0};
};

static_assert(clock<steady_clock> && clock<coarse_clock> && clock<manual_clock>);

PLATEAU_NAMESPACE_END
