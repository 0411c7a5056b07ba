// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/executor.hpp>
#include <plateau/fwd.hpp>
#include <plateau/gate/admission.hpp>
#include <plateau/gate/block.hpp>
#include <plateau/gate/options.hpp>
#include <plateau/gate/policies.hpp>
#include <plateau/gate/stats.hpp>
#include <plateau/gate/verbs.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// The door of a service: so many requests at once, so many bytes, a short queue; the rest is told when to come back.
///
/// Promise      at no moment are more than `max_in_flight` permits out, or more than `max_bytes` declared by their
///              holders (after a bound was lowered: from when enough have come back). A request is refused only if it
///              did not fit at that moment, or somebody waited before it.
/// Queue        first come, first served, at most `max_queue` requests. While somebody waits nobody passes him: who
///              comes with a light request waits behind a heavy one, for as long as that one's own wait lasts at most.
///              A permit that comes back passes to the first in the queue: who is woken has it.
/// Refusals     `admission` says why, and what to answer: 503 and in how long to come back, or 413. `try_admit`: limit,
///              bytes, too_large, draining. The waiting forms: queue_full in place of the first two (where there is a
///              queue), timed_out, deadline, cancelled, closed. With a free place a request is admitted whatever its
///              deadline and its stop token say.
/// Lifetime     permits may outlive the gate. Whoever waits when it ends is told `closed`, also one that has yet to be
///              told on its executor; nobody may be on his way into a call, and nobody may wait in `drain`.
/// Memory       one allocation, in the constructor. Who waits brings his own node.
///
/// I1  the word's flag says whether somebody is in the queue.      I2  `queued` is how many.
/// I3  without permits no bytes are declared.                      I4  the first in the queue does not fit.
///
/// Progress: `try_admit` and a permit's end are lock-free; while somebody waits, a permit's end takes the mutex of the
/// queue. Throws: nothing but the constructor. Thread safety: any thread, for every member.
template <class Policies>
class basic_gate {
    using block = detail::gate_block<Policies>;
    using admit_verb = detail::admit_verb<block>;
    using drain_verb = detail::drain_verb<block>;
    using sync = typename Policies::sync;

public:
    using options = gate_options;
    using policies = Policies;
    using permit_type = basic_permit<sync>;
    using admission_type = basic_admission<sync>;
    template <class F>
    using waiter_type = waiter<F, sync>;

    /// `parts`: a limit and a retry are copied; a clock is referred to and outlives the gate.
    /// Throws: std::invalid_argument, std::bad_alloc.
    template <class... Parts>
    explicit basic_gate(const gate_options& chosen, Parts&&... parts)
        : block_(new block(chosen, std::forward<Parts>(parts)...)) {}
    basic_gate(const basic_gate&) = delete;
    basic_gate& operator=(const basic_gate&) = delete;
    /// Blocks: until who was about to leave the queue by himself has left it.
    ~basic_gate() { block_->end(); }

    // ---- come in

