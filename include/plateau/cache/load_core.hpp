// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/concurrent_lru_cache.hpp>
#include <plateau/cache/engine.hpp>
#include <plateau/cache/layer_access.hpp>
#include <plateau/cache/load_call.hpp>
#include <plateau/cache/load_note.hpp>
#include <plateau/cache/load_options.hpp>
#include <plateau/cache/load_result.hpp>
#include <plateau/cache/load_stats.hpp>
#include <plateau/cache/load_verbs.hpp>
#include <plateau/cache/single_flight.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/executor.hpp>
#include <plateau/stop.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The keys that are known to be absent: a cache of its own, so that they cannot push values out.
struct absent_mark {};
template <class K, class Policies>
struct absent_policies : concurrent_cache_policies {
    using hash = typename Policies::hash;
    using equal = typename Policies::equal;
    using weigher = std::conditional_t<measurable<K>, owned_bytes_weigher, sizeof_only>;
    using clock = typename Policies::clock;
    using allocator = typename Policies::allocator;
    using sync = typename Policies::sync;
    using pins = none;
    using stats = bare;
    static constexpr duration tick = Policies::tick;
};

/// The time to live that the options of a cache name, however deep.
template <class Options>
[[nodiscard]] constexpr duration time_to_live_of(const Options& options) noexcept {
    if constexpr (requires { options.time_to_live; }) return options.time_to_live;
    else return time_to_live_of(options.cache);
}

/// Whether entries have deadlines by these options.
template <class Options>
[[nodiscard]] constexpr bool has_times(const Options& options) noexcept {
    if constexpr (requires { options.time_to_idle; })
        return options.time_to_live != forever || options.time_to_idle != forever;
    else if constexpr (requires { options.time_to_live; }) return options.time_to_live != forever;
    else return has_times(options.cache);
}

template <class Policies, class Part>
inline constexpr bool is_policy_part =
    is_one_of<Part, typename Policies::hash, typename Policies::equal, typename Policies::weigher,
              typename Policies::clock, typename Policies::listener, typename Policies::allocator>;
template <class Policies, class K, class V, class Part>
inline constexpr bool is_loader_part = !is_policy_part<Policies, Part> && is_loader<std::decay_t<Part>, K, V>;
template <class Policies, class Part>
inline constexpr bool is_executor_part = !is_policy_part<Policies, Part> && executor<std::remove_cvref_t<Part>>;
template <class F>
concept plain_function = std::is_function_v<std::remove_pointer_t<F>> || requires {
    &F::operator();
};
template <class Tier, class K>
concept asked_like_a_tier = requires(Tier& tier, const K& key) {
    tier.get(key, time_point());
};
/// A lambda or another function, and no part of the cache below: it was meant as a loader.
template <class Policies, class K, class Part>
inline constexpr bool is_meant_as_loader =
    plain_function<std::remove_cvref_t<Part>> && !is_policy_part<Policies, Part> &&
    !asked_like_a_tier<std::remove_cvref_t<Part>, K>;

/// What a cache takes with a put.
template <class C>
struct put_options_of {
    using type = put_options;
};
template <class C>
    requires requires { typename C::put_options_type; }
struct put_options_of<C> {
    using type = typename C::put_options_type;
};

/// Where a load runs: on the thread that asks, on the executor of the cache, or not at all.
enum class load_place : unsigned char { here, there, nowhere };

/// How a call asks for a load.
struct load_manner {
    bool waits = true;       ///< false: it neither waits nor runs a loader
    bool may_leave = false;  ///< it has a deadline or a token: a loader on its own thread would hold it
    bool blocks = true;      ///< false: a callback or a coroutine
};

template <class C>
class load_core {
public:
    using policies = noted<typename C::policies, load_note>;
    using cache_type = typename C::template with_policies<policies>;
    using key_type = typename C::key_type;
    using mapped_type = typename C::mapped_type;
    using options = loading_cache_options<typename C::options>;
    using put_options_type = typename put_options_of<cache_type>::type;
    using sync = typename policies::sync;
    using table_type = flight_table<key_type, mapped_type, policies>;
    using record = typename table_type::record;
    using result_type = load_result<mapped_type>;
    using verb = load_verb<load_core>;
    using source = load_source<load_core>;

private:
    using K = key_type;
    using V = mapped_type;
    using hash_type = typename policies::hash;
    using equal_type = typename policies::equal;
    using clock_type = typename policies::clock;
    using allocator_type = typename policies::allocator;
    using note_type = typename policies::note;
    using absent_cache = concurrent_lru_cache<K, absent_mark, absent_policies<K, policies>>;
    using access = load_result_access<V>;
    static constexpr bool has_far = layer_access::has_far<cache_type>();
    static constexpr bool counts = std::is_same_v<typename policies::stats, counting>;

