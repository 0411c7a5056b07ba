// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/end_list.hpp>
#include <plateau/fwd.hpp>
#include <plateau/sync.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <string_view>
#include <type_traits>
#include <unistd.h>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

struct event_options {
    std::size_t max_listeners = 64;  ///< 1 to 1'048'576
};

/// `full`: the event has `max_listeners`. `ended`: the scope to listen for has ended; also what a subscription answers
/// that was ended or moved from.
enum class subscribe_reason : unsigned char { none, full, ended };

[[nodiscard]] constexpr std::string_view to_string(subscribe_reason reason) noexcept {
    switch (reason) {
    case subscribe_reason::none:
        return "none";
    case subscribe_reason::full:
        return "full";
    case subscribe_reason::ended:
        return "ended";
    }
    return "unknown";
}

/// What changes the layout or the cost of an event.
struct event_policies {
    using stats = counting;
    using sync = default_sync;

    /// More listeners than this are told of once an event: a listener that nobody ends looks like this at first.
    static constexpr std::size_t warn_above = 10;
    /// `sentence` ends with a line break. Called outside locks.
    static void warn(const char* sentence) noexcept {
        // A short or failed write cannot be reported anywhere.
        [[maybe_unused]] const auto written = ::write(2, sentence, std::string_view(sentence).size());
    }

    static constexpr std::size_t max_listener_bytes = 64;  ///< of a listener's own object, in its slot
    static constexpr std::size_t page_listeners = 8;       ///< slots that are allocated together
};

struct event_stats {
    std::uint64_t listeners = 0;
    std::uint64_t peak_listeners = 0;
    std::uint64_t subscribed = 0;
    std::uint64_t refused = 0;
    std::uint64_t calls = 0;
    std::uint64_t failed_calls = 0;

    static constexpr std::string_view family = "event";
    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        constexpr auto gauge = field_kind::gauge;
        f(field_info{"listeners", "", "Listeners that the next emission reaches.", gauge}, listeners);
        f(field_info{"peak_listeners", "", "The most listeners at any moment.", gauge}, peak_listeners);
        f(field_info{"subscribed", "", "Listeners that were taken.", counter}, subscribed);
        f(field_info{"refused", "", "Listeners that were refused because the event was full.", counter}, refused);
        f(field_info{"calls", "", "Calls of listeners.", counter}, calls);
        f(field_info{"failed_calls", "", "Calls of listeners that threw.", counter}, failed_calls);
    }
};

/// A place among the listeners of an event, or the reason why there is none. Its end is the listener's.
///
/// After `reset` or the destructor has returned, the listener does not run, and will not: they wait while another
/// thread is inside it. Inside the listener itself they return at once, and the listener's object ends when its call
/// does. Two threads that wait for each other in this way are a violation.
///
/// It may outlive the event. Thread safety: one thread at a time. Throws: nothing.
class [[nodiscard]] subscription {
public:
    /// Expects: `why` is not `none`.
    constexpr subscription(subscribe_reason why) noexcept : reason_(why) {
        PLATEAU_EXPECTS(why != subscribe_reason::none, "a refusal needs a reason other than none");
    }
    subscription(subscription&& other) noexcept
        : listener_(std::exchange(other.listener_, nullptr)),
          reason_(std::exchange(other.reason_, subscribe_reason::ended)) {}
    subscription& operator=(subscription&& other) noexcept {
        if (this == &other) return *this;
        reset();
        listener_ = std::exchange(other.listener_, nullptr);
        reason_ = std::exchange(other.reason_, subscribe_reason::ended);
        return *this;
    }
    ~subscription() { reset(); }

    [[nodiscard]] explicit operator bool() const noexcept { return listener_ != nullptr; }
    [[nodiscard]] subscribe_reason reason() const noexcept { return reason_; }

    /// Effects: ends the listener.
    void reset() noexcept {
        if (listener_ == nullptr) return;
        reason_ = subscribe_reason::ended;
        detail::end_link& listener = *std::exchange(listener_, nullptr);
        listener.run(listener);
    }

private:
    template <class, class...>
    friend class basic_event;

