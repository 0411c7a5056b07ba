// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The flag of a list whose condition lives under the list's own mutex: what is waited for is changed in a session,
/// and `raise` looks under the same mutex. Nothing is announced to anybody outside it, so there is no word to share.
template <class Room>
struct held_flag {
    const Room* room;
    [[nodiscard]] bool raise() const noexcept { return room->must_wait(); }
    static void lower() noexcept {}
};

}
PLATEAU_NAMESPACE_END
