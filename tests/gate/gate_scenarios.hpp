// SPDX-License-Identifier: MIT
/// What a gate is put through in every interleaving: functions over its policies, so that the shipped gate and
/// defective ones meet the same scenes.
#pragma once

#include "tools/explorer/explore.hpp"

#include <plateau/clock.hpp>
#include <plateau/gate.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace plateau_test {

struct explored_gate : plateau::gate_policies {
    using sync = explored_sync;
    using clock = plateau::basic_manual_clock<explored_sync>;
    using stats = plateau::bare;
};

namespace gate_scenes {

using namespace std::chrono_literals;
using plateau::shed_reason;
using plateau::time_point;
using explored_admission = plateau::basic_admission<explored_sync>;

enum meets : unsigned {
    release = 1,
    cancel = 2,
    deadline = 4,
    destroy = 8,
    shrink = 16,
    widen = 32,
    halt = 64,
    tighten = 128
};

/// What became of a callback. It gives the place back at once, or keeps it.
struct answer_log {
    int runs = 0;
    bool alive = true;
    shed_reason reason = shed_reason::none;
    std::optional<explored_admission> kept;
};
struct keep_answer {
    answer_log* log;
    void operator()(explored_admission a) const noexcept {
        explore_check(log->alive, "a callback does not run after its waiter has ended");
        ++log->runs;
        log->reason = a.reason();
        if (a) log->kept.emplace(std::move(a));
    }
};
using explored_request = plateau::waiter<keep_answer, explored_sync>;

/// Nobody is in, nobody waits, no bytes are declared.
template <class Gate>
void check_empty(scene& s, const Gate& door) {
    const auto now = door.stats();
    s.check(now.in_flight == 0 && now.bytes == 0, "every permit has come back, whole");
    s.check(now.queued == 0, "nobody is left in the queue");
    door.check_invariants();
}

/// Threads that come in and go out, one place for all.
template <class Policies, int Threads, int Times>
void in_and_out(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_gate<Policies> door({.max_in_flight = 1, .max_queue = 8, .max_wait = plateau::forever}, clock);
    int inside = 0;
    static constexpr const char* names[] = {"a", "b", "c"};
    for (int i = 0; i < Threads; ++i)
        s.thread(names[i], [&] {
            for (int n = 0; n < Times; ++n) {
                const auto got = door.admit();
                explore_check(static_cast<bool>(got), "an open gate lets in who waits");
                explore_check(++inside == 1, "one place, one holder");
                explored_sync::yield();
                --inside;
            }
        });
    s.run();
    check_empty(s, door);
}

/// Requests that do not wait, of 2 and 3 bytes: a refusal is due to somebody who is in.
template <class Policies>
void attempts_are_exact(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_gate<Policies> door({.max_in_flight = 2, .max_bytes = 4, .max_queue = 0}, clock);
    std::uint64_t bytes = 0;
    int admitted = 0;
    const auto come = [&](std::size_t mine) {
        for (int n = 0; n < 2; ++n) {
            const auto got = door.try_admit({.bytes = mine});
            if (!got) continue;
            ++admitted;
            bytes += mine;
            explore_check(bytes <= 4, "no more is declared than the budget");
            explored_sync::yield();
            bytes -= mine;
        }
    };
    s.thread("two", [&] { come(2); });
    s.thread("three", [&] { come(3); });
    s.run();
    s.check(admitted >= 2, "a place that nobody holds is given");
    check_empty(s, door);
}

/// A thread waits for the one place, with a token and a deadline.
template <class Policies, unsigned Meets>
void thread_meets(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_inplace_stop_source<explored_sync> source;
    plateau::basic_gate<Policies> door({.max_in_flight = 1, .max_bytes = 4}, clock);
    auto held = door.try_admit({.bytes = 4});
    auto reason = shed_reason::none;
    s.thread("waiter", [&] {
        const auto got = door.admit_until({.bytes = 2}, time_point(1s), source.get_token());
        reason = got.reason();
    });
    if constexpr ((Meets & release) != 0) s.thread("release", [&] { held->release(); });
    if constexpr ((Meets & shrink) != 0)
        s.thread("shrink and raise", [&] {
            held->shrink_to(1);
            door.set_limit(2);
        });
    if constexpr ((Meets & widen) != 0)
        s.thread("widen", [&] {
            door.set_limit(2);
            door.set_max_bytes(6);
        });
    if constexpr ((Meets & halt) != 0)
        s.thread("halt", [&] {
            door.set_limit(0);
            door.set_limit(1);
        });
    if constexpr ((Meets & tighten) != 0) s.thread("tighten", [&] { door.set_max_bytes(1); });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { source.request_stop(); });
    if constexpr ((Meets & deadline) != 0) s.thread("deadline", [&] { clock.advance(1s); });
    s.run();
    s.check(reason == shed_reason::none || (reason == shed_reason::cancelled && (Meets & cancel) != 0) ||
                (reason == shed_reason::timed_out && (Meets & deadline) != 0) ||
                (reason == shed_reason::too_large && (Meets & tighten) != 0),
            "a wait ends for a reason that was there");
    held->release();
    check_empty(s, door);
}

