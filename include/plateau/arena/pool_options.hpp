// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/fwd.hpp>
#include <plateau/sync.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// The bounds of the memory of all requests together.
struct arena_pool_options {
    /// Bytes of blocks in use and kept, at most; rounded down to whole blocks, at least one.
    std::size_t max_bytes = unlimited;

    /// Arenas that hold memory at the same time, parked ones included; at least 1.
    std::size_t max_scopes = 65'536;

    /// What is kept, beside blocks in use, is not given back below this.
    std::size_t floor_bytes = std::size_t{1} << 20;

    /// 4 KiB to 16 MiB, a multiple of the system's page. The least that an arena takes.
    std::size_t block_bytes = std::size_t{64} << 10;

    /// Blocks in use and kept together stay, after `maintain`, within this multiple of what was needed lately; 1 to 64.
    double headroom = 1.25;

    /// How long "lately" is measured at a time; above 0.
    duration window = std::chrono::seconds(1);
};

/// What carries the mutex of a pool, and what it costs.
struct arena_policies {
    using sync = default_sync;
    using stats = counting;

    /// Blocks in a superblock, 1 to 64: with the default block, the system is asked for 4 MiB at a time.
    static constexpr std::size_t superblock_blocks = 64;
};

/// What a pool holds (gauges), and what it did since it was made (counters).
struct arena_pool_stats {
    std::uint64_t in_use_bytes = 0;
    std::uint64_t retained_bytes = 0;
    std::uint64_t needed_bytes = 0;
    std::uint64_t peak_in_use_bytes = 0;
    std::uint64_t fresh = 0;
    std::uint64_t recycled = 0;
    std::uint64_t returned = 0;
    std::uint64_t refused = 0;
    std::uint64_t scopes = 0;
    std::uint64_t parked_scopes = 0;
    double oldest_parked = 0;

    static constexpr std::string_view family = "arena_pool";

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        constexpr auto gauge = field_kind::gauge;
        f(field_info{"in_use", "bytes", "Blocks that arenas hold.", gauge}, in_use_bytes);
        f(field_info{"retained", "bytes", "Blocks kept for the arenas to come.", gauge}, retained_bytes);
        f(field_info{"needed", "bytes", "What was in use lately at most, decaying.", gauge}, needed_bytes);
        f(field_info{"peak_in_use", "bytes", "The most that arenas held at any moment.", gauge}, peak_in_use_bytes);
        f(field_info{"fresh", "", "Blocks handed out that the system had to give.", counter}, fresh);
        f(field_info{"recycled", "", "Blocks handed out that had been kept.", counter}, recycled);
        f(field_info{"returned", "", "Blocks given back to the system.", counter}, returned);
        f(field_info{"refused", "", "Times an arena got no blocks.", counter}, refused);
        f(field_info{"scopes", "", "Arenas that hold memory.", gauge}, scopes);
        f(field_info{"parked_scopes", "", "Requests that have ended and whose memory somebody still holds.", gauge},
          parked_scopes);
        f(field_info{"oldest_parked", "seconds", "How long the oldest of them has been parked.", gauge}, oldest_parked);
    }
};

PLATEAU_NAMESPACE_END
