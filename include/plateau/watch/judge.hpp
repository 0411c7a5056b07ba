// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/fwd.hpp>
#include <plateau/watch/memory_limit.hpp>
#include <plateau/watch/memory_reader.hpp>
#include <plateau/watch/memory_sampler.hpp>
#include <plateau/watch/text_sink.hpp>
#include <plateau/watch/trend.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

PLATEAU_NAMESPACE_BEGIN

struct judge_options {
    std::uint64_t warm_up_work = 0;  ///< samples with less work done are left out
    double tolerance = 0.02;      ///< growth over all judged work that still counts as flat, as a share of the median
    double confidence = 0.99;     ///< between 0 and 1
    std::size_t min_points = 30;  ///< at least 3; 12 suffice where each point is the minimum of an identical round
    std::size_t limit_bytes = 0;  ///< where `time_to_limit` ends; 0: the container's limit, else the machine's
};

enum class verdict : unsigned char { flat, growing, shrinking, inconclusive };

[[nodiscard]] constexpr std::string_view to_string(verdict found) noexcept {
    switch (found) {
    case verdict::flat:
        return "flat";
    case verdict::growing:
        return "growing";
    case verdict::shrinking:
        return "shrinking";
    case verdict::inconclusive:
        return "inconclusive";
    }
    return "unknown";
}

/// What a memory line does, and how far that is known.
struct judgement {
    plateau::verdict verdict = plateau::verdict::inconclusive;
    /// The slope, and its confidence interval: everything, where nothing was measured.
    double bytes_per_work = 0;
    double lower = -std::numeric_limits<double>::infinity();
    double upper = std::numeric_limits<double>::infinity();
    /// Of a growing line, at the pace of the judged work.
    std::optional<duration> time_to_limit;
    double growth = 0;                            ///< the slope over all judged work, as a share of the median
    std::size_t points = 0;                       ///< judged
    double confidence = 0.99;                     ///< as asked for
    std::string_view why = "nothing was judged";  ///< one clause, a literal

    /// Memory does not grow: flat or shrinking. False when nothing is known: an unfinished proof is none.
    [[nodiscard]] bool flat() const noexcept {
        return verdict == plateau::verdict::flat || verdict == plateau::verdict::shrinking;
    }

    /// Effects: writes two lines, or three with a time to the limit.
    template <text_sink Sink>
    void write(Sink&& sink) const {
        detail::write_text(sink, [this](detail::text_out& out) { write_to(out); });
    }

private:
    friend struct soak_report;

    void write_to(detail::text_out& out) const {
        out.put(to_string(verdict)).put(": ").put(why).put(" (").number(points).put(" points)\n");
        if (!detail::is_finite(lower)) return;
        out.put("  ").rounded(bytes_per_work).put(" bytes per unit of work, ").rounded(confidence * 100);
        out.put(" % interval ").rounded(lower).put(" to ").rounded(upper).put("; ").rounded(growth * 100);
        out.put(" % over all work judged\n");
        if (time_to_limit) {
            out.put("  the memory limit is reached in ");
            out.rounded(std::chrono::duration<double>(*time_to_limit).count()).put(" s at this pace\n");
        }
    }
};

namespace detail {

inline constexpr std::size_t max_judged_points = 512;  // the pairs of which are a mebibyte of slopes

inline void check_judge_options(const judge_options& chosen) {
    require_option(is_finite(chosen.tolerance) && chosen.tolerance >= 0,
                   "judge_options: tolerance is a share, 0 or more");
    require_option(chosen.confidence > 0 && chosen.confidence < 1, "judge_options: confidence is between 0 and 1");
    require_option(chosen.min_points >= 3, "judge_options: min_points is at least 3");
}

/// Effects: fills `points` with the samples after the warm-up, those without new work merged by their minimum.
/// Returns: false when work went back: these are not samples of one run.
inline bool collect_points(std::span<const memory_sample> samples, std::uint64_t warm_up,
                           std::vector<trend_point>& points) {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    for (const memory_sample& sample : samples) {
        if (sample.work_done < warm_up) continue;
        const auto bytes = static_cast<double>(sample.resident_bytes);
        if (points.empty()) first = last = sample.work_done;
        else if (sample.work_done < last) return false;
        else if (sample.work_done == last) {
            points.back().bytes = (std::min)(points.back().bytes, bytes);
            continue;
        }
        last = sample.work_done;
        points.push_back({static_cast<double>(last - first), bytes});
    }
    return true;
}

/// Leaves at most `max_judged_points`: each the lowest of as many neighbours.
inline void thin_out(std::vector<trend_point>& points) {
    const std::size_t group = (points.size() + max_judged_points - 1) / max_judged_points;
    if (group <= 1) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < points.size(); i += group) {
        const auto begin = points.begin() + static_cast<std::ptrdiff_t>(i);
        const auto end = begin + static_cast<std::ptrdiff_t>((std::min)(group, points.size() - i));
        points[kept++] = *std::min_element(begin, end, [](auto& a, auto& b) { return a.bytes < b.bytes; });
    }
    points.resize(kept);
}

