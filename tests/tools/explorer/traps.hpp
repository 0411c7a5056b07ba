// SPDX-License-Identifier: MIT
/// What would end the process fails the execution instead, so that it has a schedule and a trace.
#pragma once

#include "tools/explorer/machine.hpp"

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>

#include <unistd.h>

namespace plateau_test::explorer {

/// While it lives, std::terminate and the signals of a crash fail the execution in which they come. Under the address
/// sanitizer signals are left to it.
class failure_traps {
public:
    failure_traps() noexcept : terminate_before_(std::set_terminate(&terminated)) {
        outer_terminate_ = terminate_before_;
#if !defined(PLATEAU_TEST_FIBER_ASAN)
        stack_t own{};
        own.ss_sp = stack_;
        own.ss_size = sizeof stack_;
        sigaltstack(&own, &stack_before_);
        struct sigaction action {};
        action.sa_handler = &signalled;
        // The handler is left by a switch to another stack, not by a return: nothing may stay blocked.
        action.sa_flags = SA_ONSTACK | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &action, &before_[i]);
#endif
    }
    failure_traps(const failure_traps&) = delete;
    failure_traps& operator=(const failure_traps&) = delete;
    ~failure_traps() {
        std::set_terminate(terminate_before_);
#if !defined(PLATEAU_TEST_FIBER_ASAN)
        alarm(0);
        for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &before_[i], nullptr);
        sigaltstack(&stack_before_, nullptr);
#endif
    }

private:
    static constexpr std::array<int, 5> signals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

    [[noreturn]] static void terminated() {
        if (machine::active != nullptr)
            machine::active->fail(
                "std::terminate was called: a broken precondition, or an exception where none may pass");
        std::set_terminate(outer_terminate_);
        std::terminate();
    }
    static void signalled(int number) {
        if (machine::active == nullptr) {
            std::signal(number, SIG_DFL);
            std::raise(number);
            return;
        }
        alarm(20);  // a crash within malloc may leave a lock that the way out waits for
        machine::active->fail(number == SIGABRT  ? "the process was to be aborted"
                              : number == SIGFPE ? "an arithmetic error (SIGFPE)"
                              : number == SIGILL ? "an illegal instruction (SIGILL)"
                                                 : "an access to memory that is not there (SIGSEGV, SIGBUS)");
    }

    static inline std::terminate_handler outer_terminate_ = nullptr;
    static inline std::byte stack_[64 * 1024] = {};
    std::terminate_handler terminate_before_;
    stack_t stack_before_{};
    std::array<struct sigaction, signals.size()> before_{};
};

}  // namespace plateau_test::explorer
