// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/load_result.hpp>
#include <plateau/cache/load_ticket.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/park.hpp>
#include <plateau/detail/short_lock.hpp>
#include <plateau/detail/wait_list.hpp>
#include <plateau/executor.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// How far a load is. `overdue`: it goes on, but nobody waits for it any more.
enum class flight_phase : unsigned { loading, overdue, value, absent, failed };

/// Whose it is to call the loader: of whoever has begun the load, or of whoever first takes it from an executor.
/// `coming`: it is about to be posted there.
enum class flight_turn : unsigned char { beginner, coming, anyone };

/// One load and what it brings, until everybody who waited for it has taken a copy.
///
/// Owners   phase: written under the mutex of `waiters`; from value or failed on, nobody writes `value` and `error`
///          until the last reference has gone. What nothing else is said of: whoever begins the load, before others
///          find it; then nobody writes it.
template <class K, class V, class Sync>
struct flight : load_target<V>, work_link {
    template <class T>
    using atomic = typename Sync::template atomic<T>;

    flight() noexcept {}
    flight(const flight&) = delete;
    flight& operator=(const flight&) = delete;
    ~flight() {}

    [[nodiscard]] flight_phase at() const noexcept {
        return static_cast<flight_phase>(phase.load(std::memory_order_acquire));
    }

    wait_list<Sync> waiters;
    atomic<unsigned> phase{0};
    atomic<std::uint32_t> references{0};              // the load, each who waits, and whoever looks at it meanwhile
    atomic<const void*> runner{nullptr};              // the thread whose loader is running; its own
    atomic<bool> revoked{false};                      // what it brings is not stored; set under the mutex of its stripe
    atomic<flight_turn> turn{flight_turn::beginner};  // of the loader's call
    atomic<bool> queued{false};                       // in an executor, which has a reference
    bool linked = false;                              // found by its key; under the mutex of its stripe
    bool dropped = false;                             // its ticket went while the loader was running; the runner's
    bool has_key = false;                             // false: it carries a result to one who asked
    bool stale = false;                               // of a result that is carried
    flight* next = nullptr;                           // in its stripe, or among the free; under that mutex
    flight* waits_for = nullptr;                      // what its runner sleeps for; under the table's mutex for that
    std::uint64_t hash = 0;
    std::uint64_t stamp = 0;  // of the cache below when the load began, where that has such
    time_point begun{};
    time_point overdue_at = (time_point::max)();
    void (*job)(flight&) noexcept = nullptr;  // how it is run, where it is run elsewhere
    alignas(void*) std::byte job_room[48];    // what `job` runs; its own
    void* owner = nullptr;
    std::exception_ptr error;
    union {
        K key;
    };
    union {
        V value;
    };
};

/// The flag of a load's waiters: what they wait for is decided under the mutex of their list.
template <class Record>
struct flight_flag {
    Record* at;
    [[nodiscard]] bool raise() const noexcept { return at->at() == flight_phase::loading; }
    static void lower() noexcept {}
};

/// The loads of a cache that have not ended, in a table of records that is made with it. Of one key at most one is
/// linked, where others find it.
///
///     begin ──▶ linked ──────────────────▶ ended ──▶ last reference gone: free
///                  │                         ▲
///                  └──▶ revoked or overdue ──┘
///
/// Invariants
/// F1  of one key at most one load is linked; who asks for the key meanwhile waits for that one.
/// F2  a load is unlinked after its value was stored and before it ends: who does not find it finds the value.
/// F3  a load that was begun before its key was changed, and has not stored by then, is revoked before the change is
///     over.
/// F4  a record is free when nobody refers to it: not the load, nor one who waits.
///
/// Thread safety: any thread. Nothing is allocated after construction. The equality of keys runs under the mutex of a
/// stripe; no other code of a user runs under a mutex of the table.
template <class K, class V, class Policies>
class flight_table {
    using sync = typename Policies::sync;
    template <class T>
    using atomic = typename sync::template atomic<T>;
    using mutex = short_mutex<sync>;
    using allocator_type = typename Policies::allocator;

    [[nodiscard]] static constexpr std::size_t stripe_count() noexcept {
        if constexpr (requires { Policies::load_stripes; }) return Policies::load_stripes;
        else return 16;
    }
    static_assert(std::has_single_bit(stripe_count()), "plateau: load_stripes is a power of two");

public:
    using record = flight<K, V, sync>;
    static constexpr std::size_t most_loads = std::size_t{1} << 20;

