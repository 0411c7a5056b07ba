// SPDX-License-Identifier: MIT
/// What threads did to an object they share, and whether it could have happened one call at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <unordered_set>
#include <vector>

namespace plateau_test {

/// A call that has returned. Stamps are of one counter for all threads of a history: a call whose `responded` is below
/// another's `invoked` was over before the other began.
template <class Call, class Answer>
struct history_event {
    Call call;
    Answer answer;
    std::uint64_t invoked;
    std::uint64_t responded;
};

/// The calls of each thread, in the order in which it made them. All have returned.
template <class Call, class Answer>
using history = std::vector<std::vector<history_event<Call, Answer>>>;

/// A model says what one thread alone would see: a copyable, comparable state with
///     std::uint64_t hash() const
///     Answer apply(const Call&)
/// A model of an object whose calls do not take effect at one moment, but in several steps with moments of their own,
/// says instead
///     static unsigned steps(const Call&)                                         at least 1
///     std::optional<Answer> apply(const Call&, std::size_t thread, unsigned step)
/// and answers at the last step; it keeps what a thread has seen in earlier ones.
template <class Model, class Call>
inline constexpr bool is_stepwise = requires(Model& model, const Call& call) {
    model.apply(call, 0U, 0U);
};

template <class Model, class Call>
[[nodiscard]] unsigned steps_of(const Call& call) {
    if constexpr (is_stepwise<Model, Call>) return Model::steps(call);
    else return 1;
}

/// Effects: the model takes the step. Returns: whether it agrees with what the thread was answered, at the last step;
/// before that, true.
template <class Model, class Call, class Answer>
[[nodiscard]] bool agrees(Model& model, const history_event<Call, Answer>& event, std::size_t thread, unsigned step) {
    if constexpr (is_stepwise<Model, Call>) {
        const std::optional<Answer> says = model.apply(event.call, thread, step);
        return !says || *says == event.answer;
    } else {
        return model.apply(event.call) == event.answer;
    }
}

/// Looks for an order of all calls that the model agrees with, and in which no call stands before one that was over
/// when it began. If there is one, the history is linearizable (M. Herlihy, J. Wing, "Linearizability", 1990).
///
/// The search is that of J. Wing and C. Gong ("Testing and verifying concurrent objects", 1993) with the memory of
/// G. Lowe ("Testing for linearizability", 2017): a set of calls and the state that they lead to are looked at once,
/// whatever the order in which they led there. Since each thread makes its calls in order, such a set is as many
/// numbers as there are threads.
///
/// Keeps its memory from history to history. Limits: 8 threads, 255 steps each.
template <class Model, class Call, class Answer>
class linearizability_checker {
public:
    using event = history_event<Call, Answer>;
    using history_type = history<Call, Answer>;

    struct place {
        std::size_t thread;
        std::size_t index;
    };

    [[nodiscard]] bool linearizable(const history_type& threads, const Model& initial) {
        begin(threads);
        return search(initial);
    }

    /// After a refusal: the longest order that the model agreed with (a call of several steps stands there once for
    /// each).
    [[nodiscard]] const std::vector<place>& longest_order() const noexcept { return longest_; }
    /// Sets of calls that were found to lead nowhere: what the last history cost.
    [[nodiscard]] std::size_t dead_ends() const noexcept { return dead_ends_.size(); }

private:
    static constexpr std::size_t max_threads = 8;
    static constexpr std::uint64_t max_steps = 255;

    struct cursor {
        std::size_t index = 0;
        unsigned step = 0;
    };
    struct dead_end {
        std::uint64_t taken;  ///< steps taken by each thread, eight bits each
        Model state;
        bool operator==(const dead_end&) const = default;
    };
    struct dead_end_hash {
        std::size_t operator()(const dead_end& end) const noexcept {
            return static_cast<std::size_t>((end.state.hash() ^ end.taken) * 0x9e3779b97f4a7c15U);
        }
    };

    void begin(const history_type& threads) {
        if (threads.size() > max_threads) throw std::length_error("history: more than 8 threads");
        for (const auto& events : threads) {
            std::uint64_t steps = 0;
            for (const event& e : events) steps += steps_of<Model>(e.call);
            if (steps > max_steps) throw std::length_error("history: more than 255 steps of one thread");
        }
        threads_ = &threads;
        cursors_ = {};
        taken_ = 0;
        if (!dead_ends_.empty()) dead_ends_.clear();
        order_.clear();
        longest_.clear();
    }

