// SPDX-License-Identifier: MIT
// Defects of the cache that show when a call fails in its midst, or in the order of what it holds.
#include "cache/aging_checks.hpp"
#include "cache/cache_model.hpp"
#include "cache/rollback_checks.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"
#include "tools/model.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

template <class K, class V, class Policies>
using core = detail::cache_core<K, V, Policies>;

struct drops_the_slot : bombed {};
struct moves_up_first : bombed {};
struct keeps_half_a_column : bombed {
    static constexpr std::size_t max_page_slots = 4;
};
using four_slot_slab =
    detail::slab<detail::cache_node<int, int, false, plateau::no_note, 32>, bombing_allocator<std::byte>, 4, 1, false>;
struct copies_without_use : exact<plain_policies> {};
struct forgets_the_old_deadline : exact<plain_policies> {};
struct counts_without_end : s3fifo_policies {};
struct knows_no_ghosts : s3fifo_policies {};
struct replaces_unused : s3fifo_policies {};
struct idles_past_its_life : exact<plain_policies> {};
struct touches_a_far_tick : exact_by_hand {};
template <class Policies>
using deadlines = detail::deadlines<typename core<int, counted_string, Policies>::slab_type, Policies>;

/// Random sequences on one variant of the model's, as the real case runs them on all.
template <class Variant>
void agrees_with_the_textbook(shared_check& check) {
    for (std::uint64_t sequence = 0; sequence < 2'000 && !check.failed(); ++sequence) {
        random_source random("seeded bugs", sequence);
        const model_bytes input = lru_cache_model::generate(random, 160);
        model_progress progress;
        model_check into(progress);
        cache_pair<Variant> pair(cache_setup::of<Variant>(bytes_at<lru_cache_model::setup_bytes>(input, 0)), into);
        play_commands<lru_cache_model>(input, into, [&](byte_view command) { pair.step(command); });
        if (!into.failed()) pair.finish();
        check.expect(!into.failed(), into.why());
    }
}
constexpr auto the_model = "cache: the caches answer as the textbook does, whatever is called in whatever order";

}  // namespace

/// A put that throws after it took a slot does not give it back.
template <>
core<int, throwing_value, drops_the_slot>::slot_guard::~slot_guard() {}

/// A hit is a hit before its value is copied.
template <>
template <class Slots>
detail::answer_of<throwing_value> core<int, throwing_value, moves_up_first>::copy_and_use(Slots slots, found at) {
    use(slots, at);
    return detail::answer_of<throwing_value>(at.entry->value);
}

/// The parts of a column that could be had stay when the next cannot be.
template <>
template <>
void four_slot_slab::add_column(detail::timer_links* page::*column) {
    for (std::uint32_t id = 0; id < page_count_; ++id)
        if (pages_[id].slots != 0) pages_[id].*column = get<detail::timer_links>(pages_[id].slots);
}

/// A value that is copied counts as a hit, and leaves the entry where it stands.
template <>
template <class Slots>
detail::answer_of<counted_string> core<int, counted_string, copies_without_use>::copy_and_use(Slots, found at) {
    looks_.hit();
    return detail::answer_of<counted_string>(at.entry->value);
}

/// An entry that leaves stays in the wheel; its slot, taken anew, then has two deadlines.
template <>
void core<int, counted_string, forgets_the_old_deadline>::forget(std::uint32_t slot) noexcept {
    --entries_;
    bytes_ -= charge_of(slot);
}

/// The fourth use of an entry is carried into the bit that names its queue.
template <>
template <class Slots>
void detail::s3fifo_order<counts_without_end>::use(Slots slots, std::uint32_t slot) noexcept {
    slots[slot].previous += one_use;
}

/// Who left the small queue and comes back waits there again.
template <>
template <class Slots>
void detail::s3fifo_order<knows_no_ghosts>::insert(Slots slots, std::uint32_t slot, std::uint32_t) noexcept {
    push(slots, small_, slot, 0);
    latest_ = slot;
}

/// A replacement is put where a new entry would be.
template <>
template <class Slots>
void detail::s3fifo_order<replaces_unused>::replace(Slots slots, std::uint32_t old, std::uint32_t slot) noexcept {
    remove(slots, old);
    push(slots, small_, slot, 0);
    latest_ = slot;
}

/// A use puts the end of an entry off, whatever its time to live is.
template <>
void deadlines<idles_past_its_life>::touch(std::uint32_t slot) noexcept {
    if (now_tick_ - base_ > detail::timer_wheel::horizon) turn();
    slab_.deadline(slot) = deadline_after(how_.time_to_idle);
}

/// A use does not know that 32 bits of ticks may be used up.
template <>
void detail::deadlines<core<int, int, touches_a_far_tick>::slab_type, touches_a_far_tick>::touch(
    std::uint32_t slot) noexcept {
    slab_.deadline(slot) = idle_deadline(slab_.fixed_deadline(slot));
}

TEST_CASE("defects of calls that fail in their midst are noticed", "[cache][seeded]") {
    expect_killed({"F4", "a put that throws keeps the slot that it took",
                   "cache: puts that throw, a hundred in a row, take no slots with them", "a put gets its slot",
                   a_put_that_throws_takes_no_slot<drops_the_slot>});
    expect_killed({"F4", "a get moves an entry up before it copies its value",
                   "cache: a get whose copy throws is no hit, and moves no entry up", "the number of hits",
                   a_get_that_throws_moves_nobody_up<moves_up_first>});
    expect_killed({"F3", "a column of which one page's part cannot be had keeps the other parts",
                   "cache: a first deadline finds memory in every page, or changes none", "what is held after the end",
                   a_column_is_had_for_all_pages_or_none<keeps_half_a_column>});
}

TEST_CASE("defects of the order and of deadlines are noticed beside the textbook", "[cache][seeded]") {
    expect_killed({"F1", "a hit whose value is copied leaves the entry where it stands", the_model, "",
                   agrees_with_the_textbook<sole<int, counted_string, copies_without_use>>});
    expect_killed({"F1", "an entry that is overwritten or erased keeps its deadline", the_model, "",
                   agrees_with_the_textbook<sole<int, counted_string, forgets_the_old_deadline>>});
    expect_killed({"F12", "a use puts an end off past the time to live", the_model, "",
                   agrees_with_the_textbook<sole<int, counted_string, idles_past_its_life>>});
    expect_killed({"F12", "an end is put off past the 32 bits of a deadline",
                   "cache: an entry that is got and nothing else outlives the 32 bits of its ticks", "",
                   an_entry_that_is_got_outlives_its_ticks<touches_a_far_tick>});
    expect_killed({"F13", "the fourth use of an entry overflows its counter", the_model, "",
                   agrees_with_the_textbook<sole<int, counted_string, counts_without_end>>});
    expect_killed({"F1", "a ghost that comes back is taken for a stranger", the_model, "",
                   agrees_with_the_textbook<sole<int, counted_string, knows_no_ghosts>>});
    expect_killed({"F1", "a replaced entry loses its place in the queues", the_model, "",
                   agrees_with_the_textbook<sole<int, counted_string, replaces_unused>>});
}
