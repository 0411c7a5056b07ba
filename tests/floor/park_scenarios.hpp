// SPDX-License-Identifier: MIT
/// What the parking primitive is put through, in every interleaving: functions over the parts of the rooms, so that the
/// shipped parts and defective ones meet the same scenes.
#pragma once

#include "floor/park_rooms.hpp"
#include "tools/explorer/explore.hpp"

#include <plateau/clock.hpp>
#include <plateau/detail/event_count.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>

namespace plateau_test::park_scenes {

using namespace std::chrono_literals;
using plateau::time_point;
using plateau::detail::patience_limit;

/// Parts under which the explorer sees the races of what they keep.
struct watched_parts : room_parts<explored_sync> {
    template <class T>
    using cell = explored_value<T>;
};

// ---- the two shapes in which a waiter announces itself and a publisher looks for it

/// One word for both sides.
template <std::memory_order Order>
void one_word(scene& s) {
    explored_atomic<int> word{0};
    bool sleeps = false, wakes = false;
    s.thread("waiter", [&] { sleeps = (word.fetch_or(1, Order) & 2) == 0; });
    s.thread("publisher", [&] { wakes = (word.fetch_or(2, Order) & 1) != 0; });
    s.run();
    s.check(!sleeps || wakes, "who sleeps is seen");
}

/// A word each, announced and published by stores, or by read-modify-writes.
template <bool Modify, std::memory_order Write, std::memory_order Read>
void two_words(scene& s) {
    explored_atomic<int> announced{0}, published{0};
    const auto write = [](explored_atomic<int>& word) {
        if constexpr (Modify) word.fetch_or(1, Write);
        else word.store(1, Write);
    };
    bool sleeps = false, wakes = false;
    s.thread("waiter", [&] {
        write(announced);
        sleeps = published.load(Read) == 0;
    });
    s.thread("publisher", [&] {
        write(published);
        wakes = announced.load(Read) != 0;
    });
    s.run();
    s.check(!sleeps || wakes, "who sleeps is seen");
}

// ---- what may end a wait

/// Everything that a wait may meet; a scene takes two or three of them.
enum meets : unsigned { grant = 1, cancel = 2, deadline = 4, destroy = 8 };

/// A thread waits for a token, with a token of a stop source and a deadline of a hand clock.
template <class Parts, unsigned Meets>
void thread_meets(scene& s) {
    using sync = typename Parts::sync;
    token_room<Parts> room(0);
    plateau::basic_inplace_stop_source<sync> source;
    plateau::basic_manual_clock<sync> clock;
    auto reason = room_reason::closed;
    s.thread("waiter",
             [&] { reason = room.acquire(source.get_token(), clock, patience_limit(time_point(1s))).reason(); });
    if constexpr ((Meets & grant) != 0) s.thread("grant", [&] { room.release(); });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { source.request_stop(); });
    if constexpr ((Meets & deadline) != 0) s.thread("deadline", [&] { clock.advance(1s); });
    s.run();
    const std::uint32_t released = (Meets & grant) != 0 ? 1 : 0;
    const std::uint32_t served = reason == room_reason::none ? 1 : 0;
    s.check(room.tokens() + served == released, "no token is lost, and none appears");
    s.check(served == 1 || (reason == room_reason::cancelled && (Meets & cancel) != 0) ||
                (reason == room_reason::timed_out && (Meets & deadline) != 0),
            "a wait ends for a reason that was there");
    s.check(!room.flagged(), "the flag is lowered behind the last waiter");
}

/// A clock that does not ring, and lags behind the sleeper's: a sleep may be over before its moment.
struct lagging_clock {
    explored_atomic<std::int64_t>* moment;
    [[nodiscard]] time_point now() const noexcept {
        return time_point(plateau::duration(moment->load(std::memory_order_relaxed)));
    }
};

