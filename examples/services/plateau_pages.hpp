// SPDX-License-Identifier: MIT
#pragma once
// The same product pages on plateau: whatever outlives a request stands in a bounded cache, and whatever a request
// holds ends with it and was admitted before. The ceiling of all that is declared.
#include "catalogue.hpp"
#include "demo_break.hpp"
#include "export_document.hpp"
#include "pages.hpp"

#include <plateau/arena.hpp>
#include <plateau/cache.hpp>
#include <plateau/channel.hpp>
#include <plateau/gate.hpp>
#include <plateau/literals.hpp>
#include <plateau/support/subscription.hpp>
#include <plateau/watch.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace plateau::literals;

struct pages_options {
    std::size_t cache_bytes = 64_MiB;
    std::size_t threads = 64;           // of the HTTP server, each with one connection
    std::size_t stack_bytes = 256_KiB;  // that each keeps
    std::uint32_t max_in_flight = 8;
    std::uint32_t max_exports = 2;
};

/// Pages leave the cache as copies. Without pins, no second budget for what is pinned stands in the ceiling.
struct page_policies : plateau::concurrent_cache_policies {
    using pins = plateau::none;
};

/// A listener for each request in flight is what is meant here.
struct price_policies : plateau::event_policies {
    static constexpr std::size_t warn_above = 1'000;
};
using price_event = plateau::basic_event<price_policies, const price_change&>;

/// How long the client of an export may take nothing. The server waits longer in one write, so that this decides.
inline constexpr std::chrono::seconds export_write_timeout(5);

/// An export is held to its rate from half a second on.
struct export_policies : plateau::stream_policies {
    static constexpr plateau::duration rate_window = std::chrono::milliseconds(500);
};

class plateau_pages {
public:
    static constexpr const char* name = "plateau";

    explicit plateau_pages(const pages_options& options)
        : pages_(cache_options(options)),
          door_(gate_options(options.max_in_flight, page_bytes)),
          export_door_(
              {.max_in_flight = options.max_exports, .max_bytes = options.max_exports * export_bytes, .max_queue = 0}),
          arenas_({.max_bytes = demo_break("arena")
                                    ? 64_GiB
                                    : options.max_in_flight * page_bytes + options.max_exports * export_bytes}),
          prices_({.max_listeners = 256}) {
        plan_.add("pages kept", pages_);
        plan_.add("door", door_);
        plan_.add_admitted("pages in the making", door_, arenas_, page_bytes);
        plan_.add("door of the exports", export_door_);
        plan_.add_admitted("exports", export_door_, arenas_);
        plan_.add("price listeners", prices_);
        plan_.add("export workers", workers_);
        // A page that was made, or found, is a copy of its own until its client has it.
        plan_.add_bytes("pages on their way", options.threads * shop::max_page_bytes);
        plan_.add_bytes("thread stacks", (options.threads + export_threads) * options.stack_bytes);
        plan_.add_bytes("HTTP connections", options.threads * http_bytes);
    }

    page_answer answer(const page_request& request) {
        if (!request.live())
            if (auto hit = pages_.get(request.url)) return {.html = std::move(*hit), .hit = true};
        auto slot = door_.admit({.bytes = page_bytes});
        if (!slot) return {.html = {}, .refused = refused(slot)};
        plateau::request_scope scope(arenas_, {.max_bytes = page_bytes});
        auto& price_is_old = scope.arena().create<std::atomic<bool>>(false);
        const bool listens = prices_.subscribe(scope, [&price_is_old, id = request.id](const price_change& change) {
            if (change.id == id) price_is_old = true;
        }) == plateau::subscribe_reason::none;
        const auto tree = shop::find_product(request.id, plateau::arena_allocator<char>(scope));
        if (request.live()) ask_the_warehouse();
        std::string html = plateau::detach(shop::render(tree, request.query));  // the only way out is a copy
        if (!request.live() && listens && !price_is_old)
            pages_.put(std::string(request.url), html, {.time_to_live = lifetime()});
        if (demo_break("arena")) keep(scope);
        return {.html = std::move(html)};
    }

