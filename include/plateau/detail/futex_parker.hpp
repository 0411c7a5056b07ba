// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#if defined(__linux__)

#    include <atomic>
#    include <cerrno>
#    include <chrono>
#    include <cstdint>
#    include <ctime>
#    include <limits>
#    include <linux/futex.h>
#    include <sched.h>
#    include <sys/syscall.h>
#    include <unistd.h>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Where one thread sleeps until another signals. The contract of its members stands with `default_sync`.
///
///   empty ──sleep──▶ asleep ──signal──▶ signalled          empty ──signal──▶ signalled
///
/// Both sides read-modify-write the one word: a signal is seen before the sleep, or ends it. After its exchange a
/// signaller uses no more than the address, which is only a name to the kernel: the object may be gone by then.
class futex_parker {
public:
    using time_point = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

    futex_parker() = default;
    futex_parker(const futex_parker&) = delete;
    futex_parker& operator=(const futex_parker&) = delete;

    [[nodiscard]] bool signalled() const noexcept { return word_.load(std::memory_order_acquire) == signalled_; }

    void sleep() noexcept {
        if (!lie_down()) return;
        while (!signalled()) wait(nullptr);
    }

    [[nodiscard]] bool sleep_until(time_point until) noexcept {
        if (!lie_down()) return true;
        const auto since_boot = until.time_since_epoch().count();
        const auto count = since_boot < 0 ? 0 : since_boot;
        std::timespec moment{};
        constexpr auto last = (std::numeric_limits<std::time_t>::max)();  // 32 bits wide on some: an early look again
        moment.tv_sec = count / 1'000'000'000 < last ? static_cast<std::time_t>(count / 1'000'000'000) : last;
        moment.tv_nsec = static_cast<decltype(moment.tv_nsec)>(count % 1'000'000'000);
        while (!signalled())
            if (!wait(&moment)) return signalled();
        return true;
    }

    void signal() noexcept {
        if (word_.exchange(signalled_, std::memory_order_acq_rel) != asleep_) return;
        const int saved = errno;  // nobody is left there: an error that no caller should see
        ::syscall(futex_call, address(), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
        errno = saved;
    }

private:
    static constexpr std::uint32_t empty_ = 0;
    static constexpr std::uint32_t asleep_ = 1;
    static constexpr std::uint32_t signalled_ = 2;
#    if defined(SYS_futex_time64)
    static constexpr long futex_call = sizeof(std::time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex;
#    else
    static constexpr long futex_call = SYS_futex;
#    endif

    [[nodiscard]] std::uint32_t* address() noexcept { return reinterpret_cast<std::uint32_t*>(&word_); }

    /// Answers false when the signal came first.
    bool lie_down() noexcept {
        std::uint32_t seen = empty_;
        return word_.compare_exchange_strong(seen, asleep_, std::memory_order_acq_rel, std::memory_order_acquire) ||
               seen == asleep_;
    }
    /// Answers false when `until` is over. The bit-set form takes an absolute moment of CLOCK_MONOTONIC.
    bool wait(const std::timespec* until) noexcept {
        const int saved = errno;
        const long answer = ::syscall(futex_call, address(), FUTEX_WAIT_BITSET_PRIVATE, asleep_, until, nullptr,
                                      FUTEX_BITSET_MATCH_ANY);
        const bool over = answer != 0 && errno == ETIMEDOUT;
        // Where the call is forbidden (a sandbox), what is left is to look again and let others run.
        if (answer != 0 && errno != ETIMEDOUT && errno != EAGAIN && errno != EINTR) ::sched_yield();
        errno = saved;
        return !over;
    }

    std::atomic<std::uint32_t> word_{empty_};
    static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
};

}
PLATEAU_NAMESPACE_END

#endif
