// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/history.hpp"
#include "tools/history_run.hpp"
#include "tools/history_text.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

// ---- one kind of call for all objects here: a verb with a number, answered by a number or by nothing

enum class verb { read, write, add, push, pop, put, get, size };

struct call {
    verb what;
    int number = 0;
    int value = 0;
};
struct answer {
    static constexpr int none = -1'000'000;
    int number = none;

    answer() = default;
    answer(int n) : number(n) {}
    bool operator==(const answer&) const = default;
};

std::string describe(const call& c) {
    static constexpr std::array<const char*, 8> names{"read", "write", "add", "push", "pop", "put", "get", "size"};
    return names[static_cast<std::size_t>(c.what)] + ("(" + std::to_string(c.number)) + ", " + std::to_string(c.value) +
           ")";
}
std::string describe(const answer& a) { return a == answer{} ? "none" : std::to_string(a.number); }

using event = history_event<call, answer>;
using events = history<call, answer>;

struct number_model {
    int number = 0;

    bool operator==(const number_model&) const = default;
    std::uint64_t hash() const { return static_cast<std::uint64_t>(number); }
    answer apply(const call& c) {
        if (c.what == verb::read) return number;
        if (c.what == verb::write) return number = c.number, answer{};
        return number += c.number;
    }
};

struct stack_model {
    std::vector<int> numbers;

    bool operator==(const stack_model&) const = default;
    std::uint64_t hash() const {
        std::uint64_t all = numbers.size();
        for (const int n : numbers) all = all * 31 + static_cast<std::uint64_t>(n);
        return all;
    }
    answer apply(const call& c) {
        if (c.what == verb::push) return numbers.push_back(c.number), answer{};
        if (numbers.empty()) return {};
        const int top = numbers.back();
        numbers.pop_back();
        return top;
    }
};

template <class Model>
bool linearizable(const events& threads, const Model& initial = {}) {
    return linearizability_checker<Model, call, answer>{}.linearizable(threads, initial);
}

}  // namespace

TEST_CASE("a history of one thread is linearizable exactly when the model answers alike", "[tools][unit]") {
    CHECK(linearizable<number_model>({}));
    CHECK(linearizable<number_model>({{}, {}}));
    const events right{{{{verb::write, 7}, {}, 0, 1}, {{verb::read}, 7, 2, 3}}};
    const events wrong{{{{verb::write, 7}, {}, 0, 1}, {{verb::read}, 0, 2, 3}}};
    CHECK(linearizable<number_model>(right));
    CHECK_FALSE(linearizable<number_model>(wrong));
}

TEST_CASE("a read beside a write may see either, a read after it only what was written", "[tools][unit]") {
    for (const int seen : {0, 7}) {
        const events beside{{{{verb::write, 7}, {}, 0, 3}}, {{{verb::read}, seen, 1, 2}}};
        CHECK(linearizable<number_model>(beside));
    }
    const events stale{{{{verb::write, 7}, {}, 0, 1}}, {{{verb::read}, 0, 2, 3}}};
    const events fresh{{{{verb::write, 7}, {}, 0, 1}}, {{{verb::read}, 7, 2, 3}}};
    CHECK_FALSE(linearizable<number_model>(stale));
    CHECK(linearizable<number_model>(fresh));
}

TEST_CASE("what one read has seen of a write still going on, a later read cannot unsee", "[tools][unit]") {
    const auto reads = [](int first, int second) {
        return events{{{{verb::write, 7}, {}, 0, 9}}, {{{verb::read}, first, 1, 2}}, {{{verb::read}, second, 3, 4}}};
    };
    CHECK(linearizable<number_model>(reads(0, 7)));
    CHECK(linearizable<number_model>(reads(7, 7)));
    CHECK_FALSE(linearizable<number_model>(reads(7, 0)));
}

TEST_CASE("the order that explains a history may be the opposite of that in which its calls began", "[tools][unit]") {
    // The add that began last must come first: 1 + 2 was answered to the one that began first.
    const events turned{{{{verb::add, 2}, 3, 0, 5}}, {{{verb::add, 1}, 1, 1, 2}}};
    CHECK(linearizable<number_model>(turned));
    CHECK_FALSE(in_order_of_invocation(turned, number_model{}));
    const events plain{{{{verb::add, 2}, 2, 0, 5}}, {{{verb::add, 1}, 3, 1, 2}}};
    CHECK(in_order_of_invocation(plain, number_model{}));
}