    /// One export, from its admission to its end: the permit, the request's memory and its listener have one end.
    class export_request {
    public:
        export_request(plateau_pages& owner, plateau::permit permit)
            : owner_(owner), permit_(std::move(permit)), scope_(owner.arenas_, {.max_bytes = 64_KiB}) {
            scope_.on_cancel([this]() noexcept { owner_.exports_cancelled_.fetch_add(1); });
            auto& changes = scope_.arena().create<std::atomic<unsigned>>(0u);
            listens_ = owner.prices_.subscribe(scope_, [&changes](const price_change&) { ++changes; }) ==
                       plateau::subscribe_reason::none;
        }

        /// Returns: whether the client got all of it.
        bool send(const export_writer& write) {
            shop::export_source document;
            const auto read = [&](std::span<std::byte> room) {
                return document.read({reinterpret_cast<char*>(room.data()), room.size()});
            };
            const auto sink = [&](std::span<const std::byte> bytes) -> std::ptrdiff_t {
                const std::size_t size = std::min(bytes.size(), piece_bytes);  // short, so that the rate is looked at
                const auto asked = std::chrono::steady_clock::now();
                if (write(reinterpret_cast<const char*>(bytes.data()), size)) return static_cast<std::ptrdiff_t>(size);
                // The server does not say why. After so long it was not a hang-up: the stream finds the client too
                // slow.
                if (std::chrono::steady_clock::now() - asked >= export_write_timeout) return 0;
                scope_.cancel();  // the first failed write: whatever works for this client stops
                return -1;
            };
            const auto sent =
                plateau::stream_bytes<export_policies>(read, sink, bounds(), scope_.get_stop_token(), owner_.workers_);
            if (sent.reason() == plateau::stream_reason::timed_out) owner_.exports_too_slow_.fetch_add(1);
            return static_cast<bool>(sent);
        }

    private:
        static constexpr std::size_t piece_bytes = 16_KiB;
        static plateau::stream_options bounds() {
            return {.high_water_bytes = demo_break("pipeline") ? shop::export_bytes : 256_KiB,
                    .chunk_bytes = 64_KiB,
                    .write_timeout = export_write_timeout,
                    .min_bytes_per_second = 256_KiB};
        }

        plateau_pages& owner_;
        plateau::permit permit_;
        plateau::request_scope scope_;  // ends before the permit goes
        bool listens_ = false;
    };

    /// Returns: the export, or what is to be answered.
    std::pair<std::unique_ptr<export_request>, refusal> begin_export() {
        auto slot = export_door_.admit({.bytes = export_bytes});
        if (!slot) return {nullptr, refused(slot)};
        return {std::make_unique<export_request>(*this, slot.take()), refusal()};
    }

    /// From here on nobody is let in, and everybody is told when to come back.
    void close() noexcept {
        static_cast<void>(door_.drain_for(plateau::duration::zero()));
        static_cast<void>(export_door_.drain_for(plateau::duration::zero()));
    }
    /// What a request is told that came after that.
    refusal closed() noexcept { return refused(door_.try_admit()); }

