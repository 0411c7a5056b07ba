// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/park.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/detail/seed.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/fwd.hpp>
#include <plateau/gate/admission.hpp>
#include <plateau/gate/counters.hpp>
#include <plateau/gate/options.hpp>
#include <plateau/gate/permit.hpp>
#include <plateau/gate/policies.hpp>
#include <plateau/gate/stats.hpp>
#include <plateau/gate/word.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What a request says in the node in which it waits, and what is said back:
///
///     [ refused:1 | by deadline:1 | bytes:41 ]     bytes; or, once it was refused, the reason
namespace gate_cargo {

inline constexpr std::uint64_t refused = std::uint64_t{1} << 63;
inline constexpr std::uint64_t by_deadline = std::uint64_t{1} << 62;  ///< it is the client's that ends the wait

[[nodiscard]] constexpr std::uint64_t refusal(shed_reason why) noexcept {
    return refused | static_cast<std::uint64_t>(why);
}
[[nodiscard]] constexpr shed_reason reason(std::uint64_t cargo) noexcept {
    return static_cast<shed_reason>(cargo & 0xff);
}
[[nodiscard]] constexpr std::uint64_t bytes(std::uint64_t cargo) noexcept { return cargo & gate_word::max_bytes; }

}

/// What a gate and its permits share: the word, the bounds, the queue, the counters. Made by the gate, and ended by
/// whoever is last of the gate and its permits.
///
/// Protocol
///   in       one exchange that adds a permit, if no flag is set and it fits.
///   out      one exchange that takes it off, if no flag is set.
///   wait     under the queue's mutex: link, then set `waiters` by a read-modify-write of the word, and look at what it
///            saw. A release that comes before it has made room that it sees; one that comes after it sees the flag.
///   serve    whoever gives something back while the flag is set does so under the mutex: his place passes to the
///            first in the queue, if that one fits; else it is given back before the mutex is, so that the next to
///            announce himself sees it. The mutex makes all grants one after the other: nobody passes the first.
///   leave    a request that is cancelled, or too late, is claimed first and then taken off under the mutex, by the
///            claimer; those behind it are served in the same session.
///   end      sets `orphaned`, refuses all who wait, waits until those who were leaving have left, and passes through
///            both mutexes. Then it, the last permit, and who holds the block have gone, and the last of them frees it.
///
/// Who may be in here: callers of the gate, by its life; holders of a permit, until the exchange that gives it back; a
/// waiter, while it is linked, or holds the block: from its announcement on, until it is linked or told; and whoever
/// gave his permit back under a mutex, until he leaves the mutex (while
/// somebody is in the queue, or before `orphaned` is set: so the gate's end, which passes through it, comes after him).
template <class Policies>
class alignas(destructive_interference) gate_block final : public gate_core<typename Policies::sync> {
public:
    using sync = typename Policies::sync;
    using core = gate_core<sync>;
    using node = park_node<sync>;
    using list = wait_list<sync>;
    using clock_type = typename Policies::clock;
    using limit_type = typename Policies::limit;
    using retry_type = typename Policies::retry;
    using admission = basic_admission<sync>;

    static_assert(limit_policy<limit_type>, "plateau: a gate's limit has `std::uint32_t limit() const noexcept`");
    static_assert(retry_policy<retry_type>,
                  "plateau: a gate's retry has `milliseconds after(std::uint64_t random) const noexcept`");
    static_assert(clock<clock_type>, "plateau: a clock has `time_point now() const noexcept`");

    template <class... Parts>
    explicit gate_block(const gate_options& chosen, Parts&&... parts)
        : core(operations),
          lot_(draw_seed().first),
          bound_(checked(chosen).max_in_flight),
          budget_(held_budget(chosen.max_bytes)),
          max_queue_(chosen.max_queue.value_or(2 * chosen.max_in_flight)),
          max_wait_(chosen.max_wait),
          limit_(copied_part<limit_type>(std::forward<Parts>(parts)...)),
          retry_(copied_part<retry_type>(std::forward<Parts>(parts)...)),
          clock_(std::in_place, std::forward<Parts>(parts)...) {
        static_assert((is_one_of<Parts, limit_type, retry_type, clock_type> && ...),
                      "plateau: after the options come parts of this gate's policies: a limit, a retry, a clock");
    }

