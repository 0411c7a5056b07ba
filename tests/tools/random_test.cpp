// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/random.hpp"

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

using namespace plateau_test;

TEST_CASE("the same seed and name give the same numbers, another of either gives others", "[tools][unit]") {
    random_source a{"a", 7};
    random_source same{"a", 7};
    random_source other_name{"b", 7};
    random_source other_seed{"a", 8};
    int equal = 0;
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t number = a.next();
        CHECK(number == same.next());
        equal += number == other_name.next() ? 1 : 0;
        equal += number == other_seed.next() ? 1 : 0;
    }
    CHECK(equal == 0);
}

TEST_CASE("the generator is splitmix64", "[tools][unit]") {
    // The first outputs for the state 1234567, as printed in the Rosetta Code task on splitmix64.
    random_source source{"", 1234567};
    CHECK(source.next() == 6457827717110365317U);
    CHECK(source.next() == 3203168211198807973U);
    CHECK(source.next() == 9817491932198370423U);
}

TEST_CASE("numbers stay in their range and reach both of its ends", "[tools][unit]") {
    random_source source{"ranges"};
    INFO(random_source::repeat());
    bool low = false;
    bool high = false;
    for (int i = 0; i < 10'000; ++i) {
        const std::int64_t n = source.between(-3, 4);
        REQUIRE((n >= -3 && n <= 4));
        low |= n == -3;
        high |= n == 4;
        REQUIRE(source.below(1) == 0);
        REQUIRE(source.below(0) == 0);
    }
    CHECK(low);
    CHECK(high);
    source.between(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("a seed is a whole decimal number or it is refused", "[tools][unit]") {
    bool ok = false;
    CHECK(parse_seed("18446744073709551615", ok) == UINT64_MAX);
    CHECK(ok);
    for (const char* bad : {"", "x", "1x", " 1", "-1", "18446744073709551616", "0x10"}) {
        CAPTURE(bad);
        CHECK(parse_seed(bad, ok) == 0);
        CHECK_FALSE(ok);
    }
}

TEST_CASE("the seed of the run is the one that was given", "[tools][unit]") {
    const char* given = std::getenv("PLATEAU_TEST_SEED");
    if (given != nullptr && *given != '\0') CHECK(std::to_string(run_seed()) == given);
    CHECK(run_seed() == run_seed());
    CHECK(random_source::repeat() == "PLATEAU_TEST_SEED=" + std::to_string(run_seed()));
}
