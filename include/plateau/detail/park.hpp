// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/executor.hpp>
#include <plateau/sync.hpp>

#include <cstdint>
#include <optional>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

template <class Sync>
class wait_list;

/// How a wait ended. `granted` carries the right that was waited for; `nudged` says: look again.
enum class wake : unsigned char { granted, nudged, cancelled, timed_out };

/// What the claimer of a node asks of the operation that waits: to take the node off its list, or, when nobody is left
/// to use what `outcome` brought, to let another have it.
enum class chore : unsigned char { forget, hand_on };

/// How the announcement of a node ended (wait_list). `waits`: from here on it may be completed and gone. `look_again`:
/// the caller has claimed it. `taken`: another has, and completes it. `ended`: it was not in the state that the caller
/// named, and nothing was done.
enum class enlisted : unsigned char { waits, look_again, taken, ended };

/// One wait, in the storage of whoever waits: a thread, a coroutine or a callback. Everything that waits in plateau
/// waits on such a node, in a wait_list.
///
///              enlist               claim: one CAS
///     idle ─────────────▶ waiting ────────────────▶ claimed
///                            │                         │ complete
///                            │ destruction: claimed,   ├──▶ a thread: it wakes, and may end the node
///                            ▼ and nobody is told      │
///                          (end)                       └──▶ a coroutine or a callback (async_node): on its executor
///
///                  nudged for nothing: waiting again
///               ┌──────────────────────────────────────┐
///     claimed ──┴▶ looking ──▶ calling ──▶ idle         (a coroutine: looking ──▶ idle, and it is resumed)
///                                 └──▶ rearmed ──▶ waiting, or claimed once more
///
/// Two bits stand beside the phase while work runs: `leaving`, the owner waits for the node to be let go, and
/// `revoked`, a cancel came that no wait was there for.
///
/// Invariants
///   1  A node is linked in a list only while it is waiting, or claimed by somebody who has yet to unlink it.
///   2  Grant, nudge, cancel, deadline and destruction are one compare-and-swap from `waiting`: exactly one wins.
///   3  Whoever wins unlinks the node and completes it. Completing is the last touch: the owner may be gone after it.
///   4  Who loses leaves the node alone; a grant or a nudge that loses goes to the next in the list, and one that won
///      for a node whose owner ends it before its work has begun is handed on.
///   5  A list claims under its mutex; everybody else claims first and takes the mutex to unlink. So a node that is
///      found in the list is alive, claimed or not.
/// Nothing is allocated. No code of a user runs under a list's mutex.
template <class Sync>
class park_node {
public:
    park_node(const park_node&) = delete;
    park_node& operator=(const park_node&) = delete;

    /// Ends the wait, unless it has ended. Returns: whether this call did. The node may be gone when it returns.
    bool cancel() noexcept { return end(wake::cancelled); }
    bool time_out() noexcept { return end(wake::timed_out); }

    /// Known to the owner once the node was completed.
    [[nodiscard]] wake outcome() const noexcept { return outcome_; }
    [[nodiscard]] time_point deadline() const noexcept { return deadline_; }
    /// Before the node is enlisted.
    void set_deadline(time_point moment) noexcept { deadline_ = moment; }

    /// What is asked for, and then what was given, in the terms of the room: the owner's before the node is enlisted,
    /// the room's under the list's mutex while it is linked, the owner's again once it was completed.
    [[nodiscard]] std::uint64_t cargo() const noexcept { return cargo_; }
    void set_cargo(std::uint64_t what) noexcept { cargo_ = what; }

protected:
    /// A phase, and what others have asked for meanwhile: `leaving`, its owner is at its end; `revoked`, cancel came
    /// while it was being served or between two waits.
    enum state : std::uint32_t {
        idle,
        waiting,
        claimed,
        looking,
        calling,
        rearmed,
        phase = 7,
        leaving = 8,
        revoked = 16
    };

    using helper = void (*)(park_node&, chore) noexcept;

    /// `sleeps`: a thread; completing it runs no code of a user.
    park_node(helper helps, void (*complete)(park_node&) noexcept, bool sleeps) noexcept
        : help_(helps), complete_(complete), sleeps_(sleeps) {}
    ~park_node() = default;

