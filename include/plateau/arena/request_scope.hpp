// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/arena/arena_pool.hpp>
#include <plateau/arena/block_source.hpp>
#include <plateau/arena/limits.hpp>
#include <plateau/arena/request_arena.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/end_list.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/detail/poison.hpp>
#include <plateau/fwd.hpp>
#include <plateau/stop.hpp>
#include <plateau/sync.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

struct scope_options {
    /// Bytes of the pool's blocks that the request holds at most, its own state included; rounded down to whole blocks,
    /// but at least one.
    std::size_t max_bytes = std::size_t{64} << 20;

    /// From this moment on `stop_requested()` is true.
    time_point deadline = (time_point::max)();
};

/// What carries the atomics, the mutexes and the time of a scope.
struct scope_policies {
    using clock = steady_clock;  ///< read by `stop_requested`, and only where there is a deadline
    using sync = default_sync;
};

struct scope_stats {
    std::uint64_t held_bytes = 0;
    std::uint64_t max_bytes = 0;
    std::uint64_t tokens = 0;

    static constexpr std::string_view family = "scope";
    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto gauge = field_kind::gauge;
        f(field_info{"held", "bytes", "Blocks of the pool that the request holds.", gauge}, held_bytes);
        f(field_info{"max", "bytes", "Blocks that it may hold.", gauge}, max_bytes);
        f(field_info{"tokens", "", "Tokens that keep it beyond its end.", gauge}, tokens);
    }
};

namespace detail {

/// Puts an arena into the first of its own blocks, beside what belongs to the same request, and takes it apart again.
struct arena_host {
    /// Where an object of this type lies at the beginning of a run.
    template <class T>
    [[nodiscard]] static void* place_of(block_run& run) noexcept {
        static_assert(alignof(T) <= alignof(block_run) && sizeof(T) <= 1024);
        unpoison(&run + 1, sizeof(T));
        return &run + 1;
    }
    /// The arena has the rest of the run.
    template <class T>
    [[nodiscard]] static request_arena make(block_source& source, const arena_options& bounds,
                                            block_run& run) noexcept {
        const auto at = reinterpret_cast<std::uintptr_t>(&run);
        return request_arena(source, bounds, run,
                             {at + sizeof run + sizeof(T), at + run.blocks * source.block_bytes()});
    }
    static void run_cleanups(request_arena& arena) noexcept { arena.run_cleanups(nullptr); }
    /// Returns: all runs of an arena without objects. They are the caller's to give back, the arena's own place with
    /// them.
    [[nodiscard]] static block_run* release(request_arena& arena) noexcept {
        arena.current_ = arena.spare_ = arena.first_room_ = {};
        arena.held_ = 0;
        return std::exchange(arena.runs_, nullptr);
    }
};

/// Names a type by an address, where there may be no RTTI.
template <class T>
inline constexpr char type_mark = 0;

/// An object that `find` knows. Linked while it lives, newest first.
struct attachment {
    const void* type;
    void* value;
    attachment* older;
};

/// What a request is, beside its name on a stack: in the first block of its own arena, so that it can stay when the
/// scope object goes.
///
/// holders_  the scope object and every token. Whoever takes the last one away finishes the request. The scope object
///           is counted until it has stopped, detached and, where tokens are left, parked the request: so whoever else
///           is last finds it parked.
/// phase_    open -> cancelled by `cancel`, open -> ended by the end: whichever comes first decides whether the
///           callbacks of `on_cancel` are called.
template <class Sync>
class scope_state : public parked_scope {
public:
    static scope_state& make(block_source& source, const arena_options& bounds, time_point deadline) {
        const block_source::taken got = source.take(1, true);
        if (got.run == nullptr) refuse(got.reason, bounds.max_bytes);
        return *::new (arena_host::place_of<scope_state>(*got.run)) scope_state(source, *got.run, bounds, deadline);
    }
    scope_state(const scope_state&) = delete;
    scope_state& operator=(const scope_state&) = delete;

    [[nodiscard]] request_arena& arena() noexcept { return arena_; }
    [[nodiscard]] const request_arena& arena() const noexcept { return arena_; }
    [[nodiscard]] basic_inplace_stop_token<Sync> get_stop_token() const noexcept { return stop_.get_token(); }
    [[nodiscard]] bool stop_requested() const noexcept { return stop_.stop_requested(); }
    [[nodiscard]] time_point deadline() const noexcept { return deadline_; }
    [[nodiscard]] end_list& ends() noexcept { return ends_; }
    [[nodiscard]] attachment*& newest_attachment() noexcept { return attachments_; }
    [[nodiscard]] std::size_t holders() const noexcept { return holders_.load(std::memory_order_relaxed); }

