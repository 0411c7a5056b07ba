// SPDX-License-Identifier: MIT
/// The metrics writers beside readers of their own: whatever a part is named and whatever it measured, the text can be
/// read, and says that.
#pragma once

#include "tools/model.hpp"
#include "tools/random.hpp"

#include <plateau/watch/metrics.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plateau_test {

// ---- what should be written, worked out in another way

/// The code point that a text begins with, and its bytes; 0 bytes where it begins with none. Source: RFC 3629.
struct code_point {
    std::uint32_t value = 0;
    std::size_t size = 0;

    static code_point at(std::string_view text) {
        const auto first = static_cast<unsigned char>(text.front());
        const std::size_t size = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        if (size == 0 || size > text.size()) return {};
        std::uint32_t value = size == 1 ? first : first & (0xffU >> (size + 1));
        for (std::size_t i = 1; i < size; ++i) {
            const auto byte = static_cast<unsigned char>(text[i]);
            if ((byte & 0xc0U) != 0x80) return {};
            value = value << 6U | (byte & 0x3fU);
        }
        constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x1'0000};
        const bool surrogate = value >= 0xd800 && value <= 0xdfff;
        return value < least[size] || value > 0x10'ffff || surrogate || first > 0xf7 ? code_point{}
                                                                                     : code_point{value, size};
    }
};

/// A name as a reader of the text should see it: U+FFFD for each byte that is no UTF-8, whole characters up to 128
/// bytes.
inline std::string visible_name(std::string_view name) {
    std::string seen;
    while (!name.empty()) {
        const code_point next = code_point::at(name);
        const std::string_view character = next.size == 0 ? "\xEF\xBF\xBD" : name.substr(0, next.size);
        if (seen.size() + character.size() > 128) break;
        seen += character;
        name.remove_prefix(next.size == 0 ? 1 : next.size);
    }
    return seen;
}

// ---- readers

/// A text that is read from its front.
class text_reader {
public:
    explicit text_reader(std::string_view text) : left_(text) {}

    [[nodiscard]] bool done() const { return left_.empty(); }
    bool take(std::string_view expected) {
        if (!left_.starts_with(expected)) return false;
        left_.remove_prefix(expected.size());
        return true;
    }
    std::string_view until(std::string_view any_of) {
        const std::string_view part = left_.substr(0, left_.find_first_of(any_of));
        left_.remove_prefix(part.size());
        return part;
    }
    /// A quoted text with escapes; nothing where it is broken. JSON knows the longer form too.
    bool quoted(std::string& out, bool json) {
        if (!take("\"")) return false;
        while (!left_.empty()) {
            const char letter = left_.front();
            left_.remove_prefix(1);
            if (letter == '"') return true;
            if (letter == '\n' || (json && static_cast<unsigned char>(letter) < 0x20)) return false;
            if (letter != '\\') out += letter;
            else if (take("\\")) out += '\\';
            else if (take("\"")) out += '"';
            else if (!json && take("n")) out += '\n';
            else if (json && take("u00")) {
                unsigned code = 0;
                const auto end = std::from_chars(left_.data(), left_.data() + (left_.size() < 2 ? 0 : 2), code, 16);
                if (end.ec != std::errc{} || end.ptr != left_.data() + 2) return false;
                out += static_cast<char>(code);
                left_.remove_prefix(2);
            } else return false;
        }
        return false;
    }

private:
    std::string_view left_;
};

/// A value of the text as what it was measured as; false where it is not exactly that.
template <class Number>
bool reads_as(std::string_view text, Number expected, bool json) {
    if constexpr (std::is_same_v<Number, double>) {
        if (expected != expected) return text == (json ? "null" : "NaN");
        if (expected - expected != 0) return text == (json ? "null" : expected > 0 ? "+Inf" : "-Inf");
        char* end = nullptr;
        const std::string copy(text);
        const double value = std::strtod(copy.c_str(), &end);
        return !copy.empty() && *end == '\0' && value == expected;
    } else {
        Number value{};
        const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
        return end.ec == std::errc{} && end.ptr == text.data() + text.size() && value == expected;
    }
}

// ---- the parts that are written

