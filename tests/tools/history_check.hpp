// SPDX-License-Identifier: MIT
/// Histories of one object in several shapes, as one check that counts for its room.
#pragma once

#include "tools/catch.hpp"
#include "tools/history_run.hpp"
#include "tools/proof.hpp"
#include "tools/random.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace plateau_test {

struct history_check {
    std::string_view room;
    std::uint64_t histories = 10'000;                                         ///< of each shape, in the ordinary run
    std::vector<std::pair<std::size_t, std::size_t>> shapes{{2, 5}, {3, 4}};  ///< threads, and calls of each
    /// The object delays its threads inside its calls, so that these meet. Without that it is up to the machine.
    bool delayed = true;
};

/// Every history of a `Trial` that is made of `setting` is linearizable, and they are not all of calls one by one.
template <class Trial, class Setting>
void check_histories(const history_check& wanted, std::string_view name, const Setting& setting) {
    std::uint64_t overlapping = 0, out_of_order = 0, histories = 0;
    for (const auto& [threads, calls] : wanted.shapes) {
        const history_plan plan{name, threads, calls, wanted.histories * proof_scale()};
        const auto make = [&](random_source&) { return std::make_unique<Trial>(setting); };
        const history_report report = run_histories<Trial>(plan, make);
        print_rate(plan, report);
        INFO(report.first_refused);
        CHECK(report.refused == 0);
        overlapping += report.overlapping;
        out_of_order += report.out_of_order;
        histories += report.histories;
    }
    if (wanted.delayed) {
        CHECK(overlapping > histories / 20);
        CHECK(out_of_order > 0);
    }
    proof_count(wanted.room, "histories", histories);
    proof_count(wanted.room, "histories with calls at the same time", overlapping);
}

}  // namespace plateau_test
