// SPDX-License-Identifier: MIT
/// What the textbooks of the cache have in common, linear in everything and short enough to be checked by eye: entries
/// in queues, the end of an entry, and what a put is refused for. An order of eviction is a class of its own.
#pragma once

#include <plateau/cache/options.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <list>
#include <optional>
#include <utility>
#include <vector>

namespace plateau_test {

/// Each queue stands hottest first, and so do they: the last one is the coldest. Time is a number of the caller's, and
/// an entry with `now >= deadline` is over: nobody finds it any more, but it stands in its place and counts until it is
/// purged, dropped, evicted or cleared. Each entry counts 1 against `max_entries` and its own bytes against
/// `max_bytes`. Who leaves, and why, is noted in `removed`.
template <class K, class V, std::size_t Queues>
class textbook_cache {
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
        std::uint64_t id;   ///< no other entry has had it
        unsigned uses = 0;  ///< where an order counts them

        [[nodiscard]] bool over(tick now) const { return deadline != never && now >= deadline; }
    };
    struct removal {
        K key;
        V value;
        cause why;
    };
    enum class stored { over_budget, too_large, inserted, replaced };

    std::size_t max_entry_bytes = unbounded;
    std::vector<removal> removed{};

    /// Who stands there, over or not.
    [[nodiscard]] const entry* standing(const K& key) {
        const place at = find(key);
        return at ? &*at.at : nullptr;
    }
    [[nodiscard]] const entry* peek(const K& key, tick now) {
        const place at = find_live(key, now);
        return at ? &*at.at : nullptr;
    }

    /// Effects: the entry of that key goes if it is over. Returns: whether it did.
    bool drop(const K& key, tick now) {
        const place at = find(key);
        return at && at.at->over(now) && end(at, cause::expired);
    }
    std::size_t purge(tick now) {
        return end_where([&](const entry& e) { return e.over(now); }, cause::expired);
    }
    /// Returns: whether there was a live one; one that is over goes as expired.
    bool erase(const K& key, tick now) { return !drop(key, now) && end(find(key), cause::erased); }
    /// Coldest first, live ones only, `budget` of them at most.
    template <class Predicate>
    std::size_t erase_if(Predicate predicate, tick now, std::size_t budget = unbounded) {
        return end_where([&](const entry& e) { return !e.over(now) && predicate(e.key, e.value); }, cause::erased,
                         budget);
    }
    void clear() {
        end_where([](const entry&) { return true; }, cause::cleared);
    }
    /// Effects: each entry counts what `weigh(entry)` says from now on.
    template <class Weigh>
    void reweigh(Weigh weigh) {
        for (queue& one : queues_)
            for (entry& e : one) e.bytes = weigh(e);
    }

    [[nodiscard]] std::size_t max_entries() const { return max_entries_; }
    [[nodiscard]] std::size_t max_bytes() const { return max_bytes_; }
    [[nodiscard]] std::size_t size() const {
        std::size_t count = 0;
        for (const queue& one : queues_) count += one.size();
        return count;
    }
    [[nodiscard]] std::size_t bytes() const {
        std::size_t sum = 0;
        for (const queue& one : queues_)
            for (const entry& e : one) sum += e.bytes;
        return sum;
    }

protected:
    using queue = std::list<entry>;
    struct place {
        queue* in = nullptr;
        typename queue::iterator at{};
        explicit operator bool() const { return in != nullptr; }
    };

    textbook_cache(std::size_t max_entries, std::size_t max_bytes) : max_entries_(max_entries), max_bytes_(max_bytes) {}

    place find(const K& key) {
        for (queue& one : queues_)
            for (auto at = one.begin(); at != one.end(); ++at)
                if (at->key == key) return {&one, at};
        return {};
    }
    place find_live(const K& key, tick now) {
        const place at = find(key);
        return at && !at.at->over(now) ? at : place{};
    }

    /// Returns: whether there was one.
    bool end(place of, cause why) {
        if (!of) return false;
        removed.push_back({of.at->key, of.at->value, why});
        of.in->erase(of.at);
        return true;
    }
    template <class Predicate>
    std::size_t end_where(Predicate chosen, cause why, std::size_t budget = unbounded) {
        std::size_t count = 0;
        for (std::size_t i = Queues; i-- != 0;)
            for (auto next = queues_[i].end(); next != queues_[i].begin() && count != budget;) {
                const auto at = std::prev(next);
                if (!chosen(*at)) next = at;
                else count += end({&queues_[i], at}, why);
            }
        return count;
    }

    /// How a put ends that stores nothing, or nothing if it goes on. A refused one changes nothing, but that an entry
    /// of that key which is over goes. A deadline that has come removes the old entry as expired, which is no refusal.
    std::optional<stored> ends_early(const K& key, std::size_t bytes, tick deadline, tick now) {
        drop(key, now);
        if (now >= deadline) return end(find(key), cause::expired) ? stored::replaced : stored::inserted;
        if (max_entries_ == 0 || max_bytes_ == 0) return stored::over_budget;
        if (bytes > max_bytes_ || bytes > max_entry_bytes) return stored::too_large;
        return std::nullopt;
    }
    entry make(const K& key, V value, std::size_t bytes, tick deadline) {
        return {key, std::move(value), bytes, deadline, ++last_id_};
    }

    std::array<queue, Queues> queues_;
    std::size_t max_entries_;
    std::size_t max_bytes_;

private:
    std::uint64_t last_id_ = 0;
};

}  // namespace plateau_test