/// A heavy request waits, and a light one behind it that fits already. The heavy one is let in, or gives up: either way
/// nobody waits beside a free place.
template <class Policies, unsigned Meets>
void heavy_then_light(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_gate<Policies> door({.max_in_flight = 3, .max_bytes = 4, .max_wait = plateau::forever}, clock);
    auto held = door.try_admit({.bytes = 2});
    answer_log heavy_log, light_log;
    auto heavy = std::make_unique<explored_request>(keep_answer{&heavy_log});
    explored_request light(keep_answer{&light_log});
    door.admit_then(*heavy, {.bytes = 4, .deadline = time_point(1s)});
    door.admit_then(light, {.bytes = 1});
    if constexpr ((Meets & release) != 0) s.thread("release", [&] { held->release(); });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { heavy->cancel(); });
    if constexpr ((Meets & deadline) != 0) s.thread("expire", [&] { door.expire(time_point(1s)); });
    if constexpr ((Meets & destroy) != 0)
        s.thread("destroy", [&] {
            heavy.reset();
            heavy_log.alive = false;
        });
    s.run();
    s.check((Meets & destroy) != 0 ? heavy_log.runs <= 1 : heavy_log.runs == 1, "a callback runs exactly once");
    const bool heavy_in = heavy_log.kept.has_value();
    s.check(light_log.runs == (heavy_in ? 0 : 1), "who fits goes on when the one before him has given up");
    door.check_invariants();
    heavy_log.kept.reset();
    s.check(light_log.runs == 1 && light_log.kept.has_value(), "the light one is let in at last");
    held->release();
    light_log.kept.reset();
    check_empty(s, door);
}

/// Two permits go while two requests wait, and a third tries his luck: nobody passes them.
template <class Policies>
void first_come_first_served(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_gate<Policies> door({.max_in_flight = 2, .max_wait = plateau::forever}, clock);
    auto one = door.try_admit();
    auto two = door.try_admit();
    answer_log first_log, second_log;
    explored_request first(keep_answer{&first_log}), second(keep_answer{&second_log});
    door.admit_then(first);
    door.admit_then(second);
    s.thread("release one", [&] { one->release(); });
    s.thread("release two", [&] { two->release(); });
    s.thread("newcomer", [&] {
        const auto got = door.try_admit();
        explore_check(!got, "a newcomer does not pass who waits");
    });
    s.run();
    s.check(first_log.kept && second_log.kept, "a place that comes back goes to who waits");
    first_log.kept.reset();
    second_log.kept.reset();
    check_empty(s, door);
}

/// The gate is drained and opened again while a permit comes back and a request waits.
template <class Policies, bool Resumes>
void drain_meets_release(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_gate<Policies> door({.max_in_flight = 1, .max_wait = plateau::forever}, clock);
    auto held = door.try_admit();
    bool inside = true;
    auto told = plateau::drain_reason::timed_out;
    auto reason = shed_reason::none;
    s.thread("drain", [&] {
        const auto drained = door.drain();
        told = drained.reason();
        if (!Resumes) explore_check(!inside, "no permit is out when a drain has succeeded");
    });
    s.thread("release", [&] {
        inside = false;
        held->release();
    });
    if constexpr (Resumes) s.thread("resume", [&] { door.resume(); });
    s.thread("waiter", [&] {
        const auto got = door.admit();
        reason = got.reason();
    });
    s.run();
    s.check(told == plateau::drain_reason::none || (Resumes && told == plateau::drain_reason::resumed),
            "a drain ends for a reason that was there");
    s.check(reason == shed_reason::none || reason == shed_reason::draining, "who waits is let in, or sent away");
    door.resume();
    check_empty(s, door);
}

