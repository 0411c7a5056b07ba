// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/result.hpp>

#include <csignal>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using plateau::result;
using namespace plateau_test;

namespace {

enum class why : unsigned char { none, full, closed };

result<std::string, why> name_of(int id) {
    if (id < 0) return why::closed;
    return "id " + std::to_string(id);
}

template <class R>
concept contextually_bool = requires(const R& r) {
    r ? 1 : 0;
};

}  // namespace

static_assert(contextually_bool<result<int, why>> && !std::is_convertible_v<result<int, why>, bool>);
static_assert(!std::is_convertible_v<result<void, why>, bool> && !std::is_convertible_v<result<int&, why>, bool>);
static_assert(std::is_convertible_v<int, result<int, why>> && std::is_convertible_v<why, result<int, why>>);
static_assert(std::is_convertible_v<const char*, result<std::string, why>>);
static_assert(!std::is_convertible_v<int, result<std::vector<int>, why>>, "an explicit conversion stays explicit");
static_assert(!std::is_convertible_v<int*, result<std::unique_ptr<int>, why>>, "an explicit conversion stays explicit");
static_assert(!std::is_default_constructible_v<result<int, why>> && std::is_default_constructible_v<result<void, why>>);
static_assert(!std::is_copy_constructible_v<result<std::unique_ptr<int>, why>>);
static_assert(std::is_nothrow_move_constructible_v<result<std::unique_ptr<int>, why>>);
static_assert(!std::is_nothrow_move_constructible_v<result<throwing_value, why>>);
static_assert(!std::is_move_assignable_v<result<throwing_value, why>>, "assignment that could fail half-way is absent");
#if !defined(__clang_major__) || __clang_major__ >= 16  // earlier ones have no conditionally trivial members (P0848)
static_assert(std::is_trivially_destructible_v<result<int, why>>);
#endif
static_assert(!std::is_constructible_v<result<int&, why>, int&&>, "a reference to a temporary would dangle");
static_assert(noexcept(std::declval<result<int, why>&>().take()));

TEST_CASE("a result is true exactly when it has a value, and none is its reason exactly then", "[floor][unit]") {
    auto yes = name_of(7);
    auto no = name_of(-1);
    REQUIRE(yes);
    CHECK(yes.reason() == why::none);
    CHECK(*yes == "id 7");
    CHECK(yes->size() == 4);
    REQUIRE_FALSE(no);
    CHECK(no.reason() == why::closed);
    const result<std::string, why> constant = "text";
    CHECK(*constant == "text");
    CHECK(constant->size() == 4);
}

TEST_CASE("take moves the value out, and the result still counts as one", "[floor][unit]") {
    result<std::unique_ptr<int>, why> r = std::make_unique<int>(7);
    const auto owned = r.take();
    CHECK(*owned == 7);
    CHECK(r);
    CHECK(*r == nullptr);
}

TEST_CASE("a result moves and copies its value once, and ends it once", "[floor][unit]") {
    value_tally tally;
    {
        result<counting_value, why> a = counting_value{tally, 7};
        result<counting_value, why> b = a;
        result<counting_value, why> c = std::move(b);
        CHECK(a->number() == 7);
        CHECK(b->number() == -1);
        CHECK(c->number() == 7);
        CHECK(tally.live == 3);
        c = result<counting_value, why>{why::full};
        CHECK_FALSE(c);
        CHECK(c.reason() == why::full);
        CHECK(tally.live == 2);
        c = std::move(a);
        CHECK(c->number() == 7);
        auto& self = c;
        c = std::move(self);
        CHECK(c->number() == 7);
    }
    CHECK(tally.live == 0);
    CHECK(tally.corrupt == 0);
    CHECK(tally.copies == 1);
}

TEST_CASE("a copy or move that throws leaves nothing behind", "[floor][unit]") {
    value_tally tally;
    {
        result<throwing_value, why> a{throwing_value{tally, 7}};
        const armed_fault armed{fault::copy | fault::move, 1, fault_mode::from_then_on};
        CHECK_THROWS_AS((result<throwing_value, why>(a)), injected_fault);
        CHECK_THROWS_AS((result<throwing_value, why>(std::move(a))), injected_fault);
        CHECK_THROWS_AS(a.take(), injected_fault);
        CHECK(a->number() == 7);
        CHECK(tally.live == 1);
    }
    CHECK(tally.live == 0);
}

TEST_CASE("a result by reference refers to somebody else's object", "[floor][unit]") {
    int object = 7;
    result<int&, why> r = object;
    REQUIRE(r);
    *r = 8;
    CHECK(object == 8);
    CHECK(&r.take() == &object);
    const result<int&, why> no = why::full;
    CHECK_FALSE(no);
    CHECK(no.reason() == why::full);
    result<std::string&, why> text = why::closed;
    std::string owned = "x";
    text = owned;
    CHECK(text->size() == 1);
}

TEST_CASE("a result without a value either happened or did not", "[floor][unit]") {
    const result<void, why> yes;
    CHECK(yes);
    CHECK(yes.reason() == why::none);
    const result<void, why> also = why::none;
    CHECK(also);
    const result<void, why> no = why::full;
    CHECK_FALSE(no);
    CHECK(no.reason() == why::full);
}

TEST_CASE("asking a refusal for its value is a violation in every build", "[floor][unit]") {
    const auto violates = [](auto f) {
        const death end = dies(f);
        return end.signal == SIGABRT &&
               end.message == "plateau: a refused result has no value: test it, or ask for its reason()\n";
    };
    CHECK(violates([] { static_cast<void>(*result<int, why>(why::full)); }));
    CHECK(violates([] { static_cast<void>(result<std::string, why>(why::full)->size()); }));
    CHECK(violates([] { static_cast<void>(result<std::string, why>(why::full).take()); }));
    CHECK(violates([] {
        const result<int, why> no = why::full;
        static_cast<void>(*no);
    }));
    CHECK(violates([] { static_cast<void>(*result<int&, why>(why::full)); }));
    CHECK(violates([] { static_cast<void>(result<std::string&, why>(why::full)->size()); }));
    CHECK(violates([] { static_cast<void>(result<int&, why>(why::full).take()); }));
}

TEST_CASE("a refusal for the reason none is a violation", "[floor][unit]") {
    const auto violates = [](auto f) { return dies(f).says("plateau: a refusal needs a reason other than none"); };
    CHECK(violates([] { [[maybe_unused]] const result<int, why> r = why::none; }));
    CHECK(violates([] { [[maybe_unused]] const result<int&, why> r = why::none; }));
}

TEST_CASE("a result allocates nothing of its own", "[floor][unit]") {
    const new_scope scope;
    {
        result<int, why> a = 7;
        result<int, why> b = a;
        b = result<int, why>{why::full};
        const result<void, why> c = why::closed;
        static_cast<void>(c.reason());
    }
    const auto delta = scope.delta();
    CHECK(delta.calls == 0);
}

TEST_CASE("a result works in constant expressions", "[floor][unit]") {
    constexpr auto half = [](int n) -> result<int, why> {
        if (n % 2 != 0) return why::full;
        return n / 2;
    };
    STATIC_REQUIRE(*half(8) == 4);
    STATIC_REQUIRE(half(7).reason() == why::full);
}
