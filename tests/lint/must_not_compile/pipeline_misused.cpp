// SPDX-License-Identifier: MIT
// A source that ends, stages that fit one another, a sink; items that may be queued; results that are looked at.
// expect ALONE: a pipeline has a source and a sink
// expect ENDLESS: a pipeline's source answers std::optional<T>; an empty one is the end
// expect ASKS: a pipeline's source is called without arguments
// expect BARE: a stage of a pipeline is written stage\(f\), or stage<U>\(f\) for one to many
// expect FIRST: the first part of a pipeline is its source: a function, not a stage
// expect LAST: the last part of a pipeline is its sink: a function, not a stage
// expect MISFIT: a stage takes what the stage before it makes
// expect SINK: the sink takes what the last stage makes
// expect NOTHING: a stage makes something; what makes nothing is a sink, the last
// expect EMITS: stage<U>\(f\) takes \(T, emitter<U>&\)
// expect VIEW: this type may point into memory that ends with a request
// expect THROWS: a move that throws half-way would lose it
// expect UNKNOWN: what this type owns on the heap is unknown
// expect IGNORED: (nodiscard|unused)
// expect UNSEEN: (nodiscard|unused)
// expect MOVED: deleted
// expect TEMPORARY: rvalue|temporary|no matching
// expect SYNC: a pipeline and its queues share one sync policy
#include <plateau/channel.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace {
struct moves_badly {
    moves_badly() = default;
    moves_badly(moves_badly&&) {}
};
struct unknown {
    unknown() = default;
    unknown(unknown&&) noexcept {}
    ~unknown() {}
};
struct other_sync : plateau::default_sync {};
struct mixed : plateau::pipeline_policies {
    using sync = other_sync;
};
}

int main() {
    const auto source = []() -> std::optional<std::string> { return std::nullopt; };
    const auto size = [](const std::string& s) { return s.size(); };
    const auto sink = [](std::size_t) {};
#if defined(ALONE)
    plateau::pipeline job{source};
#elif defined(ENDLESS)
    plateau::pipeline job{[] { return std::string(); }, plateau::stage(size), sink};
#elif defined(ASKS)
    plateau::pipeline job{[](int) { return std::optional<std::string>(); }, plateau::stage(size), sink};
#elif defined(BARE)
    plateau::pipeline job{source, size, sink};
#elif defined(FIRST)
    plateau::pipeline job{plateau::stage(source), plateau::stage(size), sink};
#elif defined(LAST)
    plateau::pipeline job{source, plateau::stage(size)};
#elif defined(MISFIT)
    plateau::pipeline job{source, plateau::stage(size), plateau::stage(size), sink};
#elif defined(SINK)
    plateau::pipeline job{source, plateau::stage(size), [](const std::string&) {}};
#elif defined(NOTHING)
    plateau::pipeline job{source, plateau::stage([](const std::string&) {}), sink};
#elif defined(EMITS)
    plateau::pipeline job{source, plateau::stage<std::size_t>(size), sink};
#elif defined(VIEW)
    plateau::pipeline job{source, plateau::stage([](const std::string& s) { return std::string_view(s); }),
                          [](std::string_view) {}};
#elif defined(THROWS)
    plateau::pipeline job{[] { return std::optional<moves_badly>(); }, [](const moves_badly&) {}};
#elif defined(UNKNOWN)
    plateau::pipeline job{[] { return std::optional<unknown>(); }, [](const unknown&) {}};
#elif defined(SYNC)
    plateau::basic_pipeline<mixed, decltype(source), decltype(sink)> job{source, sink};
#else
    plateau::pipeline job{source, plateau::stage(size), sink};
#endif
    plateau::worker_pool pool;
#if defined(IGNORED)
    job.run();
#elif defined(UNSEEN)
    job.start(pool);
    job.wait();
#elif defined(MOVED)
    auto other = std::move(job);
#elif defined(TEMPORARY)
    job.start(plateau::worker_pool());
#else
    job.start(pool);
    return job.wait() ? 0 : 1;
#endif
}
