// SPDX-License-Identifier: MIT
// expect EXPLICIT: could not convert|no viable conversion
#include <plateau/result.hpp>

#include <memory>

enum class why { none, full };

plateau::result<std::unique_ptr<int>, why> own(int* raw) {
#if defined(EXPLICIT)
    return raw;
#else
    return std::unique_ptr<int>(raw);
#endif
}
