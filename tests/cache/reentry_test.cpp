// SPDX-License-Identifier: MIT
// Listeners and destructors that call the cache they were called from.
#include "cache/cache_test_types.hpp"
#include "cache/reentry_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/threads.hpp"

#include <plateau/cache.hpp>

#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;
using plateau::removal_cause;

namespace {

using telling_cache = plateau::lru_cache<int, int, telling>;

struct timed_telling : telling {
    using clock = plateau::manual_clock;
    static constexpr plateau::duration tick{1};
};

}  // namespace

TEST_CASE("a listener is told each removal once, with key, value and cause, in the call that made it",
          "[cache][unit]") {
    std::vector<std::string> log;
    told_function function = [&](const int& key, int&& value, removal_cause cause) {
        log.push_back(std::to_string(key) + "=" + std::to_string(value) + " " + std::string(to_string(cause)));
    };
    plateau::manual_clock clock;
    {
        plateau::lru_cache<int, int, timed_telling> cache{
            {.max_entries = 2, .reclaim_budget = 0}, clock, told<int, int>{&function}};
        const auto expect = [&](std::vector<std::string> expected) {
            CHECK(log == expected);
            log.clear();
        };
        cache.put(1, 10);
        cache.put(2, 20);
        expect({});
        cache.put(1, 11);
        expect({"1=10 replaced"});
        cache.put(3, 30);
        expect({"2=20 size"});
        cache.erase(3);
        expect({"3=30 erased"});
        cache.put(4, 40, {.time_to_live = plateau::duration(5)});
        clock.advance(plateau::duration(5));
        static_cast<void>(cache.peek(4));
        expect({});
        static_cast<void>(cache.get(4));
        expect({"4=40 expired"});
        cache.put(1, 12, {.time_to_live = plateau::duration(0)});
        expect({"1=11 expired"});
        cache.put(5, 50);
        cache.put(6, 60);
        cache.set_max_entries(1);
        expect({"5=50 size"});
        cache.clear();
        expect({"6=60 cleared"});
        cache.put(7, 70);
        cache.erase_if([](int, int) { return true; });
        expect({"7=70 erased"});
        cache.put(8, 80);
        cache.put(8, 81, {.time_to_live = plateau::duration(5)});
        expect({"8=80 replaced"});
        clock.advance(plateau::duration(5));
        cache.put(8, 82);  // over an expired one: it expired, it was not replaced
        expect({"8=81 expired"});
    }
    CHECK(log == std::vector<std::string>{"8=82 cleared"});
}

TEST_CASE("an entry that is expired and the eviction's victim leaves once, with one cause and one weight",
          "[cache][unit]") {
    plateau::manual_clock clock;
    std::vector<removal_cause> causes;
    told_function function = [&](const int&, int&&, removal_cause cause) { causes.push_back(cause); };
    plateau::lru_cache<int, int, timed_telling> cache{{.max_entries = 1}, clock, told<int, int>{&function}};
    cache.put(1, 1, {.time_to_live = plateau::duration(5)});
    clock.advance(plateau::duration(5));
    cache.put(2, 2);
    CHECK(causes == std::vector<removal_cause>{removal_cause::expired});
    CHECK(cache.stats().bytes == cache.entry_overhead);
    CHECK(cache.stats().evictions == 0);
    cache.check_invariants();
}

TEST_CASE("a listener may take the value away", "[cache][unit]") {
    struct keeps : plateau::cache_policies {
        using listener = told<int, std::string>;
    };
    std::string kept;
    std::function<void(const int&, std::string&&, removal_cause)> function =
        [&](const int&, std::string&& value, removal_cause) { kept = std::move(value); };
    plateau::lru_cache<int, std::string, keeps> cache{{.max_entries = 1}, told<int, std::string>{&function}};
    cache.put(1, std::string(100, 'x'));
    cache.put(2, "y");
    CHECK(kept == std::string(100, 'x'));
}

TEST_CASE("a listener sees the cache as it is after the fact", "[cache][unit]") {
    passes(a_listener_sees_what_is_so<telling>);
}

TEST_CASE("a listener that erases the key just put leaves the put's answer truthful", "[cache][unit]") {
    telling_cache* self = nullptr;
    told_function function = [&](const int& key, int&&, removal_cause cause) {
        if (cause == removal_cause::size) self->erase(key + 1);
    };
    telling_cache cache{{.max_entries = 1}, told<int, int>{&function}};
    self = &cache;
    cache.put(1, 1);
    CHECK(cache.put(2, 2));
    CHECK(cache.size() == 0);
    cache.check_invariants();
}

