// SPDX-License-Identifier: MIT
/// What a ledger is put through in every interleaving, for several policies.
#pragma once

#include "tools/explorer/explore.hpp"

#include <plateau/watch/ledger.hpp>

namespace plateau_test {

struct explored_ledger : plateau::ledger_policies {
    using sync = explored_sync;
};

/// Two threads charge and refund twice each, within a budget that holds one and a half of them.
template <class Policies>
void a_budget_holds_at_every_moment(scene& s) {
    plateau::basic_ledger<Policies> books{{.max_accounts = 1}};
    const auto account = books.open("one", {.max_bytes = 3});
    for (const char* name : {"a", "b"})
        s.thread(name, [&account] {
            for (int i = 0; i < 2; ++i) {
                if (!account.try_charge(2)) continue;
                explore_check(account.bytes() <= account.max_bytes(), "no more is charged than the budget");
                account.refund(2);
            }
        });
    s.run();
    s.check(account.bytes() == 0, "what was charged is refunded");
    s.check(account.stats().peak_bytes == 2, "the peak is what one of them had");
}

}  // namespace plateau_test
