// SPDX-License-Identifier: MIT
// The pool, the overlapping stream and the pipeline in every interleaving within the bounds.
#include "channel/pipeline_scenes.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

using namespace plateau_test;
using namespace plateau_test::channel_scenes;

namespace {

constexpr const char* room = "channel";

struct explored_stream : plateau::stream_policies {
    using sync = explored_sync;
};

constexpr explore_options bounded(const char* name, unsigned preemptions, unsigned stale) {
    explore_options bounds{.name = name};
    bounds.preemptions = preemptions;
    bounds.stale = stale;
    return bounds;
}

}  // namespace

TEST_CASE("posted work runs once, and whoever saw that ends the queue", "[channel][explore]") {
    explore_all_modes(room, bounded("run queue", 1, 1), posted_work_runs_once<explored_sync>);
}

TEST_CASE("an event may be gone as soon as it was seen", "[channel][explore]") {
    explore_all_modes(room, {.name = "one event"}, an_event_ends_with_its_waiter<explored_sync>);
}

TEST_CASE("a source on an executor and a sink meet at every step", "[channel][explore]") {
    using S = explored_stream;
    explore_all_modes(room, bounded("relay", 2, 1), source_and_sink_overlap<S, overlap::ends>);
    explore_all_modes(room, bounded("relay that fails", 2, 1), source_and_sink_overlap<S, overlap::source_throws>);
    explore_all_modes(room, bounded("relay, sink goes", 2, 1), source_and_sink_overlap<S, overlap::sink_goes>);
    explore_all_modes(room, bounded("relay, stopped", 1, 1), source_and_sink_overlap<S, overlap::stopped>);
}

TEST_CASE("a place of a pool has one owner", "[channel][explore]") {
    explore_all_modes(room, {.name = "places"}, a_place_has_one_owner<explored_sync>);
}

TEST_CASE("what a pool takes it runs, whoever ends it", "[channel][explore]") {
    explore_all_modes(room, bounded("pool", 2, proof_scale() == 1 ? 0 : 1), what_a_pool_takes_it_runs<explored_pool>);
    explore_all_modes(room, bounded("pool, ends beside a callback", 2, 1), a_pool_ends_beside_who_waits<explored_pool>);
}

TEST_CASE("a pipeline on two threads ends when nothing of it runs, in every interleaving", "[channel][explore]") {
    using P = explored_pipeline;
    explore_all_modes(room, bounded("source and sink", 1, 1), a_pipeline_ends<P, 0, 2, meets::nothing>);
    explore_all_modes(room, bounded("source and sink, stopped", 1, 1), a_pipeline_ends<P, 0, 2, meets::stop>);
    explore_all_modes(room, bounded("source and sink, stopped by another", 2, 0),
                      a_pipeline_ends<P, 0, 1, meets::stop_by_another>);
    explore_all_modes(room, bounded("source and sink, closed by another", 1, 1),
                      a_pipeline_ends<P, 0, 2, meets::close_by_another>);
    explore_all_modes(room, bounded("a stage, failed, stopped by another", 1, 1),
                      a_pipeline_ends<P, 1, 1, meets::failure_and_stop>);
    explore_all_modes(room, bounded("workers, stopped by another", 1, 0),
                      a_pipeline_ends<P, 2, 1, meets::stop_by_another>);
    explore_all_modes(room, bounded("a stage", 1, proof_scale() == 1 ? 0 : 1),
                      a_pipeline_ends<P, 1, 2, meets::nothing>);
    explore_all_modes(room, bounded("a stage, stopped", 1, 1), a_pipeline_ends<P, 1, 2, meets::stop>);
    explore_all_modes(room, bounded("a stage, failed", 1, proof_scale() == 1 ? 0 : 1),
                      a_pipeline_ends<P, 1, 2, meets::failure>);
    explore_all_modes(room, bounded("workers", 1, 0), a_pipeline_ends<P, 2, 2, meets::nothing>);
    explore_all_modes(room, bounded("workers, failed", 1, 0), a_pipeline_ends<P, 2, 2, meets::failure>);
}
