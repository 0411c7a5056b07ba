// SPDX-License-Identifier: MIT
// What threads are answered by a shared cache is what one thread could have been answered by exact LRU lists, one a
// shard. Calls that go from shard to shard (clear, size, stats, erase_if, purge_expired, next_deadline and the changes
// of bounds) take effect in each at a moment of its own, as documented: the model takes them in steps.
#include "tools/catch.hpp"
#include "tools/history_check.hpp"
#include "tools/history_jitter.hpp"
#include "tools/history_run.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

// ---- calls and answers

enum class verb : unsigned char {
    get,
    peek,
    contains,
    visit,
    put,
    erase,
    erase_even,
    clear,
    pin,
    unpin,
    set_max_entries,
    set_max_bytes,
    purge_expired,
    next_deadline,
    advance,
    size,
    stats,
    order,
    count_
};
constexpr std::array<std::string_view, static_cast<std::size_t>(verb::count_)> verb_names{
    "get",   "peek",  "contains",        "visit",         "put",           "erase",         "erase_even", "clear",
    "pin",   "unpin", "set_max_entries", "set_max_bytes", "purge_expired", "next_deadline", "advance",    "size",
    "stats", "order"};

struct call {
    verb what{};
    int number = 0;  ///< a key, a bound, or ticks
    int value = 0;
    int time_to_live = 0;  ///< of a put; 0: none
};
std::string describe(const call& c) {
    std::string text(verb_names[static_cast<std::size_t>(c.what)]);
    text += '(' + std::to_string(c.number);
    if (c.what == verb::put) text += ", " + std::to_string(c.value);
    if (c.time_to_live != 0) text += ", for " + std::to_string(c.time_to_live);
    return text + ')';
}

/// A number, or why there is none. Counters and orders are packed, eight bits each.
struct answer {
    plateau::cache_reason reason = plateau::cache_reason::none;
    std::uint64_t number = 0;
    std::uint64_t more = 0;

    static answer of(std::uint64_t number, std::uint64_t more = 0) {
        return {plateau::cache_reason::none, number, more};
    }
    bool operator==(const answer&) const = default;
};
constexpr answer absent{plateau::cache_reason::absent};

std::string describe(const answer& a) {
    if (a.reason != plateau::cache_reason::none) return std::string(to_string(a.reason));
    const auto bytes = [](std::uint64_t number) {
        if (number < 256) return std::to_string(number);
        std::string text;
        for (unsigned i = 8; i-- != 0;) {
            const std::uint64_t from_here = number >> (8 * i);
            if (from_here != 0) text += (text.empty() ? "" : ".") + std::to_string(from_here % 256);
        }
        return text;
    };
    return a.more == 0 ? bytes(a.number) : bytes(a.number) + " | " + bytes(a.more);
}

// ---- the model

constexpr std::size_t max_threads = 4;
constexpr std::size_t max_keys = 6;
constexpr int never = 1'000;

/// What does not change in a history.
struct rules {
    std::size_t shards = 1;
    int entry_overhead = 0;
    std::size_t max_pinned_bytes = 0;  ///< of a shard; 0: as many as max_bytes
    bool sees_pinned_bytes = true;
};

/// Half an entry more for every third value, as the weigher says.
constexpr int weight_of(int value) { return value % 3 * 16; }

struct model_entry {
    int key = 0;
    int value = 0;
    int weight = 0;
    int pins = 0;
    int deadline = 0;
    bool operator==(const model_entry&) const = default;
};

/// A short list whose unused places are alike, so that lists compare as what they hold.
template <std::size_t Capacity>
struct short_list {
    std::array<model_entry, Capacity> places{};
    std::size_t count = 0;

