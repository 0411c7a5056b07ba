// SPDX-License-Identifier: MIT
/// What one caller at a time is promised by loads, for the shipped policies and for defective ones.
#pragma once

#include "seeded_bugs/shared_check.hpp"

#include <plateau/cache/concurrent_lru_cache.hpp>
#include <plateau/cache/loading_cache.hpp>
#include <plateau/clock.hpp>
#include <plateau/executor.hpp>
#include <plateau/waiter.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace plateau_test {

using namespace std::chrono_literals;
using plateau::load_reason;

struct hand_loads : plateau::concurrent_cache_policies {
    using clock = plateau::manual_clock;
    static constexpr plateau::duration tick{1'000'000};
    static constexpr std::size_t shards = 1;
};

using text = std::string;
template <class Policies>
using load_cache = plateau::loading_cache<plateau::concurrent_lru_cache<int, text, Policies>>;
using text_ticket = plateau::load_ticket<text>;
using text_result = plateau::load_result<text>;

/// Runs what was posted when it is told to, on the thread that tells it.
class hand_executor {
public:
    void post(plateau::work what) { queued_.push_back(what); }
    [[nodiscard]] std::size_t queued() const noexcept { return queued_.size(); }
    bool run_one() {
        if (queued_.empty()) return false;
        const plateau::work next = queued_.front();
        queued_.pop_front();
        next();
        return true;
    }
    void run_all() {
        while (run_one()) {}
    }

private:
    std::deque<plateau::work> queued_;
};

/// A callback's answer.
struct load_answer {
    struct into {
        load_answer* answer;
        void operator()(text_result result) const noexcept {
            ++answer->runs;
            answer->got = std::move(result);
        }
    };
    int runs = 0;
    text_result got{load_reason::timed_out};
    plateau::waiter<into> node{into{this}};

    [[nodiscard]] load_reason reason() const noexcept { return got.reason(); }
    [[nodiscard]] text value() const { return got ? *got : text(); }
};

/// A cache on a hand clock, with an origin that counts.
template <class Policies>
struct loads {
    using cache_type = load_cache<Policies>;
    using options = typename cache_type::options;

    plateau::manual_clock clock;
    hand_executor later;
    int origin_loads = 0;
    bool origin_fails = false;
    std::optional<cache_type> cache;

    explicit loads(options chosen, bool elsewhere = false) {
        if (chosen.cache.max_entries == plateau::unlimited) chosen.cache.max_entries = 100;
        if (elsewhere) cache.emplace(chosen, clock, loader(), later);
        else cache.emplace(chosen, clock, loader());
    }
    cache_type* operator->() noexcept { return &*cache; }

    /// "key/number of the load".
    [[nodiscard]] auto loader() {
        return [this](int key) -> text {
            ++origin_loads;
            if (origin_fails) throw std::runtime_error("origin is down");
            return std::to_string(key) + '/' + std::to_string(origin_loads);
        };
    }
    /// A load of `key` that goes on until its ticket ends it.
    [[nodiscard]] text_ticket begin(load_answer& answer, int key) {
        std::optional<text_ticket> duty;
        cache->get_or_load_then(answer.node, key, [&](int, text_ticket t) { duty.emplace(std::move(t)); });
        return std::move(*duty);
    }
    void check_idle(shared_check& check) {
        const auto now = cache->stats();
        check.equal(now.loading, 0U, "the loads under way");
        check.equal(now.waiters, 0U, "those who wait");
        cache->check_invariants();
    }
};

template <class Policies>
void a_load_that_fails_is_not_kept(shared_check& check) {
    loads<Policies> all({});
    all.origin_fails = true;
    bool thrown = false;
    try {
        static_cast<void>(all->get(1));
    } catch (const std::runtime_error& e) {
        thrown = text(e.what()) == "origin is down";
    }
    check.expect(thrown, "what the loader threw comes to who asked");
    check.equal(all->size(), 0U, "entries after a failed load");
    all.origin_fails = false;
    check.expect(all->get(1)->c_str() == text("1/2"), "who asks next loads again");
    check.equal(all->stats().load_failures, 1U, "failed loads");
    all.check_idle(check);
}

