// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Text in fixed memory, for paths: longer than PATH_MAX could not be opened anyway. What does not fit is cut.
class path_text {
public:
    path_text& put(std::string_view text) noexcept {
        const std::size_t size = (std::min)(text.size(), sizeof text_ - 1 - size_);
        if (size != 0) std::memcpy(text_ + size_, text.data(), size);
        return cut(size_ + size);
    }
    path_text& cut(std::size_t size) noexcept {
        size_ = size;
        text_[size] = '\0';
        return *this;
    }
    [[nodiscard]] const char* c_str() const noexcept { return text_; }
    [[nodiscard]] std::string_view view() const noexcept { return {text_, size_}; }

private:
    std::size_t size_ = 0;
    char text_[4096] = {};
};

/// The lines of a file, one at a time, in fixed memory; none where the file cannot be read.
class file_lines {
public:
    explicit file_lines(const char* path) noexcept : descriptor_(::open(path, O_RDONLY | O_CLOEXEC)) {}
    file_lines(const file_lines&) = delete;
    file_lines& operator=(const file_lines&) = delete;
    ~file_lines() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }

    /// Effects: `line` becomes the next line without its end, of a very long one the beginning; valid until the next
    /// call. Returns: whether there was one.
    bool next(std::string_view& line) noexcept {
        std::size_t size = 0;
        for (;;) {
            if (at_ == end_ && !fill()) break;
            const char letter = chunk_[at_++];
            if (letter == '\n') return line = {line_, size}, true;
            if (size < sizeof line_) line_[size++] = letter;
        }
        line = {line_, size};
        return size != 0;
    }

private:
    bool fill() noexcept {
        const auto count = descriptor_ >= 0 ? ::read(descriptor_, chunk_, sizeof chunk_) : 0;
        at_ = 0;
        end_ = count > 0 ? static_cast<std::size_t>(count) : 0;
        return end_ != 0;
    }

    int descriptor_;
    std::size_t at_ = 0;
    std::size_t end_ = 0;
    char chunk_[1024];
    char line_[4096];
};

/// The first field of `text` up to `end`, which is taken off together with `end`.
[[nodiscard]] inline std::string_view take_field(std::string_view& text, char end) noexcept {
    const auto size = (std::min)(text.find(end), text.size());
    const auto field = text.substr(0, size);
    text.remove_prefix((std::min)(size + 1, text.size()));
    return field;
}

/// Whether `word` is one of the comma-separated words of `list`.
[[nodiscard]] inline bool lists_word(std::string_view list, std::string_view word) noexcept {
    while (!list.empty()) {
        if (take_field(list, ',') == word) return true;
    }
    return false;
}

/// Where the kernel tells of control groups. Another root than "" is for tests.
struct cgroup_files {
    const char* mounts = "/proc/self/mountinfo";
    const char* groups = "/proc/self/cgroup";
    const char* root = "";
};

enum class cgroup_version : unsigned char { v1, v2 };

/// Fields of mountinfo are separated by spaces, and a space inside one is written as \040.
inline void put_unescaped(path_text& out, std::string_view field) noexcept {
    const auto octal = [](char c) { return c >= '0' && c <= '7'; };
    while (!field.empty()) {
        if (field.size() >= 4 && field[0] == '\\' && octal(field[1]) && octal(field[2]) && octal(field[3])) {
            const auto code = (field[1] - '0') * 64 + (field[2] - '0') * 8 + (field[3] - '0');
            const char letter = static_cast<char>(code);
            out.put({&letter, 1});
            field.remove_prefix(4);
        } else {
            out.put(field.substr(0, 1));
            field.remove_prefix(1);
        }
    }
}

