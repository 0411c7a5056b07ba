// SPDX-License-Identifier: MIT
/// Two small rooms that wait through the parking primitive, one for each wake: what the primitive is proven on.
#pragma once

#include <plateau/clock.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/executor.hpp>
#include <plateau/result.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace plateau_test {

enum class room_reason : unsigned char { none, timed_out, cancelled, closed };

inline room_reason reason_of(plateau::detail::wake why) noexcept {
    return why == plateau::detail::wake::cancelled ? room_reason::cancelled : room_reason::timed_out;
}

/// What the rooms are made of. A defect is a part that derives from this one.
template <class Sync>
struct room_parts {
    using sync = Sync;
    using list = plateau::detail::wait_list<Sync>;
    /// Whether an announced waiter, having seen the word, must wait.
    static bool must_wait(bool seen_nothing) noexcept { return seen_nothing; }
    /// What becomes of a token whose waiter was claimed by another.
    static bool keeps_lost_grant() noexcept { return true; }
    /// Whether a wake that nobody is left to use goes to another.
    static bool hands_on() noexcept { return true; }
    /// Where a mailbox keeps its value.
    template <class T>
    using cell = T;
    /// The order of the read-modify-writes that announce and publish.
    static constexpr std::memory_order both = std::memory_order_acq_rel;
};

/// Counted tokens. A release grants: the token passes to the oldest waiter, who need not look again.
///
/// word_ = [ tokens:31 | waiters:1 ]
template <class Parts>
class token_room {
public:
    using sync = typename Parts::sync;
    using token_result = plateau::result<void, room_reason>;
    template <class F>
    using waiter = plateau::waiter<F, sync>;

    /// How the list of its waiters shows itself.
    struct flag {
        token_room* room;
        bool raise() const noexcept { return Parts::must_wait(room->word_.fetch_or(waits, Parts::both) < one); }
        void lower() const noexcept { room->word_.fetch_and(~waits, Parts::both); }
    };

    explicit token_room(std::uint32_t tokens) noexcept : word_(tokens * one) {}

    bool try_acquire() noexcept {
        std::uint32_t seen = word_.load(std::memory_order_relaxed);
        while (seen >= one)
            if (word_.compare_exchange_weak(seen, seen - one, Parts::both, std::memory_order_relaxed)) return true;
        return false;
    }
    template <class Token = plateau::never_stop_token, class Clock = plateau::steady_clock>
    token_result acquire(const Token& stop = {}, const Clock& clock = {},
                         plateau::detail::patience_limit limit = plateau::detail::patience_limit()) {
        return plateau::detail::wait_on_thread(verb{this}, stop, clock, limit);
    }
    auto async_acquire(plateau::executor_ref where) { return plateau::detail::wait_awaitable<verb>(verb{this}, where); }
    template <class F>
    void acquire_then(waiter<F>& armed, plateau::executor_ref where = plateau::inline_here,
                      plateau::time_point deadline = (plateau::time_point::max)()) {
        plateau::detail::wait_then(armed, verb{this}, where, deadline);
    }

    void release() noexcept { release_some(1); }
    void release_some(std::uint32_t count) noexcept {
        if ((word_.fetch_add(count * one, Parts::both) & waits) != 0) grant();
    }
    std::size_t expire(plateau::time_point now) noexcept { return list_.expire(now, flag{this}); }
    std::optional<plateau::time_point> next_deadline() const noexcept { return list_.next_deadline(); }

    std::uint32_t tokens() const noexcept { return word_.load(std::memory_order_acquire) / one; }
    bool flagged() const noexcept { return (word_.load(std::memory_order_acquire) & waits) != 0; }

private:
    static constexpr std::uint32_t waits = 1, one = 2;
    using node = plateau::detail::park_node<sync>;

    struct verb {
        using sync = typename Parts::sync;
        using result_type = token_result;
        static constexpr unsigned patience = 1;

        token_room* room;

        std::optional<token_result> attempt() noexcept {
            if (room->try_acquire()) return token_result();
            return std::nullopt;
        }
        typename Parts::list& list() noexcept { return room->list_; }
        token_room::flag flag() noexcept { return {room}; }
        token_result granted(node&) noexcept { return {}; }
        token_result refused(plateau::detail::wake why) noexcept { return reason_of(why); }
        void hand_on(node& gone) noexcept {
            if (gone.outcome() == plateau::detail::wake::granted && Parts::hands_on()) room->release();
        }
    };

    void grant() noexcept {
        typename Parts::list::template session<flag> in(list_, flag{this});
        bool held = false;
        while (in.front() != nullptr) {
            if (!held && !try_acquire()) break;
            held = !in.claim_front(plateau::detail::wake::granted) && Parts::keeps_lost_grant();
        }
        // Before the flag is lowered: whoever announces himself next looks at the word.
        if (held) word_.fetch_add(one, Parts::both);
    }

    typename sync::template atomic<std::uint32_t> word_;
    typename Parts::list list_;
};

/// One value at a time. Putting and taking nudge: who was waiting looks again, and may find it gone.
///
/// word_ = [ putters wait:1 | takers wait:1 | closed:1 | empty 0, writing 1, full 2, reading 3 :2 ]
/// Every step is a read-modify-write of the word, so a publisher sees who was announced before it, and a taker that
/// sees `writing` may sleep: the publication comes after its announcement.
template <class T, class Parts>
class mailbox {
public:
    using sync = typename Parts::sync;
    using put_result = plateau::result<void, room_reason>;
    using take_result = plateau::result<T, room_reason>;
    template <class F>
    using waiter = plateau::waiter<F, sync>;

