// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A mutex for sections of a few steps: one word that names its holder, taken by one exchange and left by one store.
///
/// An exchange on leaving would wait until whatever the section wrote has reached the cache, which takes as long as the
/// section itself where another core had those lines; a store does not. So whoever leaves cannot know of sleepers, and
/// wakes nobody: who finds the lock taken looks again for about a microsecond, lets others run, and then sleeps for a
/// while, twice as long each time. A section of a few steps is longer than that only where its holder lost its core;
/// who sleeps then comes at most as long again after he could have, and at most a millisecond.
///
/// Thread safety: any thread. Blocks: `lock`. Not recursive; not fair.
template <class Sync>
class short_lock {
public:
    short_lock() = default;
    short_lock(const short_lock&) = delete;
    short_lock& operator=(const short_lock&) = delete;

    /// Effects: locks it, unless the calling thread holds it already. Returns: false in that case.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool lock_unless_mine() noexcept {
        if (take()) [[likely]]
            return true;
        return wait();
    }
    PLATEAU_ALWAYS_INLINE void unlock() noexcept { holder_.store(nullptr, std::memory_order_release); }

    /// Whether the calling thread holds it.
    [[nodiscard]] bool is_mine() const noexcept {
        return holder_.load(std::memory_order_relaxed) == Sync::thread_id();  // only its own thread writes that
    }

private:
    using clock = std::chrono::steady_clock;
    static constexpr clock::duration first_nap = std::chrono::microseconds(50);
    static constexpr clock::duration longest_nap = std::chrono::milliseconds(1);

    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool take() noexcept {
        const void* holder = nullptr;
        return holder_.compare_exchange_strong(holder, Sync::thread_id(), std::memory_order_acquire,
                                               std::memory_order_relaxed);
    }
    /// Reads first: an exchange would take the line from the holder.
    [[nodiscard]] bool look() noexcept { return holder_.load(std::memory_order_relaxed) == nullptr && take(); }

    PLATEAU_COLD bool wait() noexcept {
        if (is_mine()) return false;
        for (unsigned looks = 0; looks < Sync::spin_pauses; ++looks) {
            if (look()) return true;
            Sync::pause();
        }
        for (clock::duration nap = first_nap;; nap = nap < longest_nap / 2 ? 2 * nap : longest_nap) {
            for (unsigned looks = 0; looks <= Sync::spin_yields; ++looks) {
                if (look()) return true;
                Sync::yield();
            }
            typename Sync::parker nobody_signals{};
            static_cast<void>(nobody_signals.sleep_until(clock::now() + nap));
        }
    }

    typename Sync::template atomic<const void*> holder_{nullptr};
};

/// The same face for a mutex that does not know its holder.
template <class Sync>
class named_mutex {
public:
    [[nodiscard]] bool lock_unless_mine() noexcept {
        if (is_mine()) return false;
        mutex_.lock();
        holder_.store(Sync::thread_id(), std::memory_order_relaxed);
        return true;
    }
    void unlock() noexcept {
        holder_.store(nullptr, std::memory_order_relaxed);
        mutex_.unlock();
    }
    [[nodiscard]] bool is_mine() const noexcept { return holder_.load(std::memory_order_relaxed) == Sync::thread_id(); }

private:
    typename Sync::mutex mutex_;
    std::atomic<const void*> holder_{nullptr};  // not the sync's: no interleaving changes what a thread finds of itself
};

/// What guards a few steps: the short lock where the mutex is the system's, else the mutex that was asked for.
template <class Sync>
using short_mutex =
    std::conditional_t<std::is_same_v<typename Sync::mutex, std::mutex>, short_lock<Sync>, named_mutex<Sync>>;

}
PLATEAU_NAMESPACE_END
