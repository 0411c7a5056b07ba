// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/pipeline_edge.hpp>
#include <plateau/channel/pipeline_nodes.hpp>
#include <plateau/channel/queue_options.hpp>
#include <plateau/channel/stage.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The bounds of the queue before a stage.
[[nodiscard]] inline queue_options bounds_of(const queue_options& own, const queue_options& pipeline) noexcept {
    constexpr queue_options defaults{};
    queue_options chosen = pipeline;
    if (own.max_items != defaults.max_items) {
        chosen.max_items = own.max_items;
        chosen.low_water_items = own.low_water_items;
    }
    if (own.max_bytes != defaults.max_bytes) {
        chosen.max_bytes = own.max_bytes;
        chosen.low_water_bytes = own.low_water_bytes;
    }
    if (own.oversize != defaults.oversize) chosen.oversize = own.oversize;
    return chosen;
}

/// What follows on items of type `In`: a queue, a stage, and what follows on that.
template <class Policies, class In, class Stage, class... Rest>
class pipeline_chain;

/// The end of it: a queue and the sink.
template <class Policies, class In, class Sink>
class pipeline_chain<Policies, In, Sink> {
    using core_type = typename pipeline_types<Policies>::core;
    static_assert(!is_stage<Sink>, "plateau: the last part of a pipeline is its sink: a function, not a stage");
    static_assert(std::is_invocable_v<Sink&, In>, "plateau: the sink takes what the last stage makes");

public:
    static constexpr std::uint32_t actors = 1;

    pipeline_chain(core_type& core, const queue_options& bounds, const queue_options&, Sink sink)
        : edge(core, bounds), sink_(core, std::move(sink), edge) {}

    void begin() noexcept { sink_.begin(); }
    [[nodiscard]] unsigned threads() const noexcept { return 1; }
    [[nodiscard]] std::uint64_t delivered() const noexcept { return sink_.delivered(); }
    template <class F>
    void each_queue(F f) const {
        f(edge.queue);
    }
    [[nodiscard]] std::size_t ceiling() const noexcept { return saturating_add(edge.ceiling(), sink_.ceiling()); }

    pipeline_edge<Policies, In> edge;

private:
    pipeline_sink<Policies, In, Sink> sink_;
};

template <class Policies, class In, class Makes, class F, class Next, class... Rest>
class pipeline_chain<Policies, In, stage_part<Makes, F>, Next, Rest...> {
    using core_type = typename pipeline_types<Policies>::core;
    using out = typename stage_shape<Makes, F, In>::output;
    using rest = pipeline_chain<Policies, out, Next, Rest...>;

public:
    static constexpr std::uint32_t actors = 1 + rest::actors;

    pipeline_chain(core_type& core, const queue_options& bounds, const queue_options& all, stage_part<Makes, F> stage,
                   Next next, Rest... more)
        : edge(core, bounds),
          rest_(core, bounds_of(queue_before(next), all), all, std::move(next), std::move(more)...),
          stage_(core, std::move(stage), edge, rest_.edge) {}

    void begin() noexcept {
        rest_.begin();
        stage_.begin();
    }
    [[nodiscard]] unsigned threads() const noexcept {
        return rest_.threads() + (stage_.workers() == 1 ? 1 : stage_.workers() + 1);
    }
    [[nodiscard]] std::uint64_t delivered() const noexcept { return rest_.delivered(); }
    template <class G>
    void each_queue(G g) const {
        g(edge.queue);
        rest_.each_queue(g);
    }
    [[nodiscard]] std::size_t ceiling() const noexcept {
        return saturating_add(saturating_add(edge.ceiling(), stage_.ceiling()), rest_.ceiling());
    }

    template <class M, class G>
    [[nodiscard]] static queue_options queue_before(const stage_part<M, G>& stage) noexcept {
        return stage.options.queue;
    }
    template <class Sink>
    [[nodiscard]] static queue_options queue_before(const Sink&) noexcept {
        return {};
    }

    pipeline_edge<Policies, In> edge;

private:
    rest rest_;
    pipeline_stage<Policies, In, Makes, F> stage_;
};

template <class Policies, class In, class Part, class Next, class... Rest>
class pipeline_chain<Policies, In, Part, Next, Rest...> {
    static_assert(is_stage<Part>, "plateau: a stage of a pipeline is written stage(f), or stage<U>(f) for one to many");
};

/// All of it.
template <class Policies, class Source, class First, class... Rest>
class pipeline_parts {
    using core_type = typename pipeline_types<Policies>::core;
    static_assert(!is_stage<Source>, "plateau: the first part of a pipeline is its source: a function, not a stage");
    static_assert(std::is_invocable_v<Source&>, "plateau: a pipeline's source is called without arguments");
    using answer = unwrapped<std::remove_cvref_t<std::invoke_result_t<Source&>>>;
    static_assert(answer::filters, "plateau: a pipeline's source answers std::optional<T>; an empty one is the end");
    using item = typename answer::type;
    using chain = pipeline_chain<Policies, item, First, Rest...>;

public:
    static constexpr std::uint32_t actors = 1 + chain::actors;

    pipeline_parts(core_type& core, const queue_options& all, Source source, First first, Rest... rest)
        : chain_(core, bounds_of(first_queue(first), all), all, std::move(first), std::move(rest)...),
          source_(core, std::move(source), chain_.edge) {}

    void begin() noexcept {
        chain_.begin();
        source_.begin();
    }
    [[nodiscard]] unsigned threads() const noexcept { return 1 + chain_.threads(); }
    [[nodiscard]] std::uint64_t sourced() const noexcept { return source_.sourced(); }
    [[nodiscard]] std::uint64_t delivered() const noexcept { return chain_.delivered(); }
    template <class F>
    void each_queue(F f) const {
        chain_.each_queue(f);
    }
    [[nodiscard]] std::size_t ceiling() const noexcept { return saturating_add(source_.ceiling(), chain_.ceiling()); }

private:
    [[nodiscard]] static queue_options first_queue(const First& first) noexcept {
        if constexpr (is_stage<First>) return first.options.queue;
        else return {};
    }

    chain chain_;
    pipeline_source<Policies, Source, item> source_;
};

}
PLATEAU_NAMESPACE_END
