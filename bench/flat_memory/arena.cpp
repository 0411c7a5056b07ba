// SPDX-License-Identifier: MIT
#include "case.hpp"

#include <plateau/arena.hpp>
#include <plateau/clock.hpp>
#include <plateau/literals.hpp>
#include <plateau/support/subscription.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace flat_memory {
namespace {

using namespace std::chrono_literals;
using namespace plateau::literals;

constexpr unsigned threads = 2;
constexpr std::size_t open_requests = 4;  // a thread has, at the same time
constexpr std::array<std::size_t, 8> request_bytes{10'000, 640'000, 40'000,    3'000'000,
                                                   20'000, 160'000, 1'280'000, 80'000};
constexpr std::size_t lines_per_section = 16;

/// A request's tree: sections of lines, `size` bytes of text in all.
template <class Tree>
void grow(Tree& tree, std::size_t size) {
    random_numbers random(size);
    for (std::size_t left = size; left > 0;) {
        auto& section = tree.emplace_back();
        for (std::size_t i = 0; i < lines_per_section && left > 0; ++i) {
            const std::size_t length = std::min(left, value_size(random));
            section.emplace_back(length, 'x');
            left -= length;
        }
    }
}

/// The founding mistake: each request's listener on a process-wide event holds the request's tree, and nobody ends it.
class forgotten_listeners final : public twin {
public:
    void round(crew& workers) override {
        workers.run([&](unsigned) {
            for (const std::size_t size : request_bytes) serve(size);
            const std::lock_guard held(mutex_);
            for (const auto& listener : on_reload_) listener();
        });
    }
    std::size_t memory_ceiling() const override { return plateau::unlimited; }

private:
    using tree = std::vector<std::vector<std::string>>;

    void serve(std::size_t size) {
        const auto built = std::make_shared<tree>();
        grow(*built, size);
        const std::lock_guard held(mutex_);
        on_reload_.emplace_back([this, built] { sections_ += built->size(); });
    }

    std::uint64_t sections_ = 0;
    std::mutex mutex_;
    std::vector<std::function<void()>> on_reload_;
};

/// The same in scopes. The bound of a request is its end: lifted, a token keeps each of them for ever.
class scoped_requests final : public twin {
public:
    explicit scoped_requests(bounds bound)
        : bound_(bound), pool_(plateau::arena_pool_options{.max_bytes = bound == bounds::real ? 12_MiB : 64_GiB}) {}

    /// The threads go in step, so that every round needs the same: first each ends its oldest request, then each begins
    /// a new one in its place.
    void round(crew& workers) override {
        for (std::size_t i = 0; i < request_bytes.size(); ++i) {
            workers.run([&](unsigned thread) { open_[thread][i % open_requests].reset(); });
            workers.run([&](unsigned thread) { serve(thread, open_[thread][i % open_requests], request_bytes[i]); });
        }
        on_reload_.emit();
        now_ += 1s;
        pool_.maintain(now_);
        at_rest();
    }
    std::size_t memory_ceiling() const override { return pool_.memory_ceiling() + on_reload_.memory_ceiling(); }

private:
    using tree = plateau::arena_vector<plateau::arena_vector<plateau::arena_string>>;
    using place = std::optional<plateau::request_scope>;

    /// A request that is refused memory ends at once.
    void serve(unsigned thread, place& at, std::size_t size) {
        try {
            plateau::request_scope& request = at.emplace(pool_, plateau::scope_options{.max_bytes = 4_MiB});
            auto& built = request.attach<tree>(request.arena());
            grow(built, size);
            const auto why = on_reload_.subscribe(request, [this, &built] { sections_ += built.size(); });
            if (why != plateau::subscribe_reason::none) ++unheard_;
            if (bound_ == bounds::unreachable) kept_[thread].push_back(request.keep_alive());
        } catch (const plateau::limit_exceeded&) {
            at.reset();
        }
    }

    bounds bound_;
    plateau::time_point now_{};
    std::atomic<std::uint64_t> sections_{0};
    std::atomic<std::uint64_t> unheard_{0};
    plateau::arena_pool pool_;
    plateau::event<> on_reload_;
    std::array<std::array<place, open_requests>, threads> open_;
    std::array<std::vector<plateau::scope_token>, threads> kept_;
};

const registered requests{{
    .name = "arena",
    .what = "Requests of 10 KB to 3 MB from two threads, each a tree and a listener on a process-wide event: listeners "
            "that nobody ends against scopes of a pool of 12 MiB. Its blocks come from the system: of them only the "
            "resident figures tell.",
    .threads = threads,
    .work_per_round = threads * request_bytes.size(),
    .bound_can_be_lifted = true,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<forgotten_listeners>(); },
    .plateau = [](bounds bound) -> std::unique_ptr<twin> { return std::make_unique<scoped_requests>(bound); },
}};

}
}
