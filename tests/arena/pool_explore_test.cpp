// SPDX-License-Identifier: MIT
// The pool under every interleaving within the bound. A lent block carries its holder's mark to the end, so a block
// lent twice, or discarded while it is lent, shows.
#include "arena/pool_scenarios.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace plateau_test;

namespace {

void explore_parts(std::size_t max_blocks, const std::vector<std::string_view>& parts, unsigned preemptions) {
    for (const bool from_upstream : {true, false}) {
        std::string name = "pool of " + std::to_string(max_blocks) + (from_upstream ? " upstream" : " system");
        for (const std::string_view part : parts) name += ' ' + std::string(part);
        explore_all_modes("arena", {.name = name.c_str(), .preemptions = preemptions},
                          [&](scene& s) { play_on_a_pool<explored_pool>(s, max_blocks, from_upstream, parts); });
    }
}

}  // namespace

TEST_CASE("two threads that take, give and trim share a pool within its bound, block by block", "[arena][explore]") {
    explore_parts(2, {"tgm", "tgt"}, 8);
    explore_parts(2, {"ttg", "tmt"}, 8);
    explore_parts(3, {"tTg", "Tgm"}, 8);
    explore_parts(4, {"tgkT", "twT"}, 6);
}

TEST_CASE("three threads that take, give and trim share a pool within its bound", "[arena][explore]") {
    explore_parts(2, {"tg", "tg", "m"}, 4);
    explore_parts(3, {"tg", "T", "wm"}, 4);
    explore_parts(1, {"t", "t", "t"}, 5);
}

TEST_CASE("large objects and growth in place keep to the bound beside others", "[arena][explore]") {
    explore_parts(4, {"Lg", "tem"}, 8);
    explore_parts(3, {"te", "tgL"}, 8);
}

TEST_CASE("requests park and leave while others look", "[arena][explore]") {
    explore_all_modes("arena", {.name = "parked scopes"}, [](scene& s) { scopes_park_and_leave<explored_pool>(s); });
}
