// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/tracked_value.hpp"

#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

using namespace plateau_test;

static_assert(std::is_nothrow_move_constructible_v<counting_value> &&
              std::is_nothrow_copy_constructible_v<counting_value>);
static_assert(!std::is_nothrow_move_constructible_v<throwing_value> &&
              !std::is_nothrow_copy_assignable_v<throwing_value>);
static_assert(std::is_nothrow_destructible_v<throwing_value>);

TEST_CASE("a tracked value counts its copies, moves and ends", "[tools][unit]") {
    value_tally tally;
    {
        counting_value a{tally, 7};
        counting_value b{a};
        counting_value c{std::move(a)};
        b = c;
        c = std::move(b);
        CHECK(c.number() == 7);
        CHECK(a.number() == -1);
        CHECK(b.number() == -1);
        CHECK(tally.live == 3);
    }
    CHECK(tally.constructions == 1);
    CHECK(tally.copies == 2);
    CHECK(tally.moves == 2);
    CHECK(tally.destructions == 3);
    CHECK(tally.live == 0);
    CHECK(tally.corrupt == 0);
}

TEST_CASE("a value copied byte by byte is found out", "[tools][unit]") {
    value_tally tally;
    alignas(counting_value) std::byte room[sizeof(counting_value)];
    counting_value original{tally, 7};
    std::memcpy(room, static_cast<const void*>(&original), sizeof room);
    const auto* copy = std::launder(reinterpret_cast<const counting_value*>(room));
    CHECK_FALSE(copy->intact());
    CHECK(copy->number() == 7);
    CHECK(tally.corrupt == 1);
}

TEST_CASE("a second destruction and a use after the end are found out", "[tools][unit]") {
    value_tally tally;
    alignas(counting_value) std::byte room[sizeof(counting_value)];
    auto* value = ::new (static_cast<void*>(room)) counting_value{tally, 7};
    value->~counting_value();
    CHECK(tally.corrupt == 0);
    auto* again = std::launder(reinterpret_cast<counting_value*>(room));
    CHECK_FALSE(again->intact());
    again->~counting_value();
    CHECK(tally.corrupt == 1);
    CHECK(tally.live == -1);
}

TEST_CASE("a value that was written over is found out", "[tools][unit]") {
    value_tally tally;
    {
        counting_value value{tally, 7};
        auto* bytes = reinterpret_cast<unsigned char*>(&value);
        for (std::size_t i = sizeof(void*) * 2; i < sizeof value; ++i) bytes[i] ^= 0xffU;
        CHECK_FALSE(value.intact());
    }
    CHECK(tally.corrupt == 1);
}

TEST_CASE("each construction, copy and move of a throwing value can fail, and a failed one never lived",
          "[tools][unit]") {
    value_tally tally;
    {
        throwing_value kept{tally, 7};
        throwing_value other{tally, 8};
        const armed_fault armed{fault::construct | fault::copy | fault::move, 1, fault_mode::from_then_on};
        CHECK_THROWS_AS(throwing_value(tally, 1), injected_fault);
        CHECK_THROWS_AS(throwing_value(kept), injected_fault);
        CHECK_THROWS_AS(throwing_value(std::move(kept)), injected_fault);
        CHECK_THROWS_AS(other = kept, injected_fault);
        CHECK_THROWS_AS(other = std::move(kept), injected_fault);
        CHECK(kept.number() == 7);
        CHECK(other.number() == 8);
        CHECK(tally.live == 2);
    }
    CHECK(tally.live == 0);
    CHECK(tally.corrupt == 0);
}

TEST_CASE("only the armed kinds fail", "[tools][unit]") {
    value_tally tally;
    throwing_value value{tally, 7};
    const armed_fault armed{fault::copy, 1};
    CHECK_NOTHROW(throwing_value(std::move(value)));
    CHECK_NOTHROW(throwing_hash{}(value));
    CHECK_THROWS_AS(throwing_value(value), injected_fault);
    CHECK_NOTHROW(throwing_value(value));
    CHECK(armed.reached() == 2);
}

TEST_CASE("a nested plan replaces the outer one until its end", "[tools][unit]") {
    const armed_fault outer{fault::callback, 2};
    fault_here(fault::callback);
    {
        const armed_fault inner{fault::callback, 0};
        for (int i = 0; i < 5; ++i) CHECK_NOTHROW(fault_here(fault::callback));
        CHECK(inner.reached() == 5);
    }
    CHECK_THROWS_AS(fault_here(fault::callback), injected_fault);
}

TEST_CASE("throwing hash, equality and weigher agree across tracked values and numbers, and fail when armed",
          "[tools][unit]") {
    value_tally tally;
    const throwing_value a{tally, 7};
    const counting_value b{tally, 7};
    CHECK(throwing_hash{}(a) == throwing_hash{}(7));
    CHECK(throwing_hash{}(a) == throwing_hash{}(b));
    CHECK(throwing_equal{}(a, b));
    CHECK_FALSE(throwing_equal{}(8, a));
    CHECK(throwing_weigher{3}(a, b) == 3);
    {
        const armed_fault armed{fault::hash, 1};
        CHECK_THROWS_AS(throwing_hash{}(a), injected_fault);
    }
    {
        const armed_fault armed{fault::equal, 1};
        CHECK_THROWS_AS(throwing_equal{}(a, 7), injected_fault);
    }
    const armed_fault armed{fault::weigh, 1};
    CHECK_THROWS_AS(throwing_weigher{}(a, b), injected_fault);
}
