// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <atomic>
#include <cstddef>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Who is inside a shard with user code: a visit, a predicate, a copy, which may call the cache again.
///
/// Such a call would wait for another shard while others, from there, wait for his: every call asks `trap` before it
/// enters a shard, so that it is a violation and no deadlock. Only while somebody visits do the others pay for more
/// than one look. A sole user is trapped by the shard itself.
///
/// Owned by the cache. Thread safety: any thread.
template <class Shards, class Sync>
class shard_visitors {
public:
    /// Stands on the visitor's stack, from before the user code until after it.
    class guard {
    public:
        explicit guard(shard_visitors& all) noexcept : count_(all.count_) {
            count_.fetch_add(1, std::memory_order_relaxed);  // only its own thread needs to see it
        }
        guard(const guard&) = delete;
        guard& operator=(const guard&) = delete;
        ~guard() { count_.fetch_sub(1, std::memory_order_relaxed); }

    private:
        typename Sync::template atomic<std::size_t>& count_;
    };

    void trap([[maybe_unused]] const Shards& shards) const noexcept {
        if constexpr (Shards::shard_type::is_shared) {
            if (count_.load(std::memory_order_relaxed) == 0) [[likely]]
                return;
            shards.trap_holder();
        }
    }

private:
    typename Sync::template atomic<std::size_t> count_{0};
};

}
PLATEAU_NAMESPACE_END
