// SPDX-License-Identifier: MIT
/// The textbook S3-FIFO (Yang and others, 2023), linear in everything: what the caches that evict so are compared with.
#pragma once

#include "tools/textbook_cache.hpp"

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
class s3fifo_oracle : public textbook_cache<K, V, 2> {
    using base = textbook_cache<K, V, 2>;
    using typename base::queue;

public:
    using typename base::cause;
    using typename base::entry;
    using typename base::stored;
    using typename base::tick;

    s3fifo_oracle(std::size_t max_entries, std::size_t max_bytes) : base(max_entries, max_bytes) {}

    std::size_t overhead = 1;
    std::function<std::uint32_t(const K&)> hash_of{};

    /// A live entry, which was used once more.
    const entry* get(const K& key, tick now) {
        const auto found = this->find_live(key, now);
        if (!found) return nullptr;
        use(*found.at);
        return &*found.at;
    }
    /// A replacement is a use, in the place where the entry stands.
    stored put(const K& key, V value, std::size_t bytes, tick deadline, tick now) {
        if (const auto early = this->ends_early(key, bytes, deadline, now)) return *early;
        const auto old = this->find(key);
        ghosts_.reserve(this->size() + (!old && this->size() < capacity()), capacity());
        if (old) {
            this->removed.push_back({key, old.at->value, cause::replaced});
            const unsigned uses = old.at->uses;
            *old.at = this->make(key, std::move(value), bytes, deadline);
            old.at->uses = uses;
            use(*old.at);
            shrink(0, 0, &*old.at);
            return stored::replaced;
        }
        shrink(1, bytes, nullptr);
        const bool known = ghosts_.take(hash_of(key));
        (known ? main() : small()).push_front(this->make(key, std::move(value), bytes, deadline));
        return stored::inserted;
    }
    /// What an empty cache does that gives its memory back.
    void forget() { ghosts_.forget(); }

    std::size_t set_max_entries(std::size_t n) { return this->max_entries_ = n, shrink(0, 0, nullptr); }
    std::size_t set_max_bytes(std::size_t n) { return this->max_bytes_ = n, shrink(0, 0, nullptr); }

    /// The main queue before the small one, the newest of each first.
    [[nodiscard]] std::list<entry> hottest_first() const {
        std::list<entry> all(this->queues_[0]);
        all.insert(all.end(), this->queues_[1].begin(), this->queues_[1].end());
        return all;
    }

private:
    queue& main() { return this->queues_[0]; }
    queue& small() { return this->queues_[1]; }
    static void use(entry& of) { of.uses += of.uses < 3; }

    [[nodiscard]] std::size_t capacity() const {
        const std::size_t by_bytes =
            this->max_bytes_ == base::unbounded ? base::unbounded : this->max_bytes_ / overhead;
        const std::size_t most = (std::size_t{1} << 29) - (std::size_t{1} << 16);
        return std::min({this->max_entries_, by_bytes, most});
    }

    /// Room for so many entries and bytes more; `spared` stays while another stands.
    std::size_t shrink(std::size_t entries, std::size_t more, const entry* spared) {
        const auto full = [&] {
            return this->size() + entries > this->max_entries_ ||
                   (this->max_bytes_ != base::unbounded && this->bytes() + more > this->max_bytes_);
        };
        std::size_t evicted = 0;
        for (; this->size() > (spared != nullptr ? 1U : 0U) && full(); ++evicted) evict(spared);
        return evicted;
    }
    void evict(const entry* spared) {
        for (;;) {
            queue& from = takes_from_small(spared) ? small() : main();
            const auto oldest = std::prev(from.end());
            if (oldest->uses == 0 && &*oldest != spared) {
                if (&from == &small()) ghosts_.add(hash_of(oldest->key));
                this->end({&from, oldest}, cause::size);
                return;
            }
            oldest->uses = &from == &small() || oldest->uses == 0 ? 0 : oldest->uses - 1;
            main().splice(main().begin(), from, oldest);
        }
    }
    [[nodiscard]] bool takes_from_small(const entry* spared) {
        if (main().empty()) return true;
        if (small().empty() || (small().size() == 1 && &small().back() == spared)) return false;
        return (main().size() == 1 && &main().back() == spared) || small().size() * 10 >= this->size();
    }

    ghost_oracle ghosts_;
};

}  // namespace plateau_test
