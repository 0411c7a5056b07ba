// SPDX-License-Identifier: MIT
// Defects of the kinds that the explorer is there to find, each small enough to see that it is one, and beside it the
// form that is right.
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

using namespace plateau_test;

namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;
constexpr auto seq_cst = std::memory_order_seq_cst;

explore_options weakly(const char* name) { return {.name = name, .mode = explore_mode::weak}; }

template <class Body>
void finds_nothing(const explore_options& bounds, Body body) {
    const explore_report report = explore(bounds, body);
    if (report.skipped) return;
    INFO(report.text());
    CHECK_FALSE(report.failed);
    CHECK(report.exhaustive);
}

}  // namespace

TEST_CASE("a check that is not one step with its act is found", "[tools][explore]") {
    static constexpr int capacity = 1;
    explore_finds({.name = "check then act", .preemptions = 2}, "no more than the capacity", [](scene& s) {
        explored_atomic<int> in_use{0};
        const auto enter = [&] {
            if (in_use.load() == capacity) return;
            explore_check(in_use.fetch_add(1) < capacity, "no more than the capacity is in use");
            in_use.fetch_sub(1);
        };
        s.thread("a", enter);
        s.thread("b", enter);
        s.run();
    });
    const auto by_exchange = [](scene& s) {
        explored_atomic<int> in_use{0};
        const auto enter = [&] {
            int seen = in_use.load(relaxed);
            do {
                if (seen == capacity) return;
            } while (!in_use.compare_exchange_weak(seen, seen + 1, acq_rel, relaxed));
            in_use.fetch_sub(1, release);
        };
        for (const char* name : {"a", "b", "c"}) s.thread(name, enter);
        s.run();
        s.check(in_use == 0, "all have left");
    };
    finds_nothing({.name = "check by exchange"}, by_exchange);
    finds_nothing(weakly("check by exchange"), by_exchange);
}

namespace {

/// A stack of two nodes by index. `Tag` counts the changes of its head beside the index.
template <bool Tagged>
void pop_and_push_back(scene& s) {
    struct stack {
        explored_atomic<std::uint32_t> head{0x01};  // [changes:24 | index + 1: 8]
        explored_atomic<std::uint32_t> next[2];
        static std::uint32_t follow(std::uint32_t old, std::uint32_t index) {
            return index | (Tagged ? (old & ~0xffU) + 0x100U : 0U);
        }
        std::uint32_t pop() {
            std::uint32_t seen = head.load(acquire);
            for (;;) {
                const std::uint32_t index = seen & 0xffU;
                if (index == 0) return 0;
                const std::uint32_t after = next[index - 1].load(relaxed);
                if (head.compare_exchange_strong(seen, follow(seen, after), acq_rel, acquire)) return index;
            }
        }
        void push(std::uint32_t index) {
            std::uint32_t seen = head.load(relaxed);
            do next[index - 1].store(seen & 0xffU, relaxed);
            while (!head.compare_exchange_strong(seen, follow(seen, index), release, relaxed));
        }
    };
    stack nodes;
    nodes.next[0].store(2);  // 1 -> 2
    explored_atomic<int> owners[2];
    const auto owns = [&](std::uint32_t index) {
        if (index != 0) explore_check(owners[index - 1].fetch_add(1) == 0, "a node has one owner");
    };
    s.thread("a", [&] { owns(nodes.pop()); });
    s.thread("b", [&] {
        const std::uint32_t first = nodes.pop();
        owns(nodes.pop());
        if (first != 0) nodes.push(first);
    });
    s.run();
    owns(nodes.pop());
    owns(nodes.pop());
}

}  // namespace

TEST_CASE("a head that comes back as it was is found (ABA)", "[tools][explore]") {
    explore_finds({.name = "untagged stack", .preemptions = 2}, "a node has one owner", &pop_and_push_back<false>);
    finds_nothing({.name = "tagged stack"}, &pop_and_push_back<true>);
    finds_nothing(weakly("tagged stack"), &pop_and_push_back<true>);
}

