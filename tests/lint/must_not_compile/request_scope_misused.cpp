// SPDX-License-Identifier: MIT
// A request's memory ends with its scope, so nothing is handed out of a temporary one, and it does not move. What it
// calls at its end has nobody to throw to.
// expect OF_A_TEMPORARY: deleted
// expect DEFERRED_THROWS: what is deferred must not throw: mark it noexcept
// expect CALLBACK_THROWS: what runs when a request is cancelled must not throw: mark it noexcept
// expect MOVED: deleted
// expect TOKEN_COPIED: deleted
// expect TOKEN_IGNORED: (nodiscard|unused)
// expect CONST_ATTACHED: attach<T>: T is a plain object type
// expect POOL_OF_A_TEMPORARY: cannot bind|no matching|expects an lvalue
#include <plateau/arena/request_scope.hpp>

#include <utility>

int main() {
    plateau::arena_pool pool;
#if defined(POOL_OF_A_TEMPORARY)
    plateau::request_scope request{plateau::arena_pool{}};
#else
    plateau::request_scope request{pool};
#endif
#if defined(OF_A_TEMPORARY)
    plateau::request_arena& arena = plateau::request_scope(pool).arena();
#else
    plateau::request_arena& arena = request.arena();
#endif
#if defined(DEFERRED_THROWS)
    request.defer([] {});
#else
    request.defer([]() noexcept {});
#endif
#if defined(CALLBACK_THROWS)
    request.on_cancel([] {});
#else
    request.on_cancel([]() noexcept {});
#endif
#if defined(MOVED)
    auto other = std::move(request);
#endif
#if defined(TOKEN_COPIED)
    const plateau::scope_token token = request.keep_alive();
    const plateau::scope_token copy = token;
#elif defined(TOKEN_IGNORED)
    request.keep_alive();
#else
    const plateau::scope_token token = request.keep_alive();
#endif
#if defined(CONST_ATTACHED)
    return request.attach<const int>(0);
#else
    return request.attach<int>(arena.stats().held_bytes == 0 ? 1 : 0);
#endif
}
