// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/queue_options.hpp>
#include <plateau/channel/queue_words.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The slots of a queue, and who may use which: the part that never waits.
///
/// Promise     at most `slots` items and `max_weight` between claim and claim, exactly, in the order of their claims.
/// Invariants
///   1  A cell is written by whoever claimed its position at the tail, from then until it shows `full`; then it is read
///      by whoever claims the position at the head, until it shows itself free for the next lap.
///   2  Once the tail is closed its position stays; once the head is aborted its position is the aborter's.
///   3  `seen_head_` is a former value of the head, and never goes back. The tail is at most `max_weight` ahead of it:
///      so the difference of the two is exact, though both wrap.
/// Protocol    one exchange of the head or the tail claims; a store of the cell's stamp publishes, or gives back. What
///             the exchanged word showed tells whether somebody waits: he announces himself in that word by a
///             read-modify-write, and sleeps only if its answer shows that there is nothing for him.
/// The cell with its own turn is the bounded queue of D. Vyukov; the lap in the stamp allows any number of slots.
template <class T, class Policies>
class queue_ring {
    using sync = typename Policies::sync;

public:
    using word = queue_words::word;

    struct cell {
        typename sync::template atomic<word> stamp;
        union {
            T item;
        };
        explicit cell(word first) noexcept : stamp(first) {}
        cell(const cell&) = delete;
        cell& operator=(const cell&) = delete;
        ~cell() {}
    };
    /// A claimed position.
    struct place {
        cell* at = nullptr;
        word seen = 0;  ///< the word that was exchanged
    };
    /// Claimed at the head: `count` positions in a row.
    struct batch {
        place first;
        word left = 0;  ///< the word that was left
        std::size_t count = 0;
    };

    queue_ring(std::size_t slots, std::size_t max_weight, const typename Policies::allocator& allocator)
        : words_(slots, max_weight, Policies::max_lap_bits), allocator_(allocator) {
        static_assert(Policies::max_lap_bits >= 2);
        cells_ = cell_traits::allocate(allocator_, slots);
        for (std::size_t i = 0; i < slots; ++i) ::new (static_cast<void*>(cells_ + i)) cell(words_.first_stamp(i));
    }
    queue_ring(const queue_ring&) = delete;
    queue_ring& operator=(const queue_ring&) = delete;
    /// Nobody uses it any more. What is in it is destroyed.
    ~queue_ring() {
        if ((head() & queue_words::aborted) == 0) discard_all();
        for (std::size_t i = 0; i < words_.slots(); ++i) cells_[i].~cell();
        cell_traits::deallocate(allocator_, cells_, words_.slots());
    }

    [[nodiscard]] const queue_words& words() const noexcept { return words_; }
    [[nodiscard]] word tail() const noexcept { return tail_.load(std::memory_order_acquire); }
    [[nodiscard]] word head() const noexcept { return head_.load(std::memory_order_acquire); }

    // ---- in

    /// Returns: none, and a place to write; or full, closed, aborted.
    template <bool Weighed>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE queue_reason claim_to_push(word weight, place& out) noexcept {
        word seen = tail_.load(std::memory_order_acquire);
        for (;;) {
            if ((seen & queue_words::closed) != 0) [[unlikely]]
                return why_ended(seen);
            cell& at = cells_[words_.slot(seen)];
            const word stamp = at.stamp.load(std::memory_order_acquire);
            if (stamp == words_.free_stamp(seen)) {
                if constexpr (Weighed) {
                    if (!fits(seen, weight)) {
                        const word again = tail_.load(std::memory_order_acquire);
                        if (again == seen) return queue_reason::full;
                        seen = again;
                        continue;
                    }
                }
                if (tail_.compare_exchange_weak(seen, words_.template next<Weighed>(seen, weight),
                                                std::memory_order_acq_rel, std::memory_order_acquire)) {
                    out = {&at, seen};
                    return queue_reason::none;
                }
            } else if (words_.position(stamp) == words_.lap_before(seen)) {
                return queue_reason::full;
            } else {
                seen = tail_.load(std::memory_order_acquire);
            }
        }
    }
    PLATEAU_ALWAYS_INLINE void publish(const place& claimed, word weight, T& item) noexcept {
        ::new (static_cast<void*>(std::addressof(claimed.at->item))) T(std::move(item));
        claimed.at->stamp.store(words_.full_stamp(claimed.seen, weight), std::memory_order_release);
    }

