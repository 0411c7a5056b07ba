// SPDX-License-Identifier: MIT
/// The gate beside a porter with a list: the same requests to both. After every command each request has the answer
/// that the porter gives, and stats, deadlines and invariants are his.
#pragma once

#include "gate/gate_requests.hpp"
#include "tools/model.hpp"
#include "tools/random.hpp"

#include <plateau/gate.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace plateau_test {

template <class Policies>
class gate_pair {
    using shed_reason = plateau::shed_reason;
    using time_point = plateau::time_point;
    using duration = plateau::duration;
    static constexpr std::size_t slots = 12;
    static constexpr std::size_t posted = 8;  ///< requests from this one on are told through a loop
    static constexpr std::size_t most = (std::size_t{1} << 41) - 1;

    /// What the porter knows of one request.
    struct known {
        bool waits = false, holds = false;
        std::size_t bytes = 0;
        time_point deadline{};
        bool by_deadline = false;
        int answers = 0;
        shed_reason last = shed_reason::none;
    };

public:
    gate_pair(byte_view setup, model_check& check)
        : check_(check),
          options_(options_of(setup)),
          limit_(options_.max_in_flight),
          budget_(std::min(options_.max_bytes, most)),
          max_queue_(options_.max_queue.value_or(2 * options_.max_in_flight)),
          door_(options_, clock_) {
        for (auto& each : requests_) each = std::make_unique<request>();
    }

    static plateau::gate_options options_of(byte_view setup) {
        constexpr std::uint32_t limits[] = {2, 1, 3, 5, (1U << 20) - 1};
        constexpr std::size_t budgets[] = {plateau::unlimited, 10, 1, 16, most};
        constexpr std::uint32_t queues[] = {3, 0, 1, 100};
        plateau::gate_options chosen{.max_in_flight = limits[setup[0] % std::size(limits)],
                                     .max_bytes = budgets[setup[1] % std::size(budgets)]};
        if (setup[2] % 5 < 4) chosen.max_queue = queues[setup[2] % 5];
        constexpr duration waits[] = {duration(20), duration(0), plateau::forever, duration(3)};
        chosen.max_wait = waits[setup[3] % std::size(waits)];
        return chosen;
    }
    static std::size_t bytes_of(std::uint8_t byte) {
        constexpr std::size_t table[] = {0, most, most + 1, std::numeric_limits<std::size_t>::max(), most / 2, 100};
        return byte < 200 ? byte % 12 : table[byte % std::size(table)];
    }

    void step(byte_view command) {
        const std::size_t i = command[1] % slots;
        switch (command[0] % 16) {
        case 0:
        case 1:
            try_admit(i, bytes_of(command[2]));
            break;
        case 2:
        case 3:
        case 4:
        case 5:
            admit(i, bytes_of(command[2]), command[3]);
            break;
        case 6:
        case 7:
        case 8:
            if (porter_[i].holds) release(i);
            break;
        case 9:
            if (porter_[i].holds) shrink(i, bytes_of(command[2]));
            break;
        case 10:
            cancel(i);
            break;
        case 11:
            replace(i);
            break;
        case 12:
            pass_time(duration(command[2] % 8));
            break;
        case 13:
            set_limit(command[2] % 6 == 5 ? 1U << 21 : command[2] % 6);
            break;
        case 14:
            set_max_bytes(bytes_of(command[2]));
            break;
        default:
            command[2] % 3 == 0 ? drain() : resume();
            break;
        }
        loop_.run();
        compare();
    }
    void finish() {
        for (std::size_t i = 0; i < slots; ++i) {
            if (porter_[i].waits) cancel(i);
            if (porter_[i].holds) release(i);
            loop_.run();
        }
        compare();
        check_.equal(door_.stats().in_flight, 0U, "permits that are out in the end");
    }

    static std::string describe(byte_view command) {
        constexpr const char* verbs[] = {"try_admit",  "try_admit",  "admit_then",    "admit_then",
                                         "admit_then", "admit_then", "release",       "release",
                                         "release",    "shrink_to",  "cancel",        "destroy",
                                         "expire",     "set_limit",  "set_max_bytes", "drain or resume"};
        return std::string(verbs[command[0] % 16]) + " " + std::to_string(command[1] % slots) + ", bytes " +
               std::to_string(bytes_of(command[2])) + " (" + std::to_string(command[2]) + "), deadline in " +
               std::to_string(command[3]);
    }

private:
    // ---- the porter

    [[nodiscard]] bool fits(std::size_t bytes) const {
        return in_flight_ < limit_ && bytes <= budget_ && bytes_ <= budget_ - bytes;
    }
    [[nodiscard]] shed_reason why_not() const { return in_flight_ >= limit_ ? shed_reason::limit : shed_reason::bytes; }

