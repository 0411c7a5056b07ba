// SPDX-License-Identifier: MIT
#include "cache/dump_checks.hpp"
#include "tools/catch.hpp"
#include "tools/fault.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/proof.hpp"

#include <plateau/cache.hpp>
#include <plateau/cache/layer_access.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;
using plateau::dump_reason;
using plateau::forever;
using plateau::warm_up_reason;
using plateau::detail::crc32c;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

struct unknown_to_dumps {
    int* hidden;
};
enum loose { any_number };

struct timed : plateau::cache_policies {
    using clock = plateau::manual_clock;
    static constexpr plateau::duration tick{1};
};
struct scan_resistant : plateau::cache_policies {
    using eviction = plateau::s3fifo;
};
struct heard {
    std::vector<std::pair<std::string, plateau::removal_cause>>* of;
    void operator()(const std::string& key, std::string&&, plateau::removal_cause cause) noexcept {
        of->emplace_back(key, cause);
    }
};
struct listening : plateau::cache_policies {
    using listener = heard;
};
struct four_shards_by_turns : plateau::concurrent_cache_policies {
    static constexpr std::size_t shards = 4;
    static constexpr std::size_t min_shard_entries = 1;
};

/// What a layer with stale values says of them.
struct goes_stale : timed {
    struct note {
        plateau::time_point fresh_until = plateau::time_point::max();
        [[nodiscard]] plateau::duration fresh_for(plateau::time_point now) const noexcept { return fresh_until - now; }
    };
};

/// A value whose copy fails when the test says so.
struct sometimes_copied {
    static inline int copies_left = -1;
    int value = 0;
    sometimes_copied() = default;
    explicit sometimes_copied(int number) : value(number) {}
    sometimes_copied(sometimes_copied&&) = default;
    sometimes_copied& operator=(sometimes_copied&&) = default;
    sometimes_copied(const sometimes_copied& other) : value(other.value) {
        if (copies_left-- == 0) throw injected_fault{};
    }
    friend void dump_append(plateau::dump_writer& to, const sometimes_copied& from) { to.put(from.value); }
    friend bool dump_read(plateau::dump_reader& from, sometimes_copied& to) { return from.get(to.value); }
};

static_assert(plateau::dumpable<std::string> && plateau::dumpable<deep_value> && plateau::dumpable<labelled> &&
              plateau::dumpable<std::array<double, 3>> && plateau::dumpable<colour>);
static_assert(!plateau::dumpable<unknown_to_dumps> && !plateau::dumpable<std::vector<unknown_to_dumps>> &&
              !plateau::dumpable<int*> && !plateau::dumpable<std::pair<int, int*>> && !plateau::dumpable<loose> &&
              !plateau::dumpable<std::optional<std::string_view>> && !plateau::dumpable<long double>);

}  // namespace

TEST_CASE("the checksum of a dump is the CRC-32C of RFC 3720", "[cache][unit]") {
    CHECK(crc32c::extend(0, {}) == 0);
    CHECK(crc32c::extend(0, bytes_of("123456789")) == 0xe3069283U);
    std::array<std::byte, 32> block{};  // the examples of its appendix B.4
    CHECK(crc32c::extend(0, block) == 0x8a9136aaU);
    block.fill(std::byte{0xff});
    CHECK(crc32c::extend(0, block) == 0x62a8ab43U);
    for (unsigned i = 0; i < 32; ++i) block[i] = static_cast<std::byte>(i);
    CHECK(crc32c::extend(0, block) == 0x46dd794eU);
    for (std::size_t cut = 0; cut <= block.size(); ++cut)
        CHECK(crc32c::extend(crc32c::extend(0, std::span(block).first(cut)), std::span(block).subspan(cut)) ==
              0x46dd794eU);
}

