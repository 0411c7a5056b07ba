// SPDX-License-Identifier: MIT
// Your own test of what time does to your cache: the clock is turned by hand, and nothing sleeps.
#include <plateau/cache.hpp>
#include <plateau/clock.hpp>

#include <chrono>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

struct by_hand : plateau::cache_policies {
    using clock = plateau::manual_clock;
};

/// Code under test takes the cache's type as it comes: in production `plateau::lru_cache<std::string, int>`.
template <class Sessions>
bool is_logged_in(Sessions& sessions, const std::string& user) {
    return sessions.contains(user);
}

int main() {
    plateau::manual_clock clock;
    plateau::lru_cache<std::string, int, by_hand> sessions{{.max_entries = 1'000, .time_to_live = 30s}, clock};

    sessions.put("ann", 1);
    sessions.put("bob", 2, {.time_to_live = 2h});

    clock.advance(30s - 100ms);
    const bool before = is_logged_in(sessions, "ann");
    clock.advance(100ms);
    const bool at_deadline = is_logged_in(sessions, "ann");  // expired exactly then, also before it is reclaimed
    const bool longer = is_logged_in(sessions, "bob");

    clock.advance(2h);
    const std::size_t purged = sessions.purge_expired();  // memory is given back without any look-up
    std::printf("purged %zu, %zu left\n", purged, sessions.size());
    return before && !at_deadline && longer && sessions.size() == 0 ? 0 : 1;
}
