// SPDX-License-Identifier: MIT
/// Fault points: places in the test tools that fail on demand, at the n-th time they are reached.
#pragma once

#include <cstdint>
#include <exception>

namespace plateau_test {

/// What can be made to fail. Kinds combine, so that a sweep can fail the n-th fallible step of any kind.
enum class fault : unsigned {
    none = 0,
    operator_new = 1U << 0U,  ///< the global operator new
    allocator = 1U << 1U,     ///< bombing_allocator::allocate
    construct = 1U << 2U,     ///< throwing_value from a number
    copy = 1U << 3U,          ///< throwing_value, copy construction and copy assignment
    move = 1U << 4U,          ///< throwing_value, move construction and move assignment
    hash = 1U << 5U,
    equal = 1U << 6U,
    weigh = 1U << 7U,
    callback = 1U << 8U,  ///< predicates, visitors and what else a test hands in
    any = ~0U,
};

constexpr fault operator|(fault a, fault b) noexcept {
    return static_cast<fault>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool overlap(fault a, fault b) noexcept { return (static_cast<unsigned>(a) & static_cast<unsigned>(b)) != 0; }

enum class fault_mode { once, from_then_on };

/// Thrown by every fault point but the allocating ones, which throw std::bad_alloc. Carries nothing: throwing it
/// allocates nothing through operator new.
struct injected_fault final : std::exception {
    const char* what() const noexcept override { return "injected fault"; }
};

namespace fault_detail {
struct plan {
    fault kinds = fault::none;
    fault_mode mode = fault_mode::once;
    std::uint64_t at = 0;
    std::uint64_t reached = 0;
    std::uint64_t fired = 0;
};
/// One a thread, and without a destructor: operator new asks it until the last static object is gone.
inline constinit thread_local plan current;
}  // namespace fault_detail

/// A fault point of kind `kind` was reached. Returns: whether it must fail.
inline bool fault_due(fault kind) noexcept {
    auto& plan = fault_detail::current;
    if (!overlap(plan.kinds, kind)) return false;
    ++plan.reached;
    const bool due = plan.mode == fault_mode::once ? plan.reached == plan.at : plan.reached >= plan.at;
    if (due) ++plan.fired;
    return due;
}

/// Throws: injected_fault, when this is the step that must fail.
inline void fault_here(fault kind) {
    if (fault_due(kind)) throw injected_fault{};
}

/// While it lives, the n-th fault point (from 1) of the given kinds that this thread reaches fails; with from_then_on,
/// every later one too. n = 0 fails nothing and only counts. Nested plans replace the outer one until their end.
class armed_fault {
public:
    armed_fault(fault kinds, std::uint64_t n, fault_mode mode = fault_mode::once) noexcept
        : outer_(fault_detail::current) {
        const bool never = n == 0;
        fault_detail::current = {kinds, never ? fault_mode::once : mode, n, 0, 0};
    }
    armed_fault(const armed_fault&) = delete;
    armed_fault& operator=(const armed_fault&) = delete;
    ~armed_fault() { fault_detail::current = outer_; }

    std::uint64_t reached() const noexcept { return fault_detail::current.reached; }
    std::uint64_t fired() const noexcept { return fault_detail::current.fired; }

private:
    fault_detail::plan outer_;
};

}  // namespace plateau_test
