// SPDX-License-Identifier: MIT
// What the order s3fifo promises beyond being an order: scans pass by, memory of those that left, small capacities.
#include "cache/cache_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

struct by_s3fifo : plateau::cache_policies {
    using eviction = plateau::s3fifo;
};
struct tallied : by_s3fifo {
    using allocator = counting_allocator<std::byte>;
};
struct pinned_s3fifo : by_s3fifo {
    using pins = plateau::counted;
};
struct one_shard : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 1;
};
struct all_equal_hash {
    using is_avalanching = void;
    std::uint64_t operator()(int) const noexcept { return 42; }
};
struct all_equal : by_s3fifo {
    using hash = all_equal_hash;
};

using sole_s3fifo = plateau::lru_cache<int, int, by_s3fifo>;
using shared_s3fifo = plateau::concurrent_cache<int, int, one_shard>;

struct pinned_lru : plateau::cache_policies {
    using pins = plateau::counted;
};
using lru_of_one = plateau::lru_cache<int, int, pinned_lru>;
using s3fifo_of_one = plateau::lru_cache<int, int, pinned_s3fifo>;
using shared_lru_of_one = plateau::concurrent_lru_cache<int, int, one_shard>;

template <class Cache>
std::vector<int> coldest_first(Cache& cache) {
    std::vector<int> keys;
    cache.erase_if([&](const int& key, const int&) { return keys.push_back(key), false; });
    return keys;
}

}  // namespace

TEMPLATE_TEST_CASE("s3fifo: what was used once more outlives any number of keys that are asked for once",
                   "[cache][unit]", sole_s3fifo, shared_s3fifo) {
    TestType cache{{.max_entries = 100}};
    for (int key = 0; key < 90; ++key) cache.put(key, key);
    for (int key = 0; key < 90; ++key) CHECK(cache.get(key) == key);
    for (int key = 1'000; key < 11'000; ++key) cache.put(key, key);
    for (int key = 0; key < 90; ++key) CHECK(cache.contains(key));
    CHECK(cache.size() == 100);
    cache.check_invariants();
}

TEST_CASE("s3fifo: who comes back soon after he left is kept as one who was used", "[cache][unit]") {
    sole_s3fifo cache{{.max_entries = 20}};
    for (int key = 0; key < 20; ++key) cache.put(key, key);
    for (int key = 0; key < 20; ++key) (void)cache.get(key);
    cache.put(100, 0);  // the first 18 go on to the main queue, and of the others the oldest leaves
    for (int key = 101; key < 104; ++key) cache.put(key, 0);
    REQUIRE_FALSE(cache.contains(100));
    cache.put(100, 0);
    for (int key = 200; key < 300; ++key) cache.put(key, 0);
    CHECK(cache.contains(100));
}

