// SPDX-License-Identifier: MIT
/// A history that no order explains, as a text to look at.
#pragma once

#include "tools/history.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace plateau_test {

/// Each call on a line of its own, with a bar from its beginning to its end; each moment is a column. Calls and answers
/// say themselves what they are: `std::string describe(const Call&)`, found where they are declared.
template <class Call, class Answer>
[[nodiscard]] std::string drawn(const history<Call, Answer>& threads) {
    std::vector<std::uint64_t> moments;
    std::size_t widest = 0;
    const auto line_of = [](std::size_t t, const auto& e) {
        return "  thread " + std::to_string(t) + "  " + describe(e.call) + " -> " + describe(e.answer);
    };
    for (std::size_t t = 0; t < threads.size(); ++t) {
        for (const auto& e : threads[t]) {
            moments.push_back(e.invoked);
            moments.push_back(e.responded);
            widest = std::max(widest, line_of(t, e).size());
        }
    }
    std::sort(moments.begin(), moments.end());
    std::string text;
    for (std::size_t t = 0; t < threads.size(); ++t) {
        for (const auto& e : threads[t]) {
            std::string line = line_of(t, e);
            line.resize(widest + 2, ' ');
            for (const std::uint64_t moment : moments) {
                line += moment == e.invoked                          ? '['
                        : moment == e.responded                      ? ']'
                        : moment > e.invoked && moment < e.responded ? '='
                                                                     : '.';
            }
            text += line + '\n';
        }
    }
    return text;
}

/// Why a checker refused: the longest order of calls that the model agreed with, and those that come next, each with
/// the answer it got. The model disagrees with every one of these.
template <class Model, class Call, class Answer>
[[nodiscard]] std::string explained(const linearizability_checker<Model, Call, Answer>& checker,
                                    const history<Call, Answer>& threads) {
    std::vector<std::size_t> taken(threads.size(), 0);
    std::string text = "The longest order that the model agrees with:\n";
    const auto line_of = [&](std::size_t t, std::size_t index) {
        const auto& e = threads[t][index];
        return "  thread " + std::to_string(t) + "  " + describe(e.call) + " -> " + describe(e.answer) + '\n';
    };
    for (const auto& place : checker.longest_order()) {
        text += line_of(place.thread, place.index);
        taken[place.thread] = place.index + 1;
    }
    text += "What may come next, and cannot have been answered so:\n";
    for (std::size_t t = 0; t < threads.size(); ++t) {
        if (taken[t] < threads[t].size()) text += line_of(t, taken[t]);
    }
    return text;
}

}  // namespace plateau_test
