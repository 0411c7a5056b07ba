// SPDX-License-Identifier: MIT
// What threads share lives on the heap: clang's thread sanitizer can miss races on a stack.
#include "tools/catch.hpp"
#include "tools/history_check.hpp"
#include "tools/history_jitter.hpp"
#include "tools/history_run.hpp"
#include "tools/random.hpp"
#include "tools/threads.hpp"

#include <plateau/cache/concurrent_lru_cache.hpp>
#include <plateau/cache/loading_cache.hpp>
#include <plateau/clock.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::load_reason;

namespace {

/// Sleeps at once, so that the race is one for the loads.
struct sleepy_sync : plateau::default_sync {
    static constexpr unsigned spin_pauses = 0;
    static constexpr unsigned spin_yields = 1;
};
struct sleepy : plateau::concurrent_cache_policies {
    using sync = sleepy_sync;
    using clock = plateau::basic_manual_clock<sleepy_sync>;
    static constexpr plateau::duration tick{1};
    static constexpr std::size_t shards = 2;
    static constexpr std::size_t min_shard_entries = 1;
    static constexpr std::size_t load_stripes = 2;
};

/// What a key had at the origin, twice: torn, it shows. On the heap, so that what is freed too early is a late use.
struct versioned {
    struct pair {
        std::uint64_t version, again;
    };
    std::unique_ptr<pair> held;
    explicit versioned(std::uint64_t n) : held(std::make_unique<pair>(pair{n, ~n})) {}
    versioned(versioned&&) noexcept = default;
    versioned(const versioned& other) : held(std::make_unique<pair>(*other.held)) {}
    versioned& operator=(versioned&&) = delete;
    [[nodiscard]] bool whole() const noexcept { return held != nullptr && held->again == ~held->version; }
};
std::size_t owned_bytes(const versioned&) noexcept { return sizeof(versioned::pair); }

using sleepy_cache = plateau::loading_cache<plateau::concurrent_lru_cache<std::uint64_t, versioned, sleepy>>;
using duty = plateau::load_ticket<versioned>;

constexpr std::uint64_t keys = 5;

struct shared_loads {
    plateau::basic_manual_clock<sleepy_sync> clock;
    plateau::basic_inplace_stop_source<sleepy_sync> source;
    std::atomic<std::uint64_t> origin[keys] = {};
    std::atomic<int> odd{0}, thrown{0}, told{0};
    std::atomic<std::size_t> done{0};
    std::mutex mutex;
    std::vector<duty> duties;  ///< under mutex
    sleepy_cache cache{{.cache = {.max_entries = 4, .time_to_live = plateau::duration(40)},
                        .stale_while_revalidate = plateau::duration(20),
                        .stale_if_error = plateau::duration(60),
                        .absent_for = plateau::duration(3),
                        .load_timeout = plateau::duration(50),
                        .max_waiters = 5,
                        .max_loads = 4},
                       clock,
                       [this](std::uint64_t key) { return load(key); }};

    std::optional<versioned> load(std::uint64_t key) {
        const std::uint64_t now = origin[key].load();
        if (now % 13 == 5) throw std::runtime_error("down");
        if (now % 13 == 7) return std::nullopt;
        return versioned(now);
    }
    void check(const plateau::load_result<versioned>& got) noexcept {
        if (got && !got->whole()) ++odd;
    }
    /// Until the others are done, who may all wait for loads that only this ends.
    void keep_time(std::size_t others) {
        while (done != others) {
            end_some(1);
            clock.advance(plateau::duration(1));
            cache.expire(clock.now());
            std::this_thread::yield();
        }
    }
    void end_some(std::size_t most) {
        for (std::size_t i = 0; i < most; ++i) {
            std::optional<duty> one;
            {
                const std::lock_guard hold(mutex);
                if (duties.empty()) return;
                one.emplace(std::move(duties.back()));
                duties.pop_back();
            }
            if (i % 3 == 2) one.reset();
            else one->store(versioned(i));
        }
    }
};
struct note_result {
    shared_loads* all;
    void operator()(plateau::load_result<versioned> got) const noexcept {
        all->check(got);
        ++all->told;
    }
};

}  // namespace

