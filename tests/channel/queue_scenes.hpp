// SPDX-License-Identifier: MIT
/// What a queue is put through in every interleaving: functions over its policies, so that the shipped queue and
/// defective ones meet the same scenes. A scene ends only if nobody sleeps for ever.
#pragma once

#include "floor/park_scenarios.hpp"
#include "tools/explorer/explore.hpp"

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/executor.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

namespace plateau_test::queue_scenes {

/// A number whose races, double ends and late uses the explorer sees, and how many of them there are.
class item {
public:
    explicit item(int n) : number_(n) { ++live; }
    item(item&& other) noexcept : number_(std::exchange(other.number_.write(), -1)) { ++live; }
    item& operator=(item&&) = delete;
    ~item() {
        number_.write() = -2;
        --live;
    }

    [[nodiscard]] int number() const { return number_.read(); }
    static inline int live = 0;

private:
    explored_value<int> number_;
};

/// Weighs what its number says.
struct by_number {
    std::size_t operator()(const item& one) const noexcept { return static_cast<std::size_t>(one.number()); }
};

struct explored : plateau::queue_policies {
    using sync = explored_sync;
    using weigher = plateau::sizeof_only;
    static constexpr unsigned max_lap_bits = 3;
    static constexpr unsigned coming_looks = 0;  // looking is fair only where it sleeps
};
/// The same, weighed. Laps are not shrunk: the weights lie above them.
struct explored_weighed : plateau::queue_policies {
    using sync = explored_sync;
    using weigher = by_number;
    static constexpr unsigned coming_looks = 0;  // looking is fair only where it sleeps
};

template <class Policies>
using queue_of = plateau::bounded_queue<item, Policies>;
template <class Policies>
constexpr std::size_t overhead = queue_of<Policies>::item_overhead;

/// What a scene keeps count of.
struct tally {
    int pushed = 0;  ///< sums of numbers
    int popped = 0;
    int last = 0;
};

template <class Queue>
void push(Queue& queue, int number, tally& count) {
    item one(number);
    if (queue.push(std::move(one))) count.pushed += number;
    else explore_check(one.number() == number, "a refused push leaves the caller's object alone");
}
template <class Queue>
bool pop(Queue& queue, tally& count) {
    auto got = queue.pop();
    if (!got) return false;
    explore_check(got->number() > 0, "what is popped is whole");
    count.popped += got->number();
    count.last = got->number();
    return true;
}
template <class Queue>
void all_came_out(scene& s, const std::unique_ptr<Queue>& queue, const tally& count) {
    s.check(count.pushed == count.popped, "what was taken in came out, once");
    s.check(queue->stats().items == 0, "nothing is left");
    queue->check_invariants();
}

// ---- both edges

/// One slot: each side sleeps whenever the other is late. Values come in their order.
template <class Policies>
void one_slot(scene& s) {
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 1});
    tally count;
    s.thread("producer", [&] {
        for (int i = 1; i <= 3; ++i) push(*queue, i, count);
        queue->close();
    });
    s.thread("consumer", [&] {
        for (int i = 1; pop(*queue, count); ++i) explore_check(count.last == i, "first in, first out");
    });
    s.run();
    all_came_out(s, queue, count);
}

/// Producers that wait for each other's room, across the end of the ring.
template <class Policies, std::size_t Slots>
void two_producers(scene& s) {
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = Slots});
    tally count;
    for (const char* name : {"producer a", "producer b"})
        s.thread(name, [&, name] {
            for (int i = 1; i <= 2; ++i) push(*queue, name[9] == 'a' ? i : 10 * i, count);
        });
    s.thread("consumer", [&] {
        int a = 0, b = 0;
        for (int i = 0; i < 4; ++i) {
            explore_check(pop(*queue, count), "an open queue hands out");
            int& mine = count.last < 10 ? a : b;
            explore_check(count.last > mine, "one producer's items come in their order");
            mine = count.last;
        }
    });
    s.run();
    all_came_out(s, queue, count);
}

/// Consumers that wait for each other's items, and an end that both are told.
template <class Policies, std::size_t Slots>
void two_consumers(scene& s) {
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = Slots});
    tally count;
    s.thread("producer", [&] {
        for (int i = 1; i <= 2; ++i) push(*queue, i, count);
        queue->close();
    });
    for (const char* name : {"consumer a", "consumer b"})
        s.thread(name, [&] {
            while (pop(*queue, count)) {}
        });
    s.run();
    all_came_out(s, queue, count);
}

/// Two at each side: an item is claimed and not yet written while the next is already there.
template <class Policies>
void two_by_two(scene& s) {
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 2});
    tally count;
    for (const char* name : {"producer a", "producer b"}) s.thread(name, [&] { push(*queue, 1, count); });
    for (const char* name : {"consumer a", "consumer b"}) s.thread(name, [&] { pop(*queue, count); });
    s.run();
    all_came_out(s, queue, count);
}

