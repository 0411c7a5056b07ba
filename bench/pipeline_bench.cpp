// SPDX-License-Identifier: MIT
/// What the plumbing of a pipeline, a pool and a stream costs beside what runs in it. Names are <what>/<how>;
/// pipeline.claims refers to them. CPU time is that of all threads of the process.

#include "witness.hpp"

#include <plateau/channel.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#if defined(PLATEAU_BENCH_HAS_TBB)
#    include <tbb/parallel_pipeline.h>
#    include <tbb/task_arena.h>
#    include <tbb/task_group.h>
#endif

namespace bench {
namespace {

constexpr std::size_t queue_items = 1'024;
constexpr std::uint64_t items = 200'000;

/// About as much as the parse of a short line.
std::uint64_t worked(std::uint64_t value, unsigned rounds) noexcept {
    for (unsigned i = 0; i < rounds; ++i) value = value * 0x9e3779b97f4a7c15U ^ (value >> 29U);
    return value;
}

/// Calls `run` for `count` items a time, once more with the witness on.
template <class Run>
void per_item(benchmark::State& state, std::uint64_t count, Run run) {
    for (auto _ : state) run();
    state.SetItemsProcessed(static_cast<std::int64_t>(count) * static_cast<std::int64_t>(state.iterations()));
    const auto before = witness::read();
    {
        const witness::armed armed;
        run();
    }
    const auto seen = witness::read() - before;
    state.counters["allocations"] = static_cast<double>(seen.allocations);
    state.counters["allocations_per_item"] = static_cast<double>(seen.allocations) / static_cast<double>(count);
}

// ---- a queue with a mutex and two condition variables, as in textbooks

class textbook_queue {
public:
    void push(std::uint64_t value) {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return items_.size() < queue_items; });
        items_.push_back(value);
        some_.notify_one();
    }
    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        some_.notify_all();
    }
    std::optional<std::uint64_t> pop() {
        std::unique_lock lock(mutex_);
        some_.wait(lock, [&] { return !items_.empty() || closed_; });
        if (items_.empty()) return std::nullopt;
        const std::uint64_t value = items_.front();
        items_.pop_front();
        room_.notify_one();
        return value;
    }

private:
    std::mutex mutex_;
    std::condition_variable room_, some_;
    std::deque<std::uint64_t> items_;
    bool closed_ = false;
};

// ---- three stages: source, map, sink

template <unsigned Work>
void three_stages_plateau(benchmark::State& state) {
    per_item(state, items, [] {
        std::uint64_t next = 0, sum = 0;
        plateau::pipeline job{{.queue = {.max_items = queue_items}},
                              [&] { return next < items ? std::optional(next++) : std::nullopt; },
                              plateau::stage([](std::uint64_t value) { return worked(value, Work); }),
                              [&](std::uint64_t value) { sum += value; }};
        if (!job.run()) std::abort();
        benchmark::DoNotOptimize(sum);
    });
}
template <unsigned Work>
void three_stages_std(benchmark::State& state) {
    per_item(state, items, [] {
        textbook_queue first, second;
        std::uint64_t sum = 0;
        std::thread source([&] {
            for (std::uint64_t i = 0; i < items; ++i) first.push(i);
            first.close();
        });
        std::thread map([&] {
            while (auto value = first.pop()) second.push(worked(*value, Work));
            second.close();
        });
        while (auto value = second.pop()) sum += *value;
        source.join();
        map.join();
        benchmark::DoNotOptimize(sum);
    });
}
#if defined(PLATEAU_BENCH_HAS_TBB)
template <unsigned Work>
void three_stages_tbb(benchmark::State& state) {
    per_item(state, items, [] {
        std::uint64_t next = 0, sum = 0;
        using mode = tbb::filter_mode;
        tbb::parallel_pipeline(
            64, tbb::make_filter<void, std::uint64_t>(mode::serial_in_order, [&](tbb::flow_control& flow) {
                    if (next == items) flow.stop();
                    return next++;
                }) & tbb::make_filter<std::uint64_t, std::uint64_t>(mode::serial_in_order, [](std::uint64_t value) {
                    return worked(value, Work);
                }) & tbb::make_filter<std::uint64_t, void>(mode::serial_in_order, [&](std::uint64_t value) {
                    sum += value;
                }));
        benchmark::DoNotOptimize(sum);
    });
}
#endif

