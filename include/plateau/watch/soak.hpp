// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/fwd.hpp>
#include <plateau/watch/judge.hpp>
#include <plateau/watch/ledger.hpp>
#include <plateau/watch/memory_reader.hpp>
#include <plateau/watch/text_sink.hpp>
#include <plateau/watch/trend.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <unistd.h>
#include <vector>

PLATEAU_NAMESPACE_BEGIN

struct soak_options {
    std::uint64_t warm_up = 2'000;  ///< calls that are not judged
    std::uint64_t work = 20'000;    ///< calls that are, in identical rounds; at least 1
    double tolerance = 0.02;        ///< as in judge_options
    duration max_time = forever;    ///< of the whole soak, checked between calls; positive
    const ledger* books = nullptr;  ///< the exact witness, where the program keeps books
};

/// How a soak ended.
struct soak_report {
    judgement trend;                               ///< what decides: the line of `witness`
    judgement resident;                            ///< the line of the resident memory, also where it does not decide
    ledger_diff grown;                             ///< from the end of the warm-up to the end; empty without books
    std::uint64_t work_done = 0;                   ///< calls in the rounds that were judged
    std::string_view witness = "resident memory";  ///< or "ledger"

    /// Memory does not grow. False when nothing is known.
    [[nodiscard]] bool flat() const noexcept { return trend.flat(); }

    /// Effects: writes the verdict with its figures, and which accounts grew.
    template <text_sink Sink>
    void write(Sink&& sink) const {
        detail::write_text(sink, [this](detail::text_out& out) {
            out.put("soak of ").number(work_done).put(" calls by ").put(witness).put(": ");
            trend.write_to(out);
            if (!grown.rows().empty()) grown.write_to(out);
        });
    }
};

namespace detail {

inline constexpr std::size_t soak_rounds = 32;
inline constexpr std::size_t soak_readings = 16;  // in a round: one of them is its minimum

#if PLATEAU_DETAIL_ASAN || defined(__SANITIZE_THREAD__)
#    define PLATEAU_DETAIL_SHADOWED 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#        define PLATEAU_DETAIL_SHADOWED 1
#    endif
#endif
/// Whether resident memory is the program's own: not where a sanitizer keeps freed blocks and shadows of all others.
#if defined(PLATEAU_DETAIL_SHADOWED)
inline constexpr bool resident_is_ours = false;
#    undef PLATEAU_DETAIL_SHADOWED
#else
inline constexpr bool resident_is_ours = true;
#endif

inline void check_soak_options(const soak_options& chosen) {
    require_option(chosen.work >= 1, "soak_options: work is at least 1 call");
    require_option(is_finite(chosen.tolerance) && chosen.tolerance >= 0,
                   "soak_options: tolerance is a share, 0 or more");
    require_option(chosen.max_time > duration::zero(), "soak_options: max_time is positive");
}

/// The lowest reading of each round by one witness.
class round_minima {
public:
    round_minima() { rounds_.reserve(soak_rounds); }

    void begin_round() noexcept {
        lowest_ = UINT64_MAX;
        complete_ = true;
    }
    void read(std::uint64_t bytes) noexcept { lowest_ = (std::min)(lowest_, bytes); }
    void missed() noexcept { complete_ = false; }
    void end_round(std::uint64_t work_done, time_point at) noexcept {
        if (complete_) rounds_.push_back({.at = at, .work_done = work_done, .resident_bytes = lowest_});
    }

