// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"

#include <plateau/fwd.hpp>
#include <plateau/literals.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

using namespace plateau::literals;

TEST_CASE("sizes count by powers of 1024, in std::size_t, up to the last one that fits", "[floor][unit]") {
    STATIC_REQUIRE(std::is_same_v<decltype(1_KiB), std::size_t>);
    STATIC_REQUIRE(0_KiB == 0);
    STATIC_REQUIRE(1_KiB == 1'024);
    STATIC_REQUIRE(64_MiB == 67'108'864);
    STATIC_REQUIRE(2_GiB == std::size_t{2} * 1'024 * 1'024 * 1'024);
    STATIC_REQUIRE(1_GiB == 1'024_MiB);
    STATIC_REQUIRE(18'014'398'509'481'983_KiB == SIZE_MAX - 1'023);
    STATIC_REQUIRE(17'179'869'183_GiB == SIZE_MAX - (1_GiB - 1));
    STATIC_REQUIRE(plateau::unlimited == SIZE_MAX);
}
