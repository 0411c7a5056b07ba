// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/arguments.hpp>
#include <plateau/cache/byte_budget.hpp>
#include <plateau/cache/dump.hpp>
#include <plateau/cache/dump_walk.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/cache/pin.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/cache/policy_parts.hpp>
#include <plateau/cache/requirements.hpp>
#include <plateau/cache/shard.hpp>
#include <plateau/cache/shard_list.hpp>
#include <plateau/cache/shard_visitors.hpp>
#include <plateau/cache/stats.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/detail/seed.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Everything that the public caches have in common: what they are made of, and each operation once.
///
/// An operation hashes and weighs outside every lock, enters the shard of its key by a session, and leaves the rest to
/// the core. It is in one shard at a time; what concerns them all goes from one to the next. What holds of the things
/// it is made of stands with them: the shards (shard.hpp, shard_list.hpp), the bytes that they share (byte_budget.hpp),
/// user code inside of one (shard_visitors.hpp), the objects of the policies (policy_parts.hpp), dumps (dump_walk.hpp).
template <class K, class V, class Policies, class Access>
class cache_engine {
    using requirements = cache_requirements<K, V, Policies>;
    static_assert(requirements::met);

    using parts_type = policy_parts<Policies>;
    using shard_type = cache_shard<K, V, Policies, Access>;
    using session = typename shard_type::session;
    using core_type = typename shard_type::core_type;
    using found = typename core_type::found;
    using note_type = typename core_type::note_type;
    static constexpr bool has_pins = shard_type::has_pins;
    static constexpr bool judged = !std::is_same_v<typename Policies::judge, no_judge>;
    /// Only then can a call come back while a get is inside.
    template <class Q>
    static constexpr bool get_runs_user_code =
        !std::is_arithmetic_v<K> || !std::is_arithmetic_v<Q> || !std::is_trivially_copyable_v<V> ||
        !std::is_same_v<typename Policies::equal, any_equal>;
    static constexpr bool is_shared = shard_type::is_shared;
    /// Bytes come from a pool: shards share one, and an outer budget is charged as they are taken.
    static constexpr bool pooled = shard_type::pooled;
    static constexpr bool has_charge = shard_type::has_charge;
    using shards_type = shard_list<shard_type, Policies>;
    using visitors_type = shard_visitors<shards_type, typename Policies::sync>;
    using visit_guard = typename visitors_type::guard;
    using budget_type = byte_budget<shards_type>;
    using loan = typename budget_type::loan;
    using need = typename budget_type::need;
    template <class Q>
    using key_for = lookup_key<K, Q, compares_across_types<Policies>>;

public:
    static constexpr std::size_t entry_overhead = core_type::entry_overhead;

