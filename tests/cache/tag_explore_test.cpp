// SPDX-License-Identifier: MIT
// Tags and the second tier under every interleaving within the bound.
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

#include <plateau/cache.hpp>
#include <plateau/cache/tagged_cache.hpp>
#include <plateau/cache/tiered_cache.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

using namespace plateau_test;

namespace {

struct smallest_tagged : plateau::concurrent_cache_policies {
    using sync = explored_sync;
    using pins = plateau::none;
    using hash = plateau::unkeyed_hash;
    static constexpr std::size_t shards = 1;
    static constexpr std::size_t min_shard_entries = 1;
    static constexpr std::size_t max_page_slots = 1;
    static constexpr std::size_t max_page_bytes = 1;
    static constexpr std::size_t tier_marks = 1;
};
using near_cache = plateau::concurrent_lru_cache<int, int, smallest_tagged>;
using tagged = plateau::tagged_cache<near_cache>;
using flag = explored_sync::atomic<int>;

/// A table of eight names, of which "tag" is the one that goes next.
struct full_table {
    tagged cache{{.cache = {.max_entries = 4}, .max_tags = 8}};
    full_table() {
        cache.put(1, 10, {.tags = {"tag"}});
        for (const char* other : {"a", "b", "c", "d", "e", "f", "g"}) cache.put(2, 20, {.tags = {other}});
    }
};

}  // namespace

TEST_CASE("who learns that a tag was invalidated finds no entry that was there before", "[cache][explore]") {
    explore_all_modes("cache", {.name = "tags: invalidate, get"}, [](scene& s) {
        tagged cache({.cache = {.max_entries = 4}, .max_tags = 8});
        cache.put(1, 10, {.tags = {"tag", "other"}});
        flag done{0};
        s.thread("invalidates", [&] {
            explore_check(cache.invalidate_tag("tag"), "there is an entry with the tag");
            done.store(1, std::memory_order_release);
        });
        s.thread("looks", [&] {
            const bool after = done.load(std::memory_order_acquire) != 0;
            const bool first = cache.contains(1);
            const bool second = cache.get(1).has_value();
            explore_check(!(after && first), "an invalidated entry is not handed out");
            explore_check(first || !second, "what is over stays over");
        });
        s.run();
        s.check(!cache.contains(1), "it is gone for whoever comes later");
        cache.check_invariants();
    });
}

TEST_CASE("a put that returned before an invalidation was called does not outlive it", "[cache][explore]") {
    explore_all_modes("cache", {.name = "tags: put, invalidate, get"}, [](scene& s) {
        tagged cache({.cache = {.max_entries = 4}, .max_tags = 8});
        flag stored{0};
        flag done{0};
        bool before = false;
        s.thread("puts", [&] {
            cache.put(1, 10, {.tags = {"tag"}});
            stored.store(1, std::memory_order_release);
        });
        s.thread("invalidates", [&] {
            before = stored.load(std::memory_order_acquire) != 0;
            const bool any = cache.invalidate_tag("tag");
            explore_check(any || !before, "there was an entry with the tag");
            done.store(before ? 2 : 1, std::memory_order_release);
        });
        s.thread("looks", [&] {
            const bool over = done.load(std::memory_order_acquire) == 2;
            explore_check(!(over && cache.get(1)), "an invalidated entry is not handed out");
        });
        s.run();
        s.check(!(before && cache.contains(1)), "it is gone for whoever comes later");
        cache.check_invariants();
    });
}

TEST_CASE("what was loaded before an invalidation is never there after it", "[cache][explore]") {
    const auto loads = [](scene& s, tagged& cache, const char* other) {
        flag origin{1};
        s.thread("loads", [&] {
            const std::uint64_t since = cache.stamp();
            const int value = origin.load(std::memory_order_relaxed);
            cache.put(1, value, {.tags = {"tag"}, .since = since});
        });
        s.thread("changes", [&] {
            origin.store(2, std::memory_order_relaxed);
            cache.invalidate_tag("tag");
        });
        if (other != nullptr) s.thread("displaces", [&, other] { cache.put(2, 20, {.tags = {other}}); });
        s.run();
        const std::optional<int> kept = cache.peek(1);
        s.check(!kept || *kept == 2, "what is kept is what the origin has");
        cache.check_invariants();
    };
    explore_all_modes("cache", {.name = "tags: load, invalidate an unknown name"}, [&](scene& s) {
        tagged cache({.cache = {.max_entries = 4}, .max_tags = 8});
        loads(s, cache, nullptr);
    });
    explore_all_modes("cache", {.name = "tags: load, invalidate, displace", .preemptions = 2, .stale = 1},
                      [&](scene& s) {
                          full_table all;
                          loads(s, all.cache, "h");
                      });
}

