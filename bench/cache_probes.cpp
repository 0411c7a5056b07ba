// SPDX-License-Identifier: MIT
/// How many chunks of its index a cache looks at for one key: with keys that a stranger chose, and after long use.
///
/// Counted from outside. The cache takes the memory of its index from an allocator that remembers where it is, and its
/// equality counts how often it is asked. After a look-up its way through the chunks is followed here: it ends at the
/// entry that the last question was about, or where nobody of its class passed by. A way on which the index was asked
/// more or less often than it was is not its way, and ends the program.

#include "cache_cells.hpp"
#include "workloads.hpp"

#include <plateau/cache.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace bench {
namespace {

using plateau::detail::index_chunk;
using u64 = std::uint64_t;

// ---- the index, seen from outside

struct {
    const index_chunk* chunks = nullptr;
    std::size_t count = 0;
    u64 allocations = 0;
} index_seen;

template <class T>
struct index_spy {
    using value_type = T;

    index_spy() = default;
    template <class U>
    index_spy(const index_spy<U>&) noexcept {}

    T* allocate(std::size_t count) {
        T* const memory = std::allocator<T>{}.allocate(count);
        if constexpr (std::is_same_v<T, index_chunk>) {
            index_seen.chunks = memory;
            index_seen.count = count;
            ++index_seen.allocations;
        }
        return memory;
    }
    void deallocate(T* memory, std::size_t count) noexcept { std::allocator<T>{}.deallocate(memory, count); }

    template <class U>
    bool operator==(const index_spy<U>&) const noexcept {
        return true;
    }
};

u64 times_asked = 0;

struct counting_equal {
    using is_transparent = void;
    bool operator()(u64 a, u64 b) const noexcept {
        ++times_asked;
        return a == b;
    }
};

template <class Hash>
struct spied : plateau::cache_policies {
    using hash = Hash;
    using equal = counting_equal;
    using allocator = index_spy<std::byte>;
};

[[noreturn]] void lost(const char* why) {
    std::fprintf(stderr, "cache_probes: the way through the index is not its own: %s\n", why);
    std::abort();
}

/// Follows a look-up that asked `asked` times. Returns: the chunks it looked at.
unsigned follow(std::uint32_t hash, u64 asked, bool found) {
    const auto tag = static_cast<unsigned char>(0x80U | (hash & 0x7fU));
    std::size_t at = (u64{hash} * index_seen.count) >> 32U;
    u64 met = 0;
    for (unsigned looked = 1; looked <= index_seen.count + 1; ++looked) {
        const index_chunk& chunk = index_seen.chunks[at];
        met += static_cast<u64>(std::popcount(plateau::detail::match_portable(chunk, tag)));
        if (found && met >= asked) return looked;
        if (chunk.passed_by[hash & 3U] == 0) {
            if (found) lost("an entry stands behind its end");
            if (met != asked) lost("a miss met other tags");
            return looked;
        }
        at = (looked == 1 ? at + 1 + (hash & 0x7fU) : at + 1) % index_seen.count;
    }
    lost("it has no end");
}

/// The chunks looked at for these keys, summed up.
class probe_count {
public:
    template <class Cache, class Hash>
    bool look(const Cache& cache, const Hash& hash, u64 key) {
        times_asked = 0;
        const bool found = cache.contains(key);
        const u64 spread = plateau::detail::spread<Hash>(static_cast<u64>(hash(key)));
        chunks_ += follow(plateau::detail::low_half(spread), times_asked, found);
        ++looks_;
        return found;
    }
    probe_count& operator+=(const probe_count& other) noexcept {
        chunks_ += other.chunks_;
        looks_ += other.looks_;
        return *this;
    }
    [[nodiscard]] double mean() const noexcept { return static_cast<double>(chunks_) / static_cast<double>(looks_); }

private:
    u64 chunks_ = 0;
    u64 looks_ = 0;
};

// ---- keys that a stranger chose: 2 x entries of each family

constexpr std::size_t family_size = 2 * entries;

std::vector<u64> random_numbers() {
    std::vector<u64> keys(family_size);
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = scatter(i + 1);
    return keys;
}
std::vector<u64> multiples(u64 step) {
    std::vector<u64> keys(family_size);
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = i * step;
    return keys;
}

using texts = std::vector<std::string>;

texts random_texts() {
    texts keys;
    key_maker<std::string> key;
    for (std::size_t i = 0; i < family_size; ++i) keys.push_back(key(i));
    return keys;
}
/// One half is a constant of wyhash: a factor of 0, for a hash that hides its words behind public constants.
texts public_constant() {
    constexpr u64 constant = 0xa0761d6478bd642fU;
    texts keys(family_size, std::string(16, ' '));
    for (std::size_t i = 0; i < keys.size(); ++i) {
        std::memcpy(keys[i].data(), &constant, 8);
        std::memcpy(keys[i].data() + 8, &i, 8);
    }
    return keys;
}
/// Found by search: by std::hash, all would begin their way in one of 64 parts of the index.
texts std_hash_chain() {
    texts keys;
    for (u64 i = 0; keys.size() < family_size; ++i) {
        std::string key = "/product/" + std::to_string(i);
        if ((std::hash<std::string>{}(key) >> 26U) % 64 == 0) keys.push_back(std::move(key));
    }
    return keys;
}
/// Each is the beginning of the next: runs of one byte, for every byte.
texts length_extension() {
    texts keys;
    for (std::size_t length = 1; keys.size() < family_size; ++length)
        for (unsigned byte = 0; byte < 256 && keys.size() < family_size; ++byte)
            keys.emplace_back(length, static_cast<char>(byte));
    return keys;
}

/// The index never sees a text, only its hash: so that equality is asked wherever a tag agrees, the key is its number.
template <class Hash>
struct hash_of_text {
    using is_transparent = void;
    using is_avalanching = void;