TEST_CASE("a lost update is refused", "[tools][unit]") {
    const events lost{{{{verb::add, 1}, 1, 0, 3}, {{verb::read}, 1, 4, 5}}, {{{verb::add, 1}, 1, 1, 2}}};
    const events kept{{{{verb::add, 1}, 1, 0, 3}, {{verb::read}, 2, 4, 5}}, {{{verb::add, 1}, 2, 1, 2}}};
    CHECK_FALSE(linearizable<number_model>(lost));
    CHECK(linearizable<number_model>(kept));
}

TEST_CASE("an element popped twice and one popped out of its turn are refused", "[tools][unit]") {
    const events twice{{{{verb::push, 1}, {}, 0, 1}, {{verb::pop}, 1, 2, 5}}, {{{verb::pop}, 1, 3, 4}}};
    CHECK_FALSE(linearizable<stack_model>(twice));
    const events out_of_turn{{{{verb::push, 1}, {}, 0, 1}, {{verb::push, 2}, {}, 2, 3}}, {{{verb::pop}, 1, 4, 5}}};
    CHECK_FALSE(linearizable<stack_model>(out_of_turn));
    const events meeting{{{{verb::push, 1}, {}, 0, 1}, {{verb::push, 2}, {}, 2, 5}}, {{{verb::pop}, 1, 3, 4}}};
    CHECK(linearizable<stack_model>(meeting));
}

TEST_CASE("calls whose intervals only touch the same moment of a third are told apart", "[tools][unit]") {
    // Each of the three overlaps the next, the first and the last do not: the last cannot come before the first.
    const auto chain = [](int last_seen) {
        return events{
            {{{verb::write, 1}, {}, 0, 2}}, {{{verb::write, 2}, {}, 1, 4}}, {{{verb::read}, last_seen, 3, 5}}};
    };
    CHECK(linearizable<number_model>(chain(1)));
    CHECK(linearizable<number_model>(chain(2)));
    CHECK_FALSE(linearizable<number_model>(chain(0)));
}

namespace {

/// Whether some order of all events keeps real time and the model: by trying all of them.
bool by_permutation(const events& threads, std::vector<std::size_t>& next, const number_model& state) {
    bool left = false;
    std::uint64_t first_response = UINT64_MAX;
    for (std::size_t t = 0; t < threads.size(); ++t) {
        for (std::size_t i = next[t]; i < threads[t].size(); ++i) {
            left = true;
            if (threads[t][i].responded < first_response) first_response = threads[t][i].responded;
        }
    }
    if (!left) return true;
    for (std::size_t t = 0; t < threads.size(); ++t) {
        if (next[t] == threads[t].size() || threads[t][next[t]].invoked > first_response) continue;
        number_model after = state;
        if (after.apply(threads[t][next[t]].call) != threads[t][next[t]].answer) continue;
        ++next[t];
        if (by_permutation(threads, next, after)) return true;
        --next[t];
    }
    return false;
}

}  // namespace

