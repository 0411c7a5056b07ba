// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"

#include <plateau/watch/text_sink.hpp>

#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

using namespace plateau_test;
using plateau::text_sink;
using plateau::detail::text_out;

static_assert(text_sink<std::string&> && text_sink<std::FILE*> && text_sink<std::FILE*&> &&
              text_sink<std::FILE* const&>);
static_assert(text_sink<void (*)(std::string_view)> && !text_sink<int> && !text_sink<const std::string&>);

namespace {

template <class Write>
std::string written(Write write) {
    std::string text;
    text_out out(text);
    write(out);
    out.flush();
    return text;
}

std::string size_of(std::uint64_t bytes) {
    return written([&](text_out& out) { out.size(bytes); });
}

}  // namespace

TEST_CASE("text of any length arrives whole and in order", "[watch][unit]") {
    for (const std::size_t size : {0U, 1U, 511U, 512U, 513U, 1'024U, 5'000U}) {
        std::string expected;
        for (std::size_t i = 0; i < size; ++i) expected += static_cast<char>('a' + i % 26);
        CHECK(written([&](text_out& out) { out.put(expected); }) == expected);
        CHECK(written([&](text_out& out) {
                  for (const char letter : expected) out.put({&letter, 1});
              }) == expected);
    }
}

TEST_CASE("columns line up, and a text that is too long keeps its distance", "[watch][unit]") {
    CHECK(written([](text_out& out) { out.column("ab", 4).put("|"); }) == "ab  |");
    CHECK(written([](text_out& out) { out.column("abcd", 4).put("|"); }) == "abcd |");
    CHECK(written([](text_out& out) { out.right("ab", 4).put("|"); }) == "  ab|");
    CHECK(written([](text_out& out) { out.right("abcdef", 4).put("|"); }) == "abcdef|");
    CHECK(written([](text_out& out) { out.right("x", 100); }) == std::string(99, ' ') + "x");
    CHECK(written([](text_out& out) { out.number(-5, 4); }) == "  -5");
    CHECK(written([](text_out& out) { out.number(UINT64_MAX); }) == "18446744073709551615");
}

TEST_CASE("sizes are told in the largest unit that leaves a whole part, cut and not rounded up", "[watch][unit]") {
    CHECK(size_of(0) == "0 B");
    CHECK(size_of(1'023) == "1023 B");
    CHECK(size_of(1'024) == "1.0 KiB");
    CHECK(size_of(1'535) == "1.4 KiB");
    CHECK(size_of(1'536) == "1.5 KiB");
    CHECK(size_of(1'048'575) == "1023.9 KiB");
    CHECK(size_of(1'048'576) == "1.0 MiB");
    CHECK(size_of(std::uint64_t{5} << 60U) == "5.0 EiB");
    CHECK(size_of(UINT64_MAX - 1) == "15.9 EiB");
    CHECK(size_of(plateau::unlimited) == "unlimited");
}

TEST_CASE("a file that is null ends the process with a sentence", "[watch][unit]") {
    const auto end = dies([] {
        std::FILE* none = nullptr;
        text_out out(none);
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("is not null"));
}

TEST_CASE("a sink is a function, an object, a file or anything that appends", "[watch][unit]") {
    static std::string said;
    said.clear();
    void (*const say)(std::string_view) = [](std::string_view piece) { said += piece; };
    plateau::detail::write_text(say, [](text_out& out) { out.put("by a function"); });
    CHECK(said == "by a function");

    struct letters {
        std::vector<char> all;
        void append(const char* text, std::size_t size) { all.insert(all.end(), text, text + size); }
    } own;
    plateau::detail::write_text(own, [](text_out& out) { out.put("own"); });
    CHECK(own.all == std::vector<char>{'o', 'w', 'n'});
}