template <class Policies>
void a_loader_that_asks_for_its_own_key_is_refused(shared_check& check) {
    loads<Policies> all({});
    load_reason inner = load_reason::none;
    const auto got = all->get_or_load(1, [&](int key) {
        inner = all->get(key).reason();
        return "outer with " + *all->get(2);
    });
    check.expect(inner == load_reason::recursive, "its own key is refused as recursive");
    check.equal(*got, text("outer with 2/1"), "what was loaded with another key's value");
    all.check_idle(check);
}

template <class Policies>
void a_change_during_a_load_is_not_undone_by_it(shared_check& check) {
    for (const char* how : {"erase", "put", "clear", "erase_if", "erase before the new load"}) {
        loads<Policies> all({});
        load_answer first, second;
        text_ticket duty = all.begin(first, 1);
        if (how == text("put")) all->put(1, "put");
        if (how == text("erase") || how == text("erase before the new load")) static_cast<void>(all->erase(1));
        if (how == text("clear")) all->clear();
        if (how == text("erase_if")) static_cast<void>(all->erase_if([](int, const text&) { return true; }));
        if (how == text("erase before the new load")) {
            check.equal(*all->get(1), text("1/1"), "what is loaded after the change");
            duty.store("old");
            check.equal(*all->get(1), text("1/1"), "what stays when the old load ends");
        } else {
            duty.store("old");
            const auto kept = all->peek(1);
            check.equal(kept.value_or("nothing"), text(how == text("put") ? "put" : "nothing"),
                        text("what is kept after ") + how);
        }
        check.equal(first.value(), text("old"), "what comes to who waited");
        all.check_idle(check);
    }
}

template <class Policies>
void a_stale_value_is_handed_out_while_one_load_runs(shared_check& check) {
    loads<Policies> all({.cache = {.time_to_live = 10s}, .stale_while_revalidate = 5s}, true);
    static_cast<void>(all->get(1));
    all.clock.advance(9s);
    check.expect(!all->get(1)->empty() && all.origin_loads == 1, "fresh until its time to live");
    all.clock.advance(1s);
    for (int i = 0; i < 3; ++i) {
        const auto got = all->get(1);
        check.expect(got && got.stale() && *got == "1/1", "stale from its deadline on, and handed out at once");
    }
    check.equal(all.later.queued(), 1U, "the refreshes on the executor");
    all.later.run_all();
    const auto got = all->get(1);
    check.expect(got && !got.stale() && *got == "1/2", "fresh once it was loaded anew");
    check.equal(all.origin_loads, 2, "loads of the origin");
    check.equal(all->stats().stale_served, 3U, "stale values handed out");
    all.check_idle(check);
}

/// ben-manes/caffeine#373: while a refresh hangs, the old value was handed out for ever.
template <class Policies>
void a_stale_value_does_not_outlive_its_end(shared_check& check) {
    loads<Policies> all({.cache = {.time_to_live = 10s}, .stale_while_revalidate = 5s, .stale_if_error = 20s}, true);
    static_cast<void>(all->get(1));
    all.clock.advance(10s);
    check.expect(all->get(1).stale() && all.later.queued() == 1, "a refresh begins, and hangs");
    all.clock.advance(4s);
    check.expect(all->get(1).stale(), "the old value is handed out within its window");
    all.clock.advance(1s);
    check.expect(!all->get_for(1, 0s, plateau::never_stop_token{}) || all->get_for(1, 0s).stale(),
                 "after that only for want of better");
    all.clock.advance(15s);
    check.expect(!all->contains(1), "past its end it is gone");
    const auto got = all->get_for(1, 0s);
    check.expect(!got && got.reason() == load_reason::timed_out, "nobody gets it past its end");
    all.later.run_all();
    check.equal(*all->get(1), text("1/2"), "what the refresh brings in the end");
    all.check_idle(check);
}

