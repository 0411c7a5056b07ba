// SPDX-License-Identifier: MIT
// A task is small, moves without throwing and is called without arguments; a pool stays where it is.
// expect ARGUMENTS: a task is called without arguments
// expect TOO_LARGE: a task this large does not fit a worker_pool's place
// expect THROWS: a task is moved into its place, and destroyed, without throwing
// expect COPY_ONLY: a task that is not given away is copied
// expect HANDLER_THROWS: a worker_pool's on_error\(std::exception_ptr\) is noexcept
// expect HANDLERS: the same part was passed twice
// expect STRANGER: after the options come parts of this pool
// expect CLOCK: taken by reference
// expect IGNORED: (nodiscard|unused)
// expect CALLBACK: this callback takes another argument, or may throw
// expect MOVED: deleted
// expect TEMPORARY: rvalue|temporary|no matching
#include <plateau/channel.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace {
struct by_hand : plateau::worker_pool_policies {
    using clock = plateau::manual_clock;
};
struct moves_badly {
    moves_badly() = default;
    moves_badly(moves_badly&&) {}
    void operator()() const {}
};
}

int main() {
    [[maybe_unused]] const auto on_error = [](std::exception_ptr) noexcept {};
#if defined(HANDLER_THROWS)
    plateau::worker_pool pool{{.threads = 1}, [](std::exception_ptr) {}};
#elif defined(HANDLERS)
    plateau::worker_pool pool{{.threads = 1}, on_error, [](std::exception_ptr) noexcept {}};
#elif defined(STRANGER)
    plateau::worker_pool pool{{.threads = 1}, 7};
#elif defined(CLOCK)
    plateau::basic_worker_pool<by_hand> pool{{.threads = 1}, plateau::manual_clock()};
#else
    plateau::worker_pool pool{{.threads = 1}, on_error};
#endif
    struct {
        char bytes[100];
    } large{};
    auto task = [own = std::make_unique<int>(1)] { static_cast<void>(own); };
#if defined(ARGUMENTS)
    auto done = pool.try_submit([](int) {});
#elif defined(TOO_LARGE)
    auto done = pool.submit([large] { static_cast<void>(large); });
#elif defined(THROWS)
    auto done = pool.submit(moves_badly());
#elif defined(COPY_ONLY)
    auto done = pool.submit(task);
#else
    auto done = pool.submit(std::move(task));
#endif
#if defined(IGNORED)
    pool.try_submit([] {});
#elif defined(CALLBACK)
    plateau::waiter node{[](plateau::submit_result) {}};
    auto next = [] {};
    pool.submit_then(node, next);
#elif defined(MOVED)
    auto other = std::move(pool);
#elif defined(TEMPORARY)
    static_cast<void>(pool.async_submit(std::move(task), plateau::inline_executor()));
#endif
    static_cast<void>(large);
    return done ? 0 : 1;
}
