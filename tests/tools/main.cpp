// SPDX-License-Identifier: MIT
// The one compiled test main. Catch::Session is spelled alike in Catch2 2 and 3; version 2 wants the macro for its
// body.
#define CATCH_CONFIG_RUNNER
#include "tools/catch.hpp"
#include "tools/proof.hpp"
#include "tools/random.hpp"

#include <cinttypes>
#include <cstdio>

int main(int argc, char** argv) {
    // Before the run, so that a case that ends the process has named its seed too.
    std::fprintf(stderr, "seed %" PRIu64 " (PLATEAU_TEST_SEED takes it back)\n", plateau_test::run_seed());
    const int failed = Catch::Session().run(argc, argv);
    plateau_test::proof_ledger::of_this_run().write(stdout);
    return failed;
}
