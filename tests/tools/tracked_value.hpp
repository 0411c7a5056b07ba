// SPDX-License-Identifier: MIT
/// Values that count their lives and can tell when they are not what they were.
#pragma once

#include "tools/fault.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace plateau_test {

/// Lives of the values that share it. Outlives them. Any thread.
struct value_tally {
    std::atomic<std::int64_t> constructions{0};  ///< from a number; copies and moves stand below
    std::atomic<std::int64_t> copies{0};
    std::atomic<std::int64_t> moves{0};
    std::atomic<std::int64_t> destructions{0};
    std::atomic<std::int64_t> live{0};
    std::atomic<std::int64_t> corrupt{0};  ///< uses of a value that was dead, moved by memcpy, or overwritten
};

/// A number that knows its own address and bears a canary: copied bytewise, used after its end or written over, it
/// shows up in `corrupt`. With `Fails`, construction, copy and move are fault points (and so not noexcept); destruction
/// never fails. A move leaves -1 behind.
template <bool Fails>
class tracked_value {
public:
    tracked_value(value_tally& tally, int number) noexcept(!Fails) : tally_(&tally), number_(number) {
        enter(fault::construct);
        tally_->constructions.fetch_add(1, std::memory_order_relaxed);
    }
    tracked_value(const tracked_value& other) noexcept(!Fails) : tally_(other.tally_), number_(other.number()) {
        enter(fault::copy);
        tally_->copies.fetch_add(1, std::memory_order_relaxed);
    }
    tracked_value(tracked_value&& other) noexcept(!Fails) : tally_(other.tally_), number_(other.number()) {
        enter(fault::move);
        tally_->moves.fetch_add(1, std::memory_order_relaxed);
        other.number_ = -1;
    }
    tracked_value& operator=(const tracked_value& other) noexcept(!Fails) {
        verify();
        if constexpr (Fails) fault_here(fault::copy);
        number_ = other.number();
        tally_->copies.fetch_add(1, std::memory_order_relaxed);
        return *this;
    }
    tracked_value& operator=(tracked_value&& other) noexcept(!Fails) {
        verify();
        if constexpr (Fails) fault_here(fault::move);
        number_ = other.number();
        if (this != &other) other.number_ = -1;
        tally_->moves.fetch_add(1, std::memory_order_relaxed);
        return *this;
    }
    ~tracked_value() {
        verify();
        // Volatile: a store to an object at its end is otherwise removed, and with it the witness of a second end.
        *const_cast<tracked_value* volatile*>(&self_) = nullptr;
        *const_cast<volatile std::uint64_t*>(&canary_) = 0xdeaddeaddeaddeadU;
        tally_->destructions.fetch_add(1, std::memory_order_relaxed);
        tally_->live.fetch_sub(1, std::memory_order_relaxed);
    }

    int number() const noexcept {
        verify();
        return number_;
    }
    bool intact() const noexcept { return self_ == this && canary_ == alive; }
    value_tally& tally() const noexcept { return *tally_; }

    friend bool operator==(const tracked_value& a, const tracked_value& b) noexcept { return a.number() == b.number(); }

private:
    static constexpr std::uint64_t alive = 0xa11fea11fea11feaU;

    void enter(fault kind) noexcept(!Fails) {
        if constexpr (Fails) fault_here(kind);
        self_ = this;
        tally_->live.fetch_add(1, std::memory_order_relaxed);
    }
    void verify() const noexcept {
        if (!intact()) tally_->corrupt.fetch_add(1, std::memory_order_relaxed);
    }

    value_tally* tally_;
    tracked_value* self_ = nullptr;
    std::uint64_t canary_ = alive;
    int number_;
};

using counting_value = tracked_value<false>;
using throwing_value = tracked_value<true>;

/// Hash, equality and weigher for tracked values and numbers; each call is a fault point.
struct throwing_hash {
    using is_transparent = void;
    std::size_t operator()(std::int64_t number) const {
        fault_here(fault::hash);
        return static_cast<std::size_t>(number) * 0x9e3779b97f4a7c15U;
    }
    template <bool Fails>
    std::size_t operator()(const tracked_value<Fails>& value) const {
        return (*this)(value.number());
    }
};

struct throwing_equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
        fault_here(fault::equal);
        return number(a) == number(b);
    }

private:
    static std::int64_t number(std::int64_t plain) noexcept { return plain; }
    template <bool Fails>
    static std::int64_t number(const tracked_value<Fails>& value) noexcept {
        return value.number();
    }
};

struct throwing_weigher {
    std::size_t answer = 1;
    template <class K, class V>
    std::size_t operator()(const K&, const V&) const {
        fault_here(fault::weigh);
        return answer;
    }
};

}  // namespace plateau_test
