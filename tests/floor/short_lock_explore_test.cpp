// SPDX-License-Identifier: MIT
// The short lock in every interleaving within the bounds.
#include "floor/short_lock_scenes.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

using namespace plateau_test;

namespace {

constexpr explore_options bounded(const char* name, unsigned preemptions, unsigned stale) {
    explore_options bounds{.name = name};
    bounds.preemptions = preemptions;
    bounds.stale = stale;
    return bounds;
}

}  // namespace

TEST_CASE("a short lock lets in one at a time, and everybody in the end", "[floor][explore]") {
    explore_all_modes("parking", bounded("short lock, 2 x 2", 3, 2), one_at_a_time<explored_sync, 2, 2>);
    explore_all_modes("parking", bounded("short lock, 3 x 2", 3, 1), one_at_a_time<explored_sync, 3, 2>);
    explore_all_modes("parking", bounded("short lock, 4 x 1", 2, 0), one_at_a_time<explored_sync, 4, 1>);
}
