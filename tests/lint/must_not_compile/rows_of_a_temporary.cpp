// SPDX-License-Identifier: MIT
// Rows live in their snapshot: a range-for over those of a temporary would read freed memory.
// expect TEMPORARY: deleted (function|member function)
#include <plateau/watch/ledger.hpp>

int main() {
    const plateau::ledger books;
    const auto snapshot = books.snapshot();
    std::size_t bytes = 0;
#if defined(TEMPORARY)
    for (const auto& row : books.snapshot().rows()) bytes += row.bytes();
#else
    for (const auto& row : snapshot.rows()) bytes += row.bytes();
#endif
    return bytes == 0 ? 0 : 1;
}
