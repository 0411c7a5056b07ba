// SPDX-License-Identifier: MIT
/// The `sync` policy under which shipped headers run in the explorer, and plain data whose races it sees.
///
/// Objects of these types are made by the body of a scenario, or by its threads, and used in that execution only; one
/// that is touched after its end is a failure. Outside of an execution they are plain objects for one thread.
#pragma once

#include "tools/explorer/machine.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

namespace plateau_test {

namespace explorer {

/// An object that the machine knows from its construction to its end.
template <object_kind Kind>
class explored_object {
public:
    explored_object(const explored_object&) = delete;
    explored_object& operator=(const explored_object&) = delete;

protected:
    explicit explored_object(std::uint64_t bits = 0, word_shape shape = word_shape::plain,
                             unsigned bytes = 1) noexcept {
        word_.bits = bits;
        if (machine::active != nullptr) machine::active->make(word_, Kind, shape, bytes);
    }
    ~explored_object() {
        if (machine::active != nullptr) machine::active->unmake(word_);
    }

    mutable word word_;

private:
    friend struct naming;
};

struct naming {
    template <object_kind Kind>
    static const word& word_of(const explored_object<Kind>& o) noexcept {
        return o.word_;
    }
};

/// As std::atomic orders a failed exchange where only one order is given.
[[nodiscard]] constexpr std::memory_order failure_order(std::memory_order order) noexcept {
    if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
    if (order == std::memory_order_release) return std::memory_order_relaxed;
    return order;
}

}  // namespace explorer

template <class T>
class explored_atomic : public explorer::explored_object<explorer::object_kind::atomic> {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t),
                  "the explorer knows atomics of up to eight bytes");
    using base = explorer::explored_object<explorer::object_kind::atomic>;
    using machine = explorer::machine;
    using order = std::memory_order;
    static constexpr order strongest = std::memory_order_seq_cst;
    static constexpr bool is_number = std::is_integral_v<T> && !std::is_same_v<T, bool>;
    static constexpr auto shape = std::is_pointer_v<T>  ? explorer::word_shape::pointer
                                  : std::is_signed_v<T> ? explorer::word_shape::with_sign
                                                        : explorer::word_shape::plain;
    static constexpr bool counts = is_number || std::is_pointer_v<T>;

public:
    using value_type = T;
    using difference_type = std::conditional_t<std::is_pointer_v<T>, std::ptrdiff_t, T>;
    static constexpr bool is_always_lock_free = true;

    explored_atomic() noexcept : explored_atomic(T()) {}
    explored_atomic(T value) noexcept : base(encode(value), shape, sizeof(T)) {}
    explored_atomic(const explored_atomic&) = delete;
    explored_atomic& operator=(const explored_atomic&) = delete;

    [[nodiscard]] bool is_lock_free() const noexcept { return true; }

    [[nodiscard]] T load(order how = strongest) const noexcept {
        if (machine::active == nullptr) return decode(word_.bits);
        return decode(machine::active->load(word_, how));
    }
    operator T() const noexcept { return load(); }

    void store(T value, order how = strongest) noexcept {
        if (machine::active == nullptr) word_.bits = encode(value);
        else machine::active->store(word_, encode(value), how);
    }
    T operator=(T value) noexcept {
        store(value);
        return value;
    }

    T exchange(T value, order how = strongest) noexcept {
        return modify(how, "exchange", [value](T) { return value; });
    }

    bool compare_exchange_weak(T& expected, T desired, order success, order failure) noexcept {
        return compare_exchange(expected, desired, success, failure, true);
    }
    bool compare_exchange_weak(T& expected, T desired, order how = strongest) noexcept {
        return compare_exchange(expected, desired, how, explorer::failure_order(how), true);
    }
    bool compare_exchange_strong(T& expected, T desired, order success, order failure) noexcept {
        return compare_exchange(expected, desired, success, failure, false);
    }
    bool compare_exchange_strong(T& expected, T desired, order how = strongest) noexcept {
        return compare_exchange(expected, desired, how, explorer::failure_order(how), false);
    }

    T fetch_add(difference_type n, order how = strongest) noexcept requires counts {
        return modify(how, "fetch_add", [n](T old) { return plus(old, n); });
    }
    T fetch_sub(difference_type n, order how = strongest) noexcept requires counts {
        return modify(how, "fetch_sub", [n](T old) { return minus(old, n); });
    }
    T fetch_or(T bits, order how = strongest) noexcept requires is_number {
        return modify(how, "fetch_or", [bits](T old) { return static_cast<T>(old | bits); });
    }
    T fetch_and(T bits, order how = strongest) noexcept requires is_number {
        return modify(how, "fetch_and", [bits](T old) { return static_cast<T>(old & bits); });
    }
    T fetch_xor(T bits, order how = strongest) noexcept requires is_number {
        return modify(how, "fetch_xor", [bits](T old) { return static_cast<T>(old ^ bits); });
    }

    // clang-format off
    T operator++() noexcept requires counts { return plus(fetch_add(1), 1); }
    T operator++(int) noexcept requires counts { return fetch_add(1); }
    T operator--() noexcept requires counts { return minus(fetch_sub(1), 1); }
    T operator--(int) noexcept requires counts { return fetch_sub(1); }
    T operator+=(difference_type n) noexcept requires counts { return plus(fetch_add(n), n); }
    T operator-=(difference_type n) noexcept requires counts { return minus(fetch_sub(n), n); }
    T operator|=(T bits) noexcept requires is_number { return static_cast<T>(fetch_or(bits) | bits); }
    T operator&=(T bits) noexcept requires is_number { return static_cast<T>(fetch_and(bits) & bits); }
    T operator^=(T bits) noexcept requires is_number { return static_cast<T>(fetch_xor(bits) ^ bits); }
    // clang-format on

