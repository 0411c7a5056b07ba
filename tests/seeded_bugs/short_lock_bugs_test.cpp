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

struct looks_then_takes : explored_sync {};
struct leaves_in_a_hurry : explored_sync {};
struct does_not_know_its_holder : explored_sync {};

template <class Sync>
void explore_into(shared_check& check) {
    const explore_report report =
        explore({.name = "seeded lock", .preemptions = 3, .mode = explore_mode::weak}, one_at_a_time<Sync, 2, 1>);
    check.expect(!report.failed, report.failure);
}

constexpr const char* test = "floor: a short lock lets in one at a time, and everybody in the end";

}  // namespace

/// Between the look and the store another one takes it too.
template <>
bool detail::short_lock<looks_then_takes>::take() noexcept {
    if (holder_.load(std::memory_order_acquire) != nullptr) return false;
    holder_.store(looks_then_takes::thread_id(), std::memory_order_relaxed);
    return true;
}

/// Who comes next may not see what was written.
template <>
void detail::short_lock<leaves_in_a_hurry>::unlock() noexcept {
    holder_.store(nullptr, std::memory_order_relaxed);
}

/// The holder waits for himself.
template <>
bool detail::short_lock<does_not_know_its_holder>::is_mine() const noexcept {
    return false;
}

TEST_CASE("defects of the short lock are noticed", "[floor][seeded]") {
    expect_killed({"F6", "it is looked at and then stored to", test, "data race", explore_into<looks_then_takes>});
    expect_killed({"F5", "leaving it publishes nothing", test, "data race", explore_into<leaves_in_a_hurry>});
    expect_killed({"F9", "it does not know its holder", test, "its holder does not get it twice",
                   explore_into<does_not_know_its_holder>});
}
