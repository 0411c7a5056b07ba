// SPDX-License-Identifier: MIT
#pragma once
// The requests of one round: the same products in the same order every time, one in four under a URL never seen before.
#include "catalogue.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace load {

struct planned_request {
    std::uint32_t id;
    std::string query;  // empty: none
    std::string target() const { return "/product/" + std::to_string(id) + (query.empty() ? "" : "?" + query); }
};

/// `count` products drawn from a catalogue of `products` by Zipf's law with exponent 0.9: a shop's few favourites and
/// long tail.
inline std::vector<std::uint32_t> zipf_keys(std::size_t count, std::size_t products = 20'000) {
    std::vector<double> below(products);  // cumulated weights
    double sum = 0;
    for (std::size_t rank = 0; rank < products; ++rank)
        below[rank] = sum += std::pow(static_cast<double>(rank + 1), -0.9);
    shop::dice die(20'240'711);
    std::vector<std::uint32_t> keys(count);
    for (std::uint32_t& key : keys) {
        const auto rank = std::upper_bound(below.begin(), below.end(), die.unit() * sum) - below.begin();
        key = static_cast<std::uint32_t>(std::min<std::size_t>(static_cast<std::size_t>(rank), products - 1));
    }
    return keys;
}

/// The first `count` keys of a trace: big-endian 32-bit integers, one key a request. A shorter trace is repeated.
/// Throws: std::runtime_error with a sentence for the user when the file is missing, empty or truncated.
inline std::vector<std::uint32_t> trace_keys(const std::string& path, std::size_t count) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot open the trace " + path);
    std::string bytes(4 * count, '\0');
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(file.gcount()));
    file.clear();
    file.seekg(0, std::ios::end);
    const auto size = static_cast<std::streamoff>(file.tellg());
    if (bytes.empty()) throw std::runtime_error("the trace " + path + " is empty or cannot be read");
    if (size % 4 != 0)
        throw std::runtime_error("the trace " + path + " is truncated: " + std::to_string(size) +
                                 " bytes are not a whole number of 4-byte keys");
    std::vector<std::uint32_t> keys;
    keys.reserve(count);
    for (std::size_t at = 0; keys.size() < count; at = (at + 4) % bytes.size()) {
        const auto byte = [&](std::size_t i) {
            return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i]));
        };
        keys.push_back(byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3));
    }
    return keys;
}

class request_plan {
public:
    explicit request_plan(std::vector<std::uint32_t> keys) : keys_(std::move(keys)) {}

    std::size_t size() const noexcept { return keys_.size(); }

    /// The query of every fourth request names its round, as a newsletter's or a campaign's links do: no cache can have
    /// it.
    planned_request at(std::size_t round, std::size_t i) const {
        if (i % 4 != 3) return {keys_[i], {}};
        return {keys_[i], "ref=" + std::to_string(round) + "-" + std::to_string(i)};
    }

private:
    std::vector<std::uint32_t> keys_;
};

}  // namespace load