// ---- the end

/// A close meets a push that waits for room, and one that does not.
template <class Policies>
void close_meets_push(scene& s) {
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 1});
    tally count;
    s.thread("producer", [&] {
        push(*queue, 1, count);
        push(*queue, 2, count);
    });
    s.thread("close", [&] { queue->close(); });
    s.thread("consumer", [&] {
        while (pop(*queue, count)) {}
    });
    s.run();
    all_came_out(s, queue, count);
}

/// A close meets a push that waits, and nobody pops.
template <class Policies>
void close_meets_full(scene& s) {
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 1});
    tally count;
    push(*queue, 1, count);
    s.thread("producer", [&] { push(*queue, 2, count); });
    s.thread("close", [&] { queue->close(); });
    s.run();
    s.check(count.pushed == 1 && queue->stats().items == 1, "nothing gets in where there is no room");
}

/// An abort meets waits at both ends: everybody is told, and every item has ended.
template <class Policies>
void abort_meets_all(scene& s) {
    item::live = 0;
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 1});
    tally count;
    s.thread("producer", [&] {
        push(*queue, 1, count);
        push(*queue, 2, count);
    });
    s.thread("consumer", [&] { pop(*queue, count); });
    s.thread("abort", [&] {
        queue->abort();
        const auto after = queue->try_pop();
        explore_check(after.reason() == plateau::queue_reason::aborted, "an abort stays");
    });
    s.run();
    s.check(item::live == 0, "every item has ended, once");
    s.check(queue->push(item(3)).reason() == plateau::queue_reason::aborted, "an abort stays");
    queue->check_invariants();
}

/// Two abort, beside a push: whichever comes back first, every item has ended.
template <class Policies>
void two_aborts(scene& s) {
    item::live = 0;
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 2});
    tally count;
    push(*queue, 1, count);
    int outside = 0;
    s.thread("producer", [&] {
        item one(2);
        ++outside;
        static_cast<void>(queue->try_push(std::move(one)));
        --outside;
    });
    for (const char* name : {"abort", "other abort"})
        s.thread(name, [&] {
            queue->abort();
            explore_check(item::live == outside, "when an abort has returned no item is alive");
        });
    s.run();
    s.check(item::live == 0, "every item has ended, once");
    queue->check_invariants();
}

// ---- waits that end otherwise

/// One consumer is told to stop as it is woken; the other is there. The item is not left beside a sleeper.
template <class Policies>
void cancelled_consumer(scene& s) {
    using sync = typename Policies::sync;
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 2});
    plateau::basic_inplace_stop_source<sync> source;
    tally count;
    s.thread("hasty", [&] {
        if (auto got = queue->pop(source.get_token())) count.popped += got->number();
    });
    s.thread("patient", [&] { pop(*queue, count); });
    s.thread("push and stop", [&] {
        push(*queue, 1, count);
        source.request_stop();
        push(*queue, 2, count);
    });
    s.run();
    s.check(count.popped >= 1, "the patient one has an item");
}

/// The item that a woken consumer, told to stop, did not find because one before it was still being written.
template <class Policies>
void woken_beside_an_unwritten_item(scene& s) {
    using sync = typename Policies::sync;
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 2});
    plateau::basic_inplace_stop_source<sync> source;
    tally count;
    for (const char* name : {"producer a", "producer b"}) s.thread(name, [&] { push(*queue, 1, count); });
    s.thread("hasty", [&] {
        if (auto got = queue->pop(source.get_token())) count.popped += got->number();
        else pop(*queue, count);
    });
    s.thread("patient", [&] { pop(*queue, count); });
    s.thread("stop", [&] { source.request_stop(); });
    s.run();
    all_came_out(s, queue, count);
}

/// The same at the other end: the room that a cancelled producer was woken for goes to the next.
template <class Policies>
void cancelled_producer(scene& s) {
    using sync = typename Policies::sync;
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 1});
    plateau::basic_inplace_stop_source<sync> source;
    tally count;
    push(*queue, 1, count);
    s.thread("hasty", [&] {
        if (queue->push(item(2), source.get_token())) count.pushed += 2;
    });
    s.thread("patient", [&] { push(*queue, 4, count); });
    s.thread("stop and pop", [&] {
        source.request_stop();
        while (count.popped < 5) pop(*queue, count);
    });
    s.run();
    s.check((count.pushed & 4) != 0, "the patient one is in");
}

