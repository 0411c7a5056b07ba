// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/new_witness.hpp"

#include <plateau/watch/counted_allocator.hpp>

#include <cstdint>
#include <list>
#include <map>
#include <new>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

template <class T>
using counted = plateau::counted_allocator<T>;
template <class T>
using counted_vector = std::vector<T, counted<T>>;
using counted_string = std::basic_string<char, std::char_traits<char>, counted<char>>;

struct alignas(256) wide {
    char bytes[256];
};

}  // namespace

static_assert(std::is_constructible_v<counted<char>, plateau::account&>);
static_assert(std::is_constructible_v<counted<char>, const plateau::account&>);
static_assert(!std::is_constructible_v<counted<char>, plateau::account>, "an account is taken by reference");
static_assert(!std::is_default_constructible_v<counted<char>>, "there is no default account");
static_assert(std::is_nothrow_move_constructible_v<counted_vector<int>> &&
              std::is_nothrow_move_assignable_v<counted_vector<int>>);
static_assert(sizeof(counted<int>) == sizeof(void*));

TEST_CASE("an account holds exactly what its containers requested", "[watch][alloc]") {
    plateau::ledger books;
    const auto held = books.open("held");
    {
        const new_scope witness;
        counted_vector<std::uint64_t> numbers{counted<std::uint64_t>{held}};
        std::list<int, counted<int>> nodes{counted<int>{held}};
        std::map<int, int, std::less<>, counted<std::pair<const int, int>>> tree{counted<int>{held}};
        std::unordered_map<int, int, std::hash<int>, std::equal_to<>, counted<std::pair<const int, int>>> table{
            counted<int>{held}};
        counted_string text{counted<char>{held}};
        counted_vector<wide> pages{counted<wide>{held}};
        for (int i = 0; i < 1'000; ++i) {
            numbers.push_back(static_cast<std::uint64_t>(i));
            nodes.push_back(i);
            tree.emplace(i, i);
            table.emplace(i, i);
            text += "ab";
            if (i % 100 == 0) pages.push_back({});
            if (i % 3 == 0) nodes.pop_front();
        }
        const auto live = witness.delta();
        CHECK(static_cast<std::int64_t>(held.bytes()) == live.live_bytes);
        CHECK(reinterpret_cast<std::uintptr_t>(pages.data()) % alignof(wide) == 0);
    }
    CHECK(held.bytes() == 0);
}

TEST_CASE("over budget the container keeps what it had, and nothing is charged", "[watch][unit]") {
    plateau::ledger books;
    const auto small = books.open("small", {.max_bytes = 1'000});
    counted_vector<char> body(900, 'x', counted<char>{small});
    REQUIRE(small.bytes() == 900);
    CHECK_THROWS_AS(body.reserve(1'800), std::bad_alloc);
    CHECK_THROWS_AS(body.push_back('y'), std::bad_alloc);  // old and new block at once would be too much
    CHECK(body.size() == 900);
    CHECK(body.back() == 'x');
    CHECK(small.bytes() == 900);
    body = counted_vector<char>(counted<char>{small});
    CHECK(small.bytes() == 0);
    CHECK(small.stats().refused == 2);
}

TEST_CASE("a number of elements that overflows is refused before anything is charged", "[watch][unit]") {
    plateau::ledger books;
    const auto any = books.open("any");
    counted<std::uint64_t> memory{any};
    CHECK_THROWS_AS(memory.allocate(SIZE_MAX / 8 + 1), std::bad_array_new_length);
    CHECK_THROWS_AS(memory.allocate(SIZE_MAX), std::bad_array_new_length);
    CHECK(any.bytes() == 0);
    CHECK(any.stats().peak_bytes == 0);
    auto* const none = memory.allocate(0);
    CHECK(none != nullptr);
    memory.deallocate(none, 0);
}

TEST_CASE("a move takes the account along, a copy stays with the one who pays", "[watch][unit]") {
    plateau::ledger books;
    const auto a = books.open("a");
    const auto b = books.open("b");
    counted_vector<char> from(100, 'a', counted<char>{a});
    counted_vector<char> to(10, 'b', counted<char>{b});
    const char* const block = from.data();

    to = from;
    CHECK(to.get_allocator().get_account() == b);
    CHECK(a.bytes() == 100);
    CHECK(b.bytes() >= 100);

    to = std::move(from);
    CHECK(to.data() == block);
    CHECK(to.get_allocator().get_account() == a);
    CHECK(b.bytes() == 0);
    CHECK(a.bytes() == 100);

    counted_vector<char> other(30, 'c', counted<char>{b});
    std::swap(to, other);
    CHECK(other.data() == block);
    CHECK(other.get_allocator().get_account() == a);
    CHECK(to.get_allocator().get_account() == b);

    const counted_vector<char> copy = other;
    CHECK(copy.get_allocator().get_account() == a);
    CHECK(a.bytes() == 200);

    const counted_vector<char> paid_by_b(other, counted<char>{b});
    CHECK(b.bytes() == 130);
}

TEST_CASE("allocators are equal exactly when the account is the same", "[watch][unit]") {
    plateau::ledger books;
    const auto a = books.open("a");
    const auto again = books.open("a");
    const auto b = books.open("b");
    CHECK(counted<char>{a} == counted<char>{again});
    CHECK(counted<char>{a} == counted<long>{again});
    CHECK_FALSE(counted<char>{a} == counted<char>{b});
    const counted<long> rebound{counted<char>{b}};
    CHECK(rebound.get_account() == b);
}

TEST_CASE("whatever allocation fails, the account agrees with operator new", "[watch][alloc]") {
    plateau::ledger books;
    const auto held = books.open("held");
    const auto report = sweep_faults(
        fault::operator_new, [&] { return counted_vector<counted_string>(counted<counted_string>{held}); },
        [&](auto& rows) {
            for (int i = 0; i < 10; ++i)
                rows.emplace_back("a text that is too long for the small buffer", counted<char>{held});
        },
        [&](auto& rows, const sweep_step&) {
            std::size_t bytes = rows.capacity() * sizeof(counted_string);
            for (const auto& row : rows) bytes += row.capacity() > 22 ? row.capacity() + 1 : 0;
            CHECK(held.bytes() == bytes);
        });
    CHECK(report.leaked_bytes == 0);
    CHECK(report.points >= 10);
    CHECK(held.bytes() == 0);
}
