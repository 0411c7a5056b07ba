// SPDX-License-Identifier: MIT
/// What is checked of callbacks that wait, for several sync policies.
#pragma once

#include "floor/park_rooms.hpp"
#include "seeded_bugs/shared_check.hpp"

#include <plateau/waiter.hpp>

#include <optional>
#include <vector>

namespace plateau_test {

template <class Sync>
void callbacks_are_served_in_order(shared_check& check) {
    token_room<room_parts<Sync>> room(0);
    using token_result = plateau::result<void, room_reason>;
    std::vector<int> order;
    const auto note = [&](int who) {
        return [&order, who](token_result r) noexcept {
            if (r) order.push_back(who);
        };
    };
    using armed = plateau::waiter<decltype(note(0)), Sync>;
    armed first{note(1)}, second{note(2)}, third{note(3)};
    room.acquire_then(first);
    room.acquire_then(second);
    room.acquire_then(third);
    second.cancel();
    room.release();
    room.release();
    check.expect(order == std::vector{1, 3}, "they are served in the order in which they were armed");
    room.release();
    check.equal(room.tokens(), 1U, "the number of tokens left");
}

/// A callback ends another waiter that the same call has served.
template <class Sync>
void a_callback_may_end_another(shared_check& check) {
    struct state {
        token_room<room_parts<Sync>> room{0};
        int runs = 0;
        struct end_other {
            state* self;
            int other;
            void operator()(plateau::result<void, room_reason>) const noexcept {
                ++self->runs;
                self->nodes[other].reset();
            }
        };
        std::optional<plateau::waiter<end_other, Sync>> nodes[3];
    };
    state all;
    all.nodes[0].emplace(typename state::end_other{&all, 1});
    all.nodes[1].emplace(typename state::end_other{&all, 0});
    all.nodes[2].emplace(typename state::end_other{&all, 2});
    for (auto& node : all.nodes) all.room.acquire_then(*node);
    all.room.release_some(2);
    check.equal(all.runs, 2, "the number of callbacks that ran");
    check.expect(!all.nodes[1].has_value() && !all.nodes[2].has_value(), "two waiters have ended");
    check.equal(all.room.tokens(), 0U, "the number of tokens left");
    check.expect(!all.room.flagged(), "nobody waits");
}

}  // namespace plateau_test