    template <class... Parts>
    explicit cache_engine(const cache_options& options, Parts&&... parts)
        : shards_(copied_part<typename Policies::allocator>(parts...)),
          options_(requirements::checked(options, core_type::max_slots)),
          parts_(std::in_place, std::forward<Parts>(parts)...),
          weighs_(needs_weights(options)),
          max_entries_(options.max_entries),
          budget_(options.max_bytes, pinned_bound(options.max_bytes), parts_.charge) {
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
        const visit_guard inside(visitors_);
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
        const std::uint64_t hash = parts_.hash_of(key.view());
        shard_type& shard = shard_of(hash);
        loan brought(budget_.pinned());
        for (bool again = pooled;; again = false) {
            std::size_t lacks = 0;
            {
                session in(shard);
                const found at = find_live(*in, hash, key.view(), [this] { return now(); });
                if (!at) return cache_reason::absent;
                if constexpr (pooled) lacks = budget_.provide_pinned(shards_, *in, at.slot, brought);
                if (lacks == 0 || !again) {
                    if (const cache_reason why = in->pin(at.slot); why != cache_reason::none) return why;
                    in->use(at);
                    return pin_access<V>::make(at.entry->value, shard, at.slot);
                }
            }
            if constexpr (pooled) budget_.collect_pinned(shards_, shard, lacks, brought);
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
        require_put_arguments<K, V, Q, U>();
        if constexpr (std::is_integral_v<K> && std::is_integral_v<std::remove_cvref_t<Q>>)
            PLATEAU_EXPECTS(same_number(static_cast<K>(query), query),
                            "a number was put into a cache as a key that the key type cannot hold");
        put_argument<K, Q> key(std::forward<Q>(query));
        put_argument<V, U> value(std::forward<U>(argument));
        const duration time_to_live = options.time_to_live.value_or(options_.time_to_live);
        const std::uint64_t hash = parts_.hash_of(key.view());
        shard_type& shard = shard_of(hash);
        std::size_t held = 0;
        bool weighed = false;
        loan brought(budget_.bytes());
        for (unsigned tries = 0;; ++tries) {
            if (!weighed && weighs_.load(std::memory_order_relaxed)) {  // looked at again under the lock
                held = parts_.weigher(key.view(), value.view());
                weighed = true;
            }
            need lacks;
            {
                session in(shard);
                if (in->weighs() && !weighed) continue;
                // Before others give way, too: what is not stored takes nobody's place.
                if (!condition()) return cache_reason::absent;
                if constexpr (pooled) {
                    if (time_to_live > duration::zero() && !budget_type::suffices(*in, held, brought)) [[unlikely]]
                        lacks = provide(*in, held, brought);
                }
                if (lacks.bytes == 0 || tries == budget_type::max_collections) {
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
        const std::uint64_t hash = parts_.hash_of(key.view());
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
        { session(shards_[0])->count_discard(); }
        if constexpr (!std::is_same_v<typename Policies::listener, no_listener>)
            parts_.listener(key, static_cast<typename requirements::told_value>(value), removal_cause::rejected);
    }

    template <class F>
    std::size_t erase_if(F&& chosen, std::size_t budget) {
        static_assert(std::is_invocable_r_v<bool, F&, const K&, const V&>,
                      "plateau: erase_if calls f(const K&, const V&)");
        std::size_t erased = 0;
        trap_visitors();
        const visit_guard inside(visitors_);
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
        requirements::require_max_entries(max_entries, core_type::max_slots);
        return bound_each(
            [&](const core_type& first) {
                requirements::require_bound(max_entries, first.bounds().all_bytes);
                max_entries_.store(max_entries, std::memory_order_relaxed);
            },
            [this](core_type& core, std::size_t i) {
                return core.set_max_entries(shards_.share(max_entries_.load(std::memory_order_relaxed), i));
            });
    }

    std::size_t set_max_bytes(std::size_t max_bytes) {
        if (max_bytes != unlimited) start_weighing();
        return bound_each(
            [&](const core_type& first) {
                requirements::require_bound(first.bounds().max_entries, max_bytes);
                budget_.set_limits(max_bytes, pinned_bound(max_bytes));
            },
            [this](core_type& core, std::size_t i) { return budget_.bound(shards_, core, i); });
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
        trap_visitors();
        dump_walk<K, V, shards_type> walk(shards_);
        const auto copy_some = [&] {
            trap_visitors();
            const visit_guard inside(visitors_);
            return walk.copy_some(now(), batch);
        };
        while (copy_some() && run.write(batch.entries())) batch.clear();
        return run.finish();
    }

    template <class Source>
    warm_up_result warm_up(Source& source, const warm_up_options& options) {
        static_assert(!judged, "plateau: a cache with tags is not warmed up: the entries would have none");
        std::size_t most = options.max_entry_bytes;
        if constexpr (std::is_same_v<typename Policies::weigher, owned_bytes_weigher>)
            most = smaller(most, session(shards_[0])->heaviest());
        warm_up_run<K, V, Source> run(source, options, most);
        return run.run([this](K&& key, V&& value, duration left) {
            if (restore(key, value, left)) return true;
            tell_rejected(key, std::move(value));
            return false;
        });
    }

    // ---- read out

    [[nodiscard]] time_point now() const noexcept { return parts_.now(); }
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
        std::size_t sum = saturating_mul(shards_.size(), sizeof(shard_type) + sizeof(shard_type*));
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
        if (const std::size_t bytes = budget_.bytes().limit(); bytes != unlimited)
            sum =
                saturating_add(sum, saturating_add(bytes, core_type::reach::slack_bytes(bytes, shards_.size(), slot)));
        if constexpr (has_pins)
            sum = saturating_add(
                sum, core_type::ceilings::pinned(larger(budget_.pinned().limit(), pinned), scattered, slot));
        return sum;
    }
    void check_invariants() const noexcept {
        for_each_shard([](shard_type& shard) { session(shard)->check_invariants(); });
    }

private:
    [[nodiscard]] static bool needs_weights(const cache_options& options) noexcept {
        return has_charge || options.max_bytes != unlimited || options.max_entry_bytes != unlimited ||
               (has_pins && options.max_pinned_bytes != 0 && options.max_pinned_bytes != unlimited);
    }
    [[nodiscard]] std::size_t pinned_bound(std::size_t max_bytes) const noexcept {
        if constexpr (!has_pins) return unlimited;
        return options_.max_pinned_bytes == 0 ? max_bytes : options_.max_pinned_bytes;
    }

    // ---- the way of a put whose shard is short of bytes, apart from that of others

    PLATEAU_COLD need provide(core_type& core, std::size_t held, loan& brought) noexcept {
        return budget_.provide(shards_, core, held, brought);
    }
    PLATEAU_COLD void collect(shard_type& shard, need lacks, loan& brought) {
        budget_.collect(shards_, shard, lacks, brought);
    }

    // ---- shards

    void trap_visitors() const noexcept { visitors_.trap(shards_); }
    template <class F>
    void for_each_shard(F f) const {
        trap_visitors();
        shards_.for_each(f);
    }
    [[nodiscard]] shard_type& shard_of(std::uint64_t hash) const noexcept {
        trap_visitors();
        return shards_.of(hash);
    }
    void release_if_empty(shard_type& shard) noexcept {
        session in(shard);
        shard.settle();
        in->release_if_empty();
    }

    void make_shards() {
        const time_point start = now();
        aging how{options_.time_to_idle, options_.ttl_jitter, options_.ttl_jitter == 0 ? 0 : draw_seed().first};
        shards_.make(shards_type::count_for(options_), [&](std::size_t i) {
            const core_bounds bounds{
                .max_entries = shards_.share(options_.max_entries, i),
                .max_bytes = budget_.bytes_at_first(),
                .all_bytes = budget_.bytes().limit(),
                .fair_bytes = shards_.share(budget_.bytes().limit(), i),
                .max_entry_bytes = options_.max_entry_bytes,
                .max_pinned_bytes = budget_.pinned_at_first(),
                .reclaim_budget = options_.reclaim_budget,
            };
            shard_type* const made =
                shard_type::make({bounds, how, parts_.hash, parts_.equal, shards_.allocator(), parts_.judge, start},
                                 {parts_.listener, budget_.bytes(), budget_.pinned()}, parts_.charge);
            how.seed = mix(how.seed);
            return made;
        });
    }
    /// Every shard refuses before one is emptied, and is empty before one goes: the destructors and listeners that run
    /// here may call the cache.
    void abandon_shards() noexcept {
        for_each_shard([](shard_type& shard) { session(shard)->refuse_all(); });
        for_each_shard([](shard_type& shard) { session(shard)->clear(); });
        if constexpr (has_charge) {
            for_each_shard([this](shard_type& shard) {
                session in(shard);
                budget_.take_back(*in);
            });
        }
        shards_.abandon();
    }

    /// Bounds one shard after the other. The first decides, under its lock: two calls that would each leave the other's
    /// bound find one gone. Returns: how many entries were evicted.
    template <class Decide, class Bound>
    std::size_t bound_each(Decide decide, Bound bound) {
        std::size_t evicted = 0;
        std::size_t i = 0;
        for_each_shard([&](shard_type& shard) {
            {
                session in(shard);
                if (i == 0) decide(std::as_const(*in));
                evicted += bound(*in, i++);
            }
            release_if_empty(shard);
        });
        return evicted;
    }
    /// Weights from now on, for the entries of today too.
    void start_weighing() {
        weighs_.store(true, std::memory_order_relaxed);  // a put that misses it is told under the lock
        for_each_shard([&](shard_type& shard) { session(shard)->start_weighing(parts_.weigher); });
    }

    /// Stores what is not there yet, as long as nobody has to go for it, behind all that are here. Returns: whether it
    /// did; if not, key and value are untouched.
    bool restore(K& key_argument, V& value_argument, duration time_to_live) {
        put_argument<K, K> key(std::move(key_argument));
        put_argument<V, V> value(std::move(value_argument));
        const std::uint64_t hash = parts_.hash_of(key.view());
        shard_type& shard = shard_of(hash);
        std::size_t held = 0;
        bool weighed = false;
        for (;;) {
            if (!weighed && weighs_.load(std::memory_order_relaxed)) {
                held = parts_.weigher(key.view(), value.view());
                weighed = true;
            }
            session in(shard);
            if (in->weighs() && !weighed) continue;
            if (in->lifetimes().asks_time(time_to_live)) in->lifetimes().observe(now());
            const found old = in->find(low_half(hash), key.view());
            if (old && !in->lifetimes().over(old.slot)) return false;
            if constexpr (pooled) budget_.provide_unused(*in, held);
            if (!in->has_room(held)) in->reclaim();
            if (!in->has_room(held)) return false;
            if (!in->put(low_half(hash), key, value, held, time_to_live, note_type{})) return false;
            in->cool_latest();
            return true;
        }
    }

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
        const std::uint64_t hash = parts_.hash_of(key.view());
        session in(shard_of(hash));
        const found at = find_live(*in, hash, key.view(), moment);
        if (!at) return false;
        const visit_guard inside(visitors_);
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
        const std::uint64_t hash = parts_.hash_of(key.view());
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
        const std::uint64_t hash = parts_.hash_of(key.view());
        typename shard_type::template quiet_session<true> in(shard_of(hash));
        const found at = in->find(low_half(hash), key.view());
        std::optional<time_point> moment;  // the clock is asked once, and only if it matters
        const auto once = [&] { return moment ? *moment : *(moment = now()); };
        if (!at || in->lifetimes().over_at(at.slot, once)) return false;
        f(*in, at, once);
        return true;
    }

    shards_type shards_;
    cache_options options_;
    PLATEAU_NO_UNIQUE_ADDRESS parts_type parts_;  // what follows may stand in its padding
    typename Policies::sync::template atomic<bool> weighs_;
    typename Policies::sync::template atomic<std::size_t> max_entries_;  // the latest, for calls that meet
    budget_type budget_;  // where nothing is taken from it, it knows the limits
    mutable visitors_type visitors_;
};

}
PLATEAU_NAMESPACE_END
