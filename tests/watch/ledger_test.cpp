// SPDX-License-Identifier: MIT
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"
#include "watch/ledger_checks.hpp"

#include <plateau/charge.hpp>
#include <plateau/literals.hpp>
#include <plateau/watch/ledger.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

using namespace plateau_test;
using namespace plateau::literals;

static_assert(plateau::charge<plateau::account> && plateau::charge<const plateau::account>);
static_assert(sizeof(plateau::account) == sizeof(void*) && std::is_trivially_copyable_v<plateau::account>);
static_assert(!std::is_default_constructible_v<plateau::account>);
static_assert(!std::is_copy_constructible_v<plateau::ledger> && !std::is_move_constructible_v<plateau::ledger>);
static_assert(
    noexcept(std::declval<plateau::account>().try_charge(1)) && noexcept(std::declval<plateau::account>().refund(
        1)) && noexcept(std::declval<plateau::ledger>().stats()) && noexcept(std::declval<plateau::ledger>()
                                                                                 .memory_ceiling()));
template <class T>
concept rows_of_a_temporary = requires {
    std::declval<T>().rows();
};
static_assert(!rows_of_a_temporary<plateau::ledger_snapshot> && !rows_of_a_temporary<plateau::ledger_diff>);
static_assert(rows_of_a_temporary<plateau::ledger_snapshot&> && rows_of_a_temporary<const plateau::ledger_diff&>);
static_assert(std::is_same_v<plateau::ledger::options, plateau::ledger_options>);

TEST_CASE("an account counts to the byte, and a refused charge changes nothing", "[watch][unit]") {
    plateau::ledger books;
    const plateau::account uploads = books.open("uploads", {.max_bytes = 100});
    REQUIRE(uploads.try_charge(60));
    const auto refused = uploads.try_charge(41);
    CHECK_FALSE(refused);
    CHECK(refused.reason() == plateau::charge_reason::over_budget);
    CHECK(to_string(refused.reason()) == "over_budget");
    CHECK(uploads.bytes() == 60);
    CHECK(uploads.try_charge(40));
    CHECK(uploads.bytes() == 100);
    CHECK(uploads.try_charge(0));
    CHECK_FALSE(uploads.try_charge(1));
    CHECK_FALSE(uploads.try_charge(SIZE_MAX));
    uploads.refund(100);
    uploads.refund(0);
    CHECK(uploads.bytes() == 0);
    CHECK(uploads.stats().peak_bytes == 100);
    CHECK(uploads.stats().refused == 3);
    books.check_invariants();
}

TEST_CASE("an account without a budget refuses only what no address space holds", "[watch][unit]") {
    plateau::ledger books;
    const auto all = books.open("all");
    CHECK(all.try_charge(SIZE_MAX - 1));
    CHECK_FALSE(all.try_charge(2));
    CHECK(all.bytes() == SIZE_MAX - 1);
    CHECK(all.try_charge(1));
    all.refund(SIZE_MAX);
}

TEST_CASE("what exists already is counted beyond the budget, and then nothing more is granted", "[watch][unit]") {
    plateau::ledger books;
    const auto bounded = books.open("bounded", {.max_bytes = 10});
    bounded.charge(25);
    CHECK(bounded.bytes() == 25);
    CHECK_FALSE(bounded.try_charge(0));
    bounded.refund(15);
    CHECK(bounded.try_charge(0));
    CHECK_FALSE(bounded.try_charge(1));
    bounded.refund(10);
}

TEST_CASE("freeing more than was charged ends the process with a sentence", "[watch][unit]") {
    passes(freeing_too_much_ends_the_process<plateau::ledger_policies>);
}

