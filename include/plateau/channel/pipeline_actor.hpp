// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/executor.hpp>

#include <atomic>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A stage as something that runs on an executor now and then, never on two threads at a time.
///
/// word_ =  [ running:30 | pushing:1 | listening:1 | signals:32 ]
///
/// Obligations   `running` works of this stage are on the executor; it is `listening` for items, or `pushing` one. Each
///               ends with one `signal` that takes its own bit out of the word, in the same step.
/// Signals       while there are any, the stage is posted or running; who adds the first one posts it.
///
/// So a stage that is neither posted nor running has an obligation, which will signal; and one that has ended without
/// obligations is never signalled again.
template <class Core, class Sync>
class pipeline_actor : work_link {
public:
    static constexpr std::uint64_t listening = std::uint64_t{1} << 32;
    static constexpr std::uint64_t pushing = std::uint64_t{1} << 33;
    static constexpr std::uint64_t running = std::uint64_t{1} << 34;

    enum class then : unsigned char { again, pause, end };
    using step_function = then (*)(pipeline_actor&) noexcept;

    pipeline_actor(Core& core, step_function step) noexcept : core_(core), step_(step) {}
    pipeline_actor(const pipeline_actor&) = delete;
    pipeline_actor& operator=(const pipeline_actor&) = delete;

    /// The first post.
    void begin() noexcept { signal(0); }
    /// Effects: ends an obligation; the stage looks again. The stage may be gone when this returns.
    void signal(std::uint64_t ended) noexcept {
        // None before: it does not run, and will not before it is posted here.
        if ((word_.fetch_add(one_signal - ended, std::memory_order_acq_rel) & signals) == 0) post();
    }
    /// By the stage itself, before it asks for what will signal.
    void oblige(std::uint64_t what) noexcept { word_.fetch_add(what, std::memory_order_relaxed); }
    [[nodiscard]] bool obliged(std::uint64_t what) const noexcept {
        return (word_.load(std::memory_order_acquire) & what) != 0;
    }
    [[nodiscard]] bool obliged() const noexcept { return word_.load(std::memory_order_acquire) >= listening; }
    [[nodiscard]] std::uint64_t works() const noexcept { return word_.load(std::memory_order_acquire) / running; }

    [[nodiscard]] Core& core() const noexcept { return core_; }

private:
    static constexpr std::uint64_t one_signal = 1;
    static constexpr std::uint64_t signals = listening - 1;

    void post() noexcept {
        core_.where().post(work([](work_link& link) noexcept { static_cast<pipeline_actor&>(link).run(); }, *this));
    }
    void run() noexcept {
        for (;;) {
            const std::uint64_t seen = word_.load(std::memory_order_acquire) & signals;
            switch (step_(*this)) {
            case then::end:
                return core_.leave();
            case then::again:
                word_.fetch_sub(seen - one_signal, std::memory_order_relaxed);  // one stays: it is posted
                return post();
            case then::pause:
                // The last signal gone, the next one may post it at once.
                if ((word_.fetch_sub(seen, std::memory_order_acq_rel) & signals) == seen) return;
            }
        }
    }

    Core& core_;
    step_function step_;
    typename Sync::template atomic<std::uint64_t> word_{0};
};

}
PLATEAU_NAMESPACE_END
