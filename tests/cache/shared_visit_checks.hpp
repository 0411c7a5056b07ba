// SPDX-License-Identifier: MIT
/// What is checked of caches with four shards, for several policies.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/death.hpp"

#include <plateau/cache.hpp>

namespace plateau_test {

struct four_shards : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 4;
    static constexpr std::size_t min_shard_entries = 1;
};

inline constexpr auto inside_its_own_visit = "from inside its own visit";

template <class Policies>
void a_visitor_that_calls_is_trapped(shared_check& check) {
    plateau::concurrent_lru_cache<int, int, Policies> cache{{.max_entries = 1'000}};
    for (int key = 0; key < 64; ++key) cache.put(key, key);
    const auto trapped = [](auto call) { return dies(call).says(inside_its_own_visit); };
    for (int key = 0; key < 64; ++key) {  // 64 keys: some in every shard
        check.expect(trapped([&] { cache.visit(0, [&](const int&) noexcept { (void)cache.get(key); }); }),
                     "a visitor that looks up any key is trapped");
    }
    check.expect(trapped([&] { cache.visit(0, [&](const int&) noexcept { (void)cache.stats(); }); }),
                 "a visitor that asks for the stats is trapped");
    check.expect(trapped([&] { cache.visit(0, [&](const int&) noexcept { cache.clear(); }); }),
                 "a visitor that clears the cache is trapped");
}

/// Divided among the shards the bound is 0 for some of them, and 0 does not mean "as max_bytes" there.
template <class Policies>
void a_small_bound_on_pins_is_a_bound(shared_check& check) {
    plateau::concurrent_lru_cache<int, int, Policies> cache{
        {.max_bytes = 1'000'000, .max_entry_bytes = 1'000, .max_pinned_bytes = 3}};
    for (int key = 0; key < 64; ++key) cache.put(key, key);
    for (int key = 0; key < 64; ++key)
        check.expect(cache.pin(key).reason() == plateau::cache_reason::pinned_full, "no entry fits in three bytes");
}

}  // namespace plateau_test
