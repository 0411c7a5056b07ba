// SPDX-License-Identifier: MIT
/// Memory that rises while a service warms up and then stays flat, shown from outside.
///
/// Each case runs twice, in a process of its own: once with the founding mistake, once with plateau. The parent reads
/// the kernel's figure of the child's resident memory; rounds are identical, each is summed up by its minimum, and
/// plateau::judge gives the verdict. A case holds when the leaky twin is judged growing and the plateau twin is judged
/// flat, stays below baseline + 1.25 x memory_ceiling() + 256 KiB a core by that figure, and below memory_ceiling()
/// itself by the exact count of requested bytes; and when what ends by itself comes back to what it was when it was
/// new.

#include "twin_process.hpp"

#include <plateau/watch/judge.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <span>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace flat_memory {
namespace {

/// What the proof itself is told to get wrong, so that it can be seen to fail.
enum class sabotage { none, bound, leaky, ceiling };

struct settings {
    unsigned warm_up_rounds = 100;
    unsigned rounds = 200;
    std::string out = ".";
    std::vector<std::string> only;
    std::string broken_case;
    sabotage broken = sabotage::none;
};

// A leak is not let loose on the machine: it ends where it has grown to this. What it did in the first half of its
// rounds might have been a warm-up; the second half is judged.
constexpr std::size_t leaky_limit_bytes = std::size_t{320} << 20;
constexpr std::size_t min_points = 12;  // each point is the minimum of an identical round

constexpr double mebibyte = 1024.0 * 1024.0;
double mib(std::size_t bytes) { return static_cast<double>(bytes) / mebibyte; }

const char* name_of(role who) { return who == role::leaky ? "leaky" : "plateau"; }

// ---- a child process and its memory, by the kernel

class child {
public:
    child(const flat_case& one, role who, bounds bound, unsigned rounds) {
        int to_child[2];
        int from_child[2];
        if (::pipe2(to_child, O_CLOEXEC) != 0 || ::pipe2(from_child, O_CLOEXEC) != 0) fail("pipe");
        const std::string name(one.name);
        const std::string count = std::to_string(rounds);
        pid_ = ::fork();
        if (pid_ < 0) fail("fork");
        if (pid_ == 0) {
            ::dup2(to_child[0], 0);
            ::dup2(from_child[1], 1);
            ::execl("/proc/self/exe", "flat_memory", "--twin", name.c_str(), name_of(who), count.c_str(),
                    bound == bounds::real ? "real" : "unreachable", nullptr);
            ::_exit(127);
        }
        ::close(to_child[0]);
        ::close(from_child[1]);
        to_ = to_child[1];
        from_ = ::fdopen(from_child[0], "r");
        statm_ = ::open(("/proc/" + std::to_string(pid_) + "/statm").c_str(), O_RDONLY | O_CLOEXEC);
    }