template <class Policies>
void a_failing_origin_is_bridged_by_the_old_value(shared_check& check) {
    loads<Policies> all({.cache = {.time_to_live = 10s}, .stale_if_error = 60s});
    static_cast<void>(all->get(1));
    all.origin_fails = true;
    all.clock.advance(10s);
    auto got = all->get(1);
    check.expect(got && got.stale() && *got == "1/1", "the old value is handed out where the load fails");
    check.equal(all.origin_loads, 2, "loads of the origin: it was asked");
    all.clock.advance(59s);
    got = all->get(1);
    check.expect(got && got.stale(), "until its end");
    all.clock.advance(1s);
    bool thrown = false;
    try {
        got = all->get(1);
    } catch (const std::runtime_error&) {
        thrown = true;
    }
    check.expect(thrown, "past its end the failure is told");
    all.origin_fails = false;
    check.expect(!all->get(1).stale(), "a load that succeeds is fresh");
    all.check_idle(check);
}

/// One whose only thread is the test's.
struct own_executor : hand_executor {
    static bool runs_here() noexcept { return true; }
};

/// Three loads queue for one thread, and the first asks for the other two: they cannot begin until it has ended.
template <class Policies>
void a_load_that_is_queued_is_run_by_the_thread_that_needs_it(shared_check& check) {
    own_executor later;
    plateau::manual_clock clock;
    int origin_loads = 0;
    load_cache<Policies>* self = nullptr;
    load_cache<Policies> all{{.cache = {.max_entries = 10}, .max_loads = 4},
                             clock,
                             [&](int key) -> text {
                                 ++origin_loads;
                                 if (key != 1) return std::to_string(key);
                                 const auto second = self->get_for(2, 0s), third = self->get_for(3, 0s);
                                 return (second ? *second : "not 2") + ',' + (third ? *third : "not 3");
                             },
                             later};
    self = &all;
    for (const int key : {1, 2, 3}) static_cast<void>(all.try_get(key));
    check.equal(later.queued(), 3U, "loads in the executor");
    later.run_one();
    check.equal(all.peek(1).value_or("nothing"), text("2,3"), "what is loaded with what was queued behind it");
    check.equal(all.stats().loading, 0U, "loads that have not ended");
    later.run_all();
    check.equal(origin_loads, 3, "loads of the origin");
    all.check_invariants();
}

template <class Policies>
void an_overdue_load_is_let_go(shared_check& check) {
    loads<Policies> all({.load_timeout = 10s});
    load_answer first, second;
    text_ticket duty = all.begin(first, 1);
    all->get_then(second.node, 1);
    check.expect(all->next_deadline() == plateau::time_point(10s), "the next deadline is that of the load");
    all.clock.advance(10s);
    check.equal(all->expire(all.clock.now()), 2U, "waits that end");
    check.expect(first.reason() == load_reason::timed_out && second.reason() == load_reason::timed_out,
                 "who waits for an overdue load is told timed_out");
    check.equal(*all->get(1), text("1/1"), "what another load brings");
    duty.store("late");
    check.equal(*all->get(1), text("1/1"), "what stays when the late one comes");
    check.equal(all->stats().loads_overdue, 1U, "overdue loads");
    all.check_idle(check);
}

template <class Policies>
void bounds_of_loads_hold(shared_check& check) {
    loads<Policies> all({.max_waiters = 1, .max_loads = 2});
    load_answer a, b, c, second, third;
    text_ticket one = all.begin(a, 1);
    text_ticket two = all.begin(b, 2);
    all->get_then(second.node, 1);
    all->get_then(third.node, 1);
    check.expect(third.runs == 1 && third.reason() == load_reason::waiters_full, "one more waiter is refused");
    check.expect(all->get(3).reason() == load_reason::waiters_full, "one more load is refused");
    check.equal(all->stats().loads_refused, 2U, "refused calls");
    one.store("one");
    check.expect(second.value() == "one" && a.value() == "one", "who waited is served");
    check.equal(*all->get(3), text("3/1"), "what is loaded with a record that came back");
    two.store("two");
    all.check_idle(check);
}

