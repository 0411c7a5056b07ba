// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/park.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// How the list shows in a word of the caller that somebody waits, so that the other side need not look into the list.
/// Both members run under the list's mutex: they call nobody and wait for nothing.
///
///   raise   announces a waiter, then looks again. True: it must wait; false: what it waits for may be there, or is on
///           its way. A reason that lasts, of which `attempt` makes nothing, would keep the waiter looking.
///   lower   the list is empty.
///
/// Two shapes are proven (tests/floor/park_explore_test.cpp), and no other is used:
///   one word    `raise` and the other side's publication are read-modify-writes (acq_rel) of the same word. Whichever
///               comes second sees the first.
///   two words   `raise` stores the flag and then loads the condition; the other side stores the condition and then
///               loads the flag; all four are seq_cst. An acq_rel read-modify-write does not do: it leaves a later load
///               of another word free to be early.
template <class T>
concept wait_flag = requires(T& flag) {
    { flag.raise() }
    noexcept->std::same_as<bool>;
    { flag.lower() }
    noexcept;
};

/// Waiters in the order of their arrival. Who was nudged in vain is enlisted anew, behind the others.
///
/// Thread safety: any thread. Complexity: constant, but for `next_deadline` and `expire`: linear in the waiters.
/// Blocks: for the mutex, which is held for a few steps without calls. Ends empty: a waiter left in it is a violation.
/// It outlives also whom it has nudged, until his result was delivered: he looks again, and may come back.
template <class Sync>
class wait_list {
public:
    using node = park_node<Sync>;

    wait_list() noexcept : alone_(Sync::processors() <= 1) {}
    wait_list(const wait_list&) = delete;
    wait_list& operator=(const wait_list&) = delete;
    ~wait_list() { PLATEAU_EXPECTS(first_ == nullptr, "something was destroyed while somebody still waited for it"); }

    /// How often a waiter looks before it sleeps. On one processor what it waits for cannot happen meanwhile.
    [[nodiscard]] unsigned spin_pauses() const noexcept { return alone_ ? 0 : Sync::spin_pauses; }
    [[nodiscard]] unsigned spin_yields() const noexcept { return alone_ ? 0 : Sync::spin_yields; }

    /// Announces a waiter that was `from`: idle, or running on its executor.
    template <wait_flag Flag>
    enlisted enlist(node& waiter, std::uint32_t from, Flag flag) noexcept {
        const guard hold(mutex_);
        // Under the mutex from here on: whoever claims it before it is linked waits for the mutex to find that out.
        if (!waiter.change(from, node::waiting)) return enlisted::ended;
        link(waiter);
        if (flag.raise()) return enlisted::waits;
        unlink(waiter);
        if (first_ == nullptr) flag.lower();
        return waiter.claim(wake::nudged) ? enlisted::look_again : enlisted::taken;
    }

    /// Takes off a waiter that somebody else than the list has claimed.
    template <wait_flag Flag>
    void forget(node& waiter, Flag flag) noexcept {
        const guard hold(mutex_);
        if (!waiter.linked_) return;
        unlink(waiter);
        if (first_ == nullptr) flag.lower();
    }

    /// Effects: tells up to `count` waiters, oldest first, to look again. Returns: how many.
    template <wait_flag Flag>
    std::size_t nudge(std::size_t count, Flag flag) noexcept {
        session<Flag> in(*this, flag);
        while (in.claimed() < count && in.front() != nullptr) in.claim_front(wake::nudged);
        return in.claimed();
    }

    /// The earliest of those who are enlisted now; who was nudged is enlisted again when he finds nothing.
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept {
        const guard hold(mutex_);
        time_point next = (time_point::max)();
        for (const node* at = first_; at != nullptr; at = at->next_)
            if (at->deadline() < next) next = at->deadline();
        if (next == (time_point::max)()) return std::nullopt;
        return next;
    }

    /// Effects: ends the waits whose deadline is reached. Returns: how many.
    template <wait_flag Flag>
    std::size_t expire(time_point now, Flag flag) noexcept {
        session<Flag> in(*this, flag);
        for (node* at = first_; at != nullptr;) {
            node* const next = at->next_;
            if (now >= at->deadline()) in.claim(*at, wake::timed_out);
            at = next;
        }
        return in.claimed();
    }

