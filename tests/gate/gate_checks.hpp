// SPDX-License-Identifier: MIT
/// What one caller at a time is promised by a gate, for its shipped policies and for defective ones.
#pragma once

#include "gate/gate_requests.hpp"
#include "seeded_bugs/shared_check.hpp"

#include <plateau/gate.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace plateau_test {

/// Requests of the policies' own kind.
template <class Policies>
struct gate_of {
    using gate = plateau::basic_gate<Policies>;
    using request = basic_request<typename Policies::sync>;
    using line = std::vector<std::unique_ptr<request>>;

    static line come(gate& door, std::size_t count, std::size_t bytes) {
        line all;
        for (std::size_t i = 0; i < count; ++i) {
            all.push_back(std::make_unique<request>());
            door.admit_then(all.back()->node, {.bytes = bytes});
        }
        return all;
    }
};

template <class Policies>
void nobody_passes_who_waits(shared_check& check) {
    typename gate_of<Policies>::gate door{{.max_in_flight = 10, .max_bytes = 10}};
    auto held = door.try_admit({.bytes = 6});
    auto heavy = gate_of<Policies>::come(door, 1, 8);
    check.expect(!door.try_admit({.bytes = 1}), "a light newcomer does not pass a heavy request that waits");
    auto light = gate_of<Policies>::come(door, 1, 1);
    check.expect(!light[0]->answered(), "nor does one that may wait");
    held->release();
    check.expect(heavy[0]->admitted() && light[0]->admitted(), "both are let in when both fit");
}

template <class Policies>
void a_full_queue_refuses_the_newcomer(shared_check& check) {
    typename gate_of<Policies>::gate door{{.max_in_flight = 1, .max_queue = 2}};
    auto held = door.try_admit();
    auto line = gate_of<Policies>::come(door, 3, 1);
    check.equal(door.stats().queued, 2U, "the length of a full queue");
    check.expect(line[2]->reason() == plateau::shed_reason::queue_full, "the newcomer is told queue_full");
    check.expect(!line[0]->answered() && !line[1]->answered(), "who waits goes on waiting");
    line[0]->node.cancel();
    held->release();
    check.expect(line[1]->admitted(), "the next is let in");
}

template <class Policies>
void bytes_given_back_early_let_others_in(shared_check& check) {
    typename gate_of<Policies>::gate door{{.max_in_flight = 3, .max_bytes = 10}};
    auto big = door.try_admit({.bytes = 8});
    auto line = gate_of<Policies>::come(door, 1, 6);
    big->shrink_to(5);
    check.expect(!line[0]->answered(), "too little does not help");
    big->shrink_to(4);
    check.expect(line[0]->admitted(), "who fits now is let in at once");
    check.equal(door.stats().bytes, 10U, "the bytes declared");
}

}  // namespace plateau_test