/// A callback waits for an item beside a thread, and ends, is cancelled, or is too late.
struct takes {
    tally* count;
    void operator()(plateau::pop_result<item> got) noexcept {
        if (got) count->popped += got->number();
    }
};
enum class leaves : unsigned char { cancelled, ends, too_late };
template <class Policies, leaves How>
void callback_consumer(scene& s) {
    using armed = plateau::waiter<takes, typename Policies::sync>;
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 1});
    tally count;
    auto node = std::make_unique<armed>(takes{&count});
    queue->pop_then(*node, plateau::inline_here, plateau::time_point(std::chrono::seconds(1)));
    s.thread("producer", [&] {
        push(*queue, 1, count);
        queue->close();
    });
    s.thread("end", [&] {
        if constexpr (How == leaves::ends) node.reset();
        if constexpr (How == leaves::cancelled) node->cancel();
        if constexpr (How == leaves::too_late) queue->expire(plateau::time_point(std::chrono::seconds(1)));
    });
    s.thread("consumer", [&] { pop(*queue, count); });
    s.run();
    node.reset();
    all_came_out(s, queue, count);
}

/// A coroutine waits for an item; another aborts the queue, or closes it, and a third ends waits that are too late.
template <class Policies, bool Aborts>
void coroutine_consumer(scene& s) {
    item::live = 0;
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 1});
    park_scenes::explored_loop loop;
    tally count;
    auto why = plateau::queue_reason::empty;
    const auto consume = [](queue_of<Policies>& from, plateau::executor_ref where, tally& sums,
                            plateau::queue_reason& last) -> park_scenes::detached {
        while (const auto got = co_await from.async_pop(where)) sums.popped += got->number();
        last = from.try_pop().reason();
    };
    const auto where = [&]() -> plateau::executor_ref {
        if constexpr (Aborts) return plateau::inline_here;  // an abort may look for a while, and so does a loop
        else return loop;
    };
    const park_scenes::detached coroutine = consume(*queue, where(), count, why);
    loop.enter();
    loop.enter();
    s.thread("producer", [&] {
        push(*queue, 1, count);
        if constexpr (!Aborts) queue->close();
        loop.leave();
    });
    s.thread("third", [&] {
        if constexpr (Aborts) queue->abort();
        else queue->expire(plateau::time_point(std::chrono::seconds(1)));
        loop.leave();
    });
    if constexpr (!Aborts) s.thread("loop", [&] { loop.run(); });
    s.run();
    s.check(coroutine.handle.done(), "a coroutine is told of the end");
    s.check(Aborts || count.pushed == count.popped, "what was taken in came out, once");
    s.check(why == (Aborts ? plateau::queue_reason::aborted : plateau::queue_reason::closed), "and of which");
    coroutine.handle.destroy();
    s.check(item::live == 0, "every item has ended, once");
    queue->check_invariants();
}

/// A callback on a loop was woken for an item, and ends before it looks: the item goes to the thread that waits.
template <class Policies>
void woken_consumer_ends(scene& s) {
    using armed = plateau::waiter<takes, typename Policies::sync>;
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 1});
    tally mine, count;
    park_scenes::explored_loop loop;
    auto node = std::make_unique<armed>(takes{&mine});
    queue->pop_then(*node, loop);
    loop.enter();
    loop.enter();
    s.thread("producer", [&] {
        push(*queue, 1, count);
        loop.leave();
    });
    s.thread("end", [&] {
        node.reset();
        if (mine.popped != 0) push(*queue, 1, count);
        loop.leave();
    });
    s.thread("patient", [&] { pop(*queue, count); });
    s.thread("loop", [&] { loop.run(); });
    s.run();
    count.popped += mine.popped;
    all_came_out(s, queue, count);
}

/// The same for room.
struct puts {
    tally* count;
    void operator()(plateau::push_result in) noexcept {
        if (in) count->pushed += 2;
    }
};
template <class Policies>
void woken_producer_ends(scene& s) {
    using armed = plateau::waiter<puts, typename Policies::sync>;
    const auto queue = std::make_unique<queue_of<Policies>>(plateau::queue_options{.max_items = 1});
    tally mine, count;
    push(*queue, 1, count);
    park_scenes::explored_loop loop;
    item held(2);
    auto node = std::make_unique<armed>(puts{&mine});
    queue->push_then(*node, held, loop);
    loop.enter();
    loop.enter();
    s.thread("consumer", [&] {
        while (count.last != 4) pop(*queue, count);
        loop.leave();
    });
    s.thread("end", [&] {
        node.reset();
        loop.leave();
    });
    s.thread("patient", [&] { push(*queue, 4, count); });
    s.thread("loop", [&] { loop.run(); });
    s.run();
    queue->close();
    while (pop(*queue, count)) {}
    count.pushed += mine.pushed;
    all_came_out(s, queue, count);
}

// ---- bytes

