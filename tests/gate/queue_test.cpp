// SPDX-License-Identifier: MIT
#include "gate/gate_checks.hpp"
#include "gate/gate_requests.hpp"
#include "tools/catch.hpp"

#include <plateau/gate.hpp>
#include <plateau/stop.hpp>
#include <plateau/stop_std.hpp>
#include <plateau/sync.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::shed_reason;
using plateau::time_point;

namespace {

/// Does something of the test's when it is asked for the time, for the `countdown`th time.
struct eventful_clock {
    struct plan {
        int countdown = 0;
        std::function<void()> event;
    };
    plan* planned = nullptr;
    time_point now() const noexcept {
        if (--planned->countdown == 0) planned->event();
        return {};
    }
};
struct with_events : plateau::gate_policies {
    using clock = eventful_clock;
};

/// Counts how often a sleeper is woken.
std::atomic<int> signals{0};
struct counting_parker : plateau::default_sync::parker {
    void signal() noexcept {
        ++signals;
        plateau::default_sync::parker::signal();
    }
};
struct counting_sync : plateau::default_sync {
    using parker = counting_parker;
    static constexpr unsigned spin_yields = 0;
};
struct with_counted_wakes : plateau::gate_policies {
    using sync = counting_sync;
};

}  // namespace

TEST_CASE("requests are admitted in the order in which they came", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1, .max_queue = 5}};
    auto held = door.try_admit();
    auto line = line_up(door, 5);
    held->release();
    for (std::size_t i = 0; i < line.size(); ++i) {
        for (std::size_t k = 0; k < line.size(); ++k) CHECK(line[k]->admitted() == (k == i));
        door.check_invariants();
        line[i]->release();
    }
    CHECK(door.stats().in_flight == 0);
}

TEST_CASE("a newcomer does not pass a request that waits", "[gate][unit]") {
    passes(nobody_passes_who_waits<plateau::gate_policies>);
}

TEST_CASE("a steady stream of light requests does not starve a heavy one", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 8, .max_queue = 100}};
    std::deque<std::unique_ptr<request>> stream;
    const auto come = [&] {
        stream.push_back(std::make_unique<request>());
        door.admit_then(stream.back()->node, {.bytes = 1});
    };
    door.set_max_bytes(8);
    for (int i = 0; i < 8; ++i) come();
    request heavy;
    door.admit_then(heavy.node, {.bytes = 8});
    int turns = 0;
    while (!heavy.admitted() && turns < 100) {  // one goes and one comes
        stream.pop_front();
        come();
        ++turns;
    }
    CHECK(turns == 8);
    CHECK(door.stats().in_flight == 1);
    heavy.release();
    CHECK(door.stats().in_flight == 8);
    stream.clear();
    door.check_invariants();
}

TEST_CASE("those who fit go on when the heavy one before them gives up", "[gate][unit]") {
    const auto gives_up = [](const char* how, auto give_up) {
        INFO(how);
        plateau::manual_clock clock;
        hand_gate door({.max_in_flight = 4, .max_bytes = 10}, clock);
        const auto held = door.try_admit({.bytes = 5});
        auto heavy = std::make_unique<request>();
        door.admit_then(heavy->node, {.bytes = 10, .deadline = time_point(1ms)});
        auto line = line_up(door, 3, 2);
        CHECK(door.stats().queued == 4);
        give_up(door, heavy, clock);
        CHECK(line[0]->admitted());
        CHECK(line[1]->admitted());
        CHECK_FALSE(line[2]->answered());
        CHECK(door.stats().queued == 1);
        door.check_invariants();
        line[0]->release();
        CHECK(line[2]->admitted());
    };
    gives_up("cancelled", [](hand_gate&, auto& heavy, auto&) { heavy->node.cancel(); });
    gives_up("destroyed", [](hand_gate&, auto& heavy, auto&) { heavy.reset(); });
    gives_up("too late", [](hand_gate& door, auto&, auto& clock) {
        clock.advance(1ms);
        CHECK(door.expire(clock.now()) == 1);
    });
    gives_up("too large since the budget was lowered", [](hand_gate& door, auto& heavy, auto&) {
        door.set_max_bytes(9);
        CHECK(heavy->reason() == shed_reason::too_large);
    });
}

