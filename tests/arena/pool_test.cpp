// SPDX-License-Identifier: MIT
#include "arena/pool_checks.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"

#include <plateau/arena.hpp>
#include <plateau/watch.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory_resource>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <type_traits>
#include <vector>

using namespace plateau_test;
using namespace plateau::literals;
using namespace std::chrono_literals;

namespace detail = plateau::detail;

TEST_CASE("after one request of 500 MB, ten thousand of 10 KB keep what they need", "[arena][unit]") {
    passes(a_spike_is_forgotten<plateau::arena_policies>);
}
TEST_CASE("what a busy window needed is kept for the next, a quarter less for each that needs less", "[arena][unit]") {
    passes(a_busy_window_is_remembered<plateau::arena_policies>);
    passes(a_busy_window_is_remembered<small_superblocks>);
}
TEST_CASE("blocks in use and kept never exceed the bound, as the upstream resource sees it", "[arena][unit]") {
    passes(the_bound_is_hard<plateau::arena_policies>);
    passes(the_bound_is_hard<small_superblocks>);
}
TEST_CASE("a budget is charged for every block that is held, and refunded when it goes", "[arena][unit]") {
    passes(the_budget_is_charged<plateau::arena_policies>);
    passes(the_budget_is_charged<small_superblocks>);
}
TEST_CASE("arenas that hold memory are counted, and bounded", "[arena][unit]") {
    passes(scopes_are_counted<plateau::arena_policies>);
}
TEST_CASE("idle blocks give way to a request that needs room", "[arena][unit]") {
    passes(idle_blocks_make_room<plateau::arena_policies>);
    passes(idle_blocks_make_room<small_superblocks>);
}
TEST_CASE("requests that ended and are still held are told with the age of the oldest", "[arena][unit]") {
    passes(parked_scopes_are_told<plateau::arena_policies>);
}

