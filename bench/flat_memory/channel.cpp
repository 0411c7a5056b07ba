// SPDX-License-Identifier: MIT
#include "case.hpp"

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/literals.hpp>
#include <plateau/stop.hpp>

#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace flat_memory {
namespace {

using namespace plateau::literals;

constexpr unsigned threads = 2;        // a producer and a consumer
constexpr std::uint64_t batches = 10;  // between two batches both are at rest
constexpr std::uint64_t lines_per_batch = 1'000;

template <class F>
void make_lines(std::uint64_t batch, F f) {
    random_numbers random(batch);
    for (std::uint64_t i = 0; i < lines_per_batch; ++i) f(std::string(value_size(random), 'x'));
}

/// What the consumer does with a line: several times what it takes to make one.
[[nodiscard]] std::uint64_t checksum(const std::string& line) noexcept {
    std::uint64_t sum = 0xcbf29ce484222325U;
    for (const char each : line) sum = (sum ^ static_cast<unsigned char>(each)) * 0x100000001b3U;
    return sum;
}

/// The founding mistake: what the consumer has not taken yet is kept, however much it is.
class unbounded_deque final : public twin {
public:
    void round(crew& workers) override {
        for (std::uint64_t batch = 0; batch < batches; ++batch) {
            made_ = false;
            workers.run([&](unsigned thread) {
                if (thread == 0) produce(batch);
                else consume();
            });
        }
    }
    std::size_t memory_ceiling() const override { return plateau::unlimited; }

private:
    void produce(std::uint64_t batch) {
        make_lines(batch, [&](std::string line) {
            {
                const std::lock_guard held(mutex_);
                lines_.push_back(std::move(line));
            }
            changed_.notify_one();
        });
        {
            const std::lock_guard held(mutex_);
            made_ = true;
        }
        changed_.notify_one();
    }
    void consume() {
        for (;;) {
            std::unique_lock held(mutex_);
            changed_.wait(held, [&] { return made_ || !lines_.empty(); });
            if (made_) return;
            const std::string line = std::move(lines_.front());
            lines_.pop_front();
            held.unlock();
            sent_ += checksum(line);
        }
    }

    std::uint64_t sent_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool made_ = false;
    std::deque<std::string> lines_;
};

/// The same with a queue in which the producer waits: bytes bind, and items where the bytes are lifted do not.
class bounded_lines final : public twin {
public:
    explicit bounded_lines(bounds bound)
        : lines_(bound == bounds::real
                     // The low marks let the producer go on as soon as a little has left.
                     ? plateau::queue_options{.max_items = 65'536,
                                              .max_bytes = 32_MiB,
                                              .low_water_items = 65'535,
                                              .low_water_bytes = 31_MiB}
                     : plateau::queue_options{.max_items = 4'194'304, .max_bytes = 64_GiB}) {}

    void round(crew& workers) override {
        for (std::uint64_t batch = 0; batch < batches; ++batch) {
            plateau::inplace_stop_source made;
            workers.run([&](unsigned thread) {
                if (thread == 0) produce(batch, made);
                else consume(made);
            });
            at_rest();
        }
    }
    std::size_t memory_ceiling() const override { return lines_.memory_ceiling(); }

private:
    void produce(std::uint64_t batch, plateau::inplace_stop_source& made) {
        make_lines(batch, [&](std::string line) {
            if (!lines_.push(std::move(line))) std::abort();  // it is neither closed nor too small
        });
        made.request_stop();
    }
    void consume(const plateau::inplace_stop_source& made) {
        while (!made.stop_requested())
            if (const auto line = lines_.pop(made.get_token())) sent_ += checksum(*line);
    }

    std::uint64_t sent_ = 0;
    plateau::bounded_queue<std::string> lines_;
};

const registered lines{{
    .name = "channel",
    .what = "A producer that is several times as fast as its consumer, lines of 40 B to 100 KB: a deque under a mutex "
            "against a queue of 32 MiB, in which the producer waits.",
    .threads = threads,
    .work_per_round = batches * lines_per_batch,
    .bound_can_be_lifted = true,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<unbounded_deque>(); },
    .plateau = [](bounds bound) -> std::unique_ptr<twin> { return std::make_unique<bounded_lines>(bound); },
}};

}
}
