// SPDX-License-Identifier: MIT
// What AddressSanitizer is told: memory that is not an object's, between objects, given back or ended. Without it these
// cases have nothing to ask.
#include "arena/arena_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"

#include <plateau/arena.hpp>

#include <cstddef>
#include <optional>

using namespace plateau_test;
using namespace plateau::literals;

namespace {

volatile char sink;

/// Whether the sanitizer ends a process that reads that byte.
template <class Make>
bool is_poisoned(Make make) {
    if constexpr (!under_asan) {
        return true;
    } else {
        const death end = dies([&] {
            plateau::arena_pool pool;
            plateau::request_arena arena(pool);
            const char* const at = make(arena, pool);
            sink = *at;
        });
        return end.says("use-after-poison") || end.says("SEGV");
    }
}

char* bytes(plateau::request_arena& arena, std::size_t n) {
    return static_cast<char*>(fill(arena.allocate_bytes(n), n));
}

}  // namespace

TEST_CASE("memory behind an object, given back, rewound or reset is poisoned", "[arena][unit]") {
    using arena_type = plateau::request_arena;
    using pool_type = plateau::arena_pool;
    CHECK(is_poisoned([](arena_type& arena, pool_type&) { return bytes(arena, 24) + 24; }));
    CHECK(is_poisoned([](arena_type& arena, pool_type&) {
        char* const first = bytes(arena, 24);
        bytes(arena, 24);
        return first + 24;
    }));
    CHECK(is_poisoned([](arena_type& arena, pool_type&) { return bytes(arena, 100'000) + 100'000; }));
    CHECK(is_poisoned([](arena_type& arena, pool_type&) {
        char* const gone = bytes(arena, 24);
        arena.deallocate_bytes(gone, 24);
        return gone;
    }));
    CHECK(is_poisoned([](arena_type& arena, pool_type&) {
        char* const shrunk = bytes(arena, 240);
        static_cast<void>(arena.try_extend(shrunk, 240, 24));
        return shrunk + 100;
    }));
    CHECK(is_poisoned([](arena_type& arena, pool_type&) {
        bytes(arena, 24);
        const auto here = arena.mark();
        char* const gone = bytes(arena, 24);
        arena.rewind(here);
        return gone;
    }));
    CHECK(is_poisoned([](arena_type& arena, pool_type&) {
        char* const gone = bytes(arena, 24);
        arena.reset();
        return gone;
    }));
    CHECK(is_poisoned([](arena_type& arena, pool_type& pool) {
        char* const gone = bytes(arena, 24);
        arena.reset();
        plateau::request_arena next(pool);  // on the same block
        bytes(next, 4'000);
        return gone + 8'000;
    }));
    CHECK(is_poisoned([](arena_type& arena, pool_type& pool) {
        char* const gone = bytes(arena, 24);
        arena.reset();
        pool.trim();
        return gone;
    }));
    CHECK(is_poisoned([](arena_type& arena, pool_type&) {
        char* const text = bytes(arena, 1'000);
        static_cast<void>(arena.try_extend(text, 1'000, 200'000));
        return text + 200'000;
    }));
}

TEST_CASE("memory that was poisoned and is handed out again, or mapped by others, is not", "[arena][unit]") {
    plateau::arena_pool pool;
    for (int round = 0; round < 3; ++round) {
        {
            plateau::request_arena arena(pool);
            bytes(arena, 24);
            bytes(arena, 3'000'000);
            for (int i = 0; i < 200; ++i) bytes(arena, 10'000);
        }
        pool.trim();
        std::optional<plateau::arena_pool> other;  // likely at the same addresses
        other.emplace();
        plateau::request_arena arena(*other);
        CHECK(is_filled(bytes(arena, 500'000), 500'000));
    }
}
