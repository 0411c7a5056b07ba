// SPDX-License-Identifier: MIT
/// The limits of control groups, read from any text, beside a reader that is written for shortness and holds whole
/// files in memory.
#pragma once

#include "tools/model.hpp"
#include "tools/random.hpp"

#include <plateau/watch/memory_limit.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stdlib.h>

namespace plateau_test {

/// A folder with a few control groups, for as long as the process lives that made it.
class made_up_groups {
public:
    made_up_groups() {
        std::string pattern = (std::filesystem::temp_directory_path() / "plateau-groups-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
        root_ = pattern;
        for (const char* folder : folders) std::filesystem::create_directories(root_ + folder);
    }
    made_up_groups(const made_up_groups&) = delete;
    made_up_groups& operator=(const made_up_groups&) = delete;
    ~made_up_groups() {
        std::error_code left;
        std::filesystem::remove_all(root_, left);
    }

    static constexpr std::array folders{"/sys/fs/cgroup", "/sys/fs/cgroup/pod", "/sys/fs/cgroup/pod/box",
                                        "/sys/fs/cgroup/a b", "/memory/pod"};
    static constexpr std::array limits{
        "max\n", "1000\n",  "70000", "",    "\n", "-1\n", "18446744073709551615\n", "18446744073709551616\n",
        " 5\n",  "12abc\n", "0\n",   "+7\n"};

    [[nodiscard]] const std::string& root() const { return root_; }
    void write(const std::string& path, std::string_view text) const {
        std::ofstream(root_ + path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
    }

private:
    std::string root_;
};

// ---- the short reader

namespace short_reader {

inline constexpr std::size_t longest = 4'096;

inline std::string whole(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
    std::string text;
    char part[1'024];
    for (std::size_t size = 0; file && (size = std::fread(part, 1, sizeof part, file.get())) != 0;)
        text.append(part, size);  // nothing, if it is a folder
    return text;
}
inline std::vector<std::string> split(const std::string& text, char end) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t next = std::min(text.find(end, at), text.size());
        parts.push_back(text.substr(at, next - at));
        at = next + 1;
    }
    return parts;
}
inline std::vector<std::string> lines(const std::string& path) {
    auto all = split(whole(path), '\n');
    if (all.back().empty()) all.pop_back();
    for (auto& line : all) line.resize(std::min(line.size(), longest));
    return all;
}
inline std::string field(const std::vector<std::string>& fields, std::size_t index) {
    return index < fields.size() ? fields[index] : std::string();
}
inline bool lists_memory(const std::string& words) {
    const auto all = split(words, ',');
    return std::find(all.begin(), all.end(), "memory") != all.end();
}
inline std::string unescaped(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::string digits = text.substr(i + 1, 3);
        const bool escape =
            text[i] == '\\' && digits.size() == 3 && digits.find_first_not_of("01234567") == std::string::npos;
        out += escape ? static_cast<char>(std::stoi(digits, nullptr, 8)) : text[i];
        i += escape ? 3 : 0;
    }
    return out;
}

inline std::size_t limit(const std::string& mounts, const std::string& groups, const std::string& root, bool second) {
    std::optional<std::pair<std::string, std::string>> mount;  // the group that stands there, and where
    for (const auto& line : lines(mounts)) {
        const auto dash = line.find(" - ");
        if (mount || dash == std::string::npos) continue;
        const auto head = split(line.substr(0, dash), ' ');
        const std::string tail = line.substr(dash + 3);
        const std::string type = split(tail, ' ')[0];
        const auto after_type = tail.find(' ', std::min(tail.size(), type.size() + 1));
        const std::string last = after_type == std::string::npos ? "" : tail.substr(after_type + 1);
        if (second ? type == "cgroup2" : type == "cgroup" && lists_memory(last))
            mount.emplace(unescaped(field(head, 3)), unescaped(field(head, 4)));
    }
    std::optional<std::string> own;
    for (const auto& line : lines(groups)) {
        const auto first = line.find(':');
        const auto next = first == std::string::npos ? first : line.find(':', first + 1);
        const std::string id = line.substr(0, first);
        const std::string controllers = first == std::string::npos ? "" : line.substr(first + 1, next - first - 1);
        if (!own && (second ? id == "0" && controllers.empty() : lists_memory(controllers)))
            own = next == std::string::npos ? "" : line.substr(next + 1);
    }
    if (!mount || !own) return std::numeric_limits<std::size_t>::max();

    std::string below;
    const std::string seen = mount->first == "/" ? "" : mount->first;
    if (own->compare(0, seen.size(), seen) == 0) below = own->substr(seen.size());
    if (below == "/" || below.compare(0, 1, "/") != 0 || below.compare(0, 3, "/..") == 0) below.clear();
    const std::string top = (root + mount->second).substr(0, longest - 1);
    below.resize(std::min(below.size(), longest - 1 - top.size()));

    std::size_t smallest = std::numeric_limits<std::size_t>::max();
    for (std::size_t size = below.size() + 1; size-- != 0;) {
        if (size != below.size() && size != 0 && below[size] != '/') continue;
        const std::string file = top + below.substr(0, size) + (second ? "/memory.max" : "/memory.limit_in_bytes");
        const std::string text = split(whole(file.substr(0, longest - 1)), '\n')[0];
        const std::string digits = text.substr(0, text.find_first_not_of("0123456789"));
        try {
            if (!digits.empty()) smallest = std::min<std::size_t>(smallest, std::stoull(digits));
        } catch (const std::out_of_range&) {}
    }
    return smallest;
}

}  // namespace short_reader

/// Commands append pieces to the two files of a process; each sequence has its own limits.
class limit_pair {
public:
    limit_pair(byte_view setup, model_check& check) : check_(check) {
        std::size_t i = 0;
        for (const char* folder : made_up_groups::folders)
            for (const char* file : {"/memory.max", "/memory.limit_in_bytes"}) {
                const auto* const text = made_up_groups::limits[setup[i++] % made_up_groups::limits.size()];
                groups().write(std::string(folder) + file, text);
            }
    }

