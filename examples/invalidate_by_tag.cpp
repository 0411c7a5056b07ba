// SPDX-License-Identifier: MIT
// Pages that end together when what they show has changed: by tags, not by a list of their keys.
#include <plateau/cache.hpp>
#include <plateau/cache/tagged_cache.hpp>
#include <plateau/literals.hpp>

#include <cstdint>
#include <cstdio>
#include <string>

using namespace plateau::literals;

using page_cache = plateau::tagged_cache<plateau::concurrent_cache<std::string, std::string>>;

/// A page is stored with the tags of all that it shows.
void keep_product(page_cache& pages, int id, const std::string& price) {
    const std::string name = std::to_string(id);
    pages.put("/product/" + name, "product " + name + " at " + price, {.tags = {"product:" + name, "catalog"}});
}

int main() {
    page_cache pages{{.cache = {.max_bytes = 1_MiB}, .max_tags = 1'024}};
    for (int id = 0; id < 100; ++id) keep_product(pages, id, "9.99");
    pages.put("/catalog", "all products", {.tags = {"catalog"}});
    pages.put("/about", "about us");

    // One product changed: its page ends, at once, for every thread. The others stay.
    bool ok = pages.invalidate_tag("product:7") && !pages.get("/product/7") && pages.get("/product/8");

    // The catalog changed: a hundred pages end in one step. Their memory comes back bit by bit, in later calls.
    ok = ok && pages.invalidate_tag("catalog");
    ok = ok && !pages.get("/product/8") && !pages.get("/catalog") && pages.get("/about");

    // A page that was read from the database before a change must not be stored after it: `stamp` tells when the
    // reading began.
    const std::uint64_t since = pages.stamp();
    const std::string html = "all products, as they were";
    pages.invalidate_tag("catalog");  // by another thread, meanwhile
    ok = ok && !pages.put("/catalog", html, {.tags = {"catalog"}, .since = since});

    pages.purge_expired();
    std::printf("%zu page left, %llu invalidated\n", pages.size(),
                static_cast<unsigned long long>(pages.stats().invalidations));
    return ok && pages.size() == 1 ? 0 : 1;
}
