// SPDX-License-Identifier: MIT
// Defects of the parking primitive and of those that wait on it. The explorer finds each: an interleaving, or a stale
// read, in which somebody sleeps for ever, is served twice or not at all, or touches what is gone.
#include "floor/park_scenarios.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/explore.hpp"

#include <plateau/clock.hpp>
#include <plateau/detail/event_count.hpp>
#include <plateau/detail/park.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/stop.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

// clang reads ISO C++ such that the destructor of a member template cannot be named; g++, and later drafts, do not.
#if defined(__clang__)
#    pragma clang diagnostic ignored "-Wdtor-name"
#endif

using namespace plateau_test;
using namespace plateau_test::park_scenes;
namespace detail = plateau::detail;

namespace {

/// The scene within the bounds of the real case, in both modes.
template <void (*Scene)(scene&)>
void explored(shared_check& check) {
    for (const explore_mode mode : {explore_mode::sequential, explore_mode::weak}) {
        const explore_report report = explore({.name = "seeded", .mode = mode}, Scene);
        check.expect(!report.failed, report.failure);
    }
}

// ---- parts of the rooms

struct sleeps_unseen : room_parts<explored_sync> {
    static bool must_wait(bool) noexcept { return true; }
};
struct drops_lost_grants : room_parts<explored_sync> {
    static bool keeps_lost_grant() noexcept { return false; }
};
struct drops_with_the_owner : room_parts<explored_sync> {
    static bool hands_on() noexcept { return false; }
};
struct publishes_relaxed : watched_parts {
    static constexpr std::memory_order both = std::memory_order_relaxed;
};

// ---- parkers

/// Wakes whoever sleeps; who goes to sleep later is not told.
class forgetful_parker {
public:
    [[nodiscard]] bool signalled() const noexcept { return bed_.signalled(); }
    void sleep() noexcept {
        asleep_.store(true, std::memory_order_seq_cst);
        bed_.sleep();
    }
    [[nodiscard]] bool sleep_until(std::chrono::steady_clock::time_point until) noexcept {
        asleep_.store(true, std::memory_order_seq_cst);
        return bed_.sleep_until(until);
    }
    void signal() noexcept {
        if (asleep_.load(std::memory_order_seq_cst)) bed_.signal();
    }

private:
    explored_atomic<bool> asleep_{false};
    explored_parker bed_;
};
/// Counts its wakes when they are done.
class counting_parker : public explored_parker {
public:
    void signal() noexcept {
        explored_parker::signal();
        wakes_.fetch_add(1, std::memory_order_relaxed);
    }

private:
    explored_atomic<std::uint32_t> wakes_{0};
};
struct with_forgetful_parker : explored_sync {
    using parker = forgetful_parker;
};
struct with_counting_parker : explored_sync {
    using parker = counting_parker;
};

// ---- names for single members

struct claims_in_two_steps : explored_sync {};
struct completes_then_unlinks : explored_sync {};
struct walks_what_it_completed : explored_sync {};
struct lowers_outside : explored_sync {};
struct times_out_unasked : explored_sync {};
struct waits_when_announced : explored_sync {};
struct enlists_alarms_blindly : explored_sync {};
struct withdraws_at_once : explored_sync {};
struct leaves_at_once : explored_sync {};
struct turns_then_looks : explored_sync {};
struct cancels_only_waits : explored_sync {};
struct looks_then_announces : explored_sync {};
struct announces_by_exchange : explored_sync {};
struct announces_by_release : explored_sync {};

template <class Sync>
using flag_of = typename token_room<room_parts<Sync>>::flag;

}  // namespace

// ---- nodes

/// The state is looked at, and then set.
template <>
bool detail::park_node<claims_in_two_steps>::change(std::uint32_t from, std::uint32_t to) noexcept {
    if (state_.load(std::memory_order_acquire) != from) return false;
    state_.store(to, std::memory_order_release);
    return true;
}

/// Who cancels tells the owner, and then takes the node off the list.
template <>
bool detail::park_node<completes_then_unlinks>::end(wake why) noexcept {
    if (!claim(why)) return false;
    const helper helps = help_;
    complete_(*this);
    helps(*this, chore::forget);
    return true;
}

/// A deadline that is reached decides, whoever else has decided.
template <>
bool detail::park_node<times_out_unasked>::time_out() noexcept {
    state_.store(claimed, std::memory_order_release);
    outcome_ = wake::timed_out;
    help_(*this, chore::forget);
    complete_(*this);
    return true;
}

/// Who is neither waiting nor announced has nothing to cancel.
template <>
bool detail::async_node<cancels_only_waits>::cancel() noexcept {
    return base::cancel();
}

