// SPDX-License-Identifier: MIT
// Defects of the bytes that shards share: each is one member function with one thing wrong.
#include "cache/byte_budget_checks.hpp"
#include "cache/byte_budget_scenes.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <atomic>
#include <cstddef>
#include <string>
#include <utility>

using namespace plateau_test;
using namespace plateau_test::budget_scenes;
namespace detail = plateau::detail;

namespace {

struct forgets_what_it_gave : four_by_low_bits {};
struct keeps_its_part : four_by_low_bits {};
struct leaves_pins_with_others : four_by_low_bits {};
struct looks_then_takes : explored_sync {};
struct two_that_look : two_shards {
    using sync = looks_then_takes;
};

template <class Policies>
using core_of = detail::cache_core<int, weighed, detail::lru_policies<Policies>>;

}  // namespace

/// What a shard gives to another it goes on using.
template <>
std::size_t core_of<forgets_what_it_gave>::give_bytes(std::size_t wanted, std::size_t least) noexcept {
    return bounds_.givable(wanted, least, used_bytes());
}

/// A shard makes no room for others.
template <>
void core_of<keeps_its_part>::make_givable(std::size_t, std::size_t) noexcept {}

/// A shard keeps what it once took for pins.
template <>
std::size_t core_of<leaves_pins_with_others>::give_pinned_bytes(std::size_t) noexcept {
    return 0;
}

/// Two may see the same bytes left.
template <>
std::size_t detail::byte_pool<looks_then_takes, explored_part>::take(std::size_t least, std::size_t wanted) noexcept {
    const std::size_t there = left();
    if (there < least) return 0;
    const std::size_t share = wanted < least ? least : (wanted < there ? wanted : there);
    taken_.fetch_add(share, std::memory_order_relaxed);
    static_cast<void>(outer_.try_charge(share));
    return share;
}

namespace {

struct gives_its_share_and_keeps_it : charged_tellingly {};
struct settles_at_the_next_change : four_by_low_bits {};

}  // namespace

/// A shard at its end has in its books what the cache gave back for it.
template <>
std::size_t
detail::cache_core<int, lingering, detail::lru_policies<gives_its_share_and_keeps_it>>::give_all_bytes() noexcept {
    return bounds_.max_bytes;
}

/// What removals leave stays with the shard.
template <>
void detail::cache_shard<int, std::string, detail::lru_policies<settles_at_the_next_change>,
                         detail::shared_access<plateau::default_sync>>::settle() noexcept {}

TEST_CASE("defects of a budget that shards share are noticed", "[cache][seeded]") {
    expect_killed({"F2", "what a shard gives to another it goes on using",
                   "cache: one shard may fill the whole budget, and gives way when others come", "",
                   a_budget_moves_between_shards<forgets_what_it_gave>});
    expect_killed({"F2", "a shard makes no room for others",
                   "cache: an entry heavier than a shard's part is kept, and can be pinned", "as heavy as the budget",
                   a_heavy_entry_is_kept<keeps_its_part>});
    expect_killed({"F2", "a shard keeps what it once took for pins",
                   "cache: pins are bounded together, wherever they are", "a pin of another shard",
                   pins_are_bounded_together<leaves_pins_with_others>});
    expect_killed({"F7", "two may see the same bytes left in the pool",
                   "cache: bytes wander between two shards, and none is lost or used twice", "more was taken",
                   [](shared_check& check) {
                       const explore_report report =
                           explore({.name = "seeded bytes", .preemptions = 2, .mode = explore_mode::sequential},
                                   bytes_wander<two_that_look, meets::a_heavy_one>);
                       check.expect(!report.failed, report.failure);
                   }});
}

TEST_CASE("defects of what an outer budget gets back are noticed", "[cache][seeded]") {
    expect_killed({"F2", "a shard's share is given back at its end, and again with a pinned value",
                   "cache: a pinned value that ends beside the end of its cache gives nothing back twice",
                   "what is charged at the end",
                   a_value_that_ends_beside_its_cache_gives_back_once<gives_its_share_and_keeps_it>});
    expect_killed({"F2", "what was erased stays charged until the next change",
                   "cache: what is erased by choice leaves the outer budget before the call returns",
                   "what is charged after that", what_is_erased_leaves_the_outer_budget<settles_at_the_next_change>});
}
