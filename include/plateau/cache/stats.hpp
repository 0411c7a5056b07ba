// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/fwd.hpp>

#include <cstdint>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// What a cache did since it was made (counters), and what it holds (gauges).
struct cache_stats {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t insertions = 0;
    std::uint64_t replacements = 0;
    std::uint64_t evictions = 0;
    std::uint64_t expirations = 0;
    std::uint64_t erasures = 0;
    std::uint64_t invalidations = 0;
    std::uint64_t cleared = 0;
    std::uint64_t rejections = 0;
    std::uint64_t discards = 0;
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    std::uint64_t pinned_bytes = 0;

    static constexpr std::string_view family = "cache";

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        constexpr auto gauge = field_kind::gauge;
        f(field_info{"hits", "", "Look-ups that found a live entry.", counter}, hits);
        f(field_info{"misses", "", "Look-ups that found none.", counter}, misses);
        f(field_info{"insertions", "", "Entries stored under a key that was absent.", counter}, insertions);
        f(field_info{"replacements", "", "Entries stored in place of a live one.", counter}, replacements);
        f(field_info{"evictions", "", "Entries removed to make room.", counter}, evictions);
        f(field_info{"expirations", "", "Entries removed after their time to live.", counter}, expirations);
        f(field_info{"erasures", "", "Entries removed by erase and erase_if.", counter}, erasures);
        f(field_info{"invalidations", "", "Entries removed because a layer invalidated them.", counter}, invalidations);
        f(field_info{"cleared", "", "Entries removed by clear.", counter}, cleared);
        f(field_info{"rejections", "", "Puts and pins that were refused.", counter}, rejections);
        f(field_info{"discards", "", "Values of a layer that nobody else had and that were refused.", counter},
          discards);
        f(field_info{"entries", "", "Entries held now.", gauge}, entries);
        f(field_info{"charged", "bytes", "Bytes charged for the entries held now.", gauge}, bytes);
        f(field_info{"pinned", "bytes", "Bytes charged for the entries pinned now.", gauge}, pinned_bytes);
    }

    /// Sums, figure by figure: the whole of a cache from its parts.
    cache_stats& operator+=(const cache_stats& other) noexcept {
        hits += other.hits;
        misses += other.misses;
        insertions += other.insertions;
        replacements += other.replacements;
        evictions += other.evictions;
        expirations += other.expirations;
        erasures += other.erasures;
        invalidations += other.invalidations;
        cleared += other.cleared;
        rejections += other.rejections;
        discards += other.discards;
        entries += other.entries;
        bytes += other.bytes;
        pinned_bytes += other.pinned_bytes;
        return *this;
    }
};

PLATEAU_NAMESPACE_END