    // ---- come in

    /// Takes a place. Returns: none; or why there is none, and then nothing has changed, and nothing is counted.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE shed_reason take(std::uint64_t bytes) noexcept {
        const std::uint64_t budget = budget_.load(std::memory_order_relaxed);  // a bound guards no memory; so below
        if (bytes > budget) [[unlikely]]
            return shut_or(shed_reason::too_large);
        // One comparison for the count and all flags: they stand above it.
        const std::uint64_t end = std::uint64_t{limit()} << gate_word::bytes_bits;
        std::uint64_t seen = this->word.load(std::memory_order_relaxed);
        for (;;) {
            if (seen >= end || gate_word::bytes(seen) + bytes > budget) [[unlikely]]
                return why_not(seen);
            if (this->word.compare_exchange_weak(seen, seen + gate_word::one + bytes, std::memory_order_acquire,
                                                 std::memory_order_relaxed)) [[likely]]
                break;
        }
        note_admitted(gate_word::count(seen) + 1);
        return shed_reason::none;
    }
    [[nodiscard]] admission refuse(shed_reason why) noexcept {
        count(why);
        return admission(why, this);
    }
    /// For a request that would wait. Returns: none when it may.
    [[nodiscard]] shed_reason why_it_may_not_wait(shed_reason found) const noexcept {
        if (found != shed_reason::limit && found != shed_reason::bytes) return found;
        if (max_queue_ == 0) return found;
        if (queued_.load(std::memory_order_relaxed) >= max_queue_) return shed_reason::queue_full;  // looked at again
        return shed_reason::none;
    }

    // ---- wait: under the queue's mutex, where its flag is raised

    /// Announces a request that is linked behind all others. Returns: whether it must wait.
    [[nodiscard]] bool announce(std::uint64_t bytes) noexcept {
        const std::uint32_t before = queued_.load(std::memory_order_relaxed);  // written under the mutex only
        const std::uint64_t budget = budget_.load(std::memory_order_relaxed);
        // Who need not wait raises no flag: it would turn others away.
        if (before == 0 && gate_word::fits(this->word.load(std::memory_order_acquire), bytes, limit(), budget))
            return false;
        const std::uint64_t seen = this->word.fetch_or(gate_word::waiters, std::memory_order_acq_rel);
        if ((seen & gate_word::shut) != 0 || bytes > budget || before >= max_queue_) return false;
        if (before == 0 && gate_word::fits(seen, bytes, limit(), budget)) return false;
        queued_.store(before + 1, std::memory_order_relaxed);
        return true;
    }
    void queue_is_empty() noexcept { this->word.fetch_and(~gate_word::waiters, std::memory_order_acq_rel); }

    /// The flag of the queue, for those who look into it.
    struct queue_flag {
        gate_block* block;
        static bool raise() noexcept { return true; }
        void lower() const noexcept { block->queue_is_empty(); }
    };
    using session = typename list::template session<queue_flag>;

    /// Takes off a request that somebody has claimed, and serves those behind it.
    void leave(node& gone) noexcept {
        serve_with([&](session& in) {
            if (!in.take_off(gone)) return false;
            queued_.fetch_sub(1, std::memory_order_release);
            count(why_it_left(gone.outcome(), gone.cargo()));
            return true;
        });
    }
    [[nodiscard]] static shed_reason why_it_left(wake how, std::uint64_t cargo) noexcept {
        if (how != wake::timed_out) return shed_reason::cancelled;
        return (cargo & gate_cargo::by_deadline) != 0 ? shed_reason::deadline : shed_reason::timed_out;
    }

    std::size_t expire(time_point now) noexcept {
        std::size_t ended = 0;
        serve_with([&](session& in) {
            for (node* at = in.front(); at != nullptr;) {
                node& one = *at;
                at = in.next(one);
                if (now < one.deadline()) continue;
                const std::uint64_t cargo = one.cargo();
                if (!in.try_claim(one, wake::timed_out)) continue;
                queued_.fetch_sub(1, std::memory_order_release);
                count(why_it_left(wake::timed_out, cargo));
                ++ended;
            }
            return true;
        });
        return ended + drains.expire(now, drain_flag{this});
    }
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept {
        const auto waits = queue.next_deadline();
        const auto drained = drains.next_deadline();
        if (!waits || !drained) return waits ? waits : drained;
        return *waits < *drained ? *waits : *drained;
    }

    // ---- bounds

    void set_limit(std::uint32_t permits) noexcept {
        const std::uint32_t held = permits < gate_word::max_count ? permits : gate_word::max_count;
        serve_with([&](session&) {
            bound_.store(held, std::memory_order_relaxed);  // under the mutex, as who waits looks
            return true;
        });
    }
    void set_max_bytes(std::size_t bytes) noexcept {
        serve_with([&](session&) {
            budget_.store(held_budget(bytes), std::memory_order_relaxed);  // the same
            return true;
        });
    }
    [[nodiscard]] std::uint32_t limit() const noexcept {
        const std::uint32_t bound = bound_.load(std::memory_order_relaxed);
        if constexpr (std::is_same_v<limit_type, fixed_limit>) return bound;
        const std::uint32_t asked = limit_.limit();
        const std::uint32_t least = asked == 0 ? 1 : asked;
        return least < bound ? least : bound;
    }
    /// A budget that the word itself sets is none.
    [[nodiscard]] std::size_t max_bytes() const noexcept {
        const std::uint64_t budget = budget_.load(std::memory_order_relaxed);
        return budget == gate_word::max_bytes ? unlimited : static_cast<std::size_t>(budget);
    }
    [[nodiscard]] duration max_wait() const noexcept { return max_wait_; }
    [[nodiscard]] decltype(auto) time_source() const noexcept { return *clock_; }

    // ---- drain

    /// The flag of those who wait for the gate to be empty is `draining` itself: a release that empties a draining gate
    /// looks for them, and so does `resume`.
    struct drain_flag {
        gate_block* block;
        static bool raise() noexcept { return true; }
        static void lower() noexcept {}
    };

    void begin_drain() noexcept {
        this->word.fetch_or(gate_word::draining, std::memory_order_acq_rel);
        session in(queue, queue_flag{this});
        // Opened again meanwhile: then whoever waits now was let in by that.
        if ((this->word.load(std::memory_order_acquire) & gate_word::draining) == 0) return;
        refuse_all(in, shed_reason::draining);
    }
    void resume() noexcept {
        if ((this->word.fetch_and(~gate_word::draining, std::memory_order_acq_rel) & gate_word::draining) == 0) return;
        drains.nudge(SIZE_MAX, drain_flag{this});
        serve();
    }
    /// Under the mutex of `drains`. Returns: whether somebody who waits for an empty gate must go on waiting. A
    /// read-modify-write, so that the release that empties the gate comes before it or sees what it announces.
    [[nodiscard]] bool stays_occupied() noexcept {
        const std::uint64_t seen = this->word.fetch_or(0, std::memory_order_acq_rel);
        return (seen & gate_word::draining) != 0 && gate_word::count(seen) != 0;
    }

    // ---- read out

    [[nodiscard]] gate_stats stats() const noexcept {
        const std::uint64_t seen = this->word.load(std::memory_order_acquire);
        gate_stats all;
        all.in_flight = gate_word::count(seen);
        all.bytes = gate_word::bytes(seen);
        all.queued = queued_.load(std::memory_order_acquire);
        all.limit = limit();
        all.max_bytes = max_bytes();
        all.peak_in_flight = peak_.load(std::memory_order_relaxed);
        all.admitted_after_waiting = counters_.sum(after_waiting);
        all.admitted = counters_.sum(at_once) + all.admitted_after_waiting;
        const auto shed = [&](shed_reason why) {
            const std::uint64_t times = counters_.sum(kind_of(why));
            all.shed += times;
            return times;
        };
        all.shed_limit = shed(shed_reason::limit);
        all.shed_bytes = shed(shed_reason::bytes);
        all.shed_queue_full = shed(shed_reason::queue_full);
        all.shed_timed_out = shed(shed_reason::timed_out);
        all.shed_deadline = shed(shed_reason::deadline);
        all.shed_cancelled = shed(shed_reason::cancelled);
        all.shed_too_large = shed(shed_reason::too_large);
        all.shed_draining = shed(shed_reason::draining);
        return all;
    }

    /// I1 and I2 at any time; I3 and I4 while no other thread is in a call.
    void check_invariants() noexcept {
        const session in(queue, queue_flag{this});
        const std::uint64_t seen = this->word.load(std::memory_order_acquire);
        const bool flagged = (seen & gate_word::waiters) != 0;
        PLATEAU_EXPECTS(flagged == (in.front() != nullptr), "gate: the flag does not say whether somebody waits");
        std::uint32_t linked = 0;
        for (const node* at = in.front(); at != nullptr; at = in.next(*at)) ++linked;
        PLATEAU_EXPECTS(linked == queued_.load(std::memory_order_relaxed), "gate: the queue is miscounted");
        PLATEAU_EXPECTS(gate_word::count(seen) != 0 || gate_word::bytes(seen) == 0,
                        "gate: bytes are declared, and no permit is out");
        PLATEAU_EXPECTS(in.front() == nullptr || !gate_word::fits(seen, gate_cargo::bytes(in.front()->cargo()), limit(),
                                                                  budget_.load(std::memory_order_relaxed)),
                        "gate: somebody waits beside a free place");
    }

    // ---- the end

    /// By the gate, and once.
    void end() noexcept {
        const std::uint64_t seen = this->word.fetch_or(gate_word::orphaned, std::memory_order_acq_rel);
        for (;;) {
            {
                session in(queue, queue_flag{this});
                refuse_all(in, shed_reason::closed);
                if (in.front() == nullptr) break;
            }
            sync::yield();  // who was leaving by himself is still to come through the mutex
        }
        {
            const typename list::template session<drain_flag> in(drains, drain_flag{this});
            PLATEAU_EXPECTS(in.front() == nullptr, "a gate ended while somebody waited for it to be empty");
        }
        if (gate_word::count(seen) == 0) end_party();  // that of the permits
        end_party();
    }
    [[nodiscard]] bool has_ended() const noexcept {
        return (this->word.load(std::memory_order_acquire) & gate_word::orphaned) != 0;
    }

    /// By a request on its way into the queue, inside a call of the gate: the block stays until `end_party`.
    void hold() noexcept { parties_.fetch_add(1, std::memory_order_relaxed); }
    /// The gate, all permits together, and each request on its way: the last of them to go frees the block.
    void end_party() noexcept {
        if (parties_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    list queue;
    list drains;

private:
    enum kind : std::size_t { at_once, after_waiting, first_reason };
    static constexpr std::size_t kinds = first_reason + static_cast<std::size_t>(shed_reason::draining);
    /// A request that was refused by the gate's end is not counted: there is nobody left to ask.
    [[nodiscard]] static constexpr std::size_t kind_of(shed_reason why) noexcept {
        return first_reason + static_cast<std::size_t>(why) - 1;
    }

    static const gate_options& checked(const gate_options& chosen) {
        require_option(chosen.max_in_flight >= 1 && chosen.max_in_flight <= gate_word::max_count,
                       "gate_options: max_in_flight is 1 to 2^20 - 1, and must be set");
        require_option(chosen.max_bytes == unlimited ||
                           (chosen.max_bytes >= 1 && chosen.max_bytes <= gate_word::max_bytes),
                       "gate_options: max_bytes is 1 to 2^41 - 1, or unlimited");
        require_option(chosen.max_wait >= duration::zero(), "gate_options: max_wait is 0 or more");
        return chosen;
    }
    [[nodiscard]] static std::uint64_t held_budget(std::size_t bytes) noexcept {
        return bytes < gate_word::max_bytes ? bytes : gate_word::max_bytes;
    }

    [[nodiscard]] shed_reason shut_or(shed_reason why) const noexcept {
        return (this->word.load(std::memory_order_relaxed) & gate_word::shut) != 0 ? shed_reason::draining : why;
    }
    [[nodiscard]] shed_reason why_not(std::uint64_t seen) const noexcept {
        if ((seen & gate_word::shut) != 0) return shed_reason::draining;
        return gate_word::count(seen) >= limit() ? shed_reason::limit : shed_reason::bytes;
    }

    PLATEAU_ALWAYS_INLINE void count(shed_reason why) noexcept { counters_.add(kind_of(why)); }
    PLATEAU_ALWAYS_INLINE void note_admitted(std::uint32_t out, kind how = at_once) noexcept {
        if constexpr (std::is_same_v<typename Policies::stats, counting>) {
            counters_.add(how);
            if (out > peak_.load(std::memory_order_relaxed)) [[unlikely]]
                raise_peak(out);
        }
    }
    // Not declared cold: what leads to a cold call is laid out as cold itself, and every admission leads here.
    [[gnu::noinline]] void raise_peak(std::uint32_t out) noexcept {
        std::uint32_t highest = peak_.load(std::memory_order_relaxed);
        while (highest < out && !peak_.compare_exchange_weak(highest, out, std::memory_order_relaxed)) {}
    }

    // ---- serve

    /// Looks into the queue, and serves it if `first`, under the mutex, says so.
    template <class First>
    void serve_with(First first) noexcept {
        std::uint64_t own = 0;
        {
            session in(queue, queue_flag{this});
            if (first(in)) serve(in, own);
        }
        if (own != 0) this->release(own);
    }
    PLATEAU_COLD void serve() noexcept {
        serve_with([](session&) { return true; });
    }

    /// Under the mutex: serves the queue as far as it goes. `own`: a permit that the caller gives back, or 0. It is 0
    /// afterwards, unless the queue is empty or the gate is shut: then `own` is what the caller has still to give back.
    void serve(session& in, std::uint64_t& own) noexcept {
        using discipline = typename Policies::discipline;
        for (node* at = discipline::first(in); at != nullptr;) {
            node& head = *at;
            at = discipline::behind(in, head);
            const std::uint64_t bytes = gate_cargo::bytes(head.cargo());
            std::uint32_t out = 0;
            if (bytes > budget_.load(std::memory_order_relaxed)) {
                refuse_in_queue(in, head, shed_reason::too_large);
            } else if (!trade(own, bytes, out)) {
                break;
            } else if (in.try_claim(head, wake::granted)) {
                own = 0;
                queued_.fetch_sub(1, std::memory_order_release);
                note_admitted(out, after_waiting);
            } else {
                own = gate_word::one + bytes;  // what was taken for one who is leaving
            }
        }
        if (own == 0 || in.front() == nullptr) return;
        std::uint64_t seen = this->word.load(std::memory_order_relaxed);  // the exchange orders it
        while ((seen & gate_word::shut) == 0) {
            if (!this->word.compare_exchange_weak(seen, seen - own, std::memory_order_acq_rel,
                                                  std::memory_order_relaxed))
                continue;
            own = 0;
            return;
        }
    }
    /// Under the mutex: gives `own` back and takes a place of `bytes` at once, if that fits.
    [[nodiscard]] bool trade(std::uint64_t own, std::uint64_t bytes, std::uint32_t& out) noexcept {
        const std::uint64_t budget = budget_.load(std::memory_order_relaxed);
        std::uint64_t seen = this->word.load(std::memory_order_acquire);
        for (;;) {
            const std::uint64_t base = seen - own;
            if ((seen & gate_word::shut) != 0 || !gate_word::fits(base, bytes, limit(), budget)) return false;
            if (!this->word.compare_exchange_weak(seen, base + gate_word::one + bytes, std::memory_order_acq_rel,
                                                  std::memory_order_acquire))
                continue;
            out = gate_word::count(base) + 1;
            return true;
        }
    }
    void refuse_in_queue(session& in, node& waiter, shed_reason why) noexcept {
        const std::uint64_t asked = waiter.cargo();
        waiter.set_cargo(gate_cargo::refusal(why));
        if (!in.try_claim(waiter, wake::granted)) {
            waiter.set_cargo(asked);  // it is leaving, and says why
            return;
        }
        queued_.fetch_sub(1, std::memory_order_release);
        if (why != shed_reason::closed) count(why);
    }
    void refuse_all(session& in, shed_reason why) noexcept {
        for (node* at = in.front(); at != nullptr;) {
            node& one = *at;
            at = in.next(one);
            refuse_in_queue(in, one, why);
        }
    }

    // ---- go out, where a flag is set

    PLATEAU_COLD void release_slowly(std::uint64_t own) noexcept {
        for (;;) {
            std::uint64_t seen = this->word.load(std::memory_order_acquire);
            if ((seen & gate_word::orphaned) != 0) return release_orphan(own);
            if ((seen & gate_word::draining) != 0 && gate_word::count(seen) == 1) {
                if (release_last(seen, own)) return;
            } else if ((seen & gate_word::shut) == 0 && (seen & gate_word::waiters) != 0) {
                session in(queue, queue_flag{this});
                serve(in, own);
                if (own == 0) return;
            } else if (this->word.compare_exchange_weak(seen, seen - own, std::memory_order_acq_rel,
                                                        std::memory_order_relaxed)) {
                return;
            }
        }
    }
    /// The last one out of a draining gate tells those who wait for that; under their mutex, through which the gate's
    /// end passes.
    bool release_last(std::uint64_t seen, std::uint64_t own) noexcept {
        typename list::template session<drain_flag> in(drains, drain_flag{this});
        if (!this->word.compare_exchange_strong(seen, seen - own, std::memory_order_acq_rel, std::memory_order_relaxed))
            return false;
        for (node* at = in.front(); at != nullptr;) {
            node& one = *at;
            at = in.next(one);
            in.try_claim(one, wake::granted);
        }
        return true;
    }
    void release_orphan(std::uint64_t own) noexcept {
        if (gate_word::count(this->word.fetch_sub(own, std::memory_order_acq_rel)) == 1) end_party();
    }
    [[nodiscard]] std::chrono::milliseconds draw_retry() noexcept {
        return retry_.after(mix(lot_.fetch_add(1, std::memory_order_relaxed)));  // only has to differ each time
    }

    static gate_block& of(core& base) noexcept { return static_cast<gate_block&>(base); }
    static constexpr typename core::operations operations{
        [](core& base, std::uint64_t own) noexcept { of(base).release_slowly(own); },
        [](core& base) noexcept { of(base).serve(); },
        [](core& base) noexcept { return of(base).draw_retry(); },
    };

    template <class T>
    using atomic = typename sync::template atomic<T>;

    // Beside the word, which everybody writes, stands what is seldom touched. What everybody reads has its own lines.
    atomic<std::uint32_t> parties_{2};  // the gate; its permits, all together; each request on its way
    atomic<std::uint64_t> lot_;
    alignas(destructive_interference) atomic<std::uint32_t> bound_;  // written under the queue's mutex
    atomic<std::uint32_t> peak_{0};
    atomic<std::uint64_t> budget_;  // written under the queue's mutex
    const std::uint32_t max_queue_;
    const duration max_wait_;
    PLATEAU_NO_UNIQUE_ADDRESS const limit_type limit_;
    const retry_type retry_;
    PLATEAU_NO_UNIQUE_ADDRESS const shared_part<clock_type> clock_;
    atomic<std::uint32_t> queued_{0};  // linked in the queue; written under its mutex
    PLATEAU_NO_UNIQUE_ADDRESS striped_counters<typename Policies::stats, sync, Policies::stripes, kinds> counters_;
};

}
PLATEAU_NAMESPACE_END
