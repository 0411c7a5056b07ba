// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/byte_relay.hpp>
#include <plateau/channel/fd_stream.hpp>
#include <plateau/channel/stream_options.hpp>
#include <plateau/channel/stream_pace.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/executor.hpp>
#include <plateau/fwd.hpp>
#include <plateau/stop.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

template <class F, class Span>
inline constexpr bool takes_deadline = std::is_invocable_v<F&, Span, time_point>;
template <class F, class Span>
inline constexpr bool takes_bytes = takes_deadline<F, Span> || std::is_invocable_v<F&, Span>;

/// A bool would count as one byte.
template <class T>
inline constexpr bool is_byte_count =
    std::is_integral_v<std::remove_cvref_t<T>> && !std::is_same_v<std::remove_cvref_t<T>, bool>;
/// Expects: takes_bytes<F, Span>.
template <class F, class Span>
[[nodiscard]] consteval bool counts_bytes() noexcept {
    if constexpr (takes_deadline<F, Span>) return is_byte_count<std::invoke_result_t<F&, Span, time_point>>;
    else return is_byte_count<std::invoke_result_t<F&, Span>>;
}

/// Whether these can be the ends of a transfer; does not compile where not, and the sentence stands alone.
template <class Source, class Sink>
[[nodiscard]] consteval bool are_ends_of_a_stream() noexcept {
    constexpr bool source = takes_bytes<Source, std::span<std::byte>>;
    constexpr bool sink = takes_bytes<Sink, std::span<const std::byte>>;
    static_assert(source, "plateau: a source of stream_bytes is called with (std::span<std::byte>), or with "
                          "(std::span<std::byte>, time_point until)");
    static_assert(sink, "plateau: a sink of stream_bytes is called with (std::span<const std::byte>), or with "
                        "(std::span<const std::byte>, time_point until)");
    if constexpr (source && sink) {
        constexpr bool gives = counts_bytes<Source, std::span<std::byte>>();
        constexpr bool takes = counts_bytes<Sink, std::span<const std::byte>>();
        static_assert(gives, "plateau: a source of stream_bytes answers how many bytes it gave: an integer");
        static_assert(takes, "plateau: a sink of stream_bytes answers how many bytes it took: an integer");
        return gives && takes;
    }
    return false;
}

/// One transfer: who asks the source and the sink, and when to give up.
template <class Policies, class Source, class Sink, class Token>
class byte_transfer {
    using clock_part = shared_part<typename Policies::clock>;

public:
    byte_transfer(Source& source, Sink& sink, const stream_options& options, const Token& stop, clock_part clock)
        : source_(source), sink_(sink), options_(options), stop_(stop), clock_(clock), pace_(options) {}

    /// Turn by turn: fills while the source gives all that it is asked for, then empties.
    stream_result run(std::span<std::byte> buffer) {
        for (bool ended = false; !ended;) {
            std::size_t held = 0;
            while (held < buffer.size() && !ended) {
                if (stop_.stop_requested()) return {stream_reason::cancelled, taken_};
                const auto room = buffer.subspan(held, detail::smaller(options_.chunk_bytes, buffer.size() - held));
                const std::ptrdiff_t got = read(room);
                if (got == not_yet) {
                    if (held != 0) break;
                    continue;
                }
                if (got < 0) return {stream_reason::source_failed, taken_};
                held += static_cast<std::size_t>(got);
                ended = got == 0;
                if (static_cast<std::size_t>(got) < room.size()) break;
            }
            if (const stream_reason why = write_all(buffer.first(held)); why != stream_reason::none)
                return {why, taken_};
        }
        return {stream_reason::none, taken_};
    }

    /// The source reads on the executor while this thread writes.
    stream_result run_with(executor_ref where, std::span<std::byte> buffer) {
        const auto fill = [this](std::span<std::byte> room) { return read(room); };
        byte_relay<typename Policies::sync, decltype(fill)> relay(buffer, options_, fill, where);
        for (;;) {
            const std::span<const std::byte> ready = relay.wait_for_bytes(stop_);
            if (stop_.stop_requested()) return relay.finish(), stream_result{stream_reason::cancelled, taken_};
            if (ready.empty()) break;
            const stream_reason why = write_all(ready);
            if (why != stream_reason::none) return relay.finish(), stream_result{why, taken_};
            relay.consume(ready.size());
        }
        return {relay.finish() ? stream_reason::none : stream_reason::source_failed, taken_};
    }

private:
    /// The moment until which a source or sink that takes one may wait before the token is looked at again.
    [[nodiscard]] time_point next_look() const noexcept {
        if (!stop_.stop_possible()) return (time_point::max)();
        return saturating_add((*clock_).now(), Policies::stop_period);
    }

    [[nodiscard]] std::ptrdiff_t read(std::span<std::byte> room) {
        const auto got = static_cast<std::ptrdiff_t>([&] {
            if constexpr (takes_deadline<Source, std::span<std::byte>>) return source_(room, next_look());
            else return source_(room);
        }());
        PLATEAU_EXPECTS(got < 0 || static_cast<std::size_t>(got) <= room.size(),
                        "a source of stream_bytes says it gave more than it was asked for");
        return got;
    }
    [[nodiscard]] std::ptrdiff_t write(std::span<const std::byte> bytes) {
        const auto put = static_cast<std::ptrdiff_t>([&] {
            if constexpr (takes_deadline<Sink, std::span<const std::byte>>) {
                const time_point look = next_look();
                const time_point end = pace_.deadline();
                return sink_(bytes, look < end ? look : end);
            } else {
                return sink_(bytes);
            }
        }());
        PLATEAU_EXPECTS(put < 0 || static_cast<std::size_t>(put) <= bytes.size(),
                        "a sink of stream_bytes says it took more than it was given");
        return put;
    }