private:
    static std::uint64_t encode(T value) noexcept {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof value);
        return bits;
    }
    static T decode(std::uint64_t bits) noexcept {
        T value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
    /// Numbers wrap around, as those of std::atomic do.
    static T plus(T value, difference_type n) noexcept {
        if constexpr (std::is_pointer_v<T>) return value + n;
        else return static_cast<T>(static_cast<std::uint64_t>(value) + static_cast<std::uint64_t>(n));
    }
    static T minus(T value, difference_type n) noexcept {
        if constexpr (std::is_pointer_v<T>) return value - n;
        else return static_cast<T>(static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(n));
    }

    template <class F>
    T modify(order how, const char* verb, F next) noexcept {
        const auto next_bits = [&](std::uint64_t bits) { return encode(next(decode(bits))); };
        if (machine::active == nullptr) return decode(std::exchange(word_.bits, next_bits(word_.bits)));
        return decode(machine::active->modify(word_, how, verb, next_bits));
    }
    bool compare_exchange(T& expected, T desired, order success, order failure, bool may_fail) noexcept {
        std::uint64_t seen = encode(expected);
        bool done = word_.bits == seen;
        if (machine::active != nullptr) {
            done = machine::active->compare_exchange(word_, seen, encode(desired), success, failure, may_fail);
        } else if (done) {
            word_.bits = encode(desired);
        } else {
            seen = word_.bits;
        }
        if (!done) expected = decode(seen);
        return done;
    }
};

class explored_mutex : public explorer::explored_object<explorer::object_kind::mutex> {
    using machine = explorer::machine;

public:
    explored_mutex() noexcept = default;

    void lock() noexcept {
        if (machine::active != nullptr) machine::active->lock(word_);
    }
    [[nodiscard]] bool try_lock() noexcept { return machine::active == nullptr || machine::active->try_lock(word_); }
    void unlock() noexcept {
        if (machine::active != nullptr) machine::active->unlock(word_);
    }
};

class explored_parker : public explorer::explored_object<explorer::object_kind::parker> {
    using machine = explorer::machine;

public:
    explored_parker() noexcept = default;

    /// By the owner, while nobody can signal.
    void reset() noexcept {
        if (machine::active != nullptr) machine::active->reset(word_);
        else word_.bits = 0;
    }
    [[nodiscard]] bool signalled() const noexcept {
        if (machine::active == nullptr) return word_.bits != 0;
        return machine::active->load(word_, std::memory_order_acquire) != 0;
    }
    /// By the owner. Returns when it was signalled.
    void sleep() noexcept {
        if (machine::active != nullptr) machine::active->sleep(word_);
        else check_signalled();
    }
    /// By the owner. Returns: whether it was signalled; false at any moment before that, or where nobody else can go
    /// on: the explorer has no clock.
    [[nodiscard]] bool sleep_until(std::chrono::steady_clock::time_point) noexcept {
        if (machine::active == nullptr) return word_.bits != 0;
        return machine::active->sleep_or_time_out(word_);
    }
    /// By any thread, once: the owner may end the parker as soon as it sees that.
    void signal() noexcept {
        if (machine::active != nullptr) machine::active->signal(word_);
        else word_.bits = 1;
    }

private:
    /// A call of its own: a compiler that sees all of a sleep warns that nobody signals before it is over.
    [[gnu::noinline]] void check_signalled() const noexcept {
        asm volatile("" ::: "memory");
        if (word_.bits == 0) std::abort();
    }
};

/// The policy. Waiters do not spin before they sleep: a look that finds nothing is no more than an execution the more.
struct explored_sync {
    template <class T>
    using atomic = explored_atomic<T>;
    using mutex = explored_mutex;
    using parker = explored_parker;

    static constexpr unsigned spin_pauses = 0;
    static constexpr unsigned spin_yields = 0;

    static void pause() noexcept {
        if (explorer::machine::active != nullptr) explorer::machine::active->pause();
    }
    static void yield() noexcept { pause(); }
    [[nodiscard]] static const void* thread_id() noexcept {
        static constexpr char outside = 0;
        return explorer::machine::active != nullptr ? explorer::machine::active->thread_id() : &outside;
    }
    [[nodiscard]] static unsigned processors() noexcept { return 2; }
};

/// Plain data that threads share: an access that nothing orders after another thread's write, or a write after another
/// thread's read, is a failure in whatever order they are executed. Not a scheduling point.
template <class T>
class explored_value : public explorer::explored_object<explorer::object_kind::value> {
    using machine = explorer::machine;

public:
    explored_value() = default;
    explored_value(T value) : value_(std::move(value)) {}

    [[nodiscard]] const T& read() const {
        if (machine::active != nullptr) machine::active->read_value(word_);
        return value_;
    }
    /// For any change: counts as a write.
    [[nodiscard]] T& write() {
        if (machine::active != nullptr) machine::active->write_value(word_);
        return value_;
    }
    operator const T&() const { return read(); }
    explored_value& operator=(T value) {
        write() = std::move(value);
        return *this;
    }

private:
    T value_{};
};

}  // namespace plateau_test
