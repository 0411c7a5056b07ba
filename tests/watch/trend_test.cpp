// SPDX-License-Identifier: MIT
// The statistics against values worked out by hand or by definition, and the verdict against synthetic memory lines:
// how often it convicts the innocent, and what it sees.
#include "tools/catch.hpp"
#include "tools/random.hpp"

#include <plateau/watch/judge.hpp>
#include <plateau/watch/trend.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

using namespace plateau_test;
using namespace plateau::detail;
using plateau::memory_sample;
using plateau::verdict;

namespace {

/// Standard normal numbers, the same with every library (Box and Muller 1958).
class normal_numbers {
public:
    normal_numbers(const char* name, std::uint64_t seed) : random_(name, seed) {}
    double operator()() {
        const double u = (static_cast<double>(random_.next() >> 11U) + 1) * 0x1p-53;
        const double v = static_cast<double>(random_.next() >> 11U) * 0x1p-53;
        return std::sqrt(-2 * std::log(u)) * std::cos(2 * 3.14159265358979323846 * v);
    }
    std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }

private:
    random_source random_;
};

enum class shape { quiet, noisy, spiked };

/// A memory line in thousandths of its plateau: warm-up, noise with serial correlation, `leak` per cent over the judged
/// part; the spiked one with a burst, a staircase and ties.
std::vector<memory_sample> synthetic(shape form, double leak, normal_numbers& normal) {
    constexpr int points = 150;
    constexpr int warm_up = 25;
    const double deviation = form == shape::noisy ? 2.0 : 0.5;
    const double correlation = form == shape::noisy ? 0.8 : 0.3;
    const int burst = 90 + static_cast<int>(normal.below(50));
    double noise = 0;
    double stair = 0;
    std::vector<memory_sample> samples;
    for (int i = 0; i < points; ++i) {
        noise = correlation * noise + std::sqrt(1 - correlation * correlation) * deviation * normal();
        double value =
            100 * (1 - 0.5 * std::exp(-i / 5.0)) + noise + leak * std::max(0, i - warm_up) / (points - warm_up);
        if (form == shape::spiked) {
            if (i >= burst && i < burst + 6) value += 25;
            if (normal.below(40) == 0) stair += normal() > 0 ? 0.4 : -0.4;
            stair *= 0.98;
            value = std::floor(value + stair);
        }
        samples.push_back(
            {.work_done = static_cast<std::uint64_t>(i), .resident_bytes = static_cast<std::uint64_t>(value * 1e6)});
    }
    return samples;
}

/// How many of a hundred runs get each verdict.
std::array<double, 4> verdicts(shape form, double leak, int runs) {
    normal_numbers normal("verdicts", 20'260'101);
    std::array<double, 4> per_cent{};
    for (int run = 0; run < runs; ++run) {
        const auto found = plateau::judge(synthetic(form, leak, normal), {.warm_up_work = 25});
        per_cent[static_cast<std::size_t>(found.verdict)] += 100.0 / runs;
    }
    return per_cent;
}
double of(const std::array<double, 4>& per_cent, verdict which) { return per_cent[static_cast<std::size_t>(which)]; }

std::vector<trend_point> points_of(const std::vector<double>& bytes) {
    std::vector<trend_point> points;
    for (const double value : bytes) points.push_back({static_cast<double>(points.size()), value});
    return points;
}

bool close(double a, double b, double error) { return std::abs(a - b) <= error; }

}  // namespace

TEST_CASE("normal quantiles agree with the tables", "[watch][unit]") {
    CHECK(close(normal_quantile(0.5), 0, 1e-12));
    CHECK(close(normal_quantile(0.975), 1.959963984540054, 1e-9));
    CHECK(close(normal_quantile(0.99), 2.326347874040841, 1e-9));
    CHECK(close(normal_quantile(0.995), 2.575829303548901, 1e-9));
    CHECK(close(normal_quantile(0.01), -2.326347874040841, 1e-9));
    CHECK(close(normal_quantile(1e-9), -5.997807015007687, 1e-6));
}

TEST_CASE("medians, ranks and correlations agree with their definitions", "[watch][unit]") {
    std::vector<double> odd{5, 1, 3};
    std::vector<double> even{4, 1, 3, 2};
    std::vector<double> one{7};
    CHECK(median(odd) == 3);
    CHECK(median(even) == 2.5);
    CHECK(median(one) == 7);
    CHECK(ranks(std::vector<double>{30, 10, 20, 10}) == std::vector<double>{3, 0.5, 2, 0.5});
    CHECK(close(lag1(std::vector<double>{1, -1, 1, -1}), -0.75, 1e-12));
    CHECK(close(lag1(std::vector<double>{1, 2, 3, 4}), 0.25, 1e-12));
    CHECK(lag1(std::vector<double>{5, 5, 5}) == 0);
}