TEST_CASE("the same name is the same account, with the budget it was opened with", "[watch][unit]") {
    plateau::ledger books;
    const auto first = books.open("pages", {.max_bytes = 10});
    const auto again = books.open(std::string("pages"), {.max_bytes = 1'000});
    CHECK(first == again);
    CHECK(again.max_bytes() == 10);
    CHECK(again.name() == "pages");
    CHECK_FALSE(first == books.open("page"));
    CHECK_FALSE(first == books.open(std::string_view("pages\0", 6)));
    CHECK(books.stats().accounts == 3);
    books.check_invariants();
}

// A ledger keyed by what requests send must not become the leak it is there to find.
TEST_CASE("a hundred thousand names need the memory of one table", "[watch][alloc]") {
    const auto books = std::make_unique<plateau::ledger>(plateau::ledger_options{.max_accounts = 4});
    const new_scope after_construction;
    std::size_t shared = 0;
    for (int i = 0; i < 100'000; ++i) {
        const auto opened = books->open(std::to_string(i));
        opened.charge(1);
        shared += opened.name() == "other";
    }
    const auto grown = after_construction.delta();
    CHECK(grown.live_bytes == 0);
    CHECK(grown.calls == 0);
    CHECK(shared == 99'996);
    CHECK(books->open("other").bytes() == 99'996);
    CHECK(books->open("0").bytes() == 1);
    CHECK(books->stats().accounts == 4);
    CHECK(books->stats().shared_opens == 99'996);
    CHECK(books->stats().bytes == 100'000);
    books->check_invariants();
}

TEST_CASE("other has no budget and is there before the table is full", "[watch][unit]") {
    plateau::ledger books{{.max_accounts = 1}};
    const auto other = books.open("other", {.max_bytes = 1});
    CHECK(other.max_bytes() == plateau::unlimited);
    CHECK(books.stats().accounts == 0);
    CHECK(books.open("one").name() == "one");
    CHECK(books.open("two", {.max_bytes = 1}) == other);
}

TEST_CASE("a ledger allocates what its ceiling says, and once", "[watch][alloc]") {
    for (const std::size_t accounts : {std::size_t{1}, std::size_t{3}, std::size_t{64}, std::size_t{65'536}}) {
        const new_scope witness;
        const auto books = std::make_unique<plateau::ledger>(plateau::ledger_options{.max_accounts = accounts});
        const auto held = witness.delta();
        CHECK(held.live_bytes > 0);
        CHECK(static_cast<std::size_t>(held.live_bytes) <= books->memory_ceiling());
        CHECK(held.calls == 2);

        const new_scope at_work;
        const auto one = books->open("one");
        for (int i = 0; i < 1'000; ++i) {
            one.charge(8);
            static_cast<void>(one.try_charge(8));
            one.refund(16);
        }
        static_cast<void>(books->stats());
        const auto used = at_work.delta();
        CHECK(used.calls == 0);
    }
}

TEST_CASE("options and names that make no sense are refused with a sentence", "[watch][unit]") {
    CHECK_THROWS_AS(plateau::ledger({.max_accounts = 0}), std::invalid_argument);
    CHECK_THROWS_AS(plateau::ledger({.max_accounts = SIZE_MAX}), std::invalid_argument);
    plateau::ledger books{{.max_accounts = 2}};
    CHECK_THROWS_AS(books.open(""), std::invalid_argument);
    CHECK_THROWS_AS(books.open(std::string(64, 'n')), std::invalid_argument);
    CHECK_THROWS_AS(books.open(std::string(1'000'000, 'n')), std::invalid_argument);
    CHECK_THROWS_AS(books.open("none", {.max_bytes = 0}), std::invalid_argument);
    CHECK(books.stats().accounts == 0);
    CHECK(books.open(std::string(63, 'n')).name().size() == 63);
}

TEST_CASE("a diff names what grew, most first, and what shrank", "[watch][unit]") {
    plateau::ledger books;
    const auto flat = books.open("flat");
    const auto down = books.open("down");
    const auto up = books.open("up");
    flat.charge(7);
    down.charge(100);
    const auto before = books.snapshot();
    up.charge(5);
    down.refund(40);
    const auto late = books.open("late");
    late.charge(64);
    const auto change = diff(before, books.snapshot());
    REQUIRE(change.rows().size() == 5);
    CHECK(change.rows()[0].name() == "late");
    CHECK(change.rows()[0].growth() == 64);
    CHECK(change.rows()[0].before() == 0);
    CHECK(change.rows()[1].name() == "up");
    CHECK(change.rows()[4].name() == "down");
    CHECK(change.rows()[4].growth() == -40);
    CHECK(change.rows()[4].after() == 60);

    std::string text;
    change.write(text);
    CHECK(text.find("late") < text.find("up"));
    CHECK(text.find("up") < text.find("down"));
    CHECK(text.find("-40") != text.npos);
    CHECK(text.find("flat") == text.npos);

    std::string nothing;
    diff(before, before).write(nothing);
    CHECK(nothing == "no account changed\n");
    plateau::diff({}, {}).write(nothing);
}

TEST_CASE("snapshots of two ledgers are matched by name", "[watch][unit]") {
    plateau::ledger yesterday;
    plateau::ledger today;
    yesterday.open("a").charge(1);
    yesterday.open("gone").charge(10);
    today.open("new").charge(4);
    today.open("a").charge(3);
    const auto change = diff(yesterday.snapshot(), today.snapshot());
    REQUIRE(change.rows().size() == 4);
    CHECK(change.rows()[0].name() == "new");
    CHECK(change.rows()[0].growth() == 4);
    CHECK(change.rows()[1].name() == "a");
    CHECK(change.rows()[1].growth() == 2);
    CHECK(change.rows()[3].name() == "gone");
    CHECK(change.rows()[3].growth() == -10);
}

TEST_CASE("a snapshot outlives its ledger, and extreme growth does not wrap", "[watch][unit]") {
    plateau::ledger_snapshot before;
    plateau::ledger_snapshot after;
    {
        plateau::ledger books;
        const auto all = books.open("all");
        before = books.snapshot();
        all.charge(SIZE_MAX);
        after = books.snapshot();
        all.refund(SIZE_MAX);
    }
    const auto rise = diff(before, after);
    const auto fall = diff(after, before);
    CHECK(rise.rows()[0].growth() == INT64_MAX);
    CHECK(fall.rows().back().growth() == -INT64_MAX);
    CHECK(after.rows()[1].name() == "all");
}

TEST_CASE("whatever allocation fails, a snapshot and a diff leave nothing behind", "[watch][alloc]") {
    plateau::ledger books;
    books.open("a").charge(3);
    const auto before = books.snapshot();
    const auto report = sweep_faults(
        fault::operator_new, [] { return 0; }, [&](int&) { static_cast<void>(diff(before, books.snapshot())); },
        [&](int&, const sweep_step& step) { CHECK(step.threw == (step.failing <= 2)); });
    CHECK(report.leaked_bytes == 0);
    CHECK(report.points >= 2);
    CHECK(books.stats().bytes == 3);
}

TEST_CASE("any sequence of charges and refunds agrees with a linear oracle", "[watch][model]") {
    INFO(random_source::repeat());
    random_source random("ledger oracle");
    for (int round = 0; round < 50; ++round) {
        const std::size_t accounts = 1 + random.below(3);
        plateau::ledger books{{.max_accounts = accounts}};
        std::vector<std::string> names;
        std::array<std::size_t, 6> live{};  // by name; those past the cap share the last
        std::array<std::size_t, 6> budget{};
        for (int step = 0; step < 400; ++step) {
            const std::string name(1, static_cast<char>('a' + random.below(5)));
            auto known = std::find(names.begin(), names.end(), name);
            std::size_t slot = static_cast<std::size_t>(known - names.begin());
            const std::size_t asked = 1 + random.below(200);
            if (known == names.end()) {
                slot = names.size() < accounts ? names.size() : 5;
                if (slot != 5) {
                    names.push_back(name);
                    budget[slot] = asked;
                } else {
                    budget[5] = plateau::unlimited;
                }
            }
            const auto account = books.open(name, {.max_bytes = asked});
            const std::size_t bytes = random.below(100);
            const bool fits = bytes <= budget[slot] && live[slot] <= budget[slot] - bytes;
            switch (random.below(3)) {
            case 0:
                REQUIRE(static_cast<bool>(account.try_charge(bytes)) == fits);
                if (fits) live[slot] += bytes;
                break;
            case 1:
                account.charge(bytes);
                live[slot] += bytes;
                break;
            default: {
                const std::size_t back = random.below(live[slot] + 1);
                account.refund(back);
                live[slot] -= back;
            }
            }
            REQUIRE(account.bytes() == live[slot]);
            books.check_invariants();
        }
        std::size_t sum = 0;
        for (const std::size_t bytes : live) sum += bytes;
        REQUIRE(books.stats().bytes == sum);
    }
}