    [[nodiscard]] stream_reason write_all(std::span<const std::byte> bytes) {
        if (bytes.empty()) return stream_reason::none;
        pace_.begin(*clock_);
        while (!bytes.empty()) {
            if (stop_.stop_requested()) return stream_reason::cancelled;
            const std::ptrdiff_t put = write(bytes);
            if (put < 0) return stream_reason::sink_gone;
            const auto size = static_cast<std::size_t>(put);
            taken_ += size;
            bytes = bytes.subspan(size);
            const bool in_time = pace_.took(size, *clock_);
            if (!in_time && !bytes.empty()) return stream_reason::timed_out;
            if (size == 0) Policies::sync::yield();
        }
        return stream_reason::none;
    }

    Source& source_;
    Sink& sink_;
    const stream_options& options_;
    const Token& stop_;
    clock_part clock_;
    stream_pace<Policies> pace_;
    std::uint64_t taken_ = 0;
};

template <class Allocator>
class stream_buffer {
    using traits = std::allocator_traits<Allocator>;

public:
    explicit stream_buffer(std::size_t size) : size_(size), bytes_(traits::allocate(allocator_, size)) {}
    stream_buffer(const stream_buffer&) = delete;
    stream_buffer& operator=(const stream_buffer&) = delete;
    ~stream_buffer() { traits::deallocate(allocator_, bytes_, size_); }
    [[nodiscard]] std::span<std::byte> all() const noexcept { return {bytes_, size_}; }

private:
    Allocator allocator_;
    std::size_t size_;
    std::byte* bytes_;
};

}

/// Effects: moves bytes from `source` to `sink` until the source ends, through one buffer of `high_water_bytes`.
///
/// Source   `n f(std::span<std::byte>)`, or `n f(std::span<std::byte>, time_point until)`: how many bytes it gave; 0:
///          the end; negative: failed; `not_yet`: nothing before `until`. It is asked for at most `chunk_bytes`.
/// Sink     `n f(std::span<const std::byte>)`, or `n f(std::span<const std::byte>, time_point until)`: how many it
///          took, which may be fewer than given, or none; negative: gone. One that takes none is asked again after a
///          yield.
/// Limits   `write_timeout` bounds the time in which the sink takes nothing; `min_bytes_per_second` how slow it may be.
///          Time in which the sink was not asked does not count. A sink called with `until` is held to both; for
///          another the clock is looked at between calls.
/// Stop     is looked at between calls, and at least each `stop_period` where `until` is taken.
/// Parts    a clock with state, and an executor, both by reference. With an executor the source runs on it while this
///          thread writes: it pauses when the buffer is full, and goes on at `low_water_bytes`. Without one they take
///          turns, and whatever was read is written before the source is asked again.
///
/// Returns: what the sink took (`bytes()`), and why no more; bytes that were read and not written are dropped.
/// Throws: std::invalid_argument; std::bad_alloc; what source and sink throw, after everything has ended.
/// Blocks: as source and sink do, and for the source's last call on the executor.
template <class Policies = stream_policies, class Source, class Sink, stoppable_token Token = never_stop_token,
          class... Parts>
stream_result stream_bytes(Source&& source, Sink&& sink, const stream_options& options = {}, const Token& stop = {},
                           Parts&... parts) {
    using clock = typename Policies::clock;
    using source_type = std::remove_reference_t<Source>;
    using sink_type = std::remove_reference_t<Sink>;
    constexpr bool known = ((std::is_same_v<std::remove_const_t<Parts>, clock> || executor<Parts>)&&...);
    constexpr std::size_t executors = (std::size_t{0} + ... + !std::is_same_v<std::remove_const_t<Parts>, clock>);
    static_assert(known, "plateau: after the stop token come parts: a clock of this stream's policies, an executor");
    static_assert(executors <= 1 || !known, "plateau: stream_bytes takes one executor");
    if constexpr (detail::are_ends_of_a_stream<source_type, sink_type>() && known && executors <= 1) {
        const stream_options chosen = detail::checked_stream_options(options);
        const detail::stream_buffer<typename Policies::allocator> buffer(chosen.high_water_bytes);
        detail::shared_part<clock> time(std::in_place, parts...);
        detail::byte_transfer<Policies, source_type, sink_type, Token> transfer(source, sink, chosen, stop, time);
        if constexpr (executors == 1) {
            const executor_ref where = detail::executor_part<clock>(parts...);
            PLATEAU_EXPECTS(!where.is_inline(), "stream_bytes overlaps on an executor that runs work elsewhere");
            return transfer.run_with(where, buffer.all());
        } else {
            return transfer.run(buffer.all());
        }
    } else {
        return {stream_reason::source_failed, 0};  // does not compile
    }
}

PLATEAU_NAMESPACE_END
