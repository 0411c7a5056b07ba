// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/counting_allocator.hpp"

#include <plateau/arena_bound.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

using plateau::arena_bound_v;
using plateau::unowned;

namespace {

struct plain {
    int number;
};
struct hides {
    int* pointer;
};

}  // namespace

TEST_CASE("values that own what they hold are free", "[floor][unit]") {
    STATIC_REQUIRE_FALSE(arena_bound_v<int>);
    STATIC_REQUIRE_FALSE(arena_bound_v<const double>);
    STATIC_REQUIRE_FALSE(arena_bound_v<plain>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::string>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::vector<std::string>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::map<std::string, std::vector<int>>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::unordered_map<int, std::string>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::unique_ptr<plain>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::shared_ptr<const plain>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::optional<std::string>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::pair<int, std::string>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::tuple<>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::array<int, 4>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<int[4]>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::variant<int, std::string>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::chrono::nanoseconds>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::function<void()>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::vector<int, plateau_test::counting_allocator<int>>>);
}

TEST_CASE("pointers, references and views are bound", "[floor][unit]") {
    STATIC_REQUIRE(arena_bound_v<int*>);
    STATIC_REQUIRE(arena_bound_v<const char*>);
    STATIC_REQUIRE(arena_bound_v<int* const>);
    STATIC_REQUIRE(arena_bound_v<int* volatile>);
    STATIC_REQUIRE(arena_bound_v<void (*)()>);
    STATIC_REQUIRE(arena_bound_v<int&>);
    STATIC_REQUIRE(arena_bound_v<int&&>);
    STATIC_REQUIRE(arena_bound_v<int* [3]>);
    STATIC_REQUIRE(arena_bound_v<std::span<int>>);
    STATIC_REQUIRE(arena_bound_v<std::span<const int, 4>>);
    STATIC_REQUIRE(arena_bound_v<std::string_view>);
    STATIC_REQUIRE(arena_bound_v<const std::u16string_view>);
    STATIC_REQUIRE(arena_bound_v<std::reference_wrapper<int>>);
    STATIC_REQUIRE(arena_bound_v<std::reference_wrapper<const plain>>);
}

TEST_CASE("containers on a memory resource are bound", "[floor][unit]") {
    STATIC_REQUIRE(arena_bound_v<std::pmr::polymorphic_allocator<char>>);
    STATIC_REQUIRE(arena_bound_v<std::pmr::string>);
    STATIC_REQUIRE(arena_bound_v<std::pmr::vector<int>>);
    STATIC_REQUIRE(arena_bound_v<std::pmr::map<int, int>>);
}

TEST_CASE("a compound is bound when a part of it is, at any depth", "[floor][unit]") {
    STATIC_REQUIRE(arena_bound_v<std::vector<int*>>);
    STATIC_REQUIRE(arena_bound_v<std::vector<std::string_view>>);
    STATIC_REQUIRE(arena_bound_v<std::pair<std::string_view, int>>);
    STATIC_REQUIRE(arena_bound_v<std::pair<int, std::string_view>>);
    STATIC_REQUIRE(arena_bound_v<std::optional<std::span<int>>>);
    STATIC_REQUIRE(arena_bound_v<std::tuple<int, std::string, std::reference_wrapper<int>>>);
    STATIC_REQUIRE(arena_bound_v<std::array<int*, 2>>);
    STATIC_REQUIRE(arena_bound_v<std::array<std::pmr::string, 2>>);
    STATIC_REQUIRE(arena_bound_v<std::variant<int, const char*>>);
    STATIC_REQUIRE(arena_bound_v<std::map<std::string, std::vector<std::optional<std::string_view>>>>);
    STATIC_REQUIRE(arena_bound_v<std::unique_ptr<std::pmr::string>>);
    STATIC_REQUIRE(arena_bound_v<const std::vector<std::pair<int, int*>>>);
}

TEST_CASE("unowned lets a value in by name, alone and inside a compound", "[floor][unit]") {
    STATIC_REQUIRE_FALSE(arena_bound_v<unowned<int*>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<unowned<std::string_view>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<const unowned<std::span<int>>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::vector<unowned<int*>>>);
    STATIC_REQUIRE_FALSE(arena_bound_v<std::pair<unowned<std::string_view>, int>>);
    STATIC_REQUIRE(arena_bound_v<std::pair<unowned<std::string_view>, int*>>);
}

TEST_CASE("the documented limit: a struct that hides a pointer is not seen", "[floor][unit]") {
    STATIC_REQUIRE_FALSE(arena_bound_v<hides>);
}

TEST_CASE("unowned converts from and to its value, and compares as it does", "[floor][unit]") {
    int object = 7;
    const unowned<int*> u = &object;
    int* const back = u;
    CHECK(back == &object);
    CHECK(u == unowned<int*>{&object});
    CHECK(u == &object);
    CHECK_FALSE(u == nullptr);
    CHECK(unowned<std::string_view>{} == std::string_view{});
    CHECK(unowned<std::string_view>{"a"} == std::string_view{"a"});
    CHECK(unowned<int*>{}.value == nullptr);
    STATIC_REQUIRE(sizeof(unowned<int*>) == sizeof(int*));
}
