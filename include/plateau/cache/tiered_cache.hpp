// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/arguments.hpp>
#include <plateau/cache/dump.hpp>
#include <plateau/cache/engine.hpp>
#include <plateau/cache/layer_access.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/cache/second_tier.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// What a tiered_cache does beside its cache, whose options stand first.
template <class CacheOptions>
struct tiered_cache_options {
    CacheOptions cache{};

    /// What each call of the tier may take: it is told the end, and is expected to keep it.
    duration tier_timeout = std::chrono::milliseconds(50);
};

/// What the near cache did and holds, and how its second tier answered. Each look there is one of hits, misses,
/// failures and time-outs.
template <class CacheStats>
struct tiered_cache_stats : CacheStats {
    std::uint64_t tier_hits = 0;
    std::uint64_t tier_misses = 0;
    std::uint64_t tier_failures = 0;
    std::uint64_t tier_timeouts = 0;
    std::uint64_t tier_overstays = 0;
    std::uint64_t tier_stores = 0;
    std::uint64_t tier_erasures = 0;

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        CacheStats::visit_fields(f);
        f(field_info{"tier_hits", "", "Look-ups that the second tier answered with a value.", counter}, tier_hits);
        f(field_info{"tier_misses", "", "Look-ups for which the second tier had none.", counter}, tier_misses);
        f(field_info{"tier_failures", "", "Calls of the second tier that failed.", counter}, tier_failures);
        f(field_info{"tier_timeouts", "", "Calls of the second tier that it gave up for time.", counter},
          tier_timeouts);
        f(field_info{"tier_overstays", "", "Calls of the second tier that came back too late.", counter},
          tier_overstays);
        f(field_info{"tier_stores", "", "Values that the second tier took.", counter}, tier_stores);
        f(field_info{"tier_erasures", "", "Erasures that the second tier carried out.", counter}, tier_erasures);
    }
};

namespace detail {

/// Which keys are being written, as far as a look-up of the tier must know that is about to store what it found.
///
/// A word for each class of keys: [changes:48 | writers:16]. A value from the tier is stored near only if
/// its class had no writer when the tier was asked, and has not changed since: no write came in between.
template <class Sync, std::size_t Classes>
class write_marks {
    using word = typename Sync::template atomic<std::uint64_t>;
    static constexpr std::uint64_t writers = 0xffff;
    static constexpr std::uint64_t one_write = writers + 2;  // a change, and a writer

public:
    /// A write from construction to destruction.
    class writing {
    public:
        writing(write_marks& marks, std::uint64_t hash) noexcept
            : word_(marks.word_of(hash)), before_(word_.fetch_add(one_write, std::memory_order_acq_rel)) {}
        writing(const writing&) = delete;
        writing& operator=(const writing&) = delete;
        ~writing() { word_.fetch_sub(1, std::memory_order_release); }

        /// Whether no other write of the class has been under way since this one began.
        [[nodiscard]] bool alone() const noexcept {
            return (before_ & writers) == 0 && word_.load(std::memory_order_acquire) == before_ + one_write;
        }

    private:
        word& word_;
        std::uint64_t before_;
    };

    /// When a look-up asked the tier.
    class moment {
    public:
        moment(const write_marks& marks, std::uint64_t hash) noexcept
            : word_(&marks.word_of(hash)), then_(word_->load(std::memory_order_acquire)) {}
        /// Whether its answer may be kept. Asked where what a later writer does to the near cache comes after.
        [[nodiscard]] bool unwritten() const noexcept {
            return (then_ & writers) == 0 && word_->load(std::memory_order_acquire) == then_;
        }

    private:
        const word* word_;
        std::uint64_t then_;
    };

private:
    [[nodiscard]] word& word_of(std::uint64_t hash) noexcept { return words_[hash % Classes]; }
    [[nodiscard]] const word& word_of(std::uint64_t hash) const noexcept { return words_[hash % Classes]; }

