// SPDX-License-Identifier: MIT
#include "case.hpp"

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/literals.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <utility>

namespace flat_memory {
namespace {

using namespace plateau::literals;

constexpr unsigned threads = 2;        // a producer and a consumer
constexpr std::uint64_t batches = 10;  // between two batches both are at rest
constexpr std::uint64_t lines_per_batch = 1'500;
constexpr std::size_t turn_bytes = 16'384;
constexpr std::size_t slowness = 4;

/// Of a line: 40 bytes to 5 KB, most are short. The mean is about 770 bytes.
[[nodiscard]] std::size_t line_size(random_numbers& random) noexcept {
    return random.below(100) < 80 ? 40 + random.below(460) : 500 + random.below(4'500);
}

/// A producer, and a consumer that is slower by rule and not by the machine's mood: for what the producer makes it is
/// given turns, in each of which it takes lines of `turn_bytes`, and it is given one where it needed four.
class slow_consumer : public twin {
public:
    void round(crew& workers) final {
        for (std::uint64_t batch = 0; batch < batches; ++batch) {
            made_ = false;
            workers.run([&](unsigned thread) {
                if (thread == 0) produce(batch);
                else consume();
            });
            at_rest();
        }
    }

protected:
    virtual void push(std::string line) = 0;
    /// Returns: a line; an empty one when there is none.
    virtual std::string pop() = 0;

    void give_turns(std::size_t n) { turns_.release(static_cast<std::ptrdiff_t>(n)); }

private:
    void produce(std::uint64_t batch) {
        random_numbers random(batch);
        std::size_t since_turn = 0;
        for (std::uint64_t i = 0; i < lines_per_batch; ++i) {
            const std::size_t size = line_size(random);
            push(std::string(size, 'x'));
            for (since_turn += size; since_turn >= slowness * turn_bytes; since_turn -= slowness * turn_bytes)
                give_turns(1);
        }
        made_ = true;
        give_turns(1);
    }
    void consume() {
        for (turns_.acquire(); !made_; turns_.acquire()) take_turn();
        while (turns_.try_acquire()) take_turn();  // as many as were given: one was the end's
    }
    void take_turn() {
        for (std::size_t taken = 0; taken < turn_bytes;) {
            const std::string line = pop();
            if (line.empty()) return;
            taken += line.size();
        }
    }

    std::counting_semaphore<> turns_{0};
    std::atomic<bool> made_{false};
};

/// The founding mistake: what the consumer has not taken yet is kept, however much it is.
class unbounded_deque final : public slow_consumer {
public:
    std::size_t memory_ceiling() const override { return plateau::unlimited; }

private:
    void push(std::string line) override {
        const std::lock_guard held(mutex_);
        lines_.push_back(std::move(line));
    }
    std::string pop() override {
        const std::lock_guard held(mutex_);
        if (lines_.empty()) return {};
        std::string line = std::move(lines_.front());
        lines_.pop_front();
        return line;
    }

    std::mutex mutex_;
    std::deque<std::string> lines_;
};

/// The same with a queue in which the producer waits. While it does, the consumer gets on: it takes what makes it go
/// on.
class waiting_producer final : public slow_consumer {
public:
    explicit waiting_producer(bounds bound)
        : lines_(bound == bounds::real ? plateau::queue_options{.max_items = 32'768,
                                                                .max_bytes = high_water,
                                                                .low_water_items = 32'767,
                                                                .low_water_bytes = low_water}
                                       : plateau::queue_options{.max_items = 2'097'152, .max_bytes = 2_GiB - 1}) {}

    std::size_t memory_ceiling() const override { return lines_.memory_ceiling(); }

private:
    static constexpr std::size_t high_water = 16_MiB;
    static constexpr std::size_t low_water = 15_MiB;

    void push(std::string line) override {
        if (lines_.try_push(std::move(line))) return;
        give_turns((high_water - low_water) / turn_bytes);
        if (!lines_.push(std::move(line))) std::abort();  // nobody closes it, and every line fits
    }
    std::string pop() override {
        auto line = lines_.try_pop();
        return line ? *std::move(line) : std::string();
    }

    plateau::bounded_queue<std::string> lines_;
};

const registered lines{{
    .name = "channel",
    .what = "Lines of 40 B to 5 KB from a producer that is four times as fast as its consumer: a deque under a mutex "
            "against a queue of 16 MiB, in which the producer waits.",
    .threads = threads,
    .work_per_round = batches * lines_per_batch,
    .bound_can_be_lifted = true,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<unbounded_deque>(); },
    .plateau = [](bounds bound) -> std::unique_ptr<twin> { return std::make_unique<waiting_producer>(bound); },
}};

}
}