    bool operator==(const short_list&) const = default;
    model_entry take(std::size_t at) {
        const model_entry taken = places[at];
        for (--count; at < count; ++at) places[at] = places[at + 1];
        places[count] = {};
        return taken;
    }
    void push_front(const model_entry& entry) {
        for (std::size_t at = count++; at != 0; --at) places[at] = places[at - 1];
        places[0] = entry;
    }
    template <class Which>
    std::size_t find(Which which) const {
        std::size_t at = 0;
        while (at < count && !which(places[at])) ++at;
        return at;
    }
};

/// The textbook LRU with pins, weights and deadlines: the most recently used stands first.
struct shard_model {
    short_list<max_keys> order;
    short_list<max_threads> left;  ///< no longer in the cache, and pinned
    std::size_t max_entries = 0;
    std::size_t max_bytes = plateau::unlimited;
    bool weighs = false;
    std::uint64_t counts = 0;       ///< eight bits each, in the order below
    std::uint64_t more_counts = 0;  ///< expirations, rejections

    enum count : unsigned { hits, misses, insertions, replacements, evictions, erasures, cleared };

    bool operator==(const shard_model&) const = default;

    static constexpr std::size_t none = max_keys + 1;
    void add(count what) { counts += std::uint64_t{1} << (8 * what); }

    static int charge(const model_entry& entry, const rules& r) { return r.entry_overhead + entry.weight; }
    /// Those that have left are not weighed any more.
    void start_weighing() {
        weighs = true;
        for (std::size_t i = 0; i < order.count; ++i) order.places[i].weight = weight_of(order.places[i].value);
    }
    std::size_t bytes(const rules& r) const {
        int sum = 0;
        for (std::size_t i = 0; i < order.count; ++i) sum += charge(order.places[i], r);
        return static_cast<std::size_t>(sum);
    }
    std::size_t pinned_bytes(const rules& r) const {
        int sum = 0;
        for (std::size_t i = 0; i < order.count; ++i) sum += order.places[i].pins != 0 ? charge(order.places[i], r) : 0;
        for (std::size_t i = 0; i < left.count; ++i) sum += charge(left.places[i], r);
        return static_cast<std::size_t>(sum);
    }

    void remove(std::size_t at) {
        const model_entry gone = order.take(at);
        if (gone.pins != 0) left.push_front(gone);
    }
    std::size_t find(int key) const {
        return order.find([&](const model_entry& e) { return e.key == key; });
    }
    bool expired(std::size_t at, int now) const { return order.places[at].deadline <= now; }

    std::size_t reclaim(int now) {
        std::size_t removed = 0;
        for (std::size_t at = order.count; at-- != 0;) {
            if (!expired(at, now)) continue;
            remove(at);
            ++more_counts;
            ++removed;
        }
        return removed;
    }
    /// Room for one entry of `charge` bytes, or, with neither, for what is there.
    std::size_t make_room(std::size_t entries, std::size_t charge_of_it, const rules& r) {
        std::size_t evicted = 0;
        for (; order.count != 0 && (order.count + entries > max_entries || bytes(r) + charge_of_it > max_bytes);
             ++evicted) {
            remove(order.count - 1);
            add(evictions);
        }
        return evicted;
    }

    answer put(const call& c, int now, const rules& r) {
        reclaim(now);
        const std::size_t old = find(c.number);
        const bool present = old != order.count;
        const model_entry made{.key = c.number,
                               .value = c.value,
                               .weight = weighs ? weight_of(c.value) : 0,
                               .pins = 0,
                               .deadline = c.time_to_live == 0 ? never : now + c.time_to_live};
        const auto charged = static_cast<std::size_t>(charge(made, r));
        if (max_entries == 0 || max_bytes == 0) return refuse(plateau::cache_reason::over_budget);
        if (charged > max_bytes) return refuse(plateau::cache_reason::too_large);
        if (present) remove(old);
        add(present ? replacements : insertions);
        make_room(1, charged, r);
        order.push_front(made);
        return answer::of(present ? 1 : 0);
    }
    answer refuse(plateau::cache_reason why) {
        more_counts += 256;
        return {why};
    }