struct measured {
    std::uint64_t count = 0;
    std::int64_t balance = 0;
    double level = 0;
    std::uint64_t ceiling = 0;
};
template <bool Shop>
struct measured_stats : measured {
    static constexpr std::string_view family = Shop ? "shop" : "stall";
    template <class F>
    void visit_fields(F&& f) const {
        f(plateau::field_info{"count", "", "Things \\ and\nthings.", plateau::field_kind::counter}, count);
        f(plateau::field_info{"balance", "bytes", "What is left.", plateau::field_kind::gauge}, balance);
        f(plateau::field_info{"level", "seconds", "How high.", plateau::field_kind::gauge}, level);
    }
};
template <bool Shop>
struct measured_part {
    const measured& figures;
    [[nodiscard]] measured_stats<Shop> stats() const { return {figures}; }
    [[nodiscard]] std::size_t memory_ceiling() const { return static_cast<std::size_t>(figures.ceiling); }
};

class metrics_pair {
public:
    explicit metrics_pair(model_check& check) : check_(check) {}

    void step(byte_view command) {
        std::string& name = names_[command[0] % names_.size()];
        measured& figures = figures_[command[0] % figures_.size()];
        switch (command[0] / 3 % 6) {
        case 0:
            name += static_cast<char>(command[1]);
            break;
        case 1:
            name += piece(command[1]);
            break;
        case 2:
            if (command[1] % 4 == 0) name = names_[command[1] / 4 % names_.size()];
            else name.resize(name.size() * (command[1] % 4U) / 4);
            break;
        case 3:
            measure(figures, command[1]);
            break;
        default:
            write();
            break;
        }
        if (name.size() > 1'000) name.clear();
    }
    void finish() { write(); }

    static std::string describe(byte_view command) {
        constexpr const char* verbs[] = {"one byte", "a piece", "copy or cut", "measure", "write", "write"};
        return std::string(verbs[command[0] / 3 % 6]) + ": part " + std::to_string(command[0] % 3) + ", byte " +
               std::to_string(command[1]);
    }

private:
    static std::string piece(std::uint8_t byte) {
        static const std::string pieces[] = {"\"",
                                             "\\",
                                             "\n",
                                             std::string(1, '\0'),
                                             "\xC3\xA9",
                                             "\xE2\x82\xAC",
                                             "\xF0\x9F\x98\x80",
                                             "\xFF",
                                             "\xC3",
                                             "\xED\xA0\x80",
                                             "\xF4\x90\x80\x80",
                                             "\xC0\x80",
                                             "\xE0\x9F\xBF",
                                             "\xEF\xBF\xBD",
                                             std::string(40, 'a'),
                                             std::string(127, 'b'),
                                             "\"} 1\n",
                                             "{name=\"",
                                             "\\n",
                                             "\r",
                                             "\x7F",
                                             std::string(43, '\xFE')};
        return pieces[byte % std::size(pieces)];
    }
    static void measure(measured& into, std::uint8_t byte) {
        using real = std::numeric_limits<double>;
        constexpr auto max = std::numeric_limits<std::uint64_t>::max();
        constexpr auto far = std::numeric_limits<std::int64_t>::max();
        constexpr std::uint64_t counts[] = {0, 1, max, max - 1, 1'000'000};
        constexpr std::int64_t balances[] = {0, -1, far, -far - 1, 42};
        constexpr double levels[] = {
            0,   -0.0,    real::infinity(),       -real::infinity(), real::quiet_NaN(), real::max(), real::denorm_min(),
            0.1, -1e-300, 9'007'199'254'740'993.0};
        into.count = counts[byte % std::size(counts)];
        into.balance = balances[byte / 5 % std::size(balances)];
        into.level = levels[byte / 25 % std::size(levels)];
        into.ceiling = counts[(byte + 1) % std::size(counts)];
    }

    /// Two shops and a stall.
    void write() {
        const measured_part<true> first{figures_[0]};
        const measured_part<true> second{figures_[1]};
        const measured_part<false> third{figures_[2]};
        const bool alike = visible_name(names_[0]) == visible_name(names_[1]);
        std::string prometheus;
        std::string json;
        const auto refuses = [&](auto&& writes) {
            try {
                writes();
            } catch (const std::invalid_argument&) {
                return true;
            }
            return false;
        };
        const bool refused = refuses([&] {
            plateau::write_prometheus(prometheus, plateau::named(names_[0], first), plateau::named(names_[2], third),
                                      plateau::named(names_[1], second));
        });
        check_.equal(refused, alike, "whether two parts of one name are refused");
        check_.equal(refuses([&] {
                         plateau::write_json(json, plateau::named(names_[0], first), plateau::named(names_[2], third),
                                             plateau::named(names_[1], second));
                     }),
                     refused, "whether JSON refuses them too");
        if (refused) return check_.expect(prometheus.empty() && json.empty(), "what is refused is not begun");
        read_prometheus(prometheus);
        read_json(json);
    }

    // ---- and read back

    [[nodiscard]] bool is_figure(std::string_view metric, std::string_view value, const measured& figures,
                                 std::string_view prefix, bool json) const {
        if (!metric.starts_with(prefix)) return false;
        metric.remove_prefix(prefix.size());
        if (metric == (json ? "count" : "count_total")) return reads_as(value, figures.count, json);
        if (metric == "balance_bytes") return reads_as(value, figures.balance, json);
        if (metric == "level_seconds") return reads_as(value, figures.level, json);
        if (metric != "memory_ceiling_bytes") return false;
        const double ceiling = figures.ceiling == std::numeric_limits<std::size_t>::max()
                                   ? std::numeric_limits<double>::infinity()
                                   : static_cast<double>(figures.ceiling);
        return reads_as(value, ceiling, json);
    }

    void read_prometheus(std::string_view text) {
        text_reader reader(text);
        std::set<std::string> families;
        std::set<std::pair<std::string, std::string>> series;
        std::string family;
        while (!reader.done() && !check_.failed()) {
            if (reader.take("# HELP ")) {
                family = reader.until(" \n");
                check_.expect(families.insert(family).second, "a family is told once");
                reader.until("\n");
                check_.expect(reader.take("\n# TYPE ") && reader.take(family) && reader.take(" "),
                              "the type follows the help");
                const bool counter = family.ends_with("_total");
                check_.expect(reader.take(counter ? "counter\n" : "gauge\n"), "a type is one of the two");
                continue;
            }
            std::string label;
            const std::string metric(reader.until("{\n"));
            check_.equal(metric, family, "a sample stands below its family");
            check_.expect(reader.take("{name=") && reader.quoted(label, false) && reader.take("} "),
                          "a sample has a name in quotes");
            const std::string value(reader.until("\n"));
            check_.expect(reader.take("\n"), "a sample ends its line");
            check_.expect(series.emplace(metric, label).second, "a series is told once");
            check_.expect(is_sample(metric, label, value), "a sample is what was measured");
        }
        check_.equal(series.size(), 12U, "the number of samples");
    }
    [[nodiscard]] bool is_sample(std::string_view metric, const std::string& label, std::string_view value) const {
        for (const std::size_t part : {std::size_t{0}, std::size_t{1}})
            if (label == visible_name(names_[part]) && is_figure(metric, value, figures_[part], "plateau_shop_", false))
                return true;
        return label == visible_name(names_[2]) && is_figure(metric, value, figures_[2], "plateau_stall_", false);
    }

    void read_json(std::string_view text) {
        text_reader reader(text);
        check_.expect(reader.take("{\"parts\":["), "JSON begins with its parts");
        for (const std::size_t part : {std::size_t{0}, std::size_t{2}, std::size_t{1}}) {
            std::string name;
            check_.expect(reader.take("{\"name\":") && reader.quoted(name, true), "a part begins with its name");
            check_.expect(name == visible_name(names_[part]), "a name is read as it was given");
            check_.expect(reader.take(part == 2 ? ",\"family\":\"stall\"" : ",\"family\":\"shop\""), "then its family");
            for (int field = 0; field < 4; ++field) {
                std::string metric;
                check_.expect(reader.take(",") && reader.quoted(metric, true) && reader.take(":"), "then its figures");
                check_.expect(is_figure(metric, reader.until(",}"), figures_[part], "", true),
                              "a figure is what was measured");
            }
            check_.expect(reader.take("}") && (part == 1 || reader.take(",")), "then the next");
        }
        check_.expect(reader.take("]}\n") && reader.done(), "JSON ends where it should");
    }

    model_check& check_;
    std::array<std::string, 3> names_{"a", "b", "a"};
    std::array<measured, 3> figures_{};
};

struct metrics_model {
    static constexpr std::string_view name = "metrics";
    static constexpr std::string_view room = "watch";
    static constexpr std::size_t setup_bytes = 0;
    static constexpr std::size_t command_bytes = 2;

    static void run(byte_view input, model_check& check) {
        metrics_pair pair(check);
        play_commands<metrics_model>(input, check, [&](byte_view command) { pair.step(command); });
        if (!check.failed()) pair.finish();
    }
    static std::string describe_setup(byte_view) { return "two shops and a stall"; }
    static std::string describe(byte_view, byte_view command) { return metrics_pair::describe(command); }
    static model_bytes generate(random_source& random, std::size_t commands) {
        model_bytes bytes(setup_bytes + commands * command_bytes);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
        return bytes;
    }
};

}  // namespace plateau_test
