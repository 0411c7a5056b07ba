// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>
#include <plateau/result.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <type_traits>

#if defined(__linux__)
#    include <fcntl.h>
#    include <sys/types.h>
#    include <unistd.h>
#endif

PLATEAU_NAMESPACE_BEGIN

/// The memory of the process at one moment, and how much work it had done by then.
struct memory_sample {
    time_point at{};
    std::uint64_t work_done = 0;        ///< requests, calls, rounds: whatever the caller counts; only rises
    std::uint64_t resident_bytes = 0;   ///< physical memory mapped: anonymous, file-backed and shared (RSS)
    std::uint64_t anonymous_bytes = 0;  ///< the part of it that no file backs: heap, stacks, private data
};

static_assert(sizeof(memory_sample) == 32 && std::is_trivially_copyable_v<memory_sample>);

enum class read_reason : unsigned char {
    none,
    absent,      ///< this system does not tell: no /proc
    unreadable,  ///< the figure exists but could not be read: no descriptor left, permission
    malformed,   ///< what was read is not a figure
};

[[nodiscard]] constexpr std::string_view to_string(read_reason reason) noexcept {
    switch (reason) {
    case read_reason::none:
        return "none";
    case read_reason::absent:
        return "absent";
    case read_reason::unreadable:
        return "unreadable";
    case read_reason::malformed:
        return "malformed";
    }
    return "unknown";
}

namespace detail {

/// The figures of /proc/<pid>/statm: "size resident shared ..." in pages.
[[nodiscard]] inline result<memory_sample, read_reason> parse_statm(std::string_view text,
                                                                    std::uint64_t page_bytes) noexcept {
    std::uint64_t pages[3] = {};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::uint64_t& figure : pages) {
        const auto [next, error] = std::from_chars(at, end, figure);
        if (error != std::errc{} || next == end || *next != ' ') return read_reason::malformed;
        at = next + 1;
    }
    memory_sample sample;
    if (!checked_mul(pages[1], page_bytes, sample.resident_bytes)) return read_reason::malformed;
    sample.anonymous_bytes = saturating_sub(pages[1], pages[2]) * page_bytes;  // not more than the product above
    return sample;
}

}

/// Reads the memory of the process in about a microsecond, through a descriptor that stays open.
///
/// The kernel's figure is exact to 32 pages a core and counter (its batches). A descriptor belongs to one process:
/// after a fork, the child opens its own. It is closed on exec. Once open, running out of descriptors does not stop it.
///
/// Thread safety: one thread at a time. Allocates nothing.
class memory_reader {
public:
    memory_reader() noexcept = default;

    /// Reads another statm file, such as that of another process: "/proc/1234/statm". The text outlives the reader.
    explicit memory_reader(const char* statm PLATEAU_LIFETIMEBOUND) noexcept : path_(statm) {}

    memory_reader(const memory_reader&) = delete;
    memory_reader& operator=(const memory_reader&) = delete;

#if defined(__linux__)
    ~memory_reader() { close(); }

    /// Returns: a sample of now, its `work_done` 0; or why there is none, and then the next call starts afresh.
    [[nodiscard]] result<memory_sample, read_reason> read() noexcept {
        if (descriptor_ < 0 || owner_ != ::getpid()) {
            close();
            descriptor_ = ::open(path_, O_RDONLY | O_CLOEXEC);
            if (descriptor_ < 0) return ::access(path_, F_OK) == 0 ? read_reason::unreadable : read_reason::absent;
            owner_ = ::getpid();
        }
        char text[128];
        const ::ssize_t size = ::pread(descriptor_, text, sizeof text, 0);
        if (size <= 0) return close(), read_reason::unreadable;
        auto sample = detail::parse_statm({text, static_cast<std::size_t>(size)}, page_bytes_);
        if (!sample) return close(), sample.reason();
        sample->at = steady_clock{}.now();
        return sample;
    }

private:
    void close() noexcept {
        if (descriptor_ >= 0) ::close(descriptor_);
        descriptor_ = -1;
    }

    const char* path_ = "/proc/self/statm";
    const std::uint64_t page_bytes_ = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    int descriptor_ = -1;
    ::pid_t owner_ = 0;
#else
    [[nodiscard]] result<memory_sample, read_reason> read() noexcept { return read_reason::absent; }

private:
    [[maybe_unused]] const char* path_ = nullptr;
#endif
};

/// One reading of this process's memory; opens and closes a descriptor (about 5 us). For repeated readings:
/// `memory_reader`, `memory_sampler`. Thread safety: any thread.
[[nodiscard]] inline result<memory_sample, read_reason> read_memory() noexcept { return memory_reader{}.read(); }

PLATEAU_NAMESPACE_END
