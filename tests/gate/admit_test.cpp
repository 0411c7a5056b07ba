// SPDX-License-Identifier: MIT
#include "gate/gate_checks.hpp"
#include "gate/gate_requests.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"

#include <plateau/arena/arena_pool.hpp>
#include <plateau/gate.hpp>
#include <plateau/literals.hpp>
#include <plateau/watch/memory_plan.hpp>

#include <array>
#include <cstdint>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using namespace plateau::literals;
using plateau::shed_reason;

namespace {

constexpr std::size_t most_bytes = (std::size_t{1} << 41) - 1;

bool is_refused(plateau::gate_options options) {
    try {
        const plateau::gate door(options);
        return false;
    } catch (const std::invalid_argument&) {
        return true;
    }
}

struct given_limit {
    const std::uint32_t* answer = nullptr;
    std::uint32_t limit() const noexcept { return *answer; }
};

struct odd_retry {
    std::chrono::milliseconds answer{};
    std::chrono::milliseconds after(std::uint64_t) const noexcept { return answer; }
};

struct with_given_limit : plateau::gate_policies {
    using limit = given_limit;
};

struct with_odd_retry : plateau::gate_policies {
    using retry = odd_retry;
};

struct uncounted : plateau::gate_policies {
    using stats = plateau::bare;
};

}  // namespace

TEST_CASE("options that make no sense are refused by the constructor", "[gate][unit]") {
    CHECK(is_refused({}));
    CHECK(is_refused({.max_in_flight = 0}));
    CHECK(is_refused({.max_in_flight = 1U << 20}));
    CHECK(is_refused({.max_in_flight = 1, .max_bytes = 0}));
    CHECK(is_refused({.max_in_flight = 1, .max_bytes = most_bytes + 1}));
    CHECK(is_refused({.max_in_flight = 1, .max_wait = -1ns}));
    CHECK_FALSE(is_refused({.max_in_flight = (1U << 20) - 1, .max_bytes = most_bytes, .max_queue = 0, .max_wait = 0s}));
    CHECK_FALSE(is_refused({.max_in_flight = 1, .max_bytes = 1, .max_wait = plateau::forever}));
}

TEST_CASE("no more permits are out than max_in_flight", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 3}};
    std::vector<plateau::admission> held;
    for (int i = 0; i < 3; ++i) held.push_back(door.try_admit());
    for (const auto& each : held) CHECK(each);
    const auto refused = door.try_admit();
    CHECK(refused.reason() == shed_reason::limit);
    CHECK(refused.status() == 503);
    held.pop_back();
    CHECK(door.try_admit());
    CHECK(door.stats().in_flight == 2);
    door.check_invariants();
}

TEST_CASE("no more bytes are declared than max_bytes, to the byte", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 10, .max_bytes = 100}};
    auto first = door.try_admit({.bytes = 60});
    CHECK(first);
    CHECK(door.try_admit({.bytes = 41}).reason() == shed_reason::bytes);
    auto second = door.try_admit({.bytes = 40});
    CHECK(second);
    CHECK(door.try_admit({.bytes = 1}).reason() == shed_reason::bytes);
    CHECK(door.try_admit({.bytes = 0}));
    CHECK(door.stats().bytes == 100);
    first->release();
    CHECK(door.stats().bytes == 40);
    CHECK(door.try_admit({.bytes = 60}));
}

TEST_CASE("a gate without a bound of bytes says so, and a plan of it names its row", "[gate][unit]") {
    using namespace plateau::literals;
    plateau::gate open{{.max_in_flight = 10}};
    CHECK(open.max_bytes() == plateau::unlimited);
    CHECK(open.stats().max_bytes == plateau::unlimited);
    const plateau::arena_pool endless, bounded{{.max_bytes = 64_MiB}};
    plateau::memory_plan plan;
    plan.add_admitted("pages", open, endless);
    CHECK(plan.total_bytes() == plateau::unlimited);
    CHECK_FALSE(plan.fits());
    std::string text;
    plan.write(text);
    CHECK(text.find("unlimited") != std::string::npos);
    CHECK(text.find("pages has no ceiling\n") != std::string::npos);

    plateau::memory_plan by_arenas, by_pool, by_gate;
    by_arenas.add_admitted("pages", open, endless, 2_MiB);
    CHECK(by_arenas.total_bytes() == 20_MiB);
    by_pool.add_admitted("pages", open, bounded, 32_MiB);
    CHECK(by_pool.total_bytes() == bounded.memory_ceiling());
    open.set_max_bytes(3_MiB);
    CHECK(open.max_bytes() == 3_MiB);
    by_gate.add_admitted("pages", open, endless, 2_MiB);
    CHECK(by_gate.total_bytes() == 3_MiB);
    open.set_max_bytes(plateau::unlimited);
    CHECK(open.max_bytes() == plateau::unlimited);
}

