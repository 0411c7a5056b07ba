// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/options.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Policies whose cache keeps `Note` with each entry, beside what was kept already: how a layer has its own. A note
/// binds to a reference to any of those that it is made of.
template <class Policies, class Note>
struct noted : Policies {
    struct note : Note, Policies::note {};
};

/// Whether loads stand in front of this cache: no layer stands on it then.
template <class C>
inline constexpr bool loads_already = false;
template <class C>
inline constexpr bool loads_already<loading_cache<C>> = true;

/// What a layer may ask of the cache that it stands on, and nobody else may: entries with their notes, and changes that
/// depend on them. A cache that has an engine is asked there; a layer answers by members of its own, `layer_look`,
/// `layer_put` and so on, with the same arguments, and is a friend of this type as the caches are.
struct layer_access {
    /// As `visit` at the time `now`, with `f(const V&, const note&)`, which may throw as a copy does.
    template <class C, class Q, class F>
    static bool look(C& cache, const Q& key, time_point now, F f) {
        if constexpr (requires { cache.engine_; }) return cache.engine_.look(key, now, f);
        else return cache.layer_look(key, now, std::move(f));
    }

    /// As `put`, with what the cache takes with one, and the note of the entry. `bool condition() noexcept` is asked
    /// under the lock of the shard immediately before anything changes: where it is false nothing does, and the reason
    /// is absent.
    template <class C, class Q, class U, class Note, class Condition, class Options = put_options>
    static put_result put(C& cache, Q&& key, U&& value, const Options& options, const Note& note, Condition condition) {
        if constexpr (requires { cache.engine_; })
            return cache.engine_.put(std::forward<Q>(key), std::forward<U>(value), options, note, condition);
        else return cache.layer_put(std::forward<Q>(key), std::forward<U>(value), options, note, std::move(condition));
    }

    /// Erases the live entry of that key if `chosen(const note&)` holds, under the lock. Returns: whether it did.
    template <class C, class Q, class F>
    static bool erase_if_note(C& cache, const Q& key, F chosen) {
        if constexpr (requires { cache.engine_; }) return cache.engine_.erase_if_note(key, chosen);
        else return cache.layer_erase_if_note(key, std::move(chosen));
    }

    /// The cache's clock.
    template <class C>
    [[nodiscard]] static time_point now(const C& cache) noexcept {
        if constexpr (requires { cache.engine_; }) return cache.engine_.now();
        else return cache.layer_now();
    }

    /// The listener hears cause `rejected` about a value that the layer could not store and that nobody else holds.
    template <class C>
    static void tell_rejected(C& cache, const typename C::key_type& key, typename C::mapped_type&& value) noexcept {
        if constexpr (requires { cache.engine_; }) cache.engine_.tell_rejected(key, std::move(value));
        else cache.layer_tell_rejected(key, std::move(value));
    }

    /// Whether there is a tier behind this cache, or behind one that it stands on. Where there is,
    /// `layer_far_get(key, until)` answers an optional of value and time to live, and
    /// `layer_far_put(key, value, time_to_live, until)` stores there.
    template <class C>
    [[nodiscard]] static constexpr bool has_far() noexcept {
        if constexpr (requires { C::layer_has_far; }) return C::layer_has_far;
        else return false;
    }
    /// Expects, of these: has_far().
    template <class C, class Q>
    [[nodiscard]] static auto far_get(C& cache, const Q& key, time_point until) {
        return cache.layer_far_get(key, until);
    }
    template <class C, class Q, class V, class Condition>
    static auto far_put(C& cache, const Q& key, const V& value, duration time_to_live, time_point until,
                        Condition condition) {
        return cache.layer_far_put(key, value, time_to_live, until, std::move(condition));
    }
    /// As `put`, to the tier as well, for a time of its own.
    template <class C, class Q, class U, class Note, class Condition>
    static put_result put_through(C& cache, Q&& key, U&& value, const put_options& options, const Note& note,
                                  duration far_time_to_live, Condition condition) {
        return cache.layer_put_through(std::forward<Q>(key), std::forward<U>(value), options, note, far_time_to_live,
                                       std::move(condition));
    }
    template <class C, class Q, class V>
    static auto far_put(C& cache, const Q& key, const V& value, duration time_to_live, time_point until) {
        return cache.layer_far_put(key, value, time_to_live, until);
    }
};

}
PLATEAU_NAMESPACE_END
