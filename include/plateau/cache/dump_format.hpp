// SPDX-License-Identifier: MIT
#pragma once

/// What a dump looks like, byte by byte. All numbers are little-endian; offsets and sizes in bytes.
///
///     header, 44     0 magic, 8 | 8 version, 4 | 12 layout, 8 | 20 content version, 8 | 28 written at, 8, nanoseconds
///                    since the Unix epoch | 36 reserved, 4, zero | 40 checksum, 4
///     entry          0 size n of the payload, 4 | 4 to live, 8 | 12 to idle, 8: what is left when it was written, in
///                    nanoseconds; 2^63 - 1: forever |
///                    20 checksum of these, 4 | 24 payload, n: the key, then the value | 24 + n checksum, 4
///     end, 24        0 2^32 - 1, 4 | 4 number of entries, 8 | 12 zero, 8 | 20 checksum, 4
///
/// A checksum covers everything since the last one, and starts from that: an entry that is missing, doubled or moved is
/// noticed as a changed one is. It is a CRC-32C (Castagnoli, Braeuer and Herrmann, 1993; parameters as in RFC 3720):
/// against damage. Who can write the file can compute it: nothing here is proof of origin.

#include <plateau/config.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

static_assert(std::endian::native == std::endian::little, "plateau: only little-endian machines are supported");

/// CRC-32C by eight tables (slicing-by-8: Kounavis and Berry, 2005).
class crc32c {
public:
    /// Returns: the checksum of what `before` is the checksum of, followed by `bytes`.
    [[nodiscard]] static constexpr std::uint32_t extend(std::uint32_t before,
                                                        std::span<const std::byte> bytes) noexcept {
        std::uint32_t crc = ~before;
        for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
            const std::uint32_t low = crc ^ word(bytes, 0);
            const std::uint32_t high = word(bytes, 4);
            crc = 0;
            for (unsigned i = 0; i < 4; ++i) {
                crc ^= tables[7 - i][(low >> (8 * i)) & 0xff];
                crc ^= tables[3 - i][(high >> (8 * i)) & 0xff];
            }
        }
        for (const std::byte byte : bytes)
            crc = (crc >> 8) ^ tables[0][(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
        return ~crc;
    }

private:
    static constexpr std::uint32_t polynomial = 0x82f63b78U;  // 0x1edc6f41, its bits reversed

    [[nodiscard]] static constexpr std::uint32_t word(std::span<const std::byte> bytes, std::size_t at) noexcept {
        std::uint32_t sum = 0;
        for (unsigned i = 0; i < 4; ++i) sum |= std::to_integer<std::uint32_t>(bytes[at + i]) << (8 * i);
        return sum;
    }
    using table = std::array<std::uint32_t, 256>;
    [[nodiscard]] static constexpr std::array<table, 8> make_tables() noexcept {
        std::array<table, 8> made{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t crc = i;
            for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
            made[0][i] = crc;
        }
        for (std::size_t t = 1; t < 8; ++t) {
            for (std::size_t i = 0; i < 256; ++i) made[t][i] = (made[t - 1][i] >> 8) ^ made[0][made[t - 1][i] & 0xff];
        }
        return made;
    }
    static const std::array<table, 8> tables;
};
inline constexpr std::array<crc32c::table, 8> crc32c::tables = crc32c::make_tables();

namespace dump_format {

inline constexpr std::array<char, 8> magic = {'p', 'l', 'a', 't', 'e', 'a', 'u', '\x1a'};
inline constexpr std::uint32_t version = 1;
inline constexpr std::uint32_t end_mark = 0xffff'ffffU;
inline constexpr std::size_t max_payload = end_mark - 1;
inline constexpr std::size_t checksum_bytes = 4;
inline constexpr std::size_t header_bytes = 40 + checksum_bytes;
inline constexpr std::size_t frame_bytes = 20 + checksum_bytes;

template <class T>
void store(std::byte* to, T number) noexcept {
    static_assert(std::is_integral_v<T>);
    std::memcpy(to, &number, sizeof number);
}
template <class T>
[[nodiscard]] T load(const std::byte* from) noexcept {
    static_assert(std::is_integral_v<T>);
    T number{};
    std::memcpy(&number, from, sizeof number);
    return number;
}

struct header {
    std::uint64_t layout;
    std::uint64_t content_version;
    std::int64_t written_at;
    std::uint32_t reserved = 0;
};
struct frame {
    std::uint32_t size;    ///< of the payload, or `end_mark`
    std::int64_t to_live;  ///< at the end, the number of entries
    std::int64_t to_idle;  ///< at the end, zero
};

/// The running checksum of what is written or read.
class checksum {
public:
    void add(std::span<const std::byte> bytes) noexcept { crc_ = crc32c::extend(crc_, bytes); }
    /// Effects: appends the checksum itself.
    void seal(std::byte* to) const noexcept { store(to, crc_); }
    [[nodiscard]] bool sealed(const std::byte* from) const noexcept { return load<std::uint32_t>(from) == crc_; }

private:
    std::uint32_t crc_ = 0;
};

inline void write(std::span<std::byte, header_bytes> to, const header& what, checksum& sum) noexcept {
    std::memcpy(to.data(), magic.data(), magic.size());
    store(to.data() + 8, version);
    store(to.data() + 12, what.layout);
    store(to.data() + 20, what.content_version);
    store(to.data() + 28, what.written_at);
    store(to.data() + 36, what.reserved);
    sum.add(to.first(header_bytes - checksum_bytes));
    sum.seal(to.data() + header_bytes - checksum_bytes);
}
[[nodiscard]] inline header read_header(std::span<const std::byte, header_bytes> from) noexcept {
    return {load<std::uint64_t>(from.data() + 12), load<std::uint64_t>(from.data() + 20),
            load<std::int64_t>(from.data() + 28), load<std::uint32_t>(from.data() + 36)};
}

inline void write(std::span<std::byte, frame_bytes> to, const frame& what, checksum& sum) noexcept {
    store(to.data(), what.size);
    store(to.data() + 4, what.to_live);
    store(to.data() + 12, what.to_idle);
    sum.add(to.first(frame_bytes - checksum_bytes));
    sum.seal(to.data() + frame_bytes - checksum_bytes);
}
[[nodiscard]] inline frame read_frame(std::span<const std::byte, frame_bytes> from) noexcept {
    return {load<std::uint32_t>(from.data()), load<std::int64_t>(from.data() + 4),
            load<std::int64_t>(from.data() + 12)};
}

}
}
PLATEAU_NAMESPACE_END
