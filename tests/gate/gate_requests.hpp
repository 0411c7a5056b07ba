// SPDX-License-Identifier: MIT
/// Requests that wait at a gate and note what became of them, and gates whose clock is turned by hand.
#pragma once

#include <plateau/clock.hpp>
#include <plateau/executor.hpp>
#include <plateau/gate.hpp>
#include <plateau/waiter.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace plateau_test {

struct by_hand : plateau::gate_policies {
    using clock = plateau::manual_clock;
};
using hand_gate = plateau::basic_gate<by_hand>;

/// A callback that keeps its answer, and with it the permit. Not movable: its waiter refers to it.
template <class Sync = plateau::default_sync>
class basic_request {
public:
    using admission = plateau::basic_admission<Sync>;

    basic_request() = default;
    basic_request(const basic_request&) = delete;
    basic_request& operator=(const basic_request&) = delete;

    [[nodiscard]] bool answered() const { return answer_.has_value(); }
    [[nodiscard]] bool admitted() const { return answer_ && *answer_; }
    [[nodiscard]] plateau::shed_reason reason() const {
        return answer_ ? answer_->reason() : plateau::shed_reason::none;
    }
    [[nodiscard]] admission& answer() { return *answer_; }
    [[nodiscard]] int runs() const { return runs_; }
    void release() { answer_.reset(); }

private:
    struct keep {
        basic_request* request;
        void operator()(admission a) const noexcept {
            ++request->runs_;
            request->answer_.emplace(std::move(a));
        }
    };

    std::optional<admission> answer_;
    int runs_ = 0;

public:
    plateau::waiter<keep, Sync> node{keep{this}};
};
using request = basic_request<>;

/// Requests of `bytes` each that were told to wait at the gate, in this order.
template <class Gate>
std::vector<std::unique_ptr<request>> line_up(Gate& door, std::size_t count, std::size_t bytes = 1) {
    std::vector<std::unique_ptr<request>> line;
    for (std::size_t i = 0; i < count; ++i) {
        line.push_back(std::make_unique<request>());
        door.admit_then(line.back()->node, {.bytes = bytes});
    }
    return line;
}

/// Until so many wait: what another thread does is waited for, and not timed.
template <class Gate>
void until_queued(const Gate& door, std::uint64_t count) {
    while (door.stats().queued != count) std::this_thread::yield();
}

/// A loop of one thread.
struct test_loop {
    std::deque<plateau::work> ready;
    void post(plateau::work what) { ready.push_back(what); }
    void run() {
        while (!ready.empty()) {
            const plateau::work next = ready.front();
            ready.pop_front();
            next();
        }
    }
};

/// A coroutine that whoever started it ends.
struct detached_task {
    struct promise_type {
        detached_task get_return_object() noexcept {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};

}  // namespace plateau_test
