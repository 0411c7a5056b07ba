// SPDX-License-Identifier: MIT
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"
#include "watch/metrics_checks.hpp"

#include <plateau/watch.hpp>

#include <clocale>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sys/wait.h>

using namespace plateau_test;
using plateau::field_info;
using plateau::field_kind;
using plateau::named;

namespace {

/// Of the same family, with one figure in common: what two templates of one room look like.
struct stall_stats {
    std::uint64_t sold = 0;
    static constexpr std::string_view family = "shop";
    template <class F>
    void visit_fields(F&& f) const {
        f(field_info{"stalls", "", "Only here.", field_kind::gauge}, std::uint64_t{1});
        f(field_info{"sold", "", "Things sold.", field_kind::counter}, sold);
    }
};

/// A bound as a gauge, beside a counter that may become as large.
struct room_stats {
    std::uint64_t most = 0;
    std::uint64_t passed = 0;
    static constexpr std::string_view family = "room";
    template <class F>
    void visit_fields(F&& f) const {
        f(field_info{"most", "bytes", "What may be in it.", field_kind::gauge}, most);
        f(field_info{"passed", "", "What went through.", field_kind::counter}, passed);
    }
};

struct bounded : part<shop_stats> {
    std::size_t ceiling = 0;
    std::size_t memory_ceiling() const noexcept { return ceiling; }
};

template <class... Parts>
std::string json(const Parts&... parts) {
    std::string text;
    plateau::write_json(text, parts...);
    return text;
}

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != text.npos;
}

