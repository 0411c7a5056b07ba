// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/stop.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

using plateau::inplace_stop_callback;
using plateau::inplace_stop_source;
using plateau_test::race_for;
using plateau_test::race_threads;
using plateau_test::run_together;

// What threads share lives on the heap: clang's thread sanitizer can miss races on a stack.

TEST_CASE("of eight requests one makes it, and each callback runs exactly once", "[floor][race]") {
    for (int round = 0; round < 200; ++round) {
        struct shared {
            inplace_stop_source source;
            std::atomic<int> made{0};
            int runs =
                0;  // not atomic: callbacks run on one thread, and its end is seen by all who see the request made
        };
        auto all = std::make_unique<shared>();
        const auto count = [&] { ++all->runs; };
        auto a = std::make_unique<inplace_stop_callback<decltype(count)>>(all->source.get_token(), count);
        auto b = std::make_unique<inplace_stop_callback<decltype(count)>>(all->source.get_token(), count);
        run_together(8, [&](std::size_t) { all->made += all->source.request_stop() ? 1 : 0; });
        REQUIRE(all->made == 1);
        REQUIRE(all->runs == 2);
    }
}

TEST_CASE("a callback's destructor returns only when the callback is not running", "[floor][race]") {
    for (int round = 0; round < 200; ++round) {
        struct shared {
            inplace_stop_source source;
            std::atomic<bool> inside{false};
            std::atomic<bool> leaving{false};
            bool finished = false;  // not atomic: the destructor's wait must order it
            bool seen = false;
        };
        auto all = std::make_unique<shared>();
        const auto slow = [&] {
            all->inside = true;
            while (!all->leaving) std::this_thread::yield();
            for (int i = 0; i < 50; ++i) std::this_thread::yield();  // room for a destructor that does not wait
            all->finished = true;
        };
        auto callback = std::make_unique<inplace_stop_callback<decltype(slow)>>(all->source.get_token(), slow);
        run_together(2, [&](std::size_t i) {
            if (i == 0) {
                all->source.request_stop();
            } else {
                while (!all->inside) std::this_thread::yield();
                all->leaving = true;
                callback.reset();
                all->seen = all->finished;
            }
        });
        REQUIRE(all->seen);
    }
}

TEST_CASE("callbacks that come and go on seven threads while an eighth asks to stop run at most once, and never after",
          "[floor][race]") {
    race_for("floor", "inplace_stop_source", [](std::uint64_t) {
        struct shared {
            inplace_stop_source source;
            std::atomic<int> too_often{0};
            std::atomic<int> missed{0};
        };
        auto all = std::make_unique<shared>();
        run_together(race_threads, [&](std::size_t i) {
            if (i == 0) {
                for (int n = 0; n < 20; ++n) std::this_thread::yield();
                all->source.request_stop();
                return;
            }
            for (int n = 0; n < 50; ++n) {
                auto runs = std::make_unique<int>(0);  // freed after the destructor: a late run is a use after free
                const bool before = all->source.stop_requested();
                {
                    const inplace_stop_callback callback{all->source.get_token(), [&runs] { ++*runs; }};
                    if (n % 3 == 0) std::this_thread::yield();
                }
                if (*runs > 1) ++all->too_often;
                if (before && *runs != 1) ++all->missed;
            }
        });
        REQUIRE(all->too_often == 0);
        REQUIRE(all->missed == 0);
    });
}

TEST_CASE("a callback that destroys itself leaves the source usable by others", "[floor][race]") {
    for (int round = 0; round < 200; ++round) {
        struct shared {
            inplace_stop_source source;
            std::optional<inplace_stop_callback<std::function<void()>>> self;
            std::atomic<int> runs{0};
        };
        auto all = std::make_unique<shared>();
        all->self.emplace(all->source.get_token(), std::function<void()>([raw = all.get()] {
                              ++raw->runs;
                              raw->self.reset();
                          }));
        run_together(8, [&](std::size_t i) {
            if (i % 2 == 0) all->source.request_stop();
            else inplace_stop_callback(all->source.get_token(), [&] { ++all->runs; });
        });
        REQUIRE_FALSE(all->self.has_value());
        REQUIRE(all->runs >= 1);
        REQUIRE(all->runs <= 5);
    }
}
