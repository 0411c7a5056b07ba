// SPDX-License-Identifier: MIT
// Defects of the queue: each is one member function of it, with one thing wrong.
#include "channel/queue_checks.hpp"
#include "channel/queue_scenes.hpp"
#include "seeded_bugs/explored_bug.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <atomic>
#include <cstddef>
#include <new>
#include <utility>

using namespace plateau_test;
using namespace plateau_test::queue_scenes;
using namespace plateau_test::queue_checks;
namespace detail = plateau::detail;

namespace {

template <class Policies>
using ring_of = detail::queue_ring<item, Policies>;
template <class Policies>
using core_of = detail::queue_core<item, Policies>;
template <class Policies>
using numbers = detail::queue_core<std::size_t, Policies>;
template <class Policies>
using number_ring = detail::queue_ring<std::size_t, Policies>;

// ---- edges and ends

struct sleeps_beside_an_item : explored {};
struct sleeps_beside_room : explored {};
struct publishes_relaxed : explored {};
struct closes_the_head_first : explored {};
struct closes_for_consumers : explored {};
struct believes_an_old_tail : explored {};
struct leaves_the_unwritten : explored {};
struct trusts_the_first_abort : explored {};
struct keeps_an_item_to_itself : explored {};
struct keeps_room_to_itself : explored {};

// ---- bytes and marks

struct forgets_the_newcomer : by_weight {};
struct wakes_before_the_mark : plateau::queue_policies {};
struct knows_no_line : by_weight {};
struct never_leaves_the_line : by_weight {};

constexpr const char* edges = "channel: nobody sleeps at an edge of the queue beside what it waits for";
constexpr const char* ends = "channel: a close loses no item that was taken in, and an abort leaves none";
constexpr const char* passing = "channel: a wait that ends as it is woken passes on what it was woken for";
constexpr const char* stuck = "no runnable thread while work exists";

}  // namespace

/// A consumer announces itself and sleeps: it has looked before.
template <>
bool core_of<sleeps_beside_an_item>::item_flag::raise() const noexcept {
    this->core->ring_.announce_consumer();
    return true;
}

/// A producer announces itself and sleeps: it has looked before.
template <>
bool core_of<sleeps_beside_room>::room_flag::raise() const noexcept {
    this->core->ring_.announce_producer();
    return true;
}

/// The stamp of a written cell is stored without an order.
template <>
void ring_of<publishes_relaxed>::publish(const place& claimed, word weight, item& one) noexcept {
    ::new (static_cast<void*>(&claimed.at->item)) item(std::move(one));
    claimed.at->stamp.store(words_.full_stamp(claimed.seen, weight), std::memory_order_relaxed);
}

/// The head is closed while the tail still takes items.
template <>
ring_of<closes_the_head_first>::ended ring_of<closes_the_head_first>::end(word how) noexcept {
    const word head = head_.fetch_or(how, std::memory_order_acq_rel);
    const word tail = tail_.fetch_or(how, std::memory_order_acq_rel);
    return {tail, head};
}

/// An end is told to those who wait for items.
template <>
void core_of<closes_for_consumers>::wake_all(word tail, word) noexcept {
    if ((tail & detail::queue_words::waits) != 0) wake_consumers(SIZE_MAX);
}

/// That the head is closed was read without an order: the tail may be an old one.
template <>
plateau::queue_reason ring_of<believes_an_old_tail>::why_nothing() const noexcept {
    return is_empty(tail_.load(std::memory_order_relaxed), head_.load(std::memory_order_relaxed))
               ? plateau::queue_reason::closed
               : plateau::queue_reason::empty;
}

/// An abort destroys what it finds written.
template <>
std::size_t ring_of<leaves_the_unwritten>::discard(word head, word tail) noexcept {
    std::size_t count = 0;
    for (std::size_t i = 0; i < words_.items(tail, head); ++i) {
        const place one = further({nullptr, head}, i);
        if (!is_full_for(one.at->stamp.load(std::memory_order_acquire), one.seen)) continue;
        one.at->item.~item();
        ++count;
    }
    return count;
}

/// Who finds the queue aborted takes it for empty.
template <>
void core_of<trusts_the_first_abort>::await_discarding() {}

/// A consumer that was woken and ends leaves, and nothing more.
template <>
void core_of<keeps_an_item_to_itself>::pass_item_on() noexcept {}

/// So does a producer.
template <>
void core_of<keeps_room_to_itself>::pass_room_on() noexcept {}

