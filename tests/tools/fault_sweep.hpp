// SPDX-License-Identifier: MIT
/// Fails every fallible step of an operation in turn, as SQLite does with its allocations ("How SQLite is tested",
/// section 3.1).
#pragma once

#include "tools/fault.hpp"
#include "tools/new_witness.hpp"

#include <cstdint>
#include <new>
#include <stdexcept>

namespace plateau_test {

/// How one step of a sweep ended.
struct sweep_step {
    std::uint64_t failing;  ///< the fault point that failed, from 1
    fault_mode mode;
    bool threw;  ///< the operation let the fault out; false: it made a refusal of it, or went on without
};

struct sweep_report {
    std::uint64_t points = 0;       ///< fault points of the operation when nothing fails
    std::uint64_t injected = 0;     ///< steps, of both modes, in which something was made to fail
    std::uint64_t threw = 0;        ///< those of them in which the operation threw
    std::int64_t leaked_bytes = 0;  ///< the largest difference any step left in operator new, once its subject was gone
    std::int64_t leaked_blocks = 0;
};

/// For n = 1, 2, ... until the operation reaches fewer than n fault points of the given kinds: makes a fresh subject
/// with `make()` (a value, no fault armed), runs `operation(subject)` with its n-th fault point failing, and calls
/// `check(subject, step)` with nothing armed. All of it twice: failing once, and failing from then on. Each step is
/// repeated without the check, whose own allocations would blur it, to see whether operator new got everything back.
/// `make` and `operation` do the same each time. Throws: what `operation` throws besides injected_fault and
/// std::bad_alloc; std::runtime_error when the operation does not come to its end within `limit` steps.
template <class Make, class Operation, class Check>
sweep_report sweep_faults(fault kinds, Make make, Operation operation, Check check, std::uint64_t limit = 100'000) {
    sweep_report report;
    const auto run = [&](auto& subject, std::uint64_t n, fault_mode mode, bool& threw) {
        const armed_fault armed{kinds, n, mode};
        try {
            operation(subject);
        } catch (const injected_fault&) {
            threw = true;
        } catch (const std::bad_alloc&) {
            threw = true;
        }
        if (armed.fired() == 0) report.points = armed.reached();
        return armed.fired() != 0;
    };
    for (const fault_mode mode : {fault_mode::once, fault_mode::from_then_on}) {
        for (std::uint64_t n = 1;; ++n) {
            if (n > limit) throw std::runtime_error("fault sweep: the operation does not come to its end");
            bool threw = false;
            bool fired = false;
            {
                auto subject = make();
                fired = run(subject, n, mode, threw);
                check(subject, sweep_step{n, mode, threw});
            }
            report.injected += fired ? 1U : 0U;
            report.threw += threw ? 1U : 0U;
            const new_scope witness;
            {
                bool again = false;
                auto subject = make();
                run(subject, n, mode, again);
            }
            const new_counts left = witness.delta();
            if (left.live_bytes != 0) report.leaked_bytes = left.live_bytes;
            if (left.live_blocks != 0) report.leaked_blocks = left.live_blocks;
            if (!fired) break;
        }
    }
    return report;
}

}  // namespace plateau_test
