// SPDX-License-Identifier: MIT
/// What is checked of tags, over the table that keeps them and over caches of several policies.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/proof.hpp"
#include "tools/random.hpp"

#include <plateau/cache/tag_table.hpp>

#include <cstddef>
#include <cstdint>
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
    table_of<Sync> table(16, {});
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
    table_of<Sync> table(8, {});
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
    table_of<Sync> table(8, {});
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
    table_of<Sync> table(8, {});
    static_cast<void>(table.stamp({"known"}));
    const std::uint64_t then = table.now();
    check.expect(table.stamp_since({"known", "unknown"}, then).has_value(), "nothing was invalidated meanwhile");
    table.invalidate("known");
    check.expect(!table.stamp_since({"unknown", "known"}, then), "one of its tags was invalidated meanwhile");
    check.expect(table.stamp_since({"known"}, table.now()).has_value(), "a load of after the invalidation is stored");

    const std::uint64_t later = table.now();
    check.expect(!table.invalidate("new"), "nobody has stored with this tag");
    check.expect(!table.stamp_since({"new"}, later), "a name that nobody had stored with was invalidated meanwhile");

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
    table_of<Sync> table(1, {});
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
    table_of<Sync> table(max_tags, {});
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

}  // namespace plateau_test
