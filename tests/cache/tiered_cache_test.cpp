// SPDX-License-Identifier: MIT
// The second tier: what goes there, what comes back, and what it cannot break.
#include "cache/cache_test_types.hpp"
#include "cache/tier_checks.hpp"
#include "tools/catch.hpp"
#include "tools/fault.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/proof.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/cache.hpp>
#include <plateau/cache/layer_access.hpp>
#include <plateau/cache/second_tier.hpp>
#include <plateau/cache/tiered_cache.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

using namespace plateau_test;
using namespace std::chrono_literals;
struct shipped;

TEST_CASE("what the second tier has is kept near for what is left of its time to live", "[cache][unit]") {
    passes(what_the_tier_has_is_kept_near<shipped>);
}
TEST_CASE("what is put and erased goes through to the second tier", "[cache][unit]") {
    passes(what_is_put_and_erased_goes_through<shipped>);
}
TEST_CASE("a second tier that fails, times out or throws is a miss", "[cache][unit]") {
    passes(a_tier_that_fails_is_a_miss<shipped>);
}
TEST_CASE("a second tier that lies about a time to live is not believed", "[cache][unit]") {
    passes(a_tier_that_lies_is_not_believed<shipped>);
}
TEST_CASE("a second tier that comes back too late is counted", "[cache][unit]") {
    passes(a_tier_that_overstays_is_counted<shipped>);
}
TEST_CASE("a value from the second tier does not undo a write of its key", "[cache][unit]") {
    passes(a_value_from_the_tier_does_not_undo_a_write<shipped>);
}
TEST_CASE("the second tier decides between puts that overlap", "[cache][unit]") {
    passes(the_tier_decides_between_puts_that_overlap<shipped>);
}

namespace {

/// Text, and no state: an object all the same.
struct text_tier {
    using entry = plateau::tier_entry<std::string>;
    static inline std::string asked;
    plateau::result<entry, plateau::tier_reason> get(const std::string& key, plateau::time_point) {
        asked += key + ' ';
        if (key != "/far") return plateau::tier_reason::absent;
        return entry{std::string(200, 'x'), 1h};
    }
    plateau::tier_reason put(const std::string& key, const std::string& value, plateau::duration, plateau::time_point) {
        asked += key + '=' + value + ' ';
        return {};
    }
    plateau::tier_reason erase(const std::string& key, plateau::time_point) {
        asked += '-' + key + ' ';
        return {};
    }
};
static_assert(plateau::second_tier<text_tier, std::string, std::string>);
static_assert(!plateau::second_tier<text_tier, std::string, int> && !plateau::second_tier<int, int, int>);
using pages_type = plateau::tiered_cache<plateau::concurrent_cache<std::string, std::string>, text_tier>;

/// Numbers that are not negative, and a tier that knows them all.
struct number_tier {
    using entry = plateau::tier_entry<int>;
    int asked = 0;
    plateau::result<entry, plateau::tier_reason> get(const std::uint8_t& key, plateau::time_point) {
        ++asked;
        return entry{key};
    }
    plateau::tier_reason put(const std::uint8_t&, const int&, plateau::duration, plateau::time_point) { return {}; }
    plateau::tier_reason erase(const std::uint8_t&, plateau::time_point) {
        ++asked;
        return {};
    }
};

}  // namespace

