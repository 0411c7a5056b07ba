// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/park.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/executor.hpp>
#include <plateau/stop.hpp>
#include <plateau/waiter.hpp>

#include <concepts>
#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A room's operation that may have to wait, as everything below needs to know it:
///
///   sync, result_type
///   attempt()      `try_x`: the result, or nothing when it must wait. What waiting cannot change is a result, too.
///                  It may serve others, whose callbacks may end this very waiter: what it has then got ends with it.
///   list()         the wait_list in which it waits.
///   flag()         how that list shows itself (wait_flag).
///   granted(node)  the result, when a grant brought it.
///   refused(wake)  the result of a wait that was cancelled, or timed out.
///   hand_on(node)  gives what `node.outcome()` brought, a right or a nudge, to another: the owner has gone.
///   patience       how many pauses a spinning waiter makes before each look: 1, or more where a look disturbs.
/// And where it has them:
///   announce(node) before the node is enlisted: its cargo, and its deadline where the form has set none.
///   forget(node)   in place of the list's own `forget`: for a room where others may go on when one has left.
///   drop()         the wait does not begin: its waiter was armed by its own callback, and then ended.
template <class V>
concept waiting_verb = requires(V& verb, park_node<typename V::sync>& node, wake why) {
    { verb.attempt() }
    noexcept->std::same_as<std::optional<typename V::result_type>>;
    { verb.list() }
    noexcept->std::same_as<wait_list<typename V::sync>&>;
    { verb.flag() }
    noexcept->wait_flag;
    { verb.granted(node) }
    noexcept->std::same_as<typename V::result_type>;
    { verb.refused(why) }
    noexcept->std::same_as<typename V::result_type>;
    { verb.hand_on(node) }
    noexcept;
    { V::patience } -> std::convertible_to<unsigned>;
};

template <waiting_verb V>
void help_with(V& verb, park_node<typename V::sync>& node, chore what) noexcept {
    if (what == chore::hand_on) verb.hand_on(node);
    else if constexpr (requires { verb.forget(node); }) verb.forget(node);
    else verb.list().forget(node, verb.flag());
}
template <waiting_verb V>
void announce([[maybe_unused]] V& verb, [[maybe_unused]] park_node<typename V::sync>& node) noexcept {
    if constexpr (requires { verb.announce(node); }) verb.announce(node);
}

// ---- x, x_for, x_until: a thread waits

/// How long: for ever, until a moment, or for a duration from the first look that found nothing. The clock is not read
/// before that.
class patience_limit {
public:
    constexpr patience_limit() = default;
    constexpr explicit patience_limit(time_point until) noexcept : until_(until) {}
    constexpr explicit patience_limit(duration length) noexcept : length_(length) {}

    template <class Clock>
    [[nodiscard]] time_point deadline(const Clock& clock) const noexcept {
        return length_ == forever ? until_ : saturating_add(clock.now(), length_);
    }

private:
    time_point until_ = (time_point::max)();
    duration length_ = forever;
};

template <waiting_verb V>
class thread_wait : public thread_node<typename V::sync> {
    using sync = typename V::sync;
    using base = thread_node<sync>;

public:
    explicit thread_wait(V& verb) noexcept
        : base([](park_node<sync>& self, chore what) noexcept {
              help_with(static_cast<thread_wait&>(self).verb_, self, what);
          }),
          verb_(verb) {}

    /// Returns: whether it slept; if not, what it waits for may be there.
    template <class Token, class Clock>
    bool sleep(const Token& stop, const Clock& clock, time_point deadline) {
        this->set_deadline(deadline);
        announce(verb_, *this);
        // Nobody but the list knows the node yet, so none can have taken it where it is not left waiting.
        if (verb_.list().enlist(*this, park_node<sync>::idle, verb_.flag()) != enlisted::waits) return false;
        if constexpr (std::is_same_v<Token, never_stop_token>) {
            base::sleep(clock);
        } else {
            const auto on_stop = [this]() noexcept { this->cancel(); };
            static_assert(std::is_nothrow_constructible_v<stop_callback_for_t<Token, decltype(on_stop)>, const Token&,
                                                          decltype(on_stop)&>,
                          "plateau: registering a callback with this stop token may throw, while its waiter is linked");
            const stop_callback_for_t<Token, decltype(on_stop)> told(stop, on_stop);
            base::sleep(clock);
        }
        return true;
    }

private:
    V& verb_;
};

/// Looks for about a microsecond before it is worth a sleep.
template <waiting_verb V>
[[nodiscard]] std::optional<typename V::result_type> spin(V& verb) noexcept {
    using sync = typename V::sync;
    for (unsigned spent = 0; spent + V::patience <= verb.list().spin_pauses(); spent += V::patience) {
        for (unsigned i = 0; i < V::patience; ++i) sync::pause();
        if (auto done = verb.attempt()) return done;
    }
    for (unsigned i = 0; i < verb.list().spin_yields(); ++i) {
        sync::yield();
        if (auto done = verb.attempt()) return done;
    }
    return std::nullopt;
}