TEST_CASE("a listener may put, clear, resize and purge", "[cache][unit]") {
    telling_cache* self = nullptr;
    int depth = 0;
    int most = 0;
    told_function function = [&](const int& key, int&&, removal_cause) {
        ++depth;
        most = std::max(most, depth);
        if (key < 100) {
            self->put(key + 1'000, key);
            if (key % 5 == 0) self->clear();
            if (key % 7 == 0) self->set_max_entries(2 + static_cast<std::size_t>(key % 3));
            self->purge_expired();
            self->erase(key + 1'001);
        }
        self->check_invariants();
        --depth;
    };
    telling_cache cache{{.max_entries = 4}, told<int, int>{&function}};
    self = &cache;
    for (int i = 0; i < 100; ++i) cache.put(i, i);
    CHECK(most == 1);  // calls are queued, not nested
    cache.check_invariants();
    function = nullptr;
}

TEST_CASE("a listener finds the cache sound however many entries leave together", "[cache][unit]") {
    // They leave some at a time, and until the last of them is gone their slots may be more than may stand idle.
    struct small_telling : shrunk<telling> {};
    using cache_type = plateau::lru_cache<int, int, small_telling>;
    cache_type* self = nullptr;
    int calls = 0;
    told_function function = [&](const int&, int&&, removal_cause) {
        ++calls;
        self->check_invariants();
        CHECK(self->contains(199));
    };
    cache_type cache{{.max_bytes = 200 * cache_type::entry_overhead}, told<int, int>{&function}};
    self = &cache;
    for (int i = 0; i < 200; ++i) cache.put(i, i);
    CHECK(cache.set_max_bytes(3 * cache_type::entry_overhead) == 197);
    CHECK(calls == 197);
    CHECK(cache.size() == 3);
    cache.check_invariants();
    function = nullptr;
}

TEST_CASE("a bound that is set while another is being set holds for every shard", "[cache][unit]") {
    passes(the_latest_bound_holds_for_every_shard<telling_shards>);
}

TEST_CASE("a listener that puts what was evicted ends: past the outbox its puts are refused", "[cache][unit]") {
    telling_cache* self = nullptr;
    int calls = 0;
    told_function function = [&](const int& key, int&& value, removal_cause cause) {
        if (++calls < 100'000 && cause == removal_cause::size) self->put(key + 1, value);
    };
    telling_cache cache{{.max_entries = 1}, told<int, int>{&function}};
    self = &cache;
    cache.put(1, 1);
    CHECK(cache.put(2, 2));
    CHECK(cache.size() <= 1);
    CHECK(calls >= 1);
    cache.check_invariants();
    function = nullptr;
}

TEST_CASE("a chain of 100000 destructors, each erasing the next, takes no stack", "[cache][unit]") {
    passes(a_chain_of_ends_takes_no_stack<plateau::cache_policies>);
}

TEST_CASE("a chain of 100000 listeners, each erasing the next, takes no stack", "[cache][unit]") {
    constexpr int length = 100'000;
    int ended = 0;
    run_on_stack(256 * 1'024, [&] {
        telling_cache* self = nullptr;
        told_function function = [&](const int& key, int&&, removal_cause) {
            ++ended;
            self->erase(key + 1);
        };
        telling_cache cache{{.max_entries = length}, told<int, int>{&function}};
        self = &cache;
        for (int i = 0; i < length; ++i) cache.put(i, i);
        cache.erase(0);
    });
    CHECK(ended == length);
}

namespace {

/// A value that keeps another entry of its cache from its end.
struct holds_another {
    plateau::pin<holds_another> other;
    int* ended;
    holds_another(plateau::pin<holds_another> held, int& count) noexcept : other(std::move(held)), ended(&count) {}
    holds_another(holds_another&& from) noexcept
        : other(std::move(from.other)), ended(std::exchange(from.ended, nullptr)) {}
    ~holds_another() {
        if (ended != nullptr) ++*ended;
    }
};
std::size_t owned_bytes(const holds_another&) noexcept { return 0; }

struct pinning : plateau::cache_policies {
    using pins = plateau::counted;
};

}  // namespace

TEMPLATE_TEST_CASE("a chain of 100000 values, each with the last pin of the next, takes no stack", "[cache][unit]",
                   (plateau::lru_cache<int, holds_another, pinning>),
                   (plateau::concurrent_cache<int, holds_another, eight_shards>)) {
    constexpr int length = 100'000;
    for (const bool outlives : {false, true}) {
        int ended = 0;
        run_on_stack(256 * 1'024, [&] {
            auto cache = std::make_unique<TestType>(plateau::cache_options{.max_entries = 2 * length});
            for (int i = 0; i < length; ++i) cache->put(i, holds_another{cache->pin(i - 1), ended});
            auto last = cache->pin(length - 1);
            if (outlives) cache.reset();
            else cache->clear();
            last.reset();
        });
        CHECK(ended == length);
    }
}

TEST_CASE("a destructor may get, put, erase and clear in the same cache", "[cache][unit]") {
    plateau::lru_cache<int, at_end> cache{{.max_entries = 3}};
    int ended = 0;
    const auto put = [&](int key, std::function<void()> run) { cache.put(key, at_end{std::move(run)}); };
    put(1, [&] {
        ++ended;
        static_cast<void>(cache.contains(2));
        cache.put(10, at_end{[&] { ++ended; }});
    });
    put(2, [&] {
        ++ended;
        cache.clear();
    });
    cache.erase(1);
    CHECK(cache.contains(10));
    cache.erase(2);
    CHECK(ended == 3);
    CHECK(cache.size() == 0);
    cache.check_invariants();
}

TEST_CASE("a destructor may be the end of another cache", "[cache][unit]") {
    using inner = plateau::lru_cache<int, std::string>;
    plateau::lru_cache<int, at_end> outer{{.max_entries = 2}};
    auto owned = std::make_shared<inner>(plateau::cache_options{.max_entries = 10});
    owned->put(1, std::string(100, 'x'));
    std::weak_ptr<inner> watch = owned;
    outer.put(1, at_end{[held = std::move(owned)]() mutable { held.reset(); }});
    outer.put(2, at_end{});
    outer.put(3, at_end{});
    CHECK(watch.expired());
}

TEMPLATE_TEST_CASE("values whose destructors call the cache may outlive it to its very end", "[cache][unit]",
                   (plateau::lru_cache<int, at_end>), (plateau::concurrent_lru_cache<int, at_end, eight_shards>)) {
    // The shards ended one after the other, and a destructor in a later one called into one that was gone.
    int ended = 0;
    int stored_late = 0;
    {
        TestType cache{{.max_entries = 1'000}};
        for (int i = 0; i < 100; ++i)
            cache.put(i, at_end{[&cache, &ended, &stored_late, i] {
                          ++ended;
                          for (int other = 0; other < 100; ++other) static_cast<void>(cache.contains(other));
                          cache.erase(i + 1);
                          stored_late += cache.put(i + 1'000, at_end{}) ? 1 : 0;
                          static_cast<void>(cache.stats());
                      }});
    }
    CHECK(ended == 100);
    CHECK(stored_late == 0);
}

TEST_CASE("a call from inside a visit, a predicate or a copy is trapped with a sentence", "[cache][unit]") {
    const auto trapped = [](auto f) {
        const death end = dies(f);
        return end.signal == SIGABRT &&
               end.says("plateau: a cache was called from inside its own visit, predicate, equality or value copy");
    };
    CHECK(trapped([] {
        plateau::lru_cache<int, int> cache{{.max_entries = 1}};
        cache.put(1, 1);
        cache.visit(1, [&](int) { cache.put(2, 2); });
    }));
    CHECK(trapped([] {
        plateau::lru_cache<int, int> cache{{.max_entries = 1}};
        cache.put(1, 1);
        cache.visit(1, [&](int) { static_cast<void>(cache.get(1)); });
    }));
    CHECK(trapped([] {
        plateau::lru_cache<int, int> cache{{.max_entries = 1}};
        cache.put(1, 1);
        cache.erase_if([&](int, int) { return cache.erase(1); });
    }));
    CHECK(trapped([] {
        plateau::concurrent_lru_cache<int, int> cache{{.max_entries = 1}};
        cache.put(1, 1);
        cache.visit(1, [&](int) noexcept { cache.clear(); });
    }));
}

TEST_CASE("a visit of another cache from inside a visit is fine", "[cache][unit]") {
    plateau::lru_cache<int, int> a{{.max_entries = 1}};
    plateau::lru_cache<int, int> b{{.max_entries = 1}};
    a.put(1, 1);
    b.put(1, 2);
    int sum = 0;
    a.visit(1, [&](int x) { b.visit(1, [&](int y) { sum = x + y; }); });
    CHECK(sum == 3);
}

namespace {

struct pinned_telling : plateau::cache_policies {
    using pins = plateau::counted;
    struct note {
        std::vector<int>* values;
        void operator()(const int&, const int& value, removal_cause) noexcept { values->push_back(value); }
    };
    using listener = note;
};

}  // namespace

TEST_CASE("an entry that leaves while pinned is told at once, and ends in silence", "[cache][unit]") {
    std::vector<int> told;
    plateau::lru_cache<int, int, pinned_telling> cache{{.max_entries = 1}, pinned_telling::note{&told}};
    cache.put(1, 10);
    auto pin = cache.pin(1);
    cache.put(2, 20);
    CHECK(told == std::vector<int>{10});
    CHECK(*pin == 10);
    pin.reset();
    CHECK(told == std::vector<int>{10});
    cache.check_invariants();
}
