// SPDX-License-Identifier: MIT
// What threads are answered by a shared queue is what one thread could have been answered by a ring whose calls take
// two steps each, as documented: a place is claimed, then written or read; the tail is closed, then the head.
#include "tools/catch.hpp"
#include "tools/history_check.hpp"
#include "tools/history_jitter.hpp"
#include "tools/history_run.hpp"
#include "tools/random.hpp"

#include <plateau/channel/bounded_queue.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace plateau_test;

namespace {

using plateau::queue_reason;

enum class verb : unsigned char { push, pop, close, abort };

struct call {
    verb what{};
    int number = 0;
};
std::string describe(const call& c) {
    constexpr std::string_view names[] = {"push", "pop", "close", "abort"};
    std::string text(names[static_cast<std::size_t>(c.what)]);
    return c.what == verb::push ? text + ' ' + std::to_string(c.number) : text;
}
struct answer {
    queue_reason reason = queue_reason::none;
    int number = 0;
    bool operator==(const answer&) const = default;
};
std::string describe(const answer& a) {
    return a.reason == queue_reason::none ? std::to_string(a.number) : std::string(to_string(a.reason));
}

/// Every third item is heavy.
constexpr int weight_of(int number) { return number % 3 == 0 ? 3 : 1; }

constexpr std::size_t max_threads = 4;
constexpr std::size_t max_slots = 3;

/// A ring of slots, by positions.
struct queue_model {
    enum class slot : unsigned char { free, claimed, written, reading };

    std::size_t slots = 1;
    int max_weight = 0;  ///< 0: nothing is weighed
    std::array<slot, max_slots> shows{};
    std::array<int, max_slots> numbers{};
    std::size_t head = 0, tail = 0;
    int weight = 0;
    bool tail_closed = false, head_closed = false, tail_aborted = false, head_aborted = false;

    struct half {
        answer said;
        std::size_t at = 0;
        bool operator==(const half&) const = default;
    };
    std::array<half, max_threads> halves{};

    bool operator==(const queue_model&) const = default;
    std::uint64_t hash() const {
        std::uint64_t h = head * 31 + tail;
        for (std::size_t i = 0; i < max_slots; ++i)
            h = (h ^ (static_cast<std::uint64_t>(shows[i]) << 8U) ^ static_cast<std::uint64_t>(numbers[i])) *
                0x9e3779b97f4a7c15U;
        for (const half& one : halves)
            h = (h ^ (static_cast<std::uint64_t>(one.said.reason) << 16U) ^
                 static_cast<std::uint64_t>(one.said.number) ^ (one.at << 32U)) *
                0x9e3779b97f4a7c15U;
        return h ^ static_cast<std::uint64_t>(tail_closed + 2 * head_closed + 4 * tail_aborted + 8 * head_aborted);
    }

    static unsigned steps(const call&) { return 2; }
    std::optional<answer> apply(const call& c, std::size_t thread, unsigned step) {
        half& mine = halves[thread];
        switch (c.what) {
        case verb::push:
            return step == 0 ? claim_tail(c.number, mine) : finish(mine, slot::written);
        case verb::pop:
            return step == 0 ? claim_head(mine) : finish(mine, slot::free);
        case verb::close:
            (step == 0 ? tail_closed : head_closed) = true;
            break;
        case verb::abort:
            (step == 0 ? tail_closed : head_closed) = true;
            (step == 0 ? tail_aborted : head_aborted) = true;
            break;
        }
        if (step == 0) return std::nullopt;
        return answer{};
    }

private:
    static constexpr std::size_t nowhere = SIZE_MAX;

