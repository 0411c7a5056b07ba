// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/byte_pool.hpp>
#include <plateau/cache/core.hpp>
#include <plateau/cache/pin.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/short_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Entering twice is a call from inside a visit, a predicate, an equality or a copy: trapped, because the caller below
/// would go on in a structure that has changed.
PLATEAU_ALWAYS_INLINE void require_outside(bool outside) noexcept {
    PLATEAU_EXPECTS(outside, "a cache was called from inside its own visit, predicate, equality or value copy");
}

/// Entry to a structure that one thread uses at a time.
class sole_access {
public:
    void enter() noexcept {
        pass();
        entered_ = true;
    }
    void pass() const noexcept { require_outside(!entered_); }
    void leave() noexcept { entered_ = false; }
    [[nodiscard]] static const void* self() noexcept { return nullptr; }

private:
    bool entered_ = false;
};

/// The same for threads that share the structure: others wait.
template <class Sync>
class shared_access {
public:
    PLATEAU_ALWAYS_INLINE void enter() noexcept { require_outside(mutex_.lock_unless_mine()); }
    void pass() const noexcept { require_outside(!mutex_.is_mine()); }
    PLATEAU_ALWAYS_INLINE void leave() noexcept { mutex_.unlock(); }
    [[nodiscard]] static const void* self() noexcept { return Sync::thread_id(); }

private:
    short_mutex<Sync> mutex_;
};

/// A cache core, who may enter it, and how entries end.
///
/// Protocol of an end: under exclusion the entry leaves the structure and goes to the core's outbox. The session that
/// put it there, before it returns and no longer excluding anybody, tells the listener, destroys key and value, and
/// enters again to give the slots back. What those calls remove in turn is appended to the queue of the session that is
/// already at it on the same thread: a chain of destructors takes no stack, however long it is.
template <class K, class V, class Policies, class Access>
class alignas(64) cache_shard : public pin_home {
public:
    using core_type = cache_core<K, V, Policies>;
    using listener_type = typename Policies::listener;
    using charge_type = typename Policies::charge;
    using pool_type = byte_pool<typename Policies::sync, charge_type>;

    static constexpr bool has_pins = std::is_same_v<typename Policies::pins, counted>;
    static constexpr bool has_charge = !std::is_same_v<charge_type, no_charge>;
    /// Whether threads meet in it.
    static constexpr bool is_shared = !std::is_same_v<Access, sole_access>;
    /// Whether what it may hold is taken from a pool, ahead of its need. Else the bounds are its own.
    static constexpr bool pooled = is_shared || has_charge;

    /// What it shares with the others, until the cache has ended.
    struct surroundings {
        listener_type& listener;
        pool_type& bytes;
        pool_type& pinned;
    };

    cache_shard(const typename core_type::origins& from, const surroundings& around, const charge_type& outer)
        : pin_home{&release},
          core_(from),
          listener_(&around.listener),
          bytes_(around.bytes),
          pinned_(around.pinned),
          outer_(outer),
          allocator_(from.allocator) {}

    /// What a shard keeps of the bytes for pins beside those that are pinned.
    [[nodiscard]] static std::size_t spare_pinned(const pool_type& pinned) noexcept {
        return smaller(pinned.limit() / 1024, most_ahead);
    }

    /// What a shard takes of the bytes ahead of its need, so that the pool is not asked by every put.
    [[nodiscard]] static std::size_t ahead(const core_type& core) noexcept {
        const std::size_t fair = core.bounds().fair_bytes;
        return fair == unlimited ? 4 * 1024 : smaller(fair / 64, most_ahead);
    }
    /// What removals left over goes back to the pool, but for a little. Expects: entered.
    void settle() noexcept {
        if constexpr (pooled) {
            const std::size_t held = core_.bounds().max_bytes;
            const std::size_t used = core_.used_bytes();
            if (listener_ == nullptr || held == unlimited || held <= used) return;
            const std::size_t kept = used == 0 ? 0 : ahead(core_);
            if (held - used > 2 * kept) [[unlikely]]
                bytes_.give(core_.give_bytes(held - used - kept, 0));
        }
    }

