// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/engine.hpp>
#include <plateau/cache/layer_access.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// A cache for threads that share it: shards, each behind a mutex of its own, each in the order of its eviction policy,
/// S3-FIFO by default. The recommended cache; `concurrent_lru_cache` is the same in exact LRU order.
///
/// Differences from lru_cache, whose contract holds otherwise:
///
/// - Order: that of the policy `eviction`, within a shard. The shard of a key is chosen by its hash.
/// - Bounds: `max_bytes` and `max_pinned_bytes` are one budget for all shards. An entry may be as heavy as the whole;
///   where it is heavier than its shard could make room for, others give way before it is stored, also where storing
///   it then throws, or is refused as over_budget because other threads were faster. `max_entries` is divided among the
///   shards: where keys fall unevenly, a shard evicts while another has room; a bound below the number of shards leaves
///   some nothing; and a shard is laid out for a quarter more than its part of the lightest entries. Small bounds get
///   fewer shards: at least 64 entries and eight of the heaviest entries (`max_entry_bytes`) fit in one.
/// - Values leave as copies or as pins (counted by default). `visit` runs `f`, noexcept, under the lock of a shard.
/// - Callbacks: the hash, the weigher (except where a first byte bound is set), the listener and the destructors run
///   outside every lock, on the thread whose call they are due to, before it returns. Equality, value copies, visits
///   and predicates run under the lock of one shard. A listener may be called by several threads at once.
/// - erase_if and clear work shard by shard: others see them half done.
/// - Threads: any, for every member. Blocks: only for the lock of a shard. It is held for O(1) steps, but by erase_if,
///   for_each, clear, purge_expired, the changes of bounds, a put that evicts many, and one that grows the index.
template <class K, class V, class Policies>
class concurrent_cache {
    static_assert(!std::is_base_of_v<cache_policies, Policies> ||
                      std::is_base_of_v<concurrent_cache_policies, Policies>,
                  "plateau: the policies of a cache that threads share derive from plateau::concurrent_cache_policies, "
                  "not from cache_policies");
    using engine_type = detail::cache_engine<K, V, Policies, detail::shared_access<typename Policies::sync>>;

public:
    using key_type = K;
    using mapped_type = V;
    using options = cache_options;
    using policies = Policies;
    /// The same cache with other policies: what a layer stands on is one of these.
    template <class Other>
    using with_policies = concurrent_cache<K, V, Other>;

    static constexpr std::size_t entry_overhead = engine_type::entry_overhead;

    template <class... Parts>
    explicit concurrent_cache(const cache_options& bounds, Parts&&... parts)
        : engine_(bounds, std::forward<Parts>(parts)...) {}
    concurrent_cache(const concurrent_cache&) = delete;
    concurrent_cache& operator=(const concurrent_cache&) = delete;

    // ---- look up

    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::optional<V> get(const Q& key) {
        return engine_.get(key);
    }
    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::optional<V> get(const Q& key, time_point now) {
        return engine_.get(key, now);
    }
    template <class Q, class F>
    bool visit(const Q& key, F&& f) {
        return engine_.visit(key, std::forward<F>(f));
    }
    template <class Q>
    [[nodiscard]] std::optional<V> peek(const Q& key) const {
        return engine_.peek(key);
    }
    template <class Q>
    [[nodiscard]] bool contains(const Q& key) const {
        return engine_.contains(key);
    }
    /// Returns: how long the live entry has from now on if nobody uses it, `forever` if it has no deadline.
    template <class Q>
    [[nodiscard]] std::optional<duration> remaining(const Q& key) const {
        return engine_.remaining(key);
    }
    template <class Q>
    [[nodiscard]] plateau::pin<V> pin(const Q& key) {
        return engine_.pin(key);
    }

    // ---- change

    template <class Q, class U>
    put_result put(Q&& key, U&& value, put_options how = {}) {
        return engine_.put(std::forward<Q>(key), std::forward<U>(value), how);
    }
    template <class Q>
    bool erase(const Q& key) {
        return engine_.erase(key);
    }
    template <class F>
    std::size_t erase_if(F&& chosen, std::size_t budget = unlimited) {
        return engine_.erase_if(std::forward<F>(chosen), budget);
    }
    void clear() noexcept { engine_.clear(); }

    // ---- bounds, time

    std::size_t set_max_entries(std::size_t max_entries) { return engine_.set_max_entries(max_entries); }
    std::size_t set_max_bytes(std::size_t max_bytes) { return engine_.set_max_bytes(max_bytes); }
    std::size_t purge_expired(std::size_t budget = unlimited) { return engine_.purge_expired(budget); }
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept { return engine_.next_deadline(); }

    // ---- read out

    /// Shard by shard, each in its order, `f` under its lock.
    template <class F>
    void for_each(order from, F&& f) const {
        engine_.for_each(from, std::forward<F>(f));
    }
    /// A sum over the shards, each at its own moment; so are the stats.
    [[nodiscard]] std::size_t size() const noexcept { return engine_.size(); }
    [[nodiscard]] cache_stats stats() const noexcept { return engine_.stats(); }
    [[nodiscard]] std::size_t memory_ceiling() const noexcept { return engine_.memory_ceiling(); }
    /// As of lru_cache. A sink that waits holds no lock; the lock of a shard is held once for a pass over its entries,
    /// and then for some copies at a time.
    template <dump_sink Sink>
    dump_result dump(Sink&& sink, const dump_options& how = {}) const {
        return engine_.dump(sink, how);
    }
    /// As of lru_cache. In the order of S3-FIFO, what is read is known to be worth keeping: it stands in the main
    /// queue, behind what stands there.
    template <dump_source Source>
    warm_up_result warm_up(Source&& source, const warm_up_options& how = {}) {
        return engine_.warm_up(source, how);
    }
    void check_invariants() const noexcept { engine_.check_invariants(); }

private:
    friend struct detail::layer_access;

    engine_type engine_;
};

PLATEAU_NAMESPACE_END
