// SPDX-License-Identifier: MIT
// Every fallible step of every operation fails once, and from then on: the cache is afterwards what it was before, or
// what the operation promises for that case.
#include "cache/cache_test_types.hpp"
#include "tools/bombing_allocator.hpp"
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/cache.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;

namespace {

struct fallible : plateau::cache_policies {
    using hash = throwing_hash;
    using equal = throwing_equal;
    using weigher = throwing_weigher;
    using allocator = bombing_allocator<std::byte>;
    using clock = plateau::manual_clock;
};
struct fallible_shrunk : shrunk<fallible> {};
struct fallible_pins : shrunk<fallible> {
    using pins = plateau::counted;
};
struct fallible_shards : plateau::concurrent_cache_policies {
    using hash = throwing_hash;
    using equal = throwing_equal;
    using weigher = throwing_weigher;
    using allocator = bombing_allocator<std::byte>;
    using clock = plateau::manual_clock;
    static constexpr std::size_t shards = 2;
    static constexpr std::size_t min_shard_entries = 1;
};

using value = throwing_value;
using key = throwing_value;

template <class P>
using one_thread = plateau::lru_cache<key, value, P>;
using shared_cache = plateau::concurrent_cache<key, value, fallible_shards>;
using shared_lru_cache = plateau::concurrent_lru_cache<key, value, fallible_shards>;

/// A cache with what it needs, and what it held before the operation.
template <class Cache>
struct subject {
    static constexpr bool has_pins = std::is_same_v<typename Cache::policies::pins, plateau::counted>;
    static constexpr bool is_shared = std::is_same_v<typename Cache::policies, fallible_shards>;
    using pin_type = std::conditional_t<has_pins, plateau::pin<value>, int>;

    std::unique_ptr<allocation_tally> tally = std::make_unique<allocation_tally>();
    std::unique_ptr<value_tally> lives = std::make_unique<value_tally>();
    std::unique_ptr<plateau::manual_clock> clock = std::make_unique<plateau::manual_clock>();
    std::unique_ptr<Cache> cache;
    std::vector<pin_type> pins;
    bool argument_lost = false;  ///< a refused put took what it did not keep
    std::vector<std::pair<int, int>> before;
    std::vector<std::uint64_t> stats_before;

    subject(plateau::cache_options options, int entries) {
        cache = std::make_unique<Cache>(options, *clock, bombing_allocator<std::byte>{*tally});
        for (int i = 0; i < entries; ++i) put(i);
        remember();
    }

    void put(int i, plateau::put_options how = {}) { cache->put(key{*lives, i}, value{*lives, 100 + i}, how); }
    void remember() {
        before = content();
        stats_before = figures();
    }

    /// Key and value of each live entry, from the least recently used on.
    std::vector<std::pair<int, int>> content() const {
        std::vector<std::pair<int, int>> all;
        cache->erase_if([&](const key& k, const value& v) {
            all.emplace_back(k.number(), v.number());
            return false;
        });
        return all;
    }
    /// The counters and gauges, but for those that move when what has expired is given back.
    std::vector<std::uint64_t> figures() const {
        std::vector<std::uint64_t> all;
        const plateau::cache_stats now = cache->stats();
        now.visit_fields([&](const plateau::field_info& field, std::uint64_t figure) {
            const bool moves = field.name == "expirations" || field.name == "entries" || field.name == "charged";
            if (!moves) all.push_back(figure);
        });
        return all;
    }

    /// Keys and values that live on outside the cache, because they are pinned.
    std::int64_t pinned_outside(const std::vector<std::pair<int, int>>& inside) const {
        std::int64_t outside = 0;
        if constexpr (has_pins) {
            for (const auto& held : pins) {
                if (!held) continue;
                const int number = held->number();
                const bool is_inside = std::any_of(inside.begin(), inside.end(),
                                                   [&](const auto& entry) { return entry.second == number; });
                outside += is_inside ? 0 : 2;
            }
        }
        return outside;
    }

    /// A cache that only looks sound shows it in what follows.
    void go_on() const {
        if (cache == nullptr) return;
        for (int i = 2; i < 6; ++i) cache->put(key{*lives, i}, value{*lives, 200 + i});
        cache->erase(3);
    }

