// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"

#include <plateau/charge.hpp>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <type_traits>

using plateau::charge_ref;
using plateau::no_charge;

namespace {

struct budget {
    std::size_t left;
    bool try_charge(std::size_t bytes) {
        if (bytes > left) return false;
        left -= bytes;
        return true;
    }
    void refund(std::size_t bytes) { left += bytes; }
};

/// Answers what is only explicitly bool, as a result does.
struct wordy_budget {
    struct answer {
        bool yes;
        explicit operator bool() const noexcept { return yes; }
    };
    answer try_charge(std::size_t bytes) noexcept { return {bytes < 10}; }
    void refund(std::size_t) noexcept {}
};

struct throwing_budget {
    bool try_charge(std::size_t) { throw 7; }
    void refund(std::size_t) {}
};

struct only_charges {
    bool try_charge(std::size_t) noexcept { return true; }
};

}  // namespace

static_assert(plateau::charge<budget> && plateau::charge<wordy_budget> && plateau::charge<no_charge> &&
              plateau::charge<charge_ref>);
static_assert(!plateau::charge<only_charges> && !plateau::charge<int>);
static_assert(std::is_empty_v<no_charge> && sizeof(charge_ref) == 2 * sizeof(void*));
static_assert(std::is_convertible_v<budget&, charge_ref>);
static_assert(!std::is_constructible_v<charge_ref, budget&&>, "a temporary budget would dangle");
static_assert(!std::is_constructible_v<charge_ref, const no_charge&&>, "a temporary budget would dangle");

TEST_CASE("a reference to a budget takes, refuses and gives back there", "[floor][unit]") {
    budget bytes{100};
    const charge_ref ref = bytes;
    const charge_ref copy = ref;
    CHECK(ref.try_charge(60));
    CHECK_FALSE(copy.try_charge(41));
    CHECK(bytes.left == 40);
    CHECK(copy.try_charge(40));
    ref.refund(100);
    CHECK(bytes.left == 100);
    CHECK(ref.try_charge(0));
}

TEST_CASE("an answer that is only testable in an if is enough", "[floor][unit]") {
    wordy_budget wordy;
    const charge_ref ref = wordy;
    CHECK(ref.try_charge(9));
    CHECK_FALSE(ref.try_charge(10));
}

TEST_CASE("a budget that is constant can be referred to", "[floor][unit]") {
    static constexpr no_charge open;
    const charge_ref ref = open;
    CHECK(ref.try_charge(SIZE_MAX));
    ref.refund(SIZE_MAX);
}

TEST_CASE("no budget fits everything", "[floor][unit]") {
    STATIC_REQUIRE(no_charge::try_charge(SIZE_MAX));
    no_charge::refund(SIZE_MAX);
}

TEST_CASE("a budget that throws ends the process", "[floor][unit]") {
    CHECK(plateau_test::dies([] {
              throwing_budget bad;
              const charge_ref ref = bad;
              try {
                  static_cast<void>(ref.try_charge(1));
              } catch (int) {}
          }).signal == SIGABRT);
}

TEST_CASE("charging through a reference allocates nothing", "[floor][unit]") {
    budget bytes{100};
    const plateau_test::new_scope scope;
    const charge_ref ref = bytes;
    const bool taken = ref.try_charge(1);
    ref.refund(1);
    const auto delta = scope.delta();
    CHECK(taken);
    CHECK(delta.calls == 0);
}
