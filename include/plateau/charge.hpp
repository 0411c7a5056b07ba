// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN

/// An outer budget in bytes that several holders share. `try_charge(n)` takes n bytes, or takes nothing and answers
/// something false; `refund(n)` gives back what was taken. Both may be called from any thread.
template <class T>
concept charge = requires(T& budget, std::size_t bytes) {
    {static_cast<bool>(budget.try_charge(bytes))};
    budget.refund(bytes);
};

/// No outer budget: everything fits.
struct no_charge {
    static constexpr bool try_charge(std::size_t) noexcept { return true; }
    static constexpr void refund(std::size_t) noexcept {}
};

/// A budget of any type, by reference: two words. The budget outlives the reference; a temporary does not compile.
class charge_ref {
public:
    template <charge C>
        requires(!std::same_as<std::remove_cv_t<C>, charge_ref>)
    constexpr charge_ref(C& budget PLATEAU_LIFETIMEBOUND) noexcept
        : object_(const_cast<void*>(static_cast<const volatile void*>(__builtin_addressof(budget)))),
          calls_(&calls_of<C>) {}

    template <charge C>
        requires(!std::same_as<std::remove_cvref_t<C>, charge_ref> && !std::is_lvalue_reference_v<C>)
    charge_ref(C&&)
    = delete;  // a budget is taken by reference and outlives what refers to it

    [[nodiscard]] bool try_charge(std::size_t bytes) const noexcept { return calls_->try_charge(object_, bytes); }
    void refund(std::size_t bytes) const noexcept { calls_->refund(object_, bytes); }

private:
    struct calls {
        bool (*try_charge)(void*, std::size_t) noexcept;
        void (*refund)(void*, std::size_t) noexcept;
    };
    template <class C>
    static constexpr calls calls_of{
        [](void* object, std::size_t bytes) noexcept {
            return static_cast<bool>(static_cast<C*>(object)->try_charge(bytes));
        },
        [](void* object, std::size_t bytes) noexcept { static_cast<C*>(object)->refund(bytes); }};

    void* object_;
    const calls* calls_;
};

static_assert(charge<no_charge> && charge<charge_ref>);

PLATEAU_NAMESPACE_END
