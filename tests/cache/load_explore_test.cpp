// SPDX-License-Identifier: MIT
// Loads in every interleaving within the bounds, in both modes.
#include "cache/load_scenes.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

using namespace plateau_test;
using namespace plateau_test::load_scenes;

namespace {

using shipped = explored_load;
constexpr const char* room = "cache";

constexpr explore_options medium(const char* name) { return {.name = name, .stale = 1}; }
constexpr explore_options large(const char* name) { return {.name = name, .preemptions = 2, .stale = 1}; }

}  // namespace

TEST_CASE("a key that several ask for is loaded once", "[cache][explore]") {
    explore_all_modes(room, medium("load: two ask"), one_load_for_all<shipped, 2>);
    explore_all_modes(room, {.name = "load: three ask", .preemptions = 1, .stale = 0}, one_load_for_all<shipped, 3>);
    explore_all_modes(room, large("load: two find it stale"), one_refresh_for_all<shipped>);
}

TEST_CASE("a load in the executor is run once, by it or by who needs it", "[cache][explore]") {
    explore_all_modes(room, {.name = "load: queued", .preemptions = 2, .stale = 0}, one_runs_what_is_queued<shipped>);
}

TEST_CASE("what was loaded before a change of its key does not come back after it", "[cache][explore]") {
    explore_all_modes(room, large("load: erase"), change_meets_load<shipped, change::erase>);
    explore_all_modes(room, large("load: clear"), change_meets_load<shipped, change::clear>);
    explore_all_modes(room, large("load: put"), change_meets_load<shipped, change::put>);
    explore_all_modes(room, medium("load: put alone"), put_is_not_overwritten<shipped>);
    explore_all_modes(room, large("refresh: erase"), change_meets_refresh<shipped, change::erase>);
    explore_all_modes(room, large("refresh: clear"), change_meets_refresh<shipped, change::clear>);
    explore_all_modes(room, large("refresh: put"), change_meets_refresh<shipped, change::put>);
}

TEST_CASE("who asks after a change is not given what a load found in the cache before it", "[cache][explore]") {
    explore_one_mode(room, {.name = "load: stored, erase", .stale = 0},
                     change_meets_what_was_stored<shipped, change::erase>);
    explore_one_mode(room, {.name = "load: stored, clear", .stale = 0},
                     change_meets_what_was_stored<shipped, change::clear>);
}

TEST_CASE("a callback that waits for a load meets its end in every way", "[cache][explore]") {
    explore_all_modes(room, medium("load callback: store, cancel"), callback_meets<shipped, store | cancel>);
    explore_all_modes(room, medium("load callback: store, destroy"), callback_meets<shipped, store | destroy>);
    explore_all_modes(room, medium("load callback: store, deadline"), callback_meets<shipped, store | deadline>);
    explore_all_modes(room, medium("load callback: store, erase"), callback_meets<shipped, store | erases>);
    explore_all_modes(room, medium("load callback: drop, cancel"), callback_meets<shipped, drop | cancel>);
    explore_all_modes(room, medium("load callback: drop, destroy"), callback_meets<shipped, drop | destroy>);
    explore_all_modes(room, large("load callback: drop, deadline"), callback_meets<shipped, drop | deadline>);
    explore_all_modes(room, {.name = "load callback: store, deadline, erase", .preemptions = 2, .stale = 0},
                      callback_meets<shipped, store | deadline | erases>);
    explore_all_modes(room, {.name = "load callback: store, deadline, cancel", .preemptions = 2, .stale = 0},
                      callback_meets<shipped, store | deadline | cancel>);
}

TEST_CASE("a thread that waits for a load is served, or leaves in time", "[cache][explore]") {
    explore_all_modes(room, medium("load thread: store"), thread_meets<shipped, store>);
    explore_all_modes(room, large("load thread: store, cancel"), thread_meets<shipped, store | cancel>);
    explore_all_modes(room, large("load thread: store, deadline"), thread_meets<shipped, store | deadline>);
    explore_all_modes(room, large("load thread: cancel, deadline"), thread_meets<shipped, cancel | deadline>);
}

TEST_CASE("an overdue load is let go, and what it brings late is dropped", "[cache][explore]") {
    explore_all_modes(room, medium("load: late"), late_load_is_dropped<shipped>);
}

TEST_CASE("those who wait are no more than may", "[cache][explore]") {
    explore_all_modes(room, large("load: bound of waiters"), waiters_are_bounded<shipped>);
}

TEST_CASE("the end of a cache waits for the tickets that are out", "[cache][explore]") {
    explore_all_modes(room, medium("load: end"), end_meets_waiter<shipped, store>);
    explore_all_modes(room, large("load: end, store, cancel"), end_meets_waiter<shipped, store | cancel>);
    explore_all_modes(room, large("load: end, drop, cancel"), end_meets_waiter<shipped, drop | cancel>);
    explore_all_modes(room, large("load: end, store, destroy"), end_meets_waiter<shipped, store | destroy>);
    explore_all_modes(room, large("load: end, queued"), end_waits_for_the_executor<shipped, true>);
    explore_all_modes(room, large("load: end, carried"), end_waits_for_the_executor<shipped, false>);
}

TEST_CASE("loads that ask for one another in a circle end", "[cache][explore]") {
    explore_all_modes(room, large("load: circle"), circle_of_two<shipped>);
}

TEST_CASE("a coroutine that waits for a load goes on, or is destroyed", "[cache][explore]") {
    explore_all_modes(room, large("load coroutine: store"), coroutine_meets<shipped, false>);
    explore_all_modes(room, large("load coroutine: destroy"), coroutine_meets<shipped, true>);
}
