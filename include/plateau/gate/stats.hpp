// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/fwd.hpp>

#include <cstdint>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// What a gate did since it was made (counters), and what is out now (gauges). With `bare` stats the counters and the
/// peak are 0.
struct gate_stats {
    std::uint64_t in_flight = 0;
    std::uint64_t bytes = 0;
    std::uint64_t queued = 0;
    std::uint64_t limit = 0;
    std::uint64_t max_bytes = 0;
    std::uint64_t peak_in_flight = 0;
    std::uint64_t admitted = 0;
    std::uint64_t admitted_after_waiting = 0;
    std::uint64_t shed = 0;
    std::uint64_t shed_limit = 0;
    std::uint64_t shed_bytes = 0;
    std::uint64_t shed_queue_full = 0;
    std::uint64_t shed_timed_out = 0;
    std::uint64_t shed_deadline = 0;
    std::uint64_t shed_cancelled = 0;
    std::uint64_t shed_too_large = 0;
    std::uint64_t shed_draining = 0;

    static constexpr std::string_view family = "gate";

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        constexpr auto gauge = field_kind::gauge;
        f(field_info{"in_flight", "", "Permits that are out now.", gauge}, in_flight);
        f(field_info{"declared", "bytes", "Bytes declared by the holders of permits now.", gauge}, bytes);
        f(field_info{"queued", "", "Requests that wait now.", gauge}, queued);
        f(field_info{"limit", "", "Permits that may be out.", gauge}, limit);
        f(field_info{"max", "bytes", "Bytes that may be declared.", gauge}, max_bytes);
        f(field_info{"peak_in_flight", "", "The most permits that were out at any moment.", gauge}, peak_in_flight);
        f(field_info{"admitted", "", "Requests that were admitted.", counter}, admitted);
        f(field_info{"admitted_after_waiting", "", "Requests that were admitted from the queue.", counter},
          admitted_after_waiting);
        f(field_info{"shed", "", "Requests that were refused, for whatever reason.", counter}, shed);
        f(field_info{"shed_limit", "", "Requests refused for want of a permit, without waiting.", counter}, shed_limit);
        f(field_info{"shed_bytes", "", "Requests refused for want of bytes, without waiting.", counter}, shed_bytes);
        f(field_info{"shed_queue_full", "", "Requests refused for want of a place in the queue.", counter},
          shed_queue_full);
        f(field_info{"shed_timed_out", "", "Requests that waited as long as they may.", counter}, shed_timed_out);
        f(field_info{"shed_deadline", "", "Requests whose own deadline came while they waited.", counter},
          shed_deadline);
        f(field_info{"shed_cancelled", "", "Requests that were cancelled while they waited.", counter}, shed_cancelled);
        f(field_info{"shed_too_large", "", "Requests that declared more than all bytes there are.", counter},
          shed_too_large);
        f(field_info{"shed_draining", "", "Requests refused by a gate that takes nobody in.", counter}, shed_draining);
    }
};

PLATEAU_NAMESPACE_END
