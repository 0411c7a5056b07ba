// SPDX-License-Identifier: MIT
// A page service on cpp-httplib, twice: with plateau, and (`--leaky`) as it often begins. Run on cpp-httplib 0.11.4
// (Debian 12) and on upstream 0.53.1.
//
//   GET /product/{id}?...   one product's page, 10 KB to 300 KB of HTML; 400 for a malformed id, 404 for an unknown one
//   GET /export             the shop as 105 MB of text, made and checksummed on the way
//   GET /metrics            Prometheus text
//   GET /healthz            200 while the process answers
//   GET /healthz/memory     JSON: resident bytes, the declared ceiling, requests in flight, what the gates did
//   GET /readyz             200; 503 once draining has begun, so that a balancer sends no more
//
// A page that is not kept is made behind a gate, in the request's own arena; 503 with Retry-After when there are too
// many. `?live=` asks for one that is always made, and waits 20 ms for the warehouse meanwhile. Exports have a gate of
// their own, and a client that takes less than 256 KiB a second, or nothing for 5 s, is left.
//
// SIGTERM or SIGINT drains: /readyz turns 503, what is in flight is finished, the exit code is 0. What is still in
// flight after the drain limit is reported, and the exit code is 1.
#include "connection_pool.hpp"
#include "in_flight.hpp"
#include "leaky_pages.hpp"
#include "malloc_settings.hpp"
#include "plateau_pages.hpp"
#include "resident_memory.hpp"

#include <httplib.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace plateau::literals;

