// SPDX-License-Identifier: MIT
#include "floor/floor_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"

#include <plateau/clock.hpp>

#include <chrono>
#include <ctime>
#include <limits>
#include <type_traits>

using namespace std::chrono_literals;
using plateau::duration;
using plateau::manual_clock;
using plateau::time_point;

namespace {

struct wall_clock {
    std::chrono::system_clock::time_point now() const noexcept { return {}; }
};
struct throwing_clock {
    time_point now() const { return {}; }
};
struct mutating_clock {
    time_point now() noexcept { return {}; }
};

}  // namespace

static_assert(plateau::clock<plateau::steady_clock> && plateau::clock<plateau::coarse_clock> &&
              plateau::clock<manual_clock>);
static_assert(!plateau::clock<wall_clock> && !plateau::clock<throwing_clock> && !plateau::clock<mutating_clock>);
static_assert(!std::is_copy_constructible_v<manual_clock> && !std::is_move_constructible_v<manual_clock>);
static_assert(std::is_empty_v<plateau::steady_clock> && std::is_empty_v<plateau::coarse_clock>);
static_assert(std::is_same_v<duration, std::chrono::nanoseconds> &&
              std::is_same_v<time_point::clock, std::chrono::steady_clock>);
static_assert(plateau::forever == duration(std::numeric_limits<std::int64_t>::max()));

TEST_CASE("the hand clock starts at the epoch, or where it is told, and stands still", "[floor][unit]") {
    const manual_clock clock;
    CHECK(clock.now() == time_point{});
    CHECK(clock.now() == time_point{});
    const manual_clock later{time_point{5s}};
    CHECK(later.now() == time_point{5s});
}

TEST_CASE("the hand clock is turned by all chrono units, and set back", "[floor][unit]") {
    manual_clock clock;
    clock.advance(30s);
    clock.advance(1ns);
    clock.advance(2h);
    CHECK(clock.now() == time_point{2h + 30s + 1ns});
    clock.set(time_point{1s});
    CHECK(clock.now() == time_point{1s});
    clock.set(time_point{-1s});
    CHECK(clock.now() == time_point{-1s});
}

TEST_CASE("the hand clock saturates at both ends of time", "[floor][unit]") {
    plateau_test::passes(plateau_test::the_hand_clock_saturates<manual_clock>);
}

TEST_CASE("a moment plus a length saturates", "[floor][unit]") {
    using plateau::detail::saturating_add;
    CHECK(saturating_add(time_point{1s}, duration(2s)) == time_point{3s});
    CHECK(saturating_add(time_point{1ns}, plateau::forever) == time_point::max());
    CHECK(saturating_add(time_point::max(), duration(1ns)) == time_point::max());
    CHECK(saturating_add(time_point{-1ns}, duration::min()) == time_point::min());
    CHECK(saturating_add(time_point::max(), duration::min()) == time_point{-1ns});
}

TEST_CASE("the system's clocks answer on the time line of the monotonic clock", "[floor][unit]") {
    // Bracketed by the kernel's own figures: no length of time is assumed.
    const auto kernel = [](clockid_t id) {
        std::timespec read{};
        REQUIRE(clock_gettime(id, &read) == 0);
        return time_point(std::chrono::seconds(read.tv_sec) + duration(read.tv_nsec));
    };
    const time_point before = kernel(CLOCK_MONOTONIC);
    const time_point steady = plateau::steady_clock{}.now();
    const time_point after = kernel(CLOCK_MONOTONIC);
    CHECK(before <= steady);
    CHECK(steady <= after);
#if defined(CLOCK_MONOTONIC_COARSE)
    const time_point coarse_before = kernel(CLOCK_MONOTONIC_COARSE);
    const time_point coarse = plateau::coarse_clock{}.now();
    const time_point coarse_after = kernel(CLOCK_MONOTONIC_COARSE);
    CHECK(coarse_before <= coarse);
    CHECK(coarse <= coarse_after);
    CHECK(coarse <= kernel(CLOCK_MONOTONIC));
#endif
}

TEST_CASE("reading a clock allocates nothing", "[floor][unit]") {
    manual_clock hand;
    const plateau_test::new_scope scope;
    [[maybe_unused]] const auto a = plateau::steady_clock{}.now();
    [[maybe_unused]] const auto b = plateau::coarse_clock{}.now();
    hand.advance(1s);
    const auto delta = scope.delta();
    CHECK(delta.calls == 0);
}