TEST_CASE("zero, oversized and overflowing requests are answered at once and disturb nothing", "[gate][unit]") {
    for (const std::size_t max_bytes : {std::size_t{1}, std::size_t{100}, most_bytes, plateau::unlimited}) {
        plateau::gate door{{.max_in_flight = (1U << 20) - 1, .max_bytes = max_bytes}};
        const std::size_t budget = max_bytes == plateau::unlimited ? most_bytes : max_bytes;
        CHECK(door.max_bytes() == (budget == most_bytes ? plateau::unlimited : budget));
        for (const std::size_t bytes : {budget + 1, most_bytes + 1, most_bytes * 2 + 1, SIZE_MAX / 2, SIZE_MAX}) {
            CHECK(door.try_admit({.bytes = bytes}).reason() == shed_reason::too_large);
            CHECK(door.admit({.bytes = bytes}).reason() == shed_reason::too_large);
            request waits;
            door.admit_then(waits.node, {.bytes = bytes});
            CHECK(waits.reason() == shed_reason::too_large);
        }
        const auto all = door.try_admit({.bytes = budget});
        CHECK(all);
        CHECK(door.try_admit({.bytes = 1}).reason() == shed_reason::bytes);
        CHECK(door.try_admit({.bytes = budget}).reason() == shed_reason::bytes);
        CHECK(door.try_admit({.bytes = 0}));
        CHECK(door.stats().in_flight == 1);
        CHECK(door.stats().bytes == budget);
        door.check_invariants();
    }
}

TEST_CASE("all permits that the word can count may be out at once", "[gate][unit]") {
    constexpr std::uint32_t all = (1U << 20) - 1;
    plateau::gate door{{.max_in_flight = all, .max_queue = 0}};
    std::vector<plateau::permit> held;
    held.reserve(all);
    for (std::uint32_t i = 0; i < all; ++i) held.push_back(door.try_admit({.bytes = 3}).take());
    CHECK(door.stats().in_flight == all);
    CHECK(door.stats().bytes == 3U * std::uint64_t{all});
    CHECK(door.try_admit().reason() == shed_reason::limit);
    held.clear();
    CHECK(door.stats().in_flight == 0);
    door.check_invariants();
}

TEST_CASE("limit 0 is a pause that admits nobody, also when idle", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 2}};
    door.set_limit(0);
    CHECK(door.try_admit().reason() == shed_reason::limit);
    auto line = line_up(door, 2);
    CHECK_FALSE(line[0]->answered());
    door.set_limit(1);
    CHECK(line[0]->admitted());
    CHECK_FALSE(line[1]->answered());
    door.set_limit(UINT32_MAX);
    CHECK(line[1]->admitted());
    CHECK(door.limit() == (1U << 20) - 1);
}

TEST_CASE("a budget of 0 bytes admits only requests that declare nothing", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 2}};
    door.set_max_bytes(0);
    CHECK(door.try_admit({.bytes = 1}).reason() == shed_reason::too_large);
    CHECK(door.try_admit({.bytes = 0}));
    door.set_max_bytes(plateau::unlimited);
    CHECK(door.try_admit({.bytes = 1_GiB}));
}

TEST_CASE("lowering a bound takes nothing back and admits again when enough has returned", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 4, .max_bytes = 100, .max_queue = 0}};
    std::vector<plateau::permit> held;
    for (int i = 0; i < 4; ++i) held.push_back(door.try_admit({.bytes = 20}).take());
    door.set_limit(2);
    door.set_max_bytes(30);
    CHECK(door.stats().in_flight == 4);
    CHECK(door.stats().bytes == 80);
    held.pop_back();
    held.pop_back();
    CHECK(door.try_admit({.bytes = 1}).reason() == shed_reason::limit);
    held.pop_back();
    CHECK(door.try_admit({.bytes = 11}).reason() == shed_reason::bytes);
    CHECK(door.try_admit({.bytes = 10}));
    held.clear();
    CHECK(door.stats().bytes == 0);
    door.check_invariants();
}

TEST_CASE("a limit policy that answers nonsense is held between 1 and max_in_flight", "[gate][unit]") {
    std::uint32_t answer = 0;
    plateau::basic_gate<with_given_limit> door({.max_in_flight = 3, .max_queue = 0}, given_limit{&answer});
    CHECK(door.limit() == 1);
    const auto one = door.try_admit();
    CHECK(one);
    CHECK(door.try_admit().reason() == shed_reason::limit);
    answer = 2;
    CHECK(door.try_admit());
    answer = UINT32_MAX;
    CHECK(door.limit() == 3);
    door.set_limit(0);
    CHECK(door.limit() == 0);
}

