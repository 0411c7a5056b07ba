// SPDX-License-Identifier: MIT
#pragma once

/// What operator new and operator delete of a benchmark program saw: the outside witness of its memory counters.
///
/// Counting is off until `armed()` lives, and costs one well predicted branch while it is off, so that a rival that
/// allocates for each operation is timed as it would run elsewhere. Bytes are those of the heap block, the allocator's
/// own header included: what the process pays, for plateau and for rivals alike.

#include <cstddef>
#include <cstdint>

namespace bench::witness {

struct reading {
    std::uint64_t allocations = 0;
    std::int64_t bytes = 0;

    friend reading operator-(reading after, reading before) noexcept {
        return {after.allocations - before.allocations, after.bytes - before.bytes};
    }
};

[[nodiscard]] reading read() noexcept;

/// Counts while it lives, on all threads. Does not nest.
class armed {
public:
    armed() noexcept;
    ~armed();
    armed(const armed&) = delete;
    armed& operator=(const armed&) = delete;
};

}
