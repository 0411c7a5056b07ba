// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/answer.hpp>
#include <plateau/cache/arguments.hpp>
#include <plateau/cache/bounds.hpp>
#include <plateau/cache/ceiling.hpp>
#include <plateau/cache/chunk_index.hpp>
#include <plateau/cache/counters.hpp>
#include <plateau/cache/deadlines.hpp>
#include <plateau/cache/lifetimes.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/cache/outbox.hpp>
#include <plateau/cache/shape.hpp>
#include <plateau/cache/slab.hpp>
#include <plateau/cache/stats.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The structure of one cache, or of one shard of it: index, order of eviction, deadlines, bounds and counters.
///
/// Sequential: whoever calls excludes others. It runs no user code but the equality of keys, the moves of a key and a
/// value into their slot, and (where entries own nothing and nobody listens) their trivial ends. An entry that is
/// removed leaves the structure at once and goes to the outbox; the caller tells the listener and destroys it when it
/// no longer excludes anybody (see shard.hpp).
///
/// Invariants
/// I1  after every call: entries <= the entry bound, charged bytes <= the byte bound.
/// I2  the index, the order of eviction and the live slots name the same entries, once each.
/// I3  charged bytes are the sum of the stored weights; a weight is what was computed when the entry was stored.
/// I4  an entry is in the wheel exactly when it has a deadline.
/// I5  with a byte bound, after a put: slots of the slab that hold no entry and bytes charged stay below `real_limit`,
///     each slot with all that it may ever take: a first deadline adds to every one of them. A slab made for many small
///     entries shrinks, or entries go, before few large ones fill the budget beside it. The end of a pin may exceed it
///     until then by what was pinned; a single entry stays in any case. After a bound was lowered, what only an empty
///     cache can give back stands beside the limit.
template <class K, class V, class Policies>
class cache_core {
    using shape = cache_shape<K, V, Policies>;
    using allocator_type = typename shape::allocator_type;
    using order_type = typename shape::order_type;
    using index_type = typename shape::index_type;
    static constexpr bool has_pins = shape::has_pins;
    static constexpr bool ends_matter = shape::ends_matter;

public:
    using node = typename shape::node_type;
    using note_type = typename shape::note_type;
    using slab_type = typename shape::slab_type;
    using lifetimes_type = detail::lifetimes<slab_type, Policies>;
    using reach = bounds_reach<shape>;
    using ceilings = structure_ceiling<shape>;

    static constexpr std::size_t entry_overhead = shape::entry_overhead;
    static constexpr std::size_t max_slots = shape::max_slots;

    /// What it is made from.
    struct origins {
        core_bounds bounds;
        aging how;
        const typename Policies::hash& hash;
        const typename Policies::equal& equal;
        const allocator_type& allocator;
        const typename Policies::judge& judge;
        time_point start;
    };

    explicit cache_core(const origins& from)
        : order_(from.allocator),
          index_(from.allocator),
          slab_(from.allocator, reach::first_page(from.bounds, Policies::max_first_page_bytes)),
          bounds_(from.bounds),
          lifetimes_(slab_, from.how, from.start, from.allocator, from.judge),
          keys_(from.hash, from.equal) {
        if (bounds_.need_weights()) slab_.add_weights(0, [] {});
        set_bounds();
    }
    cache_core(const cache_core&) = delete;
    cache_core& operator=(const cache_core&) = delete;

    // ---- the end of an entry

    [[nodiscard]] lifetimes_type& lifetimes() noexcept { return lifetimes_; }
    [[nodiscard]] const lifetimes_type& lifetimes() const noexcept { return lifetimes_; }

    /// Expects: it is over.
    void remove_over(std::uint32_t slot) noexcept { remove(slot, lifetimes_.why_over(slot)); }
    /// Effects: removes entries that are over. Returns: how many. Complexity: looks at `budget` entries at most, and
    /// takes those it looked at from it.
    std::size_t reclaim(std::size_t& budget) noexcept {
        const std::size_t before = entries_;
        lifetimes_.for_each_over(index_, budget,
                                 [this](std::uint32_t slot, removal_cause cause) { remove(slot, cause); });
        return before - entries_;
    }
    /// The same within the budget that every mutating call has.
    void reclaim() noexcept {
        std::size_t budget = bounds_.reclaim_budget;
        reclaim(budget);
    }