    explicit subscription(detail::end_link& listener) noexcept
        : listener_(&listener), reason_(subscribe_reason::none) {}

    detail::end_link* listener_ = nullptr;
    subscribe_reason reason_;
};

namespace detail {

/// The part of an event that does not know its arguments, and that lives as long as anything refers to it: the event,
/// a subscription, a scope, an emission.
///
///   slot      one listener: free, or in the list, or on its way out. In use while it is linked, held or called.
///   frame     a thread inside a listener: an emission, or the end of a listener's object. On that thread's stack.
///   leaver    a thread that has ended a listener which another thread is inside of, and sleeps.
///
/// I1  the listeners stand in the order of their numbers, which only rise.
/// I2  `listeners_` of them are linked, `in_use_` slots are in use, and listeners_ <= in_use_ <= max_listeners.
/// I3  `calls` of a slot are the frames whose `current` it is.
///
/// Everything but the count that an emission looks at first is under the mutex, which is held for a few steps, and not
/// while anything of the user's runs.
template <class Policies>
class event_core {
public:
    using sync = typename Policies::sync;
    struct frame;
    struct leaver;

    struct slot : end_link {
        event_core* home = nullptr;
        slot* after = nullptr;
        slot* before = nullptr;  ///< while free: the next free slot
        std::uint64_t number = 0;
        void (*call)() = nullptr;           ///< of the type that the event knows
        void (*finish)(void*) noexcept {};  ///< ends the object; null once that began
        leaver* leaving = nullptr;
        std::uint32_t calls = 0;
        bool linked = false;  ///< emissions reach it
        bool held = false;    ///< a subscription or a scope will release it
        alignas(std::max_align_t) std::byte object[Policies::max_listener_bytes];
    };

    struct frame {
        const void* thread;
        bool emits;
        slot* current = nullptr;
        slot* next = nullptr;
        std::uint64_t until = 0;  ///< listeners from this number on came after the emission began
        frame* newer = nullptr;
        frame* older = nullptr;
    };

    struct leaver {
        const void* thread;
        slot* awaited;
        std::uint32_t own_calls;  ///< calls of `awaited` that this thread itself is inside of
        leaver* older = nullptr;
        typename sync::parker done{};
    };

    explicit event_core(std::size_t max_listeners) noexcept : max_listeners_(max_listeners) {}
    event_core(const event_core&) = delete;
    event_core& operator=(const event_core&) = delete;

    [[nodiscard]] static constexpr std::size_t bytes_at_most(std::size_t max_listeners) noexcept {
        const std::size_t pages = (max_listeners + Policies::page_listeners - 1) / Policies::page_listeners;
        return sizeof(event_core) + pages * sizeof(page);
    }
    [[nodiscard]] std::size_t max_listeners() const noexcept { return max_listeners_; }

    /// Relaxed: a subscription that returned before the emission began is seen, since that order orders this load too.
    [[nodiscard]] bool nobody_listens() const noexcept { return listeners_.load(std::memory_order_relaxed) == 0; }

