// SPDX-License-Identifier: MIT
// What threads share lives on the heap: clang's thread sanitizer can miss races on a stack.
#include "arena/arena_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/random.hpp"
#include "tools/threads.hpp"

#include <plateau/arena.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace plateau::literals;

TEST_CASE("eight threads build requests, end those of others, and give memory back", "[arena][race]") {
    race_for("arena", "arena_pool", [](std::uint64_t round) {
        struct shared {
            plateau::arena_pool pool{{.max_bytes = 4_MiB, .floor_bytes = 256_KiB, .block_bytes = 16_KiB}};
            std::mutex mutex;
            std::vector<std::unique_ptr<plateau::request_arena>> passed;  // under mutex: begun here, ended elsewhere
            std::atomic<std::int64_t> now{0};
            std::atomic<std::uint64_t> ended{0};
            std::atomic<std::uint64_t> deferred{0};
            std::atomic<int> over{0};
        };
        auto all = std::make_unique<shared>();
        const std::uint64_t seed = run_seed() + round;
        run_together(race_threads, [&](std::size_t thread) {
            random_source random("arena race", seed + thread);
            for (int n = 0; n < 60; ++n) {
                if (thread < 2) {
                    all->pool.maintain(plateau::time_point(plateau::duration(all->now.fetch_add(400'000'000))));
                    if (n % 8 == 0) all->pool.trim(random.below(1_MiB));
                    const plateau::arena_pool_stats seen = all->pool.stats();
                    if (seen.in_use_bytes + seen.retained_bytes > 4_MiB) all->over.fetch_add(1);
                    continue;
                }
                auto arena = std::make_unique<plateau::request_arena>(all->pool);
                if (arena->try_allocate(8)) {
                    arena->defer([ended = &all->ended]() noexcept { ended->fetch_add(1); });
                    all->deferred.fetch_add(1);
                }
                for (std::uint64_t i = random.below(12); i > 0; --i) {
                    const std::size_t bytes = 1 + random.below(random.one_in(8) ? 200'000 : 6'000);
                    if (const auto got = arena->try_allocate(bytes)) fill(*got, bytes, static_cast<int>(thread));
                }
                const std::lock_guard hold(all->mutex);
                all->passed.push_back(std::move(arena));
                if (all->passed.size() > 6) all->passed.erase(all->passed.begin());
            }
        });
        all->passed.clear();
        all->pool.check_invariants();
        REQUIRE(all->over.load() == 0);
        REQUIRE(all->ended.load() == all->deferred.load());
        REQUIRE(all->pool.stats().in_use_bytes == 0);
        REQUIRE(all->pool.stats().scopes == 0);
    });
}
