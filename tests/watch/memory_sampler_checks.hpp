// SPDX-License-Identifier: MIT
/// What is checked of a sampler, for several policies; memory and time are what the test says.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"

#include <plateau/clock.hpp>
#include <plateau/watch/memory_sampler.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace plateau_test {

/// Memory as the test says it is. One test runs at a time, and each sets what it needs.
struct told_reader {
    static inline std::uint64_t resident = 0;
    static inline plateau::read_reason fails = plateau::read_reason::none;
    static inline std::uint64_t reads = 0;

    static void forget() {
        resident = 0;
        fails = plateau::read_reason::none;
        reads = 0;
    }
    plateau::result<plateau::memory_sample, plateau::read_reason> read() noexcept {
        ++reads;
        if (fails != plateau::read_reason::none) return fails;
        return plateau::memory_sample{.resident_bytes = resident, .anonymous_bytes = resident / 2};
    }
};

struct sampled_by_hand : plateau::memory_sampler_policies {
    using clock = plateau::manual_clock;
    using reader = told_reader;
};

template <class Policies>
void a_clock_that_jumps_stops_no_sampler(shared_check& check) {
    using namespace std::chrono_literals;
    using sampler = plateau::basic_memory_sampler<Policies>;
    told_reader::forget();
    plateau::manual_clock clock;
    sampler line{{.max_points = 8, .period = 1h}, clock};
    clock.set(plateau::time_point(plateau::duration(100h)));
    check.expect(line.tick(1), "the first tick samples");
    clock.set(plateau::time_point(plateau::duration(1h)));
    check.expect(line.tick(2), "a tick after the clock went back samples");
    clock.set(plateau::time_point::min());
    check.expect(line.tick(3), "a tick at the beginning of time samples");
    clock.set(plateau::time_point::max());
    check.expect(line.tick(4), "a tick at the end of time samples");
    check.equal(line.samples().size(), 4U, "the number of samples");
    line.check_invariants();

    sampler always{{.max_points = 2, .period = plateau::duration::zero()}, clock};
    for (std::uint64_t i = 0; i < 100; ++i) check.expect(always.tick(i), "without a period every tick samples");
    sampler once{{.max_points = 2, .period = plateau::forever}, clock};
    clock.set(plateau::time_point{});
    check.expect(once.tick(1), "the first tick samples, whatever the period");
    clock.advance(1'000h);
    check.expect(!once.tick(2), "a period that is for ever does not end");
}

template <class Policies>
void a_line_is_the_minima_of_equal_groups(shared_check& check) {
    using namespace std::chrono_literals;
    random_source random("sampler oracle");
    for (const std::size_t max_points : {2U, 3U, 4U, 5U, 7U, 8U, 33U}) {
        told_reader::forget();
        plateau::manual_clock clock;
        plateau::basic_memory_sampler<Policies> line{{.max_points = max_points, .period = 1s}, clock};
        std::vector<plateau::memory_sample> all;
        for (std::uint64_t i = 0; i < 300 && !check.failed(); ++i) {
            told_reader::resident = 1'000 + random.below(50);
            check.expect(line.tick(i), "a tick a period samples");
            all.push_back({.at = clock.now(),
                           .work_done = i,
                           .resident_bytes = told_reader::resident,
                           .anonymous_bytes = told_reader::resident / 2});
            clock.advance(1s);

            // The oracle groups all samples anew, by the smallest power of two that leaves room.
            std::size_t group = 1;
            while (all.size() / group > max_points) group *= 2;
            const auto points = line.samples();
            const auto stats = line.stats();
            check.equal(stats.samples_per_point, group, "the number of samples a point");
            check.equal(stats.points, points.size(), "the number of points told");
            if (!check.equal(points.size(), all.size() / group, "the number of points")) return;
            for (std::size_t p = 0; p < points.size(); ++p) {
                const auto begin = all.begin() + static_cast<std::ptrdiff_t>(p * group);
                const auto lowest =
                    *std::min_element(begin, begin + static_cast<std::ptrdiff_t>(group),
                                      [](auto& a, auto& b) { return a.resident_bytes < b.resident_bytes; });
                check.equal(points[p].resident_bytes, lowest.resident_bytes, "the bytes of a point");
                check.equal(points[p].work_done, lowest.work_done, "the work of a point");
                check.expect(points[p].at == lowest.at, "the time of a point is that of its lowest sample");
            }
            line.check_invariants();
        }
    }
}

template <class Policies>
void a_sampler_holds_what_its_ceiling_says(shared_check& check) {
    using namespace std::chrono_literals;
    told_reader::forget();
    plateau::manual_clock clock;
    const new_scope witness;
    const auto line = std::make_unique<plateau::basic_memory_sampler<Policies>>(
        plateau::memory_sampler_options{.max_points = 512, .period = 1s}, clock);
    const auto made = witness.delta();
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        told_reader::resident = i;
        line->tick(i);
        clock.advance(1s);
    }
    const auto after = witness.delta();
    check.equal(after.live_bytes, made.live_bytes, "what is held after long use");
    check.equal(after.calls, made.calls, "the number of allocations after long use");
    check.expect(static_cast<std::size_t>(made.live_bytes) <= line->memory_ceiling(), "the ceiling holds");
    check.expect(line->memory_ceiling() <= 512 * 32 + 512, "a point has 32 bytes");
    check.expect(line->samples().size() > 256, "at least half the points are there");
}

}  // namespace plateau_test