template <class Policies>
void an_absent_key_is_remembered_for_its_time(shared_check& check) {
    loads<Policies> all({.absent_for = 5s});
    int asked = 0;
    const auto nothing = [&](int) -> std::optional<text> {
        ++asked;
        return std::nullopt;
    };
    for (int i = 0; i < 3; ++i)
        check.expect(all->get_or_load(1, nothing).reason() == load_reason::absent, "an absent key is told absent");
    check.equal(asked, 1, "times the origin was asked");
    all.clock.advance(5s);
    check.expect(all->get_or_load(1, nothing).reason() == load_reason::absent, "after its time the origin is asked");
    check.equal(asked, 2, "times the origin was asked");
    all->put(1, "there");
    check.expect(all->get(1)->c_str() == text("there"), "a put ends the absence");
    static_cast<void>(all->erase(1));
    check.equal(*all->get(1), text("1/1"), "what is loaded after an erase");
    check.equal(all->stats().absent_served, 2U, "calls answered from memory");
    check.equal(all->size(), 1U, "entries: absent keys are none");
    all.check_idle(check);
}

// ---- absent keys that are put meanwhile

/// Runs something once when it is copied.
struct acts_when_copied {
    mutable std::function<void()>* act = nullptr;
    int number = 0;
    acts_when_copied(int n) : number(n) {}
    acts_when_copied(const acts_when_copied& other) : number(other.number) {
        if (other.act != nullptr) (*std::exchange(other.act, nullptr))();
    }
    acts_when_copied(acts_when_copied&&) noexcept = default;
    acts_when_copied& operator=(acts_when_copied&&) = delete;
    friend std::size_t owned_bytes(const acts_when_copied&) noexcept { return 0; }
};

template <class Policies>
void an_absence_found_during_a_put_is_forgotten(shared_check& check) {
    plateau::manual_clock clock;
    bool there = false;
    plateau::loading_cache<plateau::concurrent_lru_cache<int, acts_when_copied, Policies>> all{
        {.cache = {.max_entries = 10}, .absent_for = 1h}, clock, [&](int) -> std::optional<acts_when_copied> {
            if (!there) return std::nullopt;
            return acts_when_copied(9);
        }};
    load_reason meanwhile = load_reason::none;
    std::function<void()> ask = [&] { meanwhile = all.get(1).reason(); };
    acts_when_copied value(5);
    value.act = &ask;
    check.expect(static_cast<bool>(all.put(1, value)), "the value is kept");
    check.expect(meanwhile == load_reason::absent, "before it was stored the key was absent");
    there = true;
    static_cast<void>(all.inner().erase(1));  // as if it had been evicted
    const auto got = all.get(1);
    check.expect(got && got->number == 9, "a key that was put is asked for again");
}

