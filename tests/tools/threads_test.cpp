// SPDX-License-Identifier: MIT
#include "tools/threads.hpp"

#include "tools/catch.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

using namespace plateau_test;

TEST_CASE("threads that run together are all there before the first goes on", "[tools][unit]") {
    std::atomic<std::size_t> arrived{0};
    std::vector<std::size_t> seen(race_threads);
    run_together(race_threads, [&](std::size_t i) {
        arrived.fetch_add(1);
        while (arrived.load() < race_threads) std::this_thread::yield();  // ends only if the others run meanwhile
        seen[i] = arrived.load();
    });
    CHECK(seen == std::vector<std::size_t>(race_threads, race_threads));
}

TEST_CASE("a repeated round is numbered, and runs once even in no time", "[tools][unit]") {
    std::vector<std::uint64_t> numbers;
    const repeated once = repeat_for({}, [&](std::uint64_t round) { numbers.push_back(round); });
    CHECK(once.rounds == 1);
    CHECK(numbers == std::vector<std::uint64_t>{0});
}

TEST_CASE("rounds are repeated until the time is over", "[tools][unit]") {
    std::uint64_t last = 0;
    const repeated done = repeat_for(std::chrono::milliseconds(1), [&](std::uint64_t round) { last = round; });
    CHECK(done.spent >= std::chrono::milliseconds(1));
    CHECK(done.rounds == last + 1);
    CHECK(race_length() >= std::chrono::seconds(1));
}
