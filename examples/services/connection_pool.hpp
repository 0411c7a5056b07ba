// SPDX-License-Identifier: MIT
#pragma once
// The threads of the HTTP server: a fixed number, with a bounded line in front of them.
#include "sized_thread.hpp"

#include <httplib.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

/// A task queue for httplib::Server that holds at most `threads` running and `max_queued` waiting connections.
///
/// The stock pool of cpp-httplib queues accepted connections without a bound. This one makes the accepting thread wait
/// instead: what does not fit stays in the kernel's listen backlog, which is bounded too, and no socket is ever dropped
/// unanswered. A keep-alive connection occupies its thread as long as it lives, so `threads` is the number of
/// connections that are served at once. It is not what refuses: there are more threads than connections that a gate
/// behind them lets in or keeps waiting, so that who is too many is told so at once.
///
/// A stack has 6 MiB of address space, because cpp-httplib up to 0.14 matches the header Range with std::regex, which
/// recurses for each character: a hostile header of the 8 KB that it may have touches 5 MiB. What a connection needed
/// beyond `kept_stack_bytes` is given back at its end; other requests need a tenth of that.
class connection_pool final : public httplib::TaskQueue {
    // `void` up to cpp-httplib 0.14, `bool` (false: refused) from 0.15 on; this pool never refuses.
    using enqueue_result = decltype(std::declval<httplib::TaskQueue&>().enqueue(std::declval<std::function<void()>>()));

public:
    static constexpr std::size_t kept_stack_bytes = 256 * 1024;

    connection_pool(std::size_t threads, std::size_t max_queued) : max_queued_(max_queued) {
        threads_.reserve(threads);
        try {
            while (threads_.size() < threads)
                threads_.push_back(std::make_unique<sized_thread>(stack_bytes, [this] { work(); }));
        } catch (...) {
            connection_pool::shutdown();
            throw;
        }
    }

    enqueue_result enqueue(std::function<void()> connection) override {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [this] { return queue_.size() < max_queued_; });
        queue_.push_back(std::move(connection));
        ready_.notify_one();
        return static_cast<enqueue_result>(true);
    }

    /// Blocks until every connection that was accepted has ended. The server calls it once, after it stopped to accept.
    void shutdown() override {
        {
            const std::lock_guard lock(mutex_);
            closing_ = true;
        }
        ready_.notify_all();
        threads_.clear();  // joins them
    }

private:
    static constexpr std::size_t stack_bytes = 6 * 1024 * 1024;

    void work() {
        const own_stack stack;
        for (;;) {
            std::function<void()> connection;
            {
                std::unique_lock lock(mutex_);
                ready_.wait(lock, [this] { return closing_ || !queue_.empty(); });
                if (queue_.empty()) return;
                connection = std::move(queue_.front());
                queue_.pop_front();
            }
            room_.notify_one();
            connection();
            stack.trim(kept_stack_bytes);
        }
    }

    const std::size_t max_queued_;
    std::mutex mutex_;
    std::condition_variable ready_;
    std::condition_variable room_;
    std::deque<std::function<void()>> queue_;  // at most max_queued_
    bool closing_ = false;
    std::vector<std::unique_ptr<sized_thread>> threads_;
};
