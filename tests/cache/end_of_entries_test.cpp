// SPDX-License-Identifier: MIT
// Four ways in which the end of an entry went wrong: a pin released while its entry waited to be told ended the value a
// second time; a listener reopened the cache that was ending, and what it put was never ended; an equality of a type
// that only the query knows called back into a look-up that went on; a replacement kept a heavy key and was charged for
// a light one.
#include "cache/end_of_entries_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"

#include <plateau/cache.hpp>

#include <cstdint>

using namespace plateau_test;

namespace {

struct question {
    int number;
};
struct with_question : plateau::cache_policies {
    struct hash {
        using is_transparent = void;
        std::uint64_t operator()(int number) const noexcept { return static_cast<std::uint64_t>(number); }
        std::uint64_t operator()(const question& asked) const noexcept { return (*this)(asked.number); }
    };
};
plateau::lru_cache<int, int, with_question>* asked_of = nullptr;
bool operator==(int number, const question& asked) {
    asked_of->clear();
    return number == asked.number;
}

}  // namespace

TEST_CASE("a pin that goes while its entry waits to be told ends the value once", "[cache][unit]") {
    passes(a_pinned_value_ends_once<with_pins>);
}

TEST_CASE("a listener cannot reopen a cache that is ending", "[cache][unit]") {
    passes(a_cache_that_ends_stays_closed<with_listener>);
}

TEST_CASE("an equality of the query's that calls the cache is trapped", "[cache][unit]") {
    plateau::lru_cache<int, int, with_question> cache{{.max_entries = 4}};
    asked_of = &cache;
    cache.put(1, 1);
    cache.put(2, 2);
    CHECK(dies([&] { (void)cache.get(question{1}); }).says("from inside its own visit"));
}

TEST_CASE("a replacement holds the key that it is charged for", "[cache][unit]") {
    passes(a_replacement_pays_for_its_own_key<plateau::cache_policies>);
}

TEST_CASE("a number that the key type cannot hold is not put under another", "[cache][unit]") {
    plateau::lru_cache<unsigned, int> cache{{.max_entries = 10}};
    CHECK(dies([&] { cache.put(-1, 1); }).says("cannot hold"));
    CHECK(dies([&] { cache.put((1LL << 32) + 5, 1); }).says("cannot hold"));
    CHECK(cache.put(5LL, 1));
    CHECK(cache.get(5));
    CHECK(!cache.get(-5));
}