/// The end of a waiter that is posted does not wait for its executor.
template <>
void detail::async_node<leaves_at_once>::leave() noexcept {
    if (this->change(waiting, claimed)) this->help(chore::forget);
}

// ---- the list

/// The next is read from a node that was completed.
template <>
template <>
detail::wait_list<walks_what_it_completed>::session<flag_of<walks_what_it_completed>>::~session() {
    if (list_.first_ == nullptr) flag_.lower();
    list_.mutex_.unlock();
    for (node* one = chain_; one != nullptr; one = one->next_) {
        one->complete_(*one);
        one->claimer_.store(nullptr, std::memory_order_relaxed);
    }
}

/// The flag is lowered when the mutex is free, and another may have raised it.
template <>
template <>
detail::wait_list<lowers_outside>::session<flag_of<lowers_outside>>::~session() {
    const bool empty = list_.first_ == nullptr;
    list_.mutex_.unlock();
    if (empty) flag_.lower();
    while (sleepers_ != nullptr) {
        node& one = *sleepers_;
        sleepers_ = one.next_;
        one.complete_(one);
    }
}

/// A waiter can be claimed from when it was announced, and that is when the mutex is free.
template <>
template <>
detail::enlisted detail::wait_list<waits_when_announced>::enlist(node& waiter, std::uint32_t from,
                                                                 flag_of<waits_when_announced> flag) noexcept {
    mutex_.lock();
    link(waiter);
    const bool must_wait = flag.raise();
    if (!must_wait) {
        unlink(waiter);
        if (first_ == nullptr) flag.lower();
    }
    mutex_.unlock();
    if (!must_wait) return enlisted::look_again;
    return waiter.change(from, node::waiting) ? enlisted::waits : enlisted::ended;
}

// ---- clocks and stop sources

/// An alarm is put in, whatever the time is.
template <>
void plateau::basic_manual_clock<enlists_alarms_blindly>::enlist(detail::clock_alarm& alarm) const noexcept {
    mutex_.lock();
    alarm.next = alarms_;
    alarm.link = &alarms_;
    if (alarms_ != nullptr) alarms_->link = &alarm.next;
    alarms_ = &alarm;
    mutex_.unlock();
}

/// Whose time has come is seen when the clock is read once more.
template <>
void plateau::basic_manual_clock<turns_then_looks>::set(time_point moment) noexcept {
    now_.store(moment.time_since_epoch().count(), std::memory_order_release);
    ring_due(now());
}

/// A callback that is not in the list any more is gone.
template <>
void plateau::basic_inplace_stop_source<withdraws_at_once>::withdraw(node& callback) const noexcept {
    mutex_.lock();
    if (callback.link != nullptr) {
        *callback.link = callback.next;
        if (callback.next != nullptr) callback.next->link = callback.link;
    }
    mutex_.unlock();
}

// ---- the two-word shape

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A waiter looks, and then says that it waits.
template <>
template <class Ready>
struct event_count<looks_then_announces>::flag_for : own_flag {
    const Ready* ready;
    bool raise() const noexcept {
        const bool nothing = !(*ready)();
        this->count->waiters_.store(1, std::memory_order_seq_cst);
        return nothing;
    }
};

/// Sure of what a read-modify-write, acquired and released, does to the next load.
template <>
template <class Ready>
struct event_count<announces_by_exchange>::flag_for : own_flag {
    const Ready* ready;
    bool raise() const noexcept {
        this->count->waiters_.exchange(1, std::memory_order_acq_rel);
        return !(*ready)();
    }
};

/// Sure to see what the other side has released.
template <>
template <class Ready>
struct event_count<announces_by_release>::flag_for : own_flag {
    const Ready* ready;
    bool raise() const noexcept {
        this->count->waiters_.store(1, std::memory_order_release);
        return !(*ready)();
    }
};

template <>
void event_count<announces_by_exchange>::notify(std::size_t most) noexcept {
    if (waiters_.load(std::memory_order_acquire) != 0) nudge(most);
}
template <>
void event_count<announces_by_release>::notify(std::size_t most) noexcept {
    if (waiters_.load(std::memory_order_acquire) != 0) nudge(most);
}

}
PLATEAU_NAMESPACE_END

namespace {

constexpr auto by_number = "floor: two threads with three operations each, and three with two";
constexpr auto thread_wait = "floor: a thread's wait meets grant, cancel and deadline, in pairs and all at once";
constexpr auto callback_wait =
    "floor: a callback's wait meets grant, cancel, deadline and its end, in pairs and triples";
constexpr auto armed_again = "floor: a callback that arms its waiter again may meet cancel and the waiter's end";
constexpr auto posted_wait = "floor: a callback's wait on a loop meets grant, cancel, deadline and its end";
constexpr auto nudged_wait = "floor: a nudge meets cancel and the end of the waiter, and a thread that waits behind it";
constexpr auto in_vain = "floor: a cancel ends a wait that a nudge for nothing would begin again";
constexpr auto turned_back = "floor: an alarm that a hand clock has reached rings, though the clock is turned back";
constexpr auto nobody_can_go_on = "no runnable thread while work exists";

template <class Sync, unsigned Meets>
constexpr auto wait_meets = &explored<thread_meets<room_parts<Sync>, Meets>>;

}  // namespace

