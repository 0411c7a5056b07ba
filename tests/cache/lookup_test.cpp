// SPDX-License-Identifier: MIT
#include "cache/cache_test_types.hpp"
#include "tools/catch.hpp"
#include "tools/new_witness.hpp"

#include <plateau/cache.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

struct as_std_hash {  // not transparent, and not avalanching
    std::size_t operator()(const std::string& text) const { return std::hash<std::string>{}(text); }
};
struct std_hashed : plateau::cache_policies {
    using hash = as_std_hash;
    using equal = std::equal_to<std::string>;
};

struct tenant_key {
    int tenant;
    std::string path;
    friend bool operator==(const tenant_key&, const tenant_key&) = default;
    friend void hash_append(plateau::siphash13& to, const tenant_key& key) noexcept {
        plateau::hash_append(to, key.tenant);
        plateau::hash_append(to, key.path);
    }
    friend std::size_t owned_bytes(const tenant_key& key) noexcept { return plateau::owned_bytes(key.path); }
};

/// Made from a number as it is, and from a text on request.
struct route {
    route(int n) : number(n) {}
    explicit route(const char* text) : number(text[0]) {}
    friend bool operator==(const route&, const route&) = default;
    friend void hash_append(plateau::siphash13& to, const route& one) noexcept { plateau::hash_append(to, one.number); }
    friend std::size_t owned_bytes(const route&) noexcept { return 0; }
    int number;
};

template <class Cache>
concept has_get = requires(Cache& cache) {
    cache.get(1);
};

}  // namespace

TEST_CASE("a string key is found by view, literal and pointer, without a temporary", "[cache][alloc]") {
    plateau::lru_cache<std::string, int> cache{{.max_entries = 10}};
    const std::string key = "/a/path/that/is/longer/than/any/short/string/buffer";
    cache.put(key, 7);
    const std::string_view view = key;
    const char* pointer = key.c_str();
    const new_scope scope;
    const bool all = cache.get(view) == 7 && cache.get(pointer) == 7 && cache.contains(view) && cache.peek(view) == 7 &&
                     cache.visit(view, [](int) {}) &&
                     !cache.contains("/a/path/that/is/longer/than/any/short/string/buffer?") &&
                     cache.get("/a/path/that/is/longer/than/any/short/string/buffer") == 7 && cache.erase(view);
    const auto delta = scope.delta();
    CHECK(all);
    CHECK(delta.calls == 0);
}

TEST_CASE("a number is found by any integer type that can say it, and by none that cannot", "[cache][unit]") {
    plateau::lru_cache<std::uint32_t, int> cache{{.max_entries = 10}};
    cache.put(7, 1);
    cache.put(std::numeric_limits<std::uint32_t>::max(), 2);
    CHECK(cache.get(7) == 1);
    CHECK(cache.get(std::int64_t{7}) == 1);
    CHECK(cache.get(std::uint8_t{7}) == 1);
    CHECK_FALSE(cache.get(-1));
    CHECK_FALSE(cache.get(std::int64_t{-1}));
    CHECK_FALSE(cache.get((std::int64_t{1} << 32) + 7));
    CHECK(cache.get(0xffffffffLL) == 2);
    plateau::lru_cache<std::int8_t, int> small{{.max_entries = 10}};
    small.put(std::int8_t{-1}, 3);
    CHECK(small.get(-1) == 3);
    CHECK_FALSE(small.get(255));
    CHECK_FALSE(small.get(std::uint64_t{0xffffffffffffffffU}));
}

