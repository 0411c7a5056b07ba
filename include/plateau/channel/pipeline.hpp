// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/emitter.hpp>
#include <plateau/channel/failure.hpp>
#include <plateau/channel/pipeline_chain.hpp>
#include <plateau/channel/pipeline_core.hpp>
#include <plateau/channel/queue_options.hpp>
#include <plateau/channel/queue_policies.hpp>
#include <plateau/channel/stage.hpp>
#include <plateau/channel/worker_pool.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/executor.hpp>
#include <plateau/fwd.hpp>
#include <plateau/result.hpp>
#include <plateau/stop.hpp>
#include <plateau/sync.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

struct pipeline_options {
    queue_options queue{};  ///< the bounds of each queue between two stages; a stage may have its own
};

/// Why a pipeline ended before its source did.
enum class pipeline_reason : unsigned char {
    none,
    cancelled,  ///< `stop`, or the stop token
    failed,     ///< a part of it threw, or failed; only where exceptions are off, else it is rethrown
};

[[nodiscard]] constexpr std::string_view to_string(pipeline_reason reason) noexcept {
    switch (reason) {
    case pipeline_reason::none:
        return "none";
    case pipeline_reason::cancelled:
        return "cancelled";
    case pipeline_reason::failed:
        return "failed";
    }
    return "unknown";
}

using pipeline_result = result<void, pipeline_reason>;

struct pipeline_policies {
    using queue = queue_policies;  ///< of the queues between the stages; its weigher is default-constructed
    using stats = counting;
    using sync = default_sync;  ///< the same as the queues'

    /// Internal constants, here so that tests can shrink them.
    static constexpr unsigned batch = 64;               ///< items a stage handles before it lets others run
    static constexpr std::size_t slots_per_worker = 2;  ///< items begun and not yet passed on, for each worker
    static constexpr std::size_t max_errors = 8;        ///< errors kept, the first ones
};

/// What a pipeline did (counters), and what its queues hold (gauges).
struct pipeline_stats {
    std::uint64_t sourced = 0;
    std::uint64_t delivered = 0;
    std::uint64_t errors = 0;
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;

    static constexpr std::string_view family = "pipeline";

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        constexpr auto gauge = field_kind::gauge;
        f(field_info{"sourced", "", "Items that the source gave.", counter}, sourced);
        f(field_info{"delivered", "", "Items that the sink took.", counter}, delivered);
        f(field_info{"errors", "", "Errors, the first included.", counter}, errors);
        f(field_info{"items", "", "Items queued between stages now.", gauge}, items);
        f(field_info{"charged", "bytes", "Bytes charged for the items queued now, where bytes are bounded.", gauge},
          bytes);
    }
};

/// A source, stages and a sink, with a bounded queue before each stage and before the sink.
///
///     plateau::pipeline job{{.queue = {.max_bytes = 1_MiB}}, read, plateau::stage(parse), write};
///     auto done = job.run();
///
/// Parts     source `() -> std::optional<T>`, empty at the end; stages in the forms of `stage`; sink `(T)`. Each item
///           is moved from one to the next. They are copied or moved in; what they refer to outlives the run.
/// Running   `start(executor)` drives the stages by `post`: no thread of ours, and no stage blocks the executor; one
///           that finds its queue empty, or the next one full, ends its turn and is posted again when that changes. A
///           stage never runs on two threads at a time, unless it has `workers`. `run` is the same on a worker_pool
///           of its own with a thread for each stage and worker, and waits.
/// Failure   the first exception out of a part, or `emitter::fail`, or an item heavier than the next queue ever holds,
///           ends the pipeline: every queue is aborted, each item in flight is destroyed exactly once, and when all has
///           ended the first error is rethrown; where exceptions are off the reason is `failed`. Errors that come while
///           it ends are kept beside (`errors()`, up to 8) and never take its place.
/// End       the source's end, or `close`, passes from stage to stage, each finishing what is queued. `stop`, or the
///           stop token, ends it as a failure does, without an error: `cancelled`. Whatever the end, nothing of the
///           pipeline runs any more, and no item of it is alive, when `run` or `wait` returns or throws: they wait for
///           a part that is in a call, and wake none; a source that may wait for long waits a little at a time, and
///           looks whether it is to end (fd_source). ~pipeline stops and waits; on its executor's own thread that is a
///           violation where the executor can tell.
///
/// I1  no queue exceeds its bounds; a stage holds at most one item more at each end, one with workers as many as twice
///     its workers, a one-to-many stage what one item was made into, up to one more bound of the next queue for each.
/// I2  with `ordered`, or one worker, items leave a stage in the order in which they came.
///
/// A pipeline runs once, and is neither copied nor moved. Steady state allocates nothing, but for a one-to-many stage
/// the first time that it must keep something.
/// Thread safety: `stop`, `close`, `stats` from any thread; `start` and `wait` by its owner. The executor queues what
/// is posted, runs all of it, and is there until the pipeline has ended.
template <class Policies, class... Parts>
class basic_pipeline {
    static_assert(sizeof...(Parts) >= 2, "plateau: a pipeline has a source and a sink");
    using core_type = typename detail::pipeline_types<Policies>::core;
    using ending = typename core_type::ending;

public:
    using options = pipeline_options;

