// SPDX-License-Identifier: MIT
// stream_bytes: bytes arrive unchanged, through one buffer, or there is a reason.
#include "channel/stream_checks.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"
#include "tools/proof.hpp"
#include "tools/random.hpp"
#include "tools/threads.hpp"

#include <plateau/channel/one_event.hpp>
#include <plateau/channel/stream_bytes.hpp>
#include <plateau/channel/worker_pool.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace plateau_test;
using namespace plateau_test::streams;
using namespace std::chrono_literals;
using plateau::stream_bytes;
using plateau::stream_reason;

namespace {

using event = plateau::detail::one_event<plateau::default_sync>;

/// Two connected descriptors, closed at the end.
class descriptors {
public:
    enum class kind { pipe, sockets };
    explicit descriptors(kind what) {
        const int made =
            what == kind::pipe ? ::pipe(ends_.data()) : ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data());
        if (made != 0) throw std::runtime_error("no descriptors");
    }
    descriptors(const descriptors&) = delete;
    descriptors& operator=(const descriptors&) = delete;
    ~descriptors() {
        close_reader();
        close_writer();
    }
    [[nodiscard]] int reader() const { return ends_[0]; }
    [[nodiscard]] int writer() const { return ends_[1]; }
    void close_reader() { shut(ends_[0]); }
    void close_writer() { shut(ends_[1]); }

private:
    static void shut(int& end) {
        if (end >= 0) ::close(end);
        end = -1;
    }
    std::array<int, 2> ends_{-1, -1};
};

constexpr descriptors::kind both_kinds[] = {descriptors::kind::pipe, descriptors::kind::sockets};

auto size_of = [](std::span<const std::byte> bytes) { return static_cast<std::ptrdiff_t>(bytes.size()); };

}  // namespace

TEST_CASE("bytes arrive unchanged, in whatever pieces they are given and taken", "[channel][model]") {
    random_source random("stream model");
    INFO(random_source::repeat());
    std::uint64_t asked = 0;
    const std::uint64_t rounds = 12'000 * proof_scale();
    for (std::uint64_t i = 0; i < rounds; ++i)
        passes([&](shared_check& check) { asked += bytes_arrive_unchanged<plateau::stream_policies>(check, random); });
    proof_count("channel", "model operations", asked);
}

TEST_CASE("bytes arrive unchanged when source and sink overlap", "[channel][model]") {
    random_source random("overlapping stream model");
    INFO(random_source::repeat());
    plateau::worker_pool pool{{.threads = 1}};
    std::uint64_t asked = 0;
    const std::uint64_t rounds = 500 * proof_scale();
    for (std::uint64_t i = 0; i < rounds; ++i)
        passes([&](shared_check& check) {
            asked += bytes_arrive_unchanged<plateau::stream_policies>(check, random, pool);
        });
    proof_count("channel", "model operations", asked);
}

