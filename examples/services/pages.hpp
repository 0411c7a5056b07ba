// SPDX-License-Identifier: MIT
#pragma once
// What both page services are asked, and what they answer.
#include <cstdint>
#include <string>
#include <string_view>

struct page_request {
    std::uint32_t id;      // of the product
    std::string_view url;  // path and query, as the client wrote them
    std::string_view query;
    std::string_view client;  // how it calls itself
};

struct page_answer {
    std::string html;
    bool hit;  // kept from an earlier request
};