    // ---- out

    /// Returns: none, and up to `most` items to read; or empty, closed, aborted. Empty is also said while the oldest
    /// item is being written.
    template <bool Weighed>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE queue_reason claim_to_pop(std::size_t most, batch& out) noexcept {
        word seen = head_.load(std::memory_order_relaxed);  // the stamp orders what is read
        for (;;) {
            if ((seen & queue_words::aborted) != 0) [[unlikely]]
                return queue_reason::aborted;
            cell& at = cells_[words_.slot(seen)];
            const word stamp = at.stamp.load(std::memory_order_acquire);
            if (is_full_for(stamp, seen)) {
                word weight = Weighed ? words_.weight_of(stamp) : 0;
                std::size_t count = 1;
                while (count < most && take_along<Weighed>(seen, count, weight)) {}
                const word left = words_.template next<Weighed>(seen, weight, count);
                if (head_.compare_exchange_weak(seen, left, std::memory_order_acq_rel, std::memory_order_relaxed)) {
                    if (may_wrap<Weighed> && words_.position(left) < words_.position(seen)) [[unlikely]]
                        rounds_.fetch_add(1, std::memory_order_relaxed);  // a figure
                    out = {{&at, seen}, left, count};
                    return queue_reason::none;
                }
            } else if (words_.position(stamp) == words_.position(seen) ||
                       words_.position(stamp) == words_.lap_before(seen)) {
                return (seen & queue_words::closed) == 0 ? queue_reason::empty : why_nothing();
            } else {
                seen = head_.load(std::memory_order_relaxed);
            }
        }
    }
    /// The place `count` further on, of those that were claimed together.
    [[nodiscard]] place further(const place& first, std::size_t count) const noexcept {
        const word seen = words_.template next<false>(first.seen, 0, count);
        return {cells_ + words_.slot(seen), seen};
    }
    PLATEAU_ALWAYS_INLINE void give_back(const place& claimed) noexcept {
        claimed.at->item.~T();
        claimed.at->stamp.store(words_.free_stamp(words_.lap_after(claimed.seen)), std::memory_order_release);
    }

    // ---- whoever waits, and the end

    word announce_consumer() noexcept { return tail_.fetch_or(queue_words::waits, std::memory_order_acq_rel); }
    word announce_producer() noexcept { return head_.fetch_or(queue_words::waits, std::memory_order_acq_rel); }
    void no_consumer_waits() noexcept { tail_.fetch_and(~queue_words::waits, std::memory_order_acq_rel); }
    void no_producer_waits() noexcept { head_.fetch_and(~queue_words::waits, std::memory_order_acq_rel); }

    /// Effects: lets nothing in any more (closed), nor out (closed | aborted). Returns: the words before.
    struct ended {
        word tail, head;
    };
    ended end(word how) noexcept {
        // The tail first: whoever finds the head closed reads a tail that stays.
        const word tail = tail_.fetch_or(how, std::memory_order_acq_rel);
        const word head = head_.fetch_or(how, std::memory_order_acq_rel);
        return {tail, head};
    }
    /// By the one who aborted. Blocks: while pushes that had begun are being written. Returns: how many were destroyed.
    std::size_t discard_all() noexcept { return discard(head(), tail()); }

    /// Items that were popped, ever.
    [[nodiscard]] std::uint64_t popped() const noexcept {
        return words_.passed(head()) + rounds_.load(std::memory_order_relaxed) * words_.in_all_laps();
    }

    [[nodiscard]] bool is_empty(word tail, word head) const noexcept {
        return words_.position(tail) == words_.position(head);
    }
    [[nodiscard]] bool has_room(word tail, word head, word weight) const noexcept {
        return words_.items(tail, head) < words_.slots() &&
               (words_.max_weight() == 0 || words_.weight(tail, head) + weight <= words_.max_weight());
    }

