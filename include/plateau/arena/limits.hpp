// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <cstddef>
#include <new>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// The bounds of one request's memory.
struct arena_options {
    /// Bytes of the pool's blocks that this arena holds at most, headers and unused ends included; rounded down to
    /// whole blocks, but at least one.
    std::size_t max_bytes = std::size_t{64} << 20;

    /// A larger object that takes blocks of its own gives them back to the pool at once when its container lets it go.
    std::size_t large_bytes = std::size_t{16} << 10;
};

/// Why an arena has no memory to hand out.
enum class arena_reason : unsigned char {
    none,
    request_limit,  ///< the arena's own `max_bytes`
    pool_limit,     ///< the pool's `max_bytes`, its `max_scopes`, or the budget that it charges
    too_large,      ///< a size or an alignment that no memory could satisfy, or a product that overflows
    no_memory,      ///< the system, or the pool's upstream resource, gave none
};

[[nodiscard]] constexpr std::string_view to_string(arena_reason reason) noexcept {
    switch (reason) {
    case arena_reason::none:
        return "none";
    case arena_reason::request_limit:
        return "request_limit";
    case arena_reason::pool_limit:
        return "pool_limit";
    case arena_reason::too_large:
        return "too_large";
    case arena_reason::no_memory:
        return "no_memory";
    }
    return "unknown";
}

/// What an arena throws where a refusal cannot be a value: inside containers, and out of the forms without `try_`.
class limit_exceeded : public std::bad_alloc {
public:
    limit_exceeded(arena_reason reason, std::size_t limit_bytes) noexcept
        : reason_(reason), limit_bytes_(limit_bytes) {}

    /// A literal.
    [[nodiscard]] const char* what() const noexcept override { return to_string(reason_).data(); }
    [[nodiscard]] arena_reason reason() const noexcept { return reason_; }
    /// The `max_bytes` of the arena that refused.
    [[nodiscard]] std::size_t limit_bytes() const noexcept { return limit_bytes_; }

private:
    arena_reason reason_;
    std::size_t limit_bytes_;
};

PLATEAU_NAMESPACE_END