/// Effects: tells where the hierarchy that limits memory is mounted, and which group of it stands there.
/// Returns: whether there is one. Source: proc_pid_mountinfo(5).
inline bool find_cgroup_mount(const cgroup_files& files, cgroup_version version, path_text& mount,
                              path_text& group) noexcept {
    file_lines lines(files.mounts);
    for (std::string_view line; lines.next(line);) {
        const auto dash = line.find(" - ");
        if (dash == line.npos) continue;
        std::string_view head = line.substr(0, dash);
        std::string_view tail = line.substr(dash + 3);
        const auto type = take_field(tail, ' ');
        static_cast<void>(take_field(tail, ' '));  // the device
        const bool wanted =
            version == cgroup_version::v2 ? type == "cgroup2" : type == "cgroup" && lists_word(tail, "memory");
        if (!wanted) continue;
        for (int skipped = 0; skipped < 3; ++skipped) static_cast<void>(take_field(head, ' '));
        put_unescaped(group, take_field(head, ' '));
        put_unescaped(mount, take_field(head, ' '));
        return true;
    }
    return false;
}

/// Effects: tells which group this process is in. Returns: whether it is in one. Source: cgroups(7), /proc/pid/cgroup.
inline bool find_own_cgroup(const cgroup_files& files, cgroup_version version, path_text& group) noexcept {
    file_lines lines(files.groups);
    for (std::string_view line; lines.next(line);) {
        const auto id = take_field(line, ':');
        const auto controllers = take_field(line, ':');
        const bool wanted =
            version == cgroup_version::v2 ? id == "0" && controllers.empty() : lists_word(controllers, "memory");
        if (!wanted) continue;
        group.put(line);
        return true;
    }
    return false;
}

/// The number in a limit file; `unlimited` for "max", for what is no number, and for no file.
[[nodiscard]] inline std::size_t read_limit(const char* path) noexcept {
    file_lines lines(path);
    std::string_view line;
    std::size_t limit = unlimited;
    if (lines.next(line)) std::from_chars(line.data(), line.data() + line.size(), limit);
    return limit;
}

/// The path of group `own` below the mount at which group `mounted` is seen; empty where it is not below it.
[[nodiscard]] inline std::string_view path_below(std::string_view own, std::string_view mounted) noexcept {
    if (mounted == "/") mounted = "";
    if (!own.starts_with(mounted)) return "";
    own.remove_prefix(mounted.size());
    return own.starts_with("/") && own != "/" && !own.starts_with("/..") ? own : "";
}

/// The smallest limit of the process's group and of all groups above it, as far as they are seen from here.
[[nodiscard]] inline std::size_t cgroup_limit(const cgroup_files& files, cgroup_version version) noexcept {
    path_text mount;
    path_text mounted;
    path_text own;
    if (!find_cgroup_mount(files, version, mount, mounted) || !find_own_cgroup(files, version, own)) return unlimited;

    path_text folder;
    folder.put(files.root).put(mount.view());
    const std::size_t top = folder.view().size();
    folder.put(path_below(own.view(), mounted.view()));
    std::size_t smallest = unlimited;
    for (;;) {
        const std::size_t size = folder.view().size();
        folder.put(version == cgroup_version::v2 ? "/memory.max" : "/memory.limit_in_bytes");
        smallest = (std::min)(smallest, read_limit(folder.c_str()));
        folder.cut(size);
        if (size <= top) return smallest;
        folder.cut((std::max)(top, folder.view().rfind('/')));
    }
}

/// Physical memory; `unlimited` where the system does not tell.
[[nodiscard]] inline std::size_t machine_bytes() noexcept {
#if defined(_SC_PHYS_PAGES)
    const auto pages = ::sysconf(_SC_PHYS_PAGES);
    const auto page = ::sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0) {
        return saturating_mul(static_cast<std::size_t>(pages), static_cast<std::size_t>(page));
    }
#endif
    return unlimited;
}

/// What this process may use before something is killed: the smallest limit of its control groups (version 2, and the
/// memory controller of version 1), and never more than the machine has. About 0.2 ms; allocates nothing.
[[nodiscard]] inline std::size_t memory_limit(const cgroup_files& files = {}) noexcept {
    return (std::min)(
        {cgroup_limit(files, cgroup_version::v2), cgroup_limit(files, cgroup_version::v1), machine_bytes()});
}

}
PLATEAU_NAMESPACE_END