TEST_CASE("the variance of S agrees with the formula for ties", "[watch][unit]") {
    CHECK(close(kendall_variance(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), 125, 1e-9));
    // Ties of 2 and of 3 among 8: (8*7*21 - 2*1*9 - 3*2*11) / 18.
    CHECK(close(kendall_variance(std::vector<double>{1, 1, 2, 3, 3, 3, 4, 5}), 1092.0 / 18, 1e-9));
    CHECK(kendall_variance(std::vector<double>{4, 4, 4, 4}) == 0);
}

TEST_CASE("steps one way are told from a random walk", "[watch][unit]") {
    const auto up = points_of({0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(one_way(up, 0.99) == 1);  // 7 of 7: 1 in 128
    CHECK(one_way(std::span(up).first(7), 0.99) == 0);
    CHECK(one_way(points_of({7, 6, 5, 4, 3, 2, 1, 0}), 0.99) == -1);
    CHECK(one_way(points_of({0, 0, 0, 0, 0, 0, 0, 0}), 0.99) == 0);
    CHECK(one_way(points_of({0, 1, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7}), 0.99) == 1);
    std::vector<double> to_and_fro;
    for (int i = 0; i < 512; ++i) to_and_fro.push_back(i % 2);
    CHECK(one_way(points_of(to_and_fro), 0.99) == 0);
    std::vector<double> always;
    for (int i = 0; i < 512; ++i) always.push_back(i);
    CHECK(one_way(points_of(always), 0.999999) == 1);
}

TEST_CASE("the slope is the median of all pairs, its interval the ranks around it", "[watch][model]") {
    INFO(random_source::repeat());
    random_source random("trend oracle");
    for (int round = 0; round < 200; ++round) {
        std::vector<trend_point> points;
        double work = 0;
        const std::size_t size = 3 + random.below(30);
        for (std::size_t i = 0; i < size; ++i) {
            points.push_back({work, static_cast<double>(random.below(round % 2 == 0 ? 1'000 : 4))});
            work += 1 + static_cast<double>(random.below(5));
        }
        std::vector<double> slopes;
        for (std::size_t i = 0; i < size; ++i) {
            for (std::size_t j = i + 1; j < size; ++j) {
                slopes.push_back((points[j].bytes - points[i].bytes) / (points[j].work - points[i].work));
            }
        }
        std::sort(slopes.begin(), slopes.end());
        const std::size_t half = slopes.size() / 2;
        const double middle = slopes.size() % 2 != 0 ? slopes[half] : (slopes[half - 1] + slopes[half]) / 2;
        const auto found = measure_trend(points, 0.99);
        REQUIRE(close(found.slope, middle, 1e-12));
        REQUIRE(found.lower <= found.slope);
        REQUIRE(found.upper >= found.slope);
        REQUIRE(measure_trend(points, 0.5).lower >= found.lower);
        REQUIRE(measure_trend(points, 0.5).upper <= found.upper);
        std::vector<trend_point> mirrored = points;
        for (auto& point : mirrored) point.bytes = -point.bytes;
        const auto mirror = measure_trend(mirrored, 0.99);
        REQUIRE(close(mirror.slope, -found.slope, 1e-12));
        REQUIRE(close(mirror.lower, -found.upper, 1e-12));
        REQUIRE(close(mirror.score, -found.score, 1e-9));
    }
}

TEST_CASE("without a leak at most 2 in 100 lines are convicted, quiet, noisy or spiked", "[watch][model]") {
    const auto quiet = verdicts(shape::quiet, 0, 300);
    CHECK(of(quiet, verdict::growing) == 0);
    CHECK(of(quiet, verdict::flat) >= 99);
    const auto noisy = verdicts(shape::noisy, 0, 300);
    CHECK(of(noisy, verdict::growing) <= 2);
    const auto spiked = verdicts(shape::spiked, 0, 300);
    CHECK(of(spiked, verdict::growing) <= 2);
    CHECK(of(spiked, verdict::flat) >= 90);
}

TEST_CASE("a leak of 5 per cent is seen in 99 of 100 lines of 125 points, and never passes", "[watch][model]") {
    const auto quiet = verdicts(shape::quiet, 5, 300);
    CHECK(of(quiet, verdict::growing) >= 99);
    CHECK(of(quiet, verdict::flat) == 0);
    const auto spiked = verdicts(shape::spiked, 5, 300);
    CHECK(of(spiked, verdict::growing) >= 99);
    CHECK(of(spiked, verdict::flat) == 0);
    const auto noisy = verdicts(shape::noisy, 5, 150);
    CHECK(of(noisy, verdict::growing) >= 50);
    CHECK(of(noisy, verdict::flat) == 0);
    CHECK(of(verdicts(shape::noisy, 10, 150), verdict::growing) >= 97);
    CHECK(of(verdicts(shape::noisy, 20, 150), verdict::growing) >= 99);
}
