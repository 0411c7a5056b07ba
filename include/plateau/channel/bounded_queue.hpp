// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/arena_bound.hpp>
#include <plateau/channel/failure.hpp>
#include <plateau/channel/queue_core.hpp>
#include <plateau/channel/queue_options.hpp>
#include <plateau/channel/queue_policies.hpp>
#include <plateau/channel/queue_stats.hpp>
#include <plateau/channel/queue_verbs.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/executor.hpp>
#include <plateau/fwd.hpp>
#include <plateau/result.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// What a push came to.
using push_result = result<void, queue_reason>;
/// An item, or why there is none.
template <class T>
using pop_result = result<T, queue_reason>;
/// How many items, or why none.
using pop_some_result = result<std::size_t, queue_reason>;

/// A queue between threads, coroutines and callbacks that holds what it promises and no more: first in, first out, any
/// number of producers and consumers, bounded by items and by bytes.
///
/// Promise     At no moment are more than `max_items` items queued, nor more bytes than `max_bytes`: what the weigher
///             answered for each, once, before it was let in, plus `item_overhead`. Items that consumers have taken are
///             theirs. If a push returned before another was called, its item is popped first.
/// Refusals    A push that is refused has not touched the caller's object. Whatever waits ends with `close`, `abort`,
///             its stop token or its deadline; waiting costs no item, whenever it ends.
/// Waiting     Consumers are woken one a push. Producers are woken when the queue is down to its low mark, in the order
///             of their arrival; one that need not wait may pass them. Except where bytes bind: an item for which the
///             low mark leaves no room, or whose producer was woken in vain, is next, and nobody passes it.
/// End         If `push` returned true before `close` was called, then some pop returns that item. If `abort` returned
///             before an operation was called, that answers `aborted`; every item has been destroyed, once.
///             Destroying a queue destroys its items; for whom it is still waited is a violation.
/// Throws      What the weigher, or copying a T, throws; then nothing has changed. Nothing else, but the constructor:
///             std::invalid_argument for senseless options, and what the allocator throws.
/// Complexity  O(1), no allocation after construction; waking k waiters is O(k). The weigher's cost is once a push.
/// Blocks      `try_` forms never. One that finds the oldest item half-written by a thread that was interrupted answers
///             `empty` (`full`, if half-read), though others may have pushed (popped) since; a wait goes on looking.
/// Threads     any, for every member. Moving a T calls nothing of the same queue.
template <class T, class Policies>
class bounded_queue {
    static_assert(std::is_object_v<T> && !std::is_const_v<T>, "plateau: a queue holds plain objects");
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                  "plateau: what is queued is moved in and out, and a move that throws half-way would lose it: T needs "
                  "a noexcept move constructor and destructor; std::unique_ptr<T> has them");
    static_assert(!arena_bound_v<T>,
                  "plateau: this type may point into memory that ends with a request, and a queued item may outlive "
                  "the request; queue an owning type, or unowned<T> if you make sure of it yourself");

    using core_type = detail::queue_core<T, Policies>;
    using word = typename core_type::word;
    using push_verb = detail::push_verb<core_type, T, T*, push_result>;
    using push_copy_verb = detail::push_verb<core_type, T, T, push_result>;
    using pop_verb = detail::pop_verb<core_type, pop_result<T>, detail::take_one>;
    template <class Out>
    using pop_some_verb = detail::pop_verb<core_type, pop_some_result, detail::take_some<Out>>;
    using writable_verb = detail::writable_verb<core_type, push_result>;
    using readable_verb = detail::readable_verb<core_type, push_result>;
    using item_verb = detail::readable_verb<core_type, push_result, true>;
    using limit = detail::patience_limit;

    template <class F>
    using waiter_type = waiter<F, typename Policies::sync>;

