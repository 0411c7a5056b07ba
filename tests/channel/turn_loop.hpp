// SPDX-License-Identifier: MIT
/// An executor that a test turns by hand: one posted work at a time, on the test's own thread.
#pragma once

#include "tools/random.hpp"

#include <plateau/executor.hpp>

#include <cstddef>
#include <cstdint>

namespace plateau_test {

/// Allocates nothing. With a random source, whichever of the posted works it says is next.
class turn_loop {
public:
    explicit turn_loop(random_source* order = nullptr) noexcept : order_(order) {}
    turn_loop(const turn_loop&) = delete;
    turn_loop& operator=(const turn_loop&) = delete;

    void post(plateau::work what) noexcept {
        plateau::work_link& one = what.link();
        one.next = nullptr;
        *end_ = &one;
        end_ = &one.next;
        ++length_;
    }
    /// Returns: false when there was nothing to run.
    bool turn() noexcept {
        if (first_ == nullptr) return false;
        plateau::work_link** at = &first_;
        for (std::uint64_t skip = order_ != nullptr ? order_->below(length_) : 0; skip != 0; --skip) at = &(*at)->next;
        plateau::work_link* const one = *at;
        *at = one->next;
        if (one->next == nullptr) end_ = at;
        --length_;
        ++turns_of_this_run();
        plateau::work(*one->run, *one)();
        return true;
    }
    void run() noexcept {
        while (turn()) {}
    }
    /// Returns: whether work is left after so many turns.
    bool run(std::size_t turns) noexcept {
        while (turns-- != 0)
            if (!turn()) return false;
        return first_ != nullptr;
    }
    /// Of all loops so far.
    static std::uint64_t& turns_of_this_run() noexcept {
        static std::uint64_t turns = 0;
        return turns;
    }

private:
    random_source* order_;
    plateau::work_link* first_ = nullptr;
    plateau::work_link** end_ = &first_;
    std::size_t length_ = 0;
};

}  // namespace plateau_test
