// SPDX-License-Identifier: MIT
// A size that does not fit in std::size_t is refused when it is written down.
// expect TOO_LARGE: these_bytes_do_not_fit_in_size_t
#include <plateau/literals.hpp>

using namespace plateau::literals;

int main() {
#if defined(TOO_LARGE)
    constexpr std::size_t most = 17'179'869'184_GiB;
#else
    constexpr std::size_t most = 17'179'869'183_GiB;
#endif
    return most == 0 ? 1 : 0;
}
