// SPDX-License-Identifier: MIT
// The floor allocates nothing and calls its users at few places: each of those fails once, and from then on.
#include "floor/park_rooms.hpp"
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/charge.hpp>
#include <plateau/clock.hpp>
#include <plateau/executor.hpp>
#include <plateau/hash.hpp>
#include <plateau/owned_bytes.hpp>
#include <plateau/result.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;

namespace {

enum class refusal : unsigned char { none, full };
using outcome = plateau::result<throwing_value, refusal>;

/// What neither allocates nor calls anybody who could fail.
template <class Operation>
void sweep_safe(fault_table& table, std::string_view name, std::string_view why, Operation operation) {
    plateau_test::sweep_safe(
        table, name, why, [] { return 0; }, [&](int&) { operation(); },
        [](int, const sweep_step& step) { CHECK_FALSE(step.threw); });
}

struct values {
    std::unique_ptr<value_tally> lives = std::make_unique<value_tally>();
    std::unique_ptr<throwing_value> value = std::make_unique<throwing_value>(*lives, 7);
    std::unique_ptr<outcome> held = std::make_unique<outcome>(throwing_value(*lives, 8));
    std::unique_ptr<outcome> refused = std::make_unique<outcome>(refusal::full);

    /// Two values live, and are what they were.
    void check_unchanged() const {
        CHECK(lives->corrupt == 0);
        CHECK(lives->live == 2);
        CHECK(value->number() == 7);
        REQUIRE(static_cast<bool>(*held));
        CHECK((**held).number() == 8);
        CHECK(refused->reason() == refusal::full);
    }
};

}  // namespace

TEST_CASE("a result whose value cannot be copied or moved leaves both as they were", "[floor][alloc]") {
    fault_table table("floor");
    const auto make = [] { return values{}; };
    const auto unchanged = [](const values& v, const sweep_step&) { v.check_unchanged(); };
    const auto moved_or_unchanged = [](const values& v, const sweep_step& step) {
        if (step.threw) v.check_unchanged();
        CHECK(v.lives->live == 2);
        CHECK(v.lives->corrupt == 0);
    };
    sweep(
        table, "result of a copied value", make, [](values& v) { const outcome made(*v.value); }, unchanged);
    sweep(
        table, "result of a moved value", make, [](values& v) { const outcome made(std::move(*v.value)); },
        moved_or_unchanged);
    sweep(
        table, "copy of a result", make,
        [](values& v) {
            const outcome copy(*v.held);
            const outcome refused(*v.refused);
        },
        unchanged);
    sweep(
        table, "move of a result", make,
        [](values& v) {
            const outcome refused(std::move(*v.refused));
            const outcome moved(std::move(*v.held));
        },
        moved_or_unchanged);
    sweep(
        table, "take from a result", make, [](values& v) { const throwing_value taken = v.held->take(); },
        moved_or_unchanged);
    sweep_safe(table, "results that refer, and that hold nothing", "a pointer and a reason", [] {
        int number = 7;
        plateau::result<int&, refusal> refers(number);
        refers = plateau::result<int&, refusal>(refusal::full);
        plateau::result<void, refusal> happened;
        happened = refusal::full;
        static_cast<void>(refers.reason() == happened.reason());
    });
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}

namespace {

/// A callback that may fail on its way into what calls it later.
struct fragile_callback {
    int* runs;
    explicit fragile_callback(int& into) noexcept : runs(&into) {}
    fragile_callback(const fragile_callback& other) : runs(other.runs) { fault_here(fault::copy); }
    fragile_callback(fragile_callback&& other) : runs(other.runs) { fault_here(fault::move); }
    template <class... Anything>
    void operator()(Anything&&...) const noexcept {
        ++*runs;
    }
};

}  // namespace

