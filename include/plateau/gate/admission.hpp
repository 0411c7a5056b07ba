// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>
#include <plateau/gate/options.hpp>
#include <plateau/gate/permit.hpp>

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// A short text in place: the value of a Retry-After header, whole seconds from 1 to 60, or nothing.
class header_value {
public:
    constexpr header_value() noexcept = default;
    /// Expects: 1 to 60.
    constexpr explicit header_value(unsigned seconds) noexcept {
        if (seconds >= 10) text_[size_++] = static_cast<char>('0' + seconds / 10);
        text_[size_++] = static_cast<char>('0' + seconds % 10);
    }

    [[nodiscard]] constexpr const char* c_str() const noexcept PLATEAU_LIFETIMEBOUND { return text_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] constexpr operator std::string_view() const noexcept PLATEAU_LIFETIMEBOUND { return {text_, size_}; }

private:
    char text_[4] = {};
    unsigned char size_ = 0;
};

/// What asking for admission came to: a permit, or why there is none and what to tell the client.
///
/// It owns the permit until its own end, so that a handler needs no second object; `take` moves the permit on.
/// Asking a refusal for its permit (`*`, `->`, `take`) is a violation, in every build. A refusal asks its gate for
/// `retry_after`: not after the gate's end (one that says `closed` may).
/// Throws: nothing. Thread safety: one thread.
template <class Sync>
class [[nodiscard]] basic_admission {
    using core = detail::gate_core<Sync>;

public:
    using value_type = basic_permit<Sync>;
    using reason_type = shed_reason;

    /// For the gate.
    PLATEAU_ALWAYS_INLINE basic_admission(core& from, std::uint64_t bytes) noexcept
        : permit_(from, bytes), reason_(shed_reason::none) {}
    /// `asked`: null where the gate has ended.
    PLATEAU_ALWAYS_INLINE basic_admission(shed_reason why, core* asked) noexcept : refused_by_(asked), reason_(why) {}

    basic_admission(basic_admission&&) noexcept = default;
    basic_admission& operator=(basic_admission&&) noexcept = default;

    [[nodiscard]] explicit operator bool() const noexcept { return reason_ == shed_reason::none; }
    [[nodiscard]] shed_reason reason() const noexcept { return reason_; }

    [[nodiscard]] value_type& operator*() noexcept PLATEAU_LIFETIMEBOUND { return checked(); }
    [[nodiscard]] value_type* operator->() noexcept PLATEAU_LIFETIMEBOUND { return &checked(); }
    [[nodiscard]] value_type take() noexcept { return std::move(checked()); }

    /// The status of HTTP: 200; 503; 413 for what is too large.
    [[nodiscard]] int status() const noexcept {
        if (reason_ == shed_reason::none) return 200;
        return reason_ == shed_reason::too_large ? 413 : 503;
    }

    /// In how long the client may come back: 1 ms to 60 s; 0 where coming back does not help (too_large) or is not
    /// needed. Drawn when it is first asked for, and the same from then on.
    [[nodiscard]] std::chrono::milliseconds retry_after() const noexcept {
        using std::chrono::milliseconds;
        if (reason_ == shed_reason::none || reason_ == shed_reason::too_large) return milliseconds(0);
        if (retry_ms_ == 0) {
            const auto asked = refused_by_ != nullptr ? refused_by_->operate.retry(*refused_by_) : milliseconds(1'000);
            const auto least = asked.count() < 1 ? 1 : asked.count();
            retry_ms_ = static_cast<std::uint32_t>(least > 60'000 ? 60'000 : least);
        }
        return milliseconds(retry_ms_);
    }
    /// The same for the header Retry-After, rounded up; empty where it is 0.
    [[nodiscard]] header_value retry_after_text() const noexcept {
        const auto seconds = static_cast<unsigned>((retry_after().count() + 999) / 1'000);
        return seconds == 0 ? header_value() : header_value(seconds);
    }

private:
    value_type& checked() noexcept {
        PLATEAU_EXPECTS(*this, "a refused admission has no permit: test it, or ask for its reason()");
        return permit_;
    }

    value_type permit_;
    core* refused_by_ = nullptr;
    mutable std::uint32_t retry_ms_ = 0;
    shed_reason reason_;
};

PLATEAU_NAMESPACE_END