    void cancel() noexcept {
        if (leave_open(phase::cancelled)) stop_.request_stop();
    }
    /// For the callbacks of `on_cancel`, which run inside a request to stop: that orders the load.
    [[nodiscard]] bool cancelled() const noexcept { return phase_.load(std::memory_order_relaxed) == phase::cancelled; }

    void hold() noexcept {
        PLATEAU_EXPECTS(!ends_.ended(), "a request that has ended is not kept alive");
        holders_.fetch_add(1, std::memory_order_relaxed);  // who holds one already orders it
    }
    /// By a token.
    void release() noexcept {
        if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) finish_parked();
    }

    /// By the scope object, once: the first half of the end, and where nobody else holds it the second.
    void end() noexcept {
        leave_open(phase::ended);
        stop_.request_stop();
        ends_.end();
        // Only this thread makes tokens: none will come. Acquire: what tokens did happens before the end.
        if (holders_.load(std::memory_order_acquire) == 1) return finish();
        source_.park(*this);
        release();
    }

private:
    enum class phase : std::uint8_t { open, cancelled, ended };

    scope_state(block_source& source, block_run& first, const arena_options& bounds, time_point deadline) noexcept
        : source_(source), deadline_(deadline), arena_(arena_host::make<scope_state>(source, bounds, first)) {}
    ~scope_state() = default;

    [[noreturn]] PLATEAU_COLD static void refuse([[maybe_unused]] arena_reason why,
                                                 [[maybe_unused]] std::size_t max_bytes) {
#if PLATEAU_EXCEPTIONS
        throw limit_exceeded(why, max_bytes);
#else
        violation("plateau: a request_scope found no memory in its pool, and exceptions are off\n");
#endif
    }

    /// Returns: whether this was the one to leave it.
    bool leave_open(phase to) noexcept {
        phase expected = phase::open;
        // Relaxed: who reads it does so inside, or after, the request to stop that follows.
        return phase_.compare_exchange_strong(expected, to, std::memory_order_relaxed, std::memory_order_relaxed);
    }

    void finish_parked() noexcept {
        source_.unpark(*this);
        finish();
    }
    /// Effects: destructors and deferred calls; then the memory goes back, this object with it.
    void finish() noexcept {
        arena_host::run_cleanups(arena_);
        block_source& source = source_;
        block_run* const runs = arena_host::release(arena_);
        this->~scope_state();
        source.give_back(runs, true);
    }

    block_source& source_;
    const time_point deadline_;
    typename Sync::template atomic<std::size_t> holders_{1};
    typename Sync::template atomic<phase> phase_{phase::open};
    basic_inplace_stop_source<Sync> stop_;
    end_list ends_;  // callbacks of on_cancel, and listeners; the request's thread
    attachment* attachments_ = nullptr;
    request_arena arena_;
};

}

