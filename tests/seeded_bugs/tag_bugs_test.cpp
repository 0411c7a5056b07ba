// SPDX-License-Identifier: MIT
// Defects of tags and of the second tier: each is one member function of them, with one thing wrong.
#include "cache/tag_checks.hpp"
#include "cache/tier_checks.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <plateau/cache.hpp>
#include <plateau/cache/tagged_cache.hpp>
#include <plateau/cache/tiered_cache.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

// ---- the table of names

struct ends_at_the_same_epoch : plateau::default_sync {};
struct forgets_the_family : plateau::default_sync {};
struct clears_the_record : plateau::default_sync {};
struct loses_the_trace : plateau::default_sync {};
struct takes_from_the_same_entry : plateau::default_sync {};
struct trusts_the_record : plateau::default_sync {};
struct in_their_order : plateau::default_sync {};

// ---- the layers

struct sweeps_once_sync : plateau::default_sync {};
struct sweeps_once : invalidates_inside {
    using sync = sweeps_once_sync;
};
struct believes_every_time_to_live;
struct keeps_what_it_found;
struct leaves_the_older_value;
struct both_keep_theirs;
struct believes_what_is_being_written : shared_near {};

}  // namespace

/// An invalidation counts as of the epoch before it, which is the stamp of what was stored last.
template <>
bool table_of<ends_at_the_same_epoch>::invalidate(std::string_view name) noexcept {
    const std::uint16_t at = find(hash_(plateau::tag_list::fingerprint(name)));
    if (at == nil) return false;
    const bool any = may_have_entries(records_[at]);
    records_[at].invalidated.store(epoch_.load());
    next_epoch();
    return any;
}

/// A name that has a record is thought to have had it always.
template <>
bool table_of<forgets_the_family>::family::had_entries_before(std::uint64_t) const noexcept {
    return false;
}

/// A record starts anew with its new name.
template <>
void table_of<clears_the_record>::displace(const record& from, std::uint64_t moment) noexcept {
    family& heir = family_of(from.name);
    if (heir.traced < invalidated(from)) heir.traced = invalidated(from);
    if (may_have_entries(from)) {
        if (heir.displaced == 0) heir.displaced = moment;
        ++displaced_;
    }
    std::uint16_t* link = &bucket_of(from.name);
    while (&records_[*link] != &from) link = &records_[*link].next;
    *link = from.next;
    records_[oldest_].invalidated.store(0);
}

/// The invalidation of a name goes with its record.
template <>
void table_of<loses_the_trace>::displace(const record& from, std::uint64_t moment) noexcept {
    family& heir = family_of(from.name);
    if (may_have_entries(from)) {
        if (heir.displaced == 0) heir.displaced = moment;
        ++displaced_;
    }
    std::uint16_t* link = &bucket_of(from.name);
    while (&records_[*link] != &from) link = &records_[*link].next;
    *link = from.next;
}

/// Names move to the front once the whole entry has its records.
template <>
void table_of<takes_from_the_same_entry>::move_to_newest(std::uint16_t) noexcept {}

/// A new name may take the record of one that is named after it.
template <>
detail::tag_note table_of<in_their_order>::stamp_named(const plateau::tag_list& names) noexcept {
    detail::tag_note note;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::uint16_t known = find(names.prints_[i]);
        const std::uint16_t at = known != nil ? known : assign(names.prints_[i]);
        move_to_newest(at);
        note.records[i] = static_cast<std::uint16_t>(at + 1);
        note.families[i] = family_number(names.prints_[i]);
    }
    note.stamp = epoch_.load();
    for (std::size_t i = 0; i < names.size(); ++i) records_[note.records[i] - 1U].stored = note.stamp;
    return note;
}

/// Whether a load is too late is asked of the name's record alone.
template <>
bool table_of<trusts_the_record>::invalidated_since(std::uint64_t print, std::uint64_t then) noexcept {
    const std::uint16_t at = find(print);
    return at != nil && invalidated(records_[at]) > then;
}

/// An entry that was over before it got to its place waits for the next invalidation.
template <>
void table_of<sweeps_once_sync>::sweep_again() noexcept {}

/// What the tier found lives, whatever is left of its time.
template <>
std::optional<plateau::tier_entry<int>> tiered<believes_every_time_to_live>::ask(const int& key,
                                                                                 plateau::time_point latest) {
    auto found = guarded(latest, [&]() -> plateau::result<plateau::tier_entry<int>, plateau::tier_reason> {
        return tier_.get(key, latest);
    });
    if (!found) return std::nullopt;
    count(told_.hits);
    return found.take();
}

/// What the tier found is kept near, whoever wrote the key meanwhile.
template <>
template <>
std::optional<int> tiered<keeps_what_it_found>::get_far(const int& key) {
    const auto found = ask(key, until());
    if (!found) return std::nullopt;
    near_.put(key, found->value, {found->time_to_live});
    return found->value;
}

