// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/load_call.hpp>
#include <plateau/cache/load_result.hpp>
#include <plateau/cache/single_flight.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/park.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/detail/wait_list.hpp>

#include <climits>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Waits for a load, as the forms of waiting know it (wait_forms.hpp). A grant carries the result: it stands in the
/// load's record, which stays until the verb's reference has gone.
///
/// Trivially copyable, so that a waiter can hold it; whoever makes it sees to it that one copy ends the wait.
template <class Core>
class load_verb {
public:
    using sync = typename Core::sync;
    using result_type = load_result<typename Core::mapped_type>;
    using record = typename Core::record;
    using node = park_node<sync>;

    /// A load takes as long as an origin does: it is not worth a spin.
    static constexpr unsigned patience = UINT_MAX;

    explicit load_verb(Core& core) noexcept : core_(&core) {}
    /// `counted`: one of those who wait for the load of another.
    load_verb(Core& core, record& at, bool counted) noexcept : core_(&core), at_(&at), counted_(counted) {}
    /// A refusal.
    load_verb(Core& core, load_reason why) noexcept : core_(&core), why_(why) {}

    std::optional<result_type> attempt() noexcept {
        if (at_ == nullptr) return result_type(why_);
        if (at_->at() == flight_phase::loading) return std::nullopt;
        return finish();
    }
    [[nodiscard]] wait_list<sync>& list() noexcept { return at_ != nullptr ? at_->waiters : core_->nobody(); }
    struct flag_type {
        record* at;
        [[nodiscard]] bool raise() const noexcept { return at != nullptr && at->at() == flight_phase::loading; }
        static void lower() noexcept {}
    };
    [[nodiscard]] flag_type flag() noexcept { return {at_}; }

    void announce(node& own) noexcept {
        if (at_ != nullptr && at_->overdue_at < own.deadline()) own.set_deadline(at_->overdue_at);
    }
    void forget(node& own) noexcept {
        list().forget(own, flag());
        if (own.outcome() == wake::timed_out) expire();
        leave();
    }

    [[nodiscard]] result_type granted(node&) noexcept { return finish(); }
    [[nodiscard]] result_type refused(wake how) noexcept {
        if (how == wake::cancelled) {
            leave();
            return load_reason::cancelled;
        }
        expire();
        result_type result(load_reason::timed_out);
        if (at_ != nullptr && at_->has_key) core_->settle(at_->key, result);
        leave();
        return result;
    }
    void hand_on(node&) noexcept { leave(); }
    /// The wait does not begin: its waiter was armed by its own callback, and then ended.
    void drop() noexcept { leave(); }

    /// Effects: gives the reference back, if it is still held.
    void leave() noexcept {
        if (record* const at = std::exchange(at_, nullptr)) core_->leave(*at, counted_);
    }
    [[nodiscard]] record* target() const noexcept { return at_; }

private:
    result_type finish() noexcept {
        result_type result = core_->outcome(*at_);
        leave();
        return result;
    }
    void expire() noexcept {
        if (at_ != nullptr) core_->expire_if_late(*at_);
    }

    Core* core_;
    record* at_ = nullptr;
    load_reason why_ = load_reason::timed_out;
    bool counted_ = false;
};

/// The same, and begins the load when it is first asked: for awaitables, which hold the key and the loader.
template <class Core, class Loader>
class begin_verb {
    using plain = load_verb<Core>;

public:
    using sync = typename Core::sync;
    using result_type = typename plain::result_type;
    using node = park_node<sync>;
    static constexpr unsigned patience = plain::patience;

    template <class Key, class L>
    begin_verb(Core& core, Key&& key, L&& loader)
        : key_(std::forward<Key>(key)), loader_(std::forward<L>(loader)), core_(&core), wait_(core) {}
    begin_verb(begin_verb&& other) noexcept(
        std::is_nothrow_move_constructible_v<typename Core::key_type>&& std::is_nothrow_move_constructible_v<Loader>)
        : key_(std::move(other.key_)),
          loader_(std::move(other.loader_)),
          core_(other.core_),
          wait_(std::exchange(other.wait_, plain(*other.core_))),
          begun_(other.begun_) {}
    ~begin_verb() { wait_.leave(); }

    std::optional<result_type> attempt() noexcept {
        if (begun_) return wait_.attempt();
        begun_ = true;
        std::optional<result_type> now;
        if (auto why = caught([&] { now = core_->begin_async(key_, source(), wait_); }))
            return load_result_access<typename Core::mapped_type>::failed(why);
        if (now) return now;
        return wait_.attempt();
    }
    [[nodiscard]] wait_list<sync>& list() noexcept { return wait_.list(); }
    [[nodiscard]] auto flag() noexcept { return wait_.flag(); }
    void announce(node& own) noexcept { wait_.announce(own); }
    void forget(node& own) noexcept { wait_.forget(own); }
    [[nodiscard]] result_type granted(node& own) noexcept { return wait_.granted(own); }
    [[nodiscard]] result_type refused(wake how) noexcept { return wait_.refused(how); }
    void hand_on(node& own) noexcept { wait_.hand_on(own); }

private:
    [[nodiscard]] auto source() noexcept {
        if constexpr (std::is_same_v<Loader, typename Core::source>) return loader_;
        else return Core::source::of_call(loader_);
    }

    typename Core::key_type key_;
    Loader loader_;
    Core* core_;
    plain wait_;
    bool begun_ = false;
};

/// Throws what a load threw.
template <class V>
void throw_error(const load_result<V>& result) {
    if (result) [[likely]]
        return;
#if PLATEAU_EXCEPTIONS
    if (std::exception_ptr why = result.error()) std::rethrow_exception(std::move(why));
#endif
}

/// The awaitable of a load: throws what the load threw.
template <class Verb>
class [[nodiscard]] load_awaitable {
public:
    load_awaitable(Verb verb, executor_ref where) : wait_(std::move(verb), where) {}

    [[nodiscard]] bool await_ready() noexcept { return wait_.await_ready(); }
    bool await_suspend(std::coroutine_handle<> handle) noexcept { return wait_.await_suspend(handle); }
    [[nodiscard]] typename Verb::result_type await_resume() {
        typename Verb::result_type result = wait_.await_resume();
        throw_error(result);
        return result;
    }

private:
    wait_awaitable<Verb> wait_;
};

}
PLATEAU_NAMESPACE_END
