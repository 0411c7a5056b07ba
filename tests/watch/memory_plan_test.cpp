// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/new_witness.hpp"

#include <plateau/literals.hpp>
#include <plateau/watch/ledger.hpp>
#include <plateau/watch/memory_plan.hpp>
#include <plateau/watch/memory_sampler.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

using namespace plateau_test;
using namespace plateau::literals;

namespace {

struct part {
    std::size_t ceiling;
    std::size_t memory_ceiling() const noexcept { return ceiling; }
};

struct door {
    std::uint32_t permits;
    std::size_t bytes;
    std::uint32_t limit() const noexcept { return permits; }
    std::size_t max_bytes() const noexcept { return bytes; }
};

std::size_t admitted(const door& gate, const part& arenas, std::size_t max_arena_bytes = plateau::unlimited) {
    plateau::memory_plan plan;
    plan.add_admitted("requests", gate, arenas, max_arena_bytes);
    plan.check_invariants();
    return plan.total_bytes();
}

std::string table(const plateau::memory_plan& plan) {
    std::string text;
    plan.write(text);
    return text;
}

}  // namespace

static_assert(!std::is_copy_constructible_v<plateau::memory_plan> &&
              !std::is_move_constructible_v<plateau::memory_plan>);
static_assert(noexcept(std::declval<const plateau::memory_plan&>().fits()) && noexcept(
    std::declval<const plateau::memory_plan&>().limit_bytes()) && noexcept(std::declval<const plateau::memory_plan&>()
                                                                               .stats()));

TEST_CASE("a plan adds up its parts and keeps none of them", "[watch][unit]") {
    plateau::memory_plan plan;
    CHECK(plan.total_bytes() == 0);
    CHECK(plan.fits());
    {
        const auto books = std::make_unique<plateau::ledger>();
        const auto line = std::make_unique<plateau::memory_sampler>();
        plan.add("books", *books);
        plan.add("line", *line);
        plan.add_bytes("code and stacks", 10_MiB);
        CHECK(plan.total_bytes() == books->memory_ceiling() + line->memory_ceiling() + 10_MiB);
    }
    CHECK(plan.fits());
    CHECK(table(plan).find("books") != std::string::npos);
    plan.check_invariants();
}

TEST_CASE("a part without a ceiling is named, and the plan cannot fit", "[watch][unit]") {
    plateau::memory_plan plan;
    plan.add("bounded", part{1_MiB});
    plan.add("open", part{plateau::unlimited});
    CHECK(plan.total_bytes() == plateau::unlimited);
    CHECK_FALSE(plan.fits());
    CHECK(plan.within({.resident_bytes = UINT64_MAX}));
    CHECK(table(plan).find("open has no ceiling\n") != std::string::npos);
    CHECK(table(plan).find("bounded has no ceiling") == std::string::npos);
    CHECK(table(plan).find("the plan does not fit\n") != std::string::npos);
    CHECK(std::isinf(plan.stats().total_bytes));
}

TEST_CASE("ceilings whose sum overflows do not fit", "[watch][unit]") {
    plateau::memory_plan plan;
    plan.add("half", part{SIZE_MAX / 2 + 1});
    plan.add("other half", part{SIZE_MAX / 2 + 1});
    CHECK(plan.total_bytes() == plateau::unlimited);
    CHECK_FALSE(plan.fits());
    CHECK(table(plan).find("the plan does not fit\n") != std::string::npos);
    plan.check_invariants();
}

TEST_CASE("a plan fits up to the limit and not a byte beyond", "[watch][unit]") {
    plateau::memory_plan plan;
    plan.add_bytes("all of it", plan.limit_bytes());
    CHECK(plan.fits());
    CHECK(table(plan).find("the plan fits\n") != std::string::npos);
    plan.add_bytes("a byte", 1);
    CHECK_FALSE(plan.fits());
}

