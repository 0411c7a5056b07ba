// SPDX-License-Identifier: MIT
// A callback runs on somebody's executor, or inside somebody's release: there is nobody to catch what it throws. And a
// waiter is known by its address.
// expect THROWING: this callback takes another argument, or may throw
// expect ANOTHER_ARGUMENT: this callback takes another argument, or may throw
// expect MOVED: deleted
#include "floor/park_rooms.hpp"

#include <utility>

using rooms = plateau_test::room_parts<plateau::default_sync>;
using token_result = plateau::result<void, plateau_test::room_reason>;

void wait(plateau_test::token_room<rooms>& room) {
#if defined(THROWING)
    plateau::waiter node{[](token_result) {}};
#elif defined(ANOTHER_ARGUMENT)
    plateau::waiter node{[](int*) noexcept {}};
#else
    plateau::waiter node{[](token_result) noexcept {}};
#endif
#if defined(MOVED)
    auto other = std::move(node);
#else
    auto& other = node;
#endif
    room.acquire_then(other);
}
