// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/arena_bound.hpp>
#include <plateau/cache/arguments.hpp>
#include <plateau/cache/byte_pool.hpp>
#include <plateau/cache/dump.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/cache/pin.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/cache/shard.hpp>
#include <plateau/cache/stats.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/parts.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <unistd.h>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Everything that the public caches have in common: shards, the parts they share, and each operation once.
template <class K, class V, class Policies, class Access>
class cache_engine {
    static_assert(std::is_object_v<K> && std::is_object_v<V> && !std::is_const_v<K> && !std::is_const_v<V>,
                  "plateau: a cache key and a cache value are plain object types");
    static_assert(
        std::is_base_of_v<cache_policies, Policies>,
        "plateau: the third argument of a cache is its policies, which derive from plateau::cache_policies: a "
        "hash, an order or a weigher of yours is named in them");
    static_assert(!arena_bound_v<K> || arena_bound_v<typename Policies::allocator>,
                  "plateau: this cache key may point into memory that ends with a request (a pointer, "
                  "view, span, reference or arena type); store an owning copy, or unowned<T>");
    static_assert(!arena_bound_v<V> || arena_bound_v<typename Policies::allocator>,
                  "plateau: this cache value may point into memory that ends with a request (a pointer, view, span, "
                  "reference or arena type); store an owning copy, or unowned<T>");
    static_assert(std::is_move_constructible_v<K> && std::is_move_constructible_v<V>,
                  "plateau: a cache moves keys and values into its slab: they must be move constructible");
    static_assert(std::is_nothrow_destructible_v<K> && std::is_nothrow_destructible_v<V>,
                  "plateau: the destructors of cache keys and values must not throw");

    using hash_type = typename Policies::hash;
    using equal_type = typename Policies::equal;
    using weigher_type = typename Policies::weigher;
    using clock_type = typename Policies::clock;
    using listener_type = typename Policies::listener;
    using allocator_type = typename Policies::allocator;
    using judge_type = typename Policies::judge;
    using charge_type = typename Policies::charge;

    static constexpr bool has_pins = std::is_same_v<typename Policies::pins, counted>;
    static_assert(has_pins || std::is_same_v<typename Policies::pins, none>,
                  "plateau: the pins policy is plateau::counted or plateau::none");
    static_assert(std::is_same_v<typename Policies::stats, counting> || std::is_same_v<typename Policies::stats, bare>,
                  "plateau: the stats policy is plateau::counting or plateau::bare");
    static_assert(clock<clock_type>, "plateau: the clock policy needs `time_point now() const noexcept`");
    static_assert(std::has_single_bit(Policies::max_page_slots), "plateau: max_page_slots is a power of two");
    static_assert(is_one_of<typename Policies::eviction, lru, s3fifo>,
                  "plateau: the eviction policy is plateau::lru or plateau::s3fifo");
    static_assert(std::is_invocable_r_v<std::size_t, const weigher_type&, const K&, const V&>,
                  "plateau: a cache weigher answers std::size_t for (const K&, const V&)");
    using told_value = std::conditional_t<has_pins, const V&, V&&>;
    static_assert(std::is_same_v<listener_type, no_listener> ||
                      std::is_nothrow_invocable_v<listener_type&, const K&, told_value, removal_cause>,
                  "plateau: a cache listener is callable with (const K&, V&&, removal_cause), or with (const K&, const "
                  "V&, removal_cause) where values can be pinned, and is noexcept");

    using shard_type = cache_shard<K, V, Policies, Access>;
    using session = typename shard_type::session;
    using core_type = typename shard_type::core_type;
    using found = typename core_type::found;
    using note_type = typename core_type::note_type;
    static constexpr bool judged = !std::is_same_v<judge_type, no_judge>;
    /// Only then can a call come back while a get is inside.
    template <class Q>
    static constexpr bool get_runs_user_code =
        !std::is_arithmetic_v<K> || !std::is_arithmetic_v<Q> || !std::is_trivially_copyable_v<V> ||
        !std::is_same_v<equal_type, any_equal>;
    static constexpr bool is_shared = !std::is_same_v<Access, sole_access>;
    /// Bytes come from a pool: shards share one, and an outer budget is charged as they are taken.
    static constexpr bool pooled = shard_type::pooled;
    static constexpr bool has_charge = !std::is_same_v<charge_type, no_charge>;
    static_assert(plateau::charge<charge_type>, "plateau: the charge policy has try_charge(bytes) and refund(bytes)");
    using pool_type = typename shard_type::pool_type;

public:
    static constexpr std::size_t entry_overhead = core_type::entry_overhead;

    template <class... Parts>
    explicit cache_engine(const cache_options& options, Parts&&... parts)
        : options_(checked(options)),
          hash_(copied_part<hash_type>(parts...)),
          equal_(copied_part<equal_type>(parts...)),
          weigher_(copied_part<weigher_type>(parts...)),
          listener_(copied_part<listener_type>(std::forward<Parts>(parts)...)),
          allocator_(copied_part<allocator_type>(parts...)),
          judge_(copied_part<judge_type>(parts...)),
          charge_(copied_part<charge_type>(parts...)),
          clock_(std::in_place, std::forward<Parts>(parts)...),
          weighs_(needs_weights(options)),
          max_entries_(options.max_entries),
          bytes_(options.max_bytes, charge_),
          pinned_(pinned_bound(options), charge_) {
        static_assert((is_one_of<Parts, hash_type, equal_type, weigher_type, listener_type, allocator_type, judge_type,
                                 charge_type, clock_type> &&
                       ...),
                      "plateau: this part is none of the types that the cache's policies name");
        make_shards();
    }
    cache_engine(const cache_engine&) = delete;
    cache_engine& operator=(const cache_engine&) = delete;
    ~cache_engine() { abandon_shards(); }

