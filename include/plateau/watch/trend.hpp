// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A point of a line to be judged; `work` rises strictly from point to point.
struct trend_point {
    double work;
    double bytes;
};

/// What a line does over its points, by ranks: one wild point moves none of it far.
///
/// slope         Theil-Sen: the median of the slopes between all pairs of points (Sen 1968).
/// lower, upper  its confidence interval, from the variance of Kendall's S (Sen 1968), and never steeper than the whole
///               range of the points over the whole work.
/// score         Mann-Kendall: S over its standard deviation, the variance corrected for ties (Kendall 1975) and for
///               serial correlation by (1 + r) / (1 - r) with r the lag-1 correlation of the residuals' ranks (after
///               Hamed and Rao 1998), unless the residuals are correlated because the line is a curve.
struct trend {
    double slope = 0;
    double lower = 0;
    double upper = 0;
    double score = 0;
    double level = 0;  ///< median of the bytes
    double work = 0;   ///< from the first point to the last
};

// sqrt and erfc by the names that g++ and clang know without <cmath>, which is 5'000 lines for the sake of these two.

[[nodiscard]] inline double square_root(double x) noexcept { return __builtin_sqrt(x); }

/// P(Z <= z) for a standard normal Z.
[[nodiscard]] inline double normal_probability(double z) noexcept {
    constexpr double root_of_half = 0.70710678118654752440;
    return __builtin_erfc(-z * root_of_half) / 2;
}

[[nodiscard]] constexpr bool is_finite(double x) noexcept { return x - x == 0; }

/// The z with P(Z <= z) = p for a standard normal Z. Bisection of erfc: exact to a few units in the last place, and
/// there is no table to get wrong.
[[nodiscard]] inline double normal_quantile(double p) noexcept {
    double low = -40;
    double high = 40;
    for (int step = 0; step < 80; ++step) {
        const double middle = (low + high) / 2;
        (normal_probability(middle) < p ? low : high) = middle;
    }
    return (low + high) / 2;
}

/// The value of rank `rank` (from 0) of `values`, which are reordered.
[[nodiscard]] inline double ranked(std::vector<double>& values, std::size_t rank) noexcept {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

[[nodiscard]] inline double median(std::vector<double>& values) noexcept {
    const std::size_t half = values.size() / 2;
    const double upper = ranked(values, half);
    if (values.size() % 2 != 0) return upper;
    return (*std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half)) + upper) / 2;
}

/// Variance of Kendall's S for `sorted` values without serial correlation.
[[nodiscard]] inline double kendall_variance(std::span<const double> sorted) noexcept {
    const auto term = [](double n) { return n * (n - 1) * (2 * n + 5); };
    double sum = term(static_cast<double>(sorted.size()));
    for (std::size_t i = 0; i < sorted.size();) {
        std::size_t end = i;
        while (end < sorted.size() && sorted[end] == sorted[i]) ++end;
        sum -= term(static_cast<double>(end - i));
        i = end;
    }
    return sum / 18;
}

/// The rank of each value, ties sharing the middle of theirs. Source: Spearman 1904.
[[nodiscard]] inline std::vector<double> ranks(std::span<const double> values) {
    std::vector<std::size_t> order(values.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    std::vector<double> rank(values.size());
    for (std::size_t i = 0; i < order.size();) {
        std::size_t end = i;
        while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
        const double shared = static_cast<double>(i + end - 1) / 2;
        for (; i < end; ++i) rank[order[i]] = shared;
    }
    return rank;
}

/// Correlation of each value with the one before it.
[[nodiscard]] inline double lag1(std::span<const double> values) noexcept {
    double mean = 0;
    for (const double value : values) mean += value / static_cast<double>(values.size());
    double squares = 0;
    double products = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        squares += (values[i] - mean) * (values[i] - mean);
        if (i != 0) products += (values[i] - mean) * (values[i - 1] - mean);
    }
    return squares > 0 ? products / squares : 0;
}

/// 1 or -1 where the steps from point to point go up, or down, more often than those of a random walk would; else 0. A
/// random walk has all the serial correlation there is: what passes is a curve, not noise. A sign test, one-sided;
/// steps of nothing do not count.
[[nodiscard]] inline int one_way(std::span<const trend_point> points, double confidence) noexcept {
    double up = 0;
    double down = 0;
    for (std::size_t i = 1; i < points.size(); ++i) {
        up += points[i].bytes > points[i - 1].bytes;
        down += points[i].bytes < points[i - 1].bytes;
    }
    const double steps = up + down;
    const double most = (std::max)(up, down);
    double tail = 0;  // P(at least `most` of the steps go one given way)
    double exactly = 1;
    for (double k = 0; k < steps; ++k) exactly /= 2;
    for (double k = 0; k <= steps; ++k) {
        if (k >= most) tail += exactly;
        exactly *= (steps - k) / (k + 1);
    }
    return tail < 1 - confidence ? (up > down ? 1 : -1) : 0;
}

/// How many times the variance of S grows by the serial correlation of what `slope` leaves of the points. By ranks: a
/// burst of a few points is not a correlation of all.
[[nodiscard]] inline double serial_inflation(std::span<const trend_point> points, double slope, double confidence) {
    if (one_way(points, confidence) != 0) return 1;
    std::vector<double> left;
    left.reserve(points.size());
    for (const trend_point& p : points) left.push_back(p.bytes - slope * p.work);
    const double r = std::clamp(lag1(ranks(left)), 0.0, 0.95);
    return (1 + r) / (1 - r);
}

/// Expects: at least 2 points. Throws: std::bad_alloc. Complexity: O(n^2) time and memory.
[[nodiscard]] inline trend measure_trend(std::span<const trend_point> points, double confidence) {
    trend line;
    line.work = points.back().work - points.front().work;

    std::vector<double> bytes;
    bytes.reserve(points.size());
    for (const trend_point& p : points) bytes.push_back(p.bytes);
    line.level = median(bytes);
    std::sort(bytes.begin(), bytes.end());

    std::vector<double> slopes;
    slopes.reserve(points.size() * (points.size() - 1) / 2);
    std::int64_t s = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
        for (std::size_t j = i + 1; j < points.size(); ++j) {
            const double rise = points[j].bytes - points[i].bytes;
            s += (rise > 0) - (rise < 0);
            slopes.push_back(rise / (points[j].work - points[i].work));
        }
    }
    line.slope = median(slopes);

    const double variance = kendall_variance(bytes) * serial_inflation(points, line.slope, confidence);
    const double continuous = static_cast<double>(s) - (s > 0) + (s < 0);
    if (variance > 0) line.score = continuous / square_root(variance);

    const double steepest = (bytes.back() - bytes.front()) / line.work;
    const double pairs = static_cast<double>(slopes.size());
    const double margin = normal_quantile((1 + confidence) / 2) * square_root(variance);
    // Under the interval lie so many slopes, and as many above.
    const std::size_t outside = pairs - margin >= 2 ? static_cast<std::size_t>((pairs - margin) / 2) : 0;
    line.lower = outside != 0 ? ranked(slopes, outside - 1) : -steepest;
    line.upper = outside != 0 ? ranked(slopes, slopes.size() - outside) : steepest;
    line.lower = (std::min)((std::max)(line.lower, -steepest), line.slope);
    line.upper = (std::max)((std::min)(line.upper, steepest), line.slope);
    return line;
}

}
PLATEAU_NAMESPACE_END
