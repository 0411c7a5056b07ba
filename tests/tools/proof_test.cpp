// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/proof.hpp"

#include <cstdio>
#include <memory>
#include <string>

using plateau_test::proof_ledger;

TEST_CASE("figures of one name add up, and are written one a line in order", "[tools][unit]") {
    proof_ledger ledger;
    ledger.count("watch", "histories", 1);
    ledger.count("cache", "model operations", 20);
    ledger.count("cache", "model operations", 22);
    char text[256] = {};
    {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(::fmemopen(text, sizeof text, "w"), &std::fclose);
        REQUIRE(out != nullptr);
        ledger.write(out.get());
    }
    CHECK(std::string(text) == "proof: cache | model operations | 42\nproof: watch | histories | 1\n");
}
