// SPDX-License-Identifier: MIT
// Every allocation and every call of a user's function fails once, and from then on: what is in flight is destroyed,
// all has ended, and the first error comes out.
#include "channel/pipeline_checks.hpp"
#include "channel/turn_loop.hpp"
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"

#include <plateau/channel/pipeline.hpp>
#include <plateau/channel/stream_bytes.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace plateau_test::pipelines;

namespace {

struct fallible_weigher {
    std::size_t operator()(const counting_value&) const {
        fault_here(fault::weigh);
        return 1;
    }
};
struct fallible : plateau::pipeline_policies {
    struct queue : plateau::queue_policies {
        using weigher = fallible_weigher;
    };
    static constexpr unsigned batch = 2;
};

/// Builds and runs a pipeline whose parts may all fail. Throws: the first error.
void build_and_run(value_tally& tally, unsigned workers) {
    turn_loop loop;
    auto source = [&tally, n = 0]() mutable -> std::optional<counting_value> {
        fault_here(fault::callback);
        if (n == 6) return std::nullopt;
        return std::optional<counting_value>(std::in_place, tally, n++);
    };
    auto map = [](counting_value v) {
        fault_here(fault::callback);
        return v;
    };
    auto many = [](counting_value v, plateau::emitter<counting_value>& out) {
        for (int i = 0; i < 5; ++i) {
            fault_here(fault::callback);
            if (!out.push(counting_value(v.tally(), i))) return;
        }
    };
    auto sink = [](const counting_value&) { fault_here(fault::callback); };
    const plateau::stage_options how{.workers = workers, .ordered = true, .queue = {}};
    auto job = make<fallible>({.queue = {.max_items = 3, .max_bytes = 10'000}}, source, plateau::stage(map, how),
                              plateau::stage<counting_value>(many, how), sink);
    job->start(loop);
    loop.run();
    static_cast<void>(job->wait());
}

}  // namespace

TEST_CASE("a pipeline in which anything fails, once or from then on, loses nothing", "[channel][alloc]") {
    fault_table table("channel");
    for (const unsigned workers : {1U, 3U}) {
        table.add("pipeline", sweep_faults(
                                  fault::any, [] { return std::make_unique<value_tally>(); },
                                  [&](auto& tally) { build_and_run(*tally, workers); },
                                  [](auto& tally, const sweep_step&) {
                                      CHECK(tally->live == 0);
                                      CHECK(tally->corrupt == 0);
                                  }));
    }
    CHECK(table.contradictions({"pipeline"}) == std::vector<std::string>{});
    table.tell();
}

TEST_CASE("a stream in which anything fails gives its buffer back", "[channel][alloc]") {
    fault_table table("channel");
    table.add("stream_bytes", sweep_faults(
                                  fault::any, [] { return 0; },
                                  [](int&) {
                                      const auto source = [n = 0](std::span<std::byte> room) mutable {
                                          fault_here(fault::callback);
                                          return ++n < 4 ? room.size() : 0;
                                      };
                                      const auto sink = [](std::span<const std::byte> bytes) {
                                          fault_here(fault::callback);
                                          return bytes.size() / 2 + 1;
                                      };
                                      auto from = source;
                                      static_cast<void>(plateau::stream_bytes(from, sink, {.high_water_bytes = 8}));
                                  },
                                  [](int&, const sweep_step&) {}));
    CHECK(table.contradictions({"stream_bytes"}) == std::vector<std::string>{});
    table.tell();
}
