// SPDX-License-Identifier: MIT
/// What loads are put through in every interleaving: functions over the policies of the cache below, so that the
/// shipped loads and defective ones meet the same scenes.
#pragma once

#include "cache/explored_box.hpp"
#include "tools/explorer/explore.hpp"

#include <plateau/cache/concurrent_lru_cache.hpp>
#include <plateau/cache/loading_cache.hpp>
#include <plateau/clock.hpp>
#include <plateau/executor.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace plateau_test {

struct explored_key_hash {
    using is_avalanching = void;
    std::uint64_t operator()(int key) const noexcept { return static_cast<std::uint64_t>(key); }
};

struct explored_load : plateau::concurrent_cache_policies {
    using sync = explored_sync;
    using hash = explored_key_hash;
    using clock = plateau::basic_manual_clock<explored_sync>;
    using pins = plateau::none;
    using stats = plateau::bare;
    static constexpr plateau::duration tick{1};
    static constexpr std::size_t shards = 1;
    static constexpr std::size_t min_shard_entries = 1;
    static constexpr std::size_t max_page_slots = 1;
    static constexpr std::size_t max_page_bytes = 1;
    static constexpr std::size_t load_stripes = 1;
};

namespace load_scenes {

using namespace std::chrono_literals;
using plateau::load_reason;
using plateau::time_point;

template <class Policies>
using cache_of = plateau::loading_cache<plateau::concurrent_lru_cache<int, boxed, Policies>>;
template <class Policies>
using options_of = typename cache_of<Policies>::options;
using ticket = plateau::load_ticket<boxed>;
using result = plateau::load_result<boxed>;

/// A cache on a clock of its own, which may end before the scene does.
template <class Policies>
struct setting {
    plateau::basic_manual_clock<explored_sync> clock;
    std::unique_ptr<cache_of<Policies>> cache;

    explicit setting(const options_of<Policies>& options) {
        boxed::live = 0;
        cache = std::make_unique<cache_of<Policies>>(options, clock);
    }
    cache_of<Policies>* operator->() const noexcept { return cache.get(); }