    static_assert(std::is_copy_constructible_v<V>, "plateau: a loaded value goes to all who wait for it: it is copied");
    static_assert(std::is_nothrow_move_constructible_v<V>, "plateau: a loaded value moves without an exception");

    template <class Q>
    using key_for = lookup_key<K, Q, compares_across_types<policies>>;

public:
    template <class... Parts>
    explicit load_core(const options& chosen, Parts&&... parts)
        : options_(checked(chosen)),
          time_to_live_(time_to_live_of(chosen.cache)),
          hash_(copied_part<hash_type>(parts...)),
          equal_(copied_part<equal_type>(parts...)),
          clock_(std::in_place, std::forward<Parts>(parts)...),
          inner_(make_inner(chosen.cache, std::forward<Parts>(parts)...)),
          loader_(make_loader(std::forward<Parts>(parts)...)),
          where_(make_executor(std::forward<Parts>(parts)...)),
          table_(chosen.max_loads, chosen.max_waiters, copied_part<allocator_type>(parts...), this),
          timed_(has_times(chosen.cache)) {
        if (chosen.absent_for > duration::zero()) make_absent(copied_part<allocator_type>(parts...));
    }
    load_core(const load_core&) = delete;
    load_core& operator=(const load_core&) = delete;
    ~load_core() {
        PLATEAU_EXPECTS(!where_ || !where_->runs_here() || !table_.any_queued(),
                        "a loading_cache ended on the thread of its executor, where a load of it is still queued");
        table_.wait_until_idle();
    }

