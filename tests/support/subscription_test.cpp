// SPDX-License-Identifier: MIT
#include "support/subscription_checks.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"

#include <plateau/support/subscription.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace plateau_test;
using plateau::subscribe_reason;

namespace {
struct uncounted_events : plateau::event_policies {
    using stats = plateau::bare;
};
}  // namespace

TEST_CASE("listeners are called in the order in which they subscribed, until they end", "[support][unit]") {
    passes(listeners_are_called_in_their_order<plateau::event_policies>);
}

TEST_CASE("a listener that comes during an emission is called by the next", "[support][unit]") {
    passes(who_comes_during_an_emission_waits_for_the_next<plateau::event_policies>);
}

TEST_CASE("a listener may end itself, and its object ends with its call", "[support][unit]") {
    passes(a_listener_may_end_itself<plateau::event_policies>);
}

TEST_CASE("a listener may end others, before it and after it", "[support][unit]") {
    passes(a_listener_may_end_others<plateau::event_policies>);
}

TEST_CASE("an emission inside an emission calls everybody", "[support][unit]") {
    passes(an_emission_inside_an_emission_calls_everybody<plateau::event_policies>);
}

TEST_CASE("an event may end inside its own emission", "[support][unit]") {
    passes(an_event_may_end_inside_its_emission<plateau::event_policies>);
}

TEST_CASE("an event with max_listeners refuses, and the caller keeps the listener", "[support][unit]") {
    passes(a_full_event_refuses<plateau::event_policies>);
}

TEST_CASE("a listener that every request adds is told of once, and then refused", "[support][unit]") {
    passes(a_listener_a_request_is_told_of_and_then_refused<quiet_events>);
}

TEST_CASE("a subscription and a scope may outlive the event", "[support][unit]") {
    passes(a_subscription_may_outlive_the_event<plateau::event_policies>);
}

TEST_CASE("a scope ends its listeners, and takes none after its end", "[support][unit]") {
    passes(a_scope_ends_its_listeners<plateau::event_policies>);
}

TEST_CASE("a listener that throws keeps no other from being called, and the first exception comes out",
          "[support][unit]") {
    passes(a_listener_that_throws_keeps_no_other_from_being_called<plateau::event_policies>);
}

TEST_CASE("the warning is one line on standard error", "[support][unit]") {
    const death end = dies([] {
        plateau::event<> happens;
        std::vector<plateau::subscription> listening;
        for (int i = 0; i < 64; ++i) listening.push_back(happens.subscribe([] {}));
    });
    CHECK(end.survived());
    CHECK(end.message == "plateau: an event has more listeners than usual: does somebody not end them?\n");
}

TEST_CASE("a subscription moves its listener on, and ends the one it had", "[support][unit]") {
    plateau::event<> happens;
    std::string calls;
    auto a = happens.subscribe([&] { calls += 'a'; });
    auto b = happens.subscribe([&] { calls += 'b'; });
    auto c = std::move(a);
    CHECK_FALSE(a);
    CHECK(a.reason() == subscribe_reason::ended);
    CHECK(c.reason() == subscribe_reason::none);
    b = std::move(c);
    happens.emit();
    CHECK(calls == "a");
    auto& self = b;
    b = std::move(self);
    happens.emit();
    CHECK(calls == "aa");
    b = plateau::subscription(subscribe_reason::full);
    CHECK(b.reason() == subscribe_reason::full);
    b.reset();
    b.reset();
    happens.emit();
    CHECK(calls == "aa");
    CHECK(happens.stats().listeners == 0);
}

TEST_CASE("every listener gets the arguments, and none can take them away", "[support][unit]") {
    plateau::event<std::string, int&, const std::unique_ptr<int>&> happens;
    std::vector<std::string> texts;
    const auto greedy = happens.subscribe([&](std::string text, int& sum, auto&) {
        texts.push_back(std::move(text));
        ++sum;
    });
    const auto modest = happens.subscribe([&](const std::string& text, int& sum, const auto& owner) {
        texts.push_back(text);
        sum += *owner;
    });
    int sum = 0;
    happens.emit("a text longer than the small ones", sum, std::make_unique<int>(10));
    CHECK(texts == std::vector<std::string>(2, "a text longer than the small ones"));
    CHECK(sum == 11);
}

TEST_CASE("a listener that owns its own subscription ends with the event", "[support][unit]") {
    const new_scope witness;
    {
        plateau::event<> happens;
        auto mine = std::make_shared<std::optional<plateau::subscription>>();
        mine->emplace(happens.subscribe([mine] {}));
        happens.emit();
    }
    const new_counts left = witness.delta();
    CHECK(left.live_bytes == 0);
}

TEST_CASE("the end of a listener's object may use the event, and end others", "[support][unit]") {
    struct uses_the_event {
        std::unique_ptr<plateau::event<>>* happens;
        std::optional<plateau::subscription>* other;
        std::string* calls;
        bool* ends_it;
        bool moved = false;
        uses_the_event(std::unique_ptr<plateau::event<>>* e, std::optional<plateau::subscription>* o, std::string* c,
                       bool* ends) noexcept
            : happens(e), other(o), calls(c), ends_it(ends) {}
        uses_the_event(uses_the_event&& from) noexcept
            : happens(from.happens), other(from.other), calls(from.calls), ends_it(from.ends_it) {
            from.moved = true;
        }
        ~uses_the_event() {
            if (moved) return;
            *calls += '~';
            (*happens)->emit();
            other->reset();
            (*happens)->emit();
            if (*ends_it) happens->reset();
        }
        void operator()() const { *calls += 'x'; }
    };
    for (bool ends_it : {false, true}) {
        auto happens = std::make_unique<plateau::event<>>();
        std::string calls;
        std::optional<plateau::subscription> other;
        auto one = happens->subscribe(uses_the_event(&happens, &other, &calls, &ends_it));
        other.emplace(happens->subscribe([&] { calls += 'o'; }));
        happens->emit();
        one.reset();
        CHECK(calls == "xo~o");
        if (!ends_it) happens->check_invariants();
        CHECK((happens == nullptr) == ends_it);
    }
}

