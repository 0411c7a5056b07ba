// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>

PLATEAU_NAMESPACE_BEGIN

/// What a loading_cache does beside its cache, whose options stand first.
template <class CacheOptions>
struct loading_cache_options {
    CacheOptions cache{};

    /// After its time to live: for so long a value is still handed out at once, while it is loaded anew.
    duration stale_while_revalidate = duration::zero();

    /// After its time to live: for so long a value is handed out where a load fails, or takes too long.
    duration stale_if_error = duration::zero();

    /// For so long it is remembered that a key is absent. 0: not at all.
    duration absent_for = duration::zero();

    /// For so long a load is waited for. Then it is overdue: who waits is told timed_out, the key may be loaded again,
    /// and what the load brings is not stored.
    duration load_timeout = forever;

    std::size_t max_waiters = 1024;  ///< that wait for loads of others at the same time, of all keys together

    /// Keys that are loaded at the same time, and results of `get_then` that have yet to be told; 1 to 2^20. Each is a
    /// record in the memory of the cache. A load that never ends keeps its record.
    std::size_t max_loads = 256;

    std::size_t max_absent_bytes = 256 * 1024;  ///< charged for the keys that are remembered as absent
};

PLATEAU_NAMESPACE_END
