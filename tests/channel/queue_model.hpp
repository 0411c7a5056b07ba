// SPDX-License-Identifier: MIT
/// The queue beside a deque: one thread, with callbacks that wait at both ends.
#pragma once

#include "channel/queue_checks.hpp"
#include "tools/model.hpp"
#include "tools/random.hpp"

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/waiter.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plateau_test {

/// Where bytes are bounded nobody waits: who would get in then is what queue_test.cpp and the explorer look at.
template <class Policies>
class queue_pair {
    using queue_type = plateau::bounded_queue<std::size_t, Policies>;
    using reason = plateau::queue_reason;
    static constexpr std::size_t overhead = queue_type::item_overhead;
    static constexpr std::size_t nodes = 3;

public:
    struct bounds {
        std::size_t slots;
        std::size_t bytes;
        std::size_t low;
        plateau::oversize oversize;
    };
    static bounds bounds_of(byte_view setup) {
        constexpr std::size_t slots[] = {2, 1, 3, 5, 8};
        const std::size_t chosen = slots[setup[0] % std::size(slots)];
        const std::size_t bytes = setup[1] == 0 ? plateau::unlimited : overhead * (1 + setup[1] % 6) + setup[1];
        return {chosen, bytes, setup[2] % chosen,
                setup[3] % 2 == 0 ? plateau::oversize::refuse : plateau::oversize::alone};
    }

    queue_pair(byte_view setup, model_check& check)
        : check_(check),
          bounds_(bounds_of(setup)),
          capacity_(std::min(bounds_.slots, bounds_.bytes / overhead)),
          low_(bounds_.low != 0 ? bounds_.low : capacity_ / 2),
          queue_({.max_items = bounds_.slots,
                  .max_bytes = bounds_.bytes,
                  .low_water_items = bounds_.low,
                  .oversize = bounds_.oversize}) {
        for (std::size_t i = 0; i < nodes; ++i) {
            pops_[i].emplace(told_pop{&popped_[i]});
            pushes_[i].emplace(told_push{&pushed_[i]});
        }
    }
    ~queue_pair() { queue_.abort(); }

    void step(byte_view command) {
        const std::size_t which = command[1] % nodes;
        switch (command[0] % 16) {
        case 0:
        case 1:
        case 2:
        case 3:
            push(weight(command));
            break;
        case 4:
        case 5:
        case 6:
            pop();
            break;
        case 7:
            pop_some(command[1] % 5U);
            break;
        case 8:
        case 9:
        case 10:
            if (bounds_.bytes == plateau::unlimited) push_then(which, weight(command));
            break;
        case 11:
        case 12:
        case 13:
            if (bounds_.bytes == plateau::unlimited) pop_then(which);
            break;
        case 14:
            cancel(which, command[2] % 2 == 0);
            break;
        default:
            if (command[1] == 0) close();
            else if (command[1] == 1) abort();
            break;
        }
        compare();
    }

    static std::string describe(byte_view command) {
        constexpr const char* verbs[] = {"push",     "push",     "push",      "push",      "pop",       "pop",
                                         "pop",      "pop_some", "push_then", "push_then", "push_then", "pop_then",
                                         "pop_then", "pop_then", "cancel",    "end"};
        return std::string(verbs[command[0] % 16]) + ' ' + std::to_string(command[1]) + ", weight " +
               std::to_string(weight(command));
    }

private:
    struct told_pop {
        std::optional<plateau::pop_result<std::size_t>>* to;
        void operator()(plateau::pop_result<std::size_t> r) const noexcept { to->emplace(std::move(r)); }
    };
    struct told_push {
        std::optional<plateau::push_result>* to;
        void operator()(plateau::push_result r) const noexcept { to->emplace(r); }
    };

    static std::size_t weight(byte_view command) {
        return command[3] == 255 ? SIZE_MAX - 8 : command[3] == 254 ? 1'000 : command[3] % 40U;
    }
    std::size_t charge(std::size_t item) const {
        if (bounds_.bytes == plateau::unlimited) return 0;
        return std::min(item > bounds_.bytes ? bounds_.bytes : item + overhead, bounds_.bytes);
    }
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const std::size_t item : items_) sum += charge(item);
        return sum;
    }
    reason would_push(std::size_t item) const {
        if (bounds_.bytes != plateau::unlimited && bounds_.oversize == plateau::oversize::refuse &&
            (item > bounds_.bytes || item + overhead > bounds_.bytes))
            return reason::too_large;
        if (aborted_) return reason::aborted;
        if (closed_) return reason::closed;
        if (items_.size() == capacity_) return reason::full;
        if (bounds_.bytes != plateau::unlimited && bytes() + charge(item) > bounds_.bytes) return reason::full;
        return reason::none;
    }
    reason would_pop() const {
        if (aborted_) return reason::aborted;
        if (!items_.empty()) return reason::none;
        return closed_ ? reason::closed : reason::empty;
    }

    void put(std::size_t item) {
        items_.push_back(item);
        ++in_;
        if (waiting_pops_.empty()) return;
        const std::size_t next = waiting_pops_.front();
        waiting_pops_.erase(waiting_pops_.begin());
        took(popped_[next], "an item that was waited for");
    }
    /// Takes the oldest of the deque, which the queue is said to have handed out.
    void took(std::optional<plateau::pop_result<std::size_t>>& got, const char* what) {
        check_.expect(got.has_value() && *got, what);
        if (check_.failed()) return;
        check_.equal(**got, items_.front(), "the oldest item");
        got.reset();
        items_.pop_front();
        ++out_;
    }
    void after_pop() {
        if (items_.size() > low_) return;
        for (std::size_t woken = capacity_ - items_.size(); woken != 0 && !waiting_pushes_.empty(); --woken) {
            const auto [next, item] = waiting_pushes_.front();
            waiting_pushes_.erase(waiting_pushes_.begin());
            check_.expect(pushed_[next] && *pushed_[next], "a producer gets in at the low mark");
            pushed_[next].reset();
            items_.push_back(item);
            ++in_;
        }
    }

    void push(std::size_t item) {
        const reason wanted = would_push(item);
        const auto done = queue_.try_push(item);
        check_.equal(done.reason(), wanted, "a push");
        if (wanted == reason::none) put(item);
        refused_ += wanted == reason::full || wanted == reason::too_large ? 1 : 0;
    }
    void pop() {
        const reason wanted = would_pop();
        std::optional<plateau::pop_result<std::size_t>> got(queue_.try_pop());
        check_.equal(got->reason(), wanted, "a pop");
        if (wanted != reason::none || check_.failed()) return;
        took(got, "a pop");
        after_pop();
    }
    void pop_some(std::size_t most) {
        std::vector<std::size_t> got;
        const std::size_t wanted = would_pop() == reason::none ? std::min(most, items_.size()) : 0;
        check_.equal(queue_.try_pop_some(std::back_inserter(got), most), wanted, "how many were popped at once");
        if (check_.failed()) return;
        check_.expect(std::equal(got.begin(), got.end(), items_.begin()), "the oldest items");
        items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(wanted));
        out_ += wanted;
        if (wanted != 0) after_pop();
    }
    void push_then(std::size_t which, std::size_t item) {
        for (const auto& one : waiting_pushes_)
            if (one.first == which) return;
        const reason wanted = would_push(item);
        held_[which] = item;
        queue_.push_then(*pushes_[which], held_[which]);
        if (wanted == reason::full) return waiting_pushes_.emplace_back(which, item), void();
        check_.expect(pushed_[which].has_value(), "a push that need not wait is answered at once");
        if (check_.failed()) return;
        check_.equal(pushed_[which]->reason(), wanted, "a push by callback");
        pushed_[which].reset();
        if (wanted == reason::none) put(item);
    }
    void pop_then(std::size_t which) {
        if (std::find(waiting_pops_.begin(), waiting_pops_.end(), which) != waiting_pops_.end()) return;
        const reason wanted = would_pop();
        queue_.pop_then(*pops_[which]);
        if (wanted == reason::empty) return waiting_pops_.push_back(which);
        check_.expect(popped_[which].has_value(), "a pop that need not wait is answered at once");
        if (check_.failed()) return;
        check_.equal(popped_[which]->reason(), wanted, "a pop by callback");
        if (wanted != reason::none) return popped_[which].reset();
        took(popped_[which], "a pop by callback");
        after_pop();
    }
    void cancel(std::size_t which, bool producer) {
        if (producer) {
            const auto at = std::find_if(waiting_pushes_.begin(), waiting_pushes_.end(),
                                         [&](const auto& one) { return one.first == which; });
            const bool waits = at != waiting_pushes_.end();
            check_.equal(pushes_[which]->cancel(), waits, "whether a producer was still waiting");
            if (!waits) return;
            waiting_pushes_.erase(at);
            ++refused_;
            told(pushed_[which], reason::cancelled);
            // Room that a cancelled producer may have been woken for goes to the next, whatever the mark.
            if (items_.size() < capacity_ && !waiting_pushes_.empty()) pass_room_on();
        } else {
            const auto at = std::find(waiting_pops_.begin(), waiting_pops_.end(), which);
            const bool waits = at != waiting_pops_.end();
            check_.equal(pops_[which]->cancel(), waits, "whether a consumer was still waiting");
            if (!waits) return;
            waiting_pops_.erase(at);
            told(popped_[which], reason::cancelled);
        }
    }
    void pass_room_on() {
        const auto [next, item] = waiting_pushes_.front();
        waiting_pushes_.erase(waiting_pushes_.begin());
        check_.expect(pushed_[next] && *pushed_[next], "the next producer gets in");
        pushed_[next].reset();
        items_.push_back(item);
        ++in_;
    }
    template <class Result>
    void told(std::optional<Result>& what, reason wanted) {
        check_.expect(what.has_value() && what->reason() == wanted, "who waited is told why it is over");
        what.reset();
    }
    void close() {
        queue_.close();
        if (aborted_) return;
        closed_ = true;
        end_waits(reason::closed);
    }
    void abort() {
        queue_.abort();
        if (!aborted_) discarded_ += items_.size();
        aborted_ = closed_ = true;
        items_.clear();
        end_waits(reason::aborted);
    }
    void end_waits(reason why) {
        for (const std::size_t one : waiting_pops_) told(popped_[one], why);
        for (const auto& one : waiting_pushes_) told(pushed_[one.first], why);
        waiting_pops_.clear();
        waiting_pushes_.clear();
    }

    void compare() {
        const plateau::queue_stats seen = queue_.stats();
        check_.equal(seen.items, items_.size(), "the items queued");
        check_.equal(seen.bytes, bytes(), "the bytes charged");
        check_.equal(seen.pushed, in_, "the items pushed");
        check_.equal(seen.popped, out_, "the items popped");
        check_.equal(seen.discarded, discarded_, "the items discarded");
        check_.equal(seen.refused, refused_, "the pushes refused");
        check_.equal(queue_.is_closed(), closed_, "whether it is closed");
        queue_.check_invariants();
    }

    model_check& check_;
    bounds bounds_;
    std::size_t capacity_;
    std::size_t low_;
    queue_type queue_;
    std::array<std::optional<plateau::pop_result<std::size_t>>, nodes> popped_;
    std::array<std::optional<plateau::push_result>, nodes> pushed_;
    std::array<std::size_t, nodes> held_{};
    std::array<std::optional<plateau::waiter<told_pop>>, nodes> pops_;
    std::array<std::optional<plateau::waiter<told_push>>, nodes> pushes_;

    std::deque<std::size_t> items_;
    std::vector<std::size_t> waiting_pops_;
    std::vector<std::pair<std::size_t, std::size_t>> waiting_pushes_;
    std::uint64_t in_ = 0, out_ = 0, discarded_ = 0, refused_ = 0;
    bool closed_ = false, aborted_ = false;
};

template <class Policies>
struct queue_model {
    static constexpr std::string_view name = "queue", room = "channel";
    static constexpr std::size_t setup_bytes = 4, command_bytes = 4;

    static void run(byte_view input, model_check& check) {
        const auto setup = setup_of<queue_model>(input);
        queue_pair<Policies> pair(byte_view(setup), check);
        play_commands<queue_model>(input, check, [&](byte_view command) { pair.step(command); });
    }
    static std::string describe_setup(byte_view setup) {
        const auto b = queue_pair<Policies>::bounds_of(setup);
        return std::to_string(b.slots) + " slots, " +
               (b.bytes == plateau::unlimited ? std::string("any") : std::to_string(b.bytes)) + " bytes, low mark " +
               std::to_string(b.low);
    }
    static std::string describe(byte_view, byte_view command) { return queue_pair<Policies>::describe(command); }
    static model_bytes generate(random_source& random, std::size_t commands) {
        model_bytes bytes(setup_bytes + commands * command_bytes);
        for (auto& one : bytes) one = static_cast<std::uint8_t>(random.below(256));
        if (random.one_in(2)) bytes[1] = 0;
        return bytes;
    }
};

}  // namespace plateau_test
