// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/dump.hpp>
#include <plateau/cache/load_core.hpp>
#include <plateau/cache/load_options.hpp>
#include <plateau/cache/load_result.hpp>
#include <plateau/cache/load_stats.hpp>
#include <plateau/cache/load_ticket.hpp>
#include <plateau/cache/load_verbs.hpp>
#include <plateau/cache/loaded.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/executor.hpp>
#include <plateau/fwd.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {
/// For one thread, under whatever layers.
template <class C>
inline constexpr bool is_sole_cache = false;
template <class K, class V, class P>
inline constexpr bool is_sole_cache<lru_cache<K, V, P>> = true;
template <class C>
inline constexpr bool is_sole_cache<tagged_cache<C>> = is_sole_cache<C>;
template <class C, class Tier>
inline constexpr bool is_sole_cache<tiered_cache<C, Tier>> = is_sole_cache<C>;
}

/// A cache that loads what it misses, once for all who ask.
///
///     plateau::loading_cache<plateau::concurrent_lru_cache<std::string, page>> pages{
///         {.cache = {.max_bytes = 64_MiB, .time_to_live = 60s}, .stale_while_revalidate = 30s}, load_page, pool};
///     if (auto page = pages.get(path)) use(*page);
///
/// Promise      a key is loaded once at a time: who asks for it meanwhile gets the result of that load, a value, an
///              exception or that there is none. An exception is not kept: who asks next loads again.
/// Change       a key that is put, erased or cleared away through this cache while it is loaded: who waits gets what
///              the load brings, it is not stored, and who asks after the change loads anew. `erase_if` and
///              `invalidate_tag` count as a change of every key. What is done to `inner()` is not seen by loads.
/// Time         a value is fresh for its time to live. Then it is handed out at once for `stale_while_revalidate`,
///              while one load runs: on the executor if there is one, else by the caller who finds it. After that,
///              and for `stale_if_error` at most, a load is waited for, and the old value is handed out where that
///              fails or takes too long. Past the longer of the two it is gone, whatever a load is doing.
/// Loaders      return a V, an optional<V> (nothing: absent, which is remembered for `absent_for`), a loaded<V>, or an
///              awaitable of one of these; or they take a load_ticket<V> beside the key and answer later. For a V
///              stands what `put` takes for one. The cache's own lives as long as the cache: it holds nothing of a
///              request.
/// Where        `get` without a token runs the loader on the caller's thread. A caller with a deadline or a token, a
///              callback and a coroutine have it run on the executor, if the cache was given one, and wait; but a
///              thread of that executor runs it itself, so that a pool does not wait for itself. Then a loader that
///              came with the call is moved there, and may outlive the call: it owns what it captures. Without an
///              executor the duration bounds only the wait for the load of another. A load that has yet to begin in
///              the executor is run by whoever comes to wait for it without a deadline or a token, or on a thread of
///              that executor.
/// Refusals     `load_result` says why. `recursive`: a loader asked for its own key, or would wait in a circle of
///              threads; a coroutine that has been suspended since is not seen: it waits until `load_timeout`.
/// Bounds       `max_loads` records, `max_waiters` who wait, `max_absent_bytes` for absent keys. A result on its way to
///              those who wait for it is theirs, and not in `memory_ceiling()`.
/// Overdue      after `load_timeout` nobody waits any more, the key may be loaded again, and what is brought late is
///              not stored. Threads keep that time themselves; for callbacks and coroutines somebody calls `expire`.
///
/// Throws       get and get_or_load, and their awaitables: what the loader threw, also at others who waited for it, and
///              what copying a value, hashing and equality throw. Callbacks are told by `load_result::error()`.
/// Callbacks    loaders, hashes, copies for those who wait, and the end of values run outside every lock.
/// Allocates    nothing on a hit. A load: what the loader, the copies of key and value and the cache need, a
///              coroutine's frame where the loader is awaited, and a box where a large loader is sent to the
///              executor.
/// Threads      any, for every member. The cache below is one that threads share.
/// End          nobody is in a call. Blocks until the loads end that run elsewhere, and the tickets that are out.
template <class C>
class loading_cache {
    static_assert(
        !detail::loads_already<C>,
        "plateau: a loading_cache is the layer in front of all others, once: loading_cache<tagged_cache<C>>, not "
        "tagged_cache<loading_cache<C>>");
    static_assert(!detail::is_sole_cache<C>,
                  "plateau: loads are shared by threads: loading_cache stands on concurrent_cache or "
                  "concurrent_lru_cache, not on lru_cache");
    using core_type = detail::load_core<C>;
    using sync = typename core_type::sync;
    using loads_from = typename core_type::source;

public:
    using key_type = typename C::key_type;
    using mapped_type = typename C::mapped_type;
    using options = loading_cache_options<typename C::options>;
    using policies = typename C::policies;
    template <class Other>
    using with_policies = loading_cache<typename C::template with_policies<Other>>;
    /// What it stands on.
    using inner_type = typename core_type::cache_type;
    /// What a put takes: as that cache.
    using put_options_type = typename core_type::put_options_type;
    using result_type = load_result<mapped_type>;
    using ticket_type = load_ticket<mapped_type>;
    template <class F>
    using waiter_type = waiter<F, sync>;

