// SPDX-License-Identifier: MIT
// The parking primitive in every interleaving within the bounds, in both modes.
#include "floor/park_scenarios.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

#include <atomic>

using namespace plateau_test;
using namespace plateau_test::park_scenes;

namespace {

using parts = room_parts<explored_sync>;
constexpr const char* room = "parking";

/// Three preemptions, as everywhere, but one stale read instead of two: where more threads or steps would take minutes.
constexpr explore_options large(const char* name) { return {.name = name, .stale = 1}; }
/// Four threads and a loop.
constexpr explore_options crowded(const char* name) { return {.name = name, .preemptions = 2, .stale = 1}; }

/// Large every night, crowded in between.
explore_options deep(const char* name) { return proof_scale() == 1 ? crowded(name) : large(name); }
/// Crowded every night, without stale reads in between.
explore_options deepest(const char* name) {
    explore_options bounds = crowded(name);
    if (proof_scale() == 1) bounds.stale = 0;
    return bounds;
}

template <unsigned Meets>
void thread_pair(const char* name) {
    explore_all_modes(room, {.name = name}, thread_meets<parts, Meets>);
}
template <unsigned Meets, bool Posted>
void callback_pair(const char* name) {
    explore_all_modes(room, {.name = name}, callback_meets<parts, Meets, Posted>);
}
template <unsigned Meets, bool Posted>
void nudge_pair(const explore_options& bounds) {
    explore_all_modes(room, bounds, nudge_meets<parts, Meets, Posted>);
}

}  // namespace

TEST_CASE("the two permitted shapes of announcing and publishing never miss each other", "[floor][explore]") {
    explore_options unbounded{.name = "one word"};
    unbounded.preemptions = unbounded.stale = explore_options::unbounded;
    explore_all_modes(room, unbounded, one_word<std::memory_order_acq_rel>);
    unbounded.name = "two words";
    explore_all_modes(room, unbounded, two_words<false, std::memory_order_seq_cst, std::memory_order_seq_cst>);
}

TEST_CASE("no other shape is safe, and only the weak mode tells", "[floor][explore]") {
    const auto only_weak = [](const char* name, auto body) {
        CHECK_FALSE(explore({.name = name}, body).failed);
        explore_finds({.name = name, .mode = explore_mode::weak}, "who sleeps is seen", body);
    };
    only_weak("two words by release and acquire",
              two_words<false, std::memory_order_release, std::memory_order_acquire>);
    only_weak("two words modified by acq_rel, then acquired",
              two_words<true, std::memory_order_acq_rel, std::memory_order_acquire>);
    only_weak("two words modified by seq_cst, then read relaxed",
              two_words<true, std::memory_order_seq_cst, std::memory_order_relaxed>);
}

TEST_CASE("a thread's wait meets grant, cancel and deadline, in pairs and all at once", "[floor][explore]") {
    thread_pair<grant>("thread: grant");
    thread_pair<cancel>("thread: cancel");
    thread_pair<deadline>("thread: deadline");
    thread_pair<grant | cancel>("thread: grant, cancel");
    thread_pair<grant | deadline>("thread: grant, deadline");
    thread_pair<cancel | deadline>("thread: cancel, deadline");
    thread_pair<grant | cancel | deadline>("thread: grant, cancel, deadline");
}

TEST_CASE("a thread that ends its own wait at the deadline meets grant, nudge and cancel", "[floor][explore]") {
    explore_all_modes(room, {.name = "late thread"}, late_thread_meets<parts, 0, false>);
    explore_all_modes(room, {.name = "late thread: grant"}, late_thread_meets<parts, grant, false>);
    explore_all_modes(room, {.name = "late thread: cancel"}, late_thread_meets<parts, cancel, false>);
    explore_all_modes(room, large("late thread: nudge"), late_thread_meets<parts, grant, true>);
    explore_all_modes(room, deepest("late thread: grant, cancel"), late_thread_meets<parts, grant | cancel, false>);
    explore_all_modes(room, deepest("late thread: nudge, cancel"), late_thread_meets<parts, grant | cancel, true>);
}

TEST_CASE("a callback's wait meets grant, cancel, deadline and its end, in pairs and triples", "[floor][explore]") {
    callback_pair<grant | cancel, false>("callback: grant, cancel");
    callback_pair<grant | deadline, false>("callback: grant, deadline");
    callback_pair<grant | destroy, false>("callback: grant, destroy");
    callback_pair<cancel | deadline, false>("callback: cancel, deadline");
    callback_pair<deadline | destroy, false>("callback: deadline, destroy");
    callback_pair<grant | cancel | deadline, false>("callback: grant, cancel, deadline");
    callback_pair<grant | deadline | destroy, false>("callback: grant, deadline, destroy");
}