TEST_CASE("a listener that has ended inside its call keeps its slot until that returns", "[support][unit]") {
    plateau::event<> happens{{.max_listeners = 1}};
    std::optional<plateau::subscription> mine;
    subscribe_reason inside = subscribe_reason::none;
    mine.emplace(happens.subscribe([&] {
        mine.reset();
        inside = happens.subscribe([] {}).reason();
    }));
    happens.emit();
    CHECK(inside == subscribe_reason::full);
    CHECK(happens.subscribe([] {}));
    happens.check_invariants();
}

TEST_CASE("an event holds what its ceiling says, and allocates nothing once its slots are there", "[support][unit]") {
    const new_scope whole;
    {
        event_of<quiet_events, int> happens{{.max_listeners = 100}};
        std::vector<plateau::subscription> listening;
        listening.reserve(200);
        const new_scope witness;
        for (int i = 0; i < 200; ++i) listening.push_back(happens.subscribe([](int) {}));
        const new_counts held = whole.delta();
        CHECK(static_cast<std::size_t>(held.live_bytes) - 200 * sizeof(plateau::subscription) + sizeof happens <=
              happens.memory_ceiling());
        CHECK(witness.delta().live_blocks == 13);
        listening.clear();
        const new_scope steady;
        std::uint64_t calls = 0;
        for (int round = 0; round < 1'000; ++round) {
            listening.push_back(happens.subscribe([&](int n) { calls += static_cast<std::uint64_t>(n); }));
            happens.emit(1);
            if (listening.size() == 100) listening.clear();
        }
        const new_counts used = steady.delta();
        CHECK(used.calls == 0);
        CHECK(calls == 50'500);
        happens.check_invariants();
    }
    const new_counts left = whole.delta();
    CHECK(left.live_bytes == 0);
}

TEST_CASE("an event without listeners costs what it is until somebody listens", "[support][unit]") {
    const new_scope witness;
    plateau::event<> happens;
    const new_counts made = witness.delta();
    CHECK(made.live_blocks == 1);
    CHECK(static_cast<std::size_t>(made.live_bytes) < 512);
    CHECK(sizeof happens == sizeof(void*));
    happens.emit();
    const new_counts emitted = witness.delta();
    CHECK(emitted.calls == 1);
}

TEST_CASE("options that make no sense are refused", "[support][unit]") {
    CHECK_THROWS_AS(plateau::event<>({.max_listeners = 0}), std::invalid_argument);
    CHECK_THROWS_AS(plateau::event<>({.max_listeners = 1'048'577}), std::invalid_argument);
    CHECK_NOTHROW(plateau::event<>({.max_listeners = 1'048'576}));
}

TEST_CASE("an event's figures and reasons have names", "[support][unit]") {
    plateau::event<> happens;
    const auto listening = happens.subscribe([] {});
    happens.emit();
    std::string names;
    std::uint64_t sum = 0;
    happens.stats().visit_fields([&](const plateau::field_info& field, std::uint64_t value) {
        names.append(field.name).append(" ");
        sum += value;
    });
    CHECK(names == "listeners peak_listeners subscribed refused calls failed_calls ");
    CHECK(sum == 4);
    CHECK(to_string(subscribe_reason::none) == "none");
    CHECK(to_string(subscribe_reason::full) == "full");
    CHECK(to_string(subscribe_reason::ended) == "ended");
}

TEST_CASE("with bare counting the gauges stay", "[support][unit]") {
    plateau::basic_event<uncounted_events> happens{{.max_listeners = 1}};
    const auto one = happens.subscribe([] {});
    const auto two = happens.subscribe([] {});
    happens.emit();
    const auto stats = happens.stats();
    CHECK(stats.listeners == 1);
    CHECK(stats.peak_listeners == 1);
    CHECK(stats.subscribed + stats.refused + stats.calls == 0);
}

TEST_CASE("an event that ends while another thread emits it ends the process with a sentence", "[support][unit]") {
    const death end = dies([] {
        auto happens = std::make_unique<plateau::event<>>();
        std::atomic<bool> inside{false};
        const auto listening = happens->subscribe([&] {
            inside = true;
            for (;;) std::this_thread::yield();
        });
        std::thread([&] { happens->emit(); }).detach();
        while (!inside) std::this_thread::yield();
        happens.reset();
    });
    CHECK(end.says("an event ended while another thread was emitting it"));
}

TEST_CASE("two threads that end each other's listener inside their own end the process with a sentence",
          "[support][unit]") {
    const death end = dies([] {
        plateau::event<int> happens;
        std::optional<plateau::subscription> listening[2];
        std::atomic<int> inside{0};
        for (int i = 0; i < 2; ++i) {
            listening[i].emplace(happens.subscribe([&, i](int who) {
                if (i != who) return;
                ++inside;
                while (inside < 2) std::this_thread::yield();
                listening[1 - i].reset();
            }));
        }
        std::thread other([&] { happens.emit(1); });
        happens.emit(0);
        other.join();
    });
    CHECK(end.says("two threads inside listeners end each other's listener"));
}
