// SPDX-License-Identifier: MIT
// Mistakes at the edge of a gate.
// expect MOVED: deleted (function|constructor)
// expect COPIED: deleted (function|constructor)
// expect PERMIT: deleted
// expect CLOCK: clock.*(lvalue|reference|outlive|temporary)
// expect STRANGER: after the options come parts of this gate's policies
// expect THROWS: this callback takes another argument, or may throw
// expect IGNORED: nodiscard
// expect DROPPED: nodiscard
#include <plateau/gate.hpp>

#include <string>
#include <utility>

struct by_hand : plateau::gate_policies {
    using clock = plateau::manual_clock;
};

int main() {
    plateau::manual_clock clock;
    plateau::basic_gate<by_hand> door{{.max_in_flight = 1}, clock};
    auto slot = door.try_admit();
    if (!slot) return 1;
#if defined(MOVED)
    auto other = std::move(door);
#elif defined(COPIED)
    auto other = door;
#elif defined(PERMIT)
    plateau::permit other = *slot;
#elif defined(CLOCK)
    plateau::basic_gate<by_hand> other{{.max_in_flight = 1}, plateau::manual_clock{}};
#elif defined(STRANGER)
    plateau::basic_gate<by_hand> other{{.max_in_flight = 1}, clock, std::string{}};
#elif defined(THROWS)
    plateau::waiter node{[](plateau::admission) {}};
    door.admit_then(node);
#elif defined(IGNORED)
    door.try_admit();
#elif defined(DROPPED)
    slot.take();
#endif
    return 0;
}
