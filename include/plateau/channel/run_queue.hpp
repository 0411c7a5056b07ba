// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/held_flag.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/executor.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Posted work in the order of its arrival, and the threads that wait for some.
///
/// 1  A work is run once, by whoever `next` handed it to. Whatever was posted before `close` is handed out.
/// 2  `post` touches nothing of the queue after it has let go of the mutex, but the node of a thread that it wakes: who
///    learns from the work itself that it has run may end the queue, once the threads that called `next` have left.
///
/// Thread safety: any thread. Blocks: `next`; the others only for the mutex, held for a few steps without calls.
template <class Sync>
class run_queue {
public:
    run_queue() = default;
    run_queue(const run_queue&) = delete;
    run_queue& operator=(const run_queue&) = delete;
    ~run_queue() { PLATEAU_EXPECTS(first_ == nullptr, "an executor ended with posted work that has not run"); }

    /// Effects: queues the work, and wakes a thread if one sleeps. Complexity: constant, no allocation.
    void post(work what) noexcept {
        work_link& one = what.link();
        session in(idle_, flag{this});
        one.next = nullptr;
        *end_ = &one;
        end_ = &one.next;
        length_.store(length_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // under the mutex
        while (in.claimed() == 0 && in.front() != nullptr) in.claim_front(wake::nudged);
    }

    /// Returns: the oldest work; null once the queue is closed and empty. Blocks: until one of the two.
    [[nodiscard]] work_link* next() { return wait_on_thread(verb{this}, never_stop_token{}, steady_clock{}); }
    /// Returns: the oldest work, or null when there is none now.
    [[nodiscard]] work_link* try_next() noexcept {
        if (length() == 0) return nullptr;
        const session in(idle_, flag{this});
        return take();
    }

    /// Effects: `next` hands out what is queued and then ends for every thread. Work may still be posted by work.
    void close() noexcept {
        session in(idle_, flag{this});
        closed_.store(true, std::memory_order_relaxed);  // under the mutex
        while (in.front() != nullptr) in.claim_front(wake::nudged);
    }

    [[nodiscard]] std::size_t length() const noexcept { return length_.load(std::memory_order_relaxed); }

    void check_invariants() noexcept {
        const session in(idle_, flag{this});
        std::size_t linked = 0;
        for (const work_link* at = first_; at != nullptr; at = at->next) ++linked;
        PLATEAU_EXPECTS(linked == length(), "run_queue: its length is not that of its list");
    }

private:
    friend struct held_flag<run_queue>;
    using flag = held_flag<run_queue>;
    using session = typename wait_list<Sync>::template session<flag>;

    struct verb {
        using sync = Sync;
        using result_type = work_link*;
        static constexpr unsigned patience = 1;

        run_queue* queue;

        std::optional<work_link*> attempt() noexcept {
            // A guess, so that a spinning thread leaves the mutex to those who have work: `raise` looks under it.
            const bool over = queue->closed_.load(std::memory_order_relaxed);
            if (work_link* const one = queue->try_next(); one != nullptr) return one;
            if (over && queue->is_over()) return nullptr;
            return std::nullopt;
        }
        wait_list<Sync>& list() noexcept { return queue->idle_; }
        run_queue::flag flag() noexcept { return {queue}; }
        static work_link* granted(park_node<Sync>&) noexcept { return nullptr; }
        static work_link* refused(wake) noexcept { return nullptr; }
        static void hand_on(park_node<Sync>&) noexcept {}
    };

    [[nodiscard]] bool must_wait() const noexcept {
        return first_ == nullptr && !closed_.load(std::memory_order_relaxed);  // under the mutex
    }
    [[nodiscard]] bool is_over() noexcept {
        const session in(idle_, flag{this});
        return first_ == nullptr;
    }
    [[nodiscard]] work_link* take() noexcept {
        work_link* const one = first_;
        if (one == nullptr) return nullptr;
        first_ = one->next;
        if (first_ == nullptr) end_ = &first_;
        length_.store(length_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);  // under the mutex
        return one;
    }

    wait_list<Sync> idle_;
    work_link* first_ = nullptr;                             // under the list's mutex
    work_link** end_ = &first_;                              // under the list's mutex
    typename Sync::template atomic<std::size_t> length_{0};  // written under the list's mutex
    typename Sync::template atomic<bool> closed_{false};     // written under the list's mutex
};

}
PLATEAU_NAMESPACE_END
