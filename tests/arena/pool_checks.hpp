// SPDX-License-Identifier: MIT
/// What a pool of the arena room promises, as functions over its policies.
#pragma once

#include "arena/arena_test_types.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/death.hpp"

#include <plateau/arena.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace plateau_test {

using namespace plateau::literals;

template <class Policies>
using pool_of = plateau::basic_arena_pool<Policies>;

/// A request of `bytes`, all touched, in objects of 1 KiB; then its end.
template <class Pool>
void one_request(Pool& pool, std::size_t bytes) {
    plateau::request_arena arena(pool, {.max_bytes = 1_GiB});
    for (std::size_t i = 0; i < bytes; i += 1_KiB) *static_cast<char*>(arena.allocate_bytes(1_KiB)) = 1;
}

/// One request of 500 MB, and then ten thousand of 10 KB: kept is what these need, within five windows, and at idle.
template <class Policies>
void a_spike_is_forgotten(shared_check& check) {
    pool_of<Policies> pool{{.max_bytes = 1_GiB, .floor_bytes = 1_MiB}};
    const auto within = [&] {
        const plateau::arena_pool_stats now = pool.stats();
        const auto wanted = static_cast<std::uint64_t>(1.25 * static_cast<double>(now.needed_bytes));
        return now.in_use_bytes + now.retained_bytes <= std::max<std::uint64_t>(1_MiB, wanted);
    };
    pool.maintain(at_second(0));
    one_request(pool, 500'000'000);
    check.expect(pool.stats().retained_bytes >= 500'000'000, "blocks are kept while requests run");
    for (int second = 1; second <= 6; ++second) {
        pool.maintain(at_second(second));
        check.expect(within(), "what is kept follows the need");
        for (int i = 0; i < 2'000; ++i) one_request(pool, 10'000);
        pool.check_invariants();
    }
    check.expect(pool.stats().retained_bytes <= 1_MiB, "five light windows after the spike, the floor is kept");
    check.expect(pool.stats().needed_bytes <= 1_MiB, "five light windows after the spike, little is needed");
    pool.maintain(at_second(100));
    check.expect(pool.stats().retained_bytes <= 1_MiB, "at idle, the floor is kept");
    check.equal(pool.stats().in_use_bytes, 0U, "bytes in use at idle");
}

/// A window's need stays for the next ones with a quarter off each; then it is worth keeping blocks for.
template <class Policies>
void a_busy_window_is_remembered(shared_check& check) {
    pool_of<Policies> pool{{.floor_bytes = 64_KiB, .headroom = 1}};
    pool.maintain(at_second(0));
    one_request(pool, 6'000'000);
    const std::uint64_t peak = pool.stats().peak_in_use_bytes;
    pool.maintain(at_second(1));
    check.equal(pool.stats().needed_bytes, peak, "what was needed in the window that ended");
    check.equal(pool.stats().retained_bytes, peak, "what is kept of it");
    one_request(pool, 1'000'000);
    pool.maintain(at_second(2));
    const std::uint64_t less = pool.stats().needed_bytes;
    check.expect(less < peak && less >= peak / 4 * 3 - 64_KiB, "a busy window takes a quarter off the need");
    check.equal(pool.stats().retained_bytes, less, "what is kept after a window with less");
    pool.maintain(at_second(3));  // nothing was in use
    check.expect(pool.stats().needed_bytes <= less / 4, "a window at idle takes three quarters off the need");
}

