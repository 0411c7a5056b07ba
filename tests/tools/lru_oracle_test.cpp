// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/lru_oracle.hpp"

#include <cstdint>
#include <string>

using namespace plateau_test;

namespace {

using oracle = lru_oracle<int, char>;
constexpr std::size_t open = SIZE_MAX;

/// The keys, hottest first.
std::string order(const oracle& cache) {
    std::string keys;
    for (const auto& e : cache.hottest_first()) keys += std::to_string(e.key);
    return keys;
}

}  // namespace

TEST_CASE("the oracle evicts the least recently used", "[tools][unit]") {
    oracle cache{2, open};
    CHECK(cache.put(1, 'a', 1, oracle::never, 0) == oracle::stored::inserted);
    cache.put(2, 'b', 1, oracle::never, 0);
    CHECK(cache.get(1, 0) == 'a');
    cache.put(3, 'c', 1, oracle::never, 0);
    CHECK(order(cache) == "31");
    CHECK(cache.peek(1, 0) == 'a');
    CHECK(order(cache) == "31");
    CHECK(cache.put(1, 'x', 1, oracle::never, 0) == oracle::stored::replaced);
    CHECK(order(cache) == "13");
}

TEST_CASE("the oracle holds its bound in bytes while a replacement grows", "[tools][unit]") {
    oracle cache{open, 10};
    cache.put(1, 'a', 4, oracle::never, 0);
    cache.put(2, 'b', 4, oracle::never, 0);
    cache.put(1, 'a', 7, oracle::never, 0);
    CHECK(order(cache) == "1");
    CHECK(cache.bytes() == 7);
    CHECK(cache.put(1, 'z', 11, oracle::never, 0) == oracle::stored::refused);
    CHECK(cache.get(1, 0) == 'a');
    cache.max_entry_bytes = 3;
    CHECK(cache.put(4, 'z', 4, oracle::never, 0) == oracle::stored::refused);
}

TEST_CASE("in the oracle an entry ends exactly at its deadline", "[tools][unit]") {
    oracle cache{4, open};
    cache.put(1, 'a', 1, 10, 0);
    cache.put(2, 'b', 1, oracle::never, 0);
    CHECK(cache.peek(1, 9) == 'a');
    CHECK(cache.deadline(1, 9) == 10);
    CHECK_FALSE(cache.get(1, 10));
    CHECK(cache.size() == 1);
    CHECK(cache.put(2, 'x', 1, 10, 10) == oracle::stored::replaced);
    CHECK(cache.size() == 0);
    CHECK(cache.put(3, 'x', 1, 9, 10) == oracle::stored::inserted);
    CHECK(cache.size() == 0);
}

TEST_CASE("the oracle erases, clears and shrinks", "[tools][unit]") {
    oracle cache{8, open};
    for (int k = 1; k <= 5; ++k) cache.put(k, 'v', 2, oracle::never, 0);
    CHECK(cache.erase(3, 0));
    CHECK_FALSE(cache.erase(3, 0));
    CHECK(cache.erase_if([](int k, char) { return k == 5; }, 0) == 1);
    CHECK(order(cache) == "421");
    CHECK(cache.set_max_entries(2) == 1);
    CHECK(order(cache) == "42");
    CHECK(cache.set_max_bytes(3) == 1);
    CHECK(order(cache) == "4");
    CHECK(cache.set_max_entries(0) == 1);
    CHECK(cache.put(1, 'v', 1, oracle::never, 0) == oracle::stored::refused);
    cache.clear();
    CHECK(cache.size() == 0);
}
