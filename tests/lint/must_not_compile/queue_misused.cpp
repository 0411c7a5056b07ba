// SPDX-License-Identifier: MIT
// A queued item outlives requests, moves without throwing, and is weighed by what it owns; a queue stays where it is.
// expect POINTER: this type may point into memory that ends with a request
// expect VIEW: this type may point into memory that ends with a request
// expect THROWS: a move that throws half-way would lose it
// expect UNKNOWN: what this type owns on the heap is unknown
// expect CLOCK: pass an lvalue|pass the object after the options
// expect STRANGER: this part is none of the types that the queue's policies name
// expect MAY_THROW: or may throw: f\(result\) noexcept
// expect INSERTER: where the items go may throw
// expect MOVED: deleted (function|constructor)|use of deleted function
#include <plateau/channel.hpp>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct moves_badly {
    std::string text;
    moves_badly() = default;
    moves_badly(moves_badly&& other) : text(other.text) {}
    friend std::size_t owned_bytes(const moves_badly& m) noexcept { return m.text.capacity(); }
};
struct unknown {
    unknown() = default;
    unknown(unknown&&) noexcept {}
    ~unknown() {}
};
struct by_hand : plateau::queue_policies {
    using clock = plateau::manual_clock;
};

#if defined(POINTER)
using queue_type = plateau::bounded_queue<const char*>;
#elif defined(VIEW)
using queue_type = plateau::bounded_queue<std::vector<std::string_view>>;
#elif defined(THROWS)
using queue_type = plateau::bounded_queue<moves_badly>;
#elif defined(UNKNOWN)
using queue_type = plateau::bounded_queue<unknown>;
#else
using queue_type = plateau::bounded_queue<std::string>;
#endif

int main() {
#if defined(CLOCK)
    plateau::bounded_queue<std::string, by_hand> queue{{.max_items = 1}, plateau::manual_clock()};
#elif defined(STRANGER)
    queue_type queue{{.max_items = 1}, 7};
#else
    queue_type queue{{.max_items = 1}};
#endif
#if defined(MAY_THROW)
    plateau::waiter node{[](plateau::pop_result<std::string>) {}};
    queue.pop_then(node);
#elif defined(INSERTER)
    std::vector<std::string> to;
    plateau::waiter node{[](plateau::pop_some_result) noexcept {}};
    queue.pop_some_then(node, std::back_inserter(to), 3);
#elif defined(MOVED)
    queue_type other(std::move(queue));
#endif
#if !defined(POINTER) && !defined(VIEW)
    queue.close();
#endif
    return queue.capacity() == 1 && queue.try_push({}) ? 0 : 1;
}
