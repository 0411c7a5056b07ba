// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <cstddef>

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
    char line[256] = "plateau: ";  // as every violation reads; a longer sentence is cut
    std::size_t end = sizeof("plateau: ") - 1;
    for (; *sentence != '\0' && end < sizeof(line) - 2; ++sentence) line[end++] = *sentence;
    line[end] = '\n';
    violation(line);
#endif
}

/// `condition` holds for valid options; `sentence` tells the caller which option is wrong, and how.
inline void require_option(bool condition, const char* sentence) {
    if (!condition) throw_invalid_argument(sentence);
}

}
PLATEAU_NAMESPACE_END