    void let_in(std::size_t i, bool waited) {
        known& one = porter_[i];
        one.holds = true;
        ++in_flight_;
        peak_ = std::max(peak_, in_flight_);
        bytes_ += one.bytes;
        ++(waited ? expected_.admitted_after_waiting : admitted_at_once_);
        told(i, shed_reason::none);
    }
    void send_away(std::size_t i, shed_reason why) {
        std::uint64_t* const counts[] = {nullptr,
                                         &expected_.shed_limit,
                                         &expected_.shed_bytes,
                                         &expected_.shed_queue_full,
                                         &expected_.shed_timed_out,
                                         &expected_.shed_deadline,
                                         &expected_.shed_cancelled,
                                         &expected_.shed_too_large,
                                         &expected_.shed_draining};
        ++*counts[static_cast<std::size_t>(why)];
        ++expected_.shed;
        told(i, why);
    }
    void told(std::size_t i, shed_reason why) {
        porter_[i].last = why;
        ++porter_[i].answers;
    }
    void serve() {
        while (!queue_.empty() && !draining_) {
            const std::size_t head = queue_.front();
            if (porter_[head].bytes <= budget_ && !fits(porter_[head].bytes)) return;
            queue_.pop_front();
            porter_[head].waits = false;
            if (porter_[head].bytes > budget_) send_away(head, shed_reason::too_large);
            else let_in(head, true);
        }
    }
    void leave_queue(std::size_t i) {
        queue_.erase(std::find(queue_.begin(), queue_.end(), i));
        porter_[i].waits = false;
    }

    // ---- commands, to both

    void try_admit(std::size_t i, std::size_t bytes) {
        if (busy(i)) return;
        known& one = porter_[i];
        one.bytes = bytes;
        auto got = door_.try_admit({.bytes = bytes});
        if (draining_) send_away(i, shed_reason::draining);
        else if (bytes > budget_) send_away(i, shed_reason::too_large);
        else if (!queue_.empty() || !fits(bytes)) send_away(i, why_not());
        else let_in(i, false);
        check_.equal(got.reason(), one.last, "the answer of try_admit");
        taken_[i] = one.answers;  // its answer is not told to the callback
        if (got) permits_[i] = got.take();
    }
    void admit(std::size_t i, std::size_t bytes, std::uint8_t deadline) {
        if (busy(i)) return;
        known& one = porter_[i];
        one.bytes = bytes;
        const time_point end = options_.max_wait == plateau::forever ? time_point::max() : now_ + options_.max_wait;
        const time_point own = deadline < 128 ? time_point::max() : now_ + duration(deadline % 16);
        one.by_deadline = own <= end && own != time_point::max();
        one.deadline = std::min(own, end);
        if (i >= posted) door_.admit_then(requests_[i]->node, {.bytes = bytes, .deadline = own}, loop_);
        else door_.admit_then(requests_[i]->node, {.bytes = bytes, .deadline = own});
        if (draining_) return send_away(i, shed_reason::draining);
        if (bytes > budget_) return send_away(i, shed_reason::too_large);
        if (queue_.empty() && fits(bytes)) return let_in(i, false);
        if (max_queue_ == 0) return send_away(i, why_not());
        if (queue_.size() >= max_queue_) return send_away(i, shed_reason::queue_full);
        one.waits = true;
        queue_.push_back(i);
    }
    void release(std::size_t i) {
        if (permits_[i]) permits_[i].release();
        else requests_[i]->release();
        porter_[i].holds = false;
        --in_flight_;
        bytes_ -= porter_[i].bytes;
        serve();
    }
    void shrink(std::size_t i, std::size_t bytes) {
        if (permits_[i]) permits_[i].shrink_to(bytes);
        else requests_[i]->answer()->shrink_to(bytes);
        if (bytes >= porter_[i].bytes) return;
        bytes_ -= porter_[i].bytes - bytes;
        porter_[i].bytes = bytes;
        serve();
    }
    void cancel(std::size_t i) {
        const bool waits = porter_[i].waits;
        check_.equal(requests_[i]->node.cancel(), waits, "whether a cancelled request waited");
        if (!waits) return;
        leave_queue(i);
        send_away(i, shed_reason::cancelled);
        serve();
    }
    /// The node ends, wherever it is, and a new one takes its place.
    void replace(std::size_t i) {
        if (porter_[i].holds) return;
        requests_[i] = std::make_unique<request>();
        if (porter_[i].waits) {
            leave_queue(i);
            ++expected_.shed_cancelled;
            ++expected_.shed;
            serve();
        }
        porter_[i].answers = 0;
        taken_[i] = 0;
    }
    void pass_time(duration length) {
        clock_.advance(length);
        now_ += length;
        std::size_t due = 0;
        for (std::size_t at = 0; at < queue_.size();) {
            const std::size_t i = queue_[at];
            if (now_ < porter_[i].deadline) {
                ++at;
                continue;
            }
            leave_queue(i);
            send_away(i, porter_[i].by_deadline ? shed_reason::deadline : shed_reason::timed_out);
            ++due;
        }
        check_.equal(door_.expire(now_), due, "the waits that expired");
        serve();
    }
    void set_limit(std::uint32_t permits) {
        door_.set_limit(permits);
        limit_ = std::min(permits, (1U << 20) - 1);
        serve();
    }
    void set_max_bytes(std::size_t bytes) {
        door_.set_max_bytes(bytes);
        budget_ = std::min(bytes, most);
        serve();
    }
    void drain() {
        const auto drained = door_.drain_for(duration(0));
        draining_ = true;
        while (!queue_.empty()) {
            const std::size_t head = queue_.front();
            leave_queue(head);
            send_away(head, shed_reason::draining);
        }
        check_.equal(static_cast<bool>(drained), in_flight_ == 0, "whether the gate is drained");
        check_.equal(drained.left(), in_flight_, "the permits that are left");
    }
    void resume() {
        door_.resume();
        draining_ = false;
    }

