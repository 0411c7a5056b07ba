// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/park.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/gate/admission.hpp>
#include <plateau/gate/block.hpp>
#include <plateau/gate/options.hpp>
#include <plateau/gate/word.hpp>

#include <climits>
#include <cstdint>
#include <optional>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// `admit` as the forms of waiting know it (wait_forms.hpp). A grant carries the permit, or a refusal that whoever
/// holds the queue has decided: either way nothing of the gate is touched to read it, which may have ended.
template <class Block>
class admit_verb {
public:
    using sync = typename Block::sync;
    using result_type = typename Block::admission;
    using node = park_node<sync>;

    /// A gate is busy for as long as requests take: it is not worth a spin.
    static constexpr unsigned patience = UINT_MAX;

    admit_verb(Block& block, const admit_options& asked, duration wait) noexcept
        : block_(&block), bytes_(asked.bytes), deadline_(asked.deadline), wait_(wait) {}

    /// When the wait ends that begins now. The clock is read where there is an end.
    [[nodiscard]] time_point end_of_wait() noexcept {
        if (wait_ == forever) return end_of_wait((time_point::max)());
        const duration wait = wait_ > duration::zero() ? wait_ : duration::zero();
        return end_of_wait(saturating_add(block_->time_source().now(), wait));
    }
    [[nodiscard]] time_point end_of_wait(time_point wait_ends) noexcept {
        by_deadline_ = deadline_ <= wait_ends && deadline_ != (time_point::max)();
        return deadline_ < wait_ends ? deadline_ : wait_ends;
    }

    std::optional<result_type> attempt() noexcept {
        queued_ = false;
        std::optional<result_type> done = look();
        if (done) let_go();
        return done;
    }

    struct flag_of_request {
        admit_verb* verb;
        bool raise() const noexcept {
            verb->queued_ = verb->block_->announce(verb->bytes_);
            if (verb->queued_) verb->let_go();  // from here on the gate's end looks for it
            return verb->queued_;
        }
        void lower() const noexcept { verb->block_->queue_is_empty(); }
    };
    [[nodiscard]] wait_list<sync>& list() noexcept { return block_->queue; }
    [[nodiscard]] flag_of_request flag() noexcept { return {this}; }

    void announce(node& own) noexcept {
        if (!std::exchange(holds_, true)) block_->hold();
        if (own.deadline() == (time_point::max)()) own.set_deadline(end_of_wait());
        // More bytes than the word can hold are more than any budget: such a request is never linked.
        own.set_cargo(gate_cargo::bytes(bytes_) | (by_deadline_ ? gate_cargo::by_deadline : 0));
    }
    void forget(node& own) noexcept {
        block_->leave(own);
        if (!holds_) return;
        // It was claimed on its way into the queue, which did not take it.
        static_cast<void>(block_->refuse(why_it_left(own.outcome())));
        queued_ = true;
        let_go();
    }
    void drop() noexcept { let_go(); }

    [[nodiscard]] result_type granted(node& own) noexcept {
        if ((own.cargo() & gate_cargo::refused) == 0) return result_type(*block_, gate_cargo::bytes(own.cargo()));
        const shed_reason why = gate_cargo::reason(own.cargo());
        return result_type(why, why == shed_reason::closed ? nullptr : block_);
    }
    [[nodiscard]] result_type refused(wake how) noexcept {
        const shed_reason why = why_it_left(how);
        if (!queued_) static_cast<void>(block_->refuse(why));  // else counted by whoever took it off the queue
        let_go();
        return result_type(why, block_);
    }
    void hand_on(node& own) noexcept {
        let_go();
        if (own.outcome() == wake::granted && (own.cargo() & gate_cargo::refused) == 0)
            block_->release(gate_word::one + gate_cargo::bytes(own.cargo()));
    }

private:
    [[nodiscard]] std::optional<result_type> look() noexcept {
        const shed_reason why = block_->take(bytes_);
        if (why == shed_reason::none) return result_type(*block_, bytes_);
        if (holds_ && block_->has_ended()) return result_type(shed_reason::closed, nullptr);
        const shed_reason final_answer = block_->why_it_may_not_wait(why);
        if (final_answer == shed_reason::none) return std::nullopt;
        return block_->refuse(final_answer);
    }
    [[nodiscard]] shed_reason why_it_left(wake how) const noexcept {
        return Block::why_it_left(how, by_deadline_ ? gate_cargo::by_deadline : 0);
    }
    void let_go() noexcept {
        if (std::exchange(holds_, false)) block_->end_party();
    }

    Block* block_;
    std::uint64_t bytes_;
    time_point deadline_;
    duration wait_;
    bool by_deadline_ = false;
    bool queued_ = false;  // its last announcement linked it
    bool holds_ = false;   // on its way into the queue, or past it to be told: the block stays, though the gate may go
};

/// `drain`: waits until no permit is out, or the gate is open again.
template <class Block>
class drain_verb {
public:
    using sync = typename Block::sync;
    using result_type = drain_result;
    using node = park_node<sync>;

    static constexpr unsigned patience = UINT_MAX;

    explicit drain_verb(Block& block) noexcept : block_(&block) {}

    std::optional<result_type> attempt() noexcept {
        const result_type now = look(drain_reason::timed_out);
        if (now.reason() == drain_reason::timed_out) return std::nullopt;
        return now;
    }

    struct flag_of_drain {
        Block* block;
        bool raise() const noexcept { return block->stays_occupied(); }
        static void lower() noexcept {}
    };
    [[nodiscard]] wait_list<sync>& list() noexcept { return block_->drains; }
    [[nodiscard]] flag_of_drain flag() noexcept { return {block_}; }

    [[nodiscard]] result_type granted(node&) noexcept { return {}; }
    [[nodiscard]] result_type refused(wake how) noexcept {
        return look(how == wake::cancelled ? drain_reason::cancelled : drain_reason::timed_out);
    }
    static void hand_on(node&) noexcept {}  // it is told, and not given: everybody who waits for it is

private:
    /// What one look at the word says; `occupied` while permits are out of a draining gate.
    [[nodiscard]] result_type look(drain_reason occupied) const noexcept {
        const std::uint64_t seen = block_->word.load(std::memory_order_acquire);
        if ((seen & gate_word::draining) == 0) return {drain_reason::resumed, gate_word::count(seen)};
        if (gate_word::count(seen) == 0) return {};
        return {occupied, gate_word::count(seen)};
    }

    Block* block_;
};

}
PLATEAU_NAMESPACE_END
