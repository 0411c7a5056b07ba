// SPDX-License-Identifier: MIT
// Every fallible step of every operation fails once, and from then on: the upstream resource, the pool's table and the
// user's constructors. Afterwards arena and pool are what they were before.
#include "arena/arena_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/arena.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

using namespace plateau_test;
using namespace plateau::literals;

namespace {

/// A pool on a resource that fails, with one request that already holds something, and what that was.
struct subject {
    std::unique_ptr<value_tally> values = std::make_unique<value_tally>();  // outlives what it counts
    int ended = 0;
    std::unique_ptr<counted_upstream> upstream = std::make_unique<counted_upstream>();
    std::unique_ptr<plateau::basic_arena_pool<small_superblocks>> pool =
        std::make_unique<plateau::basic_arena_pool<small_superblocks>>(
            plateau::arena_pool_options{.max_bytes = 4_MiB, .block_bytes = 4_KiB}, *upstream);
    std::unique_ptr<plateau::request_arena> arena = std::make_unique<plateau::request_arena>(*pool);
    void* kept = fill(arena->allocate_bytes(3'000), 3'000);
};

/// Made of nothing, as the elements of an array are.
struct made_of_nothing {
    static inline value_tally* all = nullptr;
    throwing_value value{*all, 1};
};

void check_whole(subject& s) {
    s.arena->check_invariants();
    s.pool->check_invariants();
    CHECK(is_filled(s.kept, 3'000));
    CHECK(s.pool->stats().in_use_bytes == s.arena->stats().held_bytes);
    CHECK(s.upstream->live_bytes == s.pool->stats().in_use_bytes + s.pool->stats().retained_bytes);
    CHECK(s.arena->try_allocate(3'000));  // and it goes on
    s.arena->reset();
    CHECK(s.values->live == 0);  // every value that was made has ended, and no other
}

template <class Operation>
void sweep(fault_table& table, std::string_view name, Operation operation) {
    plateau_test::sweep(
        table, name, [] { return subject(); }, operation,
        [](subject& s, const sweep_step& step) {
            INFO("fault point " << step.failing);
            check_whole(s);
        });
}

}  // namespace

TEST_CASE("an arena whose memory or whose objects fail is what it was, at every step", "[arena][alloc]") {
    fault_table table("arena");
    sweep(table, "allocate_bytes", [](subject& s) {
        for (int i = 0; i < 40; ++i) static_cast<void>(s.arena->allocate_bytes(3'000));
    });
    sweep(table, "allocate_bytes, large", [](subject& s) {
        static_cast<void>(s.arena->allocate_bytes(100'000));
        static_cast<void>(s.arena->allocate_bytes(10'000));
    });
    sweep(table, "try_allocate", [](subject& s) {
        for (int i = 0; i < 40; ++i)
            if (const auto got = s.arena->try_allocate(3'000); !got)
                CHECK(got.reason() == plateau::arena_reason::no_memory);
    });
    sweep(table, "create", [](subject& s) {
        for (int i = 0; i < 100; ++i) s.arena->create<throwing_value>(*s.values, i);
    });
    sweep(table, "try_create", [](subject& s) {
        for (int i = 0; i < 100; ++i) static_cast<void>(s.arena->try_create<throwing_value>(*s.values, i));
    });
    sweep(table, "create_array", [](subject& s) {
        made_of_nothing::all = s.values.get();
        static_cast<void>(s.arena->create_array<made_of_nothing>(100));
    });
    const std::string text(30'000, 'x');
    sweep(table, "copy", [&](subject& s) { static_cast<void>(s.arena->copy(text)); });
    sweep(table, "defer", [](subject& s) {
        for (int i = 0; i < 2'000; ++i) s.arena->defer([&s]() noexcept { ++s.ended; });
    });
    sweep(table, "containers", [](subject& s) {
        plateau::arena_vector<throwing_value> values(*s.arena);
        for (int i = 0; i < 20; ++i) values.emplace_back(*s.values, i);
        plateau::arena_vector<plateau::arena_string> lines(*s.arena);
        for (int i = 0; i < 20; ++i) lines.emplace_back("a line that is longer than any short string");
    });
    sweep(table, "detach", [](subject& s) {
        plateau::arena_vector<plateau::arena_string> lines(*s.arena);
        for (int i = 0; i < 20; ++i) lines.emplace_back("a line that is longer than any short string");
        static_cast<void>(plateau::detach(lines));
    });
    table.nothing_fails("try_extend", "it asks the pool for blocks that the upstream has given already");
    sweep(table, "try_extend", [](subject& s) { static_cast<void>(s.arena->try_extend(s.kept, 3'000, 3'500)); });
    table.nothing_fails("rewind, reset, trim", "what ends or gives back is noexcept");
    sweep(table, "rewind, reset, trim", [](subject& s) {
        const auto here = s.arena->mark();
        CHECK(s.arena->rewind(here));
        s.pool->trim();
    });
    for (const auto& sentence :
         table.contradictions({"allocate_bytes", "create", "create_array", "defer", "containers"}))
        FAIL(sentence);
    table.tell();
}
