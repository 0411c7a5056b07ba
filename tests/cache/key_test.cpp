// SPDX-License-Identifier: MIT
#include "cache/key_checks.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"
#include "tools/proof.hpp"

#include <plateau/cache.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

using namespace plateau_test;
using plateau::composite_key;
using plateau::route_key;
using plateau::route_reason;

namespace {

enum class region : short { north = -3 };

std::string_view text_of(const composite_key& key) { return key; }

static_assert(noexcept(composite_key{1, std::uint64_t{2}, region::north}));
static_assert(!noexcept(composite_key{1, "a"}), "a text may need memory");
static_assert(!noexcept(composite_key{1, 2, 3, 4, 5, 6}), "and so may many numbers");
static_assert(!std::is_copy_constructible_v<composite_key> && !std::is_move_constructible_v<route_key>);
static_assert(!std::is_convertible_v<route_key, std::string_view>, "a refusal would have one, too");

template <class Key>
concept read_unasked = requires {
    *Key("", "", {});
};
static_assert(!read_unasked<route_key>);

}  // namespace

TEST_CASE("a composite key is its parts, each framed by its length", "[cache][unit]") {
    const composite_key key{"acme", std::string("user"), 7};
    CHECK(text_of(key) == "4:acme4:useri7e");
    CHECK(text_of(composite_key{""}) == "0:");
    CHECK(text_of(composite_key{"t", std::string_view("a\0b", 3)}) == std::string_view("1:t3:a\0b", 8));
}

TEST_CASE("a number is its value, whatever its type, and no text", "[cache][unit]") {
    CHECK(composite_key{"t", 7} == composite_key{"t", std::uint64_t{7}});
    CHECK(composite_key{"t", -3} == composite_key{"t", region::north});
    CHECK_FALSE(composite_key{"t", 7} == composite_key{"t", "7"});
    CHECK_FALSE(composite_key{"t", -1} == composite_key{"t", std::numeric_limits<std::uint64_t>::max()});
    CHECK(text_of(composite_key{std::numeric_limits<std::int64_t>::min()}) == "i-9223372036854775808e");
    CHECK(text_of(composite_key{std::numeric_limits<std::uint64_t>::max()}) == "i18446744073709551615e");
    CHECK(text_of(composite_key{0}) == "i0e");
}

TEST_CASE("parts that join to the same text are different keys", "[cache][unit]") {
    CHECK_FALSE(composite_key{"ab", "c"} == composite_key{"a", "bc"});
    CHECK_FALSE(composite_key{"ab"} == composite_key{"ab", ""});
    CHECK_FALSE(composite_key{"a", "1:b"} == composite_key{"a", "b"});
    CHECK_FALSE(composite_key{"1:a1:b"} == composite_key{"a", "b"});
}

TEST_CASE("two tenants' entries never meet in one cache", "[cache][unit]") {
    plateau::lru_cache<std::string, int> cache{{.max_entries = 10}};
    const std::string tenant = "acme";
    cache.put(composite_key{tenant, "user", 7}, 1);
    cache.put(composite_key{"acme4", "user", 7}, 2);
    CHECK(cache.get(composite_key{tenant, "user", 7}) == 1);
    CHECK(cache.get(composite_key{"acme4", "user", 7}) == 2);
    CHECK_FALSE(cache.get(composite_key{"acm", "user", 7}));
    CHECK(cache.contains(std::string(composite_key{tenant, "user", 7})));

    const composite_key all_of_it{tenant};
    const auto its_own = [&](const std::string& key, int) { return key.starts_with(all_of_it); };
    CHECK(cache.erase_if(its_own) == 1);
    CHECK(cache.size() == 1);
    CHECK(cache.erase(composite_key{"acme4", "user", 7}));
}

TEST_CASE("a look-up by a composite key makes no string", "[cache][alloc]") {
    plateau::lru_cache<std::string, int> cache{{.max_entries = 10}};
    const std::string id(60, 'x');
    cache.put(composite_key{"acme", "a page of some length", id}, 1);
    const new_scope scope;
    const bool found = cache.get(composite_key{"acme", "a page of some length", id}).has_value();
    const new_counts taken = scope.delta();
    CHECK(found);
    CHECK(taken == new_counts{});
}

