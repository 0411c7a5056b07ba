// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/fwd.hpp>
#include <plateau/owned_bytes.hpp>
#include <plateau/sync.hpp>

#include <cstddef>
#include <memory>

PLATEAU_NAMESPACE_BEGIN

/// What changes the layout or the cost of a queue. Derive, override with `using`, and name the result as the queue's
/// last template argument. Objects of these types follow the options in the constructor where they have state.
struct queue_policies {
    using weigher = owned_bytes_weigher;  ///< `std::size_t f(const T&)`: bytes beside the item's own slot
    using clock = steady_clock;           ///< read by waits with a deadline, once they have to wait
    using allocator = std::allocator<std::byte>;
    using stats = counting;
    using sync = default_sync;

    /// Internal constants, here so that tests can shrink them.
    static constexpr unsigned max_lap_bits = 64;   ///< of the counter of rounds through the ring; at least 2
    static constexpr unsigned push_patience = 16;  ///< pauses before a blocked producer looks: a look costs consumers
    /// A waiter whose item, or room, is claimed and on its way looks so often, and then lies down for so long: the
    /// thread that has it may have been interrupted.
    static constexpr unsigned coming_looks = 16;
    static constexpr duration coming_nap = std::chrono::microseconds(100);
};

PLATEAU_NAMESPACE_END
