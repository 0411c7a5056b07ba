// SPDX-License-Identifier: MIT
/// Policies, values and listeners that several cache tests share.
#pragma once

#include "tools/counting_allocator.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace plateau_test {

/// The library weighs a value it does not know only by the user's word.
template <bool Fails>
std::size_t owned_bytes(const tracked_value<Fails>&) noexcept {
    return 0;
}

/// One tick is one nanosecond: deadlines are exact, and the tests' arithmetic is plain.
struct exact_ticks {
    static constexpr plateau::duration tick{1};
};

/// Everything at its smallest, so that pages, tables and the outbox turn over all the time.
template <class Base = plateau::cache_policies>
struct shrunk : Base {
    static constexpr std::size_t max_page_slots = 2;
    static constexpr std::size_t max_page_bytes = 1;
    static constexpr std::size_t outbox_slots = 1;
};

struct by_hand : plateau::cache_policies {
    using clock = plateau::manual_clock;
};

/// A string whose heap bytes are counted by a tally of the test's.
using counted_string = std::basic_string<char, std::char_traits<char>, counting_allocator<char>>;

/// What weighs in bytes what its value says.
struct says_itself {
    template <class K>
    std::size_t operator()(const K&, std::size_t value) const noexcept {
        return value;
    }
};

/// A listener that does what the test says. Copied into the cache, so it refers.
template <class K, class V>
struct told {
    std::function<void(const K&, V&&, plateau::removal_cause)>* function;
    void operator()(const K& key, V&& value, plateau::removal_cause cause) noexcept {
        if (*function) (*function)(key, std::move(value), cause);
    }
};

}  // namespace plateau_test