    /// Where the live entry of the key stands, or `none`: then the miss was counted, and what was over is gone.
    std::size_t find_live(int key, int now) {
        const std::size_t at = find(key);
        if (at != order.count && !expired(at, now)) return at;
        if (at != order.count) {
            remove(at);
            ++more_counts;
        }
        add(misses);
        return none;
    }
    model_entry& use(std::size_t at) {
        order.push_front(order.take(at));
        add(hits);
        return order.places[0];
    }
    answer peek(int key, int now) const {
        const std::size_t at = find(key);
        if (at == order.count || expired(at, now)) return absent;
        return answer::of(static_cast<std::uint64_t>(order.places[at].value));
    }
    answer erase(int key, int now) {
        const std::size_t at = find(key);
        const bool live = at != order.count && !expired(at, now);
        if (at != order.count) {
            remove(at);
            if (live) add(erasures);
            else ++more_counts;
        }
        reclaim(now);
        return answer::of(live ? 1 : 0);
    }
    template <class Which>
    std::size_t remove_if(count what, Which which) {
        std::size_t removed = 0;
        for (std::size_t at = order.count; at-- != 0;) {
            if (!which(at)) continue;
            remove(at);
            add(what);
            ++removed;
        }
        return removed;
    }
    /// 0, or the value that was pinned.
    int unpin(int value) {
        const auto is_it = [&](const model_entry& e) { return e.value == value; };
        if (const std::size_t at = order.find(is_it); at != order.count) --order.places[at].pins;
        else if (const std::size_t zombie = left.find(is_it); --left.places[zombie].pins == 0) left.take(zombie);
        return value;
    }
};

struct cache_model {
    const rules* r = nullptr;
    std::array<shard_model, 2> shards{};
    int now = 0;
    int max_entries = 0;                     ///< set last; one that is still being set goes on with it
    std::array<int, max_threads> pinned{};   ///< by each thread: a value
    std::array<answer, max_threads> seen{};  ///< by each thread, of a sum that it has begun

    bool operator==(const cache_model&) const = default;
    std::uint64_t hash() const {
        std::uint64_t all = static_cast<std::uint64_t>(now);
        const auto mix = [&](std::uint64_t n) { all = (all ^ n) * 0x100000001b3U; };
        for (const shard_model& s : shards) {
            for (std::size_t i = 0; i < s.order.count; ++i) mix(static_cast<std::uint64_t>(s.order.places[i].value));
            mix(s.counts);
            mix(s.more_counts);
        }
        return all;
    }

    static bool visits_all(verb what) {
        switch (what) {
        case verb::erase_even:
        case verb::clear:
        case verb::set_max_entries:
        case verb::set_max_bytes:
        case verb::purge_expired:
        case verb::next_deadline:
        case verb::size:
        case verb::stats:
        case verb::order:
            return true;
        default:
            return false;
        }
    }
    static unsigned steps_with(const call& c, std::size_t shards) {
        if (!visits_all(c.what)) return 1;
        return static_cast<unsigned>(shards) * (c.what == verb::set_max_bytes ? 2 : 1);
    }

