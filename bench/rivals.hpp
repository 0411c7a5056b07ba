// SPDX-License-Identifier: MIT
#pragma once

/// What others would write or install instead of plateau, behind one face:
///
///     explicit Cache(std::size_t max_entries);
///     std::optional<V> get(const K&);         // the value, made the most recently used
///     void put(const K&, const V&);           // inserts or replaces, evicts the least recently used
///
/// `get` is inlined into the loop that times it, for all of them: g++ returns an optional of a small type from a call
/// by way of memory, in a form that the processor cannot forward, and that would be all that is measured of a fast hit.
///
/// A rival that is not installed is an empty type with `static constexpr const char* missing`: its benchmarks report
/// that they were skipped, and so do the claims that need them.

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#if defined(PLATEAU_BENCH_HAS_BOOST)
#    include <boost/multi_index/hashed_index.hpp>
#    include <boost/multi_index/member.hpp>
#    include <boost/multi_index/sequenced_index.hpp>
#    include <boost/multi_index_container.hpp>
#endif

namespace bench {

template <class Cache>
concept missing_rival = requires {
    Cache::missing;
};

/// The textbook: a list in order of use and a hash map of its iterators, with the buckets reserved.
template <class K, class V>
class std_lru {
public:
    explicit std_lru(std::size_t max_entries) : max_entries_(max_entries) { index_.reserve(max_entries); }

    [[gnu::always_inline]] std::optional<V> get(const K& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return std::nullopt;
        order_.splice(order_.begin(), order_, found->second);
        return found->second->second;
    }

    void put(const K& key, const V& value) {
        if (const auto found = index_.find(key); found != index_.end()) {
            found->second->second = value;
            order_.splice(order_.begin(), order_, found->second);
            return;
        }
        if (index_.size() >= max_entries_) {
            index_.erase(order_.back().first);
            order_.pop_back();
        }
        order_.emplace_front(key, value);
        index_.emplace(key, order_.begin());
    }

private:
    using entries = std::list<std::pair<K, V>>;

    std::size_t max_entries_;
    entries order_;
    std::unordered_map<K, typename entries::iterator> index_;
};

#if defined(PLATEAU_BENCH_HAS_BOOST)

/// The most-recently-used list from the manual of Boost.MultiIndex: one node, a sequence and a hash in it.
template <class K, class V>
class boost_mru {
public:
    explicit boost_mru(std::size_t max_entries) : max_entries_(max_entries) { by_key().reserve(max_entries); }

    [[gnu::always_inline]] std::optional<V> get(const K& key) {
        const auto found = by_key().find(key);
        if (found == by_key().end()) return std::nullopt;
        entries_.relocate(entries_.begin(), entries_.template project<0>(found));
        return found->value;
    }

    void put(const K& key, const V& value) {
        const auto [place, inserted] = entries_.push_front(entry{key, value});
        if (!inserted) {
            place->value = value;
            entries_.relocate(entries_.begin(), place);
        } else if (entries_.size() > max_entries_) {
            entries_.pop_back();
        }
    }

private:
    struct entry {
        K key;
        mutable V value;  // not part of any index: may change in place
    };
    using container = boost::multi_index_container<
        entry, boost::multi_index::indexed_by<
                   boost::multi_index::sequenced<>,
                   boost::multi_index::hashed_unique<boost::multi_index::member<entry, K, &entry::key>>>>;

    auto& by_key() { return entries_.template get<1>(); }

    std::size_t max_entries_;
    container entries_;
};

#else

template <class K, class V>
struct boost_mru {
    static constexpr const char* missing = "Boost.MultiIndex not found";
};

#endif

/// Any of them shared by threads: one mutex around every call.
template <class Cache>
class mutexed {
public:
    explicit mutexed(std::size_t max_entries) : cache_(max_entries) {}

    template <class K>
    [[gnu::always_inline]] auto get(const K& key) {
        const std::lock_guard held(mutex_);
        return cache_.get(key);
    }

    template <class K, class V>
    void put(const K& key, const V& value) {
        const std::lock_guard held(mutex_);
        cache_.put(key, value);
    }

private:
    std::mutex mutex_;
    Cache cache_;
};

}
