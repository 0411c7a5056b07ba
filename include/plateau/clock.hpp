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
    [[nodiscard]] PLATEAU_ALWAYS_INLINE time_point now() const noexcept {
#if defined(CLOCK_MONOTONIC_COARSE)
        std::timespec read{};
        ::clock_gettime(CLOCK_MONOTONIC_COARSE, &read);
        return time_point(std::chrono::seconds(read.tv_sec) + duration(read.tv_nsec));
#else
        return steady_clock{}.now();
#endif
    }
};

namespace detail {

/// A wish to be called when a clock has reached `at`. Linked in the clock while enlisted.
struct clock_alarm {
    time_point at;
    void (*ring)(clock_alarm&) noexcept;
    clock_alarm* next = nullptr;
    clock_alarm** link = nullptr;  ///< what points here; null once it rang
};

/// A clock that tells sleepers that their time has come, since the time of the system does not.
template <class T>
concept rings = requires(const T& source, clock_alarm& alarm) {
    source.enlist(alarm);
    source.withdraw(alarm);
};

}

/// A clock that a test turns by hand. Starts at the epoch.
///
/// Whoever sleeps until a moment of this clock is woken by the `advance` or `set` that reaches it.
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
        duration::rep reached{};
        do reached = detail::saturating_add(seen, length.count());
        while (!now_.compare_exchange_weak(seen, reached, std::memory_order_acq_rel, std::memory_order_relaxed));
        ring_due(time_point(duration(reached)));
    }

    void set(time_point moment) noexcept {
        now_.store(moment.time_since_epoch().count(), std::memory_order_release);
        ring_due(moment);
    }

    /// For the library's sleepers. An alarm that is due rings at once, and then is not enlisted. It rings once, under
    /// the clock's mutex.
    void enlist(detail::clock_alarm& alarm) const noexcept {
        mutex_.lock();
        // Under the mutex that a turning of the clock takes after it: one of the two sees the other.
        if (now() >= alarm.at) {
            alarm.ring(alarm);
        } else {
            alarm.next = alarms_;
            alarm.link = &alarms_;
            if (alarms_ != nullptr) alarms_->link = &alarm.next;
            alarms_ = &alarm;
        }
        mutex_.unlock();
    }
    /// Returns when the alarm is not ringing.
    void withdraw(detail::clock_alarm& alarm) const noexcept {
        mutex_.lock();
        if (alarm.link != nullptr) unlink(alarm);
        mutex_.unlock();
    }

private:
    static void unlink(detail::clock_alarm& alarm) noexcept {
        *alarm.link = alarm.next;
        if (alarm.next != nullptr) alarm.next->link = alarm.link;
        alarm.link = nullptr;
    }
    /// `moment`: what this turning has reached, though another may have turned the clock back by now.
    void ring_due(time_point moment) noexcept {
        mutex_.lock();
        for (detail::clock_alarm* at = alarms_; at != nullptr;) {
            detail::clock_alarm& alarm = *at;
            at = alarm.next;
            if (moment < alarm.at) continue;
            unlink(alarm);
            alarm.ring(alarm);
        }
        mutex_.unlock();
    }

    typename Sync::template atomic<duration::rep> now_{0};
    mutable typename Sync::mutex mutex_;
    mutable detail::clock_alarm* alarms_ = nullptr;  // under mutex_
};

static_assert(clock<steady_clock> && clock<coarse_clock> && clock<manual_clock>);

PLATEAU_NAMESPACE_END
