// SPDX-License-Identifier: MIT
// Defects of the pool, of the stream of bytes and of the pipeline: each is one member function with one thing wrong.
#include "channel/pipeline_checks.hpp"
#include "channel/pipeline_scenes.hpp"
#include "channel/stream_checks.hpp"
#include "seeded_bugs/explored_bug.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

using namespace plateau_test;
using namespace plateau_test::channel_scenes;
using namespace plateau_test::pipelines;
namespace detail = plateau::detail;

namespace {

/// A pipeline whose parts are those of `Sync`: a defect of a part is one of its sync.
template <class Sync>
struct pipeline_on : plateau::pipeline_policies {
    struct queue : plateau::queue_policies {
        using sync = Sync;
    };
    using sync = Sync;
};
template <class Sync>
using core_of = detail::pipeline_core<Sync, 8>;

struct aborts_nothing : plateau::default_sync {};
struct keeps_the_last : plateau::default_sync {};
struct closes_by_stopping : plateau::default_sync {};

struct by_their_ends : plateau::pipeline_policies {};

template <class T>
struct twice_the_bound : std::allocator<T> {
    template <class U>
    struct rebind {
        using other = twice_the_bound<U>;
    };
    twice_the_bound() = default;
    template <class U>
    twice_the_bound(const twice_the_bound<U>&) noexcept {}
};
struct keeps_too_much : plateau::pipeline_policies {
    struct queue : plateau::queue_policies {
        using allocator = twice_the_bound<std::byte>;
    };
};

/// The pipeline of the explorer's scenes, on a sync that has a defect.
template <class Sync>
struct explored_on : explored_pipeline {
    struct queue : plateau::queue_policies {
        using sync = Sync;
        using stats = plateau::bare;
    };
    using sync = Sync;
};
struct forgets_signals : explored_sync {};
struct leaves_the_queues : explored_sync {};

struct wakes_after_the_end : explored_sync {};
struct closes_for_one : explored_sync {};
struct keeps_the_room : explored_pool {};
struct counts_no_pops : explored_sync {};
struct saves_up : streams::by_hand {};

constexpr const char* failures =
    "channel: an error at any place and item ends every stage and destroys what is in flight";
constexpr const char* stuck = "no runnable thread while work exists";

}  // namespace

/// The first error is kept, and the queues go on.
template <>
void core_of<aborts_nothing>::fail(plateau::failure why) noexcept {
    keep(why);
    static_cast<void>(decide(ending::failed));
}

