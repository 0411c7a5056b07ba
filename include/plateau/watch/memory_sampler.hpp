// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/fwd.hpp>
#include <plateau/sync.hpp>
#include <plateau/watch/memory_reader.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

PLATEAU_NAMESPACE_BEGIN

struct memory_sampler_options {
    std::size_t max_points = 512;               ///< 2 to 65'536, of 32 bytes each
    duration period = std::chrono::seconds(1);  ///< ticks that come sooner are not samples; not negative
};

/// `reader` provides `result<memory_sample, read_reason> read() noexcept`.
struct memory_sampler_policies {
    using sync = default_sync;
    using clock = steady_clock;
    using reader = memory_reader;
};

struct memory_sampler_stats {
    std::uint64_t resident_bytes = 0;
    std::uint64_t anonymous_bytes = 0;
    std::uint64_t work_done = 0;
    std::uint64_t points = 0;
    std::uint64_t samples_per_point = 1;
    std::uint64_t samples = 0;
    std::uint64_t failed_reads = 0;

    static constexpr std::string_view family = "process";
    template <class F>
    void visit_fields(F&& f) const {
        f(field_info{"resident_memory", "bytes", "Physical memory of the process at the last sample.",
                     field_kind::gauge},
          resident_bytes);
        f(field_info{"anonymous_memory", "bytes", "The part of the resident memory that no file backs.",
                     field_kind::gauge},
          anonymous_bytes);
        f(field_info{"work", "", "Work done by the process at the last sample.", field_kind::counter}, work_done);
        f(field_info{"memory_points", "", "Points kept of the memory line.", field_kind::gauge}, points);
        f(field_info{"memory_samples_per_point", "", "Samples of which one point is the minimum.", field_kind::gauge},
          samples_per_point);
        f(field_info{"memory_samples", "", "Samples taken.", field_kind::counter}, samples);
        f(field_info{"memory_read_failures", "", "Samples that could not be read.", field_kind::counter}, failed_reads);
    }
};

/// The memory line of the process since start-up, in fixed memory.
///
/// Points    a point is the smallest of `samples_per_point` consecutive samples, 1 at first. At `max_points`,
///           neighbours are merged by their minimum and the number doubles: the whole history stays, ever coarser.
///           Minima, because a leak lifts the floor of the line, while a burst lifts only its peaks.
/// Cost      a tick reads the clock; a sample costs about a microsecond and allocates nothing. No thread of ours.
///
/// I1  at most `max_points` points, each of the same number of samples.
/// I2  points are in the order of their samples.
///
/// Thread safety: any thread; a tick during another's call returns at once. A clock with state outlives the sampler.
template <class Policies>
class basic_memory_sampler {
public:
    using options = memory_sampler_options;
    using clock_type = typename Policies::clock;

    /// Part: a clock with state, by reference. Throws: std::invalid_argument, std::bad_alloc.
    template <class... Parts>
        requires(detail::is_one_of<Parts, clock_type>&&...)
    explicit basic_memory_sampler(memory_sampler_options chosen, Parts&&... parts)
        : options_(checked(chosen)), clock_(std::in_place, std::forward<Parts>(parts)...) {
        points_.reserve(options_.max_points);
    }
    basic_memory_sampler() : basic_memory_sampler(memory_sampler_options{}) {}
    basic_memory_sampler(const basic_memory_sampler&) = delete;
    basic_memory_sampler& operator=(const basic_memory_sampler&) = delete;

    /// Effects: takes a sample if the period is over since the last. The first tick, and one after the clock went back,
    /// always samples. A failed reading is counted and tried again a period later.
    /// Returns: whether a sample was taken.
    bool tick(std::uint64_t work_done) noexcept {
        const std::unique_lock lock(busy_, std::try_to_lock);
        if (!lock.owns_lock()) return false;
        const time_point now = (*clock_).now();
        if (now >= last_tick_ && now < next_tick_) return false;
        last_tick_ = now;
        next_tick_ = detail::saturating_add(now, options_.period);
        auto sample = reader_.read();
        if (!sample) {
            ++failed_reads_;
            return false;
        }
        sample->at = now;
        sample->work_done = work_done;
        latest_ = *sample;
        ++samples_;
        add(*sample);
#if PLATEAU_HARDENED
        check_held();
#endif
        return true;
    }