    /// `parts`: a loader is moved in; an executor is referred to and outlives the cache; all others go to the cache
    /// below. Throws: std::invalid_argument, std::bad_alloc.
    template <class... Parts>
    explicit loading_cache(const options& chosen, Parts&&... parts) : core_(chosen, std::forward<Parts>(parts)...) {}
    loading_cache(const loading_cache&) = delete;
    loading_cache& operator=(const loading_cache&) = delete;

    // ---- get, by the cache's own loader

    /// What can be had without waiting and without running a loader here. On a miss the load is begun where the cache
    /// has an executor, or a loader that answers later; until it has, the answer is timed_out.
    template <class Q>
    [[nodiscard]] result_type try_get(const Q& key) {
        return find(key, never_stop_token{}, {}, {.waits = false});
    }
    template <class Q, stoppable_token Token = never_stop_token>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE result_type get(const Q& key, const Token& stop = {}) {
        return find(key, stop, {}, {.may_leave = stop.stop_possible()});
    }
    template <class Q, stoppable_token Token = never_stop_token>
    [[nodiscard]] result_type get_for(const Q& key, duration length, const Token& stop = {}) {
        return find(key, stop, detail::patience_limit(length),
                    {.may_leave = length != forever || stop.stop_possible()});
    }
    template <class Q, stoppable_token Token = never_stop_token>
    [[nodiscard]] result_type get_until(const Q& key, time_point until, const Token& stop = {}) {
        return find(key, stop, detail::patience_limit(until), {.may_leave = true});
    }
    /// For a callback `f(load_result<V>) noexcept`. Deadlines are kept by whoever calls `expire`.
    /// Throws: what hashing, equality and copying throw; then the waiter is not armed.
    template <class F, class Q>
    void get_then(waiter<F, sync>& node, const Q& key, executor_ref where = inline_here) {
        detail::wait_then(node, core_.begin_then(key, core_.own_loader()), where);
    }
    /// For a coroutine, on `where`.
    template <class Q>
    [[nodiscard]] auto async_get(Q&& key, executor_ref where) {
        return awaitable<loads_from>(std::forward<Q>(key), core_.own_loader(), where);
    }

    // ---- get, by a loader of the caller's

    template <class Q, class L, stoppable_token Token = never_stop_token>
    [[nodiscard]] result_type get_or_load(const Q& key, L&& loader, const Token& stop = {}) {
        return find_or_call(key, std::forward<L>(loader), stop, {}, {.may_leave = stop.stop_possible()});
    }
    template <class Q, class L, stoppable_token Token = never_stop_token>
    [[nodiscard]] result_type get_or_load_for(const Q& key, L&& loader, duration length, const Token& stop = {}) {
        return find_or_call(key, std::forward<L>(loader), stop, detail::patience_limit(length),
                            {.may_leave = length != forever || stop.stop_possible()});
    }
    template <class Q, class L, stoppable_token Token = never_stop_token>
    [[nodiscard]] result_type get_or_load_until(const Q& key, L&& loader, time_point until, const Token& stop = {}) {
        return find_or_call(key, std::forward<L>(loader), stop, detail::patience_limit(until), {.may_leave = true});
    }
    template <class F, class Q, class L>
    void get_or_load_then(waiter<F, sync>& node, const Q& key, L&& loader, executor_ref where = inline_here) {
        check_loader<L>();
        std::decay_t<L> own(std::forward<L>(loader));
        detail::wait_then(node, core_.begin_then(key, loads_from::of_call(own)), where);
    }
    template <class Q, class L>
    [[nodiscard]] auto async_get_or_load(Q&& key, L&& loader, executor_ref where) {
        check_loader<L>();
        return awaitable<std::decay_t<L>>(std::forward<Q>(key), std::forward<L>(loader), where);
    }

    // ---- look up without a load, as the cache below

    template <class Q>
    [[nodiscard]] std::optional<mapped_type> peek(const Q& key) const {
        return core_.inner().peek(key);
    }
    template <class Q>
    [[nodiscard]] bool contains(const Q& key) const {
        return core_.inner().contains(key);
    }
    template <class Q>
    [[nodiscard]] auto pin(const Q& key) {
        return core_.inner().pin(key);
    }

