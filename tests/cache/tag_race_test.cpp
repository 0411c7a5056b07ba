// SPDX-License-Identifier: MIT
// What threads share lives on the heap: clang's thread sanitizer can miss races on a stack.
#include "tools/catch.hpp"
#include "tools/random.hpp"
#include "tools/threads.hpp"

#include <plateau/cache.hpp>
#include <plateau/cache/tagged_cache.hpp>
#include <plateau/cache/tiered_cache.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

using namespace plateau_test;

namespace {

struct two_shards : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 2;
    static constexpr std::size_t min_shard_entries = 1;
};
using near_cache = plateau::concurrent_cache<std::uint64_t, std::uint64_t, two_shards>;

/// The origin: a version for each tag, raised before the tag is invalidated. What is in the cache carries the version
/// that was read, and must not be older than one that was invalidated before it was looked up.
template <class Near>
struct tagged_pages {
    static constexpr std::size_t tags = 24;
    static constexpr std::uint64_t keys_a_tag = 4;
    plateau::tagged_cache<Near> cache{{.cache = {.max_entries = 64, .reclaim_budget = 2}, .max_tags = 8}};
    std::array<std::atomic<std::uint64_t>, tags> version{};
    std::array<std::atomic<std::uint64_t>, tags> ended{};  // versions below were invalidated
    std::atomic<std::uint64_t> late{0};
    std::atomic<std::uint64_t> hits{0};

    /// Whoever does not own the cache only invalidates.
    void step(random_source& random, bool owns = true) {
        const std::size_t tag = random.below(tags);
        const std::string name = "tag " + std::to_string(tag);
        const std::uint64_t key = tag * keys_a_tag + random.below(keys_a_tag);
        switch (owns ? random.below(8) : 2) {
        case 0:
        case 1: {
            const std::uint64_t since = cache.stamp();
            const std::uint64_t read = version[tag].load(std::memory_order_relaxed);
            if (random.below(4) == 0) std::this_thread::yield();
            cache.put(key, read, {.tags = {"all", name}, .since = since});
            break;
        }
        case 2: {
            const std::uint64_t next = version[tag].fetch_add(1, std::memory_order_relaxed) + 1;
            cache.invalidate_tag(name);
            std::uint64_t seen = ended[tag].load(std::memory_order_relaxed);
            while (seen < next && !ended[tag].compare_exchange_weak(seen, next, std::memory_order_release)) {}
            break;
        }
        case 3:
            if (random.below(50) == 0) cache.invalidate_tag("all");
            else cache.purge_expired(3);
            break;
        case 4:
            cache.erase(key);
            break;
        default: {
            const std::uint64_t least = ended[tag].load(std::memory_order_acquire);
            const std::optional<std::uint64_t> hit = cache.get(key);
            if (!hit) break;
            hits.fetch_add(1, std::memory_order_relaxed);
            if (*hit < least) late.fetch_add(1, std::memory_order_relaxed);
            break;
        }
        }
    }
};

/// A server in another place: numbers under a mutex.
struct slow_tier {
    using entry = plateau::tier_entry<std::uint64_t>;
    using reason = plateau::tier_reason;
    std::mutex mutex;
    std::array<std::uint64_t, 32> held{};

    plateau::result<entry, reason> get(const std::uint64_t& key, plateau::time_point) {
        std::uint64_t value = 0;
        {
            const std::lock_guard inside(mutex);
            value = held[key];
        }
        std::this_thread::yield();
        if (value == 0) return reason::absent;
        return entry{value};
    }
    reason put(const std::uint64_t& key, const std::uint64_t& value, plateau::duration, plateau::time_point) {
        std::this_thread::yield();
        const std::lock_guard inside(mutex);
        held[key] = value;
        return reason::none;
    }
    reason erase(const std::uint64_t& key, plateau::time_point until) { return put(key, 0, {}, until); }
};
struct tiered_numbers {
    slow_tier tier;
    plateau::tiered_cache<near_cache, slow_tier> cache{{.cache = {.max_entries = 16}}, tier};

    void step(random_source& random) {
        const std::uint64_t key = random.below(tier.held.size());
        switch (random.below(6)) {
        case 0:
            cache.put(key, 1 + random.below(1'000'000));
            break;
        case 1:
            cache.erase(key);
            break;
        case 2:
            cache.inner().erase(key);  // evicted
            break;
        default:
            static_cast<void>(cache.get(key));
            break;
        }
    }
};

template <class Shared>
void run_steps(Shared& all, const char* name, std::uint64_t round, int steps) {
    run_together(race_threads, [&](std::size_t thread) {
        random_source random{name + std::to_string(round) + "." + std::to_string(thread)};
        for (int i = 0; i < steps; ++i) all.step(random);
    });
    all.cache.check_invariants();
}

}  // namespace

namespace {

template <class Pages>
void require_no_late_page(const Pages& all) {
    REQUIRE(all.late == 0);
    REQUIRE(all.hits != 0);
    REQUIRE(all.cache.stats().tags_displaced != 0);
    for (std::size_t tag = 0; tag < Pages::tags; ++tag) {
        for (std::uint64_t i = 0; i < Pages::keys_a_tag; ++i) {
            const auto kept = all.cache.peek(tag * Pages::keys_a_tag + i);
            REQUIRE((!kept || *kept == all.version[tag]));
        }
    }
}

}  // namespace

TEST_CASE("eight threads never see a page that was read before an invalidation they know of", "[cache][race]") {
    race_for("cache", "tagged_cache", [](std::uint64_t round) {
        INFO(random_source::repeat() << ", round " << round);
        {
            const auto all = std::make_unique<tagged_pages<near_cache>>();
            run_steps(*all, "tags", round, 4'000);
            require_no_late_page(*all);
        }
        // The cache of one thread, whose tags others invalidate.
        const auto all = std::make_unique<tagged_pages<plateau::lru_cache<std::uint64_t, std::uint64_t>>>();
        run_together(3, [&](std::size_t thread) {
            random_source random{"sole" + std::to_string(round) + "." + std::to_string(thread)};
            for (int i = 0; i < (thread == 0 ? 8'000 : 500); ++i) all->step(random, thread == 0);
        });
        require_no_late_page(*all);
    });
}

TEST_CASE("eight threads leave in the near cache what the second tier has", "[cache][race]") {
    race_for("cache", "tiered_cache", [](std::uint64_t round) {
        INFO(random_source::repeat() << ", round " << round);
        const auto all = std::make_unique<tiered_numbers>();
        run_steps(*all, "tier", round, 1'000);
        for (std::uint64_t key = 0; key < all->tier.held.size(); ++key) {
            const auto near = all->cache.peek(key);
            REQUIRE((!near || *near == all->tier.held[key]));
        }
    });
}
