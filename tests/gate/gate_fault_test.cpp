// SPDX-License-Identifier: MIT
// A gate allocates once, when it is made; after that nothing can fail, and nothing is allocated by anybody who comes,
// waits or goes.
#include "gate/gate_requests.hpp"
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"
#include "tools/new_witness.hpp"

#include <plateau/gate.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::shed_reason;

namespace {

struct doors {
    std::unique_ptr<plateau::manual_clock> clock = std::make_unique<plateau::manual_clock>();
    std::unique_ptr<hand_gate> door =
        std::make_unique<hand_gate>(plateau::gate_options{.max_in_flight = 2, .max_bytes = 10, .max_queue = 3}, *clock);
};

template <class Operation>
void sweep_safe(fault_table& table, std::string_view name, std::string_view why, Operation operation) {
    plateau_test::sweep_safe(
        table, name, why, [] { return doors{}; }, [&](doors& on) { operation(*on.door, *on.clock); },
        [](const doors& on, const sweep_step& step) {
            CHECK_FALSE(step.threw);
            CHECK(on.door->stats().in_flight == 0);
            CHECK(on.door->stats().bytes == 0);
            on.door->check_invariants();
        });
}
void must(bool holds) {
    if (!holds) throw std::logic_error("a gate answered wrongly while memory was short");
}

}  // namespace

TEST_CASE("a gate that cannot be made leaves nothing behind, and one that is made cannot fail", "[gate][alloc]") {
    fault_table table("gate");
    struct nothing_yet {
        std::unique_ptr<std::optional<plateau::gate>> place = std::make_unique<std::optional<plateau::gate>>();
    };
    table.add("construction", sweep_faults(
                                  fault::any, [] { return nothing_yet{}; },
                                  [](nothing_yet& on) { on.place->emplace(plateau::gate_options{.max_in_flight = 4}); },
                                  [](const nothing_yet& on, const sweep_step& step) {
                                      CHECK(on.place->has_value() == !step.threw);
                                      if (!step.threw) CHECK((*on.place)->try_admit());
                                  }));
    sweep_safe(table, "try_admit, release, shrink_to", "one word", [](hand_gate& door, plateau::manual_clock&) {
        auto one = door.try_admit({.bytes = 6});
        auto two = door.try_admit({.bytes = 6});
        must(one && two.reason() == shed_reason::bytes && two.retry_after() >= 1s);
        must(!two.retry_after_text().empty());
        one->shrink_to(1);
        must(static_cast<bool>(door.try_admit({.bytes = 6})));
        plateau::permit moved = one.take();
        moved.release();
    });
    sweep_safe(table, "callbacks that are served, cancelled, too late, too many and gone",
               "their nodes are the callers'", [](hand_gate& door, plateau::manual_clock& clock) {
                   auto held = door.try_admit({.bytes = 10});
                   request first, second, third, fourth;
                   door.admit_then(first.node, {.bytes = 5});
                   door.admit_then(second.node);
                   door.admit_then(third.node, {.deadline = plateau::time_point(50ms)});
                   door.admit_then(fourth.node);
                   must(fourth.reason() == shed_reason::queue_full);
                   second.node.cancel();
                   must(door.next_deadline() == plateau::time_point(50ms));
                   must(door.expire(plateau::time_point(50ms)) == 1 && third.reason() == shed_reason::deadline);
                   {
                       request gone;
                       door.admit_then(gone.node);
                   }
                   clock.advance(1ms);
                   held->release();
                   must(first.admitted());
               });
    sweep_safe(table, "a thread that waits, and is too late", "its node is on its stack",
               [](hand_gate& door, plateau::manual_clock&) {
                   const auto a = door.try_admit();
                   const auto b = door.try_admit();
                   must(door.admit_for({}, 0s).reason() == shed_reason::timed_out);
                   must(door.admit_until({}, plateau::time_point{}).reason() == shed_reason::timed_out);
               });
    sweep_safe(table, "bounds, drain, resume and figures", "numbers", [](hand_gate& door, plateau::manual_clock&) {
        door.set_limit(1);
        door.set_max_bytes(5);
        const auto held = door.try_admit();
        must(door.drain_for(0s).left() == 1);
        door.resume();
        must(door.stats().in_flight == 1 && door.memory_ceiling() > 0);
    });
    CHECK(table.contradictions({"construction"}) == std::vector<std::string>{});
    table.tell();
}

TEST_CASE("a gate holds what its ceiling says, in one block, from its making to the end of its last permit",
          "[gate][alloc]") {
    const new_scope scope;
    auto door = std::make_unique<plateau::gate>(plateau::gate_options{.max_in_flight = 3});
    const new_counts made = scope.delta();
    const std::size_t ceiling = door->memory_ceiling();
    auto permit = door->try_admit().take();
    door.reset();
    const new_counts orphaned = scope.delta();
    permit.release();
    const new_counts ended = scope.delta();
    CHECK(made.live_blocks == 2);  // the gate itself is on the heap here
    CHECK(static_cast<std::size_t>(made.live_bytes) == ceiling);
    CHECK(orphaned.live_blocks == 1);
    CHECK(ended.live_blocks == 0);
}

TEST_CASE("a gate at four times its load allocates nothing", "[gate][alloc]") {
    plateau::gate door{{.max_in_flight = 4, .max_bytes = 100, .max_queue = 4}};
    {
        request waiting[12];
        const new_scope scope;
        for (int round = 0; round < 10'000; ++round) {
            std::optional<plateau::admission> in[4];
            for (auto& each : in) each.emplace(door.try_admit({.bytes = 20}));
            for (auto& each : waiting) door.admit_then(each.node, {.bytes = 20});
            for (auto& each : in) each.reset();
            for (auto& each : waiting) each.release();
        }
        const new_counts seen = scope.delta();
        CHECK(seen.calls == 0);
    }
    CHECK(door.stats().shed_queue_full >= 10'000);
    CHECK(door.stats().in_flight == 0);
}