    // ---- look up

    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::optional<V> get(const Q& query) {
        return get_at(query, [this] { return now(); });
    }
    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::optional<V> get(const Q& query, time_point moment) {
        return get_at(query, given_time{moment});
    }

    template <class Q>
    [[nodiscard]] std::optional<V> peek(const Q& query) const {
        static_assert(std::is_copy_constructible_v<V>,
                      "plateau: get and peek hand out a copy, and V is not copyable: use visit, or pin");
        std::optional<V> answer;
        peek_at(query, [&](const V& value) { answer.emplace(value); });
        return answer;
    }
    template <class Q>
    [[nodiscard]] bool contains(const Q& query) const {
        return peek_at(query, [](const V&) {});
    }

    template <class Q>
    [[nodiscard]] std::optional<duration> remaining(const Q& query) const {
        std::optional<duration> answer;
        find_quietly(query, [&](const core_type& core, found at, auto now) {
            answer = core.lifetimes().remaining(at.slot, now);
        });
        return answer;
    }
    template <class F>
    void for_each(order from, F&& f) const {
        static_assert(std::is_invocable_v<F&, const K&, const V&>, "plateau: for_each calls f(const K&, const V&)");
        trap_visitors();
        const visitor inside(*this);
        for_each_shard([&](shard_type& shard) {
            typename shard_type::template quiet_session<true> in(shard);
            const given_time moment{in->lifetimes().timed() ? now() : time_point{}};
            in->for_each(from, [&](std::uint32_t slot) {
                if (in->lifetimes().over_at(slot, moment)) return;
                const auto& entry = in->at(slot);
                f(std::as_const(entry.key), std::as_const(entry.value));
            });
        });
    }

    template <class Q, class F>
    bool visit(const Q& query, F&& f) {
        static_assert(std::is_invocable_v<F&, const V&>, "plateau: visit calls f(const V&)");
        static_assert(!is_shared || std::is_nothrow_invocable_v<F&, const V&>,
                      "plateau: visit of a shared cache runs f(const V&) under the lock of a shard: f is noexcept");
        return look_at(
            query, [this] { return now(); }, [&](const V& value, const note_type&) { f(value); });
    }
    /// The same for a layer, which is told the note, at a time of its own.
    template <class Q, class F>
    bool look(const Q& query, time_point moment, F& f) {
        return look_at(query, given_time{moment}, f);
    }

    template <class Q>
    [[nodiscard]] plateau::pin<V> pin(const Q& query) {
        static_assert(has_pins, "plateau: these policies say `pins = none`: name `counted` to pin values");
        const key_for<Q> key(query);
        if (!key.possible()) return cache_reason::absent;
        const std::uint64_t hash = hash_of(key.view());
        shard_type& shard = shard_of(hash);
        loan brought(pinned_);
        for (bool again = pooled;; again = false) {
            std::size_t lacks = 0;
            {
                session in(shard);
                const found at = find_live(*in, hash, key.view(), [this] { return now(); });
                if (!at) return cache_reason::absent;
                if constexpr (pooled) lacks = provide_pinned(*in, at.slot, brought);
                if (lacks == 0 || !again) {
                    if (const cache_reason why = in->pin(at.slot); why != cache_reason::none) return why;
                    in->use(at);
                    return pin_access<V>::make(at.entry->value, shard, at.slot);
                }
            }
            if constexpr (pooled) collect_pinned(shard, lacks, brought);
        }
    }

    // ---- change

    template <class Q, class U>
    put_result put(Q&& query, U&& argument, const put_options& options) {
        const auto always = []() noexcept { return true; };
        return put(std::forward<Q>(query), std::forward<U>(argument), options, note_type{}, always);
    }
    /// The same for a layer, with its note, and if `condition()` holds when the entry is about to be stored.
    template <class Q, class U, class Condition>
    put_result put(Q&& query, U&& argument, const put_options& options, const note_type& note, Condition condition) {
        static_assert(std::is_nothrow_invocable_r_v<bool, Condition&>, "plateau: a condition is noexcept");
        static_assert(std::is_constructible_v<K, Q>, "plateau: put: K cannot be made from this key");
        static_assert(std::is_constructible_v<V, U>, "plateau: put: V cannot be made from this value");
        if constexpr (std::is_integral_v<K> && std::is_integral_v<std::remove_cvref_t<Q>>)
            PLATEAU_EXPECTS(same_number(static_cast<K>(query), query),
                            "a number was put into a cache as a key that the key type cannot hold");
        put_argument<K, Q> key(std::forward<Q>(query));
        put_argument<V, U> value(std::forward<U>(argument));
        const duration time_to_live = options.time_to_live.value_or(options_.time_to_live);
        const std::uint64_t hash = hash_of(key.view());
        shard_type& shard = shard_of(hash);
        std::size_t held = 0;
        bool weighed = false;
        loan brought(bytes_);
        for (unsigned tries = 0;; ++tries) {
            if (!weighed && weighs_.load(std::memory_order_relaxed)) {  // looked at again under the lock
                held = weigher_(key.view(), value.view());
                weighed = true;
            }
            need lacks;
            {
                session in(shard);
                if (in->weighs() && !weighed) continue;
                // Before others give way, too: what is not stored takes nobody's place.
                if (!condition()) return cache_reason::absent;
                if constexpr (pooled) {
                    if (time_to_live > duration::zero()) lacks = provide(*in, held, brought);
                }
                if (lacks.bytes == 0 || tries == max_collections) {
                    if (in->lifetimes().asks_time(time_to_live)) in->lifetimes().observe(now());
                    const put_result done = in->put(low_half(hash), key, value, held, time_to_live, note);
                    shard.settle();
                    return done;
                }
            }
            if constexpr (pooled) collect(shard, lacks, brought);
        }
    }

