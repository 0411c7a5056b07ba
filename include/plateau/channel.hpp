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
/// On the queue stand three more: `worker_pool`, a fixed number of threads with bounded tasks, which is an executor;
/// `pipeline`, a source, stages and a sink, whose first error reaches every stage and loses no item unseen; and
/// `stream_bytes`, which moves bytes through one buffer to a sink that must keep up.
///
/// How the queue is built, from the ground up: queue_words.hpp packs head and tail into words, queue_ring.hpp claims
/// and publishes slots with them; queue_core.hpp adds who waits and who is woken; queue_verbs.hpp says what each
/// operation is while it waits, from which the floor derives its forms; bounded_queue.hpp is the face.
///
/// How the pipeline is built: pipeline_core.hpp knows how it ends, pipeline_actor.hpp when a stage runs;
/// pipeline_edge.hpp is a queue with its two sides, pipeline_nodes.hpp the source, the stages and the sink;
/// pipeline_chain.hpp puts them in a row, and pipeline.hpp is the face.

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/channel/emitter.hpp>
#include <plateau/channel/failure.hpp>
#include <plateau/channel/fd_stream.hpp>
#include <plateau/channel/pipeline.hpp>
#include <plateau/channel/queue_options.hpp>
#include <plateau/channel/queue_policies.hpp>
#include <plateau/channel/queue_stats.hpp>
#include <plateau/channel/stage.hpp>
#include <plateau/channel/stream_bytes.hpp>
#include <plateau/channel/stream_options.hpp>
#include <plateau/channel/worker_pool.hpp>