    std::optional<answer> finish(half& mine, slot shown) {
        if (mine.at != nowhere) shows[mine.at] = shown;
        return std::exchange(mine, {}).said;
    }
    std::optional<answer> claim_tail(int number, half& mine) {
        const std::size_t at = tail % slots;
        const int adds = max_weight == 0 ? 0 : weight_of(number);
        mine = {{}, nowhere};
        if (tail_closed) mine.said.reason = tail_aborted ? queue_reason::aborted : queue_reason::closed;
        else if (shows[at] != slot::free || (max_weight != 0 && weight + adds > max_weight))
            mine.said.reason = queue_reason::full;
        if (mine.said.reason != queue_reason::none) return std::nullopt;
        mine.at = at;
        shows[at] = slot::claimed;
        numbers[at] = number;
        weight += adds;
        ++tail;
        return std::nullopt;
    }
    std::optional<answer> claim_head(half& mine) {
        const std::size_t at = head % slots;
        mine = {{}, nowhere};
        if (head_aborted) mine.said.reason = queue_reason::aborted;
        else if (head == tail) mine.said.reason = head_closed ? queue_reason::closed : queue_reason::empty;
        else if (shows[at] != slot::written) mine.said.reason = queue_reason::empty;
        if (mine.said.reason != queue_reason::none) return std::nullopt;
        mine.at = at;
        mine.said.number = std::exchange(numbers[at], 0);
        shows[at] = slot::reading;
        if (max_weight != 0) weight -= weight_of(mine.said.number);
        ++head;
        return std::nullopt;
    }
};

struct setting {
    std::size_t slots = 1;
    int max_weight = 0;
    unsigned ends = 0;  ///< of a hundred calls
};

/// The weigher answers in units of what an item costs in any case.
template <class Sync>
struct linear_policies : plateau::queue_policies {
    using sync = Sync;
    static constexpr std::size_t unit = 16;
    struct weigher {
        std::size_t operator()(int number) const noexcept {
            jitter();
            return static_cast<std::size_t>(weight_of(number) - 1) * unit;
        }
    };
};

template <class Sync>
class queue_trial {
    using queue_type = plateau::bounded_queue<int, linear_policies<Sync>>;
    static_assert(queue_type::item_overhead == linear_policies<Sync>::unit);

public:
    using call = ::call;
    using answer = ::answer;
    using model = queue_model;

    explicit queue_trial(const setting& s)
        : setting_(s),
          queue_({.max_items = s.slots,
                  .max_bytes = s.max_weight == 0
                                   ? plateau::unlimited
                                   : static_cast<std::size_t>(s.max_weight) * queue_type::item_overhead}) {}

    call draw(random_source& random, std::size_t) {
        if (random.below(100) < setting_.ends) return {random.one_in(2) ? verb::close : verb::abort};
        if (random.one_in(2)) return {verb::push, ++numbers_};
        return {verb::pop};
    }
    answer perform(std::size_t, const call& c) {
        switch (c.what) {
        case verb::push:
            return {queue_.try_push(c.number).reason(), 0};
        case verb::pop: {
            const auto got = queue_.try_pop();
            return {got.reason(), got ? *got : 0};
        }
        case verb::close:
            queue_.close();
            return {};
        default:
            queue_.abort();
            return {};
        }
    }
    model initial() const {
        model start;
        start.slots = setting_.slots;
        start.max_weight = setting_.max_weight;
        return start;
    }

private:
    const setting setting_;
    queue_type queue_;
    int numbers_ = 0;
};

const history_check queues{.room = "channel", .histories = 17'000, .shapes = {{2, 6}, {3, 4}}};

/// A pop that puts the item back behind the others, and pops again: what is between them shows.
class two_calls_trial : public queue_trial<jittered_sync> {
public:
    using queue_trial::queue_trial;
    answer perform(std::size_t thread, const call& c) {
        if (c.what != verb::pop) return queue_trial::perform(thread, c);
        const answer first = queue_trial::perform(thread, c);
        if (first.reason != queue_reason::none) return first;
        queue_trial::perform(thread, {verb::push, first.number});
        return queue_trial::perform(thread, c);
    }
};

}  // namespace

TEST_CASE("threads that share a queue see one ring", "[channel][linear]") {
    INFO(random_source::repeat());
    check_histories<queue_trial<jittered_sync>>(queues, "one slot", setting{.slots = 1});
    check_histories<queue_trial<jittered_sync>>(queues, "two slots", setting{.slots = 2});
    check_histories<queue_trial<jittered_sync>>(queues, "three slots, ends", setting{.slots = 3, .ends = 10});
    check_histories<queue_trial<jittered_sync>>(queues, "one slot, ends", setting{.slots = 1, .ends = 10});
}

TEST_CASE("threads that share a queue of bounded bytes see one ring", "[channel][linear]") {
    INFO(random_source::repeat());
    check_histories<queue_trial<jittered_sync>>(queues, "three slots, four units",
                                                setting{.slots = 3, .max_weight = 4});
    check_histories<queue_trial<jittered_sync>>(queues, "three slots, five units, ends",
                                                setting{.slots = 3, .max_weight = 5, .ends = 10});
}

TEST_CASE("a pop made of three calls is told from that of the queue", "[channel][linear]") {
    INFO(random_source::repeat());
    const history_plan plan{"three calls for one", 2, 6, 5'000};
    const auto make = [](random_source&) { return std::make_unique<two_calls_trial>(setting{.slots = 2}); };
    const auto report = run_histories<two_calls_trial>(plan, make);
    print_rate(plan, report);
    CHECK(report.refused > 0);
}
