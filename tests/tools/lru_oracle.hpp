// SPDX-License-Identifier: MIT
/// The textbook LRU, and the textbook of pins: what the caches are compared with.
#pragma once

#include "tools/textbook_cache.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <utility>
#include <vector>

namespace plateau_test {

/// Bounds hold after every operation.
template <class K, class V>
class lru_oracle : public textbook_cache<K, V, 1> {
    using base = textbook_cache<K, V, 1>;

public:
    using typename base::cause;
    using typename base::entry;
    using typename base::stored;
    using typename base::tick;

    lru_oracle(std::size_t max_entries, std::size_t max_bytes) : base(max_entries, max_bytes) {}

    /// A live entry, which becomes the hottest.
    const entry* get(const K& key, tick now) {
        const auto found = this->find_live(key, now);
        if (!found) return nullptr;
        order().splice(order().begin(), order(), found.at);
        return &order().front();
    }
    stored put(const K& key, V value, std::size_t bytes, tick deadline, tick now) {
        if (const auto early = this->ends_early(key, bytes, deadline, now)) return *early;
        const bool replaced = this->end(this->find(key), cause::replaced);
        order().push_front(this->make(key, std::move(value), bytes, deadline));
        shrink();
        return replaced ? stored::replaced : stored::inserted;
    }

    std::size_t set_max_entries(std::size_t n) { return this->max_entries_ = n, shrink(); }
    std::size_t set_max_bytes(std::size_t n) { return this->max_bytes_ = n, shrink(); }

    [[nodiscard]] const std::list<entry>& hottest_first() const { return this->queues_[0]; }

private:
    std::list<entry>& order() { return this->queues_[0]; }

    std::size_t shrink() {
        const bool weighs = this->max_bytes_ != base::unbounded;
        std::size_t evicted = 0;
        std::size_t held = weighs ? this->bytes() : 0;
        for (; this->size() > this->max_entries_ || held > this->max_bytes_; ++evicted) {
            held -= weighs ? order().back().bytes : 0;
            this->end({&order(), std::prev(order().end())}, cause::size);
        }
        return evicted;
    }
};

/// Who is pinned, and charged for it: once, from the first pin to the last, whether the entry stands or has left.
class pin_oracle {
public:
    explicit pin_oracle(std::size_t limit) : max_bytes(limit) {}

    std::size_t max_bytes;

    /// Returns: false when another pinned entry would exceed the bound.
    bool pin(std::uint64_t id, std::size_t bytes) {
        for (pinned& one : pinned_) {
            if (one.id == id) return ++one.count, true;
        }
        const std::size_t held = this->bytes();
        if (bytes > max_bytes || held > max_bytes - bytes) return false;
        pinned_.push_back({id, bytes, 1});
        return true;
    }
    /// Expects: it is pinned.
    void unpin(std::uint64_t id) {
        for (auto at = pinned_.begin();; ++at) {
            if (at->id != id) continue;
            if (--at->count == 0) pinned_.erase(at);
            return;
        }
    }
    void reweigh(std::uint64_t id, std::size_t bytes) {
        for (pinned& one : pinned_) {
            if (one.id == id) one.bytes = bytes;
        }
    }
    [[nodiscard]] std::size_t bytes() const {
        std::size_t sum = 0;
        for (const pinned& one : pinned_) sum += one.bytes;
        return sum;
    }

private:
    struct pinned {
        std::uint64_t id;
        std::size_t bytes;
        std::size_t count;
    };
    std::vector<pinned> pinned_;
};

}  // namespace plateau_test