    [[nodiscard]] cache_type& inner() noexcept { return inner_; }
    [[nodiscard]] const cache_type& inner() const noexcept { return inner_; }
    [[nodiscard]] time_point now() const noexcept { return (*clock_).now(); }
    /// The same for a look-up, which needs no clock while no entry has a deadline.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE time_point moment_to_look() const noexcept {
        // Relaxed: who does not see the first deadline yet could as well have come before it was set.
        return timed_.load(std::memory_order_relaxed) ? now() : (time_point::min)();
    }

    /// From here on an entry may have a deadline that did not come through here.
    void expect_deadlines() noexcept { timed_.store(true, std::memory_order_relaxed); }

    // ---- look up

    /// What is there now. A value goes to `out`, unless it is only for want of better, and not `settling`.
    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE sight look(const Q& key, time_point moment, result_type& out,
                                                   bool settling = false) {
        finding found{out, moment, sight::none, settling};
        layer_access::look(inner_, key, moment,
                           [&found](const V& value, const note_type& note) { found(value, note); });
        return found.seen;
    }

    /// A thread asks. Throws: what a copy, the hash or equality throws, and nothing of the load's.
    template <class Q, stoppable_token Token>
    PLATEAU_COLD void load(const Q& key, sight seen, const source& from, const Token& stop, patience_limit limit,
                           load_manner how, result_type& out) {
        held_verb wait(*this);
        if (start(key, seen, from, how, stop.stop_requested(), out, wait.on)) return;
        record* const at = wait.on.target();
        if (!how.waits && at->at() == flight_phase::loading) return settle(key, out);
        if (at->at() == flight_phase::loading && where_ && (!how.may_leave || where_->runs_here())) run_instead(*at);
        if (at->at() == flight_phase::loading) {
            const typename table_type::sleeper circle(table_, *at);
            if (circle.closes_circle()) {
                out = load_reason::recursive;
                return;
            }
            const time_point until = limit.deadline(*clock_);
            out = wait_on_thread(wait.handed_on(), stop, *clock_,
                                 patience_limit(at->overdue_at < until ? at->overdue_at : until));
        } else {
            out = outcome(*at);
        }
        if (out.reason() == load_reason::timed_out) settle(key, out);
    }

    /// A coroutine asks. Returns: the answer, or nothing where `on` waits for it.
    [[nodiscard]] std::optional<result_type> begin_async(const K& key, const source& from, verb& on) {
        result_type out(load_reason::timed_out);
        const sight seen = look(key, now(), out);
        if (seen == sight::fresh) return out;
        if (start(key, seen, from, {.may_leave = true, .blocks = false}, false, out, on)) return out;
        return std::nullopt;
    }
    /// A callback asks. Returns: what it waits with.
    template <class Q>
    [[nodiscard]] verb begin_then(const Q& key, const source& from) {
        result_type out(load_reason::timed_out);
        const sight seen = look(key, now(), out);
        verb on(*this);
        if (seen != sight::fresh && !start(key, seen, from, {.may_leave = true, .blocks = false}, false, out, on))
            return on;
        return carried(std::move(out));
    }

    /// For want of better: a value that is there after all.
    template <class Q>
    void settle(const Q& key, result_type& out) noexcept {
        result_type again(load_reason::timed_out);
        sight seen = sight::none;
        if (caught([&] { seen = look(key, now(), again, true); }) || seen == sight::none) return;
        out = std::move(again);
        if (out.stale()) count(stale_served_);
    }

    // ---- change

    template <class Q, class U>
    put_result put(Q&& key, U&& value, put_options_type how) {
        const key_for<std::remove_cvref_t<Q>> query(key);
        const std::uint64_t hash = hash_of(query.view());
        const lifetime life = lifetime_of(how.time_to_live, std::nullopt, std::nullopt);
        how.time_to_live = life.hard;
        const auto store = [&](auto&& as) {
            const auto marks = [&]() noexcept {
                table_.revoke_if_any(hash);
                return true;
            };
            if constexpr (has_far)
                return layer_access::put_through(inner_, std::forward<decltype(as)>(as), std::forward<U>(value), how,
                                                 life.note, life.fresh, marks);
            else
                return layer_access::put(inner_, std::forward<decltype(as)>(as), std::forward<U>(value), how, life.note,
                                         marks);
        };
        if (!absent_) return store(std::forward<Q>(key));
        // After the loads were marked: what one of them found absent until then is here already, or never comes.
        const put_result kept = store(std::as_const(key));
        absent_->erase(query.view());  // also where it was not kept: there is such a value
        return kept;
    }
    /// The loads are marked ahead of the change and after it, as `revocation` says.
    template <class Q>
    bool erase(const Q& key) {
        const key_for<Q> query(key);
        if (!query.possible()) return false;
        const std::uint64_t hash = hash_of(query.view());
        table_.revoke(hash);
        const bool erased = inner_.erase(key);
        if (absent_) absent_->erase(query.view());
        table_.revoke(hash);
        return erased;
    }
    /// A change of entries that are not named, or not by their keys.
    template <class F>
    decltype(auto) change_all(F&& change) {
        const revocation around(*this);
        return change(inner_);
    }
    std::size_t purge(std::size_t budget) {
        const std::size_t purged = inner_.purge_expired(budget);
        if (absent_ && (budget == unlimited || purged < budget))
            absent_->purge_expired(budget == unlimited ? unlimited : budget - purged);
        return purged;
    }

    // ---- time

    std::size_t expire(time_point moment) noexcept { return table_.expire_all(moment); }
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept {
        std::optional<time_point> next = inner_.next_deadline();
        for (const auto& other : {absent_ ? absent_->next_deadline() : std::nullopt, table_.next_deadline()})
            if (other && (!next || *other < *next)) next = other;
        return next;
    }

    // ---- a load, seen by those who wait (load_verbs.hpp)

    [[nodiscard]] wait_list<sync>& nobody() noexcept { return nobody_; }
    [[nodiscard]] result_type outcome(record& ended) noexcept {
        result_type out(load_reason::timed_out);
        switch (ended.at()) {
        case flight_phase::value: {
            if (table_type::is_last(ended)) {
                access::set(out, std::move(ended.value), ended.stale);
            } else if (auto why = caught([&] { access::set(out, std::as_const(ended.value), ended.stale); })) {
                out = access::failed(why);
            }
            return out;
        }
        case flight_phase::absent:
            return load_reason::absent;
        case flight_phase::failed:
            out = access::failed(ended.error);
            break;
        default:
            break;
        }
        if (ended.has_key) settle(ended.key, out);
        return out;
    }
    void leave(record& one, bool counted) noexcept { table_.leave(one, counted); }
    void expire_if_late(record& one) noexcept {
        if (one.overdue_at != (time_point::max)() && now() >= one.overdue_at) table_.expire(one);
    }

    // ---- a load, seen by who runs it (load_call.hpp)

    [[nodiscard]] static load_core& of(record& one) noexcept { return *static_cast<load_core*>(one.owner); }

    /// Runs a load as far as this thread does.
    void run(record& one, const source& from) noexcept {
        table_.hold(one);
        table_type::run_here(one);
        load_ticket<V> ticket(one);
        std::exception_ptr why = caught([&] {
            if (!bring_from_far(one, ticket)) from.call(std::as_const(one.key), std::move(ticket));
        });
        table_type::run_no_more(one);
        if (ticket) ticket.fail(why);
        else if (std::exchange(one.dropped, false)) fail(one, why);
        table_.release(one);
    }

    // ---- read out

    [[nodiscard]] auto stats() const noexcept {
        using inner_stats = decltype(inner_.stats());
        loading_cache_stats<inner_stats> all;
        static_cast<inner_stats&>(all) = inner_.stats();
        all.loads = read(loads_);
        all.load_failures = read(load_failures_);
        all.loads_absent = read(loads_absent_);
        all.loads_overdue = table_.overdue();
        all.loads_refused = table_.refused();
        all.load_seconds = static_cast<double>(read(load_time_)) * 1e-9;
        all.stale_served = read(stale_served_);
        all.absent_served = read(absent_served_);
        all.loading = table_.loading();
        all.waiters = table_.waiters();
        return all;
    }
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        std::size_t sum = saturating_add(inner_.memory_ceiling(), table_.memory_ceiling());
        if (absent_) sum = saturating_add(sum, absent_->memory_ceiling());
        if (loader_) sum = saturating_add(sum, loader_->size());
        return sum;
    }
    void check_invariants() const noexcept {
        inner_.check_invariants();
        if (absent_) absent_->check_invariants();
        table_.check_invariants();
    }

    [[nodiscard]] source own_loader() const noexcept { return source(loader_.get()); }