    // ---- change

    /// As if it had been loaded just now.
    template <class Q, class U>
    put_result put(Q&& key, U&& value, put_options_type how = {}) {
        return core_.put(std::forward<Q>(key), std::forward<U>(value), std::move(how));
    }
    template <class Q>
    bool erase(const Q& key) {
        return core_.erase(key);
    }
    template <class F>
    std::size_t erase_if(F&& chosen, std::size_t budget = unlimited) {
        return core_.change_all([&](inner_type& inner) { return inner.erase_if(std::forward<F>(chosen), budget); });
    }
    template <class Tag>
    bool invalidate_tag(const Tag& tag) noexcept requires requires(inner_type& inner) {
        inner.invalidate_tag(tag);
    }
    {
        return core_.change_all([&](inner_type& inner) { return inner.invalidate_tag(tag); });
    }
    void clear() noexcept {
        core_.change_all([](inner_type& inner) { inner.clear(); });
    }

    // ---- bounds, time

    std::size_t set_max_entries(std::size_t max_entries) { return core_.inner().set_max_entries(max_entries); }
    std::size_t set_max_bytes(std::size_t max_bytes) { return core_.inner().set_max_bytes(max_bytes); }
    std::size_t purge_expired(std::size_t budget = unlimited) { return core_.purge(budget); }
    /// Effects: ends loads that are overdue, and waits of callbacks and coroutines for them. Returns: how many waits.
    /// Complexity: linear in `max_loads` and those who wait.
    std::size_t expire(time_point now) noexcept { return core_.expire(now); }
    /// The next moment at which `purge_expired` or `expire` has something to do.
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept { return core_.next_deadline(); }

    // ---- read out

    [[nodiscard]] inner_type& inner() noexcept PLATEAU_LIFETIMEBOUND {
        core_.expect_deadlines();
        return core_.inner();
    }
    [[nodiscard]] const inner_type& inner() const noexcept PLATEAU_LIFETIMEBOUND { return core_.inner(); }
    [[nodiscard]] std::size_t size() const noexcept { return core_.inner().size(); }
    [[nodiscard]] auto stats() const noexcept { return core_.stats(); }
    /// What is fresh, for as long as it is; a warm-up stores it as if it had been loaded.
    template <dump_sink Sink>
    dump_result dump(Sink&& sink, const dump_options& how = {}) const {
        return core_.inner().dump(sink, how);
    }
    template <dump_source Source>
    warm_up_result warm_up(Source&& from, const warm_up_options& how = {}) {
        core_.expect_deadlines();
        return core_.inner().warm_up(from, how);
    }
    [[nodiscard]] std::size_t memory_ceiling() const noexcept { return core_.memory_ceiling(); }
    /// While no other thread is in a call.
    void check_invariants() const noexcept { core_.check_invariants(); }

private:
    template <class L>
    static constexpr void check_loader() noexcept {
        static_assert(detail::is_loader<std::decay_t<L>, key_type, mapped_type>,
                      "plateau: a loader is called with (const K&) and returns V, std::optional<V>, plateau::loaded<V> "
                      "or an awaitable of one of these; or it is called with (const K&, plateau::load_ticket<V>); what "
                      "neither converts to V nor is assigned to one, it returns as V(...)");
    }
    template <class Q, class Token>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE result_type find(const Q& key, const Token& stop, detail::patience_limit limit,
                                                         detail::load_manner how) {
        result_type out(load_reason::timed_out);
        const detail::sight seen = core_.look(key, core_.moment_to_look(), out);
        if (seen != detail::sight::fresh) [[unlikely]] {
            core_.load(key, seen, core_.own_loader(), stop, limit, how, out);
            detail::throw_error(out);
        }
        return out;
    }
    template <class Q, class L, class Token>
    [[nodiscard]] result_type find_or_call(const Q& key, L&& loader, const Token& stop, detail::patience_limit limit,
                                           detail::load_manner how) {
        check_loader<L>();
        result_type out(load_reason::timed_out);
        const detail::sight seen = core_.look(key, core_.moment_to_look(), out);
        if (seen != detail::sight::fresh) [[unlikely]] {
            std::decay_t<L> own(std::forward<L>(loader));
            core_.load(key, seen, loads_from::of_call(own), stop, limit, how, out);
            detail::throw_error(out);
        }
        return out;
    }
    template <class Loader, class Q, class L>
    [[nodiscard]] auto awaitable(Q&& key, L&& loader, executor_ref where) {
        using verb = detail::begin_verb<core_type, Loader>;
        return detail::load_awaitable<verb>(verb(core_, std::forward<Q>(key), std::forward<L>(loader)), where);
    }

    core_type core_;
};

PLATEAU_NAMESPACE_END
