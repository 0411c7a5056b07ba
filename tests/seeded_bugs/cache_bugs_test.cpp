// SPDX-License-Identifier: MIT
// Defects of the cache's core: each is one member function of it, with one thing wrong.
#include "cache/end_of_entries_checks.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <plateau/cache.hpp>

using namespace plateau_test;

namespace {

template <class K, class V, class Policies>
using core = plateau::detail::cache_core<K, V, Policies>;

struct told_without_a_hold : with_pins {};
struct closed_by_its_bound : with_listener {};

}  // namespace

/// An entry that is on its way out while others have it pinned is not held for the one who will tell of it.
template <>
void core<int, releasing, told_without_a_hold>::retire(std::uint32_t slot, plateau::removal_cause cause) noexcept {
    slab_.pins(slot) &= ~resident;
    if (pinned(slot)) ++zombies_;
    else leaving_ += charge_of(slot);
    push_out(slot, static_cast<std::uint32_t>(cause));
}

/// A cache that ends is closed as `set_max_entries(0)` closes it.
template <>
void core<int, std::string, closed_by_its_bound>::refuse_all() noexcept {
    bounds_.max_entries = 0;
}

TEST_CASE("defects of the ends of entries are noticed", "[cache][seeded]") {
    expect_killed({"F10", "a pinned entry that waits to be told is not held",
                   "cache: a pin that goes while its entry waits to be told ends the value once", "a value ended twice",
                   a_pinned_value_ends_once<told_without_a_hold>});
    expect_killed({"F9", "a cache that ends is closed only until a listener sets a bound",
                   "cache: a listener cannot reopen a cache that is ending", "takes no entry",
                   a_cache_that_ends_stays_closed<closed_by_its_bound>});
}
