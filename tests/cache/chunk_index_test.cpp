// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"

#include <plateau/cache/chunk_index.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

using plateau::detail::chunk_index;
using plateau::detail::index_chunk;
using plateau::detail::nil;

TEST_CASE("both ways to match a chunk's tags answer alike, whatever else is in its line", "[cache][unit]") {
    std::uint32_t word = 12'345;
    const auto next = [&] { return word = word * 1'664'525U + 1'013'904'223U; };
    for (int round = 0; round < 20'000; ++round) {
        index_chunk chunk{};
        for (auto& tag : chunk.tags) {
            const std::uint32_t drawn = next() >> 16;
            tag = drawn % 3 == 0 ? static_cast<unsigned char>(0) : static_cast<unsigned char>(0x80U | (drawn % 4));
        }
        for (auto& count : chunk.passed_by) count = static_cast<unsigned char>(next() >> 24);  // in the same 16 bytes
        for (const unsigned tag : {0U, 0x80U, 0x81U, 0x82U, 0x83U, 0xffU}) {
            const auto wanted = static_cast<unsigned char>(tag);
            REQUIRE(plateau::detail::match(chunk, wanted) == plateau::detail::match_portable(chunk, wanted));
        }
    }
}

TEST_CASE("equal hashes by the thousand are found, erased and forgotten, also where a count stuck", "[cache][unit]") {
    constexpr std::uint32_t count = 5'000;
    constexpr std::uint32_t same_hash = 7;
    chunk_index<std::allocator<std::byte>> index{std::allocator<std::byte>{}};
    index.reserve(count, count, [](std::uint32_t) { return same_hash; });
    const auto find = [&](std::uint32_t slot) {
        return index.find(same_hash, [&](std::uint32_t other) { return other == slot; });
    };
    for (std::uint32_t slot = 0; slot < count; ++slot) index.insert(same_hash, slot);
    index.check_invariants(count, [](std::uint32_t) { return same_hash; });
    for (std::uint32_t slot = 0; slot < count; slot += 97) CHECK(find(slot) == slot);
    for (std::uint32_t slot = 0; slot < count; slot += 2) index.erase(same_hash, slot);
    index.check_invariants(count / 2, [](std::uint32_t) { return same_hash; });
    for (std::uint32_t slot = 0; slot < count; slot += 97) CHECK(find(slot) == (slot % 2 == 0 ? nil : slot));
    for (std::uint32_t slot = 1; slot < count; slot += 2) index.erase(same_hash, slot);
    index.check_invariants(0, [](std::uint32_t) { return same_hash; });
    CHECK(find(1) == nil);
}
