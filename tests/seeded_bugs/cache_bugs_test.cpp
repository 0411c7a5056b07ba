// SPDX-License-Identifier: MIT
// Defects of the cache: each is one member function of it, with one thing wrong.
#include "cache/adversarial_hash_checks.hpp"
#include "cache/bounds_checks.hpp"
#include "cache/deadline_checks.hpp"
#include "cache/end_of_entries_checks.hpp"
#include "cache/memory_checks.hpp"
#include "cache/reentry_checks.hpp"
#include "cache/shared_visit_checks.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

template <class K, class V, class Policies>
using core = detail::cache_core<K, V, Policies>;
template <class K, class V, class Policies>
using reach = typename core<K, V, Policies>::reach;
template <class K, class V, class Policies>
using ceilings = typename core<K, V, Policies>::ceilings;
template <class Policies>
using deadlines = detail::deadlines<typename core<int, int, Policies>::slab_type, Policies>;
template <class K, class V, class Policies>
using sole_shard = detail::cache_shard<K, V, Policies, detail::sole_access>;
template <class K, class V, class Policies>
using shared_engine =
    detail::cache_engine<K, V, detail::lru_policies<Policies>, detail::shared_access<plateau::default_sync>>;

// ---- the end of entries

struct told_without_a_hold : with_pins {};
struct closed_by_its_bound : with_listener {};
struct tells_inside : telling {};
struct sees_out_anew : plateau::cache_policies {};

// ---- bounds and charges

struct keeps_the_old_key : plateau::cache_policies {};
struct forgets_the_outgrown_index : counted_policies {};
struct counts_slots_without_deadlines : counted_policies {
    static constexpr std::size_t max_page_slots = 512;  // the slab's type is its own
};
struct zero_pins_as_bytes : four_shards {};
struct any_weight : weighs_itself {};

// ---- time

struct over_after_its_deadline : exact_by_hand {};
struct believes_the_clock : milliseconds_by_hand {};
struct rebases_to_now : by_hand {};
struct starts_a_wheel_at_zero : exact_by_hand {};

// ---- shards and index

struct traps_the_shard_alone : four_shards {};
/// Names the index whose erasures leave their counts behind.
template <class T>
struct leaves_counts : std::allocator<T> {
    leaves_counts() = default;
    template <class U>
    leaves_counts(const leaves_counts<U>&) noexcept {}
    template <class U>
    struct rebind {
        using other = leaves_counts<U>;
    };
};
struct index_leaves_counts : counts_equalities {
    using allocator = leaves_counts<std::byte>;
};

}  // namespace

/// An entry that is on its way out while others have it pinned is not held for the one who will tell of it.
template <>
void core<int, releasing, told_without_a_hold>::retire(std::uint32_t slot, plateau::removal_cause cause) noexcept {
    slab_.pins(slot).leave();
    if (pinned(slot)) ++zombies_;
    else leaving_ += charge_of(slot);
    outbox_.push(slab_, slot, cause);
}

/// A cache that ends is closed as `set_max_entries(0)` closes it.
template <>
void core<int, std::string, closed_by_its_bound>::refuse_all() noexcept {
    bounds_.max_entries = 0;
}

/// The listener is called while the shard is held.
template <>
void sole_shard<int, int, tells_inside>::see_out_some(detail::outbox& queue) noexcept {
    while (!queue.empty()) {
        const std::uint32_t slot = core_.pop(queue);
        tell(core_.at(slot), detail::outbox::cause_of(core_.at(slot)));
        core_.give_back(slot);
    }
    core_.move_outbox(queue);
}

/// Whoever finds something in the outbox sees it out himself, inside a destructor too.
template <>
void sole_shard<int, at_end, sees_out_anew>::see_out(bool) noexcept {
    detail::outbox queue;
    core_.move_outbox(queue);
    while (!queue.empty()) see_out_some(queue);
    core_.keep_real_room();
    access_.leave();
}

/// A put over a live entry assigns to its value, and keeps the key that is there for the one that was weighed.
template <>
template <class Key, class Value>
plateau::put_result core<std::string, int, keeps_the_old_key>::put(std::uint32_t hash, Key& key, Value& value,
                                                                   std::size_t held, plateau::duration,
                                                                   const plateau::no_note&) {
    const std::size_t charge = held + entry_overhead;
    if (charge > reach_.heaviest()) return refuse(plateau::cache_reason::too_large);
    if (const std::uint32_t old = find(hash, key.view()).slot; old != detail::nil) {
        node& entry = slab_.node(old);
        value.construct_at(std::addressof(entry.value));
        bytes_ += charge - slab_.weight(old);
        slab_.weight(old) = static_cast<std::uint32_t>(charge);
        make_room(0, 0, detail::nil);
        return plateau::put_result::kept(true);
    }
    index_.reserve(entries_ + 1, reach_.slots(), [this](std::uint32_t slot) { return hash_of(slot); });
    const std::uint32_t slot = slab_.take(reach_.slots() + keeps_the_old_key::outbox_slots);
    node& made = slab_.node(slot);
    key.construct_at(std::addressof(made.key));
    value.construct_at(std::addressof(made.value));
    make_room(1, charge, slot);
    made.hash = hash;
    index_.insert(hash, slot);
    order_.insert(slab_.pages(), slot, hash);
    ++entries_;
    bytes_ += charge;
    slab_.weight(slot) = static_cast<std::uint32_t>(charge);
    keep_real_room();
    return plateau::put_result::kept(false);
}

