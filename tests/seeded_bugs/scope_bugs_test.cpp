// SPDX-License-Identifier: MIT
// Defects of events and of a request's end: listeners that stay, run late or run too often, ends that come too early,
// twice, or never.
#include "arena/scope_checks.hpp"
#include "arena/scope_scenarios.hpp"
#include "seeded_bugs/explored_bug.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "support/subscription_checks.hpp"
#include "support/subscription_scenarios.hpp"
#include "tools/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

struct leaves_at_once : explored_events {};
struct keeps_its_place : plateau::event_policies {};
struct has_no_bound : plateau::event_policies {};
struct ends_the_object_early : plateau::event_policies {};
struct calls_newcomers : plateau::event_policies {};
struct stops_at_a_throw : plateau::event_policies {};
struct warns_always : quiet_events {};

/// A scope's policies with a sync of their own, which the state is made of.
struct runs_callbacks_at_the_end : plateau::scope_policies {
    struct sync : plateau::default_sync {};
};
struct detaches_with_the_last_token : plateau::scope_policies {
    struct sync : plateau::default_sync {};
};
struct parks_in_secret : plateau::scope_policies {
    struct sync : plateau::default_sync {};
};
struct ends_under_its_tokens : plateau::scope_policies {
    struct sync : plateau::default_sync {};
};
struct ends_without_stopping : plateau::scope_policies {
    struct sync : plateau::default_sync {};
};
struct looks_then_leaves : explored_scopes {
    struct sync : explored_sync {};
};
struct leaves_unordered : explored_scopes {
    struct sync : explored_sync {};
};

}  // namespace

/// Whoever ends a listener does not wait for those who are inside of it.
template <>
void detail::event_core<leaves_at_once>::await_others(slot&) noexcept {}

/// An emission goes to the listener that was next, whoever has ended it.
template <>
void detail::event_core<keeps_its_place>::unlink(slot& listener) noexcept {
    if (!std::exchange(listener.linked, false)) return;
    (listener.before != nullptr ? listener.before->after : first_) = listener.after;
    (listener.after != nullptr ? listener.after->before : last_) = listener.before;
    listeners_.store(listeners_.load() - 1);
}

/// The bound is what happens to be there.
template <>
detail::event_core<has_no_bound>::slot* detail::event_core<has_no_bound>::take() {
    if (free_ == nullptr) add(*new page);
    slot* const found = std::exchange(free_, free_->before);
    ++in_use_;
    found->held = true;
    return found;
}

/// A listener's object ends with its subscription, though it is being called.
template <>
void detail::event_core<ends_the_object_early>::retire(slot& listener) noexcept {
    if (listener.linked) return;
    if (auto* const finish = std::exchange(listener.finish, nullptr)) finish(listener.object);
    if (!listener.held && listener.calls == 0) give_back(listener);
}

/// An emission goes on to those who came meanwhile.
template <>
detail::event_core<calls_newcomers>::slot* detail::event_core<calls_newcomers>::visit::next() noexcept {
    slot* const found = frame_.next;
    if (frame_.current != nullptr || found == nullptr) return nullptr;
    frame_.current = found;
    ++found->calls;
    core_.mutex_.unlock();
    return found;
}
template <>
void detail::event_core<calls_newcomers>::visit::called(bool) noexcept {
    core_.mutex_.lock();
    slot& listener = *frame_.current;
    frame_.next = listener.after;  // asked after the call
    core_.end_call(frame_);
    core_.retire(listener);
}

/// The first exception leaves at once.
template <>
void plateau::basic_event<stops_at_a_throw, int>::emit(const int& value) {
    core_type::visit all(*core_);
    while (slot* const listener = all.next()) {
        struct called {
            core_type::visit& visit;
            ~called() { visit.called(false); }
        } after{all};
        reinterpret_cast<call_type>(listener->call)(listener->object, value);
    }
}

/// The warning is for each listener beyond the usual.
template <>
void detail::event_core<warns_always>::link(slot& listener) noexcept {
    listener.run = &release;
    listener.number = next_number_++;
    listener.linked = true;
    listener.after = nullptr;
    listener.before = last_;
    (last_ != nullptr ? last_->after : first_) = &listener;
    last_ = &listener;
    listeners_.store(listeners_.load() + 1);
    if (listeners_.load() > warns_always::warn_above) warns_always::warn("");
}

/// A request to stop calls every callback, and the end of a request is one.
template <>
bool detail::scope_state<runs_callbacks_at_the_end::sync>::cancelled() const noexcept {
    return true;
}

/// What is detached, is detached with the memory.
template <>
void detail::scope_state<detaches_with_the_last_token::sync>::end() noexcept {
    leave_open(phase::ended);
    stop_.request_stop();
    if (holders_.load() == 1) {
        ends_.end();
        return finish();
    }
    source_.park(*this);
    release();
}

