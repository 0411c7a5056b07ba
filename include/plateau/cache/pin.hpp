// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/options.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <cstdint>
#include <memory>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Where a pinned value lives, as its pins see it: it stays while one of them does.
struct pin_home {
    void (*release)(pin_home*, std::uint32_t slot) noexcept;
};

template <class V>
struct pin_access;

}

/// A counted handle to a const value in a cache, or the reason why there is none.
///
/// The value stays as it is and where it is while it is pinned: through eviction, replacement, `clear` and the end of
/// the cache itself. What is pinned is charged to the cache's `max_pinned_bytes`.
///
/// Asking a refused or moved-from pin for its value is a violation, in every build.
/// Thread safety: as the cache it comes from; one pin is used by one thread at a time.
/// Complexity: O(1), nothing is allocated. The last pin of an entry that has left the cache ends the value.
template <class V>
class [[nodiscard]] pin {
public:
    constexpr pin(cache_reason why) noexcept : reason_(why) {
        PLATEAU_EXPECTS(why != cache_reason::none, "a refusal needs a reason other than none");
    }
    pin(pin&& other) noexcept
        : value_(std::exchange(other.value_, nullptr)),
          home_(std::exchange(other.home_, nullptr)),
          slot_(other.slot_),
          reason_(std::exchange(other.reason_, cache_reason::absent)) {}
    pin& operator=(pin&& other) noexcept {
        if (this == &other) return *this;
        reset();
        value_ = std::exchange(other.value_, nullptr);
        home_ = std::exchange(other.home_, nullptr);
        slot_ = other.slot_;
        reason_ = std::exchange(other.reason_, cache_reason::absent);
        return *this;
    }
    ~pin() { reset(); }

    [[nodiscard]] explicit operator bool() const noexcept { return value_ != nullptr; }
    /// Absent when it was moved from, or reset.
    [[nodiscard]] cache_reason reason() const noexcept { return reason_; }

    [[nodiscard]] const V& operator*() const noexcept PLATEAU_LIFETIMEBOUND { return checked(); }
    [[nodiscard]] const V* operator->() const noexcept PLATEAU_LIFETIMEBOUND { return std::addressof(checked()); }

    /// Effects: lets go of the value.
    void reset() noexcept {
        if (value_ == nullptr) return;
        value_ = nullptr;
        reason_ = cache_reason::absent;
        detail::pin_home* const home = std::exchange(home_, nullptr);
        home->release(home, slot_);
    }

private:
    friend struct detail::pin_access<V>;

    pin(const V* value, detail::pin_home* home, std::uint32_t slot) noexcept
        : value_(value), home_(home), slot_(slot), reason_(cache_reason::none) {}

    const V& checked() const noexcept {
        PLATEAU_EXPECTS(value_ != nullptr, "a refused pin has no value: test it, or ask for its reason()");
        return *value_;
    }

    const V* value_ = nullptr;
    detail::pin_home* home_ = nullptr;
    std::uint32_t slot_ = 0;
    cache_reason reason_;
};

namespace detail {
template <class V>
struct pin_access {
    static pin<V> make(const V& value, pin_home& home, std::uint32_t slot) noexcept {
        return pin<V>(std::addressof(value), std::addressof(home), slot);
    }
};
}

PLATEAU_NAMESPACE_END