    word words_[Classes]{};
};

/// How many classes of keys are told apart when they are written; a test may name fewer in the policies.
template <class Policies>
[[nodiscard]] constexpr std::size_t classes_of_writes() noexcept {
    if constexpr (requires { Policies::tier_marks; }) return Policies::tier_marks;
    else return 1'024;
}

/// `make(parts...)` of all parts but those of type T. What it makes need not move.
template <class T, class Make>
[[nodiscard]] constexpr decltype(auto) without_part(const Make& make) {
    return make();
}
template <class T, class Make, class First, class... Rest>
[[nodiscard]] constexpr decltype(auto) without_part(const Make& make, First&& first, Rest&&... rest) {
    if constexpr (std::is_same_v<T, std::remove_cvref_t<First>>) {
        return without_part<T>(make, std::forward<Rest>(rest)...);
    } else {
        const auto with_first = [&](auto&&... kept) -> decltype(auto) {
            return make(std::forward<First>(first), std::forward<decltype(kept)>(kept)...);
        };
        return without_part<T>(with_first, std::forward<Rest>(rest)...);
    }
}

/// The object that a shared part refers to, whether it has state or not.
template <class T, class... Parts>
[[nodiscard]] constexpr T& lent_part(Parts&&... parts) noexcept {
    static_assert(count_of<T, Parts...> == 1, "plateau: a tiered_cache takes its tier, once, after the options");
    static_assert((!std::is_same_v<T, Parts> && ...),
                  "plateau: a tier is taken by reference and outlives the cache that uses it: pass an lvalue");
    return part_of<T>(std::forward<Parts>(parts)...);
}

/// An argument that is a T already, by reference, or a T made from it.
template <class T, class Argument>
using as_object = std::conditional_t<std::is_same_v<std::remove_cvref_t<Argument>, T>, const T&, const T>;

}

/// A cache in front of a second tier: what is not here is looked up there, what is put or erased here is there too.
///
/// The contract of `C` holds for what is near; these members reach the tier:
///
/// get      near first; else the tier is asked, until `tier_timeout`, and what it has is stored near, for what is left
///          of its time to live and no longer than the near cache's own. A tier that fails, overstays, throws or lies
///          is a miss, never worse: a time to live of zero or less is one, and a value too large to be kept near is
///          handed out and not kept. A value that comes too late is still a value.
/// put      writes through: near, and if that took it, the tier. What the tier made of it shows in the stats. One that
///          takes no value of that size is told to erase; one that failed may still hold what was put before, and it
///          comes back once the new value has left the near cache.
/// erase    the tier, then near; the overload tells what the tier said. Unless that failed, no get that begins after
///          erase returned finds what was there before, and none that ran meanwhile brings it back: a value from the
///          tier is not kept when its key was written since the tier was asked. (Keys share 1,024 marks for that: a
///          write of another key may have the same effect.)
/// clear, erase_if, bounds, visits, pins, contains, peek: near only. What they remove may come back from the tier.
///
/// Puts of one key that overlap may reach the two in different order: then the near entry goes, and the tier decides.
///
/// The tier is taken by reference and outlives the cache. It is called outside every lock, on the calling thread, by
/// several at once; a call costs what the tier takes, `tier_timeout` at most if it keeps to it. Several threads that
/// miss a key all ask for it: a `loading_cache` in front asks once. Neither copied nor moved.
/// Throws: what `C` throws, and copying K and V; nothing that the tier throws.
template <class C, class Tier>
class tiered_cache {
    static_assert(
        !detail::loads_already<C>,
        "plateau: a loading_cache is the layer in front of all others, once: loading_cache<tiered_cache<C, Tier>>, not "
        "tiered_cache<loading_cache<C>>");

public:
    using key_type = typename C::key_type;
    using mapped_type = typename C::mapped_type;
    using policies = typename C::policies;
    using options = tiered_cache_options<typename C::options>;
    template <class P>
    using with_policies = tiered_cache<typename C::template with_policies<P>, Tier>;

private:
    using K = key_type;
    using V = mapped_type;
    using marks_type = detail::write_marks<typename policies::sync, detail::classes_of_writes<policies>()>;
    static_assert(second_tier<Tier, K, V>,
                  "plateau: a second tier has `result<tier_entry<V>, tier_reason> get(const K&, time_point)`, "
                  "`tier_reason put(const K&, const V&, duration, time_point)` and `tier_reason erase(const K&, "
                  "time_point)`");
    static_assert(std::is_copy_constructible_v<K> && std::is_copy_constructible_v<V>,
                  "plateau: what is put into a tiered_cache is stored twice: K and V are copyable");
    static_assert(
        std::is_same_v<typename policies::judge, no_judge> &&
            !requires(C & cache) { cache.invalidate_tag(std::string_view()); },
        "plateau: a second tier knows no tags: what was invalidated would come back from it");

public:
    static constexpr std::size_t entry_overhead = C::entry_overhead;

