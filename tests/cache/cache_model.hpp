// SPDX-License-Identifier: MIT
/// The caches beside the textbook: the same calls on both. After every call the answers, the removals that the listener
/// was told, size, charged bytes and counters are those of the oracle, what is pinned is intact, the next deadline is
/// right, and a counting allocator holds no more than the declared ceiling, nor has at any moment of the call.
#pragma once

#include "cache/cache_model_commands.hpp"
#include "cache/cache_model_variants.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/lru_oracle.hpp"
#include "tools/model.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace plateau_test {

/// One cache and its oracle: one textbook for each shard, since bounds are divided among them.
///
/// Time is counted as the documentation says: in whole ticks since the cache was made. A cache remembers the latest
/// time that it was told, and so does the model: by a put with a time to live, and, once one was stored, by each call
/// that may change something and finds (or does not look for) an entry.
///
/// Expired entries stand until the cache comes across them. Which ones it does is followed, where a listener tells of
/// it, and checked for being allowed; where none does, the budget is unlimited, and each put and erase sweeps them all.
template <class Variant>
class cache_pair {
    using cache_type = typename Variant::cache;
    using policies = typename Variant::policies;
    using key_type = typename Variant::key;
    using value_type = typename Variant::value;

    struct remembered {
        model_content content;
        std::size_t weight;            ///< overhead included, whether bytes are bounded or not
        std::uint64_t fixed_deadline;  ///< which no use puts off
    };
    using oracle_type = typename Variant::template oracle<int, remembered>;
    using entry = typename oracle_type::entry;
    using stored = typename oracle_type::stored;

    static constexpr std::uint64_t tick = static_cast<std::uint64_t>(policies::tick.count());
    static constexpr std::size_t overhead = cache_type::entry_overhead;
    static constexpr std::size_t max_weight = 0xffff'ffffU;
    /// Where time ends: 292 years after the start.
    static constexpr std::uint64_t max_time = std::numeric_limits<std::int64_t>::max();

    struct shard {
        oracle_type entries;
        pin_oracle pins;
        std::uint64_t seen = 0;  ///< nanoseconds since the start
        bool timed = false;      ///< an entry with a deadline was stored
    };

public:
    cache_pair(const cache_setup& setup, model_check& check) : setup_(setup), check_(check), clock_(setup.start) {
        make_cache();
        const std::size_t count = shard_count();
        for (std::size_t i = 0; i < count; ++i) {
            const auto& options = setup.options;
            shards_.push_back(
                {oracle_type(part(options.max_entries, i, count), part(options.max_bytes, i, count)), pin_oracle(0)});
            shards_[i].entries.max_entry_bytes = std::min(options.max_entry_bytes, max_weight);
            if constexpr (Variant::evicts_by_s3fifo) {
                shards_[i].entries.overhead = overhead;
                shards_[i].entries.hash_of = [choice = setup.hash_choice](int key) { return hash_of(choice, key); };
            }
        }
        weighing_ = options().max_bytes != unlimited || options().max_entry_bytes != unlimited ||
                    (Variant::has_pins && options().max_pinned_bytes != 0 && options().max_pinned_bytes != unlimited);
        set_pinned_bounds();
        ceiling_ = cache_->memory_ceiling();
    }

    void step(byte_view bytes) {
        const auto command = cache_command::of<Variant>(setup_, bytes);
        told_.clear();
        transient_ = 0;
        most_expired_ = 0;
        tally_.reset_peak();
        call(command);
        compare_state();
        if (command.verb == cache_verb::compare || check_.step() % 16 == 0) compare_content();
    }

    /// The end of the cache, before its pins or after them.
    void finish() {
        compare_content();
        check_pins();
        cache_->check_invariants();
        if (!setup_.pins_outlive) let_all_go();
        told_.clear();
        cache_.reset();
        for (shard& one : shards_) one.entries.clear();
        compare_removals();
        check_pins();
        let_all_go();
        check_.equal(tally_.live_bytes.load(), 0, "what is held after the end");
        check_.equal(tally_.live_blocks.load(), 0, "blocks that are held after the end");
        check_.equal(tally_.wrong_sizes.load(), 0, "deallocations of a wrong size");
    }

private:
    const plateau::cache_options& options() const { return setup_.options; }