    void step(byte_view command) { files_[command[0] % 2] += piece(command); }
    void finish() {
        for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) groups().write(names[i], files_[i]);
        const std::string mounts = groups().root() + names[0];
        const std::string own = groups().root() + names[1];
        const plateau::detail::cgroup_files where{mounts.c_str(), own.c_str(), groups().root().c_str()};
        const std::size_t second = plateau::detail::cgroup_limit(where, plateau::detail::cgroup_version::v2);
        const std::size_t first = plateau::detail::cgroup_limit(where, plateau::detail::cgroup_version::v1);
        check_.equal(second, short_reader::limit(mounts, own, groups().root(), true), "the limit of version 2");
        check_.equal(first, short_reader::limit(mounts, own, groups().root(), false), "the limit of version 1");
        check_.equal(plateau::detail::memory_limit(where), std::min({first, second, plateau::detail::machine_bytes()}),
                     "the limit of all");
    }

    static const made_up_groups& groups() {
        static const made_up_groups made;
        return made;
    }

    static std::string piece(byte_view command) {
        static const std::string pieces[] = {"31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                                             "0::/pod/box\n",
                                             "35 31 0:32 / /memory rw - cgroup cgroup rw,memory\n",
                                             "9:cpu,memory:/pod\n",
                                             "0::/\n",
                                             "1 2 3 /pod /sys/fs/cgroup/pod rw - cgroup2 x rw\n",
                                             "0::/a b\n",
                                             "0::/a b/",
                                             "1 2 3 /pod ",
                                             "/sys/fs/cgroup/a\\040b",
                                             "0::/../pod\n",
                                             "0::/podium\n",
                                             " - ",
                                             "cgroup2",
                                             "cgroup",
                                             "memory",
                                             "/",
                                             "/..",
                                             "pod",
                                             "box",
                                             "\\134",
                                             "\\777",
                                             "\\",
                                             "\n",
                                             " ",
                                             ":",
                                             ",",
                                             "0::",
                                             std::string(1, '\0'),
                                             std::string(1'000, 'x'),
                                             "/" + std::string(2'000, '/'),
                                             "/sys/fs/cgroup"};
        if (command[0] >= 192) return {1, static_cast<char>(command[1])};
        return pieces[command[1] % std::size(pieces)];
    }

private:
    static constexpr const char* names[] = {"/mountinfo", "/cgroup"};

    model_check& check_;
    std::array<std::string, 2> files_;
};

struct memory_limit_model {
    static constexpr std::string_view name = "memory_limit";
    static constexpr std::string_view room = "watch";
    static constexpr std::size_t setup_bytes = 2 * made_up_groups::folders.size();
    static constexpr std::size_t command_bytes = 2;

    /// The folder belongs to the parent, which tidies up.
    static void prepare() { limit_pair::groups(); }
    static void run(byte_view input, model_check& check) {
        const auto setup = bytes_at<setup_bytes>(input, 0);
        limit_pair pair(setup, check);
        play_commands<memory_limit_model>(input, check, [&](byte_view command) { pair.step(command); });
        pair.finish();
    }
    static std::string describe_setup(byte_view setup) {
        std::string text = "limits:";
        for (const std::uint8_t byte : setup) {
            const std::string limit = made_up_groups::limits[byte % made_up_groups::limits.size()];
            text += " '" + limit.substr(0, limit.find('\n')) + '\'';
        }
        return text;
    }
    static std::string describe(byte_view, byte_view command) {
        const std::string text = limit_pair::piece(command);
        return std::string(command[0] % 2 == 0 ? "mountinfo" : "cgroup") + " += '" + text.substr(0, 80) + "' (" +
               std::to_string(text.size()) + " bytes)";
    }
    static model_bytes generate(random_source& random, std::size_t commands) {
        model_bytes bytes(setup_bytes + commands * command_bytes);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
        return bytes;
    }
};

}  // namespace plateau_test
