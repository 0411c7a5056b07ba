// SPDX-License-Identifier: MIT
// Any path, query and names, against the slow reading of them: lines of the input are the bound's parity, the path, the
// query, and one name each.
#include "cache/key_checks.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const auto line = [&] {
        const std::size_t end = rest.find('\n');
        const std::string_view found = rest.substr(0, end);
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
        return std::string(found);
    };
    const std::size_t max_bytes = line().size() % 2 == 0 ? 1024 : 20;
    plateau_test::route_request request;
    request.path = line();
    request.query = line();
    while (!rest.empty() && request.names.size() < 8) request.names.push_back(line());
    plateau_test::shared_check check([](const std::string& why) {
        std::fprintf(stderr, "%s\n", why.c_str());
        std::abort();
    });
    plateau_test::a_route_key_says_what_the_request_says<plateau::route_key>(check, request, max_bytes);
    return 0;
}