    void make_cache() {
        const counting_allocator<std::byte> allocator{tally_};
        if constexpr (std::is_same_v<typename policies::hash, chosen_hash>)
            cache_.emplace(options(), clock_, allocator, removal_log<key_type, value_type>{&told_},
                           chosen_hash(setup_.hash_choice));
        else if constexpr (std::is_same_v<typename policies::hash, parity_hash>)
            cache_.emplace(options(), clock_, allocator, removal_log<key_type, value_type>{&told_});
        else if constexpr (Variant::is_told)
            cache_.emplace(options(), clock_, allocator, removal_log<key_type, value_type>{&told_}, repeatable_hash());
        else cache_.emplace(options(), clock_, allocator, repeatable_hash());
    }
    static std::uint32_t hash_of(unsigned choice, int key) {
        if constexpr (std::is_same_v<typename policies::hash, chosen_hash>)
            return static_cast<std::uint32_t>(chosen_hash(choice)(key));
        else return static_cast<std::uint32_t>(parity_hash{}(key));
    }
    static plateau::keyed_hash repeatable_hash() {
        return plateau::keyed_hash(plateau::hash_key{0x0123'4567'89ab'cdefU, 0xfedc'ba98'7654'3210U});
    }

    // ---- shards

    /// Two, where each would have an entry and eight of the heaviest.
    std::size_t shard_count() const {
        if (Variant::most_shards == 1 || options().max_entries / 2 < 1) return 1;
        const std::size_t heaviest = options().max_entry_bytes == unlimited ? overhead : options().max_entry_bytes;
        return options().max_bytes / 2 / 8 < heaviest ? 1 : 2;
    }
    static std::size_t part(std::size_t bound, std::size_t i, std::size_t count) {
        return bound == unlimited ? unlimited : bound / count + (i < bound % count ? 1 : 0);
    }
    shard& shard_of(int key) { return shards_[shards_.size() == 1 ? 0 : static_cast<std::size_t>(key) % 2]; }

    // ---- time

    time_point now() const { return clock_.now(); }
    std::uint64_t since_start(time_point moment) const {
        __extension__ using wide = __int128;
        const wide since = wide{moment.time_since_epoch().count()} - setup_.start.time_since_epoch().count();
        return static_cast<std::uint64_t>(std::clamp<wide>(since, 0, max_time));
    }
    /// What the shard takes for the present, in ticks, at that time of the clock.
    std::uint64_t present(const shard& of, time_point moment) const {
        return std::max(of.seen, since_start(moment)) / tick;
    }
    std::uint64_t present(const shard& of) const { return present(of, now()); }
    void remember(shard& of, time_point moment) { of.seen = std::max(of.seen, since_start(moment)); }

