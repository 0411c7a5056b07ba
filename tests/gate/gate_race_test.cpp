// SPDX-License-Identifier: MIT
// What threads share lives on the heap: clang's thread sanitizer can miss races on a stack.
#include "gate/gate_requests.hpp"
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/clock.hpp>
#include <plateau/gate.hpp>
#include <plateau/stop.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::shed_reason;

namespace {

/// Sleeps at once, so that the race is one for the queue and not for the word.
struct sleepy_sync : plateau::default_sync {
    static constexpr unsigned spin_pauses = 0;
    static constexpr unsigned spin_yields = 1;
};
struct sleepy : plateau::gate_policies {
    using sync = sleepy_sync;
    using clock = plateau::basic_manual_clock<sleepy_sync>;
};
using sleepy_gate = plateau::basic_gate<sleepy>;

/// What an independent clerk counts: he comes after the gate has let in, and before it is told that one has gone.
struct clerk {
    std::atomic<std::uint64_t> in_flight{0}, bytes{0};
    std::atomic<int> over{0};
    void in(std::uint64_t more, std::uint64_t max_in_flight, std::uint64_t max_bytes) {
        if (in_flight.fetch_add(1, std::memory_order_relaxed) >= max_in_flight) ++over;
        if (bytes.fetch_add(more, std::memory_order_relaxed) + more > max_bytes) ++over;
    }
    void out(std::uint64_t less) {
        bytes.fetch_sub(less, std::memory_order_relaxed);
        in_flight.fetch_sub(1, std::memory_order_relaxed);
    }
};

struct shared_gate {
    plateau::basic_manual_clock<sleepy_sync> clock;
    plateau::basic_inplace_stop_source<sleepy_sync> source;
    sleepy_gate door{{.max_in_flight = 3, .max_bytes = 10, .max_queue = 6, .max_wait = plateau::duration(20)}, clock};
    clerk books;
    std::atomic<std::uint64_t> guarded{0};
    std::uint64_t unguarded = 0;  ///< behind a gate of one
};

}  // namespace

TEST_CASE("a gate is shared by threads that come, wait, give up, expire, shrink, drain and change its bounds",
          "[gate][race]") {
    race_for("gate", "gate", [](std::uint64_t) {
        auto all = std::make_unique<shared_gate>();
        run_together(race_threads, [&](std::size_t i) {
            sleepy_gate& door = all->door;
            for (unsigned n = 0; n < 60; ++n) {
                const std::size_t bytes = (n * 7 + i * 3) % 11;
                all->clock.advance(plateau::duration(1));
                auto got = [&] {
                    switch ((n + i) % 5) {
                    case 0:
                        return door.try_admit({.bytes = bytes});
                    case 1:
                        return door.admit({.bytes = bytes}, all->source.get_token());
                    case 2:
                        return door.admit_for({.bytes = bytes}, plateau::duration(5));
                    case 3:
                        return door.admit({.bytes = bytes, .deadline = all->clock.now() + plateau::duration(3)});
                    default:
                        return door.admit_until({.bytes = bytes}, all->clock.now() + plateau::duration(9));
                    }
                }();
                if (got) {
                    all->books.in(bytes, 3, 10);
                    all->books.out(bytes);
                    got.take().release();  // before it drains, or it would wait for itself
                }
                {
                    basic_request<sleepy_sync> mine;
                    door.admit_then(mine.node, {.bytes = bytes % 4});
                    if (n % 3 == 0) mine.node.cancel();
                }
                if (i == 1 && n % 8 == 0) door.set_limit(1 + n % 3);
                if (i == 2 && n % 8 == 0) door.set_max_bytes(5 + n % 6);
                if (i == 3) door.expire(all->clock.now());
                if (i == 4 && n % 16 == 0) static_cast<void>(door.drain_for(plateau::duration(2)));
                if (i == 5 && n % 4 == 0) door.resume();
                if (i == 6) static_cast<void>(door.stats());
                if (i == 7 && n == 50) all->source.request_stop();
            }
            all->clock.advance(1s);
            door.resume();
        });
        all->door.resume();
        const auto now = all->door.stats();
        REQUIRE(all->books.over == 0);
        REQUIRE(now.in_flight == 0);
        REQUIRE(now.bytes == 0);
        REQUIRE(now.queued == 0);
        all->door.check_invariants();
    });
}

TEST_CASE("what a gate of one guards is handed from permit to permit", "[gate][race]") {
    race_for("gate", "gate of one", [](std::uint64_t) {
        struct shared {
            plateau::basic_gate<sleepy> door;
            std::uint64_t guarded = 0;
            explicit shared(plateau::basic_manual_clock<sleepy_sync>& clock)
                : door({.max_in_flight = 1, .max_queue = 8, .max_wait = plateau::forever}, clock) {}
        };
        const auto clock = std::make_unique<plateau::basic_manual_clock<sleepy_sync>>();
        const auto all = std::make_unique<shared>(*clock);
        run_together(race_threads, [&](std::size_t) {
            for (int n = 0; n < 100; ++n) {
                auto slot = all->door.admit();
                if (!slot) continue;
                ++all->guarded;
                if (n % 2 == 0) slot.take().release();
            }
        });
        REQUIRE(all->guarded == 100 * race_threads);
        REQUIRE(all->door.stats().in_flight == 0);
    });
}

TEST_CASE("a gate ends while threads wait at it, and its permits come back later", "[gate][race]") {
    race_for("gate", "end of a gate", [](std::uint64_t) {
        struct shared {
            plateau::basic_manual_clock<sleepy_sync> clock;
            std::unique_ptr<sleepy_gate> door = std::make_unique<sleepy_gate>(
                plateau::gate_options{.max_in_flight = 2, .max_queue = 8, .max_wait = plateau::duration(100)}, clock);
            std::optional<sleepy_gate::permit_type> first = door->try_admit().take(), second = door->try_admit().take();
            std::atomic<int> told{0}, odd{0};
        };
        const auto all = std::make_unique<shared>();
        sleepy_gate* const door = all->door.get();
        run_together(race_threads, [&, door](std::size_t i) {
            if (i == 0) {  // when all others wait, or have done so
                // In this order: who goes from the one to the other in between is not counted twice.
                for (std::uint64_t here = 0; here < race_threads - 3;) {
                    std::this_thread::yield();
                    here = static_cast<std::uint64_t>(all->told.load());
                    here += door->stats().queued;
                }
                all->door.reset();
            } else if (i == 1) {
                all->first->release();
                all->clock.advance(plateau::duration(100));
            } else if (i == 2) {
                all->second->release();
            } else {
                const auto got = door->admit();
                const auto why = got.reason();
                if (why != shed_reason::none && why != shed_reason::closed && why != shed_reason::timed_out) ++all->odd;
                ++all->told;
            }
        });
        REQUIRE(all->odd == 0);
        REQUIRE(all->told == static_cast<int>(race_threads) - 3);
    });
}
