// SPDX-License-Identifier: MIT
// A dump that is anything: as it comes, or (so that more than its first checksum is reached) with every checksum made
// right. Whatever it says, the cache holds its bounds, keeps what it had, and no more was allocated than one entry may
// take.
#include "cache/dump_checks.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

// The test binaries bring a witness; here the decoded values have a tally of their own.
plateau_test::new_counts plateau_test::new_totals() noexcept { return {}; }

namespace {

using namespace plateau_test;
struct still : plateau::cache_policies {
    using clock = plateau::manual_clock;
};
using pages = plateau::lru_cache<std::string, nested, still>;

void expect(bool holds, const char* sentence) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", sentence);
    std::abort();
}

/// Numbers and bytes from the input; zeros at its end.
struct tape {
    std::span<const std::byte> left;

    std::span<const std::byte> take(std::size_t count) {
        const auto taken = left.first(std::min(count, left.size()));
        left = left.subspan(taken.size());
        return taken;
    }
    template <class T>
    T number() {
        T value{};
        const auto bytes = take(sizeof value);
        if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
        return value;
    }
    std::string text(std::size_t most) {
        const auto bytes = take(number<std::uint8_t>() % (most + 1));
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
};

file_bytes forged(tape from) {
    forged_file<std::string, nested> file(from.number<std::int64_t>());
    while (!from.left.empty()) {
        switch (from.number<std::uint8_t>() % 6) {
        case 0:
        case 1: {  // well-formed, with a time to live of any kind
            nested value;
            for (unsigned i = from.number<std::uint8_t>() % 5; i > 0; --i) {
                const std::string text = from.text(40);
                value.emplace_back(text.begin(), text.end());
            }
            const auto to_live = from.number<std::int64_t>();
            file.entry(from.text(8), value, to_live, to_live % 8 == 0 ? from.number<std::int64_t>() : INT64_MAX);
            break;
        }
        case 2:  // a payload of anything
            file.raw(from.take(from.number<std::uint8_t>()));
            break;
        case 3: {  // counts that lie
            plateau::detail::byte_buffer payload;
            plateau::dump_writer(payload).put(from.text(8), from.number<std::uint64_t>(), from.number<std::uint64_t>());
            file.raw(payload.bytes());
            break;
        }
        case 4:  // a size that lies
            file.frame(from.number<std::uint32_t>(), from.number<std::int64_t>()).payload(from.take(200));
            break;
        default:
            file.end();
            break;
        }
    }
    if (file.bytes().size() % 2 == 0) file.end();
    return file.bytes();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    tape input{std::as_bytes(std::span(data, size))};
    const std::uint8_t mode = input.number<std::uint8_t>();
    plateau::warm_up_options options = at_test_epoch();
    options.max_entry_bytes = 600;
    if ((mode & 2) != 0) options.now += std::chrono::hours(1);
    const file_bytes file = (mode & 1) != 0 ? forged(input) : file_bytes(input.left.begin(), input.left.end());

    plateau::manual_clock clock;
    pages cache{{.max_entries = 6, .max_bytes = 3'000}, clock};
    cache.put("mine", nested{{'x'}});
    decoded().reset_peak();
    const auto held = decoded().live_bytes.load();
    const auto result = cache.warm_up(file_reader{file, mode % 7U + 1U}, options);
    expect(decoded().peak_bytes <= held + 3'000 + 600, "no more is decoded than one entry may take");
    expect(cache.size() <= 6 && cache.stats().bytes <= 3'000, "the bounds hold");
    expect(cache.size() == 1 + result.entries(), "what is stored is there");
    expect(cache.peek("mine") == nested{{'x'}}, "what was there stays");
    cache.check_invariants();

    // What was accepted is what is dumped, and that is read back whole.
    const auto again = contents(cache);
    expect(again.size() == cache.size(), "a cache is read back whole");
    pages other{{.max_entries = 6, .max_bytes = 3'000}, clock};
    expect(static_cast<bool>(warmed_up(other, dumped(cache))) && other.size() == cache.size(), "and stored again");
    return 0;
}
