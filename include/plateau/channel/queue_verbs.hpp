// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/queue_core.hpp>
#include <plateau/channel/queue_options.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/park.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/result.hpp>

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What a queue's operations are while they wait (waiting_verb, wait_forms.hpp).

inline queue_reason queue_reason_of(wake why) noexcept {
    return why == wake::cancelled ? queue_reason::cancelled : queue_reason::timed_out;
}

/// What all verbs of a queue have: they are told to look again, and never handed anything.
template <class Core, class Result>
struct queue_verb {
    using sync = typename Core::sync;
    using result_type = Result;

    Core* core;

    Result granted(park_node<sync>&) noexcept { return queue_reason::cancelled; }

protected:
    /// Looks once; and, where its announcement has shown that what it waits for is there, if only claimed by another
    /// who has yet to finish, until that is so, or a nap later: another announcement would be no news.
    template <class Look, class There>
    static std::optional<Result> look(bool& coming, Look once, There still_there) noexcept {
        std::optional<Result> done = once();
        if (done || !std::exchange(coming, false)) return done;
        for (unsigned looks = 0; looks <= Core::coming_looks && still_there(); ++looks) {
            if (looks < Core::coming_looks) sync::yield();
            else nap();
            if ((done = once())) break;
        }
        return done;
    }

private:
    PLATEAU_COLD static void nap() noexcept {
        typename sync::parker nobody_signals;
        static_cast<void>(nobody_signals.sleep_until(saturating_add(steady_clock{}.now(), Core::coming_nap)));
    }
};

/// At the tail: waits for room.
template <class Core, class Result>
struct producing_verb : queue_verb<Core, Result> {
    static constexpr unsigned patience = Core::push_patience;

    wait_list<typename Core::sync>& list() noexcept { return this->core->producers(); }
};

/// At the head: waits for items.
template <class Core, class Result>
struct consuming_verb : queue_verb<Core, Result> {
    static constexpr unsigned patience = 1;
    bool coming = false;

    wait_list<typename Core::sync>& list() noexcept { return this->core->consumers(); }
    typename Core::item_flag flag() noexcept { return {{this->core}, &coming}; }
    Result refused(wake why) noexcept {
        this->core->pass_item_on();
        return queue_reason_of(why);
    }
    void hand_on(park_node<typename Core::sync>&) noexcept { this->core->pass_item_on(); }
};

/// Pushes an object that is the caller's (`Item` is T*), or its own (T).
template <class Core, class T, class Item, class Result>
struct push_verb : producing_verb<Core, Result> {
    Item item;
    typename Core::word weight;
    unsigned announced = 0;
    bool coming = false;

    push_verb(Core& queue, Item what, typename Core::word weighs) noexcept
        : producing_verb<Core, Result>{{&queue}}, item(std::move(what)), weight(weighs) {}

    std::optional<Result> attempt() noexcept {
        const auto once = [this]() noexcept -> std::optional<Result> {
            const queue_reason why = this->core->put(*object(), weight);
            if (why == queue_reason::full) return std::nullopt;
            leave_line();
            return Result(why);
        };
        return this->look(coming, once, [this] { return this->core->has_room(object(), weight); });
    }
    typename Core::room_flag flag() noexcept { return {{this->core}, object(), weight, &announced, &coming}; }
    Result refused(wake why) noexcept {
        pass_on();
        this->core->count_refusal();
        return queue_reason_of(why);
    }
    void hand_on(park_node<typename Core::sync>&) noexcept { pass_on(); }
    void forget(park_node<typename Core::sync>& node) noexcept {
        this->list().forget(node, flag());
        leave_line();
    }

private:
    void leave_line() noexcept {
        if (weight != 0) this->core->leave_line(object());
    }
    T* object() noexcept {
        if constexpr (std::is_pointer_v<Item>) return item;
        else return std::addressof(item);
    }
    void pass_on() noexcept {
        leave_line();
        this->core->pass_room_on();
    }
};

/// Pops up to `most` items, through `Take`: `Result take(taking&)`.
template <class Core, class Result, class Take>
struct pop_verb : consuming_verb<Core, Result> {
    Take take;

    std::optional<Result> attempt() noexcept {
        const auto once = [this]() noexcept -> std::optional<Result> {
            const typename Core::taking taken(*this->core, take.most);
            if (taken.why() == queue_reason::empty) return std::nullopt;
            if (taken.why() != queue_reason::none) return Result(taken.why());
            return take(taken);
        };
        return this->look(this->coming, once, [this] { return this->core->item_or_end(); });
    }
};
struct take_one {
    static constexpr std::size_t most = 1;
    template <class Taking>
    auto operator()(const Taking& taken) noexcept {
        return std::move(taken.front());
    }
};
/// `Out`: where the items go, without throwing.
template <class Out>
struct take_some {
    std::size_t most;
    Out out;
    template <class Taking>
    std::size_t operator()(const Taking& taken) noexcept {
        for (std::size_t i = 0; i < taken.count(); ++i, ++out) *out = std::move(taken[i]);
        return taken.count();
    }
};

/// Told that there is room, at the low mark. It takes none: the next is told as well.
template <class Core, class Result>
struct writable_verb : producing_verb<Core, Result> {
    std::optional<Result> attempt() noexcept {
        const queue_reason ended = this->core->why_ended();
        if (ended != queue_reason::none) return Result(ended);
        if (!this->core->is_low()) return std::nullopt;
        this->core->pass_room_on();
        return Result();
    }
    typename Core::mark_flag flag() noexcept { return {{this->core}}; }
    Result refused(wake why) noexcept {
        this->core->pass_room_on();
        return queue_reason_of(why);
    }
    void hand_on(park_node<typename Core::sync>&) noexcept { this->core->pass_room_on(); }
};

/// Told that there is an item. It takes none: the next is told as well, unless its own thread is about to take.
template <class Core, class Result, bool Takes = false>
struct readable_verb : consuming_verb<Core, Result> {
    std::optional<Result> attempt() noexcept {
        if (this->core->has_item()) {
            if constexpr (!Takes) this->core->pass_item_on();
            return Result();
        }
        const queue_reason ended = this->core->why_ended();
        if (ended == queue_reason::none) return std::nullopt;
        return Result(ended);
    }
};

}
PLATEAU_NAMESPACE_END
