// SPDX-License-Identifier: MIT
// What threads are answered by a gate is what one thread could have been answered. Calls that take effect at several
// moments (who gives up first decides and then leaves, a drain first shuts and then sends away) are taken in steps.
#include "tools/catch.hpp"
#include "tools/history_check.hpp"
#include "tools/history_jitter.hpp"
#include "tools/history_run.hpp"
#include "tools/random.hpp"

#include <plateau/clock.hpp>
#include <plateau/gate.hpp>
#include <plateau/waiter.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace plateau_test;
using plateau::shed_reason;

namespace {

enum class verb : unsigned char { try_admit, release, stats, ask, give_up, drain, resume };

struct call {
    verb what{};
    std::size_t bytes = 0;
};
std::string describe(const call& c) {
    static constexpr std::string_view names[] = {"try_admit", "release", "stats", "ask", "give_up", "drain", "resume"};
    std::string text(names[static_cast<std::size_t>(c.what)]);
    if (c.what == verb::try_admit || c.what == verb::ask) text += '(' + std::to_string(c.bytes) + ')';
    return text;
}

/// What was said, and a number where there is one.
enum class said : unsigned char { done, nothing_to_do, no_place, queue_full, too_large, draining, cancelled, resumed };
struct answer {
    said what = said::done;
    std::uint64_t number = 0;
    bool operator==(const answer&) const = default;
};
std::string describe(const answer& a) {
    static constexpr std::string_view names[] = {"done",      "nothing to do", "no place",  "queue full",
                                                 "too large", "draining",      "cancelled", "resumed"};
    return std::string(names[static_cast<std::size_t>(a.what)]) + ' ' + std::to_string(a.number);
}
said said_of(shed_reason why) {
    switch (why) {
    case shed_reason::none:
        return said::done;
    case shed_reason::queue_full:
        return said::queue_full;
    case shed_reason::too_large:
        return said::too_large;
    case shed_reason::draining:
        return said::draining;
    case shed_reason::cancelled:
        return said::cancelled;
    default:
        return said::no_place;
    }
}

constexpr std::size_t max_threads = 3;

/// One thread's gate: a list of who waits, in order.
struct porter {
    enum class place : unsigned char { away, waits, leaves, in, refused };
    struct visitor {
        place where = place::away;
        std::uint8_t bytes = 0;
        said why = said::done;
        std::uint8_t held = 0;  ///< bytes of a permit that did not wait, and 1
        bool opens = false;     ///< it is inside a `resume` that found the gate draining
        bool operator==(const visitor&) const = default;
    };

    std::uint8_t limit = 1, budget = 4, max_queue = 1;
    std::uint8_t count = 0, bytes = 0, queued = 0;
    bool draining = false;
    std::array<std::uint8_t, max_threads> queue{};
    std::array<visitor, max_threads> all{};