TEST_CASE("bytes that a permit gives back early are there for others", "[gate][unit]") {
    passes(bytes_given_back_early_let_others_in<plateau::gate_policies>);
    plateau::gate door{{.max_in_flight = 3, .max_bytes = 10}};
    auto big = door.try_admit({.bytes = 8});
    auto line = line_up(door, 1, 6);
    CHECK_FALSE(line[0]->answered());
    big->shrink_to(5);
    CHECK_FALSE(line[0]->answered());
    big->shrink_to(4);
    CHECK(line[0]->admitted());
    big->shrink_to(4);
    big->shrink_to(100);
    CHECK(big->bytes() == 4);
    CHECK(door.stats().bytes == 10);
    line[0]->release();
    big->release();
    big->shrink_to(0);
    CHECK(door.stats().bytes == 0);
    door.check_invariants();
}

TEST_CASE("a permit is counted once, however it is moved, released and ended", "[gate][unit]") {
    static_assert(!std::is_copy_constructible_v<plateau::permit> && !std::is_copy_assignable_v<plateau::permit>);
    static_assert(std::is_nothrow_move_constructible_v<plateau::permit> &&
                  std::is_nothrow_move_assignable_v<plateau::permit>);
    static_assert(sizeof(plateau::permit) == 2 * sizeof(void*));
    plateau::gate door{{.max_in_flight = 4, .max_bytes = 100}};
    plateau::permit empty;
    empty.release();
    empty.shrink_to(0);
    CHECK_FALSE(empty);

    auto got = door.try_admit({.bytes = 10});
    plateau::permit first = got.take();
    CHECK(first);
    plateau::permit second = std::move(first);
    CHECK_FALSE(first);
    first.release();
    CHECK(door.stats().in_flight == 1);
    plateau::permit& same = second;
    second = std::move(same);
    CHECK(door.stats().in_flight == 1);
    CHECK(second.bytes() == 10);
    second = door.try_admit({.bytes = 20}).take();
    CHECK(door.stats().in_flight == 1);
    CHECK(door.stats().bytes == 20);
    second.release();
    second.release();
    CHECK(door.stats().in_flight == 0);

    std::thread([moved = door.try_admit().take()]() mutable { moved.release(); }).join();
    CHECK(door.stats().in_flight == 0);
    door.check_invariants();
}

TEST_CASE("a handler that throws or leaves early gives its permit back", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1, .max_bytes = 10}};
    const auto handle = [&](int how) {
        const auto slot = door.try_admit({.bytes = 10});
        if (!slot) return 1;
        if (how == 0) throw std::runtime_error("a handler's own");
        if (how == 1) throw 7;
        if (how == 2) throw std::bad_alloc();
        return 0;
    };
    for (int how = 0; how < 3; ++how) CHECK_THROWS(handle(how));
    CHECK(handle(3) == 0);
    CHECK(door.stats().in_flight == 0);
    CHECK(door.stats().bytes == 0);
}

TEST_CASE("a coroutine that is destroyed while it holds a permit gives it back", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1}};
    const auto hold = [](plateau::gate& at) -> detached_task {
        const auto slot = at.try_admit();
        co_await std::suspend_always();
    };
    const detached_task task = hold(door);
    CHECK(door.stats().in_flight == 1);
    task.handle.destroy();
    CHECK(door.stats().in_flight == 0);
}

TEST_CASE("asking a refused admission for its permit is a violation", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1}};
    const auto held = door.try_admit();
    CHECK_FALSE(dies([&] { static_cast<void>(door.try_admit().take()); }).survived());
    CHECK_FALSE(dies([&] { door.try_admit()->release(); }).survived());
    CHECK_FALSE(dies([&] { (*door.try_admit()).release(); }).survived());
}