TEST_CASE("a callback that does not get into its place is registered nowhere", "[floor][alloc]") {
    fault_table table("floor");
    struct stopping {
        std::unique_ptr<plateau::inplace_stop_source> source = std::make_unique<plateau::inplace_stop_source>();
        int runs = 0;
    };
    const auto register_two = [](stopping& s) {
        const fragile_callback lasting(s.runs);
        const plateau::inplace_stop_callback<fragile_callback> one(s.source->get_token(), lasting);
        const plateau::inplace_stop_callback<fragile_callback> two(s.source->get_token(), fragile_callback(s.runs));
        s.source->request_stop();
    };
    sweep(
        table, "registration of a stop callback", [] { return stopping{}; }, register_two,
        [](const stopping& s, const sweep_step& step) {
            CHECK(s.runs == (step.threw ? 0 : 2));
            CHECK(s.source->stop_requested() == !step.threw);
        });
    sweep(
        table, "registration of a stop callback after the request",
        [] {
            stopping s;
            s.source->request_stop();
            return s;
        },
        register_two,
        [](const stopping& s, const sweep_step& step) {
            CHECK(s.runs == (step.threw ? static_cast<int>(step.failing) - 1 : 2));
        });
    sweep(
        table, "construction of a waiter", [] { return 0; },
        [](int& runs) {
            const fragile_callback lasting(runs);
            plateau::waiter<fragile_callback> one(lasting);
            static_cast<void>(one.waiting());
        },
        [](int runs, const sweep_step&) { CHECK(runs == 0); });
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}

TEST_CASE("what waits and what is told allocates nothing", "[floor][alloc]") {
    fault_table table("floor");
    using room = token_room<room_parts<plateau::default_sync>>;
    sweep_safe(table, "stop request", "its state is in place", [] {
        plateau::inplace_stop_source source;
        const auto token = source.get_token();
        int runs = 0;
        const auto count = [&]() noexcept { ++runs; };
        const plateau::inplace_stop_callback one(token, count);
        source.request_stop();
        source.request_stop();
        const plateau::inplace_stop_callback two(token, count);
        if (runs != 2) throw std::logic_error("a callback did not run once");
    });
    sweep_safe(table, "waiters that are served, cancelled, too late and gone", "their nodes are the callers'", [] {
        room tokens(1);
        int served = 0;
        const auto count = [&](plateau::result<void, room_reason> r) noexcept { served += r ? 1 : 100; };
        plateau::waiter first{count};
        plateau::waiter second{count};
        plateau::waiter third{count};
        plateau::waiter fourth{count};
        tokens.acquire_then(first);
        tokens.acquire_then(second);
        tokens.acquire_then(third);
        tokens.acquire_then(fourth, plateau::inline_here, plateau::time_point(1s));
        {
            plateau::waiter gone{count};
            tokens.acquire_then(gone);
        }
        third.cancel();
        tokens.expire(plateau::time_point(2s));
        tokens.release();
        if (served != 202) throw std::logic_error("waiters were not told what became of them");
    });
    sweep_safe(table, "wait of a thread that is stopped or too late", "its node is on its stack", [] {
        room tokens(0);
        plateau::inplace_stop_source source;
        source.request_stop();
        if (tokens.acquire(source.get_token()).reason() != room_reason::cancelled)
            throw std::logic_error("a wait that was not cancelled");
    });
    sweep_safe(table, "references to executors and budgets", "two words", [] {
        plateau::inline_executor here;
        plateau::executor_ref where(here);
        struct : plateau::work_link {
            int runs = 0;
        } object;
        where.post({[](plateau::work_link& link) noexcept { ++static_cast<decltype(object)&>(link).runs; }, object});
        plateau::no_charge budget;
        const plateau::charge_ref charge(budget);
        static_cast<void>(charge.try_charge(1));
        charge.refund(1);
        if (object.runs != 1) throw std::logic_error("work that did not run");
    });
    sweep_safe(table, "hash, clocks and owned bytes", "numbers", [] {
        static_cast<void>(plateau::keyed_hash{}(std::string_view("a text that is too long to be kept in place")));
        static_cast<void>(plateau::keyed_hash{}(7));
        plateau::manual_clock clock;
        clock.advance(1s);
        clock.set(plateau::time_point(2s));
        static_cast<void>(clock.now());
        static_cast<void>(plateau::coarse_clock{}.now());
        static_cast<void>(plateau::steady_clock{}.now());
        static_cast<void>(plateau::owned_bytes(std::optional<int>(7)));
    });
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}
