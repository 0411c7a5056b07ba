// SPDX-License-Identifier: MIT
#pragma once

/// The channel room: producers that wait, and an end that loses and leaks nothing.
///
/// The leak it ends is the producer that ignores backpressure: work that arrives faster than it leaves is kept, and the
/// memory is the difference. A queue here is bounded by items and by bytes, exactly; who pushes into a full one waits,
/// or is refused and told so.
///
///     plateau::bounded_queue<std::string> lines{{.max_items = 1'024, .max_bytes = 8_MiB}};
///
/// `close` ends it well: what is queued is still popped. `abort` ends it at once: what is queued is destroyed, and both
/// sides are told why.
///
/// How the queue is built, from the ground up: queue_words.hpp packs head and tail into words, queue_ring.hpp claims
/// and publishes slots with them; queue_core.hpp adds who waits and who is woken; queue_verbs.hpp says what each
/// operation is while it waits, from which the floor derives its forms; bounded_queue.hpp is the face.

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/channel/failure.hpp>
#include <plateau/channel/queue_options.hpp>
#include <plateau/channel/queue_policies.hpp>
#include <plateau/channel/queue_stats.hpp>
