// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/engine.hpp>
#include <plateau/cache/layer_access.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>
#include <optional>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// A map that forgets: bounded by entries, by bytes and by time, in exact least-recently-used order, or in that of its
/// `eviction` policy.
///
/// When to use: one thread (an event loop, a worker's own cache), or under a lock of yours. When not to use: several
/// threads, which `concurrent_cache` is for.
///
/// - Promise: after every call there are at most `max_entries` entries, and at most `max_bytes` bytes are charged for
///   them (an entry: what the weigher answers for it, plus `entry_overhead`). An entry past its deadline is never
///   handed out. What this object and its entries take stays below `memory_ceiling()`; beside that, while a put runs,
///   stands the entry it is about to store. At constant size nothing is allocated.
/// - Refusals: `put` says why it did not keep an entry; the old entry of that key, and the arguments, are then
///   untouched.
/// - Look-up by anything that hashes and compares as K: std::string_view for std::string, without a temporary.
/// - Values leave as copies, are visited in place, or are pinned (policy `pins = counted`): no reference dangles.
/// - Throws what copying or moving K and V, hash, equality, weigher, predicate and the allocator throw. Nothing has
///   changed then, except where a member says otherwise.
/// - Complexity: expected O(1) a call, and O(1) for each entry it removes. Growing up to the bound moves the index, in
///   O(n).
/// - Callbacks: the listener and the destructors of K and V run after the fact, before the call returns, and may call
///   the cache; a chain of them takes no stack. From inside a visit, a predicate, an equality or a copy, calling the
///   same cache is a violation.
/// - Threads: one at a time. Neither copied nor moved. Parts passed by reference (the clock) outlive it.
///
/// Sources: a slab with 32-bit links (slab.hpp), the index (chunk_index.hpp), the orders (lru_order.hpp,
/// s3fifo_order.hpp) and the deadlines (timer_wheel.hpp).
template <class K, class V, class Policies>
class lru_cache {
    using engine_type = detail::cache_engine<K, V, Policies, detail::sole_access>;

public:
    using key_type = K;
    using mapped_type = V;
    using options = cache_options;
    using policies = Policies;
    /// The same cache with other policies: what a layer stands on is one of these.
    template <class Other>
    using with_policies = lru_cache<K, V, Other>;

    /// Bytes charged for an entry beside its weigher's answer: its slot (which holds the K and the V themselves), its
    /// links, and its share of the index.
    static constexpr std::size_t entry_overhead = engine_type::entry_overhead;

    /// `parts`: objects of the policies' types, in any order; a clock by reference, the others are copied.
    /// Throws: std::invalid_argument for bounds that are 0, absent or too large, for a time <= 0 and a jitter that is
    /// no share below 1.
    template <class... Parts>
    explicit lru_cache(const cache_options& bounds, Parts&&... parts)
        : engine_(bounds, std::forward<Parts>(parts)...) {}
    lru_cache(const lru_cache&) = delete;
    lru_cache& operator=(const lru_cache&) = delete;

    // ---- look up

    /// Returns: a copy of the live value, which counts as used.
    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::optional<V> get(const Q& key) {
        return engine_.get(key);
    }
    /// The same at a time of the caller's: for loops that read the clock once.
    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::optional<V> get(const Q& key, time_point now) {
        return engine_.get(key, now);
    }
    /// Calls `f(const V&)` in place of copying. Returns: whether there was a live value.
    template <class Q, class F>
    bool visit(const Q& key, F&& f) {
        return engine_.visit(key, std::forward<F>(f));
    }
    /// A copy without using the entry: order and counters stay as they are.
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
    /// Returns: a handle that keeps the value, or absent, or pinned_full. The handle may outlive the cache.
    template <class Q>
    [[nodiscard]] plateau::pin<V> pin(const Q& key) {
        return engine_.pin(key);
    }

    // ---- change