    [[nodiscard]] std::span<const memory_sample> rounds() const noexcept { return rounds_; }

private:
    std::uint64_t lowest_ = 0;
    bool complete_ = true;
    std::vector<memory_sample> rounds_;  // at most soak_rounds, reserved before the first call
};

/// Books are exact: what rises in them is held by somebody, and rounds are identical. So rises that a statistic on so
/// few points leaves open are convicted here: rounds that rise one after the other, by however little; and a last third
/// that lies above all of the first by more than the tolerance, after two new highs or more (a buffer that doubles
/// stands still most of the time). A single step is no trend yet.
inline void judge_exactly(std::span<const memory_sample> rounds, const judge_options& chosen, judgement& found) {
    if (found.verdict == verdict::growing || rounds.size() < chosen.min_points) return;
    std::vector<trend_point> points;
    points.reserve(rounds.size());
    collect_points(rounds, 0, points);
    const auto less = [](const trend_point& a, const trend_point& b) { return a.bytes < b.bytes; };
    const auto third = static_cast<std::ptrdiff_t>(points.size() / 3);
    const double early = std::max_element(points.begin(), points.begin() + third, less)->bytes;
    const double late = std::min_element(points.end() - third, points.end(), less)->bytes;

    std::size_t highs = 0;
    double highest = points.front().bytes;
    for (const trend_point& p : points) {
        highs += p.bytes > highest;
        highest = (std::max)(highest, p.bytes);
    }
    const bool lifted = late - early > chosen.tolerance * early;
    if (one_way(points, chosen.confidence) > 0 || (lifted && highs >= 2)) {
        found.verdict = verdict::growing;
        found.why = "the books rise from round to round";
        const double whole = (points.back().bytes - points.front().bytes) / points.back().work;
        if (found.bytes_per_work <= 0) found.bytes_per_work = whole;
        found.upper = (std::max)(found.upper, found.bytes_per_work);
    }
}

/// What both witnesses say. The books decide; where they are flat, resident memory that grows all the same overrules
/// them (what they do not count leaks), but it cannot acquit, and not within the kernel's own error.
[[nodiscard]] inline soak_report conclude(const soak_options& chosen, std::span<const memory_sample> resident,
                                          std::span<const memory_sample> books) {
    const judge_options rule{.tolerance = chosen.tolerance, .min_points = 12};
    soak_report report;
    report.resident = judge(resident, rule);
    report.trend = report.resident;
    report.work_done = resident.empty() ? 0 : resident.back().work_done;
    if (chosen.books == nullptr) return report;

    judgement exact = judge(books, rule);
    judge_exactly(books, rule, exact);
    report.work_done = books.empty() ? 0 : books.back().work_done;
    if (exact.verdict == verdict::growing && !resident.empty()) {
        exact.time_to_limit = time_to_limit(resident.front(), resident.back(), exact.bytes_per_work, 0);
    }
    const double grown = report.resident.bytes_per_work * static_cast<double>(report.work_done);
    const double kernel_error = 262'144.0 * static_cast<double>((std::max)(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
    const bool overruled =
        resident_is_ours && exact.flat() && report.resident.verdict == verdict::growing && grown > kernel_error;
    if (!overruled) {
        report.trend = exact;
        report.witness = "ledger";
    }
    return report;
}

/// `soak` by any clock and reader.
template <class F, clock Clock, class Reader>
[[nodiscard]] soak_report run_soak(const soak_options& chosen, F& call, const Clock& time, Reader& reader) {
    check_soak_options(chosen);
    round_minima resident;
    round_minima books;
    const std::uint64_t rounds = std::min<std::uint64_t>(chosen.work, soak_rounds);
    const std::uint64_t per_round = chosen.work / rounds;
    const std::uint64_t per_reading = std::max<std::uint64_t>(1, per_round / soak_readings);
    const time_point end =
        chosen.max_time == forever ? (time_point::max)() : saturating_add(time.now(), chosen.max_time);

    const auto run = [&](std::uint64_t calls) {
        for (; calls != 0; --calls) {
            if (chosen.max_time != forever && time.now() >= end) return false;
            call();
        }
        return true;
    };
    const auto look = [&] {
        if (const auto now = reader.read()) resident.read(now->resident_bytes);
        else resident.missed();
        if (chosen.books != nullptr) books.read(chosen.books->stats().bytes);
    };

    bool in_time = run(chosen.warm_up) && run(chosen.work % rounds);
    const auto before = chosen.books != nullptr ? chosen.books->snapshot() : ledger_snapshot{};
    std::uint64_t done = 0;
    for (std::uint64_t round = 0; in_time && round < rounds; ++round) {
        resident.begin_round();
        books.begin_round();
        for (std::uint64_t left = per_round; in_time && left != 0;) {
            const std::uint64_t calls = (std::min)(left, per_reading);
            in_time = run(calls);
            left -= calls;
            look();
        }
        if (!in_time) break;  // part of a round is not like the others
        done += per_round;
        const time_point now = time.now();
        resident.end_round(done, now);
        if (chosen.books != nullptr) books.end_round(done, now);
    }

    soak_report report = conclude(chosen, resident.rounds(), books.rounds());
    if (chosen.books != nullptr) report.grown = diff(before, chosen.books->snapshot());
    return report;
}

}

/// Flat or not: calls `call` in identical rounds and judges their lowest memory.
///
/// After `warm_up` calls come up to 32 rounds; a round counts by its lowest reading, so that what a call holds while it
/// runs does not matter. Fewer than 12 whole rounds (too little work, or `max_time` over): inconclusive. With books,
/// the ledger's live bytes are the first witness, exact to the byte; resident memory can only add a conviction. Without
/// books it is the only witness (and under a sanitizer a poor one: freed blocks are kept).
///
/// Throws: std::invalid_argument, std::bad_alloc, and what `call` throws, unchanged. Blocks: for as long as the calls.
/// Thread safety: `call` runs on this thread; other threads may charge the books.
template <class F>
    requires std::invocable<F&>
[[nodiscard]] soak_report soak(soak_options chosen, F&& call) {
    memory_reader reader;
    return detail::run_soak(chosen, call, steady_clock{}, reader);
}

PLATEAU_NAMESPACE_END
