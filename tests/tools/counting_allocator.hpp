// SPDX-License-Identifier: MIT
/// An allocator that counts exactly, per tally, what was asked for.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>

namespace plateau_test {

/// What the allocators that share it hold now, held at most, and asked for. Outlives them. Any thread.
struct allocation_tally {
    std::atomic<std::int64_t> live_bytes{0};
    std::atomic<std::int64_t> live_blocks{0};
    std::atomic<std::int64_t> peak_bytes{0};
    std::atomic<std::int64_t> calls{0};
    std::atomic<std::int64_t> wrong_sizes{0};  ///< deallocations whose size was not that of the allocation

    void add(std::size_t bytes) noexcept {
        const auto signed_bytes = static_cast<std::int64_t>(bytes);
        const std::int64_t now = live_bytes.fetch_add(signed_bytes, std::memory_order_relaxed) + signed_bytes;
        for (std::int64_t peak = peak_bytes.load(std::memory_order_relaxed);
             now > peak && !peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed);) {}
        live_blocks.fetch_add(1, std::memory_order_relaxed);
        calls.fetch_add(1, std::memory_order_relaxed);
    }
    void remove(std::size_t bytes, std::size_t claimed) noexcept {
        if (bytes != claimed) wrong_sizes.fetch_add(1, std::memory_order_relaxed);
        live_bytes.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
        live_blocks.fetch_sub(1, std::memory_order_relaxed);
    }
    /// Starts a new peak at what is held now.
    void reset_peak() noexcept {
        peak_bytes.store(live_bytes.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
};

/// Stateful: two are equal exactly when they share a tally, and none can be made without one, so a container that
/// forgets to hand its allocator on does not compile. Each block carries its size in front, so a deallocation with a
/// wrong size is counted, not believed.
template <class T>
class counting_allocator {
public:
    using value_type = T;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;

    explicit counting_allocator(allocation_tally& tally) noexcept : tally_(&tally) {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) noexcept : tally_(&other.tally()) {}

    [[nodiscard]] T* allocate(std::size_t n) {
        if (n > (std::numeric_limits<std::size_t>::max() - front) / sizeof(T)) throw std::bad_array_new_length{};
        const std::size_t bytes = n * sizeof(T);
        auto* base = static_cast<std::byte*>(::operator new (front + bytes, std::align_val_t{front}));
        ::new (static_cast<void*>(base)) std::size_t(bytes);
        tally_->add(bytes);
        std::memset(base + front, fresh_byte, std::min(bytes, fresh_bytes));
        return reinterpret_cast<T*>(base + front);
    }

    void deallocate(T* block, std::size_t n) noexcept {
        auto* base = reinterpret_cast<std::byte*>(block) - front;
        tally_->remove(*std::launder(reinterpret_cast<std::size_t*>(base)), n * sizeof(T));
        ::operator delete (base, std::align_val_t{front});
    }

    allocation_tally& tally() const noexcept { return *tally_; }

    template <class U>
    friend bool operator==(const counting_allocator& a, const counting_allocator<U>& b) noexcept {
        return &a.tally() == &b.tally();
    }

private:
    /// What fresh memory begins with: whoever reads before he writes does not find zeros.
    static constexpr int fresh_byte = 0xa5;
    static constexpr std::size_t fresh_bytes = 4096;
    /// Bytes in front of a block: room for its size, and the block keeps its alignment.
    static constexpr std::size_t front = alignof(T) < 2 * sizeof(std::size_t) ? 2 * sizeof(std::size_t) : alignof(T);

    allocation_tally* tally_;
};

}  // namespace plateau_test
