// SPDX-License-Identifier: MIT
// Tags: what an invalidation ends, what it leaves alone, and what the table of names costs.
#include "cache/tag_checks.hpp"
#include "tools/catch.hpp"

#include <plateau/cache/tag_list.hpp>
#include <plateau/cache/tag_table.hpp>
#include <plateau/sync.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

using namespace plateau_test;
using sync_type = plateau::default_sync;

TEST_CASE("a list of tags is written as the names in braces, and holds eight", "[cache][unit]") {
    struct how {
        plateau::tag_list tags{};
    };
    const std::string made = "product:7";
    const auto names = [](const how& given) {
        std::string all;
        for (const std::string_view name : given.tags) (all += name) += '|';
        return all;
    };
    CHECK(names({}).empty());
    CHECK(names({.tags = {}}).empty());
    CHECK(names({.tags = {"catalog"}}) == "catalog|");
    CHECK(names({.tags = {"catalog", made, std::string_view("x")}}) == "catalog|product:7|x|");
    CHECK(names({.tags = {"product:" + std::to_string(8)}}) == "product:8|");
    CHECK(names({.tags = {"1", "2", "3", "4", "5", "6", "7", "8"}}) == "1|2|3|4|5|6|7|8|");
    static_assert(!std::is_convertible_v<int, plateau::tag_list>);
}

TEST_CASE("an invalidation ends the entries that were stamped before it, and no others", "[cache][unit]") {
    passes(an_invalidation_ends_what_was_stamped_before<sync_type>);
}
TEST_CASE("a name that lost its record is still invalidated", "[cache][unit]") {
    passes(a_displaced_name_is_still_invalidated<sync_type>);
}
TEST_CASE("an entry that is over stays over when its record goes to another name", "[cache][unit]") {
    passes(what_is_over_stays_over<sync_type>);
}
TEST_CASE("a load that began before an invalidation of its tags is refused", "[cache][unit]") {
    passes(a_load_that_began_before_an_invalidation_is_refused<sync_type>);
}
TEST_CASE("the tags of one entry never take each other's records", "[cache][unit]") {
    passes(the_tags_of_one_entry_never_take_from_each_other<sync_type>);
}

TEST_CASE("random tags agree with an exact list while all names have room", "[cache][model]") {
    const std::size_t steps = 100'000 * proof_scale();
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 1, 8, steps); });
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 100, 100, steps); });
}
TEST_CASE("random tags never spare an entry that an exact list ends, however many names there are", "[cache][model]") {
    const std::size_t steps = 100'000 * proof_scale();
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 8, 9, steps); });
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 16, 1'000, steps); });
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 300, 2'000, steps); });
}
