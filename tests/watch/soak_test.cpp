// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"

#include <plateau/clock.hpp>
#include <plateau/literals.hpp>
#include <plateau/watch/counted_allocator.hpp>
#include <plateau/watch/soak.hpp>

#include <cmath>
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/mman.h>

using namespace plateau_test;
using namespace plateau::literals;
using namespace std::chrono_literals;
using plateau::soak;
using plateau::verdict;

namespace {

template <class T>
using counted = plateau::counted_allocator<T>;

/// Resident memory as the test says it is.
struct told_reader {
    std::uint64_t* resident;
    plateau::result<plateau::memory_sample, plateau::read_reason> read() noexcept {
        if (resident == nullptr) return plateau::read_reason::absent;
        return plateau::memory_sample{.resident_bytes = *resident};
    }
};

/// A soak whose resident memory is told, under a clock turned by the calls.
template <class F>
plateau::soak_report told_soak(plateau::soak_options chosen, std::uint64_t& resident, F call) {
    told_reader reader{&resident};
    return plateau::detail::run_soak(chosen, call, plateau::steady_clock{}, reader);
}

bool names_first(const plateau::ledger_diff& grown, std::string_view name) {
    return !grown.rows().empty() && grown.rows().front().name() == name && grown.rows().front().growth() > 0;
}

}  // namespace

