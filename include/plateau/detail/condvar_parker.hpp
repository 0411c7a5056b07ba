// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The same as futex_parker where there is no futex. The owner learns of the signal only under the mutex, hence after
/// the signaller has finished with both members.
class condvar_parker {
public:
    using time_point = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

    condvar_parker() = default;
    condvar_parker(const condvar_parker&) = delete;
    condvar_parker& operator=(const condvar_parker&) = delete;

    [[nodiscard]] bool signalled() const noexcept {
        const std::lock_guard hold(mutex_);
        return signalled_;
    }

    void sleep() noexcept {
        std::unique_lock hold(mutex_);
        while (!signalled_) changed_.wait(hold);
    }

    [[nodiscard]] bool sleep_until(time_point until) noexcept {
        std::unique_lock hold(mutex_);
        while (!signalled_)
            if (changed_.wait_until(hold, until) == std::cv_status::timeout) break;
        return signalled_;
    }

    void signal() noexcept {
        const std::lock_guard hold(mutex_);
        signalled_ = true;
        changed_.notify_one();
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool signalled_ = false;  // under mutex_
};

}
PLATEAU_NAMESPACE_END
