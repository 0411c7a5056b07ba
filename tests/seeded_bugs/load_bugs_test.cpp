// SPDX-License-Identifier: MIT
// Defects of caches that load: those that others have shipped, and those that this design invites.
#include "cache/load_checks.hpp"
#include "cache/load_scenes.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <cstdint>
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

// ---- by hand

struct has_no_end : hand_loads {};
struct swallows_the_error : hand_loads {};
struct waits_for_its_own_executor : hand_loads {};

template <class Policies>
using explored_core = detail::load_core<plateau::concurrent_lru_cache<int, plateau_test::boxed, Policies>>;
template <class Policies>
using explored_table = detail::flight_table<int, plateau_test::boxed, detail::noted<Policies, detail::load_note>>;
template <class Policies>
using hand_core = detail::load_core<plateau::concurrent_lru_cache<int, text, Policies>>;

template <class Scenario>
void explore_into(shared_check& check, const char* name, Scenario scenario) {
    for (const explore_mode mode : {explore_mode::sequential, explore_mode::weak}) {
        explore_options bounds{.name = name, .preemptions = 2, .stale = 1};
        bounds.mode = mode;
        const explore_report report = explore(bounds, scenario);
        check.expect(!report.failed, report.failure);
    }
}

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

TEST_CASE("defects of loads that are to run once are noticed", "[cache][seeded]") {
    expect_killed({"F8", "who begins a load does not look again", "cache: a key that several ask for is loaded once",
                   "is loaded once", [](shared_check& check) {
                       explore_into(check, "seeded: two ask", load_scenes::one_load_for_all<does_not_look_again, 2>);
                   }});
    expect_killed({"F9", "a circle of loads is not seen", "cache: loads that ask for one another in a circle end",
                   "no runnable thread", [](shared_check& check) {
                       explore_into(check, "seeded: circle", load_scenes::circle_of_two<sees_no_circle>);
                   }});
    expect_killed({"F9", "a thread of the executor waits for what is queued behind its own work",
                   "cache: a thread of the executor runs what waits behind its own work, in place of waiting for it",
                   "queued behind it",
                   a_load_that_is_queued_is_run_by_the_thread_that_needs_it<waits_for_its_own_executor>});
}

TEST_CASE("defects of changes during a load are noticed", "[cache][seeded]") {
    expect_killed({"F6", "an erased key is not marked in its load",
                   "cache: what was loaded before a change of its key does not come back after it",
                   "who asks after a change", [](shared_check& check) {
                       explore_into(check, "seeded: erase",
                                    load_scenes::change_meets_load<does_not_revoke, load_scenes::change::erase>);
                   }});
    expect_killed({"F8", "a put does not mark the loads of its key",
                   "cache: what was loaded before a change of its key does not come back after it",
                   "does not take its place", [](shared_check& check) {
                       explore_into(check, "seeded: put", load_scenes::put_is_not_overwritten<puts_past_the_loads>);
                   }});
}

TEST_CASE("defects of those who wait for loads are noticed", "[cache][seeded]") {
    expect_killed({"F7", "the end of a load wakes one of those who wait",
                   "cache: a thread that waits for a load is served, or leaves in time", "no runnable thread",
                   [](shared_check& check) {
                       explore_into(check, "seeded: store", load_scenes::thread_meets<wakes_one, load_scenes::store>);
                   }});
    expect_killed({"F10", "the value is moved to the first who takes it",
                   "cache: a thread that waits for a load is served, or leaves in time", "memory that is not there",
                   [](shared_check& check) {
                       explore_into(check, "seeded: moved",
                                    load_scenes::thread_meets<moves_what_others_wait_for, load_scenes::store>);
                   }});
    expect_killed({"F4", "what the loader threw is not told",
                   "cache: a load that fails is told to who asked, and not kept", "comes to who asked",
                   a_load_that_fails_is_not_kept<swallows_the_error>});
}

TEST_CASE("defects of a load's times are noticed", "[cache][seeded]") {
    expect_killed({"F12", "what comes after the time of a load is stored",
                   "cache: an overdue load is let go, and what it brings late is dropped",
                   "who waits for an overdue load", [](shared_check& check) {
                       explore_into(check, "seeded: late", load_scenes::late_load_is_dropped<keeps_what_is_late>);
                   }});
    expect_killed({"F12", "a stale value has no end",
                   "cache: a stale value does not outlive its end, though its refresh hangs", "past its end it is gone",
                   a_stale_value_does_not_outlive_its_end<has_no_end>});
}