    /// A look into the list under its mutex, and the way to hand out rights. What was claimed is completed after the
    /// mutex is free and nothing of the list is touched any more: its owner may end the list. First the threads are
    /// woken, then come callbacks and coroutines, each in the order of the claims: no thread waits for a callback.
    template <wait_flag Flag>
    class session {
    public:
        session(wait_list& list, Flag flag) noexcept : list_(list), flag_(flag) { list_.mutex_.lock(); }
        session(const session&) = delete;
        session& operator=(const session&) = delete;
        ~session() {
            if (list_.first_ == nullptr) flag_.lower();
            list_.mutex_.unlock();
            while (sleepers_ != nullptr) {
                node& one = *sleepers_;
                sleepers_ = one.next_;
                one.complete_(one);
            }
            while (chain_ != nullptr) {
                node& one = *chain_;
                chain_ = one.next_;
                if (chain_ != nullptr) chain_->chain_link_ = &chain_;
                one.claimer_.store(nullptr, std::memory_order_relaxed);  // of this thread's own name, for itself
                one.complete_(one);
            }
        }

        [[nodiscard]] node* front() const noexcept { return list_.first_; }
        [[nodiscard]] std::size_t claimed() const noexcept { return claimed_; }

        /// Effects: takes the waiter off. Returns: whether it was still waiting; if not, what it would have got goes to
        /// another.
        bool claim(node& waiter, wake why) noexcept {
            list_.unlink(waiter);
            return waiter.claim(why) && chain(waiter);
        }
        bool claim_front(wake why) noexcept { return claim(*list_.first_, why); }

        /// For a room that may end before its waiters do: whoever has claimed the waiter meanwhile is still to come and
        /// take it off (`take_off`), so that an empty list is one that nobody comes back to.
        [[nodiscard]] node* next(const node& waiter) const noexcept { return waiter.next_; }
        bool try_claim(node& waiter, wake why) noexcept {
            if (!waiter.claim(why)) return false;
            list_.unlink(waiter);
            return chain(waiter);
        }
        /// Effects: `forget`, within the session. Returns: whether the waiter was linked.
        bool take_off(node& waiter) noexcept {
            if (!waiter.linked_) return false;
            list_.unlink(waiter);
            return true;
        }

    private:
        bool chain(node& waiter) noexcept {
            ++claimed_;
            waiter.next_ = nullptr;
            node**& end = waiter.sleeps_ ? sleepers_end_ : end_;
            if (!waiter.sleeps_) {
                waiter.chain_link_ = end;
                waiter.claimer_.store(Sync::thread_id(), std::memory_order_relaxed);
            }
            *end = &waiter;
            end = &waiter.next_;
            return true;
        }

        wait_list& list_;
        Flag flag_;
        node* sleepers_ = nullptr;
        node** sleepers_end_ = &sleepers_;
        node* chain_ = nullptr;  // callbacks and coroutines: one may end the next
        node** end_ = &chain_;
        std::size_t claimed_ = 0;
    };

private:
    class guard {
    public:
        explicit guard(typename Sync::mutex& mutex) noexcept : mutex_(mutex) { mutex_.lock(); }
        guard(const guard&) = delete;
        guard& operator=(const guard&) = delete;
        ~guard() { mutex_.unlock(); }

    private:
        typename Sync::mutex& mutex_;
    };

    void link(node& waiter) noexcept {
        waiter.next_ = nullptr;
        waiter.previous_ = last_;
        waiter.linked_ = true;
        (last_ != nullptr ? last_->next_ : first_) = &waiter;
        last_ = &waiter;
    }
    void unlink(node& waiter) noexcept {
        (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_) = waiter.next_;
        (waiter.next_ != nullptr ? waiter.next_->previous_ : last_) = waiter.previous_;
        waiter.linked_ = false;
    }

    mutable typename Sync::mutex mutex_;
    node* first_ = nullptr;  // under mutex_
    node* last_ = nullptr;   // under mutex_
    const bool alone_;
};

}
PLATEAU_NAMESPACE_END
