// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"

#include <plateau/arena_bound.hpp>
#include <plateau/hash.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using plateau::hash_key;
using plateau::keyed_fold_hash;
using plateau::keyed_hash;
using plateau::siphash13;
using plateau::unkeyed_hash;

namespace {

using bytes = std::vector<unsigned char>;

/// SipHash-c-d as the paper tells it (J.-P. Aumasson, D. Bernstein, "SipHash: a fast short-input PRF", 2012, section
/// 2), with nothing saved: the message padded to whole words first, then one word after the other.
std::uint64_t slow_siphash(int c, int d, hash_key key, bytes message) {
    std::array<std::uint64_t, 4> v{key.first ^ 0x736f6d6570736575U, key.second ^ 0x646f72616e646f6dU,
                                   key.first ^ 0x6c7967656e657261U, key.second ^ 0x7465646279746573U};
    const auto turn = [](std::uint64_t x, unsigned n) { return (x << n) | (x >> (64U - n)); };
    const auto rounds = [&](int n) {
        for (int i = 0; i < n; ++i) {
            v[0] += v[1], v[2] += v[3];
            v[1] = turn(v[1], 13), v[3] = turn(v[3], 16);
            v[1] ^= v[0], v[3] ^= v[2];
            v[0] = turn(v[0], 32);
            v[2] += v[1], v[0] += v[3];
            v[1] = turn(v[1], 17), v[3] = turn(v[3], 21);
            v[1] ^= v[2], v[3] ^= v[0];
            v[2] = turn(v[2], 32);
        }
    };
    const auto length = static_cast<unsigned char>(message.size() % 256);
    while (message.size() % 8 != 7) message.push_back(0);
    message.push_back(length);
    for (std::size_t at = 0; at < message.size(); at += 8) {
        std::uint64_t word = 0;
        for (std::size_t i = 8; i-- > 0;) word = word * 256 + message[at + i];
        v[3] ^= word;
        rounds(c);
        v[0] ^= word;
    }
    v[2] ^= 0xffU;
    rounds(d);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/// The multiply-fold of text byte by byte: products by hand from 32-bit halves, words from a padded copy.
std::uint64_t slow_fold(std::uint64_t a, std::uint64_t b) {
    constexpr std::uint64_t half = 0xffffffffU;
    const std::uint64_t low = (a & half) * (b & half);
    const std::uint64_t one = (a >> 32U) * (b & half) + (low >> 32U);
    const std::uint64_t other = (a & half) * (b >> 32U) + (one & half);
    const std::uint64_t high = (a >> 32U) * (b >> 32U) + (one >> 32U) + (other >> 32U);
    return high ^ ((other << 32U) | (low & half));
}
std::uint64_t slow_fold_of_text(hash_key key, const bytes& message) {
    const std::size_t n = message.size();
    const auto word = [&](std::size_t from) {
        std::uint64_t value = 0;
        for (std::size_t i = 8; i-- > 0;) value = value * 256 + (from + i < n ? message[from + i] : 0);
        return value;
    };
    std::uint64_t state = 0;
    const auto fold = [&](std::uint64_t first, std::uint64_t second) {
        state = slow_fold(first ^ key.first, second ^ key.second ^ state);
    };
    for (std::size_t at = 0; at + 16 < n; at += 16) fold(word(at), word(at + 8));
    if (n > 16) fold(word(n - 16), word(n - 8));
    else fold(word(0), n < 8 ? 0 : word(n - 8));
    return slow_fold(state ^ key.second ^ n, 0xd1342543de82ef95U);
}

/// The key of the paper's appendix: bytes 00 to 0f.
constexpr hash_key paper{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};

bytes counting(std::size_t n) {
    bytes message(n);
    for (std::size_t i = 0; i < n; ++i) message[i] = static_cast<unsigned char>(i);
    return message;
}

std::string_view text(const bytes& message) { return {reinterpret_cast<const char*>(message.data()), message.size()}; }

struct tenant {
    int id = 0;
    std::string name;
    friend void hash_append(siphash13& to, const tenant& t) noexcept {
        using plateau::hash_append;
        hash_append(to, t.id);
        hash_append(to, t.name);
    }
};

enum class colour : unsigned char { red = 7 };
enum plain : int { minus = -3 };

}  // namespace

TEST_CASE("the slow SipHash of this file is the paper's, by its published vector", "[floor][unit]") {
    CHECK(slow_siphash(2, 4, paper, counting(15)) == 0xa129ca6149be45e5U);
}

TEST_CASE("SipHash-1-3 is the published function for every length, whole or as a stream cut anywhere",
          "[floor][unit]") {
    plateau_test::random_source random{"siphash"};
    INFO(plateau_test::random_source::repeat());
    for (std::size_t n = 0; n <= 300; ++n) {
        bytes message(n);
        for (auto& byte : message) byte = static_cast<unsigned char>(random.next());
        const hash_key key{random.next(), random.next()};
        const std::uint64_t expected = slow_siphash(1, 3, key, message);
        CAPTURE(n);
        REQUIRE(siphash13::of(key, text(message)) == expected);
        REQUIRE(keyed_hash(key)(text(message)) == expected);
        siphash13 stream{key};
        for (std::size_t at = 0; at < n;) {
            const auto piece = static_cast<std::size_t>(random.below(std::min<std::uint64_t>(n - at, 20) + 1));
            stream.write(message.data() + at, piece);
            at += piece;
        }
        REQUIRE(stream.finish() == expected);
    }
}

TEST_CASE("SipHash-1-3 of the empty string, and of an empty view without storage", "[floor][unit]") {
    const std::uint64_t expected = slow_siphash(1, 3, paper, {});
    CHECK(expected == 0xabac0158050fc4dcU);  // first of the vectors that Rust's core library holds for its SipHasher13
    CHECK(siphash13::of(paper, "") == expected);
    CHECK(siphash13::of(paper, std::string_view{}) == expected);
    siphash13 stream{paper};
    stream.write(nullptr, 0);
    CHECK(stream.finish() == expected);
}

TEST_CASE("two instances hash differently, and one key hashes alike", "[floor][unit]") {
    std::set<std::uint64_t> of_text;
    std::set<std::uint64_t> of_number;
    std::set<std::uint64_t> keys;
    for (int i = 0; i < 100; ++i) {
        const keyed_hash hash;
        of_text.insert(hash("the same key"));
        of_number.insert(hash(42));
        keys.insert(hash_key::random().first);
    }
    CHECK(of_text.size() == 100);
    CHECK(of_number.size() == 100);
    CHECK(keys.size() == 100);
    CHECK(keyed_hash{paper}("x") == keyed_hash{paper}("x"));
    CHECK(keyed_hash{paper}(7) == keyed_hash{paper}(7));
}

TEST_CASE("a copy of a keyed hash is the same hash", "[floor][unit]") {
    const keyed_hash original;
    const keyed_hash copy = original;
    CHECK(copy("key") == original("key"));
    CHECK(copy(std::pair{1, 2}) == original(std::pair{1, 2}));
}

TEST_CASE("text hashes alike as string, view and literal", "[floor][unit]") {
    const keyed_hash hash;
    const std::string owned = "/product/7";
    const char* pointer = owned.c_str();
    CHECK(hash(owned) == hash(std::string_view{owned}));
    CHECK(hash(owned) == hash(pointer));
    CHECK(hash(owned) == hash("/product/7"));
    CHECK(hash(owned) != hash("/product/8"));
    CHECK(hash(std::string("a\0b", 3)) != hash(std::string("a\0c", 3)));
    CHECK(hash(std::string("a\0", 2)) != hash("a"));
    CHECK(hash(std::string()) != hash(std::string(1, '\0')));
}

TEST_CASE("equal numbers hash alike across integer types", "[floor][unit]") {
    const keyed_hash hash;
    CHECK(hash(7) == hash(7L));
    CHECK(hash(7) == hash(7ULL));
    CHECK(hash(7) == hash(static_cast<signed char>(7)));
    CHECK(hash(-7) == hash(-7L));
    CHECK(hash(static_cast<short>(-7)) == hash(-7LL));
    CHECK(hash(true) == hash(1));
    CHECK(hash(colour::red) == hash(7));
    CHECK(hash(minus) == hash(-3));
    CHECK(hash(7) != hash(8));
    CHECK(hash(std::numeric_limits<std::int64_t>::min()) != hash(std::numeric_limits<std::int64_t>::max()));
    int object = 0;
    const int* constant = &object;
    CHECK(hash(&object) == hash(constant));
}

TEST_CASE("a compound hashes its parts in order, with lengths framed", "[floor][unit]") {
    using texts = std::pair<std::string, std::string>;
    const keyed_hash hash;
    CHECK(hash(texts{"ab", "c"}) != hash(texts{"a", "bc"}));
    CHECK(hash(texts{"ab", ""}) != hash(texts{"", "ab"}));
    CHECK(hash(texts{"a", "b"}) == hash(std::pair<std::string_view, const char*>{"a", "b"}));
    CHECK(hash(std::pair{1, 2}) != hash(std::pair{2, 1}));
    CHECK(hash(std::pair{1, 2}) == hash(std::tuple{1L, 2L}));
    CHECK(hash(std::tuple{1, std::string("x"), std::pair{2, 3}}) !=
          hash(std::tuple{1, std::string("x"), std::pair{2, 4}}));
    CHECK(hash(std::array<int, 3>{1, 2, 3}) != hash(std::array<int, 3>{3, 2, 1}));
}

TEST_CASE("a type of the user's is hashable by hash_append, alone and inside a compound", "[floor][unit]") {
    const keyed_hash hash;
    CHECK(hash(tenant{1, "x"}) == hash(tenant{1, "x"}));
    CHECK(hash(tenant{1, "x"}) != hash(tenant{2, "x"}));
    CHECK(hash(std::pair{tenant{1, "x"}, 5}) != hash(std::pair{tenant{1, "y"}, 5}));
}

TEST_CASE("an unowned value hashes as what it holds, so that look-up by the bare value finds it", "[floor][unit]") {
    const keyed_hash hash;
    int object = 0;
    CHECK(hash(plateau::unowned<int*>{&object}) == hash(&object));
    CHECK(hash(plateau::unowned<std::string_view>{"key"}) == hash("key"));
    CHECK(hash(std::pair{plateau::unowned<int*>{&object}, 1}) == hash(std::pair{&object, 1}));
}

TEST_CASE("the multiply-fold of text is the one that is described, for every length", "[floor][unit]") {
    plateau_test::random_source random{"fold"};
    INFO(plateau_test::random_source::repeat());
    for (std::size_t n = 0; n <= 300; ++n) {
        bytes message(n);
        for (auto& byte : message) byte = static_cast<unsigned char>(random.next());
        const hash_key key{random.next(), random.next()};
        CAPTURE(n);
        REQUIRE(keyed_fold_hash(key)(text(message)) == slow_fold_of_text(key, message));
    }
    CHECK(keyed_fold_hash(paper)(std::string_view{}) == slow_fold_of_text(paper, {}));
}

TEST_CASE("every bit of a text, and its length, changes about half of the bits of its multiply-fold", "[floor][unit]") {
    plateau_test::random_source random{"fold bits"};
    INFO(plateau_test::random_source::repeat());
    for (const std::size_t n : {1U, 2U, 3U, 4U, 7U, 8U, 9U, 15U, 16U, 17U, 31U, 32U, 33U, 100U}) {
        const keyed_fold_hash hash{hash_key{random.next(), random.next()}};
        bytes message(n);
        for (auto& byte : message) byte = static_cast<unsigned char>(random.next());
        const std::uint64_t before = hash(text(message));
        int changed = 0;
        for (std::size_t bit = 0; bit < 8 * n; ++bit) {
            message[bit / 8] ^= static_cast<unsigned char>(1U << (bit % 8));
            const int differ = std::popcount(before ^ hash(text(message)));
            message[bit / 8] ^= static_cast<unsigned char>(1U << (bit % 8));
            CAPTURE(n, bit);
            CHECK(differ >= 8);
            changed += differ;
        }
        const double mean = changed / static_cast<double>(8 * n);
        CHECK(mean > 24);
        CHECK(mean < 40);
        message.push_back(0);
        CHECK(std::popcount(before ^ hash(text(message))) >= 8);
    }
}

TEST_CASE("words that balance the length of a short text do not make it another's", "[floor][unit]") {
    // Were the length beside the last word, eight bytes w and nine bytes w, c would meet where w ^ 8 == (w, c >> 8)
    // ^ 9.
    for (int secret = 0; secret < 16; ++secret) {
        const keyed_fold_hash hash;
        for (const char c : {'\0', '\1', '\x7f', '\xff'}) {
            bytes longer(9, static_cast<unsigned char>(c));
            for (std::size_t i = 8; i-- > 0;)
                longer[i] = static_cast<unsigned char>(longer[i + 1] ^ (i == 0 ? 1U : 0U));
            const bytes shorter(longer.begin(), longer.end() - 1);
            CHECK(hash(text(shorter)) != hash(text(longer)));
        }
    }
}

TEST_CASE("the multiply-fold hashes numbers and compounds as the keyed hash does, and text alike in every form",
          "[floor][unit]") {
    const keyed_fold_hash fold{paper};
    const keyed_hash keyed{paper};
    CHECK(fold(7) == keyed(7));
    CHECK(fold(-7) == keyed(-7LL));
    CHECK(fold(colour::red) == keyed(7));
    CHECK(fold(std::pair{1, std::string("x")}) == keyed(std::pair{1, std::string("x")}));
    CHECK(fold(tenant{1, "x"}) == keyed(tenant{1, "x"}));
    const std::string owned = "/product/7";
    CHECK(fold(owned) == fold(std::string_view{owned}));
    CHECK(fold(owned) == fold("/product/7"));
    CHECK(fold(plateau::unowned<std::string_view>{owned}) == fold(owned));
    CHECK(fold(owned) != keyed(owned));
    CHECK(fold(owned) != keyed_fold_hash{}(owned));
    int object = 0;
    CHECK(fold(plateau::unowned<int*>{&object}) == fold(&object));
    CHECK(keyed_fold_hash{fold}(owned) == fold(owned));
}

TEST_CASE("the unkeyed hash is the same in every run and every instance", "[floor][unit]") {
    STATIC_REQUIRE(std::is_nothrow_default_constructible_v<unkeyed_hash>);
    CHECK(unkeyed_hash{}("key") == unkeyed_hash{}("key"));
    CHECK(unkeyed_hash{}(7) == unkeyed_hash{}(7L));
    CHECK(unkeyed_hash{}("key") == slow_siphash(1, 3, {0x9e3779b97f4a7c15U, 0xc2b2ae3d27d4eb4fU}, {'k', 'e', 'y'}));
}

TEST_CASE("hashes are transparent, do not throw and allocate nothing", "[floor][unit]") {
    STATIC_REQUIRE(requires { typename keyed_hash::is_transparent; });
    STATIC_REQUIRE(requires { typename unkeyed_hash::is_transparent; });
    const keyed_hash hash;
    STATIC_REQUIRE(requires { typename keyed_fold_hash::is_transparent; });
    STATIC_REQUIRE(noexcept(keyed_fold_hash{}(7))&& noexcept(keyed_fold_hash{}(std::string_view{})));
    STATIC_REQUIRE(noexcept(hash(7))&& noexcept(hash(std::string_view{}))&& noexcept(hash(std::pair{1, 2})));
    const std::string key(1'000'000, 'k');
    const plateau_test::new_scope scope;
    [[maybe_unused]] volatile auto sum = hash(key) + hash(7) + hash(std::pair<const std::string&, int>{key, 2}) +
                                         keyed_hash{}(1) + keyed_fold_hash{}(key);
    const auto delta = scope.delta();
    CHECK(delta.calls == 0);
}
