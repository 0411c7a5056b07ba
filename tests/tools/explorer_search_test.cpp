// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

#include <cstdint>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>

using namespace plateau_test;

namespace {

/// `threads` threads with `stores` stores each, to atomics of their own.
template <int Threads, int Stores>
void independent_stores(scene& s) {
    explored_atomic<int> own[Threads];
    static constexpr const char* names[] = {"a", "b", "c"};
    for (int t = 0; t < Threads; ++t) {
        s.thread(names[t], [&own, t] {
            for (int i = 1; i <= Stores; ++i) own[t].store(i, std::memory_order_relaxed);
        });
    }
    s.run();
    for (int t = 0; t < Threads; ++t) s.check(own[t] == Stores, "each thread ran to its end");
}

void lost_increment(scene& s) {
    explored_atomic<int> n{0};
    s.name(n, "n");
    s.thread("a", [&] { n.store(n.load() + 1); });
    s.thread("b", [&] { n.store(n.load() + 1); });
    s.run();
    s.check(n == 2, "no increment is lost");
}

void throw_number() { throw 1; }

int call_without_end(explored_atomic<int>& n) {
    volatile char much[4096] = {};
    much[7] = static_cast<char>(n.load());
    return much[7] == 1 ? 0 : call_without_end(n) + much[7];
}

class environment {
public:
    environment(const char* name, const std::string& value) : name_(name) {
        if (const char* const found = std::getenv(name); found != nullptr) before_ = found;
        setenv(name, value.c_str(), 1);
    }
    environment(const environment&) = delete;
    environment& operator=(const environment&) = delete;
    ~environment() {
        if (before_.empty()) unsetenv(name_);
        else setenv(name_, before_.c_str(), 1);
    }

private:
    const char* name_;
    std::string before_;
};

}  // namespace

TEST_CASE("an exploration without a bound runs each interleaving once", "[tools][explore]") {
    const auto executions = [](void (*body)(scene&), explore_mode mode) {
        const explore_report report =
            explore({.name = "independent stores", .preemptions = explore_options::unbounded, .mode = mode}, body);
        if (report.skipped) return std::uint64_t{0};
        CHECK(report.exhaustive);
        CHECK_FALSE(report.failed);
        return report.executions;
    };
    if (executions(&independent_stores<2, 1>, explore_mode::sequential) == 0) return;
    // Orders of n + n steps that keep each thread's own: (2n)! / n!^2, and (3n)! / n!^3.
    for (const explore_mode mode : {explore_mode::sequential, explore_mode::weak}) {
        CHECK(executions(&independent_stores<2, 1>, mode) == 2);
        CHECK(executions(&independent_stores<2, 2>, mode) == 6);
        CHECK(executions(&independent_stores<2, 5>, mode) == 252);
        CHECK(executions(&independent_stores<3, 2>, mode) == 90);
        CHECK(executions(&independent_stores<3, 3>, mode) == 1680);
    }
}

TEST_CASE("a bound of preemptions leaves out what needs more of them", "[tools][explore]") {
    const auto executions = [](unsigned preemptions) {
        const explore_report report =
            explore({.name = "bounded stores", .preemptions = preemptions}, &independent_stores<2, 3>);
        return report.skipped ? 0 : report.executions;
    };
    if (executions(0) == 0) return;
    // Orders of aaabbb by how often a thread is left that has not ended: none in 2 (aaabbb, bbbaaa), once in 4
    // (abbbaa, aabbba and their mirror images), and so on to all 20.
    CHECK(executions(0) == 2);
    CHECK(executions(1) == 6);
    CHECK(executions(2) == 14);
    CHECK(executions(3) == 18);
    CHECK(executions(4) == 20);
    CHECK(executions(9) == 20);
}

TEST_CASE("an older write is read no more often than the bound allows", "[tools][explore]") {
    std::set<int> seen;
    const auto body = [&](scene& s) {
        explored_atomic<int> x{0};
        int sum = 0;
        s.thread("writer", [&] { x.store(1, std::memory_order_relaxed); });
        s.thread("reader", [&] {
            for (const int weight : {1, 2, 4}) sum += weight * x.load(std::memory_order_relaxed);
        });
        s.run();
        seen.insert(sum);
    };
    const auto explored = [&](unsigned stale) {
        seen.clear();
        // Without preemptions: the reader runs as a whole before the writer, or after it.
        return explore({.name = "older reads", .preemptions = 0, .mode = explore_mode::weak, .stale = stale}, body);
    };
    if (explored(0).skipped) return;
    CHECK(seen == std::set<int>{0, 7});
    CHECK(explored(1).exhaustive);
    CHECK(seen == std::set<int>{0, 6, 7});
    CHECK(explored(2).exhaustive);
    CHECK(seen == std::set<int>{0, 4, 6, 7});
}