    /// Nothing is under way, and no value lives but those that are in.
    void check_idle(scene& s) const {
        cache->check_invariants();
        const auto now = cache->stats();
        s.check(now.loading == 0 && now.waiters == 0, "no load is left, and nobody waits");
        s.check(boxed::live == static_cast<int>(cache->size()), "no value lives but those that are in");
    }
    [[nodiscard]] int at(int key) const {
        const auto found = cache->peek(key);
        return found ? found->number() : 0;
    }
};

template <class Policies>
[[nodiscard]] options_of<Policies> small(plateau::duration load_timeout = plateau::forever, std::size_t max_waiters = 8,
                                         std::size_t max_loads = 2) {
    return {
        .cache = {.max_entries = 4}, .load_timeout = load_timeout, .max_waiters = max_waiters, .max_loads = max_loads};
}

/// An origin that counts who comes, and what it has now.
struct origin {
    explored_atomic<int> loads{0};
    explored_atomic<int> has{1};
    int operator()(int) {
        loads.fetch_add(1);
        return has.load();
    }
    [[nodiscard]] auto loader() {
        return [this](int key) { return boxed((*this)(key)); };
    }
};

/// Threads ask for one key: one of them loads it.
template <class Policies, int Threads>
void one_load_for_all(scene& s) {
    setting<Policies> all(small<Policies>());
    origin from;
    static constexpr const char* names[] = {"a", "b", "c"};
    for (int i = 0; i < Threads; ++i)
        s.thread(names[i], [&] {
            const auto got = all->get_or_load(1, from.loader());
            explore_check(got && got->number() == 1, "who asks gets the value");
        });
    s.run();
    s.check(from.loads == 1, "a key that is asked for meanwhile is loaded once");
    s.check(all.at(1) == 1, "what was loaded is kept");
    all.check_idle(s);
}

/// Has room for one piece of work, which is run when it is told to.
struct explored_executor {
    explored_atomic<int> posted{0};
    std::optional<plateau::work> what;
    void post(plateau::work next) {
        what = next;
        posted.store(1);
    }
    void run() {
        if (posted.exchange(0) == 1) (*what)();
    }
};

/// A load is on its way to the executor while another comes who has no deadline, and the executor runs.
template <class Policies>
void one_runs_what_is_queued(scene& s) {
    explored_executor later;
    setting<Policies> all(small<Policies>());
    all.cache = std::make_unique<cache_of<Policies>>(small<Policies>(), all.clock, later);
    origin from;
    s.thread("sends", [&] {
        const auto got = all->get_or_load_until(1, from.loader(), time_point(1s));
        explore_check(got && got->number() == 1, "who sends a load to the executor gets the value");
    });
    s.thread("needs", [&] {
        const auto got = all->get_or_load(1, from.loader());
        explore_check(got && got->number() == 1, "who has no deadline gets the value");
    });
    s.thread("runs", [&] { later.run(); });
    s.run();
    later.run();
    s.check(from.loads == 1, "a load in the executor is run once, by whoever comes first");
    s.check(all.at(1) == 1, "what was loaded is kept");
    all.check_idle(s);
}

enum class change { erase, put, clear };

/// The origin changes, and then the cache is told, while the key is loaded: no old value is seen from there on.
template <class Policies, change How>
void change_meets_load(scene& s) {
    setting<Policies> all(small<Policies>());
    origin from;
    s.thread("loads", [&] { static_cast<void>(all->get_or_load(1, from.loader())); });
    s.thread("changes", [&] {
        from.has.store(2);
        if constexpr (How == change::erase) static_cast<void>(all->erase(1));
        if constexpr (How == change::clear) all->clear();
        if constexpr (How == change::put) all->put(1, boxed(2));
        const auto got = all->get_or_load(1, from.loader());
        explore_check(got && got->number() == 2, "who asks after a change does not get what was there before it");
    });
    s.run();
    const int kept = all.at(1);  // 0: the change took away what was loaded while it was under way
    s.check(How == change::put ? kept == 2 : kept == 0 || kept == 2,
            "what was loaded before a change does not come back after it");
    all.check_idle(s);
}

/// The same where the old value is in the cache by the time that the load has begun.
template <class Policies, change How>
void change_meets_what_was_stored(scene& s) {
    setting<Policies> all(small<Policies>());
    origin from;
    s.thread("loads", [&] { static_cast<void>(all->get_or_load(1, from.loader())); });
    s.thread("changes", [&] {
        all->put(1, boxed(1));
        from.has.store(2);
        if constexpr (How == change::erase) static_cast<void>(all->erase(1));
        if constexpr (How == change::clear) all->clear();
        const auto got = all->get_or_load(1, from.loader());
        explore_check(got && got->number() == 2, "who asks after a change does not get what was there before it");
    });
    s.run();
    const int kept = all.at(1);
    s.check(kept == 0 || kept == 2, "what was loaded before a change does not come back after it");
    all.check_idle(s);
}

/// A value that the origin does not have is put while the key is loaded: it is not lost to the load.
template <class Policies>
void put_is_not_overwritten(scene& s) {
    setting<Policies> all(small<Policies>());
    origin from;
    s.thread("loads", [&] { static_cast<void>(all->get_or_load(1, from.loader())); });
    s.thread("puts", [&] { all->put(1, boxed(7)); });
    s.run();
    s.check(all.at(1) == 7, "a load that began before a put does not take its place");
    all.check_idle(s);
}

/// The same with a stale value in the cache, which one caller refreshes.
template <class Policies, change How>
void change_meets_refresh(scene& s) {
    auto options = small<Policies>();
    options.stale_while_revalidate = 100ms;
    setting<Policies> all(options);
    origin from;
    all->put(1, boxed(1), {.time_to_live = 10ms});
    all.clock.advance(20ms);
    s.thread("loads", [&] {
        const auto got = all->get_or_load(1, from.loader());
        explore_check(static_cast<bool>(got), "a stale value is handed out, or the new one");
    });
    s.thread("changes", [&] {
        from.has.store(2);
        if constexpr (How == change::erase) static_cast<void>(all->erase(1));
        if constexpr (How == change::clear) all->clear();
        if constexpr (How == change::put) all->put(1, boxed(2));
    });
    s.run();
    const int kept = all.at(1);
    s.check(How == change::put ? kept == 2 : kept == 0 || kept == 2, "no old value comes back after a change");
    all.check_idle(s);
}

/// Two find a stale value: one of them refreshes it.
template <class Policies>
void one_refresh_for_all(scene& s) {
    auto options = small<Policies>();
    options.stale_while_revalidate = 100ms;
    setting<Policies> all(options);
    origin from;
    from.has.store(2);
    all->put(1, boxed(1), {.time_to_live = 10ms});
    all.clock.advance(20ms);
    for (const char* name : {"a", "b"})
        s.thread(name, [&] {
            const auto got = all->get_or_load(1, from.loader());
            explore_check(got && got->number() == (got.stale() ? 1 : 2), "the old value is stale, the new one is not");
        });
    s.run();
    s.check(from.loads == 1, "a stale value is refreshed once");
    s.check(all.at(1) == 2, "a refresh is kept");
    all.check_idle(s);
}

// ---- tickets, callbacks

struct answer_log {
    int runs = 0;
    bool alive = true;
    int value = 0;
    load_reason reason = load_reason::none;
};
struct keep_answer {
    answer_log* log;
    void operator()(result got) const noexcept {
        explore_check(log->alive, "a callback does not run after its waiter has ended");
        ++log->runs;
        log->reason = got.reason();
        if (got) log->value = got->number();
    }
};
using explored_request = plateau::waiter<keep_answer, explored_sync>;

enum meets : unsigned { store = 1, drop = 2, cancel = 4, deadline = 8, destroy = 16, erases = 32 };

/// A callback waits for a load whose ticket is on another thread.
template <class Policies, unsigned Meets>
void callback_meets(scene& s) {
    setting<Policies> all(small<Policies>(1s));
    std::optional<ticket> duty;
    answer_log log;
    auto node = std::make_unique<explored_request>(keep_answer{&log});
    all->get_or_load_then(*node, 1, [&](int, ticket t) { duty.emplace(std::move(t)); });
    if constexpr ((Meets & store) != 0) s.thread("store", [&] { duty->store(boxed(5)); });
    if constexpr ((Meets & drop) != 0) s.thread("drop", [&] { duty.reset(); });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { node->cancel(); });
    if constexpr ((Meets & deadline) != 0)
        s.thread("deadline", [&] {
            all.clock.advance(1s);
            all->expire(all.clock.now());
        });
    if constexpr ((Meets & erases) != 0) s.thread("erase", [&] { static_cast<void>(all->erase(1)); });
    if constexpr ((Meets & destroy) != 0)
        s.thread("destroy", [&] {
            node.reset();
            log.alive = false;
        });
    s.run();
    s.check((Meets & destroy) != 0 ? log.runs <= 1 : log.runs == 1, "a callback runs exactly once");
    if (log.runs == 1)
        s.check((log.reason == load_reason::none && log.value == 5 && (Meets & store) != 0) ||
                    (log.reason == load_reason::failed && (Meets & drop) != 0) ||
                    (log.reason == load_reason::cancelled && (Meets & cancel) != 0) ||
                    (log.reason == load_reason::timed_out && (Meets & deadline) != 0),
                "a wait ends for a reason that was there");
    duty.reset();
    const int kept = all.at(1);
    s.check(kept == 0 || (kept == 5 && (Meets & store) != 0), "what is kept was loaded");
    all.check_idle(s);
}