TEST_CASE("a dump is the bytes that its format says", "[cache][unit]") {
    const plain_entries<std::uint16_t, std::string> entries{{0x0102, "ab", 5ns}};
    const file_bytes file = written(entries);
    std::string hex;
    for (const std::byte byte : file) {
        constexpr std::string_view digits = "0123456789abcdef";
        hex += digits[std::to_integer<std::size_t>(byte) / 16];
        hex += digits[std::to_integer<std::size_t>(byte) % 16];
    }
    CHECK(hex.substr(0, 24) == "706c6174656175"
                               "1a"
                               "01000000");
    CHECK(hex.substr(40, 40) == "0000000000000000"
                                "0000000000000000"
                                "00000000");
    CHECK(hex.substr(88, 40) == "0c000000"
                                "0500000000000000"
                                "ffffffffffffff7f");
    CHECK(hex.substr(136, 24) == "0201"
                                 "0200000000000000"
                                 "6162");
    CHECK(hex.substr(168, 40) == "ffffffff"
                                 "0100000000000000"
                                 "0000000000000000");
    CHECK(hex.size() == 216);
    CHECK(crc32c::extend(0, file) == 0x93d4bb9cU);
}

TEST_CASE("what was written is read back, of every known shape", "[cache][unit]") {
    INFO(random_source::repeat());
    const std::uint64_t rounds = 300 * proof_scale();
    passes([&](shared_check& check) { what_was_written_is_read_back(check, rounds); });
    proof_count("cache", "dumps read back", rounds);
}

TEST_CASE("damage to a dump is noticed, and what came before it is kept", "[cache][unit]") {
    INFO(random_source::repeat());
    passes([](shared_check& check) { damage_is_noticed_and_what_came_before_is_kept(check); });
}

TEST_CASE("an entry that is missing, doubled or moved is damage", "[cache][unit]") {
    const plain_entries<int, int> entries{{1, 1, forever}, {2, 2, forever}, {3, 3, forever}};
    const file_bytes file = written(entries);
    const auto entry_bytes = static_cast<std::ptrdiff_t>(format::frame_bytes + 8 + format::checksum_bytes);
    const auto at = [&](const file_bytes& in, int i) { return in.begin() + format::header_bytes + i * entry_bytes; };
    file_bytes missing = file;
    missing.erase(at(file, 1) - file.begin() + missing.begin(), at(file, 2) - file.begin() + missing.begin());
    file_bytes doubled = file;
    doubled.insert(doubled.begin() + (at(file, 1) - file.begin()), at(file, 0), at(file, 1));
    file_bytes moved = file;
    std::rotate(moved.begin() + (at(file, 0) - file.begin()), moved.begin() + (at(file, 1) - file.begin()),
                moved.begin() + (at(file, 2) - file.begin()));
    CHECK(read_dump<int, int>(file_reader{missing}).result.reason() == warm_up_reason::damaged);
    CHECK(read_dump<int, int>(file_reader{missing}).entries.size() == 1);
    CHECK(read_dump<int, int>(file_reader{doubled}).result.reason() == warm_up_reason::damaged);
    CHECK(read_dump<int, int>(file_reader{doubled}).entries.size() == 1);
    CHECK(read_dump<int, int>(file_reader{moved}).result.reason() == warm_up_reason::damaged);
    CHECK(read_dump<int, int>(file_reader{moved}).entries.empty());
}

TEST_CASE("what is no dump, or another's, is told apart and not read", "[cache][unit]") {
    const plain_entries<int, std::string> entries{{1, "one", forever}};
    const file_bytes file = written(entries);
    CHECK(read_dump<int, std::string>(file_reader{{}}).result.reason() == warm_up_reason::cut);
    CHECK(read_dump<int, std::string>(file_reader{file_bytes(100)}).result.reason() == warm_up_reason::not_a_dump);
    CHECK(read_dump<int, std::vector<short>>(file_reader{file}).result.reason() == warm_up_reason::other_content);
    CHECK(read_dump<unsigned, std::string>(file_reader{file}).result.reason() == warm_up_reason::other_content);
    CHECK(read_dump<long, std::string>(file_reader{file}).result.reason() == warm_up_reason::other_content);
    plateau::warm_up_options options = at_test_epoch();
    options.content_version = 2;
    CHECK(read_dump<int, std::string>(file_reader{file}, options).result.reason() == warm_up_reason::other_content);
    file_bytes next = file;
    next[8] = std::byte{2};
    const auto back = read_dump<int, std::string>(file_reader{next});
    CHECK(back.result.reason() == warm_up_reason::other_version);
    CHECK(to_string(back.result.reason()) == "other_version");
    CHECK_FALSE(back.result);
}

