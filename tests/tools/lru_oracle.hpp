// SPDX-License-Identifier: MIT
/// The textbook LRU, linear in everything and short enough to be checked by eye: what the caches are compared with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <optional>
#include <utility>

namespace plateau_test {

/// Entries stand hottest first. Time is a number of the caller's; an entry with `now >= deadline` is gone, at once and
/// everywhere: each operation that is told the time begins by dropping what expired, whether it touches it or not.
/// Bounds hold after every operation. Each entry counts 1 against `max_entries` and its own bytes against `max_bytes`.
template <class K, class V>
class lru_oracle {
public:
    using tick = std::int64_t;
    static constexpr tick never = std::numeric_limits<tick>::max();

    struct entry {
        K key;
        V value;
        std::size_t bytes;
        tick deadline;
    };

    lru_oracle(std::size_t max_entries, std::size_t max_bytes) : max_entries_(max_entries), max_bytes_(max_bytes) {}

    std::size_t max_entry_bytes = std::numeric_limits<std::size_t>::max();

    /// What the entry is worth, without a touch.
    std::optional<V> peek(const K& key, tick now) {
        purge(now);
        const auto at = find(key);
        return at == order_.end() ? std::nullopt : std::optional<V>(at->value);
    }

    std::optional<V> get(const K& key, tick now) {
        purge(now);
        const auto at = find(key);
        if (at == order_.end()) return std::nullopt;
        order_.splice(order_.begin(), order_, at);
        return at->value;
    }

    std::optional<tick> deadline(const K& key, tick now) {
        purge(now);
        const auto at = find(key);
        return at == order_.end() ? std::nullopt : std::optional<tick>(at->deadline);
    }

    enum class stored { refused, inserted, replaced };

    /// A refused put changes nothing. A deadline that is already over removes the old entry and stores nothing, which
    /// is no refusal.
    stored put(const K& key, V value, std::size_t bytes, tick deadline, tick now) {
        purge(now);
        const auto at = find(key);
        const bool present = at != order_.end();
        if (now >= deadline) {
            if (present) order_.erase(at);
            return present ? stored::replaced : stored::inserted;
        }
        if (bytes > max_bytes_ || bytes > max_entry_bytes || max_entries_ == 0) return stored::refused;
        if (present) order_.erase(at);
        order_.push_front(entry{key, std::move(value), bytes, deadline});
        shrink();
        return present ? stored::replaced : stored::inserted;
    }

    bool erase(const K& key, tick now) {
        purge(now);
        const auto at = find(key);
        if (at == order_.end()) return false;
        order_.erase(at);
        return true;
    }

    template <class Predicate>
    std::size_t erase_if(Predicate predicate, tick now) {
        purge(now);
        return order_.remove_if([&](const entry& e) { return predicate(e.key, e.value); });
    }

    std::size_t purge(tick now) {
        return order_.remove_if([&](const entry& e) { return now >= e.deadline; });
    }

    void clear() { order_.clear(); }

    std::size_t set_max_entries(std::size_t n) { return max_entries_ = n, shrink(); }
    std::size_t set_max_bytes(std::size_t n) { return max_bytes_ = n, shrink(); }

    std::size_t size() const { return order_.size(); }
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const entry& e : order_) sum += e.bytes;
        return sum;
    }
    const std::list<entry>& hottest_first() const { return order_; }

private:
    auto find(const K& key) {
        auto at = order_.begin();
        while (at != order_.end() && !(at->key == key)) ++at;
        return at;
    }

    std::size_t shrink() {
        std::size_t evicted = 0;
        for (; size() > max_entries_ || bytes() > max_bytes_; ++evicted) order_.pop_back();
        return evicted;
    }

    std::list<entry> order_;
    std::size_t max_entries_;
    std::size_t max_bytes_;
};

}  // namespace plateau_test