    /// What came of asking for a key: a load to wait for, `leads` if the caller has begun it; or why there is none.
    struct entrance {
        record* at = nullptr;
        load_reason why = load_reason::none;
        bool leads = false;
        [[nodiscard]] bool decided() const noexcept { return at != nullptr || why != load_reason::none; }
    };

    /// Throws: what allocating throws.
    flight_table(std::size_t max_loads, std::size_t max_waiters, const allocator_type& allocator, void* owner)
        : allocator_(allocator), capacity_(max_loads), max_waiters_(max_waiters) {
        record_allocator own(allocator_);
        records_ = record_traits::allocate(own, capacity_);
        for (std::size_t i = capacity_; i-- > 0;) {
            record& made = *std::construct_at(records_ + i);
            made.owner = owner;
            made.next = free_;
            free_ = &made;
        }
    }
    flight_table(const flight_table&) = delete;
    flight_table& operator=(const flight_table&) = delete;
    /// Expects: idle.
    ~flight_table() {
        record_allocator own(allocator_);
        for (std::size_t i = 0; i < capacity_; ++i) std::destroy_at(records_ + i);
        record_traits::deallocate(own, records_, capacity_);
    }

    // ---- come in

    /// The load of that key, if there is one: with a reference, and counted as a waiter.
    template <class Key, class Equal>
    [[nodiscard]] entrance join(std::uint64_t hash, const Key& key, const Equal& equal, time_point now) {
        record* late = nullptr;
        entrance seen;
        {
            const guard hold(stripe_of(hash).lock);
            seen = join_linked(hash, key, equal, now, late);
        }
        if (late != nullptr) end_overdue(*late);
        return seen;
    }

    /// The same, and where there is none it is begun: with two references, the load's and the caller's.
    /// `make(K*)` makes the key in its place; `turn` is who will call the loader.
    template <class Key, class Equal, class Make>
    [[nodiscard]] entrance join_or_begin(std::uint64_t hash, const Key& key, const Equal& equal, time_point now,
                                         time_point overdue_at, flight_turn turn, Make make) {
        entrance seen = join(hash, key, equal, now);
        if (seen.decided()) return seen;
        record* const fresh = take();
        if (fresh == nullptr) return refuse();
        const spare_guard spare{*this, *fresh};
        make(std::addressof(fresh->key));
        fresh->has_key = true;
        fresh->hash = hash;
        fresh->begun = now;
        fresh->overdue_at = overdue_at;
        fresh->turn.store(turn, std::memory_order_relaxed);  // published with the record
        record* late = nullptr;
        {
            const guard hold(stripe_of(hash).lock);
            seen = join_linked(hash, key, equal, now, late);
            if (!seen.decided()) {
                fresh->references.store(2, std::memory_order_release);  // expire_all may find it by its place
                link(*fresh);
                seen = {fresh, load_reason::none, true};
            }
        }
        if (late != nullptr) end_overdue(*late);
        return seen;
    }

    /// A record that nobody finds, to carry a result to who asked for it: with one reference. Null if none is free.
    [[nodiscard]] record* take_carrier() noexcept {
        record* const fresh = take();
        if (fresh != nullptr) fresh->references.store(1, std::memory_order_release);
        else static_cast<void>(refuse());
        return fresh;
    }
    /// Before the carrier is waited for. Expects: its value, if it has one, is in its place.
    void fill(record& carrier, flight_phase how) noexcept {
        carrier.phase.store(static_cast<unsigned>(how), std::memory_order_release);
    }

    // ---- change

    /// What the loads of keys with this hash bring is not stored, and who asks for such a key from now on loads anew.
    void revoke(std::uint64_t hash) noexcept {
        stripe& in = stripe_of(hash);
        const guard hold(in.lock);
        for (record* at = in.first; at != nullptr;) {
            record& one = *at;
            at = at->next;
            if (one.hash == hash) revoke_linked(one);
        }
    }
    /// The same for a caller under the lock of the key's shard. A load that this misses comes to that lock later, after
    /// it was begun, and finds what the caller has stored.
    void revoke_if_any(std::uint64_t hash) noexcept {
        if (linked_.load(std::memory_order_relaxed) != 0) revoke(hash);
    }
    void revoke_all() noexcept {
        for (stripe& in : stripes_) {
            const guard hold(in.lock);
            while (in.first != nullptr) revoke_linked(*in.first);
        }
    }