TEST_CASE("a size that lies costs what really arrives", "[cache][alloc]") {
    passes([](shared_check& check) { a_size_that_lies_costs_what_really_arrives(check); });
}

TEST_CASE("an entry above the bound is passed over without memory, and the next is read", "[cache][alloc]") {
    using file = forged_file<std::string, std::string>;
    file large;
    large.entry("a", "b").entry("large", std::string(1'000'000, 'x')).entry("c", "d").end();
    plateau::warm_up_options options = at_test_epoch();
    options.max_entry_bytes = 1'000;
    const auto start = new_totals();
    const auto back = read_dump<std::string, std::string>(file_reader{large.bytes()}, options);
    const auto taken = new_totals();
    CHECK(taken.live_bytes - start.live_bytes < 2'000);
    CHECK(back.result);
    CHECK(back.result.entries() == 2);
    CHECK(back.result.skipped() == 1);
    CHECK(back.entries[1].key == "c");
}

TEST_CASE("a count that lies inside an entry allocates no more than the bound", "[cache][alloc]") {
    using file = forged_file<std::uint64_t, nested>;
    const auto with_counts = [](std::uint64_t outer, std::uint64_t inner, std::size_t padding) {
        plateau::detail::byte_buffer buffer;
        plateau::dump_writer to(buffer);
        to.put(std::uint64_t{1}, outer, inner);
        for (std::size_t i = 0; i < padding; ++i) to.put(std::uint64_t{0});
        return file_bytes(buffer.bytes().begin(), buffer.bytes().end());
    };
    constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
    plateau::warm_up_options options = at_test_epoch();
    options.max_entry_bytes = 10'000;
    file lying;
    for (const std::uint64_t count : {huge, huge / 24, huge / 8 + 1, std::uint64_t{1} << 32, std::uint64_t{9'000}})
        lying.raw(with_counts(count, 0, 1'100)).raw(with_counts(1, count, 1'000));
    lying.raw(with_counts(1'000, 0, 999));  // true, and 24,000 bytes of empty vectors
    lying.raw(with_counts(300, 0, 299));    // true, and within the bound
    lying.end();
    decoded().reset_peak();
    const auto back = read_dump<std::uint64_t, nested>(file_reader{lying.bytes()}, options);
    CHECK(back.result);
    CHECK(back.result.entries() == 1);
    CHECK(back.result.skipped() == 11);
    CHECK(decoded().peak_bytes <= 10'000);
}

TEST_CASE("what strings take is within the bound of an entry, whatever their lengths", "[cache][alloc]") {
    passes([](shared_check& check) { what_strings_take_is_within_the_bound(check); });
}

TEST_CASE("a warm-up takes three times the bound of an entry at most, beside what it stores", "[cache][alloc]") {
    passes([](shared_check& check) { a_warm_up_takes_three_times_the_bound_at_most(check); });
}

TEST_CASE("a value that is nested too deep is not read, however deep it is", "[cache][unit]") {
    passes([](shared_check& check) { a_value_that_is_nested_too_deep_is_not_read(check); });
}

TEST_CASE("an entry with a value that is none is skipped", "[cache][unit]") {
    using file = forged_file<bool, std::optional<colour>>;
    const std::byte two[] = {std::byte{2}, std::byte{0}};
    const std::byte half[] = {std::byte{1}, std::byte{1}};
    const std::byte more[] = {std::byte{1}, std::byte{0}, std::byte{0}};
    const std::byte good[] = {std::byte{1}, std::byte{1}, std::byte{9}};
    file odd;
    odd.raw(two).raw(half).raw(more).raw({}).raw(good).end();
    const auto back = read_dump<bool, std::optional<colour>>(file_reader{odd.bytes()});
    CHECK(back.result);
    CHECK(back.result.skipped() == 4);
    CHECK(back.entries == plain_entries<bool, std::optional<colour>>{{true, colour::blue, forever}});
}

TEST_CASE("the time away is taken off each time to live", "[cache][unit]") {
    passes([](shared_check& check) { the_time_away_is_taken_off(check); });
}

TEST_CASE("numbers that lie at either end are damage, and bytes after the end are not read", "[cache][unit]") {
    using file = forged_file<int, int>;
    passes(numbers_that_lie_are_damage<file_reader>);
    file followed;
    followed.entry(1, 1).end();
    const std::size_t size = followed.bytes().size();
    followed.bytes().resize(size + 100);
    std::size_t given = 0;
    file_reader from{followed.bytes()};
    const auto source = [&](std::span<std::byte> room) {
        const auto count = from(room);
        given += static_cast<std::size_t>(count);
        return count;
    };
    CHECK(read_dump<int, int>(source).result);
    CHECK(given == size);
}

TEST_CASE("a source that fails, or claims what it was not asked for, is the reason", "[cache][unit]") {
    const auto failing = [](std::span<std::byte>) { return -1; };
    CHECK(read_dump<int, int>(failing).result.reason() == warm_up_reason::source_failed);
    const auto boasting = [](std::span<std::byte> room) { return room.size() + 1; };
    CHECK(read_dump<int, int>(boasting).result.reason() == warm_up_reason::source_failed);
}

TEST_CASE("a sink that refuses is asked no more", "[cache][unit]") {
    plateau::detail::dump_batch<int, std::string> batch;
    batch.add(1, std::string(20'000, 'x'), forever);
    for (const int allowed : {0, 1, 2}) {
        int asked = 0;
        const auto sink = [&](std::span<const std::byte>) { return asked++ < allowed; };
        plateau::detail::dump_run<int, std::string, decltype(sink)> run(sink, {});
        const bool first = run.write(batch.entries());
        const bool second = first && run.write(batch.entries());
        const plateau::dump_result result = run.finish();
        CAPTURE(allowed);
        CHECK(first == (allowed > 0));
        CHECK(second == (allowed > 1));
        CHECK_FALSE(result);
        CHECK(result.reason() == dump_reason::sink_refused);
        CHECK(asked == allowed + 1);
    }
}

TEST_CASE("memory that is not there leaves a dump and a warm-up as they were", "[cache][alloc]") {
    random_source random("dump faults");
    const auto entries = random_entries(random, 5);
    const file_bytes file = written(entries);
    const auto nothing = [] { return 0; };
    const auto kept = [](int, const sweep_step&) {};
    const auto dump = [&](int) {
        std::size_t bytes = 0;
        const auto sink = [&](std::span<const std::byte> more) { return bytes += more.size(), true; };
        plateau::detail::dump_run<std::string, deep_value, decltype(sink)> run(sink, {});
        plateau::detail::dump_batch<std::string, deep_value> batch;
        for (const auto& entry : entries) batch.add(entry.key, entry.value, entry.left);
        static_cast<void>(run.write(batch.entries()));
        static_cast<void>(run.finish());
    };
    const auto warm_up = [&](int) { static_cast<void>(read_dump<std::string, deep_value>(file_reader{file})); };
    const sweep_report dumped = sweep_faults(fault::operator_new, nothing, dump, kept);
    const sweep_report warmed = sweep_faults(fault::operator_new, nothing, warm_up, kept);
    for (const sweep_report& report : {dumped, warmed}) {
        CHECK(report.points > 0);
        CHECK(report.threw == report.injected);
        CHECK(report.leaked_bytes == 0);
        CHECK(report.leaked_blocks == 0);
    }
}

TEST_CASE("the order survives a dump, and a smaller cache keeps the hottest", "[cache][unit]") {
    passes([](shared_check& check) { the_order_survives_and_the_hottest_are_kept<plateau::cache_policies>(check); });
    passes([](shared_check& check) { the_order_survives_and_the_hottest_are_kept<scan_resistant>(check); });
}

TEST_CASE("what is in a cache stays when it is warmed up, and stays hotter", "[cache][unit]") {
    passes([](shared_check& check) { what_is_there_stays_and_stays_hotter<plateau::cache_policies>(check); });
}

TEST_CASE("what was read does not pass by as strangers do", "[cache][unit]") {
    plateau::lru_cache<int, int, scan_resistant> before{{.max_entries = 100}};
    for (int i = 0; i < 90; ++i) before.put(i, i);
    plateau::lru_cache<int, int, scan_resistant> after{{.max_entries = 100}};
    CHECK(warmed_up(after, dumped(before)).entries() == 90);
    after.check_invariants();
    for (int i = 1'000; i < 3'000; ++i) after.put(i, i);  // a crawler
    after.check_invariants();
    int kept = 0;
    for (int i = 0; i < 90; ++i) kept += after.contains(i);
    CHECK(kept >= 80);
}

TEST_CASE("a time to live goes on in the next cache, and what is over is not dumped", "[cache][unit]") {
    plateau::manual_clock clock;
    plateau::lru_cache<int, int, timed> before{{.max_entries = 10, .time_to_live = 100ns}, clock};
    before.put(1, 1);
    clock.advance(60ns);
    before.put(2, 2);
    before.put(3, 3, {.time_to_live = forever});
    clock.advance(40ns);
    plateau::manual_clock later{plateau::time_point(1h)};
    plateau::lru_cache<int, int, timed> after{{.max_entries = 10, .time_to_live = 5ns}, later};
    const auto result = warmed_up(after, dumped(before));
    CHECK(result);
    CHECK(result.entries() == 2);
    later.advance(59ns);
    CHECK(after.contains(2));
    later.advance(1ns);
    CHECK_FALSE(after.contains(2));
    later.advance(1000h);
    CHECK(after.contains(3));
    after.check_invariants();
}

TEST_CASE("who idled too long while nobody was there is not read, and who did not is used by it", "[cache][unit]") {
    plateau::manual_clock clock;
    plateau::lru_cache<int, int, timed> before{{.max_entries = 10, .time_to_live = 100ns, .time_to_idle = 30ns}, clock};
    before.put(1, 1);
    before.put(2, 2, {.time_to_live = forever});
    clock.advance(20ns);
    static_cast<void>(before.get(2));
    const file_bytes file = dumped(before);
    const auto keys_after = [&](std::chrono::nanoseconds away) {
        plateau::warm_up_options options = at_test_epoch();
        options.now += std::chrono::duration_cast<std::chrono::system_clock::duration>(away);
        plateau::lru_cache<int, int, timed> after{{.max_entries = 10, .time_to_idle = 30ns}, clock};
        static_cast<void>(warmed_up(after, file, options));
        after.check_invariants();
        return std::pair(after.remaining(1), after.remaining(2));
    };
    using found = std::pair<std::optional<plateau::duration>, std::optional<plateau::duration>>;
    CHECK(keys_after(9ns) == found(30ns, 30ns));
    CHECK(keys_after(10ns) == found(std::nullopt, 30ns));
    CHECK(keys_after(29ns) == found(std::nullopt, 30ns));
    CHECK(keys_after(30ns) == found(std::nullopt, std::nullopt));

    // The other end comes nearer all the while.
    plateau::lru_cache<int, int, timed> busy{{.max_entries = 10}, clock};
    static_cast<void>(warmed_up(busy, file));
    CHECK(busy.remaining(1) == 80ns);
    CHECK(busy.remaining(2) == forever);
}

TEST_CASE("what a layer keeps beyond its freshness is dumped for as long as it is fresh", "[cache][unit]") {
    plateau::manual_clock clock;
    plateau::lru_cache<int, int, goes_stale> cache{{.max_entries = 10, .time_to_live = 100ns}, clock};
    const auto put = [&](int key, plateau::duration fresh) {
        plateau::detail::layer_access::put(cache, key, key, {}, goes_stale::note{clock.now() + fresh},
                                           []() noexcept { return true; });
    };
    put(1, 20ns);
    put(2, 30ns);
    clock.advance(20ns);
    const auto entries = contents(cache);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].key == 2);
    CHECK(entries[0].left == 10ns);
}

TEST_CASE("an entry that has expired makes room for one from a dump", "[cache][unit]") {
    plateau::manual_clock clock;
    plateau::lru_cache<int, int, timed> before{{.max_entries = 2}, clock};
    before.put(1, 1);
    before.put(2, 2);
    plateau::lru_cache<int, int, timed> after{{.max_entries = 2}, clock};
    after.put(2, 20, {.time_to_live = 10ns});
    after.put(3, 30, {.time_to_live = 10ns});
    clock.advance(10ns);
    CHECK(warmed_up(after, dumped(before)).entries() == 2);
    CHECK(after.peek(2) == 2);
    CHECK(after.size() == 2);
}

TEST_CASE("a byte bound holds whatever a dump says, and the listener hears what is not stored", "[cache][unit]") {
    plateau::lru_cache<std::string, std::string> before{{.max_entries = 100}};
    for (int i = 0; i < 20; ++i) before.put(std::to_string(i), std::string(1'000, 'x'));
    before.put("large", std::string(100'000, 'x'));
    std::vector<std::pair<std::string, plateau::removal_cause>> told;
    plateau::lru_cache<std::string, std::string, listening> after{{.max_bytes = 10'000, .max_entry_bytes = 5'000},
                                                                  heard{&told}};
    after.put("19", "own");
    told.clear();
    const auto result = warmed_up(after, dumped(before));
    CHECK(result);
    CHECK(result.entries() + result.skipped() == 21);
    CHECK(after.stats().bytes <= 10'000);
    CHECK(after.peek("19") == "own");
    CHECK(after.contains("18"));
    CHECK_FALSE(after.contains("0"));
    CHECK(told.size() == result.skipped() - 1);  // the large one was never made
    for (const auto& [key, cause] : told) CHECK(cause == plateau::removal_cause::rejected);
    CHECK(told.front().first == "19");
    CHECK(after.stats().discards == told.size());
    after.check_invariants();
}

TEST_CASE("a cache that was closed by a bound of 0 takes nothing from a dump", "[cache][unit]") {
    plateau::lru_cache<int, int> before{{.max_entries = 10}};
    before.put(1, 1);
    plateau::lru_cache<int, int> after{{.max_entries = 10}};
    after.set_max_entries(0);
    const auto result = warmed_up(after, dumped(before));
    CHECK(result);
    CHECK(result.skipped() == 1);
    CHECK(after.size() == 0);
}

TEST_CASE("a sink and a source may use the cache, and change it", "[cache][unit]") {
    plateau::concurrent_lru_cache<int, std::string, four_shards_by_turns> cache{{.max_entries = 4'000}};
    for (int i = 0; i < 2'000; ++i) cache.put(i, std::string(40, 'x'));
    file_bytes file;
    int calls = 0;
    const auto sink = [&](std::span<const std::byte> bytes) {
        for (int i = 0; i < 2'000; ++i) {  // every shard; one that were held would be a violation
            if (i % 3 == calls % 3) cache.erase(i);
            else cache.put(i + 2'000 * (i % 2), "new");
        }
        if (++calls == 3) cache.clear();
        file.insert(file.end(), bytes.begin(), bytes.end());
        return true;
    };
    const auto result = cache.dump(sink);
    CHECK(result);
    CHECK(calls > 3);
    CHECK(result.entries() <= 2'000);
    cache.check_invariants();

    plateau::concurrent_lru_cache<int, std::string, four_shards_by_turns> after{{.max_entries = 4'000}};
    file_reader from{file, 1'000};
    const auto source = [&](std::span<std::byte> room) {
        after.put(static_cast<int>(from.left.size()), "meanwhile");
        return from(room);
    };
    const auto warm = after.warm_up(source);
    CHECK(warm);
    CHECK(warm.entries() + warm.skipped() == result.entries());
    after.check_invariants();
}

TEST_CASE("shards are dumped by turns, so that what is hot anywhere comes first", "[cache][unit]") {
    plateau::concurrent_lru_cache<int, int, four_shards_by_turns> cache{{.max_entries = 4'000}};
    for (int i = 0; i < 1'000; ++i) cache.put(i, i);
    const std::vector<int> keys = keys_of(cache);
    REQUIRE(keys.size() == 1'000);
    const auto position = [&](int key) { return std::find(keys.begin(), keys.end(), key) - keys.begin(); };
    CHECK(position(999) < 4 * 32);
    CHECK(position(0) >= 1'000 - 4 * 64);
    // Twice as many as there is room for: half of the cache, and that the hotter one.
    plateau::lru_cache<int, int> half{{.max_entries = 500}};
    CHECK(warmed_up(half, dumped(cache)).entries() == 500);
    int hot = 0;
    for (int i = 500; i < 1'000; ++i) hot += half.contains(i);
    CHECK(hot > 400);
}

TEST_CASE("a dump whose copies fail leaves the cache as it was", "[cache][unit]") {
    plateau::lru_cache<int, sometimes_copied> cache{{.max_entries = 100}};
    for (int i = 0; i < 100; ++i) cache.put(i, sometimes_copied(i));
    file_bytes file;
    for (const int copies : {0, 1, 31, 32, 99}) {
        sometimes_copied::copies_left = copies;
        CHECK_THROWS_AS(static_cast<void>(cache.dump(file_writer{&file})), injected_fault);
        cache.check_invariants();
    }
    sometimes_copied::copies_left = -1;
    const file_bytes whole = dumped(cache);
    plateau::lru_cache<int, sometimes_copied> after{{.max_entries = 100}};
    CHECK(warmed_up(after, whole).entries() == 100);
}

TEST_CASE("a sink that throws is heard, and so is a source", "[cache][unit]") {
    plateau::lru_cache<int, int> cache{{.max_entries = 100}};
    for (int i = 0; i < 100; ++i) cache.put(i, i);
    const auto sink = [](std::span<const std::byte>) -> bool { throw injected_fault{}; };
    CHECK_THROWS_AS(static_cast<void>(cache.dump(sink)), injected_fault);
    const file_bytes file = dumped(cache);
    file_reader from{std::span(file).first(file.size() / 2)};
    const auto source = [&](std::span<std::byte> room) {
        const auto given = from(room);
        if (given == 0) throw injected_fault{};
        return given;
    };
    plateau::lru_cache<int, int> after{{.max_entries = 100}};
    CHECK_THROWS_AS(static_cast<void>(after.warm_up(source)), injected_fault);
    CHECK(after.size() > 30);
    after.check_invariants();
}

TEST_CASE("memory that is not there leaves a cache whole while it is dumped and warmed up", "[cache][alloc]") {
    plateau::lru_cache<int, std::string> before{{.max_entries = 20}};
    for (int i = 0; i < 20; ++i) before.put(i, std::string(40, 'x'));
    const file_bytes file = dumped(before);
    const auto nothing = [] { return 0; };
    const auto whole = [&](int, const sweep_step&) { before.check_invariants(); };
    const auto dump = [&](int) {
        std::size_t bytes = 0;
        const auto sink = [&](std::span<const std::byte> more) { return bytes += more.size(), true; };
        static_cast<void>(before.dump(sink));
    };
    const auto fresh = [] {
        return std::make_unique<plateau::lru_cache<int, std::string>>(plateau::cache_options{.max_entries = 10});
    };
    const auto warm_up = [&](auto& cache) { static_cast<void>(warmed_up(*cache, file)); };
    const auto still_whole = [&](auto& cache, const sweep_step&) {
        cache->check_invariants();
        cache->put(1, "goes on");
    };
    const sweep_report dumps = sweep_faults(fault::operator_new, nothing, dump, whole);
    const sweep_report warm_ups = sweep_faults(fault::operator_new, fresh, warm_up, still_whole);
    for (const sweep_report& report : {dumps, warm_ups}) {
        CHECK(report.points > 0);
        CHECK(report.leaked_bytes == 0);
        CHECK(report.leaked_blocks == 0);
    }
}
