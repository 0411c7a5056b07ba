// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What a look-up that asks for a load has found. `stale`: to be handed out, and loaded anew. `failing`: to be handed
/// out where a load fails.
enum class sight : unsigned char { none, fresh, stale, failing };

/// The soft deadlines of an entry, in 12 bytes. The hard one is the cache's.
class load_note {
public:
    load_note() = default;

    /// `revalidate`: for so long after `fresh_until`; kept in whole steps of a millisecond, rounded down, and from 26
    /// days on of two seconds, up to 146 years.
    load_note(time_point fresh_until, duration revalidate) noexcept {
        auto moment = static_cast<std::uint64_t>(fresh_until.time_since_epoch().count());
        if (moment == 0) moment = 1;  // 0 is never
        low_ = static_cast<std::uint32_t>(moment);
        high_ = static_cast<std::uint32_t>(moment >> 32U);
        const std::int64_t steps = revalidate.count() >> step_bits;
        const std::int64_t long_steps = revalidate.count() >> long_step_bits;
        if (steps < long_step) steps_ = static_cast<std::uint32_t>(steps);
        else steps_ = long_step | static_cast<std::uint32_t>(long_steps < long_step ? long_steps : long_step - 1);
    }

    [[nodiscard]] sight at(time_point now) const noexcept {
        const std::uint64_t moment = low_ | (std::uint64_t{high_} << 32U);
        if (moment == 0) [[likely]]
            return sight::fresh;
        const time_point fresh_until(duration(static_cast<std::int64_t>(moment)));
        if (now < fresh_until) [[likely]]
            return sight::fresh;
        const duration revalidate((steps_ & long_step) != 0 ? std::int64_t{steps_ - long_step} << long_step_bits
                                                            : std::int64_t{steps_} << step_bits);
        return now < saturating_add(fresh_until, revalidate) ? sight::stale : sight::failing;
    }

    /// For how long it is still fresh; negative when it is stale.
    [[nodiscard]] duration fresh_for(time_point now) const noexcept {
        const std::uint64_t moment = low_ | (std::uint64_t{high_} << 32U);
        if (moment == 0) return forever;
        return duration(saturating_sub(static_cast<duration::rep>(moment), now.time_since_epoch().count()));
    }

private:
    static constexpr unsigned step_bits = 20;
    static constexpr unsigned long_step_bits = 31;
    static constexpr std::uint32_t long_step = std::uint32_t{1} << 31U;  // set: the steps are long ones

    std::uint32_t low_ = 0;   // fresh_until, in nanoseconds; 0: no soft deadline
    std::uint32_t high_ = 0;  // its upper half
    std::uint32_t steps_ = 0;
};

}
PLATEAU_NAMESPACE_END
