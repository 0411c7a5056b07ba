// SPDX-License-Identifier: MIT
/// What the tests of dumps check: entries without a cache around them, files in memory, and files that lie.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/new_witness.hpp"
#include "tools/random.hpp"

#include <plateau/cache.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace plateau_test {

namespace format = plateau::detail::dump_format;
using file_bytes = std::vector<std::byte>;

/// Takes what it is given, up to a limit.
struct file_writer {
    file_bytes* file;
    std::size_t limit = SIZE_MAX;

    bool operator()(std::span<const std::byte> bytes) const {
        if (file->size() + bytes.size() > limit) return false;
        file->insert(file->end(), bytes.begin(), bytes.end());
        return true;
    }
};

/// Gives a file in pieces of at most `piece` bytes, and asks the witness how much is held whenever it is asked.
struct file_reader {
    std::span<const std::byte> left;
    std::size_t piece = SIZE_MAX;
    std::int64_t* most_held = nullptr;

    std::ptrdiff_t operator()(std::span<std::byte> room) {
        if (most_held != nullptr) *most_held = std::max(*most_held, new_totals().live_bytes);
        const std::size_t count = std::min({room.size(), left.size(), piece});
        if (count != 0) std::memcpy(room.data(), left.data(), count);
        left = left.subspan(count);
        return static_cast<std::ptrdiff_t>(count);
    }
};

/// Of a reader, or of one that derives from it.
template <class Source>
Source reads(std::span<const std::byte> file, std::size_t piece = SIZE_MAX) {
    Source source{};
    source.left = file;
    source.piece = piece;
    return source;
}

template <class K, class V>
struct plain_entry {
    K key;
    V value;
    plateau::duration left;

    friend bool operator==(const plain_entry&, const plain_entry&) = default;
};
template <class K, class V>
using plain_entries = std::vector<plain_entry<K, V>>;

/// 1970 is when the tests' dumps are written, and read.
inline constexpr std::chrono::system_clock::time_point test_epoch{};

template <class Sink = file_writer, class K, class V>
file_bytes written(const plain_entries<K, V>& entries) {
    file_bytes file;
    Sink sink{&file};
    plateau::detail::dump_run<K, V, Sink> run(sink, {.content_version = 0, .written_at = test_epoch});
    plateau::detail::dump_batch<K, V> batch;
    for (const auto& entry : entries) {
        batch.add(entry.key, entry.value, entry.left);
        if (!batch.full()) continue;
        static_cast<void>(run.write(batch.entries()));
        batch.clear();
    }
    static_cast<void>(run.write(batch.entries()));
    static_cast<void>(run.finish());
    return file;
}

template <class K, class V>
struct read_back {
    plain_entries<K, V> entries;
    plateau::warm_up_result result{plateau::warm_up_reason::none, 0, 0};
};

inline plateau::warm_up_options at_test_epoch() {
    plateau::warm_up_options options;
    options.now = test_epoch;
    return options;
}

template <class K, class V, class Source = file_reader>
read_back<K, V> read_dump(Source source, const plateau::warm_up_options& options = at_test_epoch()) {
    read_back<K, V> back;
    plateau::detail::warm_up_run<K, V, Source> run(source, options, options.max_entry_bytes);
    back.result = run.run([&](K&& key, V&& value, plateau::duration left) {
        back.entries.push_back({std::move(key), std::move(value), left});
        return true;
    });
    return back;
}

// ---- values of every known shape

enum class colour : unsigned char { red = 1, blue = 9 };
using deep_value =
    std::pair<std::vector<std::optional<std::string>>, std::tuple<colour, bool, double, std::vector<std::int16_t>>>;

/// A type with functions of its own.
struct labelled {
    std::string label;
    std::array<std::uint32_t, 2> pair{};

    friend bool operator==(const labelled&, const labelled&) = default;
    friend void dump_append(plateau::dump_writer& to, const labelled& from) { to.put(from.label, from.pair); }
    friend bool dump_read(plateau::dump_reader& from, labelled& to) { return from.get(to.label, to.pair); }
};
inline std::size_t owned_bytes(const labelled& value) noexcept { return plateau::owned_bytes(value.label); }

/// A type that holds others of its kind. A defect has one of its own.
template <class Defect>
struct tree_of {
    std::vector<tree_of> below;

