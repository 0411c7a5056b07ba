// SPDX-License-Identifier: MIT
#include "arena/scope_checks.hpp"
#include "support/subscription_checks.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"
#include "tools/threads.hpp"

#include <plateau/arena.hpp>
#include <plateau/clock.hpp>
#include <plateau/stop.hpp>
#include <plateau/support/subscription.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::request_scope;

namespace {

constexpr std::size_t block = 65'536;

struct quiet_listeners : plateau::event_policies {
    static void warn(const char*) noexcept {}
};
struct by_hand : plateau::scope_policies {
    using clock = plateau::manual_clock;
};

}  // namespace

TEST_CASE("a request ends in one order: stop, callbacks and listeners, one list of ends, memory", "[arena][unit]") {
    passes(the_end_has_one_order<plateau::scope_policies>);
}

TEST_CASE("callbacks run when a request is cancelled, once, and not at its end", "[arena][unit]") {
    passes(callbacks_run_when_cancelled_and_not_at_the_end<plateau::scope_policies>);
}

TEST_CASE("what is attached to a request is found while it lives", "[arena][unit]") {
    passes(what_is_attached_is_found_while_it_lives<plateau::scope_policies>);
}

TEST_CASE("a token keeps a request's memory until it goes, and the request is parked", "[arena][unit]") {
    passes(a_token_keeps_the_memory_until_it_goes<plateau::scope_policies>);
}

TEST_CASE("a token that went before the end parks nothing", "[arena][unit]") {
    passes(a_token_that_went_before_the_end_parks_nothing<plateau::scope_policies>);
}

TEST_CASE("going back in a request's arena ends the callbacks and attachments made since", "[arena][unit]") {
    passes(going_back_ends_what_was_made_since<plateau::scope_policies>);
}

TEST_CASE("past its deadline a request is asked to stop, exactly from then on", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::manual_clock clock;
    const plateau::basic_request_scope<by_hand> request{pool, {.deadline = clock.now() + 2s}, clock};
    CHECK(request.deadline() == clock.now() + 2s);
    clock.advance(2s - 1ns);
    CHECK_FALSE(request.stop_requested());
    clock.advance(1ns);
    CHECK(request.stop_requested());
    CHECK_FALSE(request.get_stop_token().stop_requested());  // a token is told by a thread, and there is none
    const plateau::basic_request_scope<by_hand> without{pool, {}, clock};
    clock.set((plateau::time_point::max)());
    CHECK_FALSE(without.stop_requested());
}

TEST_CASE("a request begins with one block, and allocates nothing but the pool's blocks", "[arena][unit]") {
    plateau::arena_pool pool;
    { const request_scope first{pool}; }
    plateau::event<int> happens;
    {
        const auto grows = happens.subscribe([](int) {});
    }
    const new_scope witness;
    for (int i = 0; i < 100; ++i) {
        request_scope request{pool, {.max_bytes = 10 * block}};
        request.on_cancel([]() noexcept {});
        request.defer([]() noexcept {});
        request.attach<int>(1);
        if (happens.subscribe(request, [](int) {}) != plateau::subscribe_reason::none) request.cancel();
        const auto token = request.keep_alive();
        happens.emit(1);
        if (i % 2 == 0) request.cancel();
        if (request.stats().held_bytes != block || request.memory_ceiling() != 10 * block + sizeof request) throw 1;
    }
    const new_counts used = witness.delta();
    CHECK(used.calls == 0);
    CHECK(sizeof(request_scope) == sizeof(void*));
    CHECK(pool.stats().fresh == 1);
}

TEST_CASE("a request's own state takes less than a hundredth of its first block", "[arena][unit]") {
    plateau::arena_pool pool;
    request_scope request{pool};
    const auto free = request.arena().stats().free_bytes;
    CHECK(free < block);
    CHECK(free > block - block / 100);
}

TEST_CASE("a request that finds no memory does not begin", "[arena][unit]") {
    plateau::arena_pool pool{{.max_bytes = 2 * block, .max_scopes = 3}};
    const auto refused_for = [&]() -> plateau::arena_reason {
        try {
            const request_scope request{pool, {.max_bytes = 1'000'000}};
        } catch (const plateau::limit_exceeded& refused) {
            CHECK(refused.limit_bytes() == 1'000'000);
            return refused.reason();
        }
        return plateau::arena_reason::none;
    };
    {
        const request_scope first{pool};
        CHECK(refused_for() == plateau::arena_reason::none);
        const request_scope second{pool};
        CHECK(refused_for() == plateau::arena_reason::pool_limit);
    }
    CHECK(refused_for() == plateau::arena_reason::none);
    plateau::arena_pool few{{.max_scopes = 1}};
    const request_scope only{few};
    CHECK_THROWS_AS(request_scope(few), plateau::limit_exceeded);
    pool.check_invariants();
}