    /// Once a second, from one thread: samples memory, and gives back what expired without anybody asking for it.
    void tick(std::uint64_t requests) {
        sampler_.tick(requests);
        pages_.purge_expired();
        arenas_.maintain(plateau::steady_clock{}.now());
        prices_.emit({.id = static_cast<std::uint32_t>(requests % 1'000), .cents = 1'999});
    }

    std::string metrics() const {
        std::string text;
        plateau::write_prometheus(text, plateau::named("pages", pages_), plateau::named("door", door_),
                                  plateau::named("exports", export_door_), plateau::named("arenas", arenas_),
                                  plateau::named("prices", prices_), plateau::named("workers", workers_),
                                  plateau::named("process", sampler_), plateau::named("plan", plan_));
        return text;
    }
    service_figures figures() const {
        const auto pages = door_.stats();
        const auto exports = export_door_.stats();
        return {.listeners = prices_.stats().listeners,
                .in_flight = pages.in_flight,
                .peak_in_flight = pages.peak_in_flight,
                .limit = pages.limit,
                .shed = pages.shed - pages.shed_draining,
                .exports = exports.in_flight,
                .peak_exports = exports.peak_in_flight,
                .export_limit = exports.limit,
                .exports_shed = exports.shed - exports.shed_draining,
                .exports_too_slow = exports_too_slow_.load(),
                .exports_cancelled = exports_cancelled_.load(),
                .parked_scopes = arenas_.stats().parked_scopes};
    }

    std::uint64_t declared_ceiling() const noexcept { return plan_.total_bytes(); }
    void write_plan() const { plan_.write(stdout); }
    bool fits() const noexcept { return plan_.fits(); }

private:
    /// What a page in the making may hold: its tree and its HTML, in the arena.
    static constexpr std::size_t page_bytes = 2_MiB;
    /// What an export holds: its scope in a block of the arenas, and the buffer of its stream.
    static constexpr std::size_t export_bytes = 512_KiB;
    static constexpr unsigned export_threads = 2;
    static constexpr std::size_t http_bytes = 64_KiB;  // head, query and parsed request of one connection

    /// The mistake that the demo exists to find: a bound that no run can reach.
    static plateau::cache_options cache_options(const pages_options& options) {
        if (demo_break("cache")) return {.max_bytes = 64_GiB};
        return {
            .max_entries =
                options.cache_bytes / shop::min_page_bytes,  // no more can fit, and said, it tightens the ceiling
            .max_bytes = options.cache_bytes,
            .max_entry_bytes = 512_KiB,
            .time_to_live = time_to_live,
        };
    }
    static plateau::gate_options gate_options(std::uint32_t max_in_flight, std::size_t bytes_each) {
        if (demo_break("gate")) return {.max_in_flight = 1'000'000};
        return {.max_in_flight = max_in_flight, .max_bytes = max_in_flight * bytes_each};
    }

    template <class Admission>
    static refusal refused(const Admission& slot) {
        return {.status = slot.status(), .retry_after = slot.retry_after_text().c_str()};
    }

    /// Between a third of the cache's time to live and all of it: pages that were stored together do not all expire,
    /// and miss, together.
    plateau::duration lifetime() noexcept {
        const plateau::duration third = time_to_live / 3;
        return third + third * static_cast<int>(shop::dice(stored_.fetch_add(1)).below(2'001)) / 1'000;
    }

    /// For PLATEAU_DEMO_BREAK=arena: some request's memory that nobody gives back.
    void keep(plateau::request_scope& scope) {
        const std::lock_guard lock(kept_mutex_);
        if (++ended_ % 16 == 0) kept_.push_back(scope.keep_alive());
    }

    static constexpr plateau::duration time_to_live = std::chrono::minutes(5);

    std::atomic<std::uint64_t> stored_{0};
    std::atomic<std::uint64_t> exports_too_slow_{0};
    std::atomic<std::uint64_t> exports_cancelled_{0};
    plateau::concurrent_lru_cache<std::string, std::string, page_policies> pages_;
    plateau::gate door_;
    plateau::gate export_door_;
    plateau::arena_pool arenas_;
    price_event prices_;
    plateau::worker_pool workers_{{.threads = export_threads}};
    plateau::memory_sampler sampler_{{.period = std::chrono::seconds(1)}};
    plateau::memory_plan plan_;
    std::mutex kept_mutex_;
    std::uint64_t ended_ = 0;
    std::vector<plateau::scope_token> kept_;
};
