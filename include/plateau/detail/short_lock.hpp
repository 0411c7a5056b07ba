// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A mutex for sections of a few steps: taken and left by one exchange, inline. Who finds it taken looks again for a
/// while, and then sleeps in the parker of a node on its own stack.
///
///     word = [ the latest who sleeps:63 | held:1 ]
///
/// Whoever sleeps is linked from the latest to the oldest. Only the holder takes somebody off: the oldest, whom it
/// wakes as it leaves, and who then looks like anybody else. So nobody is handed the lock while it is asleep, and a
/// lock that is left with sleepers behind has one of them awake.
///
/// Thread safety: any thread. Blocks: `lock`. Not recursive. Complexity of leaving: linear in those who sleep.
template <class Sync>
class short_lock {
    using word = std::uintptr_t;

public:
    short_lock() = default;
    short_lock(const short_lock&) = delete;
    short_lock& operator=(const short_lock&) = delete;

    PLATEAU_ALWAYS_INLINE void lock() noexcept {
        word seen = 0;
        if (!word_.compare_exchange_weak(seen, held, std::memory_order_acquire, std::memory_order_relaxed)) [[unlikely]]
            wait();
    }
    PLATEAU_ALWAYS_INLINE void unlock() noexcept {
        word seen = held;
        if (!word_.compare_exchange_strong(seen, 0, std::memory_order_release, std::memory_order_relaxed)) [[unlikely]]
            leave();
    }

private:
    static constexpr word held = 1;

    struct sleeper {
        typename Sync::parker parker{};
        sleeper* older = nullptr;  // under the lock, once it is linked
    };
    [[nodiscard]] static sleeper* latest(word seen) noexcept { return reinterpret_cast<sleeper*>(seen & ~held); }

    PLATEAU_COLD void wait() noexcept {
        for (unsigned looks = Sync::spin_pauses;;) {
            word seen = word_.load(std::memory_order_relaxed);
            if ((seen & held) == 0) {
                if (word_.compare_exchange_weak(seen, seen | held, std::memory_order_acquire,
                                                std::memory_order_relaxed))
                    return;
            } else if (looks != 0) {
                --looks;
                Sync::pause();
            } else {
                sleeper own;
                own.older = latest(seen);
                // Release: whoever wakes it sees the node whole.
                if (!word_.compare_exchange_weak(seen, reinterpret_cast<word>(&own) | held, std::memory_order_release,
                                                 std::memory_order_relaxed))
                    continue;
                own.parker.sleep();
                looks = Sync::spin_pauses;
            }
        }
    }
    PLATEAU_COLD void leave() noexcept {
        word seen = word_.load(std::memory_order_acquire);
        for (;;) {
            sleeper* const first = latest(seen);
            sleeper* const second = first->older;
            if (second == nullptr) {
                if (!word_.compare_exchange_weak(seen, 0, std::memory_order_acq_rel, std::memory_order_acquire))
                    continue;
                return first->parker.signal();
            }
            sleeper* before = first;
            while (before->older->older != nullptr) before = before->older;
            sleeper* const oldest = before->older;
            before->older = nullptr;
            // Others may have come meanwhile; they stand before those whom this one looked at.
            while (!word_.compare_exchange_weak(seen, seen & ~held, std::memory_order_acq_rel,
                                                std::memory_order_acquire)) {}
            return oldest->parker.signal();
        }
    }

    typename Sync::template atomic<word> word_{0};
};

/// What guards a few steps: the short lock where the mutex is the system's, else the mutex that was asked for.
template <class Sync>
using short_mutex =
    std::conditional_t<std::is_same_v<typename Sync::mutex, std::mutex>, short_lock<Sync>, typename Sync::mutex>;

}
PLATEAU_NAMESPACE_END
