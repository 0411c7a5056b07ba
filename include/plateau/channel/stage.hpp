// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/emitter.hpp>
#include <plateau/channel/queue_options.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

struct stage_options {
    unsigned workers =
        1;  ///< items worked on at the same time; 1 to 1'024. More than one: `f` is called by as many threads
    bool ordered = true;  ///< with several workers: whether the results leave in the order of the items

    /// The bounds of the queue before the stage. `max_items` and `max_bytes` that are left at their defaults are the
    /// pipeline's, and so are their low marks.
    queue_options queue{};
};

namespace detail {

/// A stage's function does not say what it makes: its result does.
struct said_by_result;

/// What `stage` answers: a function and its options, to be built into a pipeline.
template <class Makes, class F>
struct stage_part {
    F f;
    stage_options options;
};

template <class T>
inline constexpr bool is_stage = false;
template <class Makes, class F>
inline constexpr bool is_stage<stage_part<Makes, F>> = true;

template <class T>
struct unwrapped {
    using type = T;
    static constexpr bool filters = false;
};
template <class T>
struct unwrapped<std::optional<T>> {
    using type = T;
    static constexpr bool filters = true;
};

/// One item in, many out.
template <class Makes, class F, class In>
struct stage_shape {
    static_assert(std::is_invocable_v<F&, In, emitter<Makes>&>,
                  "plateau: stage<U>(f) takes (T, emitter<U>&), T being what the stage before it makes");
    using output = Makes;
    static constexpr bool emits = true;
};
/// One in, one out; or none, where the function answers an empty std::optional.
template <class F, class In>
struct stage_shape<said_by_result, F, In> {
    static_assert(std::is_invocable_v<F&, In>, "plateau: a stage takes what the stage before it makes");
    using result = unwrapped<std::remove_cvref_t<std::invoke_result_t<F&, In>>>;
    static constexpr bool makes = !std::is_void_v<typename result::type>;
    static_assert(makes, "plateau: a stage makes something; what makes nothing is a sink, the last");
    using output = std::conditional_t<makes, typename result::type, int>;  // so that the sentence above stands alone
    static constexpr bool emits = false;
    static constexpr bool filters = result::filters;
};

}

/// A stage of a pipeline. `stage(f)` with `T -> U` maps, with `T -> std::optional<U>` filters too; `stage<U>(f)` with
/// `f(T, emitter<U>&)` makes any number of U from one T.
template <class Makes = detail::said_by_result, class F>
[[nodiscard]] detail::stage_part<Makes, F> stage(F f, stage_options options = {}) {
    return {std::move(f), options};
}

PLATEAU_NAMESPACE_END
