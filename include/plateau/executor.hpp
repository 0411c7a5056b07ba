// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <concepts>
#include <memory>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN

/// Something to run once: a function and the object it runs on. Sixteen bytes, trivially copyable, owns nothing.
///
/// Whoever makes a `work` keeps the object alive until it has run.
class work {
public:
    using function = void (*)(void*) noexcept;

    constexpr work(function run, void* object) noexcept : run_(run), object_(object) {
        PLATEAU_EXPECTS(run != nullptr, "work needs a function to run");
    }

    void operator()() const noexcept { run_(object_); }
    /// The object it runs on, so that a pool can find a link of its own inside it.
    [[nodiscard]] constexpr void* object() const noexcept { return object_; }

private:
    function run_;
    void* object_;
};

static_assert(sizeof(work) == 2 * sizeof(void*) && std::is_trivially_copyable_v<work>);

/// Where work is run. `post` hands it over and does not fail: an executor that throws from it terminates the process.
template <class T>
concept executor = requires(T& where, work what) {
    where.post(what);
};

/// An executor of any type, by reference: two words. The executor outlives the reference; a temporary does not compile.
class executor_ref {
public:
    template <executor E>
        requires(!std::same_as<std::remove_cv_t<E>, executor_ref>)
    constexpr executor_ref(E& where PLATEAU_LIFETIMEBOUND) noexcept
        : object_(const_cast<void*>(static_cast<const volatile void*>(std::addressof(where)))),
          post_([](void* object, work what) noexcept { static_cast<E*>(object)->post(what); }) {}

    template <executor E>
        requires(!std::same_as<std::remove_cvref_t<E>, executor_ref> && !std::is_lvalue_reference_v<E>)
    executor_ref(E&&)
    = delete;  // an executor is taken by reference and outlives what refers to it

    void post(work what) const noexcept { post_(object_, what); }

private:
    void* object_;
    void (*post_)(void*, work) noexcept;
};

/// Runs what is posted at once, on the thread that posts.
struct inline_executor {
    void post(work what) const noexcept { what(); }
};

static_assert(executor<executor_ref> && executor<inline_executor>);

PLATEAU_NAMESPACE_END
