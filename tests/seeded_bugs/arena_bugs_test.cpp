// SPDX-License-Identifier: MIT
// Defects of those who hand out a request's memory: peaks that stay, bounds that bend, books that do not close, ends of
// what never was.
#include "arena/arena_checks.hpp"
#include "arena/pool_checks.hpp"
#include "arena/pool_scenarios.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/explore.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

struct never_forgets : plateau::arena_policies {};
struct keeps_all : plateau::arena_policies {};
struct bounds_what_is_used : small_superblocks {};
struct forgets_scopes : plateau::arena_policies {};
struct keeps_the_charge : small_superblocks {};
struct tells_the_newest : plateau::arena_policies {};
struct books_first : explored_pool {};
struct links_first {};
struct multiplies {};

}  // namespace

/// What was needed once is needed for ever.
template <>
void plateau::basic_arena_pool<never_forgets>::close_window(std::size_t peak) noexcept {
    if (peak > needed_) needed_ = peak;
}

/// Nothing is given back while there is room.
template <>
std::size_t plateau::basic_arena_pool<keeps_all>::target_blocks() const noexcept {
    return max_blocks_;
}

/// What is kept does not count.
template <>
bool plateau::basic_arena_pool<bounds_what_is_used>::admit(std::size_t fresh) noexcept {
    return fresh == 0 || (fresh <= max_blocks_ - in_use_ && budget_.try_charge(bytes(fresh)));
}

/// The end of a request gives back its blocks, and not its place.
template <>
void plateau::basic_arena_pool<forgets_scopes>::give_back(detail::block_run* runs, bool) noexcept {
    const lock held(mutex_);
    for (; runs != nullptr; runs = runs->next) {
        table_.give({runs->region, runs->first}, runs->blocks);
        in_use_ -= runs->blocks;
    }
}

/// A large object's own mapping goes, and stays charged.
template <>
void plateau::basic_arena_pool<keeps_the_charge>::give_back(detail::block_run* runs, bool closes) noexcept {
    const lock held(mutex_);
    while (runs != nullptr) {
        const detail::block_run run = *runs;
        in_use_ -= run.blocks;
        if (run.region == detail::block_run::own_mapping) {
            pages_.unmap(reinterpret_cast<std::byte*>(runs), bytes(run.blocks));
            held_ -= run.blocks;
        } else {
            table_.give({run.region, run.first}, run.blocks);
        }
        runs = run.next;
    }
    scopes_ -= closes;
}

/// Who parks stands before the others.
template <>
void plateau::basic_arena_pool<tells_the_newest>::park(detail::parked_scope& scope) noexcept {
    const lock held(mutex_);
    scope.since = latest_;
    scope.previous = nullptr;
    scope.next = first_parked_;
    (first_parked_ == nullptr ? last_parked_ : first_parked_->previous) = &scope;
    first_parked_ = &scope;
    ++parked_;
}

/// The books say that blocks are gone while they are on their way.
template <>
std::size_t plateau::basic_arena_pool<books_first>::shed(lock& held, std::size_t want, place spared,
                                                         std::size_t spared_blocks) noexcept {
    leaving out[16];
    const std::size_t runs = table_.pick_idle(out, want, !pages_.discards(), spared, spared_blocks);
    if (runs == 0) return 0;
    std::size_t blocks = 0;
    for (std::size_t i = 0; i < runs; ++i) blocks += out[i].blocks;
    held_ -= blocks;
    held.unlock();
    for (std::size_t i = 0; i < runs; ++i) pages_.unmap(out[i].memory, bytes(out[i].mapped));
    held.lock();
    return blocks;
}

/// The end is registered before the object exists.
template <>
told<links_first>& plateau::request_arena::make<told<links_first>, std::vector<int>&, int&>(void* memory,
                                                                                            std::vector<int>& ends,
                                                                                            int& number) {
    using cell = cell_of<told<links_first>>;
    auto* const place = ::new (memory) cell;
    link(*place, [](detail::arena_cleanup& node) noexcept {
        reinterpret_cast<told<links_first>*>(static_cast<cell&>(node).value)->~told();
    });
    return *::new (static_cast<void*>(place->value)) told<links_first>(ends, number);
}

/// A product of sizes is what is left of it.
template <>
std::span<sized_item<16, multiplies>> plateau::request_arena::create_array<sized_item<16, multiplies>>(std::size_t n) {
    using item = sized_item<16, multiplies>;
    return {static_cast<item*>(allocate_bytes(n * sizeof(item), alignof(item))), n};
}

TEST_CASE("defects of what a pool keeps are noticed", "[arena][seeded]") {
    expect_killed({"F2", "what was needed once is needed for ever",
                   "arena: after one request of 500 MB, ten thousand of 10 KB keep what they need", "the floor is kept",
                   a_spike_is_forgotten<never_forgets>});
    expect_killed({"F2", "nothing is given back while there is room",
                   "arena: what a busy window needed is kept for the next, a quarter less for each that needs less",
                   "what is kept after a window with less", a_busy_window_is_remembered<keeps_all>});
    expect_killed({"F6", "what is kept does not count against the bound",
                   "arena: idle blocks give way to a request that needs room", "I1",
                   idle_blocks_make_room<bounds_what_is_used>});
    expect_killed({"F6", "blocks count as gone while they are on their way",
                   "arena: two threads that take, give and trim share a pool within its bound, block by block",
                   "the upstream gave no more than the bound", [](shared_check& check) {
                       const explore_report report = explore({.name = "seeded pool", .preemptions = 4}, [](scene& s) {
                           play_on_a_pool<books_first>(s, 2, true, {"tgm", "tgt"});
                       });
                       check.expect(!report.failed, report.failure);
                   }});
}

TEST_CASE("defects of a pool's books are noticed", "[arena][seeded]") {
    expect_killed({"F2", "a request that ends keeps its place among the scopes",
                   "arena: arenas that hold memory are counted, and bounded",
                   "an arena_pool ends while arenas hold its memory", scopes_are_counted<forgets_scopes>});
    expect_killed({"F2", "a large object's mapping stays charged",
                   "arena: a budget is charged for every block that is held, and refunded when it goes",
                   "charged at rest", the_budget_is_charged<keeps_the_charge>});
    expect_killed({"F1", "the youngest parked request is told for the oldest",
                   "arena: requests that ended and are still held are told with the age of the oldest",
                   "the age of the oldest", parked_scopes_are_told<tells_the_newest>});
}

TEST_CASE("defects of an arena's objects are noticed", "[arena][seeded]") {
    expect_killed({"F3", "an end is registered before its object exists",
                   "arena: a constructor that throws leaves no end for an object that never was", "objects ended",
                   what_never_was_has_no_end<links_first>});
    expect_killed({"F3", "a product of sizes wraps around", "arena: products of sizes that wrap around are refused",
                   "a product that wraps to 0 is refused", products_are_checked<multiplies>});
}
