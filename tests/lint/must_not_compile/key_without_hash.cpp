// SPDX-License-Identifier: MIT
// expect NO_HASH: this key has no hash; give it
#include <plateau/hash.hpp>

struct point {
    int x;
    int y;
};
#if !defined(NO_HASH)
void hash_append(plateau::siphash13& to, const point& p) noexcept {
    plateau::hash_append(to, p.x);
    plateau::hash_append(to, p.y);
}
#endif

auto hash(const point& p) { return plateau::keyed_hash{}(p); }
