// SPDX-License-Identifier: MIT
// A cache that lives in a request's arena: the same question is asked once a request, and the answers end with it.
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"

#include <plateau/arena.hpp>
#include <plateau/cache.hpp>
#include <plateau/literals.hpp>

#include <cstddef>
#include <memory_resource>
#include <string>
#include <string_view>
#include <utility>

using namespace plateau_test;
using namespace plateau::literals;

namespace {

/// In the arena of a request: keys and values may lie there, too.
struct in_request : plateau::cache_policies {
    using allocator = plateau::arena_allocator<std::byte>;
};
using row = plateau::arena_vector<plateau::arena_string>;
using request_cache = plateau::lru_cache<plateau::arena_string, row, in_request>;

struct on_resource : plateau::cache_policies {
    using allocator = std::pmr::polymorphic_allocator<std::byte>;
};

struct counts_its_end {
    int* ended;
    explicit counts_its_end(int* counter) noexcept : ended(counter) {}
    counts_its_end(counts_its_end&& other) noexcept : ended(std::exchange(other.ended, nullptr)) {}
    ~counts_its_end() {
        if (ended != nullptr) ++*ended;
    }
};
std::size_t owned_bytes(const counts_its_end&) noexcept { return 0; }

/// A source of rows that counts how often it was asked.
struct rows {
    int asked = 0;
    row read(std::string_view id, plateau::request_arena& arena) {
        ++asked;
        row found{plateau::arena_allocator<plateau::arena_string>(arena)};
        found.emplace_back(id);
        found.emplace_back("a column that is too long for the string itself");
        return found;
    }
};

/// What a request does, wherever in it the row is needed.
std::size_t columns_of(std::string_view id, request_cache& seen, rows& database, plateau::request_arena& arena) {
    std::size_t columns = 0;
    const auto count = [&](const row& found) { columns = found.size(); };
    if (seen.visit(id, count)) return columns;
    row fresh = database.read(id, arena);
    columns = fresh.size();
    seen.put(plateau::arena_string(id, arena), std::move(fresh));  // refused: the next one asks again
    return columns;
}

}  // namespace

TEST_CASE("a cache in a request's arena holds the request's own values, and ends with it", "[cache][alloc]") {
    plateau::arena_pool pool{{.max_bytes = 4_MiB}};
    rows database;
    for (int request = 0; request < 3; ++request) {
        const bool warm = request > 0;  // the pool's own first blocks
        const new_scope scope;
        {
            plateau::request_arena arena{pool, {.max_bytes = 1_MiB}};
            auto& seen = arena.create<request_cache>(plateau::cache_options{.max_entries = 32},
                                                     plateau::arena_allocator<std::byte>(arena));
            std::size_t columns = 0;
            for (int i = 0; i < 100; ++i) columns += columns_of(i % 2 == 0 ? "ann" : "bob", seen, database, arena);
            const new_counts during = scope.delta();
            CHECK(columns == 200);
            CHECK(seen.stats().hits == 98);
            CHECK(seen.size() == 2);
            if (warm) CHECK(during.calls == 0);
            seen.check_invariants();
        }
    }
    CHECK(database.asked == 6);
    CHECK(pool.stats().in_use_bytes == 0);
}

TEST_CASE("the values of a cache in an arena end once, with the arena", "[cache][unit]") {
    plateau::arena_pool pool{{.max_bytes = 4_MiB}};
    int ended = 0;
    {
        plateau::request_arena arena{pool};
        using cache = plateau::lru_cache<std::string_view, counts_its_end, in_request>;
        auto& seen =
            arena.create<cache>(plateau::cache_options{.max_entries = 2}, plateau::arena_allocator<std::byte>(arena));
        for (const std::string_view key : {"a", "b", "c"}) seen.put(arena.copy(key), counts_its_end(&ended));
        CHECK(ended == 1);
    }
    CHECK(ended == 3);
}

TEST_CASE("a cache on a memory resource is held by a request in the same way", "[cache][unit]") {
    plateau::arena_pool pool{{.max_bytes = 4_MiB}};
    plateau::request_arena arena{pool};
    using cache = plateau::lru_cache<std::string_view, std::pmr::string, on_resource>;
    cache seen{{.max_entries = 8}, std::pmr::polymorphic_allocator<std::byte>(&arena)};
    seen.put("ann", std::pmr::string("a value that is too long for the string itself", &arena));
    CHECK(seen.visit("ann", [](const std::pmr::string& found) { REQUIRE(found.size() == 46); }));
}

TEST_CASE("an arena that is full refuses the cache a place, and nothing has happened", "[cache][unit]") {
    plateau::arena_pool pool{{.max_bytes = 4_MiB}};
    plateau::request_arena arena{pool, {.max_bytes = 64_KiB}};
    plateau::lru_cache<int, std::string_view, in_request> seen{{.max_entries = 100'000},
                                                               plateau::arena_allocator<std::byte>(arena)};
    CHECK_THROWS_AS(seen.put(1, "one"), plateau::limit_exceeded);
    CHECK(seen.size() == 0);
    seen.check_invariants();
}
