// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"
#include "tools/tracked_value.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

using owners = std::vector<std::unique_ptr<int>>;

}  // namespace

TEST_CASE("a sweep finds each allocation of an operation, in both modes", "[tools][unit]") {
    std::vector<std::uint64_t> once;
    std::vector<std::uint64_t> onwards;
    const auto report = sweep_faults(
        fault::operator_new, [] { return owners{}; },
        [](owners& o) {
            o.reserve(4);
            o.push_back(std::make_unique<int>(1));
            o.push_back(std::make_unique<int>(2));
        },
        [&](const owners& o, const sweep_step& step) {
            (step.mode == fault_mode::once ? once : onwards).push_back(step.failing);
            CHECK(o.size() == (step.threw ? (step.failing < 3 ? 0U : 1U) : 2U));
        });
    CHECK(report.points == 3);
    CHECK(report.injected == 6);
    CHECK(report.threw == 6);
    CHECK(report.leaked_bytes == 0);
    CHECK(once == std::vector<std::uint64_t>{1, 2, 3, 4});
    CHECK(onwards == std::vector<std::uint64_t>{1, 2, 3, 4});
}

TEST_CASE("a sweep goes on where the operation makes a refusal of its failure", "[tools][unit]") {
    const auto report = sweep_faults(
        fault::callback, [] { return 0; },
        [](int& done) {
            for (int i = 0; i < 3; ++i) {
                try {
                    fault_here(fault::callback);
                    ++done;
                } catch (const injected_fault&) {}
            }
        },
        [](int done, const sweep_step& step) {
            CHECK_FALSE(step.threw);
            const int failed = step.failing > 3                ? 0
                               : step.mode == fault_mode::once ? 1
                                                               : 4 - static_cast<int>(step.failing);
            CHECK(done == 3 - failed);
        });
    CHECK(report.points == 3);
    CHECK(report.injected == 6);
    CHECK(report.threw == 0);
}

TEST_CASE("a sweep reports what an operation loses when it fails half-way", "[tools][unit]") {
    // Kept reachable, so that the leak sanitizer holds its peace about the leak that is meant.
    static std::vector<int*> lost;
    lost.clear();
    lost.reserve(64);
    const auto report = sweep_faults(
        fault::operator_new, [] { return owners{}; },
        [](owners& o) {
            int* raw = new int(7);
            lost.push_back(raw);
            o.reserve(1);
            o.emplace_back(raw);
            lost.pop_back();
        },
        [](const owners&, const sweep_step&) {});
    CHECK(report.points == 2);
    CHECK(report.leaked_bytes == sizeof(int));
    CHECK(report.leaked_blocks == 1);
    for (int* raw : lost) delete raw;
}

TEST_CASE("a sweep ends an operation that never comes to its end", "[tools][unit]") {
    const auto forever = [] {
        sweep_faults(
            fault::callback, [] { return 0; },
            [](int&) {
                for (bool done = false; !done;) {
                    try {
                        for (int i = 0; i < 100; ++i) fault_here(fault::callback);
                        done = true;
                    } catch (const injected_fault&) {
                        done = true;
                    }
                }
            },
            [](int, const sweep_step&) {}, 50);
    };
    CHECK_THROWS_AS(forever(), std::runtime_error);
}

TEST_CASE("an exception of the operation's own leaves the sweep", "[tools][unit]") {
    const auto broken = [] {
        sweep_faults(
            fault::any, [] { return 0; }, [](int&) { throw std::logic_error("mine"); }, [](int, const sweep_step&) {});
    };
    CHECK_THROWS_AS(broken(), std::logic_error);
}

TEST_CASE("a sweep shows an operation that forgets to roll back", "[tools][unit]") {
    // Two lists that belong together: the second push may fail after the first has happened.
    struct pair_of_lists {
        std::vector<int> a;
        std::vector<int> b;
    };
    const auto uneven = [](auto operation) {
        int steps = 0;
        sweep_faults(
            fault::operator_new, [] { return pair_of_lists{}; }, operation,
            [&](const pair_of_lists& lists, const sweep_step&) { steps += lists.a.size() != lists.b.size() ? 1 : 0; });
        return steps;
    };
    CHECK(uneven([](pair_of_lists& lists) {
              lists.a.push_back(1);
              lists.b.push_back(1);
          }) == 2);
    CHECK(uneven([](pair_of_lists& lists) {
              lists.a.reserve(1);
              lists.b.reserve(1);
              lists.a.push_back(1);
              lists.b.push_back(1);
          }) == 0);
}

TEST_CASE("a table of operations tells which were not swept, fail unexpectedly, never fail, or leak", "[tools][unit]") {
    fault_table table("table of the test");
    table.add("put", {.points = 3, .injected = 6});
    table.add("put", {.points = 1, .injected = 2});
    table.nothing_fails("size", "a number");
    table.add("size", {});
    CHECK(table.contradictions({"put", "size"}).empty());
    CHECK(table.points() == 4);

    CHECK(table.contradictions({"put", "get"}) == std::vector<std::string>{"get was not swept"});
    table.add("peek", {});
    CHECK(table.contradictions({}) == std::vector<std::string>{"peek has no fault point, without a reason"});
    table.add("peek", {.points = 1, .leaked_bytes = 8, .leaked_blocks = 1});
    CHECK(table.contradictions({}) == std::vector<std::string>{"peek leaks"});

    fault_table wrong("table of the test");
    wrong.nothing_fails("clear", "it gives back");
    CHECK(wrong.contradictions({}) == std::vector<std::string>{"clear was not swept"});
    wrong.add("clear", {.points = 2});
    CHECK(wrong.contradictions({}) == std::vector<std::string>{"clear has 2 fault points, although: it gives back"});
}
