// SPDX-License-Identifier: MIT
// What threads share lives on the heap: clang's thread sanitizer can miss races on a stack.
#include "cache/cache_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/random.hpp"
#include "tools/threads.hpp"

#include <plateau/cache.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;

namespace {

/// Four words that agree, and an owner's mark: torn, or alive twice, it shows.
struct checked_value {
    std::uint64_t words[4];
    explicit checked_value(std::uint64_t n) noexcept : words{n, n * 3, ~n, n ^ 0x5a5a5a5aU} {}
    bool whole() const noexcept {
        const std::uint64_t n = words[0];
        return words[1] == n * 3 && words[2] == ~n && words[3] == (n ^ 0x5a5a5a5aU);
    }
};

/// The same on the heap: what is freed too early is a use after free.
struct heap_value {
    std::unique_ptr<checked_value> held;
    explicit heap_value(std::uint64_t n) : held(std::make_unique<checked_value>(n)) {}
    heap_value(heap_value&&) noexcept = default;
    heap_value(const heap_value& other) : held(std::make_unique<checked_value>(*other.held)) {}
    bool whole() const noexcept { return held != nullptr && held->whole(); }
};
std::size_t owned_bytes(const heap_value&) noexcept { return sizeof(checked_value); }

struct small_shards : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 2;
    static constexpr std::size_t min_shard_entries = 1;
    static constexpr std::size_t max_page_slots = 2;
    static constexpr std::size_t max_page_bytes = 1;
};
template <class Value>
using shared_lru = plateau::concurrent_lru_cache<std::uint64_t, Value, small_shards>;
template <class Value>
using shared_s3fifo = plateau::concurrent_cache<std::uint64_t, Value, small_shards>;
struct one_shard : small_shards {
    static constexpr std::size_t shards = 1;
};
struct timed_shards : small_shards {
    using clock = plateau::manual_clock;
    static constexpr plateau::duration tick{1};
};

}  // namespace

