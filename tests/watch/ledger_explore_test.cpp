// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"
#include "watch/ledger_scenarios.hpp"

using namespace plateau_test;

TEST_CASE("two threads that charge one account stay within its budget, at every moment", "[watch][explore]") {
    explore_all_modes("watch", {.name = "ledger, two charge"}, a_budget_holds_at_every_moment<explored_ledger>);
}

TEST_CASE("a name has one account, whoever else opens it or looks", "[watch][explore]") {
    explore_all_modes("watch", {.name = "ledger, one name", .preemptions = 1, .stale = 1},
                      a_name_has_one_account<explored_ledger, true>);
    explore_all_modes("watch", {.name = "ledger, two names", .preemptions = 1, .stale = 1},
                      a_name_has_one_account<explored_ledger, false>);
}

TEST_CASE("ticks that come together take one sample at a time", "[watch][explore]") {
    explore_all_modes("watch", {.name = "sampler", .preemptions = 2, .stale = 1},
                      ticks_come_together<explored_sampler>);
}
