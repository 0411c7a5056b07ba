// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/lru_oracle.hpp"

#include <cstdint>
#include <string>

using namespace plateau_test;

namespace {

using oracle = lru_oracle<int, char>;
using stored = oracle::stored;
constexpr std::size_t open = SIZE_MAX;

/// The keys, hottest first.
std::string order(const oracle& cache) {
    std::string keys;
    for (const auto& e : cache.hottest_first()) keys += std::to_string(e.key);
    return keys;
}

/// Who left since the last question, and why: the key and the first letter of the cause.
std::string left(oracle& cache) {
    std::string all;
    for (const auto& gone : cache.removed) (all += std::to_string(gone.key)) += plateau::to_string(gone.why)[0];
    cache.removed.clear();
    return all;
}

}  // namespace

TEST_CASE("the oracle evicts the least recently used", "[tools][unit]") {
    oracle cache{2, open};
    CHECK(cache.put(1, 'a', 1, oracle::never, 0) == stored::inserted);
    cache.put(2, 'b', 1, oracle::never, 0);
    CHECK(cache.get(1, 0)->value == 'a');
    cache.put(3, 'c', 1, oracle::never, 0);
    CHECK(order(cache) == "31");
    CHECK(left(cache) == "2s");
    CHECK(cache.peek(1, 0)->value == 'a');
    CHECK(order(cache) == "31");
    CHECK(cache.put(1, 'x', 1, oracle::never, 0) == stored::replaced);
    CHECK(order(cache) == "13");
    CHECK(left(cache) == "1r");
}

TEST_CASE("the oracle holds its bound in bytes while a replacement grows", "[tools][unit]") {
    oracle cache{open, 10};
    cache.put(1, 'a', 4, oracle::never, 0);
    cache.put(2, 'b', 4, oracle::never, 0);
    cache.put(1, 'a', 7, oracle::never, 0);
    CHECK(order(cache) == "1");
    CHECK(cache.bytes() == 7);
    CHECK(cache.put(1, 'z', 11, oracle::never, 0) == stored::too_large);
    CHECK(cache.get(1, 0)->value == 'a');
    cache.max_entry_bytes = 3;
    CHECK(cache.put(4, 'z', 4, oracle::never, 0) == stored::too_large);
    CHECK(left(cache) == "1r2s");
    cache.reweigh([](const auto&) { return 9U; });
    CHECK(cache.bytes() == 9);
}

TEST_CASE("in the oracle an entry is over exactly at its deadline, and stands until somebody sweeps", "[tools][unit]") {
    oracle cache{4, open};
    cache.put(1, 'a', 1, 10, 0);
    cache.put(2, 'b', 1, oracle::never, 0);
    CHECK(cache.peek(1, 9)->value == 'a');
    CHECK(cache.peek(1, 10) == nullptr);
    CHECK(cache.get(1, 10) == nullptr);
    CHECK(cache.standing(1) != nullptr);
    CHECK(cache.size() == 2);
    CHECK_FALSE(cache.drop(1, 9));
    CHECK(cache.drop(1, 10));
    CHECK(cache.size() == 1);
    CHECK(cache.put(2, 'x', 1, 10, 10) == stored::replaced);
    CHECK(cache.size() == 0);
    CHECK(cache.put(3, 'x', 1, 9, 10) == stored::inserted);
    CHECK(cache.size() == 0);
    CHECK(left(cache) == "1e2e");
    cache.put(4, 'x', 1, 20, 10);
    cache.put(5, 'x', 1, 21, 10);
    CHECK(cache.put(4, 'y', 1, 30, 20) == stored::inserted);
    CHECK(cache.purge(21) == 1);
    CHECK_FALSE(cache.erase(4, 30));
    CHECK(left(cache) == "4e5e4e");
}

TEST_CASE("the oracle erases, clears and shrinks", "[tools][unit]") {
    oracle cache{8, open};
    for (int k = 1; k <= 5; ++k) cache.put(k, 'v', 2, oracle::never, 0);
    CHECK(cache.erase(3, 0));
    CHECK_FALSE(cache.erase(3, 0));
    CHECK(cache.erase_if([](int k, char) { return k != 1; }, 0, 1) == 1);
    CHECK(order(cache) == "541");
    CHECK(cache.set_max_entries(2) == 1);
    CHECK(order(cache) == "54");
    CHECK(cache.set_max_bytes(3) == 1);
    CHECK(order(cache) == "5");
    CHECK(left(cache).size() == 8);
    CHECK(cache.set_max_entries(0) == 1);
    CHECK(cache.put(1, 'v', 1, oracle::never, 0) == stored::over_budget);
    cache.set_max_entries(1);
    cache.put(1, 'v', 1, oracle::never, 0);
    cache.clear();
    CHECK(cache.size() == 0);
    CHECK(left(cache) == "5s1c");
}

TEST_CASE("the oracle of pins charges an entry once, however often it is pinned", "[tools][unit]") {
    pin_oracle pins{10};
    CHECK(pins.pin(1, 6));
    CHECK(pins.pin(1, 6));
    CHECK(pins.bytes() == 6);
    CHECK_FALSE(pins.pin(2, 5));
    CHECK(pins.pin(3, 4));
    pins.unpin(1);
    CHECK(pins.bytes() == 10);
    pins.unpin(1);
    CHECK(pins.bytes() == 4);
    pins.reweigh(3, 11);
    CHECK(pins.bytes() == 11);
    CHECK_FALSE(pins.pin(4, 0));
}
