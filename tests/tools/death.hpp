// SPDX-License-Identifier: MIT
/// Runs what must end the process in a child, and says how it ended.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plateau_test {

struct death {
    int signal = 0;       ///< the signal that ended the child, or 0
    int exit_code = 0;    ///< its exit code where no signal did
    std::string message;  ///< all it wrote to standard error

    bool survived() const noexcept { return signal == 0 && exit_code == 0; }
    bool says(std::string_view words) const noexcept { return message.find(words) != std::string::npos; }
};

/// Runs `f` in a forked child until it returns or ends the process. Call it while this process has one thread.
/// A child that hangs is ended by SIGALRM after 20 s.
template <class F>
death dies(F f) {
    int ends[2];
    if (pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child == 0) {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        for (const int caught : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTERM, SIGALRM})
            std::signal(caught, SIG_DFL);
        alarm(20);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        std::set_terminate([] { std::abort(); });
        f();
        _exit(0);
    }
    close(ends[1]);
    death result;
    char buffer[4096];
    for (;;) {
        const ssize_t got = read(ends[0], buffer, sizeof buffer);
        if (got > 0) result.message.append(buffer, static_cast<std::size_t>(got));
        if (got == 0 || (got < 0 && errno != EINTR)) break;
    }
    close(ends[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
    if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
    return result;
}

}  // namespace plateau_test
