// SPDX-License-Identifier: MIT
// Replays identical rounds of requests against a page service, checks every answer, and watches the service's memory
// from outside.
//
// A round: pages, while some readers take their export much too slowly; clients that hang up in the middle of exports
// and pages, after which nothing of theirs may be left; one export, read whole; and pages at many times the rate that
// the service can make them, each at its moment, where a 503 is a right answer if it says when to come back.
//
// Pages come over keep-alive connections; each takes the next request when its last answer is whole and was verified.
// With --rate a request is due at its place in the schedule, and its latency counts from then: a service that stalls
// cannot hide behind a client that waits for it.
//   <name>.csv         seconds,round,requests,rss_bytes: the kernel's figure for the service's pid, every 50 ms; round
//   0 is the warm-up <name>_rounds.csv  per round: requests, least and greatest resident bytes, what /healthz/memory
//   said at its end <name>.txt         the summary as key=value lines
#include "export_readers.hpp"
#include "paced_load.hpp"
#include "page_check.hpp"
#include "progress.hpp"
#include "raw_client.hpp"
#include "request_plan.hpp"
#include "resident_memory.hpp"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct client_options {
    std::string name = "service";
    std::string out = ".";
    std::string trace;
    int port = 0;
    int pid = 0;
    std::size_t warm_up = 2;
    std::size_t rounds = 12;
    std::size_t requests = 2'000;
    std::size_t connections = 6;
    std::size_t rate = 0;  // requests a second; 0: as fast as the answers come
    std::size_t slow_readers = 3;
    std::size_t overload = 1'000;  // requests of an overload
    std::size_t overload_rate = 2'000;
    std::size_t overload_connections = 40;
};

using clock_type = std::chrono::steady_clock;

double seconds_since(clock_type::time_point begin) {
    return std::chrono::duration<double>(clock_type::now() - begin).count();
}

/// What happened so far; every member function may be called by any thread.
class tally {
public:
    explicit tally(std::size_t expected) { latencies_.reserve(expected); }

    void answered(bool hit, std::chrono::microseconds took) {
        const std::lock_guard lock(mutex_);
        hits_ += hit ? 1 : 0;
        latencies_.push_back(static_cast<std::uint32_t>(took.count()));
    }
    void failed(const std::string& target, const std::string& why) {
        const std::lock_guard lock(mutex_);
        if (++failures_ <= 5)
            std::fprintf(stderr, "\nload_client: %s: %s\n", target.substr(0, 80).c_str(), why.c_str());
    }
    /// Forgets the warm-up's latencies and hits, never its failures.
    void begin_judged_rounds() {
        const std::lock_guard lock(mutex_);
        hits_ = 0;
        latencies_.clear();
    }
    std::size_t hits() const noexcept { return hits_; }
    std::size_t failures() const noexcept { return failures_; }
    std::size_t answers() const noexcept { return latencies_.size(); }
    double percentile_ms(double share) {
        if (latencies_.empty()) return 0;
        const auto at =
            latencies_.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_.size() - 1));
        std::nth_element(latencies_.begin(), at, latencies_.end());
        return *at / 1'000.0;
    }

private:
    std::mutex mutex_;
    std::size_t hits_ = 0;
    std::size_t failures_ = 0;
    std::vector<std::uint32_t> latencies_;
};

/// Reads the service's resident memory into a CSV file from a thread of its own until destroyed.
class watcher {
public:
    watcher(const std::string& path, pid_t pid, const std::atomic<std::size_t>& requests)
        : memory_(pid), requests_(requests), file_(std::fopen(path.c_str(), "we")) {
        if (file_ == nullptr) throw std::runtime_error("cannot write " + path);
        baseline_ = memory_.rss_bytes();
        std::fputs("seconds,round,requests,rss_bytes\n", file_);
        thread_ = std::thread([this] { watch(); });
    }
    watcher(const watcher&) = delete;
    ~watcher() {
        ended_ = true;
        thread_.join();
        std::fclose(file_);
    }