TEST_CASE("a name may lose its record while it is invalidated and looked for", "[cache][explore]") {
    explore_all_modes("cache", {.name = "tags: displace, invalidate, get"}, [](scene& s) {
        full_table all;
        tagged& cache = all.cache;
        flag done{0};
        s.thread("displaces", [&] { cache.put(3, 30, {.tags = {"h"}}); });
        s.thread("invalidates", [&] {
            explore_check(cache.invalidate_tag("tag"), "there is an entry with the tag");
            done.store(1, std::memory_order_release);
        });
        s.thread("looks", [&] {
            const bool after = done.load(std::memory_order_acquire) != 0;
            explore_check(!(after && cache.get(1)), "an invalidated entry is not handed out");
        });
        s.run();
        s.check(!cache.contains(1), "it is gone for whoever comes later");
        s.check(cache.contains(3), "an entry of the name that has the record lives");
        cache.check_invariants();
    });
}

TEST_CASE("what was invalidated is swept, wherever the sweep and the put were at the time", "[cache][explore]") {
    explore_all_modes("cache", {.name = "tags: invalidate, sweep"}, [](scene& s) {
        tagged cache({.cache = {.max_entries = 4}, .max_tags = 8});
        cache.put(1, 10, {.tags = {"tag"}});
        s.thread("invalidates", [&] { cache.invalidate_tag("tag"); });
        s.thread("sweeps", [&] { cache.purge_expired(); });
        s.run();
        cache.purge_expired();
        s.check(cache.size() == 0, "an entry that is over is swept");
    });
    explore_all_modes("cache", {.name = "tags: put, invalidate and sweep"}, [](scene& s) {
        tagged cache({.cache = {.max_entries = 4}, .max_tags = 8});
        s.thread("puts", [&] { cache.put(1, 10, {.tags = {"tag"}}); });
        s.thread("sweeps", [&] {
            cache.invalidate_tag("tag");
            cache.purge_expired();
        });
        s.run();
        const bool lives = cache.peek(1).has_value();
        cache.purge_expired();
        s.check(cache.size() == (lives ? 1 : 0), "an entry that is over is swept");
        cache.check_invariants();
    });
}

namespace {

/// A tier of one number under a mutex, as a server has it: each call takes place at one moment.
struct one_number {
    using entry = plateau::tier_entry<int>;
    using reason = plateau::tier_reason;
    explored_sync::mutex mutex;
    explored_value<int> held{0};

    explicit one_number(int value) : held(value) {}
    int now() {
        const std::lock_guard inside(mutex);
        return held.read();
    }
    plateau::result<entry, reason> get(const int&, plateau::time_point) {
        const int value = now();
        if (value == 0) return reason::absent;
        return entry{value};
    }
    reason put(const int&, const int& value, plateau::duration, plateau::time_point) {
        const std::lock_guard inside(mutex);
        held = value;
        return reason::none;
    }
    reason erase(const int&, plateau::time_point) { return put(0, 0, {}, {}); }
};
using tiered = plateau::tiered_cache<near_cache, one_number>;

void agree(scene& s, tiered& cache, one_number& tier) {
    const std::optional<int> near = cache.peek(1);
    s.check(!near || *near == tier.now(), "what is near is what the tier has");
    cache.check_invariants();
}

}  // namespace

TEST_CASE("a look-up in the second tier never brings an erased value back", "[cache][explore]") {
    explore_all_modes("cache", {.name = "tier: get, erase"}, [](scene& s) {
        one_number tier(10);
        tiered cache({.cache = {.max_entries = 4}}, tier);
        flag done{0};
        s.thread("gets", [&] {
            const bool after = done.load(std::memory_order_acquire) != 0;
            explore_check(!(after && cache.get(1)), "what was erased is not found");
            static_cast<void>(cache.get(1));
        });
        s.thread("erases", [&] {
            cache.erase(1);
            done.store(1, std::memory_order_release);
        });
        s.run();
        agree(s, cache, tier);
    });
}

TEST_CASE("a look-up in the second tier, and puts, end with the same value in both", "[cache][explore]") {
    explore_all_modes("cache", {.name = "tier: get, put"}, [](scene& s) {
        one_number tier(10);
        tiered cache({.cache = {.max_entries = 4}}, tier);
        s.thread("gets", [&] { static_cast<void>(cache.get(1)); });
        s.thread("puts", [&] {
            cache.put(1, 11);
            cache.inner().erase(1);  // evicted
        });
        s.run();
        agree(s, cache, tier);
    });
    explore_all_modes("cache", {.name = "tier: put, put"}, [](scene& s) {
        one_number tier(10);
        tiered cache({.cache = {.max_entries = 4}}, tier);
        s.thread("first", [&] { cache.put(1, 11); });
        s.thread("second", [&] { cache.put(1, 12); });
        s.run();
        agree(s, cache, tier);
    });
    explore_all_modes("cache", {.name = "tier: get, put, erase", .preemptions = 2, .stale = 1}, [](scene& s) {
        one_number tier(10);
        tiered cache({.cache = {.max_entries = 4}}, tier);
        s.thread("gets", [&] { static_cast<void>(cache.get(1)); });
        s.thread("puts", [&] { cache.put(1, 11); });
        s.thread("erases", [&] { cache.erase(1); });
        s.run();
        agree(s, cache, tier);
    });
}
