// SPDX-License-Identifier: MIT
/// The explorer: runs a scenario of a few threads in every interleaving within a bound, and tells how one that fails
/// came about.
///
///     const explore_report report = explore({.name = "two increments"}, [](scene& s) {
///         explored_atomic<int> n{0};
///         s.thread("a", [&] { n.store(n.load() + 1); });
///         s.thread("b", [&] { n.store(n.load() + 1); });
///         s.run();
///         s.check(n == 2, "no increment is lost");
///     });
///
/// The body runs anew for each execution, and does the same each time: it makes what the threads share, names the
/// threads, runs them, and checks. Types under test take `explored_sync` for their sync policy. What a body or a thread
/// may rely on: its own memory, `explore_check`, exceptions that it catches itself. What fails an execution: a check, a
/// data race on an explored_value, an object used after its end, a call of std::terminate (so a broken precondition of
/// the library), a crash, an exception out of a thread, no thread that can go on, no thread that gets on, too many
/// steps.
///
/// An execution that fails ends where it stands; its objects are not destroyed. It is run once more to write its trace.
///
/// PLATEAU_REPLAY=<name>:<mode>:<schedule>   runs that one execution of that scenario, and no other scenario.
///
/// Exhaustive means: within the bounds, and within what memory.hpp models. Two stale reads are the default: each more
/// takes about five times as many executions, and every litmus shape and lost wake-up known to us needs one or two.
/// Without a bound on them a spin may read the old value for ever, and then "no thread gets on".
///
/// One exploration at a time in a process.
#pragma once

#include "tools/explorer/choice_tape.hpp"
#include "tools/explorer/explored_sync.hpp"
#include "tools/explorer/machine.hpp"
#include "tools/explorer/report.hpp"
#include "tools/explorer/traps.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#if defined(PLATEAU_TEST_FIBER_ASAN)
#    include <sanitizer/lsan_interface.h>
#endif

namespace plateau_test {

/// What the body of a scenario works with.
class scene {
public:
    explicit scene(explorer::machine& on) noexcept : machine_(on) {}
    scene(const scene&) = delete;
    scene& operator=(const scene&) = delete;

    /// `f` runs on a thread of that name when run() is called. Seven threads at most.
    template <class F>
    void thread(const char* name, F f) {
        machine_.declare(name, std::move(f));
    }
    /// Effects: runs the threads that were named since the last run, to their ends.
    void run() { machine_.run(); }
    void check(bool holds, const char* sentence) {
        if (!holds) machine_.fail(std::string("does not hold: ") + sentence);
    }
    /// What the trace calls an object.
    template <explorer::object_kind Kind>
    void name(const explorer::explored_object<Kind>& object, const char* name) {
        machine_.name(explorer::naming::word_of(object), name);
    }

private:
    explorer::machine& machine_;
};

/// A check by a virtual thread, or by anything that it calls.
inline void explore_check(bool holds, const char* sentence) noexcept {
    if (holds) return;
    if (explorer::machine::active == nullptr) std::abort();
    explorer::machine::active->fail(std::string("does not hold: ") + sentence);
}

namespace explorer {

/// What PLATEAU_REPLAY asks for.
struct replay_request {
    std::string_view name, mode, schedule;

    [[nodiscard]] static replay_request from_environment() {
        const char* const value = std::getenv("PLATEAU_REPLAY");
        if (value == nullptr || *value == '\0') return {};
        const std::string_view text(value);
        const std::size_t last = text.rfind(':');
        const std::size_t first = last == std::string_view::npos || last == 0 ? last : text.rfind(':', last - 1);
        if (first == std::string_view::npos || first == last) {
            std::fprintf(stderr, "PLATEAU_REPLAY: '%s' is not <name>:<mode>:<schedule>\n", value);
            std::exit(2);
        }
        return {text.substr(0, first), text.substr(first + 1, last - first - 1), text.substr(last + 1)};
    }
    [[nodiscard]] bool given() const noexcept { return !schedule.empty(); }
};

/// `p3s2/` and what choice_tape writes: the bounds belong to a schedule, since they decide what was to choose.
[[nodiscard]] inline std::string schedule_text(const explore_options& bounds, const choice_tape& tape) {
    return 'p' + std::to_string(bounds.preemptions) + 's' + std::to_string(bounds.stale) + '/' + tape.text();
}
[[nodiscard]] inline bool parse_schedule(std::string_view text, explore_options& bounds, choice_tape& tape) {
    const auto number = [&](char mark, unsigned& n) {
        if (text.empty() || text.front() != mark) return false;
        const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), n);
        if (error != std::errc{}) return false;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        return true;
    };
    if (!number('p', bounds.preemptions) || !number('s', bounds.stale)) return false;
    if (text.empty() || text.front() != '/') return false;
    return tape.parse(text.substr(1));
}