    bool operator==(const porter&) const = default;
    std::uint64_t hash() const {
        std::uint64_t sum = count + 16U * bytes + 256U * queued + (draining ? 4'096U : 0U);
        for (std::size_t i = 0; i < max_threads; ++i)
            sum = sum * 1'000'003 + queue[i] + 8U * static_cast<std::uint64_t>(all[i].where) + 64U * all[i].bytes +
                  1'024U * all[i].held;
        return sum;
    }

    static unsigned steps(const call& c) {
        if (c.what == verb::give_up || c.what == verb::drain) return 3;
        return c.what == verb::resume ? 2 : 1;
    }
    std::optional<answer> apply(const call& c, std::size_t thread, unsigned step) {
        visitor& self = all[thread];
        const auto need = static_cast<std::uint8_t>(c.bytes);
        switch (c.what) {
        case verb::try_admit:
            if (self.held != 0) return answer{said::nothing_to_do};
            if (draining) return answer{said::draining};
            if (need > budget) return answer{said::too_large};
            if (!fits(need)) return answer{said::no_place};
            enter(need);
            self.held = static_cast<std::uint8_t>(need + 1);
            return answer{};
        case verb::release:
            if (self.held == 0) return answer{said::nothing_to_do};
            leave(static_cast<std::uint8_t>(self.held - 1));
            self.held = 0;
            serve();
            return answer{};
        case verb::stats:
            return answer{said::done, count * 256U + bytes};
        case verb::ask:
            return ask(self, thread, need);
        case verb::give_up:
            return give_up(self, thread, step);
        case verb::drain:
            return drain(step);
        default:
            if (step == 0) {
                self.opens = std::exchange(draining, false);
                return std::nullopt;
            }
            if (std::exchange(self.opens, false)) serve();  // an open gate is left as it is
            return answer{};
        }
    }

private:
    bool fits(std::uint8_t need) const { return count < limit && bytes + need <= budget; }
    void enter(std::uint8_t need) {
        ++count;
        bytes = static_cast<std::uint8_t>(bytes + need);
    }
    void leave(std::uint8_t gave) {
        --count;
        bytes = static_cast<std::uint8_t>(bytes - gave);
    }
    void take_off(std::size_t at) {
        for (--queued; at < queued; ++at) queue[at] = queue[at + 1];
        queue[queued] = 0;
    }
    /// Who is leaving still stands there, and keeps his place.
    void serve() {
        for (std::size_t at = 0; at < queued && !draining;) {
            visitor& head = all[queue[at]];
            if (!fits(head.bytes)) return;
            if (head.where == place::leaves) {
                ++at;
                continue;
            }
            enter(head.bytes);
            head.where = place::in;
            take_off(at);
        }
    }
    answer ask(visitor& self, std::size_t thread, std::uint8_t need) {
        if (self.where != place::away) return {said::nothing_to_do};
        self.bytes = need;
        self.where = place::refused;
        if (draining) self.why = said::draining;
        else if (need > budget) self.why = said::too_large;
        else if (queued == 0 && fits(need)) {
            enter(need);
            self.where = place::in;
        } else if (queued >= max_queue) self.why = said::queue_full;
        else {
            self.where = place::waits;
            queue[queued++] = static_cast<std::uint8_t>(thread);
        }
        return {};
    }
    std::optional<answer> give_up(visitor& self, std::size_t thread, unsigned step) {
        if (step == 0) {
            if (self.where == place::waits) self.where = place::leaves;
            return std::nullopt;
        }
        if (step == 1) {
            if (self.where != place::leaves) return std::nullopt;
            take_off(
                static_cast<std::size_t>(std::find(queue.begin(), queue.begin() + queued, thread) - queue.begin()));
            serve();
            return std::nullopt;
        }
        const visitor was = self;
        self = visitor{.held = was.held, .opens = false};
        switch (was.where) {
        case place::away:
            return answer{said::nothing_to_do};
        case place::in:
            leave(was.bytes);
            serve();
            return answer{};
        case place::refused:
            return answer{was.why};
        default:
            return answer{said::cancelled};
        }
    }
    std::optional<answer> drain(unsigned step) {
        if (step == 0) {
            draining = true;
            return std::nullopt;
        }
        if (step == 1) {
            for (std::size_t at = 0; at < queued && draining;) {
                visitor& one = all[queue[at]];
                if (one.where == place::leaves) {
                    ++at;
                    continue;
                }
                one.where = place::refused;
                one.why = said::draining;
                take_off(at);
            }
            return std::nullopt;
        }
        return draining ? answer{said::done, count} : answer{said::resumed};
    }
};

struct setting {
    porter initial;
    std::vector<std::pair<verb, unsigned>> calls;
};

template <class Sync>
struct linear_policies : plateau::gate_policies {
    using sync = Sync;
};

template <class Sync>
class gate_trial {
public:
    using call = ::call;
    using answer = ::answer;
    using model = porter;
    using gate_type = plateau::basic_gate<linear_policies<Sync>>;

    explicit gate_trial(const setting& s)
        : setting_(s),
          door_({.max_in_flight = s.initial.limit,
                 .max_bytes = s.initial.budget,
                 .max_queue = s.initial.max_queue,
                 .max_wait = plateau::forever}) {
        for (const auto& [what, weight] : s.calls) weights_ += weight;
    }

    call draw(random_source& random, std::size_t) {
        auto at = static_cast<unsigned>(random.below(weights_));
        std::size_t i = 0;
        for (; at >= setting_.calls[i].second; ++i) at -= setting_.calls[i].second;
        return {setting_.calls[i].first, random.below(6)};
    }
    answer perform(std::size_t thread, const call& c) {
        visitor& self = visitors_[thread];
        switch (c.what) {
        case verb::try_admit: {
            if (self.held) return {said::nothing_to_do};
            auto got = door_.try_admit({.bytes = c.bytes});
            if (got) self.held.emplace(got.take());
            return {said_of(got.reason())};
        }
        case verb::release:
            if (!self.held) return {said::nothing_to_do};
            self.held.reset();
            return {};
        case verb::stats: {
            const auto now = door_.stats();
            return {said::done, now.in_flight * 256 + now.bytes};
        }
        case verb::ask:
            if (self.asked) return {said::nothing_to_do};
            self.asked = true;
            self.node.emplace(typename visitor::keep{&self});
            door_.admit_then(*self.node, {.bytes = c.bytes});
            return {};
        case verb::give_up:
            return give_up(self);
        case verb::drain: {
            const auto drained = door_.drain_for(plateau::duration(0));
            if (drained.reason() == plateau::drain_reason::resumed) return {said::resumed};
            return {said::done, drained.left()};
        }
        default:
            door_.resume();
            return {};
        }
    }
    model initial() const { return setting_.initial; }

protected:
    gate_type& door() { return door_; }

private:
    using admission = plateau::basic_admission<Sync>;
    struct visitor {
        struct keep {
            visitor* self;
            void operator()(admission a) const noexcept {
                self->got.emplace(std::move(a));
                self->answered.store(true, std::memory_order_release);
            }
        };
        std::optional<plateau::basic_permit<Sync>> held;
        bool asked = false;
        std::optional<admission> got;
        std::atomic<bool> answered{false};
        std::optional<plateau::waiter<keep, Sync>> node;  ///< one for each request: its end waits for its callback's
    };

