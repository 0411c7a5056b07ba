// SPDX-License-Identifier: MIT
/// What is checked of tags, over the table that keeps them and over caches of several policies.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/proof.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>
#include <plateau/cache/tag_table.hpp>
#include <plateau/cache/tagged_cache.hpp>
#include <plateau/hash.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace plateau_test {

/// `Sync` names the table: a defect has its own.
template <class Sync>
using table_of = plateau::detail::tag_table<Sync, std::allocator<std::byte>>;

/// A name of its own for each number, outside the small strings.
inline std::string tag_named(std::uint64_t n) { return "a tag of some length, number " + std::to_string(n); }

// ---- the table

template <class Sync>
void an_invalidation_ends_what_was_stamped_before(shared_check& check) {
    table_of<Sync> table(16, {}, {});
    const auto before = table.stamp({"catalog", "product:7"});
    const auto other = table.stamp({"product:7"});
    check.expect(!table.over(before), "an entry lives until one of its tags is invalidated");
    check.expect(table.invalidate("catalog"), "there was an entry with this tag");
    check.expect(table.over(before), "an entry is over once one of its tags was invalidated");
    check.expect(!table.over(other), "an entry without the tag lives on");
    const auto after = table.stamp({"catalog"});
    check.expect(!table.over(after), "what is stored after an invalidation lives");
    check.expect(!table.invalidate("nobody"), "no entry ever had this tag");
    check.expect(table.invalidate("catalog"), "there was one again");
    check.expect(!table.invalidate("catalog"), "and now there is none");
    check.expect(table.over(after) && table.over(before) && !table.over(other), "each of them, once more");
    check.expect(!table.over(plateau::detail::tag_note{}), "what has no tags is never over by them");
    table.check_invariants();
}

/// Names beyond the bound: the record of the first goes to another, and the first is stored with again.
template <class Sync>
void a_displaced_name_is_still_invalidated(shared_check& check) {
    table_of<Sync> table(8, {}, {});
    const auto first = table.stamp({"first"});
    std::vector<plateau::detail::tag_note> others;
    for (std::uint64_t i = 0; i < 8; ++i) others.push_back(table.stamp({tag_named(i)}));
    check.equal(table.stats().displaced, 1U, "the number of names displaced");
    check.expect(!table.over(first), "an entry outlives the record of its name");
    const auto second = table.stamp({"first"});
    check.expect(table.invalidate("first"), "the name has entries");
    check.expect(table.over(second), "the entry that has the record of its name is over");
    check.expect(table.over(first), "the entry whose name had another record is over");
    check.expect(!table.over(others.back()), "a name that kept its record is told apart");

    const auto again = table.stamp({"again"});
    for (std::uint64_t i = 10; i < 18; ++i) static_cast<void>(table.stamp({tag_named(i)}));
    check.expect(table.invalidate("again"), "a name without a record may have entries");
    check.expect(table.over(again), "an entry whose name has no record is over");
    table.check_invariants();
}

/// An entry is invalidated, and then its record goes to another name.
template <class Sync>
void what_is_over_stays_over(shared_check& check) {
    table_of<Sync> table(8, {}, {});
    const auto over = table.stamp({"over"});
    table.invalidate("over");
    for (std::uint64_t i = 0; i < 100; ++i) {
        static_cast<void>(table.stamp({tag_named(i)}));
        check.expect(table.over(over), "what is over stays over, whoever has its record");
    }
    check.equal(table.stats().displaced, 92U, "a name without entries loses its record first, and is not displaced");
}