/// There is room while the queue is below its bound, whatever comes.
template <>
bool number_ring<forgets_the_newcomer>::fits(word seen, word) noexcept {
    return words_.weight(seen, head_.load(std::memory_order_acquire)) < words_.max_weight();
}

/// The mark is compared with what was there before the pop.
template <>
bool numbers<wakes_before_the_mark>::is_low(word tail, word head) const noexcept {
    return ring_.words().items(tail, head) <= low_items_ + 1;
}

/// Whoever comes gets in if it fits.
template <>
void numbers<knows_no_line>::stand_first_if_passed(const room_flag&) noexcept {}

/// The line ends when the first in it is in.
template <>
void numbers<never_leaves_the_line>::leave_line(const std::size_t*) noexcept {}

TEST_CASE("defects at the edges of the queue are noticed", "[channel][seeded]") {
    expect_killed(
        {"F7", "a consumer sleeps though its announcement shows an item", edges, stuck, [](shared_check& check) {
             explore_into(check, {.name = "seeded 1", .preemptions = 2, .stale = 1}, one_slot<sleeps_beside_an_item>);
         }});
    expect_killed({"F7", "a producer sleeps though its announcement shows room", edges, stuck, [](shared_check& check) {
                       explore_into(check, {.name = "seeded 2", .preemptions = 2, .stale = 1},
                                    one_slot<sleeps_beside_room>);
                   }});
    expect_killed(
        {"F5", "an item is published without an order", edges, "nothing orders that", [](shared_check& check) {
             explore_into(check, {.name = "seeded 3", .preemptions = 2, .stale = 1}, one_slot<publishes_relaxed>);
         }});
    expect_killed(
        {"F7", "a consumer that was woken and ends keeps the wake to itself", passing, stuck, [](shared_check& check) {
             explore_into(check, {.name = "seeded 4", .preemptions = 1, .stale = 1},
                          woken_consumer_ends<keeps_an_item_to_itself>);
         }});
    expect_killed({"F7", "a producer that was woken and ends keeps the wake to itself", passing,
                   "no thread makes progress", [](shared_check& check) {
                       explore_into(check, {.name = "seeded 5", .preemptions = 1, .stale = 1},
                                    woken_producer_ends<keeps_room_to_itself>);
                   }});
}

TEST_CASE("defects at the end of the queue are noticed", "[channel][seeded]") {
    expect_killed(
        {"F8", "the head is closed before the tail", ends, "what was taken in came out", [](shared_check& check) {
             explore_into(check, {.name = "seeded 6", .preemptions = 2, .stale = 1},
                          close_meets_push<closes_the_head_first>);
         }});
    expect_killed({"F7", "an end is not told to those who wait for room", ends, stuck, [](shared_check& check) {
                       explore_into(check, {.name = "seeded 7", .preemptions = 2, .stale = 1},
                                    close_meets_full<closes_for_consumers>);
                   }});
    expect_killed(
        {"F8", "a closed head is read without an order", ends, "what was taken in came out", [](shared_check& check) {
             explore_into(check, {.name = "seeded 8", .preemptions = 2, .stale = 1},
                          close_meets_push<believes_an_old_tail>);
         }});
    expect_killed({"F11", "an abort leaves the item that is being written", ends, "every item has ended",
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded 9", .preemptions = 2, .stale = 1},
                                    abort_meets_all<leaves_the_unwritten>);
                   }});
    expect_killed({"F8", "a second abort returns before the first has ended the items", ends, "no item is alive",
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded 10", .preemptions = 2, .stale = 1},
                                    two_aborts<trusts_the_first_abort>);
                   }});
}

TEST_CASE("defects of the bounds of the queue are noticed", "[channel][seeded]") {
    expect_killed({"F2", "the item that comes is not counted", "channel: the bytes of a queue are bounded to the byte",
                   "whether an item gets in", bytes_are_exact<forgets_the_newcomer>});
    expect_killed({"F1", "producers are told one above the low mark",
                   "channel: producers are told at the low mark and not before", "above the low mark",
                   told_at_the_low_mark<wakes_before_the_mark>});
    expect_killed({"F7", "nobody is ever the first in line",
                   "channel: a heavy item gets in against a trickle of light ones", "a heavy item gets in",
                   a_heavy_item_gets_in<knows_no_line>});
    expect_killed({"F7", "the first in line stays it when it is in",
                   "channel: a heavy item gets in against a trickle of light ones", "how often the one behind was told",
                   a_heavy_item_gets_in<never_leaves_the_line>});
}
