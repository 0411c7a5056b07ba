// SPDX-License-Identifier: MIT
// Asks a running page service what a friendly client never would, and says for each question whether the answer was
// right.
//
//   service_check input   --port N            malformed ids, hostile queries, clients that hang up
//   service_check metrics --port N            /metrics is well-formed Prometheus text; --save FILE keeps it
//   service_check drain   --port N --pid N    sends SIGTERM under load, and while answers are half read: all of them
//   must
//                                             arrive whole
//
// Exit code: 0 if every check held, 1 if one did not, 2 for wrong usage.
#include "export_readers.hpp"
#include "page_check.hpp"
#include "prometheus_check.hpp"
#include "raw_client.hpp"

#include <httplib.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

class checks {
public:
    void that(const std::string& what, bool held, const std::string& otherwise = "") {
        std::printf("  %-74s %s%s%s\n", what.c_str(), held ? "ok" : "FAILED", held || otherwise.empty() ? "" : ": ",
                    held ? "" : otherwise.c_str());
        std::fflush(stdout);
        failed_ |= !held;
    }
    bool all_held() const noexcept { return !failed_; }

private:
    bool failed_ = false;
};

struct answer {
    int status = 0;  // 0: none
    std::string body;
    bool retry_after = false;
};

answer parse(const std::string& bytes) {
    answer got;
    const std::size_t body = bytes.find("\r\n\r\n");
    if (!bytes.starts_with("HTTP/1.1 ") || body == bytes.npos) return got;
    std::from_chars(bytes.data() + 9, bytes.data() + 12, got.status);
    got.body = bytes.substr(body + 4);
    load::answer_head head;
    got.retry_after = head.parse(bytes) && head.retry_after;
    return got;
}

/// Over a socket of its own and byte by byte as given: an HTTP library would escape what is to be tested.
answer ask(int port, std::string_view target) {
    raw_client client(port);
    client.get(target);
    return parse(client.receive_all());
}

std::string fault_of(int port, const load::planned_request& wanted) {
    const answer got = ask(port, wanted.target());
    return got.status == 200 ? load::fault_in_page(got.body, wanted) : "status " + std::to_string(got.status);
}

