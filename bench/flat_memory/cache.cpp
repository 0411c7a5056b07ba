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
#include <utility>

namespace flat_memory {
namespace {

using namespace std::chrono_literals;
using namespace plateau::literals;

struct by_hand : plateau::cache_policies {
    using clock = plateau::manual_clock;
};

/// Mixed times to live, the same in every round.
plateau::duration good_for(random_numbers& random) {
    constexpr plateau::duration choices[] = {50ms, 5s, 60s};
    return choices[random.below(3)];
}

/// Nothing is called but what a timer would: a second of the hand clock a step.
template <class Cache>
bool wait_until_all_is_over(Cache& cache, plateau::manual_clock& clock) {
    for (int steps = 0; steps < 1'000 && cache.next_deadline(); ++steps) {
        clock.advance(1s);
        cache.purge_expired(20'000);
    }
    return true;
}

/// The wheel of a cache is made for its first deadline, and stays: it belongs to what an empty cache is.
template <class Cache>
std::unique_ptr<Cache> empty_cache(const plateau::cache_options& options, plateau::manual_clock& clock) {
    auto cache = std::make_unique<Cache>(options, clock);
    cache->put(typename Cache::key_type{}, typename Cache::mapped_type{}, {.time_to_live = 1s});
    wait_until_all_is_over(*cache, clock);
    return cache;
}

// ---- pages

constexpr std::uint64_t pages_per_round = 12'500;
constexpr auto between_requests = 200us;  // on the hand clock: a round is 2.5 s of a service's life
constexpr auto pause = 6s;                // and then nothing but the timer, so that every round has the same low

/// 40 bytes to 1 MB: most are small, a few are large. The mean is about 1,200 bytes.
std::size_t page_size(random_numbers& random) {
    if (random.below(1'000) == 0) return 100'000 + random.below(900'000);
    return value_size(random);
}

/// Makes one round of pages: f(key, value, how long it is good for). Every key is new.
template <class F>
void make_pages(std::uint64_t& next, F f) {
    random_numbers random(7);
    for (std::uint64_t i = 0; i < pages_per_round; ++i) {
        const std::string key = "/product?session=" + std::to_string(next++);
        const auto time_to_live = good_for(random);
        f(key, std::string(page_size(random), 'x'), time_to_live);
    }
}

/// The founding mistake: keyed by URL, checked for age when read, never evicted, never swept.
class unbounded_map final : public twin {
public:
    void round(crew&) override {
        make_pages(next_, [&](const std::string& key, std::string value, plateau::duration time_to_live) {
            now_ += between_requests;
            pages_.insert_or_assign(key, page{std::move(value), now_ + time_to_live});
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
        clock_.advance(pause);
        pages_->purge_expired();
    }
    std::size_t memory_ceiling() const override { return pages_->memory_ceiling(); }
    bool idle() override { return wait_until_all_is_over(*pages_, clock_); }

private:
    using cache = plateau::lru_cache<std::string, std::string, by_hand>;

    bounds bound_;
    std::uint64_t next_ = 0;
    std::uint64_t served_ = 0;
    plateau::manual_clock clock_;
    std::unique_ptr<cache> pages_ =
        empty_cache<cache>({.max_bytes = bound_ == bounds::real ? 32_MiB : 1024_GiB}, clock_);
};

const registered pages{{
    .name = "cache",
    .what =
        "Pages of 40 B to 1 MB under ever-new keys with mixed times to live: a map keyed by URL against a cache of 32 "
        "MiB, which ends empty when only its timer goes on.",
    .threads = 0,
    .work_per_round = pages_per_round,
    .bound_can_be_lifted = true,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<unbounded_map>(); },
    .plateau = [](bounds bound) -> std::unique_ptr<twin> { return std::make_unique<bounded_cache>(bound); },
}};

// ---- sessions

constexpr std::uint64_t sessions_per_round = 166'700;  // each a put and a get
constexpr auto between_sessions = 20us;                // on the hand clock

/// f(key, value, how long it is good for), every key new.
template <class F>
void make_sessions(std::uint64_t& next, F f) {
    random_numbers random(13);
    for (std::uint64_t i = 0; i < sessions_per_round; ++i) {
        const std::uint64_t key = next++;
        f(key, key * 3, good_for(random));
    }
}

class unbounded_sessions final : public twin {
public:
    void round(crew&) override {
        make_sessions(next_, [&](std::uint64_t key, std::uint64_t user, plateau::duration time_to_live) {
            now_ += between_sessions;
            sessions_[key] = {user, now_ + time_to_live};
            if (const auto found = sessions_.find(key - 1); found != sessions_.end() && found->second.deadline > now_)
                served_ += found->second.user;
        });
    }
    std::size_t memory_ceiling() const override { return plateau::unlimited; }

private:
    struct session {
        std::uint64_t user;
        plateau::duration deadline;
    };

    std::uint64_t next_ = 1;
    std::uint64_t served_ = 0;
    plateau::duration now_{0};
    std::unordered_map<std::uint64_t, session> sessions_;
};

class bounded_sessions final : public twin {
public:
    explicit bounded_sessions(bounds bound) : bound_(bound) {}

    void round(crew&) override {
        make_sessions(next_, [&](std::uint64_t key, std::uint64_t user, plateau::duration time_to_live) {
            clock_.advance(between_sessions);
            if (bound_ == bounds::unreachable) time_to_live = plateau::forever;
            sessions_->put(key, user, {.time_to_live = time_to_live});
            if (const auto found = sessions_->get(key - 1)) served_ += *found;
            at_rest();
        });
    }
    std::size_t memory_ceiling() const override { return sessions_->memory_ceiling(); }
    bool idle() override { return wait_until_all_is_over(*sessions_, clock_); }

private:
    using cache = plateau::lru_cache<std::uint64_t, std::uint64_t, by_hand>;

    bounds bound_;
    std::uint64_t next_ = 1;
    std::uint64_t served_ = 0;
    plateau::manual_clock clock_;
    std::unique_ptr<cache> sessions_ = empty_cache<cache>(
        {.max_entries = bound_ == bounds::real ? std::size_t{200'000} : std::size_t{1} << 31U}, clock_);
};

const registered sessions{{
    .name = "cache_of_numbers",
    .what = "Sessions under ever-new numbers with mixed times to live, two operations each: a map against a cache of "
            "200,000 entries, which ends empty when only its timer goes on.",
    .threads = 0,
    .work_per_round = 2 * sessions_per_round,
    .bound_can_be_lifted = true,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<unbounded_sessions>(); },
    .plateau = [](bounds bound) -> std::unique_ptr<twin> { return std::make_unique<bounded_sessions>(bound); },
}};

}
}
