// SPDX-License-Identifier: MIT
#pragma once
// How many requests are being answered right now.
#include <atomic>
#include <cstdint>

/// Counts requests from routing to the last byte of the answer.
///
/// One thread serves one connection, hence one request at a time: a flag of the thread makes `leave` safe to call more
/// than once, also for answers that the server gave before routing, and for a client that hung up.
class in_flight {
public:
    static void enter() noexcept {
        if (counted_) return;
        counted_ = true;
        count_.fetch_add(1);
        started_.fetch_add(1);
    }
    static void leave() noexcept {
        if (!counted_) return;
        counted_ = false;
        count_.fetch_sub(1);
    }
    static std::uint64_t count() noexcept { return count_.load(); }
    static std::uint64_t started() noexcept { return started_.load(); }

private:
    static inline thread_local bool counted_ = false;
    static inline std::atomic<std::uint64_t> count_{0};
    static inline std::atomic<std::uint64_t> started_{0};
};
