// SPDX-License-Identifier: MIT
/// What the tests of keys check, and two references: a reader of framed keys, and queries read the slow way.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/random.hpp"

#include <plateau/cache/composite_key.hpp>
#include <plateau/cache/route_key.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace plateau_test {

using key_part = std::variant<std::string, std::int64_t>;
using key_parts = std::vector<key_part>;

/// The parts of a framed key, read as bencode is told: none if that is not what it is.
inline std::optional<key_parts> read_key(std::string_view key) {
    key_parts parts;
    while (!key.empty()) {
        const bool number = key[0] == 'i';
        const std::size_t mark = key.find(number ? 'e' : ':');
        if (mark == key.npos) return std::nullopt;
        const std::string_view digits = key.substr(number, mark - number);
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
        if (std::to_string(value) != digits) return std::nullopt;  // one spelling each
        key.remove_prefix(mark + 1);
        if (number) {
            parts.emplace_back(value);
        } else {
            if (value < 0 || static_cast<std::size_t>(value) > key.size()) return std::nullopt;
            parts.emplace_back(std::string(key.substr(0, static_cast<std::size_t>(value))));
            key.remove_prefix(static_cast<std::size_t>(value));
        }
    }
    return parts;
}

/// The key of parts that are only known at run time. Up to three fields.
template <class Key, class... Done>
std::string key_of(const key_part* first, const key_part* last, const Done&... done) {
    if constexpr (sizeof...(Done) == 4) return std::string(std::string_view(Key{done...}));
    else {
        if constexpr (sizeof...(Done) != 0) {
            if (first == last) return std::string(std::string_view(Key{done...}));
        }
        return std::visit([&](const auto& part) { return key_of<Key>(first + 1, last, done..., part); }, *first);
    }
}
template <class Key>
std::string key_of(const key_parts& parts) {
    return key_of<Key>(parts.data(), parts.data() + parts.size());
}

/// Few letters, and those that the frames are made of: lists that are nearly equal are likely.
inline key_parts random_parts(random_source& random) {
    constexpr std::string_view letters = {"01:ie-\0a", 8};
    key_parts parts;
    const std::uint64_t count = 1 + random.below(4);
    while (parts.size() < count) {
        if (random.one_in(3)) {
            parts.emplace_back(random.one_in(2) ? random.between(-12, 12) : static_cast<std::int64_t>(random.next()));
            continue;
        }
        std::string text;
        const std::uint64_t size = random.one_in(40) ? 100 + random.below(40) : random.below(5);
        while (text.size() < size) text += letters[random.below(letters.size())];
        parts.emplace_back(std::move(text));
    }
    return parts;
}

template <class Key>
void different_parts_make_different_keys(shared_check& check, std::uint64_t rounds) {
    random_source random("composite keys");
    std::map<std::string, key_parts> seen;
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const key_parts parts = random_parts(random);
        const std::string key = key_of<Key>(parts);
        if (!check.expect(read_key(key) == parts, "a key is read back as its parts")) return;
        const auto [at, fresh] = seen.try_emplace(key, parts);
        if (!check.expect(fresh || at->second == parts, "no two lists of parts have one key")) return;
    }
}

template <class Key>
void a_tenant_is_a_prefix_of_its_own_keys_alone(shared_check& check, std::uint64_t rounds) {
    random_source random("tenants");
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const key_parts own = random_parts(random);
        const key_parts other = random_parts(random);
        const std::string tenant = key_of<Key>({own[0]});
        if (!check.expect(key_of<Key>(own).starts_with(tenant), "a tenant's key begins with the tenant")) return;
        if (!check.equal(key_of<Key>(other).starts_with(tenant), own[0] == other[0], "begins with another's tenant"))
            return;
    }
}

// ---- routes

struct route_request {
    std::string path;
    std::string query;
    std::vector<std::string> names;
};

/// Letter by letter. None for a bad escape.
inline std::optional<std::string> slowly_decoded(const std::string& text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            plain += ' ';
        } else if (text[i] != '%') {
            plain += text[i];
        } else {
            const std::string digits = text.substr(i + 1, 2);
            if (digits.size() != 2 || digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos)
                return std::nullopt;
            plain += static_cast<char>(std::strtoul(digits.c_str(), nullptr, 16));
            i += 2;
        }
    }
    return plain;
}

/// What the key of a request says: the path, and the values of each name. `refused` at a bad escape.
struct route_meaning {
    std::string path;
    std::map<std::string, std::vector<std::string>> values;
    bool refused = false;

    friend bool operator==(const route_meaning&, const route_meaning&) = default;
};

