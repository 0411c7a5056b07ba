// SPDX-License-Identifier: MIT
/// Which operations were swept, and which of them have nothing that can fail: so that an operation without a sweep is
/// noticed, and so is one that begins to allocate or to call its user.
#pragma once

#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/proof.hpp"

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace plateau_test {

class fault_table {
public:
    explicit fault_table(std::string_view room) : room_(room) {}

    /// Sums over all sweeps of that name.
    void add(std::string_view operation, const sweep_report& report) {
        row& at = row_of(operation);
        ++at.sweeps;
        at.points += report.points;
        at.leaked_bytes += report.leaked_bytes;
        at.leaked_blocks += report.leaked_blocks;
        injected_ += report.injected;
    }
    /// The operation neither allocates nor calls its user, for this reason. It is swept all the same.
    void nothing_fails(std::string_view operation, std::string_view why) { row_of(operation).why = why; }

    [[nodiscard]] std::uint64_t points() const {
        std::uint64_t sum = 0;
        for (const auto& [operation, at] : rows_) sum += at.points;
        return sum;
    }

    /// What does not fit together, one sentence each: nothing, where all of these names were swept, and each has fault
    /// points or a reason to have none.
    [[nodiscard]] std::vector<std::string> contradictions(std::initializer_list<std::string_view> operations) const {
        std::vector<std::string> found;
        for (const std::string_view operation : operations) {
            if (!rows_.contains(operation)) found.push_back(std::string(operation) + " was not swept");
        }
        for (const auto& [operation, at] : rows_) {
            if (at.sweeps == 0) found.push_back(operation + " was not swept");
            else if (at.points == 0 && at.why.empty())
                found.push_back(operation + " has no fault point, without a reason");
            if (at.points != 0 && !at.why.empty())
                found.push_back(operation + " has " + std::to_string(at.points) + " fault points, although: " + at.why);
            if (at.leaked_bytes != 0 || at.leaked_blocks != 0) found.push_back(operation + " leaks");
        }
        return found;
    }

    /// Effects: prints the table, and counts it for the room in the figures of the run.
    void tell() const {
        proof_count(room_, "fault points", injected_);
        for (const auto& [operation, at] : rows_) {
            std::printf("faults: %s | %s | ", room_.c_str(), operation.c_str());
            if (at.why.empty()) std::printf("%" PRIu64 " points in %" PRIu64 " sweeps\n", at.points, at.sweeps);
            else std::printf("none: %s\n", at.why.c_str());
        }
    }

private:
    struct row {
        std::uint64_t sweeps = 0;
        std::uint64_t points = 0;
        std::int64_t leaked_bytes = 0;
        std::int64_t leaked_blocks = 0;
        std::string why;
    };

    row& row_of(std::string_view operation) {
        const auto at = rows_.find(operation);
        return at != rows_.end() ? at->second : rows_.emplace(operation, row{}).first->second;
    }

    std::string room_;
    std::uint64_t injected_ = 0;  // points in each mode
    std::map<std::string, row, std::less<>> rows_;
};

/// Sweeps an operation over subjects, and enters it in a table.
template <class Make, class Operation, class Check>
void sweep(fault_table& table, std::string_view name, Make make, Operation operation, Check check) {
    CAPTURE(name);
    table.add(name, sweep_faults(fault::any, make, operation, check));
}

/// The same for what neither allocates nor calls anybody who could fail, for this reason.
template <class Make, class Operation, class Check>
void sweep_safe(fault_table& table, std::string_view name, std::string_view why, Make make, Operation operation,
                Check check) {
    table.nothing_fails(name, why);
    sweep(table, name, make, operation, check);
}

}  // namespace plateau_test