TEST_CASE("a hash and an equality that are not transparent get a K", "[cache][unit]") {
    plateau::lru_cache<std::string, int, std_hashed> cache{{.max_entries = 1'000}};
    for (int i = 0; i < 1'000; ++i) cache.put(std::to_string(i), i);
    CHECK(cache.size() == 1'000);
    CHECK(cache.get("500") == 500);
    CHECK(cache.get(std::string("7")) == 7);
    CHECK_FALSE(cache.contains("1000"));
    cache.check_invariants();
}

TEST_CASE("a key of the user's needs equality, hash_append and owned_bytes", "[cache][unit]") {
    plateau::lru_cache<tenant_key, int> cache{{.max_bytes = 100'000}};
    cache.put(tenant_key{1, "/"}, 11);
    cache.put(tenant_key{2, "/"}, 22);
    CHECK(cache.get(tenant_key{1, "/"}) == 11);
    CHECK(cache.get(tenant_key{2, "/"}) == 22);
    CHECK_FALSE(cache.get(tenant_key{1, "//"}));
}

TEST_CASE("an unowned pointer is a key and a value, found by the bare pointer", "[cache][unit]") {
    static int object = 7;
    plateau::lru_cache<plateau::unowned<int*>, plateau::unowned<std::string_view>> cache{{.max_entries = 10}};
    cache.put(&object, std::string_view{"static text"});
    CHECK(cache.contains(&object));
    CHECK(cache.get(plateau::unowned<int*>{&object})->value == "static text");
    int other = 0;
    CHECK_FALSE(cache.contains(&other));
}

TEST_CASE("a value that cannot be copied is visited, not got", "[cache][unit]") {
    plateau::lru_cache<int, std::unique_ptr<int>> cache{{.max_entries = 10}};
    cache.put(1, std::make_unique<int>(7));
    int seen = 0;
    CHECK(cache.visit(1, [&](const std::unique_ptr<int>& p) { seen = *p; }));
    CHECK(seen == 7);
    CHECK_FALSE(cache.visit(2, [&](const std::unique_ptr<int>&) { seen = 0; }));
    CHECK(seen == 7);
}

TEST_CASE("put takes what converts to key and value, or is assigned to them", "[cache][unit]") {
    plateau::lru_cache<std::string, std::vector<int>> cache{{.max_entries = 10}};
    const std::string key = "lvalue";
    const std::vector<int> value{1, 2};
    cache.put(key, value);
    cache.put("literal", std::vector<int>(3, 7));
    cache.put(std::string_view{"view"}, std::vector<int>(4));
    CHECK(cache.get("lvalue") == std::vector<int>{1, 2});
    CHECK(cache.get("literal")->size() == 3);
    CHECK(cache.get("view")->size() == 4);
    CHECK(key == "lvalue");
    CHECK(value.size() == 2);

    plateau::lru_cache<route, std::unique_ptr<const std::string>> owned{{.max_entries = 10}};
    owned.put(7, std::make_unique<std::string>("more const"));
    CHECK(owned.contains(route(7)));
}

TEST_CASE("put does not take what only an explicit constructor does", "[cache][unit]") {
    CHECK(plateau::detail::stored_as<std::string_view, std::string>);  // explicit, and assigned
    CHECK(plateau::detail::stored_as<const char(&)[8], std::string>);
    CHECK(plateau::detail::stored_as<short, double>);
    CHECK(plateau::detail::stored_as<std::unique_ptr<int>, std::unique_ptr<int>>);
    CHECK_FALSE(plateau::detail::stored_as<const std::unique_ptr<int>&, std::unique_ptr<int>>);
    CHECK_FALSE(plateau::detail::stored_as<int, std::vector<int>>);
    CHECK_FALSE(plateau::detail::stored_as<int, std::optional<std::vector<int>>>);
    CHECK_FALSE(plateau::detail::stored_as<int*, std::unique_ptr<int>>);
    CHECK_FALSE(plateau::detail::stored_as<int, std::string>);  // assigned as a character, and not made from it
    CHECK_FALSE(plateau::detail::stored_as<const char*, route>);
}

TEST_CASE("an rvalue is moved in once, and left alone when refused", "[cache][unit]") {
    value_tally tally;
    plateau::lru_cache<int, counting_value> cache{{.max_entries = 10, .max_entry_bytes = 1'000'000}};
    cache.put(1, counting_value{tally, 1});
    CHECK(tally.copies == 0);
    CHECK(tally.moves == 1);
    CHECK(tally.live == 1);
    const counting_value kept{tally, 2};
    cache.put(2, kept);
    CHECK(tally.copies == 1);
    CHECK(kept.number() == 2);
    counting_value refused{tally, 3};
    cache.set_max_entries(0);
    CHECK_FALSE(cache.put(3, std::move(refused)));
    CHECK(refused.number() == 3);
    CHECK(tally.corrupt == 0);
}

TEST_CASE("get moves an entry to the front; peek, contains and a put that was refused do not", "[cache][unit]") {
    plateau::lru_cache<int, std::string> cache{{.max_entries = 3, .max_entry_bytes = 10'000}};
    const auto fill = [&] {
        cache.clear();
        for (int i = 0; i < 3; ++i) cache.put(i, "v");
    };
    fill();
    static_cast<void>(cache.get(0));
    cache.put(3, "v");
    CHECK(cache.contains(0));
    CHECK_FALSE(cache.contains(1));
    fill();
    static_cast<void>(cache.peek(0));
    static_cast<void>(cache.contains(0));
    CHECK_FALSE(cache.put(0, std::string(20'000, 'x')));
    cache.put(3, "v");
    CHECK_FALSE(cache.contains(0));
    fill();
    cache.visit(0, [](const std::string&) {});
    cache.put(3, "v");
    CHECK(cache.contains(0));
    fill();
    cache.put(0, "w");
    cache.put(3, "v");
    CHECK(cache.get(0) == "w");
}

TEST_CASE("hits and misses are counted by get, visit and pin alone", "[cache][unit]") {
    plateau::lru_cache<int, int> cache{{.max_entries = 3}};
    cache.put(1, 1);
    static_cast<void>(cache.get(1));
    static_cast<void>(cache.get(2));
    cache.visit(1, [](int) {});
    cache.visit(2, [](int) {});
    static_cast<void>(cache.peek(1));
    static_cast<void>(cache.contains(2));
    const auto stats = cache.stats();
    CHECK(stats.hits == 2);
    CHECK(stats.misses == 2);
    CHECK(stats.insertions == 1);
    CHECK(stats.entries == 1);
}

TEST_CASE("each entry that came has left or is here, by the counters' own account", "[cache][unit]") {
    plateau::lru_cache<int, int> cache{{.max_entries = 4}};
    for (int i = 0; i < 10; ++i) cache.put(i, i);
    cache.put(9, 1);
    cache.erase(9);
    cache.erase_if([](int key, int) { return key == 8; });
    auto now = cache.stats();
    CHECK(now.insertions == 10);
    CHECK(now.replacements == 1);
    CHECK(now.evictions == 6);
    CHECK(now.erasures == 2);
    CHECK(now.entries == 2);
    cache.clear();
    now = cache.stats();
    CHECK(now.cleared == 2);
    CHECK(now.entries == 0);
    CHECK(now.bytes == 0);
    CHECK(now.insertions == now.evictions + now.erasures + now.expirations + now.cleared + now.entries);
}

namespace {

struct uncounted : plateau::cache_policies {
    using stats = plateau::bare;
};

}  // namespace

TEST_CASE("without counting the counters read 0 and the gauges stay true", "[cache][unit]") {
    plateau::lru_cache<int, int, uncounted> cache{{.max_entries = 4}};
    for (int i = 0; i < 10; ++i) cache.put(i, i);
    static_cast<void>(cache.get(9));
    const auto now = cache.stats();
    CHECK(now.hits == 0);
    CHECK(now.evictions == 0);
    CHECK(now.entries == 4);
    CHECK(now.bytes == 4 * cache.entry_overhead);
}

TEST_CASE("the stats describe themselves: each figure once, named, with one sentence", "[cache][unit]") {
    STATIC_REQUIRE(plateau::described<plateau::cache_stats>);
    struct visitor {
        std::vector<std::string>* names;
        void operator()(const plateau::field_info& info, std::uint64_t) const {
            names->emplace_back(info.name);
            CHECK_FALSE(info.help.empty());
            CHECK(info.help.back() == '.');
            CHECK((info.unit.empty() || info.unit == "bytes"));
        }
    };
    std::vector<std::string> names;
    plateau::cache_stats{}.visit_fields(visitor{&names});
    CHECK(names.size() == sizeof(plateau::cache_stats) / sizeof(std::uint64_t));
    std::sort(names.begin(), names.end());
    CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

TEST_CASE("every reason and cause has a name of its own", "[cache][unit]") {
    using plateau::cache_reason;
    using plateau::removal_cause;
    CHECK(to_string(cache_reason::none) == "none");
    CHECK(to_string(cache_reason::absent) == "absent");
    CHECK(to_string(cache_reason::too_large) == "too_large");
    CHECK(to_string(cache_reason::over_budget) == "over_budget");
    CHECK(to_string(cache_reason::pinned_full) == "pinned_full");
    CHECK(to_string(removal_cause::size) == "size");
    CHECK(to_string(removal_cause::expired) == "expired");
    CHECK(to_string(removal_cause::replaced) == "replaced");
    CHECK(to_string(removal_cause::erased) == "erased");
    CHECK(to_string(removal_cause::tag) == "tag");
    CHECK(to_string(removal_cause::cleared) == "cleared");
    CHECK(to_string(removal_cause::rejected) == "rejected");
    CHECK(to_string(static_cast<cache_reason>(200)) == "unknown");
    CHECK(to_string(static_cast<removal_cause>(200)) == "unknown");
    CHECK(to_string(cache_reason::absent).data()[6] == '\0');
}
