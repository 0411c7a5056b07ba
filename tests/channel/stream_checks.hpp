// SPDX-License-Identifier: MIT
/// What the cases of stream_bytes check, as functions over its policies.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/random.hpp"

#include <plateau/channel/stream_bytes.hpp>
#include <plateau/clock.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace plateau_test::streams {

struct by_hand : plateau::stream_policies {
    using clock = plateau::manual_clock;
};

/// A source of so many bytes, whose values follow from their places, in pieces of any size.
class numbered_source {
public:
    numbered_source(std::uint64_t size, random_source& random) noexcept : size_(size), random_(&random) {}
    std::ptrdiff_t operator()(std::span<std::byte> room) noexcept {
        ++asked_;
        const std::uint64_t left = size_ - given_;
        if (left == 0) return 0;
        const std::uint64_t most = std::min<std::uint64_t>(left, room.size());
        const std::uint64_t n = random_->one_in(3) ? most : 1 + random_->below(most);
        for (std::uint64_t i = 0; i < n; ++i) room[i] = value_at(given_ + i);
        given_ += n;
        return static_cast<std::ptrdiff_t>(n);
    }
    [[nodiscard]] std::uint64_t asked() const noexcept { return asked_; }
    static std::byte value_at(std::uint64_t place) noexcept {
        return static_cast<std::byte>((place * 0x9e3779b97f4a7c15U) >> 56U);
    }

private:
    std::uint64_t size_;
    std::uint64_t given_ = 0;
    std::uint64_t asked_ = 0;
    random_source* random_;
};

/// Takes any part of what it is given, or none, and checks it.
class numbered_sink {
public:
    explicit numbered_sink(random_source& random) noexcept : random_(&random) {}
    std::ptrdiff_t operator()(std::span<const std::byte> bytes) noexcept {
        ++asked_;
        const std::uint64_t n = random_->one_in(3) ? bytes.size() : random_->below(bytes.size() + 1);
        for (std::uint64_t i = 0; i < n; ++i) right_ = right_ && bytes[i] == numbered_source::value_at(taken_ + i);
        taken_ += n;
        return static_cast<std::ptrdiff_t>(n);
    }
    [[nodiscard]] std::uint64_t asked() const noexcept { return asked_; }
    [[nodiscard]] bool right() const noexcept { return right_; }
    [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }

private:
    random_source* random_;
    std::uint64_t taken_ = 0;
    std::uint64_t asked_ = 0;
    bool right_ = true;
};

/// Returns: how often source and sink were asked.
template <class Policies, class... Parts>
std::uint64_t bytes_arrive_unchanged(shared_check& check, random_source& random, Parts&... parts) {
    const std::uint64_t size = random.below(5'000);
    random_source reading("reading", random.next()), writing("writing", random.next());
    numbered_source source(size, reading);
    numbered_sink sink(writing);
    const plateau::stream_options bounds{.high_water_bytes = 2 + random.below(300),
                                         .chunk_bytes = 1 + random.below(200)};
    const auto sent = plateau::stream_bytes<Policies>(source, sink, bounds, plateau::never_stop_token{}, parts...);
    check.expect(static_cast<bool>(sent), "a transfer without obstacles did not end well");
    check.equal(sent.bytes(), size, "the number of bytes said to be sent");
    check.equal(sink.taken(), size, "the number of bytes taken");
    check.expect(sink.right(), "a byte arrived that is not the one that was sent in its place");
    return source.asked() + sink.asked();
}

inline auto endless() {
    return [](std::span<std::byte> room) { return static_cast<std::ptrdiff_t>(room.size()); };
}

/// A sink that takes nothing is given up when the timeout is reached, and not before.
template <class Policies>
void a_stalled_sink_times_out(shared_check& check) {
    using namespace std::chrono_literals;
    plateau::manual_clock clock;
    int asked = 0;
    const auto sink = [&](std::span<const std::byte> bytes) -> std::ptrdiff_t {
        if (++asked == 1) return static_cast<std::ptrdiff_t>(bytes.size() / 2);
        clock.advance(1s);
        return 0;
    };
    const auto sent = plateau::stream_bytes<Policies>(endless(), sink, {.high_water_bytes = 100, .write_timeout = 3s},
                                                      plateau::never_stop_token{}, clock);
    check.expect(sent.reason() == plateau::stream_reason::timed_out, "a sink that takes nothing was not given up");
    check.equal(sent.bytes(), std::uint64_t{50}, "the number of bytes taken");
    check.equal(asked, 4, "how often the sink was asked");
}

/// Progress begins the timeout anew, and a source that keeps the sink waiting is not the sink's fault.
template <class Policies>
void progress_and_the_source_do_not_count(shared_check& check) {
    using namespace std::chrono_literals;
    plateau::manual_clock clock;
    int given = 0;
    const auto source = [&](std::span<std::byte> room) -> std::ptrdiff_t {
        clock.advance(1h);
        return ++given > 20 ? 0 : static_cast<std::ptrdiff_t>(room.size());
    };
    const auto sink = [&](std::span<const std::byte>) -> std::ptrdiff_t {
        clock.advance(2s);
        return 1;
    };
    const auto sent = plateau::stream_bytes<Policies>(source, sink, {.high_water_bytes = 10, .write_timeout = 3s},
                                                      plateau::never_stop_token{}, clock);
    check.expect(static_cast<bool>(sent), "a sink that makes progress was given up");
    check.equal(sent.bytes(), std::uint64_t{200}, "the number of bytes taken");
}

/// A sink that takes `bytes_each_second`, for at most 200 seconds. Returns: after how many seconds it was given up.
template <class Policies>
int seconds_until_too_slow(std::uint64_t min_rate, const std::vector<std::size_t>& bytes_each_second) {
    using namespace std::chrono_literals;
    plateau::manual_clock clock;
    int seconds = 0;
    const auto sink = [&](std::span<const std::byte> bytes) -> std::ptrdiff_t {
        if (seconds == 200) return -1;
        const std::size_t most = bytes_each_second[static_cast<std::size_t>(seconds) % bytes_each_second.size()];
        ++seconds;
        clock.advance(1s);
        return static_cast<std::ptrdiff_t>(std::min(bytes.size(), most));
    };
    const auto sent = plateau::stream_bytes<Policies>(endless(), sink,
                                                      {.high_water_bytes = 100'000, .min_bytes_per_second = min_rate},
                                                      plateau::never_stop_token{}, clock);
    return sent.reason() == plateau::stream_reason::timed_out ? seconds : 200;
}

template <class Policies>
void a_slow_sink_is_given_up(shared_check& check) {
    check.equal(seconds_until_too_slow<Policies>(1'000, {1'000}), 200, "seconds for a sink that is just fast enough");
    check.equal(seconds_until_too_slow<Policies>(1'000, {500}), 10, "seconds for one of half the rate");
    check.equal(seconds_until_too_slow<Policies>(1'000, {0}), 5, "seconds for one that stands");
    // What it took long ago does not pay for standing now: no more than the window is saved up.
    std::vector<std::size_t> fast_then_dead(100, 100'000);
    fast_then_dead.resize(200, 0);
    check.equal(seconds_until_too_slow<Policies>(1'000, fast_then_dead), 105, "seconds for one that was fast once");
    check.equal(seconds_until_too_slow<Policies>(1'000, {4'000, 0, 0, 0}), 200, "seconds for one in bursts");
}

}  // namespace plateau_test::streams
