// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <concepts>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN

/// What posted objects begin with: room for the queue that they wait in, so that an executor can queue work without
/// allocating. From `post` until the work begins it belongs to the executor.
struct work_link {
    work_link* next = nullptr;
    void (*run)(work_link&) noexcept = nullptr;
};

/// Something to run once: a function and the object it runs on. Two words, trivially copyable, owns nothing.
///
/// Whoever makes a `work` keeps the object alive until it has run.
class work {
public:
    using function = void (*)(work_link&) noexcept;

    constexpr work(function run, work_link& object PLATEAU_LIFETIMEBOUND) noexcept
        : run_(run), object_(__builtin_addressof(object)) {
        PLATEAU_EXPECTS(run != nullptr, "work needs a function to run");
    }

    void operator()() const noexcept { run_(*object_); }

    /// The object as a member of a queue of its executor, with `run` filled in; `work(*link.run, link)` is it again.
    [[nodiscard]] work_link& link() const noexcept {
        object_->run = run_;
        return *object_;
    }

private:
    function run_;
    work_link* object_;
};

static_assert(sizeof(work) == 2 * sizeof(void*) && std::is_trivially_copyable_v<work>);

/// Where work is run. `post` hands it over and does not fail: an executor that throws from it terminates the process.
///
/// An executor with one thread may offer `bool runs_here() const noexcept`: whether the calling thread is the one that
/// runs its work. Then a waiter that would wait for ever for work that only this thread could run is a violation
/// instead. With several threads it answers true on each of them, although another might run that work.
template <class T>
concept executor = requires(T& where, work what) {
    where.post(what);
};

/// Runs what is posted at once, on the thread that posts, and takes its stack for what that posts in turn.
struct inline_executor {
    void post(work what) const noexcept { what(); }
};

/// An executor of any type, by reference: two words. The executor outlives the reference; a temporary does not compile.
class executor_ref {
public:
    template <executor E>
        requires(!std::same_as<std::remove_cv_t<E>, executor_ref>)
    constexpr executor_ref(E& where PLATEAU_LIFETIMEBOUND) noexcept
        : object_(const_cast<void*>(static_cast<const volatile void*>(__builtin_addressof(where)))),
          calls_(&calls_of<E>) {}

    template <executor E>
        requires(!std::same_as<std::remove_cvref_t<E>, executor_ref> && !std::is_lvalue_reference_v<E>)
    executor_ref(E&&)
    = delete;  // an executor is taken by reference and outlives what refers to it

    void post(work what) const noexcept { calls_->post(object_, what); }
    /// False also for an executor that cannot tell.
    [[nodiscard]] bool runs_here() const noexcept { return calls_->runs_here(object_); }
    [[nodiscard]] bool is_inline() const noexcept { return calls_->is_inline; }
    /// Of the same executor.
    [[nodiscard]] friend bool operator==(executor_ref, executor_ref) noexcept = default;

private:
    struct calls {
        void (*post)(void*, work) noexcept;
        bool (*runs_here)(void*) noexcept;
        bool is_inline;  // told by its type: the address of this table differs between shared objects
    };
    template <class E>
    static bool ask([[maybe_unused]] void* object) noexcept {
        if constexpr (requires(const E& where) { where.runs_here(); })
            return static_cast<const E*>(object)->runs_here();
        else return false;
    }
    template <class E>
    static constexpr calls calls_of{[](void* object, work what) noexcept { static_cast<E*>(object)->post(what); },
                                    &ask<E>, std::same_as<std::remove_cv_t<E>, inline_executor>};

    void* object_;
    const calls* calls_;
};

/// The executor of whoever names none.
inline constexpr inline_executor inline_here{};

static_assert(executor<executor_ref> && executor<const inline_executor>);

PLATEAU_NAMESPACE_END
