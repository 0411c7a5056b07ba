// SPDX-License-Identifier: MIT
// Loads: what one caller at a time is promised, and threads that wait for one another by turns.
#include "cache/load_checks.hpp"
#include "cache/load_scenes.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"
#include "tools/new_witness.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/cache/tagged_cache.hpp>
#include <plateau/stop.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

using shipped = hand_loads;
using all_loads = loads<shipped>;

template <class Until>
void wait_for(Until until) {
    while (!until()) std::this_thread::yield();
}

/// A coroutine type of which one at a time is looked at.
using held = load_scenes::held_coroutine;

}  // namespace

TEST_CASE("what is loaded is kept, and found by what compares with the key", "[cache][unit]") {
    int loaded = 0;
    plateau::loading_cache<plateau::concurrent_lru_cache<text, text>> pages{{.cache = {.max_entries = 10}},
                                                                            [&](const text& path) {
                                                                                ++loaded;
                                                                                return "page " + path;
                                                                            }};
    CHECK(*pages.get("/a") == "page /a");
    CHECK(*pages.get(std::string_view("/a")) == "page /a");
    CHECK(*pages.get(text("/a")) == "page /a");
    CHECK(loaded == 1);
    CHECK(*pages.peek("/a") == "page /a");
    CHECK(pages.contains("/a"));
    CHECK(*pages.pin("/a") == "page /a");
    CHECK(pages.inner().size() == 1);
    CHECK(pages.stats().loads == 1);
    CHECK(pages.stats().hits >= 2);
    CHECK(pages.erase("/a"));
    CHECK_FALSE(pages.erase("/a"));
    CHECK(*pages.get("/a") == "page /a");
    CHECK(loaded == 2);
}

TEST_CASE("a load that fails is told to who asked, and not kept", "[cache][unit]") {
    passes(a_load_that_fails_is_not_kept<shipped>);
}

TEST_CASE("an exception of the loader comes once to each of those who wait", "[cache][unit]") {
    all_loads all({});
    load_answer first;
    text_ticket duty = all.begin(first, 1);
    std::atomic<int> caught{0}, odd{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] {
            try {
                static_cast<void>(all->get(1));
                ++odd;
            } catch (const std::runtime_error& e) {
                if (text(e.what()) == "down") ++caught;
            }
        });
    wait_for([&] { return all->stats().waiters == 8; });
    duty.fail(std::make_exception_ptr(std::runtime_error("down")));
    for (auto& thread : threads) thread.join();
    CHECK(caught == 8);
    CHECK(odd == 0);
    CHECK(first.reason() == load_reason::failed);
    CHECK(first.got.error() != nullptr);
    CHECK(*all->get(1) == "1/1");
    CHECK(all->stats().load_failures == 1);
}

TEST_CASE("a loader that asks for its own key is refused, and one that asks for another is served", "[cache][unit]") {
    passes(a_loader_that_asks_for_its_own_key_is_refused<shipped>);
}

TEST_CASE("two threads whose loaders ask for each other's keys both end", "[cache][unit]") {
    all_loads all({});
    std::atomic<int> inside{0}, refused{0}, served{0};
    const auto ask = [&](int mine, int other) {
        const auto got = all->get_or_load(mine, [&](int) {
            ++inside;
            wait_for([&] { return inside == 2; });
            const auto inner = all->get_or_load(other, [](int) { return text("never"); });
            if (inner.reason() == load_reason::recursive) ++refused;
            return text("mine");
        });
        if (got) ++served;
    };
    std::thread a([&] { ask(1, 2); }), b([&] { ask(2, 1); });
    a.join();
    b.join();
    CHECK(refused == 1);
    CHECK(served == 2);
}

TEST_CASE("a change during a load is not undone by it, and who waited gets what it brings", "[cache][unit]") {
    passes(a_change_during_a_load_is_not_undone_by_it<shipped>);
}

TEST_CASE("a tag that is invalidated during a load is not brought back by it, and who waited gets what it brings",
          "[cache][unit]") {
    plateau::manual_clock clock;
    int made = 0;
    const auto page = [&](int) {
        return plateau::loaded<text>{.value = "page " + std::to_string(++made), .tags = {"tag"}};
    };
    plateau::loading_cache<plateau::tagged_cache<plateau::concurrent_lru_cache<int, text, hand_loads>>> all{
        {.cache = {.cache = {.max_entries = 10}}}, clock, page};
    load_answer answer;
    std::optional<text_ticket> duty;
    all.get_or_load_then(answer.node, 1, [&](int, text_ticket t) { duty.emplace(std::move(t)); });
    all.invalidate_tag("tag");
    duty->store(page(1));
    CHECK(answer.value() == "page 1");
    CHECK_FALSE(all.contains(1));
    CHECK(*all.get(1) == "page 2");
    CHECK(all.contains(1));
    CHECK(all.invalidate_tag("tag"));
    CHECK_FALSE(all.contains(1));
    CHECK(*all.get(1) == "page 3");
    CHECK(all.put(2, "put", {.tags = {"tag"}}));
    CHECK(all.invalidate_tag("tag"));
    CHECK(all.purge_expired() == 2);
    const auto inside = all.get_or_load(1, [&](int key) {
        all.invalidate_tag("tag");
        return page(key);
    });
    CHECK(*inside == "page 4");
    CHECK(all.size() == 0);
    all.check_invariants();
}

