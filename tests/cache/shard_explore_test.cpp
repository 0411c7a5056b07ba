// SPDX-License-Identifier: MIT
// The shared cache under every interleaving within the bound: what its calls answer, and what it holds in the end, is
// what some order of the same calls, one at a time, gives in the textbook LRU.
#include "cache/explored_box.hpp"
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"
#include "tools/lru_oracle.hpp"

#include <plateau/cache.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

/// The low bit of a key is its shard, where there are two.
struct key_as_it_is {
    using is_avalanching = void;
    std::uint64_t operator()(int key) const noexcept {
        const auto bits = static_cast<std::uint64_t>(key);
        return (bits << 63U) | bits;
    }
};

/// Reads what it is told about, outside every lock.
struct reads_the_leaving {
    int* told;
    void operator()(int, const boxed& value, plateau::removal_cause) noexcept {
        explore_check(value.number() > 0, "who leaves is still whole");
        ++*told;
    }
};

template <std::size_t Shards, std::size_t OutboxSlots>
struct smallest : plateau::concurrent_cache_policies {
    using sync = explored_sync;
    using hash = key_as_it_is;
    using listener = reads_the_leaving;
    static constexpr std::size_t shards = Shards;
    static constexpr std::size_t min_shard_entries = 1;
    static constexpr std::size_t max_page_slots = 1;
    static constexpr std::size_t max_page_bytes = 1;
    static constexpr std::size_t outbox_slots = OutboxSlots;
};
template <std::size_t Shards, std::size_t OutboxSlots>
using cache_of = plateau::concurrent_lru_cache<int, boxed, smallest<Shards, OutboxSlots>>;
/// The same answers, where there is room for one entry, or for all.
template <std::size_t Shards, std::size_t OutboxSlots>
using s3fifo_of = plateau::concurrent_cache<int, boxed, smallest<Shards, OutboxSlots>>;

// ---- a thread's part: letters, most with a key behind them
//
// g get, v visit, k peek, i pin (held until the next pin, u or the end), u unpin: the value, or 0
// p put: 1 where it was new, 2 where it replaced, 0 where it was refused; e erase: whether it was there; c clear: 0

struct step {
    char what;
    int key;
    int value;  // of a put: no other step puts it
};

std::vector<std::vector<step>> parse(const std::vector<std::string_view>& parts) {
    std::vector<std::vector<step>> threads;
    int value = 0;
    for (const std::string_view part : parts) {
        std::vector<step>& steps = threads.emplace_back();
        for (std::size_t i = 0; i < part.size(); ++i) {
            const char what = part[i];
            const bool keyed = what != 'u' && what != 'c';
            steps.push_back({what, keyed ? part[++i] - '0' : 0, ++value});
        }
    }
    return threads;
}

constexpr int keys = 4;

using answers = std::string;  // a byte an answer: each thread's, in order, then the value of each key

// ---- what is allowed

/// All that the calls may answer, if each happens at a moment of its own; clear does, once in each shard.
class model {
public:
    model(std::vector<std::vector<step>> threads, std::size_t shards, std::size_t max_entries, bool may_refuse)
        : threads_(std::move(threads)), shards_(shards), may_refuse_(may_refuse) {
        state start{{}, std::vector<position>(threads_.size()), {}};
        for (std::size_t i = 0; i < shards; ++i) start.shards.emplace_back(max_entries / shards, oracle::unbounded);
        for (const auto& steps : threads_) start.given.emplace_back(steps.size(), '\0');
        go_on(start);
    }
    [[nodiscard]] const std::set<answers>& allowed() const noexcept { return allowed_; }

private:
    using oracle = lru_oracle<int, int>;
    struct position {
        std::size_t step = 0;
        std::size_t cleared = 0;  // shards, by the clear that it is at
        int pinned = 0;
    };
    struct state {
        std::vector<oracle> shards;
        std::vector<position> at;
        std::vector<answers> given;
    };

