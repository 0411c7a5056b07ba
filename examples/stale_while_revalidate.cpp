// SPDX-License-Identifier: MIT
// Past its time to live a page is still handed out at once, while one load in the background brings the new one; and
// where the origin is down, the old page bridges the time. The clock is turned by hand, so that nothing sleeps.
#include <plateau/cache.hpp>
#include <plateau/channel.hpp>
#include <plateau/clock.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;

struct by_hand : plateau::concurrent_cache_policies {
    using clock = plateau::manual_clock;
};

int main() {
    plateau::manual_clock clock;
    plateau::worker_pool pool{{.threads = 1, .max_tasks = 16}};  // outlives the cache, which refreshes on it
    std::atomic<int> version{1};
    std::atomic<bool> down{false};

    const auto origin = [&](const std::string& path) -> plateau::loaded<std::string> {
        if (down) throw std::runtime_error("the origin is down");
        return {.value = path + " v" + std::to_string(version), .time_to_live = 60s};
    };
    plateau::loading_cache<plateau::concurrent_cache<std::string, std::string, by_hand>> pages{
        {.cache = {.max_entries = 1'000}, .stale_while_revalidate = 30s, .stale_if_error = 1h}, origin, clock, pool};

    const auto show = [&](const char* when) {
        const auto page = pages.get("/news");
        std::printf("%-28s %s%s\n", when, page ? page->c_str() : "nothing", page.stale() ? " (stale)" : "");
        return page ? *page + (page.stale() ? " stale" : "") : std::string();
    };

    const bool fresh = show("first:") == "/news v1";
    version = 2;
    clock.advance(70s);
    const bool stale = show("past its time to live:") == "/news v1 stale";
    while (pages.stats().loads != 2 || pages.stats().loading != 0) std::this_thread::yield();
    const bool renewed = show("once it was refreshed:") == "/news v2";

    down = true;
    clock.advance(10min);
    const bool bridged = show("while the origin is down:") == "/news v2 stale";
    down = false;
    version = 3;
    const bool again = show("when it is back:") == "/news v3";

    // The old value has an end, whatever a load is doing.
    down = true;
    clock.advance(2h);
    bool thrown = false;
    try {
        show("");
    } catch (const std::runtime_error& e) {
        thrown = true;
        std::printf("%-28s %s\n", "past its last deadline:", e.what());
    }
    return fresh && stale && renewed && bridged && again && thrown ? 0 : 1;
}
