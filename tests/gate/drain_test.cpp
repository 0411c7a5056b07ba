// SPDX-License-Identifier: MIT
#include "gate/gate_requests.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"

#include <plateau/gate.hpp>
#include <plateau/stop.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::drain_reason;
using plateau::shed_reason;
using plateau::time_point;

namespace {

struct drain_note {
    std::optional<plateau::drain_result>* into;
    void operator()(plateau::drain_result r) const noexcept { into->emplace(r); }
};

}  // namespace

TEST_CASE("a gate that drains refuses everybody and is done when the last permit has come back", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 2}};
    CHECK(door.drain());
    CHECK(door.try_admit().reason() == shed_reason::draining);
    CHECK(door.admit().reason() == shed_reason::draining);
    CHECK(door.try_admit({.bytes = SIZE_MAX}).reason() == shed_reason::draining);
    door.resume();
    auto held = door.try_admit();
    const auto not_yet = door.drain_for(0s);
    CHECK_FALSE(not_yet);
    CHECK(not_yet.reason() == drain_reason::timed_out);
    CHECK(not_yet.left() == 1);
    CHECK(door.drain_until(time_point(0s)).left() == 1);
    held->release();
    CHECK(door.drain());
    CHECK(door.drain());
    door.resume();
    door.resume();
    CHECK(door.try_admit());
}

TEST_CASE("draining sends away those who wait, at once", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1, .max_wait = plateau::forever}};
    auto held = door.try_admit();
    auto line = line_up(door, 1);
    shed_reason told = shed_reason::none;
    std::thread waits([&] { told = door.admit().reason(); });
    until_queued(door, 2);
    CHECK_FALSE(door.drain_for(0s));
    waits.join();
    CHECK(told == shed_reason::draining);
    CHECK(line[0]->reason() == shed_reason::draining);
    CHECK(line[0]->answer().retry_after() >= 1s);
    CHECK(door.stats().queued == 0);
    door.check_invariants();
}

TEST_CASE("every form of drain is told when the last permit has come back", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 2}};
    auto first = door.try_admit();
    auto second = door.try_admit();
    std::optional<plateau::drain_result> called, awaited;
    plateau::waiter node{drain_note{&called}};
    door.drain_then(node);
    test_loop loop;
    const auto wait = [](plateau::gate& at, test_loop& on,
                         std::optional<plateau::drain_result>& into) -> detached_task {
        into.emplace(co_await at.async_drain(on));
    };
    const auto task = wait(door, loop, awaited);
    std::atomic<int> drained{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] {
            if (door.drain()) ++drained;
        });
    first->release();
    CHECK_FALSE(called);
    CHECK(drained == 0);
    second->release();
    for (auto& each : threads) each.join();
    CHECK(drained == 3);
    CHECK((called && *called));
    CHECK_FALSE(awaited);
    loop.run();
    CHECK((awaited && *awaited));
    task.handle.destroy();
}

TEST_CASE("a drain ends when it is stopped, too late, or opened again", "[gate][unit]") {
    plateau::manual_clock clock;
    hand_gate door({.max_in_flight = 1}, clock);
    auto held = door.try_admit();
    plateau::inplace_stop_source source;
    source.request_stop();
    const auto stopped = door.drain(source.get_token());
    CHECK(stopped.reason() == drain_reason::cancelled);
    CHECK(stopped.left() == 1);
    std::optional<plateau::drain_result> called;
    plateau::waiter node{drain_note{&called}};
    door.drain_then(node);
    door.resume();
    REQUIRE(called);
    CHECK(called->reason() == drain_reason::resumed);
    called.reset();
    door.drain_then(node);
    node.cancel();
    REQUIRE(called);
    CHECK(called->reason() == drain_reason::cancelled);
    drain_reason told = drain_reason::none;
    std::thread waits([&] { told = door.drain_for(10s).reason(); });
    while (!door.next_deadline()) std::this_thread::yield();
    clock.advance(10s);
    waits.join();
    CHECK(told == drain_reason::timed_out);
    CHECK(door.try_admit().reason() == shed_reason::draining);
    door.resume();
    std::thread again([&] { told = door.drain_for(10s).reason(); });
    while (!door.next_deadline()) std::this_thread::yield();
    door.resume();
    again.join();
    CHECK(told == drain_reason::resumed);
}

TEST_CASE("whoever waits when a gate opens again is let in", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1}};
    auto held = door.try_admit();
    CHECK_FALSE(door.drain_for(0s));
    door.resume();
    auto line = line_up(door, 1);
    held->release();
    CHECK(line[0]->admitted());
    door.check_invariants();
}

