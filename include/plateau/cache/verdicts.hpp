// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/chunk_index.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What the judge of a cache says of its entries, and how far they were looked through for those that are over.
///
/// A sweep goes through the chunks of the index, some entries a call. It is due while the judge's epoch is not the one
/// at which the last complete sweep began; entries that come behind the cursor are those that a later epoch condemns.
template <class Judge>
class verdicts {
public:
    static constexpr bool any = true;

    explicit verdicts(const Judge& judge) noexcept : judge_(judge), swept_(judge.epoch()), current_(swept_) {}

    template <class Note>
    [[nodiscard]] bool over(const Note& note) const noexcept {
        return judge_.over(note);
    }

    /// Effects: looks at entries where a sweep is due, `budget` of them at most, which it takes from it. `visit(slot)`
    /// may remove that entry from the index.
    template <class Index, class F>
    void sweep(const Index& index, std::size_t& budget, F visit) noexcept {
        while (budget != 0) {
            if (cursor_.is_at_start()) {
                current_ = judge_.epoch();
                if (current_ == swept_) return;
            }
            if (!index.visit_some(cursor_, budget, visit)) return;
            swept_ = current_;
        }
    }

private:
    PLATEAU_NO_UNIQUE_ADDRESS Judge judge_;
    std::uint64_t swept_;
    std::uint64_t current_;
    index_cursor cursor_;
};

/// Nothing is over before its deadline.
template <>
class verdicts<no_judge> {
public:
    static constexpr bool any = false;
    explicit verdicts(no_judge) noexcept {}
};

}
PLATEAU_NAMESPACE_END
