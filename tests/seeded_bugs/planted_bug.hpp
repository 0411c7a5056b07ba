// SPDX-License-Identifier: MIT
/// Defects that people have written, planted one at a time, and the tests that notice.
///
/// A defect is a part in place of the shipped one: a policy, or one member function of a shipped template, specialised
/// for a type of the defect's own (an explicit specialisation may name private members). The shipped headers have no
/// switch for it, and no other type is touched.
///
/// Each belongs to a class of failures; there is a defect of every class:
///     F1  a wrong result                       F8   not linearizable, out of order, lost or doubled
///     F2  accounts that drift, bounds passed   F9   deadlock or re-entry through callbacks
///     F3  a failed allocation breaks state     F10  use after the end, a second end
///     F4  throwing user code breaks state      F11  a leak, or costs that grow
///     F5  a data race                          F12  time: back, at its end, at a deadline
///     F6  a wrong interleaving                 F13  overflow of sizes and weights
///     F7  a lost wake-up                       F14  a stack that ends, a long pause
///     S1  keys that a stranger chose
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/proof.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace plateau_test {

struct planted_bug {
    std::string_view failure_class;  ///< of the table above
    std::string_view name;           ///< what is wrong, without the word " by "
    std::string_view test;           ///< the room and the name of the real case that runs the same check
    std::string_view says;           ///< words of what the test then says: it fails for this reason, and no other
    void (*check)(shared_check&);
};

namespace seeded_detail {

/// All sources of a room's tests, with their string literals joined.
inline std::string sources_of(std::string_view room) {
    std::string text;
    const auto folder = std::filesystem::path(PLATEAU_TEST_CORPUS).parent_path() / room;
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
        if (file.path().extension() != ".cpp") continue;
        std::ifstream in(file.path());
        text.append(std::istreambuf_iterator<char>(in), {});
    }
    std::string joined;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::size_t next = text[i] == '"' ? text.find_first_not_of(" \n", i + 1) : text.npos;
        if (next != text.npos && next > i + 1 && text[next] == '"') i = next;
        else joined += text[i];
    }
    return joined;
}

/// Whether a case of that name stands in the room. Its literal may be followed by a line break.
inline bool is_a_case(std::string_view room, std::string_view name) {
    const std::string sources = sources_of(room);
    const std::string literal = '"' + std::string(name) + '"';
    const std::size_t at = sources.find(literal);
    if (at == sources.npos) return false;
    const std::size_t begin = sources.find_last_not_of(" \n", at - 1) + 1;
    return begin >= 10 && sources.compare(begin - 10, 10, "TEST_CASE(") == 0;
}

}  // namespace seeded_detail

/// Runs the check with the defect, in a process of its own, since a defect may end it or hang it. Prints the line that
/// the report reads, counts it for the room, and checks that the defect is noticed by the case it names.
inline void expect_killed(const planted_bug& bug) {
    const std::string_view room = bug.test.substr(0, bug.test.find(':'));
    const std::string_view name = bug.test.substr(room.size() + 2);
    const death end = dies([&] {
        shared_check check([](const std::string& why) {
            std::fputs(why.c_str(), stderr);
            std::_Exit(1);  // a defect may go on to anything
        });
        bug.check(check);
    });
    const std::string said = end.signal == 0 ? end.message : end.message + '(' + ::strsignal(end.signal) + ')';
    const bool killed = !end.survived() && said.find(bug.says) != said.npos;
    const std::string what = std::string(bug.failure_class) + ' ' + std::string(bug.name);
    if (killed) std::printf("killed %s by %s\n", what.c_str(), std::string(bug.test).c_str());
    else std::printf("survived %s\n", what.c_str());
    proof_count(room, "seeded bugs planted", 1);
    proof_count(room, "seeded bugs killed", killed ? 1 : 0);
    INFO(what << ": " << (end.survived() ? "nothing was noticed" : said));
    CHECK(killed);
    INFO("there is no case of the name that is said to kill it: " << bug.test);
    CHECK(seeded_detail::is_a_case(room, name));
}

}  // namespace plateau_test