    /// Returns: whether it was put; nothing when it is full.
    std::optional<put_result> try_put(T value) noexcept {
        std::uint32_t seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            if ((seen & closed) != 0) return put_result(room_reason::closed);
            if ((seen & slot) != empty) return std::nullopt;
            if (word_.compare_exchange_weak(seen, seen + 1, Parts::both, std::memory_order_relaxed)) break;
        }
        value_ = value;
        if ((word_.fetch_add(1, Parts::both) & takers_wait) != 0) takers_.nudge(1, taker_flag{this});
        return put_result();
    }
    std::optional<take_result> try_take() noexcept {
        std::uint32_t seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            if ((seen & slot) == full) {
                if (word_.compare_exchange_weak(seen, seen + 1, Parts::both, std::memory_order_relaxed)) break;
            } else if ((seen & closed) != 0 && (seen & slot) != writing) {
                return take_result(room_reason::closed);
            } else {
                return std::nullopt;
            }
        }
        const T value = value_;
        if ((word_.fetch_and(~slot, Parts::both) & putters_wait) != 0) putters_.nudge(1, putter_flag{this});
        return take_result(value);
    }

    template <class Token = plateau::never_stop_token, class Clock = plateau::steady_clock>
    put_result put(T value, const Token& stop = {}, const Clock& clock = {},
                   plateau::detail::patience_limit limit = plateau::detail::patience_limit()) {
        return plateau::detail::wait_on_thread(put_verb{this, value}, stop, clock, limit);
    }
    template <class Token = plateau::never_stop_token, class Clock = plateau::steady_clock>
    take_result take(const Token& stop = {}, const Clock& clock = {},
                     plateau::detail::patience_limit limit = plateau::detail::patience_limit()) {
        return plateau::detail::wait_on_thread(take_verb{this}, stop, clock, limit);
    }
    auto async_put(T value, plateau::executor_ref where) {
        return plateau::detail::wait_awaitable<put_verb>(put_verb{this, value}, where);
    }
    auto async_take(plateau::executor_ref where) {
        return plateau::detail::wait_awaitable<take_verb>(take_verb{this}, where);
    }
    template <class F>
    void put_then(waiter<F>& armed, T value, plateau::executor_ref where = plateau::inline_here) {
        plateau::detail::wait_then(armed, put_verb{this, value}, where);
    }
    template <class F>
    void take_then(waiter<F>& armed, plateau::executor_ref where = plateau::inline_here) {
        plateau::detail::wait_then(armed, take_verb{this}, where);
    }

    /// Nothing more is put; what is there is taken.
    void close() noexcept {
        const std::uint32_t seen = word_.fetch_or(closed, Parts::both);
        if ((seen & takers_wait) != 0) takers_.nudge(SIZE_MAX, taker_flag{this});
        if ((seen & putters_wait) != 0) putters_.nudge(SIZE_MAX, putter_flag{this});
    }
    bool flagged() const noexcept {
        return (word_.load(std::memory_order_acquire) & (takers_wait | putters_wait)) != 0;
    }

private:
    static constexpr std::uint32_t empty = 0, writing = 1, full = 2, slot = 3;
    static constexpr std::uint32_t closed = 4, takers_wait = 8, putters_wait = 16;
    using node = plateau::detail::park_node<sync>;

    struct taker_flag {
        mailbox* room;
        bool raise() const noexcept {
            const std::uint32_t seen = room->word_.fetch_or(takers_wait, Parts::both);
            const bool over = (seen & closed) != 0 && (seen & slot) != writing;
            return Parts::must_wait((seen & slot) != full && !over);
        }
        void lower() const noexcept { room->word_.fetch_and(~takers_wait, Parts::both); }
    };
    struct putter_flag {
        mailbox* room;
        bool raise() const noexcept {
            const std::uint32_t seen = room->word_.fetch_or(putters_wait, Parts::both);
            return Parts::must_wait((seen & slot) != empty && (seen & closed) == 0);
        }
        void lower() const noexcept { room->word_.fetch_and(~putters_wait, Parts::both); }
    };
    struct put_verb {
        using sync = typename Parts::sync;
        using result_type = put_result;
        static constexpr unsigned patience = 1;

        mailbox* room;
        T value;

        std::optional<put_result> attempt() noexcept { return room->try_put(value); }
        typename Parts::list& list() noexcept { return room->putters_; }
        putter_flag flag() noexcept { return {room}; }
        put_result granted(node&) noexcept { return {}; }
        put_result refused(plateau::detail::wake why) noexcept { return reason_of(why); }
        void hand_on(node& gone) noexcept {
            if (gone.outcome() == plateau::detail::wake::nudged && Parts::hands_on()) list().nudge(1, flag());
        }
    };
    struct take_verb {
        using sync = typename Parts::sync;
        using result_type = take_result;
        static constexpr unsigned patience = 1;

        mailbox* room;

        std::optional<take_result> attempt() noexcept { return room->try_take(); }
        typename Parts::list& list() noexcept { return room->takers_; }
        taker_flag flag() noexcept { return {room}; }
        take_result granted(node&) noexcept { return room_reason::closed; }
        take_result refused(plateau::detail::wake why) noexcept { return reason_of(why); }
        void hand_on(node& gone) noexcept {
            if (gone.outcome() == plateau::detail::wake::nudged && Parts::hands_on()) list().nudge(1, flag());
        }
    };

    typename sync::template atomic<std::uint32_t> word_{0};
    typename Parts::template cell<T> value_{};
    typename Parts::list takers_;
    typename Parts::list putters_;
};

}  // namespace plateau_test
