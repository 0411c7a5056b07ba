// SPDX-License-Identifier: MIT
// The caches as one thread calls them, in every variant of the model, attack hashes included.
#include "cache/cache_model.hpp"
#include "tools/model_fuzz.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return plateau_test::fuzz_model<plateau_test::lru_cache_model>(data, size);
}
