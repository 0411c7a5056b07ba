// SPDX-License-Identifier: MIT
// Defects of caches that load: those that others have shipped, and those that this design invites.
#include "cache/load_checks.hpp"
#include "cache/load_scenes.hpp"
#include "seeded_bugs/explored_bug.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

// ---- in the explorer

struct does_not_look_again : explored_load {};
struct does_not_revoke : explored_load {};
struct puts_past_the_loads : explored_load {};
struct wakes_one : explored_load {};
struct moves_what_others_wait_for : explored_load {};
struct sees_no_circle : explored_load {};
struct keeps_what_is_late : explored_load {};
struct leaves_it_to_the_executor : explored_load {};
struct runs_what_another_runs : explored_load {};
struct marks_ahead_of_an_erase : explored_load {};
struct marks_ahead_of_all : explored_load {};

// ---- by hand

struct has_no_end : hand_loads {};
struct swallows_the_error : hand_loads {};
struct waits_for_its_own_executor : hand_loads {};
struct forgets_what_it_posted : hand_loads {};
struct forgets_the_absence_first : hand_loads {};
struct keeps_the_absence_without_room : hand_loads {};
struct knows_its_own_deadlines : hand_loads {};
struct counts_no_callbacks : hand_loads {};
struct drops_no_wait : hand_loads {};

/// 32 bits of milliseconds, of which the last means that and more.
struct note_of_52_days : detail::load_note {
    note_of_52_days(plateau::time_point fresh_until, plateau::duration revalidate) noexcept
        : load_note(fresh_until, std::min(revalidate, plateau::duration(std::int64_t{UINT32_MAX} << 20U))) {}
};

template <class Policies>
using explored_core = detail::load_core<plateau::concurrent_lru_cache<int, plateau_test::boxed, Policies>>;
template <class Policies>
using explored_table = detail::flight_table<int, plateau_test::boxed, detail::noted<Policies, detail::load_note>>;
template <class Policies>
using hand_core = detail::load_core<plateau::concurrent_lru_cache<int, text, Policies>>;
template <class Policies>
using hand_table = detail::flight_table<int, text, detail::noted<Policies, detail::load_note>>;

constexpr explore_options within(const char* name) { return {.name = name, .preemptions = 2, .stale = 1}; }
constexpr explore_options one_further(const char* name) { return {.name = name, .preemptions = 3, .stale = 0}; }

}  // namespace

/// Who begins a load does not look again: another may have ended between his look and his beginning.
template <>
bool explored_core<does_not_look_again>::was_stored(record&) {
    return false;
}

/// isaacs/node-lru-cache#274 and others: what was deleted during a fetch comes back with it.
template <>
void explored_table<does_not_revoke>::revoke(std::uint64_t) noexcept {}

template <>
void explored_table<puts_past_the_loads>::revoke_if_any(std::uint64_t) noexcept {}

/// One is told, and the others go on waiting.
template <>
void explored_table<wakes_one>::finish(record& ended, detail::flight_phase how) noexcept {
    {
        const guard hold(stripe_of(ended.hash).lock);
        if (ended.linked) unlink(ended);
    }
    loading_.fetch_sub(1, std::memory_order_relaxed);
    {
        session in(ended.waiters, detail::flight_flag<record>{&ended});
        ended.phase.store(static_cast<unsigned>(how), std::memory_order_release);
        if (in.front() != nullptr) in.claim_front(detail::wake::granted);
    }
    release(ended);
}

template <>
bool explored_table<moves_what_others_wait_for>::is_last(const record&) noexcept {
    return true;
}

/// oneTBB#941 and others: nested loads wait for each other.
template <>
bool explored_table<sees_no_circle>::runs_any() const noexcept {
    return false;
}

template <>
void explored_core<keeps_what_is_late>::expire_if_late(record&) noexcept {}

/// ben-manes/caffeine#373: the old value is handed out as long as a refresh hangs.
template <>
auto hand_core<has_no_end>::lifetime_of(std::optional<plateau::duration> time_to_live,
                                        std::optional<plateau::duration> revalidate,
                                        std::optional<plateau::duration>) noexcept -> lifetime {
    const plateau::duration fresh = time_to_live.value_or(time_to_live_);
    lifetime life{fresh, plateau::forever, note_type{}};
    static_cast<detail::load_note&>(life.note) =
        detail::load_note(now() + fresh, revalidate.value_or(options_.stale_while_revalidate) * 100);
    return life;
}

template <>
void hand_core<swallows_the_error>::fail(detail::load_target<text>& target, const std::exception_ptr&) noexcept {
    record& one = static_cast<record&>(target);
    of(one).end(one, detail::flight_phase::failed, of(one).load_failures_);
}

