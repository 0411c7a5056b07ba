// SPDX-License-Identifier: MIT
// One budget of bytes for all shards, and an outer one for several caches. The witness is the outer budget's account.
#include "cache/byte_budget_checks.hpp"
#include "tools/catch.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace plateau_test;

TEST_CASE("one shard may fill the whole budget, and gives way when others come", "[cache][unit]") {
    passes(a_budget_moves_between_shards<four_by_low_bits>);
}

TEST_CASE("an entry heavier than a shard's part is kept, and can be pinned", "[cache][unit]") {
    passes(a_heavy_entry_is_kept<four_by_low_bits>);
}

TEST_CASE("what fits the budget together stays together", "[cache][unit]") {
    budget_account account;
    using cache_type = plateau::concurrent_lru_cache<int, weighed, four_by_low_bits>;
    constexpr std::size_t each = 1'000 + cache_type::entry_overhead;
    cache_type cache{{.max_bytes = 40 * each}, account.part()};
    for (int key = 0; key < 40; ++key) cache.put(4 * key + (key < 25 ? 0 : key % 4), weighed{1'000});  // unevenly
    CHECK(cache.size() == 40);
    CHECK(cache.stats().evictions == 0);
    CHECK(account.charged() == 40 * each);
    cache.put(4'003, weighed{1'000});
    CHECK(cache.size() == 40);
    CHECK(cache.stats().evictions == 1);
    cache.check_invariants();
}

TEST_CASE("several caches share an outer budget, and it is whole again in the end", "[cache][unit]") {
    budget_account account(100'000);
    plateau::pin<weighed> last = plateau::cache_reason::absent;
    std::size_t pinned = 0;
    {
        plateau::lru_cache<int, weighed, charged_alone> alone{{.max_entries = 1'000}, account.part()};
        plateau::concurrent_lru_cache<int, weighed, four_by_low_bits> shared{{.max_bytes = 80'000}, account.part()};
        random_source random("an outer budget");
        for (int i = 0; i < 20'000; ++i) {
            const int key = static_cast<int>(random.below(300));
            if (random.below(2) == 0) alone.put(key, weighed{random.below(3'000)});
            else shared.put(key, weighed{random.below(3'000)});
            if (random.below(50) == 0) alone.clear();
            if (random.below(50) == 0) shared.clear();
            if (random.below(10) == 0) shared.erase(static_cast<int>(random.below(300)));
            REQUIRE(account.charged() <= 100'000);
            REQUIRE(account.charged() >= alone.stats().bytes + shared.stats().bytes + shared.stats().pinned_bytes);
            REQUIRE(shared.stats().bytes <= 80'000);
            if (i % 500 == 0) {
                alone.check_invariants();
                shared.check_invariants();
            }
        }
        shared.clear();
        alone.clear();
        shared.put(1, weighed{2'000});
        last = shared.pin(1);
        REQUIRE(last);
        pinned = shared.stats().pinned_bytes;
    }
    CHECK(account.charged() == pinned);
    last.reset();
    CHECK(account.charged() == 0);
    CHECK(account.refused() > 0);
}

TEST_CASE("where the outer budget is used up a cache makes do with what it has", "[cache][unit]") {
    budget_account account(10'000);
    plateau::lru_cache<int, weighed, charged_alone> cache{{.max_entries = 1'000}, account.part()};
    cache.put(1, weighed{5'000});
    REQUIRE(account.take_all());
    CHECK(cache.put(2, weighed{5'000}));  // in place of the first
    CHECK_FALSE(cache.contains(1));
    CHECK(cache.put(3, weighed{9'500}).reason() == plateau::cache_reason::over_budget);
    CHECK(cache.contains(2));
    account.give_back();
    CHECK(cache.put(3, weighed{9'500}));
}

TEST_CASE("a bound that changes while bytes wander is kept", "[cache][unit]") {
    passes(a_wandering_bound_is_kept<four_by_low_bits>);
}

TEST_CASE("pins are bounded together, wherever they are", "[cache][unit]") {
    passes(pins_are_bounded_together<four_by_low_bits>);
}

TEST_CASE("what is erased by choice leaves the outer budget before the call returns", "[cache][unit]") {
    budget_account account;
    plateau::concurrent_lru_cache<int, std::string, four_by_low_bits> cache{{.max_bytes = 1'000'000}, account.part()};
    for (int key = 0; key < 40; ++key) cache.put(key, std::string(10'000, 'x'));
    CHECK(account.charged() >= 400'000);
    CHECK(cache.erase_if([](int, const std::string&) { return true; }) == 40);
    CHECK(account.charged() == 0);
    cache.put(1, std::string(500'000, 'x'));
    CHECK(cache.erase(1));
    CHECK(account.charged() == 0);
}

TEST_CASE("a put that stores nothing takes nobody's place", "[cache][unit]") {
    budget_account account;
    plateau::concurrent_lru_cache<int, weighed, four_by_low_bits> cache{{.max_bytes = 100'000}, account.part()};
    for (int key = 0; key < 80; ++key) cache.put(key, weighed{1'000});
    CHECK(cache.put(1'000, weighed{90'000}, {.time_to_live = plateau::duration::zero()}));
    CHECK(cache.size() == 80);
}

namespace {

/// An outer budget that says when a shard has gone: each gives back what it still has for pins, if that is 0, too.
struct telling_budget {
    budget_account::part_type part;
    std::function<void()>* gone;
    bool try_charge(std::size_t bytes) noexcept { return part.try_charge(bytes); }
    void refund(std::size_t bytes) noexcept {
        part.refund(bytes);
        if (bytes == 0 && *gone) std::exchange(*gone, nullptr)();
    }
};
struct charged_tellingly : four_by_low_bits {
    using charge = telling_budget;
};

/// A value whose end takes its time: it asks the test.
struct lingering {
    std::function<void()>* end = nullptr;

    explicit lingering(std::function<void()>& last) noexcept : end(&last) {}
    lingering(lingering&& other) noexcept : end(std::exchange(other.end, nullptr)) {}
    lingering& operator=(lingering&&) = delete;
    ~lingering() {
        if (end != nullptr && *end) (*end)();
    }
};
std::size_t owned_bytes(const lingering&) noexcept { return 1'000; }

}  // namespace

TEST_CASE("a pinned value that ends beside the end of its cache gives nothing back twice", "[cache][unit]") {
    // The share of its shard was given back already, and the shard still had it in its books.
    budget_account account;
    std::atomic<bool> ending{false};
    std::atomic<bool> may_end{false};
    std::function<void()> gone;
    std::function<void()> wait_for_the_test = [&] {
        ending = true;
        ending.notify_one();
        may_end.wait(false);
    };
    std::function<void()> at_once;
    std::thread other;
    {
        plateau::concurrent_lru_cache<int, lingering, charged_tellingly> cache{{.max_bytes = 1'000'000},
                                                                               telling_budget{account.part(), &gone}};
        cache.put(0, lingering{wait_for_the_test});
        cache.put(4, lingering{at_once});  // of the same shard
        auto pin = cache.pin(0);
        REQUIRE(pin);
        cache.erase(0);
        other = std::thread([last = std::move(pin)]() mutable { last.reset(); });
        ending.wait(false);
        gone = [&] {
            may_end = true;
            may_end.notify_one();
            other.join();
        };
    }
    CHECK_FALSE(gone);
    CHECK(account.charged() == 0);
}
