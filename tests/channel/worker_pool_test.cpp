// SPDX-License-Identifier: MIT
// The pool: bounded tasks, posted work, and an end that leaves nothing undone.
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"
#include "tools/new_witness.hpp"
#include "tools/threads.hpp"

#include <plateau/channel/one_event.hpp>
#include <plateau/channel/worker_pool.hpp>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;

namespace {

using event = plateau::detail::one_event<plateau::default_sync>;

struct by_hand : plateau::worker_pool_policies {
    using clock = plateau::manual_clock;
};
using pool_by_hand = plateau::basic_worker_pool<by_hand>;

/// Holds threads of a pool until it ends, or is told to let them go.
template <class Pool>
class held_threads {
public:
    held_threads(Pool& pool, unsigned threads) {
        for (unsigned i = 0; i < threads; ++i) {
            const auto hold = [this] {
                arrived_.fetch_add(1);
                go_.wait();
            };
            if (!pool.submit(hold)) std::terminate();
            while (arrived_.load() != i + 1) std::this_thread::yield();
        }
    }
    ~held_threads() { release(); }
    void release() {
        if (!go_.happened()) go_.happen();
    }

private:
    std::atomic<unsigned> arrived_{0};
    event go_;
};

struct counted_work : plateau::work_link {
    std::atomic<int>* runs = nullptr;
    [[nodiscard]] plateau::work as_work() noexcept {
        return {[](plateau::work_link& link) noexcept { static_cast<counted_work&>(link).runs->fetch_add(1); }, *this};
    }
};

}  // namespace

TEST_CASE("every task that was taken runs once, and every posted work", "[channel][unit]") {
    std::atomic<int> tasks{0}, works{0};
    constexpr int each = 2'000;
    std::vector<counted_work> posted(4 * each);
    {
        plateau::worker_pool pool{{.threads = 3, .max_tasks = 4}};
        run_together(4, [&](std::size_t i) {
            for (int n = 0; n < each; ++n) {
                if (!pool.submit([&] { tasks.fetch_add(1); })) std::terminate();
                counted_work& one = posted[i * each + static_cast<std::size_t>(n)];
                one.runs = &works;
                pool.post(one.as_work());
            }
        });
        CHECK(pool.stats().submitted == 4 * each);
        CHECK(pool.stats().posted == 4 * each);
    }
    CHECK(tasks == 4 * each);
    CHECK(works == 4 * each);
}

TEST_CASE("the end of a pool runs what is queued", "[channel][unit]") {
    std::atomic<int> runs{0};
    counted_work posted;
    posted.runs = &runs;
    {
        plateau::worker_pool pool{{.threads = 1, .max_tasks = 8}};
        held_threads held(pool, 1);
        for (int i = 0; i < 8; ++i) CHECK(pool.try_submit([&] { runs.fetch_add(1); }));
        pool.post(posted.as_work());
        CHECK(runs == 0);
    }
    CHECK(runs == 9);
}

TEST_CASE("a full pool refuses, and leaves the task with its caller", "[channel][unit]") {
    std::atomic<int> runs{0};
    plateau::manual_clock clock;
    pool_by_hand pool{{.threads = 1, .max_tasks = 2}, clock};
    held_threads held(pool, 1);
    CHECK(pool.try_submit([&] { runs.fetch_add(1); }));
    CHECK(pool.try_submit([&] { runs.fetch_add(1); }));
    auto task = [owned = std::make_unique<int>(7), &runs] { runs.fetch_add(*owned); };
    CHECK(pool.try_submit(std::move(task)).reason() == plateau::submit_reason::full);
    CHECK(pool.submit_until(std::move(task), clock.now()).reason() == plateau::submit_reason::timed_out);
    plateau::inplace_stop_source stop;
    stop.request_stop();
    CHECK(pool.submit(std::move(task), stop.get_token()).reason() == plateau::submit_reason::cancelled);
    CHECK(pool.stats().refused == 3);
    CHECK(pool.stats().tasks == 2);
    pool.check_invariants();
    held.release();
    CHECK(pool.submit(std::move(task)));
    while (pool.stats().completed != 4) std::this_thread::yield();
    CHECK(runs == 9);
}

