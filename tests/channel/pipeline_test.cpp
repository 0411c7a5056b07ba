// SPDX-License-Identifier: MIT
// The pipeline on an executor that is turned by hand: every end, at every step.
#include "channel/pipeline_checks.hpp"
#include "channel/turn_loop.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"
#include "tools/proof.hpp"
#include "tools/random.hpp"

#include <plateau/channel.hpp>
#include <plateau/literals.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace plateau_test;
using namespace plateau_test::pipelines;
using namespace plateau::literals;

namespace {

/// Bounds and workers that make stages wait in different ways.
std::vector<shape> shapes() {
    std::vector<shape> all;
    for (const std::size_t bound : {2U, 3U, 7U})
        for (const unsigned workers : {1U, 2U, 4U}) all.push_back({.max_items = bound, .workers = workers});
    return all;
}

template <class Policies>
void every_shape_in_order() {
    for (const shape& of : shapes())
        passes([&](shared_check& check) { items_leave_in_order<Policies>(check, of, nullptr); });
}

template <class Policies>
void every_failure() {
    for (const shape& at : shapes()) {
        for (int place = 0; place <= 4; ++place) {
            for (const int with : {0, 1, 5, 11}) {
                shape of = at;
                of.fails_at = place;
                of.fails_with = with;
                passes([&](shared_check& check) { an_error_ends_everything<Policies>(check, of, nullptr); });
            }
        }
    }
}

template <class Policies>
void every_stop() {
    for (const shape& of : shapes())
        for (std::size_t turns = 0;; ++turns) {
            bool running = false;
            passes([&](shared_check& check) { running = a_stop_ends_everything<Policies>(check, of, turns, nullptr); });
            if (!running) break;
        }
}

}  // namespace

TEST_CASE("items leave a pipeline in the order in which they came", "[channel][unit]") {
    every_shape_in_order<plateau::pipeline_policies>();
    every_shape_in_order<shrunk>();
}

TEST_CASE("an error at any place and item ends every stage and destroys what is in flight", "[channel][unit]") {
    every_failure<plateau::pipeline_policies>();
    every_failure<shrunk>();
}

TEST_CASE("a stop at any turn ends every stage and destroys what is in flight", "[channel][unit]") {
    every_stop<plateau::pipeline_policies>();
    every_stop<shrunk>();
}

TEST_CASE("a stop before the start lets nothing run", "[channel][unit]") {
    turn_loop loop;
    int asked = 0;
    plateau::pipeline job{[&]() -> std::optional<int> { return ++asked; }, [](int) {}};
    job.stop();
    job.start(loop);
    loop.run();
    CHECK(job.wait().reason() == plateau::pipeline_reason::cancelled);
    CHECK(asked == 0);
}

TEST_CASE("workers that end out of order pass on their items in order", "[channel][unit]") {
    random_source random("order of ends", 1);
    for (int i = 0; i < 20; ++i)
        passes([&](shared_check& check) { workers_keep_the_order<plateau::pipeline_policies>(check, &random); });
}

TEST_CASE("without order every item leaves once", "[channel][unit]") {
    for (shape of : shapes()) {
        of.ordered = false;
        random_source random("unordered");
        value_tally tally;
        std::vector<int> out;
        turn_loop loop(&random);
        auto job = tracked_job<shrunk>(of, tally, out);
        job->start(loop);
        loop.run();
        REQUIRE(job->wait());
        std::sort(out.begin(), out.end());
        CHECK(out == expected(of));
        CHECK(tally.live == 0);
    }
}

