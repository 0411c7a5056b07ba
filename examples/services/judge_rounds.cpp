// SPDX-License-Identifier: MIT
// Judges what load_client saw: the least resident memory of each round, against the requests served by its end.
//
// Every round repeats the same work, so its least memory is what the service keeps between requests; bursts do not
// reach it. Prints key=value lines. Exit code: 0 when there is a judgement, whatever it says; 2 when the file cannot be
// judged.
#include <plateau/watch.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace {

/// The rounds of a file with the header seconds,round,requests,rss_bytes; round 0 is the warm-up. Empty if a line is
/// not of that form.
std::vector<plateau::memory_sample> least_of_each_round(std::FILE* file) {
    std::vector<plateau::memory_sample> rounds;
    char header[80];
    if (std::fgets(header, sizeof header, file) == nullptr) return {};
    double seconds = 0;
    std::size_t round = 0;
    unsigned long long requests = 0, rss = 0;
    int fields = 0;
    while ((fields = std::fscanf(file, "%lf,%zu,%llu,%llu", &seconds, &round, &requests, &rss)) == 4) {
        if (round == 0) continue;
        if (round > rounds.size() + 1) return {};
        if (round == rounds.size() + 1) rounds.push_back({.resident_bytes = UINT64_MAX});
        plateau::memory_sample& least = rounds[round - 1];
        least.at =
            plateau::time_point(std::chrono::duration_cast<plateau::duration>(std::chrono::duration<double>(seconds)));
        least.work_done = requests;
        least.resident_bytes = std::min<std::uint64_t>(least.resident_bytes, rss);
    }
    return fields == EOF ? rounds : std::vector<plateau::memory_sample>();
}

}  // namespace

int main(int argc, char** argv) {
    std::FILE* const file = argc == 2 ? std::fopen(argv[1], "re") : nullptr;
    if (file == nullptr) {
        std::fputs("usage: judge_rounds FILE.csv (of load_client)\n", stderr);
        return 2;
    }
    const std::vector<plateau::memory_sample> rounds = least_of_each_round(file);
    std::fclose(file);
    if (rounds.empty()) {
        std::fprintf(stderr, "judge_rounds: %s holds no rounds\n", argv[1]);
        return 2;
    }
    const plateau::judgement found = plateau::judge(rounds, {.min_points = 12});
    const std::string verdict(to_string(found.verdict));
    const std::string why(found.why);
    std::printf("verdict=%s\nwhy=%s\nrounds=%zu\n", verdict.c_str(), why.c_str(), rounds.size());
    std::printf("bytes_per_request=%.0f\nlower=%.0f\nupper=%.0f\n", found.bytes_per_work, found.lower, found.upper);
    return 0;
}