    std::optional<answer> apply_with(const call& c, std::size_t thread, unsigned step) {
        if (!visits_all(c.what)) return at_one_shard(c, thread, shards[static_cast<std::size_t>(c.number) % r->shards]);
        const std::size_t i = step % r->shards;
        in_each_shard(c, shards[i], i, step, seen[thread]);
        if (step + 1 < steps_with(c, r->shards)) return std::nullopt;
        return std::exchange(seen[thread], answer{});
    }

private:
    answer at_one_shard(const call& c, std::size_t thread, shard_model& s) {
        const int key = c.number;
        switch (c.what) {
        case verb::get:
        case verb::visit: {
            const std::size_t at = s.find_live(key, now);
            if (at == shard_model::none) return absent;
            return answer::of(static_cast<std::uint64_t>(s.use(at).value));
        }
        case verb::peek:
            return s.peek(key, now);
        case verb::contains:
            return answer::of(s.peek(key, now) == absent ? 0 : 1);
        case verb::put:
            return s.put(c, now, *r);
        case verb::erase:
            return s.erase(key, now);
        case verb::pin:
            return pin(key, thread, s);
        case verb::unpin:
            return unpin(thread);
        case verb::advance:
            now += key;
            return {};
        default:
            return {};
        }
    }
    answer pin(int key, std::size_t thread, shard_model& s) {
        const std::size_t at = s.find_live(key, now);
        if (at == shard_model::none) return absent;
        const model_entry& entry = s.order.places[at];
        const std::size_t limit = r->max_pinned_bytes != 0 ? r->max_pinned_bytes : s.max_bytes;
        if (entry.pins == 0 && s.pinned_bytes(*r) + static_cast<std::size_t>(s.charge(entry, *r)) > limit)
            return s.refuse(plateau::cache_reason::pinned_full);
        ++s.use(at).pins;
        pinned[thread] = s.order.places[0].value;
        return answer::of(static_cast<std::uint64_t>(pinned[thread]));
    }
    answer unpin(std::size_t thread) {
        const int value = std::exchange(pinned[thread], 0);
        if (value == 0) return absent;
        const auto is_it = [&](const model_entry& e) { return e.value == value; };
        for (shard_model& s : shards) {
            if (s.order.find(is_it) != s.order.count || s.left.find(is_it) != s.left.count) s.unpin(value);
        }
        return answer::of(static_cast<std::uint64_t>(value));
    }

    void in_each_shard(const call& c, shard_model& s, std::size_t i, unsigned step, answer& sum) {
        const auto share = [&](int bound) {
            const auto whole = static_cast<std::size_t>(bound);
            return whole / r->shards + (i < whole % r->shards ? 1 : 0);
        };
        switch (c.what) {
        case verb::erase_even:
            sum.number += s.remove_if(shard_model::erasures, [&](std::size_t at) {
                return s.order.places[at].value % 2 == 0 && !s.expired(at, now);
            });
            break;
        case verb::clear:
            s.remove_if(shard_model::cleared, [](std::size_t) { return true; });
            break;
        case verb::set_max_entries:
            if (step == 0) max_entries = c.number;
            s.max_entries = share(max_entries);
            sum.number += s.make_room(0, 0, *r);
            break;
        case verb::set_max_bytes:  // all entries are weighed before the first shard is bounded
            if (step < r->shards) {
                s.start_weighing();
            } else {
                s.max_bytes = share(c.number);
                sum.number += s.make_room(0, 0, *r);
            }
            break;
        case verb::purge_expired:
            sum.number += s.reclaim(now);
            break;
        case verb::next_deadline: {
            auto first = static_cast<int>(sum.number == 0 ? never : sum.number);
            for (std::size_t at = 0; at < s.order.count; ++at) first = std::min(first, s.order.places[at].deadline);
            sum.number = first == never ? 0 : static_cast<std::uint64_t>(first);
            break;
        }
        case verb::size:
            sum.number += s.order.count;
            break;
        case verb::stats:
            sum.number += s.counts + (std::uint64_t{s.order.count} << 56U);
            sum.more += s.more_counts + (std::uint64_t{s.bytes(*r)} << 16U);
            if (r->sees_pinned_bytes) sum.more += std::uint64_t{s.pinned_bytes(*r)} << 40U;
            break;
        default:  // order: the values, from the least recently used on
            for (std::size_t at = s.order.count; at-- != 0;) {
                if (!s.expired(at, now))
                    sum.number = sum.number * 256 + static_cast<std::uint64_t>(s.order.places[at].value);
            }
            break;
        }
    }
};
template <std::size_t Shards>
struct model_of : cache_model {
    static unsigned steps(const call& c) { return steps_with(c, Shards); }
    std::optional<answer> apply(const call& c, std::size_t thread, unsigned step) {
        return apply_with(c, thread, step);
    }
    bool operator==(const model_of&) const = default;
};