template <class Sync>
void a_load_that_began_before_an_invalidation_is_refused(shared_check& check) {
    table_of<Sync> table(8, {}, {});
    static_cast<void>(table.stamp({"known"}));
    const std::uint64_t then = table.now();
    check.expect(table.stamp_since({"known", "unknown"}, then).has_value(), "nothing was invalidated meanwhile");
    table.invalidate("known");
    check.expect(!table.stamp_since({"unknown", "known"}, then), "one of its tags was invalidated meanwhile");
    check.expect(table.stamp_since({"known"}, table.now()).has_value(), "a load of after the invalidation is stored");

    const std::uint64_t later = table.now();
    check.expect(!table.invalidate("new"), "nobody has stored with this tag");
    check.expect(!table.stamp_since({"new"}, later), "a name that nobody had stored with was invalidated meanwhile");
    static_cast<void>(table.stamp({"new"}));
    check.expect(!table.stamp_since({"new"}, later), "it has a record since, and the trace is kept");

    const std::uint64_t last = table.now();
    static_cast<void>(table.stamp({"goes"}));
    table.invalidate("goes");
    for (std::uint64_t i = 0; i < 8; ++i) static_cast<void>(table.stamp({tag_named(i)}));
    check.expect(!table.stamp_since({"goes"}, last), "the name has lost its record, and the trace is kept");
    static_cast<void>(table.stamp({"goes"}));
    check.expect(!table.stamp_since({"goes"}, last), "the name has another record, and the trace is kept");
    check.expect(table.stamp_since({}, 0).has_value(), "what has no tags is stored");
    table.check_invariants();
}

/// One entry has as many tags as there are records, all new.
template <class Sync>
void the_tags_of_one_entry_never_take_from_each_other(shared_check& check) {
    table_of<Sync> table(1, {}, {});
    for (std::uint64_t round = 0; round < 20; ++round) {
        plateau::tag_list tags;
        std::vector<std::string> names;
        for (std::uint64_t i = 0; i < plateau::tag_list::capacity; ++i) names.push_back(tag_named(100 * round + i));
        for (const std::string& name : names) check.expect(tags.add(name), "there is room for eight");
        check.expect(!tags.add("ninth") && tags.size() == plateau::tag_list::capacity, "a ninth is not taken");
        const auto note = table.stamp(tags);
        table.check_invariants();
        check.expect(!table.over(note), "an entry with eight new tags lives");
        check.expect(table.invalidate(names[round % names.size()]), "each of them has its record");
        check.expect(table.over(note), "an entry ends by any of its eight tags");
    }
}

/// An entry with a new tag and the one that was stored with longest ago.
template <class Sync>
void a_known_name_keeps_its_record_beside_new_ones(shared_check& check) {
    table_of<Sync> table(8, {}, {});
    static_cast<void>(table.stamp({"first"}));
    for (std::uint64_t i = 0; i < 7; ++i) static_cast<void>(table.stamp({tag_named(i)}));
    static_cast<void>(table.stamp({"new", "first"}));
    check.equal(table.stats().displaced, 1U, "the number of names that lost their record to one new name");
    table.check_invariants();
}

/// Random calls against a list of what was stored and what was invalidated. `names`: how many there are.
template <class Sync>
void the_table_agrees_with_an_exact_list(shared_check& check, std::size_t max_tags, std::size_t names,
                                         std::size_t steps) {
    struct entry {
        plateau::detail::tag_note note;
        std::vector<std::size_t> tags;
        bool over;
    };
    struct load {
        std::uint64_t then;
        std::vector<bool> invalidated;
    };
    random_source random("tags" + std::to_string(max_tags) + "." + std::to_string(names));
    table_of<Sync> table(max_tags, {}, {});
    std::vector<std::string> name;
    for (std::size_t i = 0; i < names; ++i) name.push_back(tag_named(i));
    const bool exact = names <= (max_tags < 8 ? 8 : max_tags);
    std::vector<entry> entries;
    std::vector<load> loads;
    std::uint64_t forbidden = 0;
    std::uint64_t spared = 0;
    for (std::size_t step = 0; step < steps; ++step) {
        if (random.below(4) != 0) {
            plateau::tag_list tags;
            entry made{{}, {}, false};
            for (std::size_t i = random.below(4) + (random.below(20) == 0 ? 5 : 0); i != 0; --i) {
                // Some names are used far more often than others.
                made.tags.push_back(random.below(random.below(names) + 1));
                check.expect(tags.add(name[made.tags.back()]), "there is room for eight");
            }
            if (!loads.empty() && random.below(3) == 0) {
                const load& from = loads[random.below(loads.size())];
                bool allowed = true;
                for (const std::size_t tag : made.tags) allowed = allowed && !from.invalidated[tag];
                const auto note = table.stamp_since(tags, from.then);
                if (!allowed) check.expect(!note, "a load is not stored once a tag of it was invalidated");
                if (!note) continue;
                made.note = *note;
            } else {
                made.note = table.stamp(tags);
            }
            if (entries.size() < 64) entries.push_back(std::move(made));
            else entries[random.below(entries.size())] = std::move(made);
        } else if (random.below(3) == 0) {
            if (loads.size() == 8) loads.erase(loads.begin());
            loads.push_back({table.now(), std::vector<bool>(names)});
        } else {
            const std::size_t tag = random.below(names);
            const std::uint64_t sweep = table.ended();
            bool any = false;
            for (entry& one : entries) {
                for (const std::size_t has : one.tags) {
                    if (has != tag || one.over) continue;
                    any = one.over = true;
                    ++forbidden;
                }
            }
            for (load& one : loads) one.invalidated[tag] = true;
            const bool said = table.invalidate(name[tag]);
            check.expect(said || !any, "whoever ends an entry says so");
            check.expect(said == (table.ended() != sweep), "a sweep is due exactly when entries may have ended");
        }
        for (entry& one : entries) {
            const bool over = table.over(one.note);
            check.expect(over || !one.over, "no entry is handed out after a tag of it was invalidated");
            if (exact) check.expect(over == one.over, "with room for all names, no entry ends by another's tag");
            if (over && !one.over) {
                one.over = true;  // and must stay so
                ++spared;
            }
        }
    }
    table.check_invariants();
    check.expect(forbidden != 0, "the calls reached what they are for");
    check.expect(exact == (spared == 0), "names beyond the bound end more than their own");
    proof_count("cache", "model operations", steps);
}

