// SPDX-License-Identifier: MIT
// expect FLAG_AS_PART: a part of a composite key is a text, an integer or an enumeration
// expect NULL_AS_PART: a part of a composite key is a text, an integer or an enumeration
// expect READ_UNASKED: deleted
// expect REFUSAL_AS_TEXT: convert|conversion
// expect HIDDEN_POINTER: how this key or value is dumped is unknown
// expect TAGS_LOST: a cache with tags is not dumped
// expect COUNT_FROM_A_SINK: a dump's sink answers a bool
// expect NOTHING_FROM_A_SINK: a dump's sink answers a bool
// expect BOOL_FROM_A_SOURCE: a dump's source answers how many bytes it gave
#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

struct view_of_a_row {
    int* row;
};

struct condemned_by_a_layer : plateau::cache_policies {
    struct note {
        int generation;
    };
    struct judge {
        [[nodiscard]] bool over(const note&) const noexcept { return false; }
        [[nodiscard]] std::uint64_t epoch() const noexcept { return 0; }
    };
};

int main() {
    const plateau::composite_key key{"tenant", 1};
    const plateau::route_key route{"/", "page=1", {"page"}};
    const auto sink = [](std::span<const std::byte>) { return true; };
    plateau::lru_cache<int, int> cache{{.max_entries = 1}};
#if defined(FLAG_AS_PART)
    const plateau::composite_key flag{"tenant", true};
#elif defined(NULL_AS_PART)
    const plateau::composite_key null{"tenant", nullptr};
#elif defined(READ_UNASKED)
    const std::string_view text = *plateau::route_key("/", "page=1", {"page"});
#elif defined(REFUSAL_AS_TEXT)
    const std::string_view text = route;
#elif defined(HIDDEN_POINTER)
    plateau::lru_cache<int, view_of_a_row> views{{.max_entries = 1}};
    static_cast<void>(views.dump(sink));
#elif defined(TAGS_LOST)
    plateau::lru_cache<int, int, condemned_by_a_layer> tagged{{.max_entries = 1}};
    static_cast<void>(tagged.dump(sink));
#elif defined(COUNT_FROM_A_SINK)
    static_cast<void>(cache.dump([](std::span<const std::byte> bytes) { return bytes.size(); }));
#elif defined(NOTHING_FROM_A_SINK)
    static_cast<void>(cache.dump([](std::span<const std::byte>) {}));
#elif defined(BOOL_FROM_A_SOURCE)
    static_cast<void>(cache.warm_up([](std::span<std::byte>) { return false; }));
#endif
    return std::string_view(key).empty() || !route || !cache.dump(sink) ? 1 : 0;
}
