// SPDX-License-Identifier: MIT
// What lies in an arena ends with its request: no cache holds it, no default makes it, no unknown type slips out.
// expect CACHED: this cache value may point into memory that ends with a request
// expect UNKNOWN: how to copy this type out of an arena is unknown
// expect POINTER: how to copy this type out of an arena is unknown
// expect THROWING: what is deferred must not throw
// expect TEMPORARY: a part of an arena_pool is taken by reference
// expect STRANGE: the parts of an arena_pool are
// expect HOMELESS: no matching
// expect MOVED: deleted
#include <plateau/arena.hpp>
#include <plateau/cache.hpp>

#include <memory>
#include <string>
#include <utility>

struct has_arena_inside {
    plateau::arena_string text;
};

int main() {
#if defined(TEMPORARY)
    plateau::arena_pool pool({}, plateau::no_charge{});
#elif defined(STRANGE)
    int number = 0;
    plateau::arena_pool pool({}, number);
#else
    plateau::arena_pool pool;
#endif
    plateau::request_arena arena(pool);
    plateau::arena_string text("text", arena);
#if defined(CACHED)
    plateau::lru_cache<int, plateau::arena_string> kept{{.max_entries = 1}};
#elif defined(UNKNOWN)
    static_cast<void>(plateau::detach(has_arena_inside{text}));
#elif defined(POINTER)
    const char* raw = text.data();
    static_cast<void>(plateau::detach(std::make_pair(1, &raw)));
#elif defined(THROWING)
    arena.defer([] {});
#elif defined(HOMELESS)
    plateau::arena_vector<int> numbers;
#elif defined(MOVED)
    plateau::request_arena moved(std::move(arena));
#else
    static_cast<void>(plateau::detach(text));
    arena.defer([]() noexcept {});
#endif
    return 0;
}