/// A callback and a thread wait for the same load, and leave or are served.
template <class Policies, unsigned Meets>
void thread_meets(scene& s) {
    setting<Policies> all(small<Policies>());
    plateau::basic_inplace_stop_source<explored_sync> source;
    std::optional<ticket> duty;
    answer_log log;
    explored_request node(keep_answer{&log});
    all->get_or_load_then(node, 1, [&](int, ticket t) { duty.emplace(std::move(t)); });
    auto reason = load_reason::none;
    s.thread("waiter", [&] {
        const auto got = all->get_or_load_until(
            1, [](int) { return boxed(6); }, time_point(1s), source.get_token());
        reason = got.reason();
        if (got) explore_check(got->number() == 5, "who waits gets what the load brings");
    });
    if constexpr ((Meets & store) != 0) s.thread("store", [&] { duty->store(boxed(5)); });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { source.request_stop(); });
    if constexpr ((Meets & deadline) != 0) s.thread("deadline", [&] { all.clock.advance(1s); });
    s.run();
    s.check((reason == load_reason::none && (Meets & store) != 0) ||
                (reason == load_reason::cancelled && (Meets & cancel) != 0) ||
                (reason == load_reason::timed_out && (Meets & deadline) != 0),
            "a wait ends for a reason that was there");
    duty.reset();
    s.check(log.runs == 1, "a callback runs exactly once");
    all.check_idle(s);
}