/// The same as above on such a clock, on which the sleeper itself ends its wait; for a token, or for a value.
template <class Parts, unsigned Meets, bool Nudged>
void late_thread_meets(scene& s) {
    using sync = typename Parts::sync;
    token_room<Parts> tokens(0);
    mailbox<int, Parts> values;
    plateau::basic_inplace_stop_source<sync> source;
    explored_atomic<std::int64_t> moment{0};
    auto reason = room_reason::closed;
    s.thread("waiter", [&] {
        const lagging_clock clock{&moment};
        const patience_limit until(time_point(1s));
        if constexpr (Nudged) reason = values.take(source.get_token(), clock, until).reason();
        else reason = tokens.acquire(source.get_token(), clock, until).reason();
    });
    if constexpr ((Meets & grant) != 0)
        s.thread("grant", [&] {
            if constexpr (Nudged) static_cast<void>(values.try_put(7));
            else tokens.release();
        });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { source.request_stop(); });
    s.thread("deadline", [&] { moment.store(plateau::duration(1s).count()); });
    s.run();
    const bool left = Nudged ? values.try_take().has_value() : tokens.tokens() == 1;
    s.check(left == ((Meets & grant) != 0 && reason != room_reason::none), "what was given is taken, or still there");
    s.check((reason == room_reason::none && (Meets & grant) != 0) ||
                (reason == room_reason::cancelled && (Meets & cancel) != 0) || reason == room_reason::timed_out,
            "a wait ends for a reason that was there");
    s.check(!tokens.flagged() && !values.flagged(), "the flag is lowered behind the last waiter");
}

/// A callback's result goes here. `alive` is cleared when the end of its waiter has returned.
struct callback_log {
    int runs = 0;
    int served = 0;
    bool alive = true;
    bool inside = false;
};
struct note {
    callback_log* log;
    template <class Result>
    void operator()(Result r) const noexcept {
        explore_check(log->alive, "a callback does not run after its waiter has ended");
        explore_check(!log->inside, "a callback does not run twice at a time");
        log->inside = true;
        explored_sync::yield();
        ++log->runs;
        if (r) ++log->served;
        log->inside = false;
    }
};

/// An executor with a thread of its own, which runs until `stop`.
class explored_loop {
public:
    void post(plateau::work what) noexcept {
        mutex_.lock();
        ready_.push_back(what);
        mutex_.unlock();
    }
    /// The loop's thread; ends when `users` have left and nothing is queued.
    void run() {
        for (;;) {
            const bool last = users_.load() == 0;
            std::optional<plateau::work> next;
            mutex_.lock();
            if (!ready_.empty()) {
                next = ready_.front();
                ready_.pop_front();
            }
            mutex_.unlock();
            if (next) (*next)();
            else if (last) return;
            else explored_sync::yield();
        }
    }
    void enter() noexcept { users_.fetch_add(1); }
    void leave() noexcept { users_.fetch_sub(1); }

private:
    explored_mutex mutex_;
    std::deque<plateau::work> ready_;  // under mutex_
    explored_atomic<int> users_{0};
};

/// A callback waits for a token, inline or on a loop.
template <class Parts, unsigned Meets, bool Posted>
void callback_meets(scene& s) {
    using sync = typename Parts::sync;
    using armed = plateau::waiter<note, sync>;
    token_room<Parts> room(0);
    callback_log log;
    explored_loop loop;
    auto node = std::make_unique<armed>(note{&log});
    const auto where = [&]() -> plateau::executor_ref {
        if constexpr (Posted) return loop;
        else return plateau::inline_here;
    };
    room.acquire_then(*node, where(), time_point(1s));
    const auto actor = [&](const char* name, auto act) {
        loop.enter();
        s.thread(name, [&loop, act] {
            act();
            loop.leave();
        });
    };
    if constexpr ((Meets & grant) != 0) actor("grant", [&] { room.release(); });
    if constexpr ((Meets & cancel) != 0) actor("cancel", [&] { node->cancel(); });
    if constexpr ((Meets & deadline) != 0) actor("deadline", [&] { room.expire(time_point(1s)); });
    if constexpr ((Meets & destroy) != 0)
        actor("destroy", [&] {
            node.reset();
            log.alive = false;
        });
    if constexpr (Posted) s.thread("loop", [&] { loop.run(); });
    s.run();
    const std::uint32_t released = (Meets & grant) != 0 ? 1 : 0;
    s.check(room.tokens() + static_cast<std::uint32_t>(log.served) == released, "no token is lost, and none appears");
    s.check((Meets & destroy) != 0 ? log.runs <= 1 : log.runs == 1, "a callback runs exactly once");
    s.check(!room.flagged(), "the flag is lowered behind the last waiter");
}