/// When `last` will have grown to the limit, at the slope of the line and the pace of work from `first` to `last`.
[[nodiscard]] inline std::optional<duration> time_to_limit(const memory_sample& first, const memory_sample& last,
                                                           double bytes_per_work, std::size_t limit) noexcept {
    if (limit == 0) limit = memory_limit();
    if (limit == unlimited || bytes_per_work <= 0) return std::nullopt;
    if (last.resident_bytes >= limit) return duration::zero();
    const double elapsed =
        static_cast<double>(saturating_sub(last.at.time_since_epoch().count(), first.at.time_since_epoch().count()));
    const double work = static_cast<double>(last.work_done - first.work_done);
    const double left = static_cast<double>(limit - last.resident_bytes) / bytes_per_work * (elapsed / work);
    if (!(elapsed > 0) || !(left < static_cast<double>((duration::max)().count()))) return std::nullopt;
    return duration(static_cast<duration::rep>(left));
}

}

/// Whether memory grows with the work done, by ranks, so that neither a burst nor noise decides.
///
/// growing       the Mann-Kendall score, corrected for ties and serial correlation, is significant at `confidence`, and
///               the Theil-Sen slope adds up to more than `tolerance` of the median over the judged work;
///               shrinking likewise, downwards
/// inconclusive  fewer than `min_points` after the warm-up, work that does not rise, or an interval of the slope wider
///               than the tolerance: run longer
/// flat          otherwise
///
/// A step in the load is a trend: judge rounds of identical work, or long times. Samples are in the order they were
/// taken; of more than 512, neighbours are merged by their minimum; samples without new work likewise.
///
/// Throws: std::invalid_argument, std::bad_alloc. Complexity: O(n + p^2) time for n samples and p <= 512 points,
/// 8 p^2 / 2 bytes of transient memory. Reads the memory limit when it answers `growing`.
[[nodiscard]] inline judgement judge(std::span<const memory_sample> samples, judge_options chosen = {}) {
    detail::check_judge_options(chosen);
    judgement found;
    found.confidence = chosen.confidence;

    std::vector<detail::trend_point> points;
    points.reserve(samples.size());
    if (!detail::collect_points(samples, chosen.warm_up_work, points)) {
        found.why = "the work done went back";
        return found;
    }
    detail::thin_out(points);
    found.points = points.size();
    if (points.size() < chosen.min_points) {
        found.why = points.size() <= 1 ? "the work done does not rise" : "too few points after the warm-up";
        return found;
    }

    const detail::trend line = detail::measure_trend(points, chosen.confidence);
    found.bytes_per_work = line.slope;
    found.lower = line.lower;
    found.upper = line.upper;
    const double grown = line.slope * line.work;
    const double allowed = chosen.tolerance * line.level;
    found.growth = grown == 0 ? 0 : grown / line.level;  // infinite from nothing

    const double significant = detail::normal_quantile(chosen.confidence);
    if (line.score > significant && grown > allowed) {
        found.verdict = verdict::growing;
        found.why = "a significant rise, beyond the tolerance";
        found.time_to_limit = detail::time_to_limit(samples.front(), samples.back(), line.slope, chosen.limit_bytes);
    } else if (line.score < -significant && grown < -allowed) {
        found.verdict = verdict::shrinking;
        found.why = "a significant fall, beyond the tolerance";
    } else if ((line.upper - line.lower) * line.work > allowed) {
        found.why = "the interval of the slope is wider than the tolerance: run longer";
    } else {
        found.verdict = verdict::flat;
        found.why = "no significant rise beyond the tolerance";
    }
    return found;
}

/// The same for the points of a sampler.
template <class Policies>
[[nodiscard]] judgement judge(const basic_memory_sampler<Policies>& sampler, judge_options chosen = {}) {
    return judge(sampler.samples(), chosen);
}

PLATEAU_NAMESPACE_END