/// Keeps a request's memory beyond the end of its scope: what was made there stays as it is until the last token goes.
/// Then the thread that lets it go runs the request's deferred calls and destructors.
///
/// Until then the memory is charged to the pool and counted as parked (arena_pool_stats::parked_scopes): background
/// work that holds requests is visible. The pool outlives it; a pool that ends before is a violation.
/// Thread safety: one thread at a time, any thread. Throws: nothing. Complexity: O(1), but for the last: as the end.
template <class Policies>
class [[nodiscard]] basic_scope_token {
public:
    basic_scope_token(basic_scope_token&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    basic_scope_token& operator=(basic_scope_token&& other) noexcept {
        if (this == &other) return *this;
        reset();
        state_ = std::exchange(other.state_, nullptr);
        return *this;
    }
    ~basic_scope_token() { reset(); }

    /// False once it was moved from, or reset.
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

    void reset() noexcept {
        if (state_ != nullptr) std::exchange(state_, nullptr)->release();
    }

private:
    template <class>
    friend class basic_request_scope;
    using state = detail::scope_state<typename Policies::sync>;

    explicit basic_scope_token(state& kept) noexcept : state_(&kept) { kept.hold(); }

    state* state_;
};

/// One request: its memory, its destructors, its listeners, its cancellation, with one end.
///
/// The end, in this order:
///   1  the stop token is asked to stop
///   2  callbacks of `on_cancel` and listeners are detached, newest first: after this step none is running, on any
///      thread. A request that ends without `cancel` calls none of the callbacks.
///   3  tokens left: the request is parked, the destructor returns, and the last token's thread does the rest
///   4  deferred calls and destructors (`defer`, `attach`, `arena().create`), one list, newest first; those that are
///      added meanwhile, too, until none is left
///   5  the memory goes back to the pool
///
/// Memory   the request holds one block of the pool from its beginning, and its own state lies in it: a scope allocates
///          nothing else. Objects that lie elsewhere and refer to the request's memory end before it: pass them a token
///          where they cannot.
/// Deadline `stop_requested()` and `deadline()` know of it; the stop token does not, for that would take a thread. A
///          wait takes both: `admit_until(args, request.deadline(), request.get_stop_token())`.
/// Thread safety  `cancel`, `stop_requested`, `get_stop_token` and `deadline` from any thread, the rest by one thread
/// at a
///          time; which one may change. Whoever cancels from elsewhere (a table of connections, a parent's stop
///          callback) is made to forget the request before the scope object goes: by an object that is declared after
///          the scope, or, in a request without tokens, by a deferred call.
/// Not movable: what it hands out refers to it. `arena()` of a temporary does not compile.
/// Blocks   the end: while another thread is inside a callback or a listener of the request.
template <class Policies>
class basic_request_scope {
    using sync = typename Policies::sync;
    using clock_type = typename Policies::clock;
    using state = detail::scope_state<sync>;

public:
    using options = scope_options;
    using token = basic_scope_token<Policies>;

    /// Throws: limit_exceeded when the pool has no block, or its `max_scopes` (exceptions off: a violation);
    /// std::invalid_argument for a `max_bytes` of 0.
    template <class PoolPolicies, class... Parts>
    explicit basic_request_scope(basic_arena_pool<PoolPolicies>& pool PLATEAU_LIFETIMEBOUND,
                                 const scope_options& chosen = {}, Parts&&... parts)
        : clock_(std::in_place, std::forward<Parts>(parts)...),
          state_(state::make(detail::pool_access::source_of(pool), bounds_of(chosen), chosen.deadline)) {}
    basic_request_scope(const basic_request_scope&) = delete;
    basic_request_scope& operator=(const basic_request_scope&) = delete;
    ~basic_request_scope() { state_.end(); }

    /// The request's memory. `reset()` of it ends what was made in it, `rewind()` what was made since a mark.
    [[nodiscard]] request_arena& arena() & noexcept PLATEAU_LIFETIMEBOUND { return state_.arena(); }
    request_arena& arena() && = delete;  // the memory ends with the scope: give the scope a name first

    [[nodiscard]] basic_inplace_stop_token<sync> get_stop_token() const noexcept PLATEAU_LIFETIMEBOUND {
        return state_.get_stop_token();
    }
    /// Returns: whether the request was cancelled, has ended, or is past its deadline.
    [[nodiscard]] bool stop_requested() const noexcept {
        if (state_.stop_requested()) return true;
        return deadline() != (time_point::max)() && (*clock_).now() >= deadline();
    }
    [[nodiscard]] time_point deadline() const noexcept { return state_.deadline(); }

    /// Effects: asks to stop, and calls the callbacks of `on_cancel`, newest first, on this thread. The first call
    /// counts; after the end has begun there is none. Ends nothing: the request's own code does, when it sees it.
    void cancel() noexcept { state_.cancel(); }

    /// Effects: `f()` runs at the end, in one order with the destructors.
    /// Throws: limit_exceeded, and what moving `f` throws.
    template <class F>
    void defer(F&& f) {
        arena().defer(std::forward<F>(f));
    }

    /// Effects: `f()` runs once when the request is cancelled, on the thread that does so; at once, if it was already.
    /// Not if it ends before. Throws: limit_exceeded, and what moving `f` throws.
    template <class F>
    void on_cancel(F&& f) {
        static_assert(std::is_nothrow_invocable_v<std::decay_t<F>&>,
                      "plateau: what runs when a request is cancelled must not throw: mark it noexcept");
        if (state_.ends().ended()) return;
        arena().template create<cancel_callback<std::decay_t<F>>>(state_, std::forward<F>(f));
    }

