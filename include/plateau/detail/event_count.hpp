// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/result.hpp>
#include <plateau/stop.hpp>
#include <plateau/sync.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

enum class await_reason : unsigned char { none, timed_out, cancelled };

/// Lets threads sleep until a condition of the caller's holds, whatever it is made of: two words in the sense of
/// wait_flag.
///
/// Who makes the condition true stores it with seq_cst and then calls `notify`; the condition is read with seq_cst, in
/// a predicate that is noexcept, calls nobody and waits for nothing (it runs under the list's mutex, too).
/// If a store was made before `notify_all` was called, then each wait either sees it or is told to look again. With
/// `notify_one` one of them is: for conditions of which any waiter makes all there is to make.
/// After the eventcounts of D. Vyukov and folly.
template <class Sync>
class event_count {
public:
    /// Blocks: until `ready()`, `stop` or the limit.
    template <class Ready, class Token, class Clock>
    result<void, await_reason> wait(Ready ready, const Token& stop, const Clock& clock,
                                    patience_limit limit = patience_limit()) {
        return wait_on_thread(verb<Ready>{this, ready}, stop, clock, limit);
    }
    template <class Ready>
    void wait(Ready ready) {
        static_cast<void>(wait(ready, never_stop_token{}, steady_clock{}));
    }

    /// Effects: tells one waiter, or all, to look again. Nobody waiting: one load.
    void notify_one() noexcept { notify(1); }
    void notify_all() noexcept { notify(SIZE_MAX); }

private:
    struct own_flag {
        event_count* count;
        void lower() const noexcept { count->waiters_.store(0, std::memory_order_release); }
    };
    template <class Ready>
    struct flag_for : own_flag {
        const Ready* ready;
        bool raise() const noexcept {
            this->count->waiters_.store(1, std::memory_order_seq_cst);  // before the loads of ready()
            return !(*ready)();
        }
    };
    struct flag_to_lower : own_flag {
        static bool raise() noexcept { return true; }
    };

    template <class Ready>
    struct verb {
        using sync = Sync;
        using result_type = result<void, await_reason>;
        static constexpr unsigned patience = 1;

        event_count* count;
        Ready ready;

        std::optional<result_type> attempt() noexcept {
            static_assert(noexcept(ready()));
            if (ready()) return result_type();
            return std::nullopt;
        }
        wait_list<Sync>& list() noexcept { return count->list_; }
        flag_for<Ready> flag() noexcept { return {{count}, &ready}; }
        result_type granted(park_node<Sync>&) noexcept { return {}; }
        result_type refused(wake why) noexcept {
            return why == wake::cancelled ? await_reason::cancelled : await_reason::timed_out;
        }
        void hand_on(park_node<Sync>& node) noexcept {
            if (node.outcome() == wake::nudged) count->notify_one();
        }
    };

    PLATEAU_ALWAYS_INLINE void notify(std::size_t most) noexcept {
        if (waiters_.load(std::memory_order_seq_cst) == 0) [[likely]]  // after the caller's store
            return;
        nudge(most);
    }
    PLATEAU_COLD void nudge(std::size_t most) noexcept { list_.nudge(most, flag_to_lower{{this}}); }

    typename Sync::template atomic<std::uint32_t> waiters_{
        0};  // 1 while the list is not empty; written under its mutex
    wait_list<Sync> list_;
};

}
PLATEAU_NAMESPACE_END