// ---- a map with two workers, in order

constexpr std::uint64_t heavy_items = 20'000;
constexpr unsigned heavy_work = 4'000;

void ordered_workers_plateau(benchmark::State& state) {
    per_item(state, heavy_items, [] {
        std::uint64_t next = 0, sum = 0;
        plateau::pipeline job{{.queue = {.max_items = queue_items}},
                              [&] { return next < heavy_items ? std::optional(next++) : std::nullopt; },
                              plateau::stage([](std::uint64_t value) { return worked(value, heavy_work); },
                                             {.workers = 2, .ordered = true, .queue = {}}),
                              [&](std::uint64_t value) { sum += value; }};
        if (!job.run()) std::abort();
        benchmark::DoNotOptimize(sum);
    });
}
void ordered_workers_alone(benchmark::State& state) {
    per_item(state, heavy_items, [] {
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < heavy_items; ++i) sum += worked(i, heavy_work);
        benchmark::DoNotOptimize(sum);
    });
}
#if defined(PLATEAU_BENCH_HAS_TBB)
void ordered_workers_tbb(benchmark::State& state) {
    per_item(state, heavy_items, [] {
        std::uint64_t next = 0, sum = 0;
        using mode = tbb::filter_mode;
        tbb::parallel_pipeline(
            64, tbb::make_filter<void, std::uint64_t>(mode::serial_in_order, [&](tbb::flow_control& flow) {
                    if (next == heavy_items) flow.stop();
                    return next++;
                }) & tbb::make_filter<std::uint64_t, std::uint64_t>(mode::parallel, [](std::uint64_t value) {
                    return worked(value, heavy_work);
                }) & tbb::make_filter<std::uint64_t, void>(mode::serial_in_order, [&](std::uint64_t value) {
                    sum += value;
                }));
        benchmark::DoNotOptimize(sum);
    });
}
#endif

// ---- tasks of a pool

constexpr std::uint64_t tasks = 100'000;

void tasks_plateau(benchmark::State& state) {
    plateau::worker_pool pool{{.threads = 2, .max_tasks = 256}};
    per_item(state, tasks, [&] {
        std::atomic<std::uint64_t> done{0};
        for (std::uint64_t i = 0; i < tasks; ++i)
            if (!pool.submit([&] { done.fetch_add(1, std::memory_order_relaxed); })) std::abort();
        while (done.load(std::memory_order_relaxed) != tasks) std::this_thread::yield();
    });
}
/// The pool of many programs: a mutex, a condition variable, and a std::function for each task.
class textbook_pool {
public:
    textbook_pool() {
        for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { serve(); });
    }
    ~textbook_pool() {
        {
            const std::lock_guard lock(mutex_);
            over_ = true;
        }
        some_.notify_all();
        for (auto& thread : threads_) thread.join();
    }
    void submit(std::function<void()> task) {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return tasks_.size() < 256; });
        tasks_.push_back(std::move(task));
        some_.notify_one();
    }

