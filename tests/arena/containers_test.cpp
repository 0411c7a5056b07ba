// SPDX-License-Identifier: MIT
#include "arena/arena_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"

#include <plateau/arena.hpp>
#include <plateau/arena_bound.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace plateau::literals;
using plateau::arena_bound_v;
using plateau::arena_map;
using plateau::arena_string;
using plateau::arena_vector;

namespace shop {

/// A request's own type, and how it leaves the request.
struct row {
    arena_string name;
    int stock;
};
struct owned_row {
    std::string name;
    int stock;
    bool operator==(const owned_row&) const = default;
};
inline owned_row detach(const row& r) { return {plateau::detach(r.name), r.stock}; }

}  // namespace shop

namespace {

/// Stands for whatever has an arena to lend.
struct owner {
    plateau::request_arena& arena() noexcept { return lent; }
    plateau::request_arena& lent;
};

const void* where(const plateau::arena_allocator<char>& a) { return &a.arena(); }

}  // namespace

TEST_CASE("containers put themselves and their elements into the arena", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    static_cast<void>(arena.allocate_bytes(1));  // the pool's table
    const new_scope scope;
    {
        arena_vector<arena_string> lines(arena);
        for (int i = 0; i < 1'000; ++i) lines.emplace_back("a line that is longer than any short string");
        lines.push_back(arena_string("made elsewhere, in the same arena", arena));
        arena_vector<arena_vector<arena_string>> nested(arena);
        nested.emplace_back().emplace_back("three levels down, and still in the arena");
        arena_map<arena_string, arena_vector<int>> stock(arena);
        for (const char* const key : {"lamp", "table", "a key that needs memory of its own"})
            stock.try_emplace(arena_string(key, arena)).first->second.push_back(7);
        arena_vector<std::pair<arena_string, int>> pairs(arena);
        pairs.emplace_back("also the first of a pair is in the arena", 1);
        CHECK(where(lines[0].get_allocator()) == &arena);
        CHECK(where(nested[0][0].get_allocator()) == &arena);
        CHECK(where(stock.begin()->first.get_allocator()) == &arena);
        CHECK(where(pairs[0].first.get_allocator()) == &arena);
    }
    const new_counts left = scope.delta();
    CHECK(left.live_blocks <= 0);
    CHECK(arena.stats().held_bytes >= 64_KiB);
}

TEST_CASE("containers allocate nothing outside of the arena", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    static_cast<void>(arena.allocate_bytes(1));
    const new_scope scope;
    {
        arena_vector<arena_string> lines(arena);
        for (int i = 0; i < 1'000; ++i) lines.emplace_back("a line that is longer than any short string");
        arena_map<int, arena_string> names(arena);
        for (int i = 0; i < 1'000; ++i) names.try_emplace(i, "a name that is longer than any short string");
    }
    const new_counts left = scope.delta();
    CHECK(left.calls == 0);
}

TEST_CASE("a map in an arena is looked up by what compares with its key", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    arena_map<arena_string, int> stock(arena);
    stock.try_emplace(arena_string("lamp", arena), 3);
    CHECK(stock.find(std::string_view("lamp"))->second == 3);
    CHECK(stock.find("lamp") != stock.end());
    CHECK_FALSE(stock.contains(std::string("table")));
}

TEST_CASE("containers are made from whatever has an arena", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    owner request{arena};
    arena_vector<int> numbers(request);
    arena_string text("a text that is longer than any short string", request);
    CHECK(&numbers.get_allocator().arena() == &arena);
    CHECK(where(text.get_allocator()) == &arena);
    STATIC_REQUIRE_FALSE(std::is_default_constructible_v<plateau::arena_allocator<int>>);
}

TEST_CASE("a container that moves between two arenas copies its elements, and each stays in its own", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena longer(pool);
    arena_vector<arena_string> kept(longer);
    {
        plateau::request_arena arena(pool);
        arena_vector<arena_string> lines(arena);
        lines.emplace_back("a line that is longer than any short string");
        kept = std::move(lines);
        arena_vector<arena_string> third(std::move(kept), longer);
        kept = std::move(third);
        arena_vector<arena_string> copied(lines, longer);
    }
    pool.trim();
    REQUIRE(kept.size() == 1);
    CHECK(kept[0] == "a line that is longer than any short string");
    CHECK(where(kept[0].get_allocator()) == &longer);
    CHECK(plateau::arena_allocator<int>(longer) == plateau::arena_allocator<char>(longer));
}

TEST_CASE("a container's refusal is an exception with the reason, and the container is what it was", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool, {.max_bytes = 256_KiB});
    arena_vector<int> numbers(arena);
    numbers.assign(1'000, 7);
    const auto reason = [&](std::size_t n) {
        try {
            numbers.reserve(n);
        } catch (const plateau::limit_exceeded& thrown) {
            return thrown.reason();
        }
        return plateau::arena_reason::none;
    };
    CHECK(reason(1'000'000) == plateau::arena_reason::request_limit);
    CHECK(numbers == arena_vector<int>(1'000, 7, arena));
    plateau::arena_allocator<std::array<char, 48>> direct(arena);
    CHECK_THROWS_AS(direct.allocate(SIZE_MAX / 48 + 1), plateau::limit_exceeded);
    CHECK_THROWS_AS(direct.allocate(SIZE_MAX), plateau::limit_exceeded);
}

TEST_CASE("a buffer that grows step by step holds its old and its new blocks, and no others", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool, {.max_bytes = 4_MiB});
    arena_string text(arena);
    for (int i = 0; i < 1'500'000; ++i) text.push_back('x');  // held whole, its buffers together are 4 MiB
    CHECK(text.size() == 1'500'000);
    CHECK(arena.stats().held_bytes < 2_MiB + 512_KiB);
}

TEST_CASE("what lies in an arena is barred from what outlives the request", "[arena][unit]") {
    STATIC_REQUIRE(arena_bound_v<arena_string>);
    STATIC_REQUIRE(arena_bound_v<arena_vector<int>>);
    STATIC_REQUIRE(arena_bound_v<arena_map<int, int>>);
    STATIC_REQUIRE(arena_bound_v<std::optional<arena_string>>);
    STATIC_REQUIRE(arena_bound_v<std::pair<int, arena_vector<int>>>);
    STATIC_REQUIRE(arena_bound_v<std::vector<arena_string>>);
    STATIC_REQUIRE(arena_bound_v<plateau::arena_allocator<int>>);
    STATIC_REQUIRE(arena_bound_v<plateau::checkpoint>);
    STATIC_REQUIRE(arena_bound_v<plateau::request_arena&>);
    STATIC_REQUIRE(arena_bound_v<plateau::request_arena*>);
    STATIC_REQUIRE_FALSE(arena_bound_v<decltype(plateau::detach(std::declval<const arena_vector<arena_string>&>()))>);
}

TEST_CASE("detach copies deep, into types that own what they hold", "[arena][unit]") {
    std::vector<std::pair<std::string, std::vector<int>>> pairs;
    std::unordered_map<std::string, std::optional<std::string>> map;
    std::vector<shop::owned_row> rows;
    std::tuple<int, std::string, std::string> tuple;
    {
        plateau::arena_pool pool;
        plateau::request_arena arena(pool);
        const auto text = [&](const char* from) { return arena_string(from, arena); };
        arena_vector<std::pair<arena_string, arena_vector<int>>> in(arena);
        in.emplace_back(text("a key that is longer than any short string"), arena_vector<int>({1, 2, 3}, arena));
        pairs = plateau::detach(in);
        arena_map<arena_string, std::optional<arena_string>> named(arena);
        named.try_emplace(text("one"), text("a value that is longer than any short string"));
        named.try_emplace(text("two"), std::nullopt);
        map = plateau::detach(named);
        arena_vector<shop::row> table(arena);
        table.push_back({text("lamp, with a name of its own"), 3});
        rows = plateau::detach(table);
        tuple = plateau::detach(std::tuple(7, text("third"), arena.copy("a view becomes a string")));
    }
    CHECK(pairs.at(0).first == "a key that is longer than any short string");
    CHECK(pairs.at(0).second == std::vector{1, 2, 3});
    CHECK(map.at("one") == "a value that is longer than any short string");
    CHECK_FALSE(map.at("two").has_value());
    CHECK(rows == std::vector<shop::owned_row>{{"lamp, with a name of its own", 3}});
    CHECK(tuple == std::tuple(7, "third", "a view becomes a string"));
}

TEST_CASE("detach leaves alone what owns nothing, and copies what owns itself", "[arena][unit]") {
    using namespace std::chrono_literals;
    CHECK(plateau::detach(3) == 3);
    CHECK(plateau::detach(5ms) == 5ms);
    const std::array<int, 3> numbers{1, 2, 3};
    CHECK(plateau::detach(numbers) == numbers);
    CHECK(plateau::detach(std::span<const int>(numbers)) == std::vector{1, 2, 3});
    CHECK(plateau::detach(std::vector<std::string>{"a", "b"}) == std::vector<std::string>{"a", "b"});
    CHECK(plateau::detach("a literal") == "a literal");
    CHECK(plateau::detach(std::map<int, std::string>{{1, "one"}}).at(1) == "one");
    CHECK(plateau::detach(arena_vector<bool>::size_type{4}) == 4U);
}
