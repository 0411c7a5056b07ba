// SPDX-License-Identifier: MIT
/// What is checked of the ground floor's small parts, for parts of several makes.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/threads.hpp"

#include <plateau/clock.hpp>
#include <plateau/detail/checked.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

namespace plateau_test {

// ---- arithmetic

// Exact for every operation on operands of up to 64 bits.
__extension__ using wide_number = __int128;

struct shipped_arithmetic {
    template <class T>
    static bool checked_add(T a, T b, T& out) {
        return plateau::detail::checked_add(a, b, out);
    }
    template <class T>
    static bool checked_mul(T a, T b, T& out) {
        return plateau::detail::checked_mul(a, b, out);
    }
    template <class T>
    static T saturating_add(T a, T b) {
        return plateau::detail::saturating_add(a, b);
    }
    template <class T>
    static T saturating_sub(T a, T b) {
        return plateau::detail::saturating_sub(a, b);
    }
    template <class T>
    static T saturating_mul(T a, T b) {
        return plateau::detail::saturating_mul(a, b);
    }
};

template <class T>
std::set<T> boundaries() {
    using wide = wide_number;
    std::set<T> values;
    const auto add = [&](wide value) {
        if (value >= wide{std::numeric_limits<T>::min()} && value <= wide{std::numeric_limits<T>::max()})
            values.insert(static_cast<T>(value));
    };
    for (const wide around : {wide{0}, wide{1} << 7, wide{1} << 8, wide{1} << 31, wide{1} << 32, wide{1} << 63,
                              wide{std::numeric_limits<T>::max()} / 2, wide{std::numeric_limits<T>::max()},
                              wide{std::numeric_limits<T>::min()} / 2, wide{std::numeric_limits<T>::min()}}) {
        for (const wide near : {around - 1, around, around + 1, -around - 1, -around, -around + 1}) add(near);
    }
    return values;
}

template <class T>
T clamp_to(wide_number exact) {
    if (exact < wide_number{std::numeric_limits<T>::min()}) return std::numeric_limits<T>::min();
    if (exact > wide_number{std::numeric_limits<T>::max()}) return std::numeric_limits<T>::max();
    return static_cast<T>(exact);
}

/// The product of two 64-bit numbers fits in `wide_number` unless both are large unsigned ones; then only that it
/// overflows matters.
template <class T>
wide_number wide_product(T a, T b) {
    if constexpr (std::is_same_v<T, std::uint64_t>) {
        if (a != 0 && b > std::numeric_limits<T>::max() / a) return wide_number{std::numeric_limits<T>::max()} + 1;
    }
    return wide_number{a} * wide_number{b};
}

template <class Arithmetic, class T>
bool arithmetic_agrees(T a, T b) {
    using ops = Arithmetic;
    const wide_number sum = wide_number{a} + wide_number{b};
    const wide_number difference = wide_number{a} - wide_number{b};
    const wide_number times = wide_product(a, b);
    constexpr T untouched = 42;
    T out = untouched;
    bool ok = ops::checked_add(a, b, out) == (sum == wide_number{clamp_to<T>(sum)});
    ok = ok && out == (sum == wide_number{clamp_to<T>(sum)} ? clamp_to<T>(sum) : untouched);
    out = untouched;
    ok = ok && ops::checked_mul(a, b, out) == (times == wide_number{clamp_to<T>(times)});
    ok = ok && out == (times == wide_number{clamp_to<T>(times)} ? clamp_to<T>(times) : untouched);
    return ok && ops::saturating_add(a, b) == clamp_to<T>(sum) &&
           ops::saturating_sub(a, b) == clamp_to<T>(difference) && ops::saturating_mul(a, b) == clamp_to<T>(times);
}

template <class Arithmetic, class T>
void arithmetic_is_exact_on_boundaries(shared_check& check) {
    const auto values = boundaries<T>();
    check.expect(values.size() >= 8, "a type has boundaries");
    for (const T a : values)
        for (const T b : values)
            if (!arithmetic_agrees<Arithmetic>(a, b))
                check.expect(false, "wrong for " + std::to_string(a) + " and " + std::to_string(b));
}

// ---- hashes

inline constexpr std::size_t hashed_keys = 1U << 14U;
/// Three times what random keys do: they fill the longest of 16384 buckets with 6 to 8, and with 10 once in 10^4 draws.
inline constexpr std::size_t longest_allowed = 24;

/// The longest of as many buckets as there are keys, over each run of bits an index might take.
template <class Key, class Hash>
std::size_t longest_bucket(const std::vector<Key>& keys, const Hash& hash) {
    std::size_t longest = 0;
    for (const unsigned shift : {0U, 7U, 18U, 25U, 50U}) {
        std::vector<std::uint32_t> buckets(hashed_keys);
        for (const Key& key : keys) ++buckets[(static_cast<std::uint64_t>(hash(key)) >> shift) % hashed_keys];
        longest = std::max<std::size_t>(longest, *std::max_element(buckets.begin(), buckets.end()));
    }
    return longest;
}

/// A half equal to a public constant makes one factor of the first product 0, whatever the other half is.
template <class Hash>
void strings_that_meet_a_public_constant_spread(shared_check& check) {
    for (const std::uint64_t constant :
         {0xa0761d6478bd642fU, 0xe7037ed1a0b428dbU, 0x8ebc6af09c88c6e3U, 0x9e3779b97f4a7c15U}) {
        std::vector<std::string> keys;
        for (std::uint64_t i = 0; i < hashed_keys; ++i) {
            std::string key(16, '\0');
            std::memcpy(key.data(), &constant, 8);
            std::memcpy(key.data() + 8, &i, 8);
            keys.push_back(key);
        }
        check.expect(longest_bucket(keys, Hash{}) <= longest_allowed, "no bucket is longer than three random ones");
    }
}

// ---- clocks and threads

template <class Clock>
void the_hand_clock_saturates(shared_check& check) {
    using namespace std::chrono_literals;
    using plateau::time_point;
    Clock clock{time_point{1s}};
    const auto is_at = [&](time_point moment, const char* when) {
        check.equal(clock.now().time_since_epoch().count(), moment.time_since_epoch().count(), when);
    };
    clock.advance(plateau::forever);
    is_at(time_point::max(), "the time after a long advance");
    clock.advance(1ns);
    is_at(time_point::max(), "the time after the end of time");
    clock.set(time_point{-1s});
    clock.advance(plateau::duration::min());
    is_at(time_point::min(), "the time after a long way back");
    clock.advance(-1ns);
    is_at(time_point::min(), "the time before its beginning");
}

template <class Sync>
void threads_have_names_of_their_own(shared_check& check) {
    std::vector<const void*> first(8);
    std::vector<const void*> second(8);
    std::atomic<int> noted{0};
    run_together(8, [&](std::size_t i) {
        first[i] = Sync::thread_id();
        ++noted;
        while (noted < 8) Sync::yield();
        Sync::pause();
        second[i] = Sync::thread_id();
    });
    check.expect(first == second, "a thread keeps its id");
    check.equal(std::set<const void*>(first.begin(), first.end()).size(), 8U, "the number of ids of eight threads");
    check.equal(std::set<const void*>(first.begin(), first.end()).count(nullptr), 0U, "the number of null ids");
    check.expect(Sync::thread_id() == Sync::thread_id(), "a thread is asked twice and says the same");
}

}  // namespace plateau_test
