// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Who holds a slot: the cache, while its entry is in there, and the pins of its value.
///
/// I1  the entry ends when nobody holds the slot any more, and not before.
///
/// A word of the slab: without a value until `enter`, and again after the slot was given back.
///
/// word_ = [ resident:1 | pins:31 ]
class pin_count {
public:
    /// A new entry, which nobody has pinned.
    void enter() noexcept { word_ = resident; }
    /// The entry leaves the cache; its pins stay.
    void leave() noexcept { word_ &= ~resident; }

    [[nodiscard]] bool pinned() const noexcept { return (word_ & ~resident) != 0; }
    /// True for an entry in the cache that no pin holds: the next one is its first.
    [[nodiscard]] bool only_resident() const noexcept { return word_ == resident; }
    [[nodiscard]] bool held() const noexcept { return word_ != 0; }
    /// True where one more pin would be too many: the count would run into the bit above it.
    [[nodiscard]] bool full() const noexcept { return word_ == (resident | ~resident); }

    /// Expects: not full.
    void pin() noexcept { ++word_; }
    /// Expects: pinned.
    void unpin() noexcept { --word_; }

private:
    static constexpr std::uint32_t resident = 0x8000'0000U;

    std::uint32_t word_;
};

}
PLATEAU_NAMESPACE_END