    /// Excludes others from construction to destruction, which sees out what was removed meanwhile.
    class session {
    public:
        explicit session(cache_shard& shard) noexcept : shard_(shard) { shard_.access_.enter(); }
        session(const session&) = delete;
        session& operator=(const session&) = delete;
        ~session() {
#if PLATEAU_HARDENED
            shard_.core_.check_invariants();
#endif
            if (shard_.core_.outbox_empty()) [[likely]]
                shard_.access_.leave();
            else shard_.see_out();
        }
        [[nodiscard]] core_type* operator->() const noexcept { return &shard_.core_; }
        [[nodiscard]] core_type& operator*() const noexcept { return shard_.core_; }

    private:
        cache_shard& shard_;
    };

    /// The same for steps that remove nothing. Where they run no user code, a sole user need not say that he is inside.
    template <bool RunsUserCode>
    class quiet_session {
        static constexpr bool enters = RunsUserCode || is_shared;

    public:
        explicit quiet_session(cache_shard& shard) noexcept : shard_(shard) {
            if constexpr (enters) shard_.access_.enter();
            else shard_.access_.pass();
        }
        quiet_session(const quiet_session&) = delete;
        quiet_session& operator=(const quiet_session&) = delete;
        ~quiet_session() {
            if constexpr (enters) shard_.access_.leave();
        }
        [[nodiscard]] core_type* operator->() const noexcept { return &shard_.core_; }
        [[nodiscard]] core_type& operator*() const noexcept { return shard_.core_; }

    private:
        cache_shard& shard_;
    };

    void trap_holder() const noexcept { access_.pass(); }

    /// The cache is at its end, and empty: the shard goes now, or with its last pin.
    static void abandon(cache_shard* shard) noexcept {
        shard->access_.enter();
        shard->listener_ = nullptr;
        shard->leave_for_good();
    }

    [[nodiscard]] static cache_shard* make(const typename core_type::origins& from, const surroundings& around,
                                           const charge_type& outer) {
        shard_allocator own(from.allocator);
        memory_guard memory{own, shard_traits::allocate(own, 1)};
        std::construct_at(memory.shard, from, around, outer);
        return std::exchange(memory.shard, nullptr);
    }

private:
    using shard_allocator =
        typename std::allocator_traits<typename Policies::allocator>::template rebind_alloc<cache_shard>;
    using shard_traits = std::allocator_traits<shard_allocator>;
    using node = typename core_type::node;

    struct memory_guard {
        shard_allocator& allocator;
        cache_shard* shard;
        ~memory_guard() {
            if (shard != nullptr) shard_traits::deallocate(allocator, shard, 1);
        }
    };

    /// A thread that is seeing entries out. Stands on that thread's stack; linked and filled under exclusion.
    struct usher {
        const void* thread;
        usher* next;
        outbox queue;
        bool evicts;  ///< false while only a pin has ended: that removes nobody
    };
    struct departure {
        node* entry;
        std::uint32_t slot;
        removal_cause cause;
        bool told;
        bool held;  ///< others have it pinned: the last of them ends it
    };
    static constexpr std::size_t batch = 16;
    static constexpr std::size_t most_ahead = 64 * 1024;

    /// Expects: entered, and something in the outbox. Leaves.
    PLATEAU_COLD void see_out(bool evicts = true) noexcept {
        for (usher* other = ushers_; other != nullptr; other = other->next) {
            if (other->thread != Access::self()) continue;
            core_.move_outbox(other->queue);
            if (evicts) other->evicts = true;
            access_.leave();
            return;
        }
        usher own{Access::self(), ushers_, {}, evicts};
        ushers_ = &own;
        core_.move_outbox(own.queue);
        while (!own.queue.empty()) {
            see_out_some(own.queue);
            if (!own.queue.empty()) continue;
            if (own.evicts) core_.keep_real_room();  // slots came back
            else core_.give_idle_pages();
            core_.move_outbox(own.queue);
        }
        usher** link = &ushers_;
        while (*link != &own) link = &(*link)->next;
        *link = own.next;
        settle();
        access_.leave();
    }