    void begin_round(std::size_t round) {
        const std::lock_guard lock(mutex_);
        round_ = round;
        least_ = UINT64_MAX;
        greatest_ = 0;
    }
    /// One reading now, also into the file. Returns: resident bytes.
    std::uint64_t sample() {
        const std::lock_guard lock(mutex_);
        const std::uint64_t rss = memory_.rss_bytes();
        if (rss == 0) return 0;
        least_ = std::min(least_.load(), rss);
        greatest_ = std::max(greatest_.load(), rss);
        peak_ = std::max(peak_.load(), rss);
        last_ = rss;
        std::fprintf(file_, "%.3f,%zu,%zu,%llu\n", seconds_since(begin_), round_, requests_.load(),
                     static_cast<unsigned long long>(rss));
        return rss;
    }
    std::uint64_t least() const noexcept { return least_; }
    std::uint64_t greatest() const noexcept { return greatest_; }
    std::uint64_t baseline() const noexcept { return baseline_; }
    std::uint64_t peak() const noexcept { return peak_; }
    std::uint64_t last() const noexcept { return last_; }

private:
    void watch() {
        while (!ended_) {
            sample();
            std::this_thread::sleep_for(50ms);
        }
    }

    resident_memory memory_;
    const std::atomic<std::size_t>& requests_;
    std::FILE* file_;
    std::mutex mutex_;
    std::size_t round_ = 0;
    std::uint64_t baseline_ = 0;
    std::atomic<std::uint64_t> least_{UINT64_MAX}, greatest_{0}, peak_{0}, last_{0};  // written under the mutex
    std::atomic<bool> ended_{false};
    clock_type::time_point begin_ = clock_type::now();
    std::thread thread_;
};

httplib::Client connect(const client_options& options) {
    httplib::Client client("127.0.0.1", options.port);
    client.set_keep_alive(true);
    client.set_tcp_nodelay(true);
    client.set_connection_timeout(5s);
    client.set_read_timeout(20s);
    return client;
}

/// Plain bodies: compression would measure the compressor.
const httplib::Headers headers{{"Accept-Encoding", "identity"}, {"User-Agent", "plateau load_client"}};

class connections {
public:
    connections(const client_options& options, const load::request_plan& plan, tally& counts,
                std::atomic<std::size_t>& requests)
        : options_(options), plan_(plan), counts_(counts), requests_(requests) {}

    /// Sends one round over all connections; `while_waiting(done)` is called meanwhile.
    template <class F>
    void replay(std::size_t round, F while_waiting) {
        next_ = 0;
        begin_ = clock_type::now();
        std::atomic<std::size_t> active{options_.connections};
        std::vector<std::thread> threads;
        while (clients_.size() < options_.connections)
            clients_.push_back(std::make_unique<httplib::Client>(connect(options_)));
        for (auto& client : clients_)
            threads.emplace_back([&, round] {
                for (std::size_t i; (i = next_.fetch_add(1)) < plan_.size();)
                    ask(*client, plan_.at(round, i), wait_until_due(i));
                --active;
            });
        while (active > 0) {
            while_waiting(std::min(1.0, static_cast<double>(next_) / static_cast<double>(plan_.size())));
            std::this_thread::sleep_for(20ms);
        }
        for (std::thread& thread : threads) thread.join();
        for (auto& client : clients_) client->stop();  // not left to the service's patience with idle connections
    }

private:
    clock_type::time_point wait_until_due(std::size_t i) const {
        if (options_.rate == 0) return clock_type::now();
        const auto due = begin_ + i * std::chrono::nanoseconds(1s) / options_.rate;
        std::this_thread::sleep_until(due);
        return due;
    }
    void ask(httplib::Client& client, const load::planned_request& request, clock_type::time_point due) {
        const std::string target = request.target();
        const auto answer = client.Get(target, headers);
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock_type::now() - due);
        ++requests_;
        if (!answer) return counts_.failed(target, "no answer: " + httplib::to_string(answer.error()));
        if (const std::string fault = load::fault_in(*answer, request); !fault.empty())
            return counts_.failed(target, fault);
        counts_.answered(answer->get_header_value("X-Cache") == "hit", took);
    }

    const client_options& options_;
    const load::request_plan& plan_;
    tally& counts_;
    std::atomic<std::size_t>& requests_;
    std::atomic<std::size_t> next_{0};
    clock_type::time_point begin_;
    std::vector<std::unique_ptr<httplib::Client>> clients_;
};