/// Everything that arenas hold and that is kept, together, never exceeds the bound, as the upstream sees it.
template <class Policies>
void the_bound_is_hard(shared_check& check) {
    counted_upstream upstream;
    {
        pool_of<Policies> pool({.max_bytes = 1_MiB, .block_bytes = 16_KiB}, upstream);
        std::vector<std::unique_ptr<plateau::request_arena>> arenas;
        bool refused = false;
        for (int i = 0; i < 200; ++i) {
            auto& arena = arenas.emplace_back(std::make_unique<plateau::request_arena>(pool));
            const auto got = arena->try_allocate(static_cast<std::size_t>(1 + i % 5) * 10'000);
            if (!got) {
                check.expect(got.reason() == plateau::arena_reason::pool_limit, "the reason is the pool's limit");
                refused = true;
                arenas.erase(arenas.begin(), arenas.begin() + static_cast<std::ptrdiff_t>(arenas.size() / 2));
            }
            check.expect(upstream.live_bytes <= 1_MiB, "the upstream never gave more than the bound");
            pool.check_invariants();
        }
        check.expect(refused, "the bound was reached");
        check.expect(pool.memory_ceiling() >= upstream.peak_bytes, "the ceiling covers what was taken");
        arenas.clear();
        pool.trim();
        check.equal(upstream.live_bytes, 0U, "bytes left upstream after trim");
    }
    check.equal(upstream.live_bytes, 0U, "bytes left upstream after the pool");
}

/// Blocks of every kind are charged, and refunded when they are given back, not before.
template <class Policies>
void the_budget_is_charged(shared_check& check) {
    counted_budget budget{.max_bytes = 2_MiB};
    {
        pool_of<Policies> pool({.block_bytes = 64_KiB}, budget);
        {
            plateau::request_arena small(pool);
            plateau::request_arena large(pool);
            fill(small.allocate_bytes(100), 100);
            check.equal(budget.bytes, 64_KiB, "charged for one block");
            fill(large.allocate_bytes(1_MiB), 1_MiB);
            check.equal(budget.bytes, 64_KiB + 17 * 64_KiB, "charged for the large object's blocks, too");
            const auto more = small.try_allocate(1_MiB);
            check.expect(!more && more.reason() == plateau::arena_reason::pool_limit, "the budget refuses");
            check.equal(budget.bytes, 18 * 64_KiB, "charged after a refusal");
        }
        check.equal(budget.bytes, pool.stats().retained_bytes, "charged at rest");
        pool.trim();
        check.equal(budget.bytes, 0U, "charged after everything was given back");
        one_request(pool, 100'000);
        check.expect(budget.bytes > 0, "what is kept stays charged");
    }
    check.equal(budget.bytes, 0U, "charged after the pool's end");
}

/// The number of arenas with memory is bounded, and an arena counts once, until it has given back all of it.
template <class Policies>
void scopes_are_counted(shared_check& check) {
    pool_of<Policies> pool{{.max_scopes = 2}};
    const auto can_begin = [&] {
        plateau::request_arena arena(pool);
        return static_cast<bool>(arena.try_allocate(1));
    };
    plateau::request_arena first(pool), idle(pool);
    {
        plateau::request_arena second(pool);
        check.expect(can_begin(), "arenas that hold nothing do not count");
        for (int i = 0; i < 100; ++i) fill(first.allocate_bytes(10'000), 10'000);
        fill(second.allocate_bytes(100'000), 100'000);
        check.equal(pool.stats().scopes, 2U, "scopes that hold memory");
        check.expect(!can_begin(), "a third one is refused");
        check.equal(pool.stats().refused, 1U, "refusals");
        fill(second.allocate_bytes(100'000), 100'000);
    }
    check.expect(can_begin(), "one has ended");
    first.reset();
    check.equal(pool.stats().scopes, 0U, "scopes after the reset of the last");
    fill(first.allocate_bytes(1), 1);
    check.equal(pool.stats().scopes, 1U, "scopes after its next allocation");
}

/// What idle blocks hold goes back when others need it: a bound that is all kept refuses nobody.
template <class Policies>
void idle_blocks_make_room(shared_check& check) {
    pool_of<Policies> pool{{.max_bytes = 2_MiB}};
    one_request(pool, 1'800'000);
    check.expect(pool.stats().retained_bytes > 1_MiB, "most of the bound is kept");
    plateau::request_arena arena(pool);
    const auto large = arena.try_allocate(1'500'000);  // a mapping of its own, or blocks in a row
    check.expect(static_cast<bool>(large), "idle blocks made room");
    pool.check_invariants();
    const plateau::arena_pool_stats now = pool.stats();
    check.expect(now.in_use_bytes + now.retained_bytes <= 2_MiB, "the bound holds");
}

/// Requests that have ended and are still held are told, the oldest with its age, until nobody holds them.
template <class Policies>
void parked_scopes_are_told(shared_check& check) {
    pool_of<Policies> pool;
    plateau::detail::block_source& source = plateau::detail::pool_access::source_of(pool);
    plateau::detail::parked_scope early, first, second, third;
    source.park(early);  // before anybody told the time
    pool.maintain(at_second(100));
    source.park(first);
    pool.maintain(at_second(103));
    source.park(second);
    source.park(third);
    pool.maintain(at_second(110));
    check.equal(pool.stats().parked_scopes, 4U, "parked scopes");
    check.equal(pool.stats().oldest_parked, 10.0, "the age of the oldest");
    source.unpark(early);
    source.unpark(second);
    pool.check_invariants();
    check.equal(pool.stats().oldest_parked, 10.0, "the age of the oldest that is left");
    source.unpark(first);
    check.equal(pool.stats().oldest_parked, 7.0, "the age of the next");
    source.unpark(third);
    pool.check_invariants();
    check.equal(pool.stats().parked_scopes, 0U, "parked scopes in the end");
}

}  // namespace plateau_test
