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
struct aligns_as_a_pointer {};

// An arena is no template, and one that takes a defect for what it defers is: that one may name private members.

struct given_back {
    void* memory;
    std::size_t bytes;
};
struct after_what_was_closed : given_back {};
struct never_closed : given_back {};
struct beside_its_room : given_back {};
struct behind_a_round_head {
    std::size_t bytes;
    std::size_t align;
    as_shipped::taken got = plateau::arena_reason::no_memory;
};
struct four_loops {
    const plateau::checkpoint& to;
    bool went;
};

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

/// Elements that end stand behind a head which is aligned as its pointers are.
template <>
std::span<wide_ending<aligns_as_a_pointer>>
plateau::request_arena::create_array<wide_ending<aligns_as_a_pointer>>(std::size_t n) {
    using item = wide_ending<aligns_as_a_pointer>;
    void* const memory = allocate_bytes(array_head<item> + n * sizeof(item), alignof(detail::arena_cleanup));
    return {reinterpret_cast<item*>(static_cast<std::byte*>(memory) + array_head<item>), n};
}

/// Of a run whose free end was given up, its first object is taken for the only one, however far it reaches.
template <>
void plateau::request_arena::defer(after_what_was_closed& what) {
    const std::uintptr_t behind = reinterpret_cast<std::uintptr_t>(what.memory) + what.bytes + redzone;
    for (detail::block_run* run = runs_; run != nullptr; run = run->next)
        if (run->closed_at != 0) run->closed_at = behind;
    deallocate_bytes(what.memory, what.bytes);
}

/// Nobody remembers that nothing is in the end that was given up.
template <>
void plateau::request_arena::defer(never_closed& what) {
    for (detail::block_run* run = runs_; run != nullptr; run = run->next) run->closed_at = 0;
    deallocate_bytes(what.memory, what.bytes);
}

/// Of the room in the run the free end alone goes with it.
template <>
void plateau::request_arena::defer(beside_its_room& what) {
    const detail::arena_window before = current_;
    const std::size_t held = held_;
    deallocate_bytes(what.memory, what.bytes);
    if (held_ != held && before.room() == 0) current_ = before;
}

/// What stands behind the head is aligned as far as the head is long, as it would be if that were a power of two.
template <>
void plateau::request_arena::defer(behind_a_round_head& what) {
    std::size_t needed = sizeof(detail::block_run) + what.bytes + redzone;
    if (what.align > page) needed += what.align;
    else if (what.align > sizeof(detail::block_run)) needed += what.align - sizeof(detail::block_run);
    const auto got = source_.take((needed + block_bytes_ - 1) / block_bytes_, runs_ == nullptr);
    add(*got.run);
    detail::arena_window fresh = inside(*got.run);
    if (void* const memory = take_from(fresh, what.bytes, what.align)) what.got = memory;
    keep_room(fresh);
}

/// Four ranges of dead marks are kept, and where there is one more, the two oldest become one.
template <>
void plateau::request_arena::defer(four_loops& what) {
    what.went = rewind(what.to);
    if (forgotten_count_ <= 4) return;
    forgotten_[0].until = forgotten_[1].until;
    for (std::size_t i = 2; i < forgotten_count_; ++i) forgotten_[i - 1] = forgotten_[i];
    --forgotten_count_;
}

namespace {

struct forgets_where_the_end_was : as_shipped {
    static void give_back(plateau::request_arena& arena, void* memory, std::size_t n) {
        after_what_was_closed what{{memory, n}};
        arena.defer(what);
    }
};
struct keeps_what_was_closed : as_shipped {
    static void give_back(plateau::request_arena& arena, void* memory, std::size_t n) {
        never_closed what{{memory, n}};
        arena.defer(what);
    }
};
struct keeps_room_of_no_bytes : as_shipped {
    static void give_back(plateau::request_arena& arena, void* memory, std::size_t n) {
        beside_its_room what{{memory, n}};
        arena.defer(what);
    }
};
struct takes_the_head_for_round : as_shipped {
    static taken take(plateau::request_arena& arena, std::size_t n, std::size_t align) {
        behind_a_round_head what{n, align};
        arena.defer(what);
        return what.got;
    }
};
struct joins_the_oldest : as_shipped {
    static bool rewind(plateau::request_arena& arena, const plateau::checkpoint& to) {
        four_loops what{to, false};
        arena.defer(what);
        return what.went;
    }
};

}  // namespace

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
    expect_killed({"F13", "elements stand where a pointer may stand",
                   "arena: objects and elements stand where their type asks, with and without a destructor",
                   "an element that ends is aligned", objects_stand_where_their_type_asks<aligns_as_a_pointer>});
    expect_killed({"F1", "a mark goes with the loops that came and went before it and after it",
                   "arena: a mark is good after any number of nested loops that came and went",
                   "a mark between them is good", a_mark_is_good_after_any_number_of_loops<joins_the_oldest>});
}

TEST_CASE("defects of an arena's blocks are noticed", "[arena][seeded]") {
    expect_killed({"F10", "blocks go back with an object that fills a part of them",
                   "arena: an object in a part of what a larger one left gives no blocks back", "what is held",
                   a_part_of_a_place_gives_no_blocks_back<forgets_where_the_end_was>});
    expect_killed({"F11", "a large object's blocks stay where its run's end was given up",
                   "arena: a large object that filled its blocks gives them back to the pool at once",
                   "what goes back with the first",
                   a_large_object_gives_back_the_end_that_was_given_up<keeps_what_was_closed>});
    expect_killed({"F10", "a place that was filled stays when its run goes back",
                   "arena: blocks that go back take along what free room there was in them",
                   "free room outside of the blocks",
                   a_run_that_goes_back_leaves_no_room_behind<keeps_room_of_no_bytes>});
    expect_killed({"F3", "the head of a run is taken for a power of two",
                   "arena: blocks are enough for an object of any alignment, and none is taken beyond that",
                   "there is room for it", a_run_has_room_for_every_alignment<takes_the_head_for_round>});
}
