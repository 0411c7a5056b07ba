// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/watch/ledger.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

using namespace plateau_test;

TEST_CASE("eight threads on one account never exceed its budget and end at the exact sum", "[watch][race]") {
    race_for("watch", "ledger", [](std::uint64_t) {
        constexpr std::size_t budget = 1'000;
        const auto books = std::make_unique<plateau::ledger>(plateau::ledger_options{.max_accounts = 1});
        const auto shared = books->open("shared", {.max_bytes = budget});
        const auto held = std::make_unique<std::atomic<std::size_t>>(0);  // by those who were granted, told afterwards
        const auto over = std::make_unique<std::atomic<int>>(0);
        std::array<std::uint64_t, race_threads> refused{};
        run_together(race_threads, [&](std::size_t self) {
            for (int i = 0; i < 10'000; ++i) {
                const std::size_t bytes = 1 + (self * 131 + static_cast<std::size_t>(i) * 17) % 300;
                if (!shared.try_charge(bytes)) {
                    ++refused[self];
                    continue;
                }
                // Counted after the grant and uncounted before the refund: never more than what the account holds.
                if (held->fetch_add(bytes) + bytes > budget) over->fetch_add(1);
                if (shared.bytes() > budget) over->fetch_add(1);
                held->fetch_sub(bytes);
                shared.refund(bytes);
            }
        });
        std::uint64_t refusals = 0;
        for (const auto count : refused) refusals += count;
        REQUIRE(over->load() == 0);
        REQUIRE(shared.bytes() == 0);
        REQUIRE(shared.stats().refused == refusals);
        REQUIRE(shared.stats().peak_bytes <= budget);
        REQUIRE(shared.stats().peak_bytes >= 300);
        books->check_invariants();
    });
}

TEST_CASE("what eight threads charge and keep is there to the byte", "[watch][race]") {
    const auto books = std::make_unique<plateau::ledger>();
    const auto log = books->open("log");
    run_together(8, [&](std::size_t self) {
        for (std::size_t i = 0; i < 10'000; ++i) {
            log.charge(self + 2);
            log.refund(1);
        }
    });
    CHECK(log.bytes() == 10'000 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8));
    CHECK(log.stats().peak_bytes >= log.bytes());
    log.refund(log.bytes());
}

TEST_CASE("names opened by eight threads at once are one account each, and snapshots see whole rows", "[watch][race]") {
    for (int round = 0; round < 50; ++round) {
        const auto books = std::make_unique<plateau::ledger>(plateau::ledger_options{.max_accounts = 16});
        const auto torn = std::make_unique<std::atomic<int>>(0);
        run_together(8, [&](std::size_t self) {
            for (std::size_t i = 0; i < 24; ++i) {
                const std::size_t which = (i + self * 3) % 24;
                const std::string name = "component " + std::to_string(which);
                const auto opened = books->open(name, {.max_bytes = 1'000 + which});
                opened.charge(1);
                if (opened.name() == "other") continue;
                if (opened.name() != name || opened.max_bytes() != 1'000 + which) torn->fetch_add(1);
                const auto seen = books->snapshot();
                for (const auto& row : seen.rows()) {
                    if (row.name() != "other" && row.name().substr(0, 10) != "component ") torn->fetch_add(1);
                }
            }
        });
        CHECK(torn->load() == 0);
        CHECK(books->stats().accounts == 16);
        CHECK(books->stats().bytes == 8 * 24);
        books->check_invariants();
    }
}
