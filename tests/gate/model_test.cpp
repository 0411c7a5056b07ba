// SPDX-License-Identifier: MIT
// The gate beside a porter with a list, one thread.
#include "gate/gate_model.hpp"
#include "tools/catch.hpp"
#include "tools/model_run.hpp"
#include "tools/proof.hpp"

#include <cstddef>
#include <cstdint>

using namespace plateau_test;

TEST_CASE("the gate lets in and sends away whom a porter with a list would", "[gate][model]") {
    constexpr std::uint64_t sequences = 110'000 / model_slowness;
    constexpr std::size_t commands = 100;
    const model_report report = run_random<gate_model>(sequences * proof_scale(), commands);
    INFO(report.text);
    CHECK(report.passed);
    proof_count("gate", "model operations", report.operations);
}
