// SPDX-License-Identifier: MIT
// The room watch beside books kept by hand and beside readers of their own for the text that it reads and writes.
#include "tools/catch.hpp"
#include "tools/model_run.hpp"
#include "tools/proof.hpp"
#include "watch/ledger_model.hpp"
#include "watch/memory_limit_model.hpp"
#include "watch/metrics_model.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

using namespace plateau_test;

namespace {

template <model M>
void passes(const model_report& report) {
    INFO(report.text);
    CHECK(report.passed);
    proof_count(M::room, "model operations", report.operations);
}
template <model M>
void passes_random(std::uint64_t sequences, std::size_t commands) {
    passes<M>(run_random<M>(sequences / model_slowness * proof_scale(), commands));
}

}  // namespace

TEST_CASE("the ledger keeps the books that a clerk would", "[watch][model]") {
    passes_random<ledger_model>(40'000, 100);
}

TEST_CASE("metrics are read as they were measured, whatever the parts are named", "[watch][model]") {
    passes_random<metrics_model>(10'000, 40);
}

TEST_CASE("the limits of control groups are read alike by a reader that is short, from any text", "[watch][model]") {
    passes_random<memory_limit_model>(4'000, 12);
}

TEST_CASE("the committed inputs of the room watch are answered as by its models", "[watch][model]") {
    const auto replays = []<model M>() {
        const model_report report = run_corpus<M>(PLATEAU_TEST_CORPUS "/watch/" + std::string(M::name));
        INFO(report.text);
        CHECK(report.passed);
        CHECK((asked_replay() || report.sequences != 0));
        proof_count(M::room, "corpus inputs", report.sequences);
    };
    replays.operator()<ledger_model>();
    replays.operator()<metrics_model>();
    replays.operator()<memory_limit_model>();
}