/// The number behind a member's quoted name and colon in a flat JSON object; 0 where it is null or missing.
std::uint64_t json_number(std::string_view json, std::string_view name) {
    const std::size_t at = json.find(name);
    std::uint64_t value = 0;
    if (at != json.npos) std::from_chars(json.data() + at + name.size(), json.data() + json.size(), value);
    return value;
}

/// What the service says of itself.
class own_account {
public:
    own_account() = default;
    explicit own_account(std::string json) : json_(std::move(json)) {}
    std::uint64_t operator[](const char* name) const { return json_number(json_, '"' + std::string(name) + "\":"); }

private:
    std::string json_;
};

own_account ask_account(httplib::Client& client, tally& counts) {
    const auto answer = client.Get("/healthz/memory", headers);
    if (!answer || answer->status != 200) {
        counts.failed("/healthz/memory", "no answer");
        return {};
    }
    return own_account(answer->body);
}

/// What became of slow readers, of those who hung up, and of the overloads.
struct rough_outcome {
    load::slow_outcome slow;
    std::size_t hung_up = 0;
    double gone_ms = 0;           // until nothing was in flight, at most
    std::uint64_t listeners = 0;  // that were left then, at most
    std::size_t exports = 0;      // that were read whole
    std::size_t asked = 0, served = 0, shed = 0, without_retry_after = 0;
    double seconds = 0;  // of asking
    std::vector<std::uint32_t> served_us;

    double percentile_ms(double share) {
        if (served_us.empty()) return 0;
        const auto at =
            served_us.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(served_us.size() - 1));
        std::nth_element(served_us.begin(), at, served_us.end());
        return *at / 1'000.0;
    }
    void add(const load::slow_outcome& more) {
        slow.readers += more.readers;
        slow.shed += more.shed;
        slow.without_retry_after += more.without_retry_after;
        slow.cut += more.cut;
        slow.kept += more.kept;
    }
    void add(const load::overload_outcome& more) {
        asked += more.asked;
        served += more.served;
        shed += more.shed;
        without_retry_after += more.without_retry_after;
        seconds += more.seconds;
        served_us.insert(served_us.end(), more.served_us.begin(), more.served_us.end());
    }
};

/// The clients that no service likes, one phase after the other.
class rough_clients {
public:
    rough_clients(const client_options& options, httplib::Client& control, tally& counts,
                  std::atomic<std::size_t>& requests)
        : options_(options), control_(control), counts_(counts), requests_(requests) {}