/// The index that was outgrown, and stands beside the new one while that is filled, is not in the sum.
template <>
std::size_t ceilings<std::uint64_t, std::uint64_t, forgets_the_outgrown_index>::outgrown_index() const noexcept {
    return 0;
}

/// Idle slots count as what they take before the first deadline adds to each of them.
template <>
std::size_t core<int, int, counts_slots_without_deadlines>::slab_type::idle_slots() const noexcept {
    const std::size_t idle = slots_ - used_;
    return has_timers_ ? idle : idle * (slot_bytes - sizeof(std::uint32_t) - sizeof(detail::timer_links)) / slot_bytes;
}

/// A shard has got nothing for its pins yet, and 0 is read as the option is.
template <>
std::size_t core<int, int, detail::lru_policies<zero_pins_as_bytes>>::pin_shortage(std::uint32_t slot) const noexcept {
    const std::size_t limit = bounds_.max_pinned_bytes == 0 ? bounds_.max_bytes : bounds_.max_pinned_bytes;
    const std::size_t wanted = pinned_bytes_ + charge_of(slot);
    return wanted > limit ? wanted - limit : 0;
}

/// A weight is kept in 32 bits, whatever it is.
template <>
void reach<int, std::size_t, any_weight>::set(const detail::core_bounds& bounds, std::size_t slot) noexcept {
    heaviest_ = smaller(bounds.all_bytes, bounds.max_entry_bytes);
    slots_ = smaller(bounds.max_entries, core<int, std::size_t, any_weight>::max_slots);
    real_limit_ = real_bytes(bounds.max_bytes, slot);
}

/// An entry is over when its deadline has passed, not when it has come.
template <>
bool deadlines<over_after_its_deadline>::is_over(std::uint32_t deadline, std::uint64_t tick) const noexcept {
    return tick - base_ > deadline && deadline != detail::no_deadline;
}

/// The latest answer of the clock is the time, though the one before was later.
template <>
void deadlines<believes_the_clock>::observe(plateau::time_point now) noexcept {
    last_ = since_start(now);
    now_tick_ = ticks(last_);
}

/// Deadlines are counted from now on, which is no whole number of turns of the wheel: the lists stand for other times.
template <>
void deadlines<rebases_to_now>::rebase(std::uint64_t ahead) noexcept {
    slab_.for_each_deadline([&](std::uint32_t& deadline) { deadline = earlier(deadline, ahead); });
    base_ += ahead;
}

/// The wheel of an old cache begins at the time when the cache was made.
template <>
void deadlines<starts_a_wheel_at_zero>::require() {
    if (any()) return;
    slab_.add_timers();
    wheel_ = std::construct_at(std::allocator<detail::timer_wheel>().allocate(1));
}

/// A visitor who calls another shard than the one he is in waits for it.
template <>
void shared_engine<int, int, traps_the_shard_alone>::trap_visitors() const noexcept {}

/// An entry that passed full chunks on its way leaves its counts there when it goes.
template <>
void detail::chunk_index<leaves_counts<std::byte>>::erase(std::uint32_t hash, std::uint32_t slot) noexcept {
    const place where = find_slot(hash, slot);
    chunks_[where.chunk].tags[where.position] = 0;
}

TEST_CASE("defects of the ends of entries are noticed", "[cache][seeded]") {
    expect_killed({"F10", "a pinned entry that waits to be told is not held",
                   "cache: a pin that goes while its entry waits to be told ends the value once", "a value ended twice",
                   a_pinned_value_ends_once<told_without_a_hold>});
    expect_killed({"F9", "a cache that ends is closed only until a listener sets a bound",
                   "cache: a listener cannot reopen a cache that is ending", "takes no entry",
                   a_cache_that_ends_stays_closed<closed_by_its_bound>});
    expect_killed({"F9", "a listener is called while its shard is held",
                   "cache: a listener sees the cache as it is after the fact", inside_its_own_visit,
                   a_listener_sees_what_is_so<tells_inside>});
    expect_killed({"F14", "a destructor that erases sees out what it erased",
                   "cache: a chain of 100000 destructors, each erasing the next, takes no stack", "Segmentation fault",
                   a_chain_of_ends_takes_no_stack<sees_out_anew>});
}