    /// For one thread while no other uses the ring.
    void check_invariants() const noexcept {
        const word tail = this->tail(), head = this->head();
        const std::size_t items = words_.items(tail, head);
        PLATEAU_EXPECTS(items <= words_.slots(), "a queue holds more items than it has slots");
        if ((head & queue_words::aborted) != 0) return;  // the rest is nobody's any more
        word weight = 0;
        word at = head;
        for (std::size_t i = 0; i < words_.slots(); ++i, at = words_.template next<false>(at, 0)) {
            const word stamp = cells_[words_.slot(at)].stamp.load(std::memory_order_relaxed);
            const bool queued = i < items;
            PLATEAU_EXPECTS(queued ? is_full_for(stamp, at) : stamp == words_.free_stamp(at),
                            "a slot of a queue does not show what it holds");
            if (queued) weight += words_.weight_of(stamp);
        }
        PLATEAU_EXPECTS(weight == words_.weight(tail, head), "the weight of a queue is not that of its items");
        PLATEAU_EXPECTS(weight <= words_.max_weight(), "a queue is over its bound");
    }

private:
    using cell_allocator = typename std::allocator_traits<typename Policies::allocator>::template rebind_alloc<cell>;
    using cell_traits = std::allocator_traits<cell_allocator>;

    /// Without weights there are more laps than anybody counts to.
    template <bool Weighed>
    static constexpr bool may_wrap = Weighed || Policies::max_lap_bits < 16;

    static queue_reason why_ended(word seen) noexcept {
        return (seen & queue_words::aborted) != 0 ? queue_reason::aborted : queue_reason::closed;
    }
    /// Of a head that is closed: the tail stays. Empty, if something is still being written.
    PLATEAU_COLD queue_reason why_nothing() const noexcept {
        const word head = this->head();  // read anew: to acquire what was closed before it
        if ((head & queue_words::aborted) != 0) return queue_reason::aborted;
        return is_empty(tail(), head) ? queue_reason::closed : queue_reason::empty;
    }
    [[nodiscard]] bool is_full_for(word stamp, word at) const noexcept {
        return (stamp & queue_words::full) != 0 && words_.position(stamp) == words_.position(at);
    }
    template <bool Weighed>
    bool take_along(word seen, std::size_t& count, word& weight) const noexcept {
        const word at = words_.template next<false>(seen, 0, count);
        const word stamp = cells_[words_.slot(at)].stamp.load(std::memory_order_acquire);
        if (!is_full_for(stamp, at)) return false;
        if constexpr (Weighed) weight += words_.weight_of(stamp);
        ++count;
        return true;
    }

    /// Whether so much may be added to the tail `seen`. The head, which consumers write, is read only if what was last
    /// seen of it does not settle the matter.
    [[nodiscard]] bool fits(word seen, word weight) noexcept {
        word before = seen_head_.load(std::memory_order_acquire);  // after the tail: it is not older than what that saw
        if (words_.weight(seen, before) + weight <= words_.max_weight()) return true;
        const word now = head_.load(std::memory_order_acquire);
        seen_head_.compare_exchange_strong(before, now, std::memory_order_release, std::memory_order_relaxed);
        return words_.weight(seen, now) + weight <= words_.max_weight();
    }

    std::size_t discard(word head, word tail) noexcept {
        const std::size_t count = words_.items(tail, head);
        for (std::size_t i = 0; i < count; ++i) {
            const place one = further({nullptr, head}, i);
            while (!is_full_for(one.at->stamp.load(std::memory_order_acquire), one.seen)) sync::yield();
            one.at->item.~T();
        }
        return count;
    }

    queue_words words_;
    cell_allocator allocator_;
    cell* cells_ = nullptr;
    alignas(destructive_interference) typename sync::template atomic<word> tail_{0};
    typename sync::template atomic<word> seen_head_{0};  // the producers' (invariant 3)
    alignas(destructive_interference) typename sync::template atomic<word> head_{0};
    typename sync::template atomic<std::uint64_t> rounds_{0};  // how often the head has been through all laps
};

}
PLATEAU_NAMESPACE_END
