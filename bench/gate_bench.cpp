// SPDX-License-Identifier: MIT
/// What a gate costs each request: in and out, a refusal, a hand-over to somebody who waits. Names are <what>/<how>;
/// gate.claims refers to them.

#include "team.hpp"
#include "witness.hpp"

#include <plateau/gate.hpp>
#include <plateau/waiter.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <utility>

#if defined(PLATEAU_BENCH_HAS_BOOST)
#    include <boost/interprocess/sync/interprocess_semaphore.hpp>
#endif

namespace bench {
namespace {

constexpr std::uint32_t places = 40;

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

// ---- the doors, behind one face: `enter()` answers whether it let one in, and `leave()` gives the place back

/// The floor: two read-modify-writes of one line, and no bound.
struct alignas(128) raw_pair {
    explicit raw_pair(std::uint32_t) {}
    [[gnu::always_inline]] bool enter() noexcept {
        in_flight.fetch_add(1, std::memory_order_acq_rel);
        return true;
    }
    [[gnu::always_inline]] void leave() noexcept { in_flight.fetch_sub(1, std::memory_order_acq_rel); }
    std::atomic<std::uint64_t> in_flight{0};
};

/// What the standard library has: a count, no bytes, no reason.
struct alignas(128) std_semaphore {
    explicit std_semaphore(std::uint32_t count) : semaphore(count) {}
    [[gnu::always_inline]] bool enter() noexcept { return semaphore.try_acquire(); }
    [[gnu::always_inline]] void leave() noexcept { semaphore.release(); }
    std::counting_semaphore<1 << 20> semaphore;
};

#if defined(PLATEAU_BENCH_HAS_BOOST)
struct alignas(128) boost_semaphore {
    explicit boost_semaphore(std::uint32_t count) : semaphore(count) {}
    [[gnu::always_inline]] bool enter() { return semaphore.try_wait(); }
    [[gnu::always_inline]] void leave() { semaphore.post(); }
    boost::interprocess::interprocess_semaphore semaphore;
};
#else
struct boost_semaphore {
    static constexpr const char* missing = "Boost.Interprocess not found";
};
#endif

/// As it is written by hand: a mutex, a condition variable, and what a gate has to count.
struct alignas(128) by_hand {
    explicit by_hand(std::uint32_t count) : max_in_flight(count) {}
    bool enter(std::uint64_t more = 1) {
        const std::lock_guard hold(mutex);
        if (in_flight >= max_in_flight || bytes + more > max_bytes) {
            ++shed;
            return false;
        }
        ++in_flight;
        ++admitted;
        bytes += more;
        return true;
    }
    void wait(std::uint64_t more = 1) {
        std::unique_lock hold(mutex);
        free.wait(hold, [&] { return in_flight < max_in_flight && bytes + more <= max_bytes; });
        ++in_flight;
        ++admitted;
        bytes += more;
    }
    void leave(std::uint64_t less = 1) {
        {
            const std::lock_guard hold(mutex);
            --in_flight;
            bytes -= less;
        }
        free.notify_one();
    }
    std::mutex mutex;
    std::condition_variable free;
    const std::uint32_t max_in_flight;
    const std::uint64_t max_bytes = std::uint64_t{1} << 30;
    std::uint32_t in_flight = 0;
    std::uint64_t bytes = 0, admitted = 0, shed = 0;
};

struct uncounted : plateau::gate_policies {
    using stats = plateau::bare;
};

template <class Door>
concept missing_door = requires {
    Door::missing;
};

// ---- in and out, alone

template <class Door>
void in_out(benchmark::State& state) {
    if constexpr (missing_door<Door>) {
        state.SkipWithError(Door::missing);
    } else {
        const auto door = std::make_unique<Door>(places);
        operation(state, [&] {
            if (door->enter()) [[likely]]
                door->leave();
        });
    }
}
template <class Gate>
void in_out_gate(benchmark::State& state) {
    const auto door = std::make_unique<Gate>(plateau::gate_options{.max_in_flight = places, .max_bytes = 1U << 30});
    operation(state, [&] {
        const auto slot = door->try_admit({.bytes = 4'096});
        benchmark::DoNotOptimize(slot.reason());
    });
}
void in_out_gate_admit(benchmark::State& state) {
    const auto door =
        std::make_unique<plateau::gate>(plateau::gate_options{.max_in_flight = places, .max_bytes = 1U << 30});
    operation(state, [&] {
        const auto slot = door->admit({.bytes = 4'096});
        benchmark::DoNotOptimize(slot.reason());
    });
}

// ---- a refusal

template <class Door>
void shed(benchmark::State& state) {
    if constexpr (missing_door<Door>) {
        state.SkipWithError(Door::missing);
    } else {
        const auto door = std::make_unique<Door>(1);
        const bool held = door->enter();
        operation(state, [&] { benchmark::DoNotOptimize(door->enter()); });
        if (held) door->leave();
    }
}
template <class Gate>
void shed_gate(benchmark::State& state) {
    const auto door = std::make_unique<Gate>(plateau::gate_options{.max_in_flight = 1});
    const auto held = door->try_admit();
    operation(state, [&] {
        const auto slot = door->try_admit();
        benchmark::DoNotOptimize(slot.reason());
    });
}

// ---- queued, and served by the next release; one thread

void queued_gate(benchmark::State& state) {
    struct keep {
        std::optional<plateau::admission>* into;
        void operator()(plateau::admission a) const noexcept { into->emplace(std::move(a)); }
    };
    const auto door = std::make_unique<plateau::gate>(plateau::gate_options{.max_in_flight = 1});
    std::optional<plateau::admission> held[2];
    plateau::waiter first{keep{&held[0]}};
    plateau::waiter second{keep{&held[1]}};
    door->admit_then(first);
    unsigned holder = 0;
    operation(state, [&] {
        door->admit_then(holder == 0 ? second : first);
        held[holder].reset();  // lets the other in
        holder = 1 - holder;
    });
    held[holder].reset();
}

// ---- two threads

constexpr std::uint32_t rounds = 200'000;

template <class Door>
void two_threads(benchmark::State& state) {
    if constexpr (missing_door<Door>) {
        state.SkipWithError(Door::missing);
    } else {
        for (auto _ : state) {
            const auto door = std::make_unique<Door>(places);
            const auto report = run_team(2, [&](unsigned) {
                for (std::uint32_t i = 0; i < rounds; ++i)
                    if (door->enter()) door->leave();
            });
            state.SetIterationTime(report.seconds / rounds);
            state.counters["at_once"] = report.at_once;
        }
    }
}
struct gate_door {
    explicit gate_door(std::uint32_t count) : door({.max_in_flight = count, .max_bytes = 1U << 30}) {}
    plateau::gate door;
};
void two_threads_gate(benchmark::State& state) {
    for (auto _ : state) {
        const auto one = std::make_unique<gate_door>(places);
        const auto report = run_team(2, [&](unsigned) {
            for (std::uint32_t i = 0; i < rounds; ++i) {
                const auto slot = one->door.try_admit({.bytes = 4'096});
                benchmark::DoNotOptimize(slot.reason());
            }
        });
        state.SetIterationTime(report.seconds / rounds);
        state.counters["at_once"] = report.at_once;
    }
}

/// Two threads and one place: each waits for the other.
void contended_by_hand(benchmark::State& state) {
    for (auto _ : state) {
        const auto door = std::make_unique<by_hand>(1);
        const auto report = run_team(2, [&](unsigned) {
            for (std::uint32_t i = 0; i < rounds; ++i) {
                door->wait();
                door->leave();
            }
        });
        state.SetIterationTime(report.seconds / rounds);
        state.counters["at_once"] = report.at_once;
    }
}
void contended_gate(benchmark::State& state) {
    for (auto _ : state) {
        const auto door =
            std::make_unique<plateau::gate>(plateau::gate_options{.max_in_flight = 1, .max_wait = plateau::forever});
        const auto report = run_team(2, [&](unsigned) {
            for (std::uint32_t i = 0; i < rounds; ++i) {
                const auto slot = door->admit();
                benchmark::DoNotOptimize(slot.reason());
            }
        });
        state.SetIterationTime(report.seconds / rounds);
        state.counters["at_once"] = report.at_once;
    }
}

[[maybe_unused]] const bool added = [] {
    benchmark::RegisterBenchmark("in_out/raw_pair", in_out<raw_pair>);
    benchmark::RegisterBenchmark("in_out/plateau", in_out_gate<plateau::gate>);
    benchmark::RegisterBenchmark("in_out/plateau_bare", in_out_gate<plateau::basic_gate<uncounted>>);
    benchmark::RegisterBenchmark("in_out/plateau_admit", in_out_gate_admit);
    benchmark::RegisterBenchmark("in_out/std_semaphore", in_out<std_semaphore>);
    benchmark::RegisterBenchmark("in_out/boost_semaphore", in_out<boost_semaphore>);
    benchmark::RegisterBenchmark("in_out/by_hand", in_out<by_hand>);
    benchmark::RegisterBenchmark("shed/plateau", shed_gate<plateau::gate>);
    benchmark::RegisterBenchmark("shed/plateau_bare", shed_gate<plateau::basic_gate<uncounted>>);
    benchmark::RegisterBenchmark("shed/std_semaphore", shed<std_semaphore>);
    benchmark::RegisterBenchmark("shed/boost_semaphore", shed<boost_semaphore>);
    benchmark::RegisterBenchmark("shed/by_hand", shed<by_hand>);
    benchmark::RegisterBenchmark("queued/plateau", queued_gate);
    const auto team = [](const char* name, auto run) {
        benchmark::RegisterBenchmark(name, run)->Iterations(1)->UseManualTime();
    };
    team("two_threads/raw_pair", two_threads<raw_pair>);
    team("two_threads/plateau", two_threads_gate);
    team("two_threads/by_hand", two_threads<by_hand>);
    team("contended/plateau", contended_gate);
    team("contended/by_hand", contended_by_hand);
    return true;
}();

}
}

BENCHMARK_MAIN();
