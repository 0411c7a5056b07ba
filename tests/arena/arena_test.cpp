// SPDX-License-Identifier: MIT
#include "arena/arena_checks.hpp"
#include "arena/arena_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"

#include <plateau/arena.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <memory_resource>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace plateau::literals;
using plateau::arena_reason;

namespace {

struct shipped {};

std::uintptr_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

/// What a refusal must leave as it was.
struct books {
    std::uint64_t held;
    std::uint64_t free;
    std::uint64_t in_use;
    std::uint64_t retained;
    bool operator==(const books&) const = default;
};
books books_of(const plateau::request_arena& arena, const plateau::arena_pool& pool) {
    return {arena.stats().held_bytes, arena.stats().free_bytes, pool.stats().in_use_bytes, pool.stats().retained_bytes};
}

}  // namespace

TEST_CASE("objects and deferred calls end newest first, in one order", "[arena][unit]") {
    passes(everything_ends_newest_first<shipped>);
}
TEST_CASE("a constructor that throws leaves no end for an object that never was", "[arena][unit]") {
    passes(what_never_was_has_no_end<shipped>);
}
TEST_CASE("products of sizes that wrap around are refused", "[arena][unit]") { passes(products_are_checked<shipped>); }

TEST_CASE("sizes of 0 have addresses of their own, huge sizes and alignments are refused", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool, {.max_bytes = 64_MiB});
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    std::set<void*> distinct;
    for (int i = 0; i < 100; ++i) distinct.insert(arena.allocate_bytes(0, 1));
    distinct.insert(arena.allocate_bytes(1, 1));
    CHECK(distinct.size() == 101);
    CHECK_FALSE(distinct.contains(nullptr));
    const books before = books_of(arena, pool);
    for (const std::size_t n : {most, most - 3, most - 15, most / 2 + 1, most / 4 + 1}) {
        for (const std::size_t align : {std::size_t{1}, std::size_t{16}, 1_MiB}) {
            INFO(n << " bytes at " << align);
            CHECK(arena.try_allocate(n, align).reason() == arena_reason::too_large);
            CHECK_THROWS_AS(arena.allocate_bytes(n, align), plateau::limit_exceeded);
        }
    }
    CHECK(arena.try_allocate(1, most / 2 + 1).reason() == arena_reason::too_large);
    CHECK(arena.try_allocate(most / 4).reason() == arena_reason::request_limit);
    CHECK(books_of(arena, pool) == before);
    for (std::size_t align = 1; align <= 1_MiB; align *= 2) {
        void* const memory = arena.allocate_bytes(24, align);
        CHECK(address(memory) % align == 0);
        fill(memory, 24);
    }
    arena.check_invariants();
}

TEST_CASE("an over-aligned object takes a new block when the tail holds its size but not its padding",
          "[arena][unit]") {
    if (under_asan) return;  // sizes are exact here, without zones between objects
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    fill(arena.allocate_bytes(8, 8), 8);
    const std::size_t room = arena.stats().free_bytes;
    fill(arena.allocate_bytes(room - 136, 8), room - 136);  // 136 bytes are left, and 128 at 128 do not fit
    void* const aligned = arena.allocate_bytes(128, 128);
    CHECK(address(aligned) % 128 == 0);
    fill(aligned, 128, 1);
    void* const tail = arena.allocate_bytes(100, 1);
    fill(tail, 100, 2);
    CHECK(is_filled(aligned, 128, 1));
    CHECK(arena.stats().held_bytes == 2 * 64_KiB);
    arena.check_invariants();
}

