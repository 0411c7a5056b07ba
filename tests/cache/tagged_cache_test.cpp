// SPDX-License-Identifier: MIT
// Tags: what an invalidation ends, what it leaves alone, and what the table of names costs.
#include "cache/tag_checks.hpp"
#include "tools/catch.hpp"

#include <plateau/cache.hpp>
#include <plateau/cache/tagged_cache.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
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
    const auto size = [](const how& given) { return given.tags.size(); };
    CHECK(size({}) == 0);
    CHECK(size({.tags = {}}) == 0);
    CHECK(size({.tags = "catalog"}) == 1);
    CHECK(size({.tags = {"catalog"}}) == 1);
    CHECK(size({.tags = {"catalog", made, std::string_view("x")}}) == 3);
    CHECK(size({.tags = {"1", "2", "3", "4", "5", "6", "7", "8"}}) == 8);
    static_assert(!std::is_convertible_v<int, plateau::tag_list>);
}

TEST_CASE("a list of tags may outlive the text that it was made from", "[cache][unit]") {
    plateau::tagged_cache<plateau::lru_cache<int, int>> cache({.cache = {.max_entries = 4}});
    plateau::tag_list tags;
    {
        std::string name = tag_named(1);
        tags = {name, tag_named(2)};
        name.assign(name.size(), '?');
    }
    CHECK(cache.put(1, 1, {.tags = tags}));
    CHECK_FALSE(cache.invalidate_tag(tag_named(3)));
    CHECK(cache.contains(1));
    CHECK(cache.invalidate_tag(tag_named(2)));
    CHECK_FALSE(cache.contains(1));
    CHECK(cache.put(1, 1, {.tags = {""}}));
    CHECK(cache.invalidate_tag(""));
    CHECK_FALSE(cache.contains(1));
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
    passes(a_known_name_keeps_its_record_beside_new_ones<sync_type>);
}