    /// Returns: a slot in use, held, not linked; null when there are max_listeners. Throws: std::bad_alloc.
    [[nodiscard]] slot* take() {
        mutex_.lock();
        if (free_ == nullptr && in_use_ < max_listeners_) {
            mutex_.unlock();
            page* fresh = new page;
            mutex_.lock();
            if (free_ == nullptr) add(*std::exchange(fresh, nullptr));
            if (fresh != nullptr) {  // others came with theirs meanwhile
                mutex_.unlock();
                delete fresh;
                mutex_.lock();
            }
        }
        slot* const found = in_use_ < max_listeners_ ? free_ : nullptr;
        if (found == nullptr) {
            if constexpr (counts) ++refused_;
        } else {
            free_ = found->before;
            ++in_use_;
            found->held = true;
        }
        mutex_.unlock();
        return found;
    }
    /// Gives back what was taken, before anything was put in.
    void give_back_unused(slot& unused) noexcept {
        mutex_.lock();
        unused.held = false;
        give_back(unused);
        mutex_.unlock();
    }
    /// From here on emissions reach it.
    void link(slot& listener) noexcept {
        mutex_.lock();
        listener.run = &release;
        listener.number = next_number_++;
        listener.linked = true;
        listener.after = nullptr;
        listener.before = last_;
        (last_ != nullptr ? last_->after : first_) = &listener;
        last_ = &listener;
        const std::size_t now = listeners_.load(std::memory_order_relaxed) + 1;  // written under the mutex
        listeners_.store(now, std::memory_order_relaxed);
        if (now > peak_) peak_ = now;
        if constexpr (counts) ++subscribed_;
        const bool crowded = now > Policies::warn_above && !warned_;
        warned_ = warned_ || crowded;
        unlock();
        if (crowded) Policies::warn("plateau: an event has more listeners than usual: does somebody not end them?\n");
    }

    /// The visit of all listeners by one emission. Holds the mutex except between `next` and `called`.
    class visit {
    public:
        explicit visit(event_core& core) noexcept : core_(core), frame_{.thread = sync::thread_id(), .emits = true} {
            core_.mutex_.lock();
            core_.enter(frame_);
            frame_.next = core_.first_;
            frame_.until = core_.next_number_;
        }
        visit(const visit&) = delete;
        visit& operator=(const visit&) = delete;
        ~visit() {
            core_.leave(frame_);
            core_.unlock();
        }
        /// Returns: the listener to call now, or null at the end.
        [[nodiscard]] slot* next() noexcept {
            slot* const found = frame_.next;
            if (found == nullptr || found->number >= frame_.until) return nullptr;
            frame_.next = found->after;
            frame_.current = found;
            ++found->calls;
            if constexpr (counts) ++core_.calls_;
            core_.mutex_.unlock();
            return found;
        }
        void called(bool failed) noexcept {
            core_.mutex_.lock();
            if constexpr (counts) core_.failed_calls_ += failed;
            slot& listener = *frame_.current;
            core_.end_call(frame_);
            core_.retire(listener);
        }

    private:
        event_core& core_;
        frame frame_;
    };

    /// The end of the event: the end of every listener. Frees this, or leaves that to the last who refers to it.
    void end() noexcept {
        mutex_.lock();
        for (const frame* at = frames_; at != nullptr; at = at->older) {
            PLATEAU_EXPECTS(!at->emits || at->thread == sync::thread_id(),
                            "an event ended while another thread was emitting it");
        }
        while (first_ != nullptr) {
            slot& listener = *first_;
            unlink(listener);
            retire(listener);
        }
        alive_ = false;
        unlock();
    }

    [[nodiscard]] event_stats stats() const noexcept {
        mutex_.lock();
        const event_stats now{.listeners = listeners_.load(std::memory_order_relaxed),
                              .peak_listeners = peak_,
                              .subscribed = subscribed_,
                              .refused = refused_,
                              .calls = calls_,
                              .failed_calls = failed_calls_};
        mutex_.unlock();
        return now;
    }

    void check_invariants() const noexcept {
        mutex_.lock();
        check_locked();
        mutex_.unlock();
    }

private:
    static constexpr bool counts = std::is_same_v<typename Policies::stats, counting>;

    struct page {
        page* next = nullptr;
        slot slots[Policies::page_listeners];
    };

    ~event_core() {
        while (pages_ != nullptr) delete std::exchange(pages_, pages_->next);
    }

    // All below: under the mutex.