TEST_CASE("a full queue refuses the newcomer, and nobody who waits", "[gate][unit]") {
    passes(a_full_queue_refuses_the_newcomer<plateau::gate_policies>);
    plateau::gate door{{.max_in_flight = 1, .max_queue = 2}};
    auto held = door.try_admit();
    auto line = line_up(door, 3);
    CHECK(line[2]->reason() == shed_reason::queue_full);
    CHECK(line[2]->answer().status() == 503);
    CHECK(door.admit().reason() == shed_reason::queue_full);
    CHECK(door.stats().queued == 2);
    line[0]->node.cancel();
    request next;
    door.admit_then(next.node);
    CHECK_FALSE(next.answered());
    held->release();
    CHECK(line[1]->admitted());
}

TEST_CASE("without a queue the waiting forms refuse at once, for the reason that try_admit gives", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 2, .max_bytes = 10, .max_queue = 0}};
    const auto held = door.try_admit({.bytes = 8});
    CHECK(door.admit({.bytes = 3}).reason() == shed_reason::bytes);
    const auto second = door.admit({.bytes = 2});
    CHECK(second);
    CHECK(door.admit_for({.bytes = 0}, 1h).reason() == shed_reason::limit);
    request waits;
    door.admit_then(waits.node);
    CHECK(waits.reason() == shed_reason::limit);
}

TEST_CASE("the queue holds twice max_in_flight when nobody says otherwise", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 3}};
    const auto held = line_up(door, 3);
    const auto line = line_up(door, 7);
    CHECK(door.stats().queued == 6);
    CHECK(line[6]->reason() == shed_reason::queue_full);
}

TEST_CASE("a raised limit lets in as many as it has room for, and one release lets in one", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1, .max_queue = 1'000}};
    auto held = door.try_admit();
    auto line = line_up(door, 1'000);
    const auto admitted = [&] {
        std::size_t count = 0;
        for (const auto& each : line) count += each->admitted() ? 1 : 0;
        return count;
    };
    held->release();
    CHECK(admitted() == 1);
    door.set_limit(11);
    CHECK(admitted() == 11);
    CHECK(line[10]->admitted());
    CHECK_FALSE(line[11]->answered());
    door.set_limit(3);
    line[0]->release();
    CHECK_FALSE(line[11]->answered());
    door.check_invariants();
}

TEST_CASE("one release wakes exactly one of many sleeping threads", "[gate][unit]") {
    plateau::basic_gate<with_counted_wakes> door{{.max_in_flight = 1, .max_queue = 100, .max_wait = plateau::forever}};
    auto held = door.try_admit();
    std::atomic<int> in{0};
    std::atomic<bool> go_on{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; ++i)
        threads.emplace_back([&] {
            const auto slot = door.admit();
            ++in;
            while (!go_on) std::this_thread::yield();
        });
    until_queued(door, 20);
    signals = 0;
    held->release();
    while (in == 0) std::this_thread::yield();
    CHECK(signals == 1);
    CHECK(door.stats().queued == 19);
    go_on = true;
    for (auto& each : threads) each.join();
    CHECK(in == 20);
    CHECK(signals == 20);
}

TEST_CASE("a thread waits no longer than max_wait, its own bound, or its client's deadline", "[gate][unit]") {
    plateau::manual_clock clock;
    hand_gate door({.max_in_flight = 1, .max_wait = 100ms}, clock);
    const auto held = door.try_admit();
    const auto ends = [&](auto wait, plateau::duration after, shed_reason why) {
        shed_reason got = shed_reason::none;
        std::thread waits([&] { got = wait().reason(); });
        until_queued(door, 1);
        clock.advance(after - 1ns);
        CHECK(door.stats().queued == 1);
        clock.advance(1ns);
        waits.join();
        CHECK(got == why);
    };
    ends([&] { return door.admit(); }, 100ms, shed_reason::timed_out);
    ends([&] { return door.admit_for({}, 5ms); }, 5ms, shed_reason::timed_out);
    ends([&] { return door.admit_for({}, 5s); }, 5s, shed_reason::timed_out);
    ends([&] { return door.admit_until({}, clock.now() + 7ms); }, 7ms, shed_reason::timed_out);
    ends([&] { return door.admit({.deadline = clock.now() + 3ms}); }, 3ms, shed_reason::deadline);
    ends([&] { return door.admit({.deadline = clock.now() + 3s}); }, 100ms, shed_reason::timed_out);
    ends([&] { return door.admit_for({.deadline = clock.now() + 3ms}, plateau::forever); }, 3ms, shed_reason::deadline);
    ends([&] { return door.admit_until({.deadline = clock.now() + 3ms}, clock.now() + 4ms); }, 3ms,
         shed_reason::deadline);
    CHECK(door.admit_for({}, 0s).reason() == shed_reason::timed_out);
    CHECK(door.admit_for({}, -1s).reason() == shed_reason::timed_out);
    CHECK(door.admit_until({}, clock.now()).reason() == shed_reason::timed_out);
    CHECK(door.admit({.deadline = time_point(0s)}).reason() == shed_reason::deadline);
    door.check_invariants();
}

TEST_CASE("a request whose deadline has passed is admitted when there is a place", "[gate][unit]") {
    plateau::manual_clock clock(time_point(1h));
    hand_gate door({.max_in_flight = 6}, clock);
    plateau::inplace_stop_source stopped;
    stopped.request_stop();
    const auto a = door.try_admit({.deadline = time_point(0s)});
    const auto b = door.admit({.deadline = time_point(0s)});
    const auto c = door.admit_for({}, -1s);
    const auto d = door.admit_until({}, time_point(0s));
    const auto e = door.admit({}, stopped.get_token());
    request f;
    door.admit_then(f.node, {.deadline = time_point(0s)});
    CHECK((a && b && c && d && e && f.admitted()));
}

TEST_CASE("a thread that waits is told to stop, by either kind of token", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1, .max_wait = plateau::forever}};
    const auto held = door.try_admit();
    {
        plateau::inplace_stop_source source;
        shed_reason got = shed_reason::none;
        std::thread waits([&] { got = door.admit({}, source.get_token()).reason(); });
        until_queued(door, 1);
        source.request_stop();
        waits.join();
        CHECK(got == shed_reason::cancelled);
        CHECK(door.admit({}, source.get_token()).reason() == shed_reason::cancelled);
    }
