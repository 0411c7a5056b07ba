// SPDX-License-Identifier: MIT
#pragma once
// The same product pages on plateau: whatever outlives a request stands in a bounded cache, with a ceiling that is
// declared.
#include "catalogue.hpp"

#include <httplib.h>
#include <plateau/cache.hpp>
#include <plateau/literals.hpp>
#include <plateau/watch.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

/// Pages leave the cache as copies. Without pins, no second budget for what is pinned stands in the ceiling.
struct page_policies : plateau::concurrent_cache_policies {
    using pins = plateau::none;
};

class plateau_pages {
public:
    static constexpr const char* name = "plateau";

    /// `threads` requests at most are alive at once.
    plateau_pages(plateau::cache_options options, std::size_t threads) : pages_(options) {
        // A request holds the tree of its product, the page, and the copy that goes into the cache: each below a third
        // of this.
        plan_.add("pages", pages_);
        plan_.add_bytes("requests in flight", threads * request_bytes);
    }

    void answer(const httplib::Request& request, std::uint32_t id, std::string_view query,
                httplib::Response& response) {
        response.set_header("Content-Type", "text/html; charset=utf-8");
        if (auto hit = pages_.get(request.target)) {
            response.set_header("X-Cache", "hit");
            response.body = std::move(*hit);
            return;
        }
        const shop::product tree = shop::find_product(id);  // ends with the request
        std::string html = shop::render(tree, query);
        pages_.put(request.target, html);
        response.set_header("X-Cache", "miss");
        response.body = std::move(html);
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
    static constexpr std::size_t request_bytes = 3 * 350'000;

    plateau::concurrent_lru_cache<std::string, std::string, page_policies> pages_;
    plateau::memory_sampler sampler_{{.period = std::chrono::seconds(1)}};
    plateau::memory_plan plan_;
};