TEST_CASE("a callback's wait on a loop meets grant, cancel, deadline and its end", "[floor][explore]") {
    callback_pair<grant | cancel, true>("posted callback: grant, cancel");
    callback_pair<grant | deadline, true>("posted callback: grant, deadline");
    callback_pair<grant | destroy, true>("posted callback: grant, destroy");
    callback_pair<cancel | deadline, true>("posted callback: cancel, deadline");
    callback_pair<deadline | destroy, true>("posted callback: deadline, destroy");
}

TEST_CASE("a nudge meets cancel and the end of the waiter, and a thread that waits behind it", "[floor][explore]") {
    nudge_pair<0, false>({.name = "nudge: alone"});
    nudge_pair<cancel, false>(large("nudge: cancel"));
    nudge_pair<destroy, false>(large("nudge: destroy"));
    nudge_pair<0, true>(deep("posted nudge: alone"));
    nudge_pair<destroy, true>(deepest("posted nudge: destroy"));
}

TEST_CASE("a nudge meets cancel and deadline of a thread", "[floor][explore]") {
    explore_all_modes(room, {.name = "nudged thread: cancel"}, nudged_thread_meets<parts, cancel>);
    explore_all_modes(room, {.name = "nudged thread: deadline"}, nudged_thread_meets<parts, deadline>);
    explore_all_modes(room, deep("nudged thread: cancel, deadline"), nudged_thread_meets<parts, cancel | deadline>);
}

TEST_CASE("a cancel ends a wait that a nudge for nothing would begin again", "[floor][explore]") {
    explore_all_modes(room, large("nudge for nothing: cancel"), a_nudge_for_nothing_meets_cancel<parts, false>);
    explore_all_modes(room, crowded("posted nudge for nothing: cancel"), a_nudge_for_nothing_meets_cancel<parts, true>);
}

TEST_CASE("a callback that arms its waiter again may meet cancel and the waiter's end", "[floor][explore]") {
    explore_all_modes(room, {.name = "armed again: cancel"},
                      a_callback_that_arms_again_meets_its_end<parts, false, false>);
    explore_all_modes(room, {.name = "armed again: end"}, a_callback_that_arms_again_meets_its_end<parts, false, true>);
    explore_all_modes(room, deep("posted, armed again: cancel"),
                      a_callback_that_arms_again_meets_its_end<parts, true, false>);
    explore_all_modes(room, large("posted, armed again: end"),
                      a_callback_that_arms_again_meets_its_end<parts, true, true>);
    explore_all_modes(room, {.name = "armed again elsewhere"}, a_waiter_is_armed_again_elsewhere<parts>);
}

TEST_CASE("an alarm that a hand clock has reached rings, though the clock is turned back", "[floor][explore]") {
    explore_all_modes(room, {.name = "clock turned back"}, a_clock_is_turned_back<explored_sync>);
}

TEST_CASE("two threads with three operations each, and three with two", "[floor][explore]") {
    explore_all_modes(room, {.name = "tokens, 2 x 3"}, tokens_two_by_three<parts>);
    explore_all_modes(room, large("tokens, 3 x 2"), tokens_three_by_two<parts>);
    explore_all_modes(room, {.name = "mailbox, 2 x 3"}, mailbox_two_by_three<parts>);
    explore_all_modes(room, deep("mailbox, 3 x 2"), mailbox_three_by_two<parts>);
    explore_all_modes(room, {.name = "event count, 2 x 3"},
                      [](scene& s) { event_count_two_by_three<explored_sync>(s); });
    explore_all_modes(room, large("event count, 3 x 2"), [](scene& s) { event_count_three_by_two<explored_sync>(s); });
}

TEST_CASE("who wakes a waiter has done with it and with the room", "[floor][explore]") {
    explore_all_modes(room, {.name = "the room ends with its last waiter"}, the_room_ends_with_its_last_waiter<parts>);
}

TEST_CASE("tokens of cancelled waiters go to those who wait", "[floor][explore]") {
    explore_all_modes(room, large("cancelled waiters pass tokens on"), cancelled_waiters_pass_tokens_on<parts>);
}

TEST_CASE("coroutines wait, go on and end in every order", "[floor][explore]") {
    explore_all_modes(room, {.name = "coroutine: grant"}, coroutine_meets_grant<parts>);
    explore_all_modes(room, {.name = "coroutine: destroy, expire"}, waiting_coroutine_meets_destroy_and_grant<parts>);
}