template <waiting_verb V, stoppable_token Token, class Clock>
[[nodiscard]] PLATEAU_COLD typename V::result_type wait_after_miss(V& verb, const Token& stop, const Clock& clock,
                                                                   patience_limit limit) {
    const time_point deadline = limit.deadline(clock);
    if (auto done = spin(verb)) return *std::move(done);
    for (;;) {
        if (stop.stop_requested()) return verb.refused(wake::cancelled);
        if (deadline != (time_point::max)() && clock.now() >= deadline) return verb.refused(wake::timed_out);
        thread_wait<V> node(verb);
        // Not slept: what was seen may still be on its way by a thread that is not running.
        if (!node.sleep(stop, clock, deadline)) V::sync::yield();
        else if (node.outcome() == wake::granted) return verb.granted(node);
        else if (node.outcome() != wake::nudged) return verb.refused(node.outcome());
        if (auto done = verb.attempt()) return *std::move(done);
    }
}

/// The forms `x(args, stop)`, `x_for` and `x_until`. What may be done at once is done, whatever the deadline and the
/// token say.
template <waiting_verb V, stoppable_token Token, class Clock>
[[nodiscard]] typename V::result_type wait_on_thread(V verb, const Token& stop, const Clock& clock,
                                                     patience_limit limit = patience_limit()) {
    if (auto done = verb.attempt()) return *std::move(done);
    return wait_after_miss(verb, stop, clock, limit);
}

// ---- async_x: a coroutine waits

/// The awaitable of `async_x`. Done at once, it does not suspend; else it is resumed through the executor. Destroying
/// the suspended coroutine ends the wait.
template <waiting_verb V>
class [[nodiscard]] wait_awaitable : async_node<typename V::sync> {
    using sync = typename V::sync;
    using base = async_node<sync>;
    using result_type = typename V::result_type;

public:
    wait_awaitable(V verb, executor_ref where) noexcept
        : base([](park_node<sync>& self,
                  chore what) noexcept { help_with(static_cast<wait_awaitable&>(self).verb_, self, what); },
               &run),
          verb_(std::move(verb)) {
        this->where_ = where;
    }
    ~wait_awaitable() { this->leave(); }

    [[nodiscard]] bool await_ready() noexcept {
        result_ = verb_.attempt();
        return result_.has_value();
    }
    bool await_suspend(std::coroutine_handle<> handle) noexcept {
        handle_ = handle;
        announce(verb_, *this);
        for (;;) {
            if (verb_.list().enlist(*this, base::idle, verb_.flag()) != enlisted::look_again) return true;
            if (!this->finish()) return true;  // its owner is at its end
            if (await_ready()) return false;
            sync::yield();
        }
    }
    [[nodiscard]] result_type await_resume() noexcept { return *std::move(result_); }

private:
    static void run(work_link& link) noexcept {
        auto& self = static_cast<wait_awaitable&>(link);
        const std::coroutine_handle<> handle = self.handle_;
        bool gone = false;
        if (!self.begin(gone)) return self.let_go();
        if (self.outcome() == wake::granted) {
            // First whether it goes on: a right that was made into a result could not be handed on.
            if (!self.change(base::looking, base::idle)) return self.let_go();
            self.result_ = self.verb_.granted(self);
            return handle.resume();
        }
        auto result = self.look(self.verb_, gone);
        if (!result) return;
        self.result_ = std::move(result);
        if (self.finish()) handle.resume();
    }
    void let_go() noexcept {
        verb_.hand_on(*this);
        this->finish();
    }

    V verb_;
    std::optional<result_type> result_;
    std::coroutine_handle<> handle_;
};

// ---- x_then: a callback waits

template <class V, class F, class Sync>
class callback_wait {
    using node = waiter<F, Sync>;
    using plain = callback_node<Sync>;
    static_assert(waiting_verb<V> && std::is_same_v<Sync, typename V::sync>);

public:
    static void arm(node& self, const V& verb, executor_ref where, time_point deadline) noexcept {
        plain& bare = self;
        bare.set(verb, how, where);
        bare.set_deadline(deadline);
        announce(bare.template verb<V>(), bare);
        bare.arm();
    }

private:
    static bool step(plain& bare, bool& gone) noexcept {
        V& verb = bare.template verb<V>();
        if (!bare.begin(gone)) {
            verb.hand_on(bare);
            bare.finish();
            return false;
        }
        auto result = bare.look(verb, gone);
        if (!result) return false;
        return bare.run_callback([&]() noexcept { static_cast<node&>(bare).function_(*std::move(result)); }, gone);
    }
    static enlisted enlist(plain& bare, std::uint32_t from) noexcept {
        V& verb = bare.template verb<V>();
        return verb.list().enlist(bare, from, verb.flag());
    }
    static void help(park_node<Sync>& self, chore what) noexcept {
        help_with(static_cast<plain&>(self).template verb<V>(), self, what);
    }

    static void drop([[maybe_unused]] plain& bare) noexcept {
        if constexpr (requires(V & verb) { verb.drop(); }) bare.template verb<V>().drop();
    }

    static constexpr typename plain::operation how{&step, &enlist, &help, &drop};
};

/// The form `x_then`: arms `node` with the verb. Every refusal is told to the callback. A deadline is kept by whoever
/// calls `expire` on the list.
template <waiting_verb V, class F>
void wait_then(waiter<F, typename V::sync>& node, const V& verb, executor_ref where,
               time_point deadline = (time_point::max)()) noexcept {
    static_assert(std::is_nothrow_invocable_v<F&, typename V::result_type>,
                  "plateau: this callback takes another argument, or may throw: f(result) noexcept");
    callback_wait<V, F, typename V::sync>::arm(node, verb, where, deadline);
}

}
PLATEAU_NAMESPACE_END