TEST_CASE("a leak of 64 bytes a request is convicted, measured and named", "[watch][model]") {
    plateau::ledger books;
    const auto pages = books.open("pages");
    const auto sessions = books.open("sessions");
    std::vector<char, counted<char>> cache(8_MiB, 'c', counted<char>{pages});
    std::deque<std::unique_ptr<char[]>> forgotten;
    const auto report = soak({.books = &books}, [&] {
        const std::vector<char, counted<char>> body(10'000, 'x', counted<char>{pages});
        forgotten.push_back(std::make_unique<char[]>(64));
        sessions.charge(64);
    });
    CHECK_FALSE(report.flat());
    CHECK(report.trend.verdict == verdict::growing);
    CHECK(report.witness == "ledger");
    CHECK(report.trend.bytes_per_work > 63.99);
    CHECK(report.trend.bytes_per_work < 64.01);
    CHECK(report.trend.lower > 63.9);
    CHECK(report.trend.upper < 64.1);
    CHECK(names_first(report.grown, "sessions"));
    CHECK(report.grown.rows().front().growth() >= 64 * 19'968);
    CHECK(report.trend.time_to_limit);
    std::string text;
    report.write(text);
    CHECK(text.find("soak of 20000 calls by ledger: growing") == 0);
    CHECK(text.find("sessions") != std::string::npos);
    sessions.refund(sessions.bytes());
}

TEST_CASE("books see a single byte a call, and one a thousand calls", "[watch][unit]") {
    plateau::ledger books;
    const auto big = books.open("big");
    const auto log = books.open("log");
    big.charge(1_GiB);
    CHECK(soak({.books = &books}, [&] { log.charge(1); }).trend.verdict == verdict::growing);
    std::uint64_t calls = 0;
    const auto seldom = soak({.books = &books}, [&] {
        if (++calls % 1'000 == 0) log.charge(1);
    });
    CHECK(seldom.trend.verdict == verdict::growing);
    CHECK(names_first(seldom.grown, "log"));
}

TEST_CASE("a buffer that doubles is growing, though it stands still most of the time", "[watch][unit]") {
    plateau::ledger books;
    const auto log = books.open("log");
    std::vector<char, counted<char>> lines{counted<char>{log}};
    const auto report =
        soak({.warm_up = 100, .work = 2'000, .books = &books}, [&] { lines.insert(lines.end(), 1'024, 'x'); });
    CHECK(report.trend.verdict == verdict::growing);
    CHECK(report.trend.bytes_per_work > 0);
}

TEST_CASE("what a call holds only while it runs, and a full cache, are flat", "[watch][unit]") {
    INFO(random_source::repeat());
    random_source random("soak");
    plateau::ledger books;
    const auto cache = books.open("cache");
    const auto requests = books.open("requests");
    std::deque<std::vector<char, counted<char>>> kept;
    const auto report = soak({.warm_up = 3'000, .books = &books}, [&] {
        const std::vector<char, counted<char>> body(1 + random.below(100'000), 'x', counted<char>{requests});
        kept.emplace_back(1'000, 'x', counted<char>{cache});
        if (kept.size() > 500) kept.pop_front();
    });
    CHECK(report.flat());
    CHECK(report.trend.verdict == verdict::flat);
    CHECK(report.work_done == 20'000);
}

TEST_CASE("one step up is no trend yet, and no pass either", "[watch][unit]") {
    plateau::ledger books;
    const auto pool = books.open("pool");
    pool.charge(1'000);
    std::uint64_t calls = 0;
    const auto report = soak({.books = &books}, [&] {
        if (++calls == 12'000) pool.charge(500);
    });
    CHECK(report.trend.verdict == verdict::inconclusive);
    CHECK_FALSE(report.flat());
    CHECK(names_first(report.grown, "pool"));
}

TEST_CASE("too little work is inconclusive, and all of it is done", "[watch][unit]") {
    plateau::ledger books;
    for (const std::uint64_t work : {1U, 2U, 11U, 12U, 31U, 32U, 33U, 63U, 1'000U}) {
        CAPTURE(work);
        std::uint64_t calls = 0;
        const auto report = soak({.warm_up = 5, .work = work, .books = &books}, [&] { ++calls; });
        CHECK(calls == 5 + work);
        CHECK(report.flat() == (work >= 12));
        CHECK((report.trend.verdict == verdict::inconclusive) == (work < 12));
    }
}

TEST_CASE("when the time is over the soak ends after the call, and half a round is not judged", "[watch][unit]") {
    plateau::manual_clock clock;
    std::uint64_t resident = 1'000'000;
    told_reader reader{&resident};
    std::uint64_t calls = 0;
    auto call = [&] {
        ++calls;
        clock.advance(1ms);
    };
    // 320 calls are 32 rounds of 10; the first 100 ms are warm-up.
    const auto cut = plateau::detail::run_soak({.warm_up = 100, .work = 320, .max_time = 155ms}, call, clock, reader);
    CHECK(calls == 155);
    CHECK(cut.work_done == 50);
    CHECK(cut.trend.verdict == verdict::inconclusive);
    const auto enough =
        plateau::detail::run_soak({.warm_up = 100, .work = 320, .max_time = 230ms}, call, clock, reader);
    CHECK(enough.work_done == 130);
    CHECK(enough.flat());
    calls = 0;
    const auto none = plateau::detail::run_soak({.warm_up = 100, .work = 320, .max_time = 1ns}, call, clock, reader);
    CHECK(calls == 1);
    CHECK(none.work_done == 0);
    CHECK_FALSE(none.flat());
}

TEST_CASE("without books the resident memory decides", "[watch][unit]") {
    std::uint64_t resident = 100'000'000;
    CHECK(told_soak({}, resident, [] {}).trend.verdict == verdict::flat);
    const auto leaky = told_soak({}, resident, [&] { resident += 1'000; });
    CHECK(leaky.trend.verdict == verdict::growing);
    CHECK(leaky.witness == "resident memory");
    CHECK(leaky.trend.bytes_per_work > 999);
    CHECK(leaky.grown.rows().empty());
    random_source random("bursts", 7);
    std::uint64_t calls = 0;
    const auto bursts =
        told_soak({}, resident, [&] { resident = 100'000'000 + (++calls % 100 < 60 ? random.below(100'000'000) : 0); });
    CHECK(bursts.trend.upper == 0);
    CHECK(bursts.flat());
}

TEST_CASE("a leak that the books do not count is convicted by the resident memory", "[watch][unit]") {
    plateau::ledger books;
    const auto log = books.open("log");
    log.charge(1'000);
    std::uint64_t resident = 100'000'000;
    const auto leaky = told_soak({.books = &books}, resident, [&] { resident += 1'000; });
    CHECK(leaky.resident.verdict == verdict::growing);
    if (plateau::detail::resident_is_ours) {
        CHECK_FALSE(leaky.flat());
        CHECK(leaky.witness == "resident memory");
    }
    // Pages that the kernel counts late are not a leak.
    std::uint64_t small = 3'000'000;
    const auto clean = told_soak({.books = &books}, small, [&] { small += 5; });
    CHECK(clean.flat());
    CHECK(clean.witness == "ledger");
}

TEST_CASE("without any reading nothing is known, and books alone suffice", "[watch][unit]") {
    told_reader silent{nullptr};
    auto call = [] {};
    const auto blind = plateau::detail::run_soak({}, call, plateau::steady_clock{}, silent);
    CHECK(blind.trend.verdict == verdict::inconclusive);
    CHECK_FALSE(blind.flat());
    plateau::ledger books;
    const auto log = books.open("log");
    CHECK(plateau::detail::run_soak({.books = &books}, call, plateau::steady_clock{}, silent).flat());
    auto leak = [&] { log.charge(8); };
    CHECK(plateau::detail::run_soak({.books = &books}, leak, plateau::steady_clock{}, silent).trend.verdict ==
          verdict::growing);
}

TEST_CASE("what a call throws leaves the soak as it was thrown", "[watch][unit]") {
    struct own_error {
        int code;
    };
    std::uint64_t calls = 0;
    try {
        static_cast<void>(soak({.warm_up = 10, .work = 100}, [&] {
            if (++calls == 37) throw own_error{7};
        }));
        FAIL("nothing was thrown");
    } catch (const own_error& error) {
        CHECK(error.code == 7);
    }
    CHECK(calls == 37);
}

TEST_CASE("options of a soak that make no sense are refused before the first call", "[watch][unit]") {
    std::uint64_t calls = 0;
    const auto call = [&] { ++calls; };
    CHECK_THROWS_AS(soak({.work = 0}, call), std::invalid_argument);
    CHECK_THROWS_AS(soak({.tolerance = -1}, call), std::invalid_argument);
    CHECK_THROWS_AS(soak({.tolerance = std::nan("")}, call), std::invalid_argument);
    CHECK_THROWS_AS(soak({.max_time = 0s}, call), std::invalid_argument);
    CHECK_THROWS_AS(soak({.max_time = -1s}, call), std::invalid_argument);
    CHECK(calls == 0);
}

TEST_CASE("a soak allocates before the first judged call and after the last, not between", "[watch][alloc]") {
    plateau::ledger books;
    std::uint64_t calls = 0;
    std::int64_t at_first = 0;
    std::int64_t at_last = 0;
    const auto report = soak({.warm_up = 1, .work = 3'200, .books = &books}, [&] {
        if (++calls == 2) at_first = new_totals().calls;
        if (calls == 3'201) at_last = new_totals().calls;
    });
    CHECK(at_first == at_last);
    CHECK(report.flat());
}

TEST_CASE("a real leak of this process is seen without books", "[watch][unit]") {
    if (!plateau::detail::resident_is_ours) return;
    // Pages of our own: a heap would first use up what earlier tests gave back.
    constexpr std::size_t page = 4'096;
    constexpr std::size_t calls = 22'000;
    void* const pages = mmap(nullptr, calls * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    madvise(pages, calls * page, MADV_NOHUGEPAGE);
    std::size_t touched = 0;
    const auto leaky = soak({}, [&] { static_cast<volatile char*>(pages)[page * touched++] = 1; });
    munmap(pages, calls * page);
    CHECK(touched == calls);
    CHECK(leaky.trend.verdict == verdict::growing);
    CHECK(leaky.trend.bytes_per_work > 4'000);
    CHECK(leaky.trend.bytes_per_work < 4'200);
}
