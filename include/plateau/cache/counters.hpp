// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/options.hpp>
#include <plateau/cache/stats.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>

#include <cstdint>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Look-ups, counted apart from what else a cache does: a hit writes this line and no other. `Stats` is the policy; of
/// `bare` all stays 0.
template <class Stats>
class look_counters {
    static constexpr bool counts = std::is_same_v<Stats, counting>;

public:
    PLATEAU_ALWAYS_INLINE void hit() noexcept {
        if constexpr (counts) ++hits_;
    }
    PLATEAU_ALWAYS_INLINE void miss() noexcept {
        if constexpr (counts) ++misses_;
    }
    void add_to(cache_stats& sums) const noexcept {
        sums.hits += hits_;
        sums.misses += misses_;
    }

private:
    std::uint64_t hits_ = 0;
    std::uint64_t misses_ = 0;
};

/// What changed the entries of a cache, by cause. The sequential caller of the structure counts; whoever reads has it
/// to himself too.
template <class Stats>
class change_counters {
    static constexpr bool counts = std::is_same_v<Stats, counting>;

public:
    void stored(bool replaced) noexcept {
        if constexpr (counts) ++(replaced ? stats_.replacements : stats_.insertions);
    }
    void refused() noexcept {
        if constexpr (counts) ++stats_.rejections;
    }
    void discarded() noexcept {
        if constexpr (counts) ++stats_.discards;
    }
    /// A removal that made way for a put of the same key is counted where that is stored.
    void removed([[maybe_unused]] removal_cause cause) noexcept {
        if constexpr (counts) count(cause);
    }
    void add_to(cache_stats& sums) const noexcept { sums += stats_; }

private:
    void count(removal_cause cause) noexcept {
        switch (cause) {
        case removal_cause::size:
            ++stats_.evictions;
            break;
        case removal_cause::expired:
            ++stats_.expirations;
            break;
        case removal_cause::erased:
            ++stats_.erasures;
            break;
        case removal_cause::tag:
            ++stats_.invalidations;
            break;
        case removal_cause::cleared:
            ++stats_.cleared;
            break;
        case removal_cause::replaced:
        case removal_cause::rejected:  // never was an entry
            break;
        }
    }

    cache_stats stats_;
};

}
PLATEAU_NAMESPACE_END
