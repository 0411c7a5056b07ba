// SPDX-License-Identifier: MIT
// The caches beside the textbook, one thread. A checked operation is a call on both after which everything that
// cache_model.hpp names was compared, the invariants of the whole structure included; the content in its order is
// compared every sixteenth call and at the end. Sanitizers and -O0 run a part of it (model_slowness).
#include "cache/cache_model.hpp"
#include "tools/catch.hpp"
#include "tools/model_run.hpp"
#include "tools/proof.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>

using namespace plateau_test;

TEST_CASE("the caches answer as the textbook does, whatever is called in whatever order", "[cache][model]") {
    constexpr std::uint64_t sequences = 150'000 / model_slowness;
    constexpr std::size_t commands = 160;
    const model_report report = run_random<lru_cache_model>(sequences * proof_scale(), commands);
    INFO(report.text);
    CHECK(report.passed);
    proof_count("cache", "model operations", report.operations);
}

TEST_CASE("the committed inputs of the caches are answered as by the textbook", "[cache][model]") {
    const model_report report = run_corpus<lru_cache_model>(PLATEAU_TEST_CORPUS "/cache/lru_cache");
    INFO(report.text);
    CHECK(report.passed);
    CHECK((asked_replay() || report.sequences >= 100));
    proof_count("cache", "corpus inputs", report.sequences);
}