TEST_CASE("a wait for room ends at its deadline, with its token, and when the pool is closed", "[channel][unit]") {
    plateau::manual_clock clock;
    plateau::inplace_stop_source stop;
    pool_by_hand pool{{.threads = 1, .max_tasks = 1}, clock};
    held_threads held(pool, 1);
    REQUIRE(pool.try_submit([] {}));
    std::optional<plateau::submit_reason> timed, cancelled, closed;
    std::atomic<int> left{3};
    std::thread late([&] { timed = pool.submit_for([] {}, 5s).reason(), left.fetch_sub(1); });
    std::thread stopped([&] { cancelled = pool.submit([] {}, stop.get_token()).reason(), left.fetch_sub(1); });
    std::thread ended([&] { closed = pool.submit([] {}).reason(), left.fetch_sub(1); });
    while (left.load() == 3) clock.advance(1s), std::this_thread::yield();
    stop.request_stop();
    while (left.load() == 2) std::this_thread::yield();
    pool.close();
    late.join();
    stopped.join();
    ended.join();
    CHECK(timed == plateau::submit_reason::timed_out);
    CHECK(cancelled == plateau::submit_reason::cancelled);
    CHECK(closed == plateau::submit_reason::closed);
    CHECK(pool.try_submit([] {}).reason() == plateau::submit_reason::closed);
}

TEST_CASE("a callback's submit is told when the task was taken, or the pool closed", "[channel][unit]") {
    std::atomic<int> runs{0}, told{0};
    plateau::submit_reason why{};
    auto task = [&] { runs.fetch_add(1); };
    auto late = [&] { runs.fetch_add(1); };
    plateau::waiter taken{[&](plateau::submit_result done) noexcept { told.fetch_add(done ? 1 : 100); }};
    plateau::waiter refused{[&](plateau::submit_result done) noexcept { why = done.reason(); }};
    {
        plateau::worker_pool pool{{.threads = 1, .max_tasks = 1}};
        held_threads held(pool, 1);
        REQUIRE(pool.try_submit([&] { runs.fetch_add(1); }));
        pool.submit_then(taken, task);
        CHECK(taken.waiting());
        held.release();
        while (told.load() == 0) std::this_thread::yield();
        held_threads again(pool, 1);
        REQUIRE(pool.submit([&] { runs.fetch_add(1); }));
        pool.submit_then(refused, late);
        pool.close();
        again.release();
    }
    CHECK(told == 1);
    CHECK(why == plateau::submit_reason::closed);
    CHECK(runs == 3);
}

TEST_CASE("a coroutine submits without blocking its loop", "[channel][unit]") {
    struct started {
        struct promise_type {
            started get_return_object() { return {}; }
            std::suspend_never initial_suspend() { return {}; }
            std::suspend_never final_suspend() noexcept { return {}; }
            void return_void() {}
            void unhandled_exception() { std::terminate(); }
        };
    };
    std::atomic<int> runs{0}, taken{0};
    {
        plateau::worker_pool pool{{.threads = 1, .max_tasks = 1}};
        const auto many = [&]() -> started {
            for (int i = 0; i < 100; ++i) {
                auto task = [&] { runs.fetch_add(1); };
                if (co_await pool.async_submit(std::move(task), pool)) taken.fetch_add(1);
            }
        };
        many();
        while (taken.load() != 100) std::this_thread::yield();
    }
    CHECK(runs == 100);
}

TEST_CASE("a task that throws is told to the handler, and others go on", "[channel][unit]") {
    std::atomic<int> failed{0}, runs{0};
    {
        plateau::worker_pool pool{{.threads = 2, .max_tasks = 4}, [&](std::exception_ptr what) noexcept {
                                      try {
                                          std::rethrow_exception(what);
                                      } catch (const std::runtime_error&) {
                                          failed.fetch_add(1);
                                      } catch (...) {}
                                  }};
        for (int i = 0; i < 100; ++i)
            REQUIRE(pool.submit([&, i] {
                if (i % 2 == 0) throw std::runtime_error("even");
                runs.fetch_add(1);
            }));
        while (pool.stats().completed != 100) std::this_thread::yield();
        CHECK(pool.stats().failed == 50);
    }
    CHECK(failed == 50);
    CHECK(runs == 50);
}

TEST_CASE("a task submits tasks; where it would have to wait for its own pool it is refused", "[channel][unit]") {
    std::atomic<int> runs{0};
    std::optional<plateau::submit_reason> inner;
    {
        plateau::worker_pool pool{{.threads = 1, .max_tasks = 1}};
        event done;
        REQUIRE(pool.submit([&] {
            if (!pool.submit([&] { runs.fetch_add(1); })) std::terminate();
            inner = pool.submit([&] { runs.fetch_add(1); }).reason();
            done.happen();
        }));
        done.wait();
    }
    CHECK(inner == plateau::submit_reason::full);
    CHECK(runs == 1);
}

