// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/fwd.hpp>
#include <plateau/sync.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

struct stream_options {
    std::size_t high_water_bytes = std::size_t{256} * 1024;  ///< the one buffer; at least 1
    std::size_t low_water_bytes = 0;                         ///< where a paused source goes on; 0: half
    std::size_t chunk_bytes = std::size_t{64} * 1024;        ///< asked of the source at a time, at most; at least 1
    duration write_timeout = forever;                        ///< in which the sink takes nothing; positive
    std::uint64_t min_bytes_per_second = 0;                  ///< of the sink, while it is being asked
};

/// Why a transfer ended before its source did.
enum class stream_reason : unsigned char {
    none,
    cancelled,
    timed_out,  ///< the sink took nothing for `write_timeout`, or less than `min_bytes_per_second`
    sink_gone,
    source_failed,
};

[[nodiscard]] constexpr std::string_view to_string(stream_reason reason) noexcept {
    switch (reason) {
    case stream_reason::none:
        return "none";
    case stream_reason::cancelled:
        return "cancelled";
    case stream_reason::timed_out:
        return "timed_out";
    case stream_reason::sink_gone:
        return "sink_gone";
    case stream_reason::source_failed:
        return "source_failed";
    }
    return "unknown";
}

/// What a transfer came to: true when all that the source gave was taken by the sink.
class [[nodiscard]] stream_result {
public:
    constexpr stream_result(stream_reason why, std::uint64_t bytes) noexcept : bytes_(bytes), reason_(why) {}

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return reason_ == stream_reason::none; }
    [[nodiscard]] constexpr stream_reason reason() const noexcept { return reason_; }
    /// Taken by the sink.
    [[nodiscard]] constexpr std::uint64_t bytes() const noexcept { return bytes_; }

private:
    std::uint64_t bytes_;
    stream_reason reason_;
};

struct stream_policies {
    using clock = steady_clock;
    using allocator = std::allocator<std::byte>;
    using sync = default_sync;

    /// How long the sink may be behind `min_bytes_per_second` before it is too slow: a kernel's buffer takes a lot at
    /// once and then nothing for a while.
    static constexpr duration rate_window = std::chrono::seconds(5);
    /// How long a source or sink that takes a moment to wait until is left alone before the stop token is looked at.
    static constexpr duration stop_period = std::chrono::milliseconds(20);
};

namespace detail {

[[nodiscard]] inline stream_options checked_stream_options(stream_options chosen) {
    require_option(chosen.high_water_bytes >= 1 && chosen.high_water_bytes <= PTRDIFF_MAX,
                   "stream_options: high_water_bytes is 1 to PTRDIFF_MAX");
    require_option(chosen.low_water_bytes < chosen.high_water_bytes,
                   "stream_options: low_water_bytes is less than high_water_bytes");
    require_option(chosen.chunk_bytes >= 1, "stream_options: chunk_bytes is at least 1");
    require_option(chosen.write_timeout > duration::zero(), "stream_options: write_timeout is positive");
    if (chosen.low_water_bytes == 0) chosen.low_water_bytes = chosen.high_water_bytes / 2;
    return chosen;
}

}
PLATEAU_NAMESPACE_END
