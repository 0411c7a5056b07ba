// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/chunk_index.hpp>
#include <plateau/cache/timer_wheel.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/seed.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// How long entries last, beside the time to live that each is given.
struct aging {
    duration time_to_idle;
    double ttl_jitter;
    std::uint64_t seed;
};

/// What a cache knows of time: the latest moment it was told, and the deadlines of its entries, in a wheel that is made
/// with the first of them. The cells stand in the slab.
///
/// An entry that may idle for so long has two deadlines: one that does not move, and the earlier of that and the end of
/// its idling. A use moves the second and nothing else: the wheel finds out when the old one has come.
///
/// Time is counted in whole ticks since the cache was made; in cells and wheel since `base_`, so that it fits in 32
/// bits.
template <class Slab, class Policies>
class deadlines {
    using allocator_type = typename Policies::allocator;
    using wheel_allocator = typename std::allocator_traits<allocator_type>::template rebind_alloc<timer_wheel>;

public:
    deadlines(Slab& slab, const aging& how, time_point start, const allocator_type& allocator) noexcept
        : slab_(slab),
          idles_(how.time_to_idle != forever),
          plain_(!idles_ && how.ttl_jitter == 0),
          start_(start),
          how_(how),
          allocator_(allocator) {}
    deadlines(const deadlines&) = delete;
    deadlines& operator=(const deadlines&) = delete;
    ~deadlines() { release_wheel(); }

    /// True once an entry with a deadline was stored.
    [[nodiscard]] bool any() const noexcept { return wheel_ != nullptr; }
    /// True if a use puts an entry's end off.
    [[nodiscard]] bool idles() const noexcept { return idles_; }
    /// Whether an entry of that time to live has a deadline.
    [[nodiscard]] bool ends(duration time_to_live) const noexcept { return time_to_live != forever || idles(); }

    /// Time goes on to `now`, never back. Only called where an entry may have a deadline.
    PLATEAU_ALWAYS_INLINE void observe(time_point now) noexcept {
        const std::uint64_t since = since_start(now);
        if (since <= last_) return;
        last_ = since;
        now_tick_ = ticks(since);
    }

    /// Expects, of the next three: any().
    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool is_over(std::uint32_t deadline) const noexcept {
        return is_over(deadline, now_tick_);
    }
    [[nodiscard]] bool over(std::uint32_t slot) const noexcept { return is_over(slab_.deadline(slot)); }
    [[nodiscard]] bool over_at(std::uint32_t slot, time_point now) const noexcept {
        const std::uint64_t tick = ticks(since_start(now));
        return is_over(slab_.deadline(slot), tick > now_tick_ ? tick : now_tick_);
    }

    /// Effects: from now on entries may have deadlines. Throws: what the allocator throws; then nothing has changed.
    void require() {
        if (any()) return;
        slab_.add_timers();
        if (idles()) slab_.add_fixed_deadlines();
        wheel_allocator allocator(allocator_);
        wheel_ = std::construct_at(std::addressof(*std::allocator_traits<wheel_allocator>::allocate(allocator, 1)));
        turn();
    }
    /// Effects: the deadline of a new entry, or that it has none. Expects: any(), and turn() was called at this tick.
    void add(std::uint32_t slot, duration time_to_live) noexcept {
        wheel_->add(cells(), slot, plain_ ? deadline_after(time_to_live) : aged_deadline(slot, time_to_live));
    }
    /// Effects: a live entry was used. Expects: idles(), and that time was observed.
    PLATEAU_COLD void touch(std::uint32_t slot) noexcept {
        if (now_tick_ - base_ > timer_wheel::horizon) turn();
        slab_.deadline(slot) = idle_deadline(slab_.fixed_deadline(slot));
    }
    void remove(std::uint32_t slot) noexcept {
        if (any()) wheel_->remove(cells(), slot);
    }

    /// Effects: whose deadline may have come is due. Expects: any().
    void turn() noexcept {
        const std::uint64_t ahead = now_tick_ - base_;
        const std::uint32_t latest = no_deadline - 1;
        wheel_->advance(cells(), ahead < latest ? static_cast<std::uint32_t>(ahead) : latest);
        if (ahead > timer_wheel::horizon) rebase(ahead);
    }
    [[nodiscard]] bool has_due() const noexcept { return wheel_->has_due(); }
    /// Looks at one of those that are due. Returns: its slot if its deadline has come, which it then has no more; nil
    /// if it has not. Expects: has_due().
    [[nodiscard]] std::uint32_t take_due() noexcept {
        std::uint32_t slot = nil;
        if (!wheel_->take(cells(), slot)) return nil;
        slab_.deadline(slot) = no_deadline;  // it has left the wheel
        return slot;
    }

    /// Returns: the time from `now`, or from the latest time seen, to the end of a live entry. Expects: any().
    [[nodiscard]] duration left(std::uint32_t slot, time_point now) const noexcept {
        return until(slab_.deadline(slot), now);
    }
    /// The same as if it were used until then. Expects: any().
    [[nodiscard]] duration left_in_use(std::uint32_t slot, time_point now) const noexcept {
        return until(idles_ ? slab_.fixed_deadline(slot) : slab_.deadline(slot), now);
    }

    /// Returns: when turn() next has something to do, not later than the first deadline; none without deadlines.
    [[nodiscard]] std::optional<time_point> next() const noexcept {
        if (!any() || wheel_->empty()) return std::nullopt;
        return moment_of(wheel_->next_tick());
    }