TEST_CASE("defects of announcing and publishing are noticed", "[floor][seeded]") {
    expect_killed({"F7", "a waiter announces itself, and does not look again", by_number, nobody_can_go_on,
                   explored<tokens_two_by_three<sleeps_unseen>>});
    expect_killed({"F7", "a waiter looks, and then announces itself", by_number, nobody_can_go_on,
                   explored<event_count_two_by_three<looks_then_announces>>});
    expect_killed({"F7", "two words are modified in acq_rel, and then loaded with acquire", by_number, nobody_can_go_on,
                   explored<event_count_two_by_three<announces_by_exchange>>});
    expect_killed({"F7", "two words are stored with release, and then loaded with acquire", by_number, nobody_can_go_on,
                   explored<event_count_two_by_three<announces_by_release>>});
    expect_killed({"F7", "the flag is lowered outside the mutex", by_number, nobody_can_go_on,
                   explored<tokens_three_by_two<room_parts<lowers_outside>>>});
    expect_killed({"F7", "a waiter is announced before it can be claimed", by_number, nobody_can_go_on,
                   explored<tokens_two_by_three<room_parts<waits_when_announced>>>});
    expect_killed({"F5", "a value is published with relaxed order",
                   "floor: the value of a mailbox is never written and read at a time", "data race",
                   explored<mailbox_two_by_three<publishes_relaxed>>});
}

TEST_CASE("defects of grants and nudges that nobody is left to use are noticed", "[floor][seeded]") {
    expect_killed({"F8", "a grant that loses to a cancel is dropped", thread_wait, "no token is lost",
                   explored<thread_meets<drops_lost_grants, grant | cancel>>});
    expect_killed({"F8", "a nudge whose waiter ended is dropped", nudged_wait, "",
                   explored<nudge_meets<drops_with_the_owner, destroy, true>>});
    expect_killed({"F8", "a grant whose waiter ended is dropped", posted_wait, "no token is lost",
                   explored<callback_meets<drops_with_the_owner, grant | destroy, true>>});
}

TEST_CASE("defects of who decides a wait are noticed", "[floor][seeded]") {
    expect_killed(
        {"F6", "a claim is a look and then a store", thread_wait, "", wait_meets<claims_in_two_steps, grant | cancel>});
    expect_killed(
        {"F6", "a deadline decides beside a grant", thread_wait, "", wait_meets<times_out_unasked, grant | deadline>});
    expect_killed({"F7", "an alarm is enlisted without a look at the clock", thread_wait, nobody_can_go_on,
                   wait_meets<enlists_alarms_blindly, deadline>});
    expect_killed({"F12", "alarms are looked through at the time it is by then", turned_back, "has rung, once",
                   explored<a_clock_is_turned_back<turns_then_looks>>});
    expect_killed({"F6", "a cancel between two looks of a nudged waiter is lost", in_vain, "a cancelled wait ends",
                   explored<a_nudge_for_nothing_meets_cancel<room_parts<cancels_only_waits>, false>>});
}

TEST_CASE("defects of who touches a waiter last are noticed", "[floor][seeded]") {
    expect_killed(
        {"F10", "a cancelled waiter is told before it is unlinked", armed_again, "",
         explored<a_callback_that_arms_again_meets_its_end<room_parts<completes_then_unlinks>, false, false>>});
    expect_killed({"F10", "the next waiter is read from one that was told", callback_wait, "was destroyed by",
                   explored<callback_meets<room_parts<walks_what_it_completed>, grant | destroy, false>>});
    expect_killed({"F10", "a parker counts a wake when its owner may be gone", thread_wait, "",
                   wait_meets<with_counting_parker, grant>});
    expect_killed({"F7", "a signal that comes before the sleep is lost", thread_wait, nobody_can_go_on,
                   wait_meets<with_forgetful_parker, grant>});
    expect_killed({"F10", "a stop callback is withdrawn while it runs", thread_wait, "",
                   wait_meets<withdraws_at_once, grant | cancel>});
    expect_killed({"F10", "the end of a posted waiter does not wait for its executor", posted_wait, "",
                   explored<callback_meets<room_parts<leaves_at_once>, grant | destroy, true>>});
}