TEST_CASE("random tags agree with an exact list while all names have room", "[cache][unit]") {
    const std::size_t steps = 100'000 * proof_scale();
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 1, 8, steps); });
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 100, 100, steps); });
}
TEST_CASE("random tags never spare an entry that an exact list ends, however many names there are", "[cache][unit]") {
    const std::size_t steps = 100'000 * proof_scale();
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 8, 9, steps); });
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 16, 1'000, steps); });
    passes([=](shared_check& check) { the_table_agrees_with_an_exact_list<sync_type>(check, 300, 2'000, steps); });
}

TEST_CASE("a cache with random tags answers as an exact list of them does", "[cache][unit]") {
    const std::size_t steps = 100'000 * proof_scale();
    passes(
        [=](shared_check& check) { a_tagged_cache_agrees_with_an_exact_list<tagged_by_hand>(check, 30, 30, steps); });
    passes(
        [=](shared_check& check) { a_tagged_cache_agrees_with_an_exact_list<tagged_by_hand>(check, 10, 40, steps); });
}

// ---- caches

TEST_CASE("an invalidated entry is gone for every way to look", "[cache][unit]") {
    passes(an_invalidated_entry_is_gone_for_every_way_to_look<tagged_by_hand>);
}
TEST_CASE("an entry that is expired, invalidated, pinned and the oldest at once ends once", "[cache][unit]") {
    passes(an_entry_ends_once_for_all_reasons_at_once<tagged_by_hand>);
}
TEST_CASE("what was invalidated goes within the budget of the calls that follow", "[cache][unit]") {
    passes(what_was_invalidated_goes_within_the_budget<tagged_by_hand>);
}
TEST_CASE("what is invalidated between its stamp and its place is absent, and is swept", "[cache][unit]") {
    passes(what_was_invalidated_on_its_way_in_is_swept<invalidates_inside>);
}
TEST_CASE("a value that was read before an invalidation is not stored after it", "[cache][unit]") {
    passes(what_was_read_before_an_invalidation_is_not_stored<tagged_by_hand>);
}
TEST_CASE("a million new tags take no memory, and leave no entry that was invalidated", "[cache][alloc]") {
    passes([](shared_check& check) { endless_new_tags_take_no_memory<counted_tags>(check, 1'000'000); });
}

TEST_CASE("tags cost nothing to a cache that has none, and 32 bytes an entry to one that has", "[cache][unit]") {
    using plain = plateau::concurrent_cache<std::uint64_t, std::uint64_t>;
    using tagged = plateau::tagged_cache<plain>;
    static_assert(tagged::entry_overhead == plain::entry_overhead + 32);
    static_assert(std::is_same_v<tagged::policies, plain::policies>);
    static_assert(!std::is_copy_constructible_v<tagged> && !std::is_move_constructible_v<tagged>);
    static_assert(noexcept(std::declval<tagged&>().invalidate_tag(std::string_view())));
    using sole = plateau::lru_cache<std::uint64_t, std::uint64_t>;
    const sole without({.max_entries = 1'000});
    const plateau::tagged_cache<sole> with({.cache = {.max_entries = 1'000}});
    CHECK(with.memory_ceiling() > without.memory_ceiling());
    CHECK(with.memory_ceiling() < without.memory_ceiling() + 2'000 * 32 + 1'024 * 44 + 6 * 1'024);
    const plateau::tagged_cache<sole> most({.cache = {.max_entries = 1'000}, .max_tags = 65'535});
    CHECK(most.memory_ceiling() - with.memory_ceiling() < (65'535 - 1'024) * 44);
}

TEST_CASE("a tagged cache refuses a table of no names, and of more than 16 bits count", "[cache][unit]") {
    using cache = plateau::tagged_cache<plateau::lru_cache<int, int>>;
    CHECK_THROWS_AS(cache({.cache = {.max_entries = 1}, .max_tags = 0}), std::invalid_argument);
    CHECK_THROWS_AS(cache({.cache = {.max_entries = 1}, .max_tags = 65'536}), std::invalid_argument);
    CHECK_THROWS_AS(cache({.cache = {.max_entries = 0}}), std::invalid_argument);
}

TEST_CASE("a shared cache with tags hands out text by its parts, and tells what it did", "[cache][unit]") {
    plateau::tagged_cache<plateau::concurrent_cache<std::string, std::string>> pages{
        {.cache = {.max_bytes = 1'000'000}, .max_tags = 16}};
    const std::string id = "product:7";
    CHECK(pages.put("/product/7", "<h1>7</h1>", {.tags = {id, "catalog"}}));
    CHECK(pages.put("/product/8", "<h1>8</h1>", {.tags = {"product:" + std::to_string(8), "catalog"}}));
    CHECK(pages.put("/about", "us"));
    const auto pin = pages.pin("/product/7");
    CHECK(pages.invalidate_tag("product:7"));
    CHECK_FALSE(pages.get(std::string_view("/product/7")));
    CHECK(*pin == "<h1>7</h1>");
    CHECK(pages.get("/product/8") == "<h1>8</h1>");
    CHECK(pages.invalidate_tag("catalog"));
    CHECK_FALSE(pages.invalidate_tag("catalog"));
    CHECK(pages.get("/about") == "us");
    CHECK(pages.erase_if([](const auto&, const auto&) { return true; }) == 1);
    CHECK(pages.purge_expired() == 1);
    CHECK(pages.size() == 0);
    const auto now = pages.stats();
    CHECK(now.tags == 3);
    CHECK(now.tags_invalidated == 3);
    CHECK(now.tags_displaced == 0);
    CHECK(now.invalidations == 2);
    CHECK(now.erasures == 1);
    std::size_t fields = 0;
    now.visit_fields([&](const plateau::field_info& field, auto) { fields += field.name.substr(0, 4) == "tags"; });
    CHECK(fields == 3);
    pages.clear();
    pages.check_invariants();
}

TEST_CASE("what is pinned outlives its tag and its tagged cache", "[cache][unit]") {
    using pages_type = plateau::tagged_cache<plateau::concurrent_cache<int, std::string>>;
    auto pages = std::make_unique<pages_type>(pages_type::options{.cache = {.max_entries = 4}});
    pages->put(1, "a page of some length, on the heap", {.tags = {"tag"}});
    pages->put(2, "another page of some length, on the heap", {.tags = {"tag"}});
    const auto invalidated = pages->pin(1);
    pages->invalidate_tag("tag");
    CHECK(pages->purge_expired() == 2);
    pages->put(3, "a third page of some length, on the heap", {.tags = {"tag"}});
    const auto live = pages->pin(3);
    pages.reset();
    CHECK(*invalidated == "a page of some length, on the heap");
    CHECK(*live == "a third page of some length, on the heap");
}

namespace {

struct layer_note {
    int number = 0;
};
using noted_policies = plateau::detail::noted<plateau::cache_policies, layer_note>;

}  // namespace

TEST_CASE("a layer in front of a tagged cache keeps its own note beside the tags", "[cache][unit]") {
    using access = plateau::detail::layer_access;
    plateau::tagged_cache<plateau::lru_cache<int, int, noted_policies>> cache({.cache = {.max_entries = 4}});
    const auto always = []() noexcept { return true; };
    noted_policies::note note;
    note.number = 7;
    const auto number = [&](int key) {
        int found = 0;
        access::look(cache, key, access::now(cache),
                     [&](int, const noted_policies::note& seen) { found = seen.number; });
        return found;
    };
    CHECK(access::put(cache, 1, 10, plateau::put_options{}, note, always));
    CHECK(number(1) == 7);
    CHECK_FALSE(access::put(cache, 1, 11, plateau::put_options{}, note, []() noexcept { return false; }));
    CHECK(cache.get(1) == 10);
    CHECK(cache.put(1, 12, {.tags = {"tag"}}));
    CHECK(number(1) == 0);
    CHECK_FALSE(access::erase_if_note(cache, 1, [](const layer_note& seen) { return seen.number == 7; }));
    CHECK(cache.invalidate_tag("tag"));
    CHECK_FALSE(access::erase_if_note(cache, 1, [](const layer_note&) { return true; }));
    CHECK(cache.size() == 0);
    access::tell_rejected(cache, 1, 13);
    CHECK(cache.stats().discards == 1);
    cache.check_invariants();
}
