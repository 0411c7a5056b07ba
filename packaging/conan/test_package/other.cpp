// SPDX-License-Identifier: MIT
#include "other.hpp"

bool stop_was_seen(const plateau::inplace_stop_source& source) { return source.stop_requested(); }