/// A load takes too long, and the key is loaded again: the late one does not take the place of the new one.
template <class Policies>
void late_load_is_dropped(scene& s) {
    setting<Policies> all(small<Policies>(1s));
    std::optional<ticket> duty;
    answer_log log;
    explored_request node(keep_answer{&log});
    all->get_or_load_then(node, 1, [&](int, ticket t) { duty.emplace(std::move(t)); });
    all.clock.advance(1s);
    s.thread("again", [&] {
        const auto got = all->get_or_load(1, [](int) { return boxed(2); });
        explore_check(got && got->number() == 2, "an overdue load keeps nobody");
    });
    s.thread("late", [&] { duty->store(boxed(5)); });
    s.run();
    s.check(log.runs == 1 && (log.reason == load_reason::timed_out || log.value == 2),
            "who waits for an overdue load is told so, once");
    s.check(all.at(1) == 2, "what comes late is not kept");
    s.check(all->stats().loads_overdue == 1, "an overdue load is counted once");
    all.check_idle(s);
}

/// One may wait, and two come.
template <class Policies>
void waiters_are_bounded(scene& s) {
    setting<Policies> all(small<Policies>(plateau::forever, 1));
    std::optional<ticket> duty;
    answer_log log;
    explored_request node(keep_answer{&log});
    all->get_or_load_then(node, 1, [&](int, ticket t) { duty.emplace(std::move(t)); });
    int served = 0, refused = 0;
    for (const char* name : {"a", "b"})
        s.thread(name, [&] {
            const auto got = all->get_or_load(1, [](int) { return boxed(6); });
            explore_check(got || got.reason() == load_reason::waiters_full, "who may not wait is told so");
            ++(got ? served : refused);
        });
    s.thread("store", [&] { duty->store(boxed(5)); });
    s.run();
    s.check(served >= 1 && served + refused == 2, "one may wait");
    all.check_idle(s);
}

/// The cache ends while a ticket is out, and its waiter may be cancelled, or end, on a third thread.
template <class Policies, unsigned Meets>
void end_meets_waiter(scene& s) {
    setting<Policies> all(small<Policies>());
    std::optional<ticket> duty;
    answer_log log;
    auto node = std::make_unique<explored_request>(keep_answer{&log});
    all->get_or_load_then(*node, 1, [&](int, ticket t) { duty.emplace(std::move(t)); });
    s.thread("ends", [&] { all.cache.reset(); });
    if constexpr ((Meets & store) != 0) s.thread("store", [&] { duty->store(boxed(5)); });
    if constexpr ((Meets & drop) != 0) s.thread("drop", [&] { duty.reset(); });
    if constexpr ((Meets & cancel) != 0) s.thread("cancel", [&] { node->cancel(); });
    if constexpr ((Meets & destroy) != 0)
        s.thread("destroy", [&] {
            node.reset();
            log.alive = false;
        });
    s.run();
    s.check((Meets & destroy) != 0 ? log.runs <= 1 : log.runs == 1, "a callback runs exactly once");
    if (Meets == store) s.check(log.value == 5, "who waits for a ticket is told what it brings");
    s.check(boxed::live == 0, "no value outlives the cache");
}

