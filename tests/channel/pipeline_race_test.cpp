// SPDX-License-Identifier: MIT
// Pipelines and streams on real threads, while others look at them, stop them and close them.
#include "channel/pipeline_checks.hpp"
#include "channel/stream_checks.hpp"
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/channel/pipeline.hpp>
#include <plateau/channel/stream_bytes.hpp>
#include <plateau/channel/worker_pool.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

using namespace plateau_test;
using namespace plateau_test::pipelines;

TEST_CASE("pipelines that share a pool end with nothing alive, however they are stopped", "[channel][race]") {
    race_for("channel", "pipeline", [](std::uint64_t round) {
        const auto tally = std::make_unique<value_tally>();
        const auto pool = std::make_unique<plateau::worker_pool>(plateau::worker_pool_options{.threads = 3});
        std::atomic<int> odd{0};
        const auto job_of = [&](unsigned workers) {
            auto source = [tally = tally.get(), n = 0]() mutable -> std::optional<counting_value> {
                if (n == 60) return std::nullopt;
                return std::optional<counting_value>(std::in_place, *tally, n++);
            };
            const bool fails = round % 4 == 1;
            auto map = [fails](counting_value v) {
                if (fails && v.number() == 40) throw stage_failed(1);
                return v;
            };
            auto twice = [](counting_value v, plateau::emitter<counting_value>& out) {
                if (out.push(counting_value(v.tally(), v.number()))) static_cast<void>(out.push(std::move(v)));
            };
            auto sink = [&odd, last = -1](counting_value v) mutable {
                if (v.number() < last) odd.fetch_add(1);
                last = v.number();
            };
            return make<shrunk>({.queue = {.max_items = 2 + round % 3}}, source,
                                plateau::stage(map, {.workers = workers, .ordered = true, .queue = {}}),
                                plateau::stage<counting_value>(twice), sink);
        };
        auto one = job_of(1), many = job_of(3);
        run_together(race_threads, [&](std::size_t i) {
            const auto& mine = i % 2 == 0 ? one : many;
            if (i < 2) {
                mine->start(*pool);
                static_cast<void>(wait_for(*mine));
            } else if (i < 4) {
                for (int n = 0; n < 20; ++n) static_cast<void>(mine->stats());
            } else if (i < 6) {
                if (round % 4 == 2) mine->stop();
            } else if (round % 4 == 3) {
                mine->close();
            }
        });
        REQUIRE(tally->live == 0);
        REQUIRE(tally->corrupt == 0);
        REQUIRE(odd == 0);
    });
}

TEST_CASE("streams that overlap on a shared pool carry their bytes", "[channel][race]") {
    race_for("channel", "stream_bytes", [](std::uint64_t round) {
        const auto pool = std::make_unique<plateau::worker_pool>(plateau::worker_pool_options{.threads = 2});
        std::atomic<std::size_t> wrong{0};
        run_together(race_threads, [&](std::size_t i) {
            random_source random("stream race", round * race_threads + i);
            shared_check check;
            streams::bytes_arrive_unchanged<plateau::stream_policies>(check, random, *pool);
            if (check.failed()) wrong.fetch_add(1);
        });
        REQUIRE(wrong == 0);
    });
}
