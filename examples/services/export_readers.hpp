// SPDX-License-Identifier: MIT
#pragma once
// Those who ask for an export: one who reads it, some who hardly do, and some who hang up in the middle.
#include "export_document.hpp"
#include "paced_load.hpp"
#include "raw_client.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace load {

/// Reads an export to its end; `between` is called after each piece. Returns: what is wrong with it, or nothing.
template <class F>
std::string fault_in_export(raw_client& client, F between) {
    std::string begun;
    answer_head head;
    while (!head.parse(begun)) {
        const std::size_t before = begun.size();
        client.receive_into(begun, 64 * 1024);
        if (begun.size() == before) return "no answer";
    }
    if (head.status != 200) return "status " + std::to_string(head.status);
    if (head.content_length != shop::export_bytes) return "content length " + std::to_string(head.content_length);
    shop::export_check check;
    check.receive(std::string_view(begun).substr(head.size));
    while (check.received() < shop::export_bytes) {
        begun.clear();
        client.receive_into(begun, 256 * 1024);
        if (begun.empty()) break;
        check.receive(begun);
        between();
    }
    return check.fault();
}
inline std::string fault_in_export(raw_client& client) {
    return fault_in_export(client, [] {});
}

struct slow_outcome {
    std::size_t readers = 0;
    std::size_t shed = 0;  // there were too many
    std::size_t without_retry_after = 0;
    std::size_t cut = 0;   // the service left them
    std::size_t kept = 0;  // until they hung up themselves
};

/// Clients that take 40 KB a second of an export, until they are told to hang up.
class slow_readers {
public:
    slow_readers(int port, std::size_t count) {
        seen_.readers = count;
        for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this, port] { read_slowly(port); });
    }
    slow_readers(const slow_readers&) = delete;
    ~slow_readers() { join(); }

    std::chrono::steady_clock::time_point since() const noexcept { return since_; }

    /// Effects: has those that are still there hang up.
    slow_outcome finish() {
        join();
        seen_.shed = shed_;
        seen_.without_retry_after = without_retry_after_;
        seen_.cut = cut_;
        seen_.kept = kept_;
        return seen_;
    }

private:
    void read_slowly(int port) {
        try {
            raw_client client(port, 4'096);
            client.get("/export");
            std::string bytes;
            answer_head head;
            while (receive_more(client, bytes, 8 * 1024) && !head.parse(bytes)) {}
            if (head.status == 503) {
                ++shed_;
                without_retry_after_ += head.retry_after ? 0 : 1;
                return;
            }
            while (!told_to_end_) {
                bytes.clear();
                if (!receive_more(client, bytes, 8 * 1024)) break;
                std::this_thread::sleep_for(std::chrono::milliseconds(200));
            }
            // A service that left has closed the connection behind what the kernels still held.
            bytes.clear();
            while (bytes.size() < 2 * 1024 * 1024 && receive_more(client, bytes, 64 * 1024)) {}
            ++(bytes.size() < 2 * 1024 * 1024 ? cut_ : kept_);
            client.hang_up();
        } catch (const std::exception&) {
            ++cut_;
        }
    }
    static bool receive_more(raw_client& from, std::string& bytes, std::size_t most) {
        const std::size_t before = bytes.size();
        from.receive_into(bytes, most);
        return bytes.size() != before;
    }
    void join() {
        told_to_end_ = true;
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

    const std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
    std::atomic<std::size_t> shed_{0}, without_retry_after_{0}, cut_{0}, kept_{0};
    std::atomic<bool> told_to_end_{false};
    slow_outcome seen_;
    std::vector<std::thread> threads_;
};

/// Clients that are gone in the middle: of an export that they have begun to read, or before their page is made.
inline std::size_t hang_up_in_the_middle(int port, std::size_t exports, std::size_t pages) {
    std::vector<raw_client> clients;
    for (std::size_t i = 0; i < exports; ++i) {
        clients.emplace_back(port);
        clients.back().get("/export");
    }
    for (std::size_t i = 0; i < exports; ++i)
        for (std::string bytes; bytes.size() < 256 * 1024;) {
            const std::size_t before = bytes.size();
            clients[i].receive_into(bytes, 64 * 1024);
            if (bytes.size() == before) break;
        }
    for (std::size_t i = 0; i < pages; ++i) {
        clients.emplace_back(port);
        clients.back().get("/product/" + std::to_string(i) + "?live=1");
    }
    for (raw_client& client : clients) client.hang_up();
    return clients.size();
}

}  // namespace load
