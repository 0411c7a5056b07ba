// SPDX-License-Identifier: MIT
/// What an event is put through in every interleaving, for several policies.
#pragma once

#include "support/subscription_checks.hpp"
#include "tools/explorer/explore.hpp"

#include <plateau/support/subscription.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace plateau_test {

struct explored_events : plateau::event_policies {
    using sync = explored_sync;
    static constexpr std::size_t page_listeners = 1;
    static constexpr std::size_t max_listener_bytes = 32;
};

/// What a listener works on. Whoever has ended the listener may end this, or use it: a listener that still runs then is
/// a race, or touches what is gone.
struct heard {
    explored_value<int> times{0};
    void note() { times = times + 1; }
};

template <class Policies>
void what_has_been_ended_does_not_run(scene& s) {
    event_of<Policies> happens;
    auto first = std::make_unique<heard>();
    std::optional<plateau::subscription> listening;
    listening.emplace(happens.subscribe([mine = first.get()] { mine->note(); }));
    int calls_after = 0;
    const auto second = happens.subscribe([&] { ++calls_after; });
    s.thread("emits", [&] { happens.emit(); });
    s.thread("ends", [&] {
        listening->reset();
        first->note();
        first.reset();
    });
    s.run();
    s.check(calls_after == 1, "who stays is called");
    s.check(happens.stats().listeners == 1, "who has ended is gone");
    happens.check_invariants();
}

/// Two emissions are inside one listener when it is ended, which they must both have left.
template <class Policies>
void an_end_waits_for_every_emission(scene& s) {
    event_of<Policies> happens;
    struct only_read {
        explored_value<int> number{7};
    };
    auto shared = std::make_unique<only_read>();
    auto listening = happens.subscribe([mine = shared.get()] { explore_check(mine->number == 7, "it is whole"); });
    s.thread("emits", [&] { happens.emit(); });
    s.thread("emits too", [&] { happens.emit(); });
    s.thread("ends", [&] {
        listening.reset();
        shared->number = 8;
        shared.reset();
    });
    s.run();
    s.check(happens.stats().listeners == 0, "it is gone");
    happens.check_invariants();
}

/// A listener ends itself while another emission is inside of it, or about to be.
template <class Policies>
void a_listener_ends_itself_while_another_emission_comes(scene& s) {
    event_of<Policies> happens;
    auto work = std::make_unique<heard>();
    std::optional<plateau::subscription> mine;
    typename Policies::sync::template atomic<int> entered{0};
    mine.emplace(happens.subscribe([&] {
        if (entered.fetch_add(1) != 0) return;
        mine->reset();  // whoever is inside now came in before
        work->note();
    }));
    s.thread("emits", [&] { happens.emit(); });
    s.thread("emits too", [&] { happens.emit(); });
    s.run();
    s.check(work->times == 1, "one of the calls was the first");
    s.check(happens.stats().listeners == 0, "it is gone");
    happens.check_invariants();
}

/// The event, a subscription and a scope end at the same time: one of them frees what they share.
template <class Policies>
void an_event_ends_beside_who_listens(scene& s) {
    auto happens = std::make_unique<event_of<Policies>>();
    auto work = std::make_unique<heard>();
    auto listening = happens->subscribe([owner = std::move(work)] { owner->note(); });
    auto scope = std::make_unique<listening_scope>();
    s.check(happens->subscribe(*scope, [] {}) == plateau::subscribe_reason::none, "the scope listens");
    s.thread("event", [&] { happens.reset(); });
    s.thread("subscription", [&] { listening.reset(); });
    s.thread("scope", [&] { scope.reset(); });
    s.run();
}

/// An event that ends inside its emission, while a subscription ends elsewhere.
template <class Policies>
void an_event_ends_in_its_emission_beside_who_listens(scene& s) {
    auto happens = std::make_unique<event_of<Policies>>();
    auto work = std::make_unique<heard>();
    int later = 0;
    auto ends = happens->subscribe([&] { happens.reset(); });
    auto listening = happens->subscribe([&later, owner = work.get()] {
        ++later;
        owner->note();
    });
    s.thread("emits", [&] { happens->emit(); });
    s.thread("ends one", [&] {
        listening.reset();
        work.reset();
    });
    s.run();
    s.check(later == 0, "after the end nobody is called");
}

/// Threads subscribe where a page, or room, is missing; each emits to itself, and ends.
template <class Policies>
void some_subscribe_at_the_bound(scene& s, std::size_t threads, std::size_t bound) {
    static constexpr const char* names[] = {"a", "b", "c"};
    event_of<Policies, int> happens{{.max_listeners = bound}};
    int taken[3] = {};
    int calls[3] = {};
    for (std::size_t i = 0; i < threads; ++i) {
        s.thread(names[i], [&, i] {
            const int me = static_cast<int>(i);
            const auto one = happens.subscribe([&calls, i, me](int who) { calls[i] += who == me; });
            taken[i] += one ? 1 : 0;
            if (one) happens.emit(me);
        });
    }
    s.run();
    std::size_t all = 0;
    for (std::size_t i = 0; i < threads; ++i) {
        all += static_cast<std::size_t>(taken[i]);
        s.check(calls[i] == taken[i], "an emission reaches who subscribed before it");
    }
    s.check(all >= (bound < threads ? bound : threads), "as many as there is room for are taken");
    happens.check_invariants();
}

/// A listener ends another, and emits, while a second thread is about to be in that one.
template <class Policies>
void a_listener_ends_another_that_runs(scene& s) {
    event_of<Policies, int> happens;
    auto work = std::make_unique<heard>();
    std::optional<plateau::subscription> other;
    const auto first = happens.subscribe([&](int depth) {
        if (depth != 1) return;
        other->reset();
        work->note();
        work.reset();
        happens.emit(3);
    });
    other.emplace(happens.subscribe([mine = work.get()](int) { mine->note(); }));
    s.thread("ends it", [&] { happens.emit(1); });
    s.thread("is in it", [&] { happens.emit(2); });
    s.run();
    s.check(happens.stats().listeners == 1, "it is gone");
    happens.check_invariants();
}

}  // namespace plateau_test
