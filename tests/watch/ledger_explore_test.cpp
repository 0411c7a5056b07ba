// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"
#include "watch/ledger_scenarios.hpp"

using namespace plateau_test;

TEST_CASE("two threads that charge one account stay within its budget, at every moment", "[watch][explore]") {
    explore_all_modes("watch", {.name = "ledger, two charge"}, a_budget_holds_at_every_moment<explored_ledger>);
}
