// SPDX-License-Identifier: MIT
#pragma once

/// What the caches are asked to do. Each workload is a type with
///
///     static constexpr std::size_t capacity = ...;
///     template <class Cache> void warm_up(Cache&);     // to the state the workload stays in
///     template <class Cache> void step(Cache&);        // one operation, inlined into the loop that times it
///
/// Keys are computed from small numbers, so that the tables read beside the caches are short and read in order: what is
/// timed is the cache. Every instance repeats the same sequence.

#include <benchmark/benchmark.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace bench {

/// A bijection that scatters consecutive numbers over 64 bits (the finaliser of SplitMix64).
[[nodiscard]] constexpr std::uint64_t scatter(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

using blob64 = std::array<char, 64>;

/// Turns the number of a key into the key; keeps the storage between calls, so that making a key allocates nothing.
template <class K>
class key_maker;

template <>
class key_maker<std::uint64_t> {
public:
    std::uint64_t operator()(std::uint64_t number) const noexcept { return scatter(number + 1); }
};

/// 16 bytes: one more than libstdc++ keeps inside the string.
template <>
class key_maker<std::string> {
public:
    const std::string& operator()(std::uint64_t number) {
        const std::uint64_t halves[2] = {scatter(number + 1), scatter(~number)};
        std::memcpy(key_.data(), halves, sizeof halves);
        return key_;
    }

private:
    std::string key_ = std::string(16, ' ');
};

template <class V>
[[nodiscard]] V make_value(std::uint64_t number) noexcept {
    V value{};
    std::memcpy(&value, &number, sizeof number);
    return value;
}

inline constexpr std::size_t entries = 100'000;
inline constexpr std::size_t universe = 10 * entries;

/// Ranks below `universe`, popularity 1 / rank^0.99. Source: Gray et al., "Quickly generating billion-record synthetic
/// databases", SIGMOD 1994.
[[nodiscard]] inline const std::vector<std::uint32_t>& zipf_ranks() {
    static const std::vector<std::uint32_t> ranks = [] {
        constexpr double theta = 0.99;
        constexpr double n = static_cast<double>(universe);
        double zeta = 0;
        for (std::size_t i = 1; i <= universe; ++i) zeta += std::pow(static_cast<double>(i), -theta);
        const double alpha = 1 / (1 - theta);
        const double eta = (1 - std::pow(2 / n, 1 - theta)) / (1 - (1 + std::pow(2, -theta)) / zeta);
        std::mt19937_64 random(42);
        std::uniform_real_distribution<double> unit(0, 1);
        std::vector<std::uint32_t> drawn(std::size_t{1} << 21);
        for (auto& rank : drawn) {
            const double u = unit(random);
            double x = n * std::pow(eta * u - eta + 1, alpha);
            if (u * zeta < 1 + std::pow(0.5, theta)) x = u * zeta < 1 ? 0 : 1;
            rank = static_cast<std::uint32_t>(std::min(x, n - 1));
        }
        return drawn;
    }();
    return ranks;
}

[[nodiscard]] inline const std::vector<std::uint32_t>& uniform_ranks() {
    static const std::vector<std::uint32_t> ranks = [] {
        std::mt19937 random(7);
        std::vector<std::uint32_t> drawn(std::size_t{1} << 18);
        for (auto& rank : drawn) rank = static_cast<std::uint32_t>(random() % entries);
        return drawn;
    }();
    return ranks;
}

/// Walks a table of ranks for ever.
class rank_stream {
public:
    explicit rank_stream(const std::vector<std::uint32_t>& table, std::size_t offset = 0) noexcept
        : table_(table.data()), mask_(table.size() - 1), next_(offset) {}  // sizes are powers of two

    std::uint32_t operator()() noexcept { return table_[next_++ & mask_]; }

private:
    const std::uint32_t* table_;
    std::size_t mask_;
    std::size_t next_;
};

template <class Cache, class K, class V>
void fill(Cache& cache, std::size_t count) {
    key_maker<K> key;
    for (std::size_t i = 0; i < count; ++i) cache.put(key(i), make_value<V>(i));
}

/// Every key is there.
template <class K, class V>
class hit {
public:
    template <class Cache>
    void warm_up(Cache& cache) {
        fill<Cache, K, V>(cache, entries);
        for (std::size_t i = 0; i < entries; ++i) step(cache);
    }
    template <class Cache>
    [[gnu::always_inline]] void step(Cache& cache) {
        if (auto found = cache.get(key_(ranks_()))) benchmark::DoNotOptimize(*found);
    }

private:
    key_maker<K> key_;
    rank_stream ranks_{uniform_ranks()};
};

/// No key is there, in a cache that has lived: every entry has been replaced five times. An index that is only ever
/// filled does not show what evictions leave behind in it.
template <class K, class V>
class miss {
public:
    template <class Cache>
    void warm_up(Cache& cache) {
        fill<Cache, K, V>(cache, 6 * entries);
    }
    template <class Cache>
    [[gnu::always_inline]] void step(Cache& cache) {
        if (auto found = cache.get(key_(universe + ranks_()))) benchmark::DoNotOptimize(*found);
    }

private:
    key_maker<K> key_;
    rank_stream ranks_{uniform_ranks()};
};

/// Every insert is of a key never seen before, into a full cache.
template <class K, class V>
class evict {
public:
    template <class Cache>
    void warm_up(Cache& cache) {
        fill<Cache, K, V>(cache, entries);
        for (std::size_t i = 0; i < entries; ++i) step(cache);
    }
    template <class Cache>
    [[gnu::always_inline]] void step(Cache& cache) {
        cache.put(key_(next_), make_value<V>(next_));
        ++next_;
    }

private:
    key_maker<K> key_;
    std::uint64_t next_ = universe;
};

/// What a service does: get, and put on a miss, keys drawn by Zipf's law. About 77 % are hits under exact LRU.
template <class K, class V>
class zipf {
public:
    explicit zipf(std::size_t offset = 0) noexcept : ranks_(zipf_ranks(), offset) {}

    template <class Cache>
    void warm_up(Cache& cache) {
        for (std::size_t i = 0; i < universe; ++i) step(cache);
    }
    template <class Cache>
    [[gnu::always_inline]] void step(Cache& cache) {
        const std::uint64_t rank = ranks_();
        const auto& key = key_(rank);
        if (auto found = cache.get(key)) benchmark::DoNotOptimize(*found);
        else cache.put(key, make_value<V>(rank));
    }

private:
    key_maker<K> key_;
    rank_stream ranks_;
};

}
