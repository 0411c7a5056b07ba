// SPDX-License-Identifier: MIT
// Defects of the ground floor that one thread notices.
#include "floor/floor_checks.hpp"
#include "floor/waiter_checks.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <plateau/clock.hpp>
#include <plateau/hash.hpp>
#include <plateau/sync.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

// clang reads ISO C++ such that the destructor of a member template cannot be named; g++, and later drafts, do not.
#if defined(__clang__)
#    pragma clang diagnostic ignored "-Wdtor-name"
#endif

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

/// Products are looked at when they have wrapped.
struct looks_at_the_product : shipped_arithmetic {
    template <class T>
    static bool checked_mul(T a, T b, T& out) {
        const T product = wrapped(a, b);
        if (product < a || product < b) return false;
        out = product;
        return true;
    }
    template <class T>
    static T saturating_mul(T a, T b) {
        T product{};
        return checked_mul(a, b, product) ? product : std::numeric_limits<T>::max();
    }

private:
    template <class T>
    static T wrapped(T a, T b) {
        return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    }
};

/// The product of both halves, each with a constant that everybody can read.
struct public_multiply_fold {
    std::uint64_t operator()(std::string_view key) const noexcept {
        std::uint64_t halves[2] = {};
        std::memcpy(halves, key.data(), std::min(key.size(), sizeof halves));
        const wide_number product = static_cast<wide_number>(halves[0] ^ 0xa0761d6478bd642fU) *
                                    static_cast<wide_number>(halves[1] ^ 0xe7037ed1a0b428dbU);
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
    }
};

struct clock_that_wraps : plateau::default_sync {};
struct last_come_first_served : plateau::default_sync {};

/// The address of what all threads share.
struct one_name_for_all : plateau::default_sync {
    static const void* thread_id() noexcept {
        static constexpr char here = 0;
        return &here;
    }
};

/// A mutex that ends the process where std::mutex would wait for itself.
class mutex_without_patience {
public:
    void lock() noexcept {
        if (std::exchange(locked_, true)) {
            std::fputs("a mutex was locked twice", stderr);
            std::abort();
        }
    }
    void unlock() noexcept { locked_ = false; }

private:
    bool locked_ = false;
};
struct wakes_inside : plateau::default_sync {
    using mutex = mutex_without_patience;
};

}  // namespace

/// Time goes on as its number does.
template <>
void plateau::basic_manual_clock<clock_that_wraps>::advance(duration length) noexcept {
    ring_due(time_point(duration(now_.fetch_add(length.count(), std::memory_order_acq_rel)) + length));
}

/// Who came last stands first.
template <>
void detail::wait_list<last_come_first_served>::link(node& waiter) noexcept {
    waiter.previous_ = nullptr;
    waiter.next_ = first_;
    waiter.linked_ = true;
    (first_ != nullptr ? first_->previous_ : last_) = &waiter;
    first_ = &waiter;
}

/// Those who are woken are told while the list is held.
template <>
template <>
detail::wait_list<wakes_inside>::session<token_room<room_parts<wakes_inside>>::flag>::~session() {
    if (list_.first_ == nullptr) flag_.lower();
    while (chain_ != nullptr) {
        node& one = *chain_;
        chain_ = one.next_;
        if (chain_ != nullptr) chain_->chain_link_ = &chain_;
        one.claimer_.store(nullptr, std::memory_order_relaxed);
        one.complete_(one);
    }
    list_.mutex_.unlock();
}

TEST_CASE("defects of arithmetic, hash and clock are noticed", "[floor][seeded]") {
    expect_killed({"F13", "a product is compared with its factors, to see whether it wrapped",
                   "floor: checked and saturating arithmetic is exact on every boundary", "wrong for",
                   arithmetic_is_exact_on_boundaries<looks_at_the_product, std::uint64_t>});
    expect_killed({"S1", "a hash without a secret lets a stranger fill one bucket",
                   "floor: sixteen-byte strings that are one hash to a public-constant wyhash spread",
                   "no bucket is longer", strings_that_meet_a_public_constant_spread<public_multiply_fold>});
    expect_killed({"F12", "a clock that is turned beyond the end of time begins anew",
                   "floor: the hand clock saturates at both ends of time", "the time after a long advance",
                   the_hand_clock_saturates<plateau::basic_manual_clock<clock_that_wraps>>});
    expect_killed({"F6", "all threads have one name",
                   "floor: threads alive at the same time have different ids, none null, and keep them",
                   "the number of ids", threads_have_names_of_their_own<one_name_for_all>});
}

TEST_CASE("defects of the order in which waiters are served and told are noticed", "[floor][seeded]") {
    expect_killed({"F8", "who waits last is served first",
                   "floor: callbacks are served in the order in which they were armed, and a cancelled one is passed "
                   "over",
                   "in the order", callbacks_are_served_in_order<last_come_first_served>});
    expect_killed({"F9", "waiters are told while their list is held",
                   "floor: a callback may end another waiter that was served by the same call: its token goes on",
                   "locked twice", a_callback_may_end_another<wakes_inside>});
}
