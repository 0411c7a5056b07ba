// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/failure.hpp>
#include <plateau/channel/one_event.hpp>
#include <plateau/channel/queue_options.hpp>
#include <plateau/channel/queue_ring.hpp>
#include <plateau/channel/queue_stats.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/owned_bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A figure that is counted, or not, as the `stats` policy says.
template <class Sync, class Stats>
class queue_counter {
public:
    void add(std::uint64_t n = 1) noexcept { count_.fetch_add(n, std::memory_order_relaxed); }  // orders nothing
    [[nodiscard]] std::uint64_t read() const noexcept { return count_.load(std::memory_order_relaxed); }

private:
    typename Sync::template atomic<std::uint64_t> count_{0};
};
template <class Sync>
class queue_counter<Sync, bare> {
public:
    static void add(std::uint64_t = 1) noexcept {}
    static std::uint64_t read() noexcept { return 0; }
};

/// A ring, those who wait at its two ends, and its end.
///
/// Who is woken. A push wakes one consumer, if one has announced himself in the tail. A pop that leaves no more than
/// the low mark wakes as many producers as there are free slots, if one has announced himself in the head. A waiter
/// sleeps only if the answer of his own announcement shows nothing for him; so whoever changes that comes later in the
/// order of that word, and sees him. The pop that empties the queue leaves less than any mark: when a consumer is about
/// to wait, every producer that has room was told. A waiter that was woken looks again; one that leaves without having
/// used what he was woken for wakes the next.
///
/// First in line. Light items pushed by those who do not wait could keep the queue too heavy for a heavy one for ever.
/// A producer that has to wait becomes the first in line if the low mark leaves no room for its item, or if it was
/// woken and again finds a slot but not the bytes: until it is in, or gone, nobody else gets in, and a pop wakes all
/// producers as soon as it fits.
template <class T, class Policies>
class queue_core {
public:
    using sync = typename Policies::sync;
    using ring_type = queue_ring<T, Policies>;
    using place = typename ring_type::place;
    using word = queue_words::word;
    using list_type = wait_list<sync>;

    /// What an item weighs beside its weigher's answer.
    static constexpr std::size_t overhead = sizeof(typename ring_type::cell);
    static constexpr word too_heavy = ~word{0};
    static constexpr unsigned push_patience = Policies::push_patience;
    static constexpr unsigned coming_looks = Policies::coming_looks;
    static constexpr duration coming_nap = Policies::coming_nap;

    queue_core(const queue_options& options, typename Policies::weigher weigher,
               const typename Policies::allocator& allocator)
        : weigher_(std::move(weigher)),
          max_bytes_(checked(options).max_bytes),
          alone_(options.oversize == oversize::alone),
          low_items_(options.low_water_items != 0 ? options.low_water_items : slots_for(options) / 2),
          low_bytes_(options.low_water_bytes != 0 ? options.low_water_bytes : options.max_bytes / 2),
          ring_(slots_for(options), weighed() ? max_bytes_ : 0, allocator) {}

    // ---- never waiting

    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool weighed() const noexcept { return max_bytes_ != unlimited; }