    void go_on(const state& from) {
        bool ended = true;
        for (std::size_t t = 0; t < threads_.size(); ++t) {
            if (from.at[t].step == threads_[t].size()) continue;
            ended = false;
            const step& next = threads_[t][from.at[t].step];
            if (next.what == 'p' && may_refuse_) {
                state refused = from;
                ++refused.at[t].step;
                go_on(refused);
            }
            state done = from;
            take(done, t, next);
            go_on(done);
        }
        if (ended) end(from);
    }
    void take(state& in, std::size_t t, const step& next) const {
        position& at = in.at[t];
        oracle& shard = in.shards[static_cast<std::size_t>(next.key) % shards_];
        char& answer = in.given[t][at.step];
        const auto found = [](const oracle::entry* entry) { return static_cast<char>(entry ? entry->value : 0); };
        switch (next.what) {
        case 'p':
            answer = shard.put(next.key, next.value, 1, oracle::never, 0) == oracle::stored::replaced ? 2 : 1;
            break;
        case 'e':
            answer = static_cast<char>(shard.erase(next.key, 0));
            break;
        case 'c':
            in.shards[at.cleared].clear();
            if (++at.cleared < shards_) return;
            at.cleared = 0;
            break;
        case 'k':
            answer = found(shard.peek(next.key, 0));
            break;
        case 'i':
            at.pinned = answer = found(shard.get(next.key, 0));
            break;
        case 'u':
            answer = static_cast<char>(std::exchange(at.pinned, 0));
            break;
        default:
            answer = found(shard.get(next.key, 0));
            break;
        }
        ++at.step;
    }
    void end(state last) {
        answers all;
        for (const answers& of_thread : last.given) all += of_thread;
        for (int key = 0; key < keys; ++key) {
            const auto* const entry = last.shards[static_cast<std::size_t>(key) % shards_].peek(key, 0);
            all += static_cast<char>(entry == nullptr ? 0 : entry->value);
        }
        allowed_.insert(all);
    }

    const std::vector<std::vector<step>> threads_;
    const std::size_t shards_;
    const bool may_refuse_;
    std::set<answers> allowed_;
};

// ---- what happens

template <class Cache>
char take_step(Cache& cache, const step& next, std::optional<plateau::pin<boxed>>& held) {
    int answer = 0;
    switch (next.what) {
    case 'p': {
        const plateau::put_result result = cache.put(next.key, boxed(next.value));
        explore_check(result || result.reason() == plateau::cache_reason::over_budget, "a put is refused for room");
        answer = result ? 1 + result.replaced() : 0;
        break;
    }
    case 'g':
        if (const auto hit = cache.get(next.key)) answer = hit->number();
        break;
    case 'k':
        if (const auto hit = cache.peek(next.key)) answer = hit->number();
        break;
    case 'v':
        cache.visit(next.key, [&](const boxed& value) noexcept { answer = value.number(); });
        break;
    case 'i':
        held.emplace(cache.pin(next.key));
        if (*held) answer = (*held)->number();
        break;
    case 'u':
        if (held && *held) answer = (*held)->number();
        held.reset();
        break;
    case 'e':
        answer = cache.erase(next.key);
        break;
    default:
        cache.clear();
        break;
    }
    return static_cast<char>(answer);
}

template <class Cache>
void play(scene& s, const std::vector<std::vector<step>>& threads, std::size_t max_entries,
          const std::set<answers>& allowed) {
    static constexpr const char* names[] = {"first", "second", "third"};
    boxed::live = 0;
    int told = 0;
    answers given[3];
    {
        Cache cache({.max_entries = max_entries}, reads_the_leaving{&told});
        for (std::size_t t = 0; t < threads.size(); ++t) {
            s.thread(names[t], [&cache, &steps = threads[t], &mine = given[t]] {
                std::optional<plateau::pin<boxed>> held;
                for (const step& next : steps) mine += take_step(cache, next, held);
            });
        }
        s.run();
        cache.check_invariants();
        answers all;
        int kept = 0;
        for (std::size_t t = 0; t < threads.size(); ++t) {
            all += given[t];
            for (std::size_t i = 0; i < threads[t].size(); ++i) kept += threads[t][i].what == 'p' && given[t][i] != 0;
        }
        for (int key = 0; key < keys; ++key) {
            const auto entry = cache.peek(key);
            all += static_cast<char>(entry ? entry->number() : 0);
        }
        s.check(allowed.count(all) == 1, "some order of these calls, one at a time, gives these answers");
        s.check(static_cast<int>(cache.size()) + told == kept, "who was put is in, or was told to have left");
        s.check(boxed::live == static_cast<int>(cache.size()), "no value lives but those that are in");
    }
    s.check(boxed::live == 0, "no value outlives the cache and the pins");
}

