// SPDX-License-Identifier: MIT
/// What is checked of a judge, whatever it judges by: `Judge` answers a judgement for samples, and options for some.
#pragma once

#include "seeded_bugs/shared_check.hpp"

#include <plateau/watch/judge.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace plateau_test {

inline constexpr double mib = 1'048'576;

struct shipped_judge {
    plateau::judgement operator()(std::span<const plateau::memory_sample> samples,
                                  plateau::judge_options chosen = {}) const {
        return plateau::judge(samples, chosen);
    }
};

inline plateau::memory_sample sample_of(std::uint64_t work, double bytes) {
    return {.at = plateau::time_point(std::chrono::seconds(1) * static_cast<std::int64_t>(work)),
            .work_done = work,
            .resident_bytes = static_cast<std::uint64_t>(bytes)};
}

/// One sample a unit of work, of `bytes(i)`.
template <class F>
std::vector<plateau::memory_sample> line_of(std::size_t points, F bytes) {
    std::vector<plateau::memory_sample> samples;
    for (std::size_t i = 0; i < points; ++i) samples.push_back(sample_of(i, bytes(static_cast<double>(i))));
    return samples;
}

/// A rule that looks at the end, or at the extremes, convicts a process for its last burst.
template <class Judge>
void a_late_spike_is_flat(shared_check& check) {
    const Judge judge;
    const auto spike = [](double i) { return (i >= 100 && i < 106 ? 80 : 64) * mib; };
    check.equal(to_string(judge(line_of(125, spike)).verdict), std::string_view("flat"), "the verdict on a spike");
    const auto at_the_end = [](double i) { return (i >= 119 ? 80 : 64) * mib; };
    check.equal(to_string(judge(line_of(125, at_the_end)).verdict), std::string_view("flat"),
                "the verdict on a spike at the end");
}

/// Kendall's S on mostly tied data is significant for next to nothing: the size of the effect decides.
template <class Judge>
void ties_with_four_changes_are_flat(shared_check& check) {
    const Judge judge;
    const auto steps_up = [](double i) {
        return 64 * mib + 4096 * (i > 15) + 4096 * (i > 40) + 4096 * (i > 60) + 4096 * (i > 85);
    };
    check.equal(to_string(judge(line_of(100, steps_up)).verdict), std::string_view("flat"),
                "the verdict on four pages in a hundred points");
    const auto to_and_fro = [](double step) {
        return line_of(100, [=](double i) { return 64 * mib + step * ((i > 15) + (i < 40) + (i > 60) + (i < 85)); });
    };
    check.equal(to_string(judge(to_and_fro(mib / 4)).verdict), std::string_view("flat"), "the verdict on small steps");
    check.expect(judge(to_and_fro(mib)).verdict != plateau::verdict::growing, "steps to and fro do not grow");
    const auto one_page = [](double i) { return 64 * mib + 4096 * (i == 50); };
    check.equal(to_string(judge(line_of(100, one_page)).verdict), std::string_view("flat"), "the verdict on one page");
}

}  // namespace plateau_test