    /// Throws: std::invalid_argument, std::bad_alloc, what moving the parts throws.
    explicit basic_pipeline(const pipeline_options& chosen, Parts... parts)
        : parts_(core_, chosen.queue, std::move(parts)...) {}
    explicit basic_pipeline(Parts... parts) : basic_pipeline(pipeline_options{}, std::move(parts)...) {}
    basic_pipeline(const basic_pipeline&) = delete;
    basic_pipeline& operator=(const basic_pipeline&) = delete;
    ~basic_pipeline() {
        if (!core_.started()) return;
        core_.stop();
        core_.wait();
    }

    /// Effects: `start` on threads of its own, and `wait`. Blocks: until the pipeline has ended, or `stop` ended it.
    /// Throws: the first error; std::system_error where there are no threads to be had, and then nothing was started.
    template <stoppable_token Token = never_stop_token>
    pipeline_result run(const Token& stop = {}) {
        {
            basic_worker_pool<pool_policies> pool{{.threads = parts_.threads(), .max_tasks = 1}};
            start(pool);
            if constexpr (std::is_same_v<Token, never_stop_token>) {
                core_.wait();
            } else {
                const auto on_stop = [this]() noexcept { core_.stop(); };
                const stop_callback_for_t<Token, decltype(on_stop)> told(stop, on_stop);
                core_.wait();
            }
        }
        return wait();
    }

    /// Effects: the stages run on `where` from now on. Blocks: never.
    template <executor E>
    void start(E& where) noexcept {
        core_.begin(executor_ref(where), parts_type::actors);
        parts_.begin();
        core_.leave();
    }
    /// Blocks: until the pipeline has ended. Returns: whether its source ended it, or why not. Throws: the first error.
    pipeline_result wait() {
        core_.wait();
        if (core_.outcome() == ending::cancelled) return pipeline_reason::cancelled;
        if (core_.outcome() == ending::done) return {};
#if PLATEAU_EXCEPTIONS
        std::rethrow_exception(core_.errors().front());
#else
        return pipeline_reason::failed;
#endif
    }

    /// Effects: ends it now: what is in flight is destroyed. Before `start`: it will end without having run.
    void stop() noexcept { core_.stop(); }
    /// Effects: the source is not asked again; what it gave is finished.
    void close() noexcept { core_.close(); }

    /// The first error, or none; after the end.
    [[nodiscard]] failure error() const noexcept { return errors().empty() ? failure() : errors().front(); }
    /// All errors, the first one first; after the end.
    [[nodiscard]] std::span<const failure> errors() const noexcept PLATEAU_LIFETIMEBOUND { return core_.errors(); }

    [[nodiscard]] pipeline_stats stats() const noexcept {
        pipeline_stats now;
        now.sourced = parts_.sourced();
        now.delivered = parts_.delivered();
        now.errors = core_.errors_seen();
        parts_.each_queue([&](const auto& queue) noexcept {
            const queue_stats one = queue.stats();
            now.items += one.items;
            now.bytes += one.bytes;
        });
        return now;
    }
    /// The pipeline itself, what its queues may hold, and what the stages may hold beside them. What the functions hold
    /// elsewhere is their own; threads are those of the executor. `unlimited` where a queue's is.
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        return detail::saturating_add(sizeof(*this), parts_.ceiling());
    }
    /// For tests, while nothing of it runs.
    void check_invariants() const noexcept {
        parts_.each_queue([](const auto& queue) noexcept { queue.check_invariants(); });
    }

private:
    using parts_type = detail::pipeline_parts<Policies, Parts...>;
    struct pool_policies : worker_pool_policies {
        using sync = typename Policies::sync;
        using stats = bare;
    };

    core_type core_;
    parts_type parts_;
};

/// `basic_pipeline` with the default policies, its parts deduced.
template <class... Parts>
class pipeline : public basic_pipeline<pipeline_policies, Parts...> {
public:
    explicit pipeline(const pipeline_options& chosen, Parts... parts)
        : basic_pipeline<pipeline_policies, Parts...>(chosen, std::move(parts)...) {}
    explicit pipeline(Parts... parts) : basic_pipeline<pipeline_policies, Parts...>(std::move(parts)...) {}
};

template <class... Parts>
pipeline(pipeline_options, Parts...) -> pipeline<Parts...>;
template <class... Parts>
    requires(sizeof...(Parts) >= 2 && (!std::is_same_v<Parts, pipeline_options> && ...))
pipeline(Parts...)
->pipeline<Parts...>;

PLATEAU_NAMESPACE_END
