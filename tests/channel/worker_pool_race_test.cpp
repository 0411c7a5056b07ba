// SPDX-License-Identifier: MIT
// Threads that use a pool while it ends.
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/channel/worker_pool.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

using namespace plateau_test;

namespace {

/// Posted work that counts its runs.
struct counted_work : plateau::work_link {
    std::atomic<int>* runs = nullptr;
    [[nodiscard]] plateau::work as_work() noexcept {
        return {[](plateau::work_link& link) noexcept { static_cast<counted_work&>(link).runs->fetch_add(1); }, *this};
    }
};

}  // namespace

TEST_CASE("threads that submit, post, close and end a pool lose no task", "[channel][race]") {
    race_for("channel", "worker_pool", [](std::uint64_t round) {
        std::atomic<int> taken{0}, runs{0};
        {
            auto pool = std::make_unique<plateau::worker_pool>(plateau::worker_pool_options{
                .threads = 1 + static_cast<unsigned>(round % 3), .max_tasks = 1 + round % 4});
            std::vector<counted_work> posted(race_threads);
            run_together(race_threads, [&](std::size_t i) {
                posted[i].runs = &runs;
                for (int n = 0; n < 20; ++n) {
                    if (i == 0 && n == 15 && round % 2 == 0) pool->close();
                    const auto task = [&] { runs.fetch_add(1); };
                    const auto done = n % 2 == 0 ? pool->submit(task) : pool->try_submit(task);
                    if (done) taken.fetch_add(1);
                }
                pool->post(posted[i].as_work());
                taken.fetch_add(1);
            });
            pool.reset();
        }
        REQUIRE(taken == runs);
    });
}
