// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <atomic>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#if defined(__linux__)
#    include <plateau/detail/futex_parker.hpp>
#else
#    include <plateau/detail/condvar_parker.hpp>
#endif

PLATEAU_NAMESPACE_BEGIN

/// What threads share, as a policy: every type with an atomic or a mutex, and whatever waits, takes them from the
/// `sync` member of its policies, so that a test can run the shipped code under a scheduler of its own.
///
/// A replacement provides the same members with the same meaning:
///   `atomic<T>`, `mutex`  as std::atomic and std::mutex.
///   `parker`       where its owner sleeps until another thread signals, once. `sleep()` returns when it was signalled;
///                  `sleep_until(t)` also when std::chrono::steady_clock has reached t, and answers whether it was;
///                  `signalled()` looks. `signal()` happens before what the owner does after it has seen it, and never
///                  touches the parker after the owner can have seen it, who may end it at once.
///   `pause`        a hint inside a spin. `yield`: let another thread run.
///   `thread_id`    a value that differs between threads alive at the same time and is never null.
///   `processors`   on how many this process may count, at least 1; asked when something that waits is made.
///   `spin_pauses`, `spin_yields`  how often a waiter looks before it sleeps: after a pause each, then after a yield
///   each.
struct default_sync {
    template <class T>
    using atomic = std::atomic<T>;
    using mutex = std::mutex;
#if defined(__linux__)
    using parker = detail::futex_parker;
#else
    using parker = detail::condvar_parker;
#endif

    static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("isb" ::: "memory");
#endif
    }
    static void yield() noexcept { ::sched_yield(); }
    [[nodiscard]] static const void* thread_id() noexcept { return reinterpret_cast<const void*>(::pthread_self()); }
    [[nodiscard]] static unsigned processors() noexcept {
#if defined(__linux__)
        cpu_set_t allowed;
        if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) return static_cast<unsigned>(CPU_COUNT(&allowed));
#endif
        const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
        return online > 0 ? static_cast<unsigned>(online) : 1;
    }

    /// About a microsecond: longer than a hand-over between two running cores, far shorter than a sleep.
    static constexpr unsigned spin_pauses = 40;
    static constexpr unsigned spin_yields = 6;
};

PLATEAU_NAMESPACE_END