    [[nodiscard]] bool busy(std::size_t i) const { return porter_[i].waits || porter_[i].holds; }

    // ---- compared

    void compare() {
        for (std::size_t i = 0; i < slots; ++i) {
            const known& one = porter_[i];
            check_.equal(requests_[i]->node.waiting(), one.waits, "whether a request waits");
            if (taken_[i] == one.answers) continue;  // answered otherwise
            check_.equal(requests_[i]->answered() || !one.holds, true, "whether a request was answered");
            if (requests_[i]->answered() && !one.waits)
                check_.equal(requests_[i]->reason(), one.last, "the answer to a request");
        }
        const plateau::gate_stats now = door_.stats();
        check_.equal(now.in_flight, in_flight_, "in_flight");
        check_.equal(now.bytes, bytes_, "bytes");
        check_.equal(now.queued, queue_.size(), "queued");
        check_.equal(now.limit, limit_, "limit");
        check_.equal(now.max_bytes, budget_ == most ? plateau::unlimited : budget_, "max_bytes");
        check_.equal(now.peak_in_flight, peak_, "peak_in_flight");
        check_.equal(now.admitted_after_waiting, expected_.admitted_after_waiting, "admitted_after_waiting");
        check_.equal(now.admitted, admitted_at_once_ + expected_.admitted_after_waiting, "admitted");
        check_.equal(now.shed, expected_.shed, "shed");
        check_.equal(now.shed_limit, expected_.shed_limit, "shed_limit");
        check_.equal(now.shed_bytes, expected_.shed_bytes, "shed_bytes");
        check_.equal(now.shed_queue_full, expected_.shed_queue_full, "shed_queue_full");
        check_.equal(now.shed_timed_out, expected_.shed_timed_out, "shed_timed_out");
        check_.equal(now.shed_deadline, expected_.shed_deadline, "shed_deadline");
        check_.equal(now.shed_cancelled, expected_.shed_cancelled, "shed_cancelled");
        check_.equal(now.shed_too_large, expected_.shed_too_large, "shed_too_large");
        check_.equal(now.shed_draining, expected_.shed_draining, "shed_draining");
        std::optional<time_point> next;
        for (const std::size_t i : queue_)
            if (porter_[i].deadline != time_point::max() && (!next || porter_[i].deadline < *next))
                next = porter_[i].deadline;
        check_.expect(door_.next_deadline() == next, "next_deadline is the earliest of those who wait");
        door_.check_invariants();
    }

    model_check& check_;
    const plateau::gate_options options_;
    std::uint32_t limit_;
    std::size_t budget_;
    const std::uint32_t max_queue_;
    plateau::manual_clock clock_;
    test_loop loop_;
    plateau::basic_gate<Policies> door_;
    std::array<std::unique_ptr<request>, slots> requests_;
    std::array<plateau::permit, slots> permits_;
    std::array<int, slots> taken_{};

    std::array<known, slots> porter_{};
    std::deque<std::size_t> queue_;
    time_point now_{};
    bool draining_ = false;
    std::uint32_t in_flight_ = 0;
    std::uint32_t peak_ = 0;
    std::size_t bytes_ = 0;
    std::uint64_t admitted_at_once_ = 0;
    plateau::gate_stats expected_{};
};

template <class Policies>
struct basic_gate_model {
    static constexpr std::string_view name = "gate";
    static constexpr std::string_view room = "gate";
    static constexpr std::size_t setup_bytes = 4;
    static constexpr std::size_t command_bytes = 4;

    static void run(byte_view input, model_check& check) {
        const auto setup = bytes_at<setup_bytes>(input, 0);
        gate_pair<Policies> pair(setup, check);
        play_commands<basic_gate_model>(input, check, [&](byte_view command) { pair.step(command); });
        if (!check.failed()) pair.finish();
    }
    static std::string describe_setup(byte_view setup) {
        const auto chosen = gate_pair<Policies>::options_of(setup);
        return "max_in_flight " + std::to_string(chosen.max_in_flight) + ", max_bytes " +
               std::to_string(chosen.max_bytes) + ", max_queue " +
               (chosen.max_queue ? std::to_string(*chosen.max_queue) : std::string("unset")) + ", max_wait " +
               std::to_string(chosen.max_wait.count());
    }
    static std::string describe(byte_view, byte_view command) { return gate_pair<Policies>::describe(command); }
    static model_bytes generate(random_source& random, std::size_t commands) {
        model_bytes bytes(setup_bytes + commands * command_bytes);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
        return bytes;
    }
};
using gate_model = basic_gate_model<by_hand>;

}  // namespace plateau_test
