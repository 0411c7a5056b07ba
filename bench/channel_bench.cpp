// SPDX-License-Identifier: MIT
/// What an item costs from one thread to another: the queue against what others would use. Names are
/// <producers>p<consumers>c/<queue>; channel.claims refers to them. All queues hold 1,024 items.

#include "team.hpp"
#include "witness.hpp"

#include <plateau/channel.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#if defined(PLATEAU_BENCH_HAS_TBB)
#    include <tbb/concurrent_queue.h>
#endif

namespace bench {
namespace {

constexpr std::size_t slots = 1'024;

struct blob {
    std::array<std::uint64_t, 8> words{};
};
template <class T>
T make(std::uint64_t n) {
    if constexpr (std::is_same_v<T, blob>) return {{n}};
    else return n;
}
inline std::uint64_t number(std::uint64_t n) { return n; }
inline std::uint64_t number(const blob& b) { return b.words[0]; }

// ---- the queues, behind one face: push(T&&), T pop()

template <class T>
struct plateau_queue {
    plateau::bounded_queue<T> queue{{.max_items = slots}};
    void push(T&& item) { static_cast<void>(queue.push(std::move(item))); }
    T pop() { return queue.pop().take(); }
};

/// A byte bound that is reached together with the bound of items.
template <class T>
struct plateau_queue_bytes {
    plateau::bounded_queue<T> queue{
        {.max_items = slots, .max_bytes = slots * plateau::bounded_queue<T>::item_overhead}};
    void push(T&& item) { static_cast<void>(queue.push(std::move(item))); }
    T pop() { return queue.pop().take(); }
};

/// The textbook: a mutex, a condition variable for each side.
template <class T>
struct two_condition_variables {
    std::mutex mutex;
    std::condition_variable room, items;
    std::deque<T> queue;
    void push(T&& item) {
        std::unique_lock lock(mutex);
        room.wait(lock, [&] { return queue.size() < slots; });
        queue.push_back(std::move(item));
        lock.unlock();
        items.notify_one();
    }
    T pop() {
        std::unique_lock lock(mutex);
        items.wait(lock, [&] { return !queue.empty(); });
        T item = std::move(queue.front());
        queue.pop_front();
        lock.unlock();
        room.notify_one();
        return item;
    }
};

#if defined(PLATEAU_BENCH_HAS_TBB)
template <class T>
struct tbb_queue {
    tbb::concurrent_bounded_queue<T> queue;
    tbb_queue() { queue.set_capacity(slots); }
    void push(T&& item) { queue.push(std::move(item)); }
    T pop() {
        T item{};
        queue.pop(item);
        return item;
    }
};
#else
template <class T>
struct tbb_queue {
    static constexpr const char* missing = "oneTBB not found";
};
#endif
template <class Queue>
concept missing_queue = requires {
    Queue::missing;
};

// ---- a run

/// What all processors did for anybody, in seconds; in steps of the kernel's clock tick.
double busy_seconds() {
    unsigned long long user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, soft = 0, stolen = 0;
    if (std::FILE* const file = std::fopen("/proc/stat", "r")) {
        if (std::fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &waiting,
                        &irq, &soft, &stolen) != 8)
            user = 0;
        std::fclose(file);
    }
    return static_cast<double>(user + nice + system + irq + soft + stolen) /
           static_cast<double>(::sysconf(_SC_CLK_TCK));
}
double own_seconds() {
    std::timespec spent{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

/// All items through one queue. Where threads outnumber the cores and wait for each other, `at_once` is the part of
/// the cores that nobody else used.
template <class T, class Queue>
team_report pass(Queue& queue, unsigned producers, unsigned consumers, std::uint64_t items) {
    const double busy = busy_seconds(), own = own_seconds();
    team_report report = run_team(producers + consumers, [&](unsigned i) {
        if (i < producers) {
            for (std::uint64_t n = i; n < items; n += producers) queue.push(make<T>(n));
        } else {
            std::uint64_t sum = 0;
            const unsigned c = i - producers;
            for (std::uint64_t n = c; n < items; n += consumers) sum += number(queue.pop());
            benchmark::DoNotOptimize(sum);
        }
    });
    if (producers + consumers > 2) {
        const double others = (busy_seconds() - busy) - (own_seconds() - own);
        report.at_once = 1 - std::max(0.0, others) / (2 * report.seconds);
    }
    return report;
}

template <class T, class Queue>
void through(benchmark::State& state, [[maybe_unused]] unsigned producers, [[maybe_unused]] unsigned consumers,
             [[maybe_unused]] std::uint64_t items) {
    if constexpr (missing_queue<Queue>) {
        state.SkipWithError(Queue::missing);
        for (auto _ : state) {}
    } else {
        for (auto _ : state) {
            const auto queue = std::make_unique<Queue>();
            const team_report report = pass<T>(*queue, producers, consumers, items);
            state.SetIterationTime(report.seconds / static_cast<double>(items));
            state.counters["at_once"] = report.at_once;
        }
        constexpr std::uint64_t counted = 10'000;
        const auto queue = std::make_unique<Queue>();
        for (std::uint64_t n = 0; n < slots; ++n) queue->push(make<T>(n));
        for (std::uint64_t n = 0; n < slots; ++n) benchmark::DoNotOptimize(queue->pop());
        const auto before = witness::read();
        {
            const witness::armed armed;
            for (std::uint64_t n = 0; n < counted; ++n) {
                queue->push(make<T>(n));
                benchmark::DoNotOptimize(queue->pop());
            }
        }
        const auto seen = witness::read() - before;
        state.counters["allocations_per_item"] = static_cast<double>(seen.allocations) / static_cast<double>(counted);
    }
}

template <class T, class Queue>
void add(const char* name, unsigned producers, unsigned consumers, std::uint64_t items) {
    benchmark::RegisterBenchmark(name, through<T, Queue>, producers, consumers, items)->Iterations(1)->UseManualTime();
}

template <class T>
void add_all(unsigned producers, unsigned consumers, const char* const (&names)[4]) {
    constexpr std::uint64_t many = 4'000'000, few = 500'000;
    add<T, plateau_queue<T>>(names[0], producers, consumers, many);
    add<T, plateau_queue_bytes<T>>(names[1], producers, consumers, many);
    add<T, tbb_queue<T>>(names[2], producers, consumers, few);
    add<T, two_condition_variables<T>>(names[3], producers, consumers, few);
}

[[maybe_unused]] const bool added = [] {
    add_all<std::uint64_t>(1, 1, {"1p1c/plateau", "1p1c/plateau_bytes", "1p1c/tbb", "1p1c/std"});
    add_all<std::uint64_t>(3, 1, {"3p1c/plateau", "3p1c/plateau_bytes", "3p1c/tbb", "3p1c/std"});
    add_all<std::uint64_t>(2, 2, {"2p2c/plateau", "2p2c/plateau_bytes", "2p2c/tbb", "2p2c/std"});
    add_all<blob>(3, 1, {"3p1c_64/plateau", "3p1c_64/plateau_bytes", "3p1c_64/tbb", "3p1c_64/std"});
    return true;
}();

}
}

BENCHMARK_MAIN();