    template <class Q>
    bool erase(const Q& query) {
        return erase_if_note(query, [](const note_type&) { return true; });
    }
    /// The same for a layer, if `chosen(note)` holds.
    template <class Q, class F>
    bool erase_if_note(const Q& query, F chosen) {
        const key_for<Q> key(query);
        if (!key.possible()) return false;
        const std::uint64_t hash = hash_of(key.view());
        shard_type& shard = shard_of(hash);
        session in(shard);
        observe(*in);
        const std::uint32_t slot = in->find(low_half(hash), key.view()).slot;
        bool erased = false;
        if (slot != nil) {
            if (in->lifetimes().over(slot)) in->remove_over(slot);
            else erased = chosen(std::as_const(in->at(slot).note));
            if (erased) in->remove(slot, removal_cause::erased);
        }
        in->reclaim();
        shard.settle();
        return erased;
    }

    /// For a layer that could not store a value which nobody else has.
    void tell_rejected([[maybe_unused]] const K& key, [[maybe_unused]] V&& value) noexcept {
        { session(*shards_[0])->count_discard(); }
        if constexpr (!std::is_same_v<listener_type, no_listener>)
            listener_(key, static_cast<told_value>(value), removal_cause::rejected);
    }

    template <class F>
    std::size_t erase_if(F&& chosen, std::size_t budget) {
        static_assert(std::is_invocable_r_v<bool, F&, const K&, const V&>,
                      "plateau: erase_if calls f(const K&, const V&)");
        std::size_t erased = 0;
        trap_visitors();
        const visitor inside(*this);
        for_each_shard([&](shard_type& shard) {
            session in(shard);
            observe(*in);
            in->for_each([&](std::uint32_t slot) {
                if (erased == budget || in->lifetimes().over(slot)) return;
                const auto& entry = in->at(slot);
                if (!chosen(std::as_const(entry.key), std::as_const(entry.value))) return;
                in->remove(slot, removal_cause::erased);
                ++erased;
            });
            shard.settle();
        });
        return erased;
    }

    void clear() noexcept {
        for_each_shard([this](shard_type& shard) {
            { session(shard)->clear(); }
            release_if_empty(shard);
        });
    }

    std::size_t set_max_entries(std::size_t max_entries) {
        require_option(max_entries == unlimited || max_entries <= core_type::max_slots, too_many_entries);
        std::size_t evicted = 0;
        std::size_t i = 0;
        for_each_shard([&](shard_type& shard) {
            {
                session in(shard);
                // The first shard decides, under its lock: two calls that would each leave the other's bound find one
                // gone.
                if (i == 0) {
                    require_option(max_entries != unlimited || in->bounds().all_bytes != unlimited, no_bound);
                    max_entries_.store(max_entries, std::memory_order_relaxed);
                }
                const std::size_t latest = max_entries_.load(std::memory_order_relaxed);
                evicted += in->set_max_entries(share(latest, shard_count_, i++));
            }
            release_if_empty(shard);
        });
        return evicted;
    }

    std::size_t set_max_bytes(std::size_t max_bytes) {
        if (max_bytes != unlimited) start_weighing();
        std::size_t evicted = 0;
        std::size_t i = 0;
        for_each_shard([&](shard_type& shard) {
            {
                session in(shard);
                if (i == 0) {
                    require_option(max_bytes != unlimited || in->bounds().max_entries != unlimited, no_bound);
                    bytes_.set_limit(max_bytes);
                    if (options_.max_pinned_bytes == 0) pinned_.set_limit(max_bytes);
                }
                evicted += bound_bytes(*in, i++);
            }
            release_if_empty(shard);
        });
        return evicted;
    }

    std::size_t purge_expired(std::size_t budget) {
        std::size_t removed = 0;
        for_each_shard([&](shard_type& shard) {
            if (budget == 0) return;
            {
                session in(shard);
                observe(*in);
                removed += in->reclaim(budget);
            }
            release_if_empty(shard);
        });
        return removed;
    }

    // ---- dumps and warm-ups

    template <class Sink>
    dump_result dump(Sink& sink, const dump_options& options) const {
        static_assert(
            std::is_copy_constructible_v<K> && std::is_copy_constructible_v<V>,
            "plateau: a dump is written from copies, so that no lock is held meanwhile: K and V are copyable");
        static_assert(!judged, "plateau: a cache with tags is not dumped: they would not be in the dump, and the "
                               "entries could no longer be taken back");
        dump_run<K, V, Sink> run(sink, options);
        dump_batch<K, V> batch;
        const auto lists = std::make_unique<dump_list[]>(shard_count_);
        for (std::size_t i = 0; i < shard_count_; ++i) list_entries(*shards_[i], lists[i]);
        // By turns: what is hot in one shard comes before what is cold in another.
        for (bool more = true; more;) {
            more = false;
            for (std::size_t i = 0; i < shard_count_; ++i) {
                if (lists[i].next == lists[i].count) continue;
                more = true;
                copy_some(*shards_[i], lists[i], batch);
                if (!run.write(batch.entries())) return run.finish();
                batch.clear();
            }
        }
        return run.finish();
    }

