// SPDX-License-Identifier: MIT
#include "cache/rollback_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"

using namespace plateau_test;

TEST_CASE("puts that throw, a hundred in a row, take no slots with them", "[cache][alloc]") {
    passes(a_put_that_throws_takes_no_slot<bombed>);
}

TEST_CASE("a get whose copy throws is no hit, and moves no entry up", "[cache][alloc]") {
    passes(a_get_that_throws_moves_nobody_up<bombed>);
}

TEST_CASE("a first deadline finds memory in every page, or changes none", "[cache][alloc]") {
    passes(a_column_is_had_for_all_pages_or_none<bombed>);
}
