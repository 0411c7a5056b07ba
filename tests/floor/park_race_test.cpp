// SPDX-License-Identifier: MIT
// What threads share lives on the heap: clang's thread sanitizer can miss races on a stack.
#include "floor/park_rooms.hpp"
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/clock.hpp>
#include <plateau/detail/condvar_parker.hpp>
#include <plateau/detail/event_count.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::detail::patience_limit;

namespace {

/// Sleeps at once, so that the race is one for the list and not for the word.
struct futex_sync : plateau::default_sync {
    static constexpr unsigned spin_pauses = 0;
    static constexpr unsigned spin_yields = 1;
};
struct condvar_sync : futex_sync {
    using parker = plateau::detail::condvar_parker;
};

/// A loop that several threads feed and one drains.
class shared_loop {
public:
    void post(plateau::work what) {
        const std::lock_guard hold(mutex_);
        ready_.push_back(what);
    }
    bool run_one() {
        std::optional<plateau::work> next;
        {
            const std::lock_guard hold(mutex_);
            if (ready_.empty()) return false;
            next = ready_.front();
            ready_.pop_front();
        }
        (*next)();
        return true;
    }

private:
    std::mutex mutex_;
    std::deque<plateau::work> ready_;  // under mutex_
};

}  // namespace

TEMPLATE_TEST_CASE("tokens pass between eight threads that are stopped, time out and wait", "[floor][race]", futex_sync,
                   condvar_sync) {
    race_for("floor", std::is_same_v<TestType, futex_sync> ? "park, futex" : "park, condition variable",
             [](std::uint64_t) {
                 struct shared {
                     token_room<room_parts<TestType>> room{2};
                     plateau::basic_inplace_stop_source<TestType> source;
                     plateau::basic_manual_clock<TestType> clock;
                     std::atomic<unsigned> inside{0};
                     std::atomic<int> crowded{0};
                 };
                 auto all = std::make_unique<shared>();
                 run_together(race_threads, [&](std::size_t i) {
                     for (int n = 0; n < 60; ++n) {
                         const auto got = i == 0       ? all->room.acquire()
                                          : i % 3 == 1 ? all->room.acquire(all->source.get_token())
                                                       : all->room.acquire(plateau::never_stop_token{}, all->clock,
                                                                           patience_limit(plateau::duration(3)));
                         if (i == 7) all->clock.advance(plateau::duration(1));
                         if (!got) continue;
                         if (all->inside.fetch_add(1, std::memory_order_relaxed) >= 2) ++all->crowded;
                         if (i == 5 && n == 40) all->source.request_stop();
                         all->inside.fetch_sub(1, std::memory_order_relaxed);
                         all->room.release();
                     }
                     all->clock.advance(1s);
                 });
                 REQUIRE(all->crowded == 0);
                 REQUIRE(all->room.tokens() == 2);
                 REQUIRE_FALSE(all->room.flagged());
             });
}

TEST_CASE("values pass through a mailbox between threads and callbacks, in and out of time", "[floor][race]") {
    race_for("floor", "waiter", [](std::uint64_t round) {
        struct shared {
            mailbox<std::uint32_t, room_parts<futex_sync>> box;
            shared_loop loop;
            std::atomic<std::uint64_t> put{0}, taken{0};
            std::atomic<int> busy{7};
        };
        struct take {
            shared* all;
            void operator()(plateau::result<std::uint32_t, room_reason> r) const noexcept {
                if (r) all->taken += *r;
            }
        };
        auto all = std::make_unique<shared>();
        run_together(race_threads, [&](std::size_t i) {
            if (i == 0) {  // the loop's thread takes, too: what is put when all takers have left must go somewhere
                while (all->busy != 0) {
                    if (all->loop.run_one()) continue;
                    if (const auto got = all->box.try_take(); got && *got) all->taken += **got;
                    std::this_thread::yield();
                }
                return;
            }
            for (std::uint32_t n = 0; n < 40; ++n) {
                if (i <= 3) {
                    if (all->box.put(n)) all->put += n;
                } else {
                    const auto node = std::make_unique<plateau::waiter<take, futex_sync>>(take{all.get()});
                    if (i == 4) all->box.take_then(*node);
                    else all->box.take_then(*node, all->loop);
                    if (n % 4 == round % 4) node->cancel();
                    else if (n % 4 == 1)
                        for (int looks = 0; looks < 20 && node->waiting(); ++looks) std::this_thread::yield();
                    // else its end meets whatever is on its way
                }
            }
            --all->busy;
        });
        while (all->loop.run_one()) {}
        if (const auto rest = all->box.try_take(); rest && *rest) all->taken += **rest;
        REQUIRE(all->put == all->taken);
        REQUIRE_FALSE(all->box.flagged());
    });
}

TEST_CASE("an event count loses no notification between eight threads", "[floor][race]") {
    race_for("floor", "event count", [](std::uint64_t) {
        struct shared {
            plateau::detail::event_count<futex_sync> count;
            std::atomic<std::uint32_t> turn{0};
            std::uint64_t steps = 0;  // not atomic: the turns must order it
        };
        auto all = std::make_unique<shared>();
        run_together(race_threads, [&](std::size_t i) {
            for (std::uint32_t mine = static_cast<std::uint32_t>(i); mine < 40 * race_threads; mine += race_threads) {
                all->count.wait([&]() noexcept { return all->turn.load() == mine; });
                ++all->steps;
                all->turn.store(mine + 1);
                all->count.notify_all();
            }
        });
        REQUIRE(all->steps == 40 * race_threads);
    });
}
