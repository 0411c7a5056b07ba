// SPDX-License-Identifier: MIT
#pragma once

/// The entries of a cache as bytes, and back: `cache.dump(sink)` before a process ends, `cache.warm_up(source)` in the
/// next one.
///
/// dump_format.hpp says what the bytes are, dump_codec.hpp how a type of yours joins. A dump may come from anywhere: it
/// is checked as it is read, and a file that lies costs what it says at most up to the bound of one entry.

#include <plateau/cache/dump_codec.hpp>
#include <plateau/cache/dump_format.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

struct dump_options {
    std::uint64_t content_version = 0;  ///< of your types: a dump is read only by who names the same
    std::chrono::system_clock::time_point written_at = std::chrono::system_clock::now();
};

struct warm_up_options {
    std::uint64_t content_version = 0;
    /// What has passed since the dump was written is taken off each time to live. If the system's clock was set back
    /// meanwhile, that much is missed.
    std::chrono::system_clock::time_point now = std::chrono::system_clock::now();
    /// Of one entry, as it is read and as it then lies on the heap. A larger one is skipped.
    std::size_t max_entry_bytes = std::size_t{16} << 20;
    duration max_time_to_live = forever;  ///< for a file that may promise too much
};

/// Why a dump is not whole.
enum class dump_reason : unsigned char {
    none,
    sink_refused,  ///< the sink answered false
};

[[nodiscard]] constexpr std::string_view to_string(dump_reason reason) noexcept {
    switch (reason) {
    case dump_reason::none:
        return "none";
    case dump_reason::sink_refused:
        return "sink_refused";
    }
    return "unknown";
}

/// Why a warm-up stopped before the end of the dump. What had been stored by then stays.
enum class warm_up_reason : unsigned char {
    none,
    not_a_dump,     ///< it does not begin as one
    other_version,  ///< of the format
    other_content,  ///< other types, or another `content_version`
    damaged,        ///< a checksum does not fit, or what it covers makes no sense
    cut,            ///< the source ended before the dump did
    source_failed,  ///< the source answered a number below zero, or above what it was asked for
};

[[nodiscard]] constexpr std::string_view to_string(warm_up_reason reason) noexcept {
    switch (reason) {
    case warm_up_reason::none:
        return "none";
    case warm_up_reason::not_a_dump:
        return "not_a_dump";
    case warm_up_reason::other_version:
        return "other_version";
    case warm_up_reason::other_content:
        return "other_content";
    case warm_up_reason::damaged:
        return "damaged";
    case warm_up_reason::cut:
        return "cut";
    case warm_up_reason::source_failed:
        return "source_failed";
    }
    return "unknown";
}

/// What a dump came to: true when it is whole.
class [[nodiscard]] dump_result {
public:
    constexpr dump_result(dump_reason why, std::size_t entries, std::size_t skipped) noexcept
        : entries_(entries), skipped_(skipped), reason_(why) {}

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return reason_ == dump_reason::none; }
    [[nodiscard]] constexpr dump_reason reason() const noexcept { return reason_; }
    /// Encoded, and taken by the sink if the dump is whole.
    [[nodiscard]] constexpr std::size_t entries() const noexcept { return entries_; }
    /// Of 4 GiB and more.
    [[nodiscard]] constexpr std::size_t skipped() const noexcept { return skipped_; }

private:
    std::size_t entries_;
    std::size_t skipped_;
    dump_reason reason_;
};

/// What a warm-up came to: true when the dump was read to its end.
class [[nodiscard]] warm_up_result {
public:
    constexpr warm_up_result(warm_up_reason why, std::size_t entries, std::size_t skipped) noexcept
        : entries_(entries), skipped_(skipped), reason_(why) {}

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return reason_ == warm_up_reason::none; }
    [[nodiscard]] constexpr warm_up_reason reason() const noexcept { return reason_; }
    /// Stored.
    [[nodiscard]] constexpr std::size_t entries() const noexcept { return entries_; }
    /// Whole in the dump, and not stored: expired since, too large, already there, without room, or of a value that its
    /// type refused.
    [[nodiscard]] constexpr std::size_t skipped() const noexcept { return skipped_; }