    void check_sound() const {
        CHECK(lives->corrupt == 0);
        CHECK(tally->wrong_sizes == 0);
        CHECK_FALSE(argument_lost);
        if (cache == nullptr) {
            CHECK(lives->live == pinned_outside({}));
            return;
        }
        cache->check_invariants();
        CHECK(lives->live == static_cast<std::int64_t>(2 * cache->size()) + pinned_outside(content()));
        CHECK(cache->stats().entries == cache->size());
        CHECK(static_cast<std::size_t>(tally->live_bytes) <= cache->memory_ceiling());
    }
};

/// What stands before an operation that throws, stands after it; or the cache is sound and holds what it says it holds.
enum class promise { unchanged, sound };

/// Sweeps `operation` over fresh subjects that `make` makes.
template <class Make, class Operation>
sweep_report sweep_subjects(Make make, Operation operation, fault kinds, promise after_a_throw) {
    const auto report = sweep_faults(kinds, make, operation, [&](const auto& t, const sweep_step& step) {
        CAPTURE(step.failing, step.threw, step.mode == fault_mode::once);
        t.check_sound();
        if (step.threw && after_a_throw == promise::unchanged) {
            CHECK(t.content() == t.before);
            CHECK(t.figures() == t.stats_before);
        }
        t.go_on();
        t.check_sound();
    });
    CHECK(report.leaked_bytes == 0);
    CHECK(report.leaked_blocks == 0);
    return report;
}

// ---- every operation, in every state

template <class Cache>
struct state {
    std::string_view name;
    plateau::cache_options options;
    int entries;
    void (*prepare)(subject<Cache>&);
};

template <class Cache>
std::vector<state<Cache>> all_states() {
    using s = subject<Cache>;
    const std::size_t each = Cache::entry_overhead + 1;
    const auto as_it_is = [](s&) {};
    std::vector<state<Cache>> all{
        {"empty", {.max_entries = 8}, 0, as_it_is},
        {"some entries", {.max_entries = 8}, 3, as_it_is},
        {"full", {.max_entries = 8}, 8, as_it_is},
        {"empty, bytes", {.max_bytes = 8 * each}, 0, as_it_is},
        {"some entries, bytes", {.max_bytes = 8 * each}, 4, as_it_is},
        {"full, bytes", {.max_bytes = 8 * each}, 8, as_it_is},
        {"all bounds", {.max_entries = 8, .max_bytes = 100 * each, .max_entry_bytes = 1'000'000}, 4, as_it_is},
        {"every entry is too large", {.max_entries = 8, .max_entry_bytes = each - 1}, 0, as_it_is},
        {"deadlines, some over",
         {.max_entries = 8, .time_to_live = 30s},
         4,
         [](s& t) {
             t.put(0, {.time_to_live = 1s});
             t.put(5, {.time_to_live = 1s});
             t.clock->advance(2s);
         }},
        {"idling, some over",
         {.max_entries = 8, .time_to_live = 30s, .time_to_idle = 5s},
         4,
         [](s& t) {
             t.put(5, {.time_to_live = 1s});
             t.clock->advance(4s);
             for (const int used : {2, 3}) t.cache->visit(used, [](const value&) noexcept {});
             t.clock->advance(2s);
         }},
        {"none yet that idles", {.max_bytes = 8 * each, .time_to_idle = 5s, .ttl_jitter = 0.5}, 0, as_it_is},
        {"it had entries", {.max_entries = 8}, 5, [](s& t) { t.cache->clear(); }},
        {"bound set to 0", {.max_entries = 8}, 3, [](s& t) { t.cache->set_max_entries(0); }},
    };
    if constexpr (s::has_pins) {
        all.push_back({"pinned, in the cache and no longer", {.max_entries = 8}, 4, [](s& t) {
                           t.pins.push_back(t.cache->pin(0));
                           t.pins.push_back(t.cache->pin(1));
                           t.cache->erase(1);
                       }});
        all.push_back({"no more may be pinned", {.max_entries = 8, .max_pinned_bytes = 2 * each}, 4, [](s& t) {
                           t.pins.push_back(t.cache->pin(0));
                           t.pins.push_back(t.cache->pin(1));
                       }});
    }
    return all;
}

template <class Cache>
struct operation {
    std::string_view name;
    void (*run)(subject<Cache>&);
    promise after_a_throw = promise::unchanged;
    fault kinds = fault::any;
    std::string_view why_nothing_fails{};
};

/// The move of an answer into the caller's hands is the caller's: by then the call has done what it was to do.
constexpr fault inside = fault::operator_new | fault::allocator | fault::construct | fault::hash | fault::equal |
                         fault::copy | fault::weigh | fault::callback;

/// The sentence of a std::invalid_argument is allocated, too.
template <class Call>
void refused_option(Call call) {
    try {
        call();
    } catch (const std::invalid_argument&) {}
}

template <class Cache>
void add_puts(std::vector<operation<Cache>>& all) {
    using s = subject<Cache>;
    all.push_back({"put of rvalues", [](s& t) {
                       key k{*t.lives, 50};
                       value v{*t.lives, 1};
                       const bool kept{t.cache->put(std::move(k), std::move(v))};
                       t.argument_lost = !kept && (k.number() != 50 || v.number() != 1);
                   }});
    all.push_back({"put of lvalues", [](s& t) {
                       const key k{*t.lives, 50};
                       const value v{*t.lives, 1};
                       t.cache->put(k, v);
                   }});
    all.push_back({"put that replaces", [](s& t) {
                       key k{*t.lives, 2};
                       value v{*t.lives, 1};
                       t.cache->put(k, std::move(v));
                   }});
    all.push_back({"put over what has expired", [](s& t) { t.cache->put(key{*t.lives, 0}, value{*t.lives, 1}); }});
    all.push_back({"put with a deadline", [](s& t) {
                       t.cache->put(key{*t.lives, 50}, value{*t.lives, 1}, {.time_to_live = 30s});
                   }});
    // The old entry goes, as expired; what a put makes of its arguments comes before.
    all.push_back({"put without time to live", [](s& t) {
                       t.cache->put(key{*t.lives, 2}, value{*t.lives, 1}, {.time_to_live = 0s});
                   }});
    all.push_back({"puts one after the other",
                   [](s& t) {
                       for (int i = 20; i < 32; ++i) t.cache->put(key{*t.lives, i}, value{*t.lives, i});
                   },
                   promise::sound});
}

template <class Cache>
void add_look_ups(std::vector<operation<Cache>>& all) {
    using s = subject<Cache>;
    all.push_back({"get", [](s& t) { static_cast<void>(t.cache->get(2)); }, promise::unchanged, inside});
    all.push_back({"get, moved to the caller", [](s& t) { static_cast<void>(t.cache->get(2)); }, promise::sound});
    all.push_back({"get at a time", [](s& t) { static_cast<void>(t.cache->get(2, t.clock->now())); },
                   promise::unchanged, inside});
    all.push_back(
        {"get of what has expired", [](s& t) { static_cast<void>(t.cache->get(0)); }, promise::unchanged, inside});
    all.push_back({"get by a key",
                   [](s& t) {
                       static_cast<void>(t.cache->get(key{*t.lives, 2}));
                   },
                   promise::unchanged, inside});
    all.push_back({"peek", [](s& t) { static_cast<void>(t.cache->peek(2)); }});
    all.push_back({"contains", [](s& t) { static_cast<void>(t.cache->contains(2)); }});
    if constexpr (s::is_shared) {
        all.push_back({"visit", [](s& t) { t.cache->visit(2, [](const value&) noexcept {}); }});
    } else {
        all.push_back({"visit", [](s& t) { t.cache->visit(2, [](const value&) { fault_here(fault::callback); }); }});
    }
    if constexpr (s::has_pins) {
        all.push_back({"pin", [](s& t) {
                           const auto held = t.cache->pin(2);
                           static_cast<void>(static_cast<bool>(held));
                       }});
        all.push_back({"end of a pin", [](s& t) { t.pins.clear(); }, promise::unchanged, fault::any,
                       "a pin gives back what it holds"});
        all.push_back({"move of a pin",
                       [](s& t) {
                           plateau::pin<value> held(plateau::cache_reason::absent);
                           if (!t.pins.empty()) held = std::move(t.pins.front());
                           if (held) static_cast<void>(held->number());
                           if (!t.pins.empty()) t.pins.front() = std::move(held);
                       },
                       promise::unchanged, fault::any, "a pin is two words and a reason"});
    }
}

template <class Cache>
void add_removals(std::vector<operation<Cache>>& all) {
    using s = subject<Cache>;
    all.push_back({"erase", [](s& t) { t.cache->erase(2); }});
    all.push_back({"erase of what is absent or has expired", [](s& t) { t.cache->erase(0), t.cache->erase(77); },
                   promise::sound});
    all.push_back({"erase_if",
                   [](s& t) {
                       t.cache->erase_if([](const key& k, const value&) {
                           fault_here(fault::callback);
                           return k.number() % 2 == 0;
                       });
                   },
                   promise::sound});
    all.push_back({"erase_if of one",
                   [](s& t) {
                       t.cache->erase_if(
                           [](const key& k, const value&) {
                               fault_here(fault::callback);
                               return k.number() == 2;
                           },
                           1);
                   },
                   promise::unchanged});
    all.push_back({"clear", [](s& t) { t.cache->clear(); }, promise::unchanged, fault::any, "it only gives back"});
    all.push_back({"purge_expired", [](s& t) { t.cache->purge_expired(1), t.cache->purge_expired(); },
                   promise::unchanged, fault::any, "it only gives back"});
    all.push_back({"destruction", [](s& t) { t.cache.reset(); }, promise::unchanged, fault::any, "it only gives back"});
    if constexpr (s::has_pins) {
        all.push_back({"destruction before the last pin",
                       [](s& t) {
                           t.cache.reset();
                           t.pins.clear();
                       },
                       promise::unchanged, fault::any, "they only give back"});
    }
}

template <class Cache>
void add_bounds(std::vector<operation<Cache>>& all) {
    using s = subject<Cache>;
    constexpr std::size_t each = Cache::entry_overhead + 1;
    all.push_back({"set_max_entries",
                   [](s& t) {
                       for (const unsigned bound : {4U, 0U, 100U, 2U}) t.cache->set_max_entries(bound);
                   },
                   promise::unchanged, fault::any, "a lower bound gives back, a higher one waits for puts"});
    all.push_back({"set_max_entries beyond what is possible",
                   [](s& t) { refused_option([&] { t.cache->set_max_entries(plateau::unlimited - 1); }); }});
    all.push_back({"set_max_entries without another bound", [](s& t) {
                       if (t.cache->stats().bytes > 8 * each) return;
                       refused_option([&] { t.cache->set_max_entries(plateau::unlimited); });
                   }});
    // With shards, those that were weighed before the failure go on keeping weights; no bound is set in any.
    all.push_back({"set_max_bytes", [](s& t) { t.cache->set_max_bytes(1'000 * each); },
                   s::is_shared ? promise::sound : promise::unchanged});
    all.push_back({"set_max_bytes, lower and lower",
                   [](s& t) {
                       for (const unsigned entries : {3U, 1U, 0U}) t.cache->set_max_bytes(entries * each);
                   },
                   s::is_shared ? promise::sound : promise::unchanged});
    all.push_back({"set_max_bytes without another bound",
                   [](s& t) { refused_option([&] { t.cache->set_max_bytes(plateau::unlimited); }); }});
}

template <class Cache>
void add_read_outs(std::vector<operation<Cache>>& all) {
    using s = subject<Cache>;
    const auto a_number = [&](std::string_view name, void (*run)(s&)) {
        all.push_back({name, run, promise::unchanged, fault::any, "it answers with numbers"});
    };
    a_number("size", [](s& t) { static_cast<void>(t.cache->size()); });
    a_number("stats", [](s& t) { static_cast<void>(t.cache->stats()); });
    a_number("next_deadline", [](s& t) { static_cast<void>(t.cache->next_deadline()); });
    a_number("memory_ceiling", [](s& t) { static_cast<void>(t.cache->memory_ceiling()); });
    a_number("check_invariants", [](s& t) { t.cache->check_invariants(); });
}

/// Sweeps every operation in every state. Operations whose name stands in no table were forgotten.
template <class Cache>
void sweep_every_operation() {
    std::vector<operation<Cache>> all;
    add_puts(all);
    add_look_ups(all);
    add_removals(all);
    add_bounds(all);
    add_read_outs(all);
    fault_table table("cache");
    for (const operation<Cache>& one : all) {
        if (!one.why_nothing_fails.empty()) table.nothing_fails(one.name, one.why_nothing_fails);
        for (const state<Cache>& before : all_states<Cache>()) {
            INFO(one.name << ", " << before.name);
            const auto make = [&] {
                subject<Cache> t{before.options, before.entries};
                before.prepare(t);
                t.remember();
                return t;
            };
            table.add(one.name, sweep_subjects(make, one.run, one.kinds, one.after_a_throw));
        }
    }
    CHECK(table.contradictions({"put of rvalues", "get", "visit", "peek", "contains", "erase", "erase_if", "clear",
                                "set_max_entries", "set_max_bytes", "purge_expired", "next_deadline", "size", "stats",
                                "memory_ceiling", "check_invariants", "destruction"}) == std::vector<std::string>{});
    CHECK(table.points() > 500);
    table.tell();
}

}  // namespace

TEST_CASE("an operation that fails at any step leaves lru_cache as it was", "[cache][alloc]") {
    sweep_every_operation<one_thread<fallible>>();
}
TEST_CASE("the same with pages of two slots", "[cache][alloc]") {
    sweep_every_operation<one_thread<fallible_shrunk>>();
}
TEST_CASE("the same with pins", "[cache][alloc]") { sweep_every_operation<one_thread<fallible_pins>>(); }
TEST_CASE("the same with shards", "[cache][alloc]") { sweep_every_operation<shared_cache>(); }
TEST_CASE("the same with shards in exact order", "[cache][alloc]") { sweep_every_operation<shared_lru_cache>(); }

TEST_CASE("a predicate that throws leaves a sound cache without those it had chosen", "[cache][alloc]") {
    using cache_type = one_thread<fallible_shrunk>;
    sweep_faults(
        fault::callback,
        [] {
            return subject<cache_type>{{.max_entries = 8}, 8};
        },
        [](subject<cache_type>& t) {
            t.cache->erase_if([](const key& k, const value&) {
                fault_here(fault::callback);
                return k.number() % 2 == 0;
            });
        },
        [](const subject<cache_type>& t, const sweep_step& step) {
            t.check_sound();
            const std::size_t asked = step.threw ? step.failing - 1 : 8;
            CHECK(t.cache->size() == 8 - (asked + 1) / 2);
        });
}

TEST_CASE("after a first byte bound that failed while it weighed, entries are charged as before", "[cache][alloc]") {
    // The weigher is asked from the moment at which the bound is to be set, and what it answers was added to the bytes
    // although no weight was kept that could be taken off again.
    using cache_type = one_thread<fallible>;
    subject<cache_type> t{{.max_entries = 8}, 4};
    {
        const armed_fault armed{fault::weigh, 2};
        CHECK_THROWS_AS(t.cache->set_max_bytes(1'000 * cache_type::entry_overhead), injected_fault);
    }
    for (int i = 0; i < 8; ++i) {
        t.cache->put(key{*t.lives, i}, value{*t.lives, i});
        t.cache->check_invariants();
        CHECK(t.cache->stats().bytes == t.cache->size() * cache_type::entry_overhead);
    }
    t.cache->set_max_bytes(1'000 * cache_type::entry_overhead);
    CHECK(t.cache->stats().bytes == t.cache->size() * (cache_type::entry_overhead + 1));
    t.check_sound();
}

namespace {

/// A part whose copies may fail: each cache copies what it is given, and its shards copy that.
template <class Part>
struct fragile : Part {
    fragile() = default;
    fragile(const fragile& other) : Part(other) { fault_here(fault::copy); }
    fragile& operator=(const fragile&) = delete;
};
struct silent_listener {
    void operator()(const key&, const value&, plateau::removal_cause) const noexcept {}
};
template <class Base>
struct of_fragile_parts : Base {
    using hash = fragile<throwing_hash>;
    using equal = fragile<throwing_equal>;
    using weigher = fragile<throwing_weigher>;
    using listener = fragile<silent_listener>;
};

template <class Cache, class... Parts>
void sweep_constructions(fault_table& table, std::string_view name, const Parts&... parts) {
    for (const plateau::cache_options& options : std::initializer_list<plateau::cache_options>{
             {.max_entries = 8},
             {.max_bytes = 10'000},
             {.max_entries = 1'000, .max_bytes = 1'000'000},
             {.max_entries = 8, .max_entry_bytes = 1'000},
             {.max_entries = 8, .max_pinned_bytes = 1'000},
             {.max_bytes = 10'000, .time_to_live = 1s},
             {.max_entries = 8, .reclaim_budget = 0},
             {},
             {.max_entries = 0},
             {.max_bytes = 0},
             {.max_entries = 8, .max_entry_bytes = 0},
             {.max_entries = 8, .time_to_live = 0s},
         }) {
        CAPTURE(name, options.max_entries, options.max_bytes);
        const auto report = sweep_faults(
            fault::any, [] { return std::make_unique<allocation_tally>(); },
            [&](std::unique_ptr<allocation_tally>& tally) {
                plateau::manual_clock clock;
                refused_option([&] {
                    const Cache cache{options, clock, bombing_allocator<std::byte>{*tally}, parts...};
                });
            },
            [](const std::unique_ptr<allocation_tally>& tally, const sweep_step&) {
                CHECK(tally->live_blocks == 0);
                CHECK(tally->wrong_sizes == 0);
            });
        CHECK(report.points > 0);
        table.add(name, report);
    }
}

}  // namespace

TEST_CASE("a construction that fails at any allocation or copy of a part leaves nothing behind", "[cache][alloc]") {
    fault_table table("cache");
    sweep_constructions<one_thread<fallible>>(table, "construction of lru_cache");
    sweep_constructions<one_thread<fallible_shrunk>>(table, "construction with pages of two slots");
    sweep_constructions<one_thread<fallible_pins>>(table, "construction with pins");
    sweep_constructions<shared_cache>(table, "construction of concurrent_cache");
    sweep_constructions<one_thread<of_fragile_parts<fallible>>>(
        table, "construction with parts", fragile<throwing_hash>{}, fragile<throwing_equal>{},
        fragile<throwing_weigher>{}, fragile<silent_listener>{});
    sweep_constructions<plateau::concurrent_lru_cache<key, value, of_fragile_parts<fallible_shards>>>(
        table, "construction of concurrent_lru_cache with parts", fragile<throwing_hash>{}, fragile<throwing_equal>{},
        fragile<throwing_weigher>{}, fragile<silent_listener>{});
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}

namespace {

/// Hash and equality for std::string alone: a look-up by anything else makes one.
struct opaque_hash {
    std::size_t operator()(const std::string& text) const {
        return throwing_hash{}(static_cast<std::int64_t>(text.size()));
    }
};
struct opaque_equal {
    bool operator()(const std::string& a, const std::string& b) const {
        fault_here(fault::equal);
        return a == b;
    }
};
struct opaque_keys : plateau::cache_policies {
    using hash = opaque_hash;
    using equal = opaque_equal;
};

constexpr const char* known = "a text that is too long to be kept in place, and known";
constexpr const char* fresh = "a text that is too long to be kept in place, and fresh";

/// What programs have in caches: texts, from the global operator new.
template <class Policies>
struct text_subject {
    using cache_type = plateau::lru_cache<std::string, std::string, Policies>;
    std::unique_ptr<cache_type> cache = std::make_unique<cache_type>(plateau::cache_options{.max_entries = 4});
    std::string key = fresh;
    std::string value = known;

    text_subject() {
        cache->put(std::string("1"), std::string("short"));
        cache->put(std::string(known), std::string(known));
    }
    std::vector<std::string> content() const {
        std::vector<std::string> all;
        cache->erase_if([&](const std::string& k, const std::string& v) {
            all.push_back(k + '=' + v);
            return false;
        });
        return all;
    }
};

template <class Policies>
void sweep_texts(fault_table& table) {
    using s = text_subject<Policies>;
    const std::vector<std::string> before = s{}.content();
    const auto with = [&](std::string_view name, auto operation) {
        CAPTURE(name);
        table.add(name,
                  sweep_faults(
                      fault::any, [] { return s{}; }, operation,
                      [&](const s& t, const sweep_step& step) {
                          t.cache->check_invariants();
                          if (!step.threw) return;
                          CHECK(t.content() == before);
                          CHECK(t.key == fresh);  // moves of texts do not fail, so what could not be kept was not taken
                          CHECK(t.value == known);
                      }));
    };
    with("put of texts made in place",
         [](s& t) { t.cache->put(fresh, "a value that is too long to be kept in place"); });
    with("put that replaces a text", [](s& t) { t.cache->put(known, "a value that is too long to be kept in place"); });
    with("put of texts that are copied", [](s& t) { t.cache->put(t.key, t.value); });
    with("put of texts that are moved", [](s& t) { t.cache->put(std::move(t.key), std::move(t.value)); });
    with("get of a text", [](s& t) { static_cast<void>(t.cache->get(known)); });
    with("peek at a text", [](s& t) { static_cast<void>(t.cache->peek(known)); });
}

}  // namespace

TEST_CASE("texts that cannot be allocated leave the cache, and the caller's texts, as they were", "[cache][alloc]") {
    fault_table table("cache");
    sweep_texts<plateau::cache_policies>(table);
    sweep_texts<opaque_keys>(table);
    using s = text_subject<opaque_keys>;
    const auto look_up = [&](std::string_view name, auto operation) {
        table.add(name, sweep_faults(
                            fault::any, [] { return s{}; }, operation,
                            [](const s& t, const sweep_step& step) {
                                t.cache->check_invariants();
                                if (step.threw) CHECK(t.content() == s{}.content());
                            }));
    };
    look_up("contains, by a text that is made for it", [](s& t) { static_cast<void>(t.cache->contains(known)); });
    look_up("visit, by a text that is made for it", [](s& t) { t.cache->visit(known, [](const std::string&) {}); });
    look_up("erase, by a text that is made for it", [](s& t) { t.cache->erase(known); });
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();

    // Where hash and equality take anything, a look-up makes nothing.
    text_subject<plateau::cache_policies> t;
    const armed_fault armed{fault::operator_new, 1, fault_mode::from_then_on};
    const bool found = t.cache->contains(known) && t.cache->visit(known, [](const std::string&) {});
    const bool erased = t.cache->erase(known);
    const std::uint64_t asked = armed.reached();
    const armed_fault over{fault::none, 0};
    CHECK(found);
    CHECK(erased);
    CHECK(asked == 0);
}

TEST_CASE("a value that can only be moved is taken whole or not at all", "[cache][alloc]") {
    using cache_type = plateau::lru_cache<int, std::unique_ptr<std::string>>;
    struct owner {
        std::unique_ptr<cache_type> cache = std::make_unique<cache_type>(plateau::cache_options{.max_bytes = 10'000});
        std::unique_ptr<std::string> value = std::make_unique<std::string>(known);
    };
    const auto report = sweep_faults(
        fault::any, [] { return owner{}; }, [](owner& t) { t.cache->put(7, std::move(t.value)); },
        [](const owner& t, const sweep_step& step) {
            t.cache->check_invariants();
            CHECK(t.cache->size() == (step.threw ? 0U : 1U));
            CHECK((t.value != nullptr) == step.threw);
        });
    CHECK(report.points > 0);
    CHECK(report.leaked_blocks == 0);
    proof_count("cache", "fault points", report.injected);
}

TEST_CASE("while nothing can be allocated, a full cache still takes entries", "[cache][alloc]") {
    using cache_type = one_thread<fallible>;
    subject<cache_type> t{{.max_entries = 8}, 8};
    t.cache->put(key{*t.lives, 100}, value{*t.lives, 1});  // one through the outbox, so that its slot exists
    bool all = true;
    {
        const armed_fault armed{fault::allocator | fault::operator_new, 1, fault_mode::from_then_on};
        for (int i = 0; i < 1'000; ++i) all &= static_cast<bool>(t.cache->put(key{*t.lives, i}, value{*t.lives, i}));
        CHECK(armed.fired() == 0);
    }
    CHECK(all);
    t.check_sound();
}

TEST_CASE("a key whose move throws costs the caller nothing but the call", "[cache][alloc]") {
    using cache_type = one_thread<fallible>;
    sweep_faults(
        fault::move,
        [] {
            return subject<cache_type>{{.max_entries = 8}, 4};
        },
        [](subject<cache_type>& t) {
            key k{*t.lives, 50};
            value v{*t.lives, 7};
            try {
                t.cache->put(std::move(k), std::move(v));
            } catch (const injected_fault&) {
                CHECK(k.number() == 50);
                throw;
            }
        },
        [](const subject<cache_type>& t, const sweep_step&) { t.check_sound(); });
}
