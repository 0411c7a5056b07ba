// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <poll.h>
#include <span>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

PLATEAU_NAMESPACE_BEGIN

/// What a source answers that has nothing at `until`, and has not ended.
inline constexpr std::ptrdiff_t not_yet = PTRDIFF_MIN;

namespace detail {

/// Waits until the descriptor is ready for `events`, or a moment of the system's steady clock has come.
/// Returns: whether it is ready; an error or a hang-up counts, since the call that follows tells which.
[[nodiscard]] inline bool poll_until(int descriptor, short events, time_point until) noexcept {
    pollfd asked{descriptor, events, 0};
    for (;;) {
        int milliseconds = -1;
        if (until != (time_point::max)()) {
            const auto left = (until - steady_clock{}.now()).count();
            constexpr duration::rep one = 1'000'000;
            constexpr duration::rep longest = 60'000;  // then it looks at the clock again
            milliseconds = left <= 0 ? 0 : static_cast<int>(left / one < longest ? (left + one - 1) / one : longest);
        }
        const int ready = ::poll(&asked, 1, milliseconds);
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return true;
        if (until != (time_point::max)() && steady_clock{}.now() >= until) return false;
    }
}

/// Holds SIGPIPE back from this thread, and takes the one that a write meanwhile has raised: a pipe has no flag for it.
class without_sigpipe {
public:
    without_sigpipe() noexcept {
        sigset_t pending;
        ::sigpending(&pending);
        was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
        ::sigemptyset(&only_);
        ::sigaddset(&only_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &only_, &before_);
    }
    without_sigpipe(const without_sigpipe&) = delete;
    without_sigpipe& operator=(const without_sigpipe&) = delete;
    ~without_sigpipe() {
        const int kept = errno;
        sigset_t pending;
        ::sigpending(&pending);
        if (!was_pending_ && ::sigismember(&pending, SIGPIPE) == 1) {
            int taken = 0;
            ::sigwait(&only_, &taken);
        }
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
        errno = kept;
    }

private:
    sigset_t only_, before_;
    bool was_pending_ = false;
};

}

/// A file descriptor to read from, for `stream_bytes`: a file, a pipe, a socket, blocking or not. Not owned.
///
/// Blocks: until something is there, or `until`; a blocking descriptor is read without a look first where `until` is
/// never. An interrupted call goes on. Thread safety: one thread at a time.
class fd_source {
public:
    explicit fd_source(int descriptor) noexcept : descriptor_(descriptor) {}

    /// Returns: how many bytes were read; 0: the end; `not_yet`; another negative number: failed, with `error()`.
    std::ptrdiff_t operator()(std::span<std::byte> into, time_point until) noexcept {
        if (until != (time_point::max)() && !detail::poll_until(descriptor_, POLLIN, until)) return not_yet;
        for (;;) {
            const ssize_t got = ::read(descriptor_, into.data(), into.size());
            if (got >= 0) return got;
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                if (!detail::poll_until(descriptor_, POLLIN, until)) return not_yet;
            } else if (errno != EINTR) {
                error_ = errno;
                return -1;
            }
        }
    }

    /// The errno of the failed read, or 0.
    [[nodiscard]] int error() const noexcept { return error_; }

private:
    int descriptor_;
    int error_ = 0;
};

/// A file descriptor to write to, for `stream_bytes`: a file, a pipe, a socket, blocking or not. Not owned.
///
/// A peer that has gone is an answer, not a signal: SIGPIPE is not raised, whatever the process does with it. The mode
/// of the descriptor is left as it is. Where a blocking pipe must keep a deadline, it is written in pieces of PIPE_BUF.
/// Blocks: until something was taken, or `until`. Thread safety: one thread at a time.
class fd_sink {
public:
    explicit fd_sink(int descriptor) noexcept : descriptor_(descriptor) {
        struct stat about {};
        if (::fstat(descriptor, &about) == 0) {
            if (S_ISSOCK(about.st_mode)) kind_ = kind::socket;
            else if (S_ISREG(about.st_mode)) kind_ = kind::file;
        }
        const int flags = ::fcntl(descriptor, F_GETFL);
        waits_ = flags >= 0 && (flags & O_NONBLOCK) == 0;
    }

    /// Returns: how many bytes were taken, 0 only when `until` has come; negative: the peer has gone, or the write
    /// failed, with `error()`.
    std::ptrdiff_t operator()(std::span<const std::byte> from, time_point until) noexcept {
        for (;;) {
            if (must_look_first(until) && !detail::poll_until(descriptor_, POLLOUT, until)) return 0;
            const ssize_t put = write(from, until);
            if (put > 0 || (put == 0 && from.empty())) return put;
            if (put < 0 && errno == EINTR) continue;
            if (put < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
                error_ = errno;
                return -1;
            }
            if (!detail::poll_until(descriptor_, POLLOUT, until)) return 0;
        }
    }

    /// The errno of the failed write, or 0.
    [[nodiscard]] int error() const noexcept { return error_; }

private:
    enum class kind : unsigned char { other, file, socket };

    [[nodiscard]] bool must_look_first(time_point until) const noexcept {
        return kind_ == kind::other && waits_ && until != (time_point::max)();
    }
    [[nodiscard]] ssize_t write(std::span<const std::byte> from, time_point until) const noexcept {
        if (kind_ == kind::file) return ::write(descriptor_, from.data(), from.size());
        if (kind_ == kind::socket) {
#if defined(MSG_NOSIGNAL) && defined(MSG_DONTWAIT)
            return ::send(descriptor_, from.data(), from.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
#endif
        }
        const detail::without_sigpipe quiet;
        const std::size_t size = must_look_first(until) && from.size() > PIPE_BUF ? PIPE_BUF : from.size();
        return ::write(descriptor_, from.data(), size);
    }

    int descriptor_;
    int error_ = 0;
    kind kind_ = kind::other;
    bool waits_ = true;
};

PLATEAU_NAMESPACE_END