inline route_meaning meaning_of(const route_request& request) {
    route_meaning meaning{request.path, {}};
    std::size_t begin = 0;
    while (begin <= request.query.size()) {
        const std::size_t end = std::min(request.query.find('&', begin), request.query.size());
        const std::string pair = request.query.substr(begin, end - begin);
        begin = end + 1;
        if (pair.empty()) continue;
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const auto name = slowly_decoded(pair.substr(0, equals));
        if (!name || std::find(request.names.begin(), request.names.end(), *name) == request.names.end()) continue;
        const auto value = slowly_decoded(equals == pair.size() ? "" : pair.substr(equals + 1));
        if (!value) meaning.refused = true;
        else meaning.values[*name].push_back(*value);
    }
    return meaning;
}

inline std::size_t framed_bytes(const route_meaning& meaning) {
    const auto framed = [](const std::string& text) { return text.size() + std::to_string(text.size()).size() + 1; };
    std::size_t size = framed(meaning.path);
    for (const auto& [name, values] : meaning.values) {
        for (const auto& value : values) size += framed(name) + framed(value);
    }
    return size;
}

/// The reverse of a route's key. None if it is nobody's.
inline std::optional<route_meaning> read_route(std::string_view key) {
    const auto parts = read_key(key);
    if (!parts || parts->size() % 2 != 1) return std::nullopt;
    for (const key_part& part : *parts) {
        if (!std::holds_alternative<std::string>(part)) return std::nullopt;
    }
    route_meaning meaning{std::get<std::string>(parts->front()), {}};
    for (std::size_t i = 1; i < parts->size(); i += 2) {
        const std::string& name = std::get<std::string>((*parts)[i]);
        if (i > 2 && std::get<std::string>((*parts)[i - 2]) > name) return std::nullopt;  // by name
        meaning.values[name].push_back(std::get<std::string>((*parts)[i + 1]));
    }
    return meaning;
}

/// One request, against the slow reading of it. The reason of a refusal that has two is either.
template <class Key>
void a_route_key_says_what_the_request_says(shared_check& check, const route_request& request, std::size_t max_bytes) {
    const std::vector<std::string_view> names(request.names.begin(), request.names.end());
    const Key key(request.path, request.query, std::span<const std::string_view>(names), {.max_bytes = max_bytes});
    const bool marked = !names.empty() && request.query.starts_with('?');
    check.equal(key.reason() == plateau::route_reason::question_mark, marked,
                "a query that begins with `?` is refused");
    if (marked) return;
    const route_meaning meaning = meaning_of(request);
    const bool large = framed_bytes(meaning) > max_bytes;
    if (key) {
        check.expect(!meaning.refused, "a bad escape in a chosen value is refused");
        check.expect(!large, "a key above its bound is refused");
        if (check.expect((*key).size() <= max_bytes, "a key is within its bound"))
            check.expect(read_route(*key) == meaning, "a route's key is read back as the path and the chosen values");
        return;
    }
    check.expect(meaning.refused || large, "a request is not refused without a reason");
    if (!meaning.refused) check.equal(key.reason(), plateau::route_reason::too_large, "the reason");
    if (!large) check.equal(key.reason(), plateau::route_reason::bad_escape, "the reason");
}

inline std::string random_letters(random_source& random, std::string_view letters, std::size_t most) {
    std::string text;
    const std::uint64_t size = random.below(most + 1);
    while (text.size() < size) text += letters[random.below(letters.size())];
    return text;
}
inline route_request random_request(random_source& random) {
    constexpr std::string_view letters = {"ab=&%+4\0161?/", 12};
    route_request request{random_letters(random, {"/a:1\0%", 6}, 6), {}, {}};
    for (std::uint64_t i = random.below(5); i > 0; --i) {
        request.query += random.one_in(2) ? random_letters(random, "ab", 1) : random_letters(random, letters, 6);
        if (!random.one_in(4)) request.query += '=';
        request.query += random_letters(random, letters, random.one_in(20) ? 60 : 5);
        request.query += '&';
    }
    for (std::uint64_t i = random.below(4); i > 0; --i)
        request.names.push_back(random_letters(random, {"ab= \0aA", 7}, 1));
    return request;
}

template <class Key>
void route_keys_agree_with_the_slow_reading(shared_check& check, std::uint64_t rounds) {
    random_source random("route keys");
    for (std::uint64_t i = 0; i < rounds && !check.failed(); ++i)
        a_route_key_says_what_the_request_says<Key>(check, random_request(random), random.one_in(3) ? 24 : 1024);
}

}  // namespace plateau_test
