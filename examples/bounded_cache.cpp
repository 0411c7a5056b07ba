// SPDX-License-Identifier: MIT
// A cache that cannot outgrow what it was given: bounded by entries, by bytes and by time.
#include <plateau/cache.hpp>
#include <plateau/literals.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
using namespace plateau::literals;

struct page {
    std::string html;
    int version = 0;
};

/// What a page holds on the heap: with this, the bound in bytes counts pages as they really are.
std::size_t owned_bytes(const page& p) noexcept { return p.html.capacity(); }

int main() {
    plateau::lru_cache<std::string, page> pages{{
        .max_entries = 100,
        .max_bytes = 1_MiB,
        .max_entry_bytes = 64_KiB,
        .time_to_live = 5min,
    }};

    // A thousand pages of 20 KB do not fit into 1 MiB: the least recently used ones make room.
    for (int i = 0; i < 1'000; ++i) {
        if (i % 10 == 0) (void)pages.get("/home");  // asked for often, so it stays
        else pages.put("/product/" + std::to_string(i), page{std::string(20'000, 'x'), 1});
        if (i == 1) pages.put("/home", page{"<h1>home</h1>", 1}, {.time_to_live = 1h});
    }

    // What leaves the cache is a copy, or is visited in place: nothing can dangle.
    int version = 0;
    const bool visited = pages.visit(std::string_view("/home"), [&](const page& p) { version = p.version; });
    const bool forgotten = !pages.get("/product/1");

    // A refusal is a value with a reason, and changes nothing.
    const auto put = pages.put("/home", page{std::string(200'000, 'x'), 2});
    const bool refused = !put && put.reason() == plateau::cache_reason::too_large;
    const bool kept = pages.get("/home")->version == 1;

    const plateau::cache_stats now = pages.stats();
    std::printf("%llu entries, %llu bytes; never more than %zu bytes\n", static_cast<unsigned long long>(now.entries),
                static_cast<unsigned long long>(now.bytes), pages.memory_ceiling());
    return visited && version == 1 && forgotten && refused && kept && now.bytes <= 1_MiB && now.evictions > 0 ? 0 : 1;
}
