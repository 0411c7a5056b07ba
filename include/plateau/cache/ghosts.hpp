// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Entries that left not long ago, remembered by 32 bits of their hashes: a bounded table of small queues. A hash
/// belongs to one of them, where it takes the place of the oldest.
///
/// Two hashes of the same 32 bits are one ghost. Complexity: O(1), one cache line; linear where it grows.
template <class Allocator>
class ghosts {
    static constexpr unsigned width = 4;

    struct alignas(16) queue {
        std::uint32_t hashes[width];  ///< the latest first; 0: none
    };
    using queue_allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<queue>;
    using traits = std::allocator_traits<queue_allocator>;

public:
    explicit ghosts(const Allocator& allocator) noexcept : allocator_(allocator) {}
    ghosts(const ghosts&) = delete;
    ghosts& operator=(const ghosts&) = delete;
    ~ghosts() { release(); }

    /// Effects: room for at least `count` ghosts from now on. Throws: what the allocator throws; then nothing has
    /// changed.
    void reserve(std::size_t count) {
        if (const std::size_t needed = queues_for(count); needed > size_) grow(needed);
    }
    /// Effects: forgets all, and gives the memory back.
    void release() noexcept {
        if (size_ == 0) return;
        traits::deallocate(allocator_, queues_, size_);
        queues_ = nullptr;
        size_ = 0;
    }

    /// Expects: room was reserved.
    void add(std::uint32_t hash) noexcept {
        std::uint32_t* const hashes = queue_of(hash).hashes;
        for (unsigned i = width - 1; i > 0; --i) hashes[i] = hashes[i - 1];
        hashes[0] = some(hash);
    }
    /// Effects: the ghost is forgotten. Returns: whether it was one. Expects: room was reserved.
    bool take(std::uint32_t hash) noexcept {
        std::uint32_t* const hashes = queue_of(hash).hashes;
        unsigned at = 0;
        while (at < width && hashes[at] != some(hash)) ++at;
        if (at == width) return false;
        for (; at + 1 < width; ++at) hashes[at] = hashes[at + 1];
        hashes[width - 1] = 0;
        return true;
    }

    [[nodiscard]] std::size_t bytes() const noexcept { return size_ * sizeof(queue); }
    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t count) noexcept {
        return saturating_mul(queues_for(count), sizeof(queue));
    }

private:
    [[nodiscard]] static constexpr std::size_t queues_for(std::size_t count) noexcept {
        return count / width + (count % width != 0);
    }
    /// A hash that is 0 would be no ghost: it is taken for 1.
    [[nodiscard]] static constexpr std::uint32_t some(std::uint32_t hash) noexcept { return hash + (hash == 0); }
    [[nodiscard]] queue& queue_of(std::uint32_t hash) const noexcept {
        return queues_[(std::uint64_t{hash} * size_) >> 32];
    }

    /// Within a queue the order stays as it is; between those that come together it is that of the table.
    PLATEAU_COLD void grow(std::size_t size) {
        queue* const queues = traits::allocate(allocator_, size);
        for (std::size_t i = 0; i < size; ++i) std::construct_at(queues + i);
        queue* const old = queues_;
        const std::size_t old_size = size_;
        queues_ = queues;
        size_ = size;
        for (std::size_t i = 0; i < old_size; ++i)
            for (unsigned age = width; age-- > 0;)
                if (old[i].hashes[age] != 0) add(old[i].hashes[age]);
        if (old_size != 0) traits::deallocate(allocator_, old, old_size);
    }

    queue* queues_ = nullptr;
    std::size_t size_ = 0;
    PLATEAU_NO_UNIQUE_ADDRESS queue_allocator allocator_;
};

}
PLATEAU_NAMESPACE_END
