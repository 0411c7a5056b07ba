// SPDX-License-Identifier: MIT
#include "witness.hpp"

#include <atomic>
#include <cstdlib>
#include <malloc.h>
#include <new>

namespace {

std::atomic<bool> counting{false};
std::atomic<std::uint64_t> allocations{0};
std::atomic<std::int64_t> bytes{0};

// A heap block of glibc is what can be used of it plus one word that precedes it.
std::int64_t block_bytes(void* block) noexcept {
    return static_cast<std::int64_t>(::malloc_usable_size(block) + sizeof(std::size_t));
}

void* counted(void* block) noexcept {
    if (block != nullptr && counting.load(std::memory_order_relaxed)) [[unlikely]] {
        allocations.fetch_add(1, std::memory_order_relaxed);
        bytes.fetch_add(block_bytes(block), std::memory_order_relaxed);
    }
    return block;
}

void* checked(void* block) {
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

void* plain(std::size_t size) noexcept { return counted(std::malloc(size == 0 ? 1 : size)); }

void* aligned(std::size_t size, std::align_val_t alignment) noexcept {
    const auto step = static_cast<std::size_t>(alignment);
    return counted(std::aligned_alloc(step, (size + step - 1) / step * step));
}

void release(void* block) noexcept {
    if (block != nullptr && counting.load(std::memory_order_relaxed)) [[unlikely]]
        bytes.fetch_sub(block_bytes(block), std::memory_order_relaxed);
    std::free(block);
}

}

void* operator new(std::size_t size) { return checked(plain(size)); }
void* operator new[](std::size_t size) { return checked(plain(size)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return plain(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return plain(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return checked(aligned(size, alignment)); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return checked(aligned(size, alignment)); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return aligned(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return aligned(size, alignment);
}

void operator delete(void* block) noexcept { release(block); }
void operator delete[](void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }
void operator delete[](void* block, std::size_t) noexcept { release(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { release(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { release(block); }
void operator delete(void* block, std::align_val_t) noexcept { release(block); }
void operator delete[](void* block, std::align_val_t) noexcept { release(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { release(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { release(block); }
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept { release(block); }
void operator delete[](void* block, std::align_val_t, const std::nothrow_t&) noexcept { release(block); }

namespace bench::witness {

reading read() noexcept { return {allocations.load(std::memory_order_relaxed), bytes.load(std::memory_order_relaxed)}; }

armed::armed() noexcept { counting.store(true, std::memory_order_relaxed); }
armed::~armed() { counting.store(false, std::memory_order_relaxed); }

}