// ---- the caches

/// Keys take turns among the shards. A moment goes by before the lock is taken.
struct turning_hash {
    using is_avalanching = void;
    std::uint64_t operator()(int key) const noexcept {
        jitter();
        return (static_cast<std::uint64_t>(key % 2) << 63U) | (static_cast<std::uint64_t>(key) * 0x9e3779b1U);
    }
};

/// A value that owns memory; a moment goes by while it is copied, and while it ends.
class owned_number {
public:
    owned_number(int number) : number_(std::make_unique<int>(number)) {}
    owned_number(const owned_number& other) : number_(std::make_unique<int>(*other.number_)) { jitter(); }
    owned_number(owned_number&&) noexcept = default;
    owned_number& operator=(const owned_number&) = delete;
    owned_number& operator=(owned_number&&) = delete;
    ~owned_number() {
        jitter();
        if (number_ != nullptr) *number_ = 255;
    }
    int number() const noexcept { return *number_; }

private:
    std::unique_ptr<int> number_;
};
int number_of(int value) { return value; }
int number_of(const owned_number& value) { return value.number(); }

struct number_weigher {
    std::size_t operator()(int, const auto& value) const noexcept {
        jitter();
        return static_cast<std::size_t>(weight_of(number_of(value)));
    }
};
struct slow_listener {
    void operator()(int, const owned_number&, plateau::removal_cause) const noexcept { jitter(); }
};

template <std::size_t Shards, class Value, class Sync>
struct linear_policies : plateau::concurrent_cache_policies {
    using hash = turning_hash;
    using weigher = number_weigher;
    using clock = plateau::manual_clock;
    using sync = Sync;
    using listener = std::conditional_t<std::is_same_v<Value, int>, plateau::no_listener, slow_listener>;
    static constexpr plateau::duration tick{1};
    static constexpr std::size_t shards = Shards;
    static constexpr std::size_t min_shard_entries = 1;
    static constexpr std::size_t max_page_slots = 2;
    static constexpr std::size_t max_page_bytes = 1;
};

// ---- the trials

/// Which calls, how often, on how many keys, under which bounds.
struct setting {
    std::size_t keys = 3;
    std::size_t max_entries = 2;
    std::size_t pins_at_once = 0;  ///< in all shards; 0: no bound of their own
    bool small_bytes = false;
    std::vector<std::pair<verb, unsigned>> calls;
    bool deadlines = false;
};

template <std::size_t Shards, class Value = int, class Sync = jittered_sync, class Eviction = plateau::lru>
class cache_trial {
    using policies = linear_policies<Shards, Value, Sync>;
    using cache_type =
        std::conditional_t<std::is_same_v<Eviction, plateau::lru>, plateau::concurrent_lru_cache<int, Value, policies>,
                           plateau::concurrent_cache<int, Value, policies>>;
    static constexpr auto overhead = static_cast<int>(cache_type::entry_overhead);

public:
    using call = ::call;
    using answer = ::answer;
    using model = model_of<Shards>;

    explicit cache_trial(const setting& s) : setting_(s), cache_(options_of(s), clock_) {
        rules_ = {Shards, overhead, s.pins_at_once * cache_type::entry_overhead / Shards, std::is_same_v<Value, int>};
        for (const auto& [what, weight] : s.calls) weights_ += weight;
    }

    call draw(random_source& random, std::size_t thread) {
        auto at = static_cast<unsigned>(random.below(weights_));
        std::size_t i = 0;
        for (; at >= setting_.calls[i].second; ++i) at -= setting_.calls[i].second;
        call drawn{setting_.calls[i].first, static_cast<int>(random.below(setting_.keys))};
        switch (drawn.what) {
        case verb::put:
            drawn.value = ++values_;
            if (setting_.deadlines && random.one_in(2)) drawn.time_to_live = static_cast<int>(random.between(1, 4));
            break;
        case verb::pin:
            if (std::exchange(may_hold_[thread], !may_hold_[thread])) drawn.what = verb::unpin;
            break;
        case verb::set_max_entries:
            drawn.number = static_cast<int>(random.below(5));
            break;
        case verb::set_max_bytes:
            drawn.number = static_cast<int>(random.below(4)) * (overhead + 16);
            break;
        case verb::advance:
            drawn.number = static_cast<int>(random.between(1, 3));
            break;
        default:
            break;
        }
        return drawn;
    }

