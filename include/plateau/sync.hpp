// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <atomic>
#include <mutex>
#include <sched.h>

PLATEAU_NAMESPACE_BEGIN

/// What threads share, as a policy: every type with an atomic or a mutex takes them from the `sync` member of its
/// policies, so that a test can run the shipped code under a scheduler of its own.
///
/// A replacement provides the same members with the meaning of the standard's: `atomic<T>` as std::atomic, `mutex` as
/// std::mutex, `pause` (a hint inside a spin), `yield` (let another thread run), `thread_id` (a value that differs
/// between threads alive at the same time and is never null).
struct default_sync {
    template <class T>
    using atomic = std::atomic<T>;
    using mutex = std::mutex;

    static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("isb" ::: "memory");
#endif
    }
    static void yield() noexcept { ::sched_yield(); }
    [[nodiscard]] static const void* thread_id() noexcept {
        static constinit thread_local char here = 0;
        return &here;
    }
};

PLATEAU_NAMESPACE_END
