// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/tag_list.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <optional>

PLATEAU_NAMESPACE_BEGIN

/// What a loader returns that has more to say than the value. A time that is left out is that of the cache's options.
///
/// The value is fresh for `time_to_live`. Then it is stale: for `stale_while_revalidate` it is handed out at once while
/// it is loaded anew, and for `stale_if_error`, counted from the same moment, it is handed out when a load fails (the
/// words of RFC 5861). After the longer of the two it is gone, whatever a load is doing.
template <class V>
struct loaded {
    V value;
    std::optional<duration> time_to_live{};
    std::optional<duration> stale_while_revalidate{};
    std::optional<duration> stale_if_error{};
    tag_list tags{};  ///< for a tagged_cache below; where there is none, naming one is a violation
};

PLATEAU_NAMESPACE_END