    [[nodiscard]] static tree_of of_depth(std::size_t depth) {
        tree_of whole;
        tree_of* at = &whole;
        for (; depth > 1; --depth) at = &at->below.emplace_back();
        return whole;
    }
    friend bool operator==(const tree_of&, const tree_of&) = default;
    friend void dump_append(plateau::dump_writer& to, const tree_of& from) { to.put(from.below); }
    friend bool dump_read(plateau::dump_reader& from, tree_of& to) { return from.get(to.below); }
};

inline std::string random_text(random_source& random, std::size_t most) {
    std::string text;
    const std::uint64_t size = random.one_in(10) ? 20 * most : random.below(most + 1);
    while (text.size() < size) text += static_cast<char>(random.next());
    return text;
}
inline deep_value random_deep(random_source& random) {
    deep_value value;
    for (std::uint64_t i = random.below(4); i > 0; --i) {
        if (random.one_in(3)) value.first.emplace_back();
        else value.first.emplace_back(random_text(random, 20));
    }
    auto& [hue, flag, real, numbers] = value.second;
    hue = random.one_in(2) ? colour::red : colour::blue;
    flag = random.one_in(2);
    real = static_cast<double>(random.below(1000)) / 8;
    for (std::uint64_t i = random.below(6); i > 0; --i) numbers.push_back(static_cast<std::int16_t>(random.next()));
    return value;
}
inline plain_entries<std::string, deep_value> random_entries(random_source& random, std::size_t count) {
    plain_entries<std::string, deep_value> entries;
    while (entries.size() < count) {
        const auto left = random.one_in(3) ? plateau::forever : plateau::duration(1 + random.below(1'000'000));
        entries.push_back({random_text(random, 30), random_deep(random), left});
    }
    return entries;
}

/// Memory that dumps take on a witness of their own.
inline allocation_tally& decoded() {
    static allocation_tally tally;
    return tally;
}
template <class T>
struct decoded_allocator : counting_allocator<T> {
    using value_type = T;
    decoded_allocator() noexcept : counting_allocator<T>(decoded()) {}
    template <class U>
    decoded_allocator(const decoded_allocator<U>&) noexcept : counting_allocator<T>(decoded()) {}
    template <class U>
    struct rebind {
        using other = decoded_allocator<U>;
    };
};
template <class Traits = std::char_traits<char>>
using counted_text = std::basic_string<char, Traits, decoded_allocator<char>>;
using nested = std::vector<std::vector<char, decoded_allocator<char>>,
                           decoded_allocator<std::vector<char, decoded_allocator<char>>>>;

// ---- checks

