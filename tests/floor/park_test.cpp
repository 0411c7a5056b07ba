// SPDX-License-Identifier: MIT
// The forms in which a thread waits, on both ways of sleeping.
#include "floor/park_rooms.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"

#include <plateau/detail/condvar_parker.hpp>
#include <plateau/detail/event_count.hpp>
#include <plateau/stop_std.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::time_point;
using plateau::detail::patience_limit;

namespace {

struct condvar_sync : plateau::default_sync {
    using parker = plateau::detail::condvar_parker;
};
/// Sleeps at once: no look is left to luck.
struct sleepy_sync : plateau::default_sync {
    static constexpr unsigned spin_pauses = 0;
    static constexpr unsigned spin_yields = 0;
};
struct sleepy_condvar_sync : condvar_sync {
    static constexpr unsigned spin_pauses = 0;
    static constexpr unsigned spin_yields = 0;
};

template <class Sync>
using tokens = token_room<room_parts<Sync>>;
template <class Sync>
using box = mailbox<std::uint32_t, room_parts<Sync>>;

constexpr plateau::never_stop_token never{};

struct one_processor_sync : plateau::default_sync {
    static unsigned processors() noexcept { return 1; }
};

/// A waiter with a deadline that nobody sleeps on.
struct bare_waiter : plateau::detail::thread_node<plateau::default_sync> {
    using node = plateau::detail::park_node<plateau::default_sync>;
    explicit bare_waiter(time_point deadline) : thread_node([](node&, plateau::detail::chore) noexcept {}) {
        set_deadline(deadline);
    }
    static constexpr std::uint32_t unarmed = idle;
};

/// Until somebody waits there.
template <class Room>
void await_waiter(const Room& room) {
    while (!room.flagged()) std::this_thread::yield();
}

}  // namespace

TEMPLATE_TEST_CASE("what can be had at once is had at once, whatever deadline and token say", "[floor][unit]",
                   plateau::default_sync, condvar_sync) {
    tokens<TestType> room(2);
    plateau::basic_manual_clock<TestType> clock{time_point(10s)};
    plateau::basic_inplace_stop_source<TestType> source;
    source.request_stop();
    CHECK(room.acquire(source.get_token(), clock, patience_limit(time_point(1s))));
    CHECK(room.acquire(source.get_token(), clock, patience_limit(plateau::duration(0))));
    CHECK(room.acquire(source.get_token(), clock).reason() == room_reason::cancelled);
    CHECK(room.acquire(never, clock, patience_limit(time_point(10s))).reason() == room_reason::timed_out);
    CHECK(room.acquire(never, clock, patience_limit(plateau::duration(-5))).reason() == room_reason::timed_out);
    CHECK_FALSE(room.flagged());
}

TEMPLATE_TEST_CASE("a release grants to the oldest waiter, one at a time, and lowers the flag behind the last",
                   "[floor][unit]", plateau::default_sync, condvar_sync, sleepy_sync, sleepy_condvar_sync) {
    tokens<TestType> room(0);
    std::atomic<int> served{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] {
            if (room.acquire()) ++served;
        });
    for (int i = 0; i < 3; ++i) room.release();
    for (auto& thread : threads) thread.join();
    CHECK(served == 3);
    CHECK(room.tokens() == 0);
    CHECK_FALSE(room.flagged());
}