    answer perform(std::size_t thread, const call& c) {
        switch (c.what) {
        case verb::get:
            return said(cache_.get(c.number));
        case verb::peek:
            return said(cache_.peek(c.number));
        case verb::contains:
            return answer::of(cache_.contains(c.number) ? 1 : 0);
        case verb::visit: {
            answer seen = absent;
            cache_.visit(c.number, [&](const Value& value) noexcept { seen = answer_of(value); });
            return seen;
        }
        case verb::put:
            return said(cache_.put(c.number, Value(c.value), how(c)));
        case verb::erase:
            return answer::of(cache_.erase(c.number) ? 1 : 0);
        case verb::pin:
            return pin(thread, c.number);
        case verb::unpin:
            return unpin(thread);
        case verb::advance:
            clock_.advance(plateau::duration(c.number));
            return {};
        default:
            return perform_on_all(c);
        }
    }

    model initial() const {
        model m;
        m.r = &rules_;
        for (std::size_t i = 0; i < Shards; ++i) {
            shard_model& s = m.shards[i];
            s.max_entries = setting_.max_entries / Shards + (i < setting_.max_entries % Shards ? 1 : 0);
            if (setting_.small_bytes) s.max_bytes = bytes_of(setting_);
            s.weighs = setting_.small_bytes || setting_.pins_at_once != 0;
        }
        return m;
    }

    /// What is left, in its order: an entry that was moved to the wrong place shows, evicted or not. Of queues only how
    /// much, since their order is not that of the list.
    call last() const {
        cache_.check_invariants();
        return {std::is_same_v<Eviction, plateau::lru> ? verb::order : verb::size};
    }

private:
    static plateau::cache_options options_of(const setting& s) {
        return {.max_entries = s.max_entries,
                .max_bytes = s.small_bytes ? bytes_of(s) : plateau::unlimited,
                .max_pinned_bytes = s.pins_at_once * cache_type::entry_overhead,
                .reclaim_budget = 1'000};
    }
    static std::size_t bytes_of(const setting& s) { return s.max_entries * static_cast<std::size_t>(overhead) + 32; }
    static plateau::put_options how(const call& c) {
        if (c.time_to_live == 0) return {};
        return {.time_to_live = plateau::duration(c.time_to_live)};
    }
    static answer answer_of(const Value& value) { return answer::of(static_cast<std::uint64_t>(number_of(value))); }
    static answer said(const std::optional<Value>& value) { return value ? answer_of(*value) : absent; }
    static answer said(const plateau::put_result& done) {
        return done ? answer::of(done.replaced() ? 1 : 0) : answer{done.reason()};
    }

    answer pin(std::size_t thread, int key) {
        auto& held = pins_[thread];
        held.emplace(cache_.pin(key));
        return *held ? answer_of(**held) : answer{held->reason()};
    }
    answer unpin(std::size_t thread) {
        auto& held = pins_[thread];
        if (!held || !*held) return absent;
        const answer kept = answer_of(**held);  // still what it was
        held->reset();
        return kept;
    }
    answer perform_on_all(const call& c) {
        switch (c.what) {
        case verb::erase_even:
            return answer::of(cache_.erase_if([](int, const Value& value) { return number_of(value) % 2 == 0; }));
        case verb::clear:
            cache_.clear();
            return {};
        case verb::set_max_entries:
            return answer::of(cache_.set_max_entries(static_cast<std::size_t>(c.number)));
        case verb::set_max_bytes:
            return answer::of(cache_.set_max_bytes(static_cast<std::size_t>(c.number)));
        case verb::purge_expired:
            return answer::of(cache_.purge_expired());
        case verb::next_deadline: {
            const auto next = cache_.next_deadline();
            return answer::of(next ? static_cast<std::uint64_t>(next->time_since_epoch().count()) : 0);
        }
        case verb::size:
            return answer::of(cache_.size());
        case verb::stats:
            return packed(cache_.stats());
        default: {
            std::uint64_t order = 0;
            cache_.erase_if([&](int, const Value& value) {
                order = order * 256 + static_cast<std::uint64_t>(number_of(value));
                return false;
            });
            return answer::of(order);
        }
        }
    }
    answer packed(const plateau::cache_stats& s) const {
        const std::array<std::uint64_t, 8> counts{s.hits,      s.misses,   s.insertions, s.replacements,
                                                  s.evictions, s.erasures, s.cleared,    s.entries};
        answer all = answer::of(0, s.expirations + (s.rejections << 8U) + (s.bytes << 16U));
        for (std::size_t i = 0; i < counts.size(); ++i) all.number += counts[i] << (8 * i);
        if (rules_.sees_pinned_bytes) all.more += s.pinned_bytes << 40U;
        return all;
    }

    const setting& setting_;
    rules rules_;
    unsigned weights_ = 0;
    int values_ = 0;
    std::array<bool, max_threads> may_hold_{};
    plateau::manual_clock clock_;
    cache_type cache_;
    std::array<std::optional<plateau::pin<Value>>, max_threads> pins_;
};

/// What a user might write in place of the cache's own calls: each is two calls, and others come between.
class two_calls_trial : public cache_trial<1> {
public:
    using cache_trial<1>::cache_trial;

