// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/park.hpp>
#include <plateau/executor.hpp>
#include <plateau/fwd.hpp>
#include <plateau/sync.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

namespace detail {

template <class Verb, class F, class Sync>
class callback_wait;

/// The part of a waiter that does not know its callback: the operation it is armed with, and how to go on with it.
template <class Sync>
class callback_node : public async_node<Sync> {
    using base = async_node<Sync>;
    template <class, class, class>
    friend class callback_wait;

protected:
    /// What is done with an armed waiter, for one kind of operation and callback. `step`, on the executor: serves it,
    /// and answers whether the callback has armed it again. `enlist`: announces it.
    struct operation {
        bool (*step)(callback_node&, bool& gone) noexcept;
        enlisted (*enlist)(callback_node&, std::uint32_t from) noexcept;
        void (*help)(park_node<Sync>&, chore) noexcept;
        void (*drop)(callback_node&) noexcept;
    };

    callback_node() noexcept : base(nullptr, &drive) {}
    ~callback_node() = default;

    template <class Verb>
    void set(const Verb& verb, const operation& how, executor_ref where) noexcept {
        static_assert(std::is_trivially_copyable_v<Verb> && sizeof(Verb) <= sizeof verb_ &&
                      alignof(Verb) <= alignof(void*));
        ::new (static_cast<void*>(verb_)) Verb(verb);
        how_ = &how;
        this->set_helper(how.help);
        this->where_ = where;
    }
    template <class Verb>
    [[nodiscard]] Verb& verb() noexcept {
        return *std::launder(reinterpret_cast<Verb*>(verb_));
    }

    /// While its callback runs it is armed when that returns: the callback is not running twice at a time, and a chain
    /// of callbacks takes no stack.
    void arm() noexcept {
        std::uint32_t seen = this->state_.load(std::memory_order_acquire);
        while ((seen & base::phase) == base::calling)
            if (this->state_.compare_exchange_weak(seen, base::rearmed | (seen & base::leaving),
                                                   std::memory_order_acq_rel, std::memory_order_acquire))
                return;
        const enlisted how = how_->enlist(*this, base::idle);
        PLATEAU_EXPECTS(how != enlisted::ended, "a waiter waits for one thing at a time");
        if (how == enlisted::look_again) this->post();
    }
    /// Runs the callback. Returns: whether the waiter was armed again meanwhile; if not, it may be gone.
    template <class Call>
    [[nodiscard]] bool run_callback(Call call, const bool& gone) noexcept {
        this->state_.fetch_add(base::calling - base::looking, std::memory_order_acq_rel);
        call();
        if (gone) return false;
        std::uint32_t seen = this->state_.load(std::memory_order_acquire);
        while ((seen & base::leaving) == 0 && (seen & base::phase) == base::calling)
            if (this->state_.compare_exchange_weak(seen, base::idle, std::memory_order_acq_rel,
                                                   std::memory_order_acquire))
                return false;
        if ((seen & base::leaving) == 0) return true;
        if ((seen & base::phase) == base::rearmed) how_->drop(*this);
        this->finish();
        return false;
    }

    /// Before the owner ends it.
    void leave() noexcept {
        // Armed again by the callback that ends it now: that wait does not begin.
        const bool unbegun = (this->state_.load(std::memory_order_acquire) & base::phase) == base::rearmed &&
                             this->runner_.load(std::memory_order_relaxed) == Sync::thread_id();
        base::leave();
        if (unbegun) how_->drop(*this);
    }

private:
    static void drive(work_link& link) noexcept {
        auto& self = static_cast<callback_node&>(link);
        bool gone = false;
        while (self.how_->step(self, gone)) {
            enlisted how = self.how_->enlist(self, base::rearmed);
            if (how == enlisted::ended) {
                if (!self.claim_revoked()) {
                    self.how_->drop(self);
                    self.finish();
                    return;
                }
                how = enlisted::look_again;
            }
            if (how != enlisted::look_again) return;
            if (!self.where_.is_inline()) return self.post();
        }
    }

    const operation* how_ = nullptr;
    alignas(void*) std::byte verb_[64];
};

}

/// A callback and the memory of one wait, both the caller's: what `x_then` takes, so that it allocates nothing.
///
/// `f(result) noexcept` runs exactly once for each time the waiter is armed, on the executor that was given with it:
/// when it was served, or refused, or cancelled. It may arm the waiter again, and it may end it. A waiter waits for one
/// thing at a time: to arm it while it waits is a violation. On the inline executor `f` runs inside the call that
/// serves it, and what that `f` serves inside of it: a chain of callbacks that serve one another takes stack for each.
///
/// `~waiter` cancels without a call: from its first moment `f` does not begin, and when it returns `f` is not running
/// (inside `f` itself: it returns at once). What the waiter was just being served goes to another, unless the operation
/// that serves it calls the callback which ends it. It blocks while its work is queued in the executor, and while `f`
/// runs: never end a waiter under a lock that any callback takes. On that executor's own thread this would be for ever,
/// and is a violation where the executor can tell.
/// Thread safety: `cancel` and `waiting` from any thread; arming and the end by one. What it waits for outlives the
/// wait.
template <class F, class Sync>
class waiter : detail::callback_node<Sync> {
    using base = detail::callback_node<Sync>;

public:
    explicit waiter(F f) noexcept(std::is_nothrow_move_constructible_v<F>) : function_(std::move(f)) {}
    ~waiter() { this->leave(); }

    /// Effects: ends the wait; `f` is told `cancelled`, through the executor. Returns: false if it had ended already,
    /// or is being served just now: then `f` is told what comes first.
    bool cancel() noexcept { return base::cancel(); }
    /// Armed, and `f` not yet called.
    [[nodiscard]] bool waiting() const noexcept { return this->pending(); }

private:
    template <class, class, class>
    friend class detail::callback_wait;

    F function_;
};

template <class F>
waiter(F) -> waiter<F>;

PLATEAU_NAMESPACE_END
