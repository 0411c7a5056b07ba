// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/chunk_index.hpp>
#include <plateau/cache/deadlines.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/cache/verdicts.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Which entries are over: their deadline has come, or the judge condemns them. An entry that is over counts as gone,
/// though it stands in the structure until somebody finds it.
///
/// The time is asked for by calling `now()`, and only where an entry may have a deadline.
template <class Slab, class Policies>
class lifetimes : public deadlines<Slab, Policies> {
    using deadlines_type = deadlines<Slab, Policies>;
    using verdicts_type = verdicts<typename Policies::judge>;

public:
    static constexpr bool judged = verdicts_type::any;

    lifetimes(Slab& slab, const aging& how, time_point start, const typename Policies::allocator& allocator,
              const typename Policies::judge& judge) noexcept
        : deadlines_type(slab, how, start, allocator), verdicts_(judge) {}

    /// False where nothing is over before it is removed.
    [[nodiscard]] bool may_end() const noexcept { return judged || timed(); }
    [[nodiscard]] bool timed() const noexcept { return this->any(); }
    /// Whether a put of such an entry has to know the time.
    [[nodiscard]] bool asks_time(duration time_to_live) const noexcept { return timed() || this->ends(time_to_live); }

    /// Whether it is over at the latest time that was observed.
    [[nodiscard]] bool over(std::uint32_t slot) const noexcept { return expired(slot) || condemned(slot); }
    /// The same at `now()`, which is observed.
    template <class Now>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool over_now(std::uint32_t slot, Now now) noexcept {
        if (timed()) {
            this->observe(now());
            if (deadlines_type::over(slot)) [[unlikely]]
                return true;
        }
        return condemned(slot);
    }
    /// The same for who looks up among `slots`. Expects: may_end().
    template <class Slots, class Now>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool over_among(Slots slots, std::uint32_t slot, Now now) noexcept {
        if constexpr (judged) {
            return over_now(slot, now);
        } else {
            this->observe(now());
            return this->is_over(slots.deadline(slot));
        }
    }
    /// The same at `now()`, which is not kept.
    template <class Now>
    [[nodiscard]] bool over_at(std::uint32_t slot, Now now) const noexcept {
        return (timed() && deadlines_type::over_at(slot, now())) || condemned(slot);
    }
    /// Expects: it is over.
    [[nodiscard]] removal_cause why_over(std::uint32_t slot) const noexcept {
        return expired(slot) ? removal_cause::expired : removal_cause::tag;
    }

    /// Calls `remove(slot, cause)` for entries that are over. Complexity: looks at `budget` entries at most, and takes
    /// those it looked at from it.
    template <class Index, class F>
    void for_each_over(const Index& index, std::size_t& budget, F remove) noexcept {
        if (timed()) for_each_due(budget, remove);
        if constexpr (judged) {
            verdicts_.sweep(index, budget, [&](std::uint32_t slot) {
                if (condemned(slot)) remove(slot, why_over(slot));
            });
        }
    }

    /// Returns: how long the entry has, from `now()`. Expects, of the next three: it is not over then.
    template <class Now>
    [[nodiscard]] duration remaining(std::uint32_t slot, Now now) const noexcept {
        return timed() ? this->left(slot, now()) : forever;
    }
    /// The same for an entry that is used until then.
    [[nodiscard]] duration remaining_in_use(std::uint32_t slot, time_point now) const noexcept {
        return timed() ? this->left_in_use(slot, now) : forever;
    }
    /// Until the entry has idled for too long.
    [[nodiscard]] duration idle_remaining(std::uint32_t slot, time_point now) const noexcept {
        return this->idles() && timed() ? this->left(slot, now) : forever;
    }

private:
    [[nodiscard]] bool expired(std::uint32_t slot) const noexcept { return timed() && deadlines_type::over(slot); }
    [[nodiscard]] bool condemned([[maybe_unused]] std::uint32_t slot) const noexcept {
        if constexpr (judged) return verdicts_.over(this->slab().node(slot).note);
        else return false;
    }
    template <class F>
    void for_each_due(std::size_t& budget, F remove) noexcept {
        for (this->turn(); budget != 0 && this->has_due(); --budget)
            if (const std::uint32_t slot = this->take_due(); slot != nil) remove(slot, removal_cause::expired);
    }

    PLATEAU_NO_UNIQUE_ADDRESS verdicts_type verdicts_;
};

}
PLATEAU_NAMESPACE_END