    void check_locked() const noexcept {
        std::size_t linked = 0;
        const slot* before = nullptr;
        for (const slot* at = first_; at != nullptr; before = at, at = at->after) {
            ++linked;
            PLATEAU_EXPECTS(at->linked && at->held && at->finish != nullptr && at->before == before,
                            "event: a listener in the list is not in order");
            PLATEAU_EXPECTS(before == nullptr || before->number < at->number, "event: listeners are out of order");
        }
        PLATEAU_EXPECTS(before == last_ && linked == listeners_.load(std::memory_order_relaxed) && linked <= in_use_ &&
                            in_use_ <= max_listeners_,
                        "event: the listeners were counted wrong");
        std::size_t all = 0, in_use = 0;
        std::uint64_t calls = 0;
        for (const page* at = pages_; at != nullptr; at = at->next) {
            for (const slot& one : at->slots) {
                ++all;
                in_use += one.linked || one.held || one.calls != 0;
                calls += one.calls;
            }
        }
        for (const frame* at = frames_; at != nullptr; at = at->older) calls -= at->current != nullptr;
        std::size_t free = 0;
        for (const slot* at = free_; at != nullptr; at = at->before) ++free;
        PLATEAU_EXPECTS(in_use == in_use_ && free + in_use == all, "event: a slot is neither free nor in use");
        PLATEAU_EXPECTS(calls == 0, "event: calls and those inside of them differ");
    }

