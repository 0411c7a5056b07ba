// SPDX-License-Identifier: MIT
// A shared cache is dumped and warmed up while others use it. What threads share lives on the heap.
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/cache.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

using namespace plateau_test;

namespace {

struct small_shards : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 2;
    static constexpr std::size_t min_shard_entries = 1;
    static constexpr std::size_t max_page_slots = 2;
    static constexpr std::size_t max_page_bytes = 1;
};
using cache_type = plateau::concurrent_cache<int, std::string, small_shards>;

std::string value_of(int key) { return std::string(30, static_cast<char>('a' + key % 26)); }

bool all_whole(const cache_type& cache) {
    bool whole = true;
    for (int key = 0; key < 200; ++key) {
        const auto value = cache.peek(key);
        whole = whole && (!value || *value == value_of(key));
    }
    return whole;
}

}  // namespace

TEST_CASE("a cache is dumped and warmed up while others change it", "[cache][race]") {
    std::uint64_t written = 0;
    std::uint64_t read = 0;
    bool whole = true;
    for (int round = 0; round < 60; ++round) {
        const auto cache = std::make_unique<cache_type>(plateau::cache_options{.max_entries = 100});
        const auto next = std::make_unique<cache_type>(plateau::cache_options{.max_entries = 60});
        const auto dumped = std::make_unique<std::atomic<std::uint64_t>>(0);
        const auto stored = std::make_unique<std::atomic<std::uint64_t>>(0);
        run_together(race_threads, [&](std::size_t thread) {
            for (std::size_t i = 0; i < 40; ++i) {
                const int key = static_cast<int>((i * 7 + thread * 31) % 200);
                if (thread % 4 != 0) {
                    if (i % 5 == 0) cache->erase(key);
                    else cache->put(key, value_of(key));
                    next->put(key, value_of(key));
                    static_cast<void>(next->get(key));
                    if (i % 20 == 0) next->clear();
                } else if (i % 10 == 0) {
                    std::vector<std::byte> file;
                    const auto result = cache->dump([&](std::span<const std::byte> bytes) {
                        file.insert(file.end(), bytes.begin(), bytes.end());
                        return true;
                    });
                    *dumped += result.entries();
                    std::span<const std::byte> rest = file;
                    const auto warm = next->warm_up([&](std::span<std::byte> room) {
                        const std::size_t count = room.size() < rest.size() ? room.size() : rest.size();
                        std::memcpy(room.data(), rest.data(), count);
                        rest = rest.subspan(count);
                        return count;
                    });
                    if (warm) *stored += warm.entries();
                }
            }
        });
        written += *dumped;
        read += *stored;
        whole = whole && all_whole(*cache) && all_whole(*next) && next->size() <= 60;
        cache->check_invariants();
        next->check_invariants();
    }
    CHECK(whole);
    CHECK(written > 0);
    CHECK(read > 0);
}
