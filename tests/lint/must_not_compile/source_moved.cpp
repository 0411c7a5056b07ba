// SPDX-License-Identifier: MIT
// expect MOVED: deleted
#include <plateau/stop.hpp>

#include <utility>

void call(plateau::inplace_stop_source& source) {
#if defined(MOVED)
    plateau::inplace_stop_source other = std::move(source);
#else
    plateau::inplace_stop_source& other = source;
#endif
    other.request_stop();
}