/// The pool does not know what outlives its request.
template <>
void detail::scope_state<parks_in_secret::sync>::end() noexcept {
    leave_open(phase::ended);
    stop_.request_stop();
    ends_.end();
    if (holders_.fetch_sub(1) == 1) finish();
}

/// Destructors and deferred calls run when the scope object goes, whoever keeps it.
template <>
void detail::scope_state<ends_under_its_tokens::sync>::end() noexcept {
    leave_open(phase::ended);
    stop_.request_stop();
    ends_.end();
    arena_host::run_cleanups(arena_);
    source_.park(*this);
    release();
}

/// Whoever holds the request's stop token waits on.
template <>
void detail::scope_state<ends_without_stopping::sync>::end() noexcept {
    ends_.end();
    source_.park(*this);
    release();
}

/// Whoever sees that it is the last finishes the request, and counts itself out otherwise.
template <>
void detail::scope_state<looks_then_leaves::sync>::release() noexcept {
    if (holders_.load() == 1) finish_parked();
    else holders_.fetch_sub(1);
}

/// A token goes without a word to who finishes the request.
template <>
void detail::scope_state<leaves_unordered::sync>::release() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_relaxed) == 1) finish_parked();
}

TEST_CASE("defects of events are noticed", "[support][seeded]") {
    expect_killed({"F10", "the end of a listener does not wait for who is inside of it",
                   "support: once a subscription has ended its listener is not running, whoever emits", "race",
                   [](shared_check& check) {
                       explore_into(check, "seeded event", what_has_been_ended_does_not_run<leaves_at_once>);
                   }});
    expect_killed({"F9", "an emission calls a listener that was ended before its turn",
                   "support: a listener may end others, before it and after it", "the calls",
                   a_listener_may_end_others<keeps_its_place>});
    expect_killed({"F11", "an event takes as many listeners as come",
                   "support: an event with max_listeners refuses, and the caller keeps the listener",
                   "the fourth of three is refused", a_full_event_refuses<has_no_bound>});
    expect_killed({"F9", "a listener that ends itself is destroyed inside its own call",
                   "support: a listener may end itself, and its object ends with its call",
                   "owners inside the call, after its end", a_listener_may_end_itself<ends_the_object_early>});
    expect_killed({"F9", "an emission calls those who subscribed while it ran",
                   "support: a listener that comes during an emission is called by the next",
                   "the calls of the first emission",
                   who_comes_during_an_emission_waits_for_the_next<calls_newcomers>});
    expect_killed(
        {"F4", "a listener that throws keeps those after it from being called",
         "support: a listener that throws keeps no other from being called, and the first exception comes out",
         "the calls", a_listener_that_throws_keeps_no_other_from_being_called<stops_at_a_throw>});
    expect_killed({"F1", "a crowded event tells of every listener",
                   "support: a listener that every request adds is told of once, and then refused",
                   "warnings for a thousand", a_listener_a_request_is_told_of_and_then_refused<warns_always>});
}

TEST_CASE("defects of a request's end are noticed", "[arena][seeded]") {
    expect_killed({"F1", "callbacks of on_cancel run at the end of a request that nobody cancelled",
                   "arena: callbacks run when a request is cancelled, once, and not at its end",
                   "what ran at the end of a request that nobody cancelled",
                   callbacks_run_when_cancelled_and_not_at_the_end<runs_callbacks_at_the_end>});
    expect_killed({"F11", "listeners stay while a token keeps their request",
                   "arena: a token keeps a request's memory until it goes, and the request is parked",
                   "listeners of a parked request",
                   a_token_keeps_the_memory_until_it_goes<detaches_with_the_last_token>});
    expect_killed({"F11", "a request that outlives its scope is not counted as parked",
                   "arena: a token keeps a request's memory until it goes, and the request is parked", "parked",
                   a_token_keeps_the_memory_until_it_goes<parks_in_secret>});
    expect_killed({"F10", "what a token keeps has been destroyed",
                   "arena: a token keeps a request's memory until it goes, and the request is parked",
                   "what has run at the end of the scope",
                   a_token_keeps_the_memory_until_it_goes<ends_under_its_tokens>});
    expect_killed({"F7", "whoever waits with a request's token is not told of its end",
                   "arena: a request ends in one order: stop, callbacks and listeners, one list of ends, memory",
                   "the end is", the_end_has_one_order<ends_without_stopping>});
    expect_killed({"F6", "the last of the tokens is found by looking, then leaving",
                   "arena: the last token goes while its scope ends", "does not hold", [](shared_check& check) {
                       explore_into(check, "seeded scope",
                                    [](scene& s) { the_last_token_meets_the_end<looks_then_leaves>(s, 2); });
                   }});
    expect_killed({"F5", "a token goes without ordering what it did before the end",
                   "arena: the last token goes while its scope ends", "race", [](shared_check& check) {
                       explore_into(check, "seeded scope",
                                    [](scene& s) { the_last_token_meets_the_end<leaves_unordered>(s, 1); });
                   }});
}