/// A tier that takes no value of this size keeps the one it has.
template <>
bool tiered<leaves_the_older_value>::write_through(const int& key, const int& value, plateau::duration time_to_live) {
    if (time_to_live <= plateau::duration::zero()) return erase_far(key, until()) == plateau::tier_reason::none;
    return put_far(key, value, time_to_live, until()) == plateau::tier_reason::none;
}

/// Of two puts that overlap, each of the two caches keeps what came to it last.
template <>
bool tiered<both_keep_theirs>::write_through(const int& key, const int& value, plateau::duration time_to_live) {
    static_cast<void>(put_far(key, value, time_to_live, until()));
    return false;
}

/// What the tier has is handed out, though a change has yet to take it out of there.
template <>
bool detail::load_core<shared_tiered<believes_what_is_being_written>>::bring_from_far(record& one,
                                                                                      load_ticket<int>& ticket) {
    auto found = layer_access::far_get(inner_, std::as_const(one.key), one.overdue_at);
    if (!found) return false;
    ticket.release();
    one.value = found->value;
    const plateau::duration left = nearer(found->time_to_live);
    keep(one, lifetime{left, left, {}}, {left},
         [&]() noexcept { return found->asked.unwritten() && !one.revoked.load(std::memory_order_acquire); });
    table_type::run_no_more(one);
    table_.finish(one, flight_phase::value);
    return true;
}

TEST_CASE("defects of the table of tags are noticed", "[cache][seeded]") {
    expect_killed({"F1", "an invalidation spares what was stored at its own epoch",
                   "cache: an invalidation ends the entries that were stamped before it, and no others",
                   "is over once one of its tags",
                   an_invalidation_ends_what_was_stamped_before<ends_at_the_same_epoch>});
    expect_killed({"F1", "a name that lost its record and has another is invalidated in that alone",
                   "cache: a name that lost its record is still invalidated", "had another record is over",
                   a_displaced_name_is_still_invalidated<forgets_the_family>});
    expect_killed({"F10", "a record that goes to another name forgets that it was invalidated",
                   "cache: an entry that is over stays over when its record goes to another name", "stays over",
                   what_is_over_stays_over<clears_the_record>});
    expect_killed({"F8", "the invalidation of a name is forgotten with its record",
                   "cache: a load that began before an invalidation of its tags is refused",
                   "lost its record, and the trace is kept",
                   a_load_that_began_before_an_invalidation_is_refused<loses_the_trace>});
    expect_killed({"F8", "a load is too late only where its tags have records",
                   "cache: a load that began before an invalidation of its tags is refused",
                   "nobody had stored with was invalidated",
                   a_load_that_began_before_an_invalidation_is_refused<trusts_the_record>});
    expect_killed({"F1", "a new tag of an entry takes the record of another tag of the same",
                   "cache: the tags of one entry never take each other's records", "each of them has its record",
                   the_tags_of_one_entry_never_take_from_each_other<takes_from_the_same_entry>});
    expect_killed({"F1", "a new tag of an entry takes the record of one that is named after it",
                   "cache: the tags of one entry never take each other's records", "lost their record",
                   a_known_name_keeps_its_record_beside_new_ones<in_their_order>});
}

TEST_CASE("defects of layers over a cache are noticed", "[cache][seeded]") {
    expect_killed({"F11", "what was invalidated on its way in is never swept",
                   "cache: what is invalidated between its stamp and its place is absent, and is swept",
                   "swept once the entry is there", what_was_invalidated_on_its_way_in_is_swept<sweeps_once>});
    expect_killed({"F12", "a second tier hands out what is over",
                   "cache: a second tier that lies about a time to live is not believed", "is not handed out",
                   a_tier_that_lies_is_not_believed<believes_every_time_to_live>});
    expect_killed({"F6", "a value from the second tier is kept over what was written meanwhile",
                   "cache: a value from the second tier does not undo a write of its key", "is not brought back",
                   a_value_from_the_tier_does_not_undo_a_write<keeps_what_it_found>});
    expect_killed({"F8", "a second tier keeps the older value of a key whose newer one is too large",
                   "cache: what is put and erased goes through to the second tier", "does not keep what is older",
                   what_is_put_and_erased_goes_through<leaves_the_older_value>});
    expect_killed({"F8", "puts that overlap leave one value near and another in the second tier",
                   "cache: the second tier decides between puts that overlap", "so has the near cache",
                   the_tier_decides_between_puts_that_overlap<both_keep_theirs>});
    expect_killed({"F8", "a load believes a second tier about a key that is being written",
                   "cache: what a load is about to take back from the second tier is given to nobody",
                   "who asked after it", what_is_taken_back_is_given_to_nobody<believes_what_is_being_written>});
}
