// SPDX-License-Identifier: MIT
/// What a test case checks, as a function over the part that it checks: the case runs it with the shipped part, and a
/// seeded bug runs it with a defective one.
///
///     template <class Clock>
///     void the_clock_saturates(shared_check& check) {
///         Clock clock;
///         clock.advance(plateau::forever);
///         check.equal(clock.now(), plateau::time_point::max(), "the end of time");
///     }
///     TEST_CASE("the hand clock saturates", "[floor][unit]") { passes(the_clock_saturates<plateau::manual_clock>); }
#pragma once

#include "tools/catch.hpp"

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace plateau_test {

/// Notes the first thing that does not hold. One thread.
class shared_check {
public:
    /// `at_first(why)` is called when something does not hold for the first time.
    explicit shared_check(void (*at_first)(const std::string&) = nullptr) noexcept : at_first_(at_first) {}
    shared_check(const shared_check&) = delete;
    shared_check& operator=(const shared_check&) = delete;

    /// Returns: whether it holds.
    bool expect(bool holds, std::string_view sentence) {
        if (holds || failed()) return holds;
        why_ = sentence;
        if (at_first_ != nullptr) at_first_(why_);
        return false;
    }
    template <class T, std::equality_comparable_with<T> U>
    bool equal(const T& found, const U& wanted, std::string_view what) {
        if (found == wanted) return true;
        return expect(false, std::string(what) + " is " + shown(found) + ", and should be " + shown(wanted));
    }

    [[nodiscard]] bool failed() const noexcept { return !why_.empty(); }
    [[nodiscard]] const std::string& why() const noexcept { return why_; }

private:
    template <class T>
    static std::string shown(const T& value) {
        if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
        else if constexpr (std::is_arithmetic_v<T>) return std::to_string(value);
        else if constexpr (std::is_convertible_v<const T&, std::string_view>)
            return '"' + std::string(std::string_view(value)) + '"';
        else return "something else";
    }

    std::string why_;
    void (*at_first_)(const std::string&);
};

/// For the real case.
template <std::invocable<shared_check&> Check>
void passes(Check run) {
    shared_check check;
    run(check);
    INFO(check.why());
    CHECK_FALSE(check.failed());
}

}  // namespace plateau_test