TEST_CASE("a transfer holds one buffer of high_water_bytes, and no more", "[channel][alloc]") {
    std::int64_t held = 0, calls = 0;
    const new_scope witness;
    int given = 0;
    const auto sent = stream_bytes([&](std::span<std::byte> room) { return ++given < 50 ? room.size() : 0; },
                                   [&](std::span<const std::byte> bytes) {
                                       held = std::max(held, witness.delta().live_bytes);
                                       return bytes.size() / 2 + 1;
                                   },
                                   {.high_water_bytes = 10'000, .chunk_bytes = 3'000});
    calls = witness.delta().calls;
    const std::int64_t left = witness.delta().live_bytes;
    CHECK(sent);
    CHECK(held == 10'000);
    CHECK(calls == 1);
    CHECK(left == 0);
}

TEST_CASE("a sink that takes nothing is given up when the timeout is reached, and not before", "[channel][unit]") {
    passes(a_stalled_sink_times_out<by_hand>);
}

TEST_CASE("progress begins the timeout anew, and the source's time is not the sink's", "[channel][unit]") {
    passes(progress_and_the_source_do_not_count<by_hand>);
}

TEST_CASE("a sink slower than the minimum rate is given up, and what it took before does not save it",
          "[channel][unit]") {
    passes(a_slow_sink_is_given_up<by_hand>);
}

TEST_CASE("a sink that takes a moment is told until when it may wait", "[channel][unit]") {
    plateau::manual_clock clock(plateau::time_point(100s));
    std::vector<plateau::time_point> told;
    const auto sink = [&](std::span<const std::byte>, plateau::time_point until) -> std::ptrdiff_t {
        told.push_back(until);
        clock.set(until);
        return 0;
    };
    const auto sent = stream_bytes<by_hand>(endless(), sink, {.high_water_bytes = 8, .write_timeout = 3s},
                                            plateau::never_stop_token{}, clock);
    CHECK(sent.reason() == stream_reason::timed_out);
    REQUIRE(told.size() == 1);
    CHECK(told[0] == plateau::time_point(103s));
}

TEST_CASE("a stop is seen while the sink stands and the source has nothing", "[channel][unit]") {
    plateau::manual_clock clock;
    {
        plateau::inplace_stop_source stop;
        int asked = 0;
        const auto sink = [&](std::span<const std::byte>, plateau::time_point until) -> std::ptrdiff_t {
            CHECK(until - clock.now() == by_hand::stop_period);
            clock.set(until);
            if (++asked == 5) stop.request_stop();
            return 0;
        };
        CHECK(stream_bytes<by_hand>(endless(), sink, {}, stop.get_token(), clock).reason() == stream_reason::cancelled);
        CHECK(asked == 5);
    }
    plateau::inplace_stop_source stop;
    int asked = 0;
    const auto source = [&](std::span<std::byte>, plateau::time_point until) -> std::ptrdiff_t {
        clock.set(until);
        if (++asked == 5) stop.request_stop();
        return plateau::not_yet;
    };
    CHECK(stream_bytes<by_hand>(source, size_of, {}, stop.get_token(), clock).reason() == stream_reason::cancelled);
    CHECK(asked == 5);
}

TEST_CASE("what was read is written before the source is asked again for what it has not yet", "[channel][unit]") {
    int asked = 0;
    std::uint64_t taken = 0;
    const auto source = [&](std::span<std::byte>) -> std::ptrdiff_t {
        // A peer that answers only what it has received.
        if (asked != 0) CHECK(taken == static_cast<std::uint64_t>(asked) * 10);
        return ++asked > 5 ? 0 : 10;
    };
    const auto sink = [&](std::span<const std::byte> bytes) {
        taken += bytes.size();
        return bytes.size();
    };
    CHECK(stream_bytes(source, sink).bytes() == 50);
}

TEST_CASE("a source that fails and a sink that goes end a transfer with their reasons", "[channel][unit]") {
    plateau::worker_pool pool{{.threads = 1}};
    const plateau::never_stop_token never;
    const auto fails = [] { return [n = 0](std::span<std::byte>) mutable { return ++n < 3 ? 5 : -1; }; };
    const auto goes = [] {
        return [n = 0](std::span<const std::byte> bytes) mutable {
            return ++n < 3 ? static_cast<std::ptrdiff_t>(bytes.size()) : -1;
        };
    };
    CHECK(stream_bytes(fails(), size_of).reason() == stream_reason::source_failed);
    CHECK(stream_bytes(fails(), size_of, {}, never, pool).reason() == stream_reason::source_failed);
    CHECK(stream_bytes(endless(), goes()).reason() == stream_reason::sink_gone);
    CHECK(stream_bytes(endless(), goes(), {}, never, pool).reason() == stream_reason::sink_gone);
}

TEST_CASE("what a source or a sink throws leaves the transfer when everything has ended", "[channel][unit]") {
    plateau::worker_pool pool{{.threads = 1}};
    const plateau::never_stop_token never;
    const auto bad_source = [] {
        return [n = 0](std::span<std::byte>) mutable -> std::ptrdiff_t {
            if (++n == 3) throw std::runtime_error("source");
            return 7;
        };
    };
    const auto bad_sink = [] {
        return [n = 0](std::span<const std::byte> bytes) mutable -> std::ptrdiff_t {
            if (++n == 3) throw std::runtime_error("sink");
            return static_cast<std::ptrdiff_t>(bytes.size());
        };
    };
    CHECK_THROWS_AS(stream_bytes(bad_source(), size_of), std::runtime_error);
    CHECK_THROWS_AS(stream_bytes(bad_source(), size_of, {}, never, pool), std::runtime_error);
    CHECK_THROWS_AS(stream_bytes(endless(), bad_sink()), std::runtime_error);
    CHECK_THROWS_AS(stream_bytes(endless(), bad_sink(), {}, never, pool), std::runtime_error);
}

TEST_CASE("with an executor the source fills the buffer while the sink stands", "[channel][unit]") {
    plateau::worker_pool pool{{.threads = 1}};
    event full;
    std::uint64_t given = 0;  // by the pool's thread, until `full`
    bool first = true;
    std::uint64_t ahead = 0;
    const auto source = [&](std::span<std::byte> room) -> std::ptrdiff_t {
        given += room.size();
        if (given == 1'000) full.happen();
        return given > 1'000'000 ? 0 : static_cast<std::ptrdiff_t>(room.size());
    };
    const auto sink = [&](std::span<const std::byte> bytes) -> std::ptrdiff_t {
        if (first) {
            full.wait();  // without overlap this would be for ever
            ahead = given;
        }
        first = false;
        return static_cast<std::ptrdiff_t>(bytes.size());
    };
    CHECK(
        stream_bytes(source, sink, {.high_water_bytes = 1'000, .chunk_bytes = 100}, plateau::never_stop_token{}, pool));
    CHECK(ahead == 1'000);  // and no further than the high-water mark
}

TEST_CASE("a peer that has gone is an answer and not a signal", "[channel][unit]") {
    for (const auto kind : both_kinds) {
        const death end = dies([&] {
            std::signal(SIGPIPE, SIG_DFL);
            descriptors ends(kind);
            ends.close_reader();
            plateau::fd_sink sink(ends.writer());
            const auto sent = stream_bytes(endless(), sink);
            if (sent.reason() != stream_reason::sink_gone || sink.error() != EPIPE) std::_Exit(1);
        });
        INFO(end.message);
        CHECK(end.survived());
    }
}

TEST_CASE("a SIGPIPE that was pending before stays pending", "[channel][unit]") {
    CHECK(dies([] {
              descriptors ends(descriptors::kind::pipe);
              ends.close_reader();
              sigset_t only;
              sigemptyset(&only);
              sigaddset(&only, SIGPIPE);
              pthread_sigmask(SIG_BLOCK, &only, nullptr);
              raise(SIGPIPE);
              if (stream_bytes(endless(), plateau::fd_sink(ends.writer()))) std::_Exit(1);
              sigset_t pending;
              sigpending(&pending);
              if (sigismember(&pending, SIGPIPE) != 1) std::_Exit(2);
          }).survived());
}

TEST_CASE("descriptors carry a stream from end to end, blocking or not", "[channel][unit]") {
    for (const auto kind : both_kinds) {
        for (const int flags : {0, O_NONBLOCK}) {
            for (const bool limited : {false, true}) {
                descriptors ends(kind);
                if (flags != 0) {
                    ::fcntl(ends.writer(), F_SETFL, ::fcntl(ends.writer(), F_GETFL) | flags);
                    ::fcntl(ends.reader(), F_SETFL, ::fcntl(ends.reader(), F_GETFL) | flags);
                }
                random_source reading("reading"), writing("writing");
                numbered_source source(3'000'000, reading);
                numbered_sink sink(writing);
                plateau::stream_result received(stream_reason::none, 0);
                std::thread peer([&] { received = stream_bytes(plateau::fd_source(ends.reader()), sink); });
                plateau::stream_options bounds;
                if (limited) bounds.write_timeout = 1h;
                const auto sent = stream_bytes(source, plateau::fd_sink(ends.writer()), bounds);
                ends.close_writer();
                peer.join();
                CHECK(sent.bytes() == 3'000'000);
                CHECK(received.bytes() == 3'000'000);
                CHECK(sink.right());
            }
        }
    }
}

TEST_CASE("a full descriptor that nobody reads keeps the deadline", "[channel][unit]") {
    for (const auto kind : both_kinds) {
        descriptors ends(kind);
        plateau::manual_clock clock;
        plateau::fd_sink to(ends.writer());
        // The clock of the transfer is turned by hand, and stands before the system's: poll looks, and does not wait.
        const auto sink = [&](std::span<const std::byte> bytes, plateau::time_point until) {
            const std::ptrdiff_t put = to(bytes, until);
            if (put == 0) clock.set(until);
            return put;
        };
        const auto sent =
            stream_bytes<by_hand>(endless(), sink, {.write_timeout = 2s}, plateau::never_stop_token{}, clock);
        CHECK(sent.reason() == stream_reason::timed_out);
        CHECK(sent.bytes() > 0);
    }
}

TEST_CASE("a file is copied whole, and a bad descriptor is an error", "[channel][unit]") {
    std::FILE* const from = std::tmpfile();
    std::FILE* const to = std::tmpfile();
    REQUIRE((from != nullptr && to != nullptr));
    const std::string text(300'000, 'a');
    std::fwrite(text.data(), 1, text.size(), from);
    std::rewind(from);
    plateau::fd_sink sink(::fileno(to));
    CHECK(stream_bytes(plateau::fd_source(::fileno(from)), sink).bytes() == text.size());
    CHECK(std::fseek(to, 0, SEEK_END) == 0);
    CHECK(std::ftell(to) == 300'000);
    std::fclose(from);
    std::fclose(to);
    plateau::fd_source none(-1);
    CHECK(stream_bytes(none, size_of).reason() == stream_reason::source_failed);
    CHECK(none.error() == EBADF);
    CHECK(stream_bytes(endless(), plateau::fd_sink(-1)).reason() == stream_reason::sink_gone);
}

TEST_CASE("a signal that interrupts a read or a write does not end a transfer", "[channel][unit]") {
    struct sigaction interrupts {};
    interrupts.sa_handler = [](int) {};
    struct sigaction before {};
    REQUIRE(::sigaction(SIGUSR1, &interrupts, &before) == 0);  // without SA_RESTART: calls return EINTR
    for (const auto kind : both_kinds) {
        descriptors ends(kind);
        random_source reading("reading"), writing("writing");
        numbered_source source(2'000'000, reading);
        numbered_sink sink(writing);
        plateau::stream_result received(stream_reason::none, 0), sent(stream_reason::none, 0);
        std::atomic<bool> over{false};
        std::thread writer([&] {
            sent = stream_bytes(source, plateau::fd_sink(ends.writer()));
            ends.close_writer();
        });
        std::thread reader([&] {
            received = stream_bytes(plateau::fd_source(ends.reader()), sink);
            over.store(true);
        });
        while (!over.load()) {
            ::pthread_kill(reader.native_handle(), SIGUSR1);
            std::this_thread::yield();
        }
        writer.join();
        reader.join();
        CHECK(sent.bytes() == 2'000'000);
        CHECK(received.bytes() == 2'000'000);
        CHECK(sink.right());
    }
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("senseless options of a stream are refused", "[channel][unit]") {
    const auto with = [](plateau::stream_options options) {
        static_cast<void>(stream_bytes(endless(), size_of, options));
    };
    CHECK_THROWS_AS(with({.high_water_bytes = 0}), std::invalid_argument);
    CHECK_THROWS_AS(with({.chunk_bytes = 0}), std::invalid_argument);
    CHECK_THROWS_AS(with({.high_water_bytes = 10, .low_water_bytes = 10}), std::invalid_argument);
    CHECK_THROWS_AS(with({.write_timeout = 0s}), std::invalid_argument);
}

TEST_CASE("a source or a sink that lies about its bytes ends the process", "[channel][unit]") {
    CHECK(dies([] {
              static_cast<void>(stream_bytes([](std::span<std::byte> room) { return room.size() + 1; }, size_of));
          }).says("more than it was asked for"));
    CHECK(dies([] {
              static_cast<void>(
                  stream_bytes(endless(), [](std::span<const std::byte> bytes) { return bytes.size() + 1; }));
          }).says("more than it was given"));
    CHECK(dies([] {
              plateau::worker_pool pool{{.threads = 2}};
              event never;
              static_cast<void>(pool.submit(
                  [&] { static_cast<void>(stream_bytes(endless(), size_of, {}, plateau::never_stop_token{}, pool)); }));
              never.wait();
          }).says("for work queued there"));
}
