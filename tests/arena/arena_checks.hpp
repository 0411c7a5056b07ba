// SPDX-License-Identifier: MIT
/// What an arena promises, as functions over the types that it holds.
#pragma once

#include "arena/arena_test_types.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/fault.hpp"

#include <plateau/arena.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace plateau_test {

using namespace plateau::literals;

/// Tells of its end, and fails at its beginning when asked to.
template <class Tag>
struct told {
    std::vector<int>* ends;
    int number;

    told(std::vector<int>& all, int n) : ends(&all), number(n) { fault_here(fault::construct); }
    told(const told&) = delete;
    told& operator=(const told&) = delete;
    ~told() { ends->push_back(number); }
};

/// Objects and deferred calls are one list: newest first, each once.
template <class Tag>
void everything_ends_newest_first(shared_check& check) {
    plateau::arena_pool pool;
    std::vector<int> ends;
    ends.reserve(100);
    {
        plateau::request_arena arena(pool);
        for (int i = 0; i < 9; i += 3) {
            arena.create<told<Tag>>(ends, i);
            arena.defer([&ends, i]() noexcept { ends.push_back(i + 1); });
            check.expect(static_cast<bool>(arena.try_create<told<Tag>>(ends, i + 2)), "there is room");
        }
    }
    check.equal(ends.size(), 9U, "ends");
    for (std::size_t i = 0; i < ends.size(); ++i)
        check.equal(ends[i], 8 - static_cast<int>(i), "the number of who ends, newest first");
}

/// A constructor that throws, at each of five creations: no end for an object that never was, one for every other.
template <class Tag>
void what_never_was_has_no_end(shared_check& check) {
    for (std::uint64_t failing = 1; failing <= 5; ++failing) {
        plateau::arena_pool pool;
        std::vector<int> ends;
        ends.reserve(100);
        int built = 0;
        {
            plateau::request_arena arena(pool);
            const armed_fault armed(fault::construct, failing);
            for (int i = 0; i < 5; ++i) {
                try {
                    arena.create<told<Tag>>(ends, i);
                    ++built;
                } catch (const injected_fault&) {
                    check.equal(static_cast<std::uint64_t>(i) + 1, failing, "the creation that failed");
                }
            }
            arena.check_invariants();
        }
        check.equal(built, 4, "objects built");
        check.equal(ends.size(), 4U, "objects ended");
        for (const int number : ends)
            check.expect(static_cast<std::uint64_t>(number) + 1 != failing, "who never was does not end");
    }
}

template <std::size_t Bytes, class Tag>
struct sized_item {
    unsigned char bytes[Bytes];
};

/// n x size that wraps around is refused, and takes nothing.
template <class Tag>
void products_are_checked(shared_check& check) {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    const auto refused = [&](auto make) {
        try {
            make();
        } catch (const plateau::limit_exceeded& e) {
            return e.reason();
        }
        return plateau::arena_reason::none;
    };
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    using plateau::arena_reason;
    check.expect(refused([&] { static_cast<void>(arena.create_array<sized_item<16, Tag>>(most / 16 + 1)); }) ==
                     arena_reason::too_large,
                 "a product that wraps to 0 is refused");
    check.expect(refused([&] { static_cast<void>(arena.create_array<sized_item<16, Tag>>(most / 16 + 3)); }) ==
                     arena_reason::too_large,
                 "a product that wraps to 32 is refused");
    check.equal(arena.stats().held_bytes, 0U, "bytes held after the refusals");
}

/// How a check uses an arena where a defect may do it in another way.
struct as_shipped {
    using taken = plateau::result<void*, plateau::arena_reason>;

    static taken take(plateau::request_arena& arena, std::size_t n, std::size_t align) {
        return arena.try_allocate(n, align);
    }
    static void give_back(plateau::request_arena& arena, void* memory, std::size_t n) {
        arena.deallocate_bytes(memory, n);
    }
    static bool rewind(plateau::request_arena& arena, const plateau::checkpoint& to) { return arena.rewind(to); }
};

