// SPDX-License-Identifier: MIT
// The queue in every interleaving within the bounds, in both modes.
#include "channel/queue_scenes.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

using namespace plateau_test;
using namespace plateau_test::queue_scenes;

namespace {

constexpr const char* room = "channel";
/// Three preemptions, as everywhere, but one stale read instead of two: where more threads or steps would take minutes.
constexpr explore_options large(const char* name) { return {.name = name, .stale = 1}; }
/// Four threads and a loop.
constexpr explore_options crowded(const char* name) { return {.name = name, .preemptions = 2, .stale = 1}; }
/// Five threads, or two that nap beside each other.
constexpr explore_options packed(const char* name) { return {.name = name, .preemptions = 1, .stale = 1}; }

}  // namespace

TEST_CASE("nobody sleeps at an edge of the queue beside what it waits for", "[channel][explore]") {
    explore_all_modes(room, {.name = "queue: one slot", .stale = 1}, one_slot<explored>);
    explore_all_modes(room, packed("queue: two producers, one slot"), two_producers<explored, 1>);
    explore_all_modes(room, crowded("queue: two producers, three slots"), two_producers<explored, 3>);
    explore_all_modes(room, packed("queue: two consumers, one slot"), two_consumers<explored, 1>);
    explore_all_modes(room, crowded("queue: two consumers, two slots"), two_consumers<explored, 2>);
    explore_all_modes(room, crowded("queue: two by two"), two_by_two<explored>);
}

TEST_CASE("a close loses no item that was taken in, and an abort leaves none", "[channel][explore]") {
    explore_all_modes(room, crowded("queue: close meets push"), close_meets_push<explored>);
    explore_all_modes(room, large("queue: close meets full"), close_meets_full<explored>);
    explore_all_modes(room, crowded("queue: abort meets all"), abort_meets_all<explored>);
    explore_all_modes(room, crowded("queue: two aborts"), two_aborts<explored>);
    explore_all_modes(room, large("queue: coroutine, abort"), coroutine_consumer<explored, true>);
    explore_all_modes(room, crowded("queue: coroutine, close, expire"), coroutine_consumer<explored, false>);
}

TEST_CASE("a wait that ends as it is woken passes on what it was woken for", "[channel][explore]") {
    explore_all_modes(room, crowded("queue: cancelled consumer"), cancelled_consumer<explored>);
    explore_all_modes(room, packed("queue: beside an unwritten item"), woken_beside_an_unwritten_item<explored>);
    explore_all_modes(room, packed("queue: woken consumer ends"), woken_consumer_ends<explored>);
    explore_one_mode(room, packed("queue: woken producer ends"), woken_producer_ends<explored>);
    explore_all_modes(room, crowded("queue: cancelled producer"), cancelled_producer<explored>);
    explore_all_modes(room, crowded("queue: callback cancelled"), callback_consumer<explored, leaves::cancelled>);
    explore_all_modes(room, crowded("queue: callback ends"), callback_consumer<explored, leaves::ends>);
    explore_all_modes(room, crowded("queue: callback too late"), callback_consumer<explored, leaves::too_late>);
}

TEST_CASE("the byte bound holds in every interleaving, and nobody sleeps beside room", "[channel][explore]") {
    explore_all_modes(room, crowded("queue: bytes bind"), bytes_bind<explored_weighed>);
    explore_all_modes(room, large("queue: bytes never overdrawn"), bytes_never_overdrawn<explored_weighed>);
}

TEST_CASE("a heavy item gets in among light ones, and blocks nobody when it leaves", "[channel][explore]") {
    explore_all_modes(room, packed("queue: heavy among light"), heavy_among_light<explored_weighed>);
    explore_all_modes(room, crowded("queue: first in line leaves"), first_in_line_leaves<explored_weighed>);
    explore_all_modes(room, crowded("queue: first in line is late"), the_line_meets_its_end<explored_weighed, false>);
    explore_all_modes(room, crowded("queue: line, abort"), the_line_meets_its_end<explored_weighed, true>);
}
