// SPDX-License-Identifier: MIT
/// What is checked of the ends of entries, for caches of several policies.
#pragma once

#include "seeded_bugs/shared_check.hpp"
#include "tools/new_witness.hpp"

#include <plateau/cache.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace plateau_test {

struct with_pins : plateau::cache_policies {
    using pins = plateau::counted;
};

/// Lets every pin go when it ends, if it is the one that does so. A second end ends the process: what comes after it is
/// anybody's guess.
struct releasing {
    std::vector<plateau::pin<releasing>>* pins = nullptr;
    int* ends = nullptr;

    releasing(std::vector<plateau::pin<releasing>>* released, int* counted) : pins(released), ends(counted) {}
    releasing(releasing&& other) noexcept
        : pins(std::exchange(other.pins, nullptr)), ends(std::exchange(other.ends, nullptr)) {}
    ~releasing() {
        if (ends != nullptr && ++*ends == 2) plateau::detail::violation("a value ended twice\n");
        if (pins != nullptr) pins->clear();
    }
};
inline std::size_t owned_bytes(const releasing&) noexcept { return 0; }

/// The first of a hundred entries that are erased lets the pin of another go, when that is far back in the queue.
template <class Policies>
void a_pinned_value_ends_once(shared_check& check) {
    std::vector<plateau::pin<releasing>> pins;
    pins.reserve(1);
    std::vector<int> ends(100, 0);
    const new_scope witness;
    {
        plateau::lru_cache<int, releasing, Policies> cache{{.max_entries = 1'000}};
        for (int key = 0; key < 100; ++key)
            cache.put(key, releasing(key == 0 ? &pins : nullptr, &ends[static_cast<std::size_t>(key)]));
        pins.push_back(cache.pin(50));
        const std::size_t erased = cache.erase_if([](const int&, const releasing&) { return true; });
        check.equal(erased, 100U, "the number of entries erased");
        check.expect(pins.empty(), "the first to end let the pin go");
        for (const int count : ends) check.equal(count, 1, "the number of ends of a value");
        cache.check_invariants();
    }
    const auto left = witness.delta().live_bytes;
    check.equal(left, 0, "what is held after the end");
}

struct calling_back {
    void (*call)() = nullptr;
    void operator()(const int&, std::string&&, plateau::removal_cause) noexcept {
        if (call != nullptr) call();
    }
};
struct with_listener : plateau::cache_policies {
    using listener = calling_back;
};
template <class Policies>
inline plateau::lru_cache<int, std::string, Policies>* ending_cache = nullptr;

template <class Policies>
void a_cache_that_ends_stays_closed(shared_check& check) {
    auto*& ending = ending_cache<Policies>;
    bool put = false;
    static bool* told = nullptr;
    told = &put;
    const new_scope witness;
    {
        plateau::lru_cache<int, std::string, Policies> cache{
            {.max_entries = 10}, calling_back{[] {
                if (ending_cache<Policies> == nullptr) return;
                auto* const self = std::exchange(ending_cache<Policies>, nullptr);
                self->set_max_entries(5);
                *told = static_cast<bool>(self->put(9, std::string(100, 'x')));
            }}};
        cache.put(1, std::string(100, 'y'));
        ending = &cache;
    }
    const auto left = witness.delta().live_bytes;
    check.expect(ending == nullptr, "the listener was called");
    check.expect(!put, "a cache that is ending takes no entry");
    check.equal(left, 0, "what is held after the end");
}

/// A key that holds much more than it says is put, and then one of the same text that holds little.
template <class Policies>
void a_replacement_pays_for_its_own_key(shared_check& check) {
    const new_scope witness;
    plateau::lru_cache<std::string, int, Policies> cache{{.max_bytes = 1'000'000}};
    for (int i = 0; i < 100; ++i) {
        std::string key = "key" + std::to_string(i);
        key.reserve(100'000);
        cache.put(std::move(key), 1);
        cache.put("key" + std::to_string(i), 2);
        const auto live = witness.delta().live_bytes;
        if (!check.expect(live <= static_cast<std::int64_t>(cache.memory_ceiling()),
                          "what is held stays below the ceiling, keys included"))
            return;
    }
}

}  // namespace plateau_test
