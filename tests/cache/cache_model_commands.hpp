// SPDX-License-Identifier: MIT
/// What the bytes of a cache model's sequence mean.
#pragma once

#include "cache/cache_model_variants.hpp"
#include "tools/model.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace plateau_test {

using plateau::duration;
using plateau::time_point;
using plateau::unlimited;

inline constexpr std::size_t cache_setup_bytes = 8;
inline constexpr std::size_t cache_command_bytes = 4;
inline constexpr int most_model_keys = 24;

template <class Table>
constexpr auto pick(const Table& table, std::size_t choice) {
    return table[choice % std::size(table)];
}

/// How a cache is made. `unit` is the charge of an entry of 100 bytes.
struct cache_setup {
    plateau::cache_options options{};
    time_point start{};
    std::size_t unit = 0;
    unsigned hash_choice = 0;
    bool pins_outlive = false;
    int keys = 0;

    template <class Variant>
    static cache_setup of(byte_view bytes) {
        constexpr std::size_t max = std::numeric_limits<std::size_t>::max();
        constexpr std::size_t two_to_31 = std::size_t{1} << 31;
        constexpr std::size_t overhead = Variant::cache::entry_overhead;
        constexpr std::size_t unit = overhead + 100;
        constexpr std::int64_t tick = Variant::policies::tick.count();
        constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max();
        static constexpr std::size_t entries[] = {2, 1, 3, 4, 7, 17, 24, unlimited, Variant::most_entries};
        static constexpr std::size_t text_bytes[] = {unlimited, 20 * unit,    8 * unit,          3 * unit,     unit,
                                                     overhead,  overhead - 1, 2 * two_to_31 + 1, unlimited - 1};
        static constexpr std::size_t claim_bytes[] = {
            unlimited,     3 * two_to_31,     two_to_31 - 1, two_to_31, two_to_31 + 1, 2 * two_to_31 - 1,
            2 * two_to_31, 2 * two_to_31 + 1, max / 2,       max - 1,   8 * unit,      overhead};
        static constexpr std::size_t entry_bytes[] = {unlimited, unit, overhead, 1, 2 * two_to_31 - 1, 2 * two_to_31};
        static constexpr std::size_t pinned[] = {0, unit, 3 * unit, 1, unlimited};
        static constexpr unsigned budgets[] = {std::numeric_limits<unsigned>::max(), 4, 1, 0, 2};
        static constexpr std::int64_t lives[] = {far, far, tick, 10 * tick, 300 * tick, 1, far - 1};
        static constexpr std::int64_t idles[] = {far, far, 2 * tick, 100 * tick, far, 5'000 * tick, 1, far - 1};
        static constexpr std::int64_t starts[] = {0, 1'000'000'007, -1'000'000'007, far - 1'000 * tick, far, -far - 1};

        cache_setup made;
        made.unit = unit;
        made.options.max_entries = pick(entries, bytes[1]);
        made.options.max_bytes = Variant::claims ? pick(claim_bytes, bytes[2]) : pick(text_bytes, bytes[2]);
        if (made.options.max_entries == unlimited && made.options.max_bytes == unlimited) made.options.max_entries = 17;
        made.options.max_entry_bytes = pick(entry_bytes, bytes[3]);
        made.options.max_pinned_bytes = pick(pinned, bytes[4]);
        if constexpr (Variant::most_shards > 1) {
            // Which of two shards makes room is not for this model to say: byte_budget_test.cpp.
            auto& bounds = made.options;
            const std::size_t heaviest = bounds.max_entry_bytes == unlimited ? overhead : bounds.max_entry_bytes;
            if (bounds.max_entries > 1 && bounds.max_bytes / 2 / 8 >= heaviest) bounds.max_bytes = unlimited;
            if (bounds.max_entries == unlimited && bounds.max_bytes == unlimited) bounds.max_entries = 17;
        }
        // Which expired entries a small budget reaches is the cache's choice: only a listener tells of it.
        made.options.reclaim_budget = Variant::is_told ? pick(budgets, bytes[5]) : budgets[0];
        made.options.time_to_live = duration(pick(lives, bytes[6]));
        made.options.time_to_idle = duration(pick(idles, bytes[6] / std::size(lives)));
        made.start = time_point(duration(pick(starts, bytes[7] & 15U)));
        made.hash_choice = bytes[7] >> 4 & 7U;
        made.pins_outlive = bytes[7] >> 7 != 0;
        made.keys =
            static_cast<int>(std::min<std::size_t>(made.options.max_entries, (most_model_keys - 1) / 2)) * 2 + 1;
        return made;
    }

    [[nodiscard]] std::string text() const;
};

enum class cache_verb : unsigned char {
    put,
    put_copy,
    get,
    get_at,
    peek,
    contains,
    visit,
    pin,
    unpin,
    erase,
    erase_if,
    advance,
    go_back,
    purge_expired,
    set_max_entries,
    set_max_bytes,
    clear,
    compare,
};

struct cache_command {
    cache_verb verb{};
    int key = 0;
    model_content content{};                 ///< put: its letter is the model's
    std::optional<duration> time_to_live{};  ///< put
    duration length{};                       ///< advance, go_back; get_at: from now
    std::size_t number = 0;                  ///< a bound or a budget
    std::size_t place = 0;                   ///< pins: which hand; erase_if: which remainder

    template <class Variant>
    static cache_command of(const cache_setup& setup, byte_view bytes);
    [[nodiscard]] std::string text() const;
};

namespace cache_model_detail {

inline constexpr std::array verbs{
    cache_verb::put,           cache_verb::get,
    cache_verb::put,           cache_verb::put,
    cache_verb::put,           cache_verb::put,
    cache_verb::put,           cache_verb::put_copy,
    cache_verb::get,           cache_verb::get,
    cache_verb::peek,          cache_verb::contains,
    cache_verb::visit,         cache_verb::pin,
    cache_verb::pin,           cache_verb::unpin,
    cache_verb::erase,         cache_verb::erase_if,
    cache_verb::advance,       cache_verb::advance,
    cache_verb::advance,       cache_verb::go_back,
    cache_verb::get_at,        cache_verb::purge_expired,
    cache_verb::compare,       cache_verb::set_max_entries,
    cache_verb::set_max_bytes, cache_verb::clear,
    cache_verb::put,           cache_verb::put,
    cache_verb::get,           cache_verb::unpin,
};

template <class Variant>
std::uint64_t content_size(std::uint8_t byte) {
    constexpr std::uint64_t two_to_31 = std::uint64_t{1} << 31;
    constexpr std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
    constexpr std::uint64_t overhead = Variant::cache::entry_overhead;
    static constexpr std::uint64_t claims[] = {0,
                                               1,
                                               100,
                                               101,
                                               two_to_31 - 1,
                                               two_to_31,
                                               two_to_31 + 1,
                                               two_to_31 - overhead,
                                               2 * two_to_31 - 1,
                                               2 * two_to_31 - 1 - overhead,
                                               2 * two_to_31 - overhead,
                                               2 * two_to_31 + 1,
                                               max / 2,
                                               max - overhead,
                                               max - overhead + 1,
                                               max};
    if constexpr (Variant::claims) return pick(claims, byte);
    // A third of the texts stand inside their string, and one in five is heavier than a unit.
    return byte < 96 ? byte / 6U : byte < 200 ? byte - 96U : byte - 40U;
}

/// From the smallest steps to the largest there are; the largest are rare, since time stands still after them.
template <class Variant>
duration time_step(std::uint8_t byte) {
    constexpr std::int64_t tick = Variant::policies::tick.count();
    constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max();
    static constexpr std::int64_t steps[] = {
        0,         1,         tick,         2 * tick,     3 * tick,       tick - 1,          60 * tick, 63 * tick,
        64 * tick, 65 * tick, 4'095 * tick, 4'096 * tick, 300'000 * tick, 20'000'000 * tick, tick + 1,  10 * tick};
    static constexpr std::int64_t leaps[] = {far,
                                             far / 2,
                                             (std::int64_t{1} << 31) * tick,
                                             (std::int64_t{3} << 30) * tick,
                                             far - 1,
                                             (std::int64_t{1} << 30) * tick,
                                             ((std::int64_t{1} << 31) - 1) * tick,
                                             1'000'000 * tick};
    return duration(byte < 248 ? pick(steps, byte) : leaps[byte - 248]);
}

template <class Variant>
std::optional<duration> life(std::uint8_t byte) {
    constexpr std::int64_t tick = Variant::policies::tick.count();
    constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max();
    static constexpr std::int64_t special[] = {0, -1, -far - 1, 1, far - 1, far / 2, tick - 1, tick + 1};
    const std::int64_t amount = byte >> 3;
    switch (byte & 7U) {
    case 0:
    case 1:
        return std::nullopt;
    case 2:
    case 3:
        return duration((amount + 1) * tick);
    case 4:
        return duration(amount * amount * 317 * tick + amount);
    case 5:
        return plateau::forever;
    case 6:
        return duration(pick(special, static_cast<std::size_t>(amount)));
    default:
        return time_step<Variant>(static_cast<std::uint8_t>(224 + amount));
    }
}

template <class Variant>
std::size_t entry_bound(const cache_setup& setup, std::uint8_t x, std::uint8_t y) {
    switch (y & 7U) {
    case 4:
        return 0;
    case 5:
        return x % std::min<std::size_t>(setup.options.max_entries, most_model_keys);
    case 6:
        return unlimited;
    case 7:
        return Variant::most_entries + 1;
    default:
        return setup.options.max_entries;
    }
}

/// A cache of small pages that has had a page for all of its entries may lose them all to a new bound in bytes, since
/// only an empty slab gives such a page back. There the model leaves it at small ones.
template <class Variant>
std::size_t byte_bound(const cache_setup& setup, std::uint8_t x, std::uint8_t y) {
    const std::size_t original = setup.options.max_bytes;
    if (Variant::small_pages && original == unlimited && setup.options.max_entries > 3) return unlimited;
    switch (y & 7U) {
    case 3:
        return 0;
    case 4:
        return original == unlimited ? setup.unit * (x % 20U) : original / 255 * x;
    case 5:
        return setup.unit * (x % 20U);
    case 6:
        return Variant::small_pages ? original : unlimited;
    case 7:
        return (std::size_t{1} << 32) + 1;
    default:
        return original;
    }
}

}  // namespace cache_model_detail

template <class Variant>
cache_command cache_command::of(const cache_setup& setup, byte_view bytes) {
    using namespace cache_model_detail;
    const std::uint8_t x = bytes[2];
    const std::uint8_t y = bytes[3];
    cache_command made;
    made.verb = pick(verbs, bytes[0]);
    made.key = bytes[1] % setup.keys;
    if (!Variant::has_pins && made.verb == cache_verb::pin) made.verb = cache_verb::put;
    if (!Variant::has_pins && made.verb == cache_verb::unpin) made.verb = cache_verb::get;
    switch (made.verb) {
    case cache_verb::put:
    case cache_verb::put_copy:
        made.content.size = content_size<Variant>(x);
        made.time_to_live = life<Variant>(y);
        break;
    case cache_verb::advance:
    case cache_verb::go_back:
        made.length = time_step<Variant>(x);
        break;
    case cache_verb::get_at:
        made.length = y % 2 == 0 ? time_step<Variant>(x) : -time_step<Variant>(x);
        break;
    case cache_verb::purge_expired:
        made.number = x < 128 ? unlimited : x % 8U;
        break;
    case cache_verb::erase_if:
        made.number = y < 128 ? unlimited : y % 8U;
        made.place = x % 4U;
        break;
    case cache_verb::set_max_entries:
        made.number = entry_bound<Variant>(setup, x, y);
        break;
    case cache_verb::set_max_bytes:
        made.number = byte_bound<Variant>(setup, x, y);
        break;
    case cache_verb::clear:
        if (x % 4 != 0) made.verb = cache_verb::compare;
        break;
    default:
        made.place = x;
        break;
    }
    return made;
}

// ---- for readers

namespace cache_model_detail {

inline std::string text_of(std::size_t bound) { return bound == unlimited ? "unlimited" : std::to_string(bound); }
inline std::string text_of(duration length) {
    return length == plateau::forever ? "forever" : std::to_string(length.count()) + "ns";
}

}  // namespace cache_model_detail

inline std::string cache_setup::text() const {
    using cache_model_detail::text_of;
    return "max_entries " + text_of(options.max_entries) + ", max_bytes " + text_of(options.max_bytes) +
           ", max_entry_bytes " + text_of(options.max_entry_bytes) + ", max_pinned_bytes " +
           text_of(options.max_pinned_bytes) + ", reclaim_budget " + std::to_string(options.reclaim_budget) +
           ", time_to_live " + text_of(options.time_to_live) + ", time_to_idle " + text_of(options.time_to_idle) +
           ", start " + std::to_string(start.time_since_epoch().count()) + ", hash " + std::to_string(hash_choice) +
           (pins_outlive ? ", pins outlive the cache" : "");
}

inline std::string cache_command::text() const {
    using cache_model_detail::text_of;
    const std::string key_text = std::to_string(key);
    switch (verb) {
    case cache_verb::put:
    case cache_verb::put_copy:
        return (verb == cache_verb::put ? "put(" : "put a copy(") + key_text + ", " + std::to_string(content.size) +
               " bytes" + (time_to_live ? ", " + text_of(*time_to_live) : "") + ')';
    case cache_verb::get:
        return "get(" + key_text + ')';
    case cache_verb::get_at:
        return "get(" + key_text + ", now + " + text_of(length) + ')';
    case cache_verb::peek:
        return "peek(" + key_text + ')';
    case cache_verb::contains:
        return "contains(" + key_text + ')';
    case cache_verb::visit:
        return "visit(" + key_text + ')';
    case cache_verb::pin:
        return "pin(" + key_text + ") into hand " + std::to_string(place % 6);
    case cache_verb::unpin:
        return "let go of hand " + std::to_string(place % 6);
    case cache_verb::erase:
        return "erase(" + key_text + ')';
    case cache_verb::erase_if:
        return "erase_if(key % 4 == " + std::to_string(place) + ", " + text_of(number) + ')';
    case cache_verb::advance:
        return "time goes on by " + text_of(length);
    case cache_verb::go_back:
        return "time goes back by " + text_of(length);
    case cache_verb::purge_expired:
        return "purge_expired(" + text_of(number) + ')';
    case cache_verb::set_max_entries:
        return "set_max_entries(" + text_of(number) + ')';
    case cache_verb::set_max_bytes:
        return "set_max_bytes(" + text_of(number) + ')';
    case cache_verb::clear:
        return "clear()";
    case cache_verb::compare:
        break;
    }
    return "compare the whole content";
}

}  // namespace plateau_test