TEST_CASE("a pool knows its own threads", "[channel][unit]") {
    plateau::worker_pool pool{{.threads = 2}}, other{{.threads = 1}};
    CHECK_FALSE(pool.runs_here());
    std::atomic<int> seen{0};
    event done;
    REQUIRE(pool.submit([&] {
        seen = (pool.runs_here() ? 1 : 0) + (other.runs_here() ? 2 : 0);
        done.happen();
    }));
    done.wait();
    CHECK(seen == 1);
    CHECK(plateau::executor_ref(other).runs_here() == false);
}

TEST_CASE("a pool holds what its ceiling says, and allocates nothing after its construction", "[channel][alloc]") {
    // A thread's own allocations are the C library's, and come before its first task.
    plateau::worker_pool pool{{.threads = 1, .max_tasks = 64}};
    std::atomic<int> runs{0};
    for (int i = 0; i < 64; ++i) REQUIRE(pool.submit([&] { runs.fetch_add(1); }));
    while (pool.stats().completed != 64) std::this_thread::yield();
    counted_work posted;
    posted.runs = &runs;
    const new_scope witness;
    bool all = true;
    for (int i = 0; i < 1'000; ++i) all = static_cast<bool>(pool.submit([&] { runs.fetch_add(1); })) && all;
    pool.post(posted.as_work());
    while (runs.load() != 64 + 1'001) std::this_thread::yield();
    const new_counts seen = witness.delta();
    CHECK(all);
    CHECK(seen.calls == 0);
}

TEST_CASE("plain functions are tasks, and hear of errors", "[channel][unit]") {
    static std::atomic<int> runs, errors;
    runs = errors = 0;
    struct plain {
        static void task() { runs.fetch_add(1); }
        static void failing() { throw std::runtime_error("heard"); }
        static void on_error(std::exception_ptr) noexcept { errors.fetch_add(1); }
    };
    {
        plateau::worker_pool pool{{.threads = 1}, plain::on_error};
        CHECK(pool.submit(plain::task));
        CHECK(pool.submit(&plain::task));
        CHECK(pool.submit_for(plain::failing, std::chrono::seconds(1)));
        while (!pool.try_submit(plain::task)) std::this_thread::yield();
    }
    CHECK(runs == 3);
    CHECK(errors == 1);
}

TEST_CASE("the construction of a pool that fails leaves nothing behind", "[channel][alloc]") {
    fault_table table("channel");
    const auto nothing = [] { return 0; };
    table.add(
        "worker_pool",
        sweep_faults(
            fault::operator_new, nothing,
            [](int&) {
                const plateau::worker_pool pool{{.threads = 2, .max_tasks = 4}, [](std::exception_ptr) noexcept {}};
            },
            [](int&, const sweep_step&) {}));
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}

TEST_CASE("senseless options of a pool are refused", "[channel][unit]") {
    CHECK_THROWS_AS((plateau::worker_pool{{.max_tasks = 0}}), std::invalid_argument);
    CHECK_THROWS_AS((plateau::worker_pool{{.threads = 100'000}}), std::invalid_argument);
    CHECK(plateau::worker_pool{}.threads() == plateau::default_sync::processors());
}

TEST_CASE("misuse of a pool ends the process", "[channel][unit]") {
    CHECK(dies([] {
              auto pool = std::make_unique<plateau::worker_pool>(plateau::worker_pool_options{.threads = 1});
              event never;
              static_cast<void>(pool->submit([&] { pool.reset(); }));
              never.wait();
          }).says("one of its own threads"));
    CHECK(dies([] {
              plateau::worker_pool pool{{.threads = 1}};
              event never;
              static_cast<void>(pool.submit([] { throw std::runtime_error("nobody hears this"); }));
              never.wait();
          }).signal == SIGABRT);
}

TEST_CASE("a pool's figures describe themselves", "[channel][unit]") {
    plateau::worker_pool pool{{.threads = 1}};
    std::size_t fields = 0;
    pool.stats().visit_fields([&](const plateau::field_info& field, std::uint64_t) {
        CHECK_FALSE(field.help.empty());
        ++fields;
    });
    CHECK(fields == 8);
    static_assert(plateau::described<plateau::worker_pool_stats>);
    CHECK(to_string(plateau::submit_reason::closed) == "closed");
}
