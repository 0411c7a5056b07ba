// SPDX-License-Identifier: MIT
// The queue beside a deque, as shipped and with laps that end after four rounds.
#include "channel/queue_model.hpp"
#include "tools/catch.hpp"
#include "tools/model_run.hpp"
#include "tools/proof.hpp"

#include <cstddef>
#include <cstdint>

using namespace plateau_test;

namespace {

template <model M>
void passes_random(std::uint64_t sequences, std::size_t commands) {
    const model_report report = run_random<M>(sequences / model_slowness * proof_scale(), commands);
    INFO(report.text);
    CHECK(report.passed);
    proof_count(M::room, "model operations", report.operations);
}

}  // namespace

TEST_CASE("a queue answers as a bounded deque does", "[channel][model]") {
    passes_random<queue_model<queue_checks::by_weight>>(60'000, 100);
    passes_random<queue_model<queue_checks::few_laps_by_weight>>(60'000, 100);
}
