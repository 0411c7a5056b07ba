// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/stop.hpp>
#include <plateau/version.hpp>

bool stop_was_seen(const plateau::inplace_stop_source& source);