    // ---- look up

    /// An entry that was found, live or expired; false if none was.
    struct found {
        node* entry = nullptr;
        std::uint32_t slot = nil;
        explicit operator bool() const noexcept { return entry != nullptr; }
    };

    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE found find(std::uint32_t hash, const Q& key) const {
        return find_among(slab_.pages(), hash, key);
    }

    /// A whole get, where no entry has a deadline: found, copied, used, counted.
    template <class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE answer_of<V> get(std::uint32_t hash, const Q& key) {
        if (slab_.is_one_page()) return get_among(slab_.one_page(), hash, key);
        return get_among(slab_.pages(), hash, key);
    }
    /// The same where some have one; `now()` is asked only if an entry was found. An entry that is over is not removed
    /// here (that may end it): its slot is told in `over`.
    template <class Q, class Now>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE answer_of<V> get(std::uint32_t hash, const Q& key, Now now,
                                                         std::uint32_t& over) {
        if (slab_.is_one_page()) return get_among(slab_.one_page(), hash, key, now, over);
        return get_among(slab_.pages(), hash, key, now, over);
    }
    [[nodiscard]] PLATEAU_ALWAYS_INLINE answer_of<V> copy_and_use(found at) { return copy_and_use(slab_.pages(), at); }
    /// The same where a use puts the end of an entry off.
    [[nodiscard]] answer_of<V> copy_use_and_touch(found at) { return copy_use_and_touch(slab_.pages(), at); }

    [[nodiscard]] node& at(std::uint32_t slot) const noexcept { return slab_.node(slot); }

    /// A hit: it is counted, and the order of eviction learns of it.
    void use(found at) noexcept {
        use(slab_.pages(), at);
        if (lifetimes_.idles()) lifetimes_.touch(at.slot);
    }
    template <class Slots>
    PLATEAU_ALWAYS_INLINE void use(Slots slots, found at) noexcept {
        looks_.hit();
        order_.use(slots, at.slot);
    }
    /// A value that a layer could not store.
    void count_discard() noexcept { changes_.discarded(); }
    void count_miss() noexcept { looks_.miss(); }

    /// In the order that is asked for.
    template <class F>
    void for_each(order from, F visit) const {
        if (from == order::coldest_first) {
            for (auto slot = order_.coldest(); slot != nil; slot = order_.hotter(slab_.pages(), slot)) visit(slot);
        } else {
            for (auto slot = order_.hottest(); slot != nil; slot = order_.colder(slab_.pages(), slot)) visit(slot);
        }
    }
    /// From the one that goes first on. `visit(slot)` may remove that slot.
    template <class F>
    void for_each(F visit) {
        for (std::uint32_t slot = order_.coldest(); slot != nil;) {
            const std::uint32_t next = order_.hotter(slab_.pages(), slot);
            visit(slot);
            slot = next;
        }
    }

    // ---- dumps and warm-ups

    /// Calls `f(hash, slot)` for each entry, from the one that goes last on.
    template <class F>
    void mark_each(F f) const {
        for_each(order::hottest_first, [&](std::uint32_t slot) { f(hash_of(slot), slot); });
    }
    /// Returns: the entry that stood in `slot` under `hash`, or where that one has gone, one of the same hash; nil if
    /// there is none.
    [[nodiscard]] std::uint32_t find_again(std::uint32_t hash, std::uint32_t slot) const noexcept {
        std::uint32_t other = nil;
        const std::uint32_t same = index_.find(hash, [&](std::uint32_t at) {
            if (hash_of(at) != hash) return false;
            other = at;
            return at == slot;
        });
        return same != nil ? same : other;
    }
    /// What one entry may weigh, overhead included.
    [[nodiscard]] std::size_t heaviest() const noexcept { return reach_.heaviest(); }
    /// Whether there is room for one more entry, without another having to go.
    [[nodiscard]] bool has_room(std::size_t held) const noexcept {
        const std::size_t charge = saturating_add(weighs() ? held : 0, entry_overhead);
        return entries_ < reach_.slots() && saturating_add(used_bytes(), charge) <= bounds_.max_bytes;
    }
    /// Effects: the entry that was just put goes first.
    void cool_latest() noexcept {
        if (const std::uint32_t slot = order_.latest(); slot != nil) order_.cool(slab_.pages(), slot);
    }

    // ---- change

