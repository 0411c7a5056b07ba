// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>
#include <plateau/sync.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// The callback type that a token registers, for a token type that does not name it itself (see stop_std.hpp).
template <class Token, class F>
struct stop_callback_of {
    static_assert(
        requires { typename Token::template callback_type<F>; },
        "plateau: this stop token names no callback type; for std::stop_token: #include "
        "<plateau/stop_std.hpp>");
    using type = typename Token::template callback_type<F>;
};

template <class Token, class F>
using stop_callback_for_t = typename stop_callback_of<std::remove_cvref_t<Token>, F>::type;

namespace detail {
struct any_stop_callback {
    void operator()() const noexcept {}
};
}

/// What a waiting call takes to be told to stop, as in C++26: cheap to copy, compared by the source it belongs to.
template <class T>
concept stoppable_token = std::copyable<T> && std::equality_comparable<T> && requires(const T& token) {
    { token.stop_requested() } -> std::same_as<bool>;
    requires noexcept(token.stop_requested());
    { token.stop_possible() } -> std::same_as<bool>;
    requires noexcept(token.stop_possible());
    typename stop_callback_for_t<T, detail::any_stop_callback>;
};

/// The token of whoever never asks to stop.
class never_stop_token {
    struct ignored {
        template <class F>
        explicit ignored(never_stop_token, F&&) noexcept {}
    };

public:
    template <class>
    using callback_type = ignored;

    [[nodiscard]] static constexpr bool stop_requested() noexcept { return false; }
    [[nodiscard]] static constexpr bool stop_possible() noexcept { return false; }
    [[nodiscard]] friend constexpr bool operator==(never_stop_token, never_stop_token) noexcept { return true; }
};

namespace detail {

/// A registered callback, linked in its source. Owned by the callback object; read and written under the source's
/// mutex.
template <class Sync>
struct stop_callback_node {
    explicit stop_callback_node(void (*f)(stop_callback_node*) noexcept) noexcept : run(f) {}

    void (*run)(stop_callback_node*) noexcept;
    stop_callback_node* next = nullptr;
    stop_callback_node** link = nullptr;      ///< the pointer that points here; null when not in the list
    bool* gone = nullptr;                     ///< set through this by a callback that destroys itself
    typename Sync::parker* leaver = nullptr;  ///< whoever waits for the end of the running callback
};

}

/// A request to stop, with its state in place: nothing is allocated. After C++26 [stopsource.inplace].
///
/// `request_stop` runs the registered callbacks once, on its own thread, newest first, without holding the lock; a
/// callback registered afterwards runs at once on the thread that registers it. A callback that throws terminates.
///
/// Lifetime: outlives its tokens' use and its callbacks. Neither copied nor moved.
/// Thread safety: all members, from any thread; a callback may register and destroy callbacks, itself included.
/// Blocks: only `~inplace_stop_callback`, while another thread is inside that very callback.
template <class Sync>
class basic_inplace_stop_source {
public:
    basic_inplace_stop_source() noexcept = default;
    basic_inplace_stop_source(const basic_inplace_stop_source&) = delete;
    basic_inplace_stop_source& operator=(const basic_inplace_stop_source&) = delete;
    ~basic_inplace_stop_source() {
        PLATEAU_EXPECTS(first_ == nullptr, "an inplace_stop_source ended before the callbacks registered with it");
    }

    [[nodiscard]] basic_inplace_stop_token<Sync> get_token() const noexcept PLATEAU_LIFETIMEBOUND {
        return basic_inplace_stop_token<Sync>(this);
    }
    [[nodiscard]] static constexpr bool stop_possible() noexcept { return true; }
    [[nodiscard]] bool stop_requested() const noexcept { return requested_.load(std::memory_order_acquire); }

    /// Returns: true for the one call that made the request. Complexity: linear in the callbacks.
    bool request_stop() noexcept;

private:
    using node = detail::stop_callback_node<Sync>;
    template <class, class>
    friend class inplace_stop_callback;

    bool enlist(node& callback) const noexcept;
    void withdraw(node& callback) const noexcept;

    typename Sync::template atomic<bool> requested_{false};
    mutable typename Sync::mutex mutex_;
    mutable node* first_ = nullptr;    // under mutex_
    mutable node* running_ = nullptr;  // under mutex_
    const void* requester_ = nullptr;  // under mutex_; the thread inside request_stop
};

template <class Sync>
class basic_inplace_stop_token {
public:
    template <class F>
    using callback_type = inplace_stop_callback<F, Sync>;