/// As a vector grows: each time twice as large, and then the old one goes.
template <class Hands>
void a_large_object_gives_its_blocks_back(shared_check& check) {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    fill(arena.allocate_bytes(60'000), 60'000);
    std::size_t size = 100'000;
    void* buffer = fill(arena.allocate_bytes(size), size, 1);
    for (int i = 0; i < 5; ++i) {
        void* const next = fill(arena.allocate_bytes(2 * size), 2 * size, 1);
        Hands::give_back(arena, buffer, size);
        buffer = next;
        size *= 2;
        arena.check_invariants();
        pool.check_invariants();
    }
    check.expect(is_filled(buffer, size, 1), "what was written stands there");
    check.expect(arena.stats().held_bytes <= size + 4 * 64_KiB, "no more is held than the newest");
    Hands::give_back(arena, buffer, size);
    check.expect(arena.stats().held_bytes <= 4 * 64_KiB, "at last that one's blocks go as well");
}

constexpr plateau::arena_pool_options large_blocks{.max_bytes = 8_MiB, .block_bytes = 256_KiB};

/// What is free behind it was given up for larger room elsewhere.
template <class Hands>
void a_large_object_gives_back_the_end_that_was_given_up(shared_check& check) {
    plateau::arena_pool pool{large_blocks};
    plateau::request_arena arena(pool);
    void* const first = fill(arena.allocate_bytes(200'000), 200'000);
    for (int i = 0; i < 2; ++i) fill(arena.allocate_bytes(300'000), 300'000);
    check.equal(arena.stats().free_bytes / 100'000, 4U, "hundred thousands of free bytes, behind the other two");
    const auto held = arena.stats().held_bytes;
    Hands::give_back(arena, first, 200'000);
    check.equal(held - arena.stats().held_bytes, 256_KiB, "what goes back with the first");
    arena.check_invariants();
}

/// The place of a large object, free, in a run of which the end is free as well, and on which nothing stands.
inline void* large_place(plateau::request_arena& arena) {
    void* const first = arena.allocate_bytes(200'000);
    void* const behind_it = arena.allocate_bytes(500);
    arena.deallocate_bytes(first, 200'000);
    arena.deallocate_bytes(behind_it, 500);
    return first;
}

/// The run's free end is given up, and its first object fills a part only of what is before that.
template <class Hands>
void a_part_of_a_place_gives_no_blocks_back(shared_check& check) {
    for (const std::size_t other_part : {std::size_t{0}, std::size_t{150'000}}) {
        plateau::arena_pool pool{large_blocks};
        plateau::request_arena arena{pool, {.large_bytes = 1'000}};
        void* const first = large_place(arena);
        void* const part = arena.allocate_bytes(50'000);
        check.expect(part == first, "it stands where the larger one stood");
        void* const other = other_part == 0 ? nullptr : fill(arena.allocate_bytes(other_part), other_part);
        static_cast<void>(arena.allocate_bytes(400'000));
        const auto held = arena.stats().held_bytes;
        Hands::give_back(arena, part, 50'000);
        arena.check_invariants();
        check.equal(arena.stats().held_bytes, held, "what is held when a part was given back");
        fill(arena.allocate_bytes(50'000), 50'000, 1);
        check.expect(other == nullptr || is_filled(other, other_part), "what is behind the part stands there");
        arena.check_invariants();
    }
}

/// The place that the object filled is free room of no bytes, and lies in the run as the free end does.
template <class Hands>
void a_run_that_goes_back_leaves_no_room_behind(shared_check& check) {
    for (const bool end_given_up : {false, true}) {
        plateau::arena_pool pool{large_blocks};
        plateau::request_arena arena{pool, {.large_bytes = 1'000}};
        void* const first = large_place(arena);
        if (end_given_up) static_cast<void>(arena.allocate_bytes(400'000));
        void* const again = fill(arena.allocate_bytes(200'000), 200'000);
        check.expect(again == first, "it fills the place of the first");
        const auto held = arena.stats().held_bytes;
        Hands::give_back(arena, again, 200'000);
        check.equal(held - arena.stats().held_bytes, 256_KiB, "what goes back");
        arena.check_invariants();
        for (int i = 0; i < 4; ++i) fill(arena.allocate_bytes(70'000), 70'000);
        arena.check_invariants();
    }
}

/// The head of a run is no power of two: what stands behind it may have to leave room.
template <class Hands>
void a_run_has_room_for_every_alignment(shared_check& check) {
    constexpr std::size_t block = 64_KiB;
    constexpr std::size_t head = sizeof(plateau::detail::block_run) + (under_asan ? 16 : 0);
    plateau::arena_pool pool{{.max_bytes = 4_MiB, .block_bytes = block}};
    for (std::size_t align = 1; align <= 2 * page; align *= 2) {
        for (std::size_t less = 0; less <= 2 * page && less <= 4 * align + 64; less += 8) {
            plateau::request_arena arena(pool);
            const auto got = Hands::take(arena, 2 * block - less, align);
            if (!check.expect(static_cast<bool>(got), "there is room for it behind the head")) return;
            check.equal(reinterpret_cast<std::uintptr_t>(*got) % align, 0U, "bytes between it and its alignment");
            fill(*got, 2 * block - less);
            const std::size_t padding = (0 - sizeof(plateau::detail::block_run)) & (align - 1);
            if (align > page || align < 16) continue;
            check.equal(arena.stats().held_bytes, less < head + padding ? 3 * block : 2 * block, "blocks that it took");
        }
    }
}

/// Loops in loops come and go, before a mark that is still to be used and after it.
template <class Hands>
void a_mark_is_good_after_any_number_of_loops(shared_check& check) {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    const auto nested_loop = [&arena] {
        const auto outer = arena.mark();
        static_cast<void>(arena.allocate_bytes(100));
        const auto inner = arena.mark();
        static_cast<void>(arena.allocate_bytes(100));
        return Hands::rewind(arena, inner) && Hands::rewind(arena, outer) && !Hands::rewind(arena, inner);
    };
    check.expect(nested_loop(), "a loop in a loop goes back to where each began");
    const auto first = arena.mark();
    bool good = true;
    for (int i = 0; i < 50; ++i) good = nested_loop() && good;
    const auto second = arena.mark();
    for (int i = 0; i < 50; ++i) good = nested_loop() && good;
    check.expect(good, "so do a hundred of them");
    check.expect(Hands::rewind(arena, second), "a mark between them is good");
    check.expect(Hands::rewind(arena, first), "a mark before them is good");
    check.expect(!Hands::rewind(arena, second), "a mark that was passed by is not");
    // And again, now that it was used.
    for (int i = 0; i < 50; ++i) good = nested_loop() && good;
    check.expect(good, "so do those after it");
    check.expect(Hands::rewind(arena, first), "a mark can be used again");
}

template <class Tag>
struct alignas(512) wide_item {
    char bytes[600];
};
template <class Tag>
struct alignas(512) wide_ending : wide_item<Tag> {
    ~wide_ending() { this->bytes[0] = 'e'; }
};

template <class Tag>
void objects_stand_where_their_type_asks(shared_check& check) {
    const auto is_aligned = [](const auto& object) {
        return reinterpret_cast<std::uintptr_t>(&object) % alignof(std::remove_cvref_t<decltype(object)>) == 0;
    };
    plateau::arena_pool pool;
    for (const std::size_t before : {0U, 1U, 100U, 5'000U}) {
        plateau::request_arena arena(pool);
        if (before != 0) static_cast<void>(arena.allocate_bytes(before, 1));
        check.expect(is_aligned(arena.create_array<wide_ending<Tag>>(3).front()), "an element that ends is aligned");
        check.expect(is_aligned(arena.create_array<wide_item<Tag>>(3).front()), "an element is aligned");
        check.expect(is_aligned(arena.create<wide_ending<Tag>>()), "an object is aligned");
        check.expect(is_aligned(arena.create_array<std::string>(3).front()), "a string is aligned");
        check.expect(is_aligned(arena.create_array<char>(3).front()), "a letter is aligned");
        arena.check_invariants();
    }
}

}  // namespace plateau_test