/// Two wait for an empty gate, a thread and a callback: each is told once, or leaves when it must.
struct note_drain {
    int* runs;
    plateau::drain_reason* reason;
    void operator()(plateau::drain_result r) const noexcept {
        ++*runs;
        *reason = r.reason();
    }
};
template <class Policies, unsigned Meets>
void two_drain(scene& s) {
    using plateau::drain_reason;
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_gate<Policies> door({.max_in_flight = 1, .max_wait = plateau::forever}, clock);
    auto held = door.try_admit();
    int runs = 0;
    auto told = drain_reason::none, other = drain_reason::none;
    plateau::waiter<note_drain, explored_sync> node(note_drain{&runs, &other});
    door.drain_then(node);
    s.thread("drain", [&] { told = door.drain_until(time_point(1s)).reason(); });
    if constexpr ((Meets & release) != 0) s.thread("release", [&] { held->release(); });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { node.cancel(); });
    if constexpr ((Meets & deadline) != 0) s.thread("deadline", [&] { clock.advance(1s); });
    s.run();
    held->release();
    s.check(told == drain_reason::none || (told == drain_reason::timed_out && (Meets & deadline) != 0),
            "a drain ends for a reason that was there");
    s.check(runs == 1 && (other == drain_reason::none || (other == drain_reason::cancelled && (Meets & cancel) != 0)),
            "a callback runs exactly once, for a reason that was there");
    check_empty(s, door);
}

/// Nobody who waits is forgotten by a gate that was drained and opened again.
template <class Policies>
void resume_lets_in_who_waits(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_gate<Policies> door({.max_in_flight = 1, .max_wait = plateau::forever}, clock);
    auto held = door.try_admit();
    answer_log log;
    explored_request waits(keep_answer{&log});
    door.admit_then(waits);
    s.thread("release", [&] { held->release(); });
    s.thread("drain and resume", [&] {
        static_cast<void>(door.drain_for(0s));
        door.resume();
    });
    s.thread("resume", [&] { door.resume(); });
    s.run();
    s.check(log.runs == 1, "who waits is let in, or sent away");
    log.kept.reset();
    check_empty(s, door);
}

/// The gate ends while a permit comes back, and a waiter waits, or is on his way out.
template <class Policies, unsigned Meets>
void end_meets(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_inplace_stop_source<explored_sync> source;
    auto door = std::make_unique<plateau::basic_gate<Policies>>(
        plateau::gate_options{.max_in_flight = 1, .max_wait = plateau::forever}, clock);
    auto held = door->try_admit();
    answer_log log;
    auto waits = std::make_unique<explored_request>(keep_answer{&log});
    door->admit_then(*waits, {.deadline = time_point(1s)});
    if constexpr ((Meets & release) != 0) s.thread("release", [&] { held->release(); });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { waits->cancel(); });
    if constexpr ((Meets & destroy) != 0)
        s.thread("destroy", [&] {
            waits.reset();
            log.alive = false;
        });
    s.thread("end", [&] { door.reset(); });
    s.run();
    s.check((Meets & destroy) != 0 ? log.runs <= 1 : log.runs == 1, "a callback runs exactly once");
    s.check(log.runs == 0 || log.reason == shed_reason::closed ||
                (log.reason == shed_reason::none && (Meets & release) != 0) ||
                (log.reason == shed_reason::cancelled && (Meets & cancel) != 0),
            "a wait ends for a reason that was there");
    held->release();
    log.kept.reset();
}

