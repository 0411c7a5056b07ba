// SPDX-License-Identifier: MIT
#pragma once
// The pages and exports that are being answered right now, and the door that a drain closes.
#include <atomic>
#include <cstdint>
#include <memory>

/// Counts pages from the request to the last byte of the answer: whoever holds a ticket is in flight.
class in_flight {
public:
    class ticket {
    public:
        explicit ticket(in_flight& owner) noexcept : owner_(owner) { owner_.count_.fetch_add(1); }
        ticket(const ticket&) = delete;
        ticket& operator=(const ticket&) = delete;
        ~ticket() { owner_.count_.fetch_sub(1); }

    private:
        in_flight& owner_;
    };

    /// Returns: a ticket to be held as long as the answer lives; null once closed.
    std::shared_ptr<ticket> enter() {
        auto entered = std::make_shared<ticket>(*this);
        // Counted before the door is looked at, and close() shuts the door before it is counted (seq_cst on both):
        // either this request sees the closed door, or the drain sees this request.
        if (closed_.load()) return nullptr;
        started_.fetch_add(1);
        return entered;
    }
    void close() noexcept { closed_.store(true); }

    std::uint64_t count() const noexcept { return count_.load(); }
    std::uint64_t started() const noexcept { return started_.load(); }

private:
    std::atomic<bool> closed_{false};
    std::atomic<std::uint64_t> count_{0};
    std::atomic<std::uint64_t> started_{0};
};
