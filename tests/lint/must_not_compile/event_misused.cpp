// SPDX-License-Identifier: MIT
// A listener lies in a slot of the event and is called with its arguments, and somebody holds its end.
// expect TOO_LARGE: this listener is larger than an event's slot: let it point to what it needs
// expect OTHER_ARGUMENTS: a listener is called with the event's arguments
// expect TAKES_AWAY: every listener gets the arguments, so none may take them away
// expect END_IGNORED: (nodiscard|unused)
// expect REFUSAL_IGNORED: (nodiscard|unused)
// expect MOVED: deleted
// expect COPIED: deleted
#include <plateau/support/subscription.hpp>

#include <utility>

namespace {
struct connection {
    plateau::detail::end_list ends;
    ~connection() { ends.end(); }
    friend plateau::detail::end_list& ends_of(connection& c) noexcept { return c.ends; }
};
}

int main() {
#if defined(TAKES_AWAY)
    plateau::event<int&&> happens;
#else
    plateau::event<int> happens;
#endif
    const struct { char bytes[100]; } large{};
#if defined(TOO_LARGE)
    const auto first = happens.subscribe([large](int) { static_cast<void>(large); });
#else
    const auto first = happens.subscribe([&large](int) { static_cast<void>(large); });
#endif
#if defined(OTHER_ARGUMENTS)
    const auto second = happens.subscribe([](const char*) {});
#else
    const auto second = happens.subscribe([](int) {});
#endif
    connection scope;
#if defined(END_IGNORED)
    happens.subscribe([](int) {});
#elif defined(REFUSAL_IGNORED)
    happens.subscribe(scope, [](int) {});
#else
    if (happens.subscribe(scope, [](int) {}) != plateau::subscribe_reason::none) return 1;
#endif
#if defined(MOVED)
    auto other = std::move(happens);
#elif defined(COPIED)
    const auto third = second;
#endif
    return first && second ? 0 : 1;
}