TEST_CASE("two mutexes taken in two orders are a deadlock, and all who wait are named", "[tools][explore]") {
    const auto both_ways = [](scene& s) {
        explored_mutex first, second;
        s.name(first, "first");
        s.name(second, "second");
        s.thread("ab", [&] {
            const std::lock_guard a(first);
            const std::lock_guard b(second);
        });
        s.thread("ba", [&] {
            const std::lock_guard b(second);
            const std::lock_guard a(first);
        });
        s.run();
    };
    const explore_report found =
        explore_finds({.name = "two mutexes"}, "no runnable thread while work exists", both_ways);
    if (found.skipped) return;
    CHECK(found.failure.find("ab waits for second (held by ba)") != std::string::npos);
    CHECK(found.failure.find("ba waits for first (held by ab)") != std::string::npos);
    explore_finds({.name = "own mutex"}, "me waits for mutex#0 (held by me)", [](scene& s) {
        explored_mutex m;
        s.thread("me", [&] {
            m.lock();
            m.lock();
        });
        s.run();
    });
}

TEST_CASE("a mutex excludes, and try_lock answers", "[tools][explore]") {
    const auto body = [](scene& s) {
        explored_mutex m;
        explored_value<int> n{0};
        explored_atomic<int> refused{0};
        s.thread("locks", [&] {
            const std::lock_guard hold(m);
            n = n + 1;
        });
        s.thread("tries", [&] {
            if (!m.try_lock()) return static_cast<void>(refused.fetch_add(1));
            n = n + 1;
            m.unlock();
        });
        s.run();
        s.check(n + refused == 2, "whoever was not refused has counted");
    };
    finds_nothing({.name = "mutex"}, body);
    finds_nothing(weakly("mutex"), body);
    explore_finds({.name = "foreign unlock"}, "a thread that does not hold it", [](scene& s) {
        explored_mutex m;
        s.thread("holds", [&] { m.lock(); });
        s.thread("does not", [&] { m.unlock(); });
        s.run();
    });
    explore_finds({.name = "destroyed mutex"}, "was destroyed while holds held it", [](scene& s) {
        auto m = std::make_unique<explored_mutex>();
        s.thread("holds", [&] { m->lock(); });
        s.run();
        m.reset();
    });
}

namespace {

/// One waiter that sleeps where the flag is not up, and one that raises it and wakes. `AnnouncesFirst`: the waiter
/// tells of itself before it looks at the flag for the last time.
template <bool AnnouncesFirst>
void wait_for_flag(scene& s, std::memory_order write, std::memory_order read) {
    explored_atomic<bool> flag{false};
    explored_atomic<bool> announced{false};
    explored_parker parker;
    s.name(flag, "flag");
    s.name(announced, "announced");
    s.name(parker, "parker");
    s.thread("waiter", [&, read, write] {
        if constexpr (AnnouncesFirst) announced.store(true, write);
        const bool up = flag.load(read);
        if constexpr (!AnnouncesFirst) announced.store(true, write);
        if (!up) parker.sleep();
    });
    s.thread("waker", [&, read, write] {
        flag.store(true, write);
        if (announced.load(read)) parker.signal();
    });
    s.run();
}

}  // namespace

TEST_CASE("a wake-up that is lost between a look and an announcement is found", "[tools][explore]") {
    const explore_report found =
        explore_finds({.name = "announces late"}, "no runnable thread while work exists: waiter sleeps on parker",
                      [](scene& s) { wait_for_flag<false>(s, seq_cst, seq_cst); });
    static_cast<void>(found);
    finds_nothing({.name = "announces first"}, [](scene& s) { wait_for_flag<true>(s, release, acquire); });
}

TEST_CASE("a wake-up that only store buffers lose is found in weak mode, and seq_cst keeps it", "[tools][explore]") {
    explore_finds(weakly("release and acquire"), "waiter sleeps on parker",
                  [](scene& s) { wait_for_flag<true>(s, release, acquire); });
    explore_finds(weakly("seq_cst announcements, acquire looks"), "waiter sleeps on parker",
                  [](scene& s) { wait_for_flag<true>(s, seq_cst, acquire); });
    finds_nothing(weakly("seq_cst"), [](scene& s) { wait_for_flag<true>(s, seq_cst, seq_cst); });
}

namespace {

/// Both announce by a read-modify-write: of a word each, or of the same one.
template <bool SameWord>
void announce_by_exchange(scene& s, std::memory_order exchange, std::memory_order look) {
    explored_atomic<unsigned> words[2];
    explored_atomic<unsigned>& published = words[0];
    explored_atomic<unsigned>& announced = words[SameWord ? 0 : 1];
    explored_parker parker;
    s.thread("waiter", [&, exchange, look] {
        const unsigned seen = announced.fetch_or(2, exchange);
        const bool up = ((SameWord ? seen : published.load(look)) & 1U) != 0;
        if (!up) parker.sleep();
    });
    s.thread("waker", [&, exchange, look] {
        const unsigned seen = published.fetch_or(1, exchange);
        const bool waits = ((SameWord ? seen : announced.load(look)) & 2U) != 0;
        if (waits) parker.signal();
    });
    s.run();
}

}  // namespace

