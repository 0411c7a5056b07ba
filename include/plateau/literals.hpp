// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Not constexpr: a constant expression that comes here does not compile, with exceptions or without.
[[noreturn]] inline void these_bytes_do_not_fit_in_size_t() noexcept {
    violation("plateau: a size literal does not fit in std::size_t\n");
}

PLATEAU_CONSTEVAL std::size_t shifted_bytes(unsigned long long count, unsigned bits) {
    if (count > (SIZE_MAX >> bits)) these_bytes_do_not_fit_in_size_t();
    return static_cast<std::size_t>(count) << bits;
}

}

namespace literals {

/// Sizes in bytes by powers of 1024. A size that does not fit in `std::size_t` does not compile; with clang before 17,
/// outside of constant expressions, it is a violation at run time.
PLATEAU_CONSTEVAL std::size_t operator""_KiB(unsigned long long count) {
    return plateau::detail::shifted_bytes(count, 10);
}
PLATEAU_CONSTEVAL std::size_t operator""_MiB(unsigned long long count) {
    return plateau::detail::shifted_bytes(count, 20);
}
PLATEAU_CONSTEVAL std::size_t operator""_GiB(unsigned long long count) {
    return plateau::detail::shifted_bytes(count, 30);
}

}
PLATEAU_NAMESPACE_END
