// SPDX-License-Identifier: MIT
#pragma once
// The shop of the page service: products as trees of strings, and their HTML. Standard library and zlib's checksum
// only.
//
// A product follows from its id, so that a checker in another process can predict what it must see. Most pages are near
// 10 KB, a few reach 300 KB (a bounded Pareto distribution, as real review counts have): mean 35 KB.
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace shop {

template <class Allocator>
using text_in = std::basic_string<char, std::char_traits<char>, Allocator>;  // Allocator: of char

template <class Allocator>
struct basic_review {
    text_in<Allocator> author;
    text_in<Allocator> text;
    int stars;
};

/// One product with everything its page shows: the tree that a request builds and must not leave behind. The allocator
/// says where it lies.
template <class Allocator>
struct basic_product {
    using review = basic_review<Allocator>;
    using reviews_allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<review>;

    std::uint32_t id;
    text_in<Allocator> name;
    text_in<Allocator> description;
    std::uint64_t price_cents;
    std::vector<review, reviews_allocator> reviews;
};
using product = basic_product<std::allocator<char>>;

inline constexpr std::size_t min_page_bytes = 10'000;
inline constexpr std::size_t max_page_bytes = 300'000;
inline constexpr std::size_t max_shown_query = 120;

/// SplitMix64 (Steele, Lea, Flood 2014): one stream of numbers for each product.
class dice {
public:
    explicit dice(std::uint64_t seed) noexcept : state_(seed) {}
    std::uint64_t roll() noexcept {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    std::size_t below(std::size_t n) noexcept { return static_cast<std::size_t>(roll() % n); }
    double unit() noexcept { return static_cast<double>(roll() >> 11) * 0x1p-53; }

private:
    std::uint64_t state_;
};

/// Words as people write them, the characters that HTML gives a meaning included.
template <class Allocator>
text_in<Allocator> sentence(dice& die, std::size_t words, const Allocator& memory) {
    static constexpr std::string_view vocabulary[] = {
        "lamp",    "the",   "warm",   "light",  "A&B",      "of",      "glass",  "holds", "for",  "years", "\"solid\"",
        "cable",   "short", "colour", "<blue>", "delivery", "fast",    "in",     "a",     "box",  "table", "it's",
        "dim",     "to",    "10%",    "bulb",   "without",  "humming", "bought", "two",   "and",  "would", "again",
        "kitchen", "shelf", "switch", "feels",  "cheap",    "but",     "works",  "5 < 6", "base", "heavy", "enough",
    };
    text_in<Allocator> text(memory);
    text.reserve(words * 7);
    for (std::size_t i = 0; i < words; ++i) {
        if (i != 0) text += ' ';
        text += vocabulary[die.below(std::size(vocabulary))];
    }
    return text;
}

template <class Allocator = std::allocator<char>>
basic_product<Allocator> find_product(std::uint32_t id, const Allocator& memory = {}) {
    using tree = basic_product<Allocator>;
    dice die(id);
    constexpr double low = 10'300,
                     high = 290'000;  // what fixed parts and rounding to whole reviews add stays inside the bounds
    const double wanted = low / (1.0 - die.unit() * (1.0 - low / high));
    tree item{.id = id,
              .name = sentence(die, 4, memory),
              .description = sentence(die, 60, memory),
              .price_cents = 199 + die.below(99'800),
              .reviews = decltype(tree::reviews)(typename tree::reviews_allocator(memory))};
    std::size_t bytes = item.description.size() + 600;
    while (static_cast<double>(bytes) < wanted) {
        typename tree::review next{.author = sentence(die, 2, memory),
                                   .text = sentence(die, 30 + die.below(60), memory),
                                   .stars = static_cast<int>(1 + die.below(5))};
        bytes += next.author.size() + next.text.size() + 140;
        item.reviews.push_back(std::move(next));
    }
    return item;
}

template <class Text>
void append_escaped(Text& out, std::string_view text) {
    for (;;) {
        const std::size_t plain = std::min(text.find_first_of("<>&\"'"), text.size());
        out.append(text.substr(0, plain));
        if (plain == text.size()) return;
        switch (text[plain]) {
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '&':
            out += "&amp;";
            break;
        case '"':
            out += "&quot;";
            break;
        default:
            out += "&#39;";
            break;
        }
        text.remove_prefix(plain + 1);
    }
}

inline std::uint32_t checksum(std::string_view bytes) noexcept {
    return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

/// The last line of every page: which product, how many bytes stand before it, and their checksum.
inline std::string seal(std::uint32_t id, std::string_view page) {
    char line[96];
    const int n =
        std::snprintf(line, sizeof line, "<!-- product=%u bytes=%zu crc32=%08x -->\n", id, page.size(), checksum(page));
    return {line, static_cast<std::size_t>(n)};
}

/// The page of one product as the given query asked for it, in the product's own memory.
template <class Allocator>
text_in<Allocator> render(const basic_product<Allocator>& item, std::string_view query) {
    std::size_t bytes = 1'200 + item.description.size() + item.description.size() / 4;
    for (const auto& r : item.reviews) bytes += 140 + r.author.size() + r.text.size() + r.text.size() / 4;
    text_in<Allocator> html(item.name.get_allocator());
    html.reserve(bytes);
    html += "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>";
    append_escaped(html, item.name);
    html += "</title></head>\n<body>\n<h1>";
    append_escaped(html, item.name);
    html += "</h1>\n<p class=\"price\">";
    html += std::to_string(item.price_cents / 100);
    html += '.';
    html += static_cast<char>('0' + item.price_cents % 100 / 10);
    html += static_cast<char>('0' + item.price_cents % 10);
    html += "</p>\n<p class=\"view\">";
    append_escaped(html, query.substr(0, max_shown_query));
    html += "</p>\n<p>";
    append_escaped(html, item.description);
    html += "</p>\n<ol class=\"reviews\">\n";
    for (const auto& r : item.reviews) {
        html += "<li class=\"review\"><span class=\"stars\">";
        html += static_cast<char>('0' + r.stars);
        html += " of 5</span> <cite class=\"author\">";
        append_escaped(html, r.author);
        html += "</cite>\n  <blockquote>";
        append_escaped(html, r.text);
        html += "</blockquote></li>\n";
    }
    html += "</ol>\n</body></html>\n";
    html += seal(item.id, html);
    return html;
}

enum class id_error { none, malformed, no_such_product };

struct parsed_id {
    std::uint32_t id = 0;
    id_error error = id_error::none;
};

/// Reads a product id: decimal digits only, no sign, no leading zero, nothing before or after.
inline parsed_id parse_id(std::string_view text) noexcept {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (text.empty() || !std::all_of(text.begin(), text.end(), digit)) return {.error = id_error::malformed};
    if (text.size() > 1 && text.front() == '0') return {.error = id_error::malformed};
    std::uint32_t id = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), id).ec != std::errc{})
        return {.error = id_error::no_such_product};
    return {.id = id};
}

}  // namespace shop
