// SPDX-License-Identifier: MIT
// A queue under eight threads on whatever cores there are: nothing is lost, doubled or left behind, and nobody is left
// asleep.
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/clock.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

using namespace plateau_test;
using namespace std::chrono_literals;

namespace {

/// As heavy as the last digit says.
struct by_last_digit : plateau::queue_policies {
    struct weigher {
        std::size_t operator()(const std::uint64_t& n) const noexcept { return n % 10 * 8; }
    };
    using clock = plateau::manual_clock;
};
using queue_type = plateau::bounded_queue<std::uint64_t, by_last_digit>;

struct sums {
    std::atomic<std::uint64_t> in{0}, out{0};
    std::atomic<std::uint64_t> counted_in{0}, counted_out{0};
    void pushed(std::uint64_t n) noexcept { in += n, ++counted_in; }
    void popped(std::uint64_t n) noexcept { out += n, ++counted_out; }
};
struct takes {
    sums* count;
    void operator()(plateau::pop_result<std::uint64_t> got) const noexcept {
        if (got) count->popped(*got);
    }
};
struct puts {
    sums* count;
    std::uint64_t number;
    void operator()(plateau::push_result in) const noexcept {
        if (in) count->pushed(number);
    }
};

struct shared {
    plateau::manual_clock clock;
    queue_type queue;
    plateau::inplace_stop_source stop;
    sums count;
    std::atomic<int> producers{4};

    explicit shared(const plateau::queue_options& bounds) : queue(bounds, clock) {}
};

void produce(shared& all, std::size_t thread) {
    for (std::uint64_t n = 0; n < 60; ++n) {
        std::uint64_t item = n * 10 + (n + thread) % 10;
        const std::uint64_t number = item;
        plateau::push_result in;
        if (thread == 0) in = all.queue.push(std::move(item));
        else if (thread == 1) in = all.queue.push(std::move(item), all.stop.get_token());
        else if (thread == 2) in = all.queue.push_for(std::move(item), 3ns);
        else {
            plateau::waiter late{puts{&all.count, number}};
            all.queue.push_then(late, item);
            if (n % 3 == 0) late.cancel();
            while (late.waiting()) std::this_thread::yield();
            continue;
        }
        if (in) all.count.pushed(number);
        if (thread == 0 && n % 8 == 0) all.clock.advance(1ns);
        if (thread == 0 && n == 40) all.stop.request_stop();
    }
}

void consume(shared& all, std::size_t thread) {
    for (;;) {
        if (thread == 5) {
            std::uint64_t some[3];
            const auto got = all.queue.pop_some(some, 3);
            if (!got) return;
            for (std::size_t i = 0; i < *got; ++i) all.count.popped(some[i]);
        } else if (thread == 6) {
            const auto got = all.queue.pop_for(2ns);
            if (got) all.count.popped(*got);
            else if (got.reason() != plateau::queue_reason::timed_out) return;
            else std::this_thread::yield();
            all.clock.advance(1ns);
        } else if (thread == 7) {
            plateau::waiter node{takes{&all.count}};
            all.queue.pop_then(node);
            std::this_thread::yield();
            node.cancel();
            if (all.queue.is_closed()) return;
        } else {
            const auto got = all.queue.pop();
            if (!got) return;
            all.count.popped(*got);
        }
    }
}

}  // namespace

TEST_CASE("items pass between eight threads that wait, are stopped, time out and call back", "[channel][race]") {
    race_for("channel", "bounded_queue", [](std::uint64_t round) {
        const std::size_t slots = 1 + round % 3;
        const auto all = std::make_unique<shared>(plateau::queue_options{
            .max_items = slots, .max_bytes = round % 2 == 0 ? plateau::unlimited : 6 * queue_type::item_overhead});
        run_together(race_threads, [&](std::size_t i) {
            if (i >= 4) return consume(*all, i);
            produce(*all, i);
            all->clock.advance(1us);
            if (all->producers.fetch_sub(1) == 1) all->queue.close();
        });
        while (const auto left = all->queue.try_pop()) all->count.popped(*left);
        REQUIRE(all->count.counted_in == all->count.counted_out);
        REQUIRE(all->count.in == all->count.out);
        REQUIRE(all->queue.stats().items == 0);
        all->queue.check_invariants();
    });
}

TEST_CASE("an abort among eight threads lets everybody go and leaves nothing", "[channel][race]") {
    race_for("channel", "bounded_queue, aborted", [](std::uint64_t round) {
        struct counted {
            std::atomic<int>* live;
            explicit counted(std::atomic<int>& n) noexcept : live(&n) { ++*live; }
            counted(counted&& other) noexcept : live(other.live) { ++*live; }
            ~counted() { --*live; }
        };
        struct unweighed : plateau::queue_policies {
            using weigher = plateau::sizeof_only;
        };
        struct both {
            std::atomic<int> live{0};
            plateau::bounded_queue<counted, unweighed> queue;
            explicit both(std::size_t slots) : queue({.max_items = slots}) {}
        };
        const auto all = std::make_unique<both>(1 + round % 4);
        run_together(race_threads, [&](std::size_t i) {
            if (i == 0) {
                for (std::uint64_t n = 0; n < round % 50; ++n) std::this_thread::yield();
                return all->queue.abort();
            }
            if (i % 2 == 0) {
                while (all->queue.push(counted(all->live))) {}
            } else {
                while (all->queue.pop()) {}
            }
        });
        REQUIRE(all->live == 0);
        REQUIRE(all->queue.try_pop().reason() == plateau::queue_reason::aborted);
        all->queue.check_invariants();
    });
}
