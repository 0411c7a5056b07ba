// SPDX-License-Identifier: MIT
// What threads are answered by a shared pool is what one thread could have been answered: blocks lent up to the bound,
// scopes up to theirs, windows closed in order. Calls that give memory back to the system are not among them, since
// what is on its way counts until it has gone: pool_explore_test.cpp has those.
#include "arena/arena_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/history_check.hpp"
#include "tools/history_jitter.hpp"
#include "tools/history_run.hpp"
#include "tools/random.hpp"

#include <plateau/arena.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace plateau_test;

namespace {

constexpr std::size_t max_threads = 4;
constexpr std::size_t block = 4096;

enum class verb : unsigned char { take, give, maintain, park, unpark, stats };

struct call {
    verb what{};
    int number = 0;
};
std::string describe(const call& c) {
    static constexpr std::string_view names[] = {"take", "give", "maintain", "park", "unpark", "stats"};
    return std::string(names[static_cast<std::size_t>(c.what)]) + '(' + std::to_string(c.number) + ')';
}

/// Figures of eight bits each.
struct answer {
    std::uint64_t packed = 0;
    bool operator==(const answer&) const = default;
};
std::string describe(const answer& a) {
    std::string text;
    for (unsigned i = 0; i < 8; ++i) text += (i == 0 ? "" : ".") + std::to_string(a.packed >> (8 * i) & 255U);
    return text;
}
answer pack(std::array<std::uint64_t, 8> figures) {
    answer all;
    for (unsigned i = 0; i < 8; ++i) all.packed |= figures[i] << (8 * i);
    return all;
}

struct pool_model {
    std::uint64_t max_blocks = 0, max_scopes = 0;
    std::uint64_t in_use = 0, idle = 0, scopes = 0, parked = 0, needed = 0, window_peak = 0, peak = 0, fresh = 0;
    std::int64_t latest = 0, window = 0;
    bool started = false;
    std::array<std::uint64_t, max_threads> held{};
    std::array<bool, max_threads> is_parked{};

    bool operator==(const pool_model&) const = default;
    std::uint64_t hash() const {
        return in_use | idle << 8U | scopes << 16U | needed << 24U | peak << 32U | fresh << 40U | parked << 48U;
    }
    static unsigned steps(const call&) { return 1; }

    std::optional<answer> apply(const call& c, std::size_t thread, unsigned) {
        switch (c.what) {
        case verb::take:
            return take(thread);
        case verb::give:
            if (held[thread] == 0) return answer{};
            --in_use;
            ++idle;
            if (--held[thread] == 0) --scopes;
            return answer{1};
        case verb::maintain:
            maintain(c.number);
            return answer{};
        case verb::park:
            if (!is_parked[thread]) ++parked;
            is_parked[thread] = true;
            return answer{};
        case verb::unpark:
            if (is_parked[thread]) --parked;
            is_parked[thread] = false;
            return answer{};
        default:
            return pack({in_use, idle, scopes, parked, needed, peak, fresh, 0});
        }
    }

private:
    answer take(std::size_t thread) {
        const bool opens = held[thread] == 0;
        if ((opens && scopes == max_scopes) || (idle == 0 && in_use == max_blocks)) return answer{};
        if (idle > 0) --idle;
        else ++fresh;
        ++in_use;
        window_peak = std::max(window_peak, in_use);
        peak = std::max(peak, in_use);
        ++held[thread];
        scopes += opens ? 1 : 0;
        return answer{1};
    }
    void maintain(std::int64_t now) {
        if (!started) {
            started = true;
            latest = window = now;
            return;
        }
        latest = std::max(latest, now);
        const std::int64_t passed = latest - window;
        if (passed < 1) return;
        window = latest;
        close(window_peak);
        window_peak = in_use;
        for (std::int64_t missed = passed - 1; missed > 0 && needed > in_use; --missed) close(in_use);
    }
    void close(std::uint64_t most) { needed = std::max(most, needed / 4); }
};

template <class Sync>
struct linear_policies : plateau::arena_policies {
    using sync = Sync;
    static constexpr std::size_t superblock_blocks = 2;
};

struct setting {
    std::size_t max_blocks;
    std::size_t max_scopes;
};

template <class Sync>
class pool_trial {
    using run = plateau::detail::block_run;

public:
    using call = ::call;
    using answer = ::answer;
    using model = pool_model;