TEST_CASE("pipelines of any shape agree with a loop, whatever is run next", "[channel][model]") {
    random_source random("pipeline model");
    INFO(random_source::repeat());
    const std::uint64_t before = turn_loop::turns_of_this_run();
    for (std::uint64_t round = 0; round < 30'000 * proof_scale(); ++round) {
        shape of;
        of.max_items = 2 + random.below(8);
        of.workers = static_cast<unsigned>(1 + random.below(5));
        of.items = static_cast<int>(random.below(60));
        random_source order("order", random.next());
        const std::uint64_t kind = random.below(4);
        passes([&](shared_check& check) {
            if (kind == 0 && of.items > 1) {
                of.fails_at = static_cast<int>(random.below(5));
                of.fails_with = static_cast<int>(random.below(static_cast<std::uint64_t>(of.items)));
                if (of.fails_at == 4 || of.fails_at == 3) of.fails_with -= of.fails_with % 3 == 0 ? 0 : 1;
                if (of.fails_at == 4 && of.fails_with % 3 == 0)
                    of.fails_with += 1;  // thirds never reach the sink whole
                if (of.fails_with >= of.items) of.fails_at = 1, of.fails_with = 0;
                an_error_ends_everything<shrunk>(check, of, &order);
            } else if (kind == 1) {
                a_stop_ends_everything<plateau::pipeline_policies>(check, of, random.below(200), &order);
            } else if (kind == 2) {
                items_leave_in_order<shrunk>(check, of, &order);
            } else {
                items_leave_in_order<plateau::pipeline_policies>(check, of, &order);
            }
        });
    }
    proof_count("channel", "model operations", turn_loop::turns_of_this_run() - before);
}

TEST_CASE("what one item is made into is bounded", "[channel][unit]") {
    for (const unsigned workers : {1U, 3U})
        passes([&](shared_check& check) { one_to_many_is_bounded<plateau::pipeline_policies>(check, workers); });
}

TEST_CASE("an item heavier than the next queue ends the pipeline with an error", "[channel][unit]") {
    passes(an_item_too_heavy_fails<plateau::pipeline_policies>);
}

TEST_CASE("the first error stays the first, and later ones are kept beside it", "[channel][unit]") {
    passes(the_first_error_stays_first<plateau::pipeline_policies>);
}

TEST_CASE("more errors than are kept are counted", "[channel][unit]") {
    turn_loop loop;
    plateau::pipeline job{[n = 0]() mutable -> std::optional<int> { return n++; },
                          plateau::stage<int>([](int, plateau::emitter<int>& emit) {
                              for (int i = 0; i < 20; ++i) emit.fail(std::make_exception_ptr(stage_failed(i)));
                          }),
                          [](int) {}};
    job.start(loop);
    loop.run();
    CHECK(job.errors().size() == 8);
    CHECK(job.error() == job.errors().front());
    CHECK(job.stats().errors == 20);
    CHECK(wait_for(job).thrown == 0);
}

TEST_CASE("a closed pipeline finishes what its source gave", "[channel][unit]") {
    for (std::size_t turns = 0; turns < 40; ++turns) {
        passes([&](shared_check& check) { close_finishes<plateau::pipeline_policies>(check, turns); });
        passes([&](shared_check& check) { close_finishes<shrunk>(check, turns); });
    }
}

TEST_CASE("no queue of a pipeline exceeds its bound at any turn", "[channel][unit]") {
    for (const std::size_t bound : {1U, 2U, 5U}) {
        passes([&](shared_check& check) { bounds_hold_at_every_turn<shrunk>(check, bound); });
        passes([&](shared_check& check) { bounds_hold_at_every_turn<plateau::pipeline_policies>(check, bound); });
    }
}

TEST_CASE("a stage's own bounds are those of the queue before it", "[channel][unit]") {
    turn_loop loop;
    int given = 0;
    plateau::pipeline job{{.queue = {.max_items = 16}},
                          [&]() -> std::optional<int> { return given++; },
                          plateau::stage([](int i) { return i; }, {.queue = {.max_items = 3}}),
                          [](int) {}};
    job.start(loop);
    loop.turn();  // the sink, which was posted first; then the stage
    loop.turn();
    loop.turn();
    CHECK(given == 4);  // three queued, one in hand
    job.stop();
    loop.run();
    static_cast<void>(job.wait());
}