    void add(page& fresh) noexcept {
        fresh.next = std::exchange(pages_, &fresh);
        for (slot& one : fresh.slots) {
            one.home = this;
            one.before = std::exchange(free_, &one);
        }
    }
    void give_back(slot& unused) noexcept {
        unused.before = std::exchange(free_, &unused);
        --in_use_;
    }
    /// Emissions that have not come to it yet will not.
    void unlink(slot& listener) noexcept {
        if (!std::exchange(listener.linked, false)) return;
        for (frame* at = frames_; at != nullptr; at = at->older)
            if (at->next == &listener) at->next = listener.after;
        (listener.before != nullptr ? listener.before->after : first_) = listener.after;
        (listener.after != nullptr ? listener.after->before : last_) = listener.before;
        listeners_.store(listeners_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    }
    void enter(frame& visitor) noexcept {
        visitor.older = frames_;
        if (frames_ != nullptr) frames_->newer = &visitor;
        frames_ = &visitor;
    }
    void leave(frame& visitor) noexcept {
        (visitor.newer != nullptr ? visitor.newer->older : frames_) = visitor.older;
        if (visitor.older != nullptr) visitor.older->newer = visitor.newer;
    }
    void end_call(frame& visitor) noexcept {
        slot& listener = *std::exchange(visitor.current, nullptr);
        --listener.calls;
        // It cannot go on before the mutex is free, and nobody enters a listener that has a leaver.
        if (listener.leaving != nullptr && listener.calls == listener.leaving->own_calls)
            listener.leaving->done.signal();
    }

    /// The one who holds a listener lets go of it.
    static void release(end_link& link) noexcept {
        auto& listener = static_cast<slot&>(link);
        event_core& core = *listener.home;
        core.mutex_.lock();
        core.unlink(listener);
        core.await_others(listener);
        listener.held = false;
        core.retire(listener);
        core.unlock();
    }

    /// Gives the mutex up while it waits.
    void await_others(slot& listener) noexcept {
        const void* const me = sync::thread_id();
        std::uint32_t own = 0;
        for (const frame* at = frames_; at != nullptr; at = at->older)
            own += at->current == &listener && at->thread == me;
        if (listener.calls == own) return;
        PLATEAU_EXPECTS(!waits_for(listener, me, me), "two threads inside listeners end each other's listener");
        leaver here{me, &listener, own, leavers_};
        leavers_ = &here;
        listener.leaving = &here;
        mutex_.unlock();
        here.done.sleep();
        mutex_.lock();
        listener.leaving = nullptr;
        leaver** at = &leavers_;
        while (*at != &here) at = &(*at)->older;
        *at = here.older;
    }
    /// Whether who waits for this listener waits, through others who wait, for `whom`. `waiting` is inside for itself.
    [[nodiscard]] bool waits_for(const slot& listener, const void* waiting, const void* whom) const noexcept {
        for (const frame* at = frames_; at != nullptr; at = at->older) {
            if (at->current != &listener || at->thread == waiting) continue;
            if (at->thread == whom) return true;
            for (const leaver* other = leavers_; other != nullptr; other = other->older)
                if (other->thread == at->thread && waits_for(*other->awaited, other->thread, whom)) return true;
        }
        return false;
    }

    /// Ends the object of a listener that nobody can call any more, and then frees its slot if nobody holds it. Gives
    /// the mutex up while the object ends. A leaver does this itself, when it has woken up.
    void retire(slot& listener) noexcept {
        if (listener.linked || listener.calls != 0 || listener.leaving != nullptr) return;
        if (auto* const finish = std::exchange(listener.finish, nullptr)) {
            frame visitor{.thread = sync::thread_id(), .emits = false, .current = &listener};
            enter(visitor);
            ++listener.calls;
            mutex_.unlock();
            finish(listener.object);
            mutex_.lock();
            end_call(visitor);
            leave(visitor);
        }
        if (!listener.held && listener.calls == 0 && listener.leaving == nullptr) give_back(listener);
    }

    void unlock() noexcept {
#if PLATEAU_HARDENED
        check_locked();
#endif
        const bool last = !alive_ && in_use_ == 0 && frames_ == nullptr;
        mutex_.unlock();
        if (last) delete this;
    }

    mutable typename sync::mutex mutex_;
    const std::size_t max_listeners_;
    typename sync::template atomic<std::size_t> listeners_{0};
    std::size_t in_use_ = 0;
    slot* first_ = nullptr;
    slot* last_ = nullptr;
    slot* free_ = nullptr;
    page* pages_ = nullptr;  // as many as max_listeners need; freed with this
    frame* frames_ = nullptr;
    leaver* leavers_ = nullptr;
    std::uint64_t next_number_ = 0;
    std::uint64_t peak_ = 0;
    std::uint64_t subscribed_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t calls_ = 0;
    std::uint64_t failed_calls_ = 0;
    bool warned_ = false;
    bool alive_ = true;  // the event is
};

/// How an argument reaches each of many listeners: nobody may take it away from the next.
template <class T>
using passed_on_t = std::conditional_t<std::is_lvalue_reference_v<T>, T, const std::remove_cv_t<T>&>;

}

/// Listeners that are called when something happens, at most `max_listeners`, and each with an end that cannot be
/// forgotten: a subscription's, a scope's, or the event's.
///
/// Promise   an emission calls, in the order in which they subscribed, all listeners that had subscribed when it began
///           and have not been ended when their turn comes; those that come while it runs are for the next.
///           What has been ended is not called, and is not running (see subscription). A listener that throws keeps
///           no other from being called: the first exception goes on to who emitted when all have been called.
/// Refusals  `full` beyond `max_listeners`. More than ten are told of once, on standard error (event_policies::warn):
///           a listener that each request adds and none ends is the leak that this type is about.
/// Re-entry  a listener may subscribe, end itself and others, emit again, and end the event: then the emissions that it
///           was called from call nobody any more.
///
/// Memory    slots of a fixed size come in pages, are used again, and are kept until the event and all who listen have
///           ended. A listener is at most event_policies::max_listener_bytes large; what it owns beside that is its
///           own. One that has ended inside its own call has its slot until that call returns.
/// Lifetime  who emits, subscribes or asks does so before the event's end; an event that ends while another thread
///           emits is a violation. Subscriptions and scopes may outlive it, and may end while it does.
/// Thread safety: any thread. Two threads that emit at once call a listener at once.
/// Complexity: O(1) but for `emit`: O(listeners). Blocks: only the end of a listener that another thread is inside of;
///           the mutex is not held while anything of the user's runs.
template <class Policies, class... Args>
class basic_event {
    static_assert((!std::is_rvalue_reference_v<Args> && ...),
                  "event<Args...>: every listener gets the arguments, so none may take them away");
    using core_type = detail::event_core<Policies>;
    using slot = typename core_type::slot;
    using call_type = void (*)(void*, detail::passed_on_t<Args>...);

public:
    using options = event_options;