    /// `parts`: the tier, by reference, and those of `C`.
    /// Throws: as `C`; std::invalid_argument for a `tier_timeout` <= 0.
    template <class... Parts>
    explicit tiered_cache(const options& how, Parts&&... parts)
        : timeout_(how.tier_timeout),
          time_to_live_(how.cache.time_to_live),
          tier_(detail::lent_part<Tier>(std::forward<Parts>(parts)...)),
          hash_(detail::copied_part<hash_type>(parts...)),
          near_(detail::without_part<Tier>(
              [&](auto&&... rest) { return C(how.cache, std::forward<decltype(rest)>(rest)...); },
              std::forward<Parts>(parts)...)) {
        detail::require_option(timeout_ > duration::zero(), "tiered_cache_options: tier_timeout is not above zero");
    }
    tiered_cache(const tiered_cache&) = delete;
    tiered_cache& operator=(const tiered_cache&) = delete;

    /// The near cache alone. What is changed there, the tier does not hear of.
    [[nodiscard]] C& inner() noexcept { return near_; }
    [[nodiscard]] const C& inner() const noexcept { return near_; }

    // ---- look up

    template <class Q>
    [[nodiscard]] std::optional<V> get(const Q& key) {
        if (std::optional<V> hit = near_.get(key)) return hit;
        return get_far(key);
    }
    /// The near cache at a time of the caller's; the tier is given `tier_timeout` from the clock's now in any case.
    template <class Q>
    [[nodiscard]] std::optional<V> get(const Q& key, time_point now) {
        if (std::optional<V> hit = near_.get(key, now)) return hit;
        return get_far(key);
    }
    template <class Q>
    [[nodiscard]] std::optional<V> peek(const Q& key) const {
        return near_.peek(key);
    }
    template <class Q>
    [[nodiscard]] bool contains(const Q& key) const {
        return near_.contains(key);
    }
    template <class Q, class F>
    bool visit(const Q& key, F&& f) {
        return near_.visit(key, std::forward<F>(f));
    }
    template <class Q>
    [[nodiscard]] plateau::pin<V> pin(const Q& key) {
        return near_.pin(key);
    }
    template <class Q>
    [[nodiscard]] std::optional<duration> remaining(const Q& key) const {
        return near_.remaining(key);
    }
    template <class Order, class F>
    void for_each(Order from, F&& f) const {
        near_.for_each(from, std::forward<F>(f));
    }

    // ---- change

    /// Returns: what the near cache answers. The arguments are copied, never moved from.
    template <class Q, class U>
    put_result put(Q&& query, U&& argument, put_options how = {}) {
        const duration left = how.time_to_live.value_or(time_to_live_);
        return layer_put_through(std::forward<Q>(query), std::forward<U>(argument), how, typename policies::note{},
                                 left, []() noexcept { return true; });
    }
    /// Returns: whether there was a live entry near.
    template <class Q>
    bool erase(const Q& key) {
        tier_reason said{};
        return erase(key, said);
    }
    /// The same, and `said` is what the tier answered: with none or absent, the key is gone from both.
    template <class Q>
    bool erase(const Q& query, tier_reason& said) {
        said = tier_reason::absent;
        const key_for<Q> key(query);
        if (!key.possible()) return false;
        const typename marks_type::writing mark(marks_, hash_of(key));
        said = erase_far(key.view(), until());
        return near_.erase(key.view());
    }
    template <class F>
    std::size_t erase_if(F&& chosen, std::size_t budget = unlimited) {
        return near_.erase_if(std::forward<F>(chosen), budget);
    }
    void clear() noexcept { near_.clear(); }

    // ---- bounds, time

    std::size_t set_max_entries(std::size_t max_entries) { return near_.set_max_entries(max_entries); }
    std::size_t set_max_bytes(std::size_t max_bytes) { return near_.set_max_bytes(max_bytes); }
    std::size_t purge_expired(std::size_t budget = unlimited) { return near_.purge_expired(budget); }
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept { return near_.next_deadline(); }

    // ---- read out

