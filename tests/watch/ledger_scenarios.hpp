// SPDX-License-Identifier: MIT
/// What a ledger is put through in every interleaving, for several policies.
#pragma once

#include "tools/explorer/explore.hpp"

#include <plateau/clock.hpp>
#include <plateau/watch/ledger.hpp>
#include <plateau/watch/memory_sampler.hpp>

#include <cstdint>

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

/// Two open accounts, of one name or of two where there is room for one, while a third reads the books.
template <class Policies, bool OneName>
void a_name_has_one_account(scene& s) {
    plateau::basic_ledger<Policies> books{{.max_accounts = 1}};
    const auto come = [&](const char* name) {
        const auto account = books.open(name);
        account.charge(2);
        explore_check(books.open(name) == account, "a name that was opened is found");
    };
    s.thread("a", [&] { come("one"); });
    s.thread("b", [&] { come(OneName ? "one" : "two"); });
    s.thread("reads", [&] {
        const auto before = books.stats();
        const auto after = books.stats();
        explore_check(before.accounts <= after.accounts && after.accounts <= 1, "accounts stay, within the table");
        explore_check(after.bytes <= 4, "no more is told than was charged");
    });
    s.run();
    const auto now = books.stats();
    s.check(now.accounts == 1 && now.bytes == 4, "both have charged");
    s.check((now.shared_opens == 0) == OneName, "who finds no free account is answered with the shared one");
    books.check_invariants();
}

/// Reads in some moments, as the system does: whoever else is in it then is seen.
class explored_reader {
public:
    [[nodiscard]] plateau::result<plateau::memory_sample, plateau::read_reason> read() noexcept {
        inside_ = inside_ + 1;
        turn_.fetch_add(1, std::memory_order_relaxed);
        inside_ = inside_ + 1;
        plateau::memory_sample sample;
        sample.resident_bytes = sample.anonymous_bytes = 4'096;
        return sample;
    }

private:
    explored_value<int> inside_{0};
    explored_atomic<int> turn_{0};
};
struct explored_sampler : plateau::memory_sampler_policies {
    using sync = explored_sync;
    using clock = plateau::basic_manual_clock<explored_sync>;
    using reader = explored_reader;
};

/// Two tick, and a third reads out: one samples at a time, and what was taken is there.
template <class Policies>
void ticks_come_together(scene& s) {
    plateau::basic_manual_clock<explored_sync> clock;
    plateau::basic_memory_sampler<Policies> line({.max_points = 2, .period = plateau::duration::zero()}, clock);
    explored_atomic<std::uint64_t> taken{0};
    for (const char* name : {"a", "b"})
        s.thread(name, [&] {
            for (std::uint64_t i = 0; i < 2; ++i) taken.fetch_add(line.tick(i) ? 1 : 0);
        });
    s.thread("reads", [&] {
        const auto now = line.stats();
        explore_check(now.points <= 2 && now.samples <= 4, "a line is bounded");
        for (const auto& point : line.samples()) explore_check(point.resident_bytes == 4'096, "a point is whole");
    });
    s.run();
    s.check(line.stats().samples == taken, "each sample was told to who took it");
    s.check(line.tick(2), "who is alone takes one");
    line.check_invariants();
}

}  // namespace plateau_test