TEST_CASE("a key that its place does not hold takes one allocation, and gives it back", "[cache][alloc]") {
    for (const std::size_t size : {std::size_t{107}, std::size_t{108}, std::size_t{109}, std::size_t{1} << 20}) {
        const std::string text(size, 'x');  // 3 digits and a colon; 7 for the last
        const std::size_t whole = size + (size < 1000 ? 4 : 8);
        const new_scope scope;
        std::size_t made = 0;
        new_counts taken;
        {
            const composite_key key{text};
            made = text_of(key).size();
            taken = scope.delta();
        }
        const new_counts left = scope.delta();
        CAPTURE(size);
        CHECK(made == whole);
        CHECK(taken.calls == (whole > composite_key::inline_bytes ? 1 : 0));
        CHECK(taken.live_bytes == (whole > composite_key::inline_bytes ? static_cast<std::int64_t>(whole) : 0));
        CHECK(left.live_bytes == 0);
    }
}

TEST_CASE("different parts make different keys, and a key is read back as its parts", "[cache][unit]") {
    INFO(random_source::repeat());
    const std::uint64_t rounds = 40'000 * proof_scale();
    passes([&](shared_check& check) { different_parts_make_different_keys<composite_key>(check, rounds); });
    proof_count("cache", "keys read back", rounds);
}

TEST_CASE("a tenant alone is how its own keys begin, and no other's", "[cache][unit]") {
    INFO(random_source::repeat());
    const std::uint64_t rounds = 20'000 * proof_scale();
    passes([&](shared_check& check) { a_tenant_is_a_prefix_of_its_own_keys_alone<composite_key>(check, rounds); });
}

TEST_CASE("a route's key holds the path and the chosen parameters, by name", "[cache][unit]") {
    const route_key key{"/items", "utm=x&sort=asc&page=2", {"page", "sort"}};
    REQUIRE(key);
    CHECK(*key == "6:/items4:page1:24:sort3:asc");
    const route_key bare{"/items", "utm=x", {"page", "sort"}};
    CHECK(*bare == "6:/items");
    const route_key none{"/items", "page=2", {}};
    CHECK(*none == "6:/items");
}

TEST_CASE("requests that mean the same have one key", "[cache][unit]") {
    const route_key key{"/a", "page=a b&sort=1", {"page", "sort"}};
    for (const std::string_view query : {"sort=1&page=a+b", "page=a%20b&sort=1&x=%zz", "&&%70age=a%20b&sort=%31",
                                         "x&page=a b&=&sort=1", "sort=1&page=%61+%62"}) {
        CAPTURE(query);
        const route_key same{"/a", query, {"sort", "page", "sort"}};
        REQUIRE(same);
        CHECK(*same == *key);
    }
}

TEST_CASE("requests that differ in a chosen parameter have different keys", "[cache][unit]") {
    constexpr std::array<std::string_view, 11> queries{
        "", "p=", "p=1", "p=1&p=2", "p=2&p=1", "p=1&q=2", "p=1%26q=2", "p=1%3dq", "p=1&q=", "p=%2B", "p=+"};
    for (std::size_t i = 0; i < queries.size(); ++i) {
        for (std::size_t j = 0; j < queries.size(); ++j) {
            const route_key a{"/", queries[i], {"p", "q"}};
            const route_key b{"/", queries[j], {"p", "q"}};
            REQUIRE((a && b));
            CAPTURE(queries[i], queries[j]);
            CHECK((*a == *b) == (i == j));
        }
    }
}

TEST_CASE("a path is taken byte for byte, and no query can end it", "[cache][unit]") {
    const route_key once{"/%41", "", {"p"}};
    const route_key decoded{"/A", "", {"p"}};
    CHECK(*once != *decoded);
    const route_key long_path{"/1:p1:1", "", {"p"}};
    const route_key short_path{"/", "p=1", {"p"}};
    CHECK(*long_path != *short_path);
}