    /// Returns: the points so far, oldest first: a copy. Samples that do not yet fill a point are not in it.
    /// Throws: std::bad_alloc.
    [[nodiscard]] std::vector<memory_sample> samples() const {
        std::vector<memory_sample> copy;
        copy.reserve(options_.max_points);
        const std::lock_guard lock(busy_);
        copy.assign(points_.begin(), points_.end());
        return copy;
    }

    [[nodiscard]] memory_sampler_stats stats() const noexcept {
        const std::lock_guard lock(busy_);
        return {.resident_bytes = latest_.resident_bytes,
                .anonymous_bytes = latest_.anonymous_bytes,
                .work_done = latest_.work_done,
                .points = points_.size(),
                .samples_per_point = per_point_,
                .samples = samples_,
                .failed_reads = failed_reads_};
    }

    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        return sizeof(*this) + options_.max_points * sizeof(memory_sample);
    }

    void check_invariants() const noexcept {
        const std::lock_guard lock(busy_);
        check_held();
    }

private:
    static const memory_sampler_options& checked(const memory_sampler_options& chosen) {
        detail::require_option(chosen.max_points >= 2 && chosen.max_points <= 65'536,
                               "memory_sampler_options: max_points is 2 to 65'536");
        detail::require_option(chosen.period >= duration::zero(), "memory_sampler_options: period is not negative");
        return chosen;
    }

    void add(const memory_sample& sample) noexcept {
        if (pending_samples_ == 0 || sample.resident_bytes < pending_.resident_bytes) pending_ = sample;
        if (++pending_samples_ < per_point_) return;
        if (points_.size() == options_.max_points) halve();
        if (pending_samples_ < per_point_) return;  // of the new, larger points this is but the beginning
        points_.push_back(pending_);
        pending_samples_ = 0;
    }

    /// Merges neighbours. An odd last point becomes the beginning of the next one, together with what is pending.
    void halve() noexcept {
        const auto smaller = [](const memory_sample& a, const memory_sample& b) {
            return b.resident_bytes < a.resident_bytes ? b : a;
        };
        const std::size_t pairs = points_.size() / 2;
        if (points_.size() % 2 != 0) {
            pending_ = smaller(points_.back(), pending_);
            pending_samples_ += per_point_;
        }
        for (std::size_t i = 0; i < pairs; ++i) points_[i] = smaller(points_[2 * i], points_[2 * i + 1]);
        points_.resize(pairs);
        per_point_ *= 2;
    }

    void check_held() const noexcept {
        PLATEAU_EXPECTS(points_.size() <= options_.max_points && points_.capacity() >= options_.max_points,
                        "memory_sampler: more points than max_points");
        PLATEAU_EXPECTS(pending_samples_ < per_point_, "memory_sampler: a full point was not kept");
        PLATEAU_EXPECTS(points_.size() * per_point_ + pending_samples_ == samples_,
                        "memory_sampler: points and samples differ");
    }

    memory_sampler_options options_;
    PLATEAU_NO_UNIQUE_ADDRESS detail::shared_part<clock_type> clock_;
    mutable typename Policies::sync::mutex busy_;  // guards what follows
    typename Policies::reader reader_;
    time_point last_tick_ = (time_point::max)();  // so that the first tick samples
    time_point next_tick_ = (time_point::min)();
    memory_sample latest_;
    memory_sample pending_;              // the smallest of the samples since the last point
    std::uint64_t pending_samples_ = 0;  // fewer than per_point_
    std::uint64_t per_point_ = 1;
    std::uint64_t samples_ = 0;
    std::uint64_t failed_reads_ = 0;
    std::vector<memory_sample> points_;  // at most max_points, reserved at construction
};

PLATEAU_NAMESPACE_END