    [[nodiscard]] std::size_t size() const noexcept { return near_.size(); }
    [[nodiscard]] auto stats() const noexcept {
        tiered_cache_stats<decltype(near_.stats())> all{near_.stats()};
        all.tier_hits = told_.hits.load(std::memory_order_relaxed);  // counters of their own moments, here and below
        all.tier_misses = told_.misses.load(std::memory_order_relaxed);
        all.tier_failures = told_.failures.load(std::memory_order_relaxed);
        all.tier_timeouts = told_.timeouts.load(std::memory_order_relaxed);
        all.tier_overstays = told_.overstays.load(std::memory_order_relaxed);
        all.tier_stores = told_.stores.load(std::memory_order_relaxed);
        all.tier_erasures = told_.erasures.load(std::memory_order_relaxed);
        return all;
    }
    /// Of the near cache, without asking the tier; so is warm_up.
    template <dump_sink Sink>
    dump_result dump(Sink&& sink, const dump_options& how = {}) const {
        return near_.dump(sink, how);
    }
    template <dump_source Source>
    warm_up_result warm_up(Source&& source, const warm_up_options& how = {}) {
        return near_.warm_up(source, how);
    }
    /// That of the near cache: what the tier holds is elsewhere. Beside it stand the key and the value of each call
    /// that is at the tier.
    [[nodiscard]] std::size_t memory_ceiling() const noexcept { return near_.memory_ceiling(); }
    void check_invariants() const noexcept { near_.check_invariants(); }

private:
    friend struct detail::layer_access;
    using access = detail::layer_access;
    using hash_type = typename policies::hash;
    template <class Q>
    using key_for = detail::lookup_key<K, Q, false>;
    using counter = typename policies::sync::template atomic<std::uint64_t>;
    static constexpr bool counts = std::is_same_v<typename policies::stats, counting>;

    // ---- for a layer in front, which looks, loads and stores by steps of its own

    static constexpr bool layer_has_far = true;

    template <class Q, class F>
    bool layer_look(const Q& key, time_point now, F f) {
        return access::look(near_, key, now, std::move(f));
    }
    template <class Q, class U, class Condition>
    put_result layer_put(Q&& key, U&& value, const put_options& how, const typename policies::note& note,
                         Condition condition) {
        const std::uint64_t hash = hash_of(key_for<std::remove_cvref_t<Q>>(key));
        std::optional<typename marks_type::writing> mark;  // from when the condition holds, which may ask for no other
        return access::put(near_, std::forward<Q>(key), std::forward<U>(value), how, note, [&]() noexcept {
            const bool holds = condition();
            if (holds) mark.emplace(marks_, hash);
            return holds;
        });
    }
    /// As `put`, with a note, a time to live of its own in the tier, and if `condition()` holds when the near cache is
    /// about to change.
    template <class Q, class U, class Condition>
    put_result layer_put_through(Q&& query, U&& argument, const put_options& how, const typename policies::note& note,
                                 duration far_time_to_live, Condition condition) {
        detail::require_put_arguments<K, V, Q, U>();
        const key_for<std::remove_cvref_t<Q>> key(query);
        PLATEAU_EXPECTS(key.possible(), "a number was put into a cache as a key that the key type cannot hold");
        const detail::as_object<V, U> value(std::forward<U>(argument));
        const typename marks_type::writing mark(marks_, hash_of(key));
        const put_result kept = access::put(near_, key.view(), value, how, note, std::move(condition));
        if (kept && write_through(key.view(), value, far_time_to_live) && !mark.alone()) near_.erase(key.view());
        return kept;
    }
    template <class Q, class F>
    bool layer_erase_if_note(const Q& key, F chosen) {
        return access::erase_if_note(near_, key, std::move(chosen));
    }
    [[nodiscard]] time_point layer_now() const noexcept { return access::now(near_); }
    void layer_tell_rejected(const K& key, V&& value) noexcept { access::tell_rejected(near_, key, std::move(value)); }

    /// What the tier had, and whether it may be kept: not if the key was written since it was asked.
    struct far_entry : tier_entry<V> {
        typename marks_type::moment asked;
    };
    template <class Q>
    [[nodiscard]] std::optional<far_entry> layer_far_get(const Q& query, time_point latest) {
        const key_for<Q> key(query);
        if (!key.possible()) return std::nullopt;
        return ask_marked(key, latest);
    }
    tier_reason layer_far_put(const K& key, const V& value, duration time_to_live, time_point latest) {
        return layer_far_put(key, value, time_to_live, latest, []() noexcept { return true; });
    }
    /// Stores if `condition()` holds, and takes it back if that has changed meanwhile.
    template <class Condition>
    tier_reason layer_far_put(const K& key, const V& value, duration time_to_live, time_point latest,
                              Condition condition) {
        const key_for<K> k(key);
        const typename marks_type::writing mark(marks_, hash_of(k));
        if (!condition() || time_to_live <= duration::zero()) return tier_reason::absent;
        const time_point own = until();
        const tier_reason said = put_far(key, value, time_to_live, own < latest ? own : latest);
        if (said == tier_reason::none && !condition()) static_cast<void>(erase_far(key, until()));
        return said;
    }

