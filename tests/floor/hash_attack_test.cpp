// SPDX-License-Identifier: MIT
// Keys that a stranger chose so that a hash without a secret puts them all into one bucket. Counted are buckets, not
// times.
#include "floor/floor_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/random.hpp"

#include <plateau/hash.hpp>

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

using plateau::keyed_fold_hash;
using plateau::keyed_hash;

namespace {

constexpr std::size_t count = plateau_test::hashed_keys;
constexpr std::size_t bar = plateau_test::longest_allowed;
using plateau_test::longest_bucket;

std::vector<std::uint64_t> multiples(std::uint64_t step) {
    std::vector<std::uint64_t> keys(count);
    for (std::size_t i = 0; i < count; ++i) keys[i] = i * step;
    return keys;
}

struct std_hash {
    template <class T>
    std::size_t operator()(const T& key) const {
        return std::hash<T>{}(key);
    }
};

}  // namespace

TEST_CASE("the measure of this file finds the collapse of a hash without a secret", "[floor][unit]") {
    CHECK(longest_bucket(multiples(std::uint64_t{1} << 14U), std_hash{}) == count);
    CHECK(longest_bucket(multiples(1), std_hash{}) > bar);
}

TEST_CASE("random keys stay below a third of the bar", "[floor][unit]") {
    plateau_test::random_source random{"random keys"};
    INFO(plateau_test::random_source::repeat());
    std::vector<std::uint64_t> keys(count);
    for (auto& key : keys) key = random.next();
    CHECK(longest_bucket(keys, keyed_hash{}) <= bar / 2);
}

TEST_CASE("multiples of powers of two spread", "[floor][unit]") {
    // Several secrets each: with a single product one in fifty of them was bad.
    for (unsigned k = 0; k <= 50; ++k) {
        CAPTURE(k);
        const auto keys = multiples(std::uint64_t{1} << k);
        for (int secret = 0; secret < 4; ++secret) CHECK(longest_bucket(keys, keyed_hash{}) <= bar);
    }
}

TEST_CASE("multiples of the primes that std::unordered_map sizes itself by spread", "[floor][unit]") {
    std::unordered_set<std::uint64_t> set;
    for (std::size_t reserved = 10; reserved < 200'000; reserved *= 2) {
        set.rehash(reserved);
        const std::uint64_t prime = set.bucket_count();
        CAPTURE(prime);
        const auto keys = multiples(prime);
        CHECK(longest_bucket(keys, keyed_hash{}) <= bar);
    }
}

TEST_CASE("numbers around public multipliers and constants spread", "[floor][unit]") {
    // The odd constants of splitmix, wyhash, Fibonacci hashing and of our own unkeyed_hash: known to whoever attacks.
    for (const std::uint64_t constant : {0x9e3779b97f4a7c15U, 0xbf58476d1ce4e5b9U, 0xa0761d6478bd642fU,
                                         0xe7037ed1a0b428dbU, 0xc2b2ae3d27d4eb4fU, 0x100000001b3U}) {
        CAPTURE(constant);
        CHECK(longest_bucket(multiples(constant), keyed_hash{}) <= bar);
        std::vector<std::uint64_t> near(count);
        for (std::size_t i = 0; i < count; ++i) near[i] = constant ^ (std::uint64_t{i} << 48U);
        CHECK(longest_bucket(near, keyed_hash{}) <= bar);
    }
}

TEST_CASE("sixteen-byte strings that are one hash to a public-constant wyhash spread", "[floor][unit]") {
    plateau_test::passes(plateau_test::strings_that_meet_a_public_constant_spread<keyed_hash>);
    plateau_test::passes(plateau_test::strings_that_meet_a_public_constant_spread<keyed_fold_hash>);
}

TEST_CASE("texts of bare numbers in even steps, at any place, spread", "[floor][unit]") {
    // What is a step of a number above is one of the two words of a product here: whichever it is, for several secrets.
    for (const std::size_t size : {8U, 16U, 24U}) {
        for (std::size_t at = 0; at < size; at += 8) {
            for (unsigned k = 0; k <= 48; k += 3) {
                std::vector<std::string> keys(count, std::string(size, '\0'));
                for (std::size_t i = 0; i < count; ++i) {
                    const std::uint64_t word = std::uint64_t{i} << k;
                    std::memcpy(keys[i].data() + at, &word, 8);
                }
                CAPTURE(size, at, k);
                for (int secret = 0; secret < 2; ++secret) CHECK(longest_bucket(keys, keyed_fold_hash{}) <= bar);
            }
        }
    }
}

TEMPLATE_TEST_CASE("strings in one chain of std::hash spread", "[floor][unit]", keyed_hash, keyed_fold_hash) {
    // Searched for: strings whose std::hash agrees in the low bits that choose among 64 buckets.
    std::vector<std::string> keys;
    for (std::uint64_t i = 0; keys.size() < count; ++i) {
        std::string key = "/product/" + std::to_string(i);
        if (std::hash<std::string>{}(key) % 64 == 0) keys.push_back(std::move(key));
    }
    CHECK(longest_bucket(keys, std_hash{}) > bar);
    CHECK(longest_bucket(keys, TestType{}) <= bar);
}

TEMPLATE_TEST_CASE("strings that extend one another spread", "[floor][unit]", keyed_hash, keyed_fold_hash) {
    for (const char byte : {'\0', 'a', '\xff'}) {
        std::vector<std::string> extended;
        for (std::size_t i = 0; i < 2'048; ++i) extended.emplace_back(i, byte);
        const TestType hash;
        CHECK(longest_bucket(extended, hash) <= bar / 2);
        std::unordered_set<std::uint64_t> distinct;
        for (const auto& key : extended) distinct.insert(hash(key));
        CHECK(distinct.size() == extended.size());
    }
}
