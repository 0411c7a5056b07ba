// SPDX-License-Identifier: MIT
// Defects of gates: those that others have shipped, and those that this design invites.
#include "gate/gate_checks.hpp"
#include "gate/gate_scenarios.hpp"
#include "seeded_bugs/explored_bug.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <cstdint>

using namespace plateau_test;
namespace detail = plateau::detail;
using plateau::shed_reason;

namespace {

// ---- in and out

struct looks_then_goes_in : explored_gate {};
struct passes_who_waits : plateau::gate_policies {};
struct queues_everybody : plateau::gate_policies {};

// ---- wake-ups

struct sleeps_without_a_second_look : explored_gate {};
struct leaves_without_a_word : explored_gate {};
struct raises_without_a_word : explored_gate {};
struct resumes_without_a_word : explored_gate {};
struct shrinks_without_a_word : plateau::gate_policies {
    struct sync : plateau::default_sync {};
};

// ---- permits

struct loses_what_it_took_for_a_leaver : explored_gate {};
struct gives_back_before_it_looks : explored_gate {};
struct forgets_who_is_on_his_way : explored_gate {};

}  // namespace

/// The bounds are looked at, and then the permit is added.
template <>
shed_reason detail::gate_block<looks_then_goes_in>::take(std::uint64_t bytes) noexcept {
    const std::uint64_t seen = this->word.load(std::memory_order_relaxed);
    if ((seen & gate_word::flags) != 0 || !gate_word::fits(seen, bytes, limit(), max_bytes())) return why_not(seen);
    this->word.fetch_add(gate_word::one + bytes, std::memory_order_acq_rel);
    return shed_reason::none;
}

/// folly: the fast path does not ask whether somebody waits, so that a heavy request is overtaken without end.
template <>
shed_reason detail::gate_block<passes_who_waits>::take(std::uint64_t bytes) noexcept {
    std::uint64_t seen = this->word.load(std::memory_order_relaxed);
    for (;;) {
        if ((seen & gate_word::shut) != 0 || !gate_word::fits(seen, bytes, limit(), max_bytes())) return why_not(seen);
        if (this->word.compare_exchange_weak(seen, seen + gate_word::one + bytes)) return shed_reason::none;
    }
}

/// A queue without a bound.
template <>
shed_reason detail::gate_block<queues_everybody>::why_it_may_not_wait(shed_reason found) const noexcept {
    return found == shed_reason::limit || found == shed_reason::bytes ? shed_reason::none : found;
}
template <>
bool detail::gate_block<queues_everybody>::announce(std::uint64_t) noexcept {
    this->word.fetch_or(gate_word::waiters, std::memory_order_acq_rel);
    queued_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

/// Netflix/concurrency-limits: enqueued after the failed attempt, without a second look.
template <>
bool detail::gate_block<sleeps_without_a_second_look>::announce(std::uint64_t) noexcept {
    this->word.fetch_or(gate_word::waiters, std::memory_order_acq_rel);
    queued_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

/// golang/go#37852: the first in the queue leaves, and those behind it that fit stay asleep.
template <>
void detail::gate_block<leaves_without_a_word>::leave(node& gone) noexcept {
    session in(queue, queue_flag{this});
    if (in.take_off(gone)) queued_.fetch_sub(1, std::memory_order_release);
}

template <>
void detail::gate_block<raises_without_a_word>::set_limit(std::uint32_t permits) noexcept {
    bound_.store(permits, std::memory_order_seq_cst);
}

template <>
void detail::gate_block<resumes_without_a_word>::resume() noexcept {
    this->word.fetch_and(~gate_word::draining, std::memory_order_acq_rel);
    drains.nudge(SIZE_MAX, drain_flag{this});
}

template <>
void detail::gate_core<shrinks_without_a_word::sync>::release_bytes(std::uint64_t bytes) noexcept {
    word.fetch_sub(bytes, std::memory_order_acq_rel);
}

/// failsafe-lib/failsafe#393: a permit that was taken for somebody who had just given up is nobody's.
template <>
void detail::gate_block<loses_what_it_took_for_a_leaver>::serve(session& in, std::uint64_t& own) noexcept {
    for (node* at = in.front(); at != nullptr;) {
        node& head = *at;
        at = in.next(head);
        std::uint32_t out = 0;
        if (!trade(own, gate_cargo::bytes(head.cargo()), out)) break;
        own = 0;
        if (in.try_claim(head, wake::granted)) queued_.fetch_sub(1, std::memory_order_release);
    }
    if (own == 0 || in.front() == nullptr) return;
    this->word.fetch_sub(own, std::memory_order_acq_rel);
    own = 0;
}

/// The permit is given back first, and with it the right to touch what it held.
template <>
void detail::gate_block<gives_back_before_it_looks>::release_slowly(std::uint64_t own) noexcept {
    const std::uint64_t seen = this->word.fetch_sub(own, std::memory_order_acq_rel);
    if ((seen & gate_word::waiters) != 0) serve();
    if ((seen & gate_word::orphaned) != 0 && gate_word::count(seen) == 1) end_party();
}

/// The gate's end finds those who are linked, and them only: one that was let in and is posted comes to what is gone.
template <>
void detail::admit_verb<detail::gate_block<forgets_who_is_on_his_way>>::announce(node& own) noexcept {
    own.set_deadline(end_of_wait());
    own.set_cargo(gate_cargo::bytes(bytes_));
}

TEST_CASE("defects of who comes in are noticed", "[gate][seeded]") {
    expect_killed({"F6", "the bounds are looked at before a permit is added, and not while",
                   "gate: attempts are refused for want of a place, and for nothing else", "no more is declared",
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded: attempts", .stale = 1},
                                    gate_scenes::attempts_are_exact<looks_then_goes_in>);
                   }});
    expect_killed({"F8", "newcomers pass who waits", "gate: a newcomer does not pass a request that waits",
                   "a light newcomer", nobody_passes_who_waits<passes_who_waits>});
    expect_killed({"F11", "the queue has no bound", "gate: a full queue refuses the newcomer, and nobody who waits",
                   "the length of a full queue", a_full_queue_refuses_the_newcomer<queues_everybody>});
}