TEST_CASE("a loader may change its own key", "[cache][unit]") {
    all_loads all({});
    const auto got = all->get_or_load(1, [&](int key) {
        all->put(key, "put inside");
        return text("loaded");
    });
    CHECK(*got == "loaded");
    CHECK(*all->peek(1) == "put inside");
}

TEST_CASE("more keys are loaded at the same time than the cache holds", "[cache][unit]") {
    // isaacs/node-lru-cache#320: fetches that are under way took the room of entries, and one of them was lost.
    all_loads all({.cache = {.max_entries = 3}});
    load_answer answers[4];
    std::vector<text_ticket> duties;
    for (int key = 0; key < 4; ++key) duties.push_back(all.begin(answers[key], key));
    for (int key = 0; key < 4; ++key) duties[static_cast<std::size_t>(key)].store("value " + std::to_string(key));
    for (int key = 0; key < 4; ++key) CHECK(answers[key].value() == "value " + std::to_string(key));
    CHECK(all->size() == 3);
    CHECK(*all->peek(3) == "value 3");
    all->check_invariants();
}

namespace {
struct told_rejected {
    std::vector<std::pair<text, plateau::removal_cause>>* told;
    void operator()(int, const text& value, plateau::removal_cause cause) noexcept { told->emplace_back(value, cause); }
};
struct listening : plateau::concurrent_cache_policies {
    using listener = told_rejected;
};
}  // namespace