    // ---- end

    /// The load has ended: what it brings is in its place. Takes the load's reference.
    void finish(record& ended, flight_phase how) noexcept {
        {
            const guard hold(stripe_of(ended.hash).lock);
            if (ended.linked) unlink(ended);
        }
        loading_.fetch_sub(1, std::memory_order_relaxed);
        {
            session in(ended.waiters, flight_flag<record>{&ended});
            ended.phase.store(static_cast<unsigned>(how), std::memory_order_release);
            while (in.front() != nullptr) in.claim_front(wake::granted);
        }
        release(ended);
    }

    /// For a load that takes too long: the key may be loaded again, and nobody waits for it any more.
    /// Expects: the caller has a reference.
    void expire(record& late) noexcept {
        hold(late);
        {
            const guard in(stripe_of(late.hash).lock);
            if (late.linked) revoke_linked(late);
        }
        end_overdue(late);
    }
    /// Effects: ends the loads that are overdue, and the waits whose deadline is reached. Returns: how many of those.
    std::size_t expire_all(time_point now) noexcept {
        std::size_t ended = 0;
        for (std::size_t i = 0; i < capacity_; ++i) {
            record& one = records_[i];
            if (!refer(one)) continue;
            ended += one.waiters.expire(now, flight_flag<record>{&one});
            if (now >= one.overdue_at && one.at() == flight_phase::loading) expire(one);
            release(one);
        }
        return ended;
    }
    /// The first moment at which expire_all has something to do.
    [[nodiscard]] std::optional<time_point> next_deadline() noexcept {
        time_point next = (time_point::max)();
        for (std::size_t i = 0; i < capacity_; ++i) {
            record& one = records_[i];
            if (!refer(one)) continue;
            if (one.at() == flight_phase::loading && one.overdue_at < next) next = one.overdue_at;
            if (const auto wait = one.waiters.next_deadline(); wait && *wait < next) next = *wait;
            release(one);
        }
        if (next == (time_point::max)()) return std::nullopt;
        return next;
    }

    // ---- references

    void hold(record& one) noexcept { one.references.fetch_add(1, std::memory_order_relaxed); }  // has one already
    void release(record& one) noexcept {
        if (one.references.fetch_sub(1, std::memory_order_acq_rel) == 1) end(one);
    }
    /// `counted`: it came in by join.
    void leave(record& one, bool counted) noexcept {
        if (counted) waiters_.fetch_sub(1, std::memory_order_relaxed);
        release(one);
    }
    /// The caller alone refers to an ended load, and may take what it brings.
    [[nodiscard]] static bool is_last(const record& one) noexcept {
        return one.references.load(std::memory_order_acquire) == 1;
    }

    // ---- loads that an executor runs

    /// Returns: whether the caller is the one to run it.
    [[nodiscard]] static bool take_turn(record& one) noexcept {
        flight_turn seen = flight_turn::anyone;
        return one.turn.compare_exchange_strong(seen, flight_turn::beginner, std::memory_order_acquire,
                                                std::memory_order_relaxed);
    }
    /// Waits while it is `coming`, which takes its beginner no more than a look-up.
    static void await_turn(const record& one) noexcept {
        while (one.turn.load(std::memory_order_acquire) == flight_turn::coming && one.at() == flight_phase::loading)
            sync::yield();
    }

    // ---- threads that run loads

    static void run_here(record& one) noexcept { one.runner.store(sync::thread_id(), std::memory_order_relaxed); }
    static void run_no_more(record& one) noexcept { one.runner.store(nullptr, std::memory_order_relaxed); }
    [[nodiscard]] static bool is_run_here(const record& one) noexcept {
        return one.runner.load(std::memory_order_relaxed) == sync::thread_id();  // only its own name matters
    }

    /// A thread is about to sleep for a load. Where it runs a load itself, others may sleep for that one, and what they
    /// run may be what this thread is about to sleep for: the last of such a circle is told.
    class sleeper {
    public:
        sleeper(flight_table& table, record& at) noexcept : table_(table), at_(at) {
            if (!table_.runs_any()) return;
            const guard in(table_.circles_);
            for (const record* next = &at; next != nullptr; next = next->waits_for)
                if (is_run_here(*next)) {
                    closes_circle_ = true;
                    return;
                }
            table_.hold(at_);
            noted_ = true;
            table_.note(&at_);
        }
        sleeper(const sleeper&) = delete;
        sleeper& operator=(const sleeper&) = delete;
        ~sleeper() {
            if (!noted_) return;
            {
                const guard in(table_.circles_);
                table_.note(nullptr);
            }
            table_.release(at_);
        }
        [[nodiscard]] bool closes_circle() const noexcept { return closes_circle_; }

