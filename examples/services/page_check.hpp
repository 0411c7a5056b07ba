// SPDX-License-Identifier: MIT
#pragma once
// What a correct product page is, seen from outside.
#include "catalogue.hpp"
#include "request_plan.hpp"

#include <httplib.h>

#include <string>
#include <string_view>

namespace load {

/// Returns: what is wrong with a whole page, or nothing.
inline std::string fault_in_page(std::string_view html, const planned_request& asked) {
    if (html.size() < shop::min_page_bytes || html.size() > shop::max_page_bytes)
        return "a page of " + std::to_string(html.size()) + " bytes";
    const std::size_t last_line = html.rfind('\n', html.size() - 2) + 1;
    if (html.substr(last_line) != shop::seal(asked.id, html.substr(0, last_line)))
        return "product, length or checksum do not match";
    std::string view = "<p class=\"view\">";
    shop::append_escaped(view, std::string_view(asked.query).substr(0, shop::max_shown_query));
    view += "</p>";
    if (html.find(view) == html.npos) return "the page was made for another query";
    return {};
}

/// Returns: what is wrong with an answer, or nothing.
inline std::string fault_in(const httplib::Response& answer, const planned_request& asked) {
    if (answer.status != 200) return "status " + std::to_string(answer.status);
    if (answer.get_header_value("Content-Type") != "text/html; charset=utf-8")
        return "content type " + answer.get_header_value("Content-Type");
    if (answer.get_header_value("Content-Length") != std::to_string(answer.body.size()))
        return "content length " + answer.get_header_value("Content-Length");
    const std::string cache = answer.get_header_value("X-Cache");
    if (cache != "hit" && cache != "miss") return "X-Cache \"" + cache + "\"";
    return fault_in_page(answer.body, asked);
}

}  // namespace load