/// What `command` says to `text` on its standard input: its exit code, or -1 where there is no such command.
int ask(const std::string& command, const std::string& text) {
    if (std::system(("command -v " + command.substr(0, command.find(' ')) + " >/dev/null 2>&1").c_str()) != 0)
        return -1;
    std::FILE* const pipe = popen((command + " >/dev/null 2>&1").c_str(), "w");
    if (pipe == nullptr) return -1;
    std::fwrite(text.data(), 1, text.size(), pipe);
    const int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

TEST_CASE("figures become samples with their names, units and kinds", "[watch][unit]") {
    const part<shop_stats> shop{{.sold = 3, .balance = -7, .waited = 0.5}};
    const std::string text = prometheus(named("main", shop));
    CHECK(has_line(text, "# HELP plateau_shop_sold_total Things sold."));
    CHECK(has_line(text, "# TYPE plateau_shop_sold_total counter"));
    CHECK(has_line(text, "plateau_shop_sold_total{name=\"main\"} 3"));
    CHECK(has_line(text, "# TYPE plateau_shop_balance_bytes gauge"));
    CHECK(has_line(text, "plateau_shop_balance_bytes{name=\"main\"} -7"));
    CHECK(has_line(text, "# HELP plateau_shop_waited_seconds_total A \\\\ and\\na second line."));
    CHECK(has_line(text, "plateau_shop_waited_seconds_total{name=\"main\"} 0.5"));
    CHECK(text.find("ceiling") == text.npos);
    CHECK(fault_of(text) == "");
    CHECK(json(named("main", shop)) == "{\"parts\":[{\"name\":\"main\",\"family\":\"shop\",\"sold\":3,\"balance_"
                                       "bytes\":-7,\"waited_seconds\":0.5}]}\n");
}

// A scraper refuses the whole page when a family is told twice: so parts of one kind must be gathered, whatever stands
// between them.
TEST_CASE("a family is told once, with the samples of all its parts together", "[watch][unit]") {
    const part<shop_stats> a{{.sold = 1}};
    const part<shop_stats> b{{.sold = 2}};
    const part<stall_stats> c{{.sold = 3}};
    plateau::ledger books;
    const std::string text = prometheus(named("a", a), named("books", books), named("c", c), named("b", b));
    CHECK(fault_of(text) == "");
    CHECK(text.find("plateau_shop_sold_total{name=\"a\"} 1\nplateau_shop_sold_total{name=\"c\"} 3\n"
                    "plateau_shop_sold_total{name=\"b\"} 2\n") != text.npos);
    CHECK(has_line(text, "plateau_shop_stalls{name=\"c\"} 1"));
    CHECK(fault_of(prometheus(named("c", c), named("a", a), named("b", b))) == "");
}

TEST_CASE("a ceiling is told, infinite where there is none", "[watch][unit]") {
    bounded with;
    with.ceiling = 4'096;
    bounded without;
    without.ceiling = plateau::unlimited;
    const std::string text = prometheus(named("with", with), named("without", without));
    CHECK(has_line(text, "plateau_shop_memory_ceiling_bytes{name=\"with\"} 4096"));
    CHECK(has_line(text, "plateau_shop_memory_ceiling_bytes{name=\"without\"} +Inf"));
    CHECK(fault_of(text) == "");
    CHECK(json(named("without", without)).find("\"memory_ceiling_bytes\":null") != std::string::npos);

    const part<room_stats> door{{.most = plateau::unlimited, .passed = UINT64_MAX}};
    const std::string told = prometheus(named("door", door));
    CHECK(has_line(told, "plateau_room_most_bytes{name=\"door\"} +Inf"));
    CHECK(has_line(told, "plateau_room_passed_total{name=\"door\"} 18446744073709551615"));
    CHECK(json(named("door", door)).find("\"most_bytes\":null") != std::string::npos);
}

TEST_CASE("extreme figures are written exactly, in every locale", "[watch][unit]") {
    part<shop_stats> shop{{.sold = UINT64_MAX, .balance = INT64_MIN, .waited = 0.1}};
    const char* const before = std::setlocale(LC_ALL, nullptr);
    const std::string kept = before != nullptr ? before : "C";
    for (const char* const locale : {"de_DE.UTF-8", "fr_FR.UTF-8", "C"}) {
        if (std::setlocale(LC_ALL, locale) == nullptr) continue;
        const std::string text = prometheus(named("x", shop));
        CHECK(has_line(text, "plateau_shop_sold_total{name=\"x\"} 18446744073709551615"));
        CHECK(has_line(text, "plateau_shop_balance_bytes{name=\"x\"} -9223372036854775808"));
        CHECK(has_line(text, "plateau_shop_waited_seconds_total{name=\"x\"} 0.1"));
    }
    std::setlocale(LC_ALL, kept.c_str());
    const double infinity = std::numeric_limits<double>::infinity();
    for (const auto& [value, words] : std::vector<std::pair<double, std::string>>{
             {std::nan(""), "NaN"}, {infinity, "+Inf"}, {-infinity, "-Inf"}, {1e300, "1e+300"}, {0.0, "0"}}) {
        shop.figures.waited = value;
        CHECK(has_line(prometheus(named("x", shop)), "plateau_shop_waited_seconds_total{name=\"x\"} " + words));
        if (!std::isfinite(value)) CHECK(json(named("x", shop)).find("\"waited_seconds\":null") != std::string::npos);
    }
}

TEST_CASE("hostile names are escaped, bounded and made whole", "[watch][unit]") {
    passes(hostile_names_are_made_whole<shop_stats>);
}

TEST_CASE("hostile names are escaped in JSON too", "[watch][unit]") {
    const part<shop_stats> shop{};
    const std::string control = json(named(std::string_view("\x01\x1f\x7f\"\\\0", 6), shop));
    CHECK(control.find("\"name\":\"\\u0001\\u001f\x7f\\\"\\\\\\u0000\"") != std::string::npos);
    if (const int code = ask("python3 -c 'import json,sys; json.load(sys.stdin)'", control); code >= 0)
        CHECK(code == 0);
}

TEST_CASE("two parts of one family under one name are refused before anything is written", "[watch][unit]") {
    const part<shop_stats> a{};
    const part<stall_stats> b{};
    plateau::ledger books;
    std::string text = "kept";
    CHECK_THROWS_AS(plateau::write_prometheus(text, named("x", a), named("x", b)), std::invalid_argument);
    CHECK_THROWS_AS(plateau::write_json(text, named("x", a), named("y", b), named("x", a)), std::invalid_argument);
    CHECK_THROWS_AS(plateau::write_json(text, named("y", b), named("x", a), named("x", a)), std::invalid_argument);
    const std::string long_name(200, 'n');
    CHECK_THROWS_AS(plateau::write_prometheus(text, named(long_name + "1", a), named(long_name + "2", b)),
                    std::invalid_argument);
    CHECK(text == "kept");
    CHECK_NOTHROW(plateau::write_prometheus(text, named("x", a), named("x", books)));
}

TEST_CASE("a page of nothing is well-formed", "[watch][unit]") {
    CHECK(prometheus() == "");
    CHECK(json() == "{\"parts\":[]}\n");
}

TEST_CASE("all of the room's own figures are accepted by the scraper's own checker", "[watch][unit]") {
    plateau::ledger books;
    const auto log = books.open("log", {.max_bytes = 10});
    const auto weird = books.open("a \"b\" \\ \n \xFF");
    static_cast<void>(log.try_charge(11));
    log.charge(5);
    plateau::memory_sampler line;
    line.tick(1);
    plateau::memory_plan plan;
    plan.add("books", books);
    plan.add_bytes("open", plateau::unlimited);
    const std::string text = prometheus(named("books", books), named("log", log), named("process", line),
                                        named(weird.name(), weird), named("plan", plan));
    CHECK(fault_of(text) == "");
    CHECK(has_line(text, "plateau_account_live_bytes{name=\"log\"} 5"));
    CHECK(has_line(text, "plateau_account_refused_total{name=\"log\"} 1"));
    CHECK(has_line(text, "plateau_memory_plan_total_bytes{name=\"plan\"} +Inf"));
    if (const int code = ask("promtool check metrics", text); code >= 0) CHECK(code == 0);
    const std::string object =
        json(named("books", books), named("log", log), named("process", line), named("plan", plan));
    if (const int code = ask("python3 -c 'import json,sys; json.load(sys.stdin)'", object); code >= 0) CHECK(code == 0);
}

TEST_CASE("every kind of sink gets the same text", "[watch][unit]") {
    const part<shop_stats> shop{{.sold = 12}};
    const std::string expected = prometheus(named("x", shop), named("y", shop), named("z", shop));
    std::string pieces;
    int calls = 0;
    plateau::write_prometheus(
        [&](std::string_view piece) {
            pieces += piece;
            ++calls;
        },
        named("x", shop), named("y", shop), named("z", shop));
    CHECK(pieces == expected);
    CHECK(calls >= 2);
    CHECK(calls <= static_cast<int>(expected.size() / 256 + 1));

    std::FILE* const file = std::tmpfile();
    REQUIRE(file != nullptr);
    plateau::write_prometheus(file, named("x", shop), named("y", shop), named("z", shop));
    std::string read(expected.size() + 1, '\0');
    std::rewind(file);
    read.resize(std::fread(read.data(), 1, read.size(), file));
    std::fclose(file);
    CHECK(read == expected);
}

TEST_CASE("a sink that throws is not called again, and its exception is the caller's", "[watch][unit]") {
    const part<shop_stats> shop{};
    int calls = 0;
    const auto fails = [&](std::string_view) {
        if (++calls == 2) throw std::runtime_error("full");
    };
    CHECK_THROWS_AS(plateau::write_prometheus(fails, named("x", shop), named("y", shop), named("z", shop)),
                    std::runtime_error);
    CHECK(calls == 2);
}

TEST_CASE("a page into a sink that allocates nothing allocates nothing", "[watch][alloc]") {
    plateau::ledger books;
    plateau::memory_sampler line;
    plateau::memory_plan plan;
    plan.add("books", books);
    std::size_t bytes = 0;
    const auto count = [&](std::string_view piece) { bytes += piece.size(); };
    const new_scope witness;
    plateau::write_prometheus(count, named("books", books), named("line", line), named("plan", plan));
    plateau::write_json(count, named("books", books), named("line", line), named("plan", plan));
    plan.write(count);
    const auto used = witness.delta();
    CHECK(used.calls == 0);
    CHECK(bytes > 1'000);
}
