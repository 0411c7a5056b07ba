// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// The bounds of a gate. `max_in_flight` must be set.
struct gate_options {
    std::uint32_t max_in_flight = 0;    ///< permits at the same time: 1 to 2^20 - 1
    std::size_t max_bytes = unlimited;  ///< declared by their holders together: 1 to 2^41 - 1, which is unlimited

    /// Requests that wait at the same time. None: twice `max_in_flight`. 0: no queue, `admit` refuses as `try_admit`.
    std::optional<std::uint32_t> max_queue{};

    duration max_wait = std::chrono::milliseconds(100);  ///< in the queue, unless the call says otherwise; 0 or more
};

/// One request.
struct admit_options {
    std::size_t bytes = 1;  ///< what it will hold at most; 0 is counted in flight only

    /// When its client gives up: it does not wait longer than that. With a free place it is admitted all the same.
    time_point deadline = (time_point::max)();
};

/// Why a request was not admitted.
enum class shed_reason : unsigned char {
    none,
    limit,       ///< `max_in_flight` permits are out, or somebody waits for one
    bytes,       ///< the declared bytes do not fit beside those of others
    queue_full,  ///< nor is there a place in the queue
    timed_out,   ///< it waited as long as it may
    deadline,    ///< its own deadline came while it waited
    cancelled,   ///< its stop token, or its waiter, was told to stop
    too_large,   ///< it declares more than `max_bytes`: it would never be admitted
    draining,    ///< the gate takes nobody in
    closed,      ///< the gate ended while it waited
};

[[nodiscard]] constexpr std::string_view to_string(shed_reason reason) noexcept {
    switch (reason) {
    case shed_reason::none:
        return "none";
    case shed_reason::limit:
        return "limit";
    case shed_reason::bytes:
        return "bytes";
    case shed_reason::queue_full:
        return "queue_full";
    case shed_reason::timed_out:
        return "timed_out";
    case shed_reason::deadline:
        return "deadline";
    case shed_reason::cancelled:
        return "cancelled";
    case shed_reason::too_large:
        return "too_large";
    case shed_reason::draining:
        return "draining";
    case shed_reason::closed:
        return "closed";
    }
    return "unknown";
}

/// Why a gate was not seen empty.
enum class drain_reason : unsigned char {
    none,
    timed_out,
    cancelled,
    resumed,  ///< somebody opened it again
};

[[nodiscard]] constexpr std::string_view to_string(drain_reason reason) noexcept {
    switch (reason) {
    case drain_reason::none:
        return "none";
    case drain_reason::timed_out:
        return "timed_out";
    case drain_reason::cancelled:
        return "cancelled";
    case drain_reason::resumed:
        return "resumed";
    }
    return "unknown";
}

/// What a drain came to: true when no permit was out at some moment after it began.
class [[nodiscard]] drain_result {
public:
    constexpr drain_result() noexcept = default;
    constexpr drain_result(drain_reason why, std::uint32_t left) noexcept : left_(left), reason_(why) {}

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return reason_ == drain_reason::none; }
    [[nodiscard]] constexpr drain_reason reason() const noexcept { return reason_; }
    /// Permits that were still out when it gave up.
    [[nodiscard]] constexpr std::uint32_t left() const noexcept { return left_; }

private:
    std::uint32_t left_ = 0;
    drain_reason reason_ = drain_reason::none;
};

PLATEAU_NAMESPACE_END
