// SPDX-License-Identifier: MIT
/// A few threads on one pool, in every interleaving: what each is lent is its own, and the bound holds at each moment.
#pragma once

#include "arena/arena_test_types.hpp"
#include "tools/explorer/explore.hpp"

#include <plateau/arena.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace plateau_test {

struct explored_pool : plateau::arena_policies {
    using sync = explored_sync;
    static constexpr std::size_t superblock_blocks = 2;
};

/// A thread's part, a letter a step: t take a block, T two in a row, L three (a mapping of its own where a superblock
/// has two), g give the newest back, e let the newest grow, m trim, k trim to one block, w a window ends, s look.
template <class Policies>
class pool_stage {
public:
    static constexpr std::size_t block = 4096;

    pool_stage(scene& s, std::size_t max_blocks, bool from_upstream) : scene_(s), max_blocks_(max_blocks) {
        const plateau::arena_pool_options bounds{
            .max_bytes = max_blocks * block, .floor_bytes = 0, .block_bytes = block, .window = plateau::duration(1)};
        if (from_upstream) pool_.emplace(bounds, upstream_);
        else pool_.emplace(bounds);
        pool_->maintain(plateau::time_point{});
    }

    void play(std::string_view steps, unsigned char name) {
        std::vector<plateau::detail::block_run*> mine;
        bool open = false;
        for (const char step : steps) take_step(step, name, mine, open);
        while (!mine.empty()) give(mine, name, open);
    }

    /// After all threads have ended.
    void check_at_rest() {
        pool_->check_invariants();
        scene_.check(pool_->stats().in_use_bytes == 0, "nothing is in use at rest");
        scene_.check(pool_->stats().scopes == 0, "no scope is left at rest");
        pool_->trim();
        scene_.check(pool_->stats().retained_bytes == 0, "nothing is kept after a trim at rest");
        pool_.reset();
        scene_.check(upstream_.live_bytes == 0, "the upstream has everything back");
    }

private:
    using run = plateau::detail::block_run;

    plateau::detail::block_source& source() { return plateau::detail::pool_access::source_of(*pool_); }

    void take_step(char step, unsigned char name, std::vector<run*>& mine, bool& open) {
        switch (step) {
        case 't':
            take(1, name, mine, open);
            break;
        case 'T':
            take(2, name, mine, open);
            break;
        case 'L':
            take(3, name, mine, open);
            break;
        case 'g':
            if (!mine.empty()) give(mine, name, open);
            break;
        case 'e':
            if (!mine.empty() && source().extend(*mine.back(), 1)) own(*mine.back(), name);
            break;
        case 'm':
            pool_->trim();
            break;
        case 'k':
            pool_->trim(block);
            break;
        case 'w':
            pool_->maintain(plateau::time_point(plateau::duration(++now_)));
            break;
        default:
            break;
        }
        look();
    }

    void take(std::size_t blocks, unsigned char name, std::vector<run*>& mine, bool& open) {
        const auto got = source().take(blocks, !open);
        if (got.run == nullptr) {
            explore_check(got.reason == plateau::arena_reason::pool_limit, "a pool refuses at its limit");
            return;
        }
        open = true;
        held_ += blocks;
        explore_check(held_ <= max_blocks_, "no more blocks are lent than the bound allows");
        own(*got.run, name);
        mine.push_back(got.run);
    }
    /// Writes into the last byte of each block.
    void own(run& all, unsigned char name) {
        for (std::size_t i = 1; i <= all.blocks; ++i) last_byte(all, i) = name;
    }
    static unsigned char& last_byte(run& all, std::size_t i) {
        return reinterpret_cast<unsigned char*>(&all)[i * block - 1];
    }
    void give(std::vector<run*>& mine, unsigned char name, bool& open) {
        run& newest = *mine.back();
        for (std::size_t i = 1; i <= newest.blocks; ++i)
            explore_check(last_byte(newest, i) == name, "a block that is lent is nobody else's, and is not discarded");
        mine.pop_back();
        open = !mine.empty();
        newest.next = nullptr;
        held_ -= newest.blocks < held_ ? newest.blocks : held_;
        source().give_back(&newest, !open);
        look();
    }
    void look() {
        const plateau::arena_pool_stats now = pool_->stats();
        explore_check(now.in_use_bytes + now.retained_bytes <= max_blocks_ * block, "the bound holds at each moment");
        explore_check(upstream_.live_bytes <= max_blocks_ * block, "the upstream gave no more than the bound");
    }

    scene& scene_;
    const std::size_t max_blocks_;
    counted_upstream upstream_;
    std::optional<plateau::basic_arena_pool<Policies>> pool_;
    std::size_t held_ = 0;
    std::int64_t now_ = 0;
};

template <class Policies>
void play_on_a_pool(scene& s, std::size_t max_blocks, bool from_upstream, const std::vector<std::string_view>& parts) {
    static constexpr const char* names[] = {"first", "second", "third"};
    pool_stage<Policies> stage(s, max_blocks, from_upstream);
    for (std::size_t i = 0; i < parts.size(); ++i)
        s.thread(names[i], [&stage, part = parts[i], i] { stage.play(part, static_cast<unsigned char>(i + 1)); });
    s.run();
    stage.check_at_rest();
}

/// Two requests park and leave in any order beside one who looks.
template <class Policies>
void scopes_park_and_leave(scene& s) {
    plateau::basic_arena_pool<Policies> pool{{.block_bytes = 4096}};
    auto& source = plateau::detail::pool_access::source_of(pool);
    plateau::detail::parked_scope scopes[3];
    const auto park = [&](std::size_t first, std::size_t second) {
        source.park(scopes[first]);
        source.park(scopes[second]);
        source.unpark(scopes[first]);
        explore_check(pool.stats().parked_scopes >= 1, "who parks is told");
        source.unpark(scopes[second]);
    };
    s.thread("two", [&] { park(0, 1); });
    s.thread("one", [&] {
        source.park(scopes[2]);
        pool.maintain(plateau::time_point(std::chrono::seconds(1)));
        source.unpark(scopes[2]);
    });
    s.run();
    s.check(pool.stats().parked_scopes == 0, "nobody is parked at rest");
    pool.check_invariants();
}

}  // namespace plateau_test