/// Products whose pages fill any socket buffer between the service and a reader that does not read.
std::vector<std::uint32_t> large_products(std::size_t count) {
    std::vector<std::uint32_t> found;
    for (std::uint32_t id = 0; found.size() < count; ++id)
        if (shop::render(shop::find_product(id), {}).size() > 250'000) found.push_back(id);
    return found;
}

/// Pages and exports in flight; -1 if there is no answer.
/// A figure of /healthz/memory; -1 where there is none.
long figure(int port, std::string_view name) {
    const std::string body = ask(port, "/healthz/memory").body;
    const std::string title = "\"" + std::string(name) + "\":";
    const std::size_t at = body.find(title);
    long count = -1;
    if (at != body.npos) std::from_chars(body.data() + at + title.size(), body.data() + body.size(), count);
    return count;
}
long in_flight(int port) { return figure(port, "in_flight"); }

template <class Condition>
bool within(std::chrono::milliseconds limit, Condition condition) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

void check_ids(int port, checks& all) {
    struct {
        const char* target;
        int status;
    } const cases[] = {
        {"/product/-1", 400},         {"/product/+1", 400},
        {"/product/1e9", 400},        {"/product/0x10", 400},
        {"/product/007", 400},        {"/product/%00", 400},
        {"/product/7%00", 400},       {"/product/", 400},
        {"/product/7/../8", 400},     {"/product/%2e%2e", 400},
        {"/product/4294967296", 404}, {"/product/99999999999999999999", 404},
        {"/nothing/here", 404},       {"/product", 404},
    };
    for (const auto& [target, status] : cases) {
        const answer got = ask(port, target);
        all.that(std::string("GET ") + target + " is refused with " + std::to_string(status), got.status == status,
                 "status " + std::to_string(got.status));
    }
    for (const std::uint32_t id : {0u, 4'294'967'295u}) {
        const std::string fault = fault_of(port, {id, {}});
        all.that("GET /product/" + std::to_string(id) + " is a whole page", fault.empty(), fault);
    }
}

void check_queries(int port, checks& all) {
    const std::string script = fault_of(port, {7, "q=<script>alert('x')</script>&\"quoted\""});
    all.that("a query with markup comes back escaped", script.empty(), script);
    const std::string seven = fault_of(port, {7, "q=" + std::string(7'000, '<')});
    all.that("a query of 7 KB is served", seven.empty(), seven);
    const int eight = ask(port, "/product/7?q=" + std::string(8'192, 'x')).status;
    all.that("a query of 8 KB is refused with 414", eight == 414, "status " + std::to_string(eight));
}

void check_broken_clients(int port, checks& all) {
    raw_client garbage(port);
    garbage.send("\x16\x03\x01 not http at all\r\n\r\n");
    const int status = parse(garbage.receive_all()).status;
    all.that("bytes that are no HTTP are refused with 400", status == 400, "status " + std::to_string(status));

    raw_client half(port);
    half.send("GET /product/7 HT");
    half.hang_up();
    all.that("a client that hangs up in the middle of its request is forgotten",
             within(10s, [&] { return in_flight(port) == 0; }));

    const std::vector<std::uint32_t> large = large_products(4);
    for (const std::uint32_t id : large) {
        raw_client reader(port, 4'096);
        reader.get(load::planned_request{id, "gone"}.target());
        reader.receive(1'024);
        reader.hang_up();
    }
    all.that("clients that hang up in the middle of a body leave nothing in flight",
             within(10s, [&] { return in_flight(port) == 0; }));
    std::string fault;
    for (const std::uint32_t id : large)
        if (fault.empty()) fault = fault_of(port, {id, "gone"});
    all.that("and the pages they did not read are whole for the next client", fault.empty(), fault);
}

std::string with_range(int port, std::string_view target, const std::string& range) {
    raw_client client(port);
    client.send("GET " + std::string(target) +
                " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nRange: bytes=" + range + "\r\n\r\n");
    return client.receive_all();
}

void check_exports(int port, checks& all) {
    raw_client reader(port);
    reader.get("/export");
    const std::string fault = load::fault_in_export(reader);
    all.that("an export of " + std::to_string(shop::export_bytes) + " bytes arrives whole", fault.empty(), fault);
    const int part = parse(with_range(port, "/export", "0-99")).status;
    all.that("a part of an export is refused with 416", part == 416, "status " + std::to_string(part));

    const long too_slow = figure(port, "exports_too_slow");
    const long cancelled = figure(port, "exports_cancelled");
    raw_client stalled(port, 4'096);
    stalled.get("/export");
    stalled.receive(1'024);
    const bool begun = in_flight(port) == 1;
    all.that("a client that takes nothing of its export is left after 5 s",
             begun && within(9s, [&] { return in_flight(port) == 0; }));
    all.that("and that is the export's own limit: it is counted as too slow, not as gone",
             figure(port, "exports_too_slow") == too_slow + 1 && figure(port, "exports_cancelled") == cancelled);
}

void check_ranges(int port, checks& all) {
    const int digits = parse(with_range(port, "/product/7", "0-" + std::string(7'900, '1'))).status;
    all.that("a Range of 8 KB is refused with 416", digits == 416, "status " + std::to_string(digits));
}

void check_input(int port, checks& all) {
    check_ids(port, all);
    check_queries(port, all);
    check_ranges(port, all);
    check_broken_clients(port, all);
    check_exports(port, all);
    all.that("the service is healthy after all that",
             ask(port, "/healthz").status == 200 && ask(port, "/readyz").status == 200);
}

bool save(const char* path, const std::string& text) {
    std::FILE* const file = std::fopen(path, "we");
    if (file == nullptr) return false;
    const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    return std::fclose(file) == 0 && written;
}

void check_metrics(int port, const char* path, checks& all) {
    const answer got = ask(port, "/metrics");
    if (path != nullptr && !save(path, got.body)) all.that("the metrics are saved", false, path);
    const std::string fault =
        got.status == 200 ? prometheus_check::fault_in(got.body) : "status " + std::to_string(got.status);
    all.that("/metrics is well-formed Prometheus text", fault.empty(), fault);
}

/// Clients that ask for pages, one after the other, until a balancer would send no more: /readyz is not 200.
class steady_clients {
public:
    steady_clients(int port, std::size_t clients) {
        for (std::size_t i = 0; i < clients; ++i) threads_.emplace_back([this, port, i] { ask_on(port, i); });
    }
    steady_clients(const steady_clients&) = delete;
    ~steady_clients() { join(); }

    void stop_asking() noexcept { ready_ = false; }
    void join() {
        stop_asking();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }
    std::size_t asked() const noexcept { return asked_; }
    std::size_t served() const noexcept { return served_; }
    std::size_t shed() const noexcept { return shed_; }
    std::size_t without_retry_after() const noexcept { return without_retry_after_; }
    std::size_t dropped() const noexcept { return asked_ - served_ - shed_; }

private:
    void ask_on(int port, std::size_t client) {
        for (std::size_t i = 0; ready_; ++i) {
            const load::planned_request wanted{static_cast<std::uint32_t>(client * 31 + i),
                                               i % 2 == 0 ? "live=1" : "term"};
            ++asked_;
            try {
                const answer got = ask(port, wanted.target());
                if (got.status == 503) {
                    ++shed_;
                    without_retry_after_ += got.retry_after ? 0 : 1;
                    std::this_thread::sleep_for(20ms);
                }
                served_ += got.status == 200 && load::fault_in_page(got.body, wanted).empty() ? 1 : 0;
            } catch (const std::exception&) {  // refused, or cut: not served
            }
        }
    }

    std::atomic<bool> ready_{true};
    std::atomic<std::size_t> asked_{0}, served_{0}, shed_{0}, without_retry_after_{0};
    std::vector<std::thread> threads_;
};

void check_drain(int port, pid_t pid, checks& all) {
    const std::vector<std::uint32_t> large = large_products(4);
    std::vector<raw_client> readers;
    std::vector<std::string> bodies;
    for (const std::uint32_t id : large) {
        readers.emplace_back(port, 4'096);
        readers.back().get(load::planned_request{id, "drain"}.target());
        bodies.push_back(readers.back().receive(1'024));
    }
    const bool caught = within(5s, [&] { return in_flight(port) == static_cast<long>(readers.size()); });
    steady_clients load(port, 32);
    std::string export_fault;
    std::atomic<bool> hurry{false};
    std::thread export_reader([&] {
        try {
            raw_client reader(port);
            reader.get("/export");
            export_fault = load::fault_in_export(reader, [&] {
                if (!hurry) std::this_thread::sleep_for(20ms);
            });
        } catch (const std::exception& error) {
            export_fault = error.what();
        }
    });
    std::this_thread::sleep_for(200ms);
    all.that("SIGTERM comes under load, while an export and four pages are half read",
             caught && ::kill(pid, SIGTERM) == 0, std::to_string(in_flight(port)) + " in flight");
    const bool told = within(400ms, [&] {
        const answer ready = ask(port, "/readyz");
        return ready.status == 503 && ready.retry_after;
    });
    load.stop_asking();
    hurry = true;
    all.that("/readyz turns 503 at once, with Retry-After", told);
    std::size_t whole = 0;
    for (std::size_t i = 0; i < readers.size(); ++i) {
        const answer got = parse(bodies[i] + readers[i].receive_all());
        whole += got.status == 200 && load::fault_in_page(got.body, {large[i], "drain"}).empty();
    }
    all.that("the four pages arrive whole", whole == readers.size(),
             std::to_string(whole) + " of " + std::to_string(readers.size()));
    export_reader.join();
    all.that("the export arrives whole", export_fault.empty(), export_fault);
    load.join();
    all.that("none of " + std::to_string(load.asked()) + " requests sent before was dropped: " +
                 std::to_string(load.served()) + " served, " + std::to_string(load.shed()) + " told to come back",
             load.served() > 0 && load.dropped() == 0, std::to_string(load.dropped()) + " dropped");
    all.that("and each of those was told when", load.without_retry_after() == 0);
}

int run(std::string_view what, int port, pid_t pid, const char* path) {
    checks all;
    if (what == "input") check_input(port, all);
    if (what == "metrics") check_metrics(port, path, all);
    if (what == "drain") check_drain(port, pid, all);
    return all.all_held() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    int port = 0, pid = 0;
    const char* path = nullptr;
    for (int i = 2; i + 1 < argc; i += 2) {
        if (std::string_view(argv[i]) == "--port") port = std::atoi(argv[i + 1]);
        if (std::string_view(argv[i]) == "--pid") pid = std::atoi(argv[i + 1]);
        if (std::string_view(argv[i]) == "--save") path = argv[i + 1];
    }
    if ((what != "input" && what != "metrics" && what != "drain") || port <= 0 || (what == "drain" && pid <= 1)) {
        std::fputs("usage: service_check input|metrics|drain --port N [--pid N] [--save FILE]\n", stderr);
        return 2;
    }
    try {
        return run(what, port, pid, path);
    } catch (const std::exception& error) {
        std::printf("  %-74s FAILED: %s\n", "the service answers", error.what());
        return 1;
    }
}
