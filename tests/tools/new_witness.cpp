// SPDX-License-Identifier: MIT
#include "tools/new_witness.hpp"
#include "tools/fault.hpp"

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#    define PLATEAU_TEST_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#    define PLATEAU_TEST_TSAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define PLATEAU_TEST_ASAN 1
#    elif __has_feature(thread_sanitizer)
#        define PLATEAU_TEST_TSAN 1
#    endif
#endif
#ifdef PLATEAU_TEST_ASAN
#    include <sanitizer/asan_interface.h>
#    include <sanitizer/common_interface_defs.h>
#    define PLATEAU_TEST_NO_ASAN __attribute__((no_sanitize("address")))
#else
#    define PLATEAU_TEST_NO_ASAN
#endif

#ifdef PLATEAU_TEST_TSAN

// The thread sanitizer of clang brings its own operator new, which cannot be replaced. A witness that saw nothing would
// let every test pass, so it ends the process instead.
plateau_test::new_counts plateau_test::new_totals() noexcept {
    std::fputs("the operator new witness is not there under the thread sanitizer: a [race] case cannot ask it\n",
               stderr);
    std::abort();
}

#else

namespace {

enum class form : std::uint32_t {
    single = 0x5e1fa110,
    array = 0x5e1fa111,
    single_aligned = 0x5e1fa112,
    array_aligned = 0x5e1fa113
};

/// Stands in the 16 bytes before the block. `mark` is a `form` while the block lives.
struct header {
    std::size_t bytes;
    std::uint32_t offset;  ///< from what malloc gave to the block
    std::uint32_t mark;
};
static_assert(sizeof(header) == 16 && alignof(std::max_align_t) <= 16);

// Relaxed: the numbers order nothing, and an order here would hide races from the thread sanitizer.
constinit std::atomic<std::int64_t> live_bytes{0};
constinit std::atomic<std::int64_t> live_blocks{0};
constinit std::atomic<std::int64_t> calls{0};

[[noreturn]] void fail(const char* sentence) noexcept {
    const char* end = sentence;
    while (*end != '\0') ++end;
    [[maybe_unused]] const auto written = write(STDERR_FILENO, sentence, static_cast<std::size_t>(end - sentence));
#    ifdef PLATEAU_TEST_ASAN
    __sanitizer_print_stack_trace();
#    endif
    std::abort();
}

void* raw_allocate(std::size_t bytes, std::size_t alignment, form kind) noexcept {
    // Far above what any test needs, and below where the address sanitizer ends the process instead of answering null.
    constexpr std::size_t sane = std::size_t{1} << 38U;
    if (plateau_test::fault_due(plateau_test::fault::operator_new) || bytes > sane || alignment > sane) return nullptr;
    const std::size_t offset = alignment < sizeof(header) ? sizeof(header) : alignment;
    const std::size_t whole = (offset + bytes + offset - 1) / offset * offset;  // aligned_alloc wants a multiple
    void* base = offset == sizeof(header) ? std::malloc(offset + bytes) : std::aligned_alloc(offset, whole);
    if (base == nullptr) return nullptr;
    auto* block = static_cast<std::byte*>(base) + offset;
    ::new (static_cast<void*>(block - sizeof(header)))
        header{bytes, static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(kind)};
#    ifdef PLATEAU_TEST_ASAN
    __asan_poison_memory_region(block - sizeof(header), sizeof(header));
    if (whole > offset + bytes && offset != sizeof(header)) {
        const auto tail = reinterpret_cast<std::size_t>(block + bytes) % 8;
        if (tail == 0) __asan_poison_memory_region(block + bytes, whole - offset - bytes);
    }
#    endif
    live_bytes.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
    live_blocks.fetch_add(1, std::memory_order_relaxed);
    calls.fetch_add(1, std::memory_order_relaxed);
    return block;
}

void* allocate(std::size_t bytes, std::size_t alignment, form kind) {
    for (;;) {
        if (void* block = raw_allocate(bytes, alignment, kind)) return block;
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr) throw std::bad_alloc{};
        handler();
    }
}

constexpr std::size_t any_size = ~std::size_t{0};

PLATEAU_TEST_NO_ASAN void release(void* block, std::size_t bytes, form kind) noexcept {
    if (block == nullptr) return;
    auto* head = reinterpret_cast<header*>(static_cast<std::byte*>(block) - sizeof(header));
    const header found = *head;
    if (found.mark < static_cast<std::uint32_t>(form::single) ||
        found.mark > static_cast<std::uint32_t>(form::array_aligned))
        fail("operator delete: the block is not live: deleted twice, or not from operator new\n");
    if (found.mark != static_cast<std::uint32_t>(kind))
        fail("operator delete: the form (array, aligned) is not that of the operator new\n");
    if (bytes != any_size && bytes != found.bytes) fail("operator delete: the size is not the size asked for\n");
#    ifdef PLATEAU_TEST_ASAN
    __asan_unpoison_memory_region(head, sizeof(header));
#    endif
    head->mark = 0;
    live_bytes.fetch_sub(static_cast<std::int64_t>(found.bytes), std::memory_order_relaxed);
    live_blocks.fetch_sub(1, std::memory_order_relaxed);
    std::free(static_cast<std::byte*>(block) - found.offset);
}

constexpr std::size_t plain = alignof(std::max_align_t);
std::size_t of(std::align_val_t alignment) noexcept { return static_cast<std::size_t>(alignment); }

}  // namespace

plateau_test::new_counts plateau_test::new_totals() noexcept {
    return {live_bytes.load(std::memory_order_relaxed), live_blocks.load(std::memory_order_relaxed),
            calls.load(std::memory_order_relaxed)};
}

void* operator new(std::size_t n) { return allocate(n, plain, form::single); }
void* operator new[](std::size_t n) { return allocate(n, plain, form::array); }
void* operator new(std::size_t n, std::align_val_t a) { return allocate(n, of(a), form::single_aligned); }
void* operator new[](std::size_t n, std::align_val_t a) { return allocate(n, of(a), form::array_aligned); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return raw_allocate(n, plain, form::single); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return raw_allocate(n, plain, form::array); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    return raw_allocate(n, of(a), form::single_aligned);
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    return raw_allocate(n, of(a), form::array_aligned);
}

void operator delete(void* p) noexcept { release(p, any_size, form::single); }
void operator delete[](void* p) noexcept { release(p, any_size, form::array); }
void operator delete(void* p, std::size_t n) noexcept { release(p, n, form::single); }
void operator delete[](void* p, std::size_t n) noexcept { release(p, n, form::array); }
void operator delete(void* p, std::align_val_t) noexcept { release(p, any_size, form::single_aligned); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p, any_size, form::array_aligned); }
void operator delete(void* p, std::size_t n, std::align_val_t) noexcept { release(p, n, form::single_aligned); }
void operator delete[](void* p, std::size_t n, std::align_val_t) noexcept { release(p, n, form::array_aligned); }
void operator delete(void* p, const std::nothrow_t&) noexcept { release(p, any_size, form::single); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { release(p, any_size, form::array); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept {
    release(p, any_size, form::single_aligned);
}
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept {
    release(p, any_size, form::array_aligned);
}

#endif