    [[nodiscard]] bool claim(wake why) noexcept {
        if (!change(waiting, claimed)) return false;
        outcome_ = why;  // the winner's until it completes the node
        return true;
    }
    /// By the runner of a node that was armed again and cancelled before it was announced.
    [[nodiscard]] bool claim_revoked() noexcept {
        if (!change(rearmed | revoked, claimed)) return false;
        outcome_ = wake::cancelled;
        return true;
    }
    [[nodiscard]] bool change(std::uint32_t from, std::uint32_t to) noexcept {
        return state_.compare_exchange_strong(from, to, std::memory_order_acq_rel, std::memory_order_acquire);
    }
    void help(chore what) noexcept { help_(*this, what); }
    void set_helper(helper helps) noexcept { help_ = helps; }

    /// A node that this very thread has claimed and not yet completed ends: it is the thread's to drop.
    [[nodiscard]] bool drop_from_own_chain() noexcept {
        if (claimer_.load(std::memory_order_relaxed) != Sync::thread_id()) return false;  // only its own name matters
        *chain_link_ = next_;
        if (next_ != nullptr) next_->chain_link_ = chain_link_;
        return true;
    }

    typename Sync::template atomic<std::uint32_t> state_{idle};

private:
    friend class wait_list<Sync>;

    bool end(wake why) noexcept {
        if (!claim(why)) return false;
        help_(*this, chore::forget);
        complete_(*this);
        return true;
    }

    helper help_;
    void (*complete_)(park_node&) noexcept;  // tells the owner
    park_node* next_ = nullptr;              // under the list's mutex; then the claimer's, until it completes the node
    park_node* previous_ = nullptr;          // under the list's mutex
    park_node** chain_link_ = nullptr;       // the claimer's: what points here while it completes what it has claimed
    typename Sync::template atomic<const void*> claimer_{nullptr};  // the thread in whose chain it stands
    bool linked_ = false;                                           // under the list's mutex
    const bool sleeps_;
    wake outcome_ = wake::nudged;
    time_point deadline_ = (time_point::max)();
    std::uint64_t cargo_ = 0;
};

/// The node of a thread that sleeps. It serves one sleep.
template <class Sync>
class thread_node : public park_node<Sync> {
    using base = park_node<Sync>;

public:
    explicit thread_node(typename base::helper helps) noexcept
        : base(
              helps, [](base& self) noexcept { static_cast<thread_node&>(self).parker_.signal(); }, true) {}

    /// Returns when the node is off its list, and nobody else refers to it.
    template <class Clock>
    void sleep(const Clock& clock) noexcept {
        if (this->deadline() == (time_point::max)()) return parker_.sleep();
        if constexpr (rings<Clock>) {
            const alarm_for<Clock> alarm(clock, *this);
            parker_.sleep();
        } else {
            sleep_until_deadline(clock);
        }
    }

private:
    /// Waited in steady time, decided on the clock of the policy, which may lag behind.
    template <class Clock>
    void sleep_until_deadline(const Clock& clock) noexcept {
        while (!parker_.signalled()) {
            const time_point now = clock.now();
            if (now >= this->deadline()) {
                if (!this->claim(wake::timed_out)) return parker_.sleep();  // somebody else decided, and will signal
                return this->help(chore::forget);
            }
            const duration left(
                saturating_sub(this->deadline().time_since_epoch().count(), now.time_since_epoch().count()));
            if (parker_.sleep_until(saturating_add(steady_clock{}.now(), left))) return;
        }
    }

    template <class Clock>
    class alarm_for : clock_alarm {
    public:
        alarm_for(const Clock& clock, thread_node& node) noexcept
            : clock_alarm{node.deadline(),
                          [](clock_alarm& self) noexcept { static_cast<alarm_for&>(self).node_.time_out(); }},
              clock_(clock),
              node_(node) {
            clock_.enlist(*this);
        }
        alarm_for(const alarm_for&) = delete;
        alarm_for& operator=(const alarm_for&) = delete;
        ~alarm_for() { clock_.withdraw(*this); }

    private:
        const Clock& clock_;
        thread_node& node_;
    };

    typename Sync::parker parker_;
};

