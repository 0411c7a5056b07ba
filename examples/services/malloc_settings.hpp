// SPDX-License-Identifier: MIT
#pragma once
// Settings of the C library's allocator for a server that must give memory back; the same for both services.
#if defined(__GLIBC__) || __has_include(<malloc.h>)
#    include <malloc.h>
#endif

inline void settle_malloc() noexcept {
#if defined(__GLIBC__)
    // Without these three, resident memory follows the allocator's habits rather than the program's.
    // An arena keeps what its threads freed; one arena for each of many threads keeps many times that.
    mallopt(M_ARENA_MAX, 2);
    // A page in the cache gets a mapping of its own, which goes back to the kernel whole when the page is dropped. By
    // default the threshold would rise to the largest page ever freed, and pages would then leave holes between smaller
    // blocks.
    mallopt(M_MMAP_THRESHOLD, 8 * 1024);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
#endif
}
