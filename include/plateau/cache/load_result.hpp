// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <exception>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// Why there is no value.
enum class load_reason : unsigned char {
    none,
    absent,        ///< the loader says that there is none
    recursive,     ///< asked for, in the end, by its own load
    waiters_full,  ///< `max_waiters` wait already, or `max_loads` keys are being loaded
    timed_out,     ///< not there in time: the caller's, or the load's
    cancelled,
    failed,  ///< the load failed: `error()` is what the loader threw, or null
};

[[nodiscard]] constexpr std::string_view to_string(load_reason reason) noexcept {
    switch (reason) {
    case load_reason::none:
        return "none";
    case load_reason::absent:
        return "absent";
    case load_reason::recursive:
        return "recursive";
    case load_reason::waiters_full:
        return "waiters_full";
    case load_reason::timed_out:
        return "timed_out";
    case load_reason::cancelled:
        return "cancelled";
    case load_reason::failed:
        return "failed";
    }
    return "unknown";
}

namespace detail {
template <class V>
struct load_result_access;
}

/// A copy of a value from a loading_cache, or the reason why there is none.
///
/// Asking a refusal for its value is a violation, in every build. After `take` it still counts as a value, in the
/// moved-from state.
template <class V>
class [[nodiscard]] load_result {
    static_assert(std::is_nothrow_move_constructible_v<V>);

public:
    using value_type = V;
    using reason_type = load_reason;

    load_result(load_reason why) noexcept : none_(), reason_(why) {
        PLATEAU_EXPECTS(why != load_reason::none, "a refusal needs a reason other than none");
        if (why == load_reason::failed) std::construct_at(std::addressof(error_));
    }
    load_result(load_result&& other) noexcept : none_(), reason_(other.reason_), stale_(other.stale_) { adopt(other); }
    load_result& operator=(load_result&& other) noexcept {
        if (this == std::addressof(other)) return *this;
        clear();
        reason_ = other.reason_;
        stale_ = other.stale_;
        adopt(other);
        return *this;
    }
    ~load_result() { clear(); }

    [[nodiscard]] explicit operator bool() const noexcept { return reason_ == load_reason::none; }
    [[nodiscard]] load_reason reason() const noexcept { return reason_; }
    /// Past its time to live: its load goes on, or has failed.
    [[nodiscard]] bool stale() const noexcept { return stale_; }
    /// What the loader threw, for callbacks: the other forms throw it themselves.
    [[nodiscard]] std::exception_ptr error() const noexcept {
        if (reason_ == load_reason::failed) return error_;
        return nullptr;
    }

    [[nodiscard]] V& operator*() noexcept PLATEAU_LIFETIMEBOUND { return checked(); }
    [[nodiscard]] const V& operator*() const noexcept PLATEAU_LIFETIMEBOUND { return checked(); }
    [[nodiscard]] V* operator->() noexcept PLATEAU_LIFETIMEBOUND { return std::addressof(checked()); }
    [[nodiscard]] const V* operator->() const noexcept PLATEAU_LIFETIMEBOUND { return std::addressof(checked()); }
    [[nodiscard]] V take() noexcept { return std::move(checked()); }

private:
    friend struct detail::load_result_access<V>;

    void adopt(load_result& other) noexcept {
        if (reason_ == load_reason::none) std::construct_at(std::addressof(value_), std::move(other.value_));
        else if (reason_ == load_reason::failed) std::construct_at(std::addressof(error_), std::move(other.error_));
    }
    void clear() noexcept {
        if (reason_ == load_reason::none) std::destroy_at(std::addressof(value_));
        else if (reason_ == load_reason::failed) std::destroy_at(std::addressof(error_));
    }
    V& checked() noexcept {
        PLATEAU_EXPECTS(*this, "a refused load_result has no value: test it, or ask for its reason()");
        return value_;
    }
    const V& checked() const noexcept { return const_cast<load_result&>(*this).checked(); }

    union {
        char none_;
        V value_;
        std::exception_ptr error_;
    };
    load_reason reason_;
    bool stale_ = false;
};

namespace detail {

/// Fills a result that is a refusal so far.
template <class V>
struct load_result_access {
    template <class U>
    static void set(load_result<V>& result, U&& value, bool stale) noexcept(std::is_nothrow_constructible_v<V, U>) {
        if (result.reason_ == load_reason::failed) result = load_reason::timed_out;
        std::construct_at(std::addressof(result.value_), std::forward<U>(value));
        result.reason_ = load_reason::none;
        result.stale_ = stale;
    }
    static load_result<V> failed(const std::exception_ptr& why) noexcept {
        load_result<V> result(load_reason::failed);
        result.error_ = why;
        return result;
    }
};

}
PLATEAU_NAMESPACE_END
