// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <cstddef>
#include <memory>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Items that wait until there is room for them elsewhere: filled, then emptied from the front, in turns. At most as
/// many, and as heavy, as the bound says. The memory is taken when the first item has to stay, and kept.
/// One thread at a time.
template <class T, class Allocator>
class overflow_buffer {
    using allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<T>;
    using traits = std::allocator_traits<allocator>;

public:
    overflow_buffer(std::size_t max_items, std::size_t max_bytes) noexcept
        : max_items_(max_items), max_bytes_(max_bytes) {}
    overflow_buffer(const overflow_buffer&) = delete;
    overflow_buffer& operator=(const overflow_buffer&) = delete;
    ~overflow_buffer() {
        clear();
        if (items_ != nullptr) traits::deallocate(allocator_, items_, max_items_);
    }

    /// Returns: whether it was moved in. Throws: std::bad_alloc, the first time.
    bool push(T& item, std::size_t bytes) {
        if (end_ == max_items_ || bytes > max_bytes_ - bytes_) return false;
        if (items_ == nullptr) items_ = traits::allocate(allocator_, max_items_);
        std::construct_at(items_ + end_, std::move(item));
        ++end_;
        bytes_ += bytes;
        return true;
    }
    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    [[nodiscard]] T& front() noexcept { return items_[begin_]; }
    void pop_front() noexcept {
        std::destroy_at(items_ + begin_++);
        if (!empty()) return;
        begin_ = end_ = 0;
        bytes_ = 0;
    }
    void clear() noexcept {
        while (!empty()) pop_front();
    }

private:
    std::size_t max_items_;
    std::size_t max_bytes_;
    T* items_ = nullptr;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t bytes_ = 0;  // of all that was pushed since it was empty
    allocator allocator_;
};

}
PLATEAU_NAMESPACE_END