    /// `key` and `value` know how to make their object in its place (`construct_at`); `key.view()` is its look-up.
    /// `held` is what the weigher answered. Expects: the time was observed if asks_time(time_to_live).
    /// Throws: what moving a key or a value and allocating throws; then nothing has changed.
    template <class Key, class Value>
    [[nodiscard]] put_result put(std::uint32_t hash, Key& key, Value& value, std::size_t held, duration time_to_live,
                                 [[maybe_unused]] const note_type& note) {
        const std::size_t leaving = leaving_;  // by other calls; what this one removes stands beside the bound
        reclaim();
        std::uint32_t old = find(hash, key.view()).slot;
        if (old != nil && lifetimes_.over(old)) {
            remove_over(old);
            old = nil;
        }
        if (time_to_live <= duration::zero()) {
            if (old != nil) remove(old, removal_cause::expired);
            return put_result::kept(old != nil);
        }
        // What a weigher said ahead of the first byte bound does not count: it is not kept, to be taken off again.
        const std::size_t charge = saturating_add(weighs() ? held : 0, entry_overhead);
        if (closed_ || bounds_.max_entries == 0 || bounds_.all_bytes == 0) return refuse(cache_reason::over_budget);
        if (charge > reach_.heaviest()) return refuse(cache_reason::too_large);
        if (bounds_.max_bytes != unlimited && saturating_add(leaving, charge) > bounds_.max_bytes)
            return refuse(cache_reason::over_budget);

        // What may fail comes first, and leaves nothing behind but memory for later.
        if (lifetimes_.ends(time_to_live)) lifetimes_.require();
        const std::size_t entries = entries_ + (old == nil && entries_ < reach_.slots());
        index_.reserve(entries, reach_.slots(), [this](std::uint32_t slot) { return hash_of(slot); });
        order_.reserve(index_.room());
        slot_guard fresh{*this, slab_.take(saturating_add(reach_.slots() + zombies_, shape::outbox_slots))};
        if (fresh.slot == nil) return refuse(cache_reason::over_budget);
        node& made = slab_.node(fresh.slot);
        construct_both(std::addressof(made.key), key, std::addressof(made.value), value);
        const std::uint32_t slot = fresh.keep();

        // From here on nothing can fail.
        const bool replaced = old != nil;
        if (replaced) {
            index_.replace(hash, old, slot);
            order_.replace(slab_.pages(), old, slot);
            forget(old);
            retire(old, removal_cause::replaced);
        }
        changes_.stored(replaced);
        make_room(replaced ? 0 : 1, charge + leaving, slot);
        keys_.keep_hash(made, hash);
        if constexpr (!std::is_empty_v<note_type>) made.note = note;
        if (!replaced) {
            index_.insert(hash, slot);
            order_.insert(slab_.pages(), slot, hash);
        }
        ++entries_;
        bytes_ += charge;
        if (weighs()) slab_.weight(slot) = static_cast<std::uint32_t>(charge);
        if constexpr (has_pins) slab_.pins(slot).enter();
        if (lifetimes_.timed()) lifetimes_.add(slot, time_to_live);
        keep_real_room(leaving);
        return put_result::kept(replaced);
    }

    /// The entry leaves the structure, and goes to the outbox if its end matters to anybody.
    void remove(std::uint32_t slot, removal_cause cause) noexcept {
        index_.erase(hash_of(slot), slot);
        order_.remove(slab_.pages(), slot);
        forget(slot);
        changes_.removed(cause);
        retire(slot, cause);
    }

    /// I5 again, after slots came back: what they leave idle may be too much beside the entries.
    void keep_real_room() noexcept { keep_real_room(leaving_); }
    void keep_real_room(std::size_t leaving) noexcept {
        while (lacks_real_room(leaving) && give_real_room()) {}
    }
    /// The part of it that removes nobody: for the end of a pin, which may come while the cache ends.
    PLATEAU_COLD void give_idle_pages() noexcept {
        while (lacks_real_room() && slab_.release_empty_page()) {}
    }

    void clear() noexcept {
        while (entries_ != 0) remove(order_.coldest(), removal_cause::cleared);
    }

    /// From now on no entry is kept; those that are here stay. At the end of a cache: what a destructor puts back is
    /// refused.
    void refuse_all() noexcept { closed_ = true; }

