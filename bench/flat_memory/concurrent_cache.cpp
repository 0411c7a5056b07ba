// SPDX-License-Identifier: MIT
#include "case.hpp"

#include <plateau/cache.hpp>
#include <plateau/clock.hpp>
#include <plateau/literals.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace flat_memory {
namespace {

using namespace std::chrono_literals;
using namespace plateau::literals;

constexpr unsigned threads = 2;
constexpr std::uint64_t batches = 25;  // between two batches every thread is at rest
constexpr std::uint64_t pages_per_batch = 500;
constexpr auto between_batches = 200ms;  // on the hand clock

/// One batch of one round on one thread: f(key, value). Keys are new and of this thread alone.
template <class F>
void make_pages(std::uint64_t round, std::uint64_t batch, unsigned thread, F f) {
    random_numbers random(batch * threads + thread);
    const std::uint64_t first = ((round * batches + batch) * threads + thread) * pages_per_batch;
    for (std::uint64_t i = 0; i < pages_per_batch / threads; ++i)
        f("/product?session=" + std::to_string(first + i), std::string(value_size(random), 'x'));
}

class unbounded_map final : public twin {
public:
    void round(crew& workers) override {
        for (std::uint64_t batch = 0; batch < batches; ++batch)
            workers.run([&](unsigned thread) {
                make_pages(round_, batch, thread, [&](const std::string& key, std::string value) {
                    const std::lock_guard held(mutex_);
                    pages_.insert_or_assign(key, std::move(value));
                });
            });
        ++round_;
    }
    std::size_t memory_ceiling() const override { return plateau::unlimited; }

private:
    std::uint64_t round_ = 0;
    std::mutex mutex_;
    std::unordered_map<std::string, std::string> pages_;
};

struct by_hand : plateau::concurrent_cache_policies {
    using clock = plateau::manual_clock;
};

class bounded_cache final : public twin {
public:
    explicit bounded_cache(bounds bound)
        : pages_(std::make_unique<cache>(
              plateau::cache_options{.max_bytes = bound == bounds::real ? 32_MiB : 1024_GiB,
                                     .time_to_live = bound == bounds::real ? 20s : plateau::forever},
              clock_)) {
        // Each shard makes its wheel for its first deadline, and keeps it: it belongs to what an empty cache is.
        for (int i = 0; i < 1'000; ++i) pages_->put(std::to_string(i), std::string(), {.time_to_live = 1s});
        wait_until_all_is_over();
    }

    void round(crew& workers) override {
        for (std::uint64_t batch = 0; batch < batches; ++batch) {
            workers.run([&](unsigned thread) {
                make_pages(round_, batch, thread,
                           [&](const std::string& key, std::string value) { pages_->put(key, std::move(value)); });
            });
            clock_.advance(between_batches);
            at_rest();
        }
        ++round_;
    }
    std::size_t memory_ceiling() const override { return pages_->memory_ceiling(); }
    bool idle() override {
        wait_until_all_is_over();
        return true;
    }

private:
    using cache = plateau::concurrent_cache<std::string, std::string, by_hand>;

    /// Nothing is called but what a timer would.
    void wait_until_all_is_over() {
        for (int steps = 0; steps < 1'000 && pages_->next_deadline(); ++steps) {
            clock_.advance(1s);
            pages_->purge_expired(20'000);
        }
    }

    std::uint64_t round_ = 0;
    plateau::manual_clock clock_;
    std::unique_ptr<cache> pages_;
};

const registered shared_pages{{
    .name = "concurrent_cache",
    .what = "The same from two threads at once: a map under a mutex against a shared cache of 32 MiB and 20 s, which "
            "ends empty.",
    .threads = threads,
    .work_per_round = batches * pages_per_batch,
    .bound_can_be_lifted = true,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<unbounded_map>(); },
    .plateau = [](bounds bound) -> std::unique_ptr<twin> { return std::make_unique<bounded_cache>(bound); },
}};

}
}
