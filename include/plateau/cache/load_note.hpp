// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>

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

    /// `revalidate`: for so long after `fresh_until`; kept in whole steps of a millisecond, rounded down.
    load_note(time_point fresh_until, duration revalidate) noexcept {
        auto moment = static_cast<std::uint64_t>(fresh_until.time_since_epoch().count());
        if (moment == 0) moment = 1;  // 0 is never
        low_ = static_cast<std::uint32_t>(moment);
        high_ = static_cast<std::uint32_t>(moment >> 32U);
        const std::int64_t steps = revalidate.count() / step;
        steps_ = steps < UINT32_MAX ? static_cast<std::uint32_t>(steps) : UINT32_MAX;
    }

    [[nodiscard]] sight at(time_point now) const noexcept {
        const std::uint64_t moment = low_ | (std::uint64_t{high_} << 32U);
        if (moment == 0) [[likely]]
            return sight::fresh;
        const time_point fresh_until(duration(static_cast<std::int64_t>(moment)));
        if (now < fresh_until) [[likely]]
            return sight::fresh;
        const duration revalidate(std::int64_t{steps_} * step);
        return now < saturating_add(fresh_until, revalidate) ? sight::stale : sight::failing;
    }

    /// For how long it is still fresh; negative when it is stale.
    [[nodiscard]] duration fresh_for(time_point now) const noexcept {
        const std::uint64_t moment = low_ | (std::uint64_t{high_} << 32U);
        return moment == 0 ? forever : time_point(duration(static_cast<std::int64_t>(moment))) - now;
    }

private:
    static constexpr std::int64_t step = std::int64_t{1} << 20;

    std::uint32_t low_ = 0;   // fresh_until, in nanoseconds; 0: no soft deadline
    std::uint32_t high_ = 0;  // its upper half
    std::uint32_t steps_ = 0;
};

}
PLATEAU_NAMESPACE_END