TEST_CASE("options of a pool that make no sense are refused at construction", "[arena][unit]") {
    const auto refused = [](const plateau::arena_pool_options& bounds) {
        try {
            const plateau::arena_pool pool{bounds};
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    CHECK(refused({.max_bytes = 0}));
    CHECK(refused({.max_scopes = 0}));
    CHECK(refused({.block_bytes = 0}));
    CHECK(refused({.block_bytes = 4095}));
    CHECK(refused({.block_bytes = 64_KiB + 1}));
    CHECK(refused({.block_bytes = 32_MiB}));
    CHECK(refused({.headroom = 0.99}));
    CHECK(refused({.headroom = std::numeric_limits<double>::infinity()}));
    CHECK(refused({.headroom = std::numeric_limits<double>::quiet_NaN()}));
    CHECK(refused({.window = 0s}));
    CHECK(refused({.window = -1s}));
    CHECK_FALSE(refused({.floor_bytes = plateau::unlimited}));
    CHECK_FALSE(refused({}));
    plateau::arena_pool pool;
    CHECK_THROWS_AS(plateau::request_arena(pool, {.max_bytes = 0}), std::invalid_argument);
}

TEST_CASE("a floor of 0, of 1 byte and below a block keeps nothing, and overruns nothing", "[arena][unit]") {
    for (const std::size_t floor : {std::size_t{0}, std::size_t{1}, std::size_t{31}, 64_KiB - 1}) {
        plateau::arena_pool pool{{.floor_bytes = floor}};
        pool.maintain(at_second(0));
        for (int second = 1; second <= 8; ++second) {
            one_request(pool, 300'000);
            pool.check_invariants();
        }
        for (int second = 1; second <= 20; ++second) pool.maintain(at_second(second));
        INFO("floor " << floor);
        CHECK(pool.stats().retained_bytes == 0);
        one_request(pool, 1);
        CHECK(pool.stats().retained_bytes == 64_KiB);
    }
}

TEST_CASE("a bound below one block is one block", "[arena][unit]") {
    plateau::arena_pool pool{{.max_bytes = 1}};
    plateau::request_arena arena(pool);
    CHECK(arena.try_allocate(1'000));
    CHECK(arena.try_allocate(64_KiB).reason() == plateau::arena_reason::pool_limit);
    CHECK(pool.memory_ceiling() >= 64_KiB);
}

TEST_CASE("a pool without a bound says so, one with a bound says what it may take", "[arena][unit]") {
    const plateau::arena_pool open;
    CHECK(open.memory_ceiling() == plateau::unlimited);
    const plateau::arena_pool bounded{{.max_bytes = 256_MiB}};
    CHECK(bounded.memory_ceiling() >= 256_MiB);
    CHECK(bounded.memory_ceiling() <= 257_MiB);
}

TEST_CASE("the ceiling covers all that a full pool takes, its own table included", "[arena][unit]") {
    counted_upstream upstream;
    const new_scope all;
    using small = plateau::basic_arena_pool<small_superblocks>;
    small pool({.max_bytes = 4_MiB, .block_bytes = 4_KiB}, upstream);
    plateau::request_arena arena(pool);
    while (arena.try_allocate(3'000)) {}
    const auto live = all.delta().live_bytes;
    CHECK(live > static_cast<std::int64_t>(4_MiB - 64_KiB));
    CHECK(static_cast<std::size_t>(live) + sizeof(pool) <= pool.memory_ceiling());
}

TEST_CASE("what maintain and trim give back is resident no more", "[arena][unit]") {
    plateau::arena_pool pool{{.floor_bytes = 0}};
    std::vector<void*> blocks;
    {
        plateau::request_arena arena(pool);
        for (int i = 0; i < 40; ++i) blocks.push_back(fill(arena.allocate_bytes(40'000), 40'000));
    }
    const auto resident = [&] {
        std::size_t sum = 0;
        for (void* const block : blocks) sum += resident_bytes(block, 32_KiB);
        return sum;
    };
    CHECK(resident() >= 40 * 32_KiB);
    pool.trim(20 * 64_KiB);
    CHECK(pool.stats().retained_bytes == 20 * 64_KiB);
    CHECK(resident() <= 21 * 36_KiB);
    CHECK(resident() >= 19 * 32_KiB);
    CHECK(pool.trim() == 20 * 64_KiB);
    CHECK(resident() == 0);
    CHECK(pool.trim() == 0);
    CHECK(pool.stats().returned == 40);
    pool.check_invariants();
}

TEST_CASE("blocks that hold memory are taken before those that do not", "[arena][unit]") {
    plateau::arena_pool pool;
    for (int i = 0; i < 100; ++i) one_request(pool, 200'000);
    const plateau::arena_pool_stats now = pool.stats();
    CHECK(now.fresh == 4);
    CHECK(now.recycled == 396);
    CHECK(now.returned == 0);
    CHECK(now.retained_bytes == 4 * 64_KiB);
}

TEST_CASE("a large object's own mapping goes back with it", "[arena][unit]") {
    plateau::arena_pool pool;
    void* large = nullptr;
    {
        plateau::request_arena arena(pool);
        large = fill(arena.allocate_bytes(20_MiB), 20_MiB);
        CHECK(resident_bytes(large, 20_MiB) == 20_MiB);
        CHECK(pool.stats().in_use_bytes == 20_MiB + 64_KiB);
    }
    CHECK(resident_bytes(large, 20_MiB) == 0);
    CHECK(pool.stats().retained_bytes == 0);
    CHECK(pool.stats().returned == 20 * 16 + 1);
}

TEST_CASE("time that stands still or goes back closes no window", "[arena][unit]") {
    plateau::arena_pool pool{{.floor_bytes = 0}};
    pool.maintain(at_second(1'000));
    one_request(pool, 1'000'000);
    const auto kept = pool.stats().retained_bytes;
    for (const std::int64_t second : {1'000, 999, 0, -1'000}) pool.maintain(at_second(second));
    CHECK(pool.stats().retained_bytes == kept);
    CHECK(pool.stats().needed_bytes == 0);
    pool.maintain(plateau::time_point::max());
    pool.maintain(plateau::time_point::min());
    CHECK(pool.stats().retained_bytes == 0);
    pool.check_invariants();
}

TEST_CASE("windows that nobody closed count as many as they were", "[arena][unit]") {
    plateau::arena_pool often{{.floor_bytes = 0}};
    plateau::arena_pool once{{.floor_bytes = 0}};
    for (plateau::arena_pool* pool : {&often, &once}) {
        pool->maintain(at_second(0));
        one_request(*pool, 10'000'000);
    }
    for (int second = 1; second <= 4; ++second) often.maintain(at_second(second));
    once.maintain(at_second(4));
    CHECK(often.stats().needed_bytes == once.stats().needed_bytes);
    CHECK(often.stats().retained_bytes == once.stats().retained_bytes);
}

TEST_CASE("an upstream resource that has no memory is a refusal", "[arena][unit]") {
    plateau::arena_pool pool({}, *std::pmr::null_memory_resource());
    plateau::request_arena arena(pool);
    CHECK(arena.try_allocate(1).reason() == plateau::arena_reason::no_memory);
    CHECK(arena.try_allocate(10_MiB).reason() == plateau::arena_reason::no_memory);
    CHECK(pool.stats().in_use_bytes + pool.stats().retained_bytes + pool.stats().scopes == 0);
    CHECK(pool.stats().refused == 2);
    pool.check_invariants();
}

TEST_CASE("a system that has no memory is a refusal, and nothing has changed", "[arena][unit]") {
    if (under_asan) return;  // its shadow needs all addresses
    const death end = dies([] {
        const rlimit little{64_MiB, 64_MiB};
        setrlimit(RLIMIT_AS, &little);
        plateau::arena_pool pool;
        plateau::request_arena arena(pool, {.max_bytes = 1_GiB});
        const auto large = arena.try_allocate(512_MiB);
        while (arena.try_allocate(60'000)) {}
        const auto small = arena.try_allocate(60'000);
        pool.check_invariants();
        arena.check_invariants();
        const bool as_promised = !large && large.reason() == plateau::arena_reason::no_memory &&
                                 small.reason() == plateau::arena_reason::no_memory && pool.stats().in_use_bytes > 0;
        if (!as_promised) std::abort();
    });
    CHECK(end.survived());
}

TEST_CASE("an upstream gets every superblock back whole, when no block of it is in use", "[arena][unit]") {
    counted_upstream upstream;
    plateau::basic_arena_pool<small_superblocks> pool({.block_bytes = 16_KiB}, upstream);
    std::optional<plateau::request_arena> one, two;
    one.emplace(pool);
    two.emplace(pool);
    fill(one->allocate_bytes(10'000), 10'000);
    for (int i = 0; i < 6; ++i) fill(two->allocate_bytes(10'000), 10'000);
    CHECK(upstream.live_bytes == 2 * 4 * 16_KiB);
    CHECK(pool.stats().retained_bytes == 16_KiB);
    two.reset();
    CHECK(pool.trim() == 4 * 16_KiB);  // the first superblock has a block in use
    CHECK(upstream.live_bytes == 4 * 16_KiB);
    one.reset();
    CHECK(pool.trim() == 4 * 16_KiB);
    CHECK(upstream.live_mappings == 0);
    pool.check_invariants();
}

TEST_CASE("an account of a ledger is a budget for a pool", "[arena][unit]") {
    plateau::ledger books{{.max_accounts = 4}};
    plateau::account requests = books.open("requests", {.max_bytes = 1_MiB});
    {
        plateau::arena_pool pool({}, requests);
        plateau::request_arena arena(pool);
        CHECK(arena.try_allocate(500'000));
        CHECK(requests.bytes() == pool.stats().in_use_bytes);
        CHECK(arena.try_allocate(600'000).reason() == plateau::arena_reason::pool_limit);
    }
    CHECK(requests.bytes() == 0);
}

TEST_CASE("ten thousand requests end, and the pool's table has grown no further", "[arena][unit]") {
    plateau::arena_pool pool;
    one_request(pool, 3'000'000);
    const new_scope scope;
    for (int i = 0; i < 1'000; ++i) one_request(pool, static_cast<std::size_t>(i) * 3'000);
    const new_counts left = scope.delta();
    CHECK(left.calls == 0);
}

TEST_CASE("a pool that ends before its arenas ends the process with a sentence", "[arena][unit]") {
    const death held = dies([] {
        std::optional<plateau::arena_pool> pool;
        pool.emplace();
        plateau::request_arena arena(*pool);
        fill(arena.allocate_bytes(1), 1);
        pool.reset();
    });
    CHECK(held.says("an arena_pool ends while arenas hold its memory"));
    const death parked = dies([] {
        plateau::detail::parked_scope scope;
        plateau::arena_pool pool;
        plateau::detail::pool_access::source_of(pool).park(scope);
    });
    CHECK(parked.says("an arena_pool ends while requests are parked in it"));
}

TEST_CASE("a pool and an arena neither copy nor move", "[arena][unit]") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<plateau::arena_pool>);
    STATIC_REQUIRE_FALSE(std::is_move_constructible_v<plateau::arena_pool>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<plateau::request_arena>);
    STATIC_REQUIRE_FALSE(std::is_move_constructible_v<plateau::request_arena>);
}

TEST_CASE("the figures of a pool and of an arena describe themselves", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool, {.max_bytes = 1_MiB});
    fill(arena.allocate_bytes(100), 100);
    std::set<std::string> names;
    pool.stats().visit_fields([&](const plateau::field_info& field, auto) { names.insert(std::string(field.name)); });
    CHECK(names.size() == 11);
    CHECK(names.contains("in_use"));
    CHECK(names.contains("oldest_parked"));
    STATIC_REQUIRE(plateau::described<plateau::arena_pool_stats>);
    STATIC_REQUIRE(plateau::described<plateau::arena_stats>);
    CHECK(arena.stats().held_bytes == 64_KiB);
    CHECK(arena.stats().max_bytes == 1_MiB);
    CHECK(arena.stats().free_bytes >= 64_KiB - 200);
    std::string text;
    plateau::write_prometheus(text, plateau::named("arenas", pool));
    CHECK(text.find("plateau_arena_pool_in_use_bytes") != text.npos);
}

namespace {
struct silent : plateau::arena_policies {
    using stats = plateau::bare;
};
}  // namespace

TEST_CASE("without counting, the gauges stay", "[arena][unit]") {
    plateau::basic_arena_pool<silent> pool;
    one_request(pool, 100'000);
    CHECK(pool.stats().fresh == 0);
    CHECK(pool.stats().retained_bytes == 2 * 64_KiB);
}
