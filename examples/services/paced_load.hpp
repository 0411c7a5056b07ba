// SPDX-License-Identifier: MIT
#pragma once
// More requests than a service can serve, each at its moment in a schedule, whatever became of those before it: one
// thread, keep-alive connections, epoll. Cheap, so that the service and not the client is what is loaded.
#include "page_check.hpp"
#include "raw_client.hpp"
#include "request_plan.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace load {

/// The head of an answer over HTTP/1.1, where its lines are looked for.
struct answer_head {
    int status = 0;
    std::size_t size = 0;  // of the head, its empty line included
    std::size_t content_length = 0;
    bool retry_after = false;  // there is one, of 1 to 60 whole seconds

    /// Returns: whether the head is complete.
    bool parse(std::string_view bytes) {
        const std::size_t end = bytes.find("\r\n\r\n");
        if (end == bytes.npos || !bytes.starts_with("HTTP/1.1 ")) return false;
        size = end + 4;
        status = static_cast<int>(number_in(bytes.substr(9, 3)));
        content_length = number_in(value_of(bytes.substr(0, size), "\r\nContent-Length: "));
        const std::uint64_t seconds = number_in(value_of(bytes.substr(0, size), "\r\nRetry-After: "));
        retry_after = seconds >= 1 && seconds <= 60;
        return true;
    }

private:
    static std::string_view value_of(std::string_view head, std::string_view name) {
        const std::size_t at = head.find(name);
        if (at == head.npos) return {};
        head.remove_prefix(at + name.size());
        return head.substr(0, head.find("\r\n"));
    }
    static std::uint64_t number_in(std::string_view text) {
        std::uint64_t value = 0;
        const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        return error == std::errc{} && stop == text.data() + text.size() ? value : 0;
    }
};

/// What became of an overload.
struct overload_outcome {
    std::size_t asked = 0;
    double seconds = 0;  // from the first request to the last
    std::size_t served = 0;
    std::size_t shed = 0;
    std::size_t without_retry_after = 0;   // 503 that do not say when to come back
    std::vector<std::uint32_t> served_us;  // from when a page was due to its last byte
    std::vector<std::string> faults;       // anything else
};

class paced_load {
public:
    paced_load(int port, std::size_t connections) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (epoll_ < 0) throw std::runtime_error("no epoll");
        connections_.reserve(connections);
        for (std::size_t i = 0; i < connections; ++i) {
            connections_.emplace_back(port);
            epoll_event wanted{.events = EPOLLIN, .data = {.u64 = i}};
            if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].socket.descriptor(), &wanted) != 0)
                throw std::runtime_error("no epoll for a connection");
            idle_.push_back(i);
        }
    }
    paced_load(const paced_load&) = delete;
    ~paced_load() { ::close(epoll_); }

    /// Sends `requests` pages that are made while the warehouse is asked, `rate` a second. A request for which no
    /// connection is free waits for one, and its time runs.
    overload_outcome run(std::size_t requests, std::size_t rate) {
        overload_outcome seen;
        seen.served_us.reserve(requests);
        const auto begin = clock::now();
        const std::chrono::nanoseconds apart =
            std::chrono::nanoseconds(std::chrono::seconds(1)) / static_cast<long>(rate);
        const auto due = [&](std::size_t i) { return begin + static_cast<long>(i) * apart; };
        while (answered_ < requests) {
            const auto now = clock::now();
            while (seen.asked < requests && due(seen.asked) <= now) {
                waiting_.push_back({request(seen.asked), due(seen.asked)});
                if (++seen.asked == requests) seen.seconds = std::chrono::duration<double>(now - begin).count();
            }
            while (!waiting_.empty() && !idle_.empty()) ask_next();
            receive_until(seen.asked < requests ? due(seen.asked) : now + std::chrono::milliseconds(100), seen);
            if (clock::now() - begin > std::chrono::seconds(30)) {
                seen.faults.push_back(std::to_string(requests - answered_) + " requests are not answered after 30 s");
                break;
            }
        }
        return seen;
    }

private:
    using clock = std::chrono::steady_clock;

    struct pending {
        planned_request what;
        clock::time_point due;
    };
    struct connection {
        explicit connection(int port) : socket(port) {}
        raw_client socket;
        pending asked{};
        std::string bytes{};  // of the answer so far
    };

    static planned_request request(std::size_t i) { return {static_cast<std::uint32_t>(i * 7 % 199), "live=1"}; }

    void ask_next() {
        connection& with = connections_[idle_.back()];
        idle_.pop_back();
        with.asked = std::move(waiting_.front());
        waiting_.pop_front();
        with.bytes.clear();
        with.socket.send("GET " + with.asked.what.target() + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    void receive_until(clock::time_point until, overload_outcome& seen) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
        epoll_event ready[64];
        const int n =
            ::epoll_wait(epoll_, ready, 64, static_cast<int>(std::clamp<long>(static_cast<long>(left), 0, 100)));
        for (int i = 0; i < n; ++i) receive(ready[i].data.u64, seen);
    }
    void receive(std::size_t index, overload_outcome& seen) {
        connection& from = connections_[index];
        const std::size_t before = from.bytes.size();
        from.socket.receive_into(from.bytes, 64 * 1024);
        if (from.bytes.size() == before) {
            ::epoll_ctl(epoll_, EPOLL_CTL_DEL, from.socket.descriptor(), nullptr);
            if (std::erase(idle_, index) != 0) return;
            ++answered_;
            seen.faults.push_back(from.asked.what.target() + ": the connection ended");
            return;
        }
        answer_head head;
        if (!head.parse(from.bytes) || from.bytes.size() < head.size + head.content_length) return;
        ++answered_;
        idle_.push_back(index);
        judge(head, std::string_view(from.bytes).substr(head.size), from.asked, seen);
    }
    static void judge(const answer_head& head, std::string_view body, const pending& asked, overload_outcome& seen) {
        if (head.status == 503) {
            ++seen.shed;
            seen.without_retry_after += head.retry_after ? 0 : 1;
            return;
        }
        const std::string fault =
            head.status == 200 ? fault_in_page(body, asked.what) : "status " + std::to_string(head.status);
        if (!fault.empty()) return seen.faults.push_back(asked.what.target() + ": " + fault);
        ++seen.served;
        seen.served_us.push_back(static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - asked.due).count()));
    }

    int epoll_;
    std::vector<connection> connections_;
    std::vector<std::size_t> idle_;
    std::deque<pending> waiting_;  // due, and no connection is free
    std::size_t answered_ = 0;
};

}  // namespace load
