// SPDX-License-Identifier: MIT
#pragma once

/// plateau: memory that rises while a service warms up, and then stays flat.

#include <plateau/arena.hpp>  // a request's memory: one bound, one end
#include <plateau/cache.hpp>  // maps that forget: bounded by entries, bytes and time
#include <plateau/gate.hpp>   // requests that a service can carry, and no more: permits, a short queue, 503
#include <plateau/watch.hpp>  // knowing: exact accounts, memory samples, a verdict, a declared ceiling

#include <plateau/support/subscription.hpp>  // events whose listeners have an end

#include <plateau/executor.hpp>  // the ground floor that the rooms' signatures speak of
#include <plateau/literals.hpp>
#include <plateau/result.hpp>
#include <plateau/stop.hpp>
#include <plateau/version.hpp>
