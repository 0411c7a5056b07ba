// SPDX-License-Identifier: MIT
/// Models in a process of their own: a broken invariant, a sanitizer's report or a hang ends that process, and is a
/// failure of the sequence that it was at.
#pragma once

#include "tools/model.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plateau_test {

/// What became of it; `why` says more than `progress.why` when the process ended early.
struct apart_result {
    model_progress progress;
    std::string why;
    [[nodiscard]] bool failed() const { return progress.failed; }
};

namespace model_detail {

/// One object that parent and child see.
template <class T>
class shared_object {
public:
    shared_object() {
        void* const memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        object_ = ::new (memory) T{};
    }
    shared_object(const shared_object&) = delete;
    shared_object& operator=(const shared_object&) = delete;
    ~shared_object() { ::munmap(object_, sizeof(T)); }

    T& operator*() const noexcept { return *object_; }

private:
    T* object_;
};

/// In the child a signal ends the process: a test framework's handler would report its own end.
inline void restore_signals() {
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTERM, SIGALRM}) std::signal(signal, SIG_DFL);
}

inline std::string how_it_ended(int status) {
    if (WIFSIGNALED(status)) {
        if (WTERMSIG(status) == SIGALRM) return "it does not end";
        return std::string("the process was ended: ") + ::strsignal(WTERMSIG(status));
    }
    return "the process ended with " + std::to_string(WEXITSTATUS(status));
}

/// What the child wrote to its standard error, up to a screenful.
inline std::string written(std::FILE* file) {
    std::string text(4'096, '\0');
    std::rewind(file);
    text.resize(std::fread(text.data(), 1, text.size(), file));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

}  // namespace model_detail

/// Calls `body(model_progress&)` in a child process, which goes without running anything at exit. Expects: this process
/// has one thread.
template <class Body>
[[nodiscard]] apart_result run_apart(Body body) {
    const model_detail::shared_object<model_progress> shared;
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> errors(std::tmpfile(), &std::fclose);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw std::bad_alloc();
    if (child == 0) {
        model_detail::restore_signals();
        if (errors) ::dup2(::fileno(errors.get()), 2);
        body(*shared);
        ::_exit((*shared).failed ? 1 : 0);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    apart_result result{*shared, {}};
    result.why = result.progress.why;
    if (result.progress.failed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return result;
    result.progress.failed = true;
    result.why = model_detail::how_it_ended(status);
    if (const std::string text = errors ? model_detail::written(errors.get()) : ""; !text.empty())
        result.why += "\n" + text;
    return result;
}

/// What a model's sequences share is made before the first child is.
template <model M>
void prepare_model() {
    if constexpr (requires { M::prepare(); }) M::prepare();
}

/// More than a slow machine needs for one sequence.
constexpr unsigned model_patience_seconds = 60;

template <model M>
[[nodiscard]] apart_result run_model_apart(byte_view input) {
    prepare_model<M>();
    return run_apart([&](model_progress& progress) {
        ::alarm(model_patience_seconds);
        run_model<M>(input, progress);
    });
}

/// Sequences `input_of(0)` to `input_of(count - 1)` in one child, up to the first that fails: `progress.sequence`.
template <model M, class InputOf>
[[nodiscard]] apart_result run_models_apart(std::uint64_t count, InputOf input_of) {
    prepare_model<M>();
    return run_apart([&](model_progress& progress) {
        for (; progress.sequence < count; ++progress.sequence) {
            if (progress.sequence % 64 == 0) ::alarm(model_patience_seconds);
            run_model<M>(input_of(progress.sequence), progress);
            if (progress.failed) return;
        }
    });
}

}  // namespace plateau_test
