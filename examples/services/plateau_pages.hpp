// SPDX-License-Identifier: MIT
#pragma once
// The same product pages on plateau: whatever outlives a request stands in a bounded cache, with a ceiling that is
// declared.
#include "catalogue.hpp"
#include "pages.hpp"

#include <plateau/cache.hpp>
#include <plateau/literals.hpp>
#include <plateau/watch.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

/// Pages leave the cache as copies. Without pins, no second budget for what is pinned stands in the ceiling.
struct page_policies : plateau::concurrent_cache_policies {
    using pins = plateau::none;
};

class plateau_pages {
public:
    static constexpr const char* name = "plateau";

    /// `threads` requests at most are alive at once.
    plateau_pages(plateau::cache_options options, std::size_t threads)
        : time_to_live_(options.time_to_live), pages_(options) {
        // A request holds the tree of its product, the page, and the copy that goes into the cache: each below a third
        // of this.
        plan_.add("pages", pages_);
        plan_.add_bytes("requests in flight", threads * request_bytes);
    }

    page_answer answer(const page_request& request) {
        if (auto hit = pages_.get(request.url)) return {.html = std::move(*hit), .hit = true};
        const shop::product tree = shop::find_product(request.id);  // ends with the request
        std::string html = shop::render(tree, request.query);
        pages_.put(std::string(request.url), html, {.time_to_live = lifetime()});
        return {.html = std::move(html), .hit = false};
    }

    /// Once a second, from one thread: samples memory, and gives back what expired without anybody asking for it.
    void tick(std::uint64_t requests) {
        sampler_.tick(requests);
        pages_.purge_expired();
    }

    std::string metrics() const {
        std::string text;
        plateau::write_prometheus(text, plateau::named("pages", pages_), plateau::named("process", sampler_),
                                  plateau::named("plan", plan_));
        return text;
    }

    std::uint64_t declared_ceiling() const noexcept { return plan_.total_bytes(); }
    void write_plan() const { plan_.write(stdout); }
    bool fits() const noexcept { return plan_.fits(); }

private:
    /// Between a third of the cache's time to live and all of it: pages that were stored together do not all expire,
    /// and miss, together.
    plateau::duration lifetime() noexcept {
        if (time_to_live_ == plateau::forever) return plateau::forever;
        const plateau::duration third = time_to_live_ / 3;
        return third + third * static_cast<int>(shop::dice(stored_.fetch_add(1)).below(2'001)) / 1'000;
    }

    static constexpr std::size_t request_bytes = 3 * 350'000;

    const plateau::duration time_to_live_;
    std::atomic<std::uint64_t> stored_{0};
    plateau::concurrent_lru_cache<std::string, std::string, page_policies> pages_;
    plateau::memory_sampler sampler_{{.period = std::chrono::seconds(1)}};
    plateau::memory_plan plan_;
};
