// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/fault.hpp"

#include <plateau/config.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/version.hpp>

#include <csignal>
#include <stdexcept>
#include <string>
#include <string_view>

using plateau_test::dies;

#define PLATEAU_TEST_TEXT_OF(x) #x
#define PLATEAU_TEST_TEXT(x) PLATEAU_TEST_TEXT_OF(x)

TEST_CASE("the version's number and text agree", "[floor][unit]") {
    CHECK(PLATEAU_VERSION == 10'000 * PLATEAU_VERSION_MAJOR + 100 * PLATEAU_VERSION_MINOR + PLATEAU_VERSION_PATCH);
    CHECK(std::string_view(PLATEAU_VERSION_STRING) == std::to_string(PLATEAU_VERSION_MAJOR) + "." +
                                                          std::to_string(PLATEAU_VERSION_MINOR) + "." +
                                                          std::to_string(PLATEAU_VERSION_PATCH));
}

TEST_CASE("the inline namespace names version and options", "[floor][unit]") {
    const std::string_view name = PLATEAU_TEST_TEXT(PLATEAU_ABI);
    const std::string version =
        "v" + std::to_string(PLATEAU_VERSION_MAJOR) + "_" + std::to_string(PLATEAU_VERSION_MINOR) + "_";
    CHECK(name.substr(0, version.size()) == version);
    const std::string_view options = name.substr(version.size());
    REQUIRE(options.size() == 4);
    CHECK(options[0] == (PLATEAU_EXCEPTIONS ? 'x' : 'n'));
    CHECK(options[1] == (PLATEAU_HARDENED ? 'h' : 'o'));
#if defined(__SANITIZE_ADDRESS__)
    CHECK(options[2] == 'p');
#endif
    CHECK(options[3] == 'o');
}

TEST_CASE("a broken precondition says its sentence and ends the process", "[floor][unit]") {
    volatile bool holds = false;
    const auto end = dies([&] { PLATEAU_EXPECTS(holds, "a sentence for the caller"); });
    CHECK(end.signal == SIGABRT);
    CHECK(end.message == "plateau: a sentence for the caller\n");
    holds = true;
    CHECK(dies([&] { PLATEAU_EXPECTS(holds, "a sentence for the caller"); }).survived());
}

TEST_CASE("a precondition is evaluated once", "[floor][unit]") {
    int evaluated = 0;
    PLATEAU_EXPECTS(++evaluated == 1, "evaluated once");
    CHECK(evaluated == 1);
}

TEST_CASE("a violation is reported while nothing can be allocated", "[floor][unit]") {
    using namespace plateau_test;
    const auto end = dies([] {
        const armed_fault armed{fault::operator_new, 1, fault_mode::from_then_on};
        plateau::detail::violation("no memory needed\n");
    });
    CHECK(end.message == "no memory needed\n");
}

TEST_CASE("options that make no sense throw invalid_argument with the sentence", "[floor][unit]") {
    std::string said;
    try {
        plateau::detail::require_option(false, "max_bytes: 0 holds nothing");
    } catch (const std::invalid_argument& error) {
        said = error.what();
    }
    CHECK(said == "max_bytes: 0 holds nothing");
    CHECK_NOTHROW(plateau::detail::require_option(true, "unused"));
}
