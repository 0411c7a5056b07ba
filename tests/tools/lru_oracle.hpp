// SPDX-License-Identifier: MIT
/// The textbook LRU, linear in everything and short enough to be checked by eye: what the caches are compared with.
#pragma once

#include <plateau/cache/options.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <utility>
#include <vector>

namespace plateau_test {

/// Entries stand hottest first. Time is a number of the caller's, and an entry with `now >= deadline` is over: nobody
/// finds it any more, but it stands in its place and counts until it is purged, dropped, evicted or cleared. Bounds
/// hold after every operation: each entry counts 1 against `max_entries` and its own bytes against `max_bytes`. Who
/// leaves, and why, is noted in `removed`.
template <class K, class V>
class lru_oracle {
public:
    using tick = std::uint64_t;
    using cause = plateau::removal_cause;
    static constexpr tick never = std::numeric_limits<tick>::max();
    static constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

    struct entry {
        K key;
        V value;
        std::size_t bytes;
        tick deadline;
        std::uint64_t id;  ///< no other entry has had it

        [[nodiscard]] bool over(tick now) const { return deadline != never && now >= deadline; }
    };
    struct removal {
        K key;
        V value;
        plateau::removal_cause why;
    };

    lru_oracle(std::size_t max_entries, std::size_t max_bytes) : max_entries_(max_entries), max_bytes_(max_bytes) {}

    std::size_t max_entry_bytes = unbounded;
    std::vector<removal> removed{};

    /// Who stands there, over or not.
    [[nodiscard]] const entry* standing(const K& key) {
        const auto at = find(key);
        return at == order_.end() ? nullptr : &*at;
    }
    [[nodiscard]] const entry* peek(const K& key, tick now) {
        const entry* const found = standing(key);
        return found == nullptr || found->over(now) ? nullptr : found;
    }
    /// A live entry, which becomes the hottest.
    const entry* get(const K& key, tick now) {
        const auto at = find(key);
        if (at == order_.end() || at->over(now)) return nullptr;
        order_.splice(order_.begin(), order_, at);
        return &*at;
    }

    enum class stored { over_budget, too_large, inserted, replaced };

    /// A refused put changes nothing, but that an entry of that key which is over goes. A deadline that has come
    /// removes the old entry as expired and stores nothing, which is no refusal.
    stored put(const K& key, V value, std::size_t bytes, tick deadline, tick now) {
        drop(key, now);
        const auto old = find(key);
        const bool present = old != order_.end();
        if (now >= deadline) {
            if (present) remove(old, cause::expired);
            return present ? stored::replaced : stored::inserted;
        }
        if (max_entries_ == 0 || max_bytes_ == 0) return stored::over_budget;
        if (bytes > max_bytes_ || bytes > max_entry_bytes) return stored::too_large;
        if (present) remove(old, cause::replaced);
        order_.push_front(entry{key, std::move(value), bytes, deadline, ++last_id_});
        shrink();
        return present ? stored::replaced : stored::inserted;
    }

    /// Effects: the entry of that key goes if it is over. Returns: whether it did.
    bool drop(const K& key, tick now) {
        const auto at = find(key);
        if (at == order_.end() || !at->over(now)) return false;
        remove(at, cause::expired);
        return true;
    }
    std::size_t purge(tick now) {
        return remove_where([&](const entry& e) { return e.over(now); }, cause::expired, unbounded);
    }

    /// Returns: whether there was a live one; one that is over goes as expired.
    bool erase(const K& key, tick now) {
        if (drop(key, now)) return false;
        const auto at = find(key);
        if (at == order_.end()) return false;
        remove(at, cause::erased);
        return true;
    }
    /// Coldest first, live ones only, `budget` of them at most.
    template <class Predicate>
    std::size_t erase_if(Predicate predicate, tick now, std::size_t budget = unbounded) {
        return remove_where([&](const entry& e) { return !e.over(now) && predicate(e.key, e.value); }, cause::erased,
                            budget);
    }
    void clear() {
        while (!order_.empty()) remove(--order_.end(), cause::cleared);
    }

    std::size_t set_max_entries(std::size_t n) { return max_entries_ = n, shrink(); }
    std::size_t set_max_bytes(std::size_t n) { return max_bytes_ = n, shrink(); }
    /// Effects: each entry counts what `weigh(entry)` says from now on.
    template <class Weigh>
    void reweigh(Weigh weigh) {
        for (entry& e : order_) e.bytes = weigh(e);
    }

    [[nodiscard]] std::size_t max_entries() const { return max_entries_; }
    [[nodiscard]] std::size_t max_bytes() const { return max_bytes_; }
    [[nodiscard]] std::size_t size() const { return order_.size(); }
    [[nodiscard]] std::size_t bytes() const {
        std::size_t sum = 0;
        for (const entry& e : order_) sum += e.bytes;
        return sum;
    }
    [[nodiscard]] const std::list<entry>& hottest_first() const { return order_; }

private:
    using place = typename std::list<entry>::iterator;

    place find(const K& key) {
        auto at = order_.begin();
        while (at != order_.end() && !(at->key == key)) ++at;
        return at;
    }

    place remove(place at, cause why) {
        removed.push_back({at->key, at->value, why});
        return order_.erase(at);
    }

    template <class Predicate>
    std::size_t remove_where(Predicate chosen, cause why, std::size_t budget) {
        std::size_t count = 0;
        for (auto at = order_.end(); at != order_.begin() && count != budget;) {
            --at;
            if (!chosen(*at)) continue;
            at = remove(at, why);
            ++count;
        }
        return count;
    }

    std::size_t shrink() {
        std::size_t evicted = 0;
        std::size_t held = max_bytes_ == unbounded ? 0 : bytes();
        for (; size() > max_entries_ || held > max_bytes_; ++evicted) {
            held -= max_bytes_ == unbounded ? 0 : order_.back().bytes;
            remove(--order_.end(), cause::size);
        }
        return evicted;
    }

    std::list<entry> order_;
    std::size_t max_entries_;
    std::size_t max_bytes_;
    std::uint64_t last_id_ = 0;
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
