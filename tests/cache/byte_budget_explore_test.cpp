// SPDX-License-Identifier: MIT
// Two shards and one budget of bytes, in every interleaving within the bounds.
#include "cache/byte_budget_scenes.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

using namespace plateau_test;
using namespace plateau_test::budget_scenes;

namespace {

constexpr explore_options bounded(const char* name) {
    explore_options bounds{.name = name};
    bounds.preemptions = 2;
    bounds.stale = 1;
    return bounds;
}

}  // namespace

TEST_CASE("bytes wander between two shards, and none is lost or used twice", "[cache][explore]") {
    explore_all_modes("cache", bounded("bytes, a heavy and light ones"), bytes_wander<two_shards, meets::light_ones>);
    explore_all_modes("cache", bounded("bytes, two heavy ones"), bytes_wander<two_shards, meets::a_heavy_one>);
    explore_all_modes("cache", bounded("bytes, a lower bound"), bytes_wander<two_shards, meets::a_lower_bound>);
    explore_all_modes("cache", bounded("bytes, a bound that fits"), bytes_wander<two_shards, meets::a_bound_that_fits>);
}

TEST_CASE("bytes that come too late for their bound go back", "[cache][explore]") {
    explore_all_modes("cache", bounded("bytes, a bound that goes"), a_bound_goes<uncharged_shards>);
}
