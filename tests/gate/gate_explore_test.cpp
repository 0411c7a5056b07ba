// SPDX-License-Identifier: MIT
// The gate in every interleaving within the bounds, in both modes.
#include "gate/gate_scenarios.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

using namespace plateau_test;
using namespace plateau_test::gate_scenes;

namespace {

using shipped = explored_gate;
constexpr const char* room = "gate";

constexpr explore_options large(const char* name) { return {.name = name, .preemptions = 2, .stale = 1}; }

}  // namespace

TEST_CASE("threads come in and go out one at a time", "[gate][explore]") {
    explore_all_modes(room, {.name = "gate: 2 x 2", .stale = 1}, in_and_out<shipped, 2, 2>);
    explore_all_modes(room, large("gate: 2 x 3"), in_and_out<shipped, 2, 3>);
    explore_all_modes(room, large("gate: 3 x 1"), in_and_out<shipped, 3, 1>);
}

TEST_CASE("attempts are refused for want of a place, and for nothing else", "[gate][explore]") {
    explore_all_modes(room, {.name = "gate: attempts"}, attempts_are_exact<shipped>);
}

TEST_CASE("a thread in the queue meets release, cancel, deadline and changed bounds", "[gate][explore]") {
    explore_all_modes(room, {.name = "gate: release"}, thread_meets<shipped, release>);
    explore_all_modes(room, {.name = "gate: release, cancel"}, thread_meets<shipped, release | cancel>);
    explore_all_modes(room, {.name = "gate: release, deadline"}, thread_meets<shipped, release | deadline>);
    explore_all_modes(room, large("gate: cancel, deadline"), thread_meets<shipped, cancel | deadline>);
    explore_all_modes(room, {.name = "gate: shrink"}, thread_meets<shipped, shrink>);
    explore_all_modes(room, {.name = "gate: raise"}, thread_meets<shipped, widen>);
    explore_all_modes(room, large("gate: release, raise"), thread_meets<shipped, release | widen>);
    explore_all_modes(room, large("gate: release, halt"), thread_meets<shipped, release | halt>);
    explore_all_modes(room, large("gate: release, tighten"), thread_meets<shipped, release | tighten>);
}

TEST_CASE("a heavy request gives up in every way while a permit comes back", "[gate][explore]") {
    explore_all_modes(room, {.name = "heavy: cancel"}, heavy_then_light<shipped, release | cancel>);
    explore_all_modes(room, {.name = "heavy: deadline"}, heavy_then_light<shipped, release | deadline>);
    explore_all_modes(room, {.name = "heavy: destroy"}, heavy_then_light<shipped, release | destroy>);
    explore_all_modes(room, large("heavy: cancel, deadline"), heavy_then_light<shipped, release | cancel | deadline>);
}

TEST_CASE("permits that come back at the same time go to those who wait, in order", "[gate][explore]") {
    explore_all_modes(room, {.name = "gate: order", .stale = 1}, first_come_first_served<shipped>);
}

TEST_CASE("a drain meets the last permit, a waiter and the opening of the gate", "[gate][explore]") {
    explore_all_modes(room, large("drain: release"), drain_meets_release<shipped, false>);
    explore_all_modes(room, large("drain: resume"), drain_meets_release<shipped, true>);
    explore_all_modes(room, large("drain: waiter"), resume_lets_in_who_waits<shipped>);
    explore_all_modes(room, large("drain: two, release, cancel"), two_drain<shipped, release | cancel>);
    explore_all_modes(room, large("drain: two, release, deadline"), two_drain<shipped, release | deadline>);
}

TEST_CASE("the end of a gate meets permits that come back and waiters that leave", "[gate][explore]") {
    explore_all_modes(room, {.name = "end: release"}, end_meets<shipped, release>);
    explore_all_modes(room, {.name = "end: cancel"}, end_meets<shipped, cancel>);
    explore_all_modes(room, {.name = "end: destroy"}, end_meets<shipped, destroy>);
    explore_all_modes(room, large("end: release, cancel"), end_meets<shipped, release | cancel>);
    explore_all_modes(room, large("end: release, destroy"), end_meets<shipped, release | destroy>);
    explore_all_modes(room, large("end: sleeper, deadline"), end_meets_sleeper<shipped, deadline>);
    explore_all_modes(room, large("end: sleeper, release"), end_meets_sleeper<shipped, release>);
    explore_all_modes(room, {.name = "end: permits"}, the_last_frees<shipped>);
    explore_all_modes(room, {.name = "end: arming, free"}, end_meets_arming<shipped, true, false>);
    explore_all_modes(room, {.name = "end: arming, full"}, end_meets_arming<shipped, false, false>);
    explore_all_modes(room, large("end: arming, free, posted"), end_meets_arming<shipped, true, true>);
    explore_all_modes(room, large("end: arming, full, posted"), end_meets_arming<shipped, false, true>);
    explore_all_modes(room, large("end: arming again"), end_meets_arming_again<shipped>);
}