    private:
        flight_table& table_;
        record& at_;
        bool noted_ = false;
        bool closes_circle_ = false;
    };

    // ---- the end of the table

    /// Blocks: until no record is in use.
    void wait_until_idle() noexcept {
        typename sync::parker until_idle;
        {
            const guard in(pool_);
            if (busy_ == 0) return;
            leaver_ = &until_idle;
        }
        until_idle.sleep();
    }
    /// Whether a load is in an executor.
    [[nodiscard]] bool any_queued() const noexcept {
        for (std::size_t i = 0; i < capacity_; ++i)
            if (records_[i].queued.load(std::memory_order_acquire)) return true;
        return false;
    }

    // ---- read out

    [[nodiscard]] std::uint64_t overdue() const noexcept { return overdue_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t loading() const noexcept { return loading_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t waiters() const noexcept { return waiters_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t memory_ceiling() const noexcept { return saturating_mul(capacity_, sizeof(record)); }

    /// While no other thread is in a call.
    void check_invariants() const noexcept {
        std::size_t linked = 0;
        for (const stripe& in : stripes_)
            for (const record* at = in.first; at != nullptr; at = at->next) {
                ++linked;
                PLATEAU_EXPECTS(at->linked && !at->revoked.load(std::memory_order_relaxed) && at->has_key &&
                                    at->at() == flight_phase::loading,
                                "F1: a load that is found by its key has ended, or was revoked");
            }
        PLATEAU_EXPECTS(linked == linked_.load(std::memory_order_relaxed), "F1: loads are found that are not counted");
        std::size_t free = 0;
        for (const record* at = free_; at != nullptr; at = at->next) {
            ++free;
            PLATEAU_EXPECTS(at->references.load(std::memory_order_relaxed) == 0 && !at->linked,
                            "F4: somebody refers to a record that is free");
        }
        PLATEAU_EXPECTS(free + busy_ == capacity_, "F4: a record is neither free nor in use");
    }

private:
    using record_allocator = typename std::allocator_traits<allocator_type>::template rebind_alloc<record>;
    using record_traits = std::allocator_traits<record_allocator>;
    using session = typename wait_list<sync>::template session<flight_flag<record>>;

    class guard {
    public:
        explicit guard(mutex& lock) noexcept : lock_(lock) {
            PLATEAU_EXPECTS(lock_.lock_unless_mine(), "a cache was called from inside the equality of its keys");
        }
        guard(const guard&) = delete;
        guard& operator=(const guard&) = delete;
        ~guard() { lock_.unlock(); }

    private:
        mutex& lock_;
    };
    struct alignas(destructive_interference) stripe {
        mutex lock;
        record* first = nullptr;  // under lock
    };
    /// A record that was taken and has not become a load goes back.
    struct spare_guard {
        flight_table& table;
        record& at;
        ~spare_guard() {
            if (at.references.load(std::memory_order_relaxed) == 0) table.end(at);  // never found by others
        }
    };

    [[nodiscard]] stripe& stripe_of(std::uint64_t hash) noexcept { return stripes_[(hash >> 16U) % stripe_count()]; }

    template <class Key, class Equal>
    [[nodiscard]] record* find(std::uint64_t hash, const Key& key, const Equal& equal) {
        for (record* at = stripe_of(hash).first; at != nullptr; at = at->next)
            if (at->hash == hash && equal(std::as_const(at->key), key)) return at;
        return nullptr;
    }
    /// `late`: a load that is overdue, unlinked and with a reference, for the caller to end without the mutex.
    template <class Key, class Equal>
    [[nodiscard]] entrance join_linked(std::uint64_t hash, const Key& key, const Equal& equal, time_point now,
                                       record*& late) {
        record* const at = find(hash, key, equal);
        if (at == nullptr) return {};
        if (is_run_here(*at)) return {nullptr, load_reason::recursive, false};
        if (now >= at->overdue_at) {
            hold(*at);
            revoke_linked(*at);
            late = at;
            return {};
        }
        if (waiters_.fetch_add(1, std::memory_order_relaxed) >= max_waiters_) {
            waiters_.fetch_sub(1, std::memory_order_relaxed);
            return refuse();
        }
        hold(*at);
        return {at, load_reason::none, false};
    }
    [[nodiscard]] entrance refuse() noexcept {
        refused_.fetch_add(1, std::memory_order_relaxed);
        return {nullptr, load_reason::waiters_full, false};
    }

    // ---- under the mutex of the stripe

    void link(record& one) noexcept {
        stripe& in = stripe_of(one.hash);
        one.next = in.first;
        in.first = &one;
        one.linked = true;
        linked_.fetch_add(1, std::memory_order_relaxed);
        loading_.fetch_add(1, std::memory_order_relaxed);
    }
    void unlink(record& one) noexcept {
        record** link = &stripe_of(one.hash).first;
        while (*link != &one) link = &(*link)->next;
        *link = one.next;
        one.linked = false;
        linked_.fetch_sub(1, std::memory_order_relaxed);
    }
    void revoke_linked(record& one) noexcept {
        one.revoked.store(true, std::memory_order_release);
        unlink(one);
    }

    /// Takes a reference.
    void end_overdue(record& late) noexcept {
        {
            session in(late.waiters, flight_flag<record>{&late});
            if (late.at() == flight_phase::loading) {
                late.phase.store(static_cast<unsigned>(flight_phase::overdue), std::memory_order_release);
                overdue_.fetch_add(1, std::memory_order_relaxed);
                while (in.front() != nullptr) in.claim_front(wake::timed_out);
            }
        }
        release(late);
    }

    // ---- records

    /// A reference to a record that is in use.
    [[nodiscard]] static bool refer(record& one) noexcept {
        std::uint32_t seen = one.references.load(std::memory_order_relaxed);
        while (seen != 0)
            if (one.references.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,
                                                     std::memory_order_relaxed))
                return true;
        return false;
    }
    [[nodiscard]] record* take() noexcept {
        const guard in(pool_);
        record* const one = free_;
        if (one == nullptr) return nullptr;
        free_ = one->next;
        one->next = nullptr;
        ++busy_;
        return one;
    }
    void end(record& one) noexcept {
        if (one.at() == flight_phase::value) std::destroy_at(std::addressof(one.value));
        if (one.has_key) std::destroy_at(std::addressof(one.key));
        one.error = nullptr;
        one.has_key = false;
        one.dropped = false;
        one.stale = false;
        one.phase.store(0, std::memory_order_relaxed);  // handed on under the mutex below
        one.revoked.store(false, std::memory_order_relaxed);
        one.turn.store(flight_turn::beginner, std::memory_order_relaxed);
        one.overdue_at = (time_point::max)();
        typename sync::parker* leaver = nullptr;
        {
            const guard in(pool_);
            one.next = free_;
            free_ = &one;
            if (--busy_ == 0) leaver = std::exchange(leaver_, nullptr);
        }
        if (leaver != nullptr) leaver->signal();  // the table may be gone from here on
    }

    [[nodiscard]] bool runs_any() const noexcept {
        for (std::size_t i = 0; i < capacity_; ++i)
            if (is_run_here(records_[i])) return true;
        return false;
    }
    /// Under the mutex of the circles.
    void note(record* what) noexcept {
        for (std::size_t i = 0; i < capacity_; ++i)
            if (is_run_here(records_[i])) records_[i].waits_for = what;
    }

    PLATEAU_NO_UNIQUE_ADDRESS allocator_type allocator_;
    record* records_ = nullptr;
    const std::size_t capacity_;
    const std::size_t max_waiters_;
    stripe stripes_[stripe_count()];
    mutex pool_;
    record* free_ = nullptr;                   // under pool_
    std::size_t busy_ = 0;                     // under pool_
    typename sync::parker* leaver_ = nullptr;  // under pool_; whoever ends the table
    mutex circles_;                            // of waits_for
    atomic<std::size_t> linked_{0};            // written under the stripes' mutexes
    atomic<std::size_t> waiters_{0};
    atomic<std::uint64_t> loading_{0};
    atomic<std::uint64_t> overdue_{0};
    atomic<std::uint64_t> refused_{0};
};

}
PLATEAU_NAMESPACE_END