/// A callback and a thread wait for a value, and one is put. The callback ends, or is cancelled: the value goes to the
/// thread, or to the callback, and nobody waits for it in vain.
template <class Parts, unsigned Meets, bool Posted>
void nudge_meets(scene& s) {
    using sync = typename Parts::sync;
    using armed = plateau::waiter<note, sync>;
    mailbox<int, Parts> room;
    callback_log log;
    explored_loop loop;
    auto node = std::make_unique<armed>(note{&log});
    if constexpr (Posted) room.take_then(*node, loop);
    else room.take_then(*node);
    int taken = 0;
    loop.enter();
    s.thread("put and close", [&] {
        const auto put = room.put(7);
        explore_check(static_cast<bool>(put), "an open mailbox takes a value");
        room.close();
        loop.leave();
    });
    if constexpr ((Meets & cancel) != 0) {
        loop.enter();
        s.thread("cancel", [&] {
            node->cancel();
            loop.leave();
        });
    }
    if constexpr ((Meets & destroy) != 0) {
        loop.enter();
        s.thread("destroy", [&] {
            node.reset();
            log.alive = false;
            loop.leave();
        });
    }
    loop.enter();
    s.thread("take", [&] {
        if (const auto got = room.take()) taken += *got == 7 ? 1 : 100;
        loop.leave();
    });
    if constexpr (Posted) s.thread("loop", [&] { loop.run(); });
    s.run();
    s.check(taken + log.served == 1, "the value is taken exactly once");
    s.check((Meets & destroy) != 0 ? log.runs <= 1 : log.runs == 1, "a callback runs exactly once");
    s.check(!room.flagged(), "the flags are lowered behind the last waiters");
}

/// A thread waits for a value, with a token of a stop source and a deadline of a hand clock, and one is put: it is
/// taken or still there.
template <class Parts, unsigned Meets>
void nudged_thread_meets(scene& s) {
    using sync = typename Parts::sync;
    mailbox<int, Parts> room;
    plateau::basic_inplace_stop_source<sync> source;
    plateau::basic_manual_clock<sync> clock;
    auto reason = room_reason::closed;
    s.thread("take", [&] { reason = room.take(source.get_token(), clock, patience_limit(time_point(1s))).reason(); });
    s.thread("put", [&] { explore_check(room.try_put(7).has_value(), "an empty mailbox takes a value"); });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { source.request_stop(); });
    if constexpr ((Meets & deadline) != 0) s.thread("deadline", [&] { clock.advance(1s); });
    s.run();
    s.check(reason == room_reason::none || (reason == room_reason::cancelled && (Meets & cancel) != 0) ||
                (reason == room_reason::timed_out && (Meets & deadline) != 0),
            "a wait ends for a reason that was there");
    s.check(room.try_take().has_value() == (reason != room_reason::none), "the value is taken, or still there");
    s.check(!room.flagged(), "the flag is lowered behind the last waiter");
}

/// A value is put and taken by others, so the callback's nudge is for nothing; a cancel comes, or two. It is told once.
template <class Parts, bool Posted>
void a_nudge_for_nothing_meets_cancel(scene& s) {
    using armed = plateau::waiter<note, typename Parts::sync>;
    mailbox<int, Parts> room;
    callback_log log;
    explored_loop loop;
    armed node(note{&log});
    if constexpr (Posted) room.take_then(node, loop);
    else room.take_then(node);
    const auto actor = [&](const char* name, auto act) {
        loop.enter();
        s.thread(name, [&loop, act] {
            act();
            loop.leave();
        });
    };
    actor("put", [&] { static_cast<void>(room.try_put(1)); });
    actor("take", [&] { static_cast<void>(room.try_take()); });
    actor("cancel", [&] { node.cancel(); });
    if constexpr (Posted) s.thread("loop", [&] { loop.run(); });
    s.run();
    s.check(log.runs == 1 && !node.waiting(), "a cancelled wait ends, and is told once");
    s.check(!room.flagged(), "the flag is lowered behind the last waiter");
}

/// Arms its waiter again when it first runs.
template <class Parts>
struct arms_again {
    using armed = plateau::waiter<arms_again, typename Parts::sync>;
    token_room<Parts>* room;
    int* runs;
    explored_loop* loop;
    armed* const* self;
    void operator()(plateau::result<void, room_reason>) const noexcept {
        if (++*runs != 1) return;
        if (loop != nullptr) room->acquire_then(**self, *loop);
        else room->acquire_then(**self);
    }
};

