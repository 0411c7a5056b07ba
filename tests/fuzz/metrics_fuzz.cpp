// SPDX-License-Identifier: MIT
// What the metrics writers make of any names and figures.
#include "tools/model_fuzz.hpp"
#include "watch/metrics_model.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return plateau_test::fuzz_model<plateau_test::metrics_model>(data, size);
}
