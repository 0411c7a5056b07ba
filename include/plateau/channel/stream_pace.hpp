// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/stream_options.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Whether a sink keeps its limits.
///
/// Rate      `credit_` is time that the sink may still take: time that it is being asked uses it up, bytes taken earn
///           it at 1/rate, and it never exceeds the window. So in any stretch of asking of length t, the sink has
///           taken at least (t - window) x rate bytes, or was found too slow.
/// Timeout   from the last byte taken, or from when asking began again.
/// Without either limit no clock is read.
template <class Policies>
class stream_pace {
public:
    explicit stream_pace(const stream_options& options) noexcept
        : timeout_(options.write_timeout), rate_(options.min_bytes_per_second) {}

    /// The sink begins to be asked.
    template <class Clock>
    void begin(const Clock& clock) noexcept {
        if (limited()) progress_at_ = counted_at_ = clock.now();
    }
    /// Returns: whether it still keeps its limits after it has taken `bytes`.
    template <class Clock>
    [[nodiscard]] bool took(std::size_t bytes, const Clock& clock) noexcept {
        if (!limited()) return true;
        time_point now = clock.now();
        if (now < counted_at_) now = counted_at_;  // a clock that went back
        const bool stalled = timeout_ != forever && now - progress_at_ >= timeout_;
        if (bytes != 0) progress_at_ = now;
        if (rate_ == 0) return !stalled;
        account(now - counted_at_, bytes);
        counted_at_ = now;
        return !stalled && credit_ > duration::zero();
    }
    /// When the sink fails a limit if it takes nothing until then.
    [[nodiscard]] time_point deadline() const noexcept {
        time_point end = timeout_ == forever ? (time_point::max)() : saturating_add(progress_at_, timeout_);
        if (rate_ != 0) {
            const time_point broke = saturating_add(counted_at_, credit_);
            if (broke < end) end = broke;
        }
        return end;
    }

private:
    static constexpr duration window = Policies::rate_window;

    [[nodiscard]] bool limited() const noexcept { return timeout_ != forever || rate_ != 0; }
    void account(duration spent, std::size_t bytes) noexcept {
        credit_ = duration(saturating_add((credit_ - spent).count(), time_for(bytes).count()));
        if (credit_ > window) credit_ = window;
    }
    [[nodiscard]] duration time_for(std::size_t bytes) const noexcept {
        const double nanoseconds = static_cast<double>(bytes) * 1e9 / static_cast<double>(rate_);
        return nanoseconds < 1e18 ? duration(static_cast<duration::rep>(nanoseconds)) : forever / 2;
    }

    duration timeout_;
    std::uint64_t rate_;
    duration credit_ = window;
    time_point progress_at_{};
    time_point counted_at_{};
};

}
PLATEAU_NAMESPACE_END