    /// Effects: gives the memory of an empty cache back.
    void release_if_empty() noexcept {
        if (entries_ != 0 || slab_.used() != 0) return;
        slab_.release(reach::first_page(bounds_, Policies::max_first_page_bytes));
        index_.release();
        order_.release();
        set_bounds();
    }

    std::size_t set_max_entries(std::size_t max_entries) noexcept {
        bounds_.max_entries = max_entries;
        return apply_bounds();
    }
    /// Expects: weights are kept, or `max_bytes` is unlimited.
    std::size_t set_max_bytes(std::size_t max_bytes, std::size_t all_bytes, std::size_t fair_bytes) noexcept {
        bounds_.max_bytes = max_bytes;
        bounds_.all_bytes = all_bytes;
        bounds_.fair_bytes = fair_bytes;
        return apply_bounds();
    }
    void set_max_pinned_bytes(std::size_t max_pinned_bytes) noexcept { bounds_.max_pinned_bytes = max_pinned_bytes; }

    // ---- a share of bytes that comes and goes

    /// Bytes that a put with this answer of the weigher lacks, unless it removes others. 0 if it will be refused.
    [[nodiscard]] std::size_t shortage(std::size_t held) const noexcept {
        const std::size_t charge = saturating_add(held, entry_overhead);
        if (bounds_.max_bytes == unlimited || closed_ || charge > reach_.heaviest()) return 0;
        return excess(saturating_add(used_bytes(), charge), bounds_.max_bytes);
    }
    /// The same, whatever it removes.
    [[nodiscard]] std::size_t sheer_shortage(std::size_t held) const noexcept {
        return excess(saturating_add(leaving_, saturating_add(held, entry_overhead)), bounds_.max_bytes);
    }
    /// Whether it may ask other shards for bytes: after it did so in vain, not for a while.
    [[nodiscard]] bool may_collect() noexcept { return until_collection_ == 0 || --until_collection_ == 0; }
    void collected_in_vain() noexcept { until_collection_ = puts_between_collections; }
    void add_bytes(std::size_t bytes) noexcept {
        if (bytes != 0) set_share(bounds_.max_bytes + bytes);
    }
    /// Effects: makes room for giving, so far as entries are in the way, down to a share of `least`.
    void make_givable(std::size_t wanted, std::size_t least) noexcept {
        const std::size_t target = bounds_.share_without(wanted, least);
        while (entries_ != 0 && bytes_ > target) evict(nil);
    }
    /// Effects: gives up to `wanted` bytes that are not used, and keeps `least`. Returns: how many.
    [[nodiscard]] PLATEAU_COLD std::size_t give_bytes(std::size_t wanted, std::size_t least) noexcept {
        const std::size_t given = bounds_.givable(wanted, least, used_bytes());
        if (given == 0) return 0;
        set_share(bounds_.max_bytes - given);
        keep_real_room();
        return given;
    }
    /// Effects: gives all, used or not: the cache is at its end. Returns: how many bytes.
    [[nodiscard]] std::size_t give_all_bytes() noexcept {
        const std::size_t given = bounds_.max_bytes;
        set_share(0);
        return given;
    }
    /// Bytes charged for what is here, and what is on its way out.
    [[nodiscard]] std::size_t used_bytes() const noexcept { return bytes_ + leaving_; }

    /// Bytes that pinning this slot lacks.
    [[nodiscard]] std::size_t pin_shortage(std::uint32_t slot) const noexcept {
        if (!slab_.pins(slot).only_resident() || bounds_.max_pinned_bytes == unlimited) return 0;
        return excess(saturating_add(pinned_bytes_, charge_of(slot)), bounds_.max_pinned_bytes);
    }
    [[nodiscard]] std::size_t spare_pinned_bytes() const noexcept { return bounds_.spare_pinned(pinned_bytes_); }
    void add_pinned_bytes(std::size_t bytes) noexcept { bounds_.max_pinned_bytes += bytes; }
    /// Effects: gives what is not used beyond `spare`. Returns: how many bytes.
    [[nodiscard]] std::size_t give_pinned_bytes(std::size_t spare) noexcept {
        const std::size_t given = bounds_.spare_pinned(saturating_add(pinned_bytes_, spare));
        bounds_.max_pinned_bytes -= given;
        return given;
    }

