// SPDX-License-Identifier: MIT
// What goes through a mailbox is plain data: nothing but the order of the mailbox's word keeps it from being a race.
#include "floor/park_scenarios.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

using namespace plateau_test;
using namespace plateau_test::park_scenes;

TEST_CASE("the value of a mailbox is never written and read at a time", "[floor][explore]") {
    explore_all_modes("parking", {.name = "mailbox value, 2 x 3", .stale = 1}, mailbox_two_by_three<watched_parts>);
}
