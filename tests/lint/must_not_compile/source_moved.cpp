// SPDX-License-Identifier: MIT
// expect: deleted
#include <plateau/stop.hpp>

#include <utility>

void call(plateau::inplace_stop_source& source) {
#if defined(CONTROL)
    plateau::inplace_stop_source& other = source;
#else
    plateau::inplace_stop_source other = std::move(source);
#endif
    other.request_stop();
}
