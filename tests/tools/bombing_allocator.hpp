// SPDX-License-Identifier: MIT
#pragma once

#include "tools/counting_allocator.hpp"
#include "tools/fault.hpp"

namespace plateau_test {

/// A counting_allocator whose every allocation is a fault point of kind fault::allocator: `armed_fault
/// bomb{fault::allocator, n}` makes the n-th throw std::bad_alloc.
template <class T>
class bombing_allocator : public counting_allocator<T> {
public:
    template <class U>
    struct rebind {
        using other = bombing_allocator<U>;
    };

    using counting_allocator<T>::counting_allocator;
    template <class U>
    bombing_allocator(const bombing_allocator<U>& other) noexcept : counting_allocator<T>(other.tally()) {}

    [[nodiscard]] T* allocate(std::size_t n) {
        if (fault_due(fault::allocator)) throw std::bad_alloc{};
        return counting_allocator<T>::allocate(n);
    }
};

}  // namespace plateau_test
