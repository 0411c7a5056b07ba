// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"

#include <plateau/describe.hpp>

#include <cstdint>
#include <string_view>

using plateau::field_info;
using plateau::field_kind;

namespace {

struct door_stats {
    static constexpr std::string_view family = "door";
    std::uint64_t admitted = 0;
    std::int64_t balance = 0;
    double seconds = 0;
    template <class F>
    void visit_fields(F&& f) const {
        f(field_info{"admitted", "", "Requests let in.", field_kind::counter}, admitted);
        f(field_info{"balance", "", "In minus out.", field_kind::gauge}, balance);
        f(field_info{"open", "seconds", "Time open.", field_kind::counter}, seconds);
    }
};
struct without_family {
    template <class F>
    void visit_fields(F&&) const {}
};
struct without_fields {
    static constexpr std::string_view family = "none";
};
struct mutating {
    static constexpr std::string_view family = "none";
    template <class F>
    void visit_fields(F&&) {}
};

}  // namespace

TEST_CASE("an aggregate with a family and fields describes itself, anything less does not", "[floor][unit]") {
    STATIC_REQUIRE(plateau::described<door_stats>);
    STATIC_REQUIRE_FALSE(plateau::described<without_family>);
    STATIC_REQUIRE_FALSE(plateau::described<without_fields>);
    STATIC_REQUIRE_FALSE(plateau::described<mutating>);
    STATIC_REQUIRE_FALSE(plateau::described<int>);
}

TEST_CASE("a visitor sees each figure once, in order, with its own type", "[floor][unit]") {
    struct visitor {
        int* seen;
        void operator()(const field_info& info, std::uint64_t value) const {
            CHECK(++*seen == 1);
            CHECK(info.name == "admitted");
            CHECK(info.kind == field_kind::counter);
            CHECK(value == 7);
        }
        void operator()(const field_info& info, std::int64_t value) const {
            CHECK(++*seen == 2);
            CHECK(info.kind == field_kind::gauge);
            CHECK(value == -1);
        }
        void operator()(const field_info& info, double value) const {
            CHECK(++*seen == 3);
            CHECK(info.unit == "seconds");
            CHECK(value > 1);
        }
    };
    int seen = 0;
    door_stats{7, -1, 1.5}.visit_fields(visitor{&seen});
    CHECK(seen == 3);
}
