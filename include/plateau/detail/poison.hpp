// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <cstddef>

#if PLATEAU_DETAIL_ASAN
extern "C" void __asan_poison_memory_region(const volatile void*, std::size_t);
extern "C" void __asan_unpoison_memory_region(const volatile void*, std::size_t);
#endif

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Memory that is ours but holds nothing now: AddressSanitizer reports whoever touches it. Without it, no code at all.
inline void poison([[maybe_unused]] const volatile void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if PLATEAU_DETAIL_ASAN
    __asan_poison_memory_region(memory, bytes);
#endif
}
inline void unpoison([[maybe_unused]] const volatile void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if PLATEAU_DETAIL_ASAN
    __asan_unpoison_memory_region(memory, bytes);
#endif
}

}
PLATEAU_NAMESPACE_END
