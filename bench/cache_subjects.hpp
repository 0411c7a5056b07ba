// SPDX-License-Identifier: MIT
#pragma once

/// plateau's caches behind the face of rivals.hpp, each with the bounds and policies that its name says.

#include "workloads.hpp"

#include <plateau/cache.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace bench {

enum class bound { count, bytes };
enum class deadlines { none, kept };

template <class Cache>
[[nodiscard]] plateau::cache_options options_for(std::size_t max_entries, bound by, deadlines kind) {
    plateau::cache_options options;
    if (by == bound::count) options.max_entries = max_entries;
    else options.max_bytes = max_entries * Cache::entry_overhead;  // the keys and values measured so own nothing
    // Longer than any run: what is timed is the keeping and checking of deadlines, not their arrival.
    if (kind == deadlines::kept) options.time_to_live = std::chrono::hours(1);
    return options;
}

template <class Cache, bound By = bound::count, deadlines Kind = deadlines::none>
class subject {
    using K = typename Cache::key_type;
    using V = typename Cache::mapped_type;

public:
    explicit subject(std::size_t max_entries) : cache_(options_for<Cache>(max_entries, By, Kind)) {}

    [[gnu::always_inline]] std::optional<V> get(const K& key) { return cache_.get(key); }
    [[gnu::always_inline]] std::optional<V> get(const K& key, plateau::time_point now) { return cache_.get(key, now); }
    void put(const K& key, const V& value) { cache_.put(key, value); }

private:
    Cache cache_;
};

/// A loop that reads the clock once and hands the moment to many look-ups.
template <class Cache>
class subject_given_now : public subject<Cache, bound::count, deadlines::kept> {
    using base = subject<Cache, bound::count, deadlines::kept>;
    using K = typename Cache::key_type;

public:
    using base::base;
    [[gnu::always_inline]] auto get(const K& key) { return base::get(key, now_); }

private:
    plateau::time_point now_ = plateau::coarse_clock{}.now();
};

/// Everything, and tags: two names for each entry. Once the cache is full, a name goes with every thousandth put.
template <class Cache>
class tagged_subject {
    using K = typename Cache::key_type;
    using V = typename Cache::mapped_type;
    using tagged = plateau::tagged_cache<Cache>;

public:
    explicit tagged_subject(std::size_t max_entries)
        : cache_({.cache = options_for<tagged>(max_entries, bound::bytes, deadlines::kept)}), quiet_(max_entries) {}

    [[gnu::always_inline]] std::optional<V> get(const K& key) { return cache_.get(key); }
    void put(const K& key, const V& value) {
        const std::uint64_t group = key % groups;
        cache_.put(key, value, {.tags = {"page", name(group)}});
        if (++puts_ > quiet_ && puts_ % 1'000 == 0) cache_.invalidate_tag(name(group));
    }

private:
    static constexpr std::uint64_t groups = 1'500;  // more than are told apart

    [[nodiscard]] static std::string_view name(const std::uint64_t& group) {
        return {reinterpret_cast<const char*>(&group), sizeof group};
    }

    tagged cache_;
    std::uint64_t puts_ = 0;
    std::uint64_t quiet_;
};

// ---- policies

struct with_pins : plateau::cache_policies {
    using pins = plateau::counted;
};
struct with_fold : plateau::cache_policies {
    using hash = plateau::keyed_fold_hash;
};

struct with_s3fifo : plateau::cache_policies {
    using eviction = plateau::s3fifo;
};
struct with_s3fifo_pins : with_s3fifo {
    using pins = plateau::counted;
};

/// Counts, so that the call is not optimised away.
struct listens {
    template <class K, class V>
    void operator()(const K&, const V&, plateau::removal_cause) noexcept {
        benchmark::DoNotOptimize(++heard);
    }
    std::uint64_t heard = 0;
};
template <class Base>
struct listened : Base {
    using listener = listens;
    using pins = plateau::counted;
};

struct sixteen_shards : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 16;
};

// ---- caches

template <class K, class V, class Policies = plateau::cache_policies>
using lru = plateau::lru_cache<K, V, Policies>;
// The order of concurrent_cache for one thread: what it costs beside a lock.
template <class K, class V, class Policies = with_s3fifo>
using s3fifo = plateau::lru_cache<K, V, Policies>;
template <class K, class V, class Policies = sixteen_shards>
using shared_lru = plateau::concurrent_lru_cache<K, V, Policies>;
template <class K, class V, class Policies = sixteen_shards>
using shared_s3fifo = plateau::concurrent_cache<K, V, Policies>;

template <class K, class V>
using lru_plain = subject<lru<K, V>>;
template <class K, class V>
using lru_fold = subject<lru<K, V, with_fold>>;
template <class K, class V>
using lru_bytes = subject<lru<K, V>, bound::bytes>;
template <class K, class V>
using lru_ttl = subject<lru<K, V>, bound::count, deadlines::kept>;
template <class K, class V>
using lru_ttl_now = subject_given_now<lru<K, V>>;
template <class K, class V>
using lru_ttl_bytes = subject<lru<K, V>, bound::bytes, deadlines::kept>;
template <class K, class V>
using lru_pins = subject<lru<K, V, with_pins>>;
template <class K, class V>
using lru_ttl_bytes_pins = subject<lru<K, V, with_pins>, bound::bytes, deadlines::kept>;
template <class K, class V>
using lru_everything = subject<lru<K, V, listened<plateau::cache_policies>>, bound::bytes, deadlines::kept>;
template <class K, class V>
using lru_tagged = tagged_subject<lru<K, V, listened<plateau::cache_policies>>>;

template <class K, class V>
using s3fifo_plain = subject<s3fifo<K, V>>;
template <class K, class V>
using s3fifo_bytes = subject<s3fifo<K, V>, bound::bytes>;
template <class K, class V>
using s3fifo_ttl = subject<s3fifo<K, V>, bound::count, deadlines::kept>;
template <class K, class V>
using s3fifo_ttl_bytes = subject<s3fifo<K, V>, bound::bytes, deadlines::kept>;
template <class K, class V>
using s3fifo_pins = subject<s3fifo<K, V, with_s3fifo_pins>>;
template <class K, class V>
using s3fifo_ttl_bytes_pins = subject<s3fifo<K, V, with_s3fifo_pins>, bound::bytes, deadlines::kept>;
template <class K, class V>
using s3fifo_everything = subject<s3fifo<K, V, listened<with_s3fifo>>, bound::bytes, deadlines::kept>;

template <class K, class V>
using shared_s3fifo_plain = subject<shared_s3fifo<K, V>>;
template <class K, class V>
using shared_s3fifo_everything = subject<shared_s3fifo<K, V, listened<sixteen_shards>>, bound::bytes, deadlines::kept>;
template <class K, class V>
using shared_s3fifo_tagged = tagged_subject<shared_s3fifo<K, V, listened<sixteen_shards>>>;
template <class K, class V>
using shared_lru_plain = subject<shared_lru<K, V>>;
template <class K, class V>
using shared_lru_everything = subject<shared_lru<K, V, listened<sixteen_shards>>, bound::bytes, deadlines::kept>;

}
