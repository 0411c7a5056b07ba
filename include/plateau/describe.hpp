// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>

PLATEAU_NAMESPACE_BEGIN

/// Only rises while the object lives (counter), or goes up and down (gauge): the two kinds of the Prometheus text
/// format.
enum class field_kind : unsigned char { counter, gauge };

/// One figure of a stats aggregate, told to whoever writes it down.
struct field_info {
    std::string_view name;  ///< lower case with underscores, without the unit
    std::string_view unit;  ///< "" (a count), "bytes" or "seconds"
    std::string_view help;  ///< one sentence
    field_kind kind;
};

/// The `stats` member of a policies struct. With `bare` the counters are not kept, cost nothing and read 0; gauges
/// stay.
struct counting {};
struct bare {};

namespace detail {
struct any_field_visitor {
    void operator()(const field_info&, std::uint64_t) const {}
    void operator()(const field_info&, std::int64_t) const {}
    void operator()(const field_info&, double) const {}
};
}

/// An aggregate that can be written as metrics without knowing its room: a family name, and a member `visit_fields(f)`
/// that calls `f(field_info, value)` once a figure, in a fixed order, the value being std::uint64_t, std::int64_t or
/// double.
template <class T>
concept described = requires(const T& stats) {
    { T::family } -> std::convertible_to<std::string_view>;
    stats.visit_fields(detail::any_field_visitor{});
};

PLATEAU_NAMESPACE_END