// ---- caches with tags

/// What left, and why.
struct departures {
    std::vector<std::pair<int, plateau::removal_cause>> all;
    std::size_t size() const noexcept { return all.size(); }
};
struct notes_departures {
    departures* to;
    void operator()(int key, const int&, plateau::removal_cause cause) const noexcept {
        to->all.emplace_back(key, cause);
    }
};
struct tagged_by_hand : plateau::cache_policies {
    using clock = plateau::manual_clock;
    using listener = notes_departures;
    using pins = plateau::counted;
    static constexpr plateau::duration tick{1};
};
template <class Policies>
using tagged_lru = plateau::tagged_cache<plateau::lru_cache<int, int, Policies>>;

template <class Policies>
void an_invalidated_entry_is_gone_for_every_way_to_look(shared_check& check) {
    using plateau::removal_cause;
    departures left;
    plateau::manual_clock clock;
    tagged_lru<Policies> cache{{.cache = {.max_entries = 100}}, clock, notes_departures{&left}};
    const auto again = [&](int key) {
        check.expect(!left.all.empty() && left.all.back() == std::pair(key, removal_cause::tag), "its cause is tag");
        const std::size_t told = left.size();
        const plateau::put_result put = cache.put(key, key, {.tags = {"all", "more"}});
        check.expect(put && !put.replaced(), "an invalidated entry is not replaced");
        check.equal(left.size(), told, "the entries told of when an entry is stored anew");
        check.expect(cache.get(key).has_value() && cache.contains(key), "it is stored anew, and lives");
        check.expect(cache.invalidate_tag("all"), "there is an entry with the tag");
    };
    left.all.emplace_back(1, removal_cause::tag);
    again(1);
    check.expect(!cache.contains(1) && !cache.peek(1), "contains, peek: an invalidated entry is absent");
    check.expect(!cache.remaining(1), "remaining: an invalidated entry is absent");
    std::size_t seen = 0;
    cache.for_each(plateau::order::hottest_first, [&](int, int) noexcept { ++seen; });
    check.equal(seen, 0U, "the entries that for_each shows");
    check.expect(!cache.get(1), "get: an invalidated entry is absent");
    again(1);
    check.expect(!cache.get(1, clock.now()), "get at a time: an invalidated entry is absent");
    again(1);
    check.expect(!cache.visit(1, [](int) noexcept {}), "visit: an invalidated entry is absent");
    again(1);
    check.expect(!cache.pin(1), "pin: an invalidated entry is absent");
    again(1);
    check.expect(!cache.erase(1), "erase: an invalidated entry is absent");
    again(1);
    check.equal(cache.erase_if([](int, int) { return true; }), 0U, "the entries that erase_if erases");
    check.equal(cache.purge_expired(), 1U, "the entries purged");
    again(1);
    check.expect(!cache.put(1, 2).replaced() && cache.get(1) == 2, "put: an invalidated entry is not replaced");
    check.expect(left.all.back() == std::pair(1, removal_cause::tag), "put: its cause is tag");
    check.expect(!cache.invalidate_tag("all") && !cache.invalidate_tag("nobody"), "no entry has these tags");
    check.expect(cache.get(1).has_value(), "an entry without tags lives");
    cache.check_invariants();
}

