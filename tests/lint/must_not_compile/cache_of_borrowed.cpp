// SPDX-License-Identifier: MIT
// A cache outlives requests, so what may point into one is neither its key nor its value.
// expect POINTER: this cache value may point into memory that ends with a request
// expect SPAN: this cache value may point into memory that ends with a request
// expect VIEW: this cache value may point into memory that ends with a request
// expect REFERENCE: this cache value may point into memory that ends with a request
// expect NESTED: this cache value may point into memory that ends with a request
// expect KEY: this cache key may point into memory that ends with a request
#include <plateau/cache.hpp>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#if defined(POINTER)
using kept = plateau::lru_cache<std::string, const char*>;
#elif defined(SPAN)
using kept = plateau::lru_cache<std::string, std::span<const char>>;
#elif defined(VIEW)
using kept = plateau::concurrent_lru_cache<std::string, std::string_view>;
#elif defined(REFERENCE)
using kept = plateau::lru_cache<std::string, std::reference_wrapper<const std::string>>;
#elif defined(NESTED)
using kept = plateau::lru_cache<std::string, std::vector<std::pair<int, std::string_view>>>;
#elif defined(KEY)
using kept = plateau::lru_cache<std::string_view, int>;
#else
using kept = plateau::lru_cache<std::string, std::vector<std::pair<int, std::string>>>;
#endif

int main() {
    kept values{{.max_entries = 1}};
    return values.memory_ceiling() == 0 ? 1 : 0;
}
