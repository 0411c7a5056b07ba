// SPDX-License-Identifier: MIT
// A test that fails when a handler keeps memory: identical rounds of it, judged by exact books.
#include <plateau/cache.hpp>
#include <plateau/watch.hpp>

#include <cstdio>
#include <string>
#include <vector>

/// A vector whose bytes stand in the books under a name.
using booked = std::vector<char, plateau::counted_allocator<char>>;

int main() {
    plateau::ledger books{{.max_accounts = 4}};
    const plateau::account log = books.open("log"), scratch = books.open("scratch");
    const plateau::soak_options options{.warm_up = 100, .work = 2'000, .books = &books};

    // The leak of most servers: nothing is lost, something is kept.
    booked lines{plateau::counted_allocator<char>{log}};
    const auto leaky = plateau::soak(options, [&] { lines.insert(lines.end(), 64, 'x'); });
    leaky.write(stdout);

    // As much work, and none of it outlives the request.
    const auto clean = plateau::soak(options, [&] {
        booked request{plateau::counted_allocator<char>{scratch}};
        request.insert(request.end(), 64, 'x');
    });
    clean.write(stdout);

    // In your own test: return report.flat() ? 0 : 1. Inconclusive is not flat.
    return leaky.trend.verdict == plateau::verdict::growing && clean.flat() ? 0 : 1;
}