TEST_CASE("a pipeline allocates nothing while it runs", "[channel][alloc]") {
    turn_loop loop;
    std::uint64_t sum = 0;
    plateau::pipeline job{
        {.queue = {.max_items = 16}},
        [n = 0U]() mutable { return n < 10'000 ? std::optional(n++) : std::nullopt; },
        plateau::stage([](unsigned i) { return i; }, {.workers = 3}),
        plateau::stage([](unsigned i) { return i % 2 == 0 ? std::optional(i) : std::nullopt; }),
        plateau::stage<unsigned>([](unsigned i, plateau::emitter<unsigned>& out) { (void)out.push(i); }),
        [&](unsigned i) { sum += i; }};
    const new_scope witness;
    job.start(loop);
    loop.run();
    const bool well = static_cast<bool>(job.wait());
    const new_counts seen = witness.delta();
    CHECK(well);
    CHECK(sum == 5'000U * 4'999U);
    // One: the place of the one-to-many stage, when the next queue was full for the first time.
    CHECK(seen.calls <= 1);
    CHECK(seen.live_bytes <= static_cast<std::int64_t>(16 * sizeof(unsigned)));
}

TEST_CASE("a pipeline holds no more than its ceiling says", "[channel][alloc]") {
    const new_scope witness;
    std::int64_t peak = 0;
    {
        turn_loop loop;
        int n = 0;
        auto source = [&]() -> std::optional<std::string> {
            return n < 500 ? std::optional(std::string(static_cast<std::size_t>(n++ % 50) * 20, 'x')) : std::nullopt;
        };
        auto split = [](std::string s, plateau::emitter<std::string>& out) {
            for (std::size_t i = 0; i + 100 < s.size(); i += 100) (void)out.push(std::string(100, 'y'));
        };
        auto job = make<shrunk>({.queue = {.max_items = 32, .max_bytes = 4_KiB}}, source,
                                plateau::stage([](std::string s) { return s; }, {.workers = 3}),
                                plateau::stage<std::string>(split), [](const std::string&) {});
        const auto ceiling = static_cast<std::int64_t>(job->memory_ceiling());
        CHECK(job->memory_ceiling() != plateau::unlimited);
        job->start(loop);
        bool within = true;
        while (loop.turn()) {
            const std::int64_t held = witness.delta().live_bytes;
            peak = std::max(peak, held);
            within = within && held <= ceiling;
        }
        CHECK(within);
        CHECK(job->wait());
    }
    CHECK(peak > 4'096);
    const new_counts left = witness.delta();
    CHECK(left.live_bytes == 0);
}

TEST_CASE("an unbounded dimension makes a pipeline's ceiling unlimited", "[channel][unit]") {
    plateau::pipeline strings{[]() -> std::optional<std::string> { return std::nullopt; }, [](const std::string&) {}};
    CHECK(strings.memory_ceiling() == plateau::unlimited);
    plateau::pipeline numbers{[]() -> std::optional<int> { return std::nullopt; }, [](int) {}};
    CHECK(numbers.memory_ceiling() != plateau::unlimited);
    // Itself with the queue in it, the slots, and the item that each of source and sink may hold beside.
    const std::size_t slots = plateau::queue_options{}.max_items * plateau::bounded_queue<int>::item_overhead;
    CHECK(numbers.memory_ceiling() == sizeof(numbers) + slots + 3 * sizeof(int));
}

TEST_CASE("senseless options of a pipeline are refused", "[channel][unit]") {
    const auto none = []() -> std::optional<int> { return std::nullopt; };
    const auto sink = [](int) {};
    CHECK_THROWS_AS((plateau::pipeline{{.queue = {.max_items = 0}}, none, sink}), std::invalid_argument);
    CHECK_THROWS_AS((plateau::pipeline{none, plateau::stage([](int i) { return i; }, {.workers = 0}), sink}),
                    std::invalid_argument);
}

TEST_CASE("misuse of a pipeline ends the process with a sentence", "[channel][unit]") {
    const auto none = []() -> std::optional<int> { return std::nullopt; };
    CHECK(dies([&] {
              turn_loop loop;
              plateau::pipeline job{none, [](int) {}};
              job.start(loop);
              job.start(loop);
          }).says("started twice"));
    CHECK(dies([&] {
              plateau::pipeline job{none, [](int) {}};
              job.start(plateau::inline_here);
          }).says("queues what is posted"));
    CHECK(dies([&] {
              plateau::pipeline job{none, [](int) {}};
              static_cast<void>(job.wait());
          }).says("not started"));
    CHECK(dies([&] {
              plateau::worker_pool pool{{.threads = 1}};
              plateau::pipeline job{[n = 0]() mutable -> std::optional<int> { return n++; }, [](int) {}};
              job.start(pool);
              static_cast<void>(pool.submit([&] { static_cast<void>(job.wait()); }));
              static_cast<void>(job.wait());
          }).says("waited for on a thread of its executor"));
}

TEST_CASE("run brings its own threads and rethrows when all has ended", "[channel][unit]") {
    for (const unsigned workers : {1U, 4U}) {
        for (int place = -1; place <= 4; ++place) {
            shape of{.max_items = 2, .workers = workers, .items = 2'000, .fails_at = place, .fails_with = 1'000};
            value_tally tally;
            std::vector<int> out;
            auto job = tracked_job<plateau::pipeline_policies>(of, tally, out);
            ended how;
            try {
                how.ok = static_cast<bool>(job->run());
            } catch (const stage_failed& first) {
                how.thrown = first.place;
            }
            CHECK(tally.live == 0);
            CHECK(tally.corrupt == 0);
            CHECK(how.thrown == place);
            if (place < 0) CHECK(out == expected(of));
        }
    }
}

TEST_CASE("a stop token ends a run", "[channel][unit]") {
    plateau::inplace_stop_source stop;
    std::atomic<int> given{0};
    value_tally tally;
    plateau::pipeline job{{.queue = {.max_items = 4}},
                          [&]() -> std::optional<counting_value> {
                              if (given.fetch_add(1) == 1'000) stop.request_stop();
                              return std::optional<counting_value>(std::in_place, tally, 1);
                          },
                          plateau::stage([](counting_value v) { return v; }, {.workers = 2}),
                          [](const counting_value&) {}};
    CHECK(job.run(stop.get_token()).reason() == plateau::pipeline_reason::cancelled);
    CHECK(tally.live == 0);
}

TEST_CASE("the end of a pipeline stops it and waits", "[channel][unit]") {
    value_tally tally;
    plateau::worker_pool pool{{.threads = 2}};
    for (int round = 0; round < 200; ++round) {
        plateau::pipeline job{{.queue = {.max_items = 4}},
                              [&]() { return std::optional<counting_value>(std::in_place, tally, 1); },
                              plateau::stage([](counting_value v) { return v; }, {.workers = 2, .ordered = false}),
                              [](const counting_value&) {}};
        job.start(pool);
    }
    CHECK(tally.live == 0);
    CHECK(tally.corrupt == 0);
}

TEST_CASE("several pipelines share a pool of one thread", "[channel][unit]") {
    plateau::worker_pool pool{{.threads = 1}};
    std::vector<int> sums(3);
    const auto make_job = [&](std::size_t i) {
        return make<plateau::pipeline_policies>(
            {.queue = {.max_items = 2}}, [n = 0]() mutable { return n < 1'000 ? std::optional(n++) : std::nullopt; },
            plateau::stage([](int n) { return n; }, {.workers = 2}), [&, i](int n) { sums[i] += n; });
    };
    auto a = make_job(0), b = make_job(1), c = make_job(2);
    a->start(pool);
    b->start(pool);
    c->start(pool);
    CHECK((a->wait() && b->wait() && c->wait()));
    for (const int sum : sums) CHECK(sum == 499'500);
}