    /// Effects: from now on weights are kept; `weigh(key, value)` is asked for those of the entries that are here.
    /// Throws: what `weigh` and the allocator throw; then nothing has changed.
    template <class Weigh>
    void start_weighing(Weigh weigh) {
        if (weighs()) return;
        std::size_t bytes = 0;
        std::size_t pinned_bytes = zombies_ * entry_overhead;
        slab_.add_weights(static_cast<std::uint32_t>(entry_overhead), [&] {
            for_each([&](std::uint32_t slot) {
                const node& entry = slab_.node(slot);
                const std::size_t charge = saturating_add<std::size_t>(weigh(entry.key, entry.value), entry_overhead);
                slab_.weight(slot) = static_cast<std::uint32_t>(smaller(charge, reach::max_weight));
                bytes += slab_.weight(slot);
                if (pinned(slot)) pinned_bytes += slab_.weight(slot);
            });
        });
        bytes_ = bytes;
        pinned_bytes_ = pinned_bytes;
    }
    /// True when each entry's weight is kept.
    [[nodiscard]] bool weighs() const noexcept { return slab_.has_weights(); }

    // ---- the way out

    [[nodiscard]] bool outbox_empty() const noexcept { return outbox_.empty(); }
    /// Effects: appends the outbox to `to`, and empties it.
    void move_outbox(outbox& to) noexcept { to.append(slab_, outbox_); }
    [[nodiscard]] std::uint32_t pop(outbox& from) noexcept { return from.pop(slab_); }
    /// Effects: a slot whose last pin is gone goes to the outbox, to be ended in silence.
    void retire_told(std::uint32_t slot) noexcept {
        if constexpr (ends_matter) {
            leaving_ += charge_of(slot);
            outbox_.push_told(slab_, slot);
        } else {
            slab_.give_back(slot);
        }
    }
    /// Expects: key and value of the slot have ended.
    void give_back(std::uint32_t slot) noexcept {
        leaving_ -= charge_of(slot);
        slab_.give_back(slot);
    }

    // ---- pins

    [[nodiscard]] bool pinned(std::uint32_t slot) const noexcept {
        if constexpr (has_pins) return slab_.pins(slot).pinned();
        else return false;
    }
    /// Returns: none, or pinned_full.
    [[nodiscard]] cache_reason pin(std::uint32_t slot) noexcept {
        pin_count& count = slab_.pins(slot);
        if (count.only_resident()) {
            if (pin_shortage(slot) != 0) return refuse(cache_reason::pinned_full).reason();
            pinned_bytes_ += charge_of(slot);
        } else if (count.full()) {
            return refuse(cache_reason::pinned_full).reason();
        }
        count.pin();
        return cache_reason::none;
    }
    /// A pin of the cache's own, for an entry that is on its way out while others hold it: never refused.
    void hold(std::uint32_t slot) noexcept { slab_.pins(slot).pin(); }
    /// Returns: true when that was the last pin of an entry that has left: the caller ends it, and gives it back.
    [[nodiscard]] bool unpin(std::uint32_t slot) noexcept {
        pin_count& count = slab_.pins(slot);
        count.unpin();
        if (count.pinned()) return false;
        pinned_bytes_ -= charge_of(slot);
        if (count.held()) return false;
        --zombies_;
        return true;
    }

    // ---- read out

    [[nodiscard]] std::size_t size() const noexcept { return entries_; }
    [[nodiscard]] std::size_t pinned_bytes() const noexcept { return pinned_bytes_; }
    [[nodiscard]] const core_bounds& bounds() const noexcept { return bounds_; }
    [[nodiscard]] bool idle() const noexcept { return slab_.used() == 0; }

    [[nodiscard]] cache_stats stats() const noexcept {
        cache_stats now;
        looks_.add_to(now);
        changes_.add_to(now);
        now.entries = entries_;
        now.bytes = bytes_;
        now.pinned_bytes = pinned_bytes_;
        return now;
    }

    [[nodiscard]] core_ceiling memory_ceiling() const noexcept {
        const ceilings most{slab_, index_, order_, reach_.slots(), bytes_a_slot()};
        return most.within(bounds_, used_bytes(), pinned_bytes_, sizeof(cache_core));
    }