    answer perform(std::size_t thread, const call& c) {
        const auto in_place = [&](verb what) { return cache_trial<1>::perform(thread, {what, c.number, c.value}); };
        if (c.what == verb::get) {
            const answer seen = in_place(verb::peek);
            in_place(verb::get);
            return seen;
        }
        if (c.what == verb::put) {
            const answer present = in_place(verb::contains);
            in_place(verb::put);
            return present;
        }
        return in_place(c.what);
    }
};

template <class Trial>
void check_histories(std::string_view name, const setting& s) {
    plateau_test::check_histories<Trial>({.room = "cache"}, name, s);
}

using calls = std::vector<std::pair<verb, unsigned>>;

const calls plain_calls{{verb::get, 4},   {verb::put, 6},      {verb::erase, 1}, {verb::peek, 1},
                        {verb::visit, 1}, {verb::contains, 1}, {verb::pin, 3},   {verb::size, 1}};
const calls all_calls{{verb::get, 6},   {verb::put, 10},  {verb::erase, 2},
                      {verb::peek, 1},  {verb::visit, 1}, {verb::contains, 1},
                      {verb::pin, 5},   {verb::size, 1},  {verb::set_max_entries, 2},
                      {verb::clear, 1}, {verb::stats, 1}, {verb::erase_even, 1},
                      {verb::order, 1}};

}  // namespace

TEST_CASE("threads that share one shard see one LRU list", "[cache][linear]") {
    INFO(random_source::repeat());
    check_histories<cache_trial<1>>("one shard, one entry", {.keys = 2, .max_entries = 1, .calls = plain_calls});
    check_histories<cache_trial<1>>("one shard, two entries", {.keys = 3, .max_entries = 2, .calls = plain_calls});
    check_histories<cache_trial<1>>("one shard, room for all", {.keys = 4, .max_entries = 16, .calls = plain_calls});
    check_histories<cache_trial<1>>("one shard, every call", {.keys = 4, .max_entries = 3, .calls = all_calls});
}

