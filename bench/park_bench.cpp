// SPDX-License-Identifier: MIT
/// What waiting costs: nothing to wake, a hand-over between two running threads, a real sleep. Names are <what>/<how>;
/// park.claims refers to them.

#include "team.hpp"
#include "witness.hpp"

#include <plateau/detail/event_count.hpp>
#include <plateau/sync.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <linux/futex.h>
#include <memory>
#include <sys/syscall.h>
#include <unistd.h>

namespace bench {
namespace {

struct alignas(128) word {
    std::atomic<std::uint32_t> value{0};
};

// ---- telling nobody

void notify_load_pair(benchmark::State& state) {
    const auto first = std::make_unique<word>();
    const auto second = std::make_unique<word>();
    for (auto _ : state) {
        benchmark::DoNotOptimize(first->value.load(std::memory_order_seq_cst));
        benchmark::DoNotOptimize(second->value.load(std::memory_order_seq_cst));
    }
}

void notify_nobody(benchmark::State& state) {
    struct alignas(128) room {
        plateau::detail::event_count<plateau::default_sync> count;
    };
    const auto one = std::make_unique<room>();
    for (auto _ : state) {
        one->count.notify_one();
        benchmark::ClobberMemory();
    }
    constexpr std::size_t counted = 1'000;
    const auto before = witness::read();
    {
        const witness::armed armed;
        for (std::size_t i = 0; i < counted; ++i) one->count.notify_one();
    }
    const auto seen = witness::read() - before;
    state.counters["allocations_per_op"] = static_cast<double>(seen.allocations) / static_cast<double>(counted);
}

// ---- two threads and a ball

/// The ball goes to and fro `rounds` times: `Court::play(side, value)` waits for `value`, then answers with the next.
template <class Court>
void rally(benchmark::State& state) {
    const auto rounds = static_cast<std::uint32_t>(state.range(0));
    for (auto _ : state) {
        const auto court = std::make_unique<Court>();
        const auto report = run_team(2, [&](unsigned side) {
            for (std::uint32_t ball = side; ball < 2 * rounds; ball += 2) court->play(side, ball);
        });
        state.SetIterationTime(report.seconds / rounds);
        state.counters["at_once"] = report.at_once;
    }
}

/// The floor: one line, loads and stores.
struct bare_line {
    word ball;
    void play(unsigned, std::uint32_t value) noexcept {
        while (ball.value.load(std::memory_order_acquire) != value) {}
        ball.value.store(value + 1, std::memory_order_release);
    }
};

template <class Sync>
struct event_counts {
    word ball;
    struct alignas(128) side_count {
        plateau::detail::event_count<Sync> count;
    } sides[2];

    void play(unsigned side, std::uint32_t value) noexcept {
        sides[side].count.wait([&]() noexcept { return ball.value.load(std::memory_order_seq_cst) == value; });
        ball.value.store(value + 1, std::memory_order_seq_cst);
        sides[1 - side].count.notify_one();
    }
};

/// Never sleeps: a hand-over while both run, and nothing else. What the shipped constants make of it, sleeps after an
/// interrupted spin included, stands beside it without a claim.
struct patient_sync : plateau::default_sync {
    static constexpr unsigned spin_pauses = 1'000'000'000;
};
/// Sleeps at once.
struct sleepy_sync : plateau::default_sync {
    static constexpr unsigned spin_pauses = 0;
    static constexpr unsigned spin_yields = 0;
};

struct raw_futex {
    word ball;
    void play(unsigned, std::uint32_t value) noexcept {
        auto* const address = reinterpret_cast<std::uint32_t*>(&ball.value);
        for (;;) {
            const std::uint32_t seen = ball.value.load(std::memory_order_acquire);
            if (seen == value) break;
            ::syscall(SYS_futex, address, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
        }
        ball.value.store(value + 1, std::memory_order_release);
        ::syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
};

template <class Court>
void add_rally(const char* name, std::int64_t rounds) {
    benchmark::RegisterBenchmark(name, rally<Court>)->Arg(rounds)->Iterations(1)->UseManualTime()->Name(name);
}

[[maybe_unused]] const bool added = [] {
    benchmark::RegisterBenchmark("notify/load_pair", notify_load_pair);
    benchmark::RegisterBenchmark("notify/nobody", notify_nobody);
    add_rally<bare_line>("hand_off/line", 100'000);
    add_rally<event_counts<patient_sync>>("hand_off/event_count", 100'000);
    add_rally<event_counts<plateau::default_sync>>("hand_off/event_count_as_shipped", 100'000);
    add_rally<raw_futex>("sleep/futex", 3'000);
    add_rally<event_counts<sleepy_sync>>("sleep/event_count", 3'000);
    return true;
}();

}
}

BENCHMARK_MAIN();
