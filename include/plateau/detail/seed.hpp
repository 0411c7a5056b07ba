// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <cstdint>
#include <ctime>
#include <unistd.h>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

struct seed {
    std::uint64_t first;
    std::uint64_t second;
};

/// One step of splitmix64 (Steele, Lea and Flood, 2014).
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t word) noexcept {
    word += 0x9e3779b97f4a7c15U;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9U;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebU;
    return word ^ (word >> 31);
}

/// Without the system's generator: where the stack lies, the time and the process, which a stranger can guess in part.
[[nodiscard]] PLATEAU_COLD inline seed weak_seed() noexcept {
    std::timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto place = reinterpret_cast<std::uintptr_t>(&now);
    const std::uint64_t moment =
        static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
    const std::uint64_t first = mix(moment ^ mix(place));
    return {first, mix(first ^ static_cast<std::uint64_t>(::getpid()))};
}

/// 128 bits from the system's generator.
[[nodiscard]] inline seed draw_seed() noexcept {
    seed drawn{};
    // getentropy answers up to 256 bytes whole, or fails.
    if (::getentropy(&drawn, sizeof drawn) != 0) return weak_seed();
    return drawn;
}

}
PLATEAU_NAMESPACE_END
