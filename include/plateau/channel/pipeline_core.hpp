// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/failure.hpp>
#include <plateau/channel/one_event.hpp>
#include <plateau/config.hpp>
#include <plateau/executor.hpp>
#include <plateau/fwd.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Something of a pipeline that can be aborted: a queue between two stages.
struct abortable {
    abortable* next = nullptr;
    void (*abort)(abortable&, const failure&) noexcept = nullptr;
};

/// What the stages of a pipeline share: where they run, how it ends, and who is still at it.
///
/// outcome_   running until the first error, the first stop, or the end of the last stage: whoever changes it first has
///            decided how the pipeline ended.
/// live_      the stages that have not ended, and the calls that touch the stages: when it comes to 0, nothing of the
///            pipeline runs any more, and `ended_` tells whoever waits. Whoever counts in it may use the pipeline.
template <class Sync, std::size_t MaxErrors>
class pipeline_core {
public:
    enum class ending : unsigned char { running, done, cancelled, failed };

    // ---- the beginning

    void enlist(abortable& queue) noexcept {
        queue.next = queues_;
        queues_ = &queue;
    }
    /// Before the stages are posted. The caller counts as live until it calls `leave`.
    void begin(executor_ref where, std::uint32_t stages) noexcept {
        PLATEAU_EXPECTS(!started_, "a pipeline was started twice");
        PLATEAU_EXPECTS(!where.is_inline(), "a pipeline needs an executor that queues what is posted");
        started_ = true;
        where_ = where;
        // Stored before the outcome is read; `stop` writes the outcome before it reads this: one sees the other.
        live_.store(stages + 1, std::memory_order_seq_cst);
        if (outcome_.load(std::memory_order_seq_cst) != ending::running) abort_queues({});
    }
    [[nodiscard]] bool started() const noexcept { return started_; }
    [[nodiscard]] executor_ref where() const noexcept { return where_; }

    // ---- the end

    /// Effects: the pipeline ends with this error, unless it was ending already; then the error is kept beside.
    void fail(failure why) noexcept {
        keep(why);
        if (decide(ending::failed)) abort_queues(why);
    }
    void stop() noexcept {
        if (!decide(ending::cancelled) || !join()) return;
        abort_queues({});
        leave();
    }
    /// The source is not asked any more.
    void close() noexcept { closing_.store(true, std::memory_order_relaxed); }  // the next look at it is early enough
    [[nodiscard]] bool closing() const noexcept { return closing_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool stopping() const noexcept { return outcome_.load(std::memory_order_acquire) != ending::running; }

    /// The last that a stage, or a call, does.
    void leave() noexcept {
        if (live_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        // Whoever decided on a stop may not have come to the queues, while every stage has seen it and left.
        if (!decide(ending::done)) abort_queues({});
        ended_.happen();
    }
    /// Blocks: until nothing of the pipeline runs any more.
    void wait() {
        PLATEAU_EXPECTS(started_, "a pipeline that was not started would be waited for in vain");
        if (ended_.happened()) return;  // then the executor may be gone
        PLATEAU_EXPECTS(!where_.runs_here(),
                        "a pipeline is waited for on a thread of its executor, where its stages are queued");
        ended_.wait();
    }

    [[nodiscard]] ending outcome() const noexcept { return outcome_.load(std::memory_order_acquire); }
    /// After the end: the first error comes first.
    [[nodiscard]] std::span<const failure> errors() const noexcept {
        const std::uint64_t seen = errors_seen();
        return {errors_.data(), seen < MaxErrors ? static_cast<std::size_t>(seen) : MaxErrors};
    }
    [[nodiscard]] std::uint64_t errors_seen() const noexcept { return seen_.load(std::memory_order_acquire); }

private:
    [[nodiscard]] bool decide(ending how) noexcept {
        ending expected = ending::running;
        return outcome_.compare_exchange_strong(expected, how, std::memory_order_seq_cst);
    }
    /// Counts as live from now on. Returns: false where nothing is.
    [[nodiscard]] bool join() noexcept {
        std::uint32_t seen = live_.load(std::memory_order_seq_cst);
        while (seen != 0)
            if (live_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_relaxed))
                return true;
        return false;
    }
    void keep(const failure& why) noexcept {
        errors_mutex_.lock();
        const std::uint64_t seen = seen_.load(std::memory_order_relaxed);  // under the mutex
        if (seen < MaxErrors) errors_[static_cast<std::size_t>(seen)] = why;
        seen_.store(seen + 1, std::memory_order_release);
        errors_mutex_.unlock();
    }
    void abort_queues(const failure& why) noexcept {
        for (abortable* at = queues_; at != nullptr; at = at->next) at->abort(*at, why);
    }

    executor_ref where_ = inline_here;
    bool started_ = false;  // by whoever starts it
    abortable* queues_ = nullptr;
    typename Sync::template atomic<ending> outcome_{ending::running};
    typename Sync::template atomic<bool> closing_{false};
    typename Sync::template atomic<std::uint32_t> live_{0};
    typename Sync::template atomic<std::uint64_t> seen_{0};  // written under errors_mutex_
    typename Sync::mutex errors_mutex_;
    std::array<failure, MaxErrors> errors_{};  // written under errors_mutex_
    one_event<Sync> ended_;
};

}
PLATEAU_NAMESPACE_END