public:
    using value_type = T;
    using options = queue_options;
    using policies = Policies;

    /// Bytes charged for an item beside the weigher's answer.
    static constexpr std::size_t item_overhead = core_type::overhead;

    /// Parts: a weigher, an allocator (copied); a clock (by reference).
    template <class... Parts>
    explicit bounded_queue(const queue_options& bounds, Parts&&... parts)
        : clock_(std::in_place, std::forward<Parts>(parts)...),
          core_(bounds, detail::copied_part<typename Policies::weigher>(parts...),
                detail::copied_part<typename Policies::allocator>(parts...)) {
        static_assert((detail::is_one_of<Parts, typename Policies::weigher, typename Policies::allocator,
                                         typename Policies::clock> &&
                       ...),
                      "plateau: this part is none of the types that the queue's policies name");
    }
    bounded_queue(const bounded_queue&) = delete;
    bounded_queue& operator=(const bounded_queue&) = delete;

    // ---- push

    push_result try_push(T&& item) { return settled(core_.put(item, core_.weigh(item))); }
    template <stoppable_token Token = never_stop_token>
    push_result push(T&& item, const Token& stop = {}) {
        return push_within(item, stop, limit());
    }
    push_result push_for(T&& item, duration length) { return push_within(item, never_stop_token{}, limit(length)); }
    push_result push_until(T&& item, time_point until) { return push_within(item, never_stop_token{}, limit(until)); }
    /// The object stays the caller's until the wait has ended well: it outlives the awaitable.
    [[nodiscard]] auto async_push(T&& item PLATEAU_LIFETIMEBOUND, executor_ref where) {
        return detail::wait_awaitable<push_verb>(verb_for(item), where);
    }
    /// Effects: as `push`; `node` and `item` are the caller's, and stay until the callback was called.
    template <class F>
    void push_then(waiter_type<F>& node, T& item, executor_ref where = inline_here,
                   time_point deadline = (time_point::max)()) {
        detail::wait_then(node, verb_for(item), where, deadline);
    }

    // The same for a copy, made first.
    push_result try_push(const T& item) requires std::is_copy_constructible_v<T> {
        T copy(item);
        return try_push(std::move(copy));
    }
    template <stoppable_token Token = never_stop_token>
    push_result push(const T& item, const Token& stop = {}) requires std::is_copy_constructible_v<T> {
        T copy(item);
        return push(std::move(copy), stop);
    }
    push_result push_for(const T& item, duration length) requires std::is_copy_constructible_v<T> {
        T copy(item);
        return push_for(std::move(copy), length);
    }
    push_result push_until(const T& item, time_point until) requires std::is_copy_constructible_v<T> {
        T copy(item);
        return push_until(std::move(copy), until);
    }
    /// The awaitable holds the copy.
    [[nodiscard]] auto async_push(const T& item, executor_ref where) requires std::is_copy_constructible_v<T> {
        T copy(item);
        const word weight = core_.weigh(copy);
        return detail::wait_awaitable<push_copy_verb>(push_copy_verb(core_, std::move(copy), weight), where);
    }

    // ---- pop

    [[nodiscard]] PLATEAU_ALWAYS_INLINE pop_result<T> try_pop() noexcept {
        const typename core_type::taking taken(core_);
        if (taken.why() != queue_reason::none) [[unlikely]]
            return taken.why();
        return pop_result<T>(std::move(taken.front()));
    }
    template <stoppable_token Token = never_stop_token>
    [[nodiscard]] pop_result<T> pop(const Token& stop = {}) {
        return pop_within(stop, limit());
    }
    [[nodiscard]] pop_result<T> pop_for(duration length) { return pop_within(never_stop_token{}, limit(length)); }
    [[nodiscard]] pop_result<T> pop_until(time_point until) { return pop_within(never_stop_token{}, limit(until)); }
    [[nodiscard]] auto async_pop(executor_ref where) {
        return detail::wait_awaitable<pop_verb>(pop_verb{{{&core_}}, {}}, where);
    }
    template <class F>
    void pop_then(waiter_type<F>& node, executor_ref where = inline_here, time_point deadline = (time_point::max)()) {
        detail::wait_then(node, pop_verb{{{&core_}}, {}}, where, deadline);
    }

    /// Effects: takes up to `most` items at once, oldest first, to `out`. Returns: how many.
    /// Throws: what assigning to `out` throws; the items that were taken and not yet assigned are destroyed.
    template <class Out>
    std::size_t try_pop_some(Out out, std::size_t most) {
        const pop_some_result taken = take_some(out, most);
        return taken ? *taken : 0;
    }
    /// Blocks: until there is at least one.
    template <class Out, stoppable_token Token = never_stop_token>
    [[nodiscard]] pop_some_result pop_some(Out out, std::size_t most, const Token& stop = {}) {
        return pop_some_within(out, most, stop, limit());
    }
    template <class Out>
    [[nodiscard]] pop_some_result pop_some_for(Out out, std::size_t most, duration length) {
        return pop_some_within(out, most, never_stop_token{}, limit(limit(length).deadline(*clock_)));
    }
    template <class Out>
    [[nodiscard]] pop_some_result pop_some_until(Out out, std::size_t most, time_point until) {
        return pop_some_within(out, most, never_stop_token{}, limit(until));
    }
    /// Assigning to `out` does not throw: the items go to a range that is there.
    template <class Out>
    [[nodiscard]] auto async_pop_some(Out out, std::size_t most, executor_ref where) {
        return detail::wait_awaitable<pop_some_verb<Out>>(some_verb(out, most), where);
    }
    template <class F, class Out>
    void pop_some_then(waiter_type<F>& node, Out out, std::size_t most, executor_ref where = inline_here,
                       time_point deadline = (time_point::max)()) {
        detail::wait_then(node, some_verb(out, most), where, deadline);
    }

    // ---- notices

    /// Effects: tells `node`, once, when the queue is down to its low mark, or has ended (the reason says why). Nothing
    /// is kept for it: another may be faster.
    template <class F>
    void writable_then(waiter_type<F>& node, executor_ref where = inline_here,
                       time_point deadline = (time_point::max)()) {
        detail::wait_then(node, writable_verb{{{&core_}}}, where, deadline);
    }
    /// The same when there is an item.
    template <class F>
    void readable_then(waiter_type<F>& node, executor_ref where = inline_here,
                       time_point deadline = (time_point::max)()) {
        detail::wait_then(node, readable_verb{{{&core_}}}, where, deadline);
    }

    // ---- the end

    /// Effects: takes no more items; those that are queued can be popped. Whoever waits for room is told `closed`, and
    /// whoever waits for items, once there are none.
    void close() noexcept { core_.close(); }
    /// Effects: lets nothing in or out any more, and destroys what is queued, before it returns. The first abort
    /// counts: its reason stays. Blocks: for the moves of pushes that had begun, and for an abort on another thread.
    void abort(failure why = {}) noexcept { core_.abort(std::move(why)); }
    /// True after `close` and after `abort`.
    [[nodiscard]] bool is_closed() const noexcept { return core_.is_closed(); }
    /// Why it was aborted.
    [[nodiscard]] failure error() const noexcept { return core_.error(); }

    // ---- time of waiters that no thread waits for

    /// The earliest deadline of all who wait. Complexity: linear in them.
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept { return core_.next_deadline(); }
    /// Effects: ends the waits whose deadline is reached. Returns: how many.
    std::size_t expire(time_point now) noexcept { return core_.expire(now); }

    // ---- read out

    /// Slots made: `max_items`, or what `max_bytes` leaves of them.
    [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }
    [[nodiscard]] queue_stats stats() const noexcept { return core_.stats(); }
    /// The queue itself, its slots, and what the items in them may own. `unlimited` where bytes are not bounded and T
    /// may own some, or where one item of any weight is let in alone.
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        return detail::saturating_add(sizeof(*this), core_.ceiling_of_slots());
    }
    /// For tests, while no other thread uses the queue.
    void check_invariants() const noexcept { core_.check_invariants(); }