    ~child() {
        ::close(to_);
        std::fclose(from_);
        ::close(statm_);
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    child(const child&) = delete;
    child& operator=(const child&) = delete;

    [[nodiscard]] std::size_t resident_bytes() const {
        char text[128];
        const auto read = ::pread(statm_, text, sizeof text - 1, 0);
        if (read <= 0) return 0;
        text[read] = '\0';
        unsigned long long pages = 0;
        if (std::sscanf(text, "%*u %llu", &pages) != 1) return 0;
        return static_cast<std::size_t>(pages) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    }

    /// The most it ever had resident: no peak between two readings is lost.
    [[nodiscard]] std::size_t peak_resident_bytes() const {
        std::FILE* const status = std::fopen(("/proc/" + std::to_string(pid_) + "/status").c_str(), "re");
        if (status == nullptr) return 0;
        char line[256];
        unsigned long long kib = 0;
        while (std::fgets(line, sizeof line, status) != nullptr)
            if (std::sscanf(line, "VmHWM: %llu", &kib) == 1) break;
        std::fclose(status);
        return static_cast<std::size_t>(kib) * 1024;
    }

    /// Waits for the next line; calls `meanwhile` every few milliseconds. Empty: the child has ended.
    template <class F>
    [[nodiscard]] std::optional<std::size_t> await(const char* what, F meanwhile) {
        pollfd ready{.fd = ::fileno(from_), .events = POLLIN, .revents = 0};
        for (;;) {
            const int n = ::poll(&ready, 1, 4);
            if (n < 0 && errno != EINTR) fail("poll");
            meanwhile();
            if (n > 0) break;
        }
        char word[32];
        std::size_t bytes = 0;
        if (std::fscanf(from_, "%31s %zu", word, &bytes) != 2 || std::strcmp(word, what) != 0) return std::nullopt;
        std::fgetc(from_);
        return bytes;
    }

    void go_on() { [[maybe_unused]] const auto written = ::write(to_, "g", 1); }

private:
    [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

    ::pid_t pid_ = -1;
    int to_ = -1;
    std::FILE* from_ = nullptr;
    int statm_ = -1;
};

// ---- one twin, observed

struct observation {
    bool finished = false;
    std::size_t baseline = 0;
    std::size_t peak = 0;
    std::size_t exact_peak = 0;
    std::size_t kept_when_idle = 0;
    std::size_t ceiling = plateau::unlimited;
    std::vector<plateau::memory_sample> minima;  // one a round
    plateau::judgement trend;

    [[nodiscard]] std::size_t allowed_peak() const {
        const auto cores = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
        return baseline + ceiling / 4 * 5 + cores * 256 * 1024;
    }
};

class progress {
public:
    progress(const flat_case& one, role who, unsigned rounds)
        : name_(std::string(one.name) + " " + name_of(who)), rounds_(rounds), live_(::isatty(1) == 1) {}

    void show(unsigned round, std::size_t resident) const {
        if (!live_) return;
        constexpr unsigned width = 30;
        const unsigned filled = width * round / rounds_;
        std::printf("\r  %-26s [%s%s] %3u/%u  %8.1f MiB", name_.c_str(), std::string(filled, '#').c_str(),
                    std::string(width - filled, ' ').c_str(), round, rounds_, mib(resident));
        std::fflush(stdout);
    }
    void done(const std::string& verdict) const {
        if (!live_) std::printf("  %-26s", name_.c_str());
        std::printf("  %s\n", verdict.c_str());
        std::fflush(stdout);
    }

private:
    std::string name_;
    unsigned rounds_;
    bool live_;
};

observation observe(const flat_case& one, role who, const settings& set) {
    const bool broken = one.name == set.broken_case;
    // A leaky twin that does not leak is the plateau twin under the other's name.
    const role real_role = broken && set.broken == sabotage::leaky ? role::plateau : who;
    const bounds bound = broken && set.broken == sabotage::bound ? bounds::unreachable : bounds::real;
    const unsigned rounds = set.warm_up_rounds + set.rounds;

    observation seen;
    progress bar(one, who, rounds);
    child process(one, real_role, bound, rounds);
    const std::string path = set.out + "/" + std::string(one.name) + "." + name_of(who) + ".tsv";
    std::FILE* const table = std::fopen(path.c_str(), "we");
    if (table == nullptr) throw std::system_error(errno, std::generic_category(), path);

    const auto nothing = [] {};
    if (!process.await("baseline", nothing)) return seen;
    seen.baseline = process.resident_bytes();
    process.go_on();
    const auto ceiling = process.await("ceiling", nothing);
    if (!ceiling) return seen;
    seen.ceiling = *ceiling;
    if (broken && set.broken == sabotage::ceiling) seen.ceiling /= 16;

    std::vector<std::size_t> readings;
    for (unsigned round = 0; round < rounds; ++round) {
        if (who == role::leaky && round >= 2 * min_points && readings.back() > leaky_limit_bytes) break;
        readings.clear();
        process.go_on();
        const auto exact = process.await("round", [&] {
            readings.push_back(process.resident_bytes());
            bar.show(round, readings.back());
        });
        if (!exact) {
            std::fclose(table);
            return seen;
        }
        seen.exact_peak = *exact;
        for (std::size_t i = 0; i < readings.size(); ++i)
            std::fprintf(table, "%.3f\t%.3f\n",
                         round + static_cast<double>(i + 1) / static_cast<double>(readings.size()), mib(readings[i]));
        plateau::memory_sample sample{};
        sample.work_done = (round + 1) * one.work_per_round;
        sample.resident_bytes = *std::min_element(readings.begin(), readings.end());
        seen.minima.push_back(sample);
    }
    std::fclose(table);
    seen.peak = process.peak_resident_bytes();
    process.go_on();
    if (who == role::plateau) {
        const auto kept = process.await("idle", nothing);
        if (!kept) return seen;
        seen.kept_when_idle = *kept;
    }
    bar.show(static_cast<unsigned>(seen.minima.size()), readings.back());
    const std::size_t warm_up = who == role::leaky ? seen.minima.size() / 2 : set.warm_up_rounds;
    seen.trend = plateau::judge(seen.minima, {.warm_up_work = warm_up * one.work_per_round, .min_points = min_points});
    seen.finished = true;
    bar.done(std::string(to_string(seen.trend.verdict)));
    return seen;
}

// ---- what is promised of a pair

struct pair_report {
    const flat_case* one;
    observation leaky;
    observation plateau;
    std::vector<std::string> failures{};
};

std::string sentence(const char* format, auto... values) {
    char text[256];
    std::snprintf(text, sizeof text, format, values...);
    return text;
}

std::vector<std::string> broken_promises(const observation& leaky, const observation& plateau) {
    std::vector<std::string> failures;
    if (!leaky.finished) failures.emplace_back("the leaky twin ended early");
    else if (leaky.trend.verdict != plateau::verdict::growing)
        failures.push_back("the leaky twin is judged " + std::string(to_string(leaky.trend.verdict)) + ", not growing");
    if (!plateau.finished) {
        failures.emplace_back("the plateau twin ended early");
        return failures;
    }
    if (!plateau.trend.flat())
        failures.push_back("the plateau twin is judged " + std::string(to_string(plateau.trend.verdict)) +
                           ", not flat");
    if (plateau.ceiling == plateau::unlimited) {
        failures.emplace_back("the plateau twin declares no ceiling");
        return failures;
    }
    if (plateau.peak > plateau.allowed_peak())
        failures.push_back(
            sentence("the plateau twin reached %.1f MiB resident, more than the %.1f MiB its ceiling allows",
                     mib(plateau.peak), mib(plateau.allowed_peak())));
    if (plateau.exact_peak > plateau.ceiling)
        failures.push_back(sentence("the plateau twin held %zu bytes, more than its ceiling of %zu", plateau.exact_peak,
                                    plateau.ceiling));
    if (plateau.kept_when_idle > 0)
        failures.push_back(
            sentence("the idle plateau twin kept %zu bytes more than when it was new", plateau.kept_when_idle));
    return failures;
}

void write_row(std::FILE* out, const flat_case& one, role who, const observation& seen) {
    if (!seen.finished) {
        std::fprintf(out, "| %s | %s | ended early | | | | | |\n", std::string(one.name).c_str(), name_of(who));
        return;
    }
    std::fprintf(out, "| %s | %s | %s | %.1f -> %.1f | %+.3f | %.1f | ", std::string(one.name).c_str(), name_of(who),
                 std::string(to_string(seen.trend.verdict)).c_str(), mib(seen.minima.front().resident_bytes),
                 mib(seen.minima.back().resident_bytes),
                 seen.trend.bytes_per_work * static_cast<double>(one.work_per_round) / mebibyte, mib(seen.peak));
    if (seen.ceiling == plateau::unlimited) std::fprintf(out, "none declared | %zu of no ceiling |\n", seen.exact_peak);
    else std::fprintf(out, "%.1f | %zu of %zu |\n", mib(seen.allowed_peak()), seen.exact_peak, seen.ceiling);
}

void write_report(const std::string& path, std::span<const pair_report> pairs, const settings& set) {
    std::FILE* const out = std::fopen(path.c_str(), "we");
    if (out == nullptr) throw std::system_error(errno, std::generic_category(), path);
    std::fprintf(
        out,
        "# Flat memory\n\n"
        "%u rounds of warm-up, %u rounds judged, each the same work, any keys new; a leaky twin ends when it has\n"
        "grown to %.0f MiB. Resident memory is the kernel's figure for the twin's process, read by its parent; a "
        "round\n"
        "counts with its minimum. Exact bytes are those requested of operator new, at their most, where the twin held\n"
        "nothing in its hands.\n\n"
        "![memory of both twins](flat_memory.svg)\n\n"
        "| case | twin | verdict | MiB, first -> last round | MiB a round | peak MiB | allowed MiB | exact bytes |\n"
        "|---|---|---|---|---|---|---|---|\n",
        set.warm_up_rounds, set.rounds, mib(leaky_limit_bytes));
    for (const auto& each : pairs) {
        write_row(out, *each.one, role::leaky, each.leaky);
        write_row(out, *each.one, role::plateau, each.plateau);
    }
    std::fputs("\n", out);
    for (const auto& each : pairs) {
        std::fprintf(out, "- **%s**: %s ", std::string(each.one->name).c_str(), std::string(each.one->what).c_str());
        if (each.failures.empty()) std::fputs("Held.\n", out);
        for (const auto& failure : each.failures) std::fprintf(out, "**Failed: %s.** ", failure.c_str());
        if (!each.failures.empty()) std::fputs("\n", out);
    }
    std::fclose(out);
}

void write_ceiling(const settings& set, const pair_report& pair) {
    const std::string path = set.out + "/" + std::string(pair.one->name) + ".ceiling";
    std::FILE* const out = std::fopen(path.c_str(), "we");
    if (out == nullptr) throw std::system_error(errno, std::generic_category(), path);
    if (pair.plateau.ceiling == plateau::unlimited) std::fputs("NaN\n", out);
    else std::fprintf(out, "%.3f\n", mib(pair.plateau.allowed_peak()));
    std::fclose(out);
}

// ---- the command line

const flat_case* find_case(std::string_view name) {
    const auto& all = cases();
    const auto found = std::find_if(all.begin(), all.end(), [&](const flat_case& each) { return each.name == name; });
    return found == all.end() ? nullptr : &*found;
}

int usage() {
    std::fputs(
        "flat_memory [--quick] [--out DIR] [--only CASE]... [--break CASE[:leaky|:ceiling]]\n"
        "  --quick   fewer rounds\n"
        "  --out     where the report and the tables go (default: .)\n"
        "  --only    this case alone; may be repeated\n"
        "  --break   shows that the proof can fail: gives the plateau twin of CASE bounds that no run can reach, or\n"
        "            has its leaky twin not leak, or shrinks its declared ceiling. Some types have no\n"
        "            options that would unbound them\n"
        "cases:",
        stderr);
    for (const auto& each : cases()) std::fprintf(stderr, " %s", std::string(each.name).c_str());
    std::fputs("\n", stderr);
    return 2;
}

std::optional<settings> parse(std::span<char*> arguments) {
    settings set;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view word = arguments[i];
        const bool has_value = i + 1 < arguments.size();
        if (word == "--quick") {
            set.warm_up_rounds = 80;
            set.rounds = 80;
        } else if (word == "--out" && has_value) {
            set.out = arguments[++i];
        } else if (word == "--only" && has_value) {
            set.only.emplace_back(arguments[++i]);
            if (find_case(set.only.back()) == nullptr) return std::nullopt;
        } else if (word == "--break" && has_value) {
            const std::string_view value = arguments[++i];
            const auto colon = value.find(':');
            set.broken_case = value.substr(0, colon);
            const std::string_view kind = colon == std::string_view::npos ? "" : value.substr(colon + 1);
            if (find_case(set.broken_case) == nullptr) return std::nullopt;
            if (kind.empty() && find_case(set.broken_case)->bound_can_be_lifted) set.broken = sabotage::bound;
            else if (kind == "leaky") set.broken = sabotage::leaky;
            else if (kind == "ceiling") set.broken = sabotage::ceiling;
            else return std::nullopt;
        } else {
            return std::nullopt;
        }
    }
    return set;
}

int prove(const settings& set) {
    std::vector<pair_report> pairs;
    bool held = true;
    for (const auto& one : cases()) {
        if (!set.only.empty() && std::find(set.only.begin(), set.only.end(), one.name) == set.only.end()) continue;
        pair_report pair{
            .one = &one, .leaky = observe(one, role::leaky, set), .plateau = observe(one, role::plateau, set)};
        pair.failures = broken_promises(pair.leaky, pair.plateau);
        for (const auto& failure : pair.failures) std::printf("  FAILED: %s\n", failure.c_str());
        held = held && pair.failures.empty();
        write_ceiling(set, pair);
        pairs.push_back(std::move(pair));
    }
    write_report(set.out + "/flat_memory.md", pairs, set);
    return held ? 0 : 1;
}

}
}

int main(int argc, char** argv) {
    using namespace flat_memory;
    const std::span<char*> arguments(argv + 1, static_cast<std::size_t>(argc - 1));
    if (arguments.size() == 5 && std::string_view(arguments[0]) == "--twin") {
        const flat_case* const one = find_case(arguments[1]);
        if (one == nullptr) return usage();
        return be_twin(*one, std::string_view(arguments[2]) == "leaky" ? role::leaky : role::plateau,
                       std::string_view(arguments[4]) == "real" ? bounds::real : bounds::unreachable,
                       static_cast<unsigned>(std::atoi(arguments[3])));
    }
    const auto set = parse(arguments);
    if (!set) return usage();
    try {
        return prove(*set);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "flat_memory: %s\n", error.what());
        return 2;
    }
}
