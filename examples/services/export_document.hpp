// SPDX-License-Identifier: MIT
#pragma once
// The export of the shop: a document of 105 MB that nobody needs to hold. It is made row by row and checksummed on the
// way, by who sends it and by who receives it.
#include "catalogue.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace shop {

inline constexpr std::size_t export_row_bytes = 512;
inline constexpr std::size_t export_rows = 205'000;
inline constexpr std::size_t export_seal_bytes = 40;
inline constexpr std::size_t export_bytes = export_rows * export_row_bytes + export_seal_bytes;
static_assert(export_bytes >= 100'000'000);

/// The last line: how many rows stand before it, and their checksum.
inline std::string export_seal(std::uint32_t crc) {
    char line[export_seal_bytes + 1];
    std::snprintf(line, sizeof line, "end rows=%010zu crc32=%08x     \n", export_rows, crc);
    return {line, export_seal_bytes};
}

/// Makes the document piece by piece. Thread safety: one thread at a time.
class export_source {
public:
    /// Returns: bytes made, fewer than there is room for only at the end; 0: there are no more.
    std::size_t read(std::span<char> room) {
        std::size_t made = 0;
        while (made < room.size() && (next_ != line_.size() || make_line())) {
            const std::size_t n = std::min(room.size() - made, line_.size() - next_);
            std::memcpy(room.data() + made, line_.data() + next_, n);
            next_ += n;
            made += n;
        }
        return made;
    }

private:
    bool make_line() {
        if (row_ > export_rows) return false;
        next_ = 0;
        if (row_ == export_rows) line_ = export_seal(crc_);
        else make_row();
        ++row_;
        return true;
    }
    /// The row's number, what its dice say, and words.
    void make_row() {
        static constexpr std::string_view words =
            " in stock; delivery in two days; \"solid\"; colour: blue; warm light;";
        line_.assign(export_row_bytes, '.');
        char* const out = line_.data();
        for (std::size_t i = 8, rest = row_; i-- > 0; rest /= 10) out[i] = static_cast<char>('0' + rest % 10);
        out[8] = ' ';
        std::uint64_t bits = dice(row_).roll();
        for (std::size_t i = 9; i < 25; ++i, bits >>= 4) out[i] = "0123456789abcdef"[bits & 15];
        words.copy(out + 25, words.size());
        line_.back() = '\n';
        crc_ =
            static_cast<std::uint32_t>(crc32_z(crc_, reinterpret_cast<const Bytef*>(line_.data()), export_row_bytes));
    }

    std::string line_;  // a row at most
    std::size_t next_ = 0;
    std::size_t row_ = 0;
    std::uint32_t crc_ = 0;
};

/// Receives the document piece by piece.
class export_check {
public:
    void receive(std::string_view bytes) {
        const std::size_t body = export_bytes - export_seal_bytes;
        const std::size_t rows = std::min(bytes.size(), body - std::min(body, received_));
        crc_ = static_cast<std::uint32_t>(crc32_z(crc_, reinterpret_cast<const Bytef*>(bytes.data()), rows));
        seal_.append(bytes.substr(rows, export_seal_bytes + 1 - std::min(seal_.size(), export_seal_bytes + 1)));
        received_ += bytes.size();
    }
    std::size_t received() const noexcept { return received_; }

    /// Returns: what is wrong with the whole of it, or nothing.
    std::string fault() const {
        if (received_ != export_bytes)
            return std::to_string(received_) + " of " + std::to_string(export_bytes) + " bytes";
        return seal_ == export_seal(crc_) ? "" : "the checksum does not match";
    }

private:
    std::size_t received_ = 0;
    std::uint32_t crc_ = 0;
    std::string seal_;  // of export_seal_bytes + 1 at most
};

}  // namespace shop
