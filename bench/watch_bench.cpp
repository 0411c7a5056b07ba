// SPDX-License-Identifier: MIT
/// What watching costs the program that is watched. Names are <what>/<how>; watch.claims refers to them.

#include "witness.hpp"

#include <plateau/watch.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <random>
#include <unistd.h>
#include <vector>

namespace bench {
namespace {

/// Runs the loop, then once more with the witness on.
template <class Step>
void operation(benchmark::State& state, Step step) {
    for (auto _ : state) step();
    constexpr std::size_t counted = 1'000;
    const auto before = witness::read();
    {
        const witness::armed armed;
        for (std::size_t i = 0; i < counted; ++i) step();
    }
    const auto seen = witness::read() - before;
    state.counters["allocations_per_op"] = static_cast<double>(seen.allocations) / static_cast<double>(counted);
}

// ---- reading the process's own memory

/// The same figure as most programs read it.
std::uint64_t open_read_close() {
    const int file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    char text[128];
    const auto read = ::read(file, text, sizeof text - 1);
    ::close(file);
    if (read <= 0) return 0;
    text[read] = '\0';
    unsigned long long pages = 0;
    if (std::sscanf(text, "%*u %llu", &pages) != 1) return 0;
    return pages * 4096;
}

void read_memory_open_read_close(benchmark::State& state) {
    operation(state, [] { benchmark::DoNotOptimize(open_read_close()); });
}

void read_memory_once(benchmark::State& state) {
    operation(state, [] { benchmark::DoNotOptimize(plateau::read_memory()); });
}

void read_memory_reader(benchmark::State& state) {
    plateau::memory_reader reader;
    operation(state, [&] { benchmark::DoNotOptimize(reader.read()); });
}

void sampler_tick_between_samples(benchmark::State& state) {
    plateau::memory_sampler sampler{{.period = std::chrono::hours(1)}};
    std::uint64_t work = 0;
    operation(state, [&] { benchmark::DoNotOptimize(sampler.tick(++work)); });
}

// ---- accounting

void charge_refund_atomic(benchmark::State& state) {
    static std::atomic<std::size_t> bytes{0};
    operation(state, [] {
        bytes.fetch_add(64, std::memory_order_relaxed);
        bytes.fetch_sub(64, std::memory_order_relaxed);
    });
}

void charge_refund_ledger(benchmark::State& state) {
    plateau::ledger books{{.max_accounts = 4}};
    const plateau::account account = books.open("component");
    operation(state, [&] {
        account.charge(64);
        account.refund(64);
    });
}

void charge_refund_ledger_with_budget(benchmark::State& state) {
    plateau::ledger books{{.max_accounts = 4}};
    const plateau::account account = books.open("component", {.max_bytes = 1u << 20});
    operation(state, [&] {
        if (account.try_charge(64)) account.refund(64);
    });
}

// ---- the verdict

void judge_512_points(benchmark::State& state) {
    std::mt19937 random(3);
    std::vector<plateau::memory_sample> line(512);
    for (std::size_t i = 0; i < line.size(); ++i) {
        line[i].work_done = i + 1;
        line[i].resident_bytes = (100u << 20) + 4096 * (random() % 256);
    }
    for (auto _ : state) benchmark::DoNotOptimize(plateau::judge(line, {}));
}

BENCHMARK(read_memory_open_read_close)->Name("read_memory/open_read_close");
BENCHMARK(read_memory_once)->Name("read_memory/once");
BENCHMARK(read_memory_reader)->Name("read_memory/reader");
BENCHMARK(sampler_tick_between_samples)->Name("sampler_tick/between_samples");
BENCHMARK(charge_refund_atomic)->Name("charge_refund/atomic");
BENCHMARK(charge_refund_ledger)->Name("charge_refund/ledger");
BENCHMARK(charge_refund_ledger_with_budget)->Name("charge_refund/ledger_with_budget");
BENCHMARK(judge_512_points)->Name("judge/512_points")->Unit(benchmark::kMillisecond);

}
}

BENCHMARK_MAIN();
