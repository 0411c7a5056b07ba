// SPDX-License-Identifier: MIT
#include "other.hpp"

#include <cstdio>

int main() {
    plateau::inplace_stop_source source;
    if (stop_was_seen(source)) return 1;
    source.request_stop();
    if (!stop_was_seen(source)) return 1;
    std::puts("plateau " PLATEAU_VERSION_STRING);
}