    /// Whole ticks, rounded down, at least one and at most 2^31 - 1 ahead.
    std::uint64_t deadline(const shard& of, duration time_to_live) const {
        const std::uint64_t at = of.seen / tick;
        if (time_to_live == plateau::forever) return oracle_type::never;
        if (time_to_live <= duration::zero()) return at;
        const std::uint64_t end = (of.seen + static_cast<std::uint64_t>(time_to_live.count())) / tick;
        return std::clamp(end, at + 1, at + 0x7fff'ffff);
    }
    bool idles() const { return options().time_to_idle != plateau::forever; }
    /// A use puts off the end that comes from idling.
    void touch(shard& in, const entry& used) {
        if (idles())
            const_cast<entry&>(used).deadline =
                std::min(used.value.fixed_deadline, deadline(in, options().time_to_idle));
    }
    duration left(const shard& in, const entry& of) const {
        if (of.deadline == oracle_type::never) return plateau::forever;
        __extension__ using wide = __int128;
        const wide length = wide{of.deadline} * wide{tick} - wide{std::max(in.seen, since_start(now()))};
        return duration(static_cast<std::int64_t>(std::min<wide>(length, max_time)));
    }

    // ---- the calls

    void call(const cache_command& command) {
        switch (command.verb) {
        case cache_verb::put:
        case cache_verb::put_copy:
            return put(command);
        case cache_verb::get:
            return get(command.key, now(), [&](const auto& key) { return cache_->get(key); });
        case cache_verb::get_at: {
            const time_point moment = plateau::detail::saturating_add(now(), command.length);
            return get(command.key, moment, [&](const auto& key) { return cache_->get(key, moment); });
        }
        case cache_verb::peek:
            return peek(command.key);
        case cache_verb::contains:
            return check_.equal(cache_->contains(query(command.key)),
                                at(command.key).entries.peek(command.key, present(at(command.key))) != nullptr,
                                "contains");
        case cache_verb::visit:
            return visit(command.key);
        case cache_verb::pin:
            return pin(command.key, command.place % hands);
        case cache_verb::unpin:
            return let_go(command.place % hands);
        case cache_verb::erase:
            return erase(command.key);
        case cache_verb::erase_if:
            return erase_if(command);
        case cache_verb::advance:
            return clock_.advance(command.length);
        case cache_verb::go_back:
            return clock_.set(time_point(
                duration(plateau::detail::saturating_sub(now().time_since_epoch().count(), command.length.count()))));
        case cache_verb::purge_expired:
            return purge(command.number);
        case cache_verb::set_max_entries:
            return set_max_entries(command.number);
        case cache_verb::set_max_bytes:
            return set_max_bytes(command.number);
        case cache_verb::clear:
            cache_->clear();
            for (shard& one : shards_) {
                one.entries.clear();
                give_back(one);
            }
            return;
        case cache_verb::compare:
            return;
        }
    }

    shard& at(int key) { return shard_of(key); }

    /// What a look-up is made by: for a text, a view of the test's own.
    auto query(int number) {
        if constexpr (std::is_same_v<key_type, int>) return number;
        else {
            query_.assign(text_key_prefix(number)).append(std::to_string(number));
            return std::string_view(query_);
        }
    }

    void put(const cache_command& command) {
        model_content content = command.content;
        // No two puts in a row say the same, so that an old value is seen. An empty text has no letter.
        ++puts_;
        if (content.size != 0 || Variant::claims) content.letter = static_cast<std::uint32_t>(puts_ % 128);
        key_type key = make_key(std::type_identity<key_type>{}, command.key, tally_);
        value_type value = make_value(std::type_identity<value_type>{}, content, tally_);
        const std::size_t owned = plateau::owned_bytes_weigher{}(key, value);
        const std::size_t weight = plateau::detail::saturating_add(owned, overhead);
        const plateau::put_options how{.time_to_live = command.time_to_live};
        const bool copied = command.verb == cache_verb::put_copy;
        if (!Variant::claims) transient_ += copied ? 2 * owned : owned;

        const plateau::put_result result = copied ? cache_->put(std::as_const(key), std::as_const(value), how)
                                                  : cache_->put(std::move(key), std::move(value), how);

        const duration time_to_live = command.time_to_live.value_or(options().time_to_live);
        shard& in = at(command.key);
        const bool ends = idles() || time_to_live != plateau::forever;
        if (in.timed || ends) remember(in, now());
        sweep(in, command.key);
        const std::uint64_t fixed = deadline(in, time_to_live);
        const std::uint64_t first = idles() ? std::min(fixed, deadline(in, options().time_to_idle)) : fixed;
        const stored expected =
            in.entries.put(command.key, {content, weight, fixed}, weighing_ ? weight : overhead, first, in.seen / tick);
        const bool refused = expected == stored::over_budget || expected == stored::too_large;
        if (!refused && time_to_live > duration::zero() && ends) in.timed = true;
        count_put(expected, time_to_live);

        check_.equal(result.reason(), reason_of(expected), "the reason of a put");
        check_.equal(result.replaced(), expected == stored::replaced, "replaced()");
        if (refused || copied) {  // what was not taken is untouched
            check_.expect(content_of(value) == content, "a put that takes nothing leaves the value alone");
            check_.equal(number_of(key), command.key, "the key after a put that takes nothing");
        }
    }
    static plateau::cache_reason reason_of(stored what) {
        if (what == stored::over_budget) return plateau::cache_reason::over_budget;
        return what == stored::too_large ? plateau::cache_reason::too_large : plateau::cache_reason::none;
    }
    void count_put(stored what, duration time_to_live) {
        if (what == stored::over_budget || what == stored::too_large) ++counted_.rejections;
        else if (time_to_live > duration::zero())
            ++(what == stored::replaced ? counted_.replacements : counted_.insertions);
    }

    /// After a look-up that may use the entry: an expired one that it found is gone.
    const entry* used(int key, time_point moment) {
        shard& in = at(key);
        if (in.timed && in.entries.standing(key) != nullptr) remember(in, moment);
        most_expired_ = in.entries.drop(key, in.seen / tick) ? 1 : 0;
        const entry* const found = in.entries.get(key, in.seen / tick);
        if (found != nullptr) touch(in, *found);
        ++(found != nullptr ? counted_.hits : counted_.misses);
        return found;
    }

    template <class Get>
    void get(int key, time_point moment, Get look_up) {
        const auto hit = look_up(query(key));
        const entry* const expected = used(key, moment);
        check_.equal(hit.has_value(), expected != nullptr, "get");
        if (hit && expected != nullptr) check_copy(*hit, *expected);
    }
    void peek(int key) {
        const auto hit = cache_->peek(query(key));
        const entry* const expected = at(key).entries.peek(key, present(at(key)));
        check_.equal(hit.has_value(), expected != nullptr, "peek");
        const auto remaining = cache_->remaining(query(key));
        check_.equal(remaining.has_value(), expected != nullptr, "remaining");
        if (remaining && expected != nullptr)
            check_.equal(remaining->count(), left(at(key), *expected).count(), "how long an entry has");
        if (hit && expected != nullptr) check_copy(*hit, *expected);
    }
    void check_copy(const value_type& copy, const entry& expected) {
        if (!Variant::claims) transient_ += plateau::owned_bytes(copy);
        check_.expect(content_of(copy) == expected.value.content, "a copy is the value that was put");
    }
    void visit(int key) {
        model_content seen;
        const bool visited =
            cache_->visit(query(key), [&](const value_type& value) noexcept { seen = content_of(value); });
        const entry* const expected = used(key, now());
        check_.equal(visited, expected != nullptr, "visit");
        if (visited && expected != nullptr)
            check_.expect(seen == expected->value.content, "what is visited is the value that was put");
    }

    void erase(int key) {
        const bool erased = cache_->erase(query(key));
        shard& in = at(key);
        if (in.timed) remember(in, now());
        const bool expected = in.entries.peek(key, in.seen / tick) != nullptr;
        check_.equal(erased, expected, "erase");
        sweep(in, key);
        in.entries.erase(key, in.seen / tick);
    }

    void erase_if(const cache_command& command) {
        std::vector<int> asked;
        const auto chosen = [&](int key) { return key % 4 == static_cast<int>(command.place); };
        const std::size_t erased = cache_->erase_if(
            [&](const key_type& key, const value_type&) {
                asked.push_back(number_of(key));
                return chosen(asked.back());
            },
            command.number);
        std::size_t left = command.number;
        std::size_t next = 0;
        for (shard& one : shards_) {
            if (one.timed) remember(one, now());
            const auto is_next = [&](int key, const remembered&) {
                check_.expect(next < asked.size() && asked[next] == key, "erase_if asks for the coldest first");
                ++next;
                return chosen(key);
            };
            left -= one.entries.erase_if(is_next, one.seen / tick, left);
        }
        check_.equal(erased, command.number - left, "erase_if");
        check_.equal(asked.size(), next, "how many erase_if asks for");
    }

    /// An empty cache that gives its memory back forgets what it knew of those that left.
    void give_back(shard& one) {
        if constexpr (Variant::evicts_by_s3fifo)
            if (one.entries.size() == 0 && one.pins.bytes() == 0) one.entries.forget();
    }

    void purge(std::size_t budget) {
        // Which shards a budget reached is not known.
        if (Variant::evicts_by_s3fifo && shards_.size() > 1) budget = unlimited;
        const std::size_t removed = cache_->purge_expired(budget);
        most_expired_ = Variant::is_told ? budget : unlimited;
        std::size_t followed = 0;
        for (shard& one : shards_) {
            if (one.timed && budget != 0) remember(one, now());
            if (Variant::is_told) followed += follow(one);
            else if (budget == unlimited) followed += one.entries.purge(one.seen / tick);
            else followed = purge_unheard(one, budget, removed);
            if (budget == unlimited) check_.equal(one.entries.purge(one.seen / tick), 0U, "what purge_expired left");
            if (budget != 0) give_back(one);
        }
        check_.equal(removed, followed, "purge_expired");
        if (shards_.size() > 1) compare_content();  // which shards the budget reached is not known: all learn the time
        const auto next = cache_->next_deadline();
        if (budget == unlimited && next)
            check_.expect(*next > now() || *next == time_point::max() || since_start(*next) == max_time,
                          "after a purge there is nothing to do before a later time");
    }
    /// Nobody tells which: the content does.
    std::size_t purge_unheard(shard& one, std::size_t budget, std::size_t removed) {
        check_.expect(removed <= budget, "purge_expired keeps to its budget");
        const std::size_t rest = cache_->purge_expired();  // so that the two are alike again
        if (one.timed) remember(one, now());
        const std::size_t all = one.entries.purge(one.seen / tick);
        check_.equal(removed + rest, all, "purge_expired in two");
        return removed;
    }

    void set_max_entries(std::size_t bound) {
        const bool absurd = (bound != unlimited && bound > Variant::most_entries) ||
                            (bound == unlimited && shards_[0].entries.max_bytes() == unlimited);
        std::size_t evicted = 0;
        if (refuses([&] { evicted = cache_->set_max_entries(bound); }, absurd)) return;
        std::size_t expected = 0;
        for (std::size_t i = 0; i < shards_.size(); ++i)
            expected += shards_[i].entries.set_max_entries(part(bound, i, shards_.size()));
        for (shard& one : shards_) give_back(one);
        check_.equal(evicted, expected, "set_max_entries");
    }
    void set_max_bytes(std::size_t bound) {
        if (shards_.size() > 1) return;  // whose bytes those are: byte_budget_test.cpp
        const bool absurd = bound == unlimited && shards_[0].entries.max_entries() == unlimited;
        std::size_t evicted = 0;
        if (refuses([&] { evicted = cache_->set_max_bytes(bound); }, absurd)) return;
        if (bound != unlimited && !weighing_) start_weighing();
        std::size_t expected = 0;
        for (std::size_t i = 0; i < shards_.size(); ++i)
            expected += shards_[i].entries.set_max_bytes(part(bound, i, shards_.size()));
        for (shard& one : shards_) give_back(one);
        set_pinned_bounds();
        check_.equal(evicted, expected, "set_max_bytes");
    }
    template <class Call>
    bool refuses(Call call, bool expected) {
        bool refused = false;
        try {
            call();
        } catch (const std::invalid_argument&) {
            refused = true;
        }
        check_.equal(refused, expected, "whether a bound is refused");
        return refused;
    }
    /// Weights were not kept: from now on they are, of the entries that stand too.
    void start_weighing() {
        weighing_ = true;
        for (shard& one : shards_)
            one.entries.reweigh([&](const entry& e) {
                const std::size_t weight = std::min(e.value.weight, max_weight);
                one.pins.reweigh(e.id, weight);
                return weight;
            });
    }
    void set_pinned_bounds() {
        for (shard& one : shards_) set_pinned_bound(one);
    }
    /// What others have pinned is pinned of the same bound.
    void set_pinned_bound(shard& of) {
        of.pins.max_bytes =
            options().max_pinned_bytes == 0 ? shards_[0].entries.max_bytes() : options().max_pinned_bytes;
        if (of.pins.max_bytes == unlimited) return;
        for (const shard& other : shards_)
            if (&other != &of) of.pins.max_bytes -= std::min(of.pins.max_bytes, other.pins.bytes());
    }

    // ---- pins

    static constexpr std::size_t hands = 6;
    struct no_hand {
        no_hand(plateau::cache_reason) noexcept {}
    };
    struct hand {
        std::conditional_t<Variant::has_pins, plateau::pin<value_type>, no_hand> held = plateau::cache_reason::absent;
        shard* in = nullptr;
        std::uint64_t id = 0;
        model_content content{};
    };

    void pin(int key, std::size_t place) {
        if constexpr (Variant::has_pins) {
            auto got = cache_->pin(query(key));
            shard& in = at(key);
            set_pinned_bound(in);
            if (in.timed && in.entries.standing(key) != nullptr) remember(in, now());
            most_expired_ = in.entries.drop(key, in.seen / tick) ? 1 : 0;
            const entry* const found = in.entries.peek(key, in.seen / tick);
            const bool granted = found != nullptr && in.pins.pin(found->id, found->bytes);
            const auto reason = granted            ? plateau::cache_reason::none
                                : found == nullptr ? plateau::cache_reason::absent
                                                   : plateau::cache_reason::pinned_full;
            check_.equal(got.reason(), reason, "the reason of a pin");
            ++(granted ? counted_.hits : found == nullptr ? counted_.misses : counted_.rejections);
            if (!granted || !got) return;
            touch(in, *in.entries.get(key, in.seen / tick));
            hand& into = hands_[place];
            if (into.held) into.in->pins.unpin(into.id);
            into.held = std::move(got);
            into.in = &in;
            into.id = found->id;
            into.content = found->value.content;
            check_.equal(got.reason(), plateau::cache_reason::absent, "the reason of a pin that was moved from");
        }
    }
    void let_go(std::size_t place) {
        if constexpr (Variant::has_pins) {
            hand& of = hands_[place];
            if (!of.held) return;
            of.held.reset();
            of.in->pins.unpin(of.id);
        }
    }
    void let_all_go() {
        for (std::size_t i = 0; i < hands; ++i) let_go(i);
    }
    void check_pins() {
        if constexpr (Variant::has_pins)
            for (const hand& one : hands_)
                check_.expect(!one.held || content_of(*one.held) == one.content, "a pinned value stays as it is");
    }

    // ---- what expired

    /// Effects: drops what the cache came across on its way through a put or an erase of that key.
    void sweep(shard& in, int key) {
        if (!Variant::is_told) {
            most_expired_ = unlimited;
            if (in.timed) in.entries.purge(in.seen / tick);
            return;
        }
        most_expired_ = std::size_t{options().reclaim_budget} + 1;
        in.entries.drop(key, in.seen / tick);
        follow(in);
        if (options().reclaim_budget == std::numeric_limits<unsigned>::max() && in.timed)
            check_.equal(in.entries.purge(in.seen / tick), 0U, "what an unlimited budget left");
    }
    /// Effects: drops the entries that the listener was told of as expired, if they are over. Returns: how many.
    std::size_t follow(shard& in) {
        std::size_t dropped = 0;
        for (const told_removal& one : told_)
            if (one.why == plateau::removal_cause::expired && &shard_of(one.key) == &in)
                dropped += in.entries.drop(one.key, in.seen / tick);
        return dropped;
    }

    // ---- after every call

    void compare_state() {
        compare_removals();
        if (check_.failed()) return;
        check_pins();
        compare_figures();
        compare_next_deadline();
        cache_->check_invariants();
        compare_memory();
    }

    void compare_removals() {
        std::size_t expired = 0;
        for (shard& one : shards_) {
            for (const auto& gone : one.entries.removed) {
                count_removal(gone.why);
                expired += gone.why == plateau::removal_cause::expired;
                if (Variant::is_told) strike_out(gone);
            }
            one.entries.removed.clear();
        }
        check_.expect(told_.empty(), "the listener is told of nobody who stays");
        check_.expect(expired <= most_expired_, "a call gives back no more expired entries than its budget");
    }
    void strike_out(const typename oracle_type::removal& gone) {
        const auto match = std::find_if(told_.begin(), told_.end(), [&](const told_removal& one) {
            return one.key == gone.key && one.why == gone.why && one.content == gone.value.content;
        });
        if (match == told_.end()) return check_.fail("the listener is not told of key " + std::to_string(gone.key));
        *match = told_.back();
        told_.pop_back();
    }
    void count_removal(plateau::removal_cause why) {
        switch (why) {
        case plateau::removal_cause::size:
            ++counted_.evictions;
            break;
        case plateau::removal_cause::expired:
            ++counted_.expirations;
            break;
        case plateau::removal_cause::replaced:
            break;
        case plateau::removal_cause::erased:
            ++counted_.erasures;
            break;
        case plateau::removal_cause::cleared:
            ++counted_.cleared;
            break;
        case plateau::removal_cause::tag:
        case plateau::removal_cause::rejected:
            return check_.fail("no layer stands on this cache");
        }
    }

    void compare_figures() {
        std::size_t size = 0;
        std::size_t bytes = 0;
        std::size_t pinned = 0;
        for (const shard& one : shards_) {
            size += one.entries.size();
            bytes += one.entries.bytes();
            pinned += one.pins.bytes();
        }
        const plateau::cache_stats stats = cache_->stats();
        check_.equal(cache_->size(), size, "size");
        check_.equal(stats.entries, size, "the figure of entries");
        check_.equal(stats.bytes, bytes, "the figure of charged bytes");
        check_.equal(stats.pinned_bytes, Variant::has_pins ? pinned : 0, "the figure of pinned bytes");
        const plateau::cache_stats counted = Variant::counts ? counted_ : plateau::cache_stats{};
        check_.equal(stats.hits, counted.hits, "the figure of hits");
        check_.equal(stats.misses, counted.misses, "the figure of misses");
        check_.equal(stats.insertions, counted.insertions, "the figure of insertions");
        check_.equal(stats.replacements, counted.replacements, "the figure of replacements");
        check_.equal(stats.evictions, counted.evictions, "the figure of evictions");
        check_.equal(stats.expirations, counted.expirations, "the figure of expirations");
        check_.equal(stats.erasures, counted.erasures, "the figure of erasures");
        check_.equal(stats.cleared, counted.cleared, "the figure of cleared");
        check_.equal(stats.rejections, counted.rejections, "the figure of rejections");
    }

    /// Not after the first deadline; where that is past already, not after the present.
    void compare_next_deadline() {
        std::uint64_t latest = oracle_type::never;
        for (const shard& one : shards_)
            for (const entry& e : one.entries.hottest_first())
                if (e.deadline != oracle_type::never) latest = std::min(latest, std::max(e.deadline, one.seen / tick));
        const auto next = cache_->next_deadline();
        check_.equal(next.has_value(), latest != oracle_type::never, "whether there is a next deadline");
        if (!next || check_.failed()) return;
        __extension__ using wide = __int128;
        const wide moment = wide{setup_.start.time_since_epoch().count()} + wide{latest} * wide{tick};
        check_.expect(wide{next->time_since_epoch().count()} <= moment, "the next deadline is not after the first");
    }

    void compare_memory() {
        const std::size_t before = ceiling_;
        ceiling_ = cache_->memory_ceiling();
        if (ceiling_ == unlimited || before == unlimited) return;
        const auto live = static_cast<std::size_t>(tally_.live_bytes.load());
        const auto peak = static_cast<std::size_t>(tally_.peak_bytes.load());
        if (live + sizeof(cache_type) > ceiling_) check_.equal(live + sizeof(cache_type), ceiling_, "what is held");
        if (peak + sizeof(cache_type) > std::max(before, ceiling_) + transient_)
            check_.equal(peak + sizeof(cache_type), std::max(before, ceiling_) + transient_, "what was held meanwhile");
    }

    /// In order, by asking an erase_if that chooses nobody.
    void compare_content() {
        if (check_.failed()) return;
        std::vector<std::pair<int, model_content>> content;
        cache_->erase_if([&](const key_type& key, const value_type& value) {
            content.emplace_back(number_of(key), content_of(value));
            return false;
        });
        std::size_t next = 0;
        for (shard& one : shards_) {
            if (one.timed) remember(one, now());
            const auto entries = one.entries.hottest_first();
            for (auto at = entries.rbegin(); at != entries.rend(); ++at) {
                if (at->over(one.seen / tick)) continue;
                check_.expect(next < content.size() && content[next].first == at->key &&
                                  content[next].second == at->value.content,
                              "the entries stand in the order of their use");
                ++next;
            }
        }
        check_.equal(content.size(), next, "how many entries are live");
        compare_orders(content);
    }
    void compare_orders(const std::vector<std::pair<int, model_content>>& content) {
        std::vector<int> coldest;
        std::vector<int> hottest;
        cache_->for_each(plateau::order::coldest_first,
                         [&](const key_type& key, const value_type&) { coldest.push_back(number_of(key)); });
        cache_->for_each(plateau::order::hottest_first,
                         [&](const key_type& key, const value_type&) { hottest.push_back(number_of(key)); });
        const auto same = [](int key, const auto& one) { return key == one.first; };
        check_.expect(std::equal(coldest.begin(), coldest.end(), content.begin(), content.end(), same),
                      "for_each goes from the coldest on");
        if (shards_.size() == 1)
            check_.expect(std::equal(hottest.rbegin(), hottest.rend(), coldest.begin(), coldest.end()),
                          "for_each goes from the hottest on");
    }

    cache_setup setup_;
    model_check& check_;
    plateau::manual_clock clock_;
    allocation_tally tally_;
    std::vector<told_removal> told_;
    std::optional<cache_type> cache_;
    std::string query_;
    std::array<hand, hands> hands_;
    std::vector<shard> shards_;
    plateau::cache_stats counted_;
    bool weighing_ = false;
    std::uint64_t puts_ = 0;
    std::size_t ceiling_ = 0;
    std::size_t transient_ = 0;     // bytes of the caller's, and of copies handed to him, in this call
    std::size_t most_expired_ = 0;  // removals as expired that this call may come to
};

/// Every variant, chosen by the first byte.
struct lru_cache_model {
    static constexpr std::string_view name = "lru_cache";
    static constexpr std::string_view room = "cache";
    static constexpr std::size_t setup_bytes = cache_setup_bytes;
    static constexpr std::size_t command_bytes = cache_command_bytes;

