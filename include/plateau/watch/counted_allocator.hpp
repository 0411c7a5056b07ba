// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>
#include <plateau/watch/ledger.hpp>

#include <cstddef>
#include <new>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN

/// A standard allocator that keeps an account: what a container requests is charged, what it gives back is refunded, to
/// the byte. The memory comes from `operator new`.
///
/// A container's memory stays on the account that paid for it: moving or swapping a container moves the account along,
/// copying into an existing container charges that container's account, a copy made anew charges its source's.
/// Allocators are equal when their account is the same.
///
/// Over budget, `allocate` throws std::bad_alloc and nothing is charged (where exceptions are off: a violation).
/// Lifetime: the ledger outlives every container.
template <class T, class Policies>
class counted_allocator {
public:
    using value_type = T;
    using account_type = basic_account<Policies>;
    using propagate_on_container_copy_assignment = std::false_type;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::false_type;

    counted_allocator(const account_type& pays) noexcept : account_(pays) {}
    counted_allocator(const account_type&&) = delete;  // an account is taken by reference: open it by name first
    template <class U>
    counted_allocator(const counted_allocator<U, Policies>& other) noexcept : account_(other.get_account()) {}

    /// Throws: std::bad_array_new_length, std::bad_alloc. Thread safety: as that of `operator new`.
    [[nodiscard]] T* allocate(std::size_t n) {
        std::size_t bytes = 0;
        if (!detail::checked_mul(n, sizeof(T), bytes)) refuse_length();
        if (!account_.try_charge(bytes)) refuse_budget();
        charged taken{account_, bytes};
        T* const memory = static_cast<T*>(request(bytes));
        taken.bytes = 0;
        return memory;
    }

    void deallocate(T* memory, std::size_t n) noexcept {
        // The refund comes first: g++ 12 takes a size that a container computes from its pointers for a use of them.
        account_.refund(n * sizeof(T));
        if constexpr (alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
            ::operator delete (memory, std::align_val_t{alignof(T)});
        } else {
            ::operator delete(memory);
        }
    }

    [[nodiscard]] const account_type& get_account() const noexcept PLATEAU_LIFETIMEBOUND { return account_; }

    template <class U>
    [[nodiscard]] friend bool operator==(const counted_allocator& a, const counted_allocator<U, Policies>& b) noexcept {
        return a.get_account() == b.get_account();
    }

private:
    /// Gives the charge back if `operator new` throws.
    struct charged {
        const account_type& account;
        std::size_t bytes;
        ~charged() { account.refund(bytes); }
    };

    static void* request(std::size_t bytes) {
        if constexpr (alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
            return ::operator new (bytes, std::align_val_t{alignof(T)});
        } else {
            return ::operator new(bytes);
        }
    }

    [[noreturn]] PLATEAU_COLD static void refuse_length() {
#if PLATEAU_EXCEPTIONS
        throw std::bad_array_new_length();
#else
        detail::violation("plateau: a counted container asks for more bytes than there are addresses\n");
#endif
    }
    [[noreturn]] PLATEAU_COLD static void refuse_budget() {
#if PLATEAU_EXCEPTIONS
        throw std::bad_alloc();
#else
        detail::violation("plateau: a counted container exceeds the budget of its account\n");
#endif
    }

    account_type account_;
};

PLATEAU_NAMESPACE_END
