// SPDX-License-Identifier: MIT
// Mistakes at the edge of a cache.
// expect MOVED: deleted (function|constructor)
// expect COPIED: deleted (copy )?(function|constructor)
// expect CLOCK: clock.*(lvalue|reference|outlive|temporary)
// expect STRANGER: this part is none of the types that the cache's policies name
// expect UNWEIGHED: what this type owns on the heap is unknown
// expect HASH_AS_POLICIES: the third argument of a cache is its policies
// expect LISTENER: a cache listener is callable with .* and is noexcept
// expect NOT_COMPARABLE: a key of this cache is not comparable with what is looked up
// expect OF_ONE_THREAD: derive from plateau::concurrent_cache_policies
// expect VISITOR: f is noexcept
// expect NUMBER_AS_VECTOR: write put.key, V
// expect IGNORED: nodiscard
#include <plateau/cache.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

struct by_hand : plateau::cache_policies {
    using clock = plateau::manual_clock;
};
struct throwing_listener : plateau::cache_policies {
    struct listener {
        void operator()(const int&, int&&, plateau::removal_cause) const {}
    };
};

int main() {
    plateau::manual_clock clock;
    plateau::lru_cache<int, int, by_hand> cache{{.max_entries = 1}, clock};
    plateau::concurrent_lru_cache<int, int> shared{{.max_entries = 1}};
    if (!cache.put(1, 1)) return 1;
#if defined(MOVED)
    auto other = std::move(cache);
#elif defined(COPIED)
    auto other = shared;
#elif defined(CLOCK)
    plateau::lru_cache<int, int, by_hand> other{{.max_entries = 1}, plateau::manual_clock{}};
#elif defined(STRANGER)
    plateau::lru_cache<int, int, by_hand> other{{.max_entries = 1}, clock, std::string{}};
#elif defined(UNWEIGHED)
    plateau::lru_cache<int, std::shared_ptr<int>> other{{.max_entries = 1}};
    if (!other.put(1, nullptr)) return 1;
#elif defined(HASH_AS_POLICIES)
    plateau::lru_cache<std::string, int, plateau::keyed_fold_hash> other{{.max_entries = 1}};
#elif defined(LISTENER)
    plateau::lru_cache<int, int, throwing_listener> other{{.max_entries = 1}};
#elif defined(NOT_COMPARABLE)
    plateau::lru_cache<std::string, int> other{{.max_entries = 1}};
    if (other.contains(1)) return 1;
#elif defined(OF_ONE_THREAD)
    plateau::concurrent_cache<int, int, by_hand> other{{.max_entries = 1}, clock};
#elif defined(VISITOR)
    if (!shared.visit(1, [](const int&) {})) return 1;
#elif defined(NUMBER_AS_VECTOR)
    plateau::lru_cache<int, std::vector<int>> other{{.max_entries = 1}};
    if (!other.put(1, 5)) return 1;
#elif defined(IGNORED)
    cache.get(1);
#else
    if (!shared.visit(1, [](const int&) noexcept {})) return cache.get(1) ? 0 : 1;
#endif
    return 0;
}
