// SPDX-License-Identifier: MIT
#pragma once
// What both page services are asked, and what they answer.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

struct page_request {
    std::uint32_t id;      // of the product
    std::string_view url;  // path and query, as the client wrote them
    std::string_view query;
    std::string_view client;  // how it calls itself

    /// Asked for with today's stock, which the warehouse tells: slow, and not to be kept.
    bool live() const noexcept { return query.starts_with("live="); }
};

/// Why there is no answer, for HTTP.
struct refusal {
    int status = 0;           // 0: there is one
    std::string retry_after;  // seconds; empty: the client need not come back

    explicit operator bool() const noexcept { return status != 0; }
};

struct page_answer {
    std::string html;
    bool hit = false;  // kept from an earlier request
    refusal refused{};
};

/// The warehouse is elsewhere: its answer takes a while in which nothing is computed.
inline void ask_the_warehouse() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

struct price_change {
    std::uint32_t id;
    std::uint64_t cents;
};

/// Sends bytes to the client of an export. Returns: false once the client is gone, or takes nothing for too long.
using export_writer = std::function<bool(const char*, std::size_t)>;

/// Figures of a service that a client may check, from /healthz/memory.
struct service_figures {
    std::uint64_t listeners = 0;
    std::uint64_t in_flight = 0;  // pages that are being made
    std::uint64_t peak_in_flight = 0;
    std::uint64_t limit = 0;  // 0: none
    std::uint64_t shed = 0;
    std::uint64_t exports = 0;
    std::uint64_t peak_exports = 0;
    std::uint64_t export_limit = 0;
    std::uint64_t exports_shed = 0;
    std::uint64_t exports_too_slow = 0;
    std::uint64_t exports_cancelled = 0;  // by a client that hung up
    std::uint64_t parked_scopes = 0;
};
