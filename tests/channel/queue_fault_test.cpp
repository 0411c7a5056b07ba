// SPDX-License-Identifier: MIT
// Every allocation, every copy, every call of the weigher and every assignment of what is popped fails once, and from
// then on: a push that throws has changed nothing, and a pop that throws has lost only what it had taken.
#include "tools/bombing_allocator.hpp"
#include "tools/catch.hpp"
#include "tools/fault_table.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/executor.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::queue_reason;

namespace {

/// Moved without failing, as what is queued must be; its copies, and assignments to it, may fail.
class item {
public:
    item(value_tally& tally, int number) : value_(tally, number) {}
    item(item&&) noexcept = default;
    item(const item& other) : value_(copied(other)) {}
    item& operator=(item&& other) {
        fault_here(fault::move);
        value_ = std::move(other.value_);
        return *this;
    }
    item& operator=(const item&) = delete;
    [[nodiscard]] int number() const noexcept { return value_.number(); }

private:
    static const counting_value& copied(const item& other) {
        fault_here(fault::copy);
        return other.value_;
    }
    counting_value value_;
};

struct fallible : plateau::queue_policies {
    struct weigher {
        std::size_t operator()(const item&) const {
            fault_here(fault::weigh);
            return 1;
        }
    };
    using allocator = bombing_allocator<std::byte>;
    using clock = plateau::manual_clock;
};
using queue_type = plateau::bounded_queue<item, fallible>;

constexpr plateau::queue_options bounds{.max_items = 4, .max_bytes = 10'000};

/// A queue of two, and items outside of it.
struct subject {
    std::unique_ptr<value_tally> lives = std::make_unique<value_tally>();
    std::unique_ptr<allocation_tally> memory = std::make_unique<allocation_tally>();
    std::unique_ptr<plateau::manual_clock> clock = std::make_unique<plateau::manual_clock>();
    std::unique_ptr<queue_type> queue =
        std::make_unique<queue_type>(bounds, bombing_allocator<std::byte>(*memory), *clock);
    std::unique_ptr<item> mine = std::make_unique<item>(*lives, 7);
    std::array<item, 2> got{item(*lives, -2), item(*lives, -2)};

    subject() {
        for (int i = 1; i <= 2; ++i) static_cast<void>(queue->try_push(item(*lives, i)));
    }
    [[nodiscard]] std::uint64_t items() const { return queue->stats().items; }

    void check_sound() const {
        queue->check_invariants();
        CHECK(lives->corrupt == 0);
        CHECK(lives->live == static_cast<std::int64_t>(items() + 3));
        CHECK(memory->wrong_sizes == 0);
    }
    /// What is queued is what was queued, and what the caller had is his.
    void check_unchanged() const {
        CHECK(items() == 2);
        CHECK(mine->number() == 7);
        CHECK(queue->stats().pushed == 2);
        CHECK(queue->try_pop()->number() == 1);
        CHECK(queue->try_pop()->number() == 2);
    }
};

void must(bool holds) {
    if (!holds) throw std::logic_error("a queue answered wrongly while memory was short");
}

}  // namespace

TEST_CASE("a queue that cannot be made leaves nothing behind", "[channel][alloc]") {
    fault_table table("channel");
    struct nothing_yet {
        std::unique_ptr<allocation_tally> memory = std::make_unique<allocation_tally>();
        plateau::manual_clock clock;
    };
    const auto make = [] { return std::make_unique<nothing_yet>(); };
    const auto left_nothing = [](const std::unique_ptr<nothing_yet>& s, const sweep_step&) {
        CHECK(s->memory->live_bytes == 0);
        CHECK(s->memory->wrong_sizes == 0);
    };
    sweep(
        table, "construction of a queue", make,
        [](std::unique_ptr<nothing_yet>& s) {
            const queue_type queue{bounds, bombing_allocator<std::byte>(*s->memory), s->clock};
            static_cast<void>(queue.capacity());
        },
        left_nothing);
    sweep(
        table, "construction of a queue of the system's memory", make,
        [](std::unique_ptr<nothing_yet>&) {
            const plateau::bounded_queue<std::string> queue{{.max_items = 100}};
            static_cast<void>(queue.capacity());
        },
        left_nothing);
    sweep(
        table, "a queue with wrong options", make,
        [](std::unique_ptr<nothing_yet>& s) {
            try {
                const queue_type queue{{.max_items = 0}, bombing_allocator<std::byte>(*s->memory), s->clock};
            } catch (const std::invalid_argument&) {}  // its sentence is allocated
        },
        left_nothing);
    CHECK(table.contradictions({"construction of a queue", "construction of a queue of the system's memory",
                                "a queue with wrong options"}) == std::vector<std::string>{});
    table.tell();
}

TEST_CASE("a push in which the weigher or the copy fails has changed nothing", "[channel][alloc]") {
    fault_table table("channel");
    const auto make = [] { return subject(); };
    const auto strong = [&](std::string_view name, auto operation) {
        sweep(table, name, make, operation, [](const subject& s, const sweep_step& step) {
            CAPTURE(step.failing);
            s.check_sound();
            if (step.threw) s.check_unchanged();
            else CHECK(s.items() == 3);
        });
    };
    const auto full_for_ever = plateau::time_point(1s);
    strong("try_push", [](subject& s) { must(static_cast<bool>(s.queue->try_push(std::move(*s.mine)))); });
    strong("try_push of a copy",
           [](subject& s) { must(static_cast<bool>(s.queue->try_push(std::as_const(*s.mine)))); });
    strong("push", [](subject& s) { must(static_cast<bool>(s.queue->push(std::move(*s.mine)))); });
    strong("push of a copy", [](subject& s) { must(static_cast<bool>(s.queue->push(std::as_const(*s.mine)))); });
    strong("push_for", [](subject& s) { must(static_cast<bool>(s.queue->push_for(std::move(*s.mine), 1s))); });
    strong("push_until of a copy",
           [&](subject& s) { must(static_cast<bool>(s.queue->push_until(std::as_const(*s.mine), full_for_ever))); });
    strong("async_push", [](subject& s) {
        auto pushed = s.queue->async_push(std::move(*s.mine), plateau::inline_here);
        must(pushed.await_ready());
    });
    strong("async_push of a copy", [](subject& s) {
        auto pushed = s.queue->async_push(std::as_const(*s.mine), plateau::inline_here);
        must(pushed.await_ready());
    });
    strong("push_then", [](subject& s) {
        bool in = false;
        plateau::waiter node{[&in](plateau::push_result done) noexcept { in = static_cast<bool>(done); }};
        s.queue->push_then(node, *s.mine);
        must(in);
    });
    CHECK(table.contradictions({"try_push", "try_push of a copy", "push", "push of a copy", "push_for",
                                "push_until of a copy", "async_push", "async_push of a copy", "push_then"}) ==
          std::vector<std::string>{});
    table.tell();
}

TEST_CASE("a queue whose reader fails loses only what the reader had taken", "[channel][alloc]") {
    fault_table table("channel");
    const auto make = [] { return subject(); };
    const auto sound = [](const subject& s, const sweep_step& step) {
        s.check_sound();
        CHECK(s.items() == 0);
        CHECK((step.threw || (s.got[0].number() == 1 && s.got[1].number() == 2)));
    };
    sweep(
        table, "try_pop_some", make, [](subject& s) { must(s.queue->try_pop_some(s.got.begin(), 2) == 2); }, sound);
    sweep(
        table, "pop_some", make, [](subject& s) { must(*s.queue->pop_some(s.got.begin(), 2) == 2); }, sound);
    sweep(
        table, "pop_some_for", make, [](subject& s) { must(*s.queue->pop_some_for(s.got.begin(), 2, 1s) == 2); },
        sound);
    CHECK(table.contradictions({"try_pop_some", "pop_some", "pop_some_for"}) == std::vector<std::string>{});
    table.tell();
}

TEST_CASE("what of a queue neither allocates nor calls its user cannot fail", "[channel][alloc]") {
    fault_table table("channel");
    const auto make = [] { return subject(); };
    const auto safe = [&](std::string_view name, std::string_view why, auto operation) {
        sweep_safe(table, name, why, make, operation, [](const subject& s, const sweep_step& step) {
            CHECK_FALSE(step.threw);
            s.check_sound();
        });
    };
    safe("pop, in every form", "an item is moved out", [](subject& s) {
        must(s.queue->try_pop()->number() == 1);
        must(s.queue->pop()->number() == 2);
        must(s.queue->try_pop().reason() == queue_reason::empty);
        must(s.queue->pop_for(0s).reason() == queue_reason::timed_out);
        must(s.queue->pop_until(plateau::time_point(0s)).reason() == queue_reason::timed_out);
    });
    safe("callbacks of a queue", "their nodes are the caller's", [](subject& s) {
        int runs = 0;
        const auto note = [&runs](auto) noexcept { ++runs; };
        plateau::waiter pops{note}, writes{note}, reads{note};
        s.queue->pop_then(pops);
        s.queue->readable_then(reads);
        s.queue->writable_then(writes);
        must(runs == 3);
        static_cast<void>(s.queue->try_pop());
        s.queue->pop_then(pops, plateau::inline_here, plateau::time_point(1s));
        must(s.queue->expire(plateau::time_point(1s)) == 1 && runs == 4);
    });
    safe("close and abort", "the slots are there, and the reason is the caller's", [](subject& s) {
        s.queue->close();
        must(s.queue->is_closed() && s.queue->try_pop()->number() == 1);
        s.queue->abort();
        must(s.queue->try_pop().reason() == queue_reason::aborted);
    });
    safe("figures of a queue", "they are counted as it goes", [](subject& s) {
        must(s.queue->stats().items == 2 && s.queue->capacity() == 4 && s.queue->memory_ceiling() > 0);
        s.queue->check_invariants();
        must(!s.queue->next_deadline() && !s.queue->error());
    });
    CHECK(table.contradictions({"pop, in every form", "callbacks of a queue", "close and abort",
                                "figures of a queue"}) == std::vector<std::string>{});
    table.tell();
}
