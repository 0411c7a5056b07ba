// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/fwd.hpp>
#include <plateau/watch/text_sink.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

inline constexpr std::size_t max_label_bytes = 128;

/// The bytes of the UTF-8 sequence that `text` begins with; 0 if it begins with none. Source: Unicode 15, table 3-7.
[[nodiscard]] constexpr std::size_t utf8_sequence(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const auto within = [](unsigned byte, unsigned low, unsigned high) { return byte >= low && byte <= high; };
    const auto follows = [&](std::size_t i) { return within(at(i), 0x80, 0xBF); };
    const unsigned first = at(0);
    if (text.empty()) return 0;
    if (first < 0x80) return 1;
    if (within(first, 0xC2, 0xDF)) return follows(1) ? 2 : 0;
    if (within(first, 0xE0, 0xEF)) {
        const bool second = within(at(1), first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF);
        return second && follows(2) ? 3 : 0;
    }
    if (within(first, 0xF0, 0xF4)) {
        const bool second = within(at(1), first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF);
        return second && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

/// Calls `f` with each character of `text`, as far as whole ones fit into `max_label_bytes`; what is no UTF-8 becomes
/// U+FFFD, since one wrong byte would make a scraper refuse everything.
template <class F>
constexpr void for_each_character(std::string_view text, F&& f) {
    std::size_t room = max_label_bytes;
    while (!text.empty()) {
        const std::size_t size = utf8_sequence(text);
        const std::string_view character = size != 0 ? text.substr(0, size) : std::string_view("\xEF\xBF\xBD");
        if (character.size() > room) return;
        room -= character.size();
        f(character);
        text.remove_prefix(size != 0 ? size : 1);
    }
}

/// Whether two texts are written alike: what is cut off, and which byte was no UTF-8, does not tell them apart.
[[nodiscard]] constexpr bool same_label(std::string_view a, std::string_view b) noexcept {
    char written[2][max_label_bytes] = {};
    std::size_t sizes[2] = {};
    for (const int side : {0, 1}) {
        for_each_character(side == 0 ? a : b, [&](std::string_view character) {
            for (const char letter : character) written[side][sizes[side]++] = letter;
        });
    }
    return std::string_view(written[0], sizes[0]) == std::string_view(written[1], sizes[1]);
}

/// A label value of the Prometheus text format: backslash, quote and line feed are escaped.
inline void put_label(text_out& out, std::string_view text) {
    for_each_character(text, [&](std::string_view character) {
        if (character == "\\") out.put("\\\\");
        else if (character == "\"") out.put("\\\"");
        else if (character == "\n") out.put("\\n");
        else out.put(character);
    });
}

/// A help text: backslash and line feed are escaped.
inline void put_help(text_out& out, std::string_view text) {
    for (const char letter : text) {
        if (letter == '\\') out.put("\\\\");
        else if (letter == '\n') out.put("\\n");
        else out.put({&letter, 1});
    }
}

/// A JSON string. Source: RFC 8259, section 7.
inline void put_json_string(text_out& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    out.put("\"");
    for_each_character(text, [&](std::string_view character) {
        const auto code = static_cast<unsigned char>(character.front());
        if (character == "\\") out.put("\\\\");
        else if (character == "\"") out.put("\\\"");
        else if (code < 0x20) out.put("\\u00").put(digits.substr(code >> 4, 1)).put(digits.substr(code & 15, 1));
        else out.put(character);
    });
    out.put("\"");
}

/// One letter of a metric name; what may not stand there becomes an underscore.
inline void put_name_part(text_out& out, std::string_view text) {
    for (const char letter : text) {
        const bool valid = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                           (letter >= '0' && letter <= '9') || letter == '_';
        out.put(valid ? std::string_view(&letter, 1) : std::string_view("_"));
    }
}

/// plateau_<family>_<name>[_<unit>][_total]. The prefix keeps a digit from being first.
inline void put_metric_name(text_out& out, std::string_view family, const field_info& field) {
    put_name_part(out.put("plateau_"), family);
    put_name_part(out.put("_"), field.name);
    if (!field.unit.empty()) put_name_part(out.put("_"), field.unit);
    if (field.kind == field_kind::counter) out.put("_total");
}

template <std::integral I>
void put_sample(text_out& out, I value) {
    out.number(value);
}
inline void put_sample(text_out& out, double value) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (value != value) out.put("NaN");
    else if (value == infinity) out.put("+Inf");
    else if (value == -infinity) out.put("-Inf");
    else out.number(value);
}

template <std::integral I>
void put_json_number(text_out& out, I value) {
    out.number(value);
}
inline void put_json_number(text_out& out, double value) {
    if (value - value == 0) out.number(value);
    else out.put("null");
}

[[nodiscard]] inline bool same_metric(const field_info& a, const field_info& b) noexcept {
    return a.name == b.name && a.unit == b.unit && a.kind == b.kind;
}

inline constexpr field_info ceiling_field{"memory_ceiling", "bytes", "Bytes that this part holds at most.",
                                          field_kind::gauge};

}

/// A part's figures under a name: what `named` returns, for `write_prometheus` and `write_json`.
template <class Stats>
class named_stats {
    static_assert(described<Stats>, "named_stats: Stats has a family and visit_fields(f), see describe.hpp");

public:
    named_stats(std::string_view name PLATEAU_LIFETIMEBOUND, const Stats& stats,
                std::optional<std::size_t> ceiling) noexcept(std::is_nothrow_copy_constructible_v<Stats>)
        : name_(name), stats_(stats), ceiling_(ceiling) {}