#if defined(__cpp_lib_jthread)
    {
        std::stop_source source;
        shed_reason got = shed_reason::none;
        std::thread waits([&] { got = door.admit_for({}, plateau::forever, source.get_token()).reason(); });
        until_queued(door, 1);
        source.request_stop();
        waits.join();
        CHECK(got == shed_reason::cancelled);
    }
#endif
    CHECK(door.stats().queued == 0);
    door.check_invariants();
}

// Netflix/concurrency-limits, LifoBlockingLimiter: a request enqueues after its failed attempt and does not look again;
// if the last holder leaves in between, it sleeps until its time is over.
TEST_CASE("a place that becomes free between the failed attempt and the queue is taken", "[gate][unit]") {
    // The clock is read for the end of the wait, and once more between the last failed attempt and the queue.
    for (const int read : {1, 2}) {
        eventful_clock::plan plan;
        eventful_clock clock{&plan};
        plateau::basic_gate<with_events> door({.max_in_flight = 1}, clock);
        auto held = door.try_admit();
        plan = {read, [&] { held->release(); }};
        CHECK(door.admit());
        CHECK(plan.countdown == 0);
        door.check_invariants();
    }
}

// failsafe-lib/failsafe#393: each wait that timed out took a permit with it.
TEST_CASE("a hundred thousand waits that ended too late leave every place free", "[gate][unit]") {
    plateau::manual_clock clock;
    hand_gate door({.max_in_flight = 4}, clock);
    {
        const auto held = line_up(door, 4);
        for (int i = 0; i < 100'000; ++i) {
            request late;
            door.admit_then(late.node);
            if (i % 3 == 0) late.node.cancel();
            if (i % 3 == 1) door.expire(clock.now() + 100ms);
            if (i % 3 != 2) REQUIRE(late.answered());
        }
    }
    CHECK(door.stats().in_flight == 0);
    const auto again = line_up(door, 5);
    for (int i = 0; i < 4; ++i) CHECK(again[static_cast<std::size_t>(i)]->admitted());
    CHECK_FALSE(again[4]->answered());
}

TEST_CASE("next_deadline names the earliest end of a wait, and expire ends what is due", "[gate][unit]") {
    plateau::manual_clock clock;
    hand_gate door({.max_in_flight = 1, .max_wait = 100ms}, clock);
    CHECK_FALSE(door.next_deadline());
    const auto held = door.try_admit();
    request a, b, c;
    door.admit_then(a.node);
    CHECK(door.next_deadline() == time_point(100ms));
    door.admit_then(b.node, {.deadline = time_point(30ms)});
    CHECK(door.next_deadline() == time_point(30ms));
    CHECK(door.expire(time_point(30ms) - 1ns) == 0);
    CHECK(door.expire(time_point(30ms)) == 1);
    CHECK(b.reason() == shed_reason::deadline);
    clock.set(time_point(50ms));
    door.admit_then(c.node);
    CHECK(door.next_deadline() == time_point(100ms));
    CHECK(door.expire(time_point(1h)) == 2);
    CHECK(a.reason() == shed_reason::timed_out);
    CHECK(c.reason() == shed_reason::timed_out);
    CHECK_FALSE(door.next_deadline());
}

