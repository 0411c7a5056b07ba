// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/threads.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <unistd.h>

using namespace plateau_test;

TEST_CASE("a child that returns has survived, and its words are kept", "[tools][unit]") {
    const death end = dies([] { std::fputs("a word\n", stderr); });
    CHECK(end.survived());
    CHECK(end.message == "a word\n");
    CHECK_FALSE(end.says("another"));
}

TEST_CASE("a child that terminates died of SIGABRT", "[tools][unit]") {
    const death end = dies([] {
        [[maybe_unused]] const auto written = write(STDERR_FILENO, "last words", 10);
        std::terminate();
    });
    CHECK_FALSE(end.survived());
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("last words"));
}

TEST_CASE("a child that exits with an error has not survived", "[tools][unit]") {
    const death end = dies([] { _exit(3); });
    CHECK_FALSE(end.survived());
    CHECK(end.exit_code == 3);
    CHECK(end.signal == 0);
}

TEST_CASE("more words than a pipe holds do not block the child", "[tools][unit]") {
    const death end = dies([] {
        for (int i = 0; i < 4'096; ++i) std::fputs("0123456789012345678901234567890123456789\n", stderr);
    });
    CHECK(end.survived());
    CHECK(end.message.size() == 4'096 * 41);
}

TEST_CASE("a thread on a small stack runs, and deep recursion on it kills", "[tools][unit]") {
    std::atomic<int> ran{0};
    run_on_stack(256 * 1'024, [&] { ++ran; });
    CHECK(ran == 1);
    struct deep {
        static int down(volatile char* above, int left) {
            volatile char here[512];
            here[0] = above == nullptr ? '\0' : above[0];
            return left == 0 ? here[0] : down(here, left - 1) + here[0];
        }
    };
    const death end = dies([] { run_on_stack(256 * 1'024, [] { deep::down(nullptr, 1'000'000); }); });
    CHECK_FALSE(end.survived());
}

TEST_CASE("threads start together and are joined", "[tools][unit]") {
    std::atomic<unsigned> seen{0};
    run_together(8, [&](std::size_t i) { seen.fetch_or(1U << i); });
    CHECK(seen == 0xffU);
}