    /// I1 to I5, by looking at every entry. A violation where one does not hold. For tests.
    void check_invariants() const noexcept {
        std::size_t entries = 0;
        std::size_t bytes = 0;
        std::size_t with_deadline = 0;
        order_.check_invariants(slab_.pages(), entries_);
        for (std::uint32_t slot = order_.coldest(); slot != nil; slot = order_.hotter(slab_.pages(), slot)) {
            PLATEAU_EXPECTS(index_.find(hash_of(slot), [&](std::uint32_t other) { return other == slot; }) == slot,
                            "cache I2: the index finds each entry of the order");
            PLATEAU_EXPECTS(++entries <= entries_, "cache I2: the order holds each entry once");
            bytes += charge_of(slot);
            with_deadline += lifetimes_.has_one(slot);
        }
        PLATEAU_EXPECTS(entries == entries_, "cache I2: the order holds each entry");
        PLATEAU_EXPECTS(entries_ <= reach_.slots(), "cache I1: no more entries than the bound");
        PLATEAU_EXPECTS(bytes == bytes_, "cache I3: the charged bytes are the sum of the weights");
        PLATEAU_EXPECTS(bytes_ <= bounds_.max_bytes, "cache I1: no more bytes than the bound");
        PLATEAU_EXPECTS(lifetimes_.size() == with_deadline, "cache I4: who has a deadline is in the wheel");
        // Slots come back some at a time while a call sees entries out, and with pins whenever one ends.
        PLATEAU_EXPECTS(has_pins || leaving_ != 0 || entries_ <= 1 || !lacks_real_room(),
                        "cache I5: idle slab and charged bytes stay bounded");
        index_.check_invariants(entries_, [this](std::uint32_t slot) { return hash_of(slot); });
        slab_.check_invariants();
    }

private:
    static constexpr unsigned puts_between_collections = 32;

    struct slot_guard {
        cache_core& core;
        std::uint32_t slot;
        std::uint32_t keep() noexcept { return std::exchange(slot, nil); }
        ~slot_guard() {
            if (slot == nil) return;
            core.slab_.give_back(slot);
            while (core.lacks_real_room() && core.slab_.release_empty_page()) {}  // the page it came from, if new
        }
    };

    // ---- look up among slots of one page, or of several

    template <class Slots, class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE found find_among(Slots slots, std::uint32_t hash, const Q& key) const {
        struct same_key {
            const cache_core& core;
            Slots slots;
            std::uint32_t hash;
            const Q& key;
            found& answer;
            PLATEAU_ALWAYS_INLINE bool operator()(std::uint32_t slot) const {
                node& at = slots[slot];
                if (!core.keys_.is_of(at, hash, key)) return false;
                answer.entry = &at;
                answer.slot = slot;
                return true;
            }
        };
        found answer;
        index_.find(hash, same_key{*this, slots, hash, key, answer});
        return answer;
    }
    template <class Slots, class Q>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE answer_of<V> get_among(Slots slots, std::uint32_t hash, const Q& key) {
        const found at = find_among(slots, hash, key);
        if (at) return copy_and_use(slots, at);
        count_miss();
        return std::nullopt;
    }
    template <class Slots, class Q, class Now>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE answer_of<V> get_among(Slots slots, std::uint32_t hash, const Q& key, Now now,
                                                               std::uint32_t& over) {
        const found at = find_among(slots, hash, key);
        if (at) {
            if (!lifetimes_.over_among(slots, at.slot, now)) [[likely]] {
                if constexpr (Slots::may_move_deadlines) {
                    if (lifetimes_.idles()) [[unlikely]]
                        return copy_use_and_touch(slots, at);
                }
                return copy_and_use(slots, at);
            }
            over = at.slot;
        }
        count_miss();
        return std::nullopt;
    }
    /// A copy that may throw is made before anything changes.
    template <class Slots>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE answer_of<V> copy_and_use(Slots slots, found at) {
        const V& value = at.entry->value;
        if constexpr (std::is_nothrow_copy_constructible_v<V>) {
            use(slots, at);
            return answer_of<V>(value);
        } else {
            answer_of<V> answer(value);
            use(slots, at);
            return answer;
        }
    }

    /// The same where a use puts the end of an entry off.
    template <class Slots>
    PLATEAU_COLD answer_of<V> copy_use_and_touch(Slots slots, found at) {
        answer_of<V> answer = copy_and_use(slots, at);
        lifetimes_.touch(at.slot);
        return answer;
    }

    // ---- bounds