TEST_CASE("defects of bounds and charges are noticed", "[cache][seeded]") {
    expect_killed({"F2", "an overwritten entry keeps its old key and pays for the new one",
                   "cache: a replacement holds the key that it is charged for", "keys included",
                   a_replacement_pays_for_its_own_key<keeps_the_old_key>});
    expect_killed({"F2", "the ceiling leaves out the index that is being outgrown",
                   "cache: the ceiling holds while a cache bounded by entries grows to its bound", "below the ceiling",
                   the_ceiling_holds_while_it_grows<forgets_the_outgrown_index>});
    expect_killed({"F2", "idle slots count as what they take before the first deadline",
                   "cache: the first deadline after a lowered byte bound stays below the ceiling while it is set",
                   "the most that the put held",
                   a_first_deadline_fits_a_lowered_bound<counts_slots_without_deadlines>});
    expect_killed({"F2", "a shard whose part of the pinned bytes is 0 takes it for no bound of its own",
                   "cache: a bound on pins smaller than the number of shards is still a bound", "in three bytes",
                   a_small_bound_on_pins_is_a_bound<zero_pins_as_bytes>});
    expect_killed({"F13", "a weight of 4 GiB is cut to 32 bits",
                   "cache: a weight that overflows with the overhead is too large, never small", "is too large",
                   a_weight_that_overflows_is_too_large<any_weight>});
}

TEST_CASE("defects of deadlines are noticed", "[cache][seeded]") {
    expect_killed({"F12", "an entry is served at its deadline",
                   "cache: an entry is expired exactly at its deadline, for every way to look, and purge agrees",
                   "over at its deadline", an_entry_is_over_at_its_deadline<over_after_its_deadline>});
    expect_killed({"F12", "a clock that goes back takes the cache along",
                   "cache: a clock that goes back between two looks does not bring an expired entry back", "stays over",
                   a_clock_that_goes_back_revives_nothing<believes_the_clock>});
    expect_killed({"F12", "the 32 bits of a deadline start anew in the midst of a turn of the wheel",
                   "cache: a clock that jumps a hundred years expires what had a deadline, and the cache works on",
                   "the number of entries purged", a_jump_of_years_is_only_time<rebases_to_now>});
    expect_killed({"F12", "the wheel of an old cache starts at the cache's beginning",
                   "cache: the first deadline of a cache that is older than 2^31 ticks is kept",
                   "lives when it was put", the_first_deadline_of_an_old_cache_is_kept<starts_a_wheel_at_zero>});
}

// ---- bounds that are set

namespace {

struct keeps_what_is_empty : counted_policies {};
struct goes_on_with_its_own_bound : telling_shards {};
enum class has_all_its_columns : int {};

}  // namespace

/// An emptied shard keeps its memory for the entries that may come.
template <>
void detail::cache_engine<int, counted_string, keeps_what_is_empty, detail::sole_access>::release_if_empty(
    shard_type& shard) noexcept {
    const session in(shard);
    shard.settle();
}

/// Who sets a bound goes on with it, whoever has set another meanwhile.
template <>
std::size_t shared_engine<int, int, goes_on_with_its_own_bound>::set_max_entries(std::size_t max_entries) {
    std::size_t evicted = 0;
    for_each_shard([&](shard_type& shard) {
        evicted += session(shard)->set_max_entries(max_entries / goes_on_with_its_own_bound::shards);
    });
    return evicted;
}

/// A slab that has been filled takes no more than it does.
template <>
std::size_t core<int, has_all_its_columns, counted_policies>::slab_type::bytes_with(std::size_t) const noexcept {
    return bytes_;
}

TEST_CASE("defects of bounds that are set are noticed", "[cache][seeded]") {
    expect_killed({"F11", "a bound of 0 keeps the memory of the entries that it evicted",
                   "cache: a bound of 0 gives the memory of the entries back, as clear does",
                   "under a bound of 0 entries", a_bound_of_0_gives_the_memory_back<keeps_what_is_empty>});
    expect_killed({"F9", "a bound that was overtaken goes on to the shards behind",
                   "cache: a bound that is set while another is being set holds for every shard",
                   "under the bound that was set last",
                   the_latest_bound_holds_for_every_shard<goes_on_with_its_own_bound>});
    expect_killed({"F2", "a ceiling leaves out the deadlines of empty slots",
                   "cache: a ceiling after a lowered bound has room for the deadlines of the slots that were left "
                   "behind",
                   "the most that was held", a_lowered_ceiling_has_room_for_deadlines<has_all_its_columns>});
}

TEST_CASE("defects of shards and index are noticed", "[cache][seeded]") {
    expect_killed({"F9", "a visitor of one shard may wait for another",
                   "cache: a visitor that calls its cache is trapped, whichever shard he calls", "is trapped",
                   a_visitor_that_calls_is_trapped<traps_the_shard_alone>});
    expect_killed(
        {"F11", "an erased entry leaves its counts in the chunks it passed",
         "cache: churn at constant size leaves no trace: look-ups cost after a million changes what they cost "
         "at first",
         "compare as many keys", churn_leaves_no_trace<index_leaves_counts>});
}