TEMPLATE_TEST_CASE("the turn of the hand clock that reaches the deadline ends the wait, and none before",
                   "[floor][unit]", plateau::default_sync, condvar_sync, sleepy_sync, sleepy_condvar_sync) {
    tokens<TestType> room(0);
    plateau::basic_manual_clock<TestType> clock;
    auto reason = room_reason::none;
    std::thread waiter([&] { reason = room.acquire(never, clock, patience_limit(time_point(5s))).reason(); });
    await_waiter(room);
    clock.advance(4'999'999'999ns);
    CHECK(room.flagged());
    clock.set(time_point(2s));
    CHECK(room.flagged());
    clock.set(time_point(5s));
    waiter.join();
    CHECK(reason == room_reason::timed_out);
    CHECK_FALSE(room.flagged());
}

TEMPLATE_TEST_CASE("a deadline of the steady clock ends a wait that nobody else ends", "[floor][unit]",
                   plateau::default_sync, condvar_sync, sleepy_sync, sleepy_condvar_sync) {
    tokens<TestType> room(0);
    const plateau::steady_clock clock;
    const auto until = clock.now() + 2ms;
    CHECK(room.acquire(never, clock, patience_limit(until)).reason() == room_reason::timed_out);
    CHECK(clock.now() >= until);
    CHECK_FALSE(room.flagged());
    CHECK(room.acquire(never, plateau::coarse_clock{}, patience_limit(1ms)).reason() == room_reason::timed_out);
}

TEMPLATE_TEST_CASE("a request to stop ends the wait, before it or in its midst", "[floor][unit]", sleepy_sync,
                   sleepy_condvar_sync) {
    tokens<TestType> room(0);
    plateau::basic_inplace_stop_source<TestType> source;
    auto reason = room_reason::none;
    std::thread waiter([&] { reason = room.acquire(source.get_token()).reason(); });
    await_waiter(room);
    source.request_stop();
    waiter.join();
    CHECK(reason == room_reason::cancelled);
    CHECK_FALSE(room.flagged());
    CHECK(room.acquire(source.get_token()).reason() == room_reason::cancelled);
    CHECK(room.acquire(plateau::basic_inplace_stop_token<TestType>(), plateau::steady_clock(),
                       patience_limit(plateau::duration(0)))
              .reason() == room_reason::timed_out);
}

#if defined(__cpp_lib_jthread)
TEST_CASE("a std::stop_token ends the wait as well", "[floor][unit]") {
    tokens<sleepy_sync> room(0);
    std::stop_source source;
    auto reason = room_reason::none;
    std::thread waiter([&] { reason = room.acquire(source.get_token()).reason(); });
    await_waiter(room);
    source.request_stop();
    waiter.join();
    CHECK(reason == room_reason::cancelled);
}
#endif

TEMPLATE_TEST_CASE("every value goes through a mailbox once, in order, and close ends both sides", "[floor][unit]",
                   plateau::default_sync, condvar_sync, sleepy_sync, sleepy_condvar_sync) {
    constexpr std::uint32_t count = 2'000;
    box<TestType> room;
    std::vector<std::uint32_t> taken;
    std::thread taker([&] {
        while (const auto value = room.take()) taken.push_back(*value);
    });
    for (std::uint32_t i = 0; i < count; ++i) REQUIRE(room.put(i));
    room.close();
    taker.join();
    REQUIRE(taken.size() == count);
    for (std::uint32_t i = 0; i < count; ++i) REQUIRE(taken[i] == i);
    CHECK(room.put(7).reason() == room_reason::closed);
    CHECK(room.take().reason() == room_reason::closed);
}

TEMPLATE_TEST_CASE("an event count wakes who waits for a condition of any make", "[floor][unit]", plateau::default_sync,
                   condvar_sync, sleepy_sync, sleepy_condvar_sync) {
    plateau::detail::event_count<TestType> ping, pong;
    std::atomic<int> turn{0};
    constexpr int rounds = 1'000;
    std::thread other([&] {
        for (int i = 0; i < rounds; ++i) {
            ping.wait([&]() noexcept { return turn.load() == 2 * i + 1; });
            turn.store(2 * i + 2);
            pong.notify_one();
        }
    });
    for (int i = 0; i < rounds; ++i) {
        turn.store(2 * i + 1);
        ping.notify_all();
        pong.wait([&]() noexcept { return turn.load() == 2 * i + 2; });
    }
    other.join();
    CHECK(turn == 2 * rounds);
    const auto nobody = []() noexcept { return false; };
    CHECK(ping.wait(nobody, never, plateau::steady_clock(), patience_limit(1ms)).reason() ==
          plateau::detail::await_reason::timed_out);
}

TEST_CASE("waiting and waking allocate nothing", "[floor][unit]") {
    tokens<sleepy_sync> room(0);
    plateau::manual_clock clock;
    std::atomic<bool> go{false};
    std::thread other([&] {
        while (!go) std::this_thread::yield();
        await_waiter(room);
        clock.advance(1s);
    });
    const new_scope scope;
    go = true;
    const auto reason = room.acquire(never, clock, patience_limit(time_point(1s))).reason();
    const auto delta = scope.delta();
    other.join();
    CHECK(delta.calls == 0);
    CHECK(reason == room_reason::timed_out);
}

TEST_CASE("the next deadline of a list is the earliest, and expire ends what has reached its own", "[floor][unit]") {
    struct flag {
        bool* raised;
        bool raise() const noexcept { return *raised = true; }
        void lower() const noexcept { *raised = false; }
    };
    bool raised = false;
    plateau::detail::wait_list<plateau::default_sync> list;
    CHECK_FALSE(list.next_deadline());
    bare_waiter a(time_point(3s)), b(time_point(1s)), c((time_point::max)());
    for (bare_waiter* one : {&a, &b, &c})
        REQUIRE(list.enlist(*one, bare_waiter::unarmed, flag{&raised}) == plateau::detail::enlisted::waits);
    CHECK(list.next_deadline() == time_point(1s));
    CHECK(list.expire(time_point(999ms), flag{&raised}) == 0);
    CHECK(list.expire(time_point(1s), flag{&raised}) == 1);
    CHECK(b.outcome() == plateau::detail::wake::timed_out);
    CHECK(list.next_deadline() == time_point(3s));
    CHECK(list.nudge(5, flag{&raised}) == 2);
    CHECK_FALSE(raised);
}

TEST_CASE("on one processor nobody spins", "[floor][unit]") {
    const plateau::detail::wait_list<one_processor_sync> alone;
    CHECK(alone.spin_pauses() == 0);
    CHECK(alone.spin_yields() == 0);
    const plateau::detail::wait_list<plateau::default_sync> list;
    const bool several = plateau::default_sync::processors() > 1;
    CHECK(list.spin_pauses() == (several ? plateau::default_sync::spin_pauses : 0));
}

TEST_CASE("a list that ends with a waiter in it is a violation", "[floor][unit]") {
    CHECK(dies([] {
              auto room = std::make_unique<tokens<plateau::default_sync>>(0);
              plateau::waiter node{[](plateau::result<void, room_reason>) noexcept {}};
              room->acquire_then(node);
              room.reset();
          }).says("plateau: something was destroyed while somebody still waited for it"));
}