/// The same with a thread that sleeps in the queue, and may wake by itself.
template <class Policies, unsigned Meets>
void end_meets_sleeper(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    auto door = std::make_unique<plateau::basic_gate<Policies>>(
        plateau::gate_options{.max_in_flight = 1, .max_wait = plateau::forever}, clock);
    auto held = door->try_admit();
    auto reason = shed_reason::limit;
    auto* const at = door.get();
    s.thread("sleeper", [&, at] {
        const auto got = at->admit_until({}, time_point(1s));
        reason = got.reason();
    });
    if constexpr ((Meets & release) != 0) s.thread("release", [&] { held->release(); });
    if constexpr ((Meets & deadline) != 0) s.thread("deadline", [&] { clock.advance(1s); });
    s.thread("end", [&, at] {
        while (at->stats().queued == 0 && reason == shed_reason::limit) explored_sync::yield();
        if (reason == shed_reason::limit) door.reset();
    });
    s.run();
    held->release();
    s.check(reason == shed_reason::closed || (reason == shed_reason::none && (Meets & release) != 0) ||
                (reason == shed_reason::timed_out && (Meets & deadline) != 0),
            "a wait ends for a reason that was there");
}

/// Has room for one piece of work, which is run when it is told to.
struct slow_executor {
    explored_atomic<int> posted{0};
    std::optional<plateau::work> what;
    void post(plateau::work next) noexcept {
        what = next;
        posted.store(1);
    }
    void run() {
        if (posted.exchange(0) == 1) (*what)();
    }
};

/// Who has armed a waiter ends the gate, while another cancels the waiter and its executor runs.
template <class Policies, bool Free, bool Posted>
void end_meets_arming(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    auto door = std::make_unique<plateau::basic_gate<Policies>>(
        plateau::gate_options{.max_in_flight = 1, .max_wait = plateau::forever}, clock);
    plateau::basic_permit<explored_sync> held;
    if (!Free) held = door->try_admit().take();
    slow_executor later;
    answer_log log;
    explored_request waits(keep_answer{&log});
    s.thread("arms and ends", [&] {
        if constexpr (Posted) door->admit_then(waits, {}, later);
        else door->admit_then(waits);
        door.reset();
    });
    s.thread("cancels", [&] { waits.cancel(); });
    if constexpr (Posted) s.thread("runs", [&] { later.run(); });
    s.run();
    later.run();
    s.check(log.runs == 1, "a callback runs exactly once");
    s.check(log.reason == shed_reason::closed || log.reason == shed_reason::cancelled ||
                (log.reason == shed_reason::none && Free),
            "a wait ends for a reason that was there");
}

/// A callback arms its waiter again, and tells another that the gate may end.
template <class Policies>
struct waits_again {
    using armed = plateau::waiter<waits_again, explored_sync>;
    plateau::basic_gate<Policies>* door;
    slow_executor* where;
    armed* const* self;
    explored_atomic<int>* runs;
    std::optional<explored_admission>* kept;
    shed_reason* last;
    void operator()(explored_admission a) const noexcept {
        *last = a.reason();
        if (runs->load() != 0) {
            runs->store(2);
            return;
        }
        if (a) kept->emplace(std::move(a));
        door->admit_then(**self, {}, *where);
        runs->store(1);
    }
};
template <class Policies>
void end_meets_arming_again(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    auto door = std::make_unique<plateau::basic_gate<Policies>>(
        plateau::gate_options{.max_in_flight = 1, .max_wait = plateau::forever}, clock);
    slow_executor later;
    explored_atomic<int> runs{0};
    std::optional<explored_admission> kept;
    shed_reason last = shed_reason::none;
    typename waits_again<Policies>::armed* self = nullptr;
    typename waits_again<Policies>::armed waits({door.get(), &later, &self, &runs, &kept, &last});
    self = &waits;
    door->admit_then(waits, {}, later);
    s.thread("runs", [&] { later.run(); });
    s.thread("ends", [&] {
        while (runs.load() == 0) explored_sync::yield();
        door.reset();
    });
    s.run();
    later.run();
    s.check(runs == 2 && last == shed_reason::closed, "who was on his way into the queue is told of its end");
}

/// Permits outlive their gate, and go on two threads while it ends.
template <class Policies>
void the_last_frees(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    auto door = std::make_unique<plateau::basic_gate<Policies>>(plateau::gate_options{.max_in_flight = 2}, clock);
    auto one = door->try_admit({.bytes = 3}).take();
    auto two = door->try_admit({.bytes = 3}).take();
    s.thread("one", [&] {
        one.shrink_to(1);
        one.release();
    });
    s.thread("two", [&] { two.release(); });
    s.thread("end", [&] { door.reset(); });
    s.run();
}

}  // namespace gate_scenes

}  // namespace plateau_test