    // ---- the tier

    [[nodiscard]] time_point until() const noexcept { return detail::saturating_add(layer_now(), timeout_); }
    template <class Key>
    [[nodiscard]] std::uint64_t hash_of(const Key& key) const {
        return detail::spread<hash_type>(static_cast<std::uint64_t>(hash_(key.view())));
    }

    template <class Q>
    [[nodiscard]] std::optional<V> get_far(const Q& query) {
        const key_for<Q> key(query);
        if (!key.possible()) return std::nullopt;
        std::optional<far_entry> found = ask_marked(key, (time_point::max)());
        if (!found) return std::nullopt;
        const put_options left{found->time_to_live < time_to_live_ ? found->time_to_live : time_to_live_};
        access::put(near_, key.view(), std::as_const(found->value), left, typename policies::note{},
                    [&]() noexcept { return found->asked.unwritten(); });
        return std::optional<V>(std::in_place, std::move(found->value));
    }

    template <class Key>
    [[nodiscard]] std::optional<far_entry> ask_marked(const Key& key, time_point latest) {
        const typename marks_type::moment asked(marks_, hash_of(key));
        const time_point own = until();
        std::optional<tier_entry<V>> found = ask(key.view(), own < latest ? own : latest);
        if (!found) return std::nullopt;
        return far_entry{std::move(*found), asked};
    }
    [[nodiscard]] std::optional<tier_entry<V>> ask(const K& key, time_point latest) {
        result<tier_entry<V>, tier_reason> found =
            guarded(latest, [&]() -> result<tier_entry<V>, tier_reason> { return tier_.get(key, latest); });
        if (found && found->time_to_live > duration::zero()) {
            count(told_.hits);
            return found.take();
        }
        if (found || found.reason() == tier_reason::absent) count(told_.misses);
        else count_failure(found.reason());
        return std::nullopt;
    }
    /// Returns: whether the tier has the value.
    bool write_through(const K& key, const V& value, duration time_to_live) {
        const time_point latest = until();
        const tier_reason said =
            time_to_live > duration::zero() ? put_far(key, value, time_to_live, latest) : erase_far(key, latest);
        if (said == tier_reason::too_large) static_cast<void>(erase_far(key, latest));  // what it holds is older
        return said == tier_reason::none;
    }
    tier_reason put_far(const K& key, const V& value, duration time_to_live, time_point latest) {
        const tier_reason said = guarded(latest, [&] { return tier_.put(key, value, time_to_live, latest); });
        if (said == tier_reason::none) count(told_.stores);
        else if (said != tier_reason::too_large) count_failure(said);
        return said;
    }
    tier_reason erase_far(const K& key, time_point latest) {
        const tier_reason said = guarded(latest, [&] { return tier_.erase(key, latest); });
        if (said == tier_reason::none || said == tier_reason::absent) count(told_.erasures);
        else count_failure(said);
        return said;
    }

    /// A call of the tier: what it throws is that it is not available.
    template <class Call>
    auto guarded(time_point latest, Call call) -> decltype(call()) {
        const overstay watch{*this, latest};
#if PLATEAU_EXCEPTIONS
        try {
            return call();
        } catch (...) {
            return tier_reason::unavailable;
        }
#else
        return call();
#endif
    }
    struct overstay {
        tiered_cache& cache;
        time_point latest;
        ~overstay() {
            if (cache.layer_now() > latest) cache.count(cache.told_.overstays);
        }
    };
    void count_failure(tier_reason why) noexcept {
        count(why == tier_reason::timed_out ? told_.timeouts : told_.failures);
    }
    void count([[maybe_unused]] counter& one) noexcept {
        if constexpr (counts) one.fetch_add(1, std::memory_order_relaxed);  // read as a figure, nothing else
    }

    struct answers {
        counter hits{0};
        counter misses{0};
        counter failures{0};
        counter timeouts{0};
        counter overstays{0};
        counter stores{0};
        counter erasures{0};
    };

    const duration timeout_;
    const duration time_to_live_;
    Tier& tier_;
    PLATEAU_NO_UNIQUE_ADDRESS hash_type hash_;
    marks_type marks_;
    answers told_;
    C near_;
};

PLATEAU_NAMESPACE_END