    [[nodiscard]] std::string_view name() const noexcept { return name_; }
    [[nodiscard]] static constexpr std::string_view family() noexcept { return Stats::family; }

    /// Calls `f(field_info, value)` once a figure: those of the stats, then the ceiling of a part that has one. A gauge
    /// that is `unlimited` is told as infinite.
    template <class F>
    void visit_fields(F&& f) const {
        const auto tell = [&f](const field_info& field, auto value) {
            if constexpr (std::is_unsigned_v<decltype(value)>) {
                if (field.kind == field_kind::gauge && value == unlimited)
                    return static_cast<void>(f(field, std::numeric_limits<double>::infinity()));
            }
            static_cast<void>(f(field, value));
        };
        stats_.visit_fields(tell);
        if (ceiling_) tell(detail::ceiling_field, *ceiling_);
    }

private:
    std::string_view name_;
    Stats stats_;
    std::optional<std::size_t> ceiling_;
};

/// Copies `part.stats()`, and its `memory_ceiling()` where it has one. The name outlives what is returned; of a long
/// one, the first 128 bytes are written.
template <class Part>
    requires described<std::remove_cvref_t<decltype(std::declval<const Part&>().stats())>>
[[nodiscard]] auto named(std::string_view name PLATEAU_LIFETIMEBOUND, const Part& part) {
    std::optional<std::size_t> ceiling;
    if constexpr (requires { part.memory_ceiling(); }) ceiling = part.memory_ceiling();
    return named_stats<std::remove_cvref_t<decltype(part.stats())>>(name, part.stats(), ceiling);
}

namespace detail {

/// Whether `part` has a figure of this family and field; hands its value to `f`.
template <class Part, class F>
bool with_metric(const Part& part, std::string_view family, const field_info& wanted, F&& f) {
    bool found = false;
    if (part.family() != family) return false;
    part.visit_fields([&](const field_info& field, auto value) {
        if (found || !same_metric(field, wanted)) return;
        found = true;
        f(value);
    });
    return found;
}

/// The family of one field: its HELP, its TYPE, and one sample a part that has it. Written when the first of them is
/// reached, so that a family is never told twice.
template <class... Parts>
void put_family(text_out& out, std::size_t reached, std::string_view family, const field_info& field,
                const Parts&... parts) {
    std::size_t index = 0;
    const auto told = [&](const auto& part) {
        return index++ < reached && with_metric(part, family, field, [](auto) {});
    };
    if ((told(parts) || ...)) return;

    put_metric_name(out.put("# HELP "), family, field);
    put_help(out.put(" "), field.help);
    put_metric_name(out.put("\n# TYPE "), family, field);
    out.put(field.kind == field_kind::counter ? " counter\n" : " gauge\n");
    const auto tell = [&](const auto& part) {
        with_metric(part, family, field, [&](auto value) {
            put_metric_name(out, family, field);
            put_label(out.put("{name=\""), part.name());
            put_sample(out.put("\"} "), value);
            out.put("\n");
        });
    };
    (tell(parts), ...);
}

inline void check_names() noexcept {}

/// Two series with the same family and label would make a scraper refuse all.
template <class First, class... Rest>
void check_names(const First& first, const Rest&... rest) {
    [[maybe_unused]] const auto differs = [&](const auto& other) {
        return first.family() != other.family() || !same_label(first.name(), other.name());
    };
    require_option((differs(rest) && ...),
                   "two parts of one kind have the same name: their figures cannot be told apart");
    check_names(rest...);
}

template <class Part>
void put_json_part(text_out& out, std::string_view separator, const Part& part) {
    put_json_string(out.put(separator).put("{\"name\":"), part.name());
    put_json_string(out.put(",\"family\":"), part.family());
    part.visit_fields([&](const field_info& field, auto value) {
        put_name_part(out.put(",\""), field.name);
        if (!field.unit.empty()) put_name_part(out.put("_"), field.unit);
        put_json_number(out.put("\":"), value);
    });
    out.put("}");
}

}

/// Effects: writes the figures of all parts in the Prometheus text format 0.0.4: `plateau_<family>_<name>[_<unit>]
/// [_total]{name="..."}`. One call a scrape: HELP and TYPE come once a family, whatever the order of the parts.
/// Throws: std::invalid_argument, before anything is written, when two parts of one family have the same name; what the
/// sink throws. Complexity: O(p^2 f^2) for p parts of f figures. Allocates only what the sink does.
template <text_sink Sink, class... Stats>
void write_prometheus(Sink&& sink, const named_stats<Stats>&... parts) {
    detail::check_names(parts...);
    detail::write_text(sink, [&](detail::text_out& out) {
        [[maybe_unused]] std::size_t reached = 0;
        [[maybe_unused]] const auto tell = [&](const auto& part) {
            part.visit_fields([&](const field_info& field, auto) {
                detail::put_family(out, reached, part.family(), field, parts...);
            });
            ++reached;
        };
        (tell(parts), ...);
    });
}

/// Effects: writes the same figures as one JSON object: `{"parts":[{"name":...,"family":...,<figure>:<number>,...}]}`.
/// What is infinite or no number is null. Throws and costs as `write_prometheus`, in O(p f).
template <text_sink Sink, class... Stats>
void write_json(Sink&& sink, const named_stats<Stats>&... parts) {
    detail::check_names(parts...);
    detail::write_text(sink, [&](detail::text_out& out) {
        out.put("{\"parts\":[");
        [[maybe_unused]] std::string_view separator = "";
        ((detail::put_json_part(out, separator, parts), separator = ","), ...);
        out.put("]}\n");
    });
}

PLATEAU_NAMESPACE_END
