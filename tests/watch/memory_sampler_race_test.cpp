// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/watch/memory_sampler.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

using namespace plateau_test;

TEST_CASE("ticks, copies and figures from eight threads are whole", "[watch][race]") {
    race_for("watch", "memory_sampler", [](std::uint64_t) {
        const auto line = std::make_unique<plateau::memory_sampler>(
            plateau::memory_sampler_options{.max_points = 8, .period = plateau::duration::zero()});
        const auto taken = std::make_unique<std::atomic<std::uint64_t>>(0);
        const auto torn = std::make_unique<std::atomic<int>>(0);
        run_together(race_threads, [&](std::size_t self) {
            for (std::uint64_t i = 0; i < 500; ++i) {
                if (self % 4 != 3) {
                    taken->fetch_add(line->tick(i));
                    continue;
                }
                for (const auto& point : line->samples()) {
                    if (point.resident_bytes == 0 || point.anonymous_bytes > point.resident_bytes) torn->fetch_add(1);
                }
                if (line->stats().points > 8) torn->fetch_add(1);
            }
        });
        REQUIRE(torn->load() == 0);
        // Every tick may have met another's call, of a thread that was not running.
        REQUIRE(line->tick(500));
        REQUIRE(line->stats().samples == taken->load() + 1);
        line->check_invariants();
    });
}