    /// Returns: what is charged for it: 0 where nothing is weighed, and only there; `too_heavy` for what never fits.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE word weigh(const T& item) const
        noexcept(noexcept(std::declval<const typename Policies::weigher&>()(item))) {
        if (!weighed()) return 0;
        const word bytes = saturating_add<word>(overhead, weigher_(item));
        if (bytes <= max_bytes_) return bytes;
        return alone_ ? max_bytes_ : too_heavy;
    }
    /// Moves the item in, or answers full, too_large, closed or aborted. `weight`: what `weigh` answered.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE queue_reason put(T& item, word weight) noexcept {
        return weight == 0 ? put_as<false>(item, 0) : put_weighed(item, weight);
    }

    /// Claims the oldest items, and gives their slots back when it ends.
    class taking {
    public:
        PLATEAU_ALWAYS_INLINE explicit taking(queue_core& core, std::size_t most = 1) noexcept : core_(core) {
            why_ = core.weighed() ? core.ring_.template claim_to_pop<true>(most, claimed_)
                                  : core.ring_.template claim_to_pop<false>(most, claimed_);
        }
        taking(const taking&) = delete;
        taking& operator=(const taking&) = delete;
        PLATEAU_ALWAYS_INLINE ~taking() {
            if (why_ != queue_reason::none) return;
            core_.ring_.give_back(claimed_.first);
            for (std::size_t i = 1; i < claimed_.count; ++i)
                core_.ring_.give_back(core_.ring_.further(claimed_.first, i));
            if ((claimed_.first.seen & queue_words::waits) != 0) [[unlikely]]
                core_.after_pop(claimed_.left);
        }

        [[nodiscard]] queue_reason why() const noexcept { return why_; }
        [[nodiscard]] std::size_t count() const noexcept { return claimed_.count; }
        [[nodiscard]] T& front() const noexcept { return claimed_.first.at->item; }
        [[nodiscard]] T& operator[](std::size_t i) const noexcept {
            return core_.ring_.further(claimed_.first, i).at->item;
        }

    private:
        queue_core& core_;
        typename ring_type::batch claimed_;
        queue_reason why_;
    };

    // ---- the end

    void close() noexcept {
        const auto before = ring_.end(queue_words::closed);
        wake_all(before.tail, before.head);
    }
    void abort(failure why) noexcept {
        end_.lock();
        if ((ring_.head() & queue_words::aborted) != 0) {
            const bool inside = aborter_ == sync::thread_id();  // something that it tells, or ends, aborts as well
            end_.unlock();
            if (!inside) await_discarding();
            return;
        }
        std::swap(failure_, why);
        aborter_ = sync::thread_id();
        const auto before = ring_.end(queue_words::closed | queue_words::aborted);
        end_.unlock();
        wake_all(before.tail, before.head);
        discarded_.add(ring_.discard_all());
        discarding_is_over_.happen();
    }
    [[nodiscard]] bool is_closed() const noexcept { return (ring_.tail() & queue_words::closed) != 0; }
    [[nodiscard]] failure error() const noexcept {
        end_.lock();
        failure kept = failure_;
        end_.unlock();
        return kept;
    }

    // ---- waiting

    /// For those who wake, and announce nobody.
    struct consumers_flag {
        queue_core* core;
        static bool raise() noexcept { return true; }
        void lower() const noexcept { core->ring_.no_consumer_waits(); }
    };
    struct producers_flag {
        queue_core* core;
        static bool raise() noexcept { return true; }
        void lower() const noexcept { core->ring_.no_producer_waits(); }
    };
    /// Of one that waits for an item. `coming` becomes true when there is one, if only claimed by now.
    struct item_flag : consumers_flag {
        bool* coming;
        bool raise() const noexcept {
            queue_core& all = *this->core;
            const word tail = all.ring_.announce_consumer();
            *coming = (tail & queue_words::closed) != 0 || !all.ring_.is_empty(tail, all.ring_.head());
            if (*coming) return false;
            all.pop_waits_.add();
            return true;
        }
    };
    /// Of a producer with an item: `announced` counts how often it went to wait with it.
    struct room_flag : producers_flag {
        const T* item;
        word weight;
        unsigned* announced;
        bool* coming;
        bool raise() const noexcept {
            queue_core& all = *this->core;
            all.stand_first_if_passed(*this);
            const word head = all.ring_.announce_producer();
            *coming = (head & queue_words::closed) != 0 ||
                      (all.ring_.has_room(all.ring_.tail(), head, weight) && !all.behind_another(item));
            if (*coming) return false;
            ++*announced;
            all.push_waits_.add();
            return true;
        }
    };
    /// Of somebody who waits until the queue is down to its low mark.
    struct mark_flag : producers_flag {
        bool raise() const noexcept {
            queue_core& all = *this->core;
            const word head = all.ring_.announce_producer();
            return (head & queue_words::closed) == 0 && !all.is_low(all.ring_.tail(), head);
        }
    };

    [[nodiscard]] list_type& consumers() noexcept { return consumers_; }
    [[nodiscard]] list_type& producers() noexcept { return producers_; }

    void wake_consumers(std::size_t count) noexcept { consumers_.nudge(count, consumers_flag{this}); }
    void wake_producers(std::size_t count) noexcept { producers_.nudge(count, producers_flag{this}); }

    /// A consumer that may have been woken leaves: what it was woken for goes to the next.
    void pass_item_on() noexcept {
        const word tail = ring_.tail();
        if ((tail & queue_words::waits) != 0 && !ring_.is_empty(tail, ring_.head())) wake_consumers(1);
    }
    void pass_room_on() noexcept {
        const word head = ring_.head();
        if ((head & queue_words::waits) != 0 && ring_.words().items(ring_.tail(), head) < ring_.words().slots())
            wake_producers(1);
    }
    /// A producer has put its item in, or will not: it is no longer the first in line.
    void leave_line(const T* item) noexcept {
        if (first_.load(std::memory_order_relaxed) != item) return;  // only its own name matters
        typename list_type::template session<producers_flag> in(producers_, producers_flag{this});
        first_.store(nullptr, std::memory_order_relaxed);  // under the mutex, under which others announce themselves
        while (in.front() != nullptr) in.claim_front(wake::nudged);
    }

    [[nodiscard]] bool is_low() const noexcept {
        const word head = ring_.head();
        return is_low(ring_.tail(), head);
    }
    [[nodiscard]] bool has_item() const noexcept {
        const word head = ring_.head();
        return !ring_.is_empty(ring_.tail(), head);
    }
    /// What a consumer waits for is there, or about to be.
    [[nodiscard]] bool item_or_end() const noexcept { return is_closed() || has_item(); }
    [[nodiscard]] bool has_room(const T* item, word weight) const noexcept {
        const word head = ring_.head();
        return ring_.has_room(ring_.tail(), head, weight) && !behind_another(item);
    }
    [[nodiscard]] queue_reason why_ended() const noexcept {
        const word head = ring_.head();
        if ((head & queue_words::aborted) != 0) return queue_reason::aborted;
        return (head & queue_words::closed) != 0 ? queue_reason::closed : queue_reason::none;
    }

    void count_refusal() noexcept { refused_.add(); }

    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept {
        const auto pops = consumers_.next_deadline(), pushes = producers_.next_deadline();
        if (!pops || !pushes) return pops ? pops : pushes;
        return smaller(*pops, *pushes);
    }
    std::size_t expire(time_point now) noexcept {
        const std::size_t pops = consumers_.expire(now, consumers_flag{this});
        return pops + producers_.expire(now, producers_flag{this});
    }

    // ---- read out

    [[nodiscard]] queue_stats stats() const noexcept {
        queue_stats now;
        const word head = ring_.head(), tail = ring_.tail();  // in this order: the tail is not behind the head
        const std::size_t items = ring_.words().items(tail, head);
        now.popped = ring_.popped();
        now.pushed = now.popped + items;
        if ((head & queue_words::aborted) == 0) {
            // The tail may be some pushes, and their pops, further on than the head.
            now.items = smaller(items, ring_.words().slots());
            now.bytes = smaller(ring_.words().weight(tail, head), ring_.words().max_weight());
        }
        now.discarded = discarded_.read();
        now.refused = refused_.read();
        now.push_waits = push_waits_.read();
        now.pop_waits = pop_waits_.read();
        return now;
    }
    /// The slots, and what the items in them may own.
    [[nodiscard]] std::size_t ceiling_of_slots() const noexcept {
        const std::size_t slots = ring_.words().slots() * overhead;
        if constexpr (owns_nothing) return slots;
        if (!weighed() || alone_) return unlimited;
        return saturating_add(slots, max_bytes_ - overhead);
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return ring_.words().slots(); }

    /// For one thread while no other uses the queue.
    void check_invariants() const noexcept {
        ring_.check_invariants();
        PLATEAU_EXPECTS(first_.load(std::memory_order_relaxed) == nullptr || (ring_.head() & queue_words::waits) != 0,
                        "somebody is first in a line in which nobody waits");
    }

