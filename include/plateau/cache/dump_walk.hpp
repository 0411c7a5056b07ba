// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/chunk_index.hpp>
#include <plateau/cache/dump.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A dump's way through a cache: the entries that were there when it began, copied some at a time.
///
/// It marks them first, in 8 bytes each, shard by shard; then each step copies some under the lock of one shard. What
/// has gone by then is passed over, and what was put in its place under the same key may be copied for it.
///
/// Order: each shard from what is hottest on, and the shards by turns: what is hot in one comes before what is cold in
/// another.
///
/// Owned by one call of `dump`, which steps outside every lock. Thread safety: others use the cache between its steps,
/// and during them.
template <class K, class V, class Shards>
class dump_walk {
    using shard_type = typename Shards::shard_type;
    using session = typename shard_type::template quiet_session<true>;

public:
    /// Throws: what allocating does. Complexity: linear in the entries, each shard's under its lock.
    explicit dump_walk(const Shards& shards) : shards_(shards), lists_(std::make_unique<list[]>(shards.size())) {
        for (std::size_t i = 0; i < shards.size(); ++i) mark_each(shards[i], lists_[i]);
    }

    /// Effects: those that come next and are still there at `now` go to the batch, so far as it has room. Returns:
    /// false when none was left to look at. Throws: what a copy does.
    [[nodiscard]] bool copy_some(time_point now, dump_batch<K, V>& batch) {
        for (std::size_t tries = 0; tries < shards_.size(); ++tries) {
            const std::size_t i = turn_++ % shards_.size();
            if (lists_[i].next == lists_[i].count) continue;
            copy_some(shards_[i], lists_[i], now, batch);
            return true;
        }
        return false;
    }

private:
    struct mark {
        std::uint32_t hash;
        std::uint32_t slot;
    };
    /// The entries of a shard as they stood when the dump began.
    struct list {
        std::unique_ptr<mark[]> marks;
        std::size_t count = 0;
        std::size_t next = 0;
    };

    static void mark_each(shard_type& shard, list& entries) {
        const std::size_t room = session(shard)->size();
        entries.marks = std::make_unique_for_overwrite<mark[]>(room);  // not under the lock
        session in(shard);
        in->mark_each([&](std::uint32_t hash, std::uint32_t slot) {
            if (entries.count != room) entries.marks[entries.count++] = {hash, slot};
        });
    }
    static void copy_some(shard_type& shard, list& entries, time_point now, dump_batch<K, V>& batch) {
        session in(shard);
        for (; entries.next != entries.count && !batch.full(); ++entries.next) {
            const mark& one = entries.marks[entries.next];
            const std::uint32_t slot = in->find_again(one.hash, one.slot);
            if (slot == nil || in->lifetimes().over_at(slot, [now] { return now; })) continue;
            const auto& entry = in->at(slot);
            const duration left = fresh_left(entry, in->lifetimes().remaining_in_use(slot, now), now);
            if (left > duration::zero())
                batch.add(entry.key, entry.value, left, in->lifetimes().idle_remaining(slot, now));
        }
    }

    /// A layer whose entries go on after they are fresh says by its note for how long they are: `fresh_for(now)`. In
    /// the next process nobody could tell them apart, so that they end when they are no longer fresh.
    template <class Entry>
    [[nodiscard]] static duration fresh_left(const Entry& entry, duration left, time_point now) noexcept {
        if constexpr (requires { entry.note.fresh_for(now); }) return smaller(entry.note.fresh_for(now), left);
        else return left;
    }

    const Shards& shards_;
    const std::unique_ptr<list[]> lists_;
    std::size_t turn_ = 0;
};

}
PLATEAU_NAMESPACE_END
