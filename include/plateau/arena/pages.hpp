// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/poison.hpp>

#include <cstddef>
#include <memory_resource>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Where a pool's superblocks come from: the system, or a memory resource of the user's.
///
/// From the system, a page counts from its first use on and can be given back alone (`discards`). A resource hands out
/// and takes back whole superblocks, which count from the start.
class page_supply {
public:
    explicit page_supply(std::pmr::memory_resource* upstream) noexcept : upstream_(upstream) {}

    [[nodiscard]] bool discards() const noexcept { return upstream_ == nullptr; }

    /// What an object at the start of a mapping may rely on.
    static constexpr std::size_t alignment = 4096;

    [[nodiscard]] std::byte* map(std::size_t bytes) noexcept {
        if (upstream_ != nullptr) return from_upstream(bytes);
        void* const mapped =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED) return nullptr;
#if defined(MADV_NOHUGEPAGE)
        // A huge page would make 31 untouched blocks resident with the first. Without the advice the pool still works.
        [[maybe_unused]] const int advised = ::madvise(mapped, bytes, MADV_NOHUGEPAGE);
#endif
        return static_cast<std::byte*>(mapped);
    }

    void unmap(std::byte* memory, std::size_t bytes) noexcept {
        unpoison(memory, bytes);  // whoever gets these addresses next may use them
        if (upstream_ != nullptr) {
            upstream_->deallocate(memory, bytes, alignment);
        } else if (::munmap(memory, bytes) != 0) {
            discard(memory, bytes);  // the system is out of mappings: the addresses stay, the pages go
        }
    }

    /// The pages stay mapped and hold nothing.
    void discard(std::byte* memory, std::size_t bytes) noexcept {
        [[maybe_unused]] const int done = ::madvise(memory, bytes, MADV_DONTNEED);
    }

    [[nodiscard]] static std::size_t system_page_bytes() noexcept {
        const long bytes = ::sysconf(_SC_PAGESIZE);
        return bytes > 0 ? static_cast<std::size_t>(bytes) : alignment;
    }

private:
    std::byte* from_upstream(std::size_t bytes) noexcept {
#if PLATEAU_EXCEPTIONS
        try {
            return static_cast<std::byte*>(upstream_->allocate(bytes, alignment));
        } catch (...) {
            return nullptr;
        }
#else
        return static_cast<std::byte*>(upstream_->allocate(bytes, alignment));
#endif
    }

    std::pmr::memory_resource* upstream_;
};

}
PLATEAU_NAMESPACE_END
