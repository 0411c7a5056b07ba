// SPDX-License-Identifier: MIT
// Defects of those who watch: books that hide a mistake, points that hide a leak, judges that convict for a burst.
#include "seeded_bugs/explored_bug.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"
#include "watch/judge_checks.hpp"
#include "watch/ledger_checks.hpp"
#include "watch/ledger_scenarios.hpp"
#include "watch/memory_sampler_checks.hpp"
#include "watch/metrics_checks.hpp"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

struct clamps : plateau::ledger_policies {};
struct checks_then_adds : explored_ledger {
    struct sync : explored_sync {};
};
struct keeps_peaks : sampled_by_hand {};
struct keeps_all : sampled_by_hand {};
struct waits_for_the_clock : sampled_by_hand {};
struct unescaped_stats : shop_stats {};

/// A trend is whatever is significant.
struct judges_by_significance {
    plateau::judgement operator()(std::span<const plateau::memory_sample> samples) const {
        plateau::judgement found = plateau::judge(samples);
        std::vector<detail::trend_point> points;
        detail::collect_points(samples, 0, points);
        const detail::trend line = detail::measure_trend(points, found.confidence);
        const double significant = detail::normal_quantile(found.confidence);
        if (line.score > significant) found.verdict = plateau::verdict::growing;
        return found;
    }
};

/// The line is the one of least squares: a step in the load is a trend.
struct judges_by_least_squares {
    plateau::judgement operator()(std::span<const plateau::memory_sample> samples) const {
        const auto n = static_cast<double>(samples.size());
        double work = 0, bytes = 0, squares = 0, products = 0;
        for (const auto& one : samples) {
            const auto x = static_cast<double>(one.work_done), y = static_cast<double>(one.resident_bytes);
            work += x, bytes += y, squares += x * x, products += x * y;
        }
        const double slope = (n * products - work * bytes) / (n * squares - work * work);
        const auto span = static_cast<double>(samples.back().work_done - samples.front().work_done);
        const bool grows = slope * span > plateau::judge_options{}.tolerance * bytes / n;
        plateau::judgement found;
        found.verdict = grows ? plateau::verdict::growing : plateau::verdict::flat;
        return found;
    }
};

}  // namespace

/// What is freed twice is taken off as far as something is left.
template <>
void plateau::basic_account<clamps>::refund(std::size_t n) const noexcept {
    std::size_t seen = entry_->bytes.load(std::memory_order_relaxed);
    while (!entry_->bytes.compare_exchange_weak(seen, n < seen ? seen - n : 0, std::memory_order_relaxed)) {}
}

/// The budget is looked at, and then charged.
template <>
bool detail::account_entry<checks_then_adds::sync>::add(std::size_t more, std::size_t bound) noexcept {
    const std::size_t seen = bytes.load(std::memory_order_relaxed);
    if (more > bound || seen > bound - more) return false;
    raise_peak(bytes.fetch_add(more, std::memory_order_relaxed) + more);
    return true;
}

/// Of two neighbours the higher one stays: bursts become the line.
template <>
void plateau::basic_memory_sampler<keeps_peaks>::halve() noexcept {
    const auto larger = [](const memory_sample& a, const memory_sample& b) {
        return b.resident_bytes > a.resident_bytes ? b : a;
    };
    const std::size_t pairs = points_.size() / 2;
    if (points_.size() % 2 != 0) {
        pending_ = larger(points_.back(), pending_);
        pending_samples_ += per_point_;
    }
    for (std::size_t i = 0; i < pairs; ++i) points_[i] = larger(points_[2 * i], points_[2 * i + 1]);
    points_.resize(pairs);
    per_point_ *= 2;
}

/// Every sample is a point.
template <>
void plateau::basic_memory_sampler<keeps_all>::add(const memory_sample& sample) noexcept {
    points_.push_back(sample);
}

/// A clock that went back has to come back before there are samples again.
template <>
bool plateau::basic_memory_sampler<waits_for_the_clock>::tick(std::uint64_t work_done) noexcept {
    const std::unique_lock lock(busy_, std::try_to_lock);
    if (!lock.owns_lock()) return false;
    const time_point now = (*clock_).now();
    if (now < next_tick_) return false;
    next_tick_ = detail::saturating_add(now, options_.period);
    auto sample = reader_.read();
    sample->at = now;
    sample->work_done = work_done;
    latest_ = *sample;
    ++samples_;
    add(*sample);
    return true;
}

/// A name is written as it is.
template <>
void detail::put_family(text_out& out, std::size_t reached, std::string_view family, const field_info& field,
                        const named_stats<unescaped_stats>& part) {
    if (reached != 0) return;
    put_metric_name(out.put("# HELP "), family, field);
    put_help(out.put(" "), field.help);
    put_metric_name(out.put("\n# TYPE "), family, field);
    out.put(field.kind == field_kind::counter ? " counter\n" : " gauge\n");
    with_metric(part, family, field, [&](auto value) {
        put_metric_name(out, family, field);
        out.put("{name=\"").put(part.name().substr(0, max_label_bytes));
        put_sample(out.put("\"} "), value);
        out.put("\n");
    });
}

TEST_CASE("defects of the books are noticed", "[watch][seeded]") {
    expect_killed({"F2", "bytes that are freed twice are taken off as far as there are any",
                   "watch: freeing more than was charged ends the process with a sentence", "the signal",
                   freeing_too_much_ends_the_process<clamps>});
    expect_killed({"F6", "a budget is looked at before it is charged, and not while",
                   "watch: two threads that charge one account stay within its budget, at every moment",
                   "no more is charged than the budget", [](shared_check& check) {
                       explore_into(check, "seeded ledger", a_budget_holds_at_every_moment<checks_then_adds>);
                   }});
    expect_killed({"F1", "a label is written as it came", "watch: hostile names are escaped, bounded and made whole",
                   "the fault of a page", hostile_names_are_made_whole<unescaped_stats>});
}

TEST_CASE("defects of the memory line are noticed", "[watch][seeded]") {
    expect_killed({"F1", "of two neighbours the higher stays",
                   "watch: the line keeps its whole history as minima of equal groups", "the bytes of a point",
                   a_line_is_the_minima_of_equal_groups<keeps_peaks>});
    expect_killed({"F11", "every sample is a point",
                   "watch: a sampler holds what its ceiling says, however long it runs", "held after long use",
                   a_sampler_holds_what_its_ceiling_says<keeps_all>});
    expect_killed({"F12", "a clock that went back stops the samples until it is where it was",
                   "watch: a clock that jumps back or stands at its end stops nothing", "after the clock went back",
                   a_clock_that_jumps_stops_no_sampler<waits_for_the_clock>});
}

TEST_CASE("defects of the judge are noticed", "[watch][seeded]") {
    expect_killed({"F1", "a step in the load is taken for a trend", "watch: a clean run with a late spike stays flat",
                   "the verdict on a spike", a_late_spike_is_flat<judges_by_least_squares>});
    expect_killed({"F1", "a rise is convicted for being significant, however small it is",
                   "watch: a line of ties with four changes in a hundred stays flat", "the verdict on four pages",
                   ties_with_four_changes_are_flat<judges_by_significance>});
}