TEST_CASE("a key above its bound is refused, and never cut", "[cache][unit]") {
    const std::string query = "page=" + std::string(100, 'a');
    const route_key refused{"/", query, {"page"}, {.max_bytes = 112}};
    CHECK_FALSE(refused);
    CHECK(refused.reason() == route_reason::too_large);
    CHECK(to_string(refused.reason()) == "too_large");
    const route_key kept{"/", query, {"page"}, {.max_bytes = 113}};
    REQUIRE(kept);
    CHECK((*kept).size() == 113);
    CHECK(route_key{"/", "", {"page"}, {.max_bytes = 2}}.reason() == route_reason::too_large);
    CHECK(route_key{std::string(2'000, 'x'), "", {"page"}}.reason() == route_reason::too_large);
}

TEST_CASE("a bad escape in a chosen value is refused, and elsewhere nobody's business", "[cache][unit]") {
    for (const std::string_view query : {"p=%", "p=%1", "p=%1g", "p=a%%41", "p=1&p=%zz", "p=%\0%"}) {
        CAPTURE(query);
        const route_key key{"/", query, {"p"}};
        CHECK_FALSE(key);
        CHECK(key.reason() == route_reason::bad_escape);
    }
    CHECK(route_key{"/", "q=%&%p=1&p%=2&%", {"p"}});
}

TEST_CASE("a query with the mark that it stands behind hides no parameter", "[cache][unit]") {
    const route_key marked{"/", "?page=2", {"page"}};
    CHECK_FALSE(marked);
    CHECK(marked.reason() == route_reason::question_mark);
    CHECK(to_string(marked.reason()) == "question_mark");
    CHECK(route_key{"/", "a=?&page=2?", {"page"}});
    CHECK(route_key{"/", "?page=2", {}});
}

TEST_CASE("the text of a refused key is a violation", "[cache][unit]") {
    const death end = dies([] {
        const route_key refused{"/", "p=%", {"p"}};
        static_cast<void>(*refused);
    });
    CHECK(end.says("a refused route_key has no text"));
}

TEST_CASE("a route's key is a field of a tenant's key, and finds its page without a string", "[cache][alloc]") {
    plateau::concurrent_lru_cache<std::string, int> pages{{.max_entries = 1'000}};
    const route_key key{"/items", "page=2&utm=1", {"page"}};
    pages.put(*key, 1);
    pages.put(composite_key{"acme", *key}, 2);
    const new_scope scope;
    const route_key again{"/items", "utm=2&page=%32", {"page"}};
    const auto plain = pages.get(*again);
    const auto tenant = pages.get(composite_key{"acme", *again});
    const new_counts taken = scope.delta();
    CHECK(plain == 1);
    CHECK(tenant == 2);
    CHECK(taken == new_counts{});
}

TEST_CASE("a query of a megabyte costs no memory, and 100,000 parameters one look each", "[cache][alloc]") {
    std::string query;
    for (int i = 0; i < 100'000; ++i) query += "page" + std::to_string(i) + "=%41&";
    query += std::string(1'000'000, '%') + "&page=7&" + std::string(1'000'000, '&');
    const new_scope scope;
    const route_key key{"/items", query, {"sort", "page", "filter", "q"}};
    const bool right = key && *key == "6:/items4:page1:7";
    const new_counts taken = scope.delta();
    CHECK(right);
    CHECK(taken == new_counts{});

    std::string many;
    for (int i = 0; i < 100'000; ++i) many += "page=1&";
    const route_key refused{"/items", many, {"page"}};
    CHECK(refused.reason() == route_reason::too_large);
    const route_key allowed{"/items", many, {"page"}, {.max_bytes = plateau::unlimited}};
    REQUIRE(allowed);
    CHECK((*allowed).size() == 8 + 100'000 * 9);
}

TEST_CASE("route keys agree with a slow reading of each request", "[cache][unit]") {
    INFO(random_source::repeat());
    const std::uint64_t rounds = 40'000 * proof_scale();
    passes([&](shared_check& check) { route_keys_agree_with_the_slow_reading<route_key>(check, rounds); });
    proof_count("cache", "keys read back", rounds);
}
