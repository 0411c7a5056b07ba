// SPDX-License-Identifier: MIT
#pragma once

/// Threads that start together, one on each core, and an answer to whether they really ran at once.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <sched.h>
#include <thread>
#include <vector>

namespace bench {

struct team_report {
    double seconds = 0;  // from the first start to the last end
    double at_once = 0;  // the part of it in which the thread that ran least was on a core, or chose to sleep
};

/// The calling thread's time spent runnable without a core, by the kernel's account.
[[nodiscard]] inline double run_delay_seconds() noexcept {
    unsigned long long on_core = 0;
    unsigned long long waiting = 0;
    if (std::FILE* const file = std::fopen("/proc/thread-self/schedstat", "r")) {
        if (std::fscanf(file, "%llu %llu", &on_core, &waiting) != 2) waiting = 0;
        std::fclose(file);
    }
    return static_cast<double>(waiting) * 1e-9;
}

/// Runs job(0) ... job(threads - 1), each on a core of its own where there are enough. A thread that sleeps in a lock
/// is at work: what spoils a run is a core that served somebody else, or threads that share one.
template <class Job>
team_report run_team(unsigned threads, Job job) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    std::vector<int> cores;
    for (int core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &allowed)) cores.push_back(core);

    struct alignas(128) span {
        std::chrono::steady_clock::time_point start, end;
        double delay = 0;
    };
    std::vector<span> spans(threads);
    std::atomic<unsigned> ready{0};
    std::vector<std::thread> team;
    for (unsigned i = 0; i < threads; ++i)
        team.emplace_back([&, i] {
            cpu_set_t own;
            CPU_ZERO(&own);
            CPU_SET(cores[i % cores.size()], &own);
            ::sched_setaffinity(0, sizeof own, &own);
            const double delay_before = run_delay_seconds();
            ready.fetch_add(1, std::memory_order_acq_rel);
            while (ready.load(std::memory_order_acquire) < threads) std::this_thread::yield();
            spans[i].start = std::chrono::steady_clock::now();
            job(i);
            spans[i].end = std::chrono::steady_clock::now();
            spans[i].delay = run_delay_seconds() - delay_before;
        });
    for (auto& thread : team) thread.join();

    const auto seconds = [](auto length) { return std::chrono::duration<double>(length).count(); };
    auto first = spans.front().start;
    auto last = spans.front().end;
    for (const auto& each : spans) {
        first = std::min(first, each.start);
        last = std::max(last, each.end);
    }
    team_report report{.seconds = seconds(last - first), .at_once = 1};
    for (const auto& each : spans)
        report.at_once = std::min(report.at_once, (seconds(each.end - each.start) - each.delay) / report.seconds);
    if (cores.size() < threads) report.at_once = 0;
    return report;
}

}