TEST_CASE("read-modify-writes order what follows on their own word only", "[tools][explore]") {
    finds_nothing({.name = "exchange of two words"},
                  [](scene& s) { announce_by_exchange<false>(s, acq_rel, acquire); });
    explore_finds(weakly("exchange of two words"), "waiter sleeps",
                  [](scene& s) { announce_by_exchange<false>(s, acq_rel, acquire); });
    explore_finds(weakly("seq_cst exchange, then a relaxed load"), "waiter sleeps",
                  [](scene& s) { announce_by_exchange<false>(s, seq_cst, relaxed); });
    finds_nothing(weakly("seq_cst exchange and load"),
                  [](scene& s) { announce_by_exchange<false>(s, seq_cst, seq_cst); });
    finds_nothing(weakly("exchange of one word"), [](scene& s) { announce_by_exchange<true>(s, acq_rel, acquire); });
    finds_nothing(weakly("relaxed exchange of one word"),
                  [](scene& s) { announce_by_exchange<true>(s, relaxed, relaxed); });
}

namespace {

void publish(scene& s, std::memory_order how) {
    explored_value<int> payload{0};
    explored_atomic<bool> ready{false};
    s.name(payload, "payload");
    s.thread("writer", [&, how] {
        payload = 7;
        ready.store(true, how);
    });
    s.thread("reader", [&] {
        if (ready.load(acquire)) explore_check(payload == 7, "what was published is there");
    });
    s.run();
}

}  // namespace

TEST_CASE("data published by a relaxed store is a data race", "[tools][explore]") {
    const explore_report found =
        explore_finds(weakly("relaxed publication"), "data race", [](scene& s) { publish(s, relaxed); });
    if (found.skipped) return;
    CHECK(found.failure.find("reader reads payload, and nothing orders that after writer wrote it") !=
          std::string::npos);
    finds_nothing(weakly("release publication"), [](scene& s) { publish(s, release); });
    explore_finds({.name = "unordered write"}, "b writes value#0, and nothing orders that after a read it",
                  [](scene& s) {
                      explored_value<int> payload{0};
                      s.thread("a", [&] { static_cast<void>(payload.read()); });
                      s.thread("b", [&] { payload = 1; });
                      s.run();
                  });
}

TEST_CASE("threads that spin for each other are no progress", "[tools][explore]") {
    const auto polite = [](scene& s) {
        explored_atomic<bool> wants[2];
        const auto enter = [&](int me) {
            wants[me].store(true);
            while (wants[1 - me].load()) explored_sync::pause();
            wants[me].store(false);
        };
        s.thread("a", [&] { enter(0); });
        s.thread("b", [&] { enter(1); });
        s.run();
    };
    explore_finds({.name = "after you"}, "no thread makes progress: a spins, b spins", polite);
    explore_finds({.name = "spins alone"}, "no thread makes progress: a spins, b waits for mutex#1 (held by a)",
                  [](scene& s) {
                      explored_atomic<bool> go{false};
                      explored_mutex m;
                      s.thread("a", [&] {
                          m.lock();
                          while (!go.load()) explored_sync::yield();
                          m.unlock();
                      });
                      s.thread("b", [&] {
                          m.lock();
                          go.store(true);
                          m.unlock();
                      });
                      s.run();
                  });
}

TEST_CASE("a spin takes few executions, and a bounded one comes to its end", "[tools][explore]") {
    const auto spin = [](scene& s) {
        explored_atomic<int> turn{0};
        const auto take_turns = [&](int me) {
            for (int round = 0; round < 3; ++round) {
                while (turn.load(acquire) != me) explored_sync::pause();
                turn.store(1 - me, release);
            }
        };
        s.thread("a", [&] { take_turns(0); });
        s.thread("b", [&] { take_turns(1); });
        s.run();
    };
    finds_nothing({.name = "turns by spinning"}, spin);
    finds_nothing(weakly("turns by spinning"), spin);
    finds_nothing({.name = "gives up"}, [](scene& s) {
        explored_atomic<int> looks{0};
        const explored_atomic<bool> never{false};
        s.thread("looks", [&] {
            for (int i = 0; i < 50 && !never.load(); ++i) explored_sync::pause();
            looks = 1;
        });
        s.run();
        s.check(looks == 1, "whoever looks a number of times is not stuck");
    });
}

