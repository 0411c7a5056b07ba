// SPDX-License-Identifier: MIT
/// Randomness that can be repeated: one seed a run, printed by main and taken back from PLATEAU_TEST_SEED.
#pragma once

#include <charconv>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

namespace plateau_test {

/// Returns: the number that `text` spells in decimal, all of it; false in `ok` for anything else.
inline std::uint64_t parse_seed(std::string_view text, bool& ok) noexcept {
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    ok = error == std::errc{} && end == text.data() + text.size();
    return ok ? seed : 0;
}

/// The seed of this run: PLATEAU_TEST_SEED, else drawn from the system once. A value that is no number ends the run,
/// since a repeat with another seed than the one asked for would look like a repair.
inline std::uint64_t run_seed() {
    static const std::uint64_t seed = [] {
        if (const char* given = std::getenv("PLATEAU_TEST_SEED"); given != nullptr && *given != '\0') {
            bool ok = false;
            const std::uint64_t parsed = parse_seed(given, ok);
            if (ok) return parsed;
            std::fprintf(stderr, "PLATEAU_TEST_SEED: '%s' is not an unsigned decimal number\n", given);
            std::exit(2);
        }
        std::random_device source;
        return (std::uint64_t{source()} << 32U) | source();
    }();
    return seed;
}

/// A generator named by its test, so that the numbers a test sees do not depend on which others ran before it.
/// The recurrence is splitmix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014):
/// the same numbers with every standard library, unlike the distributions of <random>.
class random_source {
public:
    explicit random_source(std::string_view name, std::uint64_t seed = run_seed()) noexcept : state_(seed) {
        for (const char c : name) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }

    std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }

    /// Returns: a number in [0, bound); 0 for a bound of 0. The bias is bound / 2^64: nothing a test could see.
    std::uint64_t below(std::uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }
    /// Returns: a number in [low, high].
    std::int64_t between(std::int64_t low, std::int64_t high) noexcept {
        const auto span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + (span == 0 ? next() : below(span)));
    }
    bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }

    /// For INFO: how to see a failure again.
    static std::string repeat() { return "PLATEAU_TEST_SEED=" + std::to_string(run_seed()); }

private:
    std::uint64_t state_;
};

}  // namespace plateau_test