    explicit pool_trial(const setting& s)
        : setting_(s),
          pool_({.max_bytes = s.max_blocks * block,
                 .max_scopes = s.max_scopes,
                 .floor_bytes = plateau::unlimited,
                 .block_bytes = block,
                 .window = plateau::duration(1)}) {}
    ~pool_trial() {
        for (std::size_t thread = 0; thread < max_threads; ++thread) {
            while (perform(thread, {verb::give}).packed != 0) {}
            perform(thread, {verb::unpark});
        }
    }

    call draw(random_source& random, std::size_t) {
        static constexpr verb verbs[] = {verb::take,   verb::take,  verb::take,  verb::take,
                                         verb::give,   verb::give,  verb::give,  verb::park,
                                         verb::unpark, verb::stats, verb::stats, verb::maintain};
        return {verbs[random.below(std::size(verbs))], static_cast<int>(random.below(4))};
    }

    answer perform(std::size_t thread, const call& c) {
        auto& source = plateau::detail::pool_access::source_of(pool_);
        auto& mine = held_[thread];
        switch (c.what) {
        case verb::take: {
            const auto got = source.take(1, mine.empty());
            if (got.run == nullptr) return {};
            mine.push_back(got.run);
            return {1};
        }
        case verb::give: {
            if (mine.empty()) return {};
            run* const last = mine.back();
            mine.pop_back();
            last->next = nullptr;
            source.give_back(last, mine.empty());
            return {1};
        }
        case verb::maintain:
            pool_.maintain(plateau::time_point(plateau::duration(c.number)));
            return {};
        case verb::park:
            if (!parked_[thread]) source.park(scopes_[thread]);
            parked_[thread] = true;
            return {};
        case verb::unpark:
            if (parked_[thread]) source.unpark(scopes_[thread]);
            parked_[thread] = false;
            return {};
        default: {
            const plateau::arena_pool_stats s = pool_.stats();
            return pack({s.in_use_bytes / block, idle(s), s.scopes, s.parked_scopes, s.needed_bytes / block,
                         s.peak_in_use_bytes / block, s.fresh, 0});
        }
        }
    }

    model initial() const {
        model m;
        m.max_blocks = setting_.max_blocks;
        m.max_scopes = setting_.max_scopes;
        return m;
    }
    call last() const {
        pool_.check_invariants();
        return {verb::stats};
    }

private:
    static std::uint64_t idle(const plateau::arena_pool_stats& s) { return s.retained_bytes / block; }

    const setting setting_;
    plateau::basic_arena_pool<linear_policies<Sync>> pool_;
    std::array<std::vector<run*>, max_threads> held_;
    std::array<plateau::detail::parked_scope, max_threads> scopes_;
    std::array<bool, max_threads> parked_{};
};

}  // namespace

TEST_CASE("threads that share a pool are lent what one thread could have been lent", "[arena][linear]") {
    INFO(random_source::repeat());
    history_check pools{.room = "arena", .histories = 20'000, .shapes = {{2, 6}, {3, 4}, {4, 3}}};
    check_histories<pool_trial<jittered_sync>>(pools, "pool of three", setting{3, 65'536});
    check_histories<pool_trial<jittered_sync>>(pools, "pool of five, two scopes", setting{5, 2});
    pools.histories = 30'000;
    pools.delayed = false;  // few calls of a hundred nanoseconds meet
    check_histories<pool_trial<plateau::default_sync>>(pools, "pool as shipped", setting{4, 3});
}