/// A callback arms its waiter again while it is cancelled, twice, or ended, elsewhere.
template <class Parts, bool Posted, bool Ends>
void a_callback_that_arms_again_meets_its_end(scene& s) {
    token_room<Parts> room(0);
    explored_loop loop;
    int runs = 0;
    typename arms_again<Parts>::armed* self = nullptr;
    auto node = std::make_unique<typename arms_again<Parts>::armed>(
        arms_again<Parts>{&room, &runs, Posted ? &loop : nullptr, &self});
    self = node.get();
    if constexpr (Posted) room.acquire_then(*node, loop);
    else room.acquire_then(*node);
    loop.enter();
    s.thread("grant", [&] {
        room.release();
        loop.leave();
    });
    loop.enter();
    s.thread("end", [&] {
        if constexpr (Ends) {
            node.reset();
        } else {
            node->cancel();
            node->cancel();
        }
        loop.leave();
    });
    if constexpr (Posted) s.thread("loop", [&] { loop.run(); });
    s.run();
    if constexpr (!Ends) {
        // Both cancels may have come before the second arming.
        s.check(runs == (node->waiting() ? 1 : 2), "a callback runs once for each time it was armed, or still waits");
        if (node->cancel()) loop.run();
        s.check(runs == 2, "the second wait ends as well");
    }
    s.check(room.tokens() <= 1 && !room.flagged(), "the flag is lowered behind the last waiter");
}

/// Who has seen that the callback ran arms the waiter again, though the callback may not have returned.
template <class Parts>
void a_waiter_is_armed_again_elsewhere(scene& s) {
    using sync = typename Parts::sync;
    struct count {
        explored_atomic<int>* told;
        void operator()(plateau::result<void, room_reason>) const noexcept { told->fetch_add(1); }
    };
    token_room<Parts> room(0);
    explored_atomic<int> told{0};
    plateau::waiter<count, sync> node{count{&told}};
    room.acquire_then(node);
    s.thread("grant", [&] { room.release_some(2); });
    s.thread("owner", [&] {
        while (told.load() == 0) explored_sync::yield();
        room.acquire_then(node);
    });
    s.run();
    s.check(told == 2 && room.tokens() == 0, "it is served each time");
}

/// A clock is turned to an alarm's moment, and back by another: it has rung.
template <class Sync>
void a_clock_is_turned_back(scene& s) {
    struct counted : plateau::detail::clock_alarm {
        int rings = 0;
    };
    plateau::basic_manual_clock<Sync> clock;
    counted alarm{
        {time_point(5s), [](plateau::detail::clock_alarm& self) noexcept { ++static_cast<counted&>(self).rings; }}};
    clock.enlist(alarm);
    s.thread("forth", [&] { clock.set(time_point(10s)); });
    s.thread("back", [&] { clock.set(time_point(2s)); });
    s.run();
    clock.withdraw(alarm);
    s.check(alarm.rings == 1, "an alarm that was reached has rung, once");
}

// ---- operations by the number

/// Threads that take and give back the one token, so often each.
template <class Parts>
void tokens_by_number(scene& s, std::initializer_list<const char*> threads, int each) {
    token_room<Parts> room(1);
    int inside = 0;
    for (const char* name : threads)
        s.thread(name, [&] {
            for (int i = 0; i < each; ++i) {
                const auto got = room.acquire();
                explore_check(got && ++inside == 1, "one token, one holder");
                --inside;
                room.release();
            }
        });
    s.run();
    s.check(room.tokens() == 1 && !room.flagged(), "the token is back, and nobody waits");
}
template <class Parts>
void tokens_two_by_three(scene& s) {
    tokens_by_number<Parts>(s, {"a", "b"}, 3);
}
template <class Parts>
void tokens_three_by_two(scene& s) {
    tokens_by_number<Parts>(s, {"a", "b", "c"}, 2);
}

template <class Parts>
void mailbox_two_by_three(scene& s) {
    mailbox<int, Parts> room;
    int sum = 0;
    s.thread("put", [&] {
        for (int i = 1; i <= 3; ++i) explore_check(static_cast<bool>(room.put(i)), "an open mailbox takes a value");
    });
    s.thread("take", [&] {
        for (int i = 1; i <= 3; ++i) {
            const auto got = room.take();
            explore_check(got && *got == i, "values come in the order in which they were put");
            sum += got ? *got : 0;
        }
    });
    s.run();
    s.check(sum == 6 && !room.flagged(), "every value is taken, and nobody waits");
}

template <class Parts>
void mailbox_three_by_two(scene& s) {
    mailbox<int, Parts> room;
    int put = 0, taken = 0;
    s.thread("put", [&] {
        for (int i = 1; i <= 2; ++i)
            if (room.put(i)) put += i;
    });
    s.thread("put and close", [&] {
        if (room.put(10)) put += 10;
        room.close();
    });
    s.thread("take", [&] {
        while (const auto got = room.take()) taken += *got;
    });
    s.run();
    s.check(put == taken, "what was put is taken, also across a close");
    s.check(!room.flagged(), "nobody waits");
}