TEST_CASE("no handler runs once a drain has succeeded", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 4, .max_wait = plateau::forever}};
    for (int round = 0; round < 200; ++round) {
        auto resource = std::make_unique<int>(7);  // gone when the gate is drained
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i)
            threads.emplace_back([&] {
                for (;;) {
                    const auto slot = door.admit();
                    if (!slot) return;
                    if (*resource != 7) ++wrong;
                }
            });
        while (door.stats().admitted < 10U * static_cast<unsigned>(round + 1)) std::this_thread::yield();
        const bool drained = static_cast<bool>(door.drain());
        if (drained) {
            *resource = 0;
            resource.reset();
        }
        for (auto& each : threads) each.join();
        REQUIRE(drained);
        REQUIRE(wrong == 0);
        door.resume();
    }
}

TEST_CASE("permits outlive their gate, and the last one frees what they share", "[gate][unit]") {
    auto door = std::make_unique<plateau::gate>(plateau::gate_options{.max_in_flight = 3});
    plateau::permit first = door->try_admit({.bytes = 5}).take();
    plateau::permit second = door->try_admit({.bytes = 5}).take();
    auto third = door->try_admit();
    door.reset();
    first.shrink_to(1);
    first.release();
    third->release();
    std::thread([moved = std::move(second)]() mutable { moved.release(); }).join();
}

TEST_CASE("whoever waits when the gate ends is told closed, as thread, callback and coroutine", "[gate][unit]") {
    for (const bool permit_outlives : {false, true}) {
        auto door = std::make_unique<plateau::gate>(
            plateau::gate_options{.max_in_flight = 1, .max_queue = 9, .max_wait = plateau::forever});
        std::optional<plateau::permit> held = door->try_admit().take();
        request called;
        door->admit_then(called.node);
        test_loop loop;
        shed_reason awaited = shed_reason::none, slept = shed_reason::none;
        const auto wait = [](plateau::gate& at, test_loop& on, shed_reason& into) -> detached_task {
            auto got = co_await at.async_admit({}, on);
            into = got.reason();
            if (got.retry_after() != 1s || got.status() != 503) into = shed_reason::limit;
        };
        const auto task = wait(*door, loop, awaited);
        std::thread waits([&, at = door.get()] { slept = at->admit().reason(); });
        until_queued(*door, 3);
        if (!permit_outlives) {
            // The last place goes to the callback, which holds it beyond the gate.
            held.reset();
            CHECK(called.admitted());
        }
        door.reset();
        waits.join();
        loop.run();
        if (permit_outlives) CHECK(called.reason() == shed_reason::closed);
        CHECK(awaited == shed_reason::closed);
        CHECK(slept == shed_reason::closed);
        task.handle.destroy();
    }
}

TEST_CASE("a callback may end the gate that lets it in", "[gate][unit]") {
    struct ends_gate {
        std::unique_ptr<plateau::gate>* door;
        int* runs;
        void operator()(plateau::admission a) const noexcept {
            *runs += a ? 1 : 100;
            door->reset();
        }
    };
    auto door = std::make_unique<plateau::gate>(plateau::gate_options{.max_in_flight = 1, .max_queue = 2});
    int runs = 0;
    plateau::waiter node{ends_gate{&door, &runs}};
    request behind;
    plateau::permit held = door->try_admit().take();
    door->admit_then(node);
    door->admit_then(behind.node);
    held.release();
    CHECK(runs == 1);
    CHECK(behind.reason() == shed_reason::closed);
    CHECK_FALSE(door);
}

TEST_CASE("a gate that ends while somebody waits for it to be empty is a violation", "[gate][unit]") {
    CHECK_FALSE(dies([] {
                    auto door = std::make_unique<plateau::gate>(plateau::gate_options{.max_in_flight = 1});
                    const auto held = door->try_admit();
                    std::optional<plateau::drain_result> called;
                    plateau::waiter node{drain_note{&called}};
                    door->drain_then(node);
                    door.reset();
                }).survived());
}

namespace {
plateau::gate& static_gate() {
    static plateau::gate door{{.max_in_flight = 1}};
    return door;
}
/// Made before the gate, and so ended after it.
struct late_holder {
    plateau::permit held;
} static_holder;
}  // namespace

TEST_CASE("a gate with static storage may end before a permit with static storage", "[gate][unit]") {
    static_holder.held = static_gate().try_admit().take();
    CHECK(static_gate().stats().in_flight == 1);
}