TEST_CASE("s3fifo: an order of two queues is told coldest first", "[cache][unit]") {
    sole_s3fifo cache{{.max_entries = 10}};
    for (int key = 0; key < 10; ++key) cache.put(key, key);
    CHECK(coldest_first(cache) == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    (void)cache.get(0);
    cache.put(10, 10);  // 0 was used and is kept, 1 goes
    CHECK(coldest_first(cache) == std::vector<int>{2, 3, 4, 5, 6, 7, 8, 9, 10, 0});
}

TEMPLATE_TEST_CASE("s3fifo: a cache of one entry, or of the bytes of one, holds the last that was put", "[cache][unit]",
                   sole_s3fifo, shared_s3fifo) {
    TestType by_entries{{.max_entries = 1}};
    TestType by_bytes{{.max_bytes = TestType::entry_overhead}};
    for (int round = 0; round < 1'000; ++round) {
        const int key = round % 7;
        for (TestType* cache : {&by_entries, &by_bytes}) {
            CHECK(cache->put(key, round));
            CHECK(cache->get(key) == round);
            CHECK(cache->size() == 1);
            cache->check_invariants();
        }
    }
}

TEMPLATE_TEST_CASE("room for no entry, for one, or for less than one, is kept through any calls", "[cache][unit]",
                   lru_of_one, s3fifo_of_one, shared_lru_of_one, shared_s3fifo) {
    constexpr std::size_t weight = TestType::entry_overhead;
    struct room {
        plateau::cache_options options;
        std::size_t entries;
        bool closed = false;  ///< by a bound that is set later, since none may be 0 from the start
    };
    for (const room& has : {room{{.max_entries = 1, .max_pinned_bytes = weight}, 1}, room{{.max_bytes = weight}, 1},
                            room{{.max_bytes = 1}, 0}, room{{.max_entries = 1}, 0, true}}) {
        TestType cache{has.options};
        if (has.closed) cache.set_max_entries(0);
        random_source random("room for one", 0);
        plateau::pin<int> held = plateau::cache_reason::absent;
        int held_value = 0;
        int last[4] = {};
        for (int round = 1; round <= 100'000; ++round) {
            const int key = static_cast<int>(random.below(4));
            switch (random.below(8)) {
            case 0:
                cache.erase(key);
                break;
            case 1:
                if (auto pin = cache.pin(key)) {
                    held = std::move(pin);
                    held_value = last[key];
                }
                break;
            case 2:
                held.reset();
                break;
            case 3:
                if (const auto hit = cache.get(key)) CHECK(*hit == last[key]);
                break;
            case 4:
                if (random.one_in(16)) cache.clear();
                break;
            default:
                if (cache.put(key, round)) {
                    last[key] = round;
                    CHECK(cache.contains(key));
                }
            }
            REQUIRE(cache.size() <= has.entries);
            if (held) REQUIRE(*held == held_value);
            cache.check_invariants();
        }
        CHECK((has.entries == 0) == (cache.stats().insertions == 0));
    }
}

TEST_CASE("s3fifo: a value that grows in its place evicts others, never itself", "[cache][unit]") {
    struct weighing : by_s3fifo {
        using weigher = says_itself;
    };
    using cache_type = plateau::lru_cache<int, std::size_t, weighing>;
    constexpr std::size_t overhead = cache_type::entry_overhead;
    cache_type cache{{.max_bytes = 4 * overhead + 400}};
    for (int key = 0; key < 4; ++key) cache.put(key, std::size_t{100});
    for (const std::size_t weight : {200U, 300U, 400U, 0U, 100U}) {
        CHECK(cache.put(0, weight).replaced());
        CHECK(cache.peek(0) == weight);
        CHECK(cache.stats().bytes <= 4 * overhead + 400);
        cache.check_invariants();
    }
    CHECK(cache.put(0, 3 * overhead + 400).replaced());
    CHECK(cache.size() == 1);
    cache.check_invariants();
}

TEST_CASE("s3fifo: a byte budget of few large entries after many small ones keeps the newest", "[cache][unit]") {
    plateau::lru_cache<int, std::string, by_s3fifo> cache{{.max_bytes = 1'000'000}};
    random_source random("s3fifo sizes", 0);
    for (int key = 0; key < 20'000; ++key) {
        const std::size_t size = key % 5'000 < 4'000 ? 16 : 1 + random.below(300'000);
        REQUIRE(cache.put(key, std::string(size, 'x')));
        REQUIRE(cache.contains(key));
        if (key % 3 == 0) (void)cache.get(static_cast<int>(random.below(static_cast<std::uint64_t>(key) + 1)));
        if (key % 100 == 0) cache.check_invariants();
    }
}

TEST_CASE("s3fifo: the ghosts are within the ceiling, and go with the entries", "[cache][unit]") {
    allocation_tally tally;
    {
        plateau::lru_cache<std::uint64_t, std::uint64_t, tallied> cache{{.max_entries = 10'000},
                                                                        counting_allocator<std::byte>{tally}};
        for (std::uint64_t key = 0; key < 50'000; ++key) {
            cache.put(key, key);
            REQUIRE(static_cast<std::size_t>(tally.peak_bytes.load()) + sizeof cache <= cache.memory_ceiling());
        }
        CHECK(static_cast<double>(tally.live_bytes.load()) / 10'000 <= 38);
        cache.clear();
        CHECK(tally.live_bytes.load() < 4'096);
        for (std::uint64_t key = 0; key < 50'000; ++key) cache.put(key, key);
        CHECK(cache.size() == 10'000);
    }
    CHECK(tally.live_bytes.load() == 0);
}

TEST_CASE("s3fifo: links of 29 bits bound the number of entries", "[cache][unit]") {
    constexpr std::size_t most = (std::size_t{1} << 29) - (std::size_t{1} << 16);
    CHECK_THROWS_AS(sole_s3fifo({.max_entries = most + 1}), std::invalid_argument);
    sole_s3fifo cache{{.max_entries = most}};
    CHECK_THROWS_AS(cache.set_max_entries(most + 1), std::invalid_argument);
    CHECK(cache.put(1, 1));
    CHECK(plateau::lru_cache<int, int>({.max_entries = most + 1}).put(1, 1));
}

TEST_CASE("s3fifo: keys of one hash are told apart, and fill no more than their bound", "[cache][unit]") {
    plateau::lru_cache<int, int, all_equal> cache{{.max_entries = 50}};
    random_source random("s3fifo equal hashes", 0);
    for (int round = 0; round < 20'000; ++round) {
        const int key = static_cast<int>(random.below(100));
        switch (random.below(4)) {
        case 0:
            if (const auto hit = cache.get(key)) CHECK(*hit == 10 * key);
            break;
        case 1:
            cache.erase(key);
            break;
        default:
            CHECK(cache.put(key, 10 * key));
        }
        CHECK(cache.size() <= 50);
        if (round % 64 == 0) cache.check_invariants();
    }
}

TEST_CASE("s3fifo: a pinned entry that is evicted leaves the queues and stays whole", "[cache][unit]") {
    plateau::pin<std::unique_ptr<int>> held = plateau::cache_reason::absent;
    {
        plateau::lru_cache<int, std::unique_ptr<int>, pinned_s3fifo> cache{{.max_entries = 3}};
        cache.put(1, std::make_unique<int>(11));
        held = cache.pin(1);
        REQUIRE(held);
        for (int key = 2; key < 50; ++key) cache.put(key, std::make_unique<int>(key));
        for (int key = 50; key < 100; ++key) {
            cache.put(key, std::make_unique<int>(key));
            (void)cache.visit(key, [](const std::unique_ptr<int>&) {});
        }
        CHECK_FALSE(cache.contains(1));
        CHECK(cache.size() == 3);
        cache.check_invariants();
    }
    CHECK(**held == 11);
}

TEST_CASE("s3fifo: a bound that moves up and down holds at once", "[cache][unit]") {
    sole_s3fifo cache{{.max_entries = 100}};
    random_source random("s3fifo bounds", 0);
    std::size_t bound = 100;
    for (int round = 0; round < 20'000; ++round) {
        const int key = static_cast<int>(random.below(300));
        if (random.one_in(50)) cache.set_max_entries(bound = random.below(200));
        if (random.one_in(3)) (void)cache.get(key);
        else CHECK(static_cast<bool>(cache.put(key, key)) == (bound != 0));
        CHECK(cache.size() <= bound);
        if (round % 64 == 0) cache.check_invariants();
    }
}