namespace {

struct service_options {
    bool leaky = false;
    int port = 0;  // 0: any free one
    pages_options pages;
    std::chrono::milliseconds drain_grace = 500ms;  // how long a balancer may take to see /readyz
    std::chrono::milliseconds drain_limit = 10s;
};

std::atomic<bool> draining{false};
in_flight requests;

std::string_view query_of(const httplib::Request& request) {
    const std::string_view target = request.target;
    const std::size_t mark = target.find('?');
    return mark == target.npos ? std::string_view() : target.substr(mark + 1);
}

void refuse(httplib::Response& response, int status, const char* sentence) {
    response.status = status;
    response.set_content(sentence, "text/plain");
}
void refuse(httplib::Response& response, const refusal& why) {
    if (!why.retry_after.empty()) response.set_header("Retry-After", why.retry_after);
    refuse(response, why.status, draining ? "draining\n" : "too many requests at once\n");
}

template <class Pages>
void answer(Pages& pages, const httplib::Request& request, httplib::Response& response) {
    const shop::parsed_id parsed = shop::parse_id(request.matches[1].str());
    if (parsed.error == shop::id_error::malformed) return refuse(response, 400, "a product id is a decimal number\n");
    if (parsed.error == shop::id_error::no_such_product) return refuse(response, 404, "no such product\n");
    auto ticket = requests.enter();
    if (!ticket) return refuse(response, pages.closed());
    const std::string client = request.get_header_value("User-Agent");
    page_answer page =
        pages.answer({.id = parsed.id, .url = request.target, .query = query_of(request), .client = client});
    if (page.refused) return refuse(response, page.refused);
    response.set_header("X-Cache", page.hit ? "hit" : "miss");
    // The page and the ticket live as long as the response, that is until the last byte is written or the client is
    // gone.
    auto html = std::make_shared<const std::string>(std::move(page.html));
    response.set_content_provider(html->size(), "text/html; charset=utf-8",
                                  [html, ticket](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
                                      return sink.write(html->data() + offset, length);
                                  });
}

template <class Pages>
void answer_export(Pages& pages, const httplib::Request& request, httplib::Response& response) {
    if (!request.ranges.empty()) return refuse(response, 416, "an export is sent whole\n");
    auto ticket = requests.enter();
    if (!ticket) return refuse(response, pages.closed());
    auto [begun, refused] = pages.begin_export();
    if (refused) return refuse(response, refused);
    using running = typename decltype(begun)::element_type;
    auto run = std::make_shared<std::unique_ptr<running>>(std::move(begun));
    response.set_content_provider(
        shop::export_bytes, "text/plain; charset=us-ascii",
        // Called once: it sends all of it, or gives up. The request ends then, whatever still refers to the response.
        [run, ticket](std::size_t, std::size_t, httplib::DataSink& sink) {
            if (!*run) return false;
            const bool sent = (*run)->send([&sink](const char* bytes, std::size_t n) { return sink.write(bytes, n); });
            run->reset();
            return sent;
        });
}

template <class Pages>
std::string memory_json(const Pages& pages) {
    const std::uint64_t ceiling = pages.declared_ceiling();
    std::string json = "{\"service\":\"";
    json.append(Pages::name)
        .append("\",\"rss_bytes\":")
        .append(std::to_string(resident_memory(::getpid()).rss_bytes()));
    json.append(",\"declared_ceiling_bytes\":").append(ceiling == 0 ? "null" : std::to_string(ceiling));
    json.append(",\"in_flight\":").append(std::to_string(requests.count()));
    json.append(",\"requests\":").append(std::to_string(requests.started()));
    const service_figures now = pages.figures();
    const auto figure = [&json](const char* title, std::uint64_t value) {
        json.append(",\"").append(title).append("\":").append(std::to_string(value));
    };
    figure("listeners", now.listeners);
    figure("pages_in_flight", now.in_flight);
    figure("pages_peak", now.peak_in_flight);
    figure("pages_limit", now.limit);
    figure("pages_shed", now.shed);
    figure("exports_in_flight", now.exports);
    figure("exports_peak", now.peak_exports);
    figure("exports_limit", now.export_limit);
    figure("exports_shed", now.exports_shed);
    figure("exports_too_slow", now.exports_too_slow);
    figure("exports_cancelled", now.exports_cancelled);
    figure("parked_scopes", now.parked_scopes);
    json.append("}\n");
    return json;
}

std::string service_metrics() {
    std::string text =
        "# HELP page_service_requests_total Pages asked for.\n# TYPE page_service_requests_total counter\n";
    text.append("page_service_requests_total ").append(std::to_string(requests.started()));
    text.append("\n# HELP page_service_in_flight Pages being answered.\n# TYPE page_service_in_flight gauge\n");
    text.append("page_service_in_flight ").append(std::to_string(requests.count())).append("\n");
    return text;
}

template <class Pages>
void route(httplib::Server& server, Pages& pages) {
    server.Get("/product/(.*)", [&pages](const httplib::Request& request, httplib::Response& response) {
        answer(pages, request, response);
    });
    server.Get("/export", [&pages](const httplib::Request& request, httplib::Response& response) {
        answer_export(pages, request, response);
    });
    server.Get("/metrics", [&pages](const httplib::Request&, httplib::Response& response) {
        response.set_content(service_metrics() + pages.metrics(), "text/plain; version=0.0.4");
    });
    server.Get("/healthz/memory", [&pages](const httplib::Request&, httplib::Response& response) {
        response.set_content(memory_json(pages), "application/json");
    });
    server.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
        response.set_content("ok\n", "text/plain");
    });
    server.Get("/readyz", [](const httplib::Request&, httplib::Response& response) {
        if (draining) return refuse(response, {.status = 503, .retry_after = "1"});
        response.set_content("ready\n", "text/plain");
    });
    server.set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
        if (draining) response.set_header("Connection", "close");
    });
    server.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
        refuse(response, 500, "internal error\n");  // out of memory at the cap, for one; the service goes on
    });
}

/// `listening` gets the socket that is listened on. Expects: it outlives the server.
void configure(httplib::Server& server, const service_options& options, int& listening) {
    server.new_task_queue = [&options] { return new connection_pool(options.pages.threads, options.pages.threads); };
    server.set_keep_alive_max_count(
        1'000'000);                    // 5 by default: then every fifth request would pay for a new connection
    server.set_keep_alive_timeout(2);  // an idle connection occupies a thread, and a drain waits for it
    server.set_read_timeout(5s);
    // Not the stock 5 s: a write that fails so soon would be the server's verdict on a reader, not the export's own.
    server.set_write_timeout(export_write_timeout + 1s);
    server.set_payload_max_length(64_KiB);
    server.set_tcp_nodelay(true);  // head and body are two writes
    server.set_socket_options([&listening](auto socket) {
        // Not the stock options: with SO_REUSEPORT a second service would bind the same port without a word and take
        // half of the connections. And a bound for what the kernel holds for a client that does not read.
        const int on = 1, send_buffer = 64 * 1024;
        ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
        listening = static_cast<int>(socket);
    });
}