/// Expired, invalidated, pinned and the next to be evicted: one end, one cause, one weight.
template <class Policies>
void an_entry_ends_once_for_all_reasons_at_once(shared_check& check) {
    using namespace std::chrono_literals;
    using plateau::removal_cause;
    for (int looks = 0; looks < 4; ++looks) {
        departures left;
        plateau::manual_clock clock;
        constexpr std::size_t one = tagged_lru<Policies>::entry_overhead;
        tagged_lru<Policies> cache{{.cache = {.max_entries = 2, .max_bytes = 8 * one}}, clock, notes_departures{&left}};
        cache.put(1, 10, {.time_to_live = 5ns, .tags = {"a", "b"}});
        cache.put(2, 20, {.tags = {"b"}});
        auto pin = cache.pin(1);
        check.expect(bool(pin) && cache.get(2) == 20, "the other is used last");
        clock.advance(5ns);
        cache.invalidate_tag("a");
        switch (looks) {
        case 0:
            check.expect(!cache.get(1), "it is absent");
            break;
        case 1:
            check.expect(!cache.erase(1), "it is absent");
            break;
        case 2:
            check.equal(cache.purge_expired(), 1U, "the entries purged");
            break;
        default:
            break;
        }
        cache.put(3, 30, {.tags = {"b"}});
        check.equal(left.size(), 1U, "the times that it is told of");
        check.expect(left.all.front() == std::pair(1, removal_cause::expired), "the deadline came first");
        const auto now = cache.stats();
        check.equal(now.entries, 2U, "the entries held");
        check.equal(now.bytes, 2 * one, "the bytes charged");
        check.equal(now.pinned_bytes, one, "the bytes pinned");
        check.equal(now.expirations + now.invalidations + now.evictions, 1U, "the ends counted");
        check.expect(*pin == 10, "who holds it keeps it");
        pin.reset();
        check.equal(cache.stats().pinned_bytes, 0U, "the bytes pinned at the end");
        check.equal(left.size(), 1U, "the times that it is told of, in the end");
        cache.check_invariants();
    }
}

/// Thousands end in one call; the calls after it remove no more than their budget each.
template <class Policies>
void what_was_invalidated_goes_within_the_budget(shared_check& check) {
    constexpr int entries = 1'000;
    departures left;
    plateau::manual_clock clock;
    tagged_lru<Policies> cache{
        {.cache = {.max_entries = 2 * entries, .reclaim_budget = 4}}, clock, notes_departures{&left}};
    for (int key = 0; key < entries; ++key) cache.put(key, key, {.tags = {key % 10 == 0 ? "keeps" : "goes"}});
    check.expect(cache.invalidate_tag("goes"), "there are entries");
    check.equal(left.size(), 0U, "the entries that an invalidation removes itself");
    int calls = 0;
    for (; left.size() < entries * 9 / 10 && calls < 2 * entries; ++calls) {
        const std::size_t before = left.size();
        if (calls % 2 == 0) cache.put(entries + calls, 0);
        else cache.erase(-1);
        check.expect(left.size() - before <= 4, "a call removes no more than its budget");
    }
    check.expect(calls <= entries, "some calls later everything that was invalidated is gone");
    for (const auto& [key, cause] : left.all)
        check.expect(cause == plateau::removal_cause::tag && key % 10 != 0, "only what was invalidated is gone");
    cache.check_invariants();

    check.expect(cache.invalidate_tag("keeps"), "there are more");
    std::size_t purged = 0;
    for (int calls_left = entries; calls_left != 0; --calls_left) {
        const std::size_t now = cache.purge_expired(10);
        check.expect(now <= 10, "a purge removes no more than its budget");
        purged += now;
    }
    check.equal(purged, entries / 10U, "the entries that purges removed");
    check.equal(cache.purge_expired(), 0U, "what is left to purge");
    cache.check_invariants();
}