private:
    std::size_t entries_;
    std::size_t skipped_;
    warm_up_reason reason_;
};

/// Takes bytes in order, in pieces of any size. Answers a bool: whether it took them all; after a false it is asked no
/// more.
template <class S>
concept dump_sink = std::is_invocable_v<S&, std::span<const std::byte>>;

/// Fills the span from its beginning, and answers how many bytes it gave, as an integer; 0 at the end, less than 0 for
/// an error.
template <class S>
concept dump_source = std::is_invocable_v<S&, std::span<std::byte>>;

namespace detail {

[[nodiscard]] constexpr std::int64_t nanoseconds_of(std::chrono::system_clock::time_point moment) noexcept {
    using period = std::chrono::system_clock::period;
    static_assert(period::num == 1 && std::nano::den % period::den == 0);
    return saturating_mul<std::int64_t>(moment.time_since_epoch().count(), std::nano::den / period::den);
}

/// Copies of entries on their way from a cache to a sink: they leave the one under its lock and reach the other
/// without.
template <class K, class V>
class dump_batch {
public:
    struct entry {
        K key;
        V value;
        duration to_live;
        duration to_idle;
    };
    static constexpr std::size_t capacity = sizeof(entry) < 128 ? 32 : sizeof(entry) < 4096 ? 4096 / sizeof(entry) : 1;

    /// Expects: not full.
    void add(const K& key, const V& value, duration to_live, duration to_idle = forever) {
        entries_[size_].emplace(entry{key, value, to_live, to_idle});
        ++size_;
    }
    [[nodiscard]] bool full() const noexcept { return size_ == capacity; }
    [[nodiscard]] std::size_t room() const noexcept { return capacity - size_; }
    void clear() noexcept {
        while (size_ != 0) entries_[--size_].reset();
    }
    [[nodiscard]] std::span<const std::optional<entry>> entries() const noexcept { return {entries_, size_}; }

private:
    std::optional<entry> entries_[capacity];
    std::size_t size_ = 0;
};

/// Entries become bytes here, and the bytes reach the sink some kilobytes at a time.
template <class K, class V, dump_sink Sink>
class dump_run {
    static_assert(dumpable<K>::value && dumpable<V>::value,
                  "plateau: how this key or value is dumped is unknown; give it `void dump_append("
                  "plateau::dump_writer&, const T&)` and `bool dump_read(plateau::dump_reader&, T&)` in its own "
                  "namespace, and a default constructor");
    static_assert(std::is_same_v<std::remove_cvref_t<std::invoke_result_t<Sink&, std::span<const std::byte>>>, bool>,
                  "plateau: a dump's sink answers a bool: whether it took all the bytes (a count, as of write and "
                  "fwrite, would pass for true when it is short, or an error: compare it)");

public:
    dump_run(Sink& sink, const dump_options& options) : sink_(sink) {
        constexpr std::size_t size = dump_format::header_bytes;
        dump_format::write(std::span<std::byte, size>(buffer_.extend(size), size),
                           {layout_of<V>(layout_of<K>()), options.content_version, nanoseconds_of(options.written_at)},
                           sum_);
    }

    /// Returns: false once the sink has refused.
    [[nodiscard]] bool write(std::span<const std::optional<typename dump_batch<K, V>::entry>> entries) {
        for (const auto& one : entries) {
            append(*one);
            if (buffer_.size() >= flush_bytes && !flush()) return false;
        }
        return true;
    }
    [[nodiscard]] dump_result finish() {
        if (!refused_) {
            constexpr std::size_t size = dump_format::frame_bytes;
            dump_format::write(std::span<std::byte, size>(buffer_.extend(size), size),
                               {dump_format::end_mark, static_cast<std::int64_t>(entries_), 0}, sum_);
            static_cast<void>(flush());
        }
        return {refused_ ? dump_reason::sink_refused : dump_reason::none, entries_, skipped_};
    }

private:
    static constexpr std::size_t flush_bytes = 16 * 1024;

