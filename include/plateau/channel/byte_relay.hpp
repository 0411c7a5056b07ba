// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/fd_stream.hpp>
#include <plateau/channel/stream_options.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/executor.hpp>
#include <plateau/stop.hpp>

#include <cstddef>
#include <exception>
#include <optional>
#include <span>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A ring of bytes between a source that is read on an executor and one thread that writes.
///
///     buffer_   [ free | held_ bytes from head_ on | free ]      all but buffer_ is under the mutex of list_
///
/// 1  The source is asked by one work at a time, which is posted or running exactly while `reading_`.
/// 2  That work touches nothing of the relay after it has cleared `reading_` and let go of the mutex, so the writer may
///    end the relay as soon as it has seen that.
template <class Sync, class Fill>
class byte_relay : work_link {
public:
    byte_relay(std::span<std::byte> buffer, const stream_options& options, const Fill& fill,
               executor_ref where) noexcept
        : buffer_(buffer), low_(options.low_water_bytes), chunk_(options.chunk_bytes), fill_(fill), where_(where) {
        PLATEAU_EXPECTS(!where.runs_here(),
                        "stream_bytes would wait on a thread of its executor for work queued there");
    }
    byte_relay(const byte_relay&) = delete;
    byte_relay& operator=(const byte_relay&) = delete;
    ~byte_relay() { leave(); }

    /// Returns: bytes to write, at most a chunk; none when the source has ended, or `stop` is requested.
    template <class Token>
    [[nodiscard]] std::span<const std::byte> wait_for_bytes(const Token& stop) {
        if (begins_to_read()) post();
        if (!wait_on_thread(verb{this, &byte_relay::nothing_to_write}, stop, steady_clock{})) return {};
        const session in(list_, flag{this, nullptr});
        return buffer_.subspan(head_, smaller(smaller(held_, chunk_), buffer_.size() - head_));
    }
    /// The bytes were written.
    void consume(std::size_t size) noexcept {
        const session in(list_, flag{this, nullptr});
        held_ -= size;
        head_ += size;
        if (head_ == buffer_.size()) head_ = 0;
    }
    /// Effects: waits for the end of the source's call. Returns: whether the source has not failed. Throws: what it
    /// threw.
    bool finish() {
        leave();
#if PLATEAU_EXCEPTIONS
        if (error_) std::rethrow_exception(error_);
#endif
        return !failed_;
    }

private:
    using condition = bool (byte_relay::*)() const noexcept;
    struct flag {
        const byte_relay* relay;
        condition must_wait;
        [[nodiscard]] bool raise() const noexcept { return (relay->*must_wait)(); }
        static void lower() noexcept {}
    };
    using session = typename wait_list<Sync>::template session<flag>;

    struct verb {
        using sync = Sync;
        using result_type = bool;
        static constexpr unsigned patience = 8;  // a look takes the mutex that the source needs

        byte_relay* relay;
        condition must_wait;

        std::optional<bool> attempt() noexcept {
            const session in(relay->list_, flag());
            if ((relay->*must_wait)()) return std::nullopt;
            return true;
        }
        wait_list<Sync>& list() noexcept { return relay->list_; }
        byte_relay::flag flag() noexcept { return {relay, must_wait}; }
        static bool granted(park_node<Sync>&) noexcept { return true; }
        static bool refused(wake) noexcept { return false; }
        static void hand_on(park_node<Sync>&) noexcept {}
    };

    [[nodiscard]] bool nothing_to_write() const noexcept { return held_ == 0 && !ended_; }
    [[nodiscard]] bool being_read() const noexcept { return reading_; }

    [[nodiscard]] bool begins_to_read() noexcept {
        const session in(list_, flag{this, nullptr});
        if (reading_ || ended_ || held_ > low_) return false;
        return reading_ = true;
    }
    void post() noexcept {
        where_.post(work([](work_link& link) noexcept { static_cast<byte_relay&>(link).read_once(); }, *this));
    }
    void read_once() noexcept {
        const std::span<std::byte> room = free_room();
        std::ptrdiff_t got = 0;
        if (!room.empty()) got = ask(room);
        if (account(got)) post();
    }
    [[nodiscard]] std::span<std::byte> free_room() noexcept {
        const session in(list_, flag{this, nullptr});
        if (leaving_) return {};
        const std::size_t size = buffer_.size();
        const std::size_t begin = head_ < size - held_ ? head_ + held_ : head_ - (size - held_);
        return buffer_.subspan(begin, smaller(smaller(size - held_, chunk_), size - begin));
    }
    [[nodiscard]] std::ptrdiff_t ask(std::span<std::byte> room) noexcept {
#if PLATEAU_EXCEPTIONS
        try {
            return fill_(room);
        } catch (...) {
            error_ = std::current_exception();  // this work's, until it has cleared reading_
            return -1;
        }
#else
        return fill_(room);
#endif
    }
    /// Returns: whether to read on.
    [[nodiscard]] bool account(std::ptrdiff_t got) noexcept {
        session in(list_, flag{this, nullptr});
        if (got > 0) held_ += static_cast<std::size_t>(got);
        else if (got != not_yet) ended_ = true;
        if (got < 0 && got != not_yet) failed_ = true;
        while (in.front() != nullptr) in.claim_front(wake::nudged);
        return reading_ = !ended_ && !leaving_ && held_ < buffer_.size();
    }
    void leave() noexcept {
        {
            const session in(list_, flag{this, nullptr});
            leaving_ = true;
        }
        static_cast<void>(wait_on_thread(verb{this, &byte_relay::being_read}, never_stop_token{}, steady_clock{}));
    }

    const std::span<std::byte> buffer_;
    const std::size_t low_;
    const std::size_t chunk_;
    const Fill& fill_;
    const executor_ref where_;

    wait_list<Sync> list_;  // of the one writer
    std::size_t head_ = 0;
    std::size_t held_ = 0;
    bool reading_ = false;
    bool ended_ = false;
    bool failed_ = false;
    bool leaving_ = false;
    std::exception_ptr error_;
};

/// The one part that is not the clock.
template <class Clock, class First, class... Rest>
[[nodiscard]] executor_ref executor_part(First& first, Rest&... rest) noexcept {
    if constexpr (std::is_same_v<std::remove_const_t<First>, Clock>) return executor_part<Clock>(rest...);
    else return executor_ref(first);
}

}
PLATEAU_NAMESPACE_END
