// SPDX-License-Identifier: MIT
/// Scenes of the short lock, for the explorer. A defect is another sync.
#pragma once

#include "tools/explorer/explore.hpp"

#include <plateau/detail/short_lock.hpp>

namespace plateau_test {

/// What the lock guards is not atomic; its holder is told that he has it; and whoever was last in leaves it free.
template <class Sync, int Threads, int Rounds>
void one_at_a_time(scene& s) {
    plateau::detail::short_lock<Sync> lock;
    explored_value<int> inside{0};
    explored_value<int> times{0};
    for (int i = 0; i < Threads; ++i)
        s.thread("a thread", [&] {
            for (int round = 0; round < Rounds; ++round) {
                s.check(lock.lock_unless_mine(), "who does not hold it gets it");
                s.check(inside == 0, "one at a time");
                inside = 1;
                times = times + 1;
                inside = 0;
                s.check(lock.is_mine() && !lock.lock_unless_mine(), "its holder does not get it twice");
                lock.unlock();
                s.check(!lock.is_mine(), "who left it does not hold it");
            }
        });
    s.run();
    s.check(times == Threads * Rounds, "everybody was in");
    s.check(lock.lock_unless_mine(), "it was left free");
    lock.unlock();
}

}  // namespace plateau_test