    template <class Entry>
    void append(const Entry& one) {
        const std::size_t begin = buffer_.size();
        static_cast<void>(buffer_.extend(dump_format::frame_bytes));
        dump_writer to(buffer_);
        to.put(one.key, one.value);
        const std::size_t payload = buffer_.size() - begin - dump_format::frame_bytes;
        if (payload > dump_format::max_payload) {
            buffer_.shrink(begin);
            ++skipped_;
            return;
        }
        static_cast<void>(buffer_.extend(dump_format::checksum_bytes));
        const std::span<std::byte> made = buffer_.bytes().subspan(begin);
        dump_format::write(made.template first<dump_format::frame_bytes>(),
                           {static_cast<std::uint32_t>(payload), one.to_live.count(), one.to_idle.count()}, sum_);
        sum_.add(made.subspan(dump_format::frame_bytes, payload));
        sum_.seal(made.data() + dump_format::frame_bytes + payload);
        ++entries_;
    }
    [[nodiscard]] bool flush() {
        refused_ = !sink_(std::span<const std::byte>(buffer_.bytes()));
        buffer_.clear();
        return !refused_;
    }

    Sink& sink_;
    byte_buffer buffer_;
    dump_format::checksum sum_;
    std::size_t entries_ = 0;
    std::size_t skipped_ = 0;
    bool refused_ = false;
};

/// Bytes become entries here. Nothing in them is believed: sizes are bounds before they are allocations, and what is
/// stored was checked by then.
template <class K, class V, dump_source Source>
class warm_up_run {
    static_assert(dumpable<K>::value && dumpable<V>::value,
                  "plateau: how this key or value is dumped is unknown; give it `void dump_append("
                  "plateau::dump_writer&, const T&)` and `bool dump_read(plateau::dump_reader&, T&)` in its own "
                  "namespace, and a default constructor");
    using answer = std::remove_cvref_t<std::invoke_result_t<Source&, std::span<std::byte>>>;
    static_assert(std::is_integral_v<answer> && !std::is_same_v<answer, bool>,
                  "plateau: a dump's source answers how many bytes it gave, as an integer: 0 at the end, less than 0 "
                  "for an error (a bool would be one byte)");

public:
    /// `max_entry_bytes`: the smaller of what the cache and the options allow.
    warm_up_run(Source& source, const warm_up_options& options, std::size_t max_entry_bytes) noexcept
        : source_(source), options_(options), max_entry_bytes_(max_entry_bytes) {}

    /// `store(K&&, V&&, duration)` answers whether the entry is kept.
    template <class Store>
    [[nodiscard]] warm_up_result run(Store store) {
        warm_up_reason why = read_header();
        bool more = why == warm_up_reason::none;
        while (more) {
            dump_format::frame next{};
            why = read_frame(next);
            more = why == warm_up_reason::none && next.size != dump_format::end_mark;
            if (more) why = read_entry(next, store);
            more = more && why == warm_up_reason::none;
        }
        return {why, entries_, skipped_};
    }

private:
    [[nodiscard]] warm_up_reason read_header() {
        std::byte bytes[dump_format::header_bytes];
        if (const warm_up_reason why = read(bytes); why != warm_up_reason::none) return why;
        if (std::memcmp(bytes, dump_format::magic.data(), dump_format::magic.size()) != 0)
            return warm_up_reason::not_a_dump;
        if (dump_format::load<std::uint32_t>(bytes + 8) != dump_format::version) return warm_up_reason::other_version;
        if (!checked(bytes)) return warm_up_reason::damaged;
        const dump_format::header head = dump_format::read_header(bytes);
        if (head.reserved != 0) return warm_up_reason::damaged;
        if (head.layout != layout_of<V>(layout_of<K>()) || head.content_version != options_.content_version)
            return warm_up_reason::other_content;
        const std::int64_t since = saturating_sub(nanoseconds_of(options_.now), head.written_at);
        age_ = duration(since > 0 ? since : 0);
        return warm_up_reason::none;
    }

