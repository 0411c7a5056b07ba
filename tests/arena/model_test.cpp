// SPDX-License-Identifier: MIT
// An arena and its pool beside the list of what they should hold. A checked operation is a command after which
// everything that arena_model.hpp names was compared, all live memory included.
#include "arena/arena_model.hpp"
#include "tools/catch.hpp"
#include "tools/model_run.hpp"
#include "tools/proof.hpp"

#include <cstddef>
#include <cstdint>

using namespace plateau_test;

TEST_CASE("an arena holds what was put into it, and ends it in order, whatever is called", "[arena][model]") {
    constexpr std::uint64_t sequences = 130'000 / model_slowness;
    constexpr std::size_t commands = 80;
    const model_report report = run_random<arena_model>(sequences * proof_scale(), commands);
    INFO(report.text);
    CHECK(report.passed);
    proof_count("arena", "model operations", report.operations);
}
