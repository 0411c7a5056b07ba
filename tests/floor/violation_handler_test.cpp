// SPDX-License-Identifier: MIT
// This file alone is compiled with a violation handler of the user's.
#include <cstdio>
#include <cstdlib>

namespace {
[[maybe_unused]] void report(const char* message) noexcept {
    std::fprintf(stderr, "mine: %s", message);
    std::_Exit(42);
}
}  // namespace
#define PLATEAU_VIOLATION_HANDLER ::report

#include "tools/catch.hpp"
#include "tools/death.hpp"

#include <plateau/config.hpp>

#include <string_view>

TEST_CASE("the user's violation handler is called with the message, in place of the default", "[floor][unit]") {
    volatile bool holds = false;
    const auto end = plateau_test::dies([&] { PLATEAU_EXPECTS(holds, "a sentence"); });
    CHECK(end.exit_code == 42);
    CHECK(end.message == "mine: plateau: a sentence\n");
}

#define PLATEAU_TEST_TEXT_OF(x) #x
#define PLATEAU_TEST_TEXT(x) PLATEAU_TEST_TEXT_OF(x)

TEST_CASE("a violation handler is a letter of the inline namespace", "[floor][unit]") {
    CHECK(std::string_view(PLATEAU_TEST_TEXT(PLATEAU_ABI)).back() == 'u');
}