    /// Stores, replaces, and makes room. Takes what converts to K and V, or is assigned to them, in the manner of
    /// std::map::insert_or_assign; what only an explicit constructor takes is written K(...), V(...). With a
    /// `time_to_live` <= 0 nothing is stored, and an old entry is gone as expired. Refuses: too_large; over_budget
    /// after a bound was set to 0, and while more entries than `outbox_slots` are on their way out at once (puts from
    /// inside a listener).
    template <class Q, class U>
    put_result put(Q&& key, U&& value, put_options how = {}) {
        return engine_.put(std::forward<Q>(key), std::forward<U>(value), how);
    }
    /// Returns: whether there was a live entry.
    template <class Q>
    bool erase(const Q& key) {
        return engine_.erase(key);
    }
    /// Erases, from the one that would go first on, entries for which `chosen(const K&, const V&)` holds, at most
    /// `budget`. Returns: how many. Complexity: linear in the entries. If `chosen` throws, those it had chosen are
    /// gone.
    template <class F>
    std::size_t erase_if(F&& chosen, std::size_t budget = unlimited) {
        return engine_.erase_if(std::forward<F>(chosen), budget);
    }
    /// Erases everything and gives the memory back.
    void clear() noexcept { engine_.clear(); }

    // ---- bounds, time

    /// 0 empties the cache and refuses puts. Returns: how many entries were evicted. The memory of a lowered bound
    /// stays until the cache is empty. Throws: std::invalid_argument if no bound would be left.
    std::size_t set_max_entries(std::size_t max_entries) { return engine_.set_max_entries(max_entries); }
    /// As set_max_entries. The first byte bound of a cache that had none weighs every entry; if that throws, no bound
    /// is changed and no entry evicted, though weights may be kept from then on.
    std::size_t set_max_bytes(std::size_t max_bytes) { return engine_.set_max_bytes(max_bytes); }
    /// Gives expired and invalidated entries back, looking at no more than `budget` entries; when none is left, the
    /// memory of slots and index too. Returns: how many.
    std::size_t purge_expired(std::size_t budget = unlimited) { return engine_.purge_expired(budget); }
    /// Returns: when purge_expired next has something to do, not later than the first deadline; none without deadlines.
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept { return engine_.next_deadline(); }

    // ---- read out

    /// Calls `f(const K&, const V&)` for every live entry, in the order of eviction or against it; nothing counts as
    /// used. Complexity: linear in the entries. From inside `f`, calling this cache is a violation.
    template <class F>
    void for_each(order from, F&& f) const {
        engine_.for_each(from, std::forward<F>(f));
    }
    [[nodiscard]] std::size_t size() const noexcept { return engine_.size(); }
    [[nodiscard]] cache_stats stats() const noexcept { return engine_.stats(); }
    /// Bytes that the cache and what its entries own never exceed; `unlimited` when entries may own memory and neither
    /// `max_bytes` nor `max_entry_bytes` bounds it, and where nothing bounds what is pinned.
    [[nodiscard]] std::size_t memory_ceiling() const noexcept { return engine_.memory_ceiling(); }
    /// Writes the entries to `sink`, a callable `bool(std::span<const std::byte>)`, the hottest first; see dump.hpp.
    /// The keys and values are copied some at a time, and the sink is called from outside: it may use the cache. What
    /// comes or goes meanwhile may be in the dump or not. Throws: what copies, the sink and the allocator throw.
    /// Complexity: linear in the entries, and 8 bytes of memory for each.
    template <dump_sink Sink>
    dump_result dump(Sink&& sink, const dump_options& how = {}) const {
        return engine_.dump(sink, how);
    }
    /// Reads a dump from `source`, a callable `std::ptrdiff_t(std::span<std::byte>)`. Stores its entries behind those
    /// that are here, as long as there is room and nobody has to go for them; a key that is here keeps its value. The
    /// listener hears `rejected` of what is read and not stored. Throws: what put, the source and the allocator throw;
    /// what was stored by then stays. Memory: one entry at a time, encoded and decoded: up to three times
    /// the options' `max_entry_bytes`.
    template <dump_source Source>
    warm_up_result warm_up(Source&& source, const warm_up_options& how = {}) {
        return engine_.warm_up(source, how);
    }
    /// For tests: looks at every entry; a broken invariant is a violation.
    void check_invariants() const noexcept { engine_.check_invariants(); }

private:
    friend struct detail::layer_access;

    engine_type engine_;
};

PLATEAU_NAMESPACE_END