/// Invalidates while it weighs what is about to be stored: after the stamp was drawn, and before the entry is there.
struct weighs_and_invalidates {
    const std::function<void()>* invalidate = nullptr;
    std::size_t operator()(int, int) const {
        if (invalidate != nullptr && *invalidate) (*invalidate)();
        return 0;
    }
};
struct invalidates_inside : plateau::cache_policies {
    using weigher = weighs_and_invalidates;
};

template <class Policies>
void what_was_invalidated_on_its_way_in_is_swept(shared_check& check) {
    std::function<void()> meanwhile;
    tagged_lru<Policies> cache{{.cache = {.max_entries = 100, .max_bytes = 1'000'000, .reclaim_budget = 1'000}},
                               weighs_and_invalidates{&meanwhile}};
    cache.put(1, 1, {.tags = {"other"}});
    bool once = false;
    meanwhile = [&] {
        if (std::exchange(once, true)) return;
        cache.invalidate_tag("tag");
        check.equal(cache.purge_expired(), 0U, "what is swept before the entry is there");
    };
    check.expect(bool(cache.put(2, 2, {.tags = {"tag"}})), "it is stored as if put before the invalidation");
    check.expect(!cache.contains(2), "what was invalidated on its way in is absent");
    check.equal(cache.size(), 2U, "the entries held, until one is swept");
    check.equal(cache.purge_expired(), 1U, "what is swept once the entry is there");
    check.equal(cache.size(), 1U, "the entries held after a sweep");
    cache.check_invariants();
}

/// A value that was read at its origin before an invalidation, and put after it.
template <class Policies>
void what_was_read_before_an_invalidation_is_not_stored(shared_check& check) {
    departures left;
    plateau::manual_clock clock;
    tagged_lru<Policies> cache{{.cache = {.max_entries = 100}}, clock, notes_departures{&left}};
    cache.put(1, 1, {.tags = {"other"}});
    const std::uint64_t since = cache.stamp();
    cache.invalidate_tag("new");
    const plateau::put_result put = cache.put(1, 2, {.tags = {"other", "new"}, .since = since});
    check.expect(!put && put.reason() == plateau::cache_reason::absent, "it is refused");
    check.expect(cache.get(1) == 1 && left.all.empty(), "a refused put changes nothing");
    check.expect(bool(cache.put(1, 2, {.tags = {"other"}, .since = since})), "another tag was invalidated: stored");
    check.expect(bool(cache.put(1, 3, {.tags = {"new"}, .since = cache.stamp()})), "read since: stored");
    check.expect(cache.get(1) == 3, "the last is there");
    check.expect(cache.invalidate_tag("new") && !cache.get(1), "and ends by its tag");
}

struct counted_tags : plateau::cache_policies {
    using allocator = counting_allocator<std::byte>;
};

/// As many names as there are entries, and more: the memory stays, and nothing lives too long.
template <class Policies>
void endless_new_tags_take_no_memory(shared_check& check, int rounds) {
    allocation_tally tally;
    {
        tagged_lru<Policies> cache{{.cache = {.max_entries = 64}, .max_tags = 16}, typename Policies::allocator{tally}};
        const auto put = [&](int key) {
            const std::string own = tag_named(static_cast<std::uint64_t>(key));
            cache.put(key, key, {.tags = {own, "all"}});
        };
        for (int key = 0; key < 1'000; ++key) put(key);
        const std::int64_t bytes = tally.live_bytes;
        const std::int64_t calls = tally.calls;
        for (int key = 1'000; key < rounds; ++key) {
            put(key);
            if (key % 7 != 0) continue;
            const int chosen = key - key % 50;
            const bool held = cache.contains(chosen);
            const bool said = cache.invalidate_tag(tag_named(static_cast<std::uint64_t>(chosen)));
            check.expect(said || !held, "an invalidation tells of an entry that is held");
            check.expect(!cache.contains(chosen), "an entry ends by its own tag, however many tags came since");
        }
        check.equal(static_cast<std::int64_t>(tally.live_bytes), bytes, "the bytes held after a million new tags");
        check.equal(static_cast<std::int64_t>(tally.calls), calls, "the allocations until then");
        check.expect(static_cast<std::size_t>(tally.peak_bytes) <= cache.memory_ceiling(),
                     "it stays below its ceiling");
        const auto now = cache.stats();
        check.expect(now.tags == 16 && now.tags_displaced > 1'000, "names are displaced");
        check.expect(cache.invalidate_tag("all") && cache.purge_expired() == now.entries, "all end by the common tag");
        cache.check_invariants();
    }
    check.equal(static_cast<std::int64_t>(tally.live_bytes), 0, "the bytes held after the end");
}

/// Random calls with deadlines, a small budget and stamps of loads, against a map. There is room for every key.
template <class Policies>
void a_tagged_cache_agrees_with_an_exact_list(shared_check& check, std::size_t max_tags, std::size_t names,
                                              std::size_t steps) {
    struct expected {
        int value;
        std::vector<std::size_t> tags;
        plateau::time_point deadline;
    };
    constexpr int keys = 64;
    random_source random("tagged" + std::to_string(names));
    departures left;
    plateau::manual_clock clock{plateau::time_point{plateau::duration{1'000}}};
    tagged_lru<Policies> cache{
        {.cache = {.max_entries = keys, .reclaim_budget = 2}, .max_tags = max_tags}, clock, notes_departures{&left}};
    std::vector<std::optional<expected>> oracle(keys);
    std::vector<std::string> name;
    for (std::size_t i = 0; i < names; ++i) name.push_back(tag_named(i));
    for (const std::string& each : name) cache.put(0, 0, {.tags = {each}});  // from now on each has its record
    cache.clear();
    std::optional<std::uint64_t> since;
    std::vector<bool> invalidated(names);
    const bool exact = names <= max_tags;
    std::uint64_t hits = 0;
    std::size_t puts = 0;
    for (std::size_t step = 0; step < steps; ++step) {
        left.all.clear();
        const int key = static_cast<int>(random.below(keys));
        auto& entry = oracle[static_cast<std::size_t>(key)];
        switch (random.below(8)) {
        case 0:
        case 1: {
            plateau::tag_list tags;
            expected made{static_cast<int>(step), {}, plateau::time_point::max()};
            for (std::size_t i = random.below(4); i != 0; --i) {
                made.tags.push_back(random.below(random.below(names) + 1));
                check.expect(tags.add(name[made.tags.back()]), "there is room for eight");
            }
            plateau::tagged_put_options how{.tags = tags};
            if (random.below(3) == 0) {
                how.time_to_live = plateau::duration(1 + random.below(40));
                made.deadline = clock.now() + *how.time_to_live;
            }
            bool stale = false;
            if (since && random.below(3) == 0) {
                how.since = since;
                for (const std::size_t tag : made.tags) stale = stale || invalidated[tag];
            }
            const plateau::put_result put = cache.put(key, made.value, how);
            check.expect(!(put && stale), "what was read before an invalidation is not stored");
            check.expect(put || how.since, "there is room for every key");
            if (exact) check.expect(bool(put) == !stale, "what was read since is stored");
            if (put) entry = made;
            puts += bool(put);
            break;
        }
        case 2: {
            const std::size_t tag = random.below(names);
            cache.invalidate_tag(name[tag]);
            invalidated[tag] = true;
            for (auto& one : oracle) {
                if (!one) continue;
                for (const std::size_t has : one->tags) {
                    if (has != tag) continue;
                    one.reset();
                    break;
                }
            }
            break;
        }
        case 3:
            since = cache.stamp();
            invalidated.assign(names, false);
            break;
        case 4:
            clock.advance(plateau::duration(random.below(10)));
            break;
        case 5:
            cache.purge_expired(random.below(4));
            break;
        default: {
            const bool lives = entry && clock.now() < entry->deadline;
            const bool there = cache.contains(key);
            const std::optional<int> got = cache.get(key);
            check.expect(there == got.has_value(), "contains and get agree");
            check.expect(!got || (lives && *got == entry->value), "a hit is the last value, and not over");
            if (exact) check.expect(got.has_value() == lives, "an entry that is not over is found");
            hits += got.has_value();
            break;
        }
        }
        check.expect(left.size() <= 4, "no call removes more than its budget, and its own");
        for (const auto& [gone, cause] : left.all)
            check.expect(cause != plateau::removal_cause::size, "nothing is evicted while there is room");
    }
    check.expect(hits != 0 && puts != 0, "the calls reached what they are for");
    cache.check_invariants();
    proof_count("cache", "model operations", steps);
}

}  // namespace plateau_test
