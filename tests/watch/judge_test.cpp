// SPDX-License-Identifier: MIT
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"
#include "watch/judge_checks.hpp"

#include <plateau/literals.hpp>
#include <plateau/watch/judge.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace plateau_test;
using namespace plateau::literals;
using namespace std::chrono_literals;
using plateau::judge;
using plateau::memory_sample;
using plateau::verdict;

namespace {

constexpr auto sample = sample_of;

template <class F>
std::vector<memory_sample> line(std::size_t points, F bytes) {
    return line_of(points, bytes);
}

bool close(double a, double b, double relative = 1e-9) { return std::abs(a - b) <= relative * std::abs(b); }

}  // namespace

TEST_CASE("a line that stands still is flat, one that rises grows, one that falls shrinks", "[watch][unit]") {
    const auto still = judge(line(60, [](double) { return 64 * mib; }));
    CHECK(still.verdict == verdict::flat);
    CHECK(still.flat());
    CHECK(still.bytes_per_work == 0);
    CHECK(still.lower == 0);
    CHECK(still.upper == 0);
    CHECK_FALSE(still.time_to_limit);

    const auto rises = judge(line(60, [](double i) { return 64 * mib + 100'000 * i; }));
    CHECK(rises.verdict == verdict::growing);
    CHECK_FALSE(rises.flat());
    CHECK(close(rises.bytes_per_work, 100'000));
    CHECK(close(rises.lower, 100'000));
    CHECK(close(rises.upper, 100'000));

    const auto falls = judge(line(60, [](double i) { return 64 * mib - 100'000 * i; }));
    CHECK(falls.verdict == verdict::shrinking);
    CHECK(falls.flat());  // memory does not grow
    CHECK(close(falls.bytes_per_work, -100'000));
    CHECK_FALSE(falls.time_to_limit);
}

TEST_CASE("growth within the tolerance is flat, and no tolerance tolerates none", "[watch][unit]") {
    const auto one_per_cent = line(101, [](double i) { return 100 * mib + i * mib / 100; });
    CHECK(judge(one_per_cent).verdict == verdict::flat);
    CHECK(judge(one_per_cent).growth > 0.0098);
    CHECK(judge(one_per_cent, {.tolerance = 0.0099}).verdict == verdict::growing);
    CHECK(judge(one_per_cent, {.tolerance = 0}).verdict == verdict::growing);
    CHECK(judge(line(40, [](double) { return mib; }), {.tolerance = 0}).verdict == verdict::flat);
    CHECK(judge(line(40, [](double) { return 0; })).verdict == verdict::flat);
    const auto from_nothing = judge(line(40, [](double i) { return i < 21 ? 0 : i * mib; }));
    CHECK_FALSE(from_nothing.flat());
}

TEST_CASE("a clean run with a late spike stays flat", "[watch][unit]") { passes(a_late_spike_is_flat<shipped_judge>); }

TEST_CASE("a line of ties with four changes in a hundred stays flat", "[watch][unit]") {
    passes(ties_with_four_changes_are_flat<shipped_judge>);
}

TEST_CASE("a leak is seen whatever its shape", "[watch][unit]") {
    for (const std::size_t points : {12U, 24U, 32U, 125U, 512U}) {
        CAPTURE(points);
        const double last = static_cast<double>(points - 1);
        const plateau::judge_options rounds{.min_points = 12};
        const auto grows = [&](auto share) {
            return judge(line(points, [&](double i) { return mib * (64 + 64 * share(i / last)); }), rounds).verdict ==
                   verdict::growing;
        };
        CHECK(grows([](double x) { return x; }));
        CHECK(grows([](double x) { return x * x; }));
        CHECK(grows([](double x) { return std::sqrt(x); }));
        CHECK(grows([](double x) { return std::log(1 + 50 * x) / 4; }));
        CHECK(grows([](double x) { return std::expm1(3 * x) / 20; }));
        CHECK(grows([](double x) { return std::floor(8 * x) / 8; }));
    }
}

TEST_CASE("too few points are inconclusive, never flat", "[watch][unit]") {
    const auto still = line(100, [](double) { return mib; });
    const std::span<const memory_sample> all(still);
    CHECK(judge(all.first(29)).verdict == verdict::inconclusive);
    CHECK_FALSE(judge(all.first(29)).flat());
    CHECK(judge(all.first(30)).verdict == verdict::flat);
    CHECK(judge(all, {.warm_up_work = 70}).verdict == verdict::flat);
    CHECK(judge(all, {.warm_up_work = 71}).verdict == verdict::inconclusive);
    CHECK(judge(all, {.warm_up_work = UINT64_MAX}).verdict == verdict::inconclusive);
    CHECK(judge(all.first(12), {.min_points = 12}).verdict == verdict::flat);
    CHECK(judge(all.first(11), {.min_points = 12}).verdict == verdict::inconclusive);
    const auto nothing = judge(std::span<const memory_sample>{});
    CHECK(nothing.verdict == verdict::inconclusive);
    CHECK(nothing.points == 0);
    CHECK_FALSE(nothing.time_to_limit);
    CHECK(std::isinf(nothing.upper));
}

TEST_CASE("work that does not rise, or goes back, is inconclusive", "[watch][unit]") {
    std::vector<memory_sample> idle(100, sample(7, mib));
    CHECK(judge(idle).verdict == verdict::inconclusive);
    CHECK(judge(idle).why == "the work done does not rise");
    auto reset = line(100, [](double) { return mib; });
    reset[60].work_done = 3;
    CHECK(judge(reset).verdict == verdict::inconclusive);
    CHECK(judge(reset).why == "the work done went back");
}

TEST_CASE("idle times count by their minimum and do not stretch the line", "[watch][unit]") {
    std::vector<memory_sample> samples;
    for (std::uint64_t work = 0; work < 40; ++work) {
        for (std::uint64_t again = 0; again <= work % 5; ++again) {
            samples.push_back(sample(work, 64 * mib + static_cast<double>(again) * mib));
        }
    }
    const auto found = judge(samples);
    CHECK(found.points == 40);
    CHECK(found.verdict == verdict::flat);
    CHECK(found.bytes_per_work == 0);
}

TEST_CASE("noise that could hide a leak is inconclusive", "[watch][unit]") {
    random_source random("noise", 42);
    const auto noisy = line(60, [&](double) { return (64 + static_cast<double>(random.below(1'000)) / 100) * mib; });
    CHECK(judge(noisy).verdict == verdict::inconclusive);
    CHECK(judge(noisy, {.tolerance = 0.5}).verdict == verdict::flat);
}

TEST_CASE("the time to the limit follows the slope and the pace", "[watch][unit]") {
    // 1 MiB a unit of work, a unit a second: from 159 MiB it takes 97 s to 256 MiB.
    const auto rises = line(60, [](double i) { return (100 + i) * mib; });
    const auto found = judge(rises, {.limit_bytes = 256_MiB});
    REQUIRE(found.time_to_limit);
    CHECK(std::abs(std::chrono::duration<double>(*found.time_to_limit).count() - 97) < 0.001);
    REQUIRE(judge(rises, {.limit_bytes = 100_MiB}).time_to_limit);
    CHECK(*judge(rises, {.limit_bytes = 100_MiB}).time_to_limit == 0s);
    CHECK_FALSE(judge(rises, {.limit_bytes = plateau::unlimited}).time_to_limit);
    CHECK(judge(rises).time_to_limit);  // the container's limit, or the machine's

    auto timeless = rises;
    for (auto& point : timeless) point.at = {};
    CHECK_FALSE(judge(timeless, {.limit_bytes = 256_MiB}).time_to_limit);
    auto endless = rises;
    endless.front().at = plateau::time_point::min();
    endless.back().at = plateau::time_point::max();
    CHECK_FALSE(judge(endless, {.limit_bytes = plateau::unlimited - 1}).time_to_limit);
}

TEST_CASE("figures at the ends of their types neither overflow nor mislead", "[watch][unit]") {
    const auto huge = line(60, [](double) { return 18'446'744'073'709'549'568.0; });
    CHECK(judge(huge).verdict == verdict::flat);
    auto far = line(60, [](double) { return mib; });
    for (std::size_t i = 0; i < far.size(); ++i) far[i].work_done = UINT64_MAX - 100 + i;
    CHECK(judge(far).verdict == verdict::flat);
    CHECK(judge(far).points == 60);
    auto wide = line(60, [](double i) { return mib * (1 + i); });
    wide.back().work_done = UINT64_MAX;
    CHECK_FALSE(judge(wide).flat());
}

TEST_CASE("options of a judge that make no sense are refused with a sentence", "[watch][unit]") {
    const auto still = line(60, [](double) { return mib; });
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    for (const double tolerance : {-0.01, nan, infinity, -infinity}) {
        CHECK_THROWS_AS(judge(still, {.tolerance = tolerance}), std::invalid_argument);
    }
    for (const double confidence : {0.0, 1.0, -1.0, 99.0, nan}) {
        CHECK_THROWS_AS(judge(still, {.confidence = confidence}), std::invalid_argument);
    }
    for (const std::size_t points : {0U, 1U, 2U}) {
        CHECK_THROWS_AS(judge(still, {.min_points = points}), std::invalid_argument);
    }
    CHECK_NOTHROW(judge(still, {.confidence = 1e-9}));
    CHECK_NOTHROW(judge(still, {.confidence = 1 - 1e-9}));
}

TEST_CASE("any number of samples is judged in a mebibyte or two", "[watch][alloc]") {
    const auto many = line(200'000, [](double i) { return 64 * mib + 40 * i; });
    const new_scope witness;
    const auto found = judge(many);
    const auto left = witness.delta();
    CHECK(left.live_bytes == 0);
    CHECK(found.points <= 512);
    CHECK(found.points >= 256);
    CHECK(found.verdict == verdict::growing);
    CHECK(close(found.bytes_per_work, 40, 1e-3));
}

TEST_CASE("a judgement in words says the verdict, the slope and the time left", "[watch][unit]") {
    std::string text;
    judge(line(60, [](double i) { return (100 + i) * mib; }), {.limit_bytes = 256_MiB}).write(text);
    CHECK(text.find("growing: a significant rise") == 0);
    CHECK(text.find("1.049e+06 bytes per unit of work, 99 % interval") != text.npos);
    CHECK(text.find("reached in 97 s") != text.npos);
    std::string unknown;
    judge(std::span<const memory_sample>{}).write(unknown);
    CHECK(unknown == "inconclusive: the work done does not rise (0 points)\n");
    CHECK(to_string(verdict::shrinking) == "shrinking");
}
