// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace literals {

namespace detail {
consteval std::size_t shifted(unsigned long long count, unsigned bits) {
    if (count > (SIZE_MAX >> bits)) throw "plateau: this many bytes do not fit in std::size_t";
    return static_cast<std::size_t>(count) << bits;
}
}

/// Sizes in bytes by powers of 1024. A size that does not fit in `std::size_t` does not compile.
consteval std::size_t operator""_KiB(unsigned long long count) { return detail::shifted(count, 10); }
consteval std::size_t operator""_MiB(unsigned long long count) { return detail::shifted(count, 20); }
consteval std::size_t operator""_GiB(unsigned long long count) { return detail::shifted(count, 30); }

}
PLATEAU_NAMESPACE_END