    /// Throws: std::invalid_argument, std::bad_alloc.
    explicit basic_event(event_options chosen = {}) : core_(new core_type(checked(chosen).max_listeners)) {}
    basic_event(const basic_event&) = delete;
    basic_event& operator=(const basic_event&) = delete;
    /// Effects: ends every listener.
    ~basic_event() { core_->end(); }

    /// Effects: `f(args...)` is called by emissions from now on, until the subscription ends.
    /// Throws: std::bad_alloc, and what moving or copying `f` throws: then nothing happened.
    template <class F>
    [[nodiscard]] subscription subscribe(F&& f) {
        slot* const taken = core_->take();
        if (taken == nullptr) return subscribe_reason::full;
        fill(*taken, std::forward<F>(f));
        core_->link(*taken);
        return subscription(*taken);
    }

    /// Effects: the same, until the scope ends, or the event. Called by the thread that may use the scope.
    template <detail::ending Scope, class F>
    [[nodiscard]] subscribe_reason subscribe(Scope& scope, F&& f) {
        detail::end_list& ends = ends_of(scope);
        if (ends.ended()) return subscribe_reason::ended;
        slot* const taken = core_->take();
        if (taken == nullptr) return subscribe_reason::full;
        fill(*taken, std::forward<F>(f));
        core_->link(*taken);
        ends.add(*taken);
        return subscribe_reason::none;
    }

    /// Effects: calls every listener with the arguments.
    /// Throws: the first of what listeners threw, after all were called.
    void emit(detail::passed_on_t<Args>... args) {
        if (core_->nobody_listens()) return;
#if PLATEAU_EXCEPTIONS
        std::exception_ptr first;
#endif
        {
            typename core_type::visit all(*core_);  // from here on the event may end
            while (slot* const listener = all.next()) {
                const auto call = reinterpret_cast<call_type>(listener->call);
                bool failed = false;
#if PLATEAU_EXCEPTIONS
                try {
                    call(listener->object, args...);
                } catch (...) {
                    failed = true;
                    if (first == nullptr) first = std::current_exception();
                }
#else
                call(listener->object, args...);
#endif
                all.called(failed);
            }
        }
#if PLATEAU_EXCEPTIONS
        if (first != nullptr) std::rethrow_exception(std::move(first));
#endif
    }

    [[nodiscard]] event_stats stats() const noexcept { return core_->stats(); }
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        return sizeof(*this) + core_type::bytes_at_most(core_->max_listeners());
    }
    /// At any moment.
    void check_invariants() const noexcept { core_->check_invariants(); }

private:
    static const event_options& checked(const event_options& chosen) {
        detail::require_option(chosen.max_listeners >= 1 && chosen.max_listeners <= 1'048'576,
                               "event_options: max_listeners is 1 to 1'048'576");
        return chosen;
    }

    template <class F>
    void fill(slot& taken, F&& f) {
        using function = std::decay_t<F>;
        static_assert(std::is_invocable_v<function&, detail::passed_on_t<Args>...>,
                      "plateau: a listener is called with the event's arguments");
        static_assert(sizeof(function) <= Policies::max_listener_bytes &&
                          alignof(function) <= alignof(std::max_align_t),
                      "plateau: this listener is larger than an event's slot: let it point to what it needs");
        struct seat {
            ~seat() {
                if (taken != nullptr) core.give_back_unused(*taken);
            }
            core_type& core;
            slot* taken;
        } reserved{*core_, &taken};
        ::new (static_cast<void*>(taken.object)) function(std::forward<F>(f));
        reserved.taken = nullptr;
        taken.call = reinterpret_cast<void (*)()>(static_cast<call_type>(&call_function<function>));
        taken.finish = [](void* object) noexcept { static_cast<function*>(object)->~function(); };
    }
    template <class F>
    static void call_function(void* object, detail::passed_on_t<Args>... args) {
        static_cast<void>((*std::launder(static_cast<F*>(object)))(static_cast<detail::passed_on_t<Args>>(args)...));
    }

    core_type* const core_;
};

PLATEAU_NAMESPACE_END
