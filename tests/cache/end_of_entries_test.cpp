// SPDX-License-Identifier: MIT
// Four ways in which the end of an entry went wrong: a pin released while its entry waited to be told ended the value a
// second time; a listener reopened the cache that was ending, and what it put was never ended; an equality of a type
// that only the query knows called back into a look-up that went on; a replacement kept a heavy key and was charged for
// a light one.
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace plateau_test;

namespace {

struct with_pins : plateau::cache_policies {
    using pins = plateau::counted;
};

/// Lets every pin go when it ends, if it is the one that does so.
struct releasing {
    std::vector<plateau::pin<releasing>>* pins = nullptr;
    std::string text = std::string(40, 'x');

    explicit releasing(std::vector<plateau::pin<releasing>>* released) : pins(released) {}
    releasing(releasing&& other) noexcept : pins(std::exchange(other.pins, nullptr)), text(std::move(other.text)) {}
    ~releasing() {
        if (pins != nullptr) pins->clear();
    }
};
std::size_t owned_bytes(const releasing& value) noexcept { return value.text.capacity() + 1; }

struct calling_back {
    void (*call)() = nullptr;
    void operator()(const int&, std::string&&, plateau::removal_cause) noexcept {
        if (call != nullptr) call();
    }
};
struct with_listener : plateau::cache_policies {
    using listener = calling_back;
};
plateau::lru_cache<int, std::string, with_listener>* ending = nullptr;

struct question {
    int number;
};
struct with_question : plateau::cache_policies {
    struct hash {
        using is_transparent = void;
        std::uint64_t operator()(int number) const noexcept { return static_cast<std::uint64_t>(number); }
        std::uint64_t operator()(const question& asked) const noexcept { return (*this)(asked.number); }
    };
};
plateau::lru_cache<int, int, with_question>* asked_of = nullptr;
bool operator==(int number, const question& asked) {
    asked_of->clear();
    return number == asked.number;
}

}  // namespace

TEST_CASE("a pin that goes while its entry waits to be told ends the value once", "[cache][unit]") {
    std::vector<plateau::pin<releasing>> pins;
    pins.reserve(1);
    bool released = false;
    std::size_t erased = 0;
    const new_scope witness;
    {
        plateau::lru_cache<int, releasing, with_pins> cache{{.max_entries = 1'000}};
        for (int key = 0; key < 100; ++key) cache.put(key, releasing(key == 0 ? &pins : nullptr));
        pins.push_back(cache.pin(50));  // the first to end lets it go, when it is far back in the queue
        erased = cache.erase_if([](const int&, const releasing&) { return true; });
        released = pins.empty();
        cache.check_invariants();
    }
    const auto left = witness.delta().live_bytes;
    CHECK(left == 0);
    CHECK(erased == 100);
    CHECK(released);
}

TEST_CASE("a listener cannot reopen a cache that is ending", "[cache][unit]") {
    const new_scope witness;
    {
        plateau::lru_cache<int, std::string, with_listener> cache{{.max_entries = 10}, calling_back{[] {
                                                                      if (ending == nullptr) return;
                                                                      auto* const cache_ending =
                                                                          std::exchange(ending, nullptr);
                                                                      cache_ending->set_max_entries(5);
                                                                      cache_ending->put(9, std::string(100, 'x'));
                                                                  }}};
        cache.put(1, std::string(100, 'y'));
        ending = &cache;
    }
    CHECK(ending == nullptr);
    const auto left = witness.delta().live_bytes;
    CHECK(left == 0);
}

TEST_CASE("an equality of the query's that calls the cache is trapped", "[cache][unit]") {
    plateau::lru_cache<int, int, with_question> cache{{.max_entries = 4}};
    asked_of = &cache;
    cache.put(1, 1);
    cache.put(2, 2);
    CHECK(dies([&] { (void)cache.get(question{1}); }).says("from inside its own visit"));
}

TEST_CASE("a replacement holds the key that it is charged for", "[cache][unit]") {
    const new_scope witness;
    plateau::lru_cache<std::string, int> cache{{.max_bytes = 1'000'000}};
    for (int i = 0; i < 100; ++i) {
        std::string key = "key" + std::to_string(i);
        key.reserve(100'000);
        cache.put(std::move(key), 1);
        cache.put("key" + std::to_string(i), 2);
        const auto live = witness.delta().live_bytes;
        REQUIRE(live <= static_cast<std::int64_t>(cache.memory_ceiling()));
    }
}

TEST_CASE("a number that the key type cannot hold is not put under another", "[cache][unit]") {
    plateau::lru_cache<unsigned, int> cache{{.max_entries = 10}};
    CHECK(dies([&] { cache.put(-1, 1); }).says("cannot hold"));
    CHECK(dies([&] { cache.put((1LL << 32) + 5, 1); }).says("cannot hold"));
    CHECK(cache.put(5LL, 1));
    CHECK(cache.get(5));
    CHECK(!cache.get(-5));
}
