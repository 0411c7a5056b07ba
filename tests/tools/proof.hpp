// SPDX-License-Identifier: MIT
/// The figures of one run: what the tools did, counted where they did it. The test main prints them at its end, and
/// tests/report.py adds them up into build/proof.md.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace plateau_test {

/// By how much the long forms are longer: PLATEAU_PROOF_SCALE, a whole number from 1 on; 1 in the ordinary run.
inline std::uint64_t proof_scale() {
    static const std::uint64_t scale = [] {
        const char* const given = std::getenv("PLATEAU_PROOF_SCALE");
        if (given == nullptr || *given == '\0') return std::uint64_t{1};
        char* end = nullptr;
        const unsigned long long parsed = std::strtoull(given, &end, 10);
        if (*given >= '1' && *given <= '9' && *end == '\0') return std::uint64_t{parsed};
        std::fprintf(stderr, "PLATEAU_PROOF_SCALE: '%s' is not a whole number from 1 on\n", given);
        std::exit(2);
    }();
    return scale;
}

/// Sums by room and figure. Any thread.
class proof_ledger {
public:
    static proof_ledger& of_this_run() {
        static proof_ledger ledger;
        return ledger;
    }

    void count(std::string_view room, std::string_view figure, std::uint64_t amount) {
        const std::lock_guard hold(mutex_);
        sums_[{std::string(room), std::string(figure)}] += amount;
    }

    void write(std::FILE* out) const {
        const std::lock_guard hold(mutex_);
        for (const auto& [what, amount] : sums_)
            std::fprintf(out, "proof: %s | %s | %" PRIu64 "\n", what.first.c_str(), what.second.c_str(), amount);
    }

private:
    mutable std::mutex mutex_;
    std::map<std::pair<std::string, std::string>, std::uint64_t> sums_;
};

inline void proof_count(std::string_view room, std::string_view figure, std::uint64_t amount) {
    proof_ledger::of_this_run().count(room, figure, amount);
}

}  // namespace plateau_test