    static void run(byte_view input, model_check& check) {
        const auto bytes = bytes_at<setup_bytes>(input, 0);
        with_cache_variant(bytes[0], [&]<class Variant>() {
            cache_pair<Variant> pair(cache_setup::of<Variant>(bytes), check);
            play_commands<lru_cache_model>(input, check, [&](byte_view command) { pair.step(command); });
            if (!check.failed()) pair.finish();
        });
    }
    static std::string describe_setup(byte_view setup) {
        return with_cache_variant(setup[0], [&]<class Variant>() {
            return cache_variant_names[setup[0] % cache_variant_names.size()] +
                   (": " + cache_setup::of<Variant>(setup).text());
        });
    }
    static std::string describe(byte_view setup, byte_view command) {
        return with_cache_variant(setup[0], [&]<class Variant>() {
            return cache_command::of<Variant>(cache_setup::of<Variant>(setup), command).text();
        });
    }

    /// Each sequence leaves some kinds of commands out, and uses some keys more than others: what never happens
    /// together with everything else happens here (swarm testing: Groce and others, 2012).
    static model_bytes generate(random_source& random, std::size_t commands) {
        model_bytes bytes(setup_bytes + commands * command_bytes);
        for (std::size_t i = 0; i < setup_bytes; ++i)
            if (i == 0 || !random.one_in(3)) bytes[i] = static_cast<std::uint8_t>(random.next());
        std::vector<std::uint8_t> verbs{0};
        for (std::uint8_t verb = 1; verb < cache_model_detail::verbs.size(); ++verb)
            if (!random.one_in(4)) verbs.push_back(verb);
        const std::uint64_t hot = 1 + random.below(most_model_keys);
        for (std::size_t at = setup_bytes; at < bytes.size(); at += command_bytes) {
            bytes[at] = verbs[random.below(verbs.size())];
            bytes[at + 1] = static_cast<std::uint8_t>(random.one_in(4) ? random.next() : random.below(hot));
            bytes[at + 2] = static_cast<std::uint8_t>(random.next());
            bytes[at + 3] = static_cast<std::uint8_t>(random.next());
        }
        return bytes;
    }
};

}  // namespace plateau_test
