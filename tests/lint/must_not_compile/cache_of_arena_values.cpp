// SPDX-License-Identifier: MIT
// The founding leak: a cache that keeps what a request has built in its arena. It keeps a copy, or does not compile.
// expect STRING: this cache value may point into memory that ends with a request
// expect TREE: this cache value may point into memory that ends with a request
// expect MAP: this cache value may point into memory that ends with a request
// expect INSIDE: this cache value may point into memory that ends with a request
// expect MARK: this cache value may point into memory that ends with a request
// expect KEY: this cache key may point into memory that ends with a request
// expect MEMORY_RESOURCE: this cache value may point into memory that ends with a request
#include <plateau/arena.hpp>
#include <plateau/cache.hpp>

#include <memory_resource>
#include <optional>
#include <string>
#include <vector>

#if defined(STRING)
using kept = plateau::lru_cache<std::string, plateau::arena_string>;
#elif defined(TREE)
using kept = plateau::concurrent_lru_cache<std::string, plateau::arena_vector<plateau::arena_string>>;
#elif defined(MAP)
using kept = plateau::lru_cache<std::string, plateau::arena_map<int, int>>;
#elif defined(INSIDE)
using kept = plateau::lru_cache<std::string, std::optional<std::pair<int, plateau::arena_vector<int>>>>;
#elif defined(MARK)
using kept = plateau::lru_cache<std::string, plateau::checkpoint>;
#elif defined(KEY)
using kept = plateau::lru_cache<plateau::arena_string, int>;
#elif defined(MEMORY_RESOURCE)
using kept = plateau::lru_cache<std::string, std::pmr::vector<int>>;
#else
using kept = plateau::lru_cache<std::string, std::string>;
#endif

int main() {
    plateau::arena_pool pool;
    plateau::request_scope request{pool};
    const plateau::arena_string page("a page", request);
    kept pages{{.max_entries = 1}};
#if !defined(STRING) && !defined(TREE) && !defined(MAP) && !defined(INSIDE) && !defined(MARK) && !defined(KEY) &&      \
    !defined(MEMORY_RESOURCE)
    if (!pages.put("/", plateau::detach(page))) return 1;
#endif
    return pages.memory_ceiling() == 0 ? 1 : 0;
}
