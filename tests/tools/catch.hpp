// SPDX-License-Identifier: MIT
/// The one place where tests meet Catch2: version 3 where it is installed, else the single header of version 2.
/// Tests keep to what both spell alike: TEST_CASE, TEMPLATE_TEST_CASE, SECTION, CHECK, REQUIRE and their _FALSE,
/// _THROWS_AS and _NOTHROW forms, INFO, CAPTURE, FAIL; no matchers and no Approx.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#    include <catch2/catch_all.hpp>
#else
#    include <catch2/catch.hpp>
#endif
