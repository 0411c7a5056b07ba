// SPDX-License-Identifier: MIT
// Mistakes at the edge of a cache that loads.
// expect FOR_ONE_THREAD: loads are shared by threads
// expect TAGS_FOR_ONE_THREAD: loads are shared by threads
// expect TIER_FOR_ONE_THREAD: loads are shared by threads
// expect LOADS_TWICE: a loading_cache is the layer in front of all others, once
// expect TAGS_OVER_LOADS: a loading_cache is the layer in front of all others, once
// expect TIER_OVER_LOADS: a loading_cache is the layer in front of all others, once
// expect TWO_LOADERS: two loaders were passed
// expect EXECUTOR: a shared part .* is taken by reference
// expect STRANGER: this function is no loader of this cache
// expect OTHER_KEY: a loader is called with
// expect OTHER_VALUE: a loader is called with
// expect NUMBER_AS_VECTOR: returns as V
// expect NOT_COPIED: a loaded value goes to all who wait for it
// expect CALLBACK: f.result. noexcept
// expect IGNORED: nodiscard
// expect MOVED: deleted (function|constructor)
#include <plateau/cache.hpp>
#include <plateau/cache/loading_cache.hpp>
#include <plateau/cache/tagged_cache.hpp>
#include <plateau/cache/tiered_cache.hpp>
#include <plateau/executor.hpp>
#include <plateau/waiter.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

struct tier {
    plateau::result<plateau::tier_entry<int>, plateau::tier_reason> get(const int&, plateau::time_point) {
        return plateau::tier_reason::absent;
    }
    plateau::tier_reason put(const int&, const int&, plateau::duration, plateau::time_point) { return {}; }
    plateau::tier_reason erase(const int&, plateau::time_point) { return {}; }
};
using sole = plateau::lru_cache<int, int>;
using shared = plateau::concurrent_lru_cache<int, int>;

int main() {
    const auto load = [](int key) { return key; };
    plateau::loading_cache<shared> cache{{.cache = {.max_entries = 1}}, load};
    tier far_away;
#if defined(FOR_ONE_THREAD)
    plateau::loading_cache<sole> other{{.cache = {.max_entries = 1}}, load};
#elif defined(TAGS_FOR_ONE_THREAD)
    plateau::loading_cache<plateau::tagged_cache<sole>> other{{.cache = {.cache = {.max_entries = 1}}}, load};
#elif defined(TIER_FOR_ONE_THREAD)
    plateau::loading_cache<plateau::tiered_cache<sole, tier>> other{
        {.cache = {.cache = {.max_entries = 1}}}, load, far_away};
#elif defined(LOADS_TWICE)
    plateau::loading_cache<plateau::loading_cache<shared>> other{{.cache = {.cache = {.max_entries = 1}}}, load};
#elif defined(TAGS_OVER_LOADS)
    plateau::tagged_cache<plateau::loading_cache<shared>> other{{.cache = {.cache = {.max_entries = 1}}}, load};
#elif defined(TIER_OVER_LOADS)
    plateau::tiered_cache<plateau::loading_cache<shared>, tier> other{
        {.cache = {.cache = {.max_entries = 1}}}, load, far_away};
#elif defined(TWO_LOADERS)
    plateau::loading_cache<shared> other{{.cache = {.max_entries = 1}}, load, load};
#elif defined(EXECUTOR)
    plateau::loading_cache<shared> other{{.cache = {.max_entries = 1}}, load, plateau::inline_executor{}};
#elif defined(STRANGER)
    plateau::loading_cache<shared> other{{.cache = {.max_entries = 1}}, [](const std::string&) { return 1; }};
#elif defined(OTHER_KEY)
    static_cast<void>(cache.get_or_load(1, [](const std::string&) { return 1; }));
#elif defined(OTHER_VALUE)
    static_cast<void>(cache.get_or_load(1, [](int) { return std::string(); }));
#elif defined(NUMBER_AS_VECTOR)
    plateau::loading_cache<plateau::concurrent_lru_cache<int, std::vector<int>>> other{{.cache = {.max_entries = 1}}};
    static_cast<void>(other.get_or_load(1, load));
#elif defined(NOT_COPIED)
    plateau::loading_cache<plateau::concurrent_lru_cache<int, std::unique_ptr<int>>> other{
        {.cache = {.max_entries = 1}}};
#elif defined(CALLBACK)
    plateau::waiter node{[](const plateau::load_result<int>&) {}};
    cache.get_then(node, 1);
#elif defined(IGNORED)
    cache.get(1);
#elif defined(MOVED)
    auto other = std::move(cache);
#endif
    return cache.get(1) && far_away.erase(1, {}) == plateau::tier_reason::none ? 0 : 1;
}
