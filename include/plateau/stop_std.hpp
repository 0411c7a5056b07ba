// SPDX-License-Identifier: MIT
#pragma once

/// Lets std::stop_token stand wherever a stoppable token is taken. The one header that includes <stop_token>; where the
/// standard library keeps that experimental, it is empty.

#include <plateau/stop.hpp>

#include <version>

#if defined(__cpp_lib_jthread)

#    include <stop_token>

PLATEAU_NAMESPACE_BEGIN

template <class F>
struct stop_callback_of<std::stop_token, F> {
    using type = std::stop_callback<F>;
};

static_assert(stoppable_token<std::stop_token>);

PLATEAU_NAMESPACE_END

#endif