/// The node of a coroutine or a callback: completed, it is posted to an executor, and goes on there.
///
/// Its end (`leave`) is legal in every state but one. Waiting: the wait is over and nothing runs. Posted or running
/// elsewhere: the end waits until the executor has done with the node, and what has not begun does not begin. Running
/// on this thread: the node may go at once. Posted to an executor on whose own thread it ends would wait for itself: a
/// violation where the executor can tell (executor.hpp). A coroutine is its executor's from when it is resumed: whoever
/// destroys it from elsewhere knows that it is suspended, and that nobody has called `resume`.
template <class Sync>
class async_node : public park_node<Sync>, protected work_link {
    using base = park_node<Sync>;

public:
    /// Armed, and the work that ends the wait has not begun.
    [[nodiscard]] bool pending() const noexcept {
        const std::uint32_t seen = this->state_.load(std::memory_order_acquire) & base::phase;
        return seen != base::idle && seen != base::calling;
    }
    /// As the node's, and also ends a wait that a nudge for nothing, or the callback, would begin again.
    bool cancel() noexcept {
        for (;;) {
            if (base::cancel()) return true;
            std::uint32_t seen = this->state_.load(std::memory_order_acquire);
            const std::uint32_t at = seen & base::phase;
            if (at == base::waiting) continue;
            if (at == base::idle || at == base::calling || (seen & (base::leaving | base::revoked)) != 0) return false;
            if (this->change(seen, seen | base::revoked)) return at == base::rearmed;
        }
    }

protected:
    async_node(typename base::helper helps, work::function body) noexcept
        : base(
              helps, [](base& self) noexcept { static_cast<async_node&>(self).post(); }, false),
          body_(body) {}
    ~async_node() = default;

    void post() noexcept {
        const executor_ref where = where_;  // the node may be gone before post returns
        where.post(work(body_, *this));
    }

    /// On the executor, first. False: the owner is waiting for the node to be let go, so nothing may begin. `gone` is
    /// set when something that the work calls on this thread ends the node.
    [[nodiscard]] bool begin(bool& gone) noexcept {
        runner_.store(Sync::thread_id(), std::memory_order_relaxed);
        gone_ = &gone;
        return (this->state_.fetch_add(base::looking - base::claimed, std::memory_order_acq_rel) & base::leaving) == 0;
    }
    /// On the executor, last: from here on the node is its owner's alone.
    bool finish() noexcept {
        const bool left = (this->state_.exchange(base::idle, std::memory_order_acq_rel) & base::leaving) != 0;
        if (left) leaver_->signal();
        return !left;
    }
    /// The step between them. Returns: the result; or nothing, and then the node waits again or is somebody else's, and
    /// may be gone. `Verb` is a waiting_verb (wait_forms.hpp).
    template <class Verb>
    [[nodiscard]] std::optional<typename Verb::result_type> look(Verb& verb, bool& gone) noexcept {
        if (this->outcome() == wake::granted) return verb.granted(*this);
        if (this->outcome() != wake::nudged) return verb.refused(this->outcome());
        for (;;) {
            auto done = verb.attempt();
            if (gone) return std::nullopt;  // by a callback that the attempt served, and the result with it
            if (done) return done;
            const enlisted how = verb.list().enlist(*this, base::looking, verb.flag());
            if (how == enlisted::waits || how == enlisted::taken) return std::nullopt;
            if (how == enlisted::look_again) {
                if (begin(gone)) {
                    Sync::yield();  // what was seen may still be on its way by a thread that is not running
                    continue;
                }
            } else if ((this->state_.load(std::memory_order_acquire) & base::leaving) == 0) {
                return verb.refused(wake::cancelled);
            }
            finish();
            return std::nullopt;
        }
    }

    /// Before the owner ends the node. `gone`, where it was set, tells the work on this very thread that it has no node
    /// any more.
    void leave() noexcept {
        for (;;) {
            const std::uint32_t seen = this->state_.load(std::memory_order_acquire);
            const std::uint32_t at = seen & base::phase;
            if (at == base::idle) return;
            if (at == base::waiting) {
                if (this->claim(wake::cancelled)) return this->help(chore::forget);
            } else if (at == base::claimed && this->drop_from_own_chain()) {
                return this->help(chore::hand_on);
            } else if (at != base::claimed && runner_.load(std::memory_order_relaxed) == Sync::thread_id()) {
                *gone_ = true;
                return;
            } else {
                PLATEAU_EXPECTS(at != base::claimed || !where_.runs_here(),
                                "a waiter ended on the thread of its executor, where its work is still queued");
                typename Sync::parker until_done;
                leaver_ = &until_done;
                if (this->change(seen, seen | base::leaving)) return until_done.sleep();
            }
        }
    }

    executor_ref where_ = inline_here;
    typename Sync::template atomic<const void*> runner_{nullptr};  // the thread whose work has begun
    bool* gone_ = nullptr;                                         // the runner's

private:
    work::function body_;
    typename Sync::parker* leaver_ = nullptr;  // whoever waits in `leave`
};

}
PLATEAU_NAMESPACE_END