template <class Policies>
void a_value_without_room_ends_an_absence(shared_check& check) {
    plateau::manual_clock clock;
    bool there = false;
    load_cache<Policies> all{{.cache = {.max_entries = 10, .max_entry_bytes = 1'000}, .absent_for = 1h},
                             clock,
                             [&](int) { return there ? std::optional<text>("from the origin") : std::nullopt; }};
    check.expect(all.get(1).reason() == load_reason::absent, "the origin does not have it");
    there = true;
    check.expect(all.get(1).reason() == load_reason::absent, "that is remembered");
    check.expect(all.put(1, text(10'000, 'x')).reason() == plateau::cache_reason::too_large, "a value has no room");
    check.expect(static_cast<bool>(all.get(1)), "a key of which there is a value is asked for again");
}

// ---- entries that came past the loads

template <class Policies>
void an_entry_that_came_past_the_loads_ends(shared_check& check) {
    const typename loads<Policies>::options options{.cache = {.max_entries = 10}};
    loads<Policies> saved(options), all(options), other(options);
    saved->put(1, "old", {.time_to_live = 10s});
    std::vector<std::byte> file;
    static_cast<void>(saved->dump([&](std::span<const std::byte> part) {
        file.insert(file.end(), part.begin(), part.end());
        return true;
    }));
    std::size_t read = 0;
    static_cast<void>(all->warm_up([&](std::span<std::byte> into) {
        const std::size_t size = std::min(into.size(), file.size() - read);
        std::copy_n(file.data() + read, size, into.data());
        read += size;
        return size;
    }));
    other->inner().put(1, "old", {.time_to_live = 10s});
    for (loads<Policies>* each : {&all, &other}) {
        check.equal(*(*each)->get(1), text("old"), "what is there before its deadline");
        each->clock.advance(10s);
        check.equal(*(*each)->get(1), text("1/1"), "what is there at its deadline");
    }
}

template <class Note>
void a_window_of_any_length_is_kept(shared_check& check) {
    using plateau::detail::sight;
    const plateau::time_point end(1h);
    for (const plateau::duration window : {plateau::duration(24h), plateau::duration(24h * 30),
                                           plateau::duration(24h * 365), plateau::duration(24h * 365 * 100)}) {
        const Note note(end, window);
        check.expect(note.at(end - 1ns) == sight::fresh, "fresh until its end");
        check.expect(note.at(end) == sight::stale, "stale from its end on");
        check.expect(note.at(end + window - 3s) == sight::stale, "stale to the end of its window");
        check.expect(note.at(end + window) == sight::failing, "no longer than that");
    }
    check.expect(Note(end, plateau::forever).at(end + 24h * 365 * 145) == sight::stale, "for ever is 145 years");
    check.expect(Note((plateau::time_point::max)(), 1s).fresh_for(plateau::time_point(-1h)) == plateau::forever,
                 "what is fresh for ever is so at any time");
}

// ---- callbacks

template <class Policies>
void a_callback_without_a_carrier_is_counted(shared_check& check) {
    loads<Policies> all({.max_loads = 1});
    static_cast<void>(all->get(1));
    load_answer first, second;
    all->get_then(first.node, 1, all.later);
    all->get_then(second.node, 1, all.later);
    all.later.run_all();
    check.equal(first.value(), text("1/1"), "what comes to the first");
    check.expect(second.reason() == load_reason::waiters_full, "the second is told why it gets nothing");
    check.equal(all->stats().loads_refused, 1U, "calls that were refused");
}

/// Asks again for another key, and ends its own waiter.
template <class Policies>
struct asks_again_and_ends {
    loads<Policies>* all;
    std::unique_ptr<plateau::waiter<asks_again_and_ends>>* node;
    void operator()(const text_result& got) const noexcept {
        if (!got) return;
        auto& waiter = *node;
        (*all)->get_then(*waiter, 2);
        waiter.reset();
    }
};

template <class Policies>
void a_waiter_that_is_armed_again_and_ends_keeps_no_load(shared_check& check) {
    using asks = asks_again_and_ends<Policies>;
    loads<Policies> all({});
    std::unique_ptr<plateau::waiter<asks>> node;
    node = std::make_unique<plateau::waiter<asks>>(asks{&all, &node});
    load_answer other;
    text_ticket duty = all.begin(other, 2);
    all->get_then(*node, 1);
    check.expect(node == nullptr, "the callback ended its waiter");
    duty.store("two");
    all.check_idle(check);
}

// ---- loaders in an executor

/// Sees when it goes whether the cache has gone.
struct outlived {
    std::atomic<bool>* cache_ended;
    std::atomic<int>* outlived_it;
    outlived(std::atomic<bool>& ended, std::atomic<int>& count) noexcept : cache_ended(&ended), outlived_it(&count) {}
    outlived(outlived&& from) noexcept
        : cache_ended(std::exchange(from.cache_ended, nullptr)), outlived_it(from.outlived_it) {}
    outlived& operator=(outlived&&) = delete;
    ~outlived() {
        if (cache_ended == nullptr) return;
        for (int i = 0; i < 2'000 && !*cache_ended; ++i) std::this_thread::yield();
        if (*cache_ended) ++*outlived_it;
    }
};

template <class Policies>
void a_loader_is_gone_before_its_cache_is(shared_check& check) {
    for (int round = 0; round < 10; ++round) {  // it takes both threads to be there
        std::atomic<bool> ended{false};
        std::atomic<int> late{0};
        loads<Policies> all({}, true);
        const auto ask = [&all](int key, auto loader) {
            static_cast<void>(all->get_or_load_for(key, std::move(loader), 0s));
        };
        ask(1, [here = outlived(ended, late)](int) { return text(); });
        ask(2, [here = outlived(ended, late), more = std::array<char, 200>{}](int) { return text(more.size(), 'x'); });
        std::thread runs([&] { all.later.run_all(); });
        all.cache.reset();
        ended = true;
        runs.join();
        check.equal(late.load(), 0, "loaders that outlived their cache");
    }
}

}  // namespace plateau_test