    basic_inplace_stop_token() noexcept = default;

    [[nodiscard]] bool stop_requested() const noexcept { return source_ != nullptr && source_->stop_requested(); }
    /// False for a token that belongs to no source.
    [[nodiscard]] bool stop_possible() const noexcept { return source_ != nullptr; }
    [[nodiscard]] friend bool operator==(basic_inplace_stop_token, basic_inplace_stop_token) noexcept = default;

private:
    friend class basic_inplace_stop_source<Sync>;
    template <class, class>
    friend class inplace_stop_callback;

    explicit basic_inplace_stop_token(const basic_inplace_stop_source<Sync>* source) noexcept : source_(source) {}

    const basic_inplace_stop_source<Sync>* source_ = nullptr;
};

/// Runs `F` when the token's source is asked to stop, once; at once if it already was. Its destructor withdraws it, and
/// returns only when F is not running on another thread.
template <class F, class Sync>
class inplace_stop_callback : detail::stop_callback_node<Sync> {
    static_assert(std::is_invocable_v<F>, "inplace_stop_callback<F>: F is called without arguments");
    using node = detail::stop_callback_node<Sync>;

public:
    using callback_type = F;

    template <class Initializer>
        requires std::constructible_from<F, Initializer>
    explicit inplace_stop_callback(basic_inplace_stop_token<Sync> token,
                                   Initializer&& f) noexcept(std::is_nothrow_constructible_v<F, Initializer>)
        : node(&run_function), function_(std::forward<Initializer>(f)), source_(token.source_) {
        if (source_ != nullptr && !source_->enlist(*this)) {
            source_ = nullptr;
            run_function(this);
        }
    }
    inplace_stop_callback(const inplace_stop_callback&) = delete;
    inplace_stop_callback& operator=(const inplace_stop_callback&) = delete;
    ~inplace_stop_callback() {
        if (source_ != nullptr) source_->withdraw(*this);
    }

private:
    static void run_function(node* self) noexcept {
        std::forward<F>(static_cast<inplace_stop_callback*>(self)->function_)();
    }

    F function_;
    const basic_inplace_stop_source<Sync>* source_;
};

template <class F, class Sync>
inplace_stop_callback(basic_inplace_stop_token<Sync>, F) -> inplace_stop_callback<F, Sync>;

/// Answers false when the request was already made: then the caller runs the callback itself.
template <class Sync>
bool basic_inplace_stop_source<Sync>::enlist(node& callback) const noexcept {
    mutex_.lock();
    const bool in_time = !requested_.load(std::memory_order_relaxed);  // ordered by the mutex
    if (in_time) {
        callback.next = first_;
        callback.link = &first_;
        if (first_ != nullptr) first_->link = &callback.next;
        first_ = &callback;
    }
    mutex_.unlock();
    return in_time;
}

template <class Sync>
bool basic_inplace_stop_source<Sync>::request_stop() noexcept {
    mutex_.lock();
    if (requested_.load(std::memory_order_relaxed)) {  // ordered by the mutex
        mutex_.unlock();
        return false;
    }
    requested_.store(true, std::memory_order_release);
    requester_ = Sync::thread_id();
    while (first_ != nullptr) {
        node& callback = *first_;
        first_ = callback.next;
        if (first_ != nullptr) first_->link = &first_;
        callback.link = nullptr;
        bool gone = false;
        callback.gone = &gone;
        running_ = &callback;
        mutex_.unlock();
        callback.run(&callback);
        mutex_.lock();
        running_ = nullptr;
        // Its end waits for the signal, or finds under the mutex that nothing of it is running.
        if (!gone && callback.leaver != nullptr) callback.leaver->signal();
    }
    mutex_.unlock();
    return true;
}

template <class Sync>
void basic_inplace_stop_source<Sync>::withdraw(node& callback) const noexcept {
    mutex_.lock();
    if (callback.link != nullptr) {
        *callback.link = callback.next;
        if (callback.next != nullptr) callback.next->link = callback.link;
        mutex_.unlock();
        return;
    }
    if (running_ != &callback) {
        mutex_.unlock();
        return;
    }
    if (requester_ == Sync::thread_id()) {
        *callback.gone = true;
        mutex_.unlock();
        return;
    }
    typename Sync::parker until_done;
    callback.leaver = &until_done;
    mutex_.unlock();
    until_done.sleep();
}

static_assert(stoppable_token<never_stop_token> && stoppable_token<inplace_stop_token>);

PLATEAU_NAMESPACE_END
