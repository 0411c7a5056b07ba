// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/fwd.hpp>
#include <plateau/gate/word.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The part of a gate that its permits know: the word, and how to go on where the word says that it is not enough. It
/// lives until the gate and all permits have gone.
template <class Sync>
struct gate_core {
    /// What the policies of the gate decide.
    struct operations {
        void (*release)(gate_core&, std::uint64_t own) noexcept;
        void (*serve)(gate_core&) noexcept;
        std::chrono::milliseconds (*retry)(gate_core&) noexcept;
    };

    explicit gate_core(const operations& how) noexcept : operate(how) {}
    gate_core(const gate_core&) = delete;
    gate_core& operator=(const gate_core&) = delete;

    /// Gives a permit back: `own` is one + its bytes. The exchange is the last touch: with the permit, the core may go.
    /// An exchange and not a subtraction: whom a flag calls to the queue must hold the permit while he is there.
    PLATEAU_ALWAYS_INLINE void release(std::uint64_t own) noexcept {
        std::uint64_t seen = word.load(std::memory_order_relaxed);  // the exchange orders it
        while ((seen & gate_word::flags) == 0)
            [[likely]] if (word.compare_exchange_weak(seen, seen - own, std::memory_order_release,
                                                      std::memory_order_relaxed)) return;
        operate.release(*this, own);
    }
    /// Gives back bytes of a permit that stays.
    void release_bytes(std::uint64_t bytes) noexcept {
        if ((word.fetch_sub(bytes, std::memory_order_acq_rel) & gate_word::waiters) != 0) operate.serve(*this);
    }

    typename Sync::template atomic<std::uint64_t> word{0};
    const operations& operate;

protected:
    ~gate_core() = default;
};

}

/// The right to run one request, and the bytes it has declared. Releasing is automatic.
///
/// Move-only. It may go to another thread, and may outlive its gate: what it refers to lives until the last permit has
/// gone. Empty when it was default-made, moved from or released; an empty one releases nothing.
/// Throws: nothing. Complexity: O(1), no allocation; a release that lets waiters in costs O(1) for each. Blocks: only
/// for the mutex of the queue, when somebody waits; callbacks that it lets in and that run inline run inside it.
/// Thread safety: one thread at a time for one permit, any thread for different ones.
template <class Sync>
class [[nodiscard]] basic_permit {
public:
    basic_permit() noexcept = default;
    PLATEAU_ALWAYS_INLINE basic_permit(basic_permit&& other) noexcept
        : core_(std::exchange(other.core_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    basic_permit& operator=(basic_permit&& other) noexcept {
        basic_permit taken(std::move(other));
        std::swap(core_, taken.core_);
        std::swap(bytes_, taken.bytes_);
        return *this;
    }
    PLATEAU_ALWAYS_INLINE ~basic_permit() {
        if (core_ != nullptr) core_->release(detail::gate_word::one + bytes_);
    }

    /// True when there is something to release.
    [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

    /// Effects: gives the place and the bytes back now.
    void release() noexcept {
        detail::gate_core<Sync>* const core = std::exchange(core_, nullptr);
        const std::uint64_t bytes = std::exchange(bytes_, 0);
        if (core != nullptr) core->release(detail::gate_word::one + bytes);
    }

    /// Effects: gives back the bytes above `bytes`, because less is held from here on; others may be let in. Does
    /// nothing when it has not declared more.
    void shrink_to(std::size_t bytes) noexcept {
        if (core_ == nullptr || bytes >= bytes_) return;
        core_->release_bytes(std::exchange(bytes_, bytes) - bytes);
    }

    /// What it has declared.
    [[nodiscard]] std::size_t bytes() const noexcept { return static_cast<std::size_t>(bytes_); }

private:
    template <class>
    friend class basic_admission;

    PLATEAU_ALWAYS_INLINE basic_permit(detail::gate_core<Sync>& core, std::uint64_t bytes) noexcept
        : core_(&core), bytes_(bytes) {}

    detail::gate_core<Sync>* core_ = nullptr;
    std::uint64_t bytes_ = 0;
};

PLATEAU_NAMESPACE_END
