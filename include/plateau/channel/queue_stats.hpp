// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/fwd.hpp>

#include <cstdint>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// What a queue did since it was made (counters), and what it holds (gauges).
struct queue_stats {
    std::uint64_t pushed = 0;
    std::uint64_t popped = 0;
    std::uint64_t discarded = 0;
    std::uint64_t refused = 0;
    std::uint64_t push_waits = 0;
    std::uint64_t pop_waits = 0;
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;

    static constexpr std::string_view family = "queue";

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        constexpr auto gauge = field_kind::gauge;
        f(field_info{"pushed", "", "Items taken in.", counter}, pushed);
        f(field_info{"popped", "", "Items handed out.", counter}, popped);
        f(field_info{"discarded", "", "Items destroyed by abort.", counter}, discarded);
        f(field_info{"refused", "", "Pushes that ended for want of room.", counter}, refused);
        f(field_info{"push_waits", "", "Times a producer went to sleep for want of room.", counter}, push_waits);
        f(field_info{"pop_waits", "", "Times a consumer went to sleep for want of items.", counter}, pop_waits);
        f(field_info{"items", "", "Items queued now.", gauge}, items);
        f(field_info{"charged", "bytes", "Bytes charged for the items queued now, where bytes are bounded.", gauge},
          bytes);
    }
};

PLATEAU_NAMESPACE_END
