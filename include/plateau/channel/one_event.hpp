// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/held_flag.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/stop.hpp>

#include <optional>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Something that happens once, and that threads wait for.
///
/// Who has seen it may end the event: `happen` touches nothing of it after it has let go of the mutex, and nobody sees
/// it before. Thread safety: any thread.
template <class Sync>
class one_event {
public:
    void happen() noexcept {
        session in(list_, flag{this});
        happened_.store(true, std::memory_order_relaxed);  // under the mutex
        while (in.front() != nullptr) in.claim_front(wake::nudged);
    }
    /// Blocks: until it has happened.
    void wait() { static_cast<void>(wait_on_thread(verb{this}, never_stop_token{}, steady_clock{})); }
    [[nodiscard]] bool happened() noexcept {
        const session in(list_, flag{this});
        return happened_.load(std::memory_order_relaxed);  // under the mutex
    }

private:
    friend struct held_flag<one_event>;
    using flag = held_flag<one_event>;
    using session = typename wait_list<Sync>::template session<flag>;

    struct verb {
        using sync = Sync;
        using result_type = bool;
        static constexpr unsigned patience = 1;

        one_event* event;

        std::optional<bool> attempt() noexcept {
            // A guess that spares the mutex; it counts only what is seen under it.
            if (event->happened_.load(std::memory_order_relaxed) && event->happened()) return true;
            return std::nullopt;
        }
        wait_list<Sync>& list() noexcept { return event->list_; }
        one_event::flag flag() noexcept { return {event}; }
        static bool granted(park_node<Sync>&) noexcept { return true; }
        static bool refused(wake) noexcept { return false; }
        static void hand_on(park_node<Sync>&) noexcept {}
    };

    [[nodiscard]] bool must_wait() const noexcept { return !happened_.load(std::memory_order_relaxed); }

    wait_list<Sync> list_;
    typename Sync::template atomic<bool> happened_{false};  // written under the list's mutex
};

}
PLATEAU_NAMESPACE_END
