// SPDX-License-Identifier: MIT
// Callbacks and coroutines that wait.
#include "floor/park_rooms.hpp"
#include "floor/waiter_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"

#include <plateau/waiter.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::time_point;
using plateau::waiter;
using plateau::detail::patience_limit;
using token_result = plateau::result<void, room_reason>;
using take_result = plateau::result<int, room_reason>;

namespace {

using tokens = token_room<room_parts<plateau::default_sync>>;
using box = mailbox<int, room_parts<plateau::default_sync>>;

/// A loop of one thread, as a user has one.
struct loop {
    std::deque<plateau::work> ready;
    std::thread::id home = std::this_thread::get_id();

    void post(plateau::work what) { ready.push_back(what); }
    bool runs_here() const noexcept { return std::this_thread::get_id() == home; }
    std::size_t run() {
        std::size_t count = 0;
        for (; !ready.empty(); ++count) {
            const plateau::work next = ready.front();
            ready.pop_front();
            next();
        }
        return count;
    }
};

struct detached {
    struct promise_type {
        detached get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};
/// Owns a coroutine, and destroys it where it stands.
struct owned {
    std::coroutine_handle<> handle;
    explicit owned(detached started) noexcept : handle(started.handle) {}
    owned(const owned&) = delete;
    owned& operator=(const owned&) = delete;
    ~owned() {
        if (handle) handle.destroy();
    }
};

}  // namespace

TEST_CASE("a callback that is served at once runs through the inline executor, inside the call", "[floor][unit]") {
    tokens room(1);
    int runs = 0;
    waiter node{[&](token_result r) noexcept { runs += r ? 1 : 100; }};
    CHECK_FALSE(node.waiting());
    room.acquire_then(node);
    CHECK(runs == 1);
    CHECK_FALSE(node.waiting());
    CHECK_FALSE(node.cancel());
    CHECK_FALSE(room.flagged());
}

TEST_CASE("a callback runs once for each time it is armed: when granted, cancelled or timed out", "[floor][unit]") {
    tokens room(0);
    std::vector<room_reason> told;
    waiter node{[&](token_result r) noexcept { told.push_back(r.reason()); }};
    room.acquire_then(node);
    CHECK(node.waiting());
    room.release();
    REQUIRE(told.size() == 1);
    room.acquire_then(node);
    CHECK(node.cancel());
    CHECK_FALSE(node.cancel());
    room.release();
    CHECK(told == std::vector{room_reason::none, room_reason::cancelled});
    CHECK(room.tokens() == 1);
    CHECK_FALSE(room.flagged());
}

TEST_CASE("callbacks are served in the order in which they were armed, and a cancelled one is passed over",
          "[floor][unit]") {
    passes(callbacks_are_served_in_order<plateau::default_sync>);
}

TEST_CASE("on another executor a callback never runs inside the call that serves it", "[floor][unit]") {
    tokens room(0);
    loop on;
    int runs = 0;
    waiter node{[&](token_result) noexcept { ++runs; }};
    room.acquire_then(node, on);
    room.release();
    CHECK(runs == 0);
    CHECK(node.waiting());
    CHECK(on.run() == 1);
    CHECK(runs == 1);
    room.acquire_then(node, on);
    node.cancel();
    CHECK(runs == 1);
    CHECK(on.run() == 1);
    CHECK(runs == 2);
    room.release();
    room.acquire_then(node, on);
    CHECK(runs == 2);
    CHECK(on.run() == 1);
    CHECK(runs == 3);
}

TEST_CASE("a nudged callback that finds nothing waits again, and nobody is told", "[floor][unit]") {
    box room;
    loop on;
    std::vector<int> taken;
    waiter node{[&](take_result r) noexcept { taken.push_back(r ? *r : -1); }};
    room.take_then(node, on);
    REQUIRE(room.try_put(1));
    REQUIRE(*room.try_take());  // taken by somebody else meanwhile
    CHECK(on.run() == 1);
    CHECK(taken.empty());
    CHECK(node.waiting());
    REQUIRE(room.try_put(2));
    on.run();
    CHECK(taken == std::vector{2});
    room.take_then(node, on);
    room.close();
    on.run();
    CHECK(taken == std::vector{2, -1});
}

TEST_CASE("a cancel that comes between a nudge and its look is told, unless there is something to take",
          "[floor][unit]") {
    box room;
    loop on;
    std::vector<room_reason> told;
    waiter node{[&](take_result r) noexcept { told.push_back(r.reason()); }};
    room.take_then(node, on);
    REQUIRE(room.try_put(1));
    REQUIRE(*room.try_take());
    CHECK_FALSE(node.cancel());  // being served
    on.run();
    CHECK(told == std::vector{room_reason::cancelled});
    room.take_then(node, on);
    REQUIRE(room.try_put(2));
    CHECK_FALSE(node.cancel());
    on.run();
    CHECK(told == std::vector{room_reason::cancelled, room_reason::none});
    CHECK_FALSE(node.waiting());
    CHECK_FALSE(room.flagged());
}

TEST_CASE("a wait that a callback has begun on its own waiter can be cancelled from within", "[floor][unit]") {
    struct state {
        tokens room{2};
        std::vector<room_reason> told;
        bool waited = false, cancelled = false;
        struct arm_and_cancel {
            state* self;
            void operator()(token_result r) const noexcept {
                self->told.push_back(r.reason());
                if (self->told.size() > 1) return;
                self->room.acquire_then(self->node);
                self->waited = self->node.waiting();
                self->cancelled = self->node.cancel();
            }
        };
        waiter<arm_and_cancel> node{arm_and_cancel{this}};
    };
    state all;
    all.room.acquire_then(all.node);
    CHECK(all.waited);
    CHECK(all.cancelled);
    CHECK(all.told == std::vector{room_reason::none, room_reason::cancelled});
    CHECK(all.room.tokens() == 1);
}

TEST_CASE("the end of a waiter inside the very look that serves it ends what it was served as well", "[floor][unit]") {
    box room;
    loop on;
    int got = 0;
    struct note_value {
        int* got;
        void operator()(take_result r) const noexcept { *got = r ? *r : -1; }
    };
    auto taker = std::make_unique<waiter<note_value>>(note_value{&got});
    waiter putter{[&](box::put_result) noexcept { taker.reset(); }};
    room.take_then(*taker, on);
    REQUIRE(room.try_put(1));
    room.put_then(putter, 2);
    on.run();  // the taker takes 1, and that serves the putter, inline
    CHECK(taker == nullptr);
    CHECK(got == 0);
    const auto left = room.try_take();
    REQUIRE((left && *left));
    CHECK(**left == 2);
}

TEST_CASE("the end of a coroutine inside the very look that serves it ends what it was served as well",
          "[floor][unit]") {
    box room;
    loop on;
    int got = 0;
    const auto take = [](box& from, loop& where, int& into) -> detached {
        if (auto value = co_await from.async_take(where)) into = *value;
    };
    std::optional<owned> taker(std::in_place, take(room, on, got));
    waiter putter{[&](box::put_result) noexcept { taker.reset(); }};
    REQUIRE(room.try_put(1));
    room.put_then(putter, 2);
    on.run();
    CHECK_FALSE(taker.has_value());
    CHECK(got == 0);
    CHECK(room.try_take().has_value());
}

TEST_CASE("threads that were served are woken before any callback runs", "[floor][unit]") {
    // The callback joins a thread that the same release has served, and behind it.
    tokens room(0);
    std::optional<std::thread> behind;
    std::atomic<bool> served{false};
    waiter node{[&](token_result) noexcept { behind->join(); }};
    room.acquire_then(node);
    behind.emplace([&] {
        const patience_limit limit(time_point(plateau::forever) - 1s);  // by which it is seen in the list
        served = static_cast<bool>(room.acquire(plateau::never_stop_token{}, plateau::steady_clock{}, limit));
    });
    while (!room.next_deadline()) std::this_thread::yield();
    room.release_some(2);
    CHECK(served);
}

TEST_CASE("a callback may arm its waiter again, as often as it likes, on no more stack", "[floor][unit]") {
    struct chain {
        tokens room{100'000};
        int runs = 0;
        struct go_on {
            chain* self;
            void operator()(token_result) const noexcept {
                if (++self->runs < 100'000) self->room.acquire_then(self->node);
            }
        };
        waiter<go_on> node{go_on{this}};
    };
    const auto all = std::make_unique<chain>();
    all->room.acquire_then(all->node);
    CHECK(all->runs == 100'000);
    CHECK_FALSE(all->node.waiting());
}

TEST_CASE("a callback that arms its waiter with another operation gets that one's result", "[floor][unit]") {
    struct both {
        tokens room{0};
        box other;
        std::vector<int> seen;
        struct on_any {
            both* self;
            void operator()(token_result) const noexcept {
                self->seen.push_back(-7);
                self->other.take_then(self->node);
            }
            void operator()(take_result r) const noexcept { self->seen.push_back(r ? *r : -1); }
        };
        waiter<on_any> node{on_any{this}};
    };
    both all;
    all.room.acquire_then(all.node);
    all.room.release();
    CHECK(all.node.waiting());
    REQUIRE(all.other.try_put(5));
    CHECK(all.seen == std::vector{-7, 5});
}

TEST_CASE("a callback may end its own waiter", "[floor][unit]") {
    tokens room(0);
    struct holder {
        int* runs;
        std::unique_ptr<holder>* owner;
        struct end_self {
            holder* self;
            void operator()(token_result) const noexcept {
                ++*self->runs;
                self->owner->reset();
            }
        };
        waiter<end_self> node{end_self{this}};
    };
    int runs = 0;
    std::unique_ptr<holder> only;
    only.reset(new holder{&runs, &only});
    room.acquire_then(only->node);
    room.release();
    CHECK(runs == 1);
    CHECK(only == nullptr);
}

TEST_CASE("a callback may end another waiter that was served by the same call: its token goes on", "[floor][unit]") {
    passes(a_callback_may_end_another<plateau::default_sync>);
}

TEST_CASE("the end of a waiter cancels without a call", "[floor][unit]") {
    tokens room(0);
    int runs = 0;
    {
        waiter node{[&](token_result) noexcept { ++runs; }};
        room.acquire_then(node);
    }
    CHECK(runs == 0);
    CHECK_FALSE(room.flagged());
    room.release();
    CHECK(room.tokens() == 1);
}

TEST_CASE("arming a waiter that waits is a violation, and so is its end where its work is queued", "[floor][unit]") {
    CHECK(dies([] {
              tokens room(0);
              waiter node{[](token_result) noexcept {}};
              room.acquire_then(node);
              room.acquire_then(node);
          }).says("plateau: a waiter waits for one thing at a time"));
    CHECK(dies([] {
              struct state {
                  tokens room{3};
                  struct arm_twice {
                      state* self;
                      void operator()(token_result) const noexcept {
                          self->room.acquire_then(self->node);
                          self->room.acquire_then(self->node);
                      }
                  };
                  waiter<arm_twice> node{arm_twice{this}};
              };
              state all;
              all.room.acquire_then(all.node);
          }).says("plateau: a waiter waits for one thing at a time"));
    CHECK(dies([] {
              tokens room(0);
              loop on;
              waiter node{[](token_result) noexcept {}};
              room.acquire_then(node, on);
              room.release();
          }).says("plateau: a waiter ended on the thread of its executor, where its work is still queued"));
}

TEST_CASE("the end of a posted waiter on another thread waits for the executor, and hands its token on",
          "[floor][unit]") {
    tokens room(0);
    loop on;
    std::atomic<bool> ended{false};
    int runs = 0;
    struct quiet {
        int* runs;
        void operator()(token_result) const noexcept { ++*runs; }
    };
    auto posted = std::make_unique<waiter<quiet>>(quiet{&runs});
    room.acquire_then(*posted, on);
    room.release();
    std::thread other([&] {
        posted.reset();
        ended = true;
    });
    while (!ended)
        if (on.run() == 0) std::this_thread::yield();
    other.join();
    CHECK(runs <= 1);
    CHECK(room.tokens() + static_cast<std::uint32_t>(runs) == 1);
}

TEST_CASE("a coroutine waits and is resumed through its executor", "[floor][unit]") {
    box room;
    loop on;
    std::vector<int> seen;
    const auto take_all = [](box& from, loop& where, std::vector<int>& into) -> detached {
        while (auto value = co_await from.async_take(where)) into.push_back(*value);
        into.push_back(-1);
    };
    const auto put_all = [](box& to, loop& where) -> detached {
        for (int i = 0; i < 5; ++i)
            if (!co_await to.async_put(i, where)) co_return;
        to.close();
    };
    const owned taker(take_all(room, on, seen));
    const owned putter(put_all(room, on));
    on.run();
    CHECK(seen == std::vector{0, 1, 2, 3, 4, -1});
}

TEST_CASE("a coroutine that is destroyed while it waits is forgotten, and the next is served", "[floor][unit]") {
    tokens room(0);
    loop on;
    int served = 0;
    const auto acquire = [](tokens& from, loop& where, int& count) -> detached {
        if (co_await from.async_acquire(where)) ++count;
    };
    std::optional<owned> first(std::in_place, acquire(room, on, served));
    const owned second(acquire(room, on, served));
    first.reset();
    room.release();
    on.run();
    CHECK(served == 1);
    CHECK_FALSE(room.flagged());
}

TEST_CASE("a coroutine and a callback that wait allocate nothing", "[floor][unit]") {
    tokens room(0);
    int served = 0;
    waiter node{[&](token_result) noexcept { ++served; }};
    const auto acquire = [](tokens& from, int& count) -> detached {
        for (int i = 0; i < 3; ++i) count += (co_await from.async_acquire(plateau::inline_here)) ? 1 : 0;
    };
    const owned coroutine(acquire(room, served));
    const new_scope scope;
    room.acquire_then(node);
    for (int i = 0; i < 4; ++i) room.release();
    CHECK(scope.delta().calls == 0);
    CHECK(served == 4);
}

TEST_CASE("expire ends the waits of callbacks whose deadline is over", "[floor][unit]") {
    tokens room(0);
    room_reason told = room_reason::none;
    waiter node{[&](token_result r) noexcept { told = r.reason(); }};
    room.acquire_then(node, plateau::inline_here, time_point(3s));
    CHECK(room.next_deadline() == time_point(3s));
    CHECK(room.expire(time_point(2s)) == 0);
    CHECK(room.expire(time_point(3s)) == 1);
    CHECK(told == room_reason::timed_out);
    CHECK_FALSE(room.next_deadline());
    room.release();
    CHECK(room.tokens() == 1);
}

static_assert(!std::is_move_constructible_v<waiter<void (*)(token_result)>> &&
              !std::is_copy_constructible_v<waiter<void (*)(token_result)>>);