    [[nodiscard]] bool search(const Model& state) {
        const auto [candidates, count] = minimal_calls();
        if (count == 0) return true;
        if (!dead_ends_.empty() && dead_ends_.contains(dead_end{taken_, state})) return false;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t thread = candidates[i];
            const cursor before = cursors_[thread];
            const event& next = (*threads_)[thread][before.index];
            Model after = state;
            if (!agrees(after, next, thread, before.step)) continue;
            take(thread, next);
            if (search(after)) return true;
            give_back(thread, before);
        }
        if (order_.size() > longest_.size()) longest_ = order_;
        dead_ends_.insert(dead_end{taken_, state});
        return false;
    }

    /// The threads whose next call may come first among those that are left: none that is left was over when it began.
    /// Who returned first stands first, since that is most often who was first.
    [[nodiscard]] std::pair<std::array<std::size_t, max_threads>, std::size_t> minimal_calls() const {
        std::array<std::size_t, max_threads> found{};
        std::size_t count = 0;
        std::uint64_t first_response = UINT64_MAX;
        for (std::size_t t = 0; t < threads_->size(); ++t) {
            if (cursors_[t].index < (*threads_)[t].size()) first_response = std::min(first_response, head(t).responded);
        }
        for (std::size_t t = 0; t < threads_->size(); ++t) {
            if (cursors_[t].index == (*threads_)[t].size() || head(t).invoked > first_response) continue;
            std::size_t at = count++;
            for (; at != 0 && head(found[at - 1]).responded > head(t).responded; --at) found[at] = found[at - 1];
            found[at] = t;
        }
        return {found, count};
    }
    [[nodiscard]] const event& head(std::size_t thread) const { return (*threads_)[thread][cursors_[thread].index]; }

    void take(std::size_t thread, const event& taken) {
        cursor& at = cursors_[thread];
        order_.push_back({thread, at.index});
        if (++at.step == steps_of<Model>(taken.call)) at = {at.index + 1, 0};
        taken_ += one_of(thread);
    }
    void give_back(std::size_t thread, cursor before) {
        order_.pop_back();
        cursors_[thread] = before;
        taken_ -= one_of(thread);
    }
    [[nodiscard]] static std::uint64_t one_of(std::size_t thread) noexcept { return std::uint64_t{1} << (8 * thread); }

    const history_type* threads_ = nullptr;
    std::array<cursor, max_threads> cursors_{};
    std::uint64_t taken_ = 0;
    std::unordered_set<dead_end, dead_end_hash> dead_ends_;
    std::vector<place> order_;
    std::vector<place> longest_;
};

/// Whether two calls of different threads ran at the same time: a history without such a pair proves nothing.
template <class Call, class Answer>
[[nodiscard]] bool overlaps(const history<Call, Answer>& threads) {
    for (std::size_t a = 0; a < threads.size(); ++a) {
        for (std::size_t b = a + 1; b < threads.size(); ++b) {
            for (const auto& one : threads[a]) {
                for (const auto& other : threads[b]) {
                    if (one.invoked < other.responded && other.invoked < one.responded) return true;
                }
            }
        }
    }
    return false;
}

/// Whether the calls, each at the moment of its beginning, explain the answers: then nothing had to be looked for.
template <class Model, class Call, class Answer>
[[nodiscard]] bool in_order_of_invocation(const history<Call, Answer>& threads, Model model) {
    std::vector<std::size_t> next(threads.size(), 0);
    for (;;) {
        std::size_t first = threads.size();
        for (std::size_t t = 0; t < threads.size(); ++t) {
            if (next[t] == threads[t].size()) continue;
            if (first == threads.size() || threads[t][next[t]].invoked < threads[first][next[first]].invoked) first = t;
        }
        if (first == threads.size()) return true;
        const auto& event = threads[first][next[first]++];
        for (unsigned step = 0; step < steps_of<Model>(event.call); ++step) {
            if (!agrees(model, event, first, step)) return false;
        }
    }
}

}  // namespace plateau_test
