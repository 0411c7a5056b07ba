// SPDX-License-Identifier: MIT
// The judge is the operator new witness: owned_bytes must say what building the value took.
#include "tools/catch.hpp"
#include "tools/counting_allocator.hpp"
#include "tools/new_witness.hpp"

#include <plateau/owned_bytes.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

using plateau_test::new_scope;

namespace users {

struct page {
    std::string html;
    int version = 0;
};
inline std::size_t owned_bytes(const page& p) noexcept { return plateau::owned_bytes(p.html); }

struct handle {  // trivially destructible, and still the one who answers for what it stands for
    std::size_t bytes;
};
inline std::size_t owned_bytes(const handle& h) noexcept { return h.bytes; }

struct huge {};
inline std::size_t owned_bytes(const huge&) noexcept { return SIZE_MAX; }

struct unknown {
    std::map<int, int> tree;
};

struct base {
    virtual ~base() = default;
};
struct derived final : base {
    char room[1'000] = {};
};
inline std::size_t owned_bytes(const derived&) noexcept { return 0; }

}  // namespace users

namespace {

/// True when `make()` gives a value for which owned_bytes is exactly what it holds on the heap.
template <class Make>
bool exact(Make make) {
    const new_scope scope;
    const auto value = make();
    const std::int64_t held = scope.delta().live_bytes;
    const std::size_t said = plateau::owned_bytes(value);
    if (held < 0 || said != static_cast<std::size_t>(held)) {
        UNSCOPED_INFO("held " << held << ", said " << said);
        return false;
    }
    return true;
}

template <class T>
concept known = plateau::detail::measurable<T>;

}  // namespace

static_assert(!known<users::unknown> && !known<std::map<int, int>> && !known<std::shared_ptr<int>>);
static_assert(known<users::page> && known<users::handle> && known<int> && known<const char*> &&
              known<std::string_view>);
static_assert(!known<std::unique_ptr<users::base>>,
              "what is behind a pointer to a base is not known by its static type");
static_assert(known<std::unique_ptr<users::derived>>);

TEST_CASE("a string owns its buffer, and nothing while it is short", "[floor][unit]") {
    CHECK(plateau::owned_bytes(std::string()) == 0);
    CHECK(plateau::owned_bytes(std::string("short")) == 0);
    for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 31U, 100U, 100'000U}) {
        CAPTURE(size);
        CHECK(exact([=] { return std::string(size, 'x'); }));
        CHECK(exact([=] { return std::u32string(size, U'x'); }));
    }
    CHECK(exact([] {
        std::string grown;
        for (int i = 0; i < 1'000; ++i) grown += 'x';
        return grown;
    }));
    CHECK(exact([] {
        std::string emptied(1'000, 'x');
        emptied.clear();
        return emptied;
    }));
}

TEST_CASE("a vector owns its capacity and what its elements own", "[floor][unit]") {
    CHECK(exact([] { return std::vector<int>(); }));
    CHECK(exact([] { return std::vector<int>(17); }));
    CHECK(exact([] {
        std::vector<std::uint64_t> roomy;
        roomy.reserve(100);
        roomy.push_back(1);
        return roomy;
    }));
    CHECK(exact([] { return std::vector<std::string>(3, std::string(100, 'x')); }));
    CHECK(exact(
        [] { return std::vector<std::vector<std::string>>(2, std::vector<std::string>(3, std::string(50, 'x'))); }));
    CHECK(exact([] { return std::vector<std::pair<int, std::string>>(4, {1, std::string(40, 'x')}); }));
}

TEST_CASE("a unique_ptr owns its object and what that owns, nothing when empty", "[floor][unit]") {
    CHECK(exact([] { return std::unique_ptr<int>(); }));
    CHECK(exact([] { return std::make_unique<int>(1); }));
    CHECK(exact([] { return std::make_unique<std::string>(100, 'x'); }));
    CHECK(exact(
        [] { return std::make_unique<std::unique_ptr<std::vector<char>>>(std::make_unique<std::vector<char>>(9)); }));
    CHECK(exact([] { return std::make_unique<users::derived>(); }));
}

TEST_CASE("pairs, tuples, arrays and optionals own what their parts own", "[floor][unit]") {
    CHECK(exact([] { return std::pair{std::string(50, 'x'), std::vector<char>(3)}; }));
    CHECK(exact([] { return std::tuple{1, std::string(50, 'x'), std::make_unique<int>(3)}; }));
    CHECK(exact([] { return std::tuple<>{}; }));
    CHECK(exact([] { return std::array<std::string, 2>{std::string(50, 'x'), std::string(60, 'x')}; }));
    CHECK(exact([] { return std::optional<std::string>(); }));
    CHECK(exact([] { return std::optional<std::string>(std::string(50, 'x')); }));
    CHECK(exact([] { return std::optional<std::pair<std::string, int>>(std::in_place, std::string(50, 'x'), 1); }));
}

TEST_CASE("what is trivially destructible owns nothing", "[floor][unit]") {
    CHECK(plateau::owned_bytes(7) == 0);
    CHECK(plateau::owned_bytes("literal") == 0);
    CHECK(plateau::owned_bytes(std::string_view("view")) == 0);
    CHECK(plateau::owned_bytes(std::pair{1, 2.0}) == 0);
}

TEST_CASE("a user's owned_bytes is found beside the type, alone and at any depth", "[floor][unit]") {
    CHECK(exact([] { return users::page{std::string(80, 'x'), 1}; }));
    CHECK(exact([] { return std::vector<users::page>(3, users::page{std::string(80, 'x'), 1}); }));
    CHECK(exact([] { return std::make_unique<users::page>(users::page{std::string(80, 'x'), 1}); }));
    CHECK(plateau::owned_bytes(users::handle{100}) == 100);
    CHECK(plateau::owned_bytes(std::pair{users::handle{100}, 1}) == 100);
    const std::vector<users::handle> handles{{100}, {200}};
    CHECK(plateau::owned_bytes(handles) == handles.capacity() * sizeof(users::handle) + 300);
}

TEST_CASE("sums saturate instead of wrapping", "[floor][unit]") {
    CHECK(plateau::owned_bytes(std::pair{users::huge{}, users::huge{}}) == SIZE_MAX);
    CHECK(plateau::owned_bytes(std::tuple{users::huge{}, std::string(100, 'x')}) == SIZE_MAX);
    CHECK(plateau::owned_bytes(std::make_unique<users::huge>()) == SIZE_MAX);
    CHECK(plateau::owned_bytes_weigher{}(users::huge{}, 1) == SIZE_MAX);
}

TEST_CASE("containers with an allocator of the user's are weighed alike", "[floor][unit]") {
    plateau_test::allocation_tally tally;
    using allocator = plateau_test::counting_allocator<char>;
    const std::vector<char, allocator> items(100, 'x', allocator{tally});
    const std::basic_string<char, std::char_traits<char>, allocator> text(200, 'x', allocator{tally});
    CHECK(plateau::owned_bytes(items) + plateau::owned_bytes(text) ==
          static_cast<std::size_t>(tally.live_bytes.load()));
}

TEST_CASE("the weighers answer for what stands behind the slot, or for nothing", "[floor][unit]") {
    const std::string key(50, 'k');
    const users::page value{std::string(80, 'x'), 1};
    CHECK(plateau::owned_bytes_weigher{}(key, value) == plateau::owned_bytes(key) + plateau::owned_bytes(value.html));
    CHECK(plateau::owned_bytes_weigher{}(1, 2.0) == 0);
    CHECK(plateau::owned_bytes_weigher{}() == 0);
    CHECK(plateau::sizeof_only{}(key, value) == 0);
    CHECK(plateau::sizeof_only{}(users::unknown{}) == 0);
    STATIC_REQUIRE(noexcept(plateau::owned_bytes_weigher{}(key, value)));
}

TEST_CASE("weighing allocates nothing", "[floor][unit]") {
    const std::vector<std::string> value(10, std::string(100, 'x'));
    const new_scope scope;
    [[maybe_unused]] volatile auto weight = plateau::owned_bytes_weigher{}(value);
    const auto delta = scope.delta();
    CHECK(delta.calls == 0);
}
