// SPDX-License-Identifier: MIT
/// Threads for race tests: started together, joined before anyone asserts.
#pragma once

#include "tools/proof.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <pthread.h>

namespace plateau_test {

/// Runs `f(0)` ... `f(n - 1)` on n threads that leave the start line together, and joins them. `f` does not throw, and
/// does not assert: Catch2's assertions belong to the main thread, so record and assert after.
template <class F>
void run_together(std::size_t n, F f) {
    std::atomic<std::size_t> at_the_line{0};
    std::vector<std::thread> threads;
    threads.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
        threads.emplace_back([&, i]() noexcept {
            at_the_line.fetch_add(1);
            while (at_the_line.load() < n) std::this_thread::yield();
            f(i);
        });
    }
    for (auto& thread : threads) thread.join();
}

/// How many threads meet in a race run.
inline constexpr std::size_t race_threads = 8;

/// How long the race run of one type lasts: PLATEAU_RACE_SECONDS, a whole number from 1 on; 4 in the ordinary run.
inline std::chrono::seconds race_length() {
    static const std::chrono::seconds length = [] {
        const char* const given = std::getenv("PLATEAU_RACE_SECONDS");
        if (given == nullptr || *given == '\0') return std::chrono::seconds{4};
        char* end = nullptr;
        const long parsed = std::strtol(given, &end, 10);
        if (*given >= '1' && *given <= '9' && *end == '\0' && parsed <= 86'400) return std::chrono::seconds{parsed};
        std::fprintf(stderr, "PLATEAU_RACE_SECONDS: '%s' is not a whole number from 1 to 86400\n", given);
        std::exit(2);
    }();
    return length;
}

struct repeated {
    std::uint64_t rounds;
    std::chrono::steady_clock::duration spent;
};

/// Calls `round(0)`, `round(1)`, ... until `length` is over, at least once. Returns: how often, and the time it took.
template <class F>
repeated repeat_for(std::chrono::steady_clock::duration length, F round) {
    const auto begin = std::chrono::steady_clock::now();
    repeated done{0, {}};
    do {
        round(done.rounds++);
        done.spent = std::chrono::steady_clock::now() - begin;
    } while (done.spent < length);
    return done;
}

/// The race run of one type: repeats `round` as long as that lasts, and counts the time. A round builds its objects (on
/// the heap: clang's thread sanitizer can miss races on a stack), lets `race_threads` at them with run_together, and
/// requires what must hold after. The time bounds how often that happens; nothing is asserted about it.
template <class F>
void race_for(std::string_view room, std::string_view type, F round) {
    const repeated done = repeat_for(race_length(), round);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(done.spent).count();
    proof_count(room, "race seconds: " + std::string(type), static_cast<std::uint64_t>(seconds));
}

/// Runs `f` on a thread with a stack of `bytes`, and waits for its end: what recurses over many elements does not come
/// back.
template <class F>
void run_on_stack(std::size_t bytes, F f) {
    const auto enter = [](void* argument) -> void* {
        (*static_cast<F*>(argument))();
        return nullptr;
    };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    int error = pthread_attr_setstacksize(&attributes, bytes);
    pthread_t thread;
    if (error == 0) error = pthread_create(&thread, &attributes, enter, &f);
    pthread_attr_destroy(&attributes);
    if (error != 0) throw std::system_error(error, std::generic_category(), "a thread with a small stack");
    pthread_join(thread, nullptr);
}

}  // namespace plateau_test