template <class Sink = file_writer, class Source = file_reader>
void what_was_written_is_read_back(shared_check& check, std::uint64_t rounds) {
    random_source random("dumps");
    for (std::uint64_t i = 0; i < rounds && !check.failed(); ++i) {
        const auto entries = random_entries(random, random.below(70));
        const file_bytes file = written<Sink>(entries);
        const auto back = read_dump<std::string, deep_value>(reads<Source>(file, 1 + random.below(5'000)));
        check.equal(back.result.reason(), plateau::warm_up_reason::none, "the reason");
        check.expect(back.entries == entries, "the entries that were written are read back");
        check.equal(back.result.entries(), entries.size(), "the number of entries");
    }
}

/// Bytes of the file up to which entry i reaches.
template <class K, class V>
std::vector<std::size_t> ends_of(const plain_entries<K, V>& entries) {
    std::vector<std::size_t> ends;
    for (std::size_t i = 1; i <= entries.size(); ++i) {
        const plain_entries<K, V> first(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(i));
        ends.push_back(written(first).size() - plateau::detail::dump_format::frame_bytes);
    }
    return ends;
}

/// Whatever happens to one byte, or wherever the file ends: what is stored is a beginning of what was dumped, it is all
/// of what came before the damage, and the reason says that there was some.
template <class Source = file_reader>
void damage_is_noticed_and_what_came_before_is_kept(shared_check& check) {
    random_source random("damaged dumps");
    const auto entries = random_entries(random, 6);
    const file_bytes file = written(entries);
    const std::vector<std::size_t> ends = ends_of(entries);
    const auto good_before = [&](std::size_t at) {
        return static_cast<std::size_t>(std::count_if(ends.begin(), ends.end(), [&](auto end) { return end <= at; }));
    };
    const auto is_beginning = [&](const auto& stored) {
        return stored.size() <= entries.size() && std::equal(stored.begin(), stored.end(), entries.begin());
    };
    for (std::size_t size = 0; size < file.size() && !check.failed(); ++size) {
        const auto back = read_dump<std::string, deep_value>(reads<Source>(std::span(file).first(size)));
        check.equal(back.result.reason(), plateau::warm_up_reason::cut, "the reason of a cut file");
        check.equal(back.entries.size(), good_before(size), "what came before the cut");
        check.expect(is_beginning(back.entries), "what came before the cut is as it was");
    }
    for (std::size_t at = 0; at < file.size() && !check.failed(); ++at) {
        file_bytes damaged = file;
        damaged[at] ^= static_cast<std::byte>(1U << random.below(8));
        const auto back = read_dump<std::string, deep_value>(reads<Source>(damaged));
        check.expect(!back.result, "a changed bit is noticed");
        check.equal(back.entries.size(), good_before(at), "what came before the damage");
        check.expect(is_beginning(back.entries), "what came before the damage is as it was");
    }
}

/// A file whose checksums are right, whatever it says.
template <class K, class V>
class forged_file {
public:
    explicit forged_file(std::int64_t written_at = 0, std::uint32_t reserved = 0) {
        std::byte bytes[format::header_bytes];
        const std::uint64_t layout = plateau::detail::layout_of<V>(plateau::detail::layout_of<K>());
        format::write(bytes, {layout, 0, written_at, reserved}, sum_);
        add(bytes);
    }
    forged_file& frame(std::uint32_t size, std::int64_t to_live, std::int64_t to_idle = INT64_MAX) {
        std::byte bytes[format::frame_bytes];
        format::write(bytes, {size, to_live, to_idle}, sum_);
        return add(bytes);
    }
    forged_file& payload(std::span<const std::byte> bytes) {
        sum_.add(bytes);
        add(bytes);
        std::byte seal[format::checksum_bytes];
        sum_.seal(seal);
        return add(seal);
    }
    forged_file& raw(std::span<const std::byte> bytes, std::int64_t to_live = INT64_MAX,
                     std::int64_t to_idle = INT64_MAX) {
        ++entries_;
        return frame(static_cast<std::uint32_t>(bytes.size()), to_live, to_idle).payload(bytes);
    }
    forged_file& entry(const K& key, const V& value, std::int64_t to_live = INT64_MAX,
                       std::int64_t to_idle = INT64_MAX) {
        plateau::detail::byte_buffer buffer;
        plateau::dump_writer(buffer).put(key, value);
        return raw(buffer.bytes(), to_live, to_idle);
    }
    forged_file& end() { return frame(format::end_mark, entries_, 0); }
    [[nodiscard]] file_bytes& bytes() noexcept { return bytes_; }

private:
    forged_file& add(std::span<const std::byte> more) {
        bytes_.insert(bytes_.end(), more.begin(), more.end());
        return *this;
    }

    file_bytes bytes_;
    format::checksum sum_;
    std::int64_t entries_ = 0;
};

template <class Source = file_reader>
void a_size_that_lies_costs_what_really_arrives(shared_check& check) {
    for (const std::uint32_t size : {0xffff'fffeU, 0x8000'0000U, 15U << 20, 1U << 20}) {
        forged_file<std::string, std::string> lying;
        lying.entry("a", "b").frame(size, INT64_MAX).payload(file_bytes(10'000));
        const std::int64_t before = new_totals().live_bytes;
        std::int64_t most = before;
        auto source = reads<Source>(lying.bytes());
        source.most_held = &most;
        const auto back = read_dump<std::string, std::string>(source);
        check.equal(back.result.reason(), plateau::warm_up_reason::cut, "the reason");
        check.equal(back.entries.size(), 1U, "the entries before the lie");
        // Twice what arrived, rounded up to pieces, and the buffer that was outgrown.
        check.expect(most - before <= 3 * 16'384, "memory follows what arrives");
    }
}

template <class Text = counted_text<>>
void what_strings_take_is_within_the_bound(shared_check& check) {
    using texts = std::vector<Text, decoded_allocator<Text>>;
    constexpr std::size_t bound = 10'000;
    plateau::warm_up_options options = at_test_epoch();
    options.max_entry_bytes = bound;
    std::size_t most = 0;
    for (std::size_t length = 0; length <= 64 && !check.failed(); ++length) {
        for (std::size_t count = 100; count <= bound / sizeof(Text); count += 4) {
            forged_file<std::uint64_t, texts> file;
            file.entry(1, texts(count, Text(length, 'x'))).end();
            decoded().reset_peak();
            const auto back = read_dump<std::uint64_t, texts>(file_reader{file.bytes()}, options);
            check.expect(static_cast<bool>(back.result), "the file is read to its end");
            most = std::max(most, static_cast<std::size_t>(decoded().peak_bytes));
        }
    }
    check.expect(most <= bound, "strings take no more than the bound of an entry");
    check.expect(most > bound - 200, "and as much as that");
}

/// Beside what is kept: an entry as it was read, and as it is made of it.
inline void a_warm_up_takes_three_times_the_bound_at_most(shared_check& check) {
    constexpr std::size_t bound = 100'000;
    plateau::warm_up_options options = at_test_epoch();
    options.max_entry_bytes = bound;
    for (std::size_t size = 1'000; size <= bound - 100; size += 1'733) {
        forged_file<int, std::vector<char>> file;
        file.entry(1, std::vector<char>(size)).end();
        const std::int64_t before = new_totals().live_bytes;
        std::int64_t most = before;
        auto source = reads<file_reader>(file.bytes());
        source.most_held = &most;
        plateau::detail::warm_up_run<int, std::vector<char>, file_reader> run(source, options, bound);
        const auto result = run.run([&](int&&, std::vector<char>&&, plateau::duration) {
            most = std::max(most, new_totals().live_bytes);
            return false;
        });
        check.expect(static_cast<bool>(result), "the file is read to its end");
        check.expect(most - before >= static_cast<std::int64_t>(2 * size), "both forms of the entry were seen");
        check.expect(most - before <= static_cast<std::int64_t>(3 * bound), "three times the bound at most");
    }
}

/// Of the three trees in the file, one is as deep as may be, one a level deeper, and one as deep as the stack is not.
template <class Defect = void>
void a_value_that_is_nested_too_deep_is_not_read(shared_check& check) {
    using tree = tree_of<Defect>;
    constexpr std::size_t most = plateau::dump_reader::max_depth;
    forged_file<int, tree> file;
    file.entry(1, tree::of_depth(most)).entry(2, tree::of_depth(most + 1));
    if constexpr (std::is_void_v<Defect>) {
        plateau::detail::byte_buffer endless;
        plateau::dump_writer(endless).put(3);
        for (int i = 0; i < 500'000; ++i) plateau::dump_writer(endless).put(std::uint64_t{1});
        file.raw(endless.bytes());
    }
    file.entry(4, tree{}).end();
    const auto back = read_dump<int, tree>(file_reader{file.bytes()});
    check.expect(static_cast<bool>(back.result), "the file is read to its end");
    check.equal(back.entries.size(), 2U, "the entries that are not too deep");
    check.expect(!back.entries.empty() && back.entries.front().value == tree::of_depth(most), "a deep one is whole");
    check.expect(!back.entries.empty() && back.entries.back().key == 4, "what follows is read");
}

/// What the header and the end say, and what the format calls zero.
template <class Source>
void numbers_that_lie_are_damage(shared_check& check) {
    using file = forged_file<int, int>;
    const auto is_damage = [&](file& forged, const char* what) {
        const auto back = read_dump<int, int>(reads<Source>(forged.bytes()));
        check.expect(back.result.reason() == plateau::warm_up_reason::damaged, what);
    };
    file longer, busy, reserved(0, 1);
    is_damage(longer.entry(1, 1).frame(format::end_mark, 2, 0), "an entry that the end counts and that is not there");
    is_damage(busy.frame(format::end_mark, 0, 1), "a time to idle at the end");
    is_damage(reserved.end(), "what the header reserves");
}

/// Seconds before and after, and numbers at both ends.
template <class Source = file_reader>
void the_time_away_is_taken_off(shared_check& check) {
    using namespace std::chrono_literals;
    forged_file<int, int> file(std::chrono::nanoseconds(100h).count());
    file.entry(1, 1, std::chrono::nanoseconds(10s).count()).entry(2, 2, std::chrono::nanoseconds(5s).count());
    file.entry(3, 3).entry(4, 4, 0).entry(5, 5, -1).entry(6, 6, INT64_MIN).entry(7, 7, INT64_MAX - 1);
    const std::int64_t four = std::chrono::nanoseconds(4s).count();
    file.entry(8, 8, INT64_MAX, four).entry(9, 9, std::chrono::nanoseconds(9s).count(), four).entry(10, 10, 5, 0).end();
    const auto left_at = [&](std::chrono::system_clock::duration now, plateau::duration most = plateau::forever) {
        plateau::warm_up_options options;
        options.now = test_epoch + now;
        options.max_time_to_live = most;
        const auto back = read_dump<int, int>(reads<Source>(file.bytes()), options);
        check.expect(static_cast<bool>(back.result), "the file is read to its end");
        check.equal(back.result.entries() + back.result.skipped(), 10U, "the entries in the file");
        std::map<int, plateau::duration> left;
        for (const auto& entry : back.entries) left[entry.key] = entry.left;
        return left;
    };
    using expected = std::map<int, plateau::duration>;
    const plateau::duration longest = plateau::forever - 1ns;
    const expected all{{1, 10s}, {2, 5s}, {3, plateau::forever}, {7, longest}, {8, plateau::forever}, {9, 9s}};
    check.expect(left_at(100h) == all, "at once: all of it");
    check.expect(left_at(100h + 5s) == expected{{1, 5s}, {3, plateau::forever}, {7, longest - 5s}},
                 "after five seconds: what is left, and over is over at its deadline");
    check.expect(left_at(99h) == all, "a clock that was set back gives nobody more time");
    check.expect(left_at(100h, 6s) == expected{{1, 6s}, {2, 5s}, {3, 6s}, {7, 6s}, {8, 6s}, {9, 6s}},
                 "no more than is allowed");
}

// ---- caches

template <class Cache>
file_bytes dumped(const Cache& cache) {
    file_bytes file;
    static_cast<void>(cache.dump(file_writer{&file}, {.content_version = 0, .written_at = test_epoch}));
    return file;
}
template <class Cache>
plateau::warm_up_result warmed_up(Cache& cache, std::span<const std::byte> file,
                                  const plateau::warm_up_options& options = at_test_epoch()) {
    return cache.warm_up(file_reader{file}, options);
}
/// What is in a cache, the hottest first: as its dump says.
template <class Cache>
auto contents(const Cache& cache) {
    return read_dump<typename Cache::key_type, typename Cache::mapped_type>(file_reader{dumped(cache)}).entries;
}
template <class Cache>
std::vector<int> keys_of(const Cache& cache) {
    std::vector<int> keys;
    for (const auto& entry : contents(cache)) keys.push_back(entry.key);
    return keys;
}

/// Who goes first in the old cache goes first in the new one; where there is less room, the coldest stay outside.
template <class Policies>
void the_order_survives_and_the_hottest_are_kept(shared_check& check) {
    using cache_type = plateau::lru_cache<int, int, Policies>;
    cache_type before({.max_entries = 8});
    for (int i = 0; i < 8; ++i) before.put(i, i);
    for (const int used : {2, 5, 0}) static_cast<void>(before.get(used));
    const std::vector<int> order = keys_of(before);
    const file_bytes file = dumped(before);
    for (const std::size_t room : {8U, 5U, 1U}) {
        cache_type after({.max_entries = room});
        const plateau::warm_up_result result = warmed_up(after, file);
        check.equal(result.entries(), room, "the entries for which there is room");
        check.equal(result.skipped(), 8 - room, "the entries for which there is none");
        check.expect(keys_of(after) == std::vector<int>(order.begin(), order.begin() + static_cast<int>(room)),
                     "the hottest are kept, in their order");
        after.check_invariants();
    }
}

/// What came while nobody looked is newer than any file.
template <class Policies>
void what_is_there_stays_and_stays_hotter(shared_check& check) {
    using cache_type = plateau::lru_cache<int, int, Policies>;
    cache_type before({.max_entries = 8});
    for (int i = 0; i < 6; ++i) before.put(i, i);
    cache_type after({.max_entries = 4});
    after.put(9, 90);
    after.put(5, 50);
    const plateau::warm_up_result result = warmed_up(after, dumped(before));
    check.equal(result.entries(), 2U, "the entries for which there is room");
    check.expect(after.peek(5) == 50, "a key that is there keeps its value");
    check.expect(after.peek(9) == 90 && after.contains(4) && after.contains(3), "nobody has to go for what is read");
    after.put(10, 1);
    check.expect(after.contains(5) && after.contains(9) && !after.contains(3), "what is read goes first");
}

}  // namespace plateau_test
