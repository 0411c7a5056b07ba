// SPDX-License-Identifier: MIT
// A key that many ask for at once is loaded once: the others wait for that load, and get what it brings.
#include <plateau/cache.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

std::atomic<int> asked{0};
std::atomic<bool> all_wait{false};

/// The origin: slow, with pages that it does not have, and sometimes down. It lives as long as the cache, so it holds
/// nothing of a request.
struct origin {
    std::optional<std::string> operator()(const std::string& path) const {
        ++asked;
        while (!all_wait) std::this_thread::yield();
        if (path == "/broken") throw std::runtime_error("the origin is down");
        if (path == "/missing") return std::nullopt;
        return "<h1>" + path + "</h1>";
    }
};

int main() {
    plateau::loading_cache<plateau::concurrent_cache<std::string, std::string>> pages{
        {
            .cache = {.max_bytes = 1 << 20, .time_to_live = 60s},
            .absent_for = 5s,      // "not there" is remembered as well
            .load_timeout = 10s,   // nobody waits longer for the origin
            .max_waiters = 1'000,  // and no more than these
        },
        origin{},
    };

    // Eight requests for the same page: one goes to the origin.
    std::atomic<int> served{0};
    std::vector<std::thread> requests;
    for (int i = 0; i < 8; ++i)
        requests.emplace_back([&] {
            if (const auto page = pages.get("/home")) served += *page == "<h1>/home</h1>";
        });
    while (pages.stats().waiters != 7) std::this_thread::yield();
    all_wait = true;
    for (std::thread& request : requests) request.join();
    const bool once = served == 8 && asked == 1;

    // A refusal says why; what the loader threw comes out of `get`, and is not kept.
    const bool absent = pages.get("/missing").reason() == plateau::load_reason::absent &&
                        pages.get("/missing").reason() == plateau::load_reason::absent && asked == 2;
    bool thrown = false;
    try {
        static_cast<void>(pages.get("/broken"));
    } catch (const std::runtime_error&) {
        thrown = true;
    }

    // A page that is erased while it is loaded is not brought back by that load.
    const auto loaded = pages.get_or_load("/old", [&](const std::string& path) {
        pages.erase(path);
        return std::string("the state of before");
    });
    const bool not_kept = loaded && !pages.contains("/old");

    const auto now = pages.stats();
    std::printf("%llu loads, %llu failed, %llu absent; %d requests served by the first one\n",
                static_cast<unsigned long long>(now.loads), static_cast<unsigned long long>(now.load_failures),
                static_cast<unsigned long long>(now.loads_absent), served.load());
    return once && absent && thrown && not_kept ? 0 : 1;
}