private:
    /// Where the slot is all that an item can hold.
    static constexpr bool owns_nothing = std::is_same_v<typename Policies::weigher, sizeof_only> ||
                                         (std::is_same_v<typename Policies::weigher, owned_bytes_weigher> &&
                                          std::is_trivially_destructible_v<T> && !owned_bytes_lookup::provided<T>);

    static const queue_options& checked(const queue_options& options) {
        require_option(options.max_items != 0 && options.max_bytes != 0,
                       "queue_options: a queue of 0 items or 0 bytes takes nothing");
        require_option(options.max_items != unlimited || options.max_bytes != unlimited,
                       "queue_options: max_items or max_bytes must be set: without either it would grow for ever");
        require_option(options.max_bytes == unlimited || options.max_bytes >= overhead,
                       "queue_options: max_bytes is below the overhead of one item");
        require_option(options.max_bytes == unlimited || options.max_bytes <= std::uint64_t{1} << 44,
                       "queue_options: max_bytes is at most 2^44, or unlimited");
        require_option(options.low_water_items == 0 || options.low_water_items < options.max_items,
                       "queue_options: low_water_items is less than max_items");
        require_option(options.low_water_bytes == 0 || options.low_water_bytes < options.max_bytes,
                       "queue_options: low_water_bytes is less than max_bytes");
        const std::size_t slots = slots_for(options);
        require_option(slots <= std::uint64_t{1} << 32, "queue_options: max_items is at most 2^32");
        require_option(queue_words::fit(slots, options.max_bytes == unlimited ? 0 : options.max_bytes),
                       "queue_options: max_items and max_bytes together are too large for one word");
        return options;
    }
    static std::size_t slots_for(const queue_options& options) noexcept {
        return smaller(options.max_items, options.max_bytes / overhead);
    }

    queue_reason put_weighed(T& item, word weight) noexcept {
        if (weight == too_heavy) return queue_reason::too_large;
        if (behind_another(&item)) [[unlikely]]
            return why_behind();
        return put_as<true>(item, weight);
    }
    template <bool Weighed>
    PLATEAU_ALWAYS_INLINE queue_reason put_as(T& item, word weight) noexcept {
        place at;
        const queue_reason why = ring_.template claim_to_push<Weighed>(weight, at);
        if (why != queue_reason::none) return why;
        ring_.publish(at, weight, item);
        if ((at.seen & queue_words::waits) != 0) [[unlikely]]
            after_push();
        return queue_reason::none;
    }
    PLATEAU_COLD void after_push() noexcept { wake_consumers(1); }
    PLATEAU_COLD void after_pop(word head) noexcept {
        const word tail = ring_.tail();
        if (first_.load(std::memory_order_acquire) != nullptr) {
            const word weight = first_weight_.load(std::memory_order_relaxed);  // written before it
            if (ring_.has_room(tail, head, weight)) wake_producers(SIZE_MAX);
        } else if (is_low(tail, head)) {
            wake_producers(ring_.words().slots() - ring_.words().items(tail, head));
        }
    }
    void wake_all(word tail, word head) noexcept {
        if ((tail & queue_words::waits) != 0) wake_consumers(SIZE_MAX);
        if ((head & queue_words::waits) != 0) wake_producers(SIZE_MAX);
    }

    /// Another has decided on the abort, and may have got no further.
    void await_discarding() { discarding_is_over_.wait(); }

    [[nodiscard]] bool is_low(word tail, word head) const noexcept {
        return ring_.words().items(tail, head) <= low_items_ &&
               (!weighed() || ring_.words().weight(tail, head) <= low_bytes_);
    }
    [[nodiscard]] bool behind_another(const T* item) const noexcept {
        const T* const first = first_.load(std::memory_order_acquire);
        return first != nullptr && first != item;
    }
    PLATEAU_COLD queue_reason why_behind() const noexcept {
        const queue_reason ended = why_ended();
        return ended != queue_reason::none ? ended : queue_reason::full;
    }
    /// Under the producers' mutex, before the announcement that shows it to whoever pops.
    void stand_first_if_passed(const room_flag& one) noexcept {
        if (one.weight == 0 || first_.load(std::memory_order_relaxed) != nullptr) return;
        const word head = ring_.head();
        const bool slots_are_there = ring_.words().items(ring_.tail(), head) < ring_.words().slots();
        const bool passed = *one.announced != 0 && slots_are_there;
        if (!passed && one.weight <= max_bytes_ - low_bytes_) return;
        first_weight_.store(one.weight, std::memory_order_relaxed);
        first_.store(one.item, std::memory_order_release);
    }

    PLATEAU_NO_UNIQUE_ADDRESS typename Policies::weigher weigher_;
    std::size_t max_bytes_;
    bool alone_;
    std::size_t low_items_;
    std::size_t low_bytes_;
    typename sync::template atomic<const T*> first_{nullptr};  // the item of the first in line
    typename sync::template atomic<word> first_weight_{0};
    ring_type ring_;
    alignas(destructive_interference) list_type consumers_;
    list_type producers_;
    mutable typename sync::mutex end_;
    failure failure_;                // under end_
    const void* aborter_ = nullptr;  // under end_; a thread
    one_event<sync> discarding_is_over_;
    queue_counter<sync, typename Policies::stats> discarded_, refused_, push_waits_, pop_waits_;
};

}
PLATEAU_NAMESPACE_END
