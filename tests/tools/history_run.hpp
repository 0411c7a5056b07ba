// SPDX-License-Identifier: MIT
/// Many short histories of real threads, recorded and checked.
#pragma once

#include "tools/history.hpp"
#include "tools/history_jitter.hpp"
#include "tools/history_text.hpp"
#include "tools/random.hpp"
#include "tools/threads.hpp"

#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plateau_test {

struct history_plan {
    std::string_view name;
    std::size_t threads = 2;
    std::size_t calls = 4;  ///< of each thread
    std::uint64_t histories = 10'000;
};

struct history_report {
    std::uint64_t histories = 0;
    std::uint64_t overlapping = 0;   ///< two calls of different threads ran at the same time
    std::uint64_t out_of_order = 0;  ///< the answers are not those of the calls in the order in which they began
    std::uint64_t refused = 0;       ///< no order explains them
    double seconds = 0;
    std::string first_refused;  ///< drawn, with what repeats its calls
};

namespace history_detail {

/// Threads wait here for each other, again and again. They spin at first, since those they wait for are as near.
class meeting {
public:
    explicit meeting(std::size_t threads) noexcept : threads_(threads) {}

    void wait() noexcept {
        const std::uint64_t round = round_.load(std::memory_order_relaxed);  // it cannot end without this thread
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
            arrived_.store(0, std::memory_order_relaxed);  // published with the round
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (unsigned spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
            if (spins < 100) plateau::default_sync::pause();
            else plateau::default_sync::yield();
        }
    }

private:
    const std::size_t threads_;
    alignas(64) std::atomic<std::size_t> arrived_{0};
    alignas(64) std::atomic<std::uint64_t> round_{0};
};

/// One history on its way: the object, what each thread shall call, and what came of it.
template <class Trial>
struct slot {
    using call = typename Trial::call;
    using answer = typename Trial::answer;

    std::unique_ptr<Trial> trial;
    std::vector<std::vector<call>> script;
    history<call, answer> threads;
    /// Each call takes a number before and one after it. Sequentially consistent: if the number of an end is below that
    /// of a beginning, the end also happened before it in the sense of the language.
    alignas(64) std::atomic<std::uint64_t> stamp{0};
};

template <class Trial, class Make>
class runner {
    using call = typename Trial::call;
    using answer = typename Trial::answer;
    using model = typename Trial::model;

public:
    runner(const history_plan& plan, Make& make)
        : plan_(plan), make_(make), meeting_(plan.threads), reports_(plan.threads), slots_(batch) {
        for (auto& s : slots_) {
            s.script.resize(plan.threads);
            s.threads.resize(plan.threads);
            for (auto& events : s.threads) events.reserve(plan.calls + 1);
        }
    }

    history_report run() {
        const auto begin = std::chrono::steady_clock::now();
        run_together(plan_.threads, [this](std::size_t thread) { work(thread); });
        history_report sum;
        for (const history_report& part : reports_) {
            sum.histories += part.histories;
            sum.overlapping += part.overlapping;
            sum.out_of_order += part.out_of_order;
            sum.refused += part.refused;
            if (sum.first_refused.empty()) sum.first_refused = part.first_refused;
        }
        sum.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        return sum;
    }

private:
    static constexpr std::size_t batch = 64;

    /// The threads share the making and the checking, and meet before each history.
    void work(std::size_t thread) {
        linearizability_checker<model, call, answer> checker;
        random_source delays(plan_.name, run_seed() + thread + 1);
        for (std::uint64_t first = 0; first < plan_.histories; first += batch) {
            const std::uint64_t left = plan_.histories - first;
            const std::size_t count = left < batch ? static_cast<std::size_t>(left) : batch;
            for (std::size_t i = thread; i < count; i += plan_.threads) prepare(slots_[i], first + i);
            for (std::size_t i = 0; i < count; ++i) {
                meeting_.wait();
                const jitter_scope jittering(delays.next());
                perform(slots_[i], thread);
            }
            meeting_.wait();
            for (std::size_t i = thread; i < count; i += plan_.threads)
                check(slots_[i], first + i, checker, reports_[thread]);
        }
    }

    void prepare(slot<Trial>& s, std::uint64_t number) {
        random_source random(plan_.name, run_seed() ^ (number * 0x9e3779b97f4a7c15U));
        s.trial = make_(random);
        s.stamp.store(0, std::memory_order_relaxed);
        for (std::size_t t = 0; t < plan_.threads; ++t) {
            s.threads[t].clear();
            s.script[t].clear();
            for (std::size_t i = 0; i < plan_.calls; ++i) s.script[t].push_back(s.trial->draw(random, t));
        }
    }

    void perform(slot<Trial>& s, std::size_t thread) {
        auto& log = s.threads[thread];
        for (const call& one : s.script[thread]) {
            jitter();
            const std::uint64_t invoked = s.stamp.fetch_add(1);
            const answer said = s.trial->perform(thread, one);
            const std::uint64_t responded = s.stamp.fetch_add(1);
            log.push_back({one, said, invoked, responded});
        }
    }

    void check(slot<Trial>& s, std::uint64_t number, linearizability_checker<model, call, answer>& checker,
               history_report& report) {
        if constexpr (requires { s.trial->last(); }) {
            s.script[0].assign(1, s.trial->last());
            perform(s, 0);
        }
        const model initial = s.trial->initial();
        ++report.histories;
        if (overlaps(s.threads)) ++report.overlapping;
        if (!in_order_of_invocation(s.threads, initial)) {
            ++report.out_of_order;
            if (!checker.linearizable(s.threads, initial)) {
                if (++report.refused == 1) report.first_refused = told(s, number, checker);
            }
        }
        s.trial.reset();
    }

    std::string told(const slot<Trial>& s, std::uint64_t number,
                     const linearizability_checker<model, call, answer>& checker) const {
        return "History " + std::to_string(number) + " of \"" + std::string(plan_.name) + "\" is not linearizable.\n" +
               drawn(s.threads) + explained(checker, s.threads) + "Its calls again: " + random_source::repeat() +
               "; how the threads meet is up to the machine.\n";
    }

    const history_plan plan_;
    Make& make_;
    meeting meeting_;
    std::vector<history_report> reports_;
    std::vector<slot<Trial>> slots_;
};

}  // namespace history_detail

/// Runs `plan.histories` histories of objects that `make(random_source&)` makes, as a std::unique_ptr<Trial>, each with
/// an object of its own, and checks each. Trial:
///     types       call, answer, model; `describe` of the first two
///     call draw(random_source&, std::size_t thread)     what that thread shall do next
///     answer perform(std::size_t thread, const call&)   does it; called by all threads at once
///     model initial() const
///     call last() const                                 optional: done when all threads have ended, as by thread 0
/// `make` and `draw` depend on nothing but the random source; all of it may run on any thread, and does not throw.
template <class Trial, class Make>
[[nodiscard]] history_report run_histories(const history_plan& plan, Make make) {
    return history_detail::runner<Trial, Make>(plan, make).run();
}

/// One line for who reads the output of a run. The rate is told, never asserted.
inline void print_rate(const history_plan& plan, const history_report& report) {
    const double all = static_cast<double>(report.histories);
    std::printf("linear: %s: %zu x %zu calls, %" PRIu64 " histories, %.0f %% overlapping, %.0f %% out of order, %.0f "
                "histories/s\n",
                std::string(plan.name).c_str(), plan.threads, plan.calls, report.histories,
                100.0 * static_cast<double>(report.overlapping) / all,
                100.0 * static_cast<double>(report.out_of_order) / all, all / report.seconds);
}

}  // namespace plateau_test
