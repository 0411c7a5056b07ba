// SPDX-License-Identifier: MIT
// expect BASE: what this type owns on the heap is unknown; give it a function
#include <plateau/owned_bytes.hpp>

#include <memory>

struct shape {
    virtual ~shape() = default;
};
struct circle final {
    double radius;
};

#if defined(BASE)
using held = shape;
#else
using held = circle;
#endif

std::size_t weigh(const std::unique_ptr<held>& p) { return plateau::owned_bytes(p); }
