// SPDX-License-Identifier: MIT
// Every interleaving, within the bound, of those who emit, subscribe, and end listeners and events.
#include "support/subscription_scenarios.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

using namespace plateau_test;

TEST_CASE("once a subscription has ended its listener is not running, whoever emits", "[support][explore]") {
    explore_all_modes("support", {.name = "event, emit and end", .preemptions = 6},
                      what_has_been_ended_does_not_run<explored_events>);
}

TEST_CASE("the end of a listener waits for every emission that is inside of it", "[support][explore]") {
    explore_all_modes("support", {.name = "event, two emit and one ends", .preemptions = 6},
                      an_end_waits_for_every_emission<explored_events>);
}

TEST_CASE("a listener ends itself while another emission comes to it", "[support][explore]") {
    explore_all_modes("support", {.name = "event, ends itself", .preemptions = 6},
                      a_listener_ends_itself_while_another_emission_comes<explored_events>);
}

TEST_CASE("a listener ends another one that a second thread is inside of", "[support][explore]") {
    explore_all_modes("support", {.name = "event, ends another", .preemptions = 6},
                      a_listener_ends_another_that_runs<explored_events>);
}

TEST_CASE("an event, a subscription and a scope end at the same time", "[support][explore]") {
    explore_all_modes("support", {.name = "event, all end", .preemptions = 6},
                      an_event_ends_beside_who_listens<explored_events>);
    explore_all_modes("support", {.name = "event, ends inside", .preemptions = 6},
                      an_event_ends_in_its_emission_beside_who_listens<explored_events>);
}

TEST_CASE("threads subscribe where there is room for one, and for two", "[support][explore]") {
    explore_all_modes("support", {.name = "event, two for one place", .preemptions = 6},
                      [](scene& s) { some_subscribe_at_the_bound<explored_events>(s, 2, 1); });
    explore_all_modes("support", {.name = "event, two for two places", .preemptions = 6},
                      [](scene& s) { some_subscribe_at_the_bound<explored_events>(s, 2, 2); });
    explore_all_modes("support", {.name = "event, three for two places", .preemptions = 4},
                      [](scene& s) { some_subscribe_at_the_bound<explored_events>(s, 3, 2); });
}