private:
    template <class T>
    using atomic = typename sync::template atomic<T>;

    /// Marks every load, ahead of a change and after it: ahead, so that what was loaded before does not come after it;
    /// after it, so that nobody joins a load that began meanwhile and found in the cache what then went.
    struct revocation {
        explicit revocation(load_core& owner) noexcept : core(owner) {
            core.table_.revoke_all();
            if (core.absent_) core.absent_->clear();
        }
        revocation(const revocation&) = delete;
        revocation& operator=(const revocation&) = delete;
        ~revocation() { core.table_.revoke_all(); }

        load_core& core;
    };

    /// Takes what a look-up has found, under the lock of its shard.
    struct finding {
        result_type& out;
        time_point moment;
        sight seen;
        bool settling;
        PLATEAU_ALWAYS_INLINE void operator()(const V& value, const load_note& note) {
            const sight found = note.at(moment);
            if (found != sight::failing || settling) access::set(out, value, found != sight::fresh);
            seen = found;
        }
    };

    /// A wait of this thread: its reference goes when it ends in any way.
    struct held_verb {
        explicit held_verb(load_core& owner) noexcept : core(owner), on(owner) {}
        held_verb(const held_verb&) = delete;
        held_verb& operator=(const held_verb&) = delete;
        ~held_verb() { on.leave(); }
        [[nodiscard]] verb handed_on() noexcept { return std::exchange(on, verb(core)); }

        load_core& core;
        verb on;
    };

    struct lifetime {
        duration fresh;
        duration hard;
        note_type note;
    };

    // ---- begin

    /// What `look` has not answered is answered here, or waited for. True: `out` is the answer. False: `on` waits.
    template <class Q>
    bool start(const Q& key, sight seen, const source& from, load_manner how, bool stopped, result_type& out,
               verb& on) {
        PLATEAU_EXPECTS(from.is_there(),
                        "a loading_cache without a loader was asked to load: pass one after the options, or call "
                        "get_or_load");
        const key_for<Q> query(key);
        if (!query.possible()) {
            out = load_reason::absent;
            return true;
        }
        if (seen == sight::stale) {
            static_cast<void>(caught([&] { revalidate(key, query.view(), from, how, out); }));
            if (out.stale()) count(stale_served_);
            return true;
        }
        if (seen == sight::none && absent_ && absent_->contains(query.view())) {
            out = load_reason::absent;
            count(absent_served_);
            return true;
        }
        const load_place place = place_of(from, how);
        if (stopped || place == load_place::nowhere) {
            if (stopped) out = load_reason::cancelled;
            else settle(key, out);
            return true;
        }
        const auto entered = enter(key, query.view(), place);
        if (entered.at == nullptr) {
            out = entered.why;
            if (entered.why == load_reason::waiters_full) settle(key, out);
            return true;
        }
        on = verb(*this, *entered.at, !entered.leads);
        if (entered.leads) lead(*entered.at, from, place);
        return false;
    }

    /// A value is handed out that is past its time: one caller sees to it that it is loaded anew.
    template <class Q, class View>
    void revalidate(const Q& key, const View& view, const source& from, load_manner how, result_type& out) {
        const load_place place = place_of_refresh(from, how);
        if (place == load_place::nowhere) return;
        const auto entered = enter(key, view, place);
        if (entered.at == nullptr) return;
        held_verb wait(*this);
        wait.on = verb(*this, *entered.at, !entered.leads);
        if (!entered.leads) return;
        lead(*entered.at, from, place);
        const flight_phase at = entered.at->at();
        if (at == flight_phase::value || at == flight_phase::absent) out = outcome(*entered.at);
    }

    template <class Q, class View>
    [[nodiscard]] typename table_type::entrance enter(const Q& key, const View& view, load_place place) {
        const time_point moment = now();
        const time_point overdue =
            options_.load_timeout == forever ? (time_point::max)() : saturating_add(moment, options_.load_timeout);
        const flight_turn turn = place == load_place::there ? flight_turn::coming : flight_turn::beginner;
        return table_.join_or_begin(hash_of(view), view, equal_, moment, overdue, turn,
                                    [&](K* at) { std::construct_at(at, key); });
    }
    [[nodiscard]] load_place place_of(const source& from, load_manner how) const noexcept {
        if (!from.blocks()) return load_place::here;
        if (!how.waits) return where_ && from.is_own() ? load_place::there : load_place::nowhere;
        if (!where_ || !how.may_leave) return load_place::here;
        return how.blocks && where_->runs_here() ? load_place::here : load_place::there;
    }
    /// A loader that came with a call is called by its caller only: nobody waits while it is away.
    [[nodiscard]] load_place place_of_refresh(const source& from, load_manner how) const noexcept {
        if (!from.blocks()) return load_place::here;
        if (from.is_own() && where_) return load_place::there;
        return how.waits ? load_place::here : load_place::nowhere;
    }

    /// Begins what this call is to load. Expects: it is linked, and the caller has a reference.
    void lead(record& one, const source& from, load_place place) noexcept {
        one.end = &endings;
        bool there = false;
        // Between the look-up and the beginning another load may have ended.
        if (auto why = caught([&] { there = was_stored(one); })) return fail(one, why);
        if (there) return table_.finish(one, flight_phase::value);
        if constexpr (requires { inner_.stamp(); }) one.stamp = inner_.stamp();
        if (place == load_place::here) return run(one, from);
        if (auto why = caught([&] { from.pack(one); })) return fail(one, why);
        table_.hold(one);  // the executor's
        one.queued.store(true, std::memory_order_relaxed);
        one.turn.store(flight_turn::anyone, std::memory_order_release);
        where_->post(work(&run_job, one));
    }
    /// Effects: a fresh value that is in the cache goes to the load's record.
    [[nodiscard]] bool was_stored(record& one) {
        bool fresh = false;
        layer_access::erase_if_note(inner_, std::as_const(one.key), [&](const note_type& note) noexcept {
            fresh = static_cast<const load_note&>(note).at(one.begun) == sight::fresh;
            return false;
        });
        if (!fresh) return false;
        bool copied = false;
        layer_access::look(inner_, std::as_const(one.key), one.begun, [&](const V& value, const note_type&) {
            std::construct_at(std::addressof(one.value), value);
            copied = true;
        });
        return copied;
    }
    static void run_job(work_link& link) noexcept {
        record& one = static_cast<record&>(link);
        load_core& self = of(one);
        one.queued.store(false, std::memory_order_release);
        if (table_type::take_turn(one)) one.job(one);
        self.table_.release(one);
    }
    /// A thread is about to wait for what may stand in the executor behind its own work, or behind work that waits for
    /// this thread.
    void run_instead(record& one) noexcept {
        table_type::await_turn(one);
        if (table_type::take_turn(one)) one.job(one);
    }

    // ---- end

    static void store(load_target<V>& target, loaded<V>&& got) noexcept {
        record& one = static_cast<record&>(target);
        load_core& self = of(one);
        self.expire_if_late(one);
        std::construct_at(std::addressof(one.value), std::move(got.value));
        const lifetime life = self.lifetime_of(got.time_to_live, got.stale_while_revalidate, got.stale_if_error);
        const auto valid = [&one]() noexcept { return !one.revoked.load(std::memory_order_acquire); };
        static_cast<void>(caught([&] { self.keep(one, life, put_options_for(got, life, one), valid); }));
        if constexpr (has_far)
            static_cast<void>(caught([&] {
                layer_access::far_put(self.inner_, std::as_const(one.key), std::as_const(one.value), life.fresh,
                                      one.overdue_at, valid);
            }));
        self.end(one, flight_phase::value, self.loads_);
    }
    /// What the loader has said that the cache below takes with a put.
    [[nodiscard]] static put_options_type put_options_for([[maybe_unused]] const loaded<V>& got, const lifetime& life,
                                                          [[maybe_unused]] const record& one) {
        put_options_type how;
        how.time_to_live = life.hard;
        if constexpr (requires { how.tags = got.tags; }) how.tags = got.tags;
        else PLATEAU_EXPECTS(got.tags.empty(), "a loader names tags, and no tagged_cache is there to keep them");
        if constexpr (requires { how.since = one.stamp; }) how.since = one.stamp;
        return how;
    }
    /// The value is stored where `valid()` holds: unless the key was changed since the load began. That is looked at
    /// under the shard's lock.
    template <class Valid>
    void keep(record& one, const lifetime& life, const put_options_type& how, Valid valid) {
        if (!valid()) return;
        V copy(std::as_const(one.value));
        const put_result kept =
            layer_access::put(inner_, std::as_const(one.key), std::move(copy), how, life.note, valid);
        if (!kept && kept.reason() != cache_reason::absent)
            layer_access::tell_rejected(inner_, std::as_const(one.key), std::move(copy));
    }

    static void be_absent(load_target<V>& target) noexcept {
        record& one = static_cast<record&>(target);
        load_core& self = of(one);
        self.expire_if_late(one);
        static_cast<void>(caught([&] { self.keep_absent(one); }));
        self.end(one, flight_phase::absent, self.loads_absent_);
    }
    void keep_absent(record& one) {
        const auto valid = [&one](const auto&...) noexcept { return !one.revoked.load(std::memory_order_acquire); };
        layer_access::erase_if_note(inner_, std::as_const(one.key), valid);
        if (absent_)
            layer_access::put(*absent_, std::as_const(one.key), absent_mark{}, {.time_to_live = options_.absent_for},
                              no_note{}, valid);
    }

    static void fail(load_target<V>& target, const std::exception_ptr& why) noexcept {
        record& one = static_cast<record&>(target);
        one.error = why;
        of(one).end(one, flight_phase::failed, of(one).load_failures_);
    }
    /// Inside the loader's own call it is the runner that ends the load: it may have an exception to tell.
    static void drop(load_target<V>& target) noexcept {
        record& one = static_cast<record&>(target);
        if (table_type::is_run_here(one)) one.dropped = true;
        else fail(target, nullptr);
    }
    void end(record& one, flight_phase how, atomic<std::uint64_t>& figure) noexcept {
        if (table_type::is_run_here(one)) table_type::run_no_more(one);
        if constexpr (counts) {
            count(figure);
            const duration took = now() - one.begun;
            if (took > duration::zero())
                load_time_.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
        }
        table_.finish(one, how);
    }
    static constexpr typename load_target<V>::endings endings{&store, &be_absent, &fail, &drop};

    /// What a tier behind the cache has is not loaded. Returns: whether that was so; then the load has ended.
    [[nodiscard]] bool bring_from_far([[maybe_unused]] record& one, [[maybe_unused]] load_ticket<V>& ticket) {
        if constexpr (has_far) {
            auto found = layer_access::far_get(inner_, std::as_const(one.key), one.overdue_at);
            // Written meanwhile, it may be what a change has yet to take out of the tier.
            if (!found || !found->asked.unwritten()) return false;
            ticket.release();
            std::construct_at(std::addressof(one.value), std::move(found->value));
            const lifetime life = lifetime_of(nearer(found->time_to_live), std::nullopt, std::nullopt);
            static_cast<void>(caught([&] {
                put_options_type how;
                how.time_to_live = life.hard;
                keep(one, life, how, [&]() noexcept {
                    return found->asked.unwritten() && !one.revoked.load(std::memory_order_acquire);
                });
            }));
            if (table_type::is_run_here(one)) table_type::run_no_more(one);
            table_.finish(one, flight_phase::value);
            return true;
        } else {
            return false;
        }
    }
    [[nodiscard]] duration nearer(duration left) const noexcept { return left < time_to_live_ ? left : time_to_live_; }

    // ---- carry a result to a callback

    [[nodiscard]] verb carried(result_type&& out) noexcept {
        if (!out) return verb(*this, out.reason());
        record* const carrier = table_.take_carrier();
        if (carrier == nullptr) return verb(*this, load_reason::waiters_full);
        carrier->stale = out.stale();
        std::construct_at(std::addressof(carrier->value), out.take());
        table_.fill(*carrier, flight_phase::value);
        return verb(*this, *carrier, false);
    }

    // ---- time

    /// How long a value is kept, and when it becomes stale meanwhile.
    [[nodiscard]] lifetime lifetime_of(std::optional<duration> time_to_live, std::optional<duration> revalidate,
                                       std::optional<duration> on_error) noexcept {
        const auto positive = [](duration length) { return length > duration::zero() ? length : duration::zero(); };
        const duration fresh = time_to_live.value_or(time_to_live_);
        const duration again = positive(revalidate.value_or(options_.stale_while_revalidate));
        const duration error = positive(on_error.value_or(options_.stale_if_error));
        const duration window = again > error ? again : error;
        lifetime life{fresh, fresh, note_type{}};
        if (fresh != forever) timed_.store(true, std::memory_order_relaxed);
        if (fresh == forever || window == duration::zero()) return life;
        life.hard = duration(saturating_add(positive(fresh).count(), window.count()));
        static_cast<load_note&>(life.note) = load_note(saturating_add(now(), positive(fresh)), again);
        return life;
    }

    // ---- keys, figures

    template <class View>
    [[nodiscard]] std::uint64_t hash_of(const View& key) const {
        return spread<hash_type>(static_cast<std::uint64_t>(hash_(key)));
    }
    static void count([[maybe_unused]] atomic<std::uint64_t>& figure) noexcept {
        if constexpr (counts) figure.fetch_add(1, std::memory_order_relaxed);
    }
    [[nodiscard]] static std::uint64_t read(const atomic<std::uint64_t>& figure) noexcept {
        return figure.load(std::memory_order_relaxed);
    }

    // ---- construction

    static const options& checked(const options& chosen) {
        require_option(chosen.stale_while_revalidate >= duration::zero() && chosen.stale_if_error >= duration::zero() &&
                           chosen.absent_for >= duration::zero(),
                       "loading_cache_options: a time for stale or absent entries is below zero");
        require_option(chosen.load_timeout > duration::zero(), "loading_cache_options: load_timeout is not above zero");
        require_option(chosen.max_loads != 0 && chosen.max_loads <= table_type::most_loads,
                       "loading_cache_options: max_loads is 0, or above 2^20");
        require_option(chosen.absent_for == duration::zero() || chosen.max_absent_bytes != 0,
                       "loading_cache_options: max_absent_bytes is 0: no absent key could be kept");
        return chosen;
    }
    template <class... Parts>
    [[nodiscard]] static cache_type make_inner(const typename C::options& chosen, Parts&&... parts) {
        return std::apply(
            [&](auto&&... passed) { return cache_type(chosen, std::forward<decltype(passed)>(passed)...); },
            std::tuple_cat(part_for_inner(std::forward<Parts>(parts))...));
    }
    template <class Part>
    [[nodiscard]] static auto part_for_inner([[maybe_unused]] Part&& part) noexcept {
        if constexpr (is_loader_part<policies, K, V, Part> || is_executor_part<policies, Part>) {
            return std::tuple<>();
        } else {
            static_assert(
                !is_meant_as_loader<policies, K, Part>,
                "plateau: this function is no loader of this cache: one takes a const K&, and returns a V, an "
                "optional<V>, a loaded<V> or an awaitable of one of these; or it takes a load_ticket<V> "
                "beside the key; what neither converts to V nor is assigned to one, it returns as V(...)");
            return std::tuple<Part&&>(std::forward<Part>(part));
        }
    }
    template <class Part>
    static void take_loader([[maybe_unused]] std::unique_ptr<any_loader<K, V>>& place, [[maybe_unused]] Part&& part) {
        if constexpr (is_loader_part<policies, K, V, Part>)
            place = std::make_unique<loader_of<K, V, std::decay_t<Part>>>(std::forward<Part>(part));
    }
    template <class... Parts>
    [[nodiscard]] static std::unique_ptr<any_loader<K, V>> make_loader(Parts&&... parts) {
        static_assert((std::size_t{0} + ... + std::size_t{is_loader_part<policies, K, V, Parts>}) <= 1,
                      "plateau: two loaders were passed");
        std::unique_ptr<any_loader<K, V>> made;
        (take_loader(made, std::forward<Parts>(parts)), ...);
        return made;
    }
    template <class Part>
    static void take_executor([[maybe_unused]] std::optional<executor_ref>& place,
                              [[maybe_unused]] Part&& part) noexcept {
        if constexpr (is_executor_part<policies, Part>) {
            static_assert(std::is_lvalue_reference_v<Part>,
                          "plateau: a shared part (clock, executor, account) is taken by reference and outlives what "
                          "uses it: pass an lvalue");
            place.emplace(part);
        }
    }
    template <class... Parts>
    [[nodiscard]] static std::optional<executor_ref> make_executor(Parts&&... parts) noexcept {
        static_assert((std::size_t{0} + ... + std::size_t{is_executor_part<policies, Parts>}) <= 1,
                      "plateau: two executors were passed");
        std::optional<executor_ref> where;
        (take_executor(where, std::forward<Parts>(parts)), ...);
        return where;
    }
    void make_absent(const allocator_type& allocator) {
        const cache_options bounds{.max_bytes = options_.max_absent_bytes};
        if constexpr (std::is_empty_v<clock_type>) absent_.emplace(bounds, hash_, equal_, allocator);
        else absent_.emplace(bounds, hash_, equal_, allocator, *clock_);
    }

    const options options_;
    const duration time_to_live_;
    PLATEAU_NO_UNIQUE_ADDRESS const hash_type hash_;
    PLATEAU_NO_UNIQUE_ADDRESS const equal_type equal_;
    const shared_part<clock_type> clock_;
    cache_type inner_;
    std::optional<absent_cache> absent_;
    const std::unique_ptr<any_loader<K, V>> loader_;
    const std::optional<executor_ref> where_;
    wait_list<sync> nobody_;
    mutable table_type table_;  // looking into it takes its mutexes
    atomic<bool> timed_;        // an entry may have a deadline
    atomic<std::uint64_t> loads_{0};
    atomic<std::uint64_t> loads_absent_{0};
    atomic<std::uint64_t> load_failures_{0};
    atomic<std::uint64_t> load_time_{0};  // nanoseconds
    atomic<std::uint64_t> stale_served_{0};
    atomic<std::uint64_t> absent_served_{0};
};

}
PLATEAU_NAMESPACE_END
