// SPDX-License-Identifier: MIT
// Mistakes at the edge of the layers of a cache.
// expect NINE: an entry of a tagged_cache has at most 8 tags
// expect TIER_RVALUE: a tier is taken by reference and outlives the cache
// expect NO_TIER: takes its tier, once, after the options
// expect NOT_A_TIER: a second tier has .result<tier_entry
// expect TAGS_OVER_TIER: a second tier knows no tags
// expect TIER_OVER_TAGS: a second tier knows no tags
// expect TAGS_TWICE: tags are one layer of a cache, once
// expect LOADER_WITHOUT_KEY: this function is no loader of this cache
// expect LOADER_OF_ANOTHER_VALUE: this function is no loader of this cache
#include <plateau/cache.hpp>
#include <plateau/cache/tagged_cache.hpp>
#include <plateau/cache/tiered_cache.hpp>

struct tier {
    plateau::result<plateau::tier_entry<int>, plateau::tier_reason> get(const int&, plateau::time_point) {
        return plateau::tier_reason::absent;
    }
    plateau::tier_reason put(const int&, const int&, plateau::duration, plateau::time_point) { return {}; }
    plateau::tier_reason erase(const int&, plateau::time_point) { return {}; }
};
struct no_tier {};
using memory = plateau::lru_cache<int, int>;

int main() {
    tier far_away;
    plateau::tagged_cache<memory> tagged{{.cache = {.max_entries = 1}}};
    plateau::tiered_cache<memory, tier> tiered{{.cache = {.max_entries = 1}}, far_away};
#if defined(NINE)
    tagged.put(1, 1, {.tags = {"1", "2", "3", "4", "5", "6", "7", "8", "9"}});
#elif defined(TIER_RVALUE)
    plateau::tiered_cache<memory, tier> other{{.cache = {.max_entries = 1}}, tier{}};
#elif defined(NO_TIER)
    plateau::tiered_cache<memory, tier> other{{.cache = {.max_entries = 1}}};
#elif defined(NOT_A_TIER)
    no_tier none;
    plateau::tiered_cache<memory, no_tier> other{{.cache = {.max_entries = 1}}, none};
#elif defined(TAGS_OVER_TIER)
    plateau::tagged_cache<plateau::tiered_cache<memory, tier>> other{{.cache = {.cache = {.max_entries = 1}}},
                                                                     far_away};
#elif defined(TIER_OVER_TAGS)
    plateau::tiered_cache<plateau::tagged_cache<memory>, tier> other{{.cache = {.cache = {.max_entries = 1}}},
                                                                     far_away};
#elif defined(TAGS_TWICE)
    plateau::tagged_cache<plateau::tagged_cache<memory>> other{{.cache = {.cache = {.max_entries = 1}}}};
#elif defined(LOADER_WITHOUT_KEY)
    plateau::loading_cache<plateau::concurrent_cache<int, int>> other{{.cache = {.max_entries = 1}}, [] { return 1; }};
#elif defined(LOADER_OF_ANOTHER_VALUE)
    const auto load = [](const int&) { return "one"; };
    plateau::loading_cache<plateau::concurrent_cache<int, int>> other{{.cache = {.max_entries = 1}}, load};
#endif
    tagged.put(1, 1, {.tags = {"1", "2", "3", "4", "5", "6", "7", "8"}});
    tiered.put(1, 1);
    return tagged.contains(1) && tiered.contains(1) ? 0 : 1;
}
