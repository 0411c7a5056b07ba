// SPDX-License-Identifier: MIT
// What a container pays from is opened by name first: a temporary account is refused.
// expect TEMPORARY: deleted (function|constructor)
#include <plateau/watch/counted_allocator.hpp>

int main() {
    plateau::ledger books;
    const plateau::account uploads = books.open("uploads");
#if defined(TEMPORARY)
    const plateau::counted_allocator<char> pays{books.open("uploads")};
#else
    const plateau::counted_allocator<char> pays{uploads};
#endif
    return pays.get_account() == uploads ? 0 : 1;
}
