// SPDX-License-Identifier: MIT
#pragma once
// One line that tells how far a run is: redrawn on a terminal, written once a round elsewhere.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include <unistd.h>

class progress {
public:
    progress(std::string name, std::size_t warm_up, std::size_t rounds)
        : name_(std::move(name)), warm_up_(warm_up), rounds_(rounds), terminal_(::isatty(STDOUT_FILENO) == 1) {}

    /// Rounds count from 0, the warm-up included; `done` is the part of this one, 0 to 1.
    void show(std::size_t round, double done, std::uint64_t rss_bytes, double requests_per_second) {
        const auto now = std::chrono::steady_clock::now();
        if (!terminal_ || now - drawn_ < std::chrono::milliseconds(100)) return;
        drawn_ = now;
        draw(round, done, rss_bytes, requests_per_second, "");
    }
    void round_ended(std::size_t round, std::uint64_t rss_bytes, double requests_per_second) {
        draw(round, 1.0, rss_bytes, requests_per_second, terminal_ && round + 1 < warm_up_ + rounds_ ? "" : "\n");
    }

private:
    static constexpr std::size_t width = 26;

    void draw(std::size_t round, double done, std::uint64_t rss_bytes, double requests_per_second, const char* end) {
        const double share = (static_cast<double>(round) + done) / static_cast<double>(warm_up_ + rounds_);
        std::string bar(width, '.');
        bar.replace(0, static_cast<std::size_t>(share * width), static_cast<std::size_t>(share * width), '#');
        const bool warming = round < warm_up_;
        std::printf("%s  %-8s [%s] %s %2zu/%-2zu %6.0f req/s %8.1f MiB%s", terminal_ ? "\r" : "", name_.c_str(),
                    bar.c_str(), warming ? "warm-up" : "round  ", warming ? round + 1 : round + 1 - warm_up_,
                    warming ? warm_up_ : rounds_, requests_per_second, static_cast<double>(rss_bytes) / 1'048'576.0,
                    end);
        std::fflush(stdout);
    }

    std::string name_;
    std::size_t warm_up_;
    std::size_t rounds_;
    bool terminal_;
    std::chrono::steady_clock::time_point drawn_{};
};
