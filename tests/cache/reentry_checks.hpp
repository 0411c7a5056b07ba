// SPDX-License-Identifier: MIT
/// What is checked of listeners and destructors that call their cache, for caches of several policies.
#pragma once

#include "cache/cache_test_types.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/threads.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <functional>
#include <utility>

namespace plateau_test {

using told_function = std::function<void(const int&, int&&, plateau::removal_cause)>;
struct telling : plateau::cache_policies {
    using listener = told<int, int>;
};

/// A value whose end runs what the test says.
struct at_end {
    std::function<void()> run;
    at_end() = default;
    explicit at_end(std::function<void()> f) : run(std::move(f)) {}
    at_end(at_end&& other) noexcept : run(std::exchange(other.run, nullptr)) {}
    at_end(const at_end&) = delete;
    ~at_end() {
        if (run) run();
    }
};
inline std::size_t owned_bytes(const at_end&) noexcept { return 0; }

template <class Policies>
void a_listener_sees_what_is_so(shared_check& check) {
    plateau::lru_cache<int, int, Policies>* self = nullptr;
    bool old_gone = false;
    bool new_there = false;
    told_function function = [&](const int& key, int&&, plateau::removal_cause) {
        old_gone = !self->contains(key);
        new_there = self->get(2) == 20;
        self->check_invariants();
    };
    plateau::lru_cache<int, int, Policies> cache{{.max_entries = 1}, told<int, int>{&function}};
    self = &cache;
    cache.put(1, 10);
    cache.put(2, 20);
    check.expect(old_gone, "the entry that is told has left");
    check.expect(new_there, "the entry that it made way for is there");
    function = nullptr;
}

template <class Policies>
void a_chain_of_ends_takes_no_stack(shared_check& check) {
    constexpr int length = 100'000;
    int ended = 0;
    run_on_stack(256 * 1'024, [&] {
        plateau::lru_cache<int, at_end, Policies> cache{{.max_entries = length}};
        for (int i = 0; i < length; ++i)
            cache.put(i, at_end{[&cache, &ended, i] {
                          ++ended;
                          cache.erase(i + 1);
                      }});
        cache.erase(0);
        cache.check_invariants();
    });
    check.equal(ended, length, "the number of values that ended");
}

struct eight_shards : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 8;
    static constexpr std::size_t min_shard_entries = 1;
};
struct telling_shards : eight_shards {
    using pins = plateau::none;
    using listener = told<int, int>;
};

/// A listener sets a bound inside the call that sets another, which has shards to go on with.
template <class Policies>
void the_latest_bound_holds_for_every_shard(shared_check& check) {
    using cache_type = plateau::concurrent_lru_cache<int, int, Policies>;
    cache_type* self = nullptr;
    bool lowered = false;
    told_function function = [&](const int&, int&&, plateau::removal_cause) {
        if (!std::exchange(lowered, true)) self->set_max_entries(8);
    };
    cache_type cache{{.max_entries = 800}, told<int, int>{&function}};
    self = &cache;
    const auto fill = [&] {
        for (int i = 0; i < 1'000; ++i) cache.put(i, i);
    };
    lowered = true;
    fill();
    lowered = false;
    cache.set_max_entries(400);
    fill();
    check.equal(cache.size(), 8U, "entries under the bound that was set last");
    function = nullptr;
}

}  // namespace plateau_test
