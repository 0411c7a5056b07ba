// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/layer_access.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/cache/pin.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/cache/tag_list.hpp>
#include <plateau/cache/tag_table.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/fwd.hpp>
#include <plateau/hash.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// What a tagged_cache does beside its cache, whose options stand first.
template <class CacheOptions>
struct tagged_cache_options {
    CacheOptions cache{};

    /// Names that are told apart, 1 to 65,535; at least eight are. All memory for them is taken at once: at most 44
    /// bytes each, and 6 KiB.
    std::size_t max_tags = 1'024;
};

struct tagged_put_options {
    std::optional<duration> time_to_live{};  ///< for this entry, in place of the cache's
    tag_list tags{};

    /// What `stamp()` answered before the value was read from its origin: if one of the tags was invalidated since, the
    /// value is not stored. Without it, the value counts as made when `put` is called.
    std::optional<std::uint64_t> since{};
};

/// What a tagged_cache did beside its cache, whose figures stand first.
template <class CacheStats>
struct tagged_cache_stats : CacheStats {
    std::uint64_t tags = 0;
    std::uint64_t tags_displaced = 0;
    std::uint64_t tags_invalidated = 0;

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        CacheStats::visit_fields(f);
        f(field_info{"tags", "", "Names that are told apart now.", field_kind::gauge}, tags);
        f(field_info{"tags_displaced", "", "Names in use that are no longer told apart from all others.", counter},
          tags_displaced);
        f(field_info{"tags_invalidated", "", "Invalidations of a name.", counter}, tags_invalidated);
    }
};

namespace detail {

/// Says of an entry that one of its tags was invalidated.
template <class Table>
struct tag_judge {
    const Table* table;
    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool over(const tag_note& note) const noexcept { return table->over(note); }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return table->ended(); }
};

template <class Policies>
struct tagged_policies : noted<Policies, tag_note> {
    using judge = tag_judge<tag_table<typename Policies::sync, typename Policies::allocator>>;
};

}

/// A cache whose entries carry tags, by each of which all entries that have it end at once.
///
/// The contract of `C` holds otherwise; an entry takes 32 bytes more. An entry that has been invalidated is absent for
/// every way to look, and leaves with cause `tag`: when it is looked up, or within the `reclaim_budget` of the calls
/// that change the cache, or by `purge_expired`.
///
/// Promise     If `invalidate_tag(name)` returned before a look-up begins, that finds no entry with this tag whose put
///             had returned before the invalidation was called. A put that runs meanwhile comes before it or after it.
/// Names       any text, told apart by a fingerprint of 64 bits. The `max_tags` names last stored with are told apart
///             from all others. When there are more, the one longest not stored with joins one of up to 256 families:
///             its entries stay, and end with the first invalidation of the name that took its place, or of a name of
///             that family that is not, or for a while was not, told apart. So a bound that is too low costs entries
///             that end early; none lives too long, nothing grows, nothing is refused. `tags_displaced` counts such
///             names.
/// Loads       What was read at the origin before an invalidation and is put after it, `put` cannot tell from what was
///             read later. Draw a `stamp()` before the reading, and put with `since`; a layer in front can do so.
/// Dumps       There are none of this cache: what came back from one would have no tags.
/// Complexity  `invalidate_tag`: O(1), the length of the name aside. `put`: O(1) a tag. A look-up: O(1) a tag.
/// Blocks      `put` with tags and `invalidate_tag`: for a mutex that is held for a few steps.
/// Threads     as `C`; `invalidate_tag` from any thread even where `C` is for one.
template <class C>
class tagged_cache {
    static_assert(
        !detail::loads_already<C>,
        "plateau: a loading_cache is the layer in front of all others, once: loading_cache<tagged_cache<C>>, not "
        "tagged_cache<loading_cache<C>>");
    static_assert(std::is_same_v<typename C::policies::judge, no_judge>,
                  "plateau: this cache has a judge already: tags are one layer of a cache, once");
    using own_policies = detail::tagged_policies<typename C::policies>;
    using cache_type = typename C::template with_policies<own_policies>;

public:
    using key_type = typename C::key_type;
    using mapped_type = typename C::mapped_type;
    using policies = typename C::policies;
    using options = tagged_cache_options<typename C::options>;
    using put_options_type = tagged_put_options;
    template <class P>
    using with_policies = tagged_cache<typename C::template with_policies<P>>;

    static constexpr std::size_t entry_overhead = cache_type::entry_overhead;

    /// Throws: as `C`; std::invalid_argument for `max_tags` of 0, or above 65,535.
    template <class... Parts>
    explicit tagged_cache(const options& how, Parts&&... parts)
        : table_(checked(how).max_tags, hash_of_names(), detail::copied_part<typename policies::allocator>(parts...)),
          cache_(how.cache, std::forward<Parts>(parts)..., judge_type{&table_}) {}
    tagged_cache(const tagged_cache&) = delete;
    tagged_cache& operator=(const tagged_cache&) = delete;

    /// The cache that this one stands on. What is put there has no tags.
    [[nodiscard]] cache_type& inner() noexcept { return cache_; }
    [[nodiscard]] const cache_type& inner() const noexcept { return cache_; }

    // ---- look up

    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::optional<mapped_type> get(const Q& key) {
        return cache_.get(key);
    }
    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::optional<mapped_type> get(const Q& key, time_point now) {
        return cache_.get(key, now);
    }
    template <class Q>
    [[nodiscard]] std::optional<mapped_type> peek(const Q& key) const {
        return cache_.peek(key);
    }
    template <class Q>
    [[nodiscard]] bool contains(const Q& key) const {
        return cache_.contains(key);
    }
    template <class Q, class F>
    bool visit(const Q& key, F&& f) {
        return cache_.visit(key, std::forward<F>(f));
    }
    template <class Q>
    [[nodiscard]] plateau::pin<mapped_type> pin(const Q& key) {
        return cache_.pin(key);
    }
    template <class Q>
    [[nodiscard]] std::optional<duration> remaining(const Q& key) const {
        return cache_.remaining(key);
    }
    template <class Order, class F>
    void for_each(Order from, F&& f) const {
        cache_.for_each(from, std::forward<F>(f));
    }