    /// Effects: makes a T that dies with the request. Throws: limit_exceeded, and what the constructor throws.
    template <class T, class... Args>
    T& attach(Args&&... args) PLATEAU_LIFETIMEBOUND {
        static_assert(std::is_object_v<T> && !std::is_const_v<T>, "plateau: attach<T>: T is a plain object type");
        return arena().template create<attached<T>>(state_, std::forward<Args>(args)...).object;
    }
    /// Returns: the newest attached T that is alive, or null. Complexity: O(attached objects).
    template <class T>
    [[nodiscard]] T* find() noexcept PLATEAU_LIFETIMEBOUND {
        for (detail::attachment* at = state_.newest_attachment(); at != nullptr; at = at->older)
            if (at->type == &detail::type_mark<std::remove_cv_t<T>>) return static_cast<T*>(at->value);
        return nullptr;
    }

    /// Returns: what keeps the request's memory beyond its end, while it lives.
    token keep_alive() noexcept { return token(state_); }

    [[nodiscard]] scope_stats stats() const noexcept {
        const arena_stats memory = std::as_const(state_).arena().stats();
        return {.held_bytes = memory.held_bytes, .max_bytes = memory.max_bytes, .tokens = state_.holders() - 1};
    }
    /// The scope itself and the pool's blocks, in the first of which its arena lies. `unlimited` where its bound is.
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        return detail::saturating_add(sizeof(*this), std::as_const(state_).arena().stats().max_bytes);
    }
    /// By the request's thread.
    void check_invariants() const noexcept {
        std::as_const(state_).arena().check_invariants();
        PLATEAU_EXPECTS(state_.holders() >= 1, "request_scope: nobody holds it");
    }

private:
    /// A callback of `on_cancel`. It ends with its place in the arena, but for the end of the request: detached before.
    template <class F>
    class cancel_callback : detail::end_link {
    public:
        template <class G>
        cancel_callback(state& of, G&& f) : end_link{.run = &detach}, call_{&of, std::forward<G>(f)} {
            ::new (static_cast<void*>(registered_)) registration(of.get_stop_token(), call_ref{&call_});
            of.ends().add(*this);
        }
        cancel_callback(const cancel_callback&) = delete;
        cancel_callback& operator=(const cancel_callback&) = delete;
        ~cancel_callback() {
            if (link == nullptr) return;
            detail::end_list::remove(*this);
            detach(*this);
        }

    private:
        struct guarded_call {
            state* of;
            F f;
        };
        struct call_ref {
            guarded_call* call;
            void operator()() const noexcept {
                if (call->of->cancelled()) static_cast<void>(call->f());
            }
        };
        using registration = inplace_stop_callback<call_ref, sync>;

        static void detach(end_link& self) noexcept {
            std::launder(reinterpret_cast<registration*>(static_cast<cancel_callback&>(self).registered_))
                ->~registration();
        }

        guarded_call call_;
        alignas(registration) std::byte registered_[sizeof(registration)];
    };

    template <class T>
    struct attached : detail::attachment {
        template <class... Args>
        explicit attached(state& of, Args&&... args)
            : attachment{&detail::type_mark<T>, nullptr, nullptr},
              owner(of),
              object(made(std::forward<Args>(args)...)) {
            value = std::addressof(object);
            older = std::exchange(of.newest_attachment(), this);
        }
        attached(const attached&) = delete;
        attached& operator=(const attached&) = delete;
        ~attached() { owner.newest_attachment() = older; }  // the newest ends first

        /// As construct_in, for a member.
        template <class... Args>
        static T made(Args&&... args) {
            if constexpr (std::is_constructible_v<T, Args...>) return T(std::forward<Args>(args)...);
            else return T{std::forward<Args>(args)...};
        }

        state& owner;
        T object;
    };

    friend detail::end_list& ends_of(basic_request_scope& scope) noexcept { return scope.state_.ends(); }

    static arena_options bounds_of(const scope_options& chosen) {
        detail::require_option(chosen.max_bytes >= 1, "scope_options: max_bytes is at least 1");
        return {.max_bytes = chosen.max_bytes};
    }

    PLATEAU_NO_UNIQUE_ADDRESS detail::shared_part<clock_type> clock_;
    state& state_;
};

PLATEAU_NAMESPACE_END
