// SPDX-License-Identifier: MIT
#pragma once
// The product pages as many services begin: correct, fast, and never giving memory back. Standard library only.
//
// Four habits tie what a request made to what lives as long as the process. Nothing here is lost in the sense of a leak
// checker: every byte stays reachable, which is why no tool complains.
//   1. a map keyed by URL that never evicts, and that keeps the live tree rather than the page;
//   2. a singleton that accumulates;
//   3. a log array that keeps every record;
//   4. a listener per request that nobody detaches, holding all that its request held.
#include "catalogue.hpp"
#include "pages.hpp"

#include <atomic>
#include <chrono>
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

struct price_change {
    std::uint32_t id;
    std::uint64_t cents;
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

class leaky_pages {
public:
    static constexpr const char* name = "leaky";

    page_answer answer(const page_request& request) {
        const auto begin = std::chrono::steady_clock::now();
        const std::string url(request.url);
        auto [tree, hit] = find(url, request.id);

        auto price_is_old = std::make_shared<std::atomic<bool>>(false);
        prices_.subscribe([tree = tree, price_is_old, url](const price_change& change) {
            if (change.id == tree->id) *price_is_old = true;
        });

        std::string html = shop::render(*tree, request.query);
        const auto took = std::chrono::steady_clock::now() - begin;
        visit_statistics::instance().visited(url, std::chrono::duration_cast<std::chrono::microseconds>(took));
        const std::lock_guard lock(log_mutex_);
        log_.push_back({std::chrono::system_clock::now(), url, std::string(request.client), html.size()});
        return {.html = std::move(html), .hit = hit};
    }

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
};