    /// Returns: how many have one.
    [[nodiscard]] std::size_t size() const noexcept { return any() ? wheel_->size() : 0; }
    [[nodiscard]] bool has_one(std::uint32_t slot) const noexcept {
        return any() && slab_.deadline(slot) != no_deadline;
    }

protected:
    [[nodiscard]] const Slab& slab() const noexcept { return slab_; }

private:
    [[nodiscard]] duration until(std::uint32_t deadline, time_point now) const noexcept {
        if (deadline == no_deadline) return forever;
        const std::uint64_t since = since_start(now);
        const auto end = saturating_mul(base_ + deadline, static_cast<std::uint64_t>(Policies::tick.count()));
        return duration(capped(end - (since > last_ ? since : last_)));
    }
    [[nodiscard]] auto cells() noexcept {
        struct columns {
            Slab& slab;
            [[nodiscard]] PLATEAU_ALWAYS_INLINE std::uint32_t& deadline(std::uint32_t slot) const noexcept {
                return slab.deadline(slot);
            }
            [[nodiscard]] PLATEAU_ALWAYS_INLINE timer_links& links(std::uint32_t slot) const noexcept {
                return slab.links(slot);
            }
        };
        return columns{slab_};
    }
    [[nodiscard]] std::uint64_t since_start(time_point now) const noexcept {
        const auto since = saturating_sub(now.time_since_epoch().count(), start_.time_since_epoch().count());
        return since > 0 ? static_cast<std::uint64_t>(since) : 0;
    }
    [[nodiscard]] static constexpr std::uint64_t ticks(std::uint64_t nanoseconds) noexcept {
        return nanoseconds / static_cast<std::uint64_t>(Policies::tick.count());
    }
    [[nodiscard]] time_point moment_of(std::uint32_t deadline) const noexcept {
        const auto since = saturating_mul(base_ + deadline, static_cast<std::uint64_t>(Policies::tick.count()));
        return saturating_add(start_, duration(capped(since)));
    }
    [[nodiscard]] static constexpr duration::rep capped(std::uint64_t nanoseconds) noexcept {
        constexpr auto most = static_cast<std::uint64_t>((duration::max)().count());
        return static_cast<duration::rep>(nanoseconds < most ? nanoseconds : most);
    }

    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool is_over(std::uint32_t deadline, std::uint64_t tick) const noexcept {
        return tick - base_ >= deadline && deadline != no_deadline;
    }

    /// Whole ticks, rounded down, but at least one from now.
    [[nodiscard]] std::uint32_t deadline_after(duration time_to_live) const noexcept {
        if (time_to_live == forever) return no_deadline;
        const std::uint64_t ticks_now = now_tick_ - base_;
        const std::uint64_t end = ticks(last_ + static_cast<std::uint64_t>(time_to_live.count())) - base_;
        if (end <= ticks_now) return static_cast<std::uint32_t>(ticks_now + 1);
        if (end - ticks_now > timer_wheel::horizon) return static_cast<std::uint32_t>(ticks_now + timer_wheel::horizon);
        return static_cast<std::uint32_t>(end);
    }

    [[nodiscard]] std::uint32_t idle_deadline(std::uint32_t fixed) const noexcept {
        const std::uint32_t idle = deadline_after(how_.time_to_idle);
        return smaller(idle, fixed);
    }
    [[nodiscard]] PLATEAU_COLD std::uint32_t aged_deadline(std::uint32_t slot, duration time_to_live) noexcept {
        const std::uint32_t fixed = deadline_after(shortened(time_to_live));
        if (!idles_) return fixed;
        slab_.fixed_deadline(slot) = fixed;
        return idle_deadline(fixed);
    }
    [[nodiscard]] duration shortened(duration time_to_live) noexcept {
        if (how_.ttl_jitter == 0 || time_to_live == forever) return time_to_live;
        const auto part = static_cast<double>(mix(how_.seed++) >> 11) * 0x1p-53;
        const auto cut = static_cast<double>(time_to_live.count()) * how_.ttl_jitter * part;
        return time_to_live - duration(static_cast<duration::rep>(cut));
    }

    /// Once in a year, or after the clock jumped that far: 32 bits start anew. Complexity: linear in the slots.
    PLATEAU_COLD void rebase(std::uint64_t ahead) noexcept {
        constexpr std::uint64_t turn = std::uint64_t{1} << (timer_wheel::level_bits * timer_wheel::levels);
        const std::uint64_t shift = ahead / turn * turn;  // whole turns: every entry stays in its list
        slab_.for_each_deadline([&](std::uint32_t& deadline) { deadline = earlier(deadline, shift); });
        base_ += shift;
        wheel_->rebase(static_cast<std::uint32_t>(ahead - shift));
    }
    [[nodiscard]] static std::uint32_t earlier(std::uint32_t deadline, std::uint64_t by) noexcept {
        if (deadline == no_deadline) return deadline;
        return deadline > by ? static_cast<std::uint32_t>(deadline - by) : 0;
    }

    void release_wheel() noexcept {
        if (!any()) return;
        wheel_allocator allocator(allocator_);
        std::allocator_traits<wheel_allocator>::deallocate(allocator, wheel_, 1);
        wheel_ = nullptr;
    }

    Slab& slab_;
    timer_wheel* wheel_ = nullptr;
    bool idles_;
    bool plain_;  // nothing shortens or moves a deadline
    time_point start_;
    aging how_;
    std::uint64_t last_ = 0;      // the latest time seen, in nanoseconds since start_
    std::uint64_t now_tick_ = 0;  // the same, in ticks
    std::uint64_t base_ = 0;
    PLATEAU_NO_UNIQUE_ADDRESS allocator_type allocator_;
};

}
PLATEAU_NAMESPACE_END