class exploration {
public:
    exploration(const explore_options& bounds, machine::body body, void* scenario)
        : bounds_(bounds), body_(body), scenario_(scenario) {
        report_.name = bounds.name;
        report_.mode = bounds.mode;
    }

    explore_report run() {
        const replay_request asked = replay_request::from_environment();
        if (!asked.given()) return timed([this] { explore_all(); });
        if (asked.name == report_.name && asked.mode == to_string(bounds_.mode)) return run(asked.schedule);
        report_.skipped = true;
        return std::move(report_);
    }
    explore_report run(std::string_view schedule) {
        return timed([this, schedule] { repeat(schedule); });
    }

private:
    template <class F>
    explore_report timed(F work) {
        const auto begin = std::chrono::steady_clock::now();
        const failure_traps traps;
#if defined(PLATEAU_TEST_FIBER_ASAN)
        const __lsan::ScopedDisabler what_a_failed_execution_leaves;
#endif
        work();
        report_.preemptions = bounds_.preemptions;
        report_.stale = bounds_.stale;
        report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        return std::move(report_);
    }

    void explore_all() {
        const auto on = std::make_unique<machine>(bounds_, body_, scenario_);
        choice_tape tape;
        while (report_.executions < bounds_.max_executions) {
            on->execute(tape, false);
            ++report_.executions;
            if (on->failed()) return tell(*on, tape);
            if (!tape.advance()) {
                report_.exhaustive = true;
                return;
            }
        }
    }

    /// The failure again, with its trace.
    void tell(machine& on, choice_tape& tape) {
        report_.failed = true;
        report_.failure = on.failure();
        report_.schedule = schedule_text(bounds_, tape);
        on.execute(tape, true);
        report_.trace = on.trace();
        if (on.failure() == report_.failure) return;
        report_.trace += "  run once more, it came out otherwise: ";
        report_.trace += on.failed() ? on.failure() : "it did not fail";
        report_.trace += '\n';
    }

    void repeat(std::string_view schedule) {
        report_.replayed = true;
        choice_tape tape;
        report_.schedule = schedule;
        report_.executions = 1;
        if (!parse_schedule(schedule, bounds_, tape)) return does_not_fit("this is no schedule");
        const auto on = std::make_unique<machine>(bounds_, body_, scenario_);
        on->execute(tape, true);
        report_.failed = on->failed();
        report_.failure = on->failure();
        report_.trace = on->trace();
        if (!tape.used_up() || schedule_text(bounds_, tape) != schedule) does_not_fit(machine::misfit);
    }
    void does_not_fit(const char* why) {
        const std::string found =
            report_.failed && report_.failure != why ? " (it failed: " + report_.failure + ')' : "";
        report_.failed = true;
        report_.failure = why + found;
    }

    explore_options bounds_;
    machine::body body_;
    void* scenario_;
    explore_report report_;
};

template <class Body>
[[nodiscard]] exploration exploration_of(const explore_options& bounds, Body& body) {
    return exploration(
        bounds,
        [](void* scenario) {
            scene s(*machine::active);
            (*static_cast<Body*>(scenario))(s);
        },
        &body);
}

}  // namespace explorer

/// Effects: runs `body(scene&)` in every execution within the bounds, up to the first that fails.
/// Throws: what the body throws outside of its threads.
template <class Body>
[[nodiscard]] explore_report explore(const explore_options& bounds, Body body) {
    return explorer::exploration_of(bounds, body).run();
}

/// Effects: runs the one execution of that schedule. Its trace is in the report; failed also where the schedule does
/// not fit the code.
template <class Body>
[[nodiscard]] explore_report replay(const explore_options& bounds, std::string_view schedule, Body body) {
    return explorer::exploration_of(bounds, body).run(schedule);
}

}  // namespace plateau_test
