// SPDX-License-Identifier: MIT
#include "floor/floor_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"

#include <plateau/sync.hpp>

#include <atomic>
#include <mutex>
#include <type_traits>

using plateau::default_sync;

static_assert(std::is_same_v<default_sync::atomic<int>, std::atomic<int>> &&
              std::is_same_v<default_sync::mutex, std::mutex>);
static_assert(
    noexcept(default_sync::pause()) && noexcept(default_sync::yield()) && noexcept(default_sync::thread_id()));

TEST_CASE("threads alive at the same time have different ids, none null, and keep them", "[floor][unit]") {
    plateau_test::passes(plateau_test::threads_have_names_of_their_own<default_sync>);
}
