// SPDX-License-Identifier: MIT
/// The textbook S3-FIFO (Yang and others, 2023), linear in everything: what the caches that evict so are compared with.
/// The face is that of lru_oracle.
#pragma once

#include "tools/lru_oracle.hpp"

#include <plateau/cache/options.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <iterator>
#include <list>
#include <utility>
#include <vector>

namespace plateau_test {

/// Who left the small queue not long ago, by 32 bits of the hash. The table is divided into short queues, each for its
/// part of the hashes; it grows with the room of the cache's index, which is its bound halved as often as it may be.
class ghost_oracle {
public:
    void reserve(std::size_t count, std::size_t capacity) {
        if (count <= room_) return;
        std::size_t room = capacity;
        while (room / 2 >= count && room > 24) room = room / 2 + room % 2;
        room_ = room < count ? count : room;
        const auto old = std::move(queues_);
        queues_.assign((room_ - room_ / 10 + width - 1) / width, {});
        for (const auto& queue : old)
            for (auto hash = queue.rbegin(); hash != queue.rend(); ++hash) add(*hash);
    }
    void forget() {
        queues_.clear();
        room_ = 0;
    }
    void add(std::uint32_t hash) {
        auto& queue = queue_of(hash);
        queue.push_front(hash);
        if (queue.size() > width) queue.pop_back();
    }
    bool take(std::uint32_t hash) {
        auto& queue = queue_of(hash);
        for (auto at = queue.begin(); at != queue.end(); ++at)
            if (*at == hash) return queue.erase(at), true;
        return false;
    }

private:
    static constexpr std::size_t width = 4;

    std::deque<std::uint32_t>& queue_of(std::uint32_t& hash) {
        if (hash == 0) hash = 1;
        return queues_[static_cast<std::size_t>(std::uint64_t{hash} * queues_.size() >> 32)];
    }

    std::vector<std::deque<std::uint32_t>> queues_;
    std::size_t room_ = 0;
};

template <class K, class V>
class s3fifo_oracle {
    using textbook = lru_oracle<K, V>;

public:
    using tick = typename textbook::tick;
    using cause = typename textbook::cause;
    using entry = typename textbook::entry;
    using removal = typename textbook::removal;
    using stored = typename textbook::stored;
    static constexpr tick never = textbook::never;
    static constexpr std::size_t unbounded = textbook::unbounded;

    s3fifo_oracle(std::size_t max_entries, std::size_t max_bytes) : max_entries_(max_entries), max_bytes_(max_bytes) {}

    std::size_t max_entry_bytes = unbounded;
    std::size_t overhead = 1;
    std::function<std::uint32_t(const K&)> hash_of{};
    std::vector<removal> removed{};

    [[nodiscard]] const entry* standing(const K& key) {
        const place at = find(key);
        return at.in == nullptr ? nullptr : &*at.at;
    }
    [[nodiscard]] const entry* peek(const K& key, tick now) {
        const entry* const found = standing(key);
        return found == nullptr || found->over(now) ? nullptr : found;
    }
    /// A live entry, which was used once more.
    const entry* get(const K& key, tick now) {
        const place at = find(key);
        if (at.in == nullptr || at.at->over(now)) return nullptr;
        at.at->use();
        return &*at.at;
    }

    /// A replacement is a use, in the place where the entry stands.
    stored put(const K& key, V value, std::size_t bytes, tick deadline, tick now) {
        drop(key, now);
        const place old = find(key);
        const bool present = old.in != nullptr;
        if (now >= deadline) {
            if (present) remove(old, cause::expired);
            return present ? stored::replaced : stored::inserted;
        }
        if (max_entries_ == 0 || max_bytes_ == 0) return stored::over_budget;
        if (bytes > max_bytes_ || bytes > max_entry_bytes) return stored::too_large;
        ghosts_.reserve(size() + (!present && size() < capacity()), capacity());
        if (present) {
            removed.push_back({key, old.at->value, cause::replaced});
            static_cast<entry&>(*old.at) = {key, std::move(value), bytes, deadline, ++last_id_};
            old.at->use();
            shrink(0, 0, &*old.at);
            return stored::replaced;
        }
        shrink(1, bytes, nullptr);
        const bool known = ghosts_.take(hash_of(key));
        (known ? main_ : small_).push_front({{key, std::move(value), bytes, deadline, ++last_id_}, 0});
        return stored::inserted;
    }

