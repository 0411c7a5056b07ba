// SPDX-License-Identifier: MIT
// Source and sink say how many bytes they moved; whether all of them were is looked at.
// expect SOURCE: a source of stream_bytes is called with \(std::span<std::byte>\)
// expect SINK: a sink of stream_bytes is called with \(std::span<const std::byte>\)
// expect TAKES_AWAY: a sink of stream_bytes is called with \(std::span<const std::byte>\)
// expect SAYS_YES: answers how many bytes
// expect SAYS_NOTHING: answers how many bytes
// expect STRANGER: after the stop token come parts
// expect EXECUTORS: stream_bytes takes one executor
// expect IN_PLACE_OF_A_TOKEN: stoppable_token
// expect TEMPORARY: rvalue|temporary|no matching
// expect IGNORED: (nodiscard|unused)
#include <plateau/channel.hpp>

#include <cstddef>
#include <cstdio>
#include <span>
#include <string>

int main() {
    plateau::worker_pool pool, second;
    std::string number = "7";
    [[maybe_unused]] const auto nothing = [](std::span<std::byte>) { return 0; };
    [[maybe_unused]] const auto all = [](std::span<const std::byte> bytes) { return bytes.size(); };
    [[maybe_unused]] const plateau::never_stop_token never;
#if defined(SOURCE)
    const auto done = plateau::stream_bytes([](char*, std::size_t) { return 0; }, all);
#elif defined(SINK)
    const auto done = plateau::stream_bytes(nothing, stdout);
#elif defined(TAKES_AWAY)
    const auto done = plateau::stream_bytes(nothing, [](std::span<std::byte> bytes) { return bytes.size(); });
#elif defined(SAYS_YES)
    const auto done = plateau::stream_bytes(nothing, [](std::span<const std::byte>) { return true; });
#elif defined(SAYS_NOTHING)
    const auto done = plateau::stream_bytes([](std::span<std::byte>) {}, all);
#elif defined(STRANGER)
    const auto done = plateau::stream_bytes(nothing, all, {}, never, number);
#elif defined(EXECUTORS)
    const auto done = plateau::stream_bytes(nothing, all, {}, never, pool, second);
#elif defined(IN_PLACE_OF_A_TOKEN)
    const auto done = plateau::stream_bytes(nothing, all, {}, pool);
#elif defined(TEMPORARY)
    const auto done = plateau::stream_bytes(nothing, all, {}, never, plateau::worker_pool());
#else
    const auto done = plateau::stream_bytes(nothing, all, {}, never, pool);
#endif
#if defined(IGNORED)
    plateau::stream_bytes(nothing, all);
#endif
    return done && second.threads() != 0 && !number.empty() ? 0 : 1;
}
