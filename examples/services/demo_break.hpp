// SPDX-License-Identifier: MIT
#pragma once
// PLATEAU_DEMO_BREAK=cache|gate|arena|pipeline: one mistake that the demo exists to find, to prove that it does.
#include <cstdlib>
#include <string_view>

inline bool demo_break(std::string_view part) noexcept {
    static const char* const broken = std::getenv("PLATEAU_DEMO_BREAK");
    return broken != nullptr && part == broken;
}
