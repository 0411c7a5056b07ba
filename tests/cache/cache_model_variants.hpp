// SPDX-License-Identifier: MIT
/// The caches that the model runs: each with its policies, its kinds of key and value, and what it promises beyond the
/// others.
#pragma once

#include "cache/cache_test_types.hpp"
#include "cache/s3fifo_oracle.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/lru_oracle.hpp"

#include <plateau/cache.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace plateau_test {

/// What a value says, in the oracle's words: a text of `size` times the letter, or a claim of `size` bytes.
struct model_content {
    std::uint64_t size = 0;
    std::uint32_t letter = 0;
    bool operator==(const model_content&) const = default;
};

// ---- keys and values

/// A value that owns nothing and claims any weight.
struct weight_claim {
    std::uint64_t bytes;
    std::uint32_t letter;
};
inline std::size_t owned_bytes(const weight_claim& claim) noexcept { return claim.bytes; }

inline counted_string make_value(std::type_identity<counted_string>, model_content content, allocation_tally& tally) {
    return counted_string(static_cast<std::size_t>(content.size), static_cast<char>(content.letter),
                          counting_allocator<char>{tally});
}
inline weight_claim make_value(std::type_identity<weight_claim>, model_content content, allocation_tally&) {
    return {content.size, content.letter};
}
/// A text that is not one letter throughout reads as a letter that nobody wrote.
inline model_content content_of(const counted_string& text) noexcept {
    if (text.empty()) return {};
    const bool whole = std::memcmp(text.data(), text.data() + 1, text.size() - 1) == 0;
    return {text.size(), whole ? static_cast<unsigned char>(text.front()) : 0x1'0000U};
}
inline model_content content_of(const weight_claim& claim) noexcept { return {claim.bytes, claim.letter}; }

inline int make_key(std::type_identity<int>, int number, allocation_tally&) { return number; }
/// Every other key is too long to stand in its string.
inline const char* text_key_prefix(int number) {
    return number % 2 == 0 ? "key " : "a key that needs memory of its own: ";
}
inline counted_string make_key(std::type_identity<counted_string>, int number, allocation_tally& tally) {
    const std::string text = text_key_prefix(number) + std::to_string(number);
    return counted_string(text.data(), text.size(), counting_allocator<char>{tally});  // no larger than a copy of it
}
inline int number_of(int key) noexcept { return key; }
inline int number_of(const counted_string& key) noexcept {
    int number = -1;
    std::from_chars(key.data() + key.rfind(' ') + 1, key.data() + key.size(), number);
    return number;
}

// ---- policies

struct told_removal {
    int key;
    model_content content;
    plateau::removal_cause why;
};

/// A listener that writes down who leaves.
template <class K, class V>
struct removal_log {
    std::vector<told_removal>* told;
    void operator()(const K& key, const V& value, plateau::removal_cause why) noexcept {
        told->push_back({number_of(key), content_of(value), why});
    }
};

/// Hashes that an attacker would wish for, all the same, two of them, or different only where the index looks last; and
/// a good one.
class chosen_hash {
public:
    using is_transparent = void;
    using is_avalanching = void;
    explicit chosen_hash(unsigned choice) noexcept : choice_(choice % 5) {}
    std::uint64_t operator()(int key) const noexcept {
        const auto number = static_cast<std::uint64_t>(key);
        switch (choice_) {
        case 0:
            return plateau::unkeyed_hash{}(number);
        case 1:
            return 7;
        case 2:
            return number % 2 == 0 ? 0 : ~std::uint64_t{0};
        case 3:
            return number << 25;  // one tag, few homes
        default:
            return number & 3;  // the home of all, with the tags of four
        }
    }

private:
    unsigned choice_;
};
/// The lowest bit of a key names its shard.
struct parity_hash {
    using is_transparent = void;
    using is_avalanching = void;
    std::uint64_t operator()(int key) const noexcept {
        const auto number = static_cast<std::uint64_t>(key);
        return number << 63 | (number * 0x9e37'79b9U & 0xffff'ffffU);
    }
};

template <class Base, class K, class V>
struct model_policies : Base {
    using clock = plateau::manual_clock;
    using allocator = counting_allocator<std::byte>;
    using listener = removal_log<K, V>;
};
template <class Base>
struct exact : Base {
    static constexpr plateau::duration tick{1};
};
/// Pages of two, with an outbox large enough that no entry goes because the slab has holes (a test of its own says when
/// one does).
template <class Base>
struct small_pages : shrunk<Base> {
    static constexpr std::size_t outbox_slots = 64;
};
template <class Base>
struct pinning : Base {
    using pins = plateau::counted;
};
template <class Base>
struct unheard : Base {
    using listener = plateau::no_listener;
};

using plain_policies = model_policies<plateau::cache_policies, int, counted_string>;

struct shipped_policies : plain_policies {};
struct small_policies : small_pages<plain_policies> {};
struct pinning_policies : pinning<small_pages<exact<plain_policies>>> {};
struct any_hash_policies : exact<plain_policies> {
    using hash = chosen_hash;
};
struct text_key_policies
    : unheard<small_pages<exact<model_policies<plateau::cache_policies, counted_string, counted_string>>>> {};
struct claim_policies : unheard<model_policies<plateau::cache_policies, int, weight_claim>> {};
struct pinned_claim_policies : pinning<small_pages<exact<claim_policies>>> {
    using stats = plateau::bare;
};
/// Two shards where the bounds are large enough for two, otherwise one.
struct shared_policies : exact<model_policies<plateau::concurrent_cache_policies, int, counted_string>> {
    using hash = parity_hash;
    static constexpr std::size_t shards = 2;
    static constexpr std::size_t min_shard_entries = 1;
};

struct s3fifo_policies : pinning<small_pages<exact<plain_policies>>> {
    using hash = chosen_hash;
    using eviction = plateau::s3fifo;
};

/// What the model has to know of a cache beside its policies.
template <class Cache, class Eviction, std::size_t Shards = 1>
struct cache_variant {
    using cache = Cache;
    using policies = typename Cache::policies;
    using key = typename Cache::key_type;
    using value = typename Cache::mapped_type;

    static constexpr std::size_t most_shards = Shards;
    static constexpr bool has_pins = std::is_same_v<typename policies::pins, plateau::counted>;
    static constexpr bool is_told = !std::is_same_v<typename policies::listener, plateau::no_listener>;
    static constexpr bool counts = std::is_same_v<typename policies::stats, plateau::counting>;
    static constexpr bool claims = std::is_same_v<value, weight_claim>;
    static constexpr bool small_pages = policies::max_page_slots == 2;

    static constexpr bool evicts_by_s3fifo = std::is_same_v<Eviction, plateau::s3fifo>;
    static constexpr std::size_t most_entries =
        (std::size_t{1} << (evicts_by_s3fifo ? 29 : 32)) - (std::size_t{1} << 16);
    template <class K, class E>
    using oracle = std::conditional_t<evicts_by_s3fifo, s3fifo_oracle<K, E>, lru_oracle<K, E>>;
};

template <class K, class V, class Policies>
using sole = cache_variant<plateau::lru_cache<K, V, Policies>, typename Policies::eviction>;
using shared_lru = cache_variant<plateau::concurrent_lru_cache<int, counted_string, shared_policies>, plateau::lru, 2>;
using shared_s3fifo =
    cache_variant<plateau::concurrent_cache<int, counted_string, shared_policies>, plateau::s3fifo, 2>;

inline constexpr std::array cache_variant_names{
    "shipped constants",
    "pages of two",
    "pins, pages of two, exact ticks",
    "exact ticks, any hash",
    "keys of text, nobody told",
    "claimed weights",
    "pins, claimed weights, nothing is counted",
    "shared, one shard or two",
    "s3fifo, any hash, pins, pages of two",
    "shared, s3fifo",
};

/// Calls `f.template operator()<Variant>()` for one of them.
template <class F>
decltype(auto) with_cache_variant(std::size_t choice, F&& f) {
    switch (choice % cache_variant_names.size()) {
    case 0:
        return f.template operator()<sole<int, counted_string, shipped_policies>>();
    case 1:
        return f.template operator()<sole<int, counted_string, small_policies>>();
    case 2:
        return f.template operator()<sole<int, counted_string, pinning_policies>>();
    case 3:
        return f.template operator()<sole<int, counted_string, any_hash_policies>>();
    case 4:
        return f.template operator()<sole<counted_string, counted_string, text_key_policies>>();
    case 5:
        return f.template operator()<sole<int, weight_claim, claim_policies>>();
    case 6:
        return f.template operator()<sole<int, weight_claim, pinned_claim_policies>>();
    case 7:
        return f.template operator()<shared_lru>();
    case 8:
        return f.template operator()<sole<int, counted_string, s3fifo_policies>>();
    default:
        return f.template operator()<shared_s3fifo>();
    }
}

}  // namespace plateau_test
