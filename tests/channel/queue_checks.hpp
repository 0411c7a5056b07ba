// SPDX-License-Identifier: MIT
/// What holds of every queue, as checks over its policies: the cases run them with the shipped ones.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/counting_allocator.hpp"

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/clock.hpp>
#include <plateau/waiter.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace plateau_test::queue_checks {

using namespace std::chrono_literals;
using plateau::queue_reason;

/// As heavy as it says.
struct weighs_itself {
    std::size_t operator()(const std::size_t& bytes) const noexcept { return bytes; }
};
struct by_weight : plateau::queue_policies {
    using weigher = weighs_itself;
};
/// Through all laps again and again.
struct few_laps : plateau::queue_policies {
    static constexpr unsigned max_lap_bits = 2;
};
struct few_laps_by_weight : by_weight {
    static constexpr unsigned max_lap_bits = 2;
};

/// One thread: what goes in comes out in its order, through many laps, with the ring now empty, now full.
template <class Policies>
void first_in_first_out(shared_check& check) {
    for (const std::size_t slots : {1U, 2U, 3U, 5U, 1'000U}) {
        plateau::bounded_queue<std::size_t, Policies> queue{{.max_items = slots}};
        check.equal(queue.try_pop().reason(), queue_reason::empty, "a pop of a new queue");
        std::size_t in = 0, out = 0;
        for (std::size_t round = 0; round < 40; ++round) {
            const std::size_t fill = round % 3 == 0 ? slots : 1 + round % slots;
            while (in - out < fill) check.expect(bool(queue.try_push(in++)), "there is room right after a pop");
            check.equal(queue.stats().items, in - out, "the number of items");
            if (fill == slots) check.equal(queue.try_push(in).reason(), queue_reason::full, "a push into a full queue");
            while (in - out > round % 2) {
                const auto got = queue.try_pop();
                if (!check.expect(bool(got), "there is an item right after a push")) return;
                check.equal(*got, out++, "the oldest item");
            }
            queue.check_invariants();
        }
        const auto seen = queue.stats();
        check.equal(seen.pushed, in, "items pushed");
        check.equal(seen.popped, out, "items popped");
    }
}

/// One thread: the sum of the weights stays at or below the bound, to the byte, and room to the byte is used.
template <class Policies>
void bytes_are_exact(shared_check& check) {
    using queue_type = plateau::bounded_queue<std::size_t, Policies>;
    constexpr std::size_t overhead = queue_type::item_overhead;
    queue_type queue{{.max_items = 8, .max_bytes = 4 * overhead + 100}};
    std::vector<std::size_t> held;
    std::size_t sum = 0;
    std::uint64_t random = 1;
    for (int step = 0; step < 20'000; ++step) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        const std::size_t weight = (random >> 33U) % 120;
        const bool fits = held.size() < 8 && sum + weight + overhead <= 4 * overhead + 100;
        if ((random >> 61U) < 5) {
            const auto pushed = queue.try_push(weight);
            check.equal(bool(pushed), fits, "whether an item gets in");
            if (fits) held.push_back(weight), sum += weight + overhead;
        } else if (const auto got = queue.try_pop()) {
            if (!check.expect(!held.empty() && *got == held.front(), "the oldest item comes out")) return;
            sum -= held.front() + overhead;
            held.erase(held.begin());
        } else {
            check.expect(held.empty(), "an item comes out while there is one");
        }
        check.equal(queue.stats().bytes, sum, "the bytes charged");
    }
    queue.check_invariants();
}

/// Tells when it was called.
struct notes {
    std::vector<queue_reason>* told;
    void operator()(plateau::push_result r) const noexcept { told->push_back(r.reason()); }
};

/// Producers are told at the low mark, not before; and all of them that find room.
template <class Policies>
void told_at_the_low_mark(shared_check& check) {
    plateau::bounded_queue<std::size_t, Policies> queue{{.max_items = 8, .low_water_items = 3}};
    for (std::size_t i = 0; i < 8; ++i) static_cast<void>(queue.try_push(i));
    std::vector<queue_reason> told;
    std::size_t held = 8, more = 9;
    plateau::waiter node{notes{&told}};
    plateau::waiter other{notes{&told}};
    plateau::waiter writable{notes{&told}};
    queue.writable_then(writable);
    queue.push_then(node, held);
    queue.push_then(other, more);
    for (std::size_t left = 8; left > 4; --left) static_cast<void>(queue.try_pop());
    check.equal(told.size(), std::size_t{0}, "producers told above the low mark");
    static_cast<void>(queue.try_pop());
    check.equal(told.size(), std::size_t{3}, "producers told at the low mark");
    check.equal(queue.stats().items, std::uint64_t{5}, "the number of items");
    queue.check_invariants();
}

/// Light items come and go; a heavy one that waits gets in, and so do those behind it.
template <class Policies>
void a_heavy_item_gets_in(shared_check& check) {
    using queue_type = plateau::bounded_queue<std::size_t, Policies>;
    constexpr std::size_t overhead = queue_type::item_overhead;
    queue_type queue{{.max_items = 8, .max_bytes = 4 * overhead + 4}};
    for (int i = 0; i < 4; ++i) static_cast<void>(queue.try_push(std::size_t{1}));
    std::vector<queue_reason> told, told_behind;
    std::size_t heavy = 3 * overhead, light = 1;
    plateau::waiter node{notes{&told}};
    plateau::waiter behind{notes{&told_behind}};
    queue.push_then(node, heavy);
    std::size_t rounds = 0;
    for (; told.empty() && rounds < 100; ++rounds) {  // a trickle that never waits
        static_cast<void>(queue.try_pop());
        if (rounds == 2) queue.push_then(behind, light);
        static_cast<void>(queue.try_push(std::size_t{1}));
    }
    check.expect(rounds < 10, "a heavy item gets in among light ones");
    while (told_behind.empty() && queue.try_pop()) {}
    check.equal(told_behind.size(), std::size_t{1}, "how often the one behind was told");
    queue.check_invariants();
}

/// Keeps work until it is run.
struct kept_work {
    std::vector<plateau::work> kept;
    void post(plateau::work w) { kept.push_back(w); }
    void run() {
        for (const plateau::work& w : std::exchange(kept, {})) w();
    }
};

/// An item is not so heavy that the mark leaves no room; but whenever its producer looks, others were faster.
template <class Policies>
void who_was_woken_in_vain_is_next(shared_check& check) {
    using queue_type = plateau::bounded_queue<std::size_t, Policies>;
    constexpr std::size_t overhead = queue_type::item_overhead;
    queue_type queue{{.max_items = 8, .max_bytes = 8 * overhead}};
    const auto fill = [&] {
        while (queue.try_push(overhead / 2)) {}
    };
    std::vector<queue_reason> told;
    std::size_t medium = 3 * overhead;
    kept_work loop;
    plateau::waiter node{notes{&told}};
    fill();
    queue.push_then(node, medium, loop);
    int rounds = 0;
    for (; told.empty() && rounds < 100; ++rounds) {
        for (int i = 0; i < 3; ++i) static_cast<void>(queue.try_pop());
        fill();  // before the producer looks
        loop.run();
    }
    check.expect(rounds < 5, "an item whose producer was woken in vain gets in");
    while (queue.try_pop()) {}
    check.expect(bool(queue.try_push(std::size_t{1})), "others get in after it");
    queue.check_invariants();
}

/// The items' own memory, seen from outside: at most the bound, and all of it is used.
template <class Policies>
void a_stalled_consumer_holds_the_bound(shared_check& check) {
    using block = std::vector<char, counting_allocator<char>>;
    using queue_type = plateau::bounded_queue<block, Policies>;
    constexpr std::size_t block_bytes = 1'000, blocks = 16;
    allocation_tally tally;
    queue_type queue{{.max_items = 1'000, .max_bytes = blocks * (block_bytes + queue_type::item_overhead)}};
    for (int i = 0; i < 100; ++i) {
        block one(block_bytes, 'x', counting_allocator<char>(tally));
        static_cast<void>(queue.try_push(std::move(one)));
    }
    check.equal(tally.live_bytes.load(), std::int64_t{blocks * block_bytes}, "the bytes that queued items hold");
    check.expect(queue.memory_ceiling() >=
                     sizeof(queue) + blocks * block_bytes + (queue.capacity() - 1) * queue_type::item_overhead,
                 "the ceiling is not below what is held");
    queue.abort();
    check.equal(tally.live_bytes.load(), std::int64_t{0}, "the bytes held after an abort");
}

}  // namespace plateau_test::queue_checks
