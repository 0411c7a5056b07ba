// SPDX-License-Identifier: MIT
#include "case.hpp"

#include <plateau/cache.hpp>
#include <plateau/clock.hpp>
#include <plateau/literals.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

namespace flat_memory {
namespace {

using namespace std::chrono_literals;
using namespace plateau::literals;

constexpr std::uint64_t pages_per_round = 12'500;
constexpr auto between_requests = 1ms;  // on the hand clock: a round is 12.5 s of a service's life

/// Makes one round of pages: f(key, value, how long it is good for). Every key is new; a third each of the pages are
/// good for 50 ms, for 5 s, and until they are evicted.
template <class F>
void make_pages(std::uint64_t& next, F f) {
    random_numbers random(7);
    for (std::uint64_t i = 0; i < pages_per_round; ++i) {
        const std::string key = "/product?session=" + std::to_string(next++);
        constexpr plateau::duration good_for[] = {50ms, 5s, plateau::forever};
        const auto time_to_live = good_for[random.below(3)];
        f(key, std::string(value_size(random), 'x'), time_to_live);
    }
}

/// The founding mistake: keyed by URL, checked for age when read, never evicted, never swept.
class unbounded_map final : public twin {
public:
    void round(crew&) override {
        make_pages(next_, [&](const std::string& key, std::string value, plateau::duration time_to_live) {
            now_ += between_requests;
            const auto deadline = time_to_live == plateau::forever ? plateau::duration::max() : now_ + time_to_live;
            pages_.insert_or_assign(key, page{std::move(value), deadline});
            if (const auto found = pages_.find(key); found != pages_.end() && found->second.deadline > now_)
                served_ += found->second.html.size();
        });
    }
    std::size_t memory_ceiling() const override { return plateau::unlimited; }

private:
    struct page {
        std::string html;
        plateau::duration deadline;
    };

    std::uint64_t next_ = 0;
    std::uint64_t served_ = 0;
    plateau::duration now_{0};
    std::unordered_map<std::string, page> pages_;
};

struct by_hand : plateau::cache_policies {
    using clock = plateau::manual_clock;
};

class bounded_cache final : public twin {
public:
    explicit bounded_cache(bounds bound) : bound_(bound) {}

    void round(crew&) override {
        make_pages(next_, [&](const std::string& key, std::string value, plateau::duration time_to_live) {
            clock_.advance(between_requests);
            if (bound_ == bounds::unreachable) time_to_live = plateau::forever;
            pages_->put(key, std::move(value), {.time_to_live = time_to_live});
            pages_->visit(key, [&](const std::string& html) { served_ += html.size(); });
            value = {};
            at_rest();
        });
    }
    std::size_t memory_ceiling() const override { return pages_->memory_ceiling(); }

private:
    using cache = plateau::lru_cache<std::string, std::string, by_hand>;

    bounds bound_;
    std::uint64_t next_ = 0;
    std::uint64_t served_ = 0;
    plateau::manual_clock clock_;
    std::unique_ptr<cache> pages_ = std::make_unique<cache>(
        plateau::cache_options{.max_bytes = bound_ == bounds::real ? 32_MiB : 1024_GiB}, clock_);
};

const registered pages{{
    .name = "cache",
    .what =
        "Pages of 40 B to 100 KB under ever-new keys with mixed times to live: a map keyed by URL against a cache of "
        "32 MiB.",
    .threads = 0,
    .work_per_round = pages_per_round,
    .bound_can_be_lifted = true,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<unbounded_map>(); },
    .plateau = [](bounds bound) -> std::unique_ptr<twin> { return std::make_unique<bounded_cache>(bound); },
}};

}
}
