// SPDX-License-Identifier: MIT
// What the reader of control groups makes of any text.
#include "tools/model_fuzz.hpp"
#include "watch/memory_limit_model.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return plateau_test::fuzz_model<plateau_test::memory_limit_model>(data, size);
}