/// The last error takes the place of the first.
template <>
void core_of<keeps_the_last>::keep(const plateau::failure& why) noexcept {
    errors_mutex_.lock();
    errors_[0] = why;
    errors_[1] = why;
    seen_.store(seen_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    errors_mutex_.unlock();
}

/// A close is a stop: what is queued is lost.
template <>
void core_of<closes_by_stopping>::close() noexcept {
    stop();
}

/// Whichever slot is done leaves, though the stage is ordered.
template <>
auto detail::pipeline_stage<by_their_ends, int, detail::said_by_result, pass_on>::finished() noexcept -> slot* {
    for (std::size_t i = 0; i < slots_.size() && leaving_ == nullptr; ++i)
        if (slots_[i].used && slots_[i].done.load(std::memory_order_acquire)) leaving_ = &slots_[i];
    return leaving_;
}

/// What stays with the stage is bounded, but not by the bound.
template <>
bool detail::overflow_buffer<int, twice_the_bound<std::byte>>::push(int& item, std::size_t bytes) {
    if (end_ == 2 * max_items_) return false;
    if (items_ == nullptr) items_ = traits::allocate(allocator_, 2 * max_items_);
    items_[end_++] = item;
    bytes_ += bytes;
    return true;
}

/// A stage that pauses forgets what it was signalled meanwhile.
template <>
void detail::pipeline_actor<core_of<forgets_signals>, forgets_signals>::run() noexcept {
    for (;;) {
        switch (step_(*this)) {
        case then::end:
            return core_.leave();
        case then::again:
            return post();
        case then::pause:
            word_.fetch_and(~signals, std::memory_order_acq_rel);
            return;
        }
    }
}

/// The last stage trusts that whoever stopped the pipeline has been at the queues.
template <>
void core_of<leaves_the_queues>::leave() noexcept {
    if (live_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    static_cast<void>(decide(ending::done));
    ended_.happen();
}

/// The event is told, and then those who wait are looked for.
template <>
void detail::one_event<wakes_after_the_end>::happen() noexcept {
    {
        const session in(list_, flag{this});
        happened_.store(true, std::memory_order_relaxed);
    }
    list_.nudge(SIZE_MAX, flag{this});
}

/// One of those who wait for work is told of the end.
template <>
void detail::run_queue<closes_for_one>::close() noexcept {
    session in(idle_, flag{this});
    closed_.store(true, std::memory_order_relaxed);
    if (in.front() != nullptr) in.claim_front(detail::wake::nudged);
}

/// A place that becomes free is told to nobody.
template <>
void plateau::basic_worker_pool<keeps_the_room>::give_back(slot& place) noexcept {
    tasks_.fetch_sub(1, std::memory_order_relaxed);
    static_cast<void>(free_.give(place.number));
}

/// A place that was taken and came back looks as if it had never left.
template <>
std::uint32_t detail::place_stack<counts_no_pops>::take() noexcept {
    word seen = word_.load(std::memory_order_acquire);
    for (;;) {
        const std::uint32_t top = top_of(seen);
        if (top == none || (seen & closed) != 0) return none;
        const word left = (seen & ~top_mask) | (word{below_[top].load(std::memory_order_relaxed)} << top_shift);
        if (word_.compare_exchange_weak(seen, left, std::memory_order_acq_rel, std::memory_order_acquire)) return top;
    }
}

/// What a sink took long ago pays for standing now.
template <>
void detail::stream_pace<saves_up>::account(plateau::duration spent, std::size_t bytes) noexcept {
    credit_ = credit_ - spent + time_for(bytes);
}

TEST_CASE("defects of a pipeline's end are noticed", "[channel][seeded]") {
    expect_killed({"F8", "an error ends the stage that made it, and no queue", failures, "the number of items alive",
                   [](shared_check& check) {
                       shape of{.max_items = 2, .workers = 1, .fails_at = 4, .fails_with = 5};
                       an_error_ends_everything<pipeline_on<aborts_nothing>>(check, of, nullptr);
                   }});
    expect_killed({"F8", "the last error takes the place of the first",
                   "channel: the first error stays the first, and later ones are kept beside it",
                   "the error that is rethrown", the_first_error_stays_first<pipeline_on<keeps_the_last>>});
    expect_killed({"F8", "a close drops what is queued", "channel: a closed pipeline finishes what its source gave",
                   "did not end well",
                   [](shared_check& check) { close_finishes<pipeline_on<closes_by_stopping>>(check, 20); }});
    expect_killed({"F7", "a stage that pauses forgets a signal that came meanwhile",
                   "channel: a pipeline on two threads ends when nothing of it runs, in every interleaving", stuck,
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded pipeline 1", .preemptions = 1, .stale = 1},
                                    a_pipeline_ends<explored_on<forgets_signals>, 0, 2, meets::nothing>);
                   }});
    expect_killed({"F8", "a stop that was decided and not yet carried out leaves items behind",
                   "channel: a pipeline on two threads ends when nothing of it runs, in every interleaving",
                   "items are alive", [](shared_check& check) {
                       explore_into(check, {.name = "seeded pipeline 3", .preemptions = 2, .stale = 0},
                                    a_pipeline_ends<explored_on<leaves_the_queues>, 0, 1, meets::stop_by_another>);
                   }});
    expect_killed({"F3", "an event wakes those who wait after they may have seen it",
                   "channel: an event may be gone as soon as it was seen", "after its end", [](shared_check& check) {
                       explore_into(check, {.name = "seeded pipeline 2", .preemptions = 1, .stale = 1},
                                    an_event_ends_with_its_waiter<wakes_after_the_end>);
                   }});
}

TEST_CASE("defects of a pipeline's order and bounds are noticed", "[channel][seeded]") {
    expect_killed({"F8", "an ordered stage passes on what is done first",
                   "channel: workers that end out of order pass on their items in order", "overtook",
                   [](shared_check& check) {
                       random_source random("order of ends", 1);
                       workers_keep_the_order<by_their_ends>(check, &random);
                   }});
    expect_killed({"F2", "what one item is made into has twice the bound",
                   "channel: what one item is made into is bounded", "more than the bound allows",
                   [](shared_check& check) { one_to_many_is_bounded<keeps_too_much>(check, 1); }});
}

TEST_CASE("defects of the pool and of the stream are noticed", "[channel][seeded]") {
    expect_killed({"F7", "the end is told to one of those who wait for work",
                   "channel: posted work runs once, and whoever saw that ends the queue", stuck,
                   [](shared_check& check) {
                       explore_into(check, {.name = "seeded pipeline 3", .preemptions = 1, .stale = 1},
                                    posted_work_runs_once<closes_for_one>);
                   }});
    expect_killed({"F7", "a place that becomes free is told to nobody",
                   "channel: what a pool takes it runs, whoever ends it", stuck, [](shared_check& check) {
                       explore_into(check, {.name = "seeded pipeline 4", .preemptions = 1, .stale = 1},
                                    what_a_pool_takes_it_runs<keeps_the_room>);
                   }});
    expect_killed({"F7", "a place that was taken and came back looks as if it had never left",
                   "channel: a place of a pool has one owner", "place", [](shared_check& check) {
                       explore_into(check, {.name = "seeded places", .preemptions = 2, .stale = 1},
                                    a_place_has_one_owner<counts_no_pops>);
                   }});
    expect_killed({"F1", "what a sink took long ago pays for standing now",
                   "channel: a sink slower than the minimum rate is given up, and what it took before does not save it",
                   "fast once", streams::a_slow_sink_is_given_up<saves_up>});
}
