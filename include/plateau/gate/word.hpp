// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Everything that decides whether a request comes in, in one word, so that one exchange admits it and one gives its
/// place back:
///
///     [ draining:1 | orphaned:1 | waiters:1 | count:20 | bytes:41 ]
///
/// `draining`  nobody is admitted. `orphaned`: the gate has ended, and the last permit frees what is behind it.
/// `waiters`   somebody is in the queue.
/// `count`     permits that are out; it is also how often what is behind the word is referred to.
/// `bytes`     what their holders have declared.
/// One permit of n bytes is the number `one + n`. Neither field can run into the next: both are checked against bounds
/// that fit before they are added to.
namespace gate_word {

inline constexpr unsigned bytes_bits = 41;
inline constexpr unsigned count_bits = 20;

inline constexpr std::uint64_t one = std::uint64_t{1} << bytes_bits;
inline constexpr std::uint64_t max_bytes = one - 1;
inline constexpr std::uint32_t max_count = (std::uint32_t{1} << count_bits) - 1;

inline constexpr std::uint64_t waiters = one << count_bits;
inline constexpr std::uint64_t orphaned = waiters << 1;
inline constexpr std::uint64_t draining = waiters << 2;
inline constexpr std::uint64_t shut = draining | orphaned;
inline constexpr std::uint64_t flags = shut | waiters;

[[nodiscard]] constexpr std::uint32_t count(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> bytes_bits) & max_count;
}
[[nodiscard]] constexpr std::uint64_t bytes(std::uint64_t word) noexcept { return word & max_bytes; }

/// Whether a permit of `more` bytes, itself at most `budget`, fits beside what is out. Flags do not matter.
[[nodiscard]] constexpr bool fits(std::uint64_t word, std::uint64_t more, std::uint32_t limit,
                                  std::uint64_t budget) noexcept {
    return count(word) < limit && bytes(word) + more <= budget;
}

}

static_assert(gate_word::draining == std::uint64_t{1} << 63);

}
PLATEAU_NAMESPACE_END