/// The cache ends while a load, or what a callback is to be told, is in an executor.
template <class Policies, bool Loads>
void end_waits_for_the_executor(scene& s) {
    explored_executor later;
    setting<Policies> all(small<Policies>());
    all.cache = std::make_unique<cache_of<Policies>>(small<Policies>(), all.clock, later);
    origin from;
    answer_log log;
    explored_request node(keep_answer{&log});
    if constexpr (Loads) {
        all->get_or_load_then(node, 1, from.loader());
    } else {
        all->put(1, boxed(1));
        all->get_or_load_then(node, 1, from.loader(), later);
    }
    s.thread("ends", [&] { all.cache.reset(); });
    s.thread("runs", [&] { later.run(); });
    s.run();
    s.check(log.runs == 1 && log.value == 1, "a callback runs exactly once");
    s.check(from.loads == (Loads ? 1 : 0) && boxed::live == 0, "no value outlives the cache");
}

/// Two loads that ask for each other's keys: one is told, and both end.
template <class Policies>
void circle_of_two(scene& s) {
    setting<Policies> all(small<Policies>(plateau::forever, 8, 4));
    int told = 0;
    const auto ask = [&](int mine, int other) {
        const auto got = all->get_or_load(mine, [&](int) {
            const auto inner = all->get_or_load(other, [&](int) { return boxed(9); });
            if (!inner) {
                explore_check(inner.reason() == load_reason::recursive, "a circle is refused as recursive");
                ++told;
            }
            return boxed(mine);
        });
        explore_check(static_cast<bool>(got), "a load whose loader was refused goes on");
    };
    s.thread("a", [&] { ask(1, 2); });
    s.thread("b", [&] { ask(2, 1); });
    s.run();
    s.check(told <= 1, "one of a circle is told");
    all.check_idle(s);
}

/// A coroutine that nobody owns but the frame's holder.
struct held_coroutine {
    struct promise_type {
        held_coroutine get_return_object() noexcept {
            return held_coroutine(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_always final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        static void unhandled_exception() noexcept { std::terminate(); }
    };
    explicit held_coroutine(std::coroutine_handle<promise_type> frame) noexcept : handle(frame) {}
    held_coroutine(held_coroutine&& other) noexcept : handle(std::exchange(other.handle, {})) {}
    held_coroutine& operator=(held_coroutine&&) = delete;
    ~held_coroutine() { end(); }
    void end() noexcept {
        if (handle) std::exchange(handle, {}).destroy();
    }
    std::coroutine_handle<promise_type> handle;
};

/// A coroutine waits for the load that another has begun, and is served or destroyed.
template <class Policies, bool Destroys>
void coroutine_meets(scene& s) {
    setting<Policies> all(small<Policies>());
    std::optional<ticket> duty;
    answer_log log;
    explored_request node(keep_answer{&log});
    all->get_or_load_then(node, 1, [&](int, ticket t) { duty.emplace(std::move(t)); });
    int got = 0;
    auto body = [](cache_of<Policies>& cache, int& place) -> held_coroutine {
        const auto answer = co_await cache.async_get_or_load(
            1, [](int) { return boxed(6); }, plateau::inline_here);
        place = answer ? answer->number() : -1;
    };
    held_coroutine waiting = body(*all.cache, got);
    if constexpr (Destroys) node.cancel();
    s.thread("store", [&] {
        if constexpr (Destroys) waiting.end();
        duty->store(boxed(5));
    });
    if constexpr (!Destroys) s.thread("erase", [&] { static_cast<void>(all->erase(1)); });
    s.thread("asks", [&] {
        const auto other = all->get_or_load(1, [](int) { return boxed(6); });
        explore_check(other && (other->number() == 5 || other->number() == 6), "who asks gets the value");
    });
    s.run();
    s.check(got == (Destroys ? 0 : 5), "a coroutine goes on with what was loaded");
    waiting.end();
    all.check_idle(s);
}

}  // namespace load_scenes
}  // namespace plateau_test