TEST_CASE("threads load, wait, leave, change keys and end loads of one another", "[cache][race]") {
    race_for("cache", "loading_cache", [](std::uint64_t) {
        auto all = std::make_unique<shared_loads>();
        run_together(race_threads, [&](std::size_t i) {
            if (i == 0) return all->keep_time(race_threads - 1);
            for (std::uint64_t n = 0; n < 60; ++n) {
                const std::uint64_t key = (n * 3 + i) % keys;
                try {
                    switch ((n + i) % 7) {
                    case 0:
                        all->check(all->cache.get(key));
                        break;
                    case 1:
                        all->check(all->cache.get(key, all->source.get_token()));
                        break;
                    case 2:
                        all->check(all->cache.get_for(key, plateau::duration(5)));
                        break;
                    case 3:
                        all->check(all->cache.try_get(key));
                        break;
                    case 4: {
                        plateau::waiter<note_result, sleepy_sync> node{note_result{all.get()}};
                        all->cache.get_or_load_then(node, key, [&](std::uint64_t, duty t) {
                            const std::lock_guard hold(all->mutex);
                            all->duties.push_back(std::move(t));
                        });
                        if (n % 2 == 0) node.cancel();
                        break;
                    }
                    case 5:
                        all->check(all->cache.get_or_load(key, [&](std::uint64_t k) {
                            all->check(all->cache.get_for((k + 1) % keys, plateau::duration(3)));
                            return versioned(n);
                        }));
                        break;
                    default:
                        all->end_some(3);
                    }
                } catch (const std::runtime_error&) {
                    ++all->thrown;
                }
                all->origin[key].fetch_add(1);
                if (i == 1) static_cast<void>(all->cache.erase(key));
                if (i == 2 && n % 4 == 0) all->cache.put(key, versioned(n));
                if (i == 3 && n % 16 == 0) all->cache.clear();
                if (i == 4 && n % 8 == 0) static_cast<void>(all->cache.purge_expired());
                if (i == 5 && n % 8 == 0) static_cast<void>(all->cache.next_deadline());
                if (i == 6) static_cast<void>(all->cache.stats());
                if (i == 7 && n == 50) all->source.request_stop();
            }
            ++all->done;
        });
        all->end_some(1'000);
        const auto now = all->cache.stats();
        REQUIRE(all->odd == 0);
        REQUIRE(now.loading == 0);
        REQUIRE(now.waiters == 0);
        all->cache.check_invariants();
    });
}

TEST_CASE("no value is seen after its key was changed, by whoever asks next", "[cache][race]") {
    race_for("cache", "loading_cache, invalidation", [](std::uint64_t) {
        struct shared {
            plateau::basic_manual_clock<sleepy_sync> clock;
            std::atomic<std::uint64_t> origin{1};
            std::atomic<int> old{0};
            sleepy_cache cache{
                {.cache = {.max_entries = 4}}, clock, [this](std::uint64_t) { return versioned(origin); }};
        };
        const auto all = std::make_unique<shared>();
        run_together(race_threads, [&](std::size_t i) {
            for (int n = 0; n < 100; ++n) {
                if (i < 2) {
                    const std::uint64_t mine = all->origin.fetch_add(1) + 1;
                    if (n % 8 == 0) all->cache.clear();
                    else static_cast<void>(all->cache.erase(std::uint64_t{1}));
                    const auto got = all->cache.get(std::uint64_t{1});
                    if (got && got->held->version < mine) ++all->old;
                } else {
                    const std::uint64_t before = all->origin;
                    const auto got = all->cache.get(std::uint64_t{1});
                    if (got && (!got->whole() || got->held->version > all->origin)) ++all->old;
                    static_cast<void>(before);
                }
            }
        });
        REQUIRE(all->old == 0);
        all->cache.check_invariants();
    });
}

// ---- histories

namespace {

enum class load_verb : unsigned char { get, peek, put, erase, clear, count_ };
constexpr std::array<std::string_view, static_cast<std::size_t>(load_verb::count_)> load_verb_names{
    "get", "peek", "put", "erase", "clear"};

/// What was got stands beside the call, where a model can see it: a load brings what no model could know before.
struct load_call {
    load_verb what{};
    int key = 0;
    int value = 0;        ///< of a put
    mutable int got = 0;  ///< 0: nothing
};
std::string describe(const load_call& c) {
    std::string text(load_verb_names[static_cast<std::size_t>(c.what)]);
    text += '(' + std::to_string(c.key);
    if (c.what == load_verb::put) text += ", " + std::to_string(c.value);
    return text + ')';
}
struct load_said {
    int number = 0;
    bool operator==(const load_said&) const = default;
};
std::string describe(const load_said& said) { return std::to_string(said.number); }

constexpr std::size_t most_keys = 2;
constexpr int first_put = 1'000;

/// A key has the value that was put, or that a load brought, since it was changed last; a cache may have lost it. Each
/// load brings another number, so that one which was seen before is either this value or one that has come back.
struct loaded_model {
    std::array<int, most_keys> at{};
    std::uint64_t brought = 0;  ///< the loads that were seen

    bool operator==(const loaded_model&) const = default;
    [[nodiscard]] std::uint64_t hash() const {
        return brought ^ (static_cast<std::uint64_t>(at[0]) << 40U) ^ (static_cast<std::uint64_t>(at[1]) << 52U);
    }
    load_said apply(const load_call& c) {
        int& here = at[static_cast<std::size_t>(c.key)];
        switch (c.what) {
        case load_verb::get:
            if (c.got != 0 && c.got != here) {
                if (c.got >= first_put || (brought >> c.got & 1U) != 0) return {-1};
                here = c.got;
                brought |= std::uint64_t{1} << c.got;
            }
            return {c.got};
        case load_verb::peek:
            return {c.got == here ? c.got : 0};
        case load_verb::put:
            here = c.value;
            return {};
        case load_verb::clear:
            at = {};
            return {};
        default:
            here = 0;
            return {};
        }
    }
};

struct load_setting {
    std::size_t keys = 1;
    std::size_t max_entries = 4;
    bool clears = false;
    bool past_the_loads = false;  ///< keys are erased in the cache below, of which loads do not hear
};

struct jittered_loads : plateau::concurrent_cache_policies {
    using sync = jittered_sync;
    using pins = plateau::none;
    static constexpr std::size_t shards = 1;
    static constexpr std::size_t min_shard_entries = 1;
    static constexpr std::size_t load_stripes = 1;
};

class load_trial {
public:
    using call = load_call;
    using answer = load_said;
    using model = loaded_model;

    explicit load_trial(const load_setting& s) : setting_(s), cache_({.cache = {.max_entries = s.max_entries}}) {}

    call draw(random_source& random, std::size_t) {
        static constexpr std::array<load_verb, 8> drawn{load_verb::get,   load_verb::get,   load_verb::get,
                                                        load_verb::put,   load_verb::erase, load_verb::peek,
                                                        load_verb::erase, load_verb::clear};
        load_verb what = drawn[random.below(setting_.clears ? 8 : 7)];
        if (setting_.past_the_loads && what == load_verb::put) what = load_verb::get;
        return {what, static_cast<int>(random.below(setting_.keys)), what == load_verb::put ? first_put + ++puts_ : 0};
    }
    answer perform(std::size_t, const call& c) {
        switch (c.what) {
        case load_verb::get:
            try {
                const auto got = cache_.get_or_load(c.key, [this](int) { return load(); });
                if (got) c.got = *got;
            } catch (const std::runtime_error&) {
                c.got = 0;
            }
            return {c.got};
        case load_verb::peek:
            c.got = cache_.peek(c.key).value_or(0);
            return {c.got};
        case load_verb::put:
            cache_.put(c.key, c.value);
            return {};
        case load_verb::clear:
            cache_.clear();
            return {};
        default:
            static_cast<void>(setting_.past_the_loads ? cache_.inner().erase(c.key) : cache_.erase(c.key));
            return {};
        }
    }
    [[nodiscard]] static model initial() { return {}; }
    call last() const {
        cache_.check_invariants();
        return {load_verb::peek};
    }

private:
    int load() {
        const int number = ++loads_;
        jitter();
        if (number % 8 == 0) throw std::runtime_error("origin is down");
        return number;
    }

    load_setting setting_;
    int puts_ = 0;
    std::atomic<int> loads_{0};
    plateau::loading_cache<plateau::concurrent_lru_cache<int, int, jittered_loads>> cache_;
};

}  // namespace

TEST_CASE("no order of calls brings back what was loaded before a change of its key", "[cache][linear]") {
    INFO(random_source::repeat());
    const history_check wanted{.room = "cache", .histories = 5'000};
    check_histories<load_trial>(wanted, "loads of one key", load_setting{.clears = true});
    check_histories<load_trial>(wanted, "loads of two keys", load_setting{.keys = 2, .max_entries = 1});
}

TEST_CASE("what is erased past the loads is seen to come back", "[cache][linear]") {
    INFO(random_source::repeat());
    const history_plan plan{"loads of one key, erased past them", 3, 6, 5'000};
    const auto make = [](random_source&) { return std::make_unique<load_trial>(load_setting{.past_the_loads = true}); };
    CHECK(run_histories<load_trial>(plan, make).refused != 0);
}