    template <class Source>
    warm_up_result warm_up(Source& source, const warm_up_options& options) {
        static_assert(!judged, "plateau: a cache with tags is not warmed up: the entries would have none");
        std::size_t most = options.max_entry_bytes;
        if constexpr (std::is_same_v<weigher_type, owned_bytes_weigher>) {
            const std::size_t heaviest = session(*shards_[0])->heaviest();
            if (heaviest < most) most = heaviest;
        }
        warm_up_run<K, V, Source> run(source, options, most);
        return run.run([this](K&& key, V&& value, duration left) {
            if (restore(key, value, left)) return true;
            tell_rejected(key, std::move(value));
            return false;
        });
    }

    // ---- read out

    [[nodiscard]] time_point now() const noexcept { return (*clock_).now(); }
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept {
        std::optional<time_point> earliest;
        for_each_shard([&](shard_type& shard) {
            const auto next = session(shard)->lifetimes().next();
            if (next && (!earliest || *next < *earliest)) earliest = next;
        });
        return earliest;
    }
    [[nodiscard]] std::size_t size() const noexcept {
        std::size_t sum = 0;
        for_each_shard([&](shard_type& shard) { sum += session(shard)->size(); });
        return sum;
    }
    [[nodiscard]] cache_stats stats() const noexcept {
        cache_stats sum;
        for_each_shard([&](shard_type& shard) { sum += session(shard)->stats(); });
        return sum;
    }
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        std::size_t sum = saturating_mul(shard_count_, sizeof(shard_type) + sizeof(shard_type*));
        std::size_t scattered = 0;
        std::size_t slot = 0;
        std::size_t pinned = 0;  // more than the bound where that was lowered
        for_each_shard([&](shard_type& shard) {
            const core_ceiling part = session(shard)->memory_ceiling();
            sum = saturating_add(sum, saturating_add(part.structure, part.overhang));
            scattered += part.scattered;
            slot = part.slot;
            pinned += part.pinned;
        });
        if (const std::size_t bytes = bytes_.limit(); bytes != unlimited)
            sum = saturating_add(sum, saturating_add(bytes, core_type::reach::slack_bytes(bytes, shard_count_, slot)));
        if constexpr (has_pins)
            sum = saturating_add(sum, core_type::ceilings::pinned(larger(pinned_.limit(), pinned), scattered, slot));
        return sum;
    }
    void check_invariants() const noexcept {
        for_each_shard([](shard_type& shard) { session(shard)->check_invariants(); });
    }

