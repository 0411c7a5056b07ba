// SPDX-License-Identifier: MIT
#pragma once
// The product pages as many services begin: correct, fast, and never giving memory back. Standard library only.
//
// Four habits tie what a request made to what lives as long as the process. Nothing here is lost in the sense of a leak
// checker: every byte stays reachable, which is why no tool complains.
// Three more make it hold much at once: there is no cap on requests in flight, an export is built whole ahead of its
// client, however slow he reads, and nobody looks at what a write returned.
//   1. a map keyed by URL that never evicts, and that keeps the live tree rather than the page;
//   2. a singleton that accumulates;
//   3. a log array that keeps every record;
//   4. a listener per request that nobody detaches, holding all that its request held.
#include "catalogue.hpp"
#include "export_document.hpp"
#include "pages.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

class visit_statistics {
public:
    static visit_statistics& instance() {
        static visit_statistics only;
        return only;
    }
    void visited(const std::string& url, std::chrono::microseconds took) {
        const std::lock_guard lock(mutex_);
        ++visits_[url];
        latencies_.push_back(took);  // "for the percentiles"
    }
    std::size_t urls() const {
        const std::lock_guard lock(mutex_);
        return visits_.size();
    }

private:
    mutable std::mutex mutex_;
    std::unordered_map<std::string, std::uint64_t> visits_;
    std::vector<std::chrono::microseconds> latencies_;
};

class price_feed {
public:
    void subscribe(std::function<void(const price_change&)> listener) {
        const std::lock_guard lock(mutex_);
        listeners_.push_back(std::move(listener));
    }
    void emit(const price_change& change) const {
        const std::lock_guard lock(mutex_);
        for (const auto& listener : listeners_) listener(change);
    }
    std::size_t listeners() const {
        const std::lock_guard lock(mutex_);
        return listeners_.size();
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::function<void(const price_change&)>> listeners_;
};

struct log_record {
    std::chrono::system_clock::time_point at;
    std::string url;
    std::string client;
    std::size_t bytes;
};

/// How many of something there are, and were at most.
class peak_count {
public:
    class hold {
    public:
        explicit hold(peak_count& of) noexcept : of_(of) {
            const std::uint64_t now = of.now_.fetch_add(1) + 1;
            for (std::uint64_t seen = of.peak_.load(); seen < now && !of.peak_.compare_exchange_weak(seen, now);) {}
        }
        hold(const hold&) = delete;
        hold& operator=(const hold&) = delete;
        ~hold() { of_.now_.fetch_sub(1); }

    private:
        peak_count& of_;
    };
    std::uint64_t now() const noexcept { return now_.load(); }
    std::uint64_t peak() const noexcept { return peak_.load(); }

private:
    std::atomic<std::uint64_t> now_{0};
    std::atomic<std::uint64_t> peak_{0};
};

class leaky_pages {
public:
    static constexpr const char* name = "leaky";

    page_answer answer(const page_request& request) {
        const auto begin = std::chrono::steady_clock::now();
        const peak_count::hold making(pages_in_flight_);
        const std::string url(request.url);
        auto [tree, hit] = find(url, request.id);

        auto price_is_old = std::make_shared<std::atomic<bool>>(false);
        prices_.subscribe([shown = tree, price_is_old, url](const price_change& change) {
            if (change.id == shown->id) *price_is_old = true;
        });

        if (request.live()) ask_the_warehouse();
        std::string html = shop::render(*tree, request.query);
        const auto took = std::chrono::steady_clock::now() - begin;
        visit_statistics::instance().visited(url, std::chrono::duration_cast<std::chrono::microseconds>(took));
        const std::lock_guard lock(log_mutex_);
        log_.push_back({std::chrono::system_clock::now(), url, std::string(request.client), html.size()});
        return {.html = std::move(html), .hit = hit};
    }

    class export_request {
    public:
        explicit export_request(leaky_pages& owner) : alive_(owner.exports_in_flight_) {
            auto price_is_old = std::make_shared<std::atomic<bool>>(false);
            owner.prices_.subscribe([price_is_old](const price_change&) { *price_is_old = true; });
            document_.resize(shop::export_bytes);
            shop::export_source source;
            source.read(document_);
        }
        bool send(const export_writer& write) {
            constexpr std::size_t piece = 64 * 1024;
            for (std::size_t at = 0; at < document_.size(); at += piece)
                write(document_.data() + at, std::min(piece, document_.size() - at));
            return true;
        }

    private:
        peak_count::hold alive_;
        std::string document_;
    };
    std::pair<std::unique_ptr<export_request>, refusal> begin_export() {
        return {std::make_unique<export_request>(*this), refusal()};
    }

    void close() noexcept {}
    refusal closed() const { return {.status = 503, .retry_after = "1"}; }

    /// Once a second, from one thread.
    void tick(std::uint64_t) { prices_.emit({.id = 0, .cents = 1'999}); }

    std::string metrics() const {
        std::string text;
        const auto family = [&text](const char* title, const char* type, const char* help, std::uint64_t value) {
            text.append("# HELP ")
                .append(title)
                .append(" ")
                .append(help)
                .append("\n# TYPE ")
                .append(title)
                .append(" ")
                .append(type);
            text.append("\n").append(title).append(" ").append(std::to_string(value)).append("\n");
        };
        family("leaky_pages_hits_total", "counter", "Pages found in the map.", hits_.load());
        family("leaky_pages_misses_total", "counter", "Pages built.", misses_.load());
        family("leaky_pages_entries", "gauge", "Trees in the map.", entries());
        family("leaky_pages_listeners", "gauge", "Listeners attached to the price feed.", prices_.listeners());
        family("leaky_pages_visited_urls", "gauge", "URLs in the visit statistics.",
               visit_statistics::instance().urls());
        return text;
    }

    service_figures figures() const {
        service_figures now;
        now.listeners = prices_.listeners();
        now.in_flight = pages_in_flight_.now();
        now.peak_in_flight = pages_in_flight_.peak();
        now.exports = exports_in_flight_.now();
        now.peak_exports = exports_in_flight_.peak();
        return now;
    }

    /// Nobody can state one.
    std::uint64_t declared_ceiling() const noexcept { return 0; }
    void write_plan() const {}
    bool fits() const noexcept { return true; }

private:
    std::pair<std::shared_ptr<const shop::product>, bool> find(const std::string& url, std::uint32_t id) {
        {
            const std::lock_guard lock(mutex_);
            if (const auto found = pages_.find(url); found != pages_.end()) {
                ++hits_;
                return {found->second, true};
            }
        }
        ++misses_;
        auto tree = std::make_shared<const shop::product>(shop::find_product(id));
        const std::lock_guard lock(mutex_);
        return {pages_.emplace(url, std::move(tree)).first->second, false};
    }
    std::size_t entries() const {
        const std::lock_guard lock(mutex_);
        return pages_.size();
    }

    mutable std::mutex mutex_;
    std::unordered_map<std::string, std::shared_ptr<const shop::product>> pages_;
    std::mutex log_mutex_;
    std::vector<log_record> log_;
    price_feed prices_;
    std::atomic<std::uint64_t> hits_{0};
    std::atomic<std::uint64_t> misses_{0};
    peak_count pages_in_flight_;
    peak_count exports_in_flight_;
};
