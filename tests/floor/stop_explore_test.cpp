// SPDX-License-Identifier: MIT
// Every interleaving, within the bound, of those who ask to stop and those who register and end callbacks.
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

#include <plateau/stop.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

using namespace plateau_test;

namespace {

using stop_source = plateau::basic_inplace_stop_source<explored_sync>;

/// What a callback works on. It ends with its owner: a callback that still runs then is a race, or touches what is
/// gone.
struct tally {
    explored_value<int> runs{0};
};
struct count_a_run {
    tally* mine;
    const stop_source* source;
    void operator()() const noexcept {
        explore_check(source->stop_requested(), "a callback runs after the request");
        explore_check(mine->runs == 0, "a callback runs once");
        mine->runs = 1;
    }
};
using counting_callback = plateau::inplace_stop_callback<count_a_run, explored_sync>;

struct registration {
    explicit registration(stop_source& source)
        : late_(source.stop_requested()), callback_(source.get_token(), count_a_run{&counted, &source}) {
        if (late_) explore_check(counted.runs == 1, "registered after the request, it has run");
    }

    tally counted;

private:
    bool late_;
    counting_callback callback_;  // ends first
};

/// A thread's part, one letter a step: R asks to stop, L looks, M makes a callback of its own and ends the one before,
/// E ends it. What is left of them ends after the threads.
class part {
public:
    part(stop_source& source, const char* steps) : source_(source), steps_(steps) {}

    void operator()() {
        for (const char* step = steps_; *step != '\0'; ++step) take(*step);
    }
    int won = 0;
    bool asked = false;
    std::unique_ptr<registration> kept;

private:
    void take(char step) {
        switch (step) {
        case 'R':
            won += source_.request_stop();
            asked = true;
            explore_check(source_.stop_requested(), "after a request it is requested");
            break;
        case 'L': {
            const bool seen = source_.stop_requested();
            explore_check(seen || !asked, "a request is not forgotten");
            asked = asked || seen;
            break;
        }
        case 'M':
            kept.reset();
            kept = std::make_unique<registration>(source_);
            break;
        default:
            kept.reset();
            break;
        }
    }

    stop_source& source_;
    const char* steps_;
};

template <std::size_t N>
void play(scene& s, const char* const (&parts)[N]) {
    static constexpr const char* names[] = {"first", "second", "third"};
    stop_source source;
    std::optional<part> players[N];
    for (std::size_t i = 0; i < N; ++i) {
        players[i].emplace(source, parts[i]);
        s.thread(names[i], [&player = *players[i]] { player(); });
    }
    s.run();
    int won = 0;
    bool asked = false;
    for (std::size_t i = 0; i < N; ++i) {
        won += players[i]->won;
        asked = asked || std::string(parts[i]).find('R') != std::string::npos;
    }
    s.check(won == (asked ? 1 : 0), "one request counts");
    for (std::size_t i = 0; i < N; ++i) {
        if (players[i]->kept == nullptr) continue;
        s.check(players[i]->kept->counted.runs == (asked ? 1 : 0), "a callback that stays runs exactly if one asks");
        players[i]->kept.reset();
    }
}

template <std::size_t N>
void explore_parts(const char* const (&parts)[N]) {
    std::string name = "stop";
    for (const char* const steps : parts) name += std::string(" ") + steps;
    explore_all_modes("floor", {.name = name.c_str()}, [&](scene& s) { play(s, parts); });
}

}  // namespace

TEST_CASE("a request, a registration and an end meet on two threads, three steps each", "[floor][explore]") {
    for (const auto& parts : {"MEM", "MER", "MRE", "MLE", "RME", "MMR"}) {
        for (const auto& others : {"RLR", "MRM", "MER"}) explore_parts({parts, others});
    }
}

TEST_CASE("a request, a registration and an end meet on three threads, two steps each", "[floor][explore]") {
    explore_parts({"ME", "ME", "RL"});
    explore_parts({"ME", "RL", "RM"});
    explore_parts({"MR", "ME", "LR"});
    explore_parts({"M", "MM", "R"});
    explore_parts({"MR", "MR", "MR"});
}

TEST_CASE("a callback may end itself while others come and go", "[floor][explore]") {
    explore_all_modes("floor", {.name = "stop ends itself"}, [](scene& s) {
        stop_source source;
        struct ends_itself;
        using callback = plateau::inplace_stop_callback<ends_itself, explored_sync>;
        struct ends_itself {
            std::unique_ptr<callback>* mine;
            int* runs;
            void operator()() const noexcept {
                ++*runs;
                auto* const place = mine;
                place->reset();
            }
        };
        int runs = 0;
        std::unique_ptr<callback> mine;
        mine = std::make_unique<callback>(source.get_token(), ends_itself{&mine, &runs});
        s.thread("asks", [&] { static_cast<void>(source.request_stop()); });
        s.thread("comes", [&] {
            registration one(source);
            registration two(source);
        });
        s.run();
        s.check(runs == 1 && mine == nullptr, "it ran, and has ended");
    });
}

TEST_CASE("a callback may end another, and register one, while a third thread ends its own", "[floor][explore]") {
    explore_all_modes("floor", {.name = "stop ends another"}, [](scene& s) {
        stop_source source;
        std::unique_ptr<registration> other = std::make_unique<registration>(source);
        std::unique_ptr<registration> late;
        const auto change = [&]() noexcept {
            other.reset();
            late = std::make_unique<registration>(source);
        };
        {
            const plateau::inplace_stop_callback<decltype(change), explored_sync> changes(source.get_token(), change);
            s.thread("asks", [&] { static_cast<void>(source.request_stop()); });
            s.thread("goes", [&] { registration mine(source); });
            s.run();
        }
        s.check(other == nullptr && late != nullptr && late->counted.runs == 1, "both were changed");
    });
}
