// SPDX-License-Identifier: MIT
// Every interleaving, within the bound, of a request's end with those who cancel it, keep it, and emit to it.
#include "arena/scope_scenarios.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

using namespace plateau_test;

TEST_CASE("a request is cancelled while it ends", "[arena][explore]") {
    explore_all_modes("arena", {.name = "scope, cancelled", .preemptions = 7},
                      cancelling_meets_the_end<explored_scopes>);
}

TEST_CASE("a callback is registered while its request is cancelled", "[arena][explore]") {
    explore_all_modes("arena", {.name = "scope, registers", .preemptions = 8},
                      registering_meets_cancelling<explored_scopes>);
}

TEST_CASE("the last token goes while its scope ends", "[arena][explore]") {
    explore_all_modes("arena", {.name = "scope, one token", .preemptions = 8},
                      [](scene& s) { the_last_token_meets_the_end<explored_scopes>(s, 1); });
    explore_all_modes("arena", {.name = "scope, two tokens", .preemptions = 8},
                      [](scene& s) { the_last_token_meets_the_end<explored_scopes>(s, 2); });
}

TEST_CASE("an event is emitted while a request that listens ends", "[arena][explore]") {
    explore_all_modes("arena", {.name = "scope, emits", .preemptions = 7}, emitting_meets_the_end<explored_scopes>);
}

TEST_CASE("a token goes and an event is emitted while a request ends", "[arena][explore]") {
    explore_all_modes("arena", {.name = "scope, everything", .preemptions = 5},
                      everything_meets_the_end<explored_scopes>);
}

TEST_CASE("a request is cancelled while its last token and its scope go", "[arena][explore]") {
    explore_all_modes("arena", {.name = "scope, cancelled, token", .preemptions = 4},
                      cancelling_meets_token_and_end<explored_scopes>);
}
