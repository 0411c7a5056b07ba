// SPDX-License-Identifier: MIT
/// Explorations as assertions of a test case.
#pragma once

#include "tools/catch.hpp"
#include "tools/explorer/explore.hpp"
#include "tools/proof.hpp"

#include <cstdio>
#include <string>
#include <string_view>

namespace plateau_test {

/// Checks that no execution fails, in the mode that `bounds` names. Counts the executions for the room, and prints the
/// rate. The nightly run takes one preemption more.
template <class Body>
explore_report explore_one_mode(const char* room, explore_options bounds, Body body) {
    if (proof_scale() > 1 && bounds.preemptions < explore_options::unbounded) ++bounds.preemptions;
    explore_report report = explore(bounds, body);
    if (report.skipped) return report;
    std::printf("%s\n", report.failed || report.replayed ? report.text().c_str() : report.summary().c_str());
    INFO(report.text());
    CHECK_FALSE(report.failed);
    if (report.replayed) return report;
    proof_count(room, "interleavings", report.executions);
    return report;
}

/// The same in both modes.
template <class Body>
void explore_all_modes(const char* room, explore_options bounds, Body body) {
    for (const explore_mode mode : {explore_mode::sequential, explore_mode::weak}) {
        bounds.mode = mode;
        explore_one_mode(room, bounds, body);
    }
}

/// Checks that an execution fails with `words` in its sentence, and that its schedule repeats that.
template <class Body>
explore_report explore_finds(const explore_options& bounds, std::string_view words, Body body) {
    explore_report report = explore(bounds, body);
    if (report.skipped) return report;
    if (report.replayed) std::printf("%s\n", report.text().c_str());
    INFO(report.text());
    CHECK(report.failed);
    CHECK(report.failure.find(words) != std::string::npos);
    if (!report.failed) return report;
    const explore_report again = replay(bounds, report.schedule, body);
    INFO(again.text());
    CHECK(again.failed);
    CHECK(again.failure == report.failure);
    CHECK(again.trace == report.trace);
    return report;
}

}  // namespace plateau_test
