// SPDX-License-Identifier: MIT
#include "tools/bombing_allocator.hpp"
#include "tools/catch.hpp"
#include "tools/counting_allocator.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

struct alignas(128) wide {
    char bytes[128];
};

}  // namespace

TEST_CASE("an allocator counts the bytes, blocks and calls of its own tally", "[tools][unit]") {
    allocation_tally a;
    allocation_tally b;
    {
        std::vector<std::uint32_t, counting_allocator<std::uint32_t>> numbers{counting_allocator<std::uint32_t>{a}};
        numbers.reserve(100);
        std::list<char, counting_allocator<char>> letters{counting_allocator<char>{b}};
        letters.push_back('x');
        CHECK(a.live_bytes == 400);
        CHECK(a.live_blocks == 1);
        CHECK(b.live_blocks == 1);
        CHECK(b.live_bytes >= static_cast<std::int64_t>(sizeof(char) + 2 * sizeof(void*)));
    }
    CHECK(a.live_bytes == 0);
    CHECK(b.live_bytes == 0);
    CHECK(a.calls == 1);
    CHECK(a.peak_bytes == 400);
    CHECK(a.wrong_sizes + b.wrong_sizes == 0);
}

TEST_CASE("the peak is what was held at once, not in sum", "[tools][unit]") {
    allocation_tally tally;
    counting_allocator<char> allocator{tally};
    char* first = allocator.allocate(10);
    char* second = allocator.allocate(20);
    allocator.deallocate(first, 10);
    char* third = allocator.allocate(5);
    CHECK(tally.peak_bytes == 30);
    tally.reset_peak();
    CHECK(tally.peak_bytes == 25);
    allocator.deallocate(second, 20);
    allocator.deallocate(third, 5);
}

TEST_CASE("a deallocation with the wrong size is counted and changes no sum", "[tools][unit]") {
    allocation_tally tally;
    counting_allocator<std::uint64_t> allocator{tally};
    allocator.deallocate(allocator.allocate(4), 3);
    CHECK(tally.wrong_sizes == 1);
    CHECK(tally.live_bytes == 0);
}

TEST_CASE("a block keeps the alignment of its type", "[tools][unit]") {
    allocation_tally tally;
    counting_allocator<wide> allocator{tally};
    wide* block = allocator.allocate(3);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % alignof(wide) == 0);
    CHECK(tally.live_bytes == 3 * 128);
    allocator.deallocate(block, 3);
}

TEST_CASE("a number of elements that no size can hold is refused", "[tools][unit]") {
    allocation_tally tally;
    counting_allocator<std::uint64_t> allocator{tally};
    CHECK_THROWS_AS(static_cast<void>(allocator.allocate(SIZE_MAX / 8 + 2)), std::bad_alloc);
    CHECK_THROWS_AS(static_cast<void>(allocator.allocate(SIZE_MAX)), std::bad_alloc);
    CHECK(tally.live_blocks == 0);
}

TEST_CASE("allocators are equal exactly when they share a tally, also after rebinding", "[tools][unit]") {
    allocation_tally a;
    allocation_tally b;
    const counting_allocator<int> ints{a};
    const counting_allocator<char> chars{ints};
    CHECK(ints == counting_allocator<int>{chars});
    CHECK_FALSE(ints == counting_allocator<int>{b});
    CHECK_FALSE(std::is_default_constructible_v<counting_allocator<int>>);
    CHECK_FALSE(std::allocator_traits<bombing_allocator<int>>::is_always_equal::value);
}

TEST_CASE("the n-th allocation of a bombing allocator fails, and a container loses nothing", "[tools][unit]") {
    using entry = std::pair<const int, int>;
    allocation_tally tally;
    {
        std::map<int, int, std::less<>, bombing_allocator<entry>> map{bombing_allocator<entry>{tally}};
        const armed_fault armed{fault::allocator, 3, fault_mode::from_then_on};
        int thrown = 0;
        for (int i = 0; i < 5; ++i) {
            try {
                map.emplace(i, i);
            } catch (const std::bad_alloc&) {
                ++thrown;
            }
        }
        CHECK(map.size() == 2);
        CHECK(thrown == 3);
        CHECK(armed.fired() == 3);
    }
    CHECK(tally.live_blocks == 0);
}
