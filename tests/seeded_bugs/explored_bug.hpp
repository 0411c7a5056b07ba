// SPDX-License-Identifier: MIT
/// A planted defect that shows in some interleaving.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/explorer/explore.hpp"

namespace plateau_test {

/// Explores the scenario within these bounds, in both modes.
template <class Scenario>
void explore_into(shared_check& check, explore_options bounds, Scenario scenario) {
    for (const explore_mode mode : {explore_mode::sequential, explore_mode::weak}) {
        bounds.mode = mode;
        const explore_report report = explore(bounds, scenario);
        check.expect(!report.failed, report.failure);
    }
}
template <class Scenario>
void explore_into(shared_check& check, const char* name, Scenario scenario) {
    explore_into(check, explore_options{.name = name}, scenario);
}

}  // namespace plateau_test
