// SPDX-License-Identifier: MIT
// expect MOVED: deleted
// expect NAMELESS: this stop token names no callback type
#include <plateau/stop.hpp>

#include <utility>

/// As std::stop_token is, where <plateau/stop_std.hpp> was not included.
struct nameless_token {
    static bool stop_requested() noexcept { return false; }
    static bool stop_possible() noexcept { return false; }
    bool operator==(const nameless_token&) const = default;
};
#if defined(NAMELESS)
static_assert(plateau::stoppable_token<nameless_token>);
#endif

void call(plateau::inplace_stop_source& source) {
#if defined(MOVED)
    plateau::inplace_stop_source other = std::move(source);
#else
    plateau::inplace_stop_source& other = source;
#endif
    other.request_stop();
}
