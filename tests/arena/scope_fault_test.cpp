// SPDX-License-Identifier: MIT
// Every fallible step of a request fails once, and from then on: memory from the pool's upstream, the user's
// constructors, moves and callbacks. What did not come into being is not there, and everything else ends once.
#include "arena/scope_checks.hpp"
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/arena.hpp>
#include <plateau/support/subscription.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace plateau_test;
using plateau::request_scope;

namespace {

/// Where a pool's superblocks come from: each is a fault point.
class fallible_upstream final : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t align) override {
        if (fault_due(fault::allocator)) throw std::bad_alloc();
        return ::operator new(bytes, std::align_val_t(align));
    }
    void do_deallocate(void* p, std::size_t, std::size_t align) override {
        ::operator delete(p, std::align_val_t(align));
    }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

struct requested {
    value_tally tally;
    fallible_upstream upstream;
    plateau::arena_pool pool{{.max_bytes = 64 * 4'096, .block_bytes = 4'096}, upstream};
    plateau::event<int> happens{{.max_listeners = 4}};
    std::string log;
    std::optional<request_scope> scope;
    std::optional<plateau::scope_token> token;
};
using subject = std::unique_ptr<requested>;

subject without_a_request() { return std::make_unique<requested>(); }
subject with_a_request() {
    auto made = std::make_unique<requested>();
    made->scope.emplace(made->pool);
    made->scope->attach<tracked_value<true>>(made->tally, 1);
    return made;
}

/// A callback whose moves and copies fail.
struct fallible_callback {
    tracked_value<true> value;
    void operator()() const noexcept {}
};

void check_end(const subject& s) {
    if (s->scope) s->scope->check_invariants();
    s->scope.reset();
    s->token.reset();
    s->pool.check_invariants();
    s->happens.check_invariants();
    CHECK(s->pool.stats().in_use_bytes == 0);
    CHECK(s->pool.stats().scopes == 0);
    CHECK(s->happens.stats().listeners == 0);
    CHECK(s->tally.live == 0);
    CHECK(s->tally.corrupt == 0);
}

/// What is checked after each step, and then that a request which ends leaves nothing.
template <class Check>
auto and_its_end(Check check) {
    return [=](const subject& s, const sweep_step& step) {
        check(s, step);
        check_end(s);
    };
}
template <class Make, class Operation, class Check>
void sweep_request(fault_table& table, std::string_view name, Make make, Operation operation, Check check) {
    sweep(table, name, make, operation, and_its_end(check));
}
template <class Make, class Operation, class Check>
void sweep_request_safe(fault_table& table, std::string_view name, std::string_view why, Make make, Operation operation,
                        Check check) {
    sweep_safe(table, name, why, make, operation, and_its_end(check));
}

}  // namespace

TEST_CASE("a request that gets no memory does not begin, and one in which something fails ends whole",
          "[arena][alloc]") {
    fault_table table("arena");
    const auto live = [](std::int64_t with, std::int64_t without) {
        return [=](const subject& s, const sweep_step& step) { CHECK(s->tally.live == (step.threw ? without : with)); };
    };

    sweep_request(
        table, "construction of a request", without_a_request, [](subject& s) { s->scope.emplace(s->pool); },
        [](const subject& s, const sweep_step& step) { CHECK(s->scope.has_value() != step.threw); });
    sweep_request(
        table, "a request with wrong options", without_a_request,
        [](subject& s) {
            try {
                s->scope.emplace(s->pool, plateau::scope_options{.max_bytes = 0});
            } catch (const std::invalid_argument&) {}
        },
        [](const subject& s, const sweep_step&) { CHECK_FALSE(s->scope); });
    sweep_request(
        table, "attach", with_a_request, [](subject& s) { s->scope->attach<tracked_value<true>>(s->tally, 2); },
        [&](const subject& s, const sweep_step& step) {
            live(2, 1)(s, step);
            CHECK(s->scope->find<tracked_value<true>>()->number() == (step.threw ? 1 : 2));
        });
    sweep_request(
        table, "attach of what needs blocks", with_a_request,
        [](subject& s) {
            struct large {
                tracked_value<true> value;
                std::byte room[20'000];
                explicit large(value_tally& tally) : value(tally, 3) {}
            };
            s->scope->attach<large>(s->tally);
        },
        live(2, 1));
    sweep_request(
        table, "on_cancel", with_a_request,
        [](subject& s) {
            s->scope->on_cancel(fallible_callback{{s->tally, 2}});
        },
        live(2, 1));
    sweep_request(
        table, "on_cancel of a request that is cancelled", with_a_request,
        [](subject& s) {
            s->scope->cancel();
            s->scope->on_cancel(fallible_callback{{s->tally, 2}});
        },
        live(2, 1));
    sweep_request(
        table, "defer", with_a_request,
        [](subject& s) {
            s->scope->defer(fallible_callback{{s->tally, 2}});
        },
        live(2, 1));
    sweep_request(
        table, "subscribe for a request", with_a_request,
        [](subject& s) {
            if (s->happens.subscribe(*s->scope, [value = tracked_value<true>(s->tally, 2)](int) {}) !=
                plateau::subscribe_reason::none)
                throw std::logic_error("there is room");
        },
        live(2, 1));
    sweep_request(
        table, "a whole request", without_a_request,
        [](subject& s) {
            request_scope request{s->pool};
            request.attach<tracked_value<true>>(s->tally, 1);
            request.on_cancel(fallible_callback{{s->tally, 2}});
            request.defer(fallible_callback{{s->tally, 3}});
            const auto listens = s->happens.subscribe(request, [value = tracked_value<true>(s->tally, 4)](int) {});
            if (listens != plateau::subscribe_reason::none) throw std::logic_error("there is room");
            plateau::arena_vector<plateau::arena_string> rows(request);
            for (int i = 0; i < 50; ++i) rows.emplace_back("a row that is longer than what a string holds in itself");
            s->token.emplace(request.keep_alive());
            s->happens.emit(1);
            request.cancel();
        },
        [](const subject&, const sweep_step&) {});
    sweep_request_safe(
        table, "tokens, cancelling and figures", "their memory is the request's first block", with_a_request,
        [](subject& s) {
            s->token.emplace(s->scope->keep_alive());
            plateau::scope_token moved = std::move(*s->token);
            *s->token = std::move(moved);
            s->scope->cancel();
            static_cast<void>(s->scope->stats());
            static_cast<void>(s->scope->memory_ceiling());
            static_cast<void>(s->scope->stop_requested());
            if (s->scope->find<tracked_value<true>>() == nullptr) throw std::logic_error("it is attached");
        },
        live(1, 1));
    sweep_request_safe(
        table, "the end of a request", "it only gives back", with_a_request,
        [](subject& s) {
            s->token.emplace(s->scope->keep_alive());
            s->scope.reset();
            s->token.reset();
        },
        live(0, 0));
    CHECK(table.contradictions({"construction of a request", "attach", "attach of what needs blocks", "on_cancel",
                                "defer", "subscribe for a request", "a whole request"}) == std::vector<std::string>{});
    table.tell();
}