TEST_CASE("a failure is repeated by its schedule, from a command line", "[tools][explore]") {
    const explore_options bounds{.name = "lost increment"};
    const explore_report found = explore_finds(bounds, "no increment is lost", &lost_increment);
    if (found.skipped) return;
    CHECK(found.command() == "./tests/run.sh explore --replay 'lost increment:sequential:" + found.schedule + "'");
    CHECK(found.trace.find("load seq_cst n: 0") != std::string::npos);
    CHECK(found.text().find(found.command()) != std::string::npos);
    {
        const environment asked("PLATEAU_REPLAY", "lost increment:sequential:" + found.schedule);
        const explore_report again = explore(bounds, &lost_increment);
        CHECK(again.failed);
        CHECK(again.executions == 1);
        CHECK(again.failure == found.failure);
        CHECK(again.trace == found.trace);

        const explore_report other_mode =
            explore({.name = "lost increment", .mode = explore_mode::weak}, &lost_increment);
        CHECK(other_mode.skipped);
        CHECK_FALSE(other_mode.failed);
        const explore_report other_name = explore({.name = "another"}, &lost_increment);
        CHECK(other_name.skipped);
        CHECK(other_name.executions == 0);
    }
    // The bounds are the schedule's: repeated under others, it is the same.
    CHECK(replay({.name = "lost increment", .preemptions = 0}, found.schedule, &lost_increment).failure ==
          found.failure);
}

TEST_CASE("a schedule that the code has outgrown is said to be that", "[tools][explore]") {
    const explore_options bounds{.name = "outgrown"};
    const explore_report found = explore(bounds, &lost_increment);
    if (found.skipped) return;
    const auto with_one_more_step = [](scene& s) {
        explored_atomic<int> n{0};
        s.thread("a", [&] { n.store(n.load() + 1); });
        s.thread("b", [&] { n.store(n.load() + 1 + 0 * n.load()); });
        s.run();
    };
    const explore_report outgrown = replay(bounds, found.schedule, with_one_more_step);
    CHECK(outgrown.failed);
    CHECK(outgrown.failure.find("do not fit the code") != std::string::npos);
    for (const char* garbled : {"", "p3s2", "p3s2/", "p3s2/1.1", "x/1.1/40c6", "p3s2/1.9/40c6", "p3s2/99.1/40c6",
                                "p3s2/1.1,1.1/40c6", "p3s2/1-1/40c6", "p3s2/999999999999.1/40c6"}) {
        const explore_report report = replay(bounds, garbled, &lost_increment);
        CAPTURE(garbled);
        CHECK(report.failed);
        CHECK(report.failure.find("no increment is lost") != 0);
    }
}

TEST_CASE("a scenario that does not do the same each time is refused", "[tools][explore]") {
    int run = 0;
    const explore_report report = explore({.name = "not the same each time"}, [&](scene& s) {
        explored_atomic<int> cells[2];
        explored_atomic<int>& either = cells[run++ % 2];
        s.thread("a", [&] {
            cells[0].store(1);
            either.store(2);
        });
        s.thread("b", [&] { cells[1].store(3); });
        s.run();
    });
    if (report.skipped) return;
    CHECK(report.failed);
    CHECK(report.failure.find("does not do the same each time") != std::string::npos);
}

TEST_CASE("an exploration stops where it is told to", "[tools][explore]") {
    const explore_report report = explore({.name = "stopped", .max_executions = 7}, &independent_stores<3, 3>);
    if (report.skipped) return;
    CHECK(report.executions == 7);
    CHECK_FALSE(report.exhaustive);
    CHECK_FALSE(report.failed);
}

TEST_CASE("a loop without end is found by its steps", "[tools][explore]") {
    explore_finds({.name = "loop without end", .max_steps = 500}, "more than 500 steps", [](scene& s) {
        explored_atomic<int> go{0};
        s.thread("waits", [&] {
            while (go.load() == 0) {}
        });
        s.run();
    });
}

TEST_CASE("what a thread throws fails its execution, what the body throws comes out", "[tools][explore]") {
    explore_finds({.name = "thrown"}, "a thread threw an exception: from a thread", [](scene& s) {
        explored_atomic<int> n{0};
        s.thread("throws", [&] {
            n.store(1);
            throw std::runtime_error("from a thread");
        });
        s.thread("other", [&] { n.store(2); });
        s.run();
    });
    explore_finds({.name = "thrown number"}, "no std::exception", [](scene& s) {
        s.thread("throws", [] { throw 1; });
        s.run();
    });
    explore_finds({.name = "terminated"}, "std::terminate was called", [](scene& s) {
        s.thread("throws", []() noexcept { throw_number(); });
        s.run();
    });
    if (explore({.name = "body"}, [](scene&) {}).skipped) return;
    CHECK_THROWS_AS(explore({.name = "body throws"}, [](scene&) { throw std::runtime_error("from the body"); }),
                    std::runtime_error);
}

