// SPDX-License-Identifier: MIT
#include "channel/queue_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/channel.hpp>
#include <plateau/literals.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace plateau_test::queue_checks;
using namespace plateau::literals;
using plateau::bounded_queue;
using plateau::queue_reason;

namespace {

struct by_hand : plateau::queue_policies {
    using clock = plateau::manual_clock;
};

struct unweighed : plateau::queue_policies {
    using weigher = plateau::sizeof_only;
};
using tracked_queue = bounded_queue<tracked_value<false>, unweighed>;

struct loop {
    std::deque<plateau::work> ready;
    void post(plateau::work w) { ready.push_back(w); }
    void run() {
        for (; !ready.empty(); ready.pop_front()) ready.front()();
    }
};
struct task {
    struct promise_type {
        task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};

/// Keeps what it was told.
template <class Result>
struct keeps {
    std::optional<Result>* told;
    void operator()(Result r) const noexcept { told->emplace(std::move(r)); }
};

}  // namespace

TEST_CASE("what goes in comes out in its order, with any number of slots and through all laps", "[channel][unit]") {
    passes(first_in_first_out<plateau::queue_policies>);
    passes(first_in_first_out<few_laps>);
}

TEST_CASE("the bytes of a queue are bounded to the byte", "[channel][unit]") {
    passes(bytes_are_exact<by_weight>);
    passes(bytes_are_exact<few_laps_by_weight>);
}

TEST_CASE("producers are told at the low mark and not before", "[channel][unit]") {
    passes(told_at_the_low_mark<plateau::queue_policies>);
}

TEST_CASE("a heavy item gets in against a trickle of light ones", "[channel][unit]") {
    passes(a_heavy_item_gets_in<by_weight>);
}

TEST_CASE("an item whose producer was woken in vain is next", "[channel][unit]") {
    passes(who_was_woken_in_vain_is_next<by_weight>);
}

TEST_CASE("a stalled consumer holds the bound in bytes and no more", "[channel][unit]") {
    passes(a_stalled_consumer_holds_the_bound<plateau::queue_policies>);
}

TEST_CASE("options that make no sense are refused at construction", "[channel][unit]") {
    using queue = bounded_queue<int>;
    CHECK_THROWS_AS(queue({.max_items = 0}), std::invalid_argument);
    CHECK_THROWS_AS(queue({.max_bytes = 0}), std::invalid_argument);
    CHECK_THROWS_AS(queue({.max_items = plateau::unlimited}), std::invalid_argument);
    CHECK_THROWS_AS(queue({.max_bytes = queue::item_overhead - 1}), std::invalid_argument);
    CHECK_THROWS_AS(queue({.max_items = 4, .low_water_items = 4}), std::invalid_argument);
    CHECK_THROWS_AS(queue({.max_bytes = 1'000, .low_water_bytes = 1'000}), std::invalid_argument);
    CHECK_THROWS_AS(queue({.max_bytes = std::size_t{1} << 45U}), std::invalid_argument);
    CHECK_THROWS_AS(queue({.max_items = (std::size_t{1} << 32U) + 1}), std::invalid_argument);
    const queue small{{.max_items = plateau::unlimited, .max_bytes = 10 * queue::item_overhead + 1}};
    CHECK(small.capacity() == 10);
}

TEST_CASE("the ceiling of a queue is a number unless its options leave it open", "[channel][unit]") {
    using numbers = bounded_queue<int>;
    CHECK(numbers({.max_items = 10}).memory_ceiling() == sizeof(numbers) + 10 * numbers::item_overhead);
    CHECK(bounded_queue<std::string>({.max_items = 10}).memory_ceiling() == plateau::unlimited);
    const bounded_queue<std::string> bytes{{.max_items = 10, .max_bytes = 1_MiB}};
    CHECK(bytes.memory_ceiling() == sizeof(bytes) + 1_MiB + 9 * bytes.item_overhead);
    const bounded_queue<std::string> alone{{.max_items = 10, .max_bytes = 1_MiB, .oversize = plateau::oversize::alone}};
    CHECK(alone.memory_ceiling() == plateau::unlimited);
}

TEST_CASE("an item heavier than the queue is refused, or let in alone", "[channel][unit]") {
    constexpr std::size_t overhead = bounded_queue<std::size_t, by_weight>::item_overhead;
    bounded_queue<std::size_t, by_weight> refuses{{.max_bytes = 2 * overhead}};
    CHECK(refuses.try_push(overhead + 1).reason() == queue_reason::too_large);
    CHECK(refuses.push(overhead + 1).reason() == queue_reason::too_large);
    CHECK(refuses.try_push(SIZE_MAX).reason() == queue_reason::too_large);
    CHECK(refuses.try_push(overhead));
    CHECK(refuses.stats().refused == 3);

    bounded_queue<std::size_t, by_weight> alone{{.max_bytes = 2 * overhead, .oversize = plateau::oversize::alone}};
    CHECK(alone.try_push(std::size_t{0}));
    CHECK(alone.try_push(SIZE_MAX).reason() == queue_reason::full);
    CHECK(alone.try_pop());
    CHECK(alone.try_push(SIZE_MAX));
    CHECK(alone.stats().bytes == 2 * overhead);
    CHECK(alone.try_push(std::size_t{0}).reason() == queue_reason::full);
    CHECK(alone.try_pop().take() == SIZE_MAX);
    CHECK(alone.stats().bytes == 0);
}

TEST_CASE("an item that grew while it was queued gives back what was charged", "[channel][unit]") {
    struct grows {
        std::shared_ptr<std::size_t> bytes;
    };
    struct by_its_bytes : plateau::queue_policies {
        struct weigher {
            std::size_t operator()(const grows& g) const noexcept { return *g.bytes; }
        };
    };
    bounded_queue<grows, by_its_bytes> queue{{.max_bytes = 1'000}};
    const auto bytes = std::make_shared<std::size_t>(10);
    CHECK(queue.try_push({bytes}));
    *bytes = 100'000;
    CHECK(queue.try_pop());
    CHECK(queue.stats().bytes == 0);
    queue.check_invariants();
}

TEST_CASE("a refused push leaves the caller's object untouched", "[channel][unit]") {
    bounded_queue<std::unique_ptr<int>> queue{{.max_items = 1}};
    CHECK(queue.try_push(std::make_unique<int>(1)));
    auto mine = std::make_unique<int>(2);
    plateau::inplace_stop_source stop;
    stop.request_stop();
    CHECK(queue.try_push(std::move(mine)).reason() == queue_reason::full);
    CHECK(queue.push_for(std::move(mine), 0s).reason() == queue_reason::timed_out);
    CHECK(queue.push_until(std::move(mine), plateau::time_point()).reason() == queue_reason::timed_out);
    CHECK(queue.push(std::move(mine), stop.get_token()).reason() == queue_reason::cancelled);
    queue.close();
    CHECK(queue.push(std::move(mine)).reason() == queue_reason::closed);
    queue.abort();
    CHECK(queue.push(std::move(mine)).reason() == queue_reason::aborted);
    REQUIRE(mine);
    CHECK(*mine == 2);
}

TEST_CASE("what can be done at once is done, whatever the deadline and the token say", "[channel][unit]") {
    bounded_queue<int> queue{{.max_items = 1}};
    plateau::inplace_stop_source stop;
    stop.request_stop();
    CHECK(queue.push(1, stop.get_token()));
    CHECK(queue.pop(stop.get_token()).take() == 1);
    CHECK(queue.push_for(2, -1s));
    CHECK(queue.pop_until(plateau::time_point()).take() == 2);
    CHECK(queue.pop(stop.get_token()).reason() == queue_reason::cancelled);
    CHECK(queue.pop_for(0s).reason() == queue_reason::timed_out);
}

TEST_CASE("a copy or a weigher that throws changes nothing", "[channel][unit]") {
    struct fails {
        int number;
        explicit fails(int n) noexcept : number(n) {}
        fails(fails&& other) noexcept : number(other.number) {}
        fails(const fails& other) : number(other.number) { throw std::runtime_error("copy"); }
    };
    struct weigher_fails : plateau::queue_policies {
        struct weigher {
            std::size_t operator()(const fails& f) const {
                if (f.number < 0) throw std::runtime_error("weigh");
                return 1;
            }
        };
    };
    bounded_queue<fails, weigher_fails> queue{{.max_items = 2, .max_bytes = 1'000}};
    const fails one(1);
    const fails bad(-1);
    fails bad_too(-1);
    plateau::waiter node{keeps<plateau::push_result>{nullptr}};
    for (int i = 0; i < 10; ++i) {
        CHECK_THROWS_AS(queue.try_push(one), std::runtime_error);
        CHECK_THROWS_AS(queue.push(one), std::runtime_error);
        CHECK_THROWS_AS(queue.async_push(one, plateau::inline_here), std::runtime_error);
        CHECK_THROWS_AS(queue.try_push(std::move(bad_too)), std::runtime_error);
        CHECK_THROWS_AS(queue.push(std::move(bad_too)), std::runtime_error);
        CHECK_THROWS_AS(queue.push_then(node, bad_too), std::runtime_error);
    }
    CHECK(queue.stats().items == 0);
    CHECK(queue.try_push(fails(1)));
    CHECK(queue.try_push(fails(2)));
    CHECK(queue.try_pop()->number == 1);
    CHECK(queue.try_pop()->number == 2);
    queue.check_invariants();
}

TEST_CASE("close drains in order, and both sides are told", "[channel][unit]") {
    bounded_queue<int> queue{{.max_items = 4}};
    for (int i = 0; i < 3; ++i) CHECK(queue.push(i));
    CHECK_FALSE(queue.is_closed());
    queue.close();
    queue.close();
    CHECK(queue.is_closed());
    CHECK(queue.push(9).reason() == queue_reason::closed);
    for (int i = 0; i < 3; ++i) CHECK(queue.pop().take() == i);
    CHECK(queue.pop().reason() == queue_reason::closed);
    CHECK(queue.try_pop().reason() == queue_reason::closed);
    queue.check_invariants();
}

TEST_CASE("abort stays, keeps its first reason and destroys every item once", "[channel][unit]") {
    value_tally tally;
    {
        tracked_queue queue{{.max_items = 4}};
        static_assert(std::is_same_v<plateau::failure, std::exception_ptr>);
        for (int i = 0; i < 3; ++i) CHECK(queue.push(tracked_value<false>(tally, i)));
        CHECK(queue.pop());
        CHECK_FALSE(queue.error());
        queue.abort(std::make_exception_ptr(std::runtime_error("first")));
        CHECK(tally.live == 0);
        queue.abort(std::make_exception_ptr(std::logic_error("second")));
        CHECK_THROWS_AS(std::rethrow_exception(queue.error()), std::runtime_error);
        for (int i = 0; i < 3; ++i) {
            CHECK(queue.pop().reason() == queue_reason::aborted);
            CHECK(queue.try_pop().reason() == queue_reason::aborted);
            CHECK(queue.try_push(tracked_value<false>(tally, 7)).reason() == queue_reason::aborted);
        }
        const auto seen = queue.stats();
        CHECK(seen.pushed == 3);
        CHECK(seen.popped == 1);
        CHECK(seen.discarded == 2);
        CHECK(seen.items == 0);
        queue.check_invariants();
    }
    CHECK(tally.live == 0);
    CHECK(tally.corrupt == 0);
}

TEST_CASE("a queue that ends destroys what is in it", "[channel][unit]") {
    value_tally tally;
    for (const bool closed : {false, true}) {
        tracked_queue queue{{.max_items = 3}};
        for (int i = 0; i < 2; ++i) CHECK(queue.push(tracked_value<false>(tally, i)));
        CHECK(queue.pop());
        for (int i = 0; i < 2; ++i) CHECK(queue.push(tracked_value<false>(tally, i)));
        if (closed) queue.close();
    }
    CHECK(tally.live == 0);
    CHECK(tally.corrupt == 0);
}

TEST_CASE("a queue that ends while somebody waits for it is a violation", "[channel][unit]") {
    const death end = dies([] {
        auto queue = std::make_unique<bounded_queue<int>>(plateau::queue_options{.max_items = 1});
        std::optional<plateau::pop_result<int>> told;
        plateau::waiter node{keeps<plateau::pop_result<int>>{&told}};
        queue->pop_then(node);
        queue.reset();
    });
    CHECK_FALSE(end.survived());
    CHECK(end.message.find("while somebody still waited for it") != std::string::npos);
}

TEST_CASE("threads that wait at both ends are told of close and of abort", "[channel][unit]") {
    for (const bool abort : {false, true}) {
        bounded_queue<int> full{{.max_items = 1}}, empty{{.max_items = 1}};
        CHECK(full.push(1));
        queue_reason push_told{}, pop_told{};
        std::thread producer([&] { push_told = full.push(2).reason(); });
        std::thread consumer([&] { pop_told = empty.pop().reason(); });
        while (full.stats().push_waits == 0 || empty.stats().pop_waits == 0) std::this_thread::yield();
        if (abort) full.abort(), empty.abort();
        else full.close(), empty.close();
        producer.join();
        consumer.join();
        const auto reason = abort ? queue_reason::aborted : queue_reason::closed;
        CHECK(push_told == reason);
        CHECK(pop_told == reason);
    }
}

TEST_CASE("waits end when the hand clock reaches their deadline", "[channel][unit]") {
    plateau::manual_clock clock;
    bounded_queue<int, by_hand> queue{{.max_items = 1}, clock};
    const auto wait_and_advance = [&](auto wait, auto waiting) {
        queue_reason told{};
        std::thread waits([&] { told = wait(); });
        while (!waiting()) std::this_thread::yield();
        clock.advance(1s);
        waits.join();
        return told;
    };
    CHECK(wait_and_advance([&] { return queue.pop_for(1s).reason(); }, [&] { return queue.stats().pop_waits == 1; }) ==
          queue_reason::timed_out);
    CHECK(queue.push(1));
    CHECK(wait_and_advance([&] { return queue.push_for(2, 1s).reason(); },
                           [&] { return queue.stats().push_waits == 1; }) == queue_reason::timed_out);
    CHECK(queue.stats().items == 1);
    CHECK(queue.stats().refused == 1);

    std::optional<plateau::push_result> told;
    plateau::waiter node{keeps<plateau::push_result>{&told}};
    int held = 3;
    CHECK_FALSE(queue.next_deadline());
    queue.push_then(node, held, plateau::inline_here, clock.now() + 5s);
    CHECK(queue.next_deadline() == clock.now() + 5s);
    CHECK(queue.expire(clock.now() + 4s) == 0);
    CHECK(queue.expire(clock.now() + 5s) == 1);
    REQUIRE(told);
    CHECK(told->reason() == queue_reason::timed_out);
}

TEST_CASE("callbacks push and pop without allocating, and may arm themselves again", "[channel][unit]") {
    bounded_queue<int> queue{{.max_items = 1}};
    struct armed {
        bounded_queue<int>* from;
        std::vector<int>* got;
        plateau::waiter<armed>** self;
        void operator()(plateau::pop_result<int> r) noexcept {
            if (!r) return;
            got->push_back(*r);
            from->pop_then(**self);
        }
    };
    std::vector<int> got;
    got.reserve(100);
    plateau::waiter<armed>* self = nullptr;
    plateau::waiter<armed> chain{armed{&queue, &got, &self}};
    self = &chain;
    queue.pop_then(chain);
    const new_scope witness;
    for (int i = 0; i < 100; ++i) static_cast<void>(queue.push(i));
    const new_counts allocated = witness.delta();
    CHECK(allocated.calls == 0);
    REQUIRE(got.size() == 100);
    CHECK(got[99] == 99);
    queue.close();
}

TEST_CASE("a callback may push into the queue that calls it", "[channel][unit]") {
    bounded_queue<int> queue{{.max_items = 2}};
    struct refills {
        bounded_queue<int>* into;
        void operator()(plateau::push_result r) noexcept {
            if (!r) return;
            while (into->try_push(7)) {}
        }
    };
    CHECK(queue.try_push(1));
    CHECK(queue.try_push(2));
    plateau::waiter node{refills{&queue}};
    queue.writable_then(node);
    CHECK(queue.try_pop().take() == 1);
    CHECK(queue.try_pop().take() == 2);
    CHECK(queue.try_pop().take() == 7);
    queue.close();
}

TEST_CASE("coroutines push and pop on one loop, and a destroyed one leaves nothing behind", "[channel][unit]") {
    loop on;
    bounded_queue<std::string> queue{{.max_items = 2}};
    std::vector<std::string> got;
    queue_reason ended{};
    const auto produce = [](bounded_queue<std::string>& q, loop& where) -> task {
        for (int i = 0; i < 50; ++i) {
            const std::string text = std::to_string(i);
            if (i % 2 == 0) {
                if (!co_await q.async_push(text, where)) co_return;
            } else if (!co_await q.async_push(std::string(text), where)) co_return;
        }
        q.close();
    };
    const auto consume = [](bounded_queue<std::string>& q, loop& where, std::vector<std::string>& to,
                            queue_reason& why) -> task {
        for (;;) {
            auto item = co_await q.async_pop(where);
            if (!item) {
                why = item.reason();
                co_return;
            }
            to.push_back(item.take());
        }
    };
    task consumer = consume(queue, on, got, ended);
    task producer = produce(queue, on);
    on.run();
    CHECK(got.size() == 50);
    CHECK(got[49] == "49");
    CHECK(ended == queue_reason::closed);
    consumer.handle.destroy();
    producer.handle.destroy();

    bounded_queue<std::string> idle{{.max_items = 1}};
    task waits = consume(idle, on, got, ended);
    waits.handle.destroy();
    CHECK(idle.try_push("still usable"));
    idle.check_invariants();
}

TEST_CASE("several items are popped at once, oldest first", "[channel][unit]") {
    bounded_queue<int> queue{{.max_items = 5, .max_bytes = 1'000}};
    std::vector<int> got;
    CHECK(queue.try_pop_some(std::back_inserter(got), 3) == 0);
    int next = 0, expected = 0;
    for (int round = 0; round < 20; ++round) {
        while (queue.try_push(next)) ++next;
        got.clear();
        CHECK(queue.try_pop_some(std::back_inserter(got), 0) == 0);
        CHECK(queue.pop_some(std::back_inserter(got), 3).take() == 3);
        for (const int n : got) CHECK(n == expected++);
        queue.check_invariants();
    }
    got.clear();
    CHECK(queue.pop_some_for(std::back_inserter(got), 100, 0s).take() == 2);
    CHECK(queue.pop_some_for(std::back_inserter(got), 100, 0s).reason() == queue_reason::timed_out);
    queue.close();
    CHECK(queue.pop_some(std::back_inserter(got), 100).reason() == queue_reason::closed);

    bounded_queue<int> told{{.max_items = 5}};
    int room[4] = {};
    std::optional<plateau::pop_some_result> some;
    plateau::waiter node{keeps<plateau::pop_some_result>{&some}};
    told.pop_some_then(node, room, 4);
    CHECK(told.push(3));
    REQUIRE(some);
    CHECK(**some == 1);
    CHECK(room[0] == 3);
}

TEST_CASE("a batch whose destination throws ends every item once, and gives the slots back", "[channel][unit]") {
    struct throws_at_two {
        int* count;
        throws_at_two& operator*() { return *this; }
        throws_at_two& operator++() { return *this; }
        throws_at_two& operator=(tracked_value<false>&&) {
            if (++*count == 2) throw std::bad_alloc();
            return *this;
        }
    };
    value_tally tally;
    tracked_queue queue{{.max_items = 4}};
    for (int i = 0; i < 4; ++i) CHECK(queue.push(tracked_value<false>(tally, i)));
    int count = 0;
    CHECK_THROWS_AS(queue.try_pop_some(throws_at_two{&count}, 3), std::bad_alloc);
    CHECK(tally.live == 1);
    CHECK(tally.corrupt == 0);
    for (int i = 0; i < 3; ++i) CHECK(queue.try_push(tracked_value<false>(tally, i)));
    CHECK_FALSE(queue.try_push(tracked_value<false>(tally, 9)));
    queue.check_invariants();
}

TEST_CASE("a notice that takes nothing lets the next be told as well", "[channel][unit]") {
    bounded_queue<int> queue{{.max_items = 1}};
    std::vector<queue_reason> told;
    std::optional<plateau::pop_result<int>> got;
    plateau::waiter readable{notes{&told}};
    plateau::waiter pops{keeps<plateau::pop_result<int>>{&got}};
    queue.readable_then(readable);
    queue.pop_then(pops);
    CHECK(queue.push(1));
    CHECK(told.size() == 1);
    REQUIRE(got);
    CHECK(**got == 1);

    CHECK(queue.push(2));
    int held = 3;
    std::vector<queue_reason> in;
    plateau::waiter writable{notes{&told}};
    plateau::waiter pushes{notes{&in}};
    queue.writable_then(writable);
    queue.push_then(pushes, held);
    CHECK(queue.pop());
    CHECK(told.size() == 2);
    CHECK(in.size() == 1);
    CHECK(queue.pop().take() == 3);
}

TEST_CASE("a queue allocates in its constructor and nowhere else", "[channel][unit]") {
    allocation_tally tally;
    struct counted : plateau::queue_policies {
        using allocator = counting_allocator<std::byte>;
    };
    using queue_type = bounded_queue<std::uint64_t, counted>;
    {
        queue_type queue{{.max_items = 100}, counting_allocator<std::byte>(tally)};
        CHECK(tally.live_bytes == static_cast<std::int64_t>(queue.memory_ceiling() - sizeof(queue)));
        std::uint64_t sum = 0;
        const new_scope witness;
        for (std::uint64_t i = 0; i < 10'000; ++i) {
            static_cast<void>(queue.push(i));
            static_cast<void>(queue.push_for(i, 1s));
            sum += queue.pop().take() + queue.pop_for(1s).take();
        }
        const new_counts allocated = witness.delta();
        CHECK(allocated.calls == 0);
        CHECK(sum == 99'990'000);
        CHECK(tally.calls == 1);
    }
    CHECK(tally.live_bytes == 0);
    CHECK(tally.wrong_sizes == 0);
}

TEST_CASE("an item costs one word beside itself", "[channel][unit]") {
    CHECK(bounded_queue<std::uint64_t>::item_overhead == 16);
    CHECK(bounded_queue<std::string>::item_overhead == sizeof(std::string) + 8);
    CHECK(sizeof(bounded_queue<int>) <= 1'024);
}

TEST_CASE("the figures of a queue describe themselves", "[channel][unit]") {
    static_assert(plateau::described<plateau::queue_stats>);
    bounded_queue<std::uint64_t> queue{{.max_items = 2, .max_bytes = 1'000}};
    CHECK(queue.push(1U));
    std::vector<std::pair<std::string, double>> seen;
    queue.stats().visit_fields([&](const plateau::field_info& field, auto value) {
        seen.emplace_back(field.name, static_cast<double>(value));
    });
    CHECK(seen.size() == 8);
    CHECK(seen.front() == std::pair<std::string, double>("pushed", 1));
    CHECK(seen.back() == std::pair<std::string, double>("charged", 16));
    CHECK(plateau::to_string(queue_reason::too_large) == "too_large");
}