TEST_CASE("a parker wakes its owner, by a signal or by the time", "[tools][explore]") {
    const auto signalled = [](scene& s) {
        explored_parker parker;
        explored_value<int> payload{0};
        s.thread("owner", [&] {
            parker.sleep();
            explore_check(payload == 1, "a signal happens before what follows the sleep");
            explore_check(parker.signalled(), "it stays signalled");
            parker.reset();
            explore_check(!parker.signalled(), "until it is reset");
        });
        s.thread("other", [&] {
            payload = 1;
            parker.signal();
        });
        s.run();
    };
    finds_nothing({.name = "signal"}, signalled);
    finds_nothing(weakly("signal"), signalled);

    int timeouts = 0;
    int wakes = 0;
    const auto timed = [&](scene& s) {
        explored_parker parker;
        s.thread("owner", [&] { ++(parker.sleep_until({}) ? wakes : timeouts); });
        s.thread("other", [&] { parker.signal(); });
        s.run();
    };
    const explore_report report = explore({.name = "timed"}, timed);
    if (report.skipped) return;
    CHECK_FALSE(report.failed);
    CHECK(timeouts > 0);
    CHECK(wakes > 0);
    finds_nothing({.name = "only the time passes", .preemptions = 0}, [](scene& s) {
        explored_parker parker;
        s.thread("owner", [&] { explore_check(!parker.sleep_until({}), "nobody signals"); });
        s.run();
    });
    explore_finds({.name = "nobody signals"}, "owner sleeps on parker#0", [](scene& s) {
        explored_parker parker;
        s.thread("owner", [&] { parker.sleep(); });
        s.run();
    });
    explore_finds({.name = "signals twice"}, "was signalled twice", [](scene& s) {
        explored_parker parker;
        s.thread("a", [&] { parker.signal(); });
        s.thread("b", [&] { parker.signal(); });
        s.run();
    });
}

TEST_CASE("a parker that is touched after its owner has left is found", "[tools][explore]") {
    // The waker signals, and looks at the node once more: the owner may have ended it by then.
    struct node {
        explored_parker parker;
        explored_atomic<int> state{0};
    };
    const auto touched = [](scene& s) {
        explored_atomic<node*> queue{nullptr};
        s.thread("owner", [&] {
            const auto mine = std::make_unique<node>();
            queue.store(mine.get(), release);
            mine->parker.sleep();
        });
        s.thread("waker", [&] {
            node* found = nullptr;
            while ((found = queue.load(acquire)) == nullptr) explored_sync::pause();
            found->parker.signal();
            found->state.store(1, relaxed);
        });
        s.run();
    };
    explore_finds({.name = "touched at the end"}, "", touched);
    const auto not_touched = [](scene& s) {
        explored_atomic<node*> queue{nullptr};
        s.thread("owner", [&] {
            const auto mine = std::make_unique<node>();
            queue.store(mine.get(), release);
            mine->parker.sleep();
        });
        s.thread("waker", [&] {
            node* found = nullptr;
            while ((found = queue.load(acquire)) == nullptr) explored_sync::pause();
            found->state.store(1, relaxed);
            found->parker.signal();
        });
        s.run();
    };
    finds_nothing({.name = "signal is the last touch"}, not_touched);
    finds_nothing(weakly("signal is the last touch"), not_touched);

    // Here it is over in the order of execution, but nothing says so.
    explore_finds(weakly("destroyed without an order"),
                  "was destroyed by owner, and nothing orders that after the last use by waker", [](scene& s) {
                      auto state = std::make_unique<explored_atomic<int>>(0);
                      explored_atomic<bool> done{false};
                      s.thread("waker", [&] {
                          state->store(1, relaxed);
                          done.store(true, relaxed);
                      });
                      s.thread("owner", [&] {
                          if (done.load(acquire)) state.reset();
                      });
                      s.run();
                  });
    explore_finds(weakly("made without an order"), "nothing orders that after its construction by maker", [](scene& s) {
        std::optional<explored_atomic<int>> made;
        explored_atomic<bool> there{false};
        s.thread("maker", [&] {
            made.emplace(0);
            there.store(true, relaxed);
        });
        s.thread("user", [&] {
            if (there.load(acquire)) made->store(1);
        });
        s.run();
    });
}