    [[nodiscard]] load::slow_readers read_slowly() const {
        return load::slow_readers(options_.port, options_.slow_readers);
    }
    void have_read_slowly(load::slow_readers& readers) {
        // A service that leaves them does so within this time.
        const auto end = readers.since() + 1'500ms;
        while (ask_account(control_, counts_)["exports_in_flight"] != 0 && clock_type::now() < end)
            std::this_thread::sleep_for(5ms);
        const load::slow_outcome slow = readers.finish();
        seen_.add(slow);
        requests_ += slow.readers;
        wait_until_gone();
    }
    void hang_up() {
        const std::size_t clients = load::hang_up_in_the_middle(options_.port, 2, 3);
        seen_.hung_up += clients;
        requests_ += clients;
        const auto begin = clock_type::now();
        const own_account left = wait_until_gone();
        seen_.gone_ms = std::max(seen_.gone_ms, seconds_since(begin) * 1'000);
        seen_.listeners = std::max(seen_.listeners, left["listeners"]);
    }
    void read_export() {
        raw_client client(options_.port, 1'024 * 1'024);
        client.get("/export");
        const std::string fault = load::fault_in_export(client);
        ++requests_;
        if (!fault.empty()) return counts_.failed("/export", fault);
        ++seen_.exports;
    }
    void overload() {
        const load::overload_outcome outcome = load::paced_load(options_.port, options_.overload_connections)
                                                   .run(options_.overload, options_.overload_rate);
        seen_.add(outcome);
        requests_ += outcome.asked;
        for (const std::string& fault : outcome.faults) counts_.failed("overload", fault);
        wait_until_gone();
    }
    /// Forgets what the warm-up saw.
    void begin_judged_rounds() { seen_ = {}; }
    rough_outcome& seen() noexcept { return seen_; }

private:
    /// Asks until nothing is in flight, 5 seconds at most.
    own_account wait_until_gone() {
        const auto end = clock_type::now() + 5s;
        for (;;) {
            own_account now = ask_account(control_, counts_);
            if (now["exports_in_flight"] + now["pages_in_flight"] == 0) return now;
            if (clock_type::now() > end) {
                counts_.failed("/healthz/memory", "requests are in flight 5 s after their clients have gone");
                return now;
            }
            std::this_thread::sleep_for(1ms);
        }
    }

    const client_options& options_;
    httplib::Client& control_;
    tally& counts_;
    std::atomic<std::size_t>& requests_;
    rough_outcome seen_;
};

class rounds_file {
public:
    explicit rounds_file(const std::string& path) : file_(std::fopen(path.c_str(), "we")) {
        if (file_ == nullptr) throw std::runtime_error("cannot write " + path);
        std::fputs("round,requests,least_rss_bytes,greatest_rss_bytes,reported_rss_bytes,seconds\n", file_);
    }
    rounds_file(const rounds_file&) = delete;
    ~rounds_file() { std::fclose(file_); }
    void add(std::size_t round, std::size_t requests, const watcher& outside, const own_account& reported,
             double seconds) {
        std::fprintf(file_, "%zu,%zu,%llu,%llu,%llu,%.3f\n", round, requests,
                     static_cast<unsigned long long>(outside.least()),
                     static_cast<unsigned long long>(outside.greatest()),
                     static_cast<unsigned long long>(reported["rss_bytes"]), seconds);
    }

private:
    std::FILE* file_;
};

void write_summary(const client_options& options, const watcher& outside, const own_account& reported, tally& counts,
                   rough_outcome& rough, double seconds) {
    const std::string path = options.out + "/" + options.name + ".txt";
    std::FILE* const file = std::fopen(path.c_str(), "we");
    if (file == nullptr) throw std::runtime_error("cannot write " + path);
    const auto u = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::fprintf(file,
                 "baseline_bytes=%llu\npeak_bytes=%llu\nlast_bytes=%llu\nreported_bytes=%llu\nceiling_bytes=%llu\n",
                 u(outside.baseline()), u(outside.peak()), u(outside.last()), u(reported["rss_bytes"]),
                 u(reported["declared_ceiling_bytes"]));
    const double answers = static_cast<double>(std::max<std::size_t>(counts.answers(), 1));
    std::fprintf(file,
                 "answers=%zu\nfailures=%zu\nhit_percent=%.1f\np50_ms=%.2f\np99_ms=%.2f\nrequests_per_second=%.0f\n",
                 counts.answers(), counts.failures(), 100.0 * static_cast<double>(counts.hits()) / answers,
                 counts.percentile_ms(0.50), counts.percentile_ms(0.99), answers / std::max(seconds, 1e-3));
    std::fprintf(file, "slow_readers=%zu\nslow_cut=%zu\nslow_shed=%zu\nslow_kept=%zu\n", rough.slow.readers,
                 rough.slow.cut, rough.slow.shed, rough.slow.kept);
    std::fprintf(file, "hung_up=%zu\ngone_ms=%.0f\nlisteners_left=%llu\nexports_whole=%zu\n", rough.hung_up,
                 rough.gone_ms, u(rough.listeners), rough.exports);
    std::fprintf(file,
                 "overload_asked=%zu\noverload_per_second=%.0f\noverload_served=%zu\noverload_shed=%zu\n"
                 "overload_p50_ms=%.1f\noverload_p99_ms=%.1f\nwithout_retry_after=%zu\n",
                 rough.asked, static_cast<double>(rough.asked) / std::max(rough.seconds, 1e-3), rough.served,
                 rough.shed, rough.percentile_ms(0.50), rough.percentile_ms(0.99),
                 rough.without_retry_after + rough.slow.without_retry_after);
    for (const char* const figure : {"pages_peak", "pages_limit", "pages_shed", "exports_peak", "exports_limit",
                                     "exports_shed", "exports_too_slow", "exports_cancelled", "parked_scopes"})
        std::fprintf(file, "%s=%llu\n", figure, u(reported[figure]));
    std::fclose(file);
}

/// Returns: whether no request failed.
bool run(const client_options& options) {
    const load::request_plan plan(options.trace.empty() ? load::zipf_keys(options.requests)
                                                        : load::trace_keys(options.trace, options.requests));
    const std::size_t total = options.warm_up + options.rounds;
    std::atomic<std::size_t> requests{0};
    tally counts(plan.size() * options.rounds);
    watcher outside(options.out + "/" + options.name + ".csv", options.pid, requests);
    rounds_file rounds(options.out + "/" + options.name + "_rounds.csv");
    connections load(options, plan, counts, requests);
    httplib::Client control = connect(options);
    rough_clients rough(options, control, counts, requests);
    progress line(options.name, options.warm_up, options.rounds);
    own_account reported = ask_account(control, counts);
    auto judged = clock_type::now();
    for (std::size_t i = 0; i < total; ++i) {
        const std::size_t round = i < options.warm_up ? 0 : i - options.warm_up + 1;
        if (round == 1) {
            counts.begin_judged_rounds();
            rough.begin_judged_rounds();
            judged = clock_type::now();
        }
        outside.begin_round(round);
        const auto begin = clock_type::now();
        const std::size_t before = requests;
        const auto rate = [&] { return static_cast<double>(requests - before) / std::max(seconds_since(begin), 1e-3); };
        {
            load::slow_readers slow = rough.read_slowly();
            load.replay(i, [&](double done) { line.show(i, 0.5 * done, outside.last(), rate()); });
            rough.have_read_slowly(slow);
        }
        rough.hang_up();
        rough.read_export();
        rough.overload();
        const std::uint64_t now = outside.sample();
        if (now == 0) throw std::runtime_error("the service is gone");
        reported = ask_account(control, counts);
        rounds.add(round, requests, outside, reported, seconds_since(begin));
        line.round_ended(i, now, rate());
    }
    write_summary(options, outside, reported, counts, rough.seen(), seconds_since(judged));
    return counts.failures() == 0;
}

[[noreturn]] void usage(const std::string& problem) {
    std::fprintf(stderr,
                 "load_client: %s\nusage: load_client --port N --pid N [--name S] [--out DIR] [--trace FILE] "
                 "[--warm-up N] [--rounds N] "
                 "[--requests N] [--connections N] [--rate N] [--slow-readers N] [--overload N] [--overload-rate N] "
                 "[--overload-connections N]\n",
                 problem.c_str());
    std::exit(2);
}

client_options parse(int argc, char** argv) {
    client_options options;
    const auto number = [](const char* text, std::size_t least, std::size_t most) {
        std::size_t value = 0;
        const auto [stop, error] = std::from_chars(text, text + std::strlen(text), value);
        if (error != std::errc{} || *stop != '\0' || value < least || value > most)
            usage(std::string(text) + " is out of range");
        return value;
    };
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i];
        if (i + 1 == argc) usage(std::string(name) + " lacks its value");
        const char* const value = argv[i + 1];
        if (name == "--port") options.port = static_cast<int>(number(value, 1, 65'535));
        else if (name == "--pid") options.pid = static_cast<int>(number(value, 1, 1 << 30));
        else if (name == "--name") options.name = value;
        else if (name == "--out") options.out = value;
        else if (name == "--trace") options.trace = value;
        else if (name == "--warm-up") options.warm_up = number(value, 1, 1'000);
        else if (name == "--rounds") options.rounds = number(value, 1, 10'000);
        else if (name == "--requests") options.requests = number(value, 4, 10'000'000);
        else if (name == "--connections") options.connections = number(value, 1, 1'024);
        else if (name == "--slow-readers") options.slow_readers = number(value, 0, 100);
        else if (name == "--overload") options.overload = number(value, 1, 10'000'000);
        else if (name == "--overload-rate") options.overload_rate = number(value, 1, 1'000'000);
        else if (name == "--overload-connections") options.overload_connections = number(value, 1, 1'024);
        else if (name == "--rate") options.rate = number(value, 1, 1'000'000);
        else usage("unknown option " + std::string(name));
    }
    if (options.port == 0 || options.pid == 0) usage("--port and --pid must be given");
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    const client_options options = parse(argc, argv);
    try {
        return run(options) ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "\nload_client: %s\n", error.what());
        return 2;
    }
}
