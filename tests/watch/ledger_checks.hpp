// SPDX-License-Identifier: MIT
/// What is checked of a ledger, for several policies.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/death.hpp"

#include <plateau/watch/ledger.hpp>

#include <csignal>
#include <cstddef>

namespace plateau_test {

template <class Policies>
void freeing_too_much_ends_the_process(shared_check& check) {
    plateau::basic_ledger<Policies> books;
    const auto log = books.open("log");
    log.charge(3);
    const death freed_twice = dies([&] { log.refund(4); });
    check.equal(freed_twice.signal, SIGABRT, "the signal that ends who frees more than was charged");
    check.expect(freed_twice.says("refunded more bytes than were charged"), "a sentence says why");
    const death too_many = dies([&] { log.charge(SIZE_MAX - 2); });
    check.equal(too_many.signal, SIGABRT, "the signal that ends who charges more than there is");
    check.expect(too_many.says("more bytes than there are addresses"), "a sentence says why");
    check.equal(log.bytes(), 3U, "the bytes charged");
}

}  // namespace plateau_test
