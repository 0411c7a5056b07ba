// SPDX-License-Identifier: MIT
/// The exact witness: every operator new keeps the requested size in front of the block, so that every operator delete
/// subtracts what was added, sized or not.

#include "case.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> live{0};

constexpr std::size_t header_for(std::size_t alignment) noexcept {
    return alignment < alignof(std::max_align_t) ? alignof(std::max_align_t) : alignment;
}

void* take(std::size_t size, std::size_t alignment) noexcept {
    const std::size_t header = header_for(alignment);
    if (size > SIZE_MAX - 2 * header) return nullptr;
    const std::size_t whole =
        (size + 2 * header - 1) / header * header;  // a multiple of the alignment, header included
    char* const block = static_cast<char*>(alignment <= alignof(std::max_align_t) ? std::malloc(whole)
                                                                                  : std::aligned_alloc(header, whole));
    if (block == nullptr) return nullptr;
    ::new (block) std::size_t(size);
    live.fetch_add(size, std::memory_order_relaxed);
    return block + header;
}

void* take_or_throw(std::size_t size, std::size_t alignment) {
    void* const block = take(size, alignment);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

void give_back(void* memory, std::size_t alignment) noexcept {
    if (memory == nullptr) return;
    char* const block = static_cast<char*>(memory) - header_for(alignment);
    live.fetch_sub(*std::launder(reinterpret_cast<std::size_t*>(block)), std::memory_order_relaxed);
    std::free(block);
}

constexpr std::size_t ordinary = alignof(std::max_align_t);
constexpr std::size_t bytes(std::align_val_t alignment) noexcept { return static_cast<std::size_t>(alignment); }

}

using std::align_val_t;
using std::nothrow_t;
using std::size_t;

void* operator new(size_t n) { return take_or_throw(n, ordinary); }
void* operator new[](size_t n) { return take_or_throw(n, ordinary); }
void* operator new(size_t n, const nothrow_t&) noexcept { return take(n, ordinary); }
void* operator new[](size_t n, const nothrow_t&) noexcept { return take(n, ordinary); }
void* operator new(size_t n, align_val_t a) { return take_or_throw(n, bytes(a)); }
void* operator new[](size_t n, align_val_t a) { return take_or_throw(n, bytes(a)); }
void* operator new(size_t n, align_val_t a, const nothrow_t&) noexcept { return take(n, bytes(a)); }
void* operator new[](size_t n, align_val_t a, const nothrow_t&) noexcept { return take(n, bytes(a)); }

void operator delete(void* p) noexcept { give_back(p, ordinary); }
void operator delete[](void* p) noexcept { give_back(p, ordinary); }
void operator delete(void* p, size_t) noexcept { give_back(p, ordinary); }
void operator delete[](void* p, size_t) noexcept { give_back(p, ordinary); }
void operator delete(void* p, const nothrow_t&) noexcept { give_back(p, ordinary); }
void operator delete[](void* p, const nothrow_t&) noexcept { give_back(p, ordinary); }
void operator delete(void* p, align_val_t a) noexcept { give_back(p, bytes(a)); }
void operator delete[](void* p, align_val_t a) noexcept { give_back(p, bytes(a)); }
void operator delete(void* p, size_t, align_val_t a) noexcept { give_back(p, bytes(a)); }
void operator delete[](void* p, size_t, align_val_t a) noexcept { give_back(p, bytes(a)); }
void operator delete(void* p, align_val_t a, const nothrow_t&) noexcept { give_back(p, bytes(a)); }
void operator delete[](void* p, align_val_t a, const nothrow_t&) noexcept { give_back(p, bytes(a)); }

namespace flat_memory {

std::size_t live_bytes() noexcept { return live.load(std::memory_order_relaxed); }

}
