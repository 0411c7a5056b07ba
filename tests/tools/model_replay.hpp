// SPDX-License-Identifier: MIT
/// Sequences as text that a test takes back, and the committed ones.
#pragma once

#include "tools/model.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plateau_test {

[[nodiscard]] inline std::string to_hex(byte_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) (text += digits[byte >> 4]) += digits[byte & 15];
    return text;
}
/// Returns: nothing for what is not pairs of lower case digits.
[[nodiscard]] inline std::optional<model_bytes> from_hex(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    model_bytes bytes;
    if (text.size() % 2 != 0) return std::nullopt;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto high = digits.find(text[i]);
        const auto low = digits.find(text[i + 1]);
        if (high == digits.npos || low == digits.npos) return std::nullopt;
        bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
    }
    return bytes;
}

[[nodiscard]] inline std::optional<model_bytes> read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    return model_bytes(std::istreambuf_iterator<char>(file), {});
}

/// A replay: `<model>:<hex>`, or `<model>:@<file>` with the bytes themselves, such as a fuzzer leaves.
struct model_replay {
    std::string model;
    model_bytes input;
};
[[nodiscard]] inline std::optional<model_replay> parse_replay(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == 0 || colon == text.npos) return std::nullopt;
    const std::string_view input = text.substr(colon + 1);
    auto bytes = input.starts_with('@') ? read_bytes(std::string(input.substr(1))) : from_hex(input);
    if (!bytes) return std::nullopt;
    return model_replay{std::string(text.substr(0, colon)), std::move(*bytes)};
}
/// What PLATEAU_MODEL_REPLAY asks for. What cannot be read ends the run: another sequence would look like a repair.
[[nodiscard]] inline std::optional<model_replay> asked_replay() {
    const char* const given = std::getenv("PLATEAU_MODEL_REPLAY");
    if (given == nullptr || *given == '\0') return std::nullopt;
    auto parsed = parse_replay(given);
    if (parsed) return parsed;
    std::fprintf(stderr, "PLATEAU_MODEL_REPLAY: '%s' is neither <model>:<hex> nor <model>:@<file>\n", given);
    std::exit(2);
}

/// How to see it again, and how to keep it: printf's octal is what every shell knows.
template <model M>
[[nodiscard]] std::string replay_lines(byte_view input) {
    std::string octal;
    for (const std::uint8_t byte : input) {
        octal += '\\';
        for (const int shift : {6, 3, 0}) octal += static_cast<char>('0' + ((byte >> shift) & 7));
    }
    const std::string name(M::name);
    return "to see it again:   PLATEAU_MODEL_REPLAY=" + name + ':' + to_hex(input) + "\nto keep it:        printf '" +
           octal + "' > tests/corpus/" + std::string(M::room) + '/' + name + "/<what-it-shows>\n";
}

/// The files of a folder in order of their names; none where there is no folder.
[[nodiscard]] inline std::vector<std::filesystem::path> corpus_files(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    std::error_code missing;
    for (const auto& file : std::filesystem::directory_iterator(folder, missing))
        if (file.is_regular_file()) files.push_back(file.path());
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace plateau_test
