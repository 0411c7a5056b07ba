// SPDX-License-Identifier: MIT
/// Scenarios of the pool's parts, of an overlapping stream and of the pipeline, for the explorer. A defect is another
/// sync or another policies struct.
#pragma once

#include "tools/explorer/explore.hpp"

#include <plateau/channel/byte_relay.hpp>
#include <plateau/channel/one_event.hpp>
#include <plateau/channel/pipeline.hpp>
#include <plateau/channel/place_stack.hpp>
#include <plateau/channel/run_queue.hpp>
#include <plateau/channel/stream_bytes.hpp>
#include <plateau/channel/worker_pool.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>

namespace plateau_test::channel_scenes {

/// An executor whose threads are the scene's.
template <class Sync>
struct explored_executor {
    plateau::detail::run_queue<Sync> queue;
    void post(plateau::work what) noexcept { queue.post(what); }
    void serve() {
        while (plateau::work_link* const one = queue.next()) plateau::work(*one->run, *one)();
    }
};

struct counted_job : plateau::work_link {
    explored_atomic<int> runs{0};
    [[nodiscard]] plateau::work as_work() noexcept {
        return {[](plateau::work_link& link) noexcept { static_cast<counted_job&>(link).runs.fetch_add(1); }, *this};
    }
};

/// Two post while two wait; whoever saw everything run closes, and ends the queue when the waiting have left.
template <class Sync>
void posted_work_runs_once(scene& s) {
    auto executor = std::make_unique<explored_executor<Sync>>();
    std::array<counted_job, 3> jobs;
    explored_atomic<int> posted{0};
    s.thread("worker", [&] { executor->serve(); });
    s.thread("other worker", [&] { executor->serve(); });
    s.thread("poster", [&] {
        executor->post(jobs[0].as_work());
        executor->post(jobs[1].as_work());
        if (posted.fetch_add(1) == 1) executor->queue.close();
    });
    s.thread("other poster", [&] {
        executor->post(jobs[2].as_work());
        if (posted.fetch_add(1) == 1) executor->queue.close();
    });
    s.run();
    for (counted_job& job : jobs) s.check(job.runs == 1, "posted work runs once");
    s.check(executor->queue.length() == 0, "a closed queue was left with work");
}

/// Two take two places each and give the first back first: nobody gets what another has.
template <class Sync>
void a_place_has_one_owner(scene& s) {
    using places = plateau::detail::place_stack<Sync>;
    places free(3);
    std::array<explored_value<int>, 3> contents{0, 0, 0};  // of a place: its owner's alone
    std::array<explored_atomic<int>, 3> owners{0, 0, 0};
    const auto take = [&] {
        const std::uint32_t place = free.take();
        if (place == places::none) return place;
        s.check(owners[place].fetch_add(1) == 0, "a place was taken twice");
        contents[place] = contents[place] + 1;
        return place;
    };
    const auto give = [&](std::uint32_t place) {
        if (place == places::none) return;
        contents[place] = contents[place] + 1;
        owners[place].fetch_sub(1);
        static_cast<void>(free.give(place));
    };
    const auto work = [&] {
        const std::uint32_t first = take();
        const std::uint32_t second = take();
        give(first);
        give(second);
    };
    s.thread("taker", work);
    s.thread("other taker", work);
    s.run();
    s.check(free.count() == 3, "a place got lost");
}

/// Whoever has seen the event ends it.
template <class Sync>
void an_event_ends_with_its_waiter(scene& s) {
    auto event = std::make_unique<plateau::detail::one_event<Sync>>();
    explored_value<int> before{0};
    int seen = 0;
    auto* const told = event.get();
    s.thread("teller", [&, told] {
        before = 1;
        told->happen();
    });
    s.thread("waiter", [&] {
        event->wait();
        seen = before;
        event.reset();
    });
    s.run();
    s.check(seen == 1, "what came before the event is seen after it");
}

enum class overlap : unsigned char { ends, source_throws, sink_goes, stopped };

/// A source on an executor, and a sink that takes byte by byte, through a ring of two; and somebody who stops it. What
/// source and sink work on is the caller's again when the transfer has ended.
template <class Policies, overlap How>
void source_and_sink_overlap(scene& s) {
    using sync = typename Policies::sync;
    constexpr bool throws = How == overlap::source_throws;
    explored_executor<sync> executor;
    plateau::basic_inplace_stop_source<sync> stop;
    explored_value<int> given{0};
    int taken = 0;
    bool right = true, thrown = false;
    auto why = plateau::stream_reason::timed_out;
    s.thread("reader", [&] { executor.serve(); });
    s.thread("writer", [&] {
        const auto source = [&](std::span<std::byte> room) -> std::ptrdiff_t {
            if (given == 3) return 0;
            if (throws && given == 2) throw std::runtime_error("source");
            room[0] = static_cast<std::byte>(++given.write());
            return 1;
        };
        const auto sink = [&](std::span<const std::byte> bytes) -> std::ptrdiff_t {
            if (How == overlap::sink_goes && taken == 1) return -1;
            right = right && bytes[0] == static_cast<std::byte>(++taken);
            return 1;
        };
        const plateau::stream_options bounds{.high_water_bytes = 2, .low_water_bytes = 1};
        try {
            if constexpr (How == overlap::stopped)
                why = plateau::stream_bytes<Policies>(source, sink, bounds, stop.get_token(), executor).reason();
            else
                why = plateau::stream_bytes<Policies>(source, sink, bounds, plateau::never_stop_token{}, executor)
                          .reason();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        given = 0;
        executor.queue.close();
    });
    if (How == overlap::stopped) s.thread("stopper", [&] { stop.request_stop(); });
    s.run();
    const bool all = why == plateau::stream_reason::none && taken == 3;
    s.check(right, "bytes arrive in order");
    if (How == overlap::ends || How == overlap::source_throws)
        s.check(throws ? thrown : all, "the transfer ends as its source does");
    if (How == overlap::sink_goes) s.check(why == plateau::stream_reason::sink_gone, "the transfer ends with its sink");
    if (How == overlap::stopped)
        s.check(all || why == plateau::stream_reason::cancelled, "a stopped transfer ends, or had ended");
}

/// A value that counts its lives in the scene, and may be in one thread's hands at a time.
class explored_item {
public:
    explored_item(explored_atomic<int>& alive, int number) noexcept : alive_(&alive), number_(number) {
        alive_->fetch_add(1);
    }
    explored_item(explored_item&& other) noexcept : alive_(other.alive_), number_(other.number_.read()) {
        alive_->fetch_add(1);
    }
    ~explored_item() { alive_->fetch_sub(1); }
    [[nodiscard]] int number() const { return number_; }

private:
    explored_atomic<int>* alive_;
    explored_value<int> number_;
};
inline std::size_t owned_bytes(const explored_item&) noexcept { return 0; }

struct explored_pipeline : plateau::pipeline_policies {
    struct queue : plateau::queue_policies {
        using sync = explored_sync;
        using stats = plateau::bare;
    };
    using sync = explored_sync;
    using stats = plateau::bare;
    static constexpr unsigned batch = 1;
    static constexpr std::size_t slots_per_worker = 1;
};

enum class meets : unsigned char { nothing, stop, stop_by_another, failure, failure_and_stop, close_by_another };

constexpr bool by_another(meets what) noexcept {
    return what == meets::stop_by_another || what == meets::failure_and_stop || what == meets::close_by_another;
}

/// `Items` through a map of `Workers` workers, on two threads; the owner ends the pipeline as soon as it has waited.
/// One that another stops, or closes, runs on one thread, and lasts until that has been done.
template <class Policies, unsigned Workers, int Items, meets Meets>
void a_pipeline_ends(scene& s) {
    using sync = typename Policies::sync;
    explored_executor<sync> executor;
    explored_atomic<int> alive{0};
    int next = 0, sum = 0, left_alive = -1;
    bool well = false, cancelled = false, failed = false;
    const auto source = [&]() -> std::optional<explored_item> {
        if (next == Items) return std::nullopt;
        return std::optional<explored_item>(std::in_place, alive, ++next);
    };
    const auto map = [](explored_item item) {
        if ((Meets == meets::failure || Meets == meets::failure_and_stop) && item.number() == Items)
            throw std::runtime_error("stage");
        return item;
    };
    const auto sink = [&](explored_item item) { sum = 10 * sum + item.number(); };
    const auto make = [&] {
        if constexpr (Workers == 0) {
            return std::make_unique<plateau::basic_pipeline<Policies, decltype(source), decltype(sink)>>(
                plateau::pipeline_options{.queue = {.max_items = 1}}, source, sink);
        } else {
            auto stage = plateau::stage(map, {.workers = Workers, .ordered = true, .queue = {}});
            return std::make_unique<
                plateau::basic_pipeline<Policies, decltype(source), decltype(stage), decltype(sink)>>(
                plateau::pipeline_options{.queue = {.max_items = 1}}, source, stage, sink);
        }
    };
    auto job = make();
    s.thread("worker", [&] { executor.serve(); });
    if (!by_another(Meets)) s.thread("other worker", [&] { executor.serve(); });
    s.thread("owner", [&] {
        job->start(executor);
        if (Meets == meets::stop) job->stop();
        try {
            const auto done = job->wait();
            well = static_cast<bool>(done);
            cancelled = done.reason() == plateau::pipeline_reason::cancelled;
        } catch (const std::runtime_error&) {
            failed = true;
        }
        left_alive = alive.load();
        if (!by_another(Meets)) job.reset();
        executor.queue.close();
    });
    if (Meets == meets::close_by_another) s.thread("closer", [&] { job->close(); });
    else if (by_another(Meets)) s.thread("stopper", [&] { job->stop(); });
    s.run();
    int all = 0;
    for (int i = 1; i <= Items; ++i) all = 10 * all + i;
    s.check(left_alive == 0, "items are alive when the wait is over");
    if (Meets == meets::nothing) s.check(well && sum == all, "every item is delivered, in order");
    if (Meets == meets::stop || Meets == meets::stop_by_another)
        s.check(cancelled || (well && sum == all), "a stopped pipeline ends");
    if (Meets == meets::failure) s.check(failed && sum != all, "the first error is rethrown");
    if (Meets == meets::failure_and_stop)
        s.check(failed != cancelled && sum != all,
                "a pipeline that failed and was stopped ends as the first of the two");
    if (Meets == meets::close_by_another) {
        int delivered = 0;
        for (int i = 1; i <= Items && delivered != sum; ++i) delivered = 10 * delivered + i;
        s.check(well && delivered == sum, "what a closed pipeline has taken in is delivered, in order");
    }
}

// ---- the pool itself, on threads of the scene

/// Stands in for a thread: what it would run is run by a thread of the scene.
class scene_thread {
public:
    struct body {
        virtual ~body() = default;
        virtual void run() noexcept = 0;
        plateau::detail::one_event<explored_sync> over;
    };
    static inline body* made = nullptr;  // the last one; a pool of one thread

    scene_thread() = default;
    template <class F>
    explicit scene_thread(F f) {
        struct holder final : body {
            explicit holder(F what) : function(what) {}
            void run() noexcept override {
                function();
                this->over.happen();
            }
            F function;
        };
        made = new holder(f);
    }
    static void join() {
        made->over.wait();
        delete made;
    }
};

struct explored_pool : plateau::worker_pool_policies {
    using sync = explored_sync;
    using thread = scene_thread;
    using stats = plateau::bare;
};

/// Two submit to a pool with one place, one of them until it is closed; the end runs what was taken.
template <class Policies>
void what_a_pool_takes_it_runs(scene& s) {
    auto pool = std::make_unique<plateau::basic_worker_pool<Policies>>(
        plateau::worker_pool_options{.threads = 1, .max_tasks = 1});
    auto* const worker = scene_thread::made;
    explored_atomic<int> taken{0}, runs{0}, left{2};
    const auto submit_twice = [&] {
        for (int i = 0; i < 2; ++i) {
            if (pool->submit([&] { runs.fetch_add(1); })) taken.fetch_add(1);
        }
        if (left.fetch_sub(1) == 1) pool.reset();
    };
    s.thread("worker", [worker] { worker->run(); });
    s.thread("caller", submit_twice);
    s.thread("other caller", [&] {
        if (pool->submit([&] { runs.fetch_add(1); })) taken.fetch_add(1);
        pool->close();
        if (left.fetch_sub(1) == 1) pool.reset();
    });
    s.run();
    s.check(taken == runs, "every task that was taken runs");
    s.check(runs >= 1, "a pool that was not closed takes tasks");
}

/// A callback waits for a place when the pool ends, and is given one by the task that leaves, or told.
template <class Policies>
void a_pool_ends_beside_who_waits(scene& s) {
    auto pool = std::make_unique<plateau::basic_worker_pool<Policies>>(
        plateau::worker_pool_options{.threads = 1, .max_tasks = 1});
    auto* const worker = scene_thread::made;
    explored_atomic<int> taken{0}, told{0}, runs{0};
    auto task = [&] { runs.fetch_add(1); };
    auto other = task;
    const auto answer = [&](plateau::submit_result got) noexcept {
        told.fetch_add(1);
        if (got) taken.fetch_add(1);
        else explore_check(got.reason() == plateau::submit_reason::closed, "who waits is told of the end");
    };
    plateau::waiter<decltype(answer), typename Policies::sync> node(answer);
    if (pool->try_submit(task)) taken.fetch_add(1);
    pool->submit_then(node, other);
    s.thread("worker", [worker] { worker->run(); });
    s.thread("ends", [&] { pool.reset(); });
    s.run();
    s.check(told == 1, "a callback runs exactly once");
    s.check(taken == runs && runs >= 1, "every task that was taken runs");
}

}  // namespace plateau_test::channel_scenes
