// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/sync.hpp>

#include <atomic>
#include <mutex>
#include <set>
#include <type_traits>
#include <vector>

using plateau::default_sync;

static_assert(std::is_same_v<default_sync::atomic<int>, std::atomic<int>> &&
              std::is_same_v<default_sync::mutex, std::mutex>);
static_assert(
    noexcept(default_sync::pause()) && noexcept(default_sync::yield()) && noexcept(default_sync::thread_id()));

TEST_CASE("threads alive at the same time have different ids, none null, and keep them", "[floor][unit]") {
    std::vector<const void*> first(8);
    std::vector<const void*> second(8);
    std::atomic<int> noted{0};
    plateau_test::run_together(8, [&](std::size_t i) {
        first[i] = default_sync::thread_id();
        ++noted;
        while (noted < 8) default_sync::yield();
        default_sync::pause();
        second[i] = default_sync::thread_id();
    });
    CHECK(first == second);
    CHECK(std::set<const void*>(first.begin(), first.end()).size() == 8);
    CHECK(std::set<const void*>(first.begin(), first.end()).count(nullptr) == 0);
    CHECK(default_sync::thread_id() == default_sync::thread_id());
}