TEST_CASE("a second tier is asked by keys of the cache's type, made from whatever they compare with", "[cache][unit]") {
    text_tier tier;
    text_tier::asked.clear();
    pages_type pages({.cache = {.max_bytes = 100'000, .max_entry_bytes = 300}}, tier);
    CHECK_FALSE(pages.get(std::string_view("/a")));
    CHECK(pages.put(std::string_view("/b"), "text"));
    std::string kept = "moved from, if it were not copied";
    CHECK(pages.put("/c", std::move(kept)));
    CHECK_FALSE(kept.empty());
    CHECK(pages.erase("/b"));
    CHECK(pages.get("/far") == std::string(200, 'x'));
    CHECK(text_tier::asked == "/a /b=text /c=" + kept + " -/b /far ");
    CHECK(pages.stats().rejections == 1);  // too large to be kept near
    CHECK_FALSE(pages.contains("/far"));

    number_tier numbers;
    plateau::tiered_cache<plateau::lru_cache<std::uint8_t, int>, number_tier> bytes({.cache = {.max_entries = 4}},
                                                                                    numbers);
    CHECK_FALSE(bytes.get(-1));
    CHECK_FALSE(bytes.get(300));
    CHECK_FALSE(bytes.erase(300));
    CHECK(numbers.asked == 0);
    CHECK(bytes.get(44) == 44);
}

TEST_CASE("a cache with a second tier refuses a time-out that is not above zero", "[cache][unit]") {
    text_tier tier;
    CHECK_THROWS_AS(pages_type({.cache = {.max_entries = 1}, .tier_timeout = 0ns}, tier), std::invalid_argument);
    CHECK_THROWS_AS(pages_type({.cache = {.max_entries = 1}, .tier_timeout = -1ns}, tier), std::invalid_argument);
    CHECK_THROWS_AS(pages_type({.cache = {.max_entries = 0}}, tier), std::invalid_argument);
    static_assert(!std::is_move_constructible_v<pages_type>);

    plateau::manual_clock clock;
    told_tier<shipped> told;
    tiered<shipped> patient({.cache = {.max_entries = 1}, .tier_timeout = plateau::forever}, told, clock);
    clock.advance(1h);
    CHECK_FALSE(patient.get(1));
    CHECK(told.until == plateau::time_point::max());
}

TEST_CASE("a second tier tells its figures after those of the cache", "[cache][unit]") {
    two_tiers<shipped> both;
    both.tier.held = {{1, {10, 1h}}};
    static_cast<void>(both.cache.get(1));
    static_cast<void>(both.cache.get(2));
    both.cache.put(3, 30);
    both.cache.erase(3);
    std::string told;
    both.cache.stats().visit_fields([&](const plateau::field_info& field, auto value) {
        if (field.name.substr(0, 5) == "tier_") (told += field.name) += ' ' + std::to_string(value) + ' ';
    });
    CHECK(told == "tier_hits 1 tier_misses 1 tier_failures 0 tier_timeouts 0 tier_overstays 0 tier_stores 1 "
                  "tier_erasures 1 ");
    struct bare_near : near_by_hand {
        using stats = plateau::bare;
    };
    plateau::tiered_cache<plateau::lru_cache<int, int, bare_near>, told_tier<shipped>> silent(
        {.cache = {.max_entries = 1}}, both.clock, both.tier);
    CHECK(silent.get(1) == 10);
    CHECK(silent.stats().tier_hits == 0);
}

TEST_CASE("a layer in front asks the memory alone, then the second tier", "[cache][unit]") {
    using access = plateau::detail::layer_access;
    two_tiers<shipped> both;
    auto& cache = both.cache;
    both.tier.held = {{1, {10, 5ns}}};
    const auto look = [&](int key) {
        std::optional<int> found;
        access::look(cache, key, access::now(cache), [&](int value, const plateau::no_note&) { found = value; });
        return found;
    };
    static_assert(access::has_far<tiered<shipped>>() && !access::has_far<plateau::lru_cache<int, int>>());
    CHECK_FALSE(look(1));
    CHECK(both.tier.gets == 0);
    const auto far = access::far_get(cache, 1, both.clock.now() + 1ms);
    REQUIRE(far.has_value());
    CHECK((far->value == 10 && far->time_to_live == 5ns));
    CHECK(both.tier.until == both.clock.now() + 1ms);
    CHECK_FALSE(look(1));
    CHECK(far->asked.unwritten());
    CHECK_FALSE(access::put(cache, 1, 9, plateau::put_options{}, plateau::no_note{}, []() noexcept { return false; }));
    const auto unwritten = [&]() noexcept { return far->asked.unwritten(); };
    CHECK(access::put(cache, 1, 11, plateau::put_options{}, plateau::no_note{}, unwritten));
    CHECK_FALSE(access::put(cache, 1, 12, plateau::put_options{}, plateau::no_note{}, unwritten));
    CHECK(look(1) == 11);
    CHECK_FALSE(far->asked.unwritten());
    CHECK(both.tier.puts == 0);
    CHECK(access::far_put(cache, 1, 12, 1s, plateau::time_point::max()) == plateau::tier_reason::none);
    CHECK(both.tier.held.at(1).value == 12);
    CHECK(both.tier.until == both.clock.now() + 50ms);
    CHECK(access::erase_if_note(cache, 1, [](const plateau::no_note&) { return true; }));
    CHECK(both.tier.held.count(1) == 1);
    CHECK_FALSE(access::far_get(cache, 2, plateau::time_point::max()));
}

namespace {

/// Fails, as everything about it may.
struct failing_tier {
    using value = tracked_value<true>;
    value_tally& values;
    plateau::result<plateau::tier_entry<value>, plateau::tier_reason> get(const int& key, plateau::time_point) {
        fault_here(fault::callback);
        if (key % 2 == 0) return plateau::tier_reason::absent;
        return plateau::tier_entry<value>{value(values, key), 1h};
    }
    plateau::tier_reason put(const int&, const value& given, plateau::duration, plateau::time_point) {
        fault_here(fault::callback);
        const value copy(given);
        return {};
    }
    plateau::tier_reason erase(const int&, plateau::time_point) {
        fault_here(fault::callback);
        return {};
    }
};

/// A cache with a tier that may fail at each step.
struct sweep_subject {
    value_tally values;
    failing_tier tier{values};
    plateau::tiered_cache<plateau::lru_cache<int, tracked_value<true>>, failing_tier> cache{
        {.cache = {.max_entries = 4}}, tier};
};

}  // namespace

TEST_CASE("what a load is about to take back from the second tier is given to nobody", "[cache][unit]") {
    passes(what_is_taken_back_is_given_to_nobody<shared_near>);
}

TEST_CASE("whatever a second tier throws is a miss, and leaves nothing behind", "[cache][alloc]") {
    const auto make = [] { return std::make_unique<sweep_subject>(); };
    const auto calls = [](std::unique_ptr<sweep_subject>& all) {
        static_cast<void>(all->cache.get(1));
        static_cast<void>(all->cache.get(2));
        all->cache.put(3, tracked_value<true>(all->values, 3));
        static_cast<void>(all->cache.get(3));
        all->cache.erase(1);
        static_cast<void>(all->cache.get(5));
    };
    std::uint64_t wrong = 0;
    const auto check = [&](std::unique_ptr<sweep_subject>& all, const sweep_step&) {
        all->cache.check_invariants();
        const auto near = static_cast<std::int64_t>(all->cache.size());
        wrong += all->values.live != near || all->values.corrupt != 0;
        all->cache.clear();
        wrong += all->values.live != 0;
    };
    const sweep_report tier = sweep_faults(fault::callback, make, calls, check);
    CHECK(tier.points == 5);
    CHECK(tier.threw == 0);
    CHECK(tier.leaked_bytes == 0);
    const sweep_report values = sweep_faults(fault::any, make, calls, check);
    CHECK(values.points > 20);
    CHECK(values.threw > 10);
    CHECK(values.leaked_bytes == 0);
    CHECK(wrong == 0);
    proof_count("cache", "fault points", tier.injected + values.injected);
}