/// The two-word shape, in an event count: conditions stored, then notified.
template <class Sync, class Count = plateau::detail::event_count<Sync>>
void event_count_two_by_three(scene& s) {
    Count count;
    explored_atomic<int> turn{0};
    for (const int side : {0, 1})
        s.thread(side == 0 ? "even" : "odd", [&, side] {
            for (int mine = side; mine < 6; mine += 2) {
                count.wait([&]() noexcept { return turn.load() == mine; });
                turn.store(mine + 1);
                count.notify_all();
            }
        });
    s.run();
    s.check(turn == 6, "every turn was taken");
}

template <class Sync, class Count = plateau::detail::event_count<Sync>>
void event_count_three_by_two(scene& s) {
    Count count;
    explored_atomic<int> open{0};
    for (const char* name : {"waiter a", "waiter b"})
        s.thread(name, [&] {
            for (int i = 1; i <= 2; ++i) count.wait([&]() noexcept { return open.load() >= i; });
        });
    s.thread("opener", [&] {
        for (int i = 1; i <= 2; ++i) {
            open.store(i);
            count.notify_all();
        }
    });
    s.run();
}

/// A sleeping thread owns its node: who wakes it has done with the node when it wakes, also where the room ends then.
template <class Parts>
void the_room_ends_with_its_last_waiter(scene& s) {
    auto room = std::make_unique<token_room<Parts>>(0);
    s.thread("waiter", [&] {
        const auto got = room->acquire();
        explore_check(static_cast<bool>(got), "the token comes");
    });
    s.thread("grant", [&] { room->release(); });
    s.run();
    room.reset();
}

/// Two tokens for two waiters, of which one is told to stop: no token lies there while somebody waits.
template <class Parts>
void cancelled_waiters_pass_tokens_on(scene& s) {
    using sync = typename Parts::sync;
    token_room<Parts> room(0);
    plateau::basic_inplace_stop_source<sync> source;
    std::uint32_t served = 0;
    s.thread("hasty", [&] {
        if (room.acquire(source.get_token())) ++served;
    });
    s.thread("patient", [&] {
        if (room.acquire()) ++served;
    });
    s.thread("grant and stop", [&] {
        room.release();
        source.request_stop();
        room.release();
    });
    s.run();
    s.check(served >= 1 && served + room.tokens() == 2, "no token is lost, and none appears");
    s.check(!room.flagged(), "nobody waits beside a free token");
}

// ---- coroutines

struct detached {
    struct promise_type {
        detached get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};

/// A coroutine waits for a token on a loop, and its frame is destroyed on another thread, before it goes on or not.
template <class Parts>
void coroutine_meets_grant(scene& s) {
    token_room<Parts> room(0);
    explored_loop loop;
    int served = 0;
    const auto acquire = [](token_room<Parts>& from, explored_loop& where, int& count) -> detached {
        if (co_await from.async_acquire(where)) ++count;
    };
    const detached coroutine = acquire(room, loop, served);
    loop.enter();
    s.thread("grant", [&] {
        room.release();
        loop.leave();
    });
    s.thread("loop", [&] { loop.run(); });
    s.run();
    s.check(served == 1 && room.tokens() == 0, "the coroutine has the token");
    s.check(coroutine.handle.done(), "the coroutine has ended");
    coroutine.handle.destroy();
}

template <class Parts>
void waiting_coroutine_meets_destroy_and_grant(scene& s) {
    token_room<Parts> room(0);
    explored_loop loop;
    int served = 0;
    const auto acquire = [](token_room<Parts>& from, explored_loop& where, int& count) -> detached {
        if (co_await from.async_acquire(where)) ++count;
    };
    // The second waits behind the first, which is destroyed by a thread that holds back until it is still suspended.
    const detached first = acquire(room, loop, served);
    const detached second = acquire(room, loop, served);
    loop.enter();
    s.thread("destroy", [&] {
        first.handle.destroy();
        loop.leave();
    });
    loop.enter();
    s.thread("expire", [&] {
        room.expire(time_point(0s));
        loop.leave();
    });
    s.thread("loop", [&] { loop.run(); });
    s.run();
    room.release();
    loop.run();
    s.check(served == 1 && room.tokens() == 0 && !room.flagged(), "the one that is left has the token");
    second.handle.destroy();
}

}  // namespace plateau_test::park_scenes
