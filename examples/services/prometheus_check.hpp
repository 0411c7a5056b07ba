// SPDX-License-Identifier: MIT
#pragma once
// Whether a text is well-formed in the Prometheus exposition format 0.0.4, checked line by line.
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

class prometheus_check {
public:
    /// Returns: what is wrong, with the line; or nothing. A family needs HELP, then TYPE, then samples, all together
    /// and once.
    static std::string fault_in(std::string_view text) {
        if (text.empty() || text.back() != '\n') return "the text does not end with a line feed";
        prometheus_check check;
        while (!text.empty()) {
            const std::size_t end = text.find('\n');
            const std::string_view line = text.substr(0, end);
            text.remove_prefix(end + 1);
            if (line.empty()) continue;
            const std::string fault = line.front() == '#' ? check.comment(line) : check.sample(line);
            if (!fault.empty()) return fault + " in: " + std::string(line);
        }
        return check.series_.empty() ? "no sample at all" : "";
    }

private:
    static bool first_of_name(char c) {
        return c == '_' || c == ':' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    static bool of_name(char c) { return first_of_name(c) || (c >= '0' && c <= '9'); }
    static std::string_view take_name(std::string_view& line) {
        if (line.empty() || !first_of_name(line.front())) return {};
        const auto end = static_cast<std::size_t>(std::find_if_not(line.begin(), line.end(), of_name) - line.begin());
        const std::string_view name = line.substr(0, end);
        line.remove_prefix(end);
        return name;
    }
    static bool take(std::string_view& line, std::string_view prefix) {
        if (!line.starts_with(prefix)) return false;
        line.remove_prefix(prefix.size());
        return true;
    }

    std::string comment(std::string_view line) {
        if (take(line, "# HELP ")) {
            family_ = std::string(take_name(line));
            if (family_.empty() || !take(line, " ") || line.empty()) return "a HELP without a name or a text";
            type_.clear();
            return families_.insert(family_).second ? "" : "a second HELP for its family";
        }
        if (take(line, "# TYPE ")) {
            if (take_name(line) != family_ || !take(line, " ")) return "a TYPE that does not follow its HELP";
            if (!type_.empty()) return "a second TYPE for its family";
            if (line != "counter" && line != "gauge" && line != "histogram" && line != "summary" && line != "untyped")
                return "an unknown type";
            type_ = std::string(line);
            return type_ == "counter" && !family_.ends_with("_total") ? "a counter whose name does not end in _total"
                                                                      : "";
        }
        return "";
    }

    std::string sample(std::string_view line) {
        const std::string_view whole = line;
        const std::string_view name = take_name(line);
        if (name.empty()) return "no metric name";
        if (name != family_ || type_.empty()) return "a sample without HELP and TYPE before it";
        if (take(line, "{"))
            if (const std::string fault = labels(line); !fault.empty()) return fault;
        const std::string series(whole.substr(0, whole.size() - line.size()));
        if (!take(line, " ")) return "no value";
        if (!is_number(std::string(line))) return "a value that is no number";
        return series_.insert(series).second ? "" : "the same series twice";
    }

    /// After "{": name="value" pairs up to and with "}". In a value only \\, \" and \n are escapes, and a quote must be
    /// one.
    static std::string labels(std::string_view& line) {
        while (!take(line, "}")) {
            if (take_name(line).empty() || !take(line, "=\"")) return "a malformed label";
            for (; !line.empty() && line.front() != '"'; line.remove_prefix(1))
                if (line.front() == '\\') {
                    line.remove_prefix(1);
                    if (line.empty() || std::string_view("\\\"n").find(line.front()) == std::string_view::npos)
                        return "a bad escape in a label";
                }
            if (!take(line, "\"")) return "a label value without its end";
            if (!take(line, ",") && !line.starts_with('}')) return "a malformed list of labels";
        }
        return "";
    }

    static bool is_number(const std::string& text) {
        if (text == "NaN" || text == "+Inf" || text == "-Inf") return true;
        char* end = nullptr;
        (void)std::strtod(text.c_str(), &end);
        return !text.empty() && *end == '\0' && text.find_first_not_of("0123456789+-.eE") == std::string::npos;
    }

    std::string family_;
    std::string type_;
    std::set<std::string> families_;
    std::set<std::string> series_;
};
