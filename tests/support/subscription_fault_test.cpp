// SPDX-License-Identifier: MIT
// Every fallible step of an event fails once, and from then on: who did not come to listen is not there, and who
// listened still does.
#include "support/subscription_checks.hpp"
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/support/subscription.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

/// A listener whose moves, copies and calls fail.
struct fallible_listener {
    tracked_value<true> value;
    void operator()(int) const { fault_here(fault::callback); }
};

struct listened {
    std::unique_ptr<value_tally> tally = std::make_unique<value_tally>();
    std::unique_ptr<event_of<quiet_events, int>> happens =
        std::make_unique<event_of<quiet_events, int>>(plateau::event_options{.max_listeners = 9});
    std::unique_ptr<listening_scope> scope = std::make_unique<listening_scope>();
    std::vector<plateau::subscription> listening;

    listened() {
        listening.reserve(16);
        for (int i = 0; i < 3; ++i) listening.push_back(happens->subscribe(fallible_listener{{*tally, i}}));
    }
};

}  // namespace

TEST_CASE("an event that gets no memory, or whose listener cannot be moved, is the event that it was",
          "[support][alloc]") {
    fault_table table("support");
    const auto make = [] { return listened{}; };
    const auto check_listeners = [](const listened& l, std::size_t listeners) {
        l.happens->check_invariants();
        CHECK(l.happens->stats().listeners == listeners);
        CHECK(l.tally->live == static_cast<std::int64_t>(listeners));
        CHECK(l.tally->corrupt == 0);
    };
    const auto whole_or_not_at_all = [&](const listened& l, const sweep_step& step) {
        check_listeners(l, step.threw ? 3 : 4);
    };
    const auto unchanged = [&](const listened& l, const sweep_step&) { check_listeners(l, 3); };

    sweep(
        table, "construction", [] { return 0; }, [](int&) { const plateau::event<int> made; },
        [](int, const sweep_step&) {});
    sweep(
        table, "construction with wrong options", [] { return 0; },
        [](int&) {
            try {
                const plateau::event<int> made({.max_listeners = 0});
            } catch (const std::invalid_argument&) {}
        },
        [](int, const sweep_step&) {});
    sweep(
        table, "subscribe", make,
        [](listened& l) {
            l.listening.push_back(l.happens->subscribe(fallible_listener{{*l.tally, 7}}));
        },
        whole_or_not_at_all);
    sweep(
        table, "subscribe by copy", make,
        [](listened& l) {
            const fallible_listener kept{{*l.tally, 7}};
            l.listening.push_back(l.happens->subscribe(kept));
        },
        whole_or_not_at_all);
    sweep(
        table, "subscribe for a scope", make,
        [](listened& l) {
            if (l.happens->subscribe(*l.scope, fallible_listener{{*l.tally, 7}}) != plateau::subscribe_reason::none)
                throw std::logic_error("there is room");
        },
        whole_or_not_at_all);
    sweep(
        table, "subscribe up to the bound and beyond", make,
        [](listened& l) {
            for (int i = 0; i < 10; ++i)
                l.listening.push_back(l.happens->subscribe([value = std::make_unique<int>(i)](int) {}));
        },
        [](const listened& l, const sweep_step&) {
            l.happens->check_invariants();
            CHECK(l.happens->stats().listeners <= 9);
            CHECK(l.tally->live == 3);
        });
    sweep(
        table, "emit", make, [](listened& l) { l.happens->emit(1); }, unchanged);
    sweep(
        table, "subscribe inside an emission", make,
        [](listened& l) {
            std::optional<plateau::subscription> inner;
            auto outer = l.happens->subscribe([&](int) {
                if (!inner) inner.emplace(l.happens->subscribe(fallible_listener{{*l.tally, 7}}));
            });
            l.happens->emit(1);
        },
        unchanged);
    sweep_safe(
        table, "ends and figures", "slots are kept, and figures are numbers", make,
        [](listened& l) {
            static_cast<void>(l.happens->stats());
            static_cast<void>(l.happens->memory_ceiling());
            auto moved = std::move(l.listening[0]);
            l.listening[1] = std::move(moved);
            l.listening[2].reset();
            l.scope->end();
            l.happens->check_invariants();
        },
        [&](const listened& l, const sweep_step&) { check_listeners(l, 1); });
    sweep_safe(
        table, "end of the event", "it only gives back", make, [](listened& l) { l.happens.reset(); },
        [](const listened& l, const sweep_step&) { CHECK(l.tally->live == 0); });
    CHECK(table.contradictions({"construction", "subscribe", "subscribe by copy", "subscribe for a scope", "emit"}) ==
          std::vector<std::string>{});
    table.tell();
}