TEST_CASE("Retry-After is a whole number of seconds from 1 to 60, and there is none for what is too large",
          "[gate][unit]") {
    const auto told = [](std::chrono::milliseconds answer) {
        plateau::basic_gate<with_odd_retry> door({.max_in_flight = 1, .max_bytes = 1}, odd_retry{answer});
        const auto held = door.try_admit();
        CHECK(held.retry_after() == 0ms);
        CHECK(held.retry_after_text().empty());
        CHECK(held.status() == 200);
        const auto large = door.try_admit({.bytes = 2});
        CHECK(large.status() == 413);
        CHECK(large.retry_after() == 0ms);
        CHECK(std::string_view(large.retry_after_text()).empty());
        const auto shed = door.try_admit();
        CHECK(shed.retry_after() >= 1ms);
        CHECK(shed.retry_after() <= 60s);
        return std::string(shed.retry_after_text().c_str());
    };
    CHECK(told(std::chrono::milliseconds::min()) == "1");
    CHECK(told(-1ms) == "1");
    CHECK(told(0ms) == "1");
    CHECK(told(1'000ms) == "1");
    CHECK(told(1'001ms) == "2");
    CHECK(told(9'999ms) == "10");
    CHECK(told(60s) == "60");
    CHECK(told(61s) == "60");
    CHECK(told(std::chrono::milliseconds::max()) == "60");
}

TEST_CASE("refused clients are told different times, and a refusal keeps to the one it named", "[gate][unit]") {
    plateau::gate door{{.max_in_flight = 1}};
    const auto held = door.try_admit();
    std::set<std::string> seconds;
    for (int i = 0; i < 1'000; ++i) {
        const auto shed = door.try_admit();
        const auto first = shed.retry_after();
        REQUIRE(first >= 1s);
        REQUIRE(first <= 5s);
        REQUIRE(shed.retry_after() == first);
        seconds.insert(shed.retry_after_text().c_str());
    }
    CHECK(seconds.size() >= 4);
    CHECK(plateau::constant_retry{.delay = 2s, .jitter = 0s}.after(12345) == 2s);
    CHECK(plateau::constant_retry{.delay = 2s, .jitter = -1s}.after(12345) == 2s);
    CHECK(plateau::constant_retry{.delay = plateau::forever, .jitter = plateau::forever}.after(UINT64_MAX) >= 1h);
}

TEST_CASE("every refusal is counted under its reason, and what came in and went out adds up", "[gate][unit]") {
    plateau::manual_clock clock;
    hand_gate door({.max_in_flight = 2, .max_bytes = 10, .max_queue = 1}, clock);
    auto one = door.try_admit({.bytes = 9});
    static_cast<void>(door.try_admit({.bytes = 2}));
    static_cast<void>(door.try_admit({.bytes = 11}));
    auto two = door.try_admit({.bytes = 1});
    static_cast<void>(door.try_admit({.bytes = 0}));
    {
        auto line = line_up(door, 2);
        CHECK(line[1]->reason() == shed_reason::queue_full);
        one->release();
        CHECK(line[0]->admitted());
        CHECK(door.stats().in_flight == 2);
        request late, hasty, mine, gone;
        door.admit_then(late.node);
        clock.advance(100ms);
        CHECK(door.expire(clock.now()) == 1);
        door.admit_then(mine.node, {.deadline = clock.now() + 1ms});
        clock.advance(1ms);
        CHECK(door.expire(clock.now()) == 1);
        door.admit_then(hasty.node);
        hasty.node.cancel();
        CHECK(late.reason() == shed_reason::timed_out);
        CHECK(mine.reason() == shed_reason::deadline);
        CHECK(hasty.reason() == shed_reason::cancelled);
        door.admit_then(gone.node);
        CHECK_FALSE(door.drain_for(0s));
        CHECK(gone.reason() == shed_reason::draining);
        static_cast<void>(door.try_admit());
    }
    const auto all = door.stats();
    CHECK(all.admitted == 3);
    CHECK(all.admitted_after_waiting == 1);
    CHECK(all.peak_in_flight == 2);
    CHECK(all.in_flight == 1);
    CHECK(all.queued == 0);
    CHECK(all.shed_limit == 1);
    CHECK(all.shed_bytes == 1);
    CHECK(all.shed_too_large == 1);
    CHECK(all.shed_queue_full == 1);
    CHECK(all.shed_timed_out == 1);
    CHECK(all.shed_deadline == 1);
    CHECK(all.shed_cancelled == 1);
    CHECK(all.shed_draining == 2);
    CHECK(all.shed == 9);
    static_assert(plateau::described<plateau::gate_stats>);
}

TEST_CASE("a gate without counters still knows what is out", "[gate][unit]") {
    plateau::basic_gate<uncounted> door{{.max_in_flight = 1, .max_bytes = 10}};
    const auto held = door.try_admit({.bytes = 4});
    CHECK_FALSE(door.try_admit());
    const auto all = door.stats();
    CHECK(all.in_flight == 1);
    CHECK(all.bytes == 4);
    CHECK(all.limit == 1);
    CHECK(all.max_bytes == 10);
    CHECK(all.admitted + all.shed + all.peak_in_flight == 0);
    CHECK(door.memory_ceiling() < plateau::gate({.max_in_flight = 1}).memory_ceiling());
}

TEST_CASE("every reason has a word", "[gate][unit]") {
    std::set<std::string_view> words;
    for (int i = 0; i <= static_cast<int>(shed_reason::closed); ++i)
        words.insert(to_string(static_cast<shed_reason>(i)));
    CHECK(words.size() == 10);
    CHECK(words.count("unknown") == 0);
    CHECK(to_string(static_cast<shed_reason>(99)) == "unknown");
    for (const auto why : {plateau::drain_reason::none, plateau::drain_reason::timed_out,
                           plateau::drain_reason::cancelled, plateau::drain_reason::resumed})
        CHECK(to_string(why) != "unknown");
    CHECK(to_string(static_cast<plateau::drain_reason>(99)) == "unknown");
}