TEST_CASE("defects of waking are noticed", "[gate][seeded]") {
    expect_killed({"F7", "who announces himself does not look again",
                   "gate: a thread in the queue meets release, cancel, deadline and changed bounds",
                   "no runnable thread", [](shared_check& check) {
                       explore_into(check, {.name = "seeded: second look", .stale = 1},
                                    gate_scenes::thread_meets<sleeps_without_a_second_look, gate_scenes::release>);
                   }});
    expect_killed({"F7", "who leaves the queue does not wake those behind him",
                   "gate: a heavy request gives up in every way while a permit comes back", "who fits goes on",
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded: leaver", .stale = 1},
                                    gate_scenes::heavy_then_light<leaves_without_a_word, gate_scenes::cancel>);
                   }});
    expect_killed({"F7", "a raised limit wakes nobody",
                   "gate: a thread in the queue meets release, cancel, deadline and changed bounds",
                   "no runnable thread", [](shared_check& check) {
                       explore_into(check, {.name = "seeded: limit", .stale = 1},
                                    gate_scenes::thread_meets<raises_without_a_word, gate_scenes::shrink>);
                   }});
    expect_killed({"F7", "a gate that opens again forgets who waits",
                   "gate: a drain meets the last permit, a waiter and the opening of the gate", "who waits is let in",
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded: resume", .stale = 1},
                                    gate_scenes::resume_lets_in_who_waits<resumes_without_a_word>);
                   }});
    expect_killed({"F7", "bytes that are given back early wake nobody",
                   "gate: bytes that a permit gives back early are there for others", "who fits now",
                   bytes_given_back_early_let_others_in<shrinks_without_a_word>});
}

TEST_CASE("defects of permits are noticed", "[gate][seeded]") {
    expect_killed({"F2", "a permit that was taken for a leaver is lost",
                   "gate: a heavy request gives up in every way while a permit comes back", "who fits goes on",
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded: lost permit", .stale = 1},
                                    gate_scenes::heavy_then_light<loses_what_it_took_for_a_leaver,
                                                                  gate_scenes::release | gate_scenes::cancel>);
                   }});
    expect_killed({"F10", "a permit is given back before the queue is looked into",
                   "gate: the end of a gate meets permits that come back and waiters that leave", "after its end",
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded: early return", .stale = 1},
                                    gate_scenes::end_meets<gives_back_before_it_looks, gate_scenes::release>);
                   }});
    expect_killed({"F10", "a gate ends before who is on his way into its queue",
                   "gate: the end of a gate meets permits that come back and waiters that leave", "after its end",
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded: on his way", .stale = 1},
                                    gate_scenes::end_meets_arming<forgets_who_is_on_his_way, true, false>);
                   }});
}
