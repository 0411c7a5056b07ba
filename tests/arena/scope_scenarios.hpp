// SPDX-License-Identifier: MIT
/// What a request is put through in every interleaving, for several policies.
#pragma once

#include "support/subscription_checks.hpp"
#include "tools/explorer/explore.hpp"

#include <plateau/arena/arena_pool.hpp>
#include <plateau/arena/request_scope.hpp>
#include <plateau/stop.hpp>
#include <plateau/support/subscription.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace plateau_test {

struct explored_scopes : plateau::scope_policies {
    using sync = explored_sync;
};
struct explored_pools : plateau::arena_policies {
    using sync = explored_sync;
    static constexpr std::size_t superblock_blocks = 2;
};
struct explored_listeners : plateau::event_policies {
    using sync = explored_sync;
    static constexpr std::size_t page_listeners = 1;
};
using explored_pool = plateau::basic_arena_pool<explored_pools>;

inline plateau::arena_pool_options small_pool() noexcept { return {.max_bytes = 16'384, .block_bytes = 4'096}; }

template <class Policies>
using scope_under = plateau::basic_request_scope<Policies>;

/// What a request's callback, listener or deferred call works on; it lies in the request's memory.
struct request_work {
    explored_value<int> times{0};
    void note() { times = times + 1; }
};

/// Requests in progress, as a server's table of connections holds them: whoever cancels one finds it there under the
/// mutex, and it takes itself out when it ends.
template <class Policies>
struct live_requests {
    typename Policies::sync::mutex mutex;
    scope_under<Policies>* request = nullptr;

    void cancel() {
        mutex.lock();
        if (request != nullptr) request->cancel();
        mutex.unlock();
    }
    void forget() noexcept {
        mutex.lock();
        request = nullptr;
        mutex.unlock();
    }
};

/// A callback is called once if the cancelling came first, and is not running once the request's memory ends.
template <class Policies>
void cancelling_meets_the_end(scene& s) {
    explored_pool pool(small_pool());
    live_requests<Policies> live;
    int called = 0, ended = 0;
    bool before = false;
    {
        auto request = std::make_unique<scope_under<Policies>>(pool);
        live.request = request.get();
        request->defer([&]() noexcept {
            live.forget();
            ++ended;
        });
        auto& work = request->arena().template create<request_work>();
        request->on_cancel([&]() noexcept {
            explore_check(ended == 0, "no callback runs once deferred calls do");
            work.note();
            ++called;
        });
        s.thread("cancels", [&] { live.cancel(); });
        s.thread("ends", [&] {
            before = request->stop_requested();
            request.reset();
        });
        s.run();
    }
    s.check(called <= 1 && (called == 1 || !before), "the callback of a cancelled request is called, once");
    s.check(ended == 1, "the request ended");
    s.check(pool.stats().in_use_bytes == 0 && pool.stats().scopes == 0, "its memory is back");
    pool.check_invariants();
}

/// A callback that is registered while the request is being cancelled is called exactly once.
template <class Policies>
void registering_meets_cancelling(scene& s) {
    explored_pool pool(small_pool());
    int called = 0;
    {
        scope_under<Policies> request{pool};
        auto& work = request.arena().template create<request_work>();
        s.thread("cancels", [&] { request.cancel(); });
        s.thread("registers", [&] {
            request.on_cancel([&]() noexcept {
                work.note();
                ++called;
            });
        });
        s.run();
        s.check(called == 1 && request.stop_requested(), "it was called, before or after it was registered");
        s.check(work.times == 1, "it worked");
    }
    s.check(pool.stats().in_use_bytes == 0, "the memory is back");
}

