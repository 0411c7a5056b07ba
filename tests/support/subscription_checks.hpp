// SPDX-License-Identifier: MIT
/// What the tests of events check, as functions over their policies: with the shipped ones, and with defects.
#pragma once

#include "seeded_bugs/shared_check.hpp"

#include <plateau/support/subscription.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace plateau_test {

/// Events that tell nobody of their listeners on standard error, but count it.
struct quiet_events : plateau::event_policies {
    static inline int warnings = 0;
    static void warn(const char*) noexcept { ++warnings; }
};

template <class Policies, class... Args>
using event_of = plateau::basic_event<Policies, Args...>;

/// Something with an end that listeners are bound to.
class listening_scope {
public:
    ~listening_scope() { ends_.end(); }
    void end() noexcept { ends_.end(); }

private:
    friend plateau::detail::end_list& ends_of(listening_scope& scope) noexcept { return scope.ends_; }
    plateau::detail::end_list ends_;
};

template <class Policies>
void listeners_are_called_in_their_order(shared_check& check) {
    event_of<Policies, int> happens;
    std::string calls;
    auto first = happens.subscribe([&](int n) { calls += 'a' + std::to_string(n); });
    auto second = happens.subscribe([&](int n) { calls += 'b' + std::to_string(n); });
    auto third = happens.subscribe([&](int n) { calls += 'c' + std::to_string(n); });
    happens.emit(1);
    second.reset();
    happens.emit(2);
    second = happens.subscribe([&](int n) { calls += 'd' + std::to_string(n); });
    happens.emit(3);
    check.equal(calls, "a1b1c1a2c2a3c3d3", "the calls");
    happens.check_invariants();
}

template <class Policies>
void who_comes_during_an_emission_waits_for_the_next(shared_check& check) {
    event_of<Policies> happens;
    std::string calls;
    std::optional<plateau::subscription> late;
    const auto listening = happens.subscribe([&] {
        calls += 'a';
        if (!late) late.emplace(happens.subscribe([&] { calls += 'b'; }));
    });
    happens.emit();
    check.equal(calls, "a", "the calls of the first emission");
    happens.emit();
    check.equal(calls, "aab", "the calls of both");
    happens.check_invariants();
}

/// A listener that ends itself: its object is whole until its call returns, and gone then.
template <class Policies>
void a_listener_may_end_itself(shared_check& check) {
    event_of<Policies> happens;
    const auto alive = std::make_shared<int>(0);
    std::optional<plateau::subscription> mine;
    int calls = 0;
    long seen = 0;
    mine.emplace(happens.subscribe([&, kept = alive] {
        ++calls;
        mine.reset();
        seen = kept.use_count();
    }));
    happens.emit();
    check.equal(seen, 2L, "owners inside the call, after its end");
    check.equal(alive.use_count(), 1L, "owners after the call");
    happens.emit();
    check.equal(calls, 1, "calls");
    check.equal(happens.stats().listeners, 0U, "listeners left");
    happens.check_invariants();
}

/// Whoever ends others while it is called: those before, the next, those after.
template <class Policies>
void a_listener_may_end_others(shared_check& check) {
    for (std::size_t ended = 0; ended < 5; ++ended) {
        for (std::size_t by = 0; by < 5; ++by) {
            event_of<Policies> happens;
            std::string calls;
            std::optional<plateau::subscription> all[5];
            for (std::size_t i = 0; i < 5; ++i) {
                all[i].emplace(happens.subscribe([&, i] {
                    calls += std::to_string(i);
                    if (i == by) all[ended].reset();
                }));
            }
            happens.emit();
            std::string wanted = "01234";
            if (ended > by) wanted.erase(ended, 1);
            check.equal(calls, wanted, std::to_string(by) + " ends " + std::to_string(ended) + ": the calls");
            happens.check_invariants();
        }
    }
}

template <class Policies>
void an_emission_inside_an_emission_calls_everybody(shared_check& check) {
    event_of<Policies, int> happens;
    std::string calls;
    const auto first = happens.subscribe([&](int depth) {
        calls += '(' + std::to_string(depth);
        if (depth < 3) happens.emit(depth + 1);
        calls += ')';
    });
    const auto second = happens.subscribe([&](int depth) { calls += 'x' + std::to_string(depth); });
    happens.emit(1);
    check.equal(calls, "(1(2(3)x3)x2)x1", "the calls");
    happens.check_invariants();
}

/// The event ends inside its own emissions: nobody is called any more, and what subscriptions refer to stays.
template <class Policies>
void an_event_may_end_inside_its_emission(shared_check& check) {
    auto happens = std::make_unique<event_of<Policies, int>>();
    const auto alive = std::make_shared<int>(0);
    std::string calls;
    auto first = happens->subscribe([&, alive](int depth) {
        calls += std::to_string(depth);
        if (depth < 3) happens->emit(depth + 1);
        else happens.reset();
    });
    auto second = happens->subscribe([&, alive](int) { calls += 'x'; });
    happens->emit(1);
    check.equal(calls, "123", "the calls");
    check.equal(alive.use_count(), 1L, "owners once the emission is over");
    first.reset();
    second.reset();
}