template <std::size_t Shards, std::size_t OutboxSlots, template <std::size_t, std::size_t> class Cache = cache_of>
void explore_parts(std::size_t max_entries, const std::vector<std::string_view>& parts, unsigned stale = 2) {
    const std::vector<std::vector<step>> threads = parse(parts);
    const model expected(threads, Shards, max_entries, OutboxSlots == 1);
    std::string name = std::is_same_v<Cache<1, 1>, cache_of<1, 1>> ? "" : "s3fifo ";
    name += "shards " + std::to_string(Shards) + " entries " + std::to_string(max_entries) + " outbox " +
            std::to_string(OutboxSlots);
    for (const std::string_view part : parts) name += ' ' + std::string(part);
    explore_all_modes("cache", {.name = name.c_str(), .stale = stale},
                      [&](scene& s) { play<Cache<Shards, OutboxSlots>>(s, threads, max_entries, expected.allowed()); });
}

}  // namespace

TEST_CASE("two threads, three calls each: a cache of one entry answers as if called in turns", "[cache][explore]") {
    for (const auto& [first, second] : std::vector<std::pair<std::string_view, std::string_view>>{
             {"p1g1e1", "p1g1e1"},
             {"p1g1p2", "p2g2p1"},
             {"p1i1u", "p2p1g1"},
             {"p1i1p1", "i1e1u"},
             {"p1v1c", "p1k1v1"},
             {"p1cg1", "i1p2u"},
         })
        explore_parts<1, 4>(1, {first, second});
}

TEST_CASE("two threads, three calls each: a cache of two entries answers as if called in turns", "[cache][explore]") {
    for (const auto& [first, second] : std::vector<std::pair<std::string_view, std::string_view>>{
             {"p1p2p3", "p1g1i1"},
             {"p1p2g1", "p3v2e1"},
             {"p1i1u", "p2p3c"},
         })
        explore_parts<1, 4>(2, {first, second});
}

TEST_CASE("two threads, three calls each, in two shards", "[cache][explore]") {
    explore_parts<2, 4>(2, {"p1p2g1", "p2p3g2"});
    explore_parts<2, 4>(2, {"p1i1u", "p3cg1"});
    explore_parts<2, 4>(2, {"p1cp2", "p2c"}, 1);
}

TEST_CASE("the same with queues and ghosts, where any order of eviction answers alike", "[cache][explore]") {
    explore_parts<1, 4, s3fifo_of>(1, {"p1g1p2", "p2g2p1"});
    explore_parts<1, 4, s3fifo_of>(1, {"p1i1p1", "i1p2e1"});
    explore_parts<1, 4, s3fifo_of>(4, {"p1p2g1", "p1v2e1"});
}

TEST_CASE("three threads, two calls each", "[cache][explore]") {
    explore_parts<1, 4>(1, {"p1g1", "p2g2", "e1c"}, 1);
    explore_parts<1, 4>(1, {"p1i1", "i1u", "p1e1"}, 1);
    explore_parts<2, 4>(2, {"p1g2", "p2g1", "e1"}, 1);
}

TEST_CASE("a put is refused while slots are on their way out, and then changes nothing", "[cache][explore]") {
    explore_parts<1, 1>(1, {"p1p2g2", "p3p1g1"});
    explore_parts<1, 1>(1, {"p1i1p2", "p3g3e3"});
    explore_parts<1, 1>(1, {"p1p2", "p3", "p1g1"}, 1);
}

namespace {

/// A cache that ends while others hold pins. It is put on the heap, so that it can end on any thread.
struct ending {
    using cache = cache_of<1, 4>;
    using held = std::optional<plateau::pin<boxed>>;

    int told = 0;
    std::unique_ptr<cache> all;

    explicit ending(std::size_t entries) {
        boxed::live = 0;
        all = std::make_unique<cache>(plateau::cache_options{.max_entries = entries}, reads_the_leaving{&told});
        for (int key = 1; key <= static_cast<int>(entries); ++key) all->put(key, boxed(10 * key));
    }
    void let_go(held& mine, int expected) {
        explore_check((*mine)->number() == expected, "a pinned value stays what it was");
        mine.reset();
    }
    void check(scene& s, int all_told) {
        s.check(boxed::live == 0, "no value outlives the cache and the pins");
        s.check(told == all_told, "each entry was told once");
    }
};

}  // namespace

TEST_CASE("a cache may end on one thread while another lets its pins go", "[cache][explore]") {
    explore_all_modes("cache", {.name = "cache ends under pins", .stale = 3}, [](scene& s) {
        ending cache(2);
        ending::held first(cache.all->pin(1));
        ending::held again(cache.all->pin(1));
        ending::held second(cache.all->pin(2));
        s.thread("ends", [&] { cache.all.reset(); });
        s.thread("lets go", [&] {
            cache.let_go(first, 10);
            cache.let_go(second, 20);
            cache.let_go(again, 10);
        });
        s.run();
        cache.check(s, 2);
    });
}