private:
    [[nodiscard]] push_verb verb_for(T& item) { return push_verb(core_, std::addressof(item), core_.weigh(item)); }
    template <class Out>
    [[nodiscard]] pop_some_verb<Out> some_verb(Out out, std::size_t most) noexcept {
        static_assert(noexcept(*out = std::declval<T>())&& noexcept(++out),
                      "plateau: where the items go may throw, while nobody is there to catch: pass a pointer into room "
                      "that is there");
        return {{{&core_}}, {most, out}};
    }

    template <class Token>
    PLATEAU_ALWAYS_INLINE push_result push_within(T& item, const Token& stop, limit until) {
        const word weight = core_.weigh(item);
        const queue_reason why = core_.put(item, weight);
        if (why != queue_reason::full) [[likely]]
            return settled(why);
        push_verb waits(core_, std::addressof(item), weight);
        return detail::wait_after_miss(waits, stop, *clock_, until);
    }
    PLATEAU_ALWAYS_INLINE push_result settled(queue_reason why) noexcept {
        if (why == queue_reason::full || why == queue_reason::too_large) [[unlikely]]
            core_.count_refusal();
        return why;
    }

    template <class Token>
    PLATEAU_ALWAYS_INLINE pop_result<T> pop_within(const Token& stop, limit until) {
        pop_result<T> done = try_pop();
        if (done.reason() == queue_reason::empty) [[unlikely]] {
            pop_verb waits{{{&core_}}, {}};
            done = detail::wait_after_miss(waits, stop, *clock_, until);
        }
        return done;
    }

    template <class Out>
    pop_some_result take_some(Out& out, std::size_t most) {
        if (most == 0) return std::size_t{0};
        const typename core_type::taking taken(core_, most);
        if (taken.why() != queue_reason::none) return taken.why();
        for (std::size_t i = 0; i < taken.count(); ++i, ++out) *out = std::move(taken[i]);
        return taken.count();
    }
    template <class Out, class Token>
    pop_some_result pop_some_within(Out& out, std::size_t most, const Token& stop, limit until) {
        pop_some_result done = take_some(out, most);
        if (done.reason() != queue_reason::empty) return done;
        const limit moment(until.deadline(*clock_));
        for (;;) {
            item_verb waits{{{&core_}}};
            const push_result there = detail::wait_after_miss(waits, stop, *clock_, moment);
            if (!there) return there.reason();
            done = take_some(out, most);  // empty: another was faster
            if (done.reason() != queue_reason::empty) return done;
        }
    }

    PLATEAU_NO_UNIQUE_ADDRESS detail::shared_part<typename Policies::clock> clock_;
    core_type core_;
};

PLATEAU_NAMESPACE_END
