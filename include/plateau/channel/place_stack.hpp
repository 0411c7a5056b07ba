// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The numbers of places that are free, the last one to come back first (Treiber, 1986), in one word with the flag of
/// those who wait for one:
///
///     [ pops:37 | top:25 | closed:1 | waits:1 ]
///
/// `pops` counts what was taken: a thread that holds an old word is not taken in by a place that came back meanwhile,
/// unless exactly 2^37 were taken in between. Both sides of a wait read-modify-write this word (wait_list.hpp).
///
/// Thread safety: any thread. Complexity: constant; lock-free.
template <class Sync>
class place_stack {
    using word = std::uint64_t;

public:
    static constexpr std::uint32_t none = (std::uint32_t{1} << 25) - 1;

    /// All places are free at first. `places`: 1 to `none`.
    explicit place_stack(std::size_t places)
        : places_(places), below_(new typename Sync::template atomic<std::uint32_t>[places]) {
        for (std::size_t i = 0; i < places; ++i)
            below_[i].store(i + 1 < places ? static_cast<std::uint32_t>(i + 1) : none, std::memory_order_relaxed);
    }

    /// Returns: a place, or `none` when all are taken, or the stack is closed.
    [[nodiscard]] std::uint32_t take() noexcept {
        word seen = word_.load(std::memory_order_acquire);
        for (;;) {
            const std::uint32_t top = top_of(seen);
            if (top == none || (seen & closed) != 0) return none;
            // May be old when the place was taken meanwhile: then the exchange fails, for `pops` has changed.
            const std::uint32_t below = below_[top].load(std::memory_order_relaxed);
            const word left = ((seen + one_pop) & ~top_mask) | (word{below} << top_shift);
            // Acquire: what its last user did with the place. Release: it is nobody's news, but keeps the word's order.
            if (word_.compare_exchange_weak(seen, left, std::memory_order_acq_rel, std::memory_order_acquire))
                return top;
        }
    }
    /// Returns: whether somebody waits for a place.
    [[nodiscard]] bool give(std::uint32_t place) noexcept {
        word seen = word_.load(std::memory_order_relaxed);
        for (;;) {
            below_[place].store(top_of(seen), std::memory_order_relaxed);
            const word with = (seen & ~top_mask) | (word{place} << top_shift);
            if (word_.compare_exchange_weak(seen, with, std::memory_order_acq_rel, std::memory_order_relaxed))
                return (seen & waits) != 0;
        }
    }

    void close() noexcept { word_.fetch_or(closed, std::memory_order_acq_rel); }
    [[nodiscard]] bool is_closed() const noexcept { return (word_.load(std::memory_order_acquire) & closed) != 0; }

    /// How those who wait show in the word.
    struct flag {
        place_stack* of;
        [[nodiscard]] bool raise() const noexcept {
            const word seen = of->word_.fetch_or(waits, std::memory_order_acq_rel);
            return top_of(seen) == none && (seen & closed) == 0;
        }
        void lower() const noexcept { of->word_.fetch_and(~waits, std::memory_order_acq_rel); }
    };

    /// Expects: nobody takes or gives meanwhile. More than all are counted where the stack bites its tail.
    [[nodiscard]] std::size_t count() const noexcept {
        std::size_t free = 0;
        for (std::uint32_t at = top_of(word_.load(std::memory_order_relaxed)); at != none && free <= places_;
             at = below_[at].load(std::memory_order_relaxed))
            ++free;
        return free;
    }
    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t places) noexcept {
        return places * sizeof(typename Sync::template atomic<std::uint32_t>);
    }

private:
    static constexpr word waits = 1;
    static constexpr word closed = 2;
    static constexpr unsigned top_shift = 2;
    static constexpr word top_mask = word{none} << top_shift;
    static constexpr word one_pop = word{1} << 27;

    [[nodiscard]] static std::uint32_t top_of(word at) noexcept {
        return static_cast<std::uint32_t>((at & top_mask) >> top_shift);
    }

    const std::size_t places_;
    const std::unique_ptr<typename Sync::template atomic<std::uint32_t>[]> below_;  // the place under each free one
    typename Sync::template atomic<word> word_{0};                                  // place 0 is on top
};

}
PLATEAU_NAMESPACE_END