TEST_CASE("the two last pins of a value are let go while the cache ends", "[cache][explore]") {
    explore_all_modes("cache", {.name = "two last pins and the end", .stale = 3}, [](scene& s) {
        ending cache(1);
        ending::held first(cache.all->pin(1));
        ending::held second(cache.all->pin(1));
        s.thread("ends", [&] { cache.all.reset(); });
        s.thread("first", [&] { cache.let_go(first, 10); });
        s.thread("second", [&] { cache.let_go(second, 10); });
        s.run();
        cache.check(s, 1);
    });
    explore_all_modes("cache", {.name = "last pins of two values and the end"}, [](scene& s) {
        ending cache(2);
        ending::held first(cache.all->pin(1));
        ending::held second(cache.all->pin(2));
        s.thread("ends", [&] { cache.all.reset(); });
        s.thread("first", [&] { cache.let_go(first, 10); });
        s.thread("second", [&] { cache.let_go(second, 20); });
        s.run();
        cache.check(s, 2);
    });
}

TEST_CASE("the two last pins of a value that is gone are let go after the cache has ended", "[cache][explore]") {
    explore_all_modes("cache", {.name = "two last pins after the end", .stale = 3}, [](scene& s) {
        ending cache(1);
        ending::held first(cache.all->pin(1));
        ending::held second(cache.all->pin(1));
        cache.all.reset();
        s.thread("first", [&] { cache.let_go(first, 10); });
        s.thread("second", [&] { cache.let_go(second, 10); });
        s.run();
        cache.check(s, 1);
    });
}

TEST_CASE("the two last pins of a value are let go while it is evicted", "[cache][explore]") {
    explore_all_modes("cache", {.name = "two last pins and an eviction"}, [](scene& s) {
        ending cache(1);
        ending::held first(cache.all->pin(1));
        ending::held second(cache.all->pin(1));
        s.thread("first", [&] { cache.let_go(first, 10); });
        s.thread("second", [&] { cache.let_go(second, 10); });
        s.thread("evicts", [&] { explore_check(bool(cache.all->put(2, boxed(20))), "there is room"); });
        s.run();
        cache.all->check_invariants();
        s.check(boxed::live == 1, "only the new entry lives");
        cache.all.reset();
        cache.check(s, 2);
    });
}

namespace {

struct timed : smallest<1, 4> {
    using clock = plateau::basic_manual_clock<explored_sync>;
    static constexpr plateau::duration tick{1};
};

/// Entries come to their ends of time, and are swept, replaced, and moved out by a smaller bound at the same time.
template <bool Shrinks>
void sweeps_meet_puts(scene& s) {
    boxed::live = 0;
    int told = 0;
    std::optional<plateau::basic_manual_clock<explored_sync>> clock(std::in_place);
    {
        plateau::concurrent_lru_cache<int, boxed, timed> cache({.max_entries = 2}, reads_the_leaving{&told}, *clock);
        cache.put(1, boxed(10), {.time_to_live = plateau::duration(5)});
        cache.put(2, boxed(20));
        s.thread("sweeps", [&] {
            clock->advance(plateau::duration(10));
            cache.purge_expired();
        });
        s.thread("puts", [&] { cache.put(1, boxed(11), {.time_to_live = plateau::duration(50)}); });
        s.thread("third", [&] {
            if constexpr (Shrinks) {
                cache.set_max_entries(1);
                explore_check(cache.size() <= 1, "a lower bound holds when it was set");
            } else if (const auto hit = cache.get(1)) {
                explore_check(hit->number() == 10 || hit->number() == 11, "what is found is whole");
            }
        });
        s.run();
        cache.check_invariants();
        s.check(Shrinks || cache.peek(1).has_value(), "an entry with time left is not swept");
        s.check(static_cast<int>(cache.size()) + told == 3, "who was put is in, or was told to have left");
        s.check(boxed::live == static_cast<int>(cache.size()), "no value lives but those that are in");
    }
    s.check(boxed::live == 0, "no value outlives the cache");
}

}  // namespace

TEST_CASE("entries are swept while others put, look and lower the bound", "[cache][explore]") {
    explore_all_modes("cache", {.name = "sweep, put, get", .preemptions = 2, .stale = 1}, sweeps_meet_puts<false>);
    explore_all_modes("cache", {.name = "sweep, put, shrink", .preemptions = 2, .stale = 1}, sweeps_meet_puts<true>);
}
