// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/concurrent_cache.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {
template <class Policies>
struct in_lru_order : Policies {
    using eviction = lru;
};
template <class Policies>
using lru_policies =
    std::conditional_t<std::is_same_v<typename Policies::eviction, lru>, Policies, in_lru_order<Policies>>;
}

/// `concurrent_cache` in exact least-recently-used order within each shard, whatever its policies say of eviction.
///
/// When to use      what was used last must be what stays, or the order is part of what you promise.
/// When not to use  otherwise: S3-FIFO has fewer misses on most traffic, and its hits write less.
template <class K, class V, class Policies>
class concurrent_lru_cache : public concurrent_cache<K, V, detail::lru_policies<Policies>> {
public:
    using policies = Policies;
    template <class Other>
    using with_policies = concurrent_lru_cache<K, V, Other>;

    using concurrent_cache<K, V, detail::lru_policies<Policies>>::concurrent_cache;
};

PLATEAU_NAMESPACE_END