TEST_CASE("a crash fails its execution, and the next exploration goes on", "[tools][explore]") {
#if !defined(PLATEAU_TEST_FIBER_ASAN)
    for (int time = 0; time < 2; ++time) {
        explore_finds({.name = "crash"}, "memory that is not there", [](scene& s) {
            explored_atomic<int*> at{nullptr};
            int there = 0;
            s.thread("sets", [&] { at.store(&there); });
            s.thread("writes", [&] { *static_cast<volatile int*>(at.load()) = 1; });
            s.run();
        });
        explore_finds({.name = "no end of calls"}, "memory that is not there", [](scene& s) {
            explored_atomic<int> n{0};
            s.thread("calls", [&] { call_without_end(n); });
            s.run();
        });
        explore_finds({.name = "abort"}, "to be aborted", [](scene& s) {
            s.thread("aborts", [] { std::abort(); });
            s.run();
        });
    }
#endif
}

TEST_CASE("exceptions in flight on one thread are not those of another", "[tools][explore]") {
    const explore_report report =
        explore({.name = "in flight", .preemptions = explore_options::unbounded}, [](scene& s) {
            explored_atomic<int> n{0};
            const auto thrower = [&](int mine) {
                try {
                    throw mine;
                } catch (int) {
                    n.fetch_add(1);
                    explore_check(std::uncaught_exceptions() == 0, "nothing is uncaught in a handler");
                    try {
                        throw;
                    } catch (int again) {
                        n.fetch_add(1);
                        explore_check(again == mine, "a handler throws again what it caught");
                    }
                }
            };
            s.thread("a", [&] { thrower(1); });
            s.thread("b", [&] { thrower(2); });
            s.run();
        });
    if (report.skipped) return;
    INFO(report.text());
    CHECK_FALSE(report.failed);
    CHECK(report.executions == 6);
}

TEST_CASE("threads may run in turns, and identify themselves", "[tools][explore]") {
    const explore_report report = explore({.name = "turns"}, [](scene& s) {
        explored_atomic<int> n{0};
        const void* ids[4] = {explored_sync::thread_id(), nullptr, nullptr, nullptr};
        s.thread("a", [&] {
            n.fetch_add(1);
            ids[1] = explored_sync::thread_id();
        });
        s.thread("b", [&] {
            ids[2] = explored_sync::thread_id();
            n.fetch_add(1);
        });
        s.run();
        s.check(n == 2, "the first two have ended");
        s.thread("c", [&] { ids[3] = explored_sync::thread_id() == nullptr ? nullptr : explored_sync::thread_id(); });
        s.run();
        const std::set<const void*> different(ids, ids + 4);
        s.check(different.size() == 4 && different.count(nullptr) == 0, "four identities");
    });
    if (report.skipped) return;
    INFO(report.text());
    CHECK_FALSE(report.failed);
    CHECK(explored_sync::thread_id() == explored_sync::thread_id());
    CHECK(explored_sync::thread_id() != nullptr);
}

TEST_CASE("outside an execution explored types are plain ones", "[tools][explore]") {
    explored_atomic<int> n{5};
    CHECK(n.exchange(7) == 5);
    CHECK(n.fetch_sub(10) == 7);
    CHECK(n == -3);
    CHECK(++n == -2);
    CHECK(n-- == -2);
    int expected = 1;
    CHECK_FALSE(n.compare_exchange_strong(expected, 9));
    CHECK(expected == -3);
    CHECK(n.compare_exchange_weak(expected, 9));
    CHECK((n |= 6) == 15);
    CHECK((n &= 5) == 5);
    CHECK(n.fetch_xor(1) == 5);
    int cells[3] = {};
    explored_atomic<int*> at{cells};
    CHECK(at.fetch_add(2) == cells);
    CHECK(--at == cells + 1);
    explored_atomic<unsigned char> small{255};
    CHECK(++small == 0);
    enum class colour : short { red = -1, green = 2 };
    explored_atomic<colour> c{colour::red};
    c = colour::green;
    CHECK(c.load() == colour::green);
    explored_mutex m;
    CHECK(m.try_lock());
    m.unlock();
    explored_parker p;
    CHECK_FALSE(p.signalled());
    p.signal();
    p.sleep();
    CHECK(p.sleep_until({}));
    p.reset();
    CHECK_FALSE(p.signalled());
    explored_value<int> v{3};
    v = 4;
    CHECK(v == 4);
}
