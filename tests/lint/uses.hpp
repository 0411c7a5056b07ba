// SPDX-License-Identifier: MIT
// What the lint of the headers instantiates, after all of them were included: the main types of each room with ordinary
// arguments, so that warnings inside templates are seen under every compiler and option.
#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Whole classes: every member, also those that no call below names.
template class plateau::lru_cache<int, int>;
template class plateau::bounded_queue<std::string>;
template class plateau::basic_worker_pool<>;
template class plateau::basic_gate<>;
template class plateau::basic_permit<>;
template class plateau::basic_admission<>;
template class plateau::basic_arena_pool<>;
template class plateau::basic_ledger<>;
template class plateau::basic_memory_sampler<>;
template class plateau::basic_request_scope<>;
template class plateau::basic_scope_token<>;
template class plateau::basic_event<plateau::event_policies, int>;

namespace {

template <class Cache>
int use_cache(Cache& cache) {
    using namespace plateau::literals;
    const std::string key = "key";
    if (!cache.put(key, std::string("value"), {.time_to_live = std::chrono::seconds{1}})) return 1;
    if (!cache.get("key") || !cache.peek(key) || !cache.contains("key")) return 1;
    if (!cache.visit(key, [](const std::string&) noexcept {})) return 1;
    if (cache.erase_if([](const std::string&, const std::string&) { return false; }) != 0) return 1;
    if (cache.set_max_bytes(1_MiB) != 0 || cache.purge_expired() != 0 || !cache.next_deadline()) return 1;
    if (cache.stats().hits == 0 || cache.memory_ceiling() > 8_MiB || !cache.erase("key")) return 1;
    cache.clear();
    cache.check_invariants();
    return 0;
}

int use_keys_and_dumps() {
    plateau::lru_cache<std::string, std::string> before{{.max_entries = 10}};
    plateau::concurrent_lru_cache<std::string, std::string> after{{.max_entries = 10}};
    const plateau::route_key route{"/items", "page=2&utm=x", {"page", "sort"}};
    if (!route || !before.put(*route, "page two")) return 1;
    if (!before.put(plateau::composite_key{"tenant", *route, 7}, "of a tenant")) return 1;
    std::vector<std::byte> file;
    const auto sink = [&](std::span<const std::byte> bytes) {
        file.insert(file.end(), bytes.begin(), bytes.end());
        return true;
    };
    if (!before.dump(sink)) return 1;
    std::size_t given = 0;
    const auto source = [&](std::span<std::byte> room) {
        std::size_t count = 0;
        for (; count < room.size() && given < file.size(); ++count) room[count] = file[given++];
        return count;
    };
    if (!after.warm_up(source)) return 1;
    return after.get(plateau::composite_key{"tenant", *route, 7u}) ? 0 : 1;
}

int use_gate() {
    using namespace plateau::literals;
    plateau::gate door{{.max_in_flight = 2, .max_bytes = 1_MiB}};
    auto slot = door.admit_for({.bytes = 1_KiB}, std::chrono::seconds{1});
    if (!slot || slot.status() != 200 || !slot.retry_after_text().empty()) return 1;
    slot->shrink_to(1);
    plateau::waiter later{[](plateau::admission a) noexcept { static_cast<void>(a.retry_after()); }};
    door.admit_then(later, {.bytes = 1_MiB});
    later.cancel();
    plateau::permit moved = slot.take();
    moved.release();
    if (!door.drain_for(std::chrono::seconds{1}) || door.try_admit()) return 1;
    door.resume();
    door.set_limit(1);
    door.check_invariants();
    return door.stats().in_flight == 0 && door.memory_ceiling() < 64_KiB ? 0 : 1;
}

int use_queue() {
    using namespace plateau::literals;
    plateau::bounded_queue<std::string> lines{{.max_items = 8, .max_bytes = 1_MiB}};
    const std::string line = "line";
    if (!lines.push(line) || !lines.try_push(std::string("next")) || !lines.push_for(line, std::chrono::seconds{1}))
        return 1;
    std::array<std::string, 2> some;
    if (lines.try_pop_some(some.begin(), 1) != 1 || !lines.pop_some(some.begin(), 1) || !lines.pop()) return 1;
    plateau::waiter later{[](plateau::pop_result<std::string>) noexcept {}};
    lines.pop_then(later);
    lines.abort();
    lines.check_invariants();
    return lines.stats().items == 0 && lines.memory_ceiling() < 2_MiB && !lines.try_pop() ? 0 : 1;
}

int use_pipeline() {
    using namespace plateau::literals;
    int left = 3;
    const auto source = [&left]() -> std::optional<std::string> {
        return left-- != 0 ? std::optional(std::string("a b")) : std::nullopt;
    };
    const auto words = [](const std::string& text, plateau::emitter<std::string>& out) {
        if (!out.push(text) && !out.stop_requested()) out.fail({});
    };
    const auto not_empty = [](std::string text) {
        return text.empty() ? std::nullopt : std::optional(std::move(text));
    };
    std::size_t bytes = 0;
    plateau::pipeline job{{.queue = {.max_bytes = 64_KiB}},
                          source,
                          plateau::stage<std::string>(words),
                          plateau::stage(not_empty, {.workers = 2, .ordered = false}),
                          [&bytes](const std::string& text) { bytes += text.size(); }};
    if (!job.run() || job.stats().delivered != 3 || !job.errors().empty()) return 1;
    job.check_invariants();
    return bytes == 9 && job.memory_ceiling() != plateau::unlimited ? 0 : 1;
}

int use_pool_and_stream() {
    using namespace plateau::literals;
    plateau::worker_pool pool{{.threads = 2, .max_tasks = 4}, [](std::exception_ptr) noexcept {}};
    if (!pool.submit([] {}) || !pool.submit_for([] {}, std::chrono::seconds{1})) return 1;
    plateau::waiter later{[](plateau::submit_result) noexcept {}};
    auto task = [] {};
    pool.submit_then(later, task);
    pool.check_invariants();
    std::size_t given = 0;
    const auto source = [&given](std::span<std::byte> into) { return std::exchange(given, 1U) == 0 ? into.size() : 0; };
    const auto sink = [](std::span<const std::byte> from) { return from.size(); };
    const plateau::stream_options bounds{.high_water_bytes = 64_KiB, .write_timeout = std::chrono::seconds{1}};
    const auto sent = plateau::stream_bytes(source, sink, bounds, plateau::never_stop_token{}, pool);
    const auto copied = plateau::stream_bytes(plateau::fd_source(-1), plateau::fd_sink(-1), bounds);
    if (!sent || copied.reason() != plateau::stream_reason::source_failed) return 1;
    return pool.stats().threads == 2 && pool.memory_ceiling() < 1_MiB ? 0 : 1;
}

int use_plateau() {
    using namespace plateau::literals;
    plateau::inplace_stop_source source;
    const plateau::inplace_stop_callback callback{source.get_token(), [] {}};
    source.request_stop();
    if (!source.stop_requested()) return 1;

    plateau::lru_cache<std::string, std::string> alone{{.max_bytes = 1_MiB}};
    plateau::concurrent_lru_cache<std::string, std::string> shared{{.max_bytes = 1_MiB}};
    if (use_cache(alone) != 0 || use_cache(shared) != 0 || use_keys_and_dumps() != 0 || use_gate() != 0) return 1;
    if (use_queue() != 0 || use_pipeline() != 0 || use_pool_and_stream() != 0) return 1;
    if (!shared.put("pinned", "value") || !shared.pin("pinned")) return 1;

    plateau::ledger books{{.max_accounts = 2}};
    plateau::account uploads = books.open("uploads", {.max_bytes = 1_MiB});
    {
        std::vector<char, plateau::counted_allocator<char>> body{plateau::counted_allocator<char>{uploads}};
        body.resize(100);
    }
    const auto before = books.snapshot();
    std::string text;
    diff(before, books.snapshot()).write(text);

    plateau::event<int> prices{{.max_listeners = 4}};
    const auto listening = prices.subscribe([](int) {});
    plateau::arena_pool arenas{{.max_bytes = 16_MiB}};
    {
        plateau::request_scope request{arenas, {.max_bytes = 1_MiB}};
        request.defer([]() noexcept {});
        request.on_cancel([]() noexcept {});
        if (prices.subscribe(request, [](int) {}) != plateau::subscribe_reason::none) return 1;
        if (request.attach<int>(7) != 7 || request.find<int>() == nullptr || request.stop_requested()) return 1;
        const plateau::scope_token token = request.keep_alive();
        prices.emit(1);
        request.cancel();
        request.check_invariants();
    }
    if (!listening || prices.stats().listeners != 1 || arenas.stats().in_use_bytes != 0) return 1;
    prices.check_invariants();

    plateau::memory_sampler sampler{{.period = std::chrono::seconds{1}}};
    sampler.tick(1);
    judge(sampler).write(text);
    plateau::memory_plan plan;
    plan.add("alone", alone);
    plan.add_bytes("code", 1_MiB);
    plan.write(text);
    plateau::write_prometheus(text, plateau::named("alone", alone), plateau::named("process", sampler));
    plateau::write_json(text, plateau::named("shared", shared));
    return text.empty() ? 1 : 0;
}

}
