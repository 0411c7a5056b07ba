// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <new>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// What may be refused, and why: either a value, or a reason that is not `none`.
///
/// `result<T, Reason>` converts from a `T` (it happened) and from a `Reason` (it did not). True in an `if` when there
/// is a value. `reason()` is the enumerator `Reason::none` exactly then.
///
/// `result<T&, Reason>` refers to an object that is somebody else's; `result<void, Reason>` holds nothing and is also
/// what a call answers that either happened or not.
///
/// Asking a refusal for its value (`*`, `->`, `take`) is a violation, in every build. A result is used once: after
/// `take` it still counts as a value, in the moved-from state.
///
/// Throws: what moving or copying a `T` throws. Complexity: that of `T`; nothing is allocated.
template <class T, class Reason>
class [[nodiscard]] result {
    static_assert(std::is_object_v<T> && !std::is_const_v<T>, "result<T, Reason>: T is a plain value type");
    static_assert(std::is_enum_v<Reason>, "result<T, Reason>: Reason is an enum of the room whose `none` is 0");
    static_assert(Reason::none == Reason{}, "result<T, Reason>: the enumerator `none` of a reason is 0");

public:
    using value_type = T;
    using reason_type = Reason;

    template <class U = T>
        requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::remove_cvref_t<U>, result> &&
                 !std::is_same_v<std::remove_cvref_t<U>, Reason>)
    constexpr explicit(!std::is_convertible_v<U&&, T>)
        result(U&& value) noexcept(std::is_nothrow_constructible_v<T, U&&>)
        : value_(std::forward<U>(value)), reason_(Reason::none) {}

    /// Expects: `why` is not `none`.
    constexpr result(Reason why) noexcept : none_(), reason_(why) {
        PLATEAU_EXPECTS(why != Reason::none, "a refusal needs a reason other than none");
    }

    result(const result& other) noexcept(
        std::is_nothrow_copy_constructible_v<T>) requires std::is_copy_constructible_v<T> : none_(),
                                                                                            reason_(other.reason_) {
        if (other) ::new (place()) T(other.value_);
    }
    result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) requires std::is_move_constructible_v<T>
        : none_(), reason_(other.reason_) {
        if (other) ::new (place()) T(std::move(other.value_));
    }
    /// Only where it cannot fail half-way: the old value is gone before the new one is made.
    result& operator=(result&& other) noexcept requires std::is_nothrow_move_constructible_v<T> {
        if (this == __builtin_addressof(other)) return *this;
        if (*this) value_.~T();
        reason_ = other.reason_;
        if (other) ::new (place()) T(std::move(other.value_));
        return *this;
    }

    constexpr ~result() {
        if (*this) value_.~T();
    }
    constexpr ~result() requires std::is_trivially_destructible_v<T>
    = default;

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return reason_ == Reason::none; }
    [[nodiscard]] constexpr Reason reason() const noexcept { return reason_; }

    [[nodiscard]] constexpr T& operator*() noexcept PLATEAU_LIFETIMEBOUND { return checked(); }
    [[nodiscard]] constexpr const T& operator*() const noexcept PLATEAU_LIFETIMEBOUND { return checked(); }
    [[nodiscard]] constexpr T* operator->() noexcept PLATEAU_LIFETIMEBOUND { return __builtin_addressof(checked()); }
    [[nodiscard]] constexpr const T* operator->() const noexcept PLATEAU_LIFETIMEBOUND {
        return __builtin_addressof(checked());
    }
    [[nodiscard]] constexpr T take() noexcept(std::is_nothrow_move_constructible_v<T>) { return std::move(checked()); }

private:
    void* place() noexcept { return const_cast<void*>(static_cast<const volatile void*>(__builtin_addressof(value_))); }
    constexpr T& checked() noexcept {
        PLATEAU_EXPECTS(*this, "a refused result has no value: test it, or ask for its reason()");
        return value_;
    }
    constexpr const T& checked() const noexcept { return const_cast<result&>(*this).checked(); }

    union {
        char none_;
        T value_;
    };
    Reason reason_;
};

template <class T, class Reason>
class [[nodiscard]] result<T&, Reason> {
    static_assert(std::is_enum_v<Reason> && Reason::none == Reason{});

public:
    using value_type = T&;
    using reason_type = Reason;

    constexpr result(T& value) noexcept : value_(__builtin_addressof(value)), reason_(Reason::none) {}
    /// Expects: `why` is not `none`.
    constexpr result(Reason why) noexcept : value_(nullptr), reason_(why) {
        PLATEAU_EXPECTS(why != Reason::none, "a refusal needs a reason other than none");
    }

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return reason_ == Reason::none; }
    [[nodiscard]] constexpr Reason reason() const noexcept { return reason_; }

    [[nodiscard]] constexpr T& operator*() const noexcept { return checked(); }
    [[nodiscard]] constexpr T* operator->() const noexcept { return __builtin_addressof(checked()); }
    [[nodiscard]] constexpr T& take() const noexcept { return checked(); }

private:
    constexpr T& checked() const noexcept {
        PLATEAU_EXPECTS(*this, "a refused result has no value: test it, or ask for its reason()");
        return *value_;
    }

    T* value_;
    Reason reason_;
};

template <class Reason>
class [[nodiscard]] result<void, Reason> {
    static_assert(std::is_enum_v<Reason> && Reason::none == Reason{});

public:
    using value_type = void;
    using reason_type = Reason;

    /// It happened.
    constexpr result() noexcept = default;
    /// `none` means it happened: a result without a value needs no second way to say so.
    constexpr result(Reason why) noexcept : reason_(why) {}

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return reason_ == Reason::none; }
    [[nodiscard]] constexpr Reason reason() const noexcept { return reason_; }

private:
    Reason reason_ = Reason::none;
};

PLATEAU_NAMESPACE_END