    const texts* of = nullptr;
    Hash hash{};

    u64 operator()(u64 number) const noexcept { return hash((*of)[number]); }
};

/// Returns: chunks a look-up, over as many hits as misses, in a cache all of whose entries have been replaced.
template <class Hash>
double probes_with(const std::vector<u64>& keys, const Hash& hash) {
    plateau::lru_cache<u64, u64, spied<Hash>> cache{{.max_entries = entries}, hash};
    for (const u64 key : keys) cache.put(key, key);
    probe_count probes;
    std::size_t hits = 0;
    for (const u64 key : keys) hits += probes.look(cache, hash, key);
    if (hits != entries) lost("half of the keys are in a full cache");
    return probes.mean();
}

constexpr int secrets = 5;

/// The worst of several secrets. Of random keys too: the bar compares like with like.
double worst_probes(const std::vector<u64>& keys) {
    double worst = 0;
    for (int i = 0; i < secrets; ++i) worst = std::max(worst, probes_with(keys, plateau::keyed_hash{}));
    return worst;
}
template <class Hash>
double worst_probes(const texts& keys) {
    std::vector<u64> numbers(keys.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
    double worst = 0;
    for (int i = 0; i < secrets; ++i) worst = std::max(worst, probes_with(numbers, hash_of_text<Hash>{&keys}));
    return worst;
}

double of_multiples_of_two() {
    double worst = 0;
    for (const unsigned k : {1U, 7U, 12U, 16U, 20U, 25U, 32U, 40U, 46U})
        worst = std::max(worst, worst_probes(multiples(u64{1} << k)));
    return worst;
}
/// The sizes that std::unordered_map gives its table.
double of_multiples_of_primes() {
    double worst = 0;
    std::unordered_set<u64> table;
    for (std::size_t reserved = 100; reserved <= entries; reserved *= 10) {
        table.rehash(reserved);
        worst = std::max(worst, worst_probes(multiples(table.bucket_count())));
    }
    return worst;
}

template <class F>
void add_probes(const std::string& name, F count) {
    benchmark::RegisterBenchmark(("probes/" + name).c_str(),
                                 [count](benchmark::State& state) {
                                     for (auto _ : state) state.counters["probes"] = count();
                                 })
        ->Iterations(1)
        ->Repetitions(1);
}
template <class Make>
void add_text_probes(const std::string& name, Make make) {
    add_probes(name + "/siphash", [make] { return worst_probes<plateau::keyed_hash>(make()); });
    add_probes(name + "/fold", [make] { return worst_probes<plateau::keyed_fold_hash>(make()); });
}

// ---- long use at constant size

constexpr std::size_t churn_operations = 100'000'000;
constexpr std::size_t churn_window = 1'000'000;  // the first and the last of them, in which every step is followed

/// Erases an entry chosen at random, and inserts another: 10^8 times in all.
template <class Cache, class Hash>
class churn {
public:
    explicit churn(const Hash& hash) : hash_(hash), cache_({.max_entries = entries}, hash) {
        for (auto& key : live_) cache_.put(key = fresh(), 0);
    }

    probe_count followed(std::size_t operations) {
        probe_count probes;
        for (std::size_t i = 0; i < operations / 2; ++i)
            step([&](u64 key, bool present) {
                if (probes.look(cache_, hash_, key) != present) lost("an entry is where it was put");
            });
        return probes;
    }
    void unfollowed(std::size_t operations) {
        for (std::size_t i = 0; i < operations / 2; ++i) step([](u64, bool) {});
    }
    [[nodiscard]] bool full() const { return cache_.size() == entries; }

private:
    [[nodiscard]] u64 fresh() noexcept { return scatter(++last_); }

    template <class Before>
    void step(Before before) {
        random_ = scatter(random_ + 0x9e3779b97f4a7c15U);
        u64& key = live_[random_ % entries];
        before(key, true);
        cache_.erase(key);
        key = fresh();
        before(key, false);
        cache_.put(key, 0);
    }

    Hash hash_;
    Cache cache_;
    std::vector<u64> live_ = std::vector<u64>(entries);
    u64 last_ = 0;
    u64 random_ = 1;
};

/// The mean of several secrets: the way that entries happen to fall moves that of one by a tenth of what is asked.
template <class Cache>
void long_use(benchmark::State& state) {
    constexpr int runs = 4;
    for (auto _ : state) {
        probe_count first;
        probe_count last;
        u64 rehashes = 0;
        for (int i = 0; i < runs; ++i) {
            churn<Cache, plateau::keyed_hash> of(plateau::keyed_hash{});
            const u64 allocations = index_seen.allocations;
            first += of.followed(churn_window);
            of.unfollowed(churn_operations - 2 * churn_window);
            last += of.followed(churn_window);
            if (!of.full()) lost("its size is constant");
            rehashes += index_seen.allocations - allocations;
        }
        state.counters["probes"] = last.mean();
        state.counters["probes_grew"] = last.mean() / first.mean();
        state.counters["rehashes"] = static_cast<double>(rehashes);
    }
}

template <class Cache>
void add_churn(const std::string& name) {
    benchmark::RegisterBenchmark(("churn/" + name).c_str(), long_use<Cache>)->Iterations(1)->Repetitions(1);
}

}

void register_probes() {
    add_probes("random_numbers", [] { return worst_probes(random_numbers()); });
    add_probes("multiples_of_two", of_multiples_of_two);
    add_probes("multiples_of_primes", of_multiples_of_primes);
    add_text_probes("random_texts", random_texts);
    add_text_probes("public_constant", public_constant);
    add_text_probes("std_hash_chain", std_hash_chain);
    add_text_probes("length_extension", length_extension);
    add_churn<plateau::lru_cache<u64, u64, spied<plateau::keyed_hash>>>("lru");
}

}
