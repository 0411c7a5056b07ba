// SPDX-License-Identifier: MIT
// The ledger, and the containers that it pays for.
#include "tools/model_fuzz.hpp"
#include "watch/ledger_model.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return plateau_test::fuzz_model<plateau_test::ledger_model>(data, size);
}