private:
    static constexpr const char* no_bound =
        "plateau: a cache needs max_entries or max_bytes: without either it would grow for ever\n";
    static constexpr const char* too_many_entries = std::is_same_v<typename Policies::eviction, lru>
                                                        ? "plateau: cache max_entries is above 2^32 - 2^16\n"
                                                        : "plateau: cache max_entries is above 2^29 - 2^16\n";

    static const cache_options& checked(const cache_options& options) {
        require_option(options.max_entries != unlimited || options.max_bytes != unlimited, no_bound);
        require_option(options.max_entries != 0, "plateau: cache max_entries is 0: nothing could be kept\n");
        require_option(options.max_bytes != 0, "plateau: cache max_bytes is 0: nothing could be kept\n");
        require_option(options.max_entry_bytes != 0, "plateau: cache max_entry_bytes is 0: nothing could be kept\n");
        require_option(options.max_entries == unlimited || options.max_entries <= core_type::max_slots,
                       too_many_entries);
        require_option(options.time_to_live > duration::zero(), "plateau: cache time_to_live is not above zero\n");
        require_option(options.time_to_idle > duration::zero(), "plateau: cache time_to_idle is not above zero\n");
        require_option(options.ttl_jitter >= 0 && options.ttl_jitter < 1,
                       "plateau: cache ttl_jitter is not from 0 to below 1\n");
        return options;
    }
    [[nodiscard]] static bool needs_weights(const cache_options& options) noexcept {
        return has_charge || options.max_bytes != unlimited || options.max_entry_bytes != unlimited ||
               (has_pins && options.max_pinned_bytes != 0 && options.max_pinned_bytes != unlimited);
    }
    [[nodiscard]] static std::size_t pinned_bound(const cache_options& options) noexcept {
        if constexpr (!has_pins) return unlimited;
        return options.max_pinned_bytes == 0 ? options.max_bytes : options.max_pinned_bytes;
    }

    // ---- bytes that shards share

    /// Bytes taken from a pool, on their way to a shard: they go back unless the shard takes them.
    class loan {
    public:
        explicit loan(pool_type& from) noexcept : from_(from) {}
        loan(const loan&) = delete;
        loan& operator=(const loan&) = delete;
        ~loan() { from_.give(bytes_); }
        void add(std::size_t bytes) noexcept { bytes_ += bytes; }
        [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
        [[nodiscard]] std::size_t take() noexcept { return std::exchange(bytes_, 0); }

    private:
        pool_type& from_;
        std::size_t bytes_ = 0;
    };

    /// What a shard lacks for a put.
    struct need {
        std::size_t bytes = 0;
        bool sheer = false;  ///< even if all that it holds made room
        bool fair = false;   ///< it has less than its part of the whole
    };

    /// A put enters other shards so many times before it is refused: what it collected may be used by then.
    static constexpr unsigned max_collections = 3;

    [[nodiscard]] std::size_t fair_share() const noexcept {
        const std::size_t limit = bytes_.limit();
        return limit == unlimited ? unlimited : limit / shard_count_;
    }

    [[nodiscard]] PLATEAU_ALWAYS_INLINE need provide(core_type& core, std::size_t held, loan& brought) noexcept {
        if (core.shortage(held) == 0 && brought.bytes() == 0) [[likely]]
            return {};
        return provide_more(core, held, brought);
    }
    PLATEAU_COLD need provide_more(core_type& core, std::size_t held, loan& brought) noexcept {
        if (core.bounds().max_bytes == unlimited) return {};
        // Unless the bound was lowered meanwhile: then what is in the shards goes first.
        if (bytes_.taken() <= bytes_.limit()) core.add_bytes(brought.take());
        const std::size_t lacks = core.shortage(held);
        if (lacks == 0) return {};
        const bool plenty = bytes_.left() > bytes_.limit() / 8;
        std::size_t got = bytes_.take(lacks, plenty ? saturating_add(lacks, shard_type::ahead(core)) : lacks);
        if (got == 0) got = bytes_.take(1, lacks);
        core.add_bytes(got);
        if (got >= lacks) return {};
        if (core.sheer_shortage(held) != 0) core.add_bytes(bytes_.take(core.sheer_shortage(held), 0));
        if (shard_count_ == 1) return {};
        if (const std::size_t sheer = core.sheer_shortage(held); sheer != 0) return {sheer, true, false};
        // Entries of this shard would have to go. What others could give instead is not asked for ever in vain.
        if (!core.may_collect()) return {};
        return {lacks - got, false, saturating_add(core.bounds().max_bytes, lacks) <= fair_share()};
    }
    /// From the other shards, one after the other: what they do not use; where this one has less than its part, what
    /// they have beyond theirs; and for an entry that is too large for this shard, all that it takes.
    PLATEAU_COLD void collect(shard_type& shard, need lacks, loan& brought) {
        std::size_t first = 0;
        while (shards_[first] != &shard) ++first;
        const std::size_t fair = fair_share();
        for (unsigned pass = 0; pass < (lacks.sheer ? 2 : 1); ++pass)
            for (std::size_t i = 1; i < shard_count_ && brought.bytes() < lacks.bytes; ++i) {
                shard_type& other = *shards_[(first + i) % shard_count_];
                const std::size_t missing = lacks.bytes - brought.bytes();
                const std::size_t least = pass == 1 ? 0 : fair;
                const bool evicts = lacks.sheer || lacks.fair;
                if (evicts) session(other)->make_givable(missing, least);  // and sees out who had to go
                brought.add(session(other)->give_bytes(missing, evicts ? least : 0));
            }
        if (brought.bytes() < lacks.bytes) session(shard)->collected_in_vain();
    }
    void release_if_empty(shard_type& shard) noexcept {
        session in(shard);
        shard.settle();
        in->release_if_empty();
    }
    /// Expects: the pool's limit is the bound. Returns: how many entries were evicted.
    std::size_t bound_bytes(core_type& core, std::size_t i) noexcept {
        const std::size_t limit = bytes_.limit();
        const std::size_t part = share(limit, shard_count_, i);
        bound_pinned(core, i);
        if constexpr (!pooled) return core.set_max_bytes(limit, limit, limit);
        const std::size_t before = core.bounds().max_bytes;
        std::size_t after = before;
        if (limit == unlimited && !has_charge) after = unlimited;
        else if (before == unlimited) after = bytes_.take(1, smaller(core.used_bytes(), part));
        else if (bytes_.taken() > limit) after = smaller(before, part);
        const std::size_t evicted = core.set_max_bytes(after, limit, part);
        if (before != unlimited) bytes_.give(after == unlimited ? before : before - after);
        return evicted;
    }
    void bound_pinned(core_type& core, std::size_t i) noexcept {
        if constexpr (!has_pins) return;
        else if constexpr (!pooled) core.set_max_pinned_bytes(pinned_.limit());
        else {
            const std::size_t before = core.bounds().max_pinned_bytes;
            if (pinned_.limit() == unlimited && !has_charge) {
                core.set_max_pinned_bytes(unlimited);
                if (before != unlimited) pinned_.give(before);
            } else if (before == unlimited) {
                const std::size_t part = share(pinned_.limit(), shard_count_, i);
                core.set_max_pinned_bytes(pinned_.take(1, smaller(core.pinned_bytes(), part)));
            } else {
                pinned_.give(core.give_pinned_bytes(0));
            }
        }
    }

    /// Returns: what is still missing, and may be with other shards.
    [[nodiscard]] std::size_t provide_pinned(core_type& core, std::uint32_t slot, loan& brought) noexcept {
        if (core.bounds().max_pinned_bytes == unlimited) return 0;
        if (pinned_.taken() <= pinned_.limit()) core.add_pinned_bytes(brought.take());
        const std::size_t lacks = core.pin_shortage(slot);
        if (lacks == 0) [[likely]]
            return 0;
        std::size_t got = pinned_.take(lacks, saturating_add(lacks, shard_type::spare_pinned(pinned_)));
        if (got == 0) got = pinned_.take(1, lacks);
        core.add_pinned_bytes(got);
        return got >= lacks || shard_count_ == 1 ? 0 : lacks - got;
    }
    PLATEAU_COLD void collect_pinned(shard_type& shard, std::size_t lacks, loan& brought) noexcept {
        for_each_shard([&](shard_type& other) {
            if (&other != &shard && brought.bytes() < lacks) brought.add(session(other)->give_pinned_bytes(0));
        });
    }

    // ---- visits: user code that runs under the lock of one shard and may call back into another

    class visitor {
    public:
        explicit visitor(const cache_engine& visited) noexcept : visitors_(visited.visitors_) {
            visitors_.fetch_add(1, std::memory_order_relaxed);  // only its own thread needs to see it
        }
        visitor(const visitor&) = delete;
        visitor& operator=(const visitor&) = delete;
        ~visitor() { visitors_.fetch_sub(1, std::memory_order_relaxed); }

    private:
        typename Policies::sync::template atomic<std::size_t>& visitors_;
    };

    /// A visitor that calls its cache again would wait for another shard while others wait for his: trapped, not
    /// deadlocked. A sole user is trapped by the shard itself.
    void trap_visitors() const noexcept {
        if constexpr (is_shared) {
            if (visitors_.load(std::memory_order_relaxed) == 0) [[likely]]
                return;
            for (std::size_t i = 0; i < shard_count_; ++i) shards_[i]->trap_holder();
        }
    }

    // ---- shards

    template <class F>
    void for_each_shard(F f) const {
        trap_visitors();
        for (std::size_t i = 0; i < shard_count_; ++i) f(*shards_[i]);
    }
    [[nodiscard]] shard_type& shard_of(std::uint64_t hash) const noexcept {
        trap_visitors();
        if constexpr (!is_shared) return *shards_[0];
        else return *shards_[(hash >> 1) >> shard_shift_];
    }
    /// The part of a bound that falls to shard i: all parts together are the bound.
    [[nodiscard]] static std::size_t share(std::size_t bound, std::size_t shards, std::size_t i) noexcept {
        if (bound == unlimited) return unlimited;
        return bound / shards + (i < bound % shards);
    }

    [[nodiscard]] static std::size_t wanted_shards(const cache_options& options) noexcept {
        if constexpr (!is_shared) return 1;
        else {
            std::size_t wanted = Policies::shards;
            if (wanted == 0) {
                const long processors = ::sysconf(_SC_NPROCESSORS_ONLN);
                wanted = std::bit_ceil(4 * static_cast<std::size_t>(processors > 0 ? processors : 1));
            }
            wanted = std::bit_floor(wanted < max_shards ? wanted : max_shards);
            while (wanted > 1 && too_small(options, wanted)) wanted /= 2;
            return wanted;
        }
    }
    [[nodiscard]] static bool too_small(const cache_options& options, std::size_t shards) noexcept {
        const std::size_t heaviest = options.max_entry_bytes == unlimited ? Policies::min_shard_entries * entry_overhead
                                                                          : options.max_entry_bytes;
        return options.max_entries / shards < Policies::min_shard_entries ||
               options.max_bytes / shards < saturating_mul<std::size_t>(heaviest, 8);
    }

    void make_shards() {
        const std::size_t wanted = wanted_shards(options_);
        const time_point start = (*clock_).now();
        shard_list_allocator own(allocator_);
        shards_ = shard_list_traits::allocate(own, wanted);
        shard_list_size_ = wanted;
        shard_shift_ = 63 - static_cast<unsigned>(std::countr_zero(wanted));
        building_guard whole{this};
        aging how{options_.time_to_idle, options_.ttl_jitter, options_.ttl_jitter == 0 ? 0 : draw_seed().first};
        while (shard_count_ < wanted) {
            const core_bounds bounds{
                .max_entries = share(options_.max_entries, wanted, shard_count_),
                .max_bytes = at_first(bytes_.limit()),
                .all_bytes = bytes_.limit(),
                .fair_bytes = share(bytes_.limit(), wanted, shard_count_),
                .max_entry_bytes = options_.max_entry_bytes,
                .max_pinned_bytes = at_first(pinned_.limit()),
                .reclaim_budget = options_.reclaim_budget,
            };
            shards_[shard_count_] = shard_type::make({bounds, how, hash_, equal_, allocator_, judge_, start},
                                                     {listener_, bytes_, pinned_}, charge_);
            ++shard_count_;
            how.seed = mix(how.seed);
        }
        whole.engine = nullptr;
    }
    /// Of a bound that is shared a shard has nothing until it needs it.
    [[nodiscard]] static std::size_t at_first(std::size_t bound) noexcept {
        return pooled && (bound != unlimited || has_charge) ? 0 : bound;
    }
    /// Every shard refuses before one is emptied, and is empty before one goes: the destructors and listeners that run
    /// here may call the cache.
    void abandon_shards() noexcept {
        for_each_shard([](shard_type& shard) { session(shard)->refuse_all(); });
        for_each_shard([](shard_type& shard) { session(shard)->clear(); });
        if constexpr (has_charge) {
            for_each_shard([this](shard_type& shard) {
                session in(shard);
                bytes_.give(in->give_all_bytes());  // once: the end of a pin may come here until the shard has gone
                pinned_.give(in->give_pinned_bytes(0));
            });
        }
        for (; shard_count_ != 0; --shard_count_) shard_type::abandon(shards_[shard_count_ - 1]);
        shard_list_allocator own(allocator_);
        shard_list_traits::deallocate(own, shards_, shard_list_size_);
    }
    struct building_guard {
        cache_engine* engine;
        ~building_guard() {
            if (engine != nullptr) engine->abandon_shards();
        }
    };

    /// Weights from now on, for the entries of today too.
    void start_weighing() {
        weighs_.store(true, std::memory_order_relaxed);  // a put that misses it is told under the lock
        for_each_shard([&](shard_type& shard) { session(shard)->start_weighing(weigher_); });
    }

    // ---- dumps and warm-ups

    /// The entries of a shard as they stood when a dump began.
    struct dump_list {
        struct mark {
            std::uint32_t hash;
            std::uint32_t slot;
        };
        std::unique_ptr<mark[]> marks;
        std::size_t count = 0;
        std::size_t next = 0;
    };

    void list_entries(shard_type& shard, dump_list& list) const {
        trap_visitors();
        const std::size_t room = session(shard)->size();
        list.marks = std::make_unique_for_overwrite<typename dump_list::mark[]>(room);  // not under the lock
        typename shard_type::template quiet_session<true> in(shard);
        in->mark_each([&](std::uint32_t hash, std::uint32_t slot) {
            if (list.count != room) list.marks[list.count++] = {hash, slot};
        });
    }
    void copy_some(shard_type& shard, dump_list& list, dump_batch<K, V>& batch) const {
        trap_visitors();
        const time_point moment = now();
        typename shard_type::template quiet_session<true> in(shard);
        const visitor inside(*this);
        for (; list.next != list.count && !batch.full(); ++list.next) {
            const auto& mark = list.marks[list.next];
            const std::uint32_t slot = in->find_again(mark.hash, mark.slot);
            if (slot == nil || in->lifetimes().over_at(slot, given_time{moment})) continue;
            const auto& entry = in->at(slot);
            const duration left = fresh_left(entry, in->lifetimes().remaining_in_use(slot, moment), moment);
            if (left > duration::zero())
                batch.add(entry.key, entry.value, left, in->lifetimes().idle_remaining(slot, moment));
        }
    }

    /// A layer whose entries go on after they are fresh says by its note for how long they are: `fresh_for(now)`. In
    /// the next process nobody could tell them apart, so that they end when they are no longer fresh.
    template <class Entry>
    [[nodiscard]] static duration fresh_left(const Entry& entry, duration left, time_point moment) noexcept {
        if constexpr (requires { entry.note.fresh_for(moment); }) {
            const duration fresh = entry.note.fresh_for(moment);
            return fresh < left ? fresh : left;
        } else {
            return left;
        }
    }

    /// Stores what is not there yet, as long as nobody has to go for it, behind all that are here. Returns: whether it
    /// did; if not, key and value are untouched.
    bool restore(K& key_argument, V& value_argument, duration time_to_live) {
        put_argument<K, K> key(std::move(key_argument));
        put_argument<V, V> value(std::move(value_argument));
        const std::uint64_t hash = hash_of(key.view());
        shard_type& shard = shard_of(hash);
        std::size_t held = 0;
        bool weighed = false;
        for (;;) {
            if (!weighed && weighs_.load(std::memory_order_relaxed)) {
                held = weigher_(key.view(), value.view());
                weighed = true;
            }
            session in(shard);
            if (in->weighs() && !weighed) continue;
            if (in->lifetimes().asks_time(time_to_live)) in->lifetimes().observe(now());
            const found old = in->find(low_half(hash), key.view());
            if (old && !in->lifetimes().over(old.slot)) return false;
            if constexpr (pooled) {
                if (const std::size_t lacks = in->shortage(held); lacks != 0)
                    in->add_bytes(bytes_.take(lacks, saturating_add(lacks, shard_type::ahead(*in))));
            }
            if (!in->has_room(held)) in->reclaim();
            if (!in->has_room(held)) return false;
            if (!in->put(low_half(hash), key, value, held, time_to_live, note_type{})) return false;
            in->cool_latest();
            return true;
        }
    }

    // ---- keys

    template <class Q>
    [[nodiscard]] std::uint64_t hash_of(const Q& key) const {
        return spread<hash_type>(static_cast<std::uint64_t>(hash_(key)));
    }

    template <class Q>
    using key_for = lookup_key < K,
          Q, requires {
        typename hash_type::is_transparent;
        typename equal_type::is_transparent;
    }
    > ;

    // ---- the steps of a look-up

    struct given_time {
        time_point moment;
        [[nodiscard]] time_point operator()() const noexcept { return moment; }
    };

    void observe(core_type& core) const noexcept {
        if (core.lifetimes().timed()) core.lifetimes().observe(now());
    }

    /// Returns: a live entry, or none after counting the miss. An expired one is removed.
    template <class Key, class Now>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE found find_live(core_type& core, std::uint64_t hash, const Key& key,
                                                        Now moment) {
        const found at = core.find(low_half(hash), key);
        if (!at) {
            core.count_miss();
            return {};
        }
        if (core.lifetimes().over_now(at.slot, moment)) [[unlikely]] {
            core.remove_over(at.slot);
            core.count_miss();
            return {};
        }
        return at;
    }

    template <class Q, class Now, class F>
    bool look_at(const Q& query, Now moment, F&& f) {
        const key_for<Q> key(query);
        if (!key.possible()) return false;
        const std::uint64_t hash = hash_of(key.view());
        session in(shard_of(hash));
        const found at = find_live(*in, hash, key.view(), moment);
        if (!at) return false;
        const visitor inside(*this);
        f(std::as_const(at.entry->value), std::as_const(at.entry->note));  // if it throws, nothing has changed yet
        in->use(at);
        return true;
    }

    template <class Q, class Now>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::optional<V> get_at(const Q& query, Now moment) {
        static_assert(std::is_copy_constructible_v<V>,
                      "plateau: get and peek hand out a copy, and V is not copyable: use visit, or pin");
        if constexpr (fits_a_register<V>) return get_inline(query, moment);
        else return get_out_of_line(query, moment);
    }
    template <class Q, class Now>
    [[nodiscard, gnu::noinline]] answer_of<V> get_out_of_line(const Q& query, Now moment) {
        return get_inline(query, moment);
    }
    template <class Q, class Now>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE answer_of<V> get_inline(const Q& query, Now moment) {
        const key_for<Q> key(query);
        if (!key.possible()) return std::nullopt;
        const std::uint64_t hash = hash_of(key.view());
        shard_type& shard = shard_of(hash);
        if constexpr (is_shared) {
            return get_live(shard, hash, key.view(), moment);
        } else {
            {
                typename shard_type::template quiet_session<get_runs_user_code<Q>> in(shard);
                if (!in->lifetimes().may_end()) [[likely]]
                    return in->get(low_half(hash), key.view());
            }
            // The clock is read before the look-up, even if that finds nothing: a call in its midst would cost more.
            if constexpr (!judged) return get_timed(shard, hash, key.view(), given_time{moment()});
            else return get_timed(shard, hash, key.view(), moment);
        }
    }

    template <class Key, class Now>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE static answer_of<V> get_timed(shard_type& shard, std::uint64_t hash,
                                                                      const Key& key, Now moment) {
        std::uint32_t over = nil;
        answer_of<V> answer = get_quietly(shard, hash, key, moment, over);
        if (over != nil) [[unlikely]]
            end_over(shard, over);  // a sole user meets nobody until then
        return answer;
    }
    template <class Key, class Now>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE static answer_of<V>
    get_quietly(shard_type& shard, std::uint64_t hash, const Key& key, Now moment, std::uint32_t& over) {
        typename shard_type::template quiet_session<get_runs_user_code<Key>> in(shard);
        return in->get(low_half(hash), key, moment, over);
    }
    PLATEAU_COLD static void end_over(shard_type& shard, std::uint32_t slot) noexcept {
        session(shard)->remove_over(slot);
    }

    template <class Key, class Now>
    [[nodiscard, gnu::noinline]] answer_of<V> get_live(shard_type& shard, std::uint64_t hash, const Key& key,
                                                       Now moment) {
        if (options_.time_to_idle != forever) [[unlikely]]
            return get_idling(shard, hash, key, moment);
        session in(shard);
        const found at = find_live(*in, hash, key, moment);
        if (!at) return std::nullopt;
        return in->copy_and_use(at);
    }
    template <class Key, class Now>
    [[nodiscard, gnu::noinline]] answer_of<V> get_idling(shard_type& shard, std::uint64_t hash, const Key& key,
                                                         Now moment) {
        session in(shard);
        const found at = find_live(*in, hash, key, moment);
        if (!at) return std::nullopt;
        return in->copy_use_and_touch(at);
    }

    template <class Q, class F>
    bool peek_at(const Q& query, F f) const {
        return find_quietly(query, [&](const core_type&, found at, auto) { f(std::as_const(at.entry->value)); });
    }
    /// Calls `f(core, found, now)` for a live entry, and uses nothing.
    template <class Q, class F>
    bool find_quietly(const Q& query, F f) const {
        const key_for<Q> key(query);
        if (!key.possible()) return false;
        const std::uint64_t hash = hash_of(key.view());
        typename shard_type::template quiet_session<true> in(shard_of(hash));
        const found at = in->find(low_half(hash), key.view());
        std::optional<time_point> moment;  // the clock is asked once, and only if it matters
        const auto once = [&] { return moment ? *moment : *(moment = now()); };
        if (!at || in->lifetimes().over_at(at.slot, once)) return false;
        f(*in, at, once);
        return true;
    }

    using shard_list_allocator = typename std::allocator_traits<allocator_type>::template rebind_alloc<shard_type*>;
    using shard_list_traits = std::allocator_traits<shard_list_allocator>;
    static constexpr std::size_t max_shards = 1024;

    shard_type** shards_ = nullptr;
    std::size_t shard_count_ = 0;
    std::size_t shard_list_size_ = 0;
    unsigned shard_shift_ = 63;
    cache_options options_;
    PLATEAU_NO_UNIQUE_ADDRESS hash_type hash_;
    PLATEAU_NO_UNIQUE_ADDRESS equal_type equal_;
    PLATEAU_NO_UNIQUE_ADDRESS weigher_type weigher_;
    PLATEAU_NO_UNIQUE_ADDRESS listener_type listener_;
    PLATEAU_NO_UNIQUE_ADDRESS allocator_type allocator_;
    PLATEAU_NO_UNIQUE_ADDRESS judge_type judge_;
    PLATEAU_NO_UNIQUE_ADDRESS charge_type charge_;
    shared_part<clock_type> clock_;
    typename Policies::sync::template atomic<bool> weighs_;
    typename Policies::sync::template atomic<std::size_t> max_entries_;  // the latest, for calls that meet
    pool_type bytes_;   // the byte bound; where shards share it or an outer budget is charged, what is taken of it
    pool_type pinned_;  // the same of what is pinned
    mutable typename Policies::sync::template atomic<std::size_t> visitors_{0};
};

}
PLATEAU_NAMESPACE_END