/// A callable that moves, and can tell whether it was.
struct whole_callable {
    std::unique_ptr<int> kept = std::make_unique<int>(7);
    void operator()() const noexcept {}
};

template <class Policies>
void a_full_event_refuses(shared_check& check) {
    event_of<Policies> happens{{.max_listeners = 3}};
    auto one = happens.subscribe([] {});
    auto two = happens.subscribe([] {});
    auto three = happens.subscribe([] {});
    whole_callable callable;
    listening_scope scope;
    for (int i = 0; i < 3; ++i) {
        const auto four = happens.subscribe(std::move(callable));
        check.expect(!four && four.reason() == plateau::subscribe_reason::full, "the fourth of three is refused");
        check.expect(happens.subscribe(scope, std::move(callable)) == plateau::subscribe_reason::full,
                     "a scope is no way around the bound");
    }
    check.expect(callable.kept != nullptr, "a refused call leaves the caller's listener as it was");
    check.equal(happens.stats().refused, 6U, "refusals");
    two.reset();
    auto four = happens.subscribe(std::move(callable));
    check.expect(four && callable.kept == nullptr, "who has ended makes room");
    check.equal(happens.stats().peak_listeners, 3U, "the most listeners");
    happens.check_invariants();
}

/// The leak that an event is about: each request adds a listener, and none is ended.
template <class Policies>
void a_listener_a_request_is_told_of_and_then_refused(shared_check& check) {
    event_of<Policies> happens;
    std::vector<plateau::subscription> forgotten;
    const int before = Policies::warnings;
    for (int request = 0; request < 10; ++request) forgotten.push_back(happens.subscribe([] {}));
    check.equal(Policies::warnings, before, "warnings for ten listeners");
    for (int request = 10; request < 1'000; ++request) forgotten.push_back(happens.subscribe([] {}));
    check.equal(Policies::warnings, before + 1, "warnings for a thousand");
    check.equal(happens.stats().listeners, 64U, "listeners");
    forgotten.clear();
    for (int request = 0; request < 20; ++request) forgotten.push_back(happens.subscribe([] {}));
    check.equal(Policies::warnings, before + 1, "warnings when it happens again");
    happens.check_invariants();
}

template <class Policies>
void a_subscription_may_outlive_the_event(shared_check& check) {
    auto happens = std::make_unique<event_of<Policies>>();
    const auto alive = std::make_shared<int>(0);
    plateau::subscription outlives = happens->subscribe([alive] {});
    listening_scope scope;
    check.expect(happens->subscribe(scope, [alive] {}) == plateau::subscribe_reason::none, "the scope listens");
    happens.reset();
    check.equal(alive.use_count(), 1L, "owners after the event");
    outlives.reset();
    check.expect(!outlives && outlives.reason() == plateau::subscribe_reason::ended, "it has ended");
}

template <class Policies>
void a_scope_ends_its_listeners(shared_check& check) {
    event_of<Policies> happens;
    std::string calls;
    {
        listening_scope scope;
        check.expect(happens.subscribe(scope, [&] { calls += 'a'; }) == plateau::subscribe_reason::none, "taken");
        check.expect(happens.subscribe(scope, [&] { calls += 'b'; }) == plateau::subscribe_reason::none, "taken");
        happens.emit();
        scope.end();
        whole_callable callable;
        check.expect(happens.subscribe(scope, std::move(callable)) == plateau::subscribe_reason::ended, "it has ended");
        check.expect(callable.kept != nullptr, "a refused call leaves the caller's listener as it was");
        happens.emit();
    }
    check.equal(calls, "ab", "the calls");
    check.equal(happens.stats().listeners, 0U, "listeners left");
    happens.check_invariants();
}

/// Every listener is called, and the first exception is the one that comes out.
template <class Policies>
void a_listener_that_throws_keeps_no_other_from_being_called(shared_check& check) {
    event_of<Policies, int> happens;
    std::string calls;
    const auto first = happens.subscribe([&](int) { calls += 'a'; });
    const auto second = happens.subscribe([&](int n) {
        calls += 'b';
        if (n > 0) throw std::runtime_error("second");
    });
    std::optional<plateau::subscription> third;
    third.emplace(happens.subscribe([&](int n) {
        calls += 'c';
        if (n > 1) third.reset();
        if (n > 0) throw std::runtime_error("third");
    }));
    const auto fourth = happens.subscribe([&](int) { calls += 'd'; });
    const auto thrown_by = [&](int n) -> std::string {
        try {
            happens.emit(n);
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "nothing";
    };
    check.equal(thrown_by(0), "nothing", "what the first emission throws");
    check.equal(thrown_by(1), "second", "what the second throws");
    check.equal(thrown_by(2), "second", "what the third throws");
    check.equal(thrown_by(3), "second", "what the fourth throws");
    check.equal(calls, "abcdabcdabcdabd", "the calls");
    check.equal(happens.stats().failed_calls, 5U, "failed calls");
    happens.check_invariants();
}

}  // namespace plateau_test