namespace {

/// Eight threads read, replace, erase, resize and clear one cache. Returns: how many torn values they saw.
template <class Value, class Cache>
int torn_values(std::uint64_t round) {
    auto cache = std::make_unique<Cache>(plateau::cache_options{.max_entries = 16, .max_bytes = 1'000'000});
    auto torn = std::make_unique<std::atomic<int>>(0);
    run_together(race_threads, [&](std::size_t thread) {
        random_source random{"torn" + std::to_string(round) + "." + std::to_string(thread)};
        for (int i = 0; i < 2'000; ++i) {
            const std::uint64_t key = random.below(24);
            switch (random.below(thread == 0 ? 10 : 6)) {
            case 0:
            case 1:
                cache->put(key, Value{key + 24 * random.below(1'000)});
                break;
            case 2:
                if (auto hit = cache->get(key); hit && !hit->whole()) ++*torn;
                break;
            case 3:
                cache->visit(key, [&](const Value& value) noexcept {
                    if (!value.whole()) ++*torn;
                });
                break;
            case 4: {
                const auto pin = cache->pin(key);
                cache->erase(key);
                if (pin && !pin->whole()) ++*torn;
                break;
            }
            case 5:
                if (auto seen = cache->peek(key); seen && !seen->whole()) ++*torn;
                break;
            case 6:
                cache->set_max_entries(random.below(16));
                break;
            case 7:
                cache->set_max_bytes(1'000 + random.below(10'000));
                break;
            case 8:
                cache->clear();
                break;
            default:
                cache->erase_if([&](std::uint64_t k, const Value&) { return k % 3 == 0; });
                static_cast<void>(cache->stats());
                static_cast<void>(cache->memory_ceiling());
                break;
            }
        }
    });
    cache->check_invariants();
    return *torn;
}

}  // namespace

TEST_CASE("no value is torn while eight threads read, replace, erase, resize and clear", "[cache][race]") {
    race_for("cache", "concurrent_lru_cache", [](std::uint64_t round) {
        INFO(random_source::repeat() << ", round " << round);
        REQUIRE(torn_values<checked_value, shared_lru<checked_value>>(round) == 0);
        REQUIRE(torn_values<heap_value, shared_lru<heap_value>>(round) == 0);
    });
}

TEST_CASE("the same with queues and ghosts", "[cache][race]") {
    race_for("cache", "concurrent_cache", [](std::uint64_t round) {
        INFO(random_source::repeat() << ", round " << round);
        REQUIRE(torn_values<checked_value, shared_s3fifo<checked_value>>(round) == 0);
        REQUIRE(torn_values<heap_value, shared_s3fifo<heap_value>>(round) == 0);
    });
}

TEST_CASE("deadlines hold while time passes under eight threads", "[cache][race]") {
    struct shared {
        plateau::manual_clock clock;
        plateau::concurrent_lru_cache<std::uint64_t, std::int64_t, timed_shards> cache{
            {.max_entries = 64, .time_to_live = 50ns}, clock};
        std::atomic<int> late{0};
    };
    auto all = std::make_unique<shared>();
    run_together(race_threads, [&](std::size_t thread) {
        random_source random{"deadlines" + std::to_string(thread)};
        for (int i = 0; i < 4'000; ++i) {
            const std::uint64_t key = random.below(100);
            const std::int64_t before = all->clock.now().time_since_epoch().count();
            switch (random.below(5)) {
            case 0:
                all->cache.put(key, before);  // stored at this moment or later
                break;
            case 1:
                // Stored at `*at` or later, but before now: it may be read until 50 after it was stored.
                if (const auto at = all->cache.get(key); at && *at > all->clock.now().time_since_epoch().count())
                    ++all->late;
                break;
            case 2:
                all->cache.purge_expired(4);
                static_cast<void>(all->cache.next_deadline());
                break;
            case 3:
                all->clock.advance(plateau::duration(random.below(3)));
                break;
            default:
                all->cache.erase(key);
                break;
            }
        }
    });
    CHECK(all->late == 0);
    all->cache.check_invariants();
    all->clock.advance(1'000ns);
    all->cache.purge_expired();
    CHECK(all->cache.size() == 0);
}

namespace {

/// A lock that readers hold while they call the cache, and that the destructor of a value takes too. A cache that
/// destroyed values under its own lock would wait for a reader who waits for the cache.
struct needs_lock {
    std::mutex* lock;
    explicit needs_lock(std::mutex* l) noexcept : lock(l) {}
    needs_lock(needs_lock&& other) noexcept : lock(std::exchange(other.lock, nullptr)) {}
    needs_lock(const needs_lock& other) noexcept : lock(other.lock) {}
    ~needs_lock() {
        if (lock != nullptr) const std::lock_guard hold(*lock);
    }
};
std::size_t owned_bytes(const needs_lock&) noexcept { return 0; }

}  // namespace

TEST_CASE("no lock is held while a value is destroyed", "[cache][race]") {
    struct shared {
        std::mutex lock;
        plateau::concurrent_lru_cache<int, needs_lock, one_shard> cache{{.max_entries = 4, .max_bytes = 1'000'000}};
    };
    auto all = std::make_unique<shared>();
    run_together(race_threads, [&](std::size_t thread) {
        for (int i = 0; i < 1'000; ++i) {
            if (thread % 2 == 0) {
                all->cache.put(i % 8, needs_lock{&all->lock});
                if (i % 7 == 0) all->cache.erase(i % 8);
                if (i % 31 == 0) all->cache.clear();
            } else {
                const std::lock_guard hold(all->lock);
                static_cast<void>(all->cache.contains(i % 8));
                all->cache.visit(i % 8, [](const needs_lock&) noexcept {});
            }
        }
    });
    all->cache.check_invariants();
}

namespace {

struct hot_value {
    heap_value content;
    needs_lock end;
};
std::size_t owned_bytes(const hot_value& value) noexcept { return owned_bytes(value.content); }

}  // namespace

TEST_CASE("one hot key is read whole while it is replaced and its cache resized, and ends under no lock",
          "[cache][race]") {
    struct shared {
        std::mutex lock;
        std::atomic<int> torn{0};
        plateau::concurrent_cache<int, hot_value, one_shard> cache{{.max_entries = 4, .max_bytes = 1'000'000}};
    };
    auto all = std::make_unique<shared>();
    auto& cache = all->cache;
    run_together(race_threads, [&](std::size_t thread) {
        const auto look = [&](const hot_value& value) noexcept {
            if (!value.content.whole()) ++all->torn;
        };
        for (std::uint64_t i = 0; i < 5'000; ++i) {
            if (thread == 0) {
                if (i % 2 == 0) cache.set_max_entries(i % 5);
                else cache.set_max_bytes(i % 3 * 1'000);
            } else if (thread < 4) {
                cache.put(i % 8 == 0 ? static_cast<int>(i % 64) : 1, hot_value{heap_value{i}, needs_lock{&all->lock}});
            } else if (i % 3 == 0) {
                if (const auto copy = cache.get(1)) look(*copy);
            } else if (i % 3 == 1) {
                if (const auto pin = cache.pin(1)) look(*pin);
            } else {
                const std::lock_guard hold(all->lock);
                std::this_thread::yield();  // for a value that ends meanwhile
                cache.visit(1, look);
            }
        }
    });
    CHECK(all->torn == 0);
    cache.check_invariants();
}

TEST_CASE("the last pins of a cache that is gone may be let go on eight threads at once", "[cache][race]") {
    using cache_type = plateau::concurrent_lru_cache<int, heap_value, one_shard>;
    for (int round = 0; round < 300; ++round) {
        auto cache = std::make_unique<cache_type>(plateau::cache_options{.max_entries = 64, .max_bytes = 1'000'000});
        auto pins = std::make_unique<std::vector<std::optional<plateau::pin<heap_value>>>>(race_threads);
        for (std::size_t i = 0; i < race_threads; ++i) {
            cache->put(static_cast<int>(i), heap_value{i});
            (*pins)[i].emplace(cache->pin(static_cast<int>(i)));
        }
        const bool early = round % 2 == 0;
        if (early) cache.reset();
        run_together(race_threads, [&](std::size_t i) {
            if (i == 0 && !early) cache.reset();
            (*pins)[i].reset();
        });
    }
}

TEST_CASE("pins of one entry are taken and let go by eight threads while it is replaced", "[cache][race]") {
    using cache_type = plateau::concurrent_lru_cache<int, heap_value, one_shard>;
    auto cache = std::make_unique<cache_type>(plateau::cache_options{.max_entries = 2, .max_bytes = 1'000'000});
    auto torn = std::make_unique<std::atomic<int>>(0);
    cache->put(1, heap_value{1});
    run_together(race_threads, [&](std::size_t thread) {
        std::optional<plateau::pin<heap_value>> held;
        for (std::uint64_t i = 0; i < 3'000; ++i) {
            if (thread < 2) {
                cache->put(1, heap_value{i});
            } else {
                auto pin = cache->pin(1);
                if (pin && !pin->whole()) ++*torn;
                held.emplace(std::move(pin));
            }
        }
    });
    CHECK(*torn == 0);
    CHECK(cache->stats().pinned_bytes == 0);
    cache->check_invariants();
}

namespace {

struct counts_lives {
    std::atomic<int>* told;
    void operator()(const int&, const heap_value& value, plateau::removal_cause) noexcept {
        if (value.whole()) told->fetch_add(1, std::memory_order_relaxed);
    }
};
struct listening : one_shard {
    using listener = counts_lives;
};

}  // namespace

TEST_CASE("each entry that left was told of exactly once, whoever removed it", "[cache][race]") {
    using cache_type = plateau::concurrent_lru_cache<int, heap_value, listening>;
    auto told = std::make_unique<std::atomic<int>>(0);
    auto stored = std::make_unique<std::atomic<int>>(0);
    auto cache = std::make_unique<cache_type>(plateau::cache_options{.max_entries = 8, .max_bytes = 1'000'000},
                                              counts_lives{told.get()});
    run_together(race_threads, [&](std::size_t thread) {
        random_source random{"told" + std::to_string(thread)};
        for (int i = 0; i < 3'000; ++i) {
            const int key = static_cast<int>(random.below(12));
            switch (random.below(4)) {
            case 0:
                cache->erase(key);
                break;
            case 1:
                static_cast<void>(cache->pin(key));
                break;
            default:
                if (cache->put(key, heap_value{random.next()})) ++*stored;
                break;
            }
        }
    });
    cache.reset();
    CHECK(*told == *stored);
}