    void set_bounds() noexcept { reach_.set(bounds_, bytes_a_slot()); }
    void set_share(std::size_t bytes) noexcept { reach_.set_share(bounds_, bytes, bytes_a_slot()); }
    std::size_t apply_bounds() noexcept {
        const std::size_t before = entries_;
        set_bounds();
        make_room(0, 0, nil);
        keep_real_room(0);
        if (!lacks_real_room()) return before - entries_;
        // One large page, or tables, too large for the new bound: only an empty slab gives them back.
        while (entries_ != 0) remove(order_.coldest(), removal_cause::size);
        if (slab_.used() == 0) release_if_empty();
        else reach_.allow_beside(bounds_, slab_.bytes_with(bytes_a_slot()), bytes_a_slot());  // until then
        return before;
    }

    /// Of the one that is about to come, which may stand in the order already but is not counted, nothing is asked.
    void make_room(std::size_t entries, std::size_t charge, std::uint32_t coming) noexcept {
        while (entries_ != 0 && (entries_ + entries > reach_.slots() ||
                                 (bounds_.max_bytes != unlimited && bytes_ + charge > bounds_.max_bytes)))
            evict(coming);
    }
    void evict(std::uint32_t spared) noexcept {
        const auto hash_of_slot = [this](std::uint32_t slot) { return hash_of(slot); };
        remove(order_.victim(slab_.pages(), spared, hash_of_slot), removal_cause::size);
    }

    /// I5
    [[nodiscard]] bool lacks_real_room(std::size_t leaving = 0) const noexcept {
        if (reach_.real_limit() == unlimited) return false;
        const std::size_t idle = slab_.idle_slots() * bytes_a_slot();
        return saturating_add(saturating_add(idle, bytes_), leaving) > reach_.real_limit();
    }
    /// Returns: false when there is nothing to give but the newest entry.
    PLATEAU_COLD bool give_real_room() noexcept {
        if (slab_.release_empty_page()) return true;
        if (entries_ <= 1) return false;
        evict(order_.latest());
        return true;
    }

    put_result refuse(cache_reason why) noexcept {
        changes_.refused();
        return why;
    }

    [[nodiscard]] std::size_t charge_of(std::uint32_t slot) const noexcept {
        return slab_.has_weights() ? slab_.weight(slot) : entry_overhead;
    }

    // ---- structure

    [[nodiscard]] std::uint32_t hash_of(std::uint32_t slot) const noexcept { return keys_.hash_of(slab_.node(slot)); }

    /// Out of the wheel and the sums; index and order are the caller's.
    void forget(std::uint32_t slot) noexcept {
        lifetimes_.remove(slot);
        --entries_;
        bytes_ -= charge_of(slot);
    }

    void retire(std::uint32_t slot, removal_cause cause) noexcept {
        if constexpr (has_pins) {
            slab_.pins(slot).leave();
            if (pinned(slot)) {
                ++zombies_;
                if constexpr (ends_matter) hold(slot);  // until it is told: it must not end while it is queued
            }
        }
        if (ends_matter && !pinned(slot)) leaving_ += charge_of(slot);
        if constexpr (ends_matter) outbox_.push(slab_, slot, cause);
        else if (!pinned(slot)) slab_.give_back(slot);
    }

    [[nodiscard]] std::size_t bytes_a_slot() const noexcept {
        return slab_type::slot_bytes + (lifetimes_.idles() ? sizeof(std::uint32_t) : 0);
    }

    // By lines of 64 bytes, for threads that take turns: a hit writes the first, where the shard's lock is, and a put
    // the one where the slab ends and the counters begin besides. What a look-up only reads stands between them.
    look_counters<typename Policies::stats> looks_;
    order_type order_;
    std::size_t entries_ = 0;
    std::size_t bytes_ = 0;
    std::size_t leaving_ = 0;  // charged for what is on its way out, and not pinned
    std::size_t pinned_bytes_ = 0;
    index_type index_;
    reach reach_;
    slab_type slab_;
    change_counters<typename Policies::stats> changes_;
    outbox outbox_;
    std::size_t zombies_ = 0;  // left the cache, still pinned
    unsigned until_collection_ = 0;
    bool closed_ = false;
    core_bounds bounds_;
    lifetimes_type lifetimes_;
    PLATEAU_NO_UNIQUE_ADDRESS typename shape::match_type keys_;
};

}
PLATEAU_NAMESPACE_END