/// Room for two light items or a heavy one: the bound holds at every moment, and the last byte is used.
template <class Policies>
void bytes_bind(scene& s) {
    const auto queue = std::make_unique<queue_of<Policies>>(
        plateau::queue_options{.max_items = 4, .max_bytes = 2 * overhead<Policies> + 2});
    tally count;
    s.thread("light", [&] {
        push(*queue, 1, count);
        push(*queue, 1, count);
    });
    s.thread("heavy", [&] {
        push(*queue, static_cast<int>(overhead<Policies>) + 2, count);
        explore_check(queue->stats().bytes <= 2 * overhead<Policies> + 2, "the bound holds");
    });
    s.thread("consumer", [&] {
        for (int i = 0; i < 3; ++i) pop(*queue, count);
    });
    s.run();
    all_came_out(s, queue, count);
}

/// Two that do not wait, and nobody pops: one of the two has no room, in whatever order.
template <class Policies>
void bytes_never_overdrawn(scene& s) {
    const auto queue = std::make_unique<queue_of<Policies>>(
        plateau::queue_options{.max_items = 4, .max_bytes = 3 * overhead<Policies>});
    tally count;
    for (const char* name : {"a", "b"})
        s.thread(name, [&] {
            if (queue->try_push(item(static_cast<int>(overhead<Policies>)))) ++count.pushed;
            if (auto got = queue->try_pop()) ++count.popped;
            if (queue->try_push(item(static_cast<int>(overhead<Policies>)))) ++count.pushed;
            explore_check(queue->stats().bytes <= 3 * overhead<Policies>, "the bound holds");
        });
    s.run();
    s.check(count.pushed - count.popped <= 1, "there is room for one");
    queue->check_invariants();
}

/// A heavy item waits while light ones come and go past it: it gets in while they still come.
template <class Policies>
void heavy_among_light(scene& s) {
    const auto queue = std::make_unique<queue_of<Policies>>(
        plateau::queue_options{.max_items = 4, .max_bytes = 2 * overhead<Policies> + 2});
    tally count;
    push(*queue, 1, count);
    bool in = false;
    s.thread("heavy", [&] {
        push(*queue, static_cast<int>(overhead<Policies>) + 2, count);
        in = true;
    });
    s.thread("light", [&] {
        for (int i = 0; i < 2; ++i) push(*queue, 1, count);
    });
    s.thread("consumer", [&] {
        for (int i = 0; i < 4; ++i) pop(*queue, count);
    });
    s.run();
    s.check(in, "the heavy one is in");
    all_came_out(s, queue, count);
}

/// The first in line is cancelled, or its callback ends: those behind it go on.
template <class Policies>
void first_in_line_leaves(scene& s) {
    using sync = typename Policies::sync;
    const auto queue = std::make_unique<queue_of<Policies>>(
        plateau::queue_options{.max_items = 4, .max_bytes = 2 * overhead<Policies> + 2, .low_water_items = 3});
    plateau::basic_inplace_stop_source<sync> source;
    tally count;
    push(*queue, 1, count);
    push(*queue, 1, count);
    s.thread("heavy", [&] {
        const auto heavy = static_cast<int>(overhead<Policies>) + 2;
        if (queue->push(item(heavy), source.get_token())) count.pushed += heavy;
    });
    s.thread("light", [&] { push(*queue, 1, count); });
    s.thread("pop and stop", [&] {
        pop(*queue, count);
        source.request_stop();
    });
    s.run();
    queue->close();
    while (pop(*queue, count)) {}
    all_came_out(s, queue, count);
}

/// The first in line is a callback that is too late, or told of an end by a third; a light one stands behind it.
template <class Policies, bool Aborts>
void the_line_meets_its_end(scene& s) {
    using armed = plateau::waiter<puts, typename Policies::sync>;
    item::live = 0;
    {
        const auto queue = std::make_unique<queue_of<Policies>>(
            plateau::queue_options{.max_items = 4, .max_bytes = 2 * overhead<Policies> + 2, .low_water_items = 3});
        tally mine, count;
        push(*queue, 1, count);
        push(*queue, 1, count);
        item heavy(static_cast<int>(overhead<Policies>) + 2);
        armed node(puts{&mine});
        queue->push_then(node, heavy, plateau::inline_here, plateau::time_point(std::chrono::seconds(1)));
        s.thread("light", [&] { push(*queue, 1, count); });
        s.thread("late", [&] {
            queue->expire(plateau::time_point(std::chrono::seconds(1)));
            if constexpr (!Aborts) pop(*queue, count);
        });
        if constexpr (Aborts) s.thread("abort", [&] { queue->abort(); });
        s.run();
        s.check(!node.waiting(), "the first in line is told");
        s.check(mine.pushed == 0, "and is not in");
        if constexpr (!Aborts) {
            queue->close();
            while (pop(*queue, count)) {}
            all_came_out(s, queue, count);
        }
    }
    s.check(item::live == 0, "every item has ended, once");
}

}  // namespace plateau_test::queue_scenes