private:
    void serve() {
        for (;;) {
            std::unique_lock lock(mutex_);
            some_.wait(lock, [&] { return !tasks_.empty() || over_; });
            if (tasks_.empty()) return;
            const auto task = std::move(tasks_.front());
            tasks_.pop_front();
            room_.notify_one();
            lock.unlock();
            task();
        }
    }

    std::mutex mutex_;
    std::condition_variable room_, some_;
    std::deque<std::function<void()>> tasks_;
    bool over_ = false;
    std::vector<std::thread> threads_;
};
void tasks_std(benchmark::State& state) {
    textbook_pool pool;
    per_item(state, tasks, [&] {
        std::atomic<std::uint64_t> done{0};
        for (std::uint64_t i = 0; i < tasks; ++i) pool.submit([&] { done.fetch_add(1, std::memory_order_relaxed); });
        while (done.load(std::memory_order_relaxed) != tasks) std::this_thread::yield();
    });
}

// ---- bytes from memory to memory

constexpr std::size_t document = std::size_t{32} << 20;

class memory_source {
public:
    std::ptrdiff_t operator()(std::span<std::byte> room) noexcept {
        const std::size_t n = std::min(room.size(), document - at_);
        std::memset(room.data(), static_cast<int>(at_ >> 16U), n);
        at_ += n;
        return static_cast<std::ptrdiff_t>(n);
    }

private:
    std::size_t at_ = 0;
};
std::ptrdiff_t swallow(std::span<const std::byte> bytes) noexcept {
    benchmark::DoNotOptimize(bytes.data());
    benchmark::ClobberMemory();
    return static_cast<std::ptrdiff_t>(bytes.size());
}

void stream_plateau(benchmark::State& state) {
    per_item(state, document, [] {
        const auto sent = plateau::stream_bytes(memory_source(), swallow);
        if (sent.bytes() != document) std::abort();
    });
}
void stream_limited_plateau(benchmark::State& state) {
    per_item(state, document, [] {
        const auto sent = plateau::stream_bytes(
            memory_source(), swallow, {.write_timeout = std::chrono::seconds(30), .min_bytes_per_second = 1'000});
        if (sent.bytes() != document) std::abort();
    });
}
void stream_loop(benchmark::State& state) {
    per_item(state, document, [] {
        std::vector<std::byte> buffer(64 * 1024);
        memory_source source;
        while (const std::ptrdiff_t got = source(buffer)) swallow({buffer.data(), static_cast<std::size_t>(got)});
    });
}
/// What is sent is built first.
void stream_buffered(benchmark::State& state) {
    per_item(state, document, [] {
        std::vector<std::byte> whole(document);
        memory_source source;
        std::size_t at = 0;
        while (const std::ptrdiff_t got =
                   source(std::span(whole).subspan(at, std::min<std::size_t>(65'536, document - at))))
            at += static_cast<std::size_t>(got);
        swallow(whole);
    });
}

void register_one(const char* name, void (*run)(benchmark::State&)) {
    benchmark::RegisterBenchmark(name, run)->UseRealTime()->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    using namespace bench;
    register_one("three_stages/plateau", three_stages_plateau<0>);
    register_one("three_stages/std", three_stages_std<0>);
    register_one("three_stages_work/plateau", three_stages_plateau<400>);
    register_one("three_stages_work/std", three_stages_std<400>);
    register_one("ordered_workers/plateau", ordered_workers_plateau);
    register_one("ordered_workers/alone", ordered_workers_alone);
#if defined(PLATEAU_BENCH_HAS_TBB)
    register_one("three_stages/tbb", three_stages_tbb<0>);
    register_one("three_stages_work/tbb", three_stages_tbb<400>);
    register_one("ordered_workers/tbb", ordered_workers_tbb);
#else
    for (const char* const name : {"three_stages/tbb", "three_stages_work/tbb", "ordered_workers/tbb"})
        register_one(name, [](benchmark::State& state) { state.SkipWithError("oneTBB is not installed"); });
#endif
    register_one("tasks/plateau", tasks_plateau);
    register_one("tasks/std", tasks_std);
    register_one("stream/plateau", stream_plateau);
    register_one("stream/plateau_limited", stream_limited_plateau);
    register_one("stream/loop", stream_loop);
    register_one("stream/buffered", stream_buffered);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
