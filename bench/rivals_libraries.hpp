// SPDX-License-Identifier: MIT
#pragma once

/// Caches that come in libraries, behind the face of rivals.hpp. All of them lock by themselves, and are shared as they
/// are. Each keeps its own defaults, but that an entry counts 1 and the shards are 16 where they are asked for.

#include "rivals.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#if defined(PLATEAU_BENCH_HAS_POCO)
#    include <Poco/ExpireLRUCache.h>
#    include <Poco/LRUCache.h>
#endif
#if defined(PLATEAU_BENCH_HAS_TBB)
#    define TBB_PREVIEW_CONCURRENT_LRU_CACHE 1
#    include <oneapi/tbb/concurrent_lru_cache.h>
#endif
#if defined(PLATEAU_BENCH_HAS_ROCKSDB)
#    include <rocksdb/cache.h>
#endif

namespace bench {

#if defined(PLATEAU_BENCH_HAS_POCO)

template <class K, class V>
class poco_lru {
public:
    explicit poco_lru(std::size_t max_entries) : cache_(max_entries) {}

    [[gnu::always_inline]] std::optional<V> get(const K& key) {
        std::optional<V> answer;
        if (const Poco::SharedPtr<V> found = cache_.get(key)) answer.emplace(*found);
        return answer;
    }
    void put(const K& key, const V& value) { cache_.add(key, value); }

private:
    Poco::LRUCache<K, V> cache_;
};

/// The same with a time to live that no run outlives.
template <class K, class V>
class poco_expire {
public:
    explicit poco_expire(std::size_t max_entries) : cache_(max_entries, 3'600'000) {}

    [[gnu::always_inline]] std::optional<V> get(const K& key) {
        std::optional<V> answer;
        if (const Poco::SharedPtr<V> found = cache_.get(key)) answer.emplace(*found);
        return answer;
    }
    void put(const K& key, const V& value) { cache_.add(key, value); }

private:
    Poco::ExpireLRUCache<K, V> cache_;
};

#else

template <class K, class V>
struct poco_lru {
    static constexpr const char* missing = "Poco not found";
};
template <class K, class V>
using poco_expire = poco_lru<K, V>;

#endif

#if defined(PLATEAU_BENCH_HAS_TBB)

/// A cache that loads: a get of what is absent makes it, so that no put follows. The bound is on what is not in use.
template <class K, class V>
class tbb_lru {
public:
    explicit tbb_lru(std::size_t max_entries) : cache_(&load, max_entries) {}

    [[gnu::always_inline]] std::optional<V> get(const K& key) {
        auto handle = cache_[key];
        return handle.value();
    }
    void put(const K& key, const V&) { auto handle = cache_[key]; }

private:
    static V load(K) { return V{}; }

    tbb::concurrent_lru_cache<K, V> cache_;
};

#else

template <class K, class V>
struct tbb_lru {
    static constexpr const char* missing = "oneTBB not found";
};

#endif

#if defined(PLATEAU_BENCH_HAS_ROCKSDB)

/// A block cache holds pointers to values of the caller's. Its keys are bytes; HyperClockCache takes 16 of them.
template <class K, class V>
class rocksdb_cache {
public:
    [[gnu::always_inline]] std::optional<V> get(const K& key) {
        rocksdb::Cache::Handle* const handle = cache_->Lookup(sixteen_bytes(key).slice());
        if (handle == nullptr) return std::nullopt;
        const V value = *static_cast<const V*>(cache_->Value(handle));
        cache_->Release(handle);
        return value;
    }
    void put(const K& key, const V& value) {
        if (!cache_->Insert(sixteen_bytes(key).slice(), new V(value), 1, &destroy).ok()) std::abort();
    }

protected:
    explicit rocksdb_cache(std::shared_ptr<rocksdb::Cache> cache) : cache_(std::move(cache)) {}

    static constexpr int sixteen_shards = 4;  // bits

private:
    struct sixteen_bytes {
        std::uint64_t halves[2];
        explicit sixteen_bytes(std::uint64_t key) noexcept : halves{key, ~key} {}
        explicit sixteen_bytes(const std::string& key) noexcept { std::memcpy(halves, key.data(), sizeof halves); }
        [[nodiscard]] rocksdb::Slice slice() const noexcept {
            return {reinterpret_cast<const char*>(halves), sizeof halves};
        }
    };
    static void destroy(const rocksdb::Slice&, void* value) { delete static_cast<V*>(value); }

    std::shared_ptr<rocksdb::Cache> cache_;
};

template <class K, class V>
class rocksdb_lru : public rocksdb_cache<K, V> {
    using base = rocksdb_cache<K, V>;

public:
    explicit rocksdb_lru(std::size_t max_entries) : base(rocksdb::NewLRUCache(options(max_entries))) {}

private:
    static rocksdb::LRUCacheOptions options(std::size_t max_entries) {
        rocksdb::LRUCacheOptions one(max_entries, base::sixteen_shards, false, 0.0);
        one.metadata_charge_policy = rocksdb::kDontChargeCacheMetadata;
        return one;
    }
};

/// A table of fixed size, made for entries that each count 1.
template <class K, class V>
class rocksdb_hyper_clock : public rocksdb_cache<K, V> {
    using base = rocksdb_cache<K, V>;

public:
    explicit rocksdb_hyper_clock(std::size_t max_entries)
        : base(rocksdb::HyperClockCacheOptions(max_entries, 1, base::sixteen_shards, false, nullptr,
                                               rocksdb::kDontChargeCacheMetadata)
                   .MakeSharedCache()) {}
};

#else

template <class K, class V>
struct rocksdb_lru {
    static constexpr const char* missing = "RocksDB not found";
};
template <class K, class V>
using rocksdb_hyper_clock = rocksdb_lru<K, V>;

#endif

}
