// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"

#include <plateau/clock.hpp>
#include <plateau/watch/memory_sampler.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::memory_sample;

namespace {

/// Memory as the test says it is. One test runs at a time, and each sets what it needs.
struct told_reader {
    static inline std::uint64_t resident = 0;
    static inline plateau::read_reason fails = plateau::read_reason::none;
    static inline std::uint64_t reads = 0;

    plateau::result<memory_sample, plateau::read_reason> read() noexcept {
        ++reads;
        if (fails != plateau::read_reason::none) return fails;
        return memory_sample{.resident_bytes = resident, .anonymous_bytes = resident / 2};
    }
};

struct by_hand : plateau::memory_sampler_policies {
    using clock = plateau::manual_clock;
    using reader = told_reader;
};
using sampler = plateau::basic_memory_sampler<by_hand>;

void forget() {
    told_reader::resident = 0;
    told_reader::fails = plateau::read_reason::none;
    told_reader::reads = 0;
}

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
    forget();
    plateau::manual_clock clock;
    sampler line{{.max_points = 8, .period = 1h}, clock};
    clock.set(plateau::time_point(plateau::duration(100h)));
    CHECK(line.tick(1));
    clock.set(plateau::time_point(plateau::duration(1h)));
    CHECK(line.tick(2));
    clock.set(plateau::time_point::min());
    CHECK(line.tick(3));
    clock.set(plateau::time_point::max());
    CHECK(line.tick(4));
    CHECK(line.samples().size() == 4);
    line.check_invariants();

    sampler always{{.max_points = 2, .period = plateau::duration::zero()}, clock};
    for (std::uint64_t i = 0; i < 100; ++i) CHECK(always.tick(i));
    sampler once{{.max_points = 2, .period = plateau::forever}, clock};
    clock.set(plateau::time_point{});
    CHECK(once.tick(1));
    clock.advance(1'000h);
    CHECK_FALSE(once.tick(2));
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
    random_source random("sampler oracle");
    for (const std::size_t max_points : {2U, 3U, 4U, 5U, 7U, 8U, 33U}) {
        forget();
        plateau::manual_clock clock;
        sampler line{{.max_points = max_points, .period = 1s}, clock};
        std::vector<memory_sample> all;
        for (std::uint64_t i = 0; i < 300; ++i) {
            told_reader::resident = 1'000 + random.below(50);
            REQUIRE(line.tick(i));
            all.push_back({.at = clock.now(),
                           .work_done = i,
                           .resident_bytes = told_reader::resident,
                           .anonymous_bytes = told_reader::resident / 2});
            clock.advance(1s);
            line.check_invariants();

            // The oracle groups all samples anew, by the smallest power of two that leaves room.
            std::size_t group = 1;
            while (all.size() / group > max_points) group *= 2;
            const auto points = line.samples();
            const auto stats = line.stats();
            REQUIRE(stats.samples_per_point == group);
            REQUIRE(points.size() == all.size() / group);
            REQUIRE(stats.points == points.size());
            for (std::size_t p = 0; p < points.size(); ++p) {
                const auto begin = all.begin() + static_cast<std::ptrdiff_t>(p * group);
                const auto lowest =
                    *std::min_element(begin, begin + static_cast<std::ptrdiff_t>(group),
                                      [](auto& a, auto& b) { return a.resident_bytes < b.resident_bytes; });
                REQUIRE(points[p].resident_bytes == lowest.resident_bytes);
                REQUIRE(points[p].work_done == lowest.work_done);
                REQUIRE(points[p].at == lowest.at);
            }
        }
    }
}

TEST_CASE("a sampler holds what its ceiling says, however long it runs", "[watch][alloc]") {
    forget();
    plateau::manual_clock clock;
    const new_scope witness;
    const auto line =
        std::make_unique<sampler>(plateau::memory_sampler_options{.max_points = 512, .period = 1s}, clock);
    const auto made = witness.delta();
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        told_reader::resident = i;
        line->tick(i);
        clock.advance(1s);
    }
    const auto after = witness.delta();
    CHECK(after.calls == made.calls);
    CHECK(after.live_bytes == made.live_bytes);
    CHECK(static_cast<std::size_t>(made.live_bytes) <= line->memory_ceiling());
    CHECK(line->memory_ceiling() <= 512 * 32 + 512);
    CHECK(line->samples().size() > 256);
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