/// Two tokens and the scope go at the same time: the last of them ends what was made, after all that the others did.
template <class Policies>
void the_last_token_meets_the_end(scene& s, std::size_t tokens) {
    explored_pool pool(small_pool());
    typename Policies::sync::template atomic<int> ended{0};
    auto request = std::make_unique<scope_under<Policies>>(pool);
    auto& work = request->arena().template create<request_work>();
    auto& other = request->arena().template create<request_work>();
    request->defer([&]() noexcept {
        explore_check(work.times + other.times == static_cast<int>(tokens), "the end comes after what tokens kept");
        ended.fetch_add(1);
    });
    std::optional<plateau::basic_scope_token<Policies>> kept[2];
    for (std::size_t i = 0; i < tokens; ++i) {
        kept[i].emplace(request->keep_alive());
        s.thread(i == 0 ? "first token" : "second token", [&, i] {
            (i == 0 ? work : other).note();
            kept[i].reset();
        });
    }
    s.thread("scope", [&] { request.reset(); });
    s.run();
    s.check(ended == 1, "it ended once");
    s.check(pool.stats().in_use_bytes == 0 && pool.stats().scopes == 0, "the memory is back");
    s.check(pool.stats().parked_scopes == 0, "nothing is parked");
    pool.check_invariants();
}

/// A listener that works on a request's memory, and the end of the request.
template <class Policies>
void emitting_meets_the_end(scene& s) {
    explored_pool pool(small_pool());
    event_of<explored_listeners, int> happens;
    auto request = std::make_unique<scope_under<Policies>>(pool);
    auto& work = request->arena().template create<request_work>();
    int calls = 0;
    s.check(happens.subscribe(*request,
                              [&](int) {
                                  work.note();
                                  ++calls;
                              }) == plateau::subscribe_reason::none,
            "the request listens");
    s.thread("emits", [&] {
        happens.emit(1);
        happens.emit(2);
    });
    s.thread("ends", [&] { request.reset(); });
    s.run();
    s.check(happens.stats().listeners == 0, "nobody listens");
    s.check(calls <= 2, "it was called at most once an emission");
    s.check(pool.stats().in_use_bytes == 0, "the memory is back");
    happens.check_invariants();
}

/// A parked request, its listener and its cancelling: all three at once.
template <class Policies>
void everything_meets_the_end(scene& s) {
    explored_pool pool(small_pool());
    event_of<explored_listeners> happens;
    live_requests<Policies> live;
    auto request = std::make_unique<scope_under<Policies>>(pool);
    live.request = request.get();
    auto& work = request->arena().template create<request_work>();
    s.check(happens.subscribe(*request, [&] { work.note(); }) == plateau::subscribe_reason::none, "it listens");
    std::optional<plateau::basic_scope_token<Policies>> token(request->keep_alive());
    s.thread("token", [&] { token.reset(); });
    s.thread("emits", [&] { happens.emit(); });
    s.thread("scope", [&] { request.reset(); });
    s.run();
    s.check(happens.stats().listeners == 0, "nobody listens");
    s.check(pool.stats().in_use_bytes == 0 && pool.stats().parked_scopes == 0, "the memory is back");
}

/// Whoever cancels the request finds it until its end begins, while the last token goes.
template <class Policies>
void cancelling_meets_token_and_end(scene& s) {
    explored_pool pool(small_pool());
    live_requests<Policies> live;
    int called = 0, ended = 0;
    auto request = std::make_unique<scope_under<Policies>>(pool);
    live.request = request.get();
    auto& work = request->arena().template create<request_work>();
    request->defer([&]() noexcept { ++ended; });
    request->on_cancel([&]() noexcept {
        explore_check(ended == 0, "no callback runs once deferred calls do");
        work.note();
        ++called;
    });
    std::optional<plateau::basic_scope_token<Policies>> token(request->keep_alive());
    s.thread("cancels", [&] { live.cancel(); });
    s.thread("token", [&] { token.reset(); });
    s.thread("scope", [&] {
        live.forget();
        request.reset();
    });
    s.run();
    s.check(called <= 1 && ended == 1, "the callback is called at most once, and the request ended");
    s.check(pool.stats().in_use_bytes == 0 && pool.stats().scopes == 0, "its memory is back");
    s.check(pool.stats().parked_scopes == 0, "nothing is parked");
    pool.check_invariants();
}

}  // namespace plateau_test
