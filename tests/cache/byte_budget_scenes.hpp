// SPDX-License-Identifier: MIT
/// Scenes of bytes that two shards share, for the explorer. A defect is another policies struct.
#pragma once

#include "tools/explorer/explore.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace plateau_test::budget_scenes {

/// An outer budget that the explorer watches: more than it has is never taken.
struct explored_account {
    std::size_t limit;
    explored_atomic<std::size_t> charged{0};
};
class explored_part {
public:
    explicit explored_part(explored_account& of) noexcept : of_(&of) {}
    bool try_charge(std::size_t bytes) noexcept {
        const std::size_t before = of_->charged.fetch_add(bytes);
        explore_check(before + bytes <= of_->limit, "more was taken of the pool than it had");
        return true;
    }
    void refund(std::size_t bytes) noexcept {
        explore_check(of_->charged.fetch_sub(bytes) >= bytes, "more was given back than was taken");
    }

private:
    explored_account* of_;
};

struct low_bit_first {
    using is_avalanching = void;
    std::uint64_t operator()(int key) const noexcept {
        const auto bits = static_cast<std::uint64_t>(key);
        return (bits << 63U) | bits;
    }
};
struct entry {
    std::size_t bytes;
};
inline std::size_t owned_bytes(const entry& value) noexcept { return value.bytes; }

struct two_shards : plateau::concurrent_cache_policies {
    using sync = explored_sync;
    using hash = low_bit_first;
    using charge = explored_part;
    using pins = plateau::none;
    using stats = plateau::bare;
    static constexpr std::size_t shards = 2;
    static constexpr std::size_t min_shard_entries = 0;
    static constexpr std::size_t max_page_slots = 1;
    static constexpr std::size_t max_page_bytes = 1;
    static constexpr std::size_t outbox_slots = 1;
};

struct uncharged_shards : two_shards {
    using charge = plateau::no_charge;
};

/// What each of two threads puts. A shard's part of the budget is 1,000 bytes.
enum class meets { light_ones, a_heavy_one, a_lower_bound, a_bound_that_fits };

template <class Policies, meets Other>
void bytes_wander(scene& s) {
    explored_account account{2'000};
    using cache_type = plateau::concurrent_lru_cache<int, entry, Policies>;
    auto cache = std::make_unique<cache_type>(plateau::cache_options{.max_entries = 64, .max_bytes = 2'000},
                                              explored_part(account));
    constexpr std::size_t light = 600 - cache_type::entry_overhead;
    constexpr std::size_t heavy = 1'500 - cache_type::entry_overhead;
    constexpr std::size_t bound = Other == meets::a_lower_bound       ? 700
                                  : Other == meets::a_bound_that_fits ? 1'600
                                                                      : 2'000;
    cache->put(0, entry{light});
    s.thread("first shard", [&] { cache->put(2, entry{heavy}); });
    s.thread("second shard", [&] {
        if constexpr (Other == meets::light_ones) {
            cache->put(1, entry{light});
            cache->put(3, entry{light});
        } else if constexpr (Other == meets::a_heavy_one) {
            cache->put(1, entry{heavy});
        } else {
            cache->put(1, entry{light});
            cache->set_max_bytes(bound);
        }
    });
    s.run();
    s.check(cache->stats().bytes <= bound, "the bound holds over all shards");
    s.check(account.charged >= cache->stats().bytes, "what is here was taken from the pool");
    s.check(account.charged <= bound, "what was taken is within the bound");
    if (Other == meets::light_ones) s.check(cache->size() != 0, "somebody stayed");
    cache->check_invariants();
    cache->clear();
    s.check(account.charged == 0, "an empty cache has given everything back");
    cache->put(4, entry{bound - cache_type::entry_overhead});
    s.check(cache->contains(4), "and no bytes got lost");
    cache.reset();
    s.check(account.charged == 0, "and so has one that has ended");
}

/// A put is on its way with bytes of the other shard when the bound goes.
template <class Policies>
void a_bound_goes(scene& s) {
    using cache_type = plateau::concurrent_lru_cache<int, entry, Policies>;
    cache_type cache({.max_entries = 64, .max_bytes = 2'000});
    cache.put(1, entry{600});
    s.thread("a heavy one", [&] { cache.put(2, entry{1'500}); });
    s.thread("the bound", [&] { cache.set_max_bytes(plateau::unlimited); });
    s.run();
    for (int key = 4; key < 8; ++key) cache.put(key, entry{100'000});
    for (int key = 4; key < 8; ++key) s.check(cache.contains(key), "no bound is left");
    cache.check_invariants();
}

}  // namespace plateau_test::budget_scenes
