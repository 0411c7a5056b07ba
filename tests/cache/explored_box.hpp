// SPDX-License-Identifier: MIT
/// A value of caches that the explorer runs.
#pragma once

#include "tools/explorer/explore.hpp"

#include <cstddef>
#include <memory>
#include <utility>

namespace plateau_test {

/// A number on the heap, whose races and late uses the explorer sees.
class boxed {
public:
    explicit boxed(int n) : number_(std::make_unique<explored_value<int>>(n)) { ++live; }
    boxed(const boxed& other) : boxed(other.number()) {}
    boxed(boxed&& other) noexcept : number_(std::move(other.number_)) { ++live; }
    boxed& operator=(boxed other) = delete;
    ~boxed() { --live; }

    [[nodiscard]] int number() const { return number_->read(); }
    static inline int live = 0;

private:
    friend std::size_t owned_bytes(const boxed&) noexcept { return sizeof(explored_value<int>); }
    std::unique_ptr<explored_value<int>> number_;
};

}  // namespace plateau_test
