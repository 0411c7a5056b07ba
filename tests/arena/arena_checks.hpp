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

}  // namespace plateau_test