    // ---- change

    /// Refuses as `C` does; and as absent, with `since`, when one of the tags was invalidated after that, or may have
    /// been.
    template <class Q, class U>
    put_result put(Q&& key, U&& value, const tagged_put_options& how = {}) {
        return layer_put(std::forward<Q>(key), std::forward<U>(value), how, typename policies::note{},
                         []() noexcept { return true; });
    }
    /// A moment between invalidations, for `tagged_put_options::since`.
    [[nodiscard]] std::uint64_t stamp() const noexcept { return table_.now(); }
    /// Effects: the entries that carry `name` are over. Returns: whether there may have been any.
    bool invalidate_tag(std::string_view name) noexcept { return table_.invalidate(name); }
    template <class Q>
    bool erase(const Q& key) {
        return cache_.erase(key);
    }
    template <class F>
    std::size_t erase_if(F&& chosen, std::size_t budget = unlimited) {
        return cache_.erase_if(std::forward<F>(chosen), budget);
    }
    void clear() noexcept { cache_.clear(); }

    // ---- bounds, time

    std::size_t set_max_entries(std::size_t max_entries) { return cache_.set_max_entries(max_entries); }
    std::size_t set_max_bytes(std::size_t max_bytes) { return cache_.set_max_bytes(max_bytes); }
    /// Gives expired and invalidated entries back. The latter have no deadline: call it, now and then, after an
    /// invalidation.
    std::size_t purge_expired(std::size_t budget = unlimited) { return cache_.purge_expired(budget); }
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept { return cache_.next_deadline(); }

    // ---- read out

    /// Entries held, those included that are over and were not yet come across.
    [[nodiscard]] std::size_t size() const noexcept { return cache_.size(); }
    [[nodiscard]] auto stats() const noexcept {
        tagged_cache_stats<decltype(cache_.stats())> all{cache_.stats()};
        const auto tags = table_.stats();
        all.tags = tags.names;
        all.tags_displaced = tags.displaced;
        all.tags_invalidated = tags.invalidations;
        return all;
    }
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        return detail::saturating_add(cache_.memory_ceiling(), table_.bytes());
    }
    void check_invariants() const noexcept {
        cache_.check_invariants();
        table_.check_invariants();
    }

private:
    friend struct detail::layer_access;
    using access = detail::layer_access;
    using judge_type = typename own_policies::judge;
    using note_type = typename own_policies::note;
    using table_type = detail::tag_table<typename policies::sync, typename policies::allocator>;

    static const options& checked(const options& how) {
        detail::require_option(how.max_tags != 0,
                               "tagged_cache_options: max_tags is 0: no entry could be told by its tags");
        detail::require_option(how.max_tags <= table_type::most_tags, "tagged_cache_options: max_tags is above 65535");
        return how;
    }

    /// A cache that hashes its keys without a secret has none for its names.
    [[nodiscard]] static keyed_hash hash_of_names() noexcept {
        return std::conditional_t<std::is_same_v<typename policies::hash, unkeyed_hash>, unkeyed_hash, keyed_hash>();
    }

    template <class Q, class U, class Condition>
    put_result put_noted(Q&& key, U&& value, const put_options& how, const detail::tag_note& tags,
                         const typename policies::note& note, Condition condition) {
        note_type all;
        static_cast<detail::tag_note&>(all) = tags;
        static_cast<typename policies::note&>(all) = note;
        const put_result stored =
            access::put(cache_, std::forward<Q>(key), std::forward<U>(value), how, all, std::move(condition));
        // Invalidated between its stamp and its place, it may stand where a sweep has been.
        if (stored && table_.over(tags)) [[unlikely]]
            table_.sweep_again();
        return stored;
    }

    // ---- for a layer in front; it may draw a `stamp()` when a load begins, and put with that

    template <class Q, class F>
    bool layer_look(const Q& key, time_point now, F f) {
        return access::look(cache_, key, now, std::move(f));
    }
    template <class Q, class U, class Condition>
    put_result layer_put(Q&& key, U&& value, const put_options& how, const typename policies::note& note,
                         Condition condition) {
        return put_noted(std::forward<Q>(key), std::forward<U>(value), how, {}, note, std::move(condition));
    }
    template <class Q, class U, class Condition>
    put_result layer_put(Q&& key, U&& value, const tagged_put_options& how, const typename policies::note& note,
                         Condition condition) {
        detail::tag_note tags;
        if (!how.since) tags = table_.stamp(how.tags);
        else if (const auto stamped = table_.stamp_since(how.tags, *how.since)) tags = *stamped;
        else return cache_reason::absent;
        return put_noted(std::forward<Q>(key), std::forward<U>(value), {how.time_to_live}, tags, note,
                         std::move(condition));
    }
    template <class Q, class F>
    bool layer_erase_if_note(const Q& key, F chosen) {
        return access::erase_if_note(cache_, key, std::move(chosen));
    }
    [[nodiscard]] time_point layer_now() const noexcept { return access::now(cache_); }
    void layer_tell_rejected(const key_type& key, mapped_type&& value) noexcept {
        access::tell_rejected(cache_, key, std::move(value));
    }

    table_type table_;
    cache_type cache_;
};

PLATEAU_NAMESPACE_END
