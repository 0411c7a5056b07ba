// SPDX-License-Identifier: MIT
// Defects of the short lock: each is one member function with one thing wrong.
#include "floor/short_lock_scenes.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"

#include <atomic>

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

struct wakes_nobody_behind : explored_sync {};
struct forgets_who_came : explored_sync {};

template <class Sync>
void explore_into(shared_check& check) {
    const explore_report report =
        explore({.name = "seeded lock", .preemptions = 3, .mode = explore_mode::sequential}, one_at_a_time<Sync, 3, 1>);
    check.expect(!report.failed, report.failure);
}

constexpr const char* test = "floor: a short lock lets in one at a time, and forgets nobody who sleeps";

}  // namespace

/// Whoever leaves wakes one, and the others are no longer known.
template <>
void detail::short_lock<wakes_nobody_behind>::leave() noexcept {
    word seen = word_.load(std::memory_order_acquire);
    while (!word_.compare_exchange_weak(seen, 0, std::memory_order_acq_rel, std::memory_order_acquire)) {}
    latest(seen)->parker.signal();
}

/// Whoever leaves frees the lock with the sleepers that it knew.
template <>
void detail::short_lock<forgets_who_came>::leave() noexcept {
    sleeper* const first = latest(word_.load(std::memory_order_acquire));
    word_.store(reinterpret_cast<word>(first->older), std::memory_order_release);
    first->parker.signal();
}

TEST_CASE("defects of the short lock are noticed", "[floor][seeded]") {
    expect_killed({"F7", "whoever leaves wakes one, and the others are no longer known", test,
                   "no runnable thread while work exists", explore_into<wakes_nobody_behind>});
    expect_killed({"F7", "whoever leaves frees the lock with the sleepers that it knew", test,
                   "no runnable thread while work exists", explore_into<forgets_who_came>});
}
