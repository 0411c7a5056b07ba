// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>
#include <plateau/sync.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN

/// How many permits may be out, where that is fewer than `max_in_flight`. Asked for each request and whenever a place
/// becomes free, from any thread; whatever it answers is held between 1 and `max_in_flight`.
template <class T>
concept limit_policy = requires(const T& limit) {
    { limit.limit() } -> std::same_as<std::uint32_t>;
    requires noexcept(limit.limit());
};

/// `max_in_flight`, and nothing else.
struct fixed_limit {
    [[nodiscard]] static constexpr std::uint32_t limit() noexcept { return UINT32_MAX; }
};

/// In how long a refused client may come back. `random` is 64 bits that differ each time.
template <class T>
concept retry_policy = requires(const T& retry, std::uint64_t random) {
    { retry.after(random) } -> std::same_as<std::chrono::milliseconds>;
    requires noexcept(retry.after(random));
};

/// The same for everybody, and a part by lot, so that those who were refused together do not return together.
/// Retry-After counts whole seconds: a jitter below that keeps the herd together.
struct constant_retry {
    duration delay = std::chrono::seconds(1);
    duration jitter = std::chrono::seconds(4);

    [[nodiscard]] std::chrono::milliseconds after(std::uint64_t random) const noexcept {
        const duration::rep spread = jitter.count() > 0 ? jitter.count() : 0;
        const auto part = static_cast<duration::rep>(random % (static_cast<std::uint64_t>(spread) + 1));
        return std::chrono::ceil<std::chrono::milliseconds>(duration(detail::saturating_add(delay.count(), part)));
    }
};

/// The order in which the queue is served: first come, first served. Nobody passes a request that waits, however heavy
/// it is and however light he is; a full queue refuses the newcomer.
struct fifo {
    /// The request to be served next: the queue's first, and then the one behind `served`, which does not wait any
    /// more.
    template <class Session>
    [[nodiscard]] static auto* first(const Session& queue) noexcept {
        return queue.front();
    }
    template <class Session, class Node>
    [[nodiscard]] static Node* behind(const Session& queue, const Node& served) noexcept {
        return queue.next(served);
    }
};

/// What changes the layout or the cost of a gate. Derive, override with `using`, and name the result as the argument of
/// basic_gate. Objects of these types follow the options in the constructor where they have state.
struct gate_policies {
    using limit = fixed_limit;
    using discipline = fifo;
    using retry = constant_retry;
    using clock = steady_clock;  ///< read only by who has to wait, and has a deadline
    using stats = counting;
    using sync = default_sync;

    /// Internal constants, here so that tests can shrink them.
    static constexpr std::size_t stripes = 8;  ///< of each counter; a power of two
};

PLATEAU_NAMESPACE_END