/// Waits for a signal to end, doing the periodic work meanwhile.
template <class Pages>
void tick_until_signalled(const sigset_t& signals, Pages& pages) {
    const timespec second{.tv_sec = 1, .tv_nsec = 0};
    while (::sigtimedwait(&signals, nullptr, &second) < 0) pages.tick(requests.started());
}

/// Three steps: first a balancer learns that no more should be sent, while everybody is still served; then the door
/// closes and what is in flight is finished; then the server stops. In this order, because a server that stops cuts
/// what is being written. Returns: the exit code. The listening thread ends when the last accepted connection has
/// ended.
template <class Pages>
int drain(httplib::Server& server, Pages& pages, std::thread& listening, const std::atomic<bool>& ended,
          const service_options& options) {
    using clock = std::chrono::steady_clock;
    const auto limit = clock::now() + options.drain_limit;
    std::printf("draining, %llu in flight\n", static_cast<unsigned long long>(requests.count()));
    std::fflush(stdout);
    draining = true;
    std::this_thread::sleep_for(options.drain_grace);
    pages.close();
    requests.close();
    while (requests.count() != 0 && clock::now() < limit) std::this_thread::sleep_for(5ms);
    const unsigned long long left = requests.count();
    while (!ended && clock::now() < limit) {
        server.stop();  // has no effect before the server listens, hence more than once
        std::this_thread::sleep_for(5ms);
    }
    std::printf("drained, %llu left in flight\n", left);
    std::fflush(stdout);
    if (!ended) std::_Exit(1);
    listening.join();
    return left == 0 ? 0 : 1;
}

template <class Pages>
int serve(Pages& pages, const service_options& options) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread is made: all inherit it

    int socket = -1;
    httplib::Server server;
    configure(server, options, socket);
    route(server, pages);
    const char* const host = "127.0.0.1";
    const int port = options.port == 0                         ? server.bind_to_any_port(host)
                     : server.bind_to_port(host, options.port) ? options.port
                                                               : -1;
    if (port < 0) {
        std::fprintf(stderr, "page_service: cannot bind %s:%d: %s\n", host, options.port, std::strerror(errno));
        return 2;
    }
    ::listen(socket, 256);  // cpp-httplib asks for 5: more clients than that at once would wait a second to connect
    pages.write_plan();
    std::printf("listening on http://%s:%d\n", host, port);
    std::fflush(stdout);

    std::atomic<bool> ended{false};
    std::thread listening([&] {
        server.listen_after_bind();
        ended = true;
    });
    tick_until_signalled(signals, pages);
    return drain(server, pages, listening, ended, options);
}

[[noreturn]] void usage(const char* problem) {
    std::fprintf(
        stderr,
        "page_service: %s\nusage: page_service [--leaky] [--port N] [--threads N] [--limit N] [--cache-mib N]\n",
        problem);
    std::exit(2);
}

unsigned long number(const char* text, unsigned long least, unsigned long most) {
    unsigned long value = 0;
    const char* const end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    if (error != std::errc{} || stop != end || value < least || value > most)
        usage((std::string(text) + " is not a number from " + std::to_string(least) + " to " + std::to_string(most))
                  .c_str());
    return value;
}

service_options parse(int argc, char** argv) {
    service_options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        const auto value = [&] { return i + 1 < argc ? argv[++i] : (usage("an option lacks its value"), nullptr); };
        if (name == "--leaky") options.leaky = true;
        else if (name == "--port") options.port = static_cast<int>(number(value(), 0, 65'535));
        else if (name == "--threads") options.pages.threads = number(value(), 1, 1'024);
        else if (name == "--limit") options.pages.max_in_flight = static_cast<std::uint32_t>(number(value(), 1, 1'000));
        else if (name == "--cache-mib") options.pages.cache_bytes = number(value(), 8, 1 << 20) * 1_MiB;
        else usage((std::string("unknown option ") + argv[i]).c_str());
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    settle_malloc();
    const service_options options = parse(argc, argv);
    if (options.leaky) {
        leaky_pages pages;
        return serve(pages, options);
    }
    plateau_pages pages(options.pages);
    if (!pages.fits() && std::getenv("PLATEAU_DEMO_BREAK") == nullptr) {
        pages.write_plan();
        std::fputs(
            "page_service: what is planned does not fit; take fewer --threads, a smaller --limit or --cache-mib\n",
            stderr);
        return 2;
    }
    return serve(pages, options);
}