TEST_CASE("a value too large to keep is handed out, and the listener hears that it was rejected", "[cache][unit]") {
    std::vector<std::pair<text, plateau::removal_cause>> told;
    plateau::loading_cache<plateau::concurrent_lru_cache<int, text, listening>> all{
        {.cache = {.max_bytes = 100'000, .max_entry_bytes = 1'000}}, told_rejected{&told}, [](int key) {
            return text(key == 1 ? 2'000 : 10, 'x');
        }};
    CHECK(all.get(1)->size() == 2'000);
    CHECK(all.size() == 0);
    REQUIRE(told.size() == 1);
    CHECK(told[0].first.size() == 2'000);
    CHECK(told[0].second == plateau::removal_cause::rejected);
    CHECK(all.get(2)->size() == 10);
    CHECK(all.size() == 1);
}

TEST_CASE("a listener that asks for what could not be kept is refused, not left waiting for itself", "[cache][unit]") {
    struct asks {
        std::function<void()>* ask;
        void operator()(int, const text&, plateau::removal_cause) noexcept { (*ask)(); }
    };
    struct policies : plateau::concurrent_cache_policies {
        using listener = asks;
    };
    std::function<void()> ask;
    plateau::loading_cache<plateau::concurrent_lru_cache<int, text, policies>> all{
        {.cache = {.max_bytes = 100'000, .max_entry_bytes = 1'000}}, asks{&ask}, [](int) { return text(2'000, 'x'); }};
    load_reason inside = load_reason::none;
    ask = [&] { inside = all.get(1).reason(); };
    CHECK(all.get(1)->size() == 2'000);
    CHECK(inside == load_reason::recursive);
    ask = [] {};
}

TEST_CASE("a stale value is handed out at once while one load runs on the executor", "[cache][unit]") {
    passes(a_stale_value_is_handed_out_while_one_load_runs<shipped>);
}

TEST_CASE("without an executor the caller who finds a value stale loads it anew", "[cache][unit]") {
    all_loads all({.cache = {.time_to_live = 10s}, .stale_while_revalidate = 5s});
    static_cast<void>(all->get(1));
    all.clock.advance(12s);
    const auto quick = all->try_get(1);
    CHECK((quick && quick.stale()));
    CHECK(all.origin_loads == 1);
    const auto got = all->get(1);
    CHECK((*got == "1/2" && !got.stale()));
    all.clock.advance(12s);
    all.origin_fails = true;
    const auto again = all->get(1);
    CHECK((*again == "1/2" && again.stale()));
    CHECK(all.origin_loads == 3);
    all.clock.advance(3s);
    CHECK_THROWS_AS(all->get(1), std::runtime_error);
}

TEST_CASE("a stale value does not outlive its end, though its refresh hangs", "[cache][unit]") {
    passes(a_stale_value_does_not_outlive_its_end<shipped>);
}

TEST_CASE("an entry that came past the loads ends by its deadline", "[cache][unit]") {
    passes(an_entry_that_came_past_the_loads_ends<shipped>);
}

TEST_CASE("a window of any length for stale values is kept as it was said", "[cache][unit]") {
    passes(a_window_of_any_length_is_kept<plateau::detail::load_note>);
}

TEST_CASE("a failing origin is bridged by the old value until its end", "[cache][unit]") {
    passes(a_failing_origin_is_bridged_by_the_old_value<shipped>);
}

TEST_CASE("who leaves in time is given the old value for want of better", "[cache][unit]") {
    all_loads all({.cache = {.time_to_live = 10s}, .stale_if_error = 60s});
    static_cast<void>(all->get(1));
    all.clock.advance(20s);
    load_answer first;
    text_ticket duty = all.begin(first, 1);
    CHECK(first.runs == 0);
    const auto got = all->get_until(1, all.clock.now());
    CHECK((got && got.stale() && *got == "1/1"));
    CHECK(all->try_get(1).stale());
    duty.store("new");
    CHECK(first.value() == "new");
    CHECK_FALSE(all->get(1).stale());
}

TEST_CASE("the loader chooses the times of each value", "[cache][unit]") {
    all_loads all({.cache = {.time_to_live = 10s}});
    const auto load = [&](int key) {
        return plateau::loaded<text>{.value = std::to_string(key),
                                     .time_to_live = std::chrono::seconds(key),
                                     .stale_while_revalidate = key == 2 ? 3s : 0s};
    };
    for (const int key : {1, 2, 30}) static_cast<void>(all->get_or_load(key, load));
    all.clock.advance(1s);
    CHECK_FALSE(all->contains(1));
    all.clock.advance(1s);
    CHECK(all->try_get(2).stale());
    all.clock.advance(3s);
    CHECK_FALSE(all->contains(2));
    all.clock.advance(24s);
    CHECK_FALSE(all->try_get(30).stale());
    all.clock.advance(1s);
    CHECK_FALSE(all->contains(30));
    CHECK(*all->get_or_load(0, load) == "0");
    CHECK_FALSE(all->contains(0));
    all->put(7, "put", {.time_to_live = 1s});
    all.clock.advance(1s);
    CHECK_FALSE(all->contains(7));
    CHECK(all->purge_expired() <= 1);
}

TEST_CASE("an overdue load is let go, may be done again, and what it brings late is dropped", "[cache][unit]") {
    passes(an_overdue_load_is_let_go<shipped>);
}

TEST_CASE("a thread that waits for a load that never ends leaves in time", "[cache][unit]") {
    all_loads all({.load_timeout = 10s});
    load_answer first;
    text_ticket never = all.begin(first, 1);
    CHECK(all->get_for(1, 0s).reason() == load_reason::timed_out);
    CHECK(all->get_until(1, all.clock.now()).reason() == load_reason::timed_out);
    load_reason told = load_reason::none;
    std::thread waits([&] { told = all->get(1).reason(); });
    wait_for([&] { return all->stats().waiters == 1; });
    all.clock.advance(10s);
    waits.join();
    CHECK(told == load_reason::timed_out);
    CHECK(all->stats().loads_overdue == 1);
    CHECK(*all->get(1) == "1/1");
    CHECK(first.reason() == load_reason::timed_out);
    never.store("late");
    CHECK(*all->get(1) == "1/1");
}

TEST_CASE("the bounds of loads and of those who wait hold", "[cache][unit]") { passes(bounds_of_loads_hold<shipped>); }

TEST_CASE("a load that is asked for from inside the equality of its keys is a violation", "[cache][unit]") {
    struct asks {
        std::function<void()>* ask;
        bool operator()(int a, int b) const {
            if (const auto now = std::exchange(*ask, nullptr)) now();
            return a == b;
        }
    };
    struct policies : hand_loads {
        using equal = asks;
    };
    const death end = dies([] {
        plateau::manual_clock clock;
        std::function<void()> ask;
        plateau::loading_cache<plateau::concurrent_lru_cache<int, text, policies>> all{
            {.cache = {.max_entries = 10}}, clock, [](int) { return text(); }, asks{&ask}};
        load_answer first, second;
        std::optional<text_ticket> duty;
        all.get_or_load_then(first.node, 1, [&](int, text_ticket t) { duty.emplace(std::move(t)); });
        ask = [&] { static_cast<void>(all.erase(1)); };
        all.get_then(second.node, 1);
    });
    CHECK(end.says("inside the equality of its keys"));
}

TEST_CASE("an absent key is remembered for its time", "[cache][unit]") {
    passes(an_absent_key_is_remembered_for_its_time<shipped>);
}

TEST_CASE("an absence that a load found during a put is forgotten by the put", "[cache][unit]") {
    passes(an_absence_found_during_a_put_is_forgotten<shipped>);
}

TEST_CASE("a value that the cache has no room for ends an absence too", "[cache][unit]") {
    passes(a_value_without_room_ends_an_absence<shipped>);
}

TEST_CASE("absent keys push out no value, and are bounded themselves", "[cache][unit]") {
    all_loads all({.cache = {.max_entries = 10}, .absent_for = 1h, .max_absent_bytes = 4'096});
    for (int key = 0; key < 10; ++key) static_cast<void>(all->get(key));
    for (int key = 1'000; key < 11'000; ++key)
        static_cast<void>(all->get_or_load(key, [](int) { return std::optional<text>(); }));
    CHECK(all->size() == 10);
    int known = 0;
    for (int key = 1'000; key < 11'000; ++key)
        known += all->get_or_load(key, [](int) { return text("found"); }) ? 0 : 1;
    CHECK(known > 0);
    CHECK(known <= 200);
}

TEST_CASE("a refresh that finds the key absent takes the old value away", "[cache][unit]") {
    all_loads all({.cache = {.time_to_live = 10s}, .stale_while_revalidate = 50s});
    static_cast<void>(all->get(1));
    all.clock.advance(20s);
    CHECK(all->get_or_load(1, [](int) { return std::optional<text>(); }).reason() == load_reason::absent);
    CHECK_FALSE(all->contains(1));
}

TEST_CASE("a wait ends by a stop token, and by the cancel of a waiter", "[cache][unit]") {
    all_loads all({});
    load_answer first, second;
    text_ticket duty = all.begin(first, 1);
    plateau::inplace_stop_source source;
    load_reason told = load_reason::none;
    std::thread waits([&] { told = all->get(1, source.get_token()).reason(); });
    wait_for([&] { return all->stats().waiters == 1; });
    source.request_stop();
    waits.join();
    CHECK(told == load_reason::cancelled);
    CHECK(all->get(2, source.get_token()).reason() == load_reason::cancelled);
    all->get_then(second.node, 1);
    CHECK(second.node.waiting());
    CHECK(second.node.cancel());
    CHECK(second.reason() == load_reason::cancelled);
    {
        load_answer gone;
        all->get_then(gone.node, 1);
    }
    duty.store("value");
    CHECK(first.value() == "value");
    CHECK(all.origin_loads == 0);
    CHECK(*all->get(1, source.get_token()) == "value");
}

TEST_CASE("a ticket that is dropped, or whose loader throws, fails the load", "[cache][unit]") {
    all_loads all({});
    load_answer dropped, threw, returned;
    { const text_ticket duty = all.begin(dropped, 1); }
    CHECK(dropped.reason() == load_reason::failed);
    CHECK(dropped.got.error() == nullptr);
    all->get_or_load_then(threw.node, 1, [](int, text_ticket) { throw std::runtime_error("before an answer"); });
    CHECK(threw.reason() == load_reason::failed);
    CHECK(threw.got.error() != nullptr);
    all->get_or_load_then(returned.node, 1, [](int, text_ticket) {});
    CHECK(returned.reason() == load_reason::failed);
    CHECK(all->get_or_load(1, [](int, text_ticket) {}).reason() == load_reason::failed);
    CHECK(all->stats().load_failures == 4);
    load_answer stored;
    all->get_or_load_then(stored.node, 1, [](int, text_ticket t) {
        t.store("at once");
        t.store("again");
        t.fail();
    });
    CHECK(stored.value() == "at once");
    CHECK(*all->get(1) == "at once");
    load_answer absent;
    all->get_or_load_then(absent.node, 2, [](int, text_ticket t) { t.absent(); });
    CHECK(absent.reason() == load_reason::absent);
}

TEST_CASE("a callback is told a value that is there, where and when its executor runs", "[cache][unit]") {
    all_loads all({});
    hand_executor loop;
    load_answer answer;
    all->get_then(answer.node, 1, loop);
    CHECK((answer.runs == 0 && all.origin_loads == 1));
    loop.run_all();
    CHECK(answer.value() == "1/1");
    all->get_then(answer.node, 1, loop);
    static_cast<void>(all->erase(1));
    loop.run_all();
    CHECK((answer.runs == 2 && answer.value() == "1/1"));
    {
        load_answer inline_answer;
        all->put(2, "two");
        all->get_then(inline_answer.node, 2);
        CHECK(inline_answer.value() == "two");
    }
    all->check_invariants();
}

TEST_CASE("a load runs on the executor for those who may leave, and goes on without them", "[cache][unit]") {
    all_loads all({}, true);
    CHECK(all->get_for(1, 0s).reason() == load_reason::timed_out);
    CHECK(all.later.queued() == 1);
    CHECK(all->get_for(1, 0s).reason() == load_reason::timed_out);
    CHECK(all.later.queued() == 1);
    CHECK(all->try_get(1).reason() == load_reason::timed_out);
    all.later.run_all();
    CHECK(*all->try_get(1) == "1/1");
    // A loader that came with the call is moved there: small ones into the record, others into a box.
    const auto large = std::make_shared<text>(text("large"));
    char padding[100] = "padding";
    CHECK(all->get_or_load_for(
                 2, [large](int) { return *large; }, 0s)
              .reason() == load_reason::timed_out);
    CHECK(all->get_or_load_for(
                 3, [large, padding](int) { return *large + padding; }, 0s)
              .reason() == load_reason::timed_out);
    CHECK(large.use_count() == 3);
    all.later.run_all();
    CHECK(large.use_count() == 1);
    CHECK(*all->try_get(2) == "large");
    CHECK(*all->try_get(3) == "largepadding");
    CHECK(*all->get(4) == "4/2");  // who cannot leave loads himself
    CHECK(all.later.queued() == 0);
    CHECK(all->try_get(5).reason() == load_reason::timed_out);
    CHECK(all.later.queued() == 1);
    all.later.run_all();
    CHECK(*all->try_get(5) == "5/3");
}

TEST_CASE("a callback that finds no room to carry its result is counted as refused", "[cache][unit]") {
    passes(a_callback_without_a_carrier_is_counted<shipped>);
}

TEST_CASE("a load on an executor serves the threads that wait for it", "[cache][unit]") {
    all_loads all({}, true);
    text got;
    std::thread waits([&] {
        const auto answer = all->get_until(1, plateau::time_point(1s));
        if (answer) got = *answer;
    });
    wait_for([&] { return all->stats().loading == 1; });
    while (!all.later.run_one()) std::this_thread::yield();
    waits.join();
    CHECK(got == "1/1");
}

TEST_CASE("a thread of the executor runs what waits behind its own work, in place of waiting for it", "[cache][unit]") {
    passes(a_load_that_is_queued_is_run_by_the_thread_that_needs_it<shipped>);
}

TEST_CASE("a load that has yet to begin in the executor is run by who has no deadline", "[cache][unit]") {
    all_loads all({}, true);
    load_answer first;
    all->get_then(first.node, 1);
    CHECK(all->get_for(1, 0s).reason() == load_reason::timed_out);
    CHECK(*all->get(1) == "1/1");
    CHECK(first.value() == "1/1");
    CHECK(all->stats().loading == 0);
    CHECK(all->erase(1));
    CHECK(all.later.queued() == 1);
    CHECK(*all->get(1) == "1/2");
    all.later.run_all();
    CHECK(all.origin_loads == 2);
    all->check_invariants();
}

TEST_CASE("a loader that was sent to the executor is gone before its cache is", "[cache][unit]") {
    passes(a_loader_is_gone_before_its_cache_is<shipped>);
}

namespace {
/// An awaitable that the test resumes.
struct gate_of_test {
    std::coroutine_handle<> waiting;
    bool throws = false;
    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) noexcept { waiting = handle; }
    text await_resume() const {
        if (throws) throw std::runtime_error("awaited");
        return "awaited";
    }
};
struct by_reference {
    gate_of_test* gate;
    [[nodiscard]] static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { gate->await_suspend(handle); }
    [[nodiscard]] text await_resume() const { return gate->await_resume(); }
};
}  // namespace

TEST_CASE("a coroutine asks, with a loader that answers at once or is awaited", "[cache][unit]") {
    all_loads all({});
    gate_of_test gate;
    std::vector<text> got;
    auto ask = [&](int key) -> held {
        try {
            const auto answer = co_await all->async_get_or_load(
                key, [&gate](int) { return by_reference{&gate}; }, plateau::inline_here);
            got.push_back(answer ? *answer : text(to_string(answer.reason())));
        } catch (const std::runtime_error& e) {
            got.push_back(text("threw ") + e.what());
        }
    };
    auto ask_own = [&](int key) -> held {
        const auto answer = co_await all->async_get(key, plateau::inline_here);
        got.push_back(answer ? *answer : text(to_string(answer.reason())));
    };
    {
        const held a = ask(1), b = ask(1), c = ask_own(2);
        CHECK(got == std::vector<text>{"2/1"});
        { const held gone = ask(1); }
        gate.waiting.resume();
        CHECK(got == std::vector<text>{"2/1", "awaited", "awaited"});
        const held d = ask(1);
        CHECK(got.size() == 4);
    }
    got.clear();
    gate.throws = true;
    {
        const held a = ask(3), b = ask(3);
        gate.waiting.resume();
        CHECK(got == std::vector<text>{"threw awaited", "threw awaited"});
    }
    got.clear();
    gate.throws = false;
    {
        // Nobody waits for it any more: the load goes on, and is kept.
        { const held a = ask(4); }
        CHECK(got.empty());
        gate.waiting.resume();
        CHECK(*all->peek(4) == "awaited");
    }
    all->check_invariants();
}

TEST_CASE("who asks without waiting has what a loader with a ticket answered at once", "[cache][unit]") {
    plateau::manual_clock clock;
    std::optional<text_ticket> duty;
    plateau::loading_cache<plateau::concurrent_lru_cache<int, text, hand_loads>> all{
        {.cache = {.max_entries = 10}}, clock, [&duty](int key, text_ticket ticket) {
            if (key == 1) return ticket.store(text("at once"));
            if (key == 2) return ticket.absent();
            if (key == 3) throw std::runtime_error("no origin");
            duty.emplace(std::move(ticket));
        }};
    CHECK(*all.try_get(1) == "at once");
    CHECK(all.try_get(2).reason() == load_reason::absent);
    CHECK_THROWS_AS(all.try_get(3), std::runtime_error);
    CHECK(all.try_get(4).reason() == load_reason::timed_out);
    duty->store(text("later"));
    CHECK(*all.try_get(4) == "later");
    all.check_invariants();
}

TEST_CASE("a thread waits for a loader that is awaited, or has a ticket", "[cache][unit]") {
    plateau::manual_clock clock;
    gate_of_test gate;
    plateau::loading_cache<plateau::concurrent_lru_cache<int, text, hand_loads>> all{
        {.cache = {.max_entries = 10}}, clock, [&gate](int) { return by_reference{&gate}; }};
    text got;
    std::thread waits([&] { got = *all.get(1); });
    wait_for([&] { return all.stats().loading == 1; });
    CHECK(all.try_get(1).reason() == load_reason::timed_out);
    while (!gate.waiting) std::this_thread::yield();
    gate.waiting.resume();
    waits.join();
    CHECK(got == "awaited");
    std::optional<text_ticket> duty;
    std::atomic<bool> given{false};
    std::thread other([&] {
        got = *all.get_or_load(2, [&](int, text_ticket t) {
            duty.emplace(std::move(t));
            given = true;
        });
    });
    wait_for([&] { return given.load(); });
    duty->store("by ticket");
    other.join();
    CHECK(got == "by ticket");
}

TEST_CASE("the end of a cache waits for its loads, and is trapped where it would wait for itself", "[cache][unit]") {
    {
        auto all = std::make_unique<all_loads>(all_loads::options{});
        load_answer first;
        text_ticket duty = all->begin(first, 1);
        std::atomic<bool> ended{false};
        std::thread ends([&] {
            all->cache.reset();
            ended = true;
        });
        CHECK_FALSE(ended);
        duty.store("value");
        ends.join();
        CHECK(first.value() == "value");
    }
    struct here : hand_executor {
        static bool runs_here() noexcept { return true; }
    };
    const death end = dies([] {
        plateau::manual_clock clock;
        here later;
        load_cache<hand_loads> all{{.cache = {.max_entries = 10}}, clock, [](int) { return text(); }, later};
        static_cast<void>(all.try_get(1));
    });
    CHECK(end.says("a load of it is still queued"));
}

namespace {
text page_of(const int& key) { return "page " + std::to_string(key); }
}

TEST_CASE("a loader may be a function, or a pointer to one", "[cache][unit]") {
    load_cache<hand_loads>::options options{.cache = {.max_entries = 4}};
    plateau::manual_clock clock;
    load_cache<hand_loads> by_name(options, page_of, clock);
    load_cache<hand_loads> by_address(options, &page_of, clock);
    CHECK(*by_name.get(7) == "page 7");
    CHECK(*by_address.get(7) == "page 7");
    CHECK(*by_name.get_or_load(8, page_of) == "page 8");
}

TEST_CASE("a tag that no layer would keep is trapped, and not lost", "[cache][unit]") {
    CHECK(dies([] {
              plateau::manual_clock clock;
              const auto render = [](const int&) { return plateau::loaded<text>{.value = "page", .tags = {"pages"}}; };
              load_cache<hand_loads> pages({.cache = {.max_entries = 4}}, render, clock);
              static_cast<void>(pages.get(1));
          }).says("no tagged_cache is there"));
}

TEST_CASE("a load without a loader, and a refusal asked for its value, are trapped", "[cache][unit]") {
    CHECK(dies([] {
              load_cache<plateau::concurrent_cache_policies> all{{.cache = {.max_entries = 10}}};
              static_cast<void>(all.get(1));
          }).says("without a loader"));
    CHECK(
        dies([] { static_cast<void>(*text_result(load_reason::absent)); }).says("a refused load_result has no value"));
}

TEST_CASE("options that make no sense are refused", "[cache][unit]") {
    using cache = load_cache<plateau::concurrent_cache_policies>;
    const auto refused = [](cache::options chosen) {
        chosen.cache.max_entries = 10;
        CHECK_THROWS_AS(cache(chosen), std::invalid_argument);
    };
    refused({.stale_while_revalidate = -1s});
    refused({.stale_if_error = -1s});
    refused({.absent_for = -1s});
    refused({.load_timeout = 0s});
    refused({.max_loads = 0});
    refused({.max_loads = (1U << 20U) + 1});
    refused({.absent_for = 1s, .max_absent_bytes = 0});
    CHECK_THROWS_AS(cache(cache::options{}), std::invalid_argument);
    cache alone({.cache = {.max_entries = 10}, .max_waiters = 0});
    CHECK(*alone.get_or_load(1, [](int) { return text("x"); }) == "x");
}

TEST_CASE("figures of loads describe themselves", "[cache][unit]") {
    all_loads all({.cache = {.time_to_live = 10s}, .stale_while_revalidate = 5s});
    static_cast<void>(all->get_or_load(1, [&](int) {
        all.clock.advance(2s);
        return text("slow");
    }));
    const auto now = all->stats();
    CHECK(now.load_seconds == 2.0);
    CHECK(now.entries == 1);
    static_assert(plateau::detail::always_false<int> || plateau::described<decltype(all->stats())>);
    std::vector<text> names;
    now.visit_fields([&](const plateau::field_info& field, auto) { names.emplace_back(field.name); });
    CHECK(names.front() == "hits");
    CHECK(names.back() == "load_waiters");
    for (const auto reason : {load_reason::none, load_reason::absent, load_reason::recursive, load_reason::waiters_full,
                              load_reason::timed_out, load_reason::cancelled, load_reason::failed})
        CHECK(to_string(reason) != "unknown");
}

TEST_CASE("all that is cleared or purged goes through the layer", "[cache][unit]") {
    all_loads all({.cache = {.time_to_live = 10s}, .absent_for = 3s});
    for (int key = 0; key < 5; ++key) static_cast<void>(all->get(key));
    static_cast<void>(all->get_or_load(9, [](int) { return std::optional<text>(); }));
    CHECK(all->next_deadline().has_value());
    CHECK(all->erase_if([](int key, const text&) { return key == 0; }) == 1);
    all.clock.advance(10s);
    CHECK(all->purge_expired() == 4);
    CHECK(all->size() == 0);
    CHECK_FALSE(all->next_deadline().has_value());
    for (int key = 0; key < 5; ++key) static_cast<void>(all->get(key));
    CHECK(all->set_max_entries(2) == 3);
    all->clear();
    CHECK(all->size() == 0);
}

// ---- memory

TEST_CASE("a hit allocates nothing, and neither does a load of plain values once the cache is full", "[cache][alloc]") {
    plateau::manual_clock clock;
    plateau::loading_cache<plateau::concurrent_lru_cache<int, int, hand_loads>> all{
        {.cache = {.max_entries = 100, .time_to_live = 1s},
         .stale_while_revalidate = 1s,
         .absent_for = 1h,
         .max_absent_bytes = 4'096},
        clock,
        [](int key) { return key % 7 == 0 ? std::optional<int>() : std::optional<int>(2 * key); }};
    struct into {
        std::int64_t* sum;
        void operator()(plateau::load_result<int> got) const noexcept { *sum += got ? *got : 0; }
    };
    std::int64_t sum = 0;
    plateau::waiter<into> node{into{&sum}};
    const auto round = [&](int turn) {
        for (int key = 0; key < 300; ++key) {
            if (const auto got = all.get(key + turn)) sum += *got;
            if (const auto got = all.get_for(key, 1s)) sum += *got;
            all.get_then(node, key);
            if (key % 50 == 0) static_cast<void>(all.erase(key));
        }
        clock.advance(300ms);
        static_cast<void>(all.purge_expired());
    };
    for (int turn = 0; turn < 60; ++turn) round(turn);
    const new_scope scope;
    for (int turn = 60; turn < 120; ++turn) round(turn);
    const new_counts seen = scope.delta();
    CHECK(seen.calls == 0);
    CHECK(sum != 0);
}

TEST_CASE("a cache that loads holds no more than its ceiling", "[cache][alloc]") {
    const new_scope scope;
    std::int64_t most = 0;
    std::size_t ceiling = 0;
    {
        plateau::loading_cache<plateau::concurrent_lru_cache<int, text>> all{
            {.cache = {.max_bytes = 200'000}, .absent_for = 1h, .max_loads = 8, .max_absent_bytes = 20'000},
            [](int key) {
                return key % 3 == 0 ? std::optional<text>() : text(static_cast<std::size_t>(key % 500), 'x');
            }};
        ceiling = all.memory_ceiling();
        for (int key = 0; key < 20'000; ++key) {
            static_cast<void>(all.get(key));
            const new_counts now = scope.delta();
            if (now.live_bytes > most) most = now.live_bytes;
        }
    }
    const new_counts after = scope.delta();
    CHECK(static_cast<std::size_t>(most) <= ceiling);
    CHECK(after.live_bytes == 0);
}

namespace {
struct failing_loads {
    value_tally tally;
    plateau::manual_clock clock;
    using value = tracked_value<false>;
    struct copies_fail : value {
        using value::value;
        copies_fail(value_tally& tally, int n) : value(tally, n) { fault_here(fault::construct); }
        copies_fail(const copies_fail& other) : value(other) { fault_here(fault::copy); }
        copies_fail(copies_fail&&) noexcept = default;
        copies_fail& operator=(const copies_fail&) = delete;
        friend std::size_t owned_bytes(const copies_fail&) noexcept { return 0; }
    };
    struct key {
        int number;
        std::unique_ptr<int> heap;
        explicit key(int n) : number(n), heap(std::make_unique<int>(n)) { fault_here(fault::construct); }
        key(const key& other) : number(other.number), heap(std::make_unique<int>(other.number)) {
            fault_here(fault::copy);
        }
        key(key&&) noexcept = default;
        friend bool operator==(const key& a, const key& b) {
            fault_here(fault::equal);
            return a.number == b.number;
        }
        friend std::size_t owned_bytes(const key&) noexcept { return sizeof(int); }
    };
    struct key_hash {
        std::uint64_t operator()(const key& k) const {
            fault_here(fault::hash);
            return static_cast<std::uint64_t>(k.number);
        }
    };
    struct policies : hand_loads {
        using hash = key_hash;
    };
    using cache_type = plateau::loading_cache<plateau::concurrent_lru_cache<key, copies_fail, policies>>;
    cache_type cache{{.cache = {.max_entries = 4, .time_to_live = 10s},
                      .stale_while_revalidate = 10s,
                      .absent_for = 5s,
                      .max_loads = 3},
                     clock,
                     [this](const key& k) -> std::optional<copies_fail> {
                         if (k.number < 0) return std::nullopt;
                         return copies_fail(tally, k.number);
                     }};
};

template <class Operation>
void sweep(fault_table& table, std::string_view name, Operation operation) {
    CAPTURE(name);
    table.add(name, sweep_faults(
                        fault::any,
                        [] {
                            auto made = std::make_unique<failing_loads>();
                            static_cast<void>(made->cache.get(failing_loads::key(1)));
                            return made;
                        },
                        [&](std::unique_ptr<failing_loads>& on) { operation(*on); },
                        [](const std::unique_ptr<failing_loads>& on, const sweep_step&) {
                            const auto now = on->cache.stats();
                            CHECK(now.loading == 0);
                            CHECK(now.waiters == 0);
                            CHECK(on->tally.corrupt == 0);
                            CHECK(on->tally.live == static_cast<std::int64_t>(on->cache.size()));
                            on->cache.check_invariants();
                            const auto got = on->cache.get(failing_loads::key(3));
                            CHECK((got && got->number() == 3));
                        }));
}
}  // namespace

TEST_CASE("a waiter that its own callback arms again and ends keeps no load", "[cache][unit]") {
    passes(a_waiter_that_is_armed_again_and_ends_keeps_no_load<shipped>);
}

TEST_CASE("whatever fails during a load, nobody is left waiting and nothing is lost", "[cache][alloc]") {
    fault_table table("cache");
    using key = failing_loads::key;
    sweep(table, "a hit", [](failing_loads& on) { static_cast<void>(on.cache.get(key(1))); });
    sweep(table, "a load", [](failing_loads& on) { static_cast<void>(on.cache.get(key(2))); });
    sweep(table, "a load of an absent key", [](failing_loads& on) { static_cast<void>(on.cache.get(key(-1))); });
    sweep(table, "a refresh", [](failing_loads& on) {
        on.clock.advance(10s);
        static_cast<void>(on.cache.get(key(1)));
    });
    sweep(table, "a load for a callback", [](failing_loads& on) {
        struct ignore {
            void operator()(plateau::load_result<failing_loads::copies_fail>) const noexcept {}
        };
        plateau::waiter<ignore> a{ignore{}}, b{ignore{}};
        std::optional<plateau::load_ticket<failing_loads::copies_fail>> duty;
        on.cache.get_or_load_then(a, key(2), [&](const key&, auto t) { duty.emplace(std::move(t)); });
        on.cache.get_then(b, key(2));
        if (duty) duty->store(failing_loads::copies_fail(on.tally, 2));
        on.cache.get_then(a, key(1));
    });
    sweep(table, "a change during a load", [](failing_loads& on) {
        static_cast<void>(on.cache.get_or_load(key(2), [&](const key& k) {
            on.cache.put(k, failing_loads::copies_fail(on.tally, 5));
            return failing_loads::copies_fail(on.tally, 2);
        }));
        static_cast<void>(on.cache.erase(key(2)));
    });
    table.tell();
}
