// SPDX-License-Identifier: MIT
/// Threads for race tests: started together, joined before anyone asserts.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
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
