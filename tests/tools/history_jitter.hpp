// SPDX-License-Identifier: MIT
/// Small random delays, so that calls which take a hundred nanoseconds meet each other in their midst.
#pragma once

#include <plateau/sync.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace plateau_test {

namespace jitter_detail {
/// One a thread; 0 while it does not jitter.
inline constinit thread_local std::uint64_t state = 0;
}  // namespace jitter_detail

/// Effects: in a jitter_scope mostly nothing, sometimes a few pauses, rarely the processor goes to another thread.
/// Without the last, what runs on one processor would be over before the next thread begins.
inline void jitter() noexcept {
    std::uint64_t& x = jitter_detail::state;
    if (x == 0) return;
    x ^= x << 13U;
    x ^= x >> 7U;
    x ^= x << 17U;
    const auto drawn = static_cast<unsigned>(x >> 32U) % 64U;
    if (drawn < 40) return;
    if (drawn >= 60) return plateau::default_sync::yield();
    for (unsigned i = 40; i < drawn; ++i) plateau::default_sync::pause();
}

/// While it lives, this thread jitters.
class jitter_scope {
public:
    explicit jitter_scope(std::uint64_t seed) noexcept { jitter_detail::state = seed | 1U; }
    jitter_scope(const jitter_scope&) = delete;
    jitter_scope& operator=(const jitter_scope&) = delete;
    ~jitter_scope() { jitter_detail::state = 0; }
};

/// The shipped code with a delay at each place where another thread may come between: before an atomic is read or
/// written, before a mutex is taken, while it is held, and after it was given back.
struct jittered_sync : plateau::default_sync {
    template <class T>
    class atomic : public std::atomic<T> {
    public:
        using std::atomic<T>::atomic;
        T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
            jitter();
            return std::atomic<T>::load(order);
        }
        void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
            jitter();
            std::atomic<T>::store(value, order);
        }
    };

    class mutex {
    public:
        void lock() noexcept {
            jitter();
            mutex_.lock();
            jitter();
        }
        void unlock() noexcept {
            mutex_.unlock();
            jitter();
        }

    private:
        std::mutex mutex_;
    };
};

}  // namespace plateau_test