TEST_CASE("the checker's verdict is that of trying every order, over random histories", "[tools][unit]") {
    random_source random("verdicts");
    INFO(random_source::repeat());
    linearizability_checker<number_model, call, answer> checker;
    std::array<int, 2> verdicts{};
    std::size_t dead_ends = 0;
    for (int round = 0; round < 20'000; ++round) {
        // Three threads; a step begins or ends a call of one of them.
        events threads(3);
        std::array<bool, 3> inside{};
        for (std::uint64_t now = 0; now < 18; ++now) {
            const auto t = static_cast<std::size_t>(random.below(3));
            if (inside[t]) threads[t].back().responded = now;
            else {
                const bool reads = random.one_in(2);
                const call what{reads ? verb::read : verb::write, static_cast<int>(random.below(3))};
                const answer said = reads ? answer(static_cast<int>(random.below(3))) : answer{};
                threads[t].push_back({what, said, now, 100 + t});
            }
            inside[t] = !inside[t];
        }
        std::vector<std::size_t> next(3, 0);
        const bool expected = by_permutation(threads, next, {});
        const bool verdict = checker.linearizable(threads, {});
        dead_ends += checker.dead_ends();
        ++verdicts[verdict ? 1 : 0];
        REQUIRE(verdict == expected);
        if (in_order_of_invocation(threads, number_model{})) REQUIRE(verdict);
    }
    CHECK(verdicts[0] > 1'000);
    CHECK(verdicts[1] > 1'000);
    CHECK(dead_ends > 1'000);
}

TEST_CASE("a set of calls that leads nowhere is looked at once for each state it leads to", "[tools][unit]") {
    // Four threads write the same numbers at the same time, and a read afterwards saw what nobody wrote. There are
    // 12! / (3!)^4 orders, but few states.
    events threads(4);
    for (std::size_t t = 0; t < 4; ++t) {
        for (std::uint64_t i = 0; i < 3; ++i)
            threads[t].push_back({{verb::write, static_cast<int>(i)}, {}, 4 * i + t, 100 + 4 * i + t});
    }
    threads[0].push_back({{verb::read}, 77, 200, 201});
    linearizability_checker<number_model, call, answer> checker;
    CHECK_FALSE(checker.linearizable(threads, {}));
    CHECK(checker.dead_ends() > 100);
    CHECK(checker.dead_ends() <= 4 * 4 * 4 * 4 * 3);
    CHECK(checker.linearizable({}, {}));
    CHECK(checker.dead_ends() == 0);
}

TEST_CASE("a history of more threads or calls than the checker can count is refused", "[tools][unit]") {
    CHECK_THROWS_AS(linearizable<number_model>(events(9)), std::length_error);
    events long_one(1);
    for (std::uint64_t i = 0; i < 256; ++i) long_one[0].push_back({{verb::add, 0}, 0, 2 * i, 2 * i + 1});
    CHECK_THROWS_AS(linearizable<number_model>(long_one), std::length_error);
    long_one[0].pop_back();
    CHECK(linearizable<number_model>(long_one));
}

TEST_CASE("a refused history is drawn with its intervals, and with what the model cannot explain", "[tools][unit]") {
    const events stale{{{{verb::write, 7}, {}, 0, 3}}, {{{verb::read}, 0, 4, 5}}};
    linearizability_checker<number_model, call, answer> checker;
    CHECK_FALSE(checker.linearizable(stale, {}));
    CHECK(drawn(stale) == "  thread 0  write(7, 0) -> none  []..\n"
                          "  thread 1  read(0, 0) -> 0      ..[]\n");
    CHECK(explained(checker, stale) == "The longest order that the model agrees with:\n"
                                       "  thread 0  write(7, 0) -> none\n"
                                       "What may come next, and cannot have been answered so:\n"
                                       "  thread 1  read(0, 0) -> 0\n");
    const events beside{{{{verb::write, 7}, {}, 0, 3}}, {{{verb::read}, 0, 1, 2}}};
    CHECK(drawn(beside) == "  thread 0  write(7, 0) -> none  [==]\n"
                           "  thread 1  read(0, 0) -> 0      .[].\n");
    CHECK(overlaps(beside));
    CHECK_FALSE(overlaps(stale));
}

// ---- steps

namespace {

/// Two parts that are summed one after the other, as the shards of a cache are; `Steps` is what the model believes.
template <unsigned Steps>
struct parts_model {
    std::array<int, 2> parts{};
    std::array<int, 4> seen{};  // by each thread, of its sum

    bool operator==(const parts_model&) const = default;
    std::uint64_t hash() const {
        return static_cast<std::uint64_t>(parts[0] * 31 + parts[1] * 131 + seen[0] * 7 + seen[1] * 11 + seen[2] * 13);
    }
    static unsigned steps(const call& c) { return c.what == verb::size ? Steps : 1; }
    std::optional<answer> apply(const call& c, std::size_t thread, unsigned step) {
        if (c.what != verb::size) return answer(parts[static_cast<std::size_t>(c.number)] += c.value);
        if (Steps == 1) return answer(parts[0] + parts[1]);
        if (step == 0) return seen[thread] = parts[0], std::nullopt;
        return answer(std::exchange(seen[thread], 0) + parts[1]);
    }
};

}  // namespace

TEST_CASE("a call of two steps may see what two moments in its time show, and no more than that", "[tools][unit]") {
    // While the sum is taken, part 0 loses one and then part 1 gains two: a sum of both later states of part 1 and the
    // earlier of part 0 was never there at once.
    const auto sum = [](int seen) {
        return events{{{{verb::put, 0, 1}, 1, 0, 1}, {{verb::put, 0, -1}, 0, 3, 4}, {{verb::put, 1, 2}, 2, 5, 6}},
                      {{{verb::size}, seen, 2, 7}}};
    };
    CHECK(linearizable<parts_model<2>>(sum(1)));
    CHECK(linearizable<parts_model<2>>(sum(0)));
    CHECK(linearizable<parts_model<2>>(sum(2)));
    CHECK(linearizable<parts_model<2>>(sum(3)));
    CHECK_FALSE(linearizable<parts_model<2>>(sum(4)));
    CHECK_FALSE(linearizable<parts_model<1>>(sum(3)));
    CHECK(linearizable<parts_model<1>>(sum(2)));
}

// ---- real threads

namespace {

/// What all trials here share.
template <class Object, class Model>
struct trial_of {
    using call = ::call;
    using answer = ::answer;
    using model = Model;

    Object object;

    model initial() const { return {}; }
    answer perform(std::size_t, const call& c) { return object(c); }
};

template <class Trial>
history_report run_trials(const history_plan& plan) {
    const auto report = run_histories<Trial>(plan, [](random_source&) { return std::make_unique<Trial>(); });
    print_rate(plan, report);
    CHECK(report.histories == plan.histories);
    return report;
}

/// Pops in two steps when `Split`: what is on top, and then its removal.
template <bool Split>
struct stack {
    jittered_sync::mutex lock;
    std::vector<int> numbers;

    answer operator()(const call& c) {
        std::unique_lock hold(lock);
        if (c.what == verb::push) return numbers.push_back(c.number), answer{};
        if (numbers.empty()) return {};
        const int top = numbers.back();
        if constexpr (Split) {
            hold.unlock();
            hold.lock();
            if (numbers.empty()) return top;
        }
        numbers.pop_back();
        return top;
    }
};
template <bool Split>
struct stack_trial : trial_of<stack<Split>, stack_model> {
    int drawn = 0;
    call draw(random_source& random, std::size_t) {
        if (random.one_in(2)) return {verb::push, ++drawn};
        return {verb::pop};
    }
};

/// Adds by a load and a store when `Torn`.
template <bool Torn>
struct counter {
    jittered_sync::atomic<int> number{0};

    answer operator()(const call& c) {
        if (c.what == verb::read) return number.load();
        if constexpr (!Torn) return number.fetch_add(c.number) + c.number;
        const int sum = number.load() + c.number;
        number.store(sum);
        return sum;
    }
};
template <bool Torn>
struct counter_trial : trial_of<counter<Torn>, number_model> {
    call draw(random_source& random, std::size_t) {
        if (random.one_in(2)) return {verb::read};
        return {verb::add, 1};
    }
};

/// Publishes its sum a second time, for readers, when it no longer holds the lock: two threads may do so in the other
/// order, and then readers see the older sum for good.
struct twice_published {
    jittered_sync::mutex lock;
    int number = 0;
    jittered_sync::atomic<int> copy{0};

    answer operator()(const call& c) {
        if (c.what == verb::read) return copy.load();
        int sum = 0;
        {
            const std::lock_guard hold(lock);
            sum = number += c.number;
        }
        copy.store(sum);
        return sum;
    }
};
/// A reader keeps what it has once seen.
struct stale_read {
    jittered_sync::atomic<int> number{0};
    std::array<int, 4> kept{};

    answer operator()(std::size_t thread, const call& c) {
        if (c.what == verb::write) return number.store(c.number), answer{};
        if (kept[thread] == 0) kept[thread] = number.load();
        return kept[thread];
    }
};
struct twice_published_trial : trial_of<twice_published, number_model> {
    call draw(random_source& random, std::size_t) {
        if (random.one_in(2)) return {verb::add, 1};
        return {verb::read};
    }
};
struct stale_read_trial : trial_of<stale_read, number_model> {
    int drawn = 0;
    call draw(random_source& random, std::size_t) {
        if (random.one_in(2)) return {verb::write, ++drawn};
        return {verb::read};
    }
    answer perform(std::size_t thread, const call& c) { return object(thread, c); }
};

/// The map of a cache that looks whether a key is there, and stores under another hold of the lock. A put answers
/// whether it replaced.
template <bool CheckThenAct>
struct key_map {
    jittered_sync::mutex lock;
    std::vector<std::pair<int, int>> pairs;

    auto find(int key) {
        auto at = pairs.begin();
        while (at != pairs.end() && at->first != key) ++at;
        return at;
    }
    answer operator()(const call& c) {
        std::unique_lock hold(lock);
        if (c.what == verb::size) return static_cast<int>(pairs.size());
        auto at = find(c.number);
        if (c.what == verb::get) return at == pairs.end() ? answer{} : answer(at->second);
        const bool present = at != pairs.end();
        if constexpr (CheckThenAct) {
            hold.unlock();
            hold.lock();
            at = find(c.number);
            if (at == pairs.end()) at = pairs.insert(pairs.end(), {c.number, 0});
            at->second = c.value;
            return present ? 1 : 0;
        }
        if (present) at->second = c.value;
        else pairs.emplace_back(c.number, c.value);
        return present ? 1 : 0;
    }
};
struct map_model {
    std::array<int, 2> values{};

    bool operator==(const map_model&) const = default;
    std::uint64_t hash() const { return static_cast<std::uint64_t>(values[0] * 1'000 + values[1]); }
    answer apply(const call& c) {
        if (c.what == verb::size) return (values[0] != 0 ? 1 : 0) + (values[1] != 0 ? 1 : 0);
        int& value = values[static_cast<std::size_t>(c.number)];
        if (c.what == verb::get) return value == 0 ? answer{} : answer(value);
        return std::exchange(value, c.value) != 0 ? 1 : 0;
    }
};
template <bool CheckThenAct>
struct map_trial : trial_of<key_map<CheckThenAct>, map_model> {
    int drawn = 0;
    call draw(random_source& random, std::size_t) {
        const auto key = static_cast<int>(random.below(2));
        switch (random.below(5)) {
        case 0:
            return {verb::size};
        case 1:
        case 2:
            return {verb::get, key};
        default:
            return {verb::put, key, ++drawn};
        }
    }
};

/// Counts in two parts, and sums them one after the other.
struct parts {
    std::array<jittered_sync::atomic<int>, 2> numbers{};

    answer operator()(const call& c) {
        if (c.what == verb::size) {
            const int first = numbers[0].load();
            return first + numbers[1].load();
        }
        return numbers[static_cast<std::size_t>(c.number)].fetch_add(c.value) + c.value;
    }
};
template <unsigned Steps>
struct parts_trial : trial_of<parts, parts_model<Steps>> {
    call draw(random_source& random, std::size_t) {
        if (random.one_in(3)) return {verb::size};
        return {verb::put, static_cast<int>(random.below(2)), random.one_in(2) ? 1 : -1};
    }
};

}  // namespace

TEST_CASE("what real threads do to sound objects is linearizable", "[tools][linear]") {
    INFO(random_source::repeat());
    for (const std::size_t threads : {std::size_t{2}, std::size_t{3}}) {
        const auto accepted = [&](const history_report& report) {
            INFO(report.first_refused);
            CHECK(report.refused == 0);
            CHECK(report.overlapping > report.histories / 100);
            CHECK(report.out_of_order > 0);
        };
        accepted(run_trials<stack_trial<false>>({"sound stack", threads, 5, 5'000}));
        accepted(run_trials<counter_trial<false>>({"sound counter", threads, 5, 5'000}));
        accepted(run_trials<map_trial<false>>({"sound map", threads, 5, 5'000}));
        accepted(run_trials<parts_trial<2>>({"sum of two parts", threads, 5, 5'000}));
    }
}

TEST_CASE("defects that need two threads at once are caught", "[tools][linear]") {
    INFO(random_source::repeat());
    for (const std::size_t threads : {std::size_t{2}, std::size_t{3}}) {
        const auto refused = [&](const history_report& report) {
            CHECK(report.refused > 0);
            CHECK(report.first_refused.find("is not linearizable") != std::string::npos);
            CHECK(report.first_refused.find(random_source::repeat()) != std::string::npos);
        };
        refused(run_trials<stack_trial<true>>({"split pop", threads, 5, 5'000}));
        refused(run_trials<counter_trial<true>>({"lost update", threads, 5, 5'000}));
        refused(run_trials<twice_published_trial>({"published twice", threads, 5, 5'000}));
        refused(run_trials<stale_read_trial>({"stale read", threads, 5, 5'000}));
        refused(run_trials<map_trial<true>>({"check, then act", threads, 5, 5'000}));
        refused(run_trials<parts_trial<1>>({"sum taken for one moment", threads, 5, 5'000}));
    }
}

TEST_CASE("the calls of a history are those of the run's seed", "[tools][linear]") {
    // Each thread by itself: the answers are those of its own calls, in every run of the same seed.
    struct alone : trial_of<counter<false>, number_model> {
        std::vector<std::uint64_t>* seen;
        explicit alone(std::vector<std::uint64_t>* into) : seen(into) {}
        call draw(random_source& random, std::size_t) {
            seen->push_back(random.next());
            return {verb::add, 1};
        }
    };
    std::array<std::vector<std::uint64_t>, 2> seen;
    for (auto& numbers : seen) {
        const auto report = run_histories<alone>({"alone", 1, 3, 100},
                                                 [&](random_source&) { return std::make_unique<alone>(&numbers); });
        CHECK(report.refused == 0);
        CHECK(report.overlapping == 0);
    }
    CHECK(seen[0].size() == 300);
    CHECK(seen[0] == seen[1]);
}