template <>
void hand_core<waits_for_its_own_executor>::run_instead(record&) noexcept {}

/// Only a thread of the executor runs what waits there.
template <>
void explored_core<leaves_it_to_the_executor>::run_instead(record& one) noexcept {
    if (where_->runs_here() && table_type::take_turn(one)) one.job(one);
}

template <>
bool explored_table<runs_what_another_runs>::take_turn(record& one) noexcept {
    one.turn.store(detail::flight_turn::beginner, std::memory_order_relaxed);
    return true;
}

/// The load is held by those who wait for it, and may end with its cache before its loader has gone.
template <>
void hand_core<forgets_what_it_posted>::run_job(work_link& link) noexcept {
    record& one = static_cast<record&>(link);
    of(one).table_.release(one);
    one.queued.store(false, std::memory_order_release);
    if (table_type::take_turn(one)) one.job(one);
}

/// A load that begins between the mark and the change may find in the cache what then goes.
template <>
template <class Q>
bool explored_core<marks_ahead_of_an_erase>::erase(const Q& key) {
    table_.revoke(hash_of(key));
    return inner_.erase(key);
}
template <>
explored_core<marks_ahead_of_all>::revocation::~revocation() {}

/// A load may find the key absent until the value is stored.
template <>
template <class Q, class U>
plateau::put_result
detail::load_core<plateau::concurrent_lru_cache<int, acts_when_copied, forgets_the_absence_first>>::put(
    Q&& key, U&& value, put_options_type how) {
    const std::uint64_t hash = hash_of(key);
    table_.revoke(hash);
    absent_->erase(key);
    return layer_access::put(inner_, key, std::forward<U>(value), how, note_type(), [&]() noexcept {
        table_.revoke_if_any(hash);
        return true;
    });
}

/// A key is absent until a value of it is kept.
template <>
template <class Q, class U>
plateau::put_result hand_core<keeps_the_absence_without_room>::put(Q&& key, U&& value, put_options_type how) {
    const std::uint64_t hash = hash_of(key);
    const plateau::put_result kept =
        layer_access::put(inner_, key, std::forward<U>(value), how, note_type(), [&]() noexcept {
            table_.revoke_if_any(hash);
            return true;
        });
    if (kept) absent_->erase(key);
    return kept;
}

/// Who comes past the loads brings no deadline.
template <>
void hand_core<knows_its_own_deadlines>::expect_deadlines() noexcept {}

template <>
auto hand_table<counts_no_callbacks>::take_carrier() noexcept -> record* {
    record* const fresh = take();
    if (fresh != nullptr) fresh->references.store(1, std::memory_order_release);
    return fresh;
}

/// A wait that does not begin keeps what it was to wait for.
template <>
void detail::load_verb<hand_core<drops_no_wait>>::drop() noexcept {}

TEST_CASE("defects of loads that are to run once are noticed", "[cache][seeded]") {
    expect_killed({"F8", "who begins a load does not look again", "cache: a key that several ask for is loaded once",
                   "is loaded once", [](shared_check& check) {
                       explore_into(check, within("seeded: two ask"),
                                    load_scenes::one_load_for_all<does_not_look_again, 2>);
                   }});
    expect_killed({"F9", "a circle of loads is not seen", "cache: loads that ask for one another in a circle end",
                   "no runnable thread", [](shared_check& check) {
                       explore_into(check, within("seeded: circle"), load_scenes::circle_of_two<sees_no_circle>);
                   }});
    expect_killed({"F9", "a thread of the executor waits for what is queued behind its own work",
                   "cache: a thread of the executor runs what waits behind its own work, in place of waiting for it",
                   "queued behind it",
                   a_load_that_is_queued_is_run_by_the_thread_that_needs_it<waits_for_its_own_executor>});
    expect_killed({"F9", "who has no deadline leaves a load to an executor that may wait for him",
                   "cache: a load in the executor is run once, by it or by who needs it", "no runnable thread",
                   [](shared_check& check) {
                       explore_into(check, within("seeded: left to the executor"),
                                    load_scenes::one_runs_what_is_queued<leaves_it_to_the_executor>);
                   }});
    expect_killed({"F8", "a load is run by the executor and by who needs it",
                   "cache: a load in the executor is run once, by it or by who needs it", "is run once",
                   [](shared_check& check) {
                       explore_into(check, within("seeded: run twice"),
                                    load_scenes::one_runs_what_is_queued<runs_what_another_runs>);
                   }});
    expect_killed({"F10", "a loader outlives the cache that sent it to the executor",
                   "cache: a loader that was sent to the executor is gone before its cache is",
                   "loaders that outlived their cache", a_loader_is_gone_before_its_cache_is<forgets_what_it_posted>});
}

