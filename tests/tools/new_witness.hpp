// SPDX-License-Identifier: MIT
/// The witness that nobody can talk out of it: the test binaries replace the global operator new and delete, and count
/// what was asked for. new_witness.cpp holds the replacements and is linked into every test binary, beside main.cpp.
///
/// Exact: each block carries its requested size in front of it, so bytes are those asked for, not those malloc rounded
/// to. A delete of a block that is not live, in the other form (array, aligned), or with a wrong size ends the process
/// with a sentence: the replacements hide those mistakes from the address sanitizer, so they look for them themselves.
/// Under the address sanitizer the size in front is poisoned, so that an underflow is still seen.
/// Allocation is a fault point of kind fault::operator_new.
/// Not there under the thread sanitizer, where whoever asks it ends the process: [race] cases do without.
#pragma once

#include <cstdint>

namespace plateau_test {

struct new_counts {
    std::int64_t live_bytes = 0;
    std::int64_t live_blocks = 0;
    std::int64_t calls = 0;  ///< successful calls of any form of operator new

    friend bool operator==(const new_counts&, const new_counts&) = default;
};

/// Returns: the totals of all threads since the start. Each number is exact where no other thread allocates meanwhile.
new_counts new_totals() noexcept;

/// Counts from its construction on. Catch2's assertions allocate, so take `delta()` into a variable before asserting on
/// it.
class new_scope {
public:
    new_scope() noexcept : start_(new_totals()) {}

    new_counts delta() const noexcept {
        const new_counts now = new_totals();
        return {now.live_bytes - start_.live_bytes, now.live_blocks - start_.live_blocks, now.calls - start_.calls};
    }

private:
    new_counts start_;
};

}  // namespace plateau_test
