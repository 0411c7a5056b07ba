// SPDX-License-Identifier: MIT
#pragma once

/// What cache_bench measures beside its times: each part registers its benchmarks.

#include <string>

namespace bench {

void register_probes();                           ///< cache_probes.cpp: chunks of the index looked at
void register_traces(const std::string& folder);  ///< cache_traces.cpp: hits on recorded traces; empty: skipped
void register_ends();                             ///< cache_ends.cpp: how entries end

}
