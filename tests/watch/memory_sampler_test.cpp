// SPDX-License-Identifier: MIT
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/random.hpp"
#include "watch/memory_sampler_checks.hpp"

#include <plateau/clock.hpp>
#include <plateau/watch/memory_sampler.hpp>

#include <cstdint>
#include <stdexcept>
#include <type_traits>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::memory_sample;

namespace {

using sampler = plateau::basic_memory_sampler<sampled_by_hand>;

void forget() { told_reader::forget(); }

}  // namespace

static_assert(!std::is_copy_constructible_v<sampler> && !std::is_move_constructible_v<sampler>);
static_assert(!std::is_constructible_v<sampler, plateau::memory_sampler_options, plateau::steady_clock&>);
static_assert(noexcept(std::declval<sampler&>().tick(1)) && noexcept(
    std::declval<const sampler&>().stats()) && noexcept(std::declval<const sampler&>().memory_ceiling()));

TEST_CASE("ticks within the period are not samples", "[watch][unit]") {
    forget();
    plateau::manual_clock clock;
    sampler line{{.max_points = 8, .period = 1s}, clock};
    told_reader::resident = 100;
    CHECK(line.tick(1));
    CHECK_FALSE(line.tick(2));
    clock.advance(1s - 1ns);
    CHECK_FALSE(line.tick(3));
    clock.advance(1ns);
    told_reader::resident = 90;
    CHECK(line.tick(4));
    CHECK(told_reader::reads == 2);
    const auto points = line.samples();
    REQUIRE(points.size() == 2);
    CHECK(points[0].work_done == 1);
    CHECK(points[1].work_done == 4);
    CHECK(points[1].resident_bytes == 90);
    CHECK(points[1].at - points[0].at == 1s);
    CHECK(line.stats().anonymous_bytes == 45);
    line.check_invariants();
}

TEST_CASE("a clock that jumps back or stands at its end stops nothing", "[watch][unit]") {
    passes(a_clock_that_jumps_stops_no_sampler<sampled_by_hand>);
}

TEST_CASE("a reading that fails is counted, costs no point, and is tried again a period later", "[watch][unit]") {
    forget();
    plateau::manual_clock clock;
    sampler line{{.max_points = 4, .period = 1s}, clock};
    told_reader::fails = plateau::read_reason::absent;
    CHECK_FALSE(line.tick(1));
    CHECK_FALSE(line.tick(1));
    CHECK(told_reader::reads == 1);
    clock.advance(1s);
    CHECK_FALSE(line.tick(2));
    CHECK(line.stats().failed_reads == 2);
    CHECK(line.stats().samples == 0);
    CHECK(line.samples().empty());
    clock.advance(1s);
    told_reader::fails = plateau::read_reason::none;
    CHECK(line.tick(3));
    CHECK(line.samples().size() == 1);
    line.check_invariants();
}

TEST_CASE("the line keeps its whole history as minima of equal groups", "[watch][model]") {
    INFO(random_source::repeat());
    passes(a_line_is_the_minima_of_equal_groups<sampled_by_hand>);
}

TEST_CASE("a sampler holds what its ceiling says, however long it runs", "[watch][alloc]") {
    passes(a_sampler_holds_what_its_ceiling_says<sampled_by_hand>);
}

TEST_CASE("options of a sampler that make no sense are refused with a sentence", "[watch][unit]") {
    CHECK_THROWS_AS(plateau::memory_sampler({.max_points = 0}), std::invalid_argument);
    CHECK_THROWS_AS(plateau::memory_sampler({.max_points = 1}), std::invalid_argument);
    CHECK_THROWS_AS(plateau::memory_sampler({.max_points = SIZE_MAX}), std::invalid_argument);
    CHECK_THROWS_AS(plateau::memory_sampler({.period = -1ns}), std::invalid_argument);
}

TEST_CASE("a sampler with the system's clock and memory sees this process", "[watch][unit]") {
    plateau::memory_sampler line;
    CHECK(line.tick(7));
    REQUIRE(line.samples().size() == 1);
    CHECK(line.samples()[0].resident_bytes > 1'000'000);
    CHECK(line.stats().work_done == 7);
}