TEST_CASE("a request holds its bound, its own block included", "[arena][unit]") {
    plateau::arena_pool pool;
    request_scope request{pool, {.max_bytes = 4 * block}};
    CHECK(request.memory_ceiling() == 4 * block + sizeof request);
    CHECK(request.arena().try_allocate(5 * block).reason() == plateau::arena_reason::request_limit);
    CHECK(request.arena().try_allocate(2 * block));
    CHECK(request.stats().held_bytes <= 4 * block);
    CHECK_THROWS_AS(request.attach<plateau::arena_string>(200'000U, 'x', request), plateau::limit_exceeded);
    CHECK(request.find<plateau::arena_string>() == nullptr);
    request_scope small{pool, {.max_bytes = 1}};
    CHECK(small.memory_ceiling() == block + sizeof small);
    const request_scope open{pool, {.max_bytes = plateau::unlimited}};
    CHECK(open.memory_ceiling() == plateau::unlimited);
    CHECK_THROWS_AS(request_scope(pool, {.max_bytes = 0}), std::invalid_argument);
    request.check_invariants();
}

TEST_CASE("an attachment and a callback that cannot be made leave the request as it was", "[arena][unit]") {
    struct fails {
        fails() { throw std::runtime_error("no"); }
    };
    struct moves_badly {
        moves_badly() = default;
        moves_badly(const moves_badly&) { throw std::runtime_error("no"); }
        void operator()() const noexcept {}
    };
    plateau::arena_pool pool;
    plateau::event<> happens;
    {
        request_scope request{pool};
        request.attach<int>(1);
        CHECK_THROWS_AS(request.attach<fails>(), std::runtime_error);
        const moves_badly callback;
        CHECK_THROWS_AS(request.on_cancel(callback), std::runtime_error);
        CHECK_THROWS_AS(request.defer(callback), std::runtime_error);
        CHECK_THROWS_AS(static_cast<void>(happens.subscribe(request, callback)), std::runtime_error);
        CHECK(request.find<fails>() == nullptr);
        CHECK(*request.find<int>() == 1);
        CHECK(happens.stats().listeners == 0);
        request.check_invariants();
        happens.check_invariants();
    }
    CHECK(pool.stats().in_use_bytes == 0);
}

TEST_CASE("what owns heap ends with a request, a million times", "[arena][unit]") {
    plateau::arena_pool pool;
    { const request_scope first{pool}; }
    const new_scope witness;
    for (int i = 0; i < 50'000; ++i) {
        request_scope request{pool};
        for (int n = 0; n < 5; ++n) {
            request.attach<std::string>(16U, 'x');
            request.attach<std::string>(17U, 'x');
            request.attach<std::unique_ptr<int>>(new int(n));
            auto& last = request.arena().create<std::string>(100U, 'x');
            request.defer([&last]() noexcept { last.clear(); });
        }
    }
    const new_counts left = witness.delta();
    CHECK(left.live_bytes == 0);
    CHECK(left.calls >= 750'000);
    CHECK(pool.stats().in_use_bytes == 0);
}

TEST_CASE("a request begins on one thread, is used on a second and ends on a third", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::event<> happens;
    std::string log;
    std::unique_ptr<request_scope> request;
    std::thread([&] { request = std::make_unique<request_scope>(pool); }).join();
    std::thread([&] {
        request->attach<ends_in>(log, 'a');
        request->on_cancel([&]() noexcept { log += 'c'; });
        static_cast<void>(happens.subscribe(*request, [&] { log += 'l'; }));
    }).join();
    happens.emit();
    std::optional<plateau::scope_token> token;
    std::thread([&] {
        request->cancel();
        token.emplace(request->keep_alive());
        request.reset();
    }).join();
    happens.emit();
    CHECK(log == "lc");
    std::thread([&] { token.reset(); }).join();
    CHECK(log == "lca");
    CHECK(pool.stats().in_use_bytes == 0);
}

TEST_CASE("a shared parent has no callbacks left after each request", "[arena][unit]") {
    plateau::inplace_stop_source parent;  // its end checks that
    plateau::arena_pool pool;
    int cancelled = 0;
    for (int i = 0; i < 100; ++i) {
        request_scope request{pool};
        const auto pass_on = [&request]() noexcept { request.cancel(); };
        const plateau::inplace_stop_callback<decltype(pass_on)> told(parent.get_token(), pass_on);
        request.on_cancel([&]() noexcept { ++cancelled; });
        if (i == 98) parent.request_stop();
    }
    CHECK(cancelled == 2);
}

TEST_CASE("a listener may end the request that it belongs to, and cancel it", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::event<int> happens;
    std::string log;
    auto request = std::make_unique<request_scope>(pool);
    request->on_cancel([&]() noexcept { log += 'c'; });
    request->defer([&]() noexcept { log += 'd'; });
    CHECK(happens.subscribe(*request, [&, last = ends_in(log, 'l')](int what) {
        log += std::to_string(what);
        if (what == 1) request->cancel();
        if (what == 2) request.reset();
        log += '.';
    }) == plateau::subscribe_reason::none);
    happens.emit(1);
    happens.emit(2);
    happens.emit(3);
    CHECK(log == "1c.2d.l");
    CHECK(pool.stats().in_use_bytes == 0);
    happens.check_invariants();
}

TEST_CASE("the last token may go inside the request's own event, and inside another request's end", "[arena][unit]") {
    plateau::arena_pool pool;
    plateau::event<> happens;
    std::string log;
    std::optional<plateau::scope_token> token;
    {
        request_scope request{pool};
        request.attach<ends_in>(log, 'a');
        token.emplace(request.keep_alive());
    }
    {
        request_scope other{pool};
        other.attach<ends_in>(log, 'b');
        other.attach<plateau::scope_token>(std::move(*token));
        CHECK(pool.stats().scopes == 2);
    }
    CHECK(log == "ab");
    CHECK(pool.stats().scopes == 0);
    pool.check_invariants();
}

TEST_CASE("a request that keeps itself alive is visible as parked", "[arena][unit]") {
    const death end = dies([] {
        plateau::arena_pool pool;
        {
            request_scope request{pool};
            request.attach<plateau::scope_token>(request.keep_alive());
        }
        if (pool.stats().parked_scopes != 1) std::_Exit(3);
    });
    CHECK(end.says("an arena_pool ends while arenas hold its memory"));
}

TEST_CASE("a pool that ends before a parked request ends the process with a sentence", "[arena][unit]") {
    const death end = dies([] {
        std::optional<plateau::scope_token> token;
        std::optional<plateau::arena_pool> pool(std::in_place);
        {
            request_scope parked{*pool};
            token.emplace(parked.keep_alive());
        }
        pool.reset();
    });
    CHECK(end.says("an arena_pool ends while"));
}

TEST_CASE("a request in its end gives no tokens", "[arena][unit]") {
    const death end = dies([] {
        plateau::arena_pool pool;
        request_scope request{pool};
        request.defer([&]() noexcept { static_cast<void>(request.keep_alive()); });
    });
    CHECK(end.says("a request that has ended is not kept alive"));
}

TEST_CASE("twenty thousand deferred calls, attachments and listeners end on a small stack", "[arena][unit]") {
    constexpr int many = 20'000;
    plateau::arena_pool pool;
    event_of<quiet_listeners> happens{{.max_listeners = many}};
    int ended = 0;
    run_on_stack(256 * 1'024, [&] {
        request_scope request{pool, {.max_bytes = 256U << 20U}};
        for (int i = 0; i < many; ++i) {
            request.defer([&]() noexcept { ++ended; });
            request.attach<std::string>(32U, 'x');
            request.on_cancel([&]() noexcept { ++ended; });
            if (happens.subscribe(request, [] {}) != plateau::subscribe_reason::none) ++ended;
        }
        request.cancel();
    });
    CHECK(ended == 2 * many);
    CHECK(happens.stats().listeners == 0);
    CHECK(pool.stats().in_use_bytes == 0);
}

TEST_CASE("scopes and tokens are what they say", "[arena][unit]") {
    STATIC_REQUIRE(!std::is_move_constructible_v<request_scope> && !std::is_copy_constructible_v<request_scope>);
    STATIC_REQUIRE(!std::is_move_assignable_v<request_scope>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<plateau::scope_token>);
    STATIC_REQUIRE(std::is_nothrow_move_assignable_v<plateau::scope_token>);
    STATIC_REQUIRE(!std::is_copy_constructible_v<plateau::scope_token>);
    plateau::arena_pool pool;
    request_scope request{pool, {.max_bytes = 3 * block}};
    std::string names;
    std::uint64_t sum = 0;
    request.stats().visit_fields([&](const plateau::field_info& field, std::uint64_t value) {
        names.append(field.name).append(" ");
        sum += value;
    });
    CHECK(names == "held max tokens ");
    CHECK(sum == 4 * block);
}
