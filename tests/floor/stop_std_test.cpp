// SPDX-License-Identifier: MIT
#include <plateau/stop_std.hpp>

#include "tools/catch.hpp"

#include <type_traits>

#if defined(__cpp_lib_jthread)

TEST_CASE("std::stop_token is a stoppable token, with its own callback type", "[floor][unit]") {
    STATIC_REQUIRE(plateau::stoppable_token<std::stop_token>);
    STATIC_REQUIRE(
        std::is_same_v<plateau::stop_callback_for_t<std::stop_token, void (*)()>, std::stop_callback<void (*)()>>);
    std::stop_source source;
    int runs = 0;
    const auto count = [&] { ++runs; };
    const plateau::stop_callback_for_t<std::stop_token, decltype(count)> callback{source.get_token(), count};
    source.request_stop();
    CHECK(runs == 1);
}

#endif