TEST_CASE("a clock that stands, goes back or jumps ends nobody's wait before its time", "[gate][unit]") {
    plateau::manual_clock clock(time_point(1h));
    hand_gate door({.max_in_flight = 1, .max_wait = 100ms}, clock);
    auto held = door.try_admit();
    request before, after;
    door.admit_then(before.node);
    clock.set(time_point(0s));
    CHECK(door.expire(clock.now()) == 0);
    door.admit_then(after.node);
    CHECK(door.expire(clock.now()) == 0);
    clock.set(time_point(8760h));
    CHECK(door.expire(clock.now()) == 2);
    clock.set(time_point::max());
    request at_the_end;
    door.admit_then(at_the_end.node);
    CHECK_FALSE(at_the_end.answered());
    held->release();
    CHECK(at_the_end.admitted());
}

TEST_CASE("a callback that is let in may admit, cancel others and drain", "[gate][unit]") {
    struct busy {
        plateau::gate* door;
        request* other;
        std::optional<plateau::admission> mine, more;
        bool done = false;
        void run(plateau::admission a) noexcept {
            mine.emplace(std::move(a));
            more.emplace(door->try_admit());
            other->node.cancel();
            static_cast<void>(door->drain_for(0s));
            door->resume();
            done = true;
        }
    };
    struct run_busy {
        busy* at;
        void operator()(plateau::admission a) const noexcept { at->run(std::move(a)); }
    };
    plateau::gate door{{.max_in_flight = 2, .max_queue = 3}};
    auto first = door.try_admit();
    auto second = door.try_admit();
    request other, third;
    busy does{&door, &other, {}, {}, false};
    plateau::waiter node{run_busy{&does}};
    door.admit_then(node);
    door.admit_then(other.node);
    door.admit_then(third.node);
    first->release();
    CHECK(does.done);
    CHECK(*does.mine);
    CHECK(does.more->reason() == shed_reason::limit);
    CHECK(other.reason() == shed_reason::cancelled);
    CHECK(third.reason() == shed_reason::draining);
    CHECK(door.stats().in_flight == 2);
    door.check_invariants();
}

TEST_CASE("a coroutine waits on its executor, and is told what a thread is told", "[gate][unit]") {
    plateau::manual_clock clock;
    hand_gate door({.max_in_flight = 1, .max_wait = 100ms}, clock);
    test_loop loop;
    std::vector<shed_reason> said;
    const auto come = [](hand_gate& at, test_loop& on, std::vector<shed_reason>& told,
                         plateau::admit_options how) -> detached_task {
        const auto slot = co_await at.async_admit(how, on);
        told.push_back(slot.reason());
    };
    auto held = door.try_admit();
    const auto a = come(door, loop, said, {});
    const auto b = come(door, loop, said, {.deadline = time_point(5ms)});
    const auto c = come(door, loop, said, {});
    CHECK(door.stats().queued == 2);
    loop.run();
    CHECK(said == std::vector{shed_reason::queue_full});
    CHECK(door.next_deadline() == time_point(5ms));
    CHECK(door.expire(time_point(5ms)) == 1);
    held->release();
    CHECK(said.size() == 1);  // not before the loop runs
    loop.run();
    CHECK(said == std::vector{shed_reason::queue_full, shed_reason::deadline, shed_reason::none});
    CHECK(door.stats().in_flight == 0);
    const auto d = come(door, loop, said, {});
    CHECK(said.back() == shed_reason::none);  // at once, without the loop
    for (const auto& each : {a, b, c, d}) each.handle.destroy();
}

TEST_CASE("a coroutine that is destroyed while it waits, or before it goes on, leaves its place to others",
          "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1, .max_bytes = 10, .max_queue = 9}};
    test_loop loop;
    const auto come = [](plateau::gate& at, test_loop& on, std::size_t bytes, int& in) -> detached_task {
        const auto slot = co_await at.async_admit({.bytes = bytes}, on);
        if (slot) ++in;
    };
    int in = 0;
    auto held = door.try_admit();
    const auto waits = come(door, loop, 10, in);
    request behind;
    door.admit_then(behind.node);
    waits.handle.destroy();
    CHECK(door.stats().queued == 1);
    held->release();
    CHECK(behind.admitted());
    behind.release();
    CHECK(door.stats().in_flight == 0);
    CHECK(in == 0);
}