TEST_CASE("after a reset, memory comes from blocks taken anew", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    for (int round = 0; round < 3; ++round) {
        std::vector<void*> all;
        for (int i = 0; i < 200; ++i) all.push_back(fill(arena.allocate_bytes(1'000), 1'000, i));
        for (int i = 0; i < 200; ++i) CHECK(is_filled(all[static_cast<std::size_t>(i)], 1'000, i));
        CHECK(pool.stats().in_use_bytes == arena.stats().held_bytes);
        arena.reset();
        CHECK(arena.stats().held_bytes == 0);
        CHECK(arena.stats().free_bytes == 0);
        CHECK(pool.stats().in_use_bytes == 0);
        pool.trim();  // whoever still wrote there would fault
        arena.check_invariants();
    }
}

TEST_CASE("10 bytes, 1 MiB and 10 bytes take 1.2 MiB at most", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    fill(arena.allocate_bytes(10), 10);
    fill(arena.allocate_bytes(1_MiB), 1_MiB);
    fill(arena.allocate_bytes(10), 10);
    CHECK(arena.stats().held_bytes <= 1_MiB + 1_MiB / 5);
    CHECK(pool.stats().in_use_bytes == arena.stats().held_bytes);
}

TEST_CASE("an array whose element throws destroys the others in reverse, and gives its memory back", "[arena][unit]") {
    static std::vector<int> ends;
    static int made = 0;
    struct element {
        int number = made++;
        element() { fault_here(fault::construct); }
        element(const element&) = delete;
        element& operator=(const element&) = delete;
        ~element() { ends.push_back(number); }
    };
    ends.clear();
    plateau::arena_pool pool;
    {
        plateau::request_arena arena(pool);
        fill(arena.allocate_bytes(1), 1);
        const auto room = arena.stats().free_bytes;
        for (std::uint64_t failing = 1; failing <= 5; ++failing) {
            ends.clear();
            made = 0;
            const armed_fault armed(fault::construct, failing);
            CHECK_THROWS_AS(arena.create_array<element>(5), injected_fault);
            CHECK(ends.size() == failing - 1);
            for (std::size_t i = 0; i < ends.size(); ++i)
                CHECK(ends[i] == static_cast<int>(failing) - 2 - static_cast<int>(i));
            CHECK(room - arena.stats().free_bytes < 64);
        }
        ends.clear();
        made = 0;
        const std::span<element> all = arena.create_array<element>(5);
        CHECK(all.size() == 5);
        CHECK(arena.create_array<element>(0).empty());
    }
    CHECK(ends == std::vector<int>{4, 3, 2, 1, 0});
}

TEST_CASE("arrays are value-initialised, of trivial types, too", "[arena][unit]") {
    plateau::arena_pool pool;
    for (int round = 0; round < 2; ++round) {
        plateau::request_arena arena(pool);
        const std::span<int> numbers = arena.create_array<int>(10'000);
        bool zeros = true;
        for (int& n : numbers) zeros = zeros && std::exchange(n, -1) == 0;
        CHECK(zeros);
        const auto words = arena.create_array<std::string>(100);
        CHECK(words[99].empty());
        words[50] = "a text on the heap, whose destructor must run";
    }
}

TEST_CASE("what runs at the end may allocate, create and defer, and look at older objects", "[arena][unit]") {
    static std::vector<std::string> said;
    struct older {
        std::string name;
        ~older() { said.push_back("older " + name); }
    };
    struct newer {
        plateau::request_arena& arena;
        older& other;
        ~newer() {
            said.push_back("newer sees " + other.name);
            arena.create<older>(std::string("made at the end"));
            fill(arena.allocate_bytes(200'000), 200'000);
            arena.defer([this]() noexcept {
                said.push_back("deferred at the end");
                arena.defer([]() noexcept { said.push_back("deferred by the deferred"); });
            });
        }
    };
    said.clear();
    plateau::arena_pool pool;
    {
        plateau::request_arena arena(pool);
        auto& first = arena.create<older>(std::string("first"));
        arena.create<newer>(arena, first);
    }
    CHECK(said == std::vector<std::string>{"newer sees first", "deferred at the end", "deferred by the deferred",
                                           "older made at the end", "older first"});
    CHECK(pool.stats().in_use_bytes == 0);
}

TEST_CASE("a reset or a rewind from inside a destructor of the arena ends the process with a sentence",
          "[arena][unit]") {
    const auto inside = [](auto what) {
        return dies([what] {
            plateau::arena_pool pool;
            plateau::request_arena arena(pool);
            const plateau::checkpoint start = arena.mark();
            arena.defer([&]() noexcept { what(arena, start); });
            arena.reset();
        });
    };
    CHECK(inside([](plateau::request_arena& arena, const plateau::checkpoint&) noexcept {
              arena.reset();
          }).says("inside a destructor or a deferred call"));
    CHECK(inside([](plateau::request_arena& arena, const plateau::checkpoint& start) noexcept {
              arena.rewind(start);
          }).says("inside a destructor or a deferred call"));
}

TEST_CASE("objects that own heap memory give it back, one hundred thousand times", "[arena][unit]") {
    plateau::arena_pool pool;
    const new_scope scope;
    for (int request = 0; request < 1'000; ++request) {
        plateau::request_arena arena(pool);
        for (int i = 0; i < 100; ++i) {
            arena.create<std::string>(i % 2 == 0 ? 16U : 17U, 'x');
            arena.create<std::unique_ptr<int>>(std::make_unique<int>(i));
        }
    }
    const new_counts left = scope.delta();
    CHECK(left.live_blocks <= 2);  // the pool's table
    CHECK(left.calls > 100'000);
}

TEST_CASE("objects and elements stand where their type asks, with and without a destructor", "[arena][unit]") {
    passes(objects_stand_where_their_type_asks<shipped>);
}

TEST_CASE("a mark is good after any number of nested loops that came and went", "[arena][unit]") {
    passes(a_mark_is_good_after_any_number_of_loops<as_shipped>);
}

TEST_CASE("an arena without a bound has no ceiling", "[arena][unit]") {
    plateau::arena_pool pool;
    const plateau::request_arena open(pool, {.max_bytes = plateau::unlimited});
    CHECK(open.memory_ceiling() == plateau::unlimited);
    CHECK(open.stats().max_bytes == plateau::unlimited);
    const plateau::request_arena bounded(pool, {.max_bytes = plateau::unlimited - 1});
    CHECK(bounded.memory_ceiling() != plateau::unlimited);
}

TEST_CASE("a request's limit counts whole blocks, and holds", "[arena][unit]") {
    plateau::arena_pool pool;
    for (const std::size_t bytes : {std::size_t{1}, 64_KiB, 64_KiB + 1, 1_MiB, 10_MiB - 1}) {
        plateau::request_arena arena(pool, {.max_bytes = bytes});
        while (arena.try_allocate(5'000)) {}
        INFO("limit " << bytes);
        CHECK(arena.stats().held_bytes == (bytes < 64_KiB ? 64_KiB : bytes / 64_KiB * 64_KiB));
        CHECK(arena.memory_ceiling() == sizeof(arena) + arena.stats().held_bytes);
        const books before = books_of(arena, pool);
        CHECK(arena.try_allocate(bytes + 64_KiB).reason() == arena_reason::request_limit);
        CHECK(arena.try_create<std::array<char, 6'000>>().reason() == arena_reason::request_limit);
        CHECK(books_of(arena, pool) == before);
        try {
            static_cast<void>(arena.allocate_bytes(5'000));
            FAIL("it should have thrown");
        } catch (const std::bad_alloc& thrown) {
            const auto& limit = dynamic_cast<const plateau::limit_exceeded&>(thrown);
            CHECK(limit.reason() == arena_reason::request_limit);
            CHECK(limit.limit_bytes() == bytes);
            CHECK(std::string_view(limit.what()) == "request_limit");
        }
    }
}

TEST_CASE("every reason has a name", "[arena][unit]") {
    CHECK(to_string(arena_reason::none) == "none");
    CHECK(to_string(arena_reason::request_limit) == "request_limit");
    CHECK(to_string(arena_reason::pool_limit) == "pool_limit");
    CHECK(to_string(arena_reason::too_large) == "too_large");
    CHECK(to_string(arena_reason::no_memory) == "no_memory");
    CHECK(to_string(static_cast<arena_reason>(99)) == "unknown");
}

TEST_CASE("the last allocation grows and shrinks in place, others do not grow", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    void* const first = fill(arena.allocate_bytes(100), 100, 1);
    void* const last = fill(arena.allocate_bytes(100), 100, 2);
    CHECK_FALSE(arena.try_extend(first, 100, 101));
    CHECK(arena.try_extend(first, 100, 100));
    CHECK(arena.try_extend(last, 100, 40'000));
    CHECK(is_filled(last, 100, 2));
    fill(last, 40'000, 3);
    CHECK(is_filled(first, 100, 1));
    CHECK(arena.try_extend(last, 40'000, 10));
    void* const next = fill(arena.allocate_bytes(16), 16, 4);
    CHECK(address(next) - address(last) < 64);
    CHECK(is_filled(last, 10, 3));
    CHECK(arena.try_extend(first, 100, 50));
    CHECK_FALSE(arena.try_extend(first, 50, 100));
    arena.check_invariants();
}

TEST_CASE("growth in place goes on over neighbouring blocks, up to the exact limit", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool, {.max_bytes = 1_MiB});
    std::size_t size = 1'000;
    void* const text = fill(arena.allocate_bytes(size), size, 7);
    const std::size_t all = 1_MiB - sizeof(plateau::detail::block_run) - (under_asan ? 16 : 0);
    CHECK_FALSE(arena.try_extend(text, size, all + 1));
    for (const std::size_t next : {std::size_t{70'000}, std::size_t{300'000}, all}) {
        CHECK(arena.try_extend(text, size, next));
        CHECK(is_filled(text, size, 7));
        fill(text, next, 7);
        size = next;
        CHECK(arena.stats().held_bytes == pool.stats().in_use_bytes);
        arena.check_invariants();
        pool.check_invariants();
    }
    CHECK(arena.stats().held_bytes == 1_MiB);
    CHECK(arena.stats().free_bytes == 0);
    const books before = books_of(arena, pool);
    CHECK_FALSE(arena.try_extend(text, size, size + 1));
    CHECK_FALSE(arena.try_extend(text, size, std::numeric_limits<std::size_t>::max()));
    CHECK(books_of(arena, pool) == before);
}

TEST_CASE("growth in place stops at a neighbour's block", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    plateau::request_arena other(pool);
    void* const text = fill(arena.allocate_bytes(60'000), 60'000, 1);
    void* const theirs = fill(other.allocate_bytes(60'000), 60'000, 2);
    CHECK_FALSE(arena.try_extend(text, 60'000, 100'000));
    other.reset();
    CHECK(arena.try_extend(text, 60'000, 100'000));
    fill(text, 100'000, 3);
    static_cast<void>(theirs);
    pool.check_invariants();
}

TEST_CASE("memory that is given back last is used again", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    fill(arena.allocate_bytes(8), 8);
    for (int i = 0; i < 100'000; ++i) {
        void* const memory = arena.allocate_bytes(10'000);
        *static_cast<int*>(memory) = i;
        arena.deallocate_bytes(memory, 10'000);
    }
    CHECK(arena.stats().held_bytes == 64_KiB);
    arena.check_invariants();
}

TEST_CASE("a large object that filled its blocks gives them back to the pool at once", "[arena][unit]") {
    passes(a_large_object_gives_its_blocks_back<as_shipped>);
    passes(a_large_object_gives_back_the_end_that_was_given_up<as_shipped>);
}

TEST_CASE("an object in a part of what a larger one left gives no blocks back", "[arena][unit]") {
    passes(a_part_of_a_place_gives_no_blocks_back<as_shipped>);
}

TEST_CASE("blocks that go back take along what free room there was in them", "[arena][unit]") {
    passes(a_run_that_goes_back_leaves_no_room_behind<as_shipped>);
}

TEST_CASE("blocks are enough for an object of any alignment, and none is taken beyond that", "[arena][unit]") {
    passes(a_run_has_room_for_every_alignment<as_shipped>);
}

TEST_CASE("a large object older than a mark keeps its blocks, and a rewind finds them", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    void* const large = fill(arena.allocate_bytes(1_MiB), 1_MiB);
    const plateau::checkpoint here = arena.mark();
    arena.deallocate_bytes(large, 1_MiB);
    for (int i = 0; i < 100; ++i) fill(arena.allocate_bytes(20'000), 20'000);
    CHECK(arena.rewind(here));
    arena.check_invariants();
    fill(arena.allocate_bytes(20'000), 20'000);
    CHECK(arena.stats().held_bytes >= 1_MiB);
}

TEST_CASE("a rewind frees what came after the mark, across blocks, and runs its ends", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    std::vector<int> ends;
    const plateau::checkpoint empty = arena.mark();
    arena.create<told<shipped>>(ends, 1);
    void* const kept = fill(arena.allocate_bytes(1'000), 1'000, 1);
    const plateau::checkpoint here = arena.mark();
    const books before = books_of(arena, pool);
    for (int round = 0; round < 100; ++round) {  // a mark serves again and again
        ends.clear();
        arena.create<told<shipped>>(ends, 2);
        for (int i = 0; i < 30; ++i) fill(arena.allocate_bytes(50'000), 50'000);
        arena.create<told<shipped>>(ends, 3);
        CHECK(arena.rewind(here));
        CHECK(ends == std::vector<int>{3, 2});
        arena.check_invariants();
        CHECK(arena.stats().held_bytes == before.held);
        CHECK(arena.stats().free_bytes == before.free);
        CHECK(is_filled(kept, 1'000, 1));
    }
    ends.clear();
    CHECK(arena.rewind(empty));
    CHECK(ends == std::vector<int>{1});
    CHECK(arena.stats().held_bytes == 0);
    CHECK(pool.stats().scopes == 0);
}

TEST_CASE("a mark of another arena, older than a reset, or younger than a rewind is refused", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    plateau::request_arena other(pool);
    fill(arena.allocate_bytes(10), 10);
    const plateau::checkpoint old = arena.mark();
    fill(arena.allocate_bytes(100'000), 100'000);
    const plateau::checkpoint young = arena.mark();
    CHECK_FALSE(other.rewind(young));
    CHECK_FALSE(arena.rewind(plateau::checkpoint{}));
    CHECK(arena.rewind(old));
    CHECK_FALSE(arena.rewind(young));
    fill(arena.allocate_bytes(200'000), 200'000);  // where the young one would point now is somebody's
    const books before = books_of(arena, pool);
    CHECK_FALSE(arena.rewind(young));
    CHECK(books_of(arena, pool) == before);
    CHECK(arena.rewind(old));
    arena.reset();
    CHECK_FALSE(arena.rewind(old));
    CHECK_FALSE(arena.rewind(young));
}

TEST_CASE("loops of mark and rewind nest four deep, and deeper marks are refused, not believed", "[arena][unit]") {
    const auto turns = [](std::size_t depth) {
        plateau::arena_pool pool;
        plateau::request_arena arena(pool);
        std::vector<plateau::checkpoint> marks;
        std::vector<plateau::checkpoint> stale;
        for (std::size_t level = 0; level < depth; ++level) {
            marks.push_back(arena.mark());
            fill(arena.allocate_bytes(30'000), 30'000);
            stale.push_back(arena.mark());
            fill(arena.allocate_bytes(30'000), 30'000);
            CHECK(arena.rewind(marks.back()));  // the loop of this level has turned once
            fill(arena.allocate_bytes(10), 10);
        }
        for (const plateau::checkpoint& one : stale) CHECK_FALSE(arena.rewind(one));
        std::size_t taken = 0;
        for (std::size_t level = depth; level-- > 0;) taken += arena.rewind(marks[level]);
        CHECK(arena.stats().held_bytes == 0);  // the outermost is never refused
        return taken;
    };
    CHECK(turns(1) == 1);
    CHECK(turns(4) == 4);
    CHECK(turns(7) >= 4);
}

TEST_CASE("random marks and rewinds are valid exactly as a stack of moments says", "[arena][unit]") {
    // The truth: a mark is valid while the list of moments that led to it is a part of the list that led to now.
    random_source random("checkpoints");
    INFO(random_source::repeat());
    plateau::arena_pool pool{{.block_bytes = 4_KiB}};
    for (int sequence = 0; sequence < 300; ++sequence) {
        plateau::request_arena arena(pool);
        struct known {
            plateau::checkpoint mark;
            int serial;
        };
        std::vector<known> marks;
        std::vector<int> path;
        int serial = 0;
        for (int step = 0; step < 60; ++step) {
            if (random.one_in(3) && !marks.empty()) {
                const known& to = marks[random.below(marks.size())];
                std::size_t at = 0;
                while (at < path.size() && path[at] != to.serial) ++at;
                const bool valid = at < path.size();
                const bool rewound = arena.rewind(to.mark);
                if (rewound && !valid) FAIL("a mark was believed that is valid no more");
                if (rewound) path.resize(at + 1);
            } else if (random.one_in(2)) {
                marks.push_back({arena.mark(), ++serial});
                path.push_back(serial);
            } else {
                const std::size_t n = random.below(9'000);
                fill(arena.allocate_bytes(n), n);
            }
            arena.check_invariants();
        }
    }
    CHECK(pool.stats().in_use_bytes == 0);
}

TEST_CASE("text is copied as it is", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    std::string text("with a \0 inside", 15);
    const std::string_view copied = arena.copy(text);
    text.assign(15, '-');
    CHECK(copied == std::string_view("with a \0 inside", 15));
    CHECK(arena.copy("").empty());
    const std::string large(300'000, 'x');
    CHECK(arena.copy(large) == large);
}

TEST_CASE("an arena is a memory resource for std::pmr", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool, {.max_bytes = 1_MiB});
    plateau::request_arena other(pool);
    {
        std::pmr::vector<std::pmr::string> lines(&arena);
        for (int i = 0; i < 1'000; ++i) lines.emplace_back("line " + std::string(20, 'x') + std::to_string(i));
        CHECK(lines[999] == "line xxxxxxxxxxxxxxxxxxxx999");
        CHECK_THROWS_AS(lines.reserve(1'000'000), plateau::limit_exceeded);
        CHECK(lines.size() == 1'000);
    }
    CHECK(arena == arena);
    CHECK_FALSE(static_cast<const std::pmr::memory_resource&>(arena) == other);
    arena.check_invariants();
}

TEST_CASE("an arena is made on one thread, used on another and ended on a third", "[arena][unit]") {
    plateau::arena_pool pool;
    int ended = 0;
    auto arena = std::make_unique<plateau::request_arena>(pool);
    std::thread([&] {
        arena->defer([&]() noexcept { ++ended; });
        for (int i = 0; i < 100; ++i) fill(arena->allocate_bytes(5'000), 5'000);
    }).join();
    std::thread([&] { arena.reset(); }).join();
    CHECK(ended == 1);
    CHECK(pool.stats().in_use_bytes == 0);
}

TEST_CASE("nothing but the pool's blocks is allocated", "[arena][unit]") {
    plateau::arena_pool pool;
    { plateau::request_arena(pool).create<std::array<char, 300'000>>(); }
    const new_scope scope;
    int ended = 0;
    {
        plateau::request_arena arena(pool);
        for (int i = 0; i < 100; ++i) {
            fill(arena.allocate_bytes(2'000), 2'000);
            arena.defer([&]() noexcept { ++ended; });
            static_cast<void>(arena.copy("some text"));
            const auto here = arena.mark();
            static_cast<void>(arena.create_array<int>(100));
            arena.rewind(here);
        }
    }
    const new_counts left = scope.delta();
    CHECK(left.calls == 0);
    CHECK(ended == 100);
}
