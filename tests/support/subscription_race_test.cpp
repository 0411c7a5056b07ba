// SPDX-License-Identifier: MIT
#include "support/subscription_checks.hpp"
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/support/subscription.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

using namespace plateau_test;

// What threads share lives on the heap: clang's thread sanitizer can miss races on a stack.

TEST_CASE("listeners that come and go on six threads while two emit are not running once they have ended",
          "[support][race]") {
    race_for("support", "event", [](std::uint64_t) {
        struct shared {
            event_of<quiet_events, int> happens{{.max_listeners = 16}};
            std::atomic<std::uint64_t> missed{0};
            std::atomic<std::uint64_t> late{0};
        };
        auto all = std::make_unique<shared>();
        run_together(race_threads, [&](std::size_t i) {
            for (int n = 0; n < 200; ++n) {
                if (i < 2) {
                    all->happens.emit(-1);
                    continue;
                }
                // Not atomic where only this thread's own emission writes; freed after the end: a late call is a use
                // after free.
                auto mine = std::make_unique<std::atomic<int>>(0);
                auto own = std::make_unique<int>(0);
                {
                    const int me = static_cast<int>(i) * 1'000 + n;
                    const auto listening = all->happens.subscribe([me, mine = mine.get(), own = own.get()](int who) {
                        mine->fetch_add(1, std::memory_order_relaxed);
                        if (who == me) ++*own;
                    });
                    listening_scope scope;
                    if (n % 3 == 0) {
                        static_cast<void>(all->happens.subscribe(
                            scope, [mine = mine.get()](int) { mine->fetch_add(1, std::memory_order_relaxed); }));
                    }
                    if (listening) {
                        all->happens.emit(me);
                        if (*own != 1) ++all->missed;
                    }
                }
                const int at_the_end = mine->load(std::memory_order_relaxed);
                if (n % 5 == 0) all->happens.emit(-2);
                if (mine->load(std::memory_order_relaxed) != at_the_end) ++all->late;
            }
        });
        REQUIRE(all->missed == 0);
        REQUIRE(all->late == 0);
        REQUIRE(all->happens.stats().listeners == 0);
        all->happens.check_invariants();
    });
}

TEST_CASE("an event ends while subscriptions to it end on seven threads", "[support][race]") {
    for (int round = 0; round < 300; ++round) {
        struct shared {
            std::optional<event_of<quiet_events>> happens{std::in_place};
            std::optional<plateau::subscription> listening[race_threads];
            int values[race_threads] = {};
        };
        auto all = std::make_unique<shared>();
        for (std::size_t i = 1; i < race_threads; ++i)
            all->listening[i].emplace(all->happens->subscribe([value = &all->values[i]] { ++*value; }));
        all->happens->emit();
        run_together(race_threads, [&](std::size_t i) {
            if (i == 0) {
                all->happens.reset();
            } else {
                all->listening[i].reset();
                ++all->values[i];
            }
        });
        for (std::size_t i = 1; i < race_threads; ++i) REQUIRE(all->values[i] == 2);
    }
}