    bool drop(const K& key, tick now) {
        const place at = find(key);
        if (at.in == nullptr || !at.at->over(now)) return false;
        remove(at, cause::expired);
        return true;
    }
    std::size_t purge(tick now) {
        return remove_where([&](const entry& e) { return e.over(now); }, cause::expired, unbounded);
    }
    bool erase(const K& key, tick now) {
        if (drop(key, now)) return false;
        const place at = find(key);
        if (at.in == nullptr) return false;
        remove(at, cause::erased);
        return true;
    }
    template <class Predicate>
    std::size_t erase_if(Predicate predicate, tick now, std::size_t budget = unbounded) {
        return remove_where([&](const entry& e) { return !e.over(now) && predicate(e.key, e.value); }, cause::erased,
                            budget);
    }
    void clear() {
        remove_where([](const entry&) { return true; }, cause::cleared, unbounded);
    }
    /// What an empty cache does that gives its memory back.
    void forget() { ghosts_.forget(); }

    std::size_t set_max_entries(std::size_t n) { return max_entries_ = n, shrink(0, 0, nullptr); }
    std::size_t set_max_bytes(std::size_t n) { return max_bytes_ = n, shrink(0, 0, nullptr); }
    template <class Weigh>
    void reweigh(Weigh weigh) {
        for (queue* one : {&small_, &main_})
            for (entry& e : *one) e.bytes = weigh(e);
    }

    [[nodiscard]] std::size_t max_entries() const { return max_entries_; }
    [[nodiscard]] std::size_t max_bytes() const { return max_bytes_; }
    [[nodiscard]] std::size_t size() const { return small_.size() + main_.size(); }
    [[nodiscard]] std::size_t bytes() const {
        std::size_t sum = 0;
        for (const entry& e : hottest_first()) sum += e.bytes;
        return sum;
    }
    /// The main queue before the small one, the newest of each first.
    [[nodiscard]] std::list<entry> hottest_first() const {
        std::list<entry> all(main_.begin(), main_.end());
        all.insert(all.end(), small_.begin(), small_.end());
        return all;
    }

private:
    struct counted : entry {
        unsigned uses = 0;
        void use() { uses += uses < 3; }
    };
    using queue = std::list<counted>;
    struct place {
        queue* in;
        typename queue::iterator at;
    };

    place find(const K& key) {
        for (queue* one : {&small_, &main_})
            for (auto at = one->begin(); at != one->end(); ++at)
                if (at->key == key) return {one, at};
        return {nullptr, {}};
    }
    typename queue::iterator remove(place of, cause why) {
        removed.push_back({of.at->key, of.at->value, why});
        return of.in->erase(of.at);
    }
    template <class Predicate>
    std::size_t remove_where(Predicate chosen, cause why, std::size_t budget) {
        std::size_t count = 0;
        for (queue* one : {&small_, &main_})
            for (auto at = one->end(); at != one->begin() && count != budget;) {
                --at;
                if (!chosen(*at)) continue;
                at = remove({one, at}, why);
                ++count;
            }
        return count;
    }

    [[nodiscard]] std::size_t capacity() const {
        const std::size_t by_bytes = max_bytes_ == unbounded ? unbounded : max_bytes_ / overhead;
        const std::size_t most = (std::size_t{1} << 29) - (std::size_t{1} << 16);
        return std::min({max_entries_, by_bytes, most});
    }

    /// Room for so many entries and bytes more; `spared` stays while another stands.
    std::size_t shrink(std::size_t entries, std::size_t more, const entry* spared) {
        std::size_t evicted = 0;
        while (size() > (spared != nullptr ? 1U : 0U) &&
               (size() + entries > max_entries_ || (max_bytes_ != unbounded && bytes() + more > max_bytes_))) {
            evict(spared);
            ++evicted;
        }
        return evicted;
    }
    void evict(const entry* spared) {
        for (;;) {
            queue& from = takes_from_small(spared) ? small_ : main_;
            const auto oldest = std::prev(from.end());
            if (oldest->uses == 0 && &*oldest != spared) {
                if (&from == &small_) ghosts_.add(hash_of(oldest->key));
                remove({&from, oldest}, cause::size);
                return;
            }
            oldest->uses = &from == &small_ || oldest->uses == 0 ? 0 : oldest->uses - 1;
            main_.splice(main_.begin(), from, oldest);
        }
    }
    [[nodiscard]] bool takes_from_small(const entry* spared) const {
        if (main_.empty()) return true;
        if (small_.empty() || (small_.size() == 1 && &small_.back() == spared)) return false;
        return (main_.size() == 1 && &main_.back() == spared) || small_.size() * 10 >= size();
    }

    queue small_;
    queue main_;
    ghost_oracle ghosts_;
    std::size_t max_entries_;
    std::size_t max_bytes_;
    std::uint64_t last_id_ = 0;
};

}  // namespace plateau_test
