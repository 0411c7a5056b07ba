// SPDX-License-Identifier: MIT
/// Hits on recorded requests. Exact counts: of plateau's caches, and of the textbook beside them.
///
/// A trace is a file of 32-bit keys, most significant byte first, one a request.

#include "cache_cells.hpp"
#include "cache_subjects.hpp"
#include "rivals.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace bench {
namespace {

using u64 = std::uint64_t;

struct trace {
    const char* name;
    std::array<std::size_t, 3> capacities;
};
constexpr trace recorded[] = {{"web07", {512, 2'000, 8'000}}, {"orm-busy", {1'250, 5'000, 20'000}}};

/// Returns: the keys; none if the file cannot be read.
std::vector<u64> read_keys(const std::string& path) {
    std::vector<u64> keys;
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return keys;
    std::array<unsigned char, 4> bytes{};
    while (std::fread(bytes.data(), 1, bytes.size(), file) == bytes.size()) {
        u64 key = 0;
        for (const unsigned char byte : bytes) key = key << 8 | byte;
        keys.push_back(key);
    }
    std::fclose(file);
    return keys;
}

template <class Cache>
u64 hits(const std::vector<u64>& keys, std::size_t max_entries) {
    const auto cache = std::make_unique<Cache>(max_entries);
    u64 count = 0;
    for (const u64 key : keys) {
        if (cache->get(key)) ++count;
        else cache->put(key, key);
    }
    return count;
}

double percent(u64 hits, const std::vector<u64>& keys) {
    return 100 * static_cast<double>(hits) / static_cast<double>(keys.size());
}

constexpr const char* no_traces = "the traces are not there: --traces DIR";

std::string path_of(const std::string& folder, const trace& of) { return folder + "/" + of.name + ".trace"; }

template <class F>
void add_once(const std::string& name, F measure) {
    benchmark::RegisterBenchmark(name.c_str(), measure)->Iterations(1)->Repetitions(1);
}

/// Calls f(counters, keys) if the trace is there.
template <class F>
void add_trace(const std::string& name, const std::string& folder, const trace& of, F f) {
    add_once("hit_ratio/" + name, [path = path_of(folder, of), f](benchmark::State& state) {
        const auto keys = read_keys(path);
        if (keys.empty()) return state.SkipWithError(no_traces);
        for (auto _ : state) f(state.counters, keys);
    });
}

}

void register_traces(const std::string& folder) {
    for (const trace& each : recorded) {
        for (const std::size_t capacity : each.capacities) {
            const std::string name = std::string(each.name) + "_" + std::to_string(capacity);
            add_trace(name + "/lru", folder, each, [capacity](auto& counters, const std::vector<u64>& keys) {
                const u64 ours = hits<lru_plain<u64, u64>>(keys, capacity);
                const u64 textbook = hits<std_lru<u64, u64>>(keys, capacity);
                counters["percent"] = percent(ours, keys);
                counters["hits_apart"] = static_cast<double>(ours > textbook ? ours - textbook : textbook - ours);
            });
            add_trace(name + "/s3fifo", folder, each, [capacity](auto& counters, const std::vector<u64>& keys) {
                const u64 lru = hits<lru_plain<u64, u64>>(keys, capacity);
                const u64 one = hits<s3fifo_plain<u64, u64>>(keys, capacity);
                const u64 shared = hits<shared_s3fifo_plain<u64, u64>>(keys, capacity);
                counters["percent"] = percent(one, keys);
                counters["points_above_lru"] = percent(one, keys) - percent(lru, keys);
                counters["points_above_lru_shared"] = percent(shared, keys) - percent(lru, keys);
            });
        }
    }
    add_once("hit_ratio/all/s3fifo", [folder](benchmark::State& state) {
        int above = 0;
        for (const trace& each : recorded) {
            const auto keys = read_keys(path_of(folder, each));
            if (keys.empty()) return state.SkipWithError(no_traces);
            for (const std::size_t capacity : each.capacities)
                above +=
                    hits<shared_s3fifo_plain<u64, u64>>(keys, capacity) > hits<lru_plain<u64, u64>>(keys, capacity);
        }
        for (auto _ : state) state.counters["cells_above"] = above;
    });
}

}