TEST_CASE("defects of changes during a load are noticed", "[cache][seeded]") {
    expect_killed({"F6", "an erased key is not marked in its load",
                   "cache: what was loaded before a change of its key does not come back after it",
                   "who asks after a change", [](shared_check& check) {
                       explore_into(check, within("seeded: erase"),
                                    load_scenes::change_meets_load<does_not_revoke, load_scenes::change::erase>);
                   }});
    expect_killed({"F8", "a put does not mark the loads of its key",
                   "cache: what was loaded before a change of its key does not come back after it",
                   "does not take its place", [](shared_check& check) {
                       explore_into(check, within("seeded: put"),
                                    load_scenes::put_is_not_overwritten<puts_past_the_loads>);
                   }});
}

TEST_CASE("defects of changes beside a load are noticed", "[cache][seeded]") {
    constexpr auto after_a_change =
        "cache: who asks after a change is not given what a load found in the cache before it";
    expect_killed(
        {"F8", "the loads of a key are marked ahead of its erasure alone", after_a_change, "who asks after a change",
         [](shared_check& check) {
             explore_into(
                 check, one_further("seeded: stored, erase"),
                 load_scenes::change_meets_what_was_stored<marks_ahead_of_an_erase, load_scenes::change::erase>);
         }});
    expect_killed({"F8", "all loads are marked ahead of a change alone", after_a_change, "who asks after a change",
                   [](shared_check& check) {
                       explore_into(
                           check, one_further("seeded: stored, clear"),
                           load_scenes::change_meets_what_was_stored<marks_ahead_of_all, load_scenes::change::clear>);
                   }});
    expect_killed({"F8", "an absence that was found during a put outlives it",
                   "cache: an absence that a load found during a put is forgotten by the put",
                   "a key that was put is asked for again",
                   an_absence_found_during_a_put_is_forgotten<forgets_the_absence_first>});
    expect_killed({"F1", "a key is told absent of which a value found no room",
                   "cache: a value that the cache has no room for ends an absence too",
                   "a key of which there is a value",
                   a_value_without_room_ends_an_absence<keeps_the_absence_without_room>});
}

TEST_CASE("defects of those who wait for loads are noticed", "[cache][seeded]") {
    expect_killed({"F7", "the end of a load wakes one of those who wait",
                   "cache: a thread that waits for a load is served, or leaves in time", "no runnable thread",
                   [](shared_check& check) {
                       explore_into(check, within("seeded: store"),
                                    load_scenes::thread_meets<wakes_one, load_scenes::store>);
                   }});
    expect_killed({"F10", "the value is moved to the first who takes it",
                   "cache: a thread that waits for a load is served, or leaves in time", "memory that is not there",
                   [](shared_check& check) {
                       explore_into(check, within("seeded: moved"),
                                    load_scenes::thread_meets<moves_what_others_wait_for, load_scenes::store>);
                   }});
    expect_killed({"F4", "what the loader threw is not told",
                   "cache: a load that fails is told to who asked, and not kept", "comes to who asked",
                   a_load_that_fails_is_not_kept<swallows_the_error>});
    expect_killed({"F2", "a callback that is refused is not counted",
                   "cache: a callback that finds no room to carry its result is counted as refused",
                   "calls that were refused", a_callback_without_a_carrier_is_counted<counts_no_callbacks>});
    expect_killed({"F11", "a wait that never begins keeps its load",
                   "cache: a waiter that its own callback arms again and ends keeps no load", "those who wait",
                   a_waiter_that_is_armed_again_and_ends_keeps_no_load<drops_no_wait>});
}

TEST_CASE("defects of a load's times are noticed", "[cache][seeded]") {
    expect_killed({"F12", "what comes after the time of a load is stored",
                   "cache: an overdue load is let go, and what it brings late is dropped",
                   "who waits for an overdue load", [](shared_check& check) {
                       explore_into(check, within("seeded: late"),
                                    load_scenes::late_load_is_dropped<keeps_what_is_late>);
                   }});
    expect_killed({"F12", "a stale value has no end",
                   "cache: a stale value does not outlive its end, though its refresh hangs", "past its end it is gone",
                   a_stale_value_does_not_outlive_its_end<has_no_end>});
    expect_killed({"F12", "a deadline that came past the loads is not looked at",
                   "cache: an entry that came past the loads ends by its deadline", "what is there at its deadline",
                   an_entry_that_came_past_the_loads_ends<knows_its_own_deadlines>});
    expect_killed({"F13", "a window of years is cut to 52 days",
                   "cache: a window of any length for stale values is kept as it was said",
                   "stale to the end of its window", a_window_of_any_length_is_kept<note_of_52_days>});
}
