// SPDX-License-Identifier: MIT
/// What an exploration is asked for, and what it answers.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

namespace plateau_test {

enum class explore_mode : std::uint8_t {
    sequential,  ///< every operation sees the last write: an interleaving, nothing else
    weak,        ///< loads may see older writes, as far as the memory orders that the code names allow
};

[[nodiscard]] constexpr const char* to_string(explore_mode mode) noexcept {
    return mode == explore_mode::sequential ? "sequential" : "weak";
}

struct explore_options {
    const char* name;          ///< names the scenario on the command line: unique, without ':', '|' and quotes
    unsigned preemptions = 3;  ///< how often an execution may leave a thread that could go on
    explore_mode mode = explore_mode::sequential;
    unsigned stale = 2;  ///< weak mode: how often an execution may read an older write than the last
    std::uint64_t max_executions = std::numeric_limits<std::uint64_t>::max();
    std::uint32_t max_steps = 10'000;  ///< of one execution; more is a failure; at most 60'000

    static constexpr unsigned unbounded = 1'000'000;
};

struct explore_report {
    std::string name;
    explore_mode mode = explore_mode::sequential;
    unsigned preemptions = 0;
    unsigned stale = 0;
    std::uint64_t executions = 0;
    bool exhaustive = false;  ///< every execution within the bounds was seen
    bool failed = false;
    bool replayed = false;  ///< one execution, by its schedule
    bool skipped = false;   ///< another scenario is being replayed: this one did not run
    std::string failure;    ///< a sentence
    std::string schedule;   ///< what --replay takes after name and mode
    std::string trace;      ///< one line a step: thread, operation, object, value
    double seconds = 0;

    [[nodiscard]] double executions_per_second() const noexcept {
        return seconds > 0 ? static_cast<double>(executions) / seconds : 0;
    }
    [[nodiscard]] std::string command() const {
        return "./tests/run.sh explore --replay '" + name + ':' + to_string(mode) + ':' + schedule + '\'';
    }
    /// One line for the log.
    [[nodiscard]] std::string summary() const {
        char line[256];
        std::snprintf(line, sizeof line, ": %s, %" PRIu64 " executions%s%s, %.2f s, %.2f M/s", to_string(mode),
                      executions, exhaustive ? ", exhaustive within " : ", stopped within ", bounds().c_str(), seconds,
                      executions_per_second() / 1e6);
        return "explored " + name + line;
    }
    /// Everything that a failure has to say.
    [[nodiscard]] std::string text() const {
        const std::string outcome =
            !failed ? "did not fail" : "failed in execution " + std::to_string(executions) + ": " + failure;
        return summary() + '\n' + outcome + '\n' + trace + (failed ? "repeat it: " + command() + '\n' : "");
    }

private:
    [[nodiscard]] std::string bounds() const {
        const auto part = [](unsigned n, const char* one) {
            if (n >= explore_options::unbounded) return std::string("any ") + one + 's';
            return std::to_string(n) + ' ' + one + (n == 1 ? "" : "s");
        };
        if (mode == explore_mode::sequential) return part(preemptions, "preemption");
        return part(preemptions, "preemption") + " and " + part(stale, "stale read");
    }
};

}  // namespace plateau_test
