// SPDX-License-Identifier: MIT
#include "arena/scope_checks.hpp"
#include "tools/catch.hpp"
#include "tools/threads.hpp"

#include <plateau/arena.hpp>
#include <plateau/stop.hpp>
#include <plateau/support/subscription.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

using namespace plateau_test;
using plateau::request_scope;

// What threads share lives on the heap: clang's thread sanitizer can miss races on a stack.

namespace {

/// A server's table of requests in progress: a request takes itself out when it ends.
struct connection_table {
    std::mutex mutex;
    request_scope* live[race_threads] = {};

    void cancel(std::size_t which) {
        const std::lock_guard hold(mutex);
        if (live[which] != nullptr) live[which]->cancel();
    }
    void set(std::size_t which, request_scope* request) noexcept {
        const std::lock_guard hold(mutex);
        live[which] = request;
    }
};

/// One slot of background work: whatever thread puts a token in takes out, and ends, what was there.
struct background_slot {
    std::mutex mutex;
    std::optional<plateau::scope_token> token;

    void exchange(std::optional<plateau::scope_token> with) {
        {
            const std::lock_guard hold(mutex);
            token.swap(with);
        }
    }
};

}  // namespace

TEST_CASE("requests on six threads end while others cancel them, emit to them and keep them", "[arena][race]") {
    race_for("arena", "request_scope", [](std::uint64_t) {
        struct shared {
            plateau::arena_pool pool{{.max_bytes = 64 << 20}};
            plateau::event<int> happens{{.max_listeners = 64}};
            plateau::inplace_stop_source shutdown;
            connection_table table;
            background_slot background;
            std::atomic<int> ended{0};
            std::atomic<int> wrong{0};
        };
        auto all = std::make_unique<shared>();
        constexpr int requests = 100;
        run_together(race_threads, [&](std::size_t i) {
            for (int n = 0; n < requests; ++n) {
                if (i == 0) {
                    for (std::size_t which = 2; which < race_threads; ++which) all->table.cancel(which);
                    continue;
                }
                if (i == 1) {
                    all->happens.emit(n);
                    continue;
                }
                request_scope request{all->pool};
                // Without tokens a deferred call is early enough to take the request out of the table; with one, it may
                // run when the scope object is gone.
                const bool kept = n % 3 == 0;
                request.defer([&, i, kept]() noexcept {
                    if (!kept) all->table.set(i, nullptr);
                    ++all->ended;
                });
                // Not atomic: what runs at once, or after the end, is a race.
                int& cancelled = request.attach<int>(0);
                int& heard = request.attach<int>(0);
                all->table.set(i, &request);
                const auto pass_on = [&request]() noexcept { request.cancel(); };
                const plateau::inplace_stop_callback<decltype(pass_on)> told(all->shutdown.get_token(), pass_on);
                request.on_cancel([&cancelled]() noexcept { ++cancelled; });
                if (all->happens.subscribe(request, [&heard](int) { ++heard; }) == plateau::subscribe_reason::ended)
                    ++all->wrong;
                static_cast<void>(request.arena().allocate_bytes(1'000));
                if (kept) all->background.exchange(request.keep_alive());
                if (i == 2 && n == requests - 5) all->shutdown.request_stop();
                if (kept) all->table.set(i, nullptr);
            }
        });
        all->background.exchange(std::nullopt);
        REQUIRE(all->ended == requests * static_cast<int>(race_threads - 2));
        REQUIRE(all->wrong == 0);
        REQUIRE(all->happens.stats().listeners == 0);
        REQUIRE(all->pool.stats().in_use_bytes == 0);
        REQUIRE(all->pool.stats().parked_scopes == 0);
        all->pool.check_invariants();
    });
}

TEST_CASE("of a scope and seven tokens on eight threads one finishes the request, after all of them", "[arena][race]") {
    for (int round = 0; round < 500; ++round) {
        struct shared {
            plateau::arena_pool pool;
            std::unique_ptr<request_scope> request = std::make_unique<request_scope>(pool);
            std::optional<plateau::scope_token> tokens[race_threads];
            int ended = 0;  // not atomic: whoever is last has synchronised with the others
        };
        auto all = std::make_unique<shared>();
        auto& written = all->request->arena().create<std::unique_ptr<int[]>>(new int[race_threads]());
        all->request->defer([&written, raw = all.get()]() noexcept {
            for (std::size_t i = 1; i < race_threads; ++i) raw->ended += written[i];
        });
        for (std::size_t i = 1; i < race_threads; ++i) all->tokens[i].emplace(all->request->keep_alive());
        run_together(race_threads, [&](std::size_t i) {
            if (i == 0) {
                all->request.reset();
            } else {
                written[i] = 1;
                all->tokens[i].reset();
            }
        });
        REQUIRE(all->ended == race_threads - 1);
        REQUIRE(all->pool.stats().in_use_bytes == 0);
    }
}
