// SPDX-License-Identifier: MIT
#pragma once
// Resident memory of a process, as the kernel tells anybody who asks: /proc/<pid>/statm.
#include <cstdint>
#include <cstdio>
#include <string>

#include <sys/types.h>
#include <unistd.h>

class resident_memory {
public:
    explicit resident_memory(pid_t pid) : path_("/proc/" + std::to_string(pid) + "/statm") {}

    /// Returns: bytes; 0 if the process is gone.
    std::uint64_t rss_bytes() const {
        std::FILE* const file = std::fopen(path_.c_str(), "re");
        if (file == nullptr) return 0;
        unsigned long long size = 0, resident = 0;
        const bool read = std::fscanf(file, "%llu %llu", &size, &resident) == 2;
        std::fclose(file);
        return read ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
    }

private:
    std::string path_;
};