TEST_CASE("threads that share two shards see an LRU list in each", "[cache][linear]") {
    INFO(random_source::repeat());
    check_histories<cache_trial<2>>("two shards, an entry each", {.keys = 4, .max_entries = 2, .calls = plain_calls});
    check_histories<cache_trial<2>>("two shards, every call", {.keys = 5, .max_entries = 3, .calls = all_calls});
}

TEST_CASE("threads see the same in a cache with queues and ghosts, where any order of eviction answers alike",
          "[cache][linear]") {
    INFO(random_source::repeat());
    using trial = cache_trial<1, int, jittered_sync, plateau::s3fifo>;
    check_histories<trial>("s3fifo, one entry", {.keys = 2, .max_entries = 1, .calls = plain_calls});
    check_histories<trial>("s3fifo, room for all", {.keys = 4, .max_entries = 16, .calls = plain_calls});
}

TEST_CASE("values that own memory and are told of change nothing in what threads see", "[cache][linear]") {
    INFO(random_source::repeat());
    check_histories<cache_trial<1, owned_number>>("owned values", {.keys = 3, .max_entries = 2, .calls = all_calls});
    check_histories<cache_trial<2, owned_number>>("owned values, two shards",
                                                  {.keys = 4, .max_entries = 2, .calls = all_calls});
}

TEST_CASE("bytes bound what threads see as they bound one list", "[cache][linear]") {
    INFO(random_source::repeat());
    calls with_bytes = plain_calls;
    with_bytes.insert(with_bytes.end(), {{verb::set_max_bytes, 3}, {verb::stats, 2}});
    check_histories<cache_trial<1>>("weighed entries",
                                    {.keys = 4, .max_entries = 3, .small_bytes = true, .calls = with_bytes});
    check_histories<cache_trial<1>>("the first byte bound", {.keys = 3, .max_entries = 3, .calls = with_bytes});
}

TEST_CASE("deadlines end entries for all threads at once", "[cache][linear]") {
    INFO(random_source::repeat());
    calls with_time = all_calls;
    with_time.insert(with_time.end(), {{verb::advance, 8}, {verb::purge_expired, 2}, {verb::next_deadline, 2}});
    check_histories<cache_trial<1>>("deadlines", {.keys = 3, .max_entries = 2, .calls = with_time, .deadlines = true});
    check_histories<cache_trial<2>>("deadlines, two shards",
                                    {.keys = 4, .max_entries = 4, .calls = with_time, .deadlines = true});
}

// With values that nobody is told of. An entry that leaves while it is pinned counts as pinned until the listener was
// told of it, so beside such a thread another may meet `pinned_full` where a single list would pin.
TEST_CASE("the bound on what is pinned holds for all threads together", "[cache][linear]") {
    INFO(random_source::repeat());
    const calls mostly_pins{{verb::pin, 8}, {verb::put, 6}, {verb::get, 1}, {verb::erase, 1}, {verb::stats, 1}};
    check_histories<cache_trial<1>>("one pinned entry",
                                    {.keys = 2, .max_entries = 2, .pins_at_once = 1, .calls = mostly_pins});
}

TEST_CASE("the same without delays inside the cache", "[cache][linear]") {
    INFO(random_source::repeat());
    check_histories<cache_trial<1, int, plateau::default_sync>>("as shipped, one shard",
                                                                {.keys = 3, .max_entries = 2, .calls = all_calls});
    check_histories<cache_trial<2, owned_number, plateau::default_sync>>(
        "as shipped, two shards", {.keys = 4, .max_entries = 2, .calls = all_calls});
}

TEST_CASE("a get and a put made of two calls each are told from those of the cache", "[cache][linear]") {
    INFO(random_source::repeat());
    const setting s{.keys = 2, .max_entries = 1, .calls = {{verb::get, 1}, {verb::put, 1}}};
    const history_plan plan{"two calls for one", 2, 5, 5'000};
    const auto make = [&](random_source&) { return std::make_unique<two_calls_trial>(s); };
    const auto report = run_histories<two_calls_trial>(plan, make);
    print_rate(plan, report);
    CHECK(report.refused > 0);
}
