// SPDX-License-Identifier: MIT
#pragma once

/// The gate room: requests that a service can carry, and no more.
///
/// The leak it ends is N requests alive at once, where N is whatever the clients send: each holds its buffers until it
/// is done, and the more there are, the later that is. A gate lets a bounded number in, by count and by the bytes they
/// declare; a few wait in a bounded queue; the rest is told at once, and when to come back.
///
///     plateau::gate door{{.max_in_flight = 40, .max_bytes = 256_MiB}};
///     auto slot = door.admit({.bytes = 6_MiB});
///     if (!slot) return reply(slot.status(), slot.retry_after_text());
///     ...                                           // the permit ends with `slot`
///
/// How it is built, from the ground up: word.hpp packs what decides into one word; permit.hpp is the right to run, and
/// admission.hpp the answer to whoever asks for it; block.hpp holds what gate and permits share, queue included, and is
/// where the protocol is written; verbs.hpp says how one waits; basic_gate.hpp is the face.

#include <plateau/gate/admission.hpp>
#include <plateau/gate/basic_gate.hpp>
#include <plateau/gate/options.hpp>
#include <plateau/gate/permit.hpp>
#include <plateau/gate/policies.hpp>
#include <plateau/gate/stats.hpp>