    [[nodiscard]] warm_up_reason read_frame(dump_format::frame& next) {
        std::byte bytes[dump_format::frame_bytes];
        if (const warm_up_reason why = read(bytes); why != warm_up_reason::none) return why;
        if (!checked(bytes)) return warm_up_reason::damaged;
        next = dump_format::read_frame(bytes);
        const bool is_end = next.size == dump_format::end_mark;
        if (is_end && (static_cast<std::uint64_t>(next.to_live) != seen_ || next.to_idle != 0))
            return warm_up_reason::damaged;
        return warm_up_reason::none;
    }

    template <class Store>
    [[nodiscard]] warm_up_reason read_entry(const dump_format::frame& next, Store& store) {
        ++seen_;
        buffer_.clear();
        const bool fits = next.size <= max_entry_bytes_;
        if (const warm_up_reason why = read_payload(next.size, fits); why != warm_up_reason::none) return why;
        std::byte seal[dump_format::checksum_bytes];
        if (const warm_up_reason why = read(seal); why != warm_up_reason::none) return why;
        if (!sum_.sealed(seal)) return warm_up_reason::damaged;
        const duration left = time_left(duration(next.to_live), duration(next.to_idle));
        if (fits && left > duration::zero() && decode_into(store, left)) ++entries_;
        else ++skipped_;
        return warm_up_reason::none;
    }

    /// Memory follows what the source really gives: a size that lies costs nothing but the reading.
    [[nodiscard]] warm_up_reason read_payload(std::size_t size, bool keep) {
        std::byte passing[piece_bytes];
        while (size != 0) {
            const std::size_t part = smaller(size, piece_bytes);
            const std::span<std::byte> room(keep ? buffer_.extend(part) : passing, part);
            if (const warm_up_reason why = read(room); why != warm_up_reason::none) return why;
            sum_.add(room);
            size -= part;
        }
        return warm_up_reason::none;
    }

    template <class Store>
    [[nodiscard]] bool decode_into(Store& store, duration left) {
        dump_reader from(buffer_.bytes(), max_entry_bytes_);
        K key{};
        V value{};
        return from.get(key, value) && from.remaining() == 0 && store(std::move(key), std::move(value), left);
    }

    /// Who has idled too long by now is over; who has not is used by being read.
    [[nodiscard]] duration time_left(duration to_live, duration to_idle) const noexcept {
        if (to_idle != forever && to_idle <= age_) return duration::zero();
        if (to_live != forever) to_live = duration(saturating_sub(to_live.count(), age_.count()));
        return smaller(to_live, options_.max_time_to_live);
    }

    /// The last four bytes are the checksum of the others, and of all before.
    template <std::size_t N>
    [[nodiscard]] bool checked(const std::byte (&bytes)[N]) noexcept {
        sum_.add({bytes, N - dump_format::checksum_bytes});
        return sum_.sealed(bytes + N - dump_format::checksum_bytes);
    }

    [[nodiscard]] warm_up_reason read(std::span<std::byte> room) {
        while (!room.empty()) {
            const auto given = static_cast<std::ptrdiff_t>(source_(room));
            if (given == 0) return warm_up_reason::cut;
            const auto count = static_cast<std::size_t>(given);  // of an error: above any size
            if (count > room.size()) return warm_up_reason::source_failed;
            room = room.subspan(count);
        }
        return warm_up_reason::none;
    }

    static constexpr std::size_t piece_bytes = 4096;

    Source& source_;
    const warm_up_options& options_;
    std::size_t max_entry_bytes_;
    byte_buffer buffer_;
    dump_format::checksum sum_;
    duration age_{};
    std::uint64_t seen_ = 0;
    std::size_t entries_ = 0;
    std::size_t skipped_ = 0;
};

}
PLATEAU_NAMESPACE_END