    /// Expects: entered. Leaves, and enters again.
    void see_out_some(outbox& queue) noexcept {
        departure leaving[batch];
        std::size_t count = 0;
        while (count < batch && !queue.empty()) {
            const std::uint32_t slot = core_.pop(queue);
            node& entry = core_.at(slot);
            leaving[count++] = {&entry, slot, outbox::cause_of(entry), outbox::was_told(entry), core_.pinned(slot)};
        }
        access_.leave();
        for (std::size_t i = 0; i < count; ++i) {
            const departure& one = leaving[i];
            if (!one.told) tell(*one.entry, one.cause);
            if (one.held) continue;
            std::destroy_at(std::addressof(one.entry->value));
            std::destroy_at(std::addressof(one.entry->key));
        }
        access_.enter();
        for (std::size_t i = 0; i < count; ++i) {
            if (!leaving[i].held) core_.give_back(leaving[i].slot);
            else if (core_.unpin(leaving[i].slot)) core_.retire_told(leaving[i].slot);
        }
        core_.move_outbox(queue);
    }

    void tell([[maybe_unused]] node& entry, [[maybe_unused]] removal_cause cause) noexcept {
        if constexpr (!std::is_same_v<listener_type, no_listener>) {
            if constexpr (has_pins) (*listener_)(std::as_const(entry.key), std::as_const(entry.value), cause);
            else (*listener_)(std::as_const(entry.key), std::move(entry.value), cause);
        }
    }

    static void release(pin_home* home, std::uint32_t slot) noexcept {
        if constexpr (has_pins) {
            auto* const self = static_cast<cache_shard*>(home);
            self->access_.enter();
            if (!self->core_.unpin(slot)) {
                self->return_spare_pins();
                return self->access_.leave();
            }
            ++self->returning_;
            self->core_.retire_told(slot);
            self->core_.give_idle_pages();
            if (self->core_.outbox_empty()) self->access_.leave();
            else self->see_out(false);
            self->access_.enter();
            --self->returning_;
            self->return_spare_pins();
            if (self->listener_ == nullptr) self->leave_for_good();
            else self->access_.leave();
        }
    }

    /// Expects: entered. The pool ends with the cache.
    void return_spare_pins() noexcept {
        if constexpr (pooled) {
            if (listener_ == nullptr) return;
            const std::size_t spare = spare_pinned(pinned_);
            if (core_.spare_pinned_bytes() > 2 * spare) [[unlikely]]
                pinned_.give(core_.give_pinned_bytes(spare));
        }
    }

    /// Expects: entered, and the cache has ended. Leaves, and ends the shard unless something in it is pinned, or
    /// somebody is about to come here after a last pin.
    void leave_for_good() noexcept {
        const bool last = core_.idle() && returning_ == 0;
        access_.leave();
        if (!last) return;
        if constexpr (has_charge) outer_.refund(core_.bounds().max_pinned_bytes);
        shard_allocator own(allocator_);
        std::destroy_at(this);
        shard_traits::deallocate(own, this, 1);
    }

    Access access_;
    core_type core_;
    usher* ushers_ = nullptr;
    listener_type* listener_;    // null once the cache has ended
    std::size_t returning_ = 0;  // threads that let a last pin go, and have yet to look whether the cache has ended
    pool_type& bytes_;           // until the cache has ended
    pool_type& pinned_;          // the same
    PLATEAU_NO_UNIQUE_ADDRESS charge_type outer_;
    PLATEAU_NO_UNIQUE_ADDRESS typename Policies::allocator allocator_;
};

}
PLATEAU_NAMESPACE_END
