// SPDX-License-Identifier: MIT
/// What is checked of the text that a scraper reads, for parts with several kinds of stats.
#pragma once

#include "seeded_bugs/shared_check.hpp"

#include <plateau/watch/metrics.hpp>

#include <cstdint>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

namespace plateau_test {

struct shop_stats {
    std::uint64_t sold = 0;
    std::int64_t balance = 0;
    double waited = 0;

    static constexpr std::string_view family = "shop";
    template <class F>
    void visit_fields(F&& f) const {
        using plateau::field_info;
        using plateau::field_kind;
        f(field_info{"sold", "", "Things sold.", field_kind::counter}, sold);
        f(field_info{"balance", "bytes", "What is left.", field_kind::gauge}, balance);
        f(field_info{"waited", "seconds", "A \\ and\na second line.", field_kind::counter}, waited);
    }
};

template <class Stats>
struct part {
    Stats figures;
    const Stats& stats() const noexcept { return figures; }
};

template <class... Parts>
std::string prometheus(const Parts&... parts) {
    std::string text;
    plateau::write_prometheus(text, parts...);
    return text;
}

/// What the text format asks for (Prometheus docs, "Exposition formats"): HELP and TYPE once a family and before its
/// samples, the samples of a family together, no series twice. Returns: the first fault, or nothing.
inline std::string fault_of(const std::string& text) {
    std::istringstream lines(text);
    std::set<std::string> ended;
    std::set<std::string> typed;
    std::set<std::string> series;
    std::string current;
    if (!text.empty() && text.back() != '\n') return "no line feed at the end";
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind("# ", 0) == 0) {
            const auto name = line.substr(7, line.find(' ', 7) - 7);
            if (line.rfind("# HELP ", 0) == 0) {
                if (!current.empty()) ended.insert(current);
                if (ended.count(name) != 0) return "told twice: " + line;
                current = name;
            } else if (line.rfind("# TYPE ", 0) == 0) {
                if (name != current || !typed.insert(name).second) return "a type that comes twice or alone: " + line;
            } else {
                return "neither help nor type: " + line;
            }
            continue;
        }
        const auto name = line.substr(0, line.find('{'));
        if (name != current || typed.count(name) == 0) return "a sample outside its family: " + line;
        if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:") != name.npos)
            return "a name that is none: " + line;
        if (!series.insert(line.substr(0, line.rfind(' '))).second) return "a series twice: " + line;
    }
    return "";
}

/// One wrong byte in a name that comes from outside must not silence the whole page.
template <class Stats>
void hostile_names_are_made_whole(shared_check& check) {
    const part<Stats> shop{};
    const auto label_is = [&](const std::string& name, const std::string& wanted) {
        const std::string text = prometheus(plateau::named(name, shop));
        check.equal(fault_of(text), std::string(), "the fault of a page");
        const auto begin = text.find("{name=\"") + 7;
        check.equal(text.substr(begin, text.find("\"} ", begin) - begin), wanted, "a label");
    };
    const std::string replacement = "\xEF\xBF\xBD";
    label_is("a\"b\\c\nd", "a\\\"b\\\\c\\nd");
    label_is("", "");
    label_is("\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9");
    label_is("\xFF", replacement);
    label_is("a\xC3", "a" + replacement);                                                 // cut off
    label_is("\xC0\xAF", replacement + replacement);                                      // overlong
    label_is("\xED\xA0\x80", replacement + replacement + replacement);                    // a surrogate
    label_is("\xF4\x90\x80\x80", replacement + replacement + replacement + replacement);  // beyond Unicode
    label_is("\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80");
    label_is(std::string(1'000'000, 'n'), std::string(128, 'n'));
    label_is(std::string(127, 'n') + "\xC3\xA9", std::string(127, 'n'));  // no half character
}

}  // namespace plateau_test