TEST_CASE("resident memory is within the plan up to its total", "[watch][unit]") {
    plateau::memory_plan plan;
    plan.add_bytes("all", 1'000);
    CHECK(plan.within({.resident_bytes = 1'000}));
    CHECK_FALSE(plan.within({.resident_bytes = 1'001}));
    CHECK(plateau::memory_plan{}.within({.resident_bytes = 0}));
}

TEST_CASE("the table tells part, ceiling and share", "[watch][unit]") {
    plateau::memory_plan plan;
    plan.add_bytes("pages", 48_MiB);
    plan.add_bytes("requests", 16_MiB + 512_KiB);
    const std::string text = table(plan);
    CHECK(text.find("pages                           holds         48.0 MiB     74 %\n") != std::string::npos);
    CHECK(text.find("requests                        holds         16.5 MiB     26 %\n") != std::string::npos);
    CHECK(text.find("total                                         64.5 MiB    100 %\n") != std::string::npos);
    CHECK(table(plateau::memory_plan{}).find("the plan fits\n") != std::string::npos);
}

TEST_CASE("what a gate admits is the least of its bytes, its permits' arenas and the pool", "[watch][unit]") {
    CHECK(admitted({40, 256_MiB}, part{512_MiB}) == 256_MiB);
    CHECK(admitted({40, 256_MiB}, part{512_MiB}, 6_MiB) == 240_MiB);
    CHECK(admitted({40, 256_MiB}, part{128_MiB}, 6_MiB) == 128_MiB);
    CHECK(admitted({40, plateau::unlimited}, part{128_MiB}) == 128_MiB);
    CHECK(admitted({40, plateau::unlimited}, part{plateau::unlimited}, 6_MiB) == 240_MiB);
    CHECK(admitted({0, 256_MiB}, part{512_MiB}, 6_MiB) == 0);
    CHECK(admitted({UINT32_MAX, 256_MiB}, part{512_MiB}, SIZE_MAX / 2) == 256_MiB);  // the product overflows
}

TEST_CASE("a gate and a pool without bounds of their bytes have no ceiling", "[watch][unit]") {
    plateau::memory_plan plan;
    plan.add_admitted("requests", door{40, plateau::unlimited}, part{plateau::unlimited});
    CHECK(plan.total_bytes() == plateau::unlimited);
    CHECK_FALSE(plan.fits());
    CHECK(table(plan).find("requests has no ceiling\n") != std::string::npos);
}

TEST_CASE("the table tells what is held from what is admitted", "[watch][unit]") {
    plateau::memory_plan plan;
    plan.add_bytes("pages", 48_MiB);
    plan.add_admitted("requests", door{8, 16_MiB}, part{64_MiB});
    const std::string text = table(plan);
    CHECK(text.find("part                            kind           ceiling    share\n") != std::string::npos);
    CHECK(text.find("pages                           holds         48.0 MiB     75 %\n") != std::string::npos);
    CHECK(text.find("requests                        admits        16.0 MiB     25 %\n") != std::string::npos);
}

TEST_CASE("names of 0 bytes and of more than 63 are refused, and no row is added", "[watch][unit]") {
    plateau::memory_plan plan;
    CHECK_THROWS_AS(plan.add_bytes("", 1), std::invalid_argument);
    CHECK_THROWS_AS(plan.add("0123456789012345678901234567890123456789012345678901234567890123", part{1}),
                    std::invalid_argument);
    CHECK(plan.total_bytes() == 0);
    CHECK(plan.stats().parts == 0);
}

TEST_CASE("a row that cannot be kept changes nothing", "[watch][alloc]") {
    const auto report = sweep_faults(
        fault::operator_new,
        [] {
            auto plan = std::make_unique<plateau::memory_plan>();
            plan->add_bytes("one", 1);
            return plan;
        },
        [](auto& plan) { plan->add_bytes("two", 2); },
        [](auto& plan, const sweep_step& step) {
            CHECK(plan->total_bytes() == (step.threw ? 1U : 3U));
            plan->check_invariants();
        });
    CHECK(report.points == 1);
    CHECK(report.threw == 2);
    CHECK(report.leaked_bytes == 0);
}
