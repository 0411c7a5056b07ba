// SPDX-License-Identifier: MIT
// expect: could not convert|no viable conversion
#include <plateau/result.hpp>

#include <memory>

enum class why { none, full };

plateau::result<std::unique_ptr<int>, why> own(int* raw) {
#if defined(CONTROL)
    return std::unique_ptr<int>(raw);
#else
    return raw;
#endif
}