    static answer give_up(visitor& self) {
        if (!self.asked) return {said::nothing_to_do};
        self.node->cancel();
        while (!self.answered.load(std::memory_order_acquire)) plateau::default_sync::yield();
        self.node.reset();
        const answer told{said_of(self.got->reason())};
        self.got.reset();
        self.answered = false;
        self.asked = false;
        return told;
    }

    setting setting_;
    unsigned weights_ = 0;
    gate_type door_;
    std::array<visitor, max_threads> visitors_;
};

/// A gate that looks, and then goes in.
template <class Sync>
class two_looks_trial : public gate_trial<Sync> {
public:
    using gate_trial<Sync>::gate_trial;
    answer perform(std::size_t thread, const call& c) {
        if (c.what == verb::try_admit && this->door().stats().in_flight != 0) return {said::no_place};
        jitter();
        return gate_trial<Sync>::perform(thread, c);
    }
};

const history_check gates{.room = "gate", .histories = 20'000};

const std::vector<std::pair<verb, unsigned>> in_and_out{{verb::try_admit, 6}, {verb::release, 4}, {verb::stats, 2}};
const std::vector<std::pair<verb, unsigned>> with_drain{
    {verb::try_admit, 6}, {verb::release, 4}, {verb::stats, 1}, {verb::drain, 2}, {verb::resume, 2}};
const std::vector<std::pair<verb, unsigned>> with_queue{{verb::ask, 6}, {verb::give_up, 4}};
const std::vector<std::pair<verb, unsigned>> with_both{
    {verb::ask, 6}, {verb::give_up, 4}, {verb::drain, 1}, {verb::resume, 2}};

}  // namespace

TEST_CASE("threads that come and go without waiting see one count and one budget", "[gate][linear]") {
    INFO(random_source::repeat());
    check_histories<gate_trial<jittered_sync>>(gates, "one place", setting{{.limit = 1}, in_and_out});
    check_histories<gate_trial<jittered_sync>>(gates, "two places", setting{{.limit = 2}, in_and_out});
    check_histories<gate_trial<jittered_sync>>(gates, "two places, drained", setting{{.limit = 2}, with_drain});
}

TEST_CASE("threads that wait in the queue see one queue", "[gate][linear]") {
    INFO(random_source::repeat());
    check_histories<gate_trial<jittered_sync>>(gates, "a queue of two",
                                               setting{{.limit = 1, .max_queue = 2}, with_queue});
    check_histories<gate_trial<jittered_sync>>(gates, "a queue of one",
                                               setting{{.limit = 2, .max_queue = 1}, with_queue});
    check_histories<gate_trial<jittered_sync>>(gates, "a queue, drained",
                                               setting{{.limit = 1, .max_queue = 2}, with_both});
}

TEST_CASE("the same without delays inside the gate", "[gate][linear]") {
    INFO(random_source::repeat());
    const history_check few{.room = "gate", .delayed = false};
    check_histories<gate_trial<plateau::default_sync>>(few, "as shipped",
                                                       setting{{.limit = 2, .max_queue = 2}, with_queue});
}

TEST_CASE("a gate that looks before it lets in is told from one that does both at once", "[gate][linear]") {
    INFO(random_source::repeat());
    const setting s{{.limit = 1}, {{verb::try_admit, 1}, {verb::release, 1}}};
    const history_plan plan{"two looks", 3, 4, 5'000};
    const auto report = run_histories<two_looks_trial<jittered_sync>>(
        plan, [&](random_source&) { return std::make_unique<two_looks_trial<jittered_sync>>(s); });
    print_rate(plan, report);
    CHECK(report.refused > 0);
}
