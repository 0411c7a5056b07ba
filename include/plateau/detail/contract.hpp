// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#if PLATEAU_EXCEPTIONS
#    include <stdexcept>
#endif

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Options that make no sense: std::invalid_argument, or the violation handler where exceptions are off.
[[noreturn]] PLATEAU_COLD inline void throw_invalid_argument(const char* sentence) {
#if PLATEAU_EXCEPTIONS
    throw std::invalid_argument(sentence);
#else
    violation(sentence);
#endif
}

/// `condition` holds for valid options; `sentence` tells the caller which option is wrong, and how.
inline void require_option(bool condition, const char* sentence) {
    if (!condition) throw_invalid_argument(sentence);
}

}
PLATEAU_NAMESPACE_END
