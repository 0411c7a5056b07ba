// SPDX-License-Identifier: MIT
/// What the pipeline's cases check, as functions over its policies: the cases run them with the shipped parts, the
/// seeded bugs with defective ones.
#pragma once

#include "channel/turn_loop.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/tracked_value.hpp"

#include <plateau/channel/pipeline.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace plateau_test {

/// Found by the default weigher.
template <bool Fails>
std::size_t owned_bytes(const tracked_value<Fails>&) noexcept {
    return 0;
}

}  // namespace plateau_test

namespace plateau_test::pipelines {

/// Small turns, so that stages meet at every step.
struct shrunk : plateau::pipeline_policies {
    static constexpr unsigned batch = 1;
    static constexpr std::size_t slots_per_worker = 1;
};

template <class Policies, class... Parts>
std::unique_ptr<plateau::basic_pipeline<Policies, Parts...>> make(const plateau::pipeline_options& options,
                                                                  Parts... parts) {
    return std::make_unique<plateau::basic_pipeline<Policies, Parts...>>(options, std::move(parts)...);
}

struct stage_failed : std::runtime_error {
    explicit stage_failed(int where) : std::runtime_error("stage " + std::to_string(where)), place(where) {}
    int place;
};

/// How a pipeline ended, seen from outside.
struct ended {
    bool ok = false;
    int thrown = -1;  ///< the place of the stage_failed that was rethrown
    plateau::pipeline_reason reason{};
};

template <class Job>
ended wait_for(Job& job) {
    ended how;
    try {
        const auto done = job.wait();
        how.ok = static_cast<bool>(done);
        how.reason = done.reason();
    } catch (const stage_failed& first) {
        how.thrown = first.place;
    }
    return how;
}

struct shape {
    std::size_t max_items = 1;
    unsigned workers = 1;
    bool ordered = true;
    int items = 12;
    int fails_at = -1;    ///< place: 0 the source, 1 the map, 2 one to many, 3 the filter, 4 the sink
    int fails_with = -1;  ///< the item at which it does
};

/// A pipeline of one stage of each kind over values that count their lives; `out` is what the sink saw.
template <class Policies>
auto tracked_job(const shape& of, value_tally& tally, std::vector<int>& out) {
    const auto check = [=](int place, int item) {
        if (of.fails_at == place && of.fails_with == item) throw stage_failed(place);
    };
    auto source = [=, &tally, n = 0]() mutable -> std::optional<counting_value> {
        check(0, n);
        if (n == of.items) return std::nullopt;
        return std::optional<counting_value>(std::in_place, tally, n++);
    };
    auto map = [=](counting_value v) {
        check(1, v.number());
        return v;
    };
    auto twice = [=](counting_value v, plateau::emitter<counting_value>& emit) {
        if (!emit.push(counting_value(v.tally(), 2 * v.number()))) return;
        check(2, v.number());
        static_cast<void>(emit.push(counting_value(v.tally(), 2 * v.number() + 1)));
    };
    auto no_thirds = [=](counting_value v) -> std::optional<counting_value> {
        check(3, v.number() / 2);
        if (v.number() % 3 == 0) return std::nullopt;
        return v;
    };
    auto sink = [=, &out](counting_value v) {
        check(4, v.number() / 2);
        out.push_back(v.number());
    };
    const plateau::stage_options how{.workers = of.workers, .ordered = of.ordered, .queue = {}};
    return make<Policies>({.queue = {.max_items = of.max_items}}, source, plateau::stage(map, how),
                          plateau::stage<counting_value>(twice, how), plateau::stage(no_thirds, how), sink);
}

inline std::vector<int> expected(const shape& of) {
    std::vector<int> all;
    for (int n = 0; n < 2 * of.items; ++n)
        if (n % 3 != 0) all.push_back(n);
    return all;
}

inline void nothing_is_left(shared_check& check, const value_tally& tally) {
    check.equal(tally.live.load(), std::int64_t{0}, "the number of items alive");
    check.equal(tally.corrupt.load(), std::int64_t{0}, "the number of items that were not what they were");
}

/// Runs it to its end on a loop, which then holds no work.
template <class Policies>
void items_leave_in_order(shared_check& check, const shape& of, random_source* order) {
    value_tally tally;
    std::vector<int> out;
    {
        turn_loop loop(order);
        auto job = tracked_job<Policies>(of, tally, out);
        job->start(loop);
        loop.run();
        if (!check.equal(job->stats().delivered, std::uint64_t{out.size()}, "the number delivered")) return;
        if (!check.expect(out == expected(of), "what the sink saw is not what went in, in order")) return;
        const ended how = wait_for(*job);
        check.expect(how.ok, "a pipeline whose source ended is not well");
        nothing_is_left(check, tally);
        job->check_invariants();
    }
    nothing_is_left(check, tally);
}

/// The first error is rethrown; whatever was in flight is gone before `wait` returns.
template <class Policies>
void an_error_ends_everything(shared_check& check, const shape& of, random_source* order) {
    value_tally tally;
    std::vector<int> out;
    turn_loop loop(order);
    auto job = tracked_job<Policies>(of, tally, out);
    job->start(loop);
    loop.run();
    // Nothing more is posted: who waited for an end that never comes would wait for ever.
    if (!check.equal(job->stats().errors, std::uint64_t{1}, "the number of errors")) return;
    nothing_is_left(check, tally);
    if (check.failed()) return;
    check.equal(wait_for(*job).thrown, of.fails_at, "the place of the error that is rethrown");
    check.expect(out.size() < expected(of).size(), "a failed pipeline delivered everything");
}

/// After `turns` turns of the loop it is stopped. Returns: whether it was still running.
template <class Policies>
bool a_stop_ends_everything(shared_check& check, const shape& of, std::size_t turns, random_source* order) {
    value_tally tally;
    std::vector<int> out;
    turn_loop loop(order);
    auto job = tracked_job<Policies>(of, tally, out);
    job->start(loop);
    const bool running = loop.run(turns);
    job->stop();
    loop.run();
    nothing_is_left(check, tally);
    if (check.failed()) return false;
    const ended how = wait_for(*job);
    if (running) check.expect(how.reason == plateau::pipeline_reason::cancelled, "a stopped pipeline is not cancelled");
    else check.expect(how.ok, "a pipeline that had ended was cancelled by a later stop");
    return running;
}

/// What one item is made into beyond the next queue stays with the stage, up to one more bound, and then is refused.
template <class Policies>
void one_to_many_is_bounded(shared_check& check, unsigned workers) {
    constexpr int bound = 4;
    turn_loop loop;
    int taken = 0, refused = 0, asked = 0;
    std::vector<int> out;
    auto source = [&]() -> std::optional<int> { return asked < 2 ? std::optional(asked++) : std::nullopt; };
    auto burst = [&](int, plateau::emitter<int>& emit) {
        for (int i = 0; i < 20; ++i) {
            const auto pushed = emit.push(i);
            if (pushed) ++taken;
            else if (pushed.reason() == plateau::queue_reason::too_large) ++refused;
        }
    };
    auto job = make<Policies>({.queue = {.max_items = bound}}, source,
                              plateau::stage<int>(burst, {.workers = workers, .ordered = true, .queue = {}}),
                              [&](int i) { out.push_back(i); });
    job->start(loop);
    loop.run();
    check.expect(wait_for(*job).ok, "it ended well");
    // One worker reaches the queue directly, several only their own place.
    const int each = workers == 1 ? 2 * bound : bound;
    check.expect(taken >= 2 * bound && taken <= 2 * each, "one item was made into more than the bound allows");
    check.equal(taken + refused, 40, "the number of items emitted and refused");
    check.equal(out.size(), static_cast<std::size_t>(taken), "the number of items delivered");
}

/// A function that has to be asked once more: what an item is refused for ends the pipeline, and says why.
template <class Policies>
void an_item_too_heavy_fails(shared_check& check) {
    turn_loop loop;
    int n = 0;
    auto source = [&]() -> std::optional<std::string> {
        return n < 3 ? std::optional(std::string(n++ == 1 ? 5'000U : 100U, 'x')) : std::nullopt;
    };
    auto job = make<Policies>({.queue = {.max_bytes = 1'000}}, source, [](const std::string&) {});
    job->start(loop);
    loop.run();
    bool said = false;
    try {
        static_cast<void>(job->wait());
    } catch (const std::length_error&) {
        said = true;
    }
    check.expect(said, "an item heavier than the queue vanished without an error");
}

/// Two errors: the first stays the first, the second is kept beside it.
template <class Policies>
void the_first_error_stays_first(shared_check& check) {
    turn_loop loop;
    int n = 0;
    auto source = [&]() -> std::optional<int> { return n++; };
    auto job = make<Policies>({.queue = {.max_items = 8}}, source,
                              plateau::stage<int>(
                                  [](int i, plateau::emitter<int>& emit) {
                                      emit.fail(std::make_exception_ptr(stage_failed(1)));
                                      static_cast<void>(emit.push(i));
                                      throw stage_failed(2);
                                  },
                                  {.workers = 1, .ordered = true, .queue = {}}),
                              [](int) {});
    job->start(loop);
    loop.run();
    check.equal(job->stats().errors, std::uint64_t{2}, "the number of errors");
    check.equal(job->errors().size(), std::size_t{2}, "the number of errors kept");
    check.equal(wait_for(*job).thrown, 1, "the error that is rethrown");
    check.equal(wait_for(*job).thrown, 1, "the error that is rethrown to whoever waits again");
}

/// A closed pipeline delivers what its source gave, and asks it no more.
template <class Policies>
void close_finishes(shared_check& check, std::size_t turns) {
    turn_loop loop;
    int given = 0;
    std::vector<int> out;
    auto source = [&]() -> std::optional<int> { return given++; };
    auto job = make<Policies>({.queue = {.max_items = 3}}, source, plateau::stage([](int i) { return i; }),
                              [&](int i) { out.push_back(i); });
    job->start(loop);
    loop.run(turns);
    job->close();
    const int before = given;
    loop.run();
    check.equal(given, before, "the number of items the source was asked for");
    check.expect(wait_for(*job).ok, "a closed pipeline did not end well");
    check.equal(out.size(), static_cast<std::size_t>(given), "the number of items delivered");
}

/// A stage's function with a name, so that a defect of that stage can be planted.
struct pass_on {
    int operator()(int i) const noexcept { return i; }
};

/// Of two workers the second is done first; what they made leaves in the order of the items all the same.
template <class Policies>
void workers_keep_the_order(shared_check& check, random_source* order) {
    turn_loop loop(order);
    std::vector<int> out;
    auto job = make<Policies>(
        {.queue = {.max_items = 4}}, [n = 0]() mutable { return n < 50 ? std::optional(n++) : std::nullopt; },
        plateau::stage(pass_on{}, {.workers = 4, .ordered = true, .queue = {}}), [&](int i) { out.push_back(i); });
    job->start(loop);
    loop.run();
    check.equal(out.size(), std::size_t{50}, "the number of items delivered");
    for (std::size_t i = 0; i < out.size(); ++i)
        if (!check.expect(out[i] == static_cast<int>(i), "an item overtook another in an ordered stage")) return;
    check.expect(wait_for(*job).ok, "it ended well");
}

/// At every turn, no more is alive than the bounds of the queues and the hands of the stages allow.
template <class Policies>
void bounds_hold_at_every_turn(shared_check& check, std::size_t max_items) {
    value_tally tally;
    std::vector<int> out;
    turn_loop loop;
    auto source = [&tally, n = 0]() mutable -> std::optional<counting_value> {
        if (n == 200) return std::nullopt;
        return std::optional<counting_value>(std::in_place, tally, n++);
    };
    auto job =
        make<Policies>({.queue = {.max_items = max_items}}, source, plateau::stage([](counting_value v) { return v; }),
                       [&](counting_value v) { out.push_back(v.number()); });
    job->start(loop);
    const auto most = static_cast<std::int64_t>(2 * max_items + 2);  // a held item for the source, and for the stage
    while (loop.turn()) {
        if (!check.expect(tally.live.load() <= most, "more items are alive than the bounds allow")) return;
        if (!check.expect(job->stats().items <= 2 * max_items, "more items are queued than the bounds allow")) return;
    }
    check.equal(out.size(), std::size_t{200}, "the number of items delivered");
}

}  // namespace plateau_test::pipelines