    /// Effects: takes a place if one is free. Complexity: O(1): one exchange, or none when it is refused.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE admission_type try_admit(admit_options asked = {}) noexcept {
        const shed_reason why = block_->take(asked.bytes);
        if (why == shed_reason::none) [[likely]]
            return admission_type(*block_, asked.bytes);
        return block_->refuse(why);
    }

    /// Effects: waits in the queue for a place, at most `max_wait`, and not beyond the request's own deadline.
    /// Blocks: so long. Ends when admitted, too late, stopped, or told that the gate drains or ends.
    template <stoppable_token Token = never_stop_token>
    [[nodiscard]] admission_type admit(admit_options asked = {}, const Token& stop = {}) {
        return admit_within(asked, block_->max_wait(), stop);
    }
    /// The same with a bound of its own, in place of `max_wait`.
    template <stoppable_token Token = never_stop_token>
    [[nodiscard]] admission_type admit_for(admit_options asked, duration length, const Token& stop = {}) {
        return admit_within(asked, length, stop);
    }
    template <stoppable_token Token = never_stop_token>
    [[nodiscard]] admission_type admit_until(admit_options asked, time_point until, const Token& stop = {}) {
        if (block_->take(asked.bytes) == shed_reason::none) [[likely]]
            return admission_type(*block_, asked.bytes);
        admit_verb verb(*block_, asked, forever);
        return wait_for_place(verb, verb.end_of_wait(until), stop);
    }
    /// The same for a coroutine, on `where`. Deadlines are kept by whoever calls `expire`.
    [[nodiscard]] auto async_admit(admit_options asked, executor_ref where) noexcept {
        return detail::wait_awaitable<admit_verb>(admit_verb(*block_, asked, block_->max_wait()), where);
    }
    /// The same for a callback `f(admission) noexcept`. On the inline executor it runs inside the call that lets it in;
    /// one that gives its permit back at once lets the next in inside of itself, and so on down the queue: some 400
    /// bytes of stack for each. Where many may wait, `where` is an executor that queues.
    template <class F>
    void admit_then(waiter<F, sync>& node, admit_options asked = {}, executor_ref where = inline_here) noexcept {
        detail::wait_then(node, admit_verb(*block_, asked, block_->max_wait()), where);
    }

    /// The earliest deadline of anybody who waits: for whoever calls `expire`. Complexity: linear in those who wait.
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept { return block_->next_deadline(); }
    /// Effects: ends the waits whose deadline is reached. Returns: how many. Complexity: linear in those who wait.
    std::size_t expire(time_point now) noexcept { return block_->expire(now); }

    // ---- bounds

    /// Effects: a higher bound lets waiters in; a lower one takes nothing back: less are out as permits return. 0 is a
    /// pause. More than 2^20 - 1 counts as that.
    void set_limit(std::uint32_t permits) noexcept { block_->set_limit(permits); }
    /// The same for bytes. 0: only requests that declare nothing are admitted. A waiter that fits no more is told
    /// too_large when it is its turn.
    void set_max_bytes(std::size_t bytes) noexcept { block_->set_max_bytes(bytes); }

    // ---- drain

    /// Effects: refuses everybody from here on, who waits included, and waits until no permit is out. Whoever holds one
    /// himself waits for himself.
    /// Blocks: so long; until stopped, or opened again by `resume`. The gate goes on draining in any case.
    template <stoppable_token Token = never_stop_token>
    drain_result drain(const Token& stop = {}) {
        return drain_within(detail::patience_limit(), stop);
    }
    template <stoppable_token Token = never_stop_token>
    drain_result drain_for(duration length, const Token& stop = {}) {
        return drain_within(detail::patience_limit(length), stop);
    }
    template <stoppable_token Token = never_stop_token>
    drain_result drain_until(time_point until, const Token& stop = {}) {
        return drain_within(detail::patience_limit(until), stop);
    }
    /// The gate drains from this call on, not only from when it is awaited.
    [[nodiscard]] auto async_drain(executor_ref where) noexcept {
        block_->begin_drain();
        return detail::wait_awaitable<drain_verb>(drain_verb(*block_), where);
    }
    /// For a callback `f(drain_result) noexcept`.
    template <class F>
    void drain_then(waiter<F, sync>& node, executor_ref where = inline_here) noexcept {
        block_->begin_drain();
        detail::wait_then(node, drain_verb(*block_), where);
    }
    /// Effects: takes requests again.
    void resume() noexcept { block_->resume(); }

    // ---- read out

    [[nodiscard]] std::uint32_t limit() const noexcept { return block_->limit(); }
    /// `unlimited` where 2^41 - 1, which is what the gate can count, or more was asked for.
    [[nodiscard]] std::size_t max_bytes() const noexcept { return block_->max_bytes(); }
    /// Each figure as it was at some moment during the call; `in_flight` and `bytes` at the same.
    [[nodiscard]] gate_stats stats() const noexcept { return block_->stats(); }
    /// Of the gate itself. What its permits' holders may hold is their own: `memory_plan::add_admitted` says it.
    [[nodiscard]] std::size_t memory_ceiling() const noexcept { return sizeof(*this) + sizeof(block); }
    /// While no other thread is in a call.
    void check_invariants() const noexcept { block_->check_invariants(); }

private:
    template <class Token>
    PLATEAU_ALWAYS_INLINE admission_type admit_within(const admit_options& asked, duration wait, const Token& stop) {
        if (block_->take(asked.bytes) == shed_reason::none) [[likely]]
            return admission_type(*block_, asked.bytes);
        admit_verb verb(*block_, asked, wait);
        return wait_for_place(verb, verb.end_of_wait(), stop);
    }
    template <class Token>
    PLATEAU_COLD admission_type wait_for_place(admit_verb& verb, time_point until, const Token& stop) {
        if (auto done = verb.attempt()) return *std::move(done);
        return detail::wait_after_miss(verb, stop, block_->time_source(), detail::patience_limit(until));
    }
    template <class Token>
    drain_result drain_within(detail::patience_limit limit, const Token& stop) {
        block_->begin_drain();
        return detail::wait_on_thread(drain_verb(*block_), stop, block_->time_source(), limit);
    }

    block* block_;  // owned together with the permits
};

template <class... Parts>
basic_gate(const gate_options&, Parts&&...) -> basic_gate<>;

PLATEAU_NAMESPACE_END
