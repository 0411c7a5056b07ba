// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/arena/block_source.hpp>
#include <plateau/arena/limits.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/poison.hpp>
#include <plateau/fwd.hpp>
#include <plateau/result.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What runs when its place in an arena ends: a destructor, or a deferred call. Newest first.
struct arena_cleanup {
    arena_cleanup* next = nullptr;
    void (*run)(arena_cleanup&) noexcept = nullptr;
};

/// Free room in an arena: [at, end). Where it is the end of a run, it knows which, and where it began.
struct arena_window {
    std::uintptr_t at = 0;
    std::uintptr_t end = 0;
    std::uintptr_t from = 0;
    block_run* run = nullptr;

    [[nodiscard]] std::size_t room() const noexcept { return end - at; }
};

struct arena_host;

/// As `T(args...)`, and `T{args...}` for aggregates where the compiler has no parentheses for them.
template <class T, class... Args>
T* construct_in(void* memory, Args&&... args) {
    if constexpr (std::is_constructible_v<T, Args...>) return ::new (memory) T(std::forward<Args>(args)...);
    else return ::new (memory) T{std::forward<Args>(args)...};
}

}

/// A moment of an arena, to which `rewind` goes back. Two words of it say whose and which; the rest is where it was.
class checkpoint {
    friend class request_arena;

    const request_arena* arena_ = nullptr;
    std::uint64_t generation_ = 0;
    std::uint64_t serial_ = 0;
    std::uint64_t runs_ = 0;
    detail::arena_cleanup* cleanups_ = nullptr;
    detail::arena_window current_;
    detail::arena_window spare_;
};

struct arena_stats {
    std::uint64_t held_bytes = 0;
    std::uint64_t free_bytes = 0;
    std::uint64_t max_bytes = 0;

    static constexpr std::string_view family = "arena";

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto gauge = field_kind::gauge;
        f(field_info{"held", "bytes", "Blocks of the pool that the arena holds.", gauge}, held_bytes);
        f(field_info{"free", "bytes", "What is left of them for the next objects.", gauge}, free_bytes);
        f(field_info{"max", "bytes", "Blocks that it may hold.", gauge}, max_bytes);
    }
};

/// The memory of one request: objects are put one behind the other into blocks of a pool, and end together.
///
/// When to use      for what a request builds and drops: its tree, its strings, its answer. Through a container
///                  (`arena_vector`), as a `std::pmr::memory_resource`, or directly (`create`, `copy`).
/// When not to use  for what outlives the request: `detach` copies it out.
///
/// Promise     The blocks that the arena holds take `max_bytes` at most. Ending it runs every registered destructor and
///             deferred call once, newest first, in one order; then every block goes back to the pool. An allocation
///             of no bytes has an address of its own. Nothing is allocated outside of the pool's blocks.
/// Refusals    `try_` forms answer why; the others throw `limit_exceeded` (with exceptions off: a violation). A refusal
///             changes nothing. Sizes and alignments are checked, products included: too large is `too_large`.
/// Growth      The last allocation grows and shrinks in place (`try_extend`), over neighbouring blocks where they are
///             free. Memory that is given back is used again when it was the last allocation, when it is larger than
///             the spare room, or when it filled blocks of its own (above `large_bytes`): these go back to the pool.
/// Misuse      Memory not handed out, given back or ended is poisoned for AddressSanitizer, and there each allocation
///             is followed by 16 bytes that nobody may touch. `reset` and `rewind` from inside a destructor or a
///             deferred call of this arena are violations; allocating and deferring there is fine.
/// Complexity  O(1) an allocation; a new block takes the pool's mutex. Blocks: for that mutex.
/// Threads     one at a time; which one may change. Neither copied nor moved. The pool outlives it.
///
/// I1  held_ is the blocks of all runs, and at most max_blocks_.
/// I2  current_ and spare_ lie in runs of the list, and do not overlap.
/// I3  a run newer than another has the greater serial, and comes before it.
class request_arena final : public std::pmr::memory_resource {
    static constexpr std::size_t default_align = alignof(std::max_align_t);
    /// Between two allocations, where touching it is seen.
    static constexpr std::size_t redzone = PLATEAU_DETAIL_ASAN ? 16 : 0;

public:
    using options = arena_options;

    /// Throws: std::invalid_argument for a bound of 0. Takes nothing from the pool yet.
    template <class Policies>
    explicit request_arena(basic_arena_pool<Policies>& pool PLATEAU_LIFETIMEBOUND, const arena_options& bounds = {})
        : source_(detail::pool_access::source_of(pool)),
          block_bytes_(source_.block_bytes()),
          max_blocks_(checked(bounds).max_bytes < block_bytes_ ? 1 : bounds.max_bytes / block_bytes_),
          max_bytes_(bounds.max_bytes),
          large_bytes_(bounds.large_bytes) {}
    request_arena(const request_arena&) = delete;
    request_arena& operator=(const request_arena&) = delete;

    ~request_arena() override { end(); }

    // ---- memory

    /// Returns: `n` bytes at a multiple of `align`, a power of two. Throws: limit_exceeded.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE void* allocate_bytes(std::size_t n,
                                                             std::size_t align = default_align) PLATEAU_LIFETIMEBOUND {
        if (void* const memory = take(n, align)) [[likely]]
            return memory;
        return allocate_slowly(n, align);
    }
    [[nodiscard]] result<void*, arena_reason>
    try_allocate(std::size_t n, std::size_t align = default_align) noexcept PLATEAU_LIFETIMEBOUND {
        if (void* const memory = take(n, align)) return memory;
        const refill got = take_slowly(n, align);
        if (got.memory == nullptr) return got.reason;
        return got.memory;
    }

    /// Effects: makes the `old_n` bytes at `p`, an allocation of this arena, `n` bytes long, in place.
    /// Returns: whether it could; if not, nothing has changed. Always true for n <= old_n.
    [[nodiscard]] bool try_extend(void* p, std::size_t old_n, std::size_t n) noexcept {
        old_n += old_n == 0;
        n += n == 0;
        const auto at = reinterpret_cast<std::uintptr_t>(p);
        detail::arena_window* const behind = room_behind(at + old_n + redzone);
        if (n <= old_n) {
            detail::poison(reinterpret_cast<void*>(at + n), old_n - n);
            if (behind != nullptr) behind->at -= old_n - n;
            return true;
        }
        const std::size_t more = n - old_n;
        if (behind == nullptr) return false;
        if (more > behind->room() && (behind == &spare_ || !extend_blocks(more))) return false;
        detail::unpoison(reinterpret_cast<void*>(at + old_n), more);
        behind->at += more;
        return true;
    }

    /// Effects: ends the use of `n` bytes at `p`. They serve again as the class describes; otherwise at the arena's
    /// end.
    void deallocate_bytes(void* p, std::size_t n) noexcept {
        n += n == 0;
        detail::poison(p, n);
        const auto at = reinterpret_cast<std::uintptr_t>(p);
        if (n <= large_bytes_ || !give_back_run(at, n)) give_back_room(at, n);
    }

    // ---- objects

    /// Effects: makes a T, whose destructor runs when the arena ends, or rewinds. Throws: limit_exceeded, and what the
    /// constructor throws; then no T is registered.
    template <class T, class... Args>
    T& create(Args&&... args) PLATEAU_LIFETIMEBOUND {
        using cell = cell_of<T>;
        return make<T>(allocate_bytes(sizeof(cell), alignof(cell)), std::forward<Args>(args)...);
    }
    template <class T, class... Args>
    [[nodiscard]] result<T&, arena_reason> try_create(Args&&... args) PLATEAU_LIFETIMEBOUND {
        using cell = cell_of<T>;
        const auto memory = try_allocate(sizeof(cell), alignof(cell));
        if (!memory) return memory.reason();
        return make<T>(*memory, std::forward<Args>(args)...);
    }

    /// Effects: makes `n` Ts, value-initialised; their destructors run, last one first, when the arena ends.
    /// Throws: limit_exceeded, and what a constructor throws; then those made are destroyed in reverse.
    template <class T>
    [[nodiscard]] std::span<T> create_array(std::size_t n) PLATEAU_LIFETIMEBOUND {
        if (n == 0) return {};
        constexpr std::size_t before = std::is_trivially_destructible_v<T> ? 0 : array_head<T>;
        std::size_t size = 0;
        if (!detail::checked_mul(n, sizeof(T), size) || !detail::checked_add(size, before, size))
            refuse(arena_reason::too_large);
        void* const memory = allocate_bytes(size, alignof(array_cell<T>));
        unfinished whole{*this, memory, size};
        T* const items = reinterpret_cast<T*>(static_cast<std::byte*>(memory) + before);
        built_items<T> built{items, 0};
        for (; built.count < n; ++built.count) ::new (static_cast<void*>(items + built.count)) T();
        built.count = 0;
        whole.memory = nullptr;
        if constexpr (before != 0) {
            auto* const cell = ::new (memory) array_cell<T>{};
            cell->count = n;
            link(*cell, [](detail::arena_cleanup& node) noexcept {
                auto& ending = static_cast<array_cell<T>&>(node);
                auto* const first = reinterpret_cast<std::byte*>(&ending) + array_head<T>;
                const built_items<T> all{std::launder(reinterpret_cast<T*>(first)), ending.count};
            });
        }
        return {items, n};
    }

    /// Throws: limit_exceeded. No terminator follows.
    [[nodiscard]] std::string_view copy(std::string_view text) PLATEAU_LIFETIMEBOUND {
        if (text.empty()) return {};
        auto* const to = static_cast<char*>(allocate_bytes(text.size(), 1));
        std::memcpy(to, text.data(), text.size());
        return {to, text.size()};
    }

    /// Effects: `f()` runs when the arena ends, or rewinds: once, before everything that was registered earlier.
    /// Throws: limit_exceeded, and what moving `f` throws.
    template <class F>
    void defer(F&& f) {
        using call = std::decay_t<F>;
        static_assert(std::is_nothrow_invocable_v<call&>, "plateau: what is deferred must not throw: mark it noexcept");
        struct deferred {
            call f;
            explicit deferred(F&& from) : f(std::forward<F>(from)) {}
            deferred(const deferred&) = delete;
            deferred& operator=(const deferred&) = delete;
            ~deferred() { static_cast<void>(f()); }
        };
        create<deferred>(std::forward<F>(f));
    }

    // ---- going back

    /// Returns: this moment. Loops of `mark` and `rewind` may be nested four deep. What the arena remembers of marks
    /// that are dead is bounded: in deeper ones, and where a mark is used again after many nested loops, `rewind` may
    /// refuse one that is still good.
    [[nodiscard]] checkpoint mark() const noexcept {
        checkpoint here;
        here.arena_ = this;
        here.generation_ = generation_;
        here.serial_ = ++serial_;
        here.runs_ = runs_ == nullptr ? 0 : runs_->serial;
        marked_runs_ = run_serial_;
        here.cleanups_ = cleanups_;
        here.current_ = current_;
        here.spare_ = spare_;
        return here;
    }

    /// Effects: ends what was made since `to`, newest first, and frees its memory. The mark can be used again; younger
    /// ones cannot. Returns: false, and nothing has changed, when the mark is another arena's, older than the last
    /// `reset`, or younger than one to which the arena has gone back since.
    bool rewind(const checkpoint& to) noexcept {
        if (to.arena_ != this || to.generation_ != generation_ || !still_valid(to.serial_)) return false;
        run_cleanups(to.cleanups_);
        give_back_runs(to.runs_);
        current_ = to.current_;
        spare_ = to.spare_;
        poison_room();
        forget_marks_since(to.serial_);
        verify_hardened();
        return true;
    }

    /// Effects: as ending the arena, and it can be used again. Older checkpoints are invalid.
    void reset() noexcept {
        end();
        ++generation_;
        forgotten_count_ = 0;
    }

    // ---- observers

    [[nodiscard]] arena_stats stats() const noexcept {
        return {.held_bytes = held_ * block_bytes_,
                .free_bytes = current_.room() + spare_.room(),
                .max_bytes = bytes_at_most()};
    }
    /// The arena itself and the pool's blocks: `max_bytes` in whole ones. `unlimited` where that is.
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        return detail::saturating_add(sizeof(*this), bytes_at_most());
    }

    void check_invariants() const noexcept {
        std::size_t blocks = 0;
        bool current = current_.end == 0;
        bool spare = spare_.end == 0;
        for (const detail::block_run* run = runs_; run != nullptr; run = run->next) {
            blocks += run->blocks;
            current = current || lies_in(current_, *run);
            spare = spare || lies_in(spare_, *run);
            PLATEAU_EXPECTS(run->next == nullptr || run->next->serial < run->serial, "request_arena: I3, serials");
        }
        PLATEAU_EXPECTS(blocks == held_ && held_ <= max_blocks_, "request_arena: I1, held blocks");
        PLATEAU_EXPECTS(current && spare, "request_arena: I2, free room outside of the blocks");
        PLATEAU_EXPECTS(spare_.room() == 0 || current_.end <= spare_.at || spare_.end <= current_.at,
                        "request_arena: I2, overlap");
    }

private:
    friend struct detail::arena_host;

    /// An arena that lies in the first of its own blocks, as a scope's does: that run has the serial 0, which no
    /// `reset` gives back, and its free room is `room`. Its owner gives it back.
    request_arena(detail::block_source& source, const arena_options& bounds, detail::block_run& first,
                  const detail::arena_window& room) noexcept
        : current_(room),
          runs_(&first),
          source_(source),
          block_bytes_(source.block_bytes()),
          max_blocks_(bounds.max_bytes < block_bytes_ ? 1 : bounds.max_bytes / block_bytes_),
          max_bytes_(bounds.max_bytes),
          large_bytes_(bounds.large_bytes),
          held_(first.blocks),
          first_room_(room) {
        first.next = nullptr;
        first.serial = 0;
        poison_room();
    }

    struct refill {
        void* memory;
        arena_reason reason;
    };

    template <class T>
    struct owned_cell : detail::arena_cleanup {
        alignas(T) std::byte value[sizeof(T)];
    };
    template <class T>
    struct bare_cell {
        alignas(T) std::byte value[sizeof(T)];
    };
    template <class T>
    using cell_of = std::conditional_t<std::is_trivially_destructible_v<T>, bare_cell<T>, owned_cell<T>>;

    /// One `alignas`: of two, g++ 12 takes the last, not the strictest.
    template <class T>
    struct alignas(alignof(T) > alignof(detail::arena_cleanup) ? alignof(T) : alignof(detail::arena_cleanup)) array_cell
        : detail::arena_cleanup {
        std::size_t count = 0;
    };
    template <class T>
    static constexpr std::size_t array_head = sizeof(array_cell<T>);

    /// Memory that goes back when what it is for does not come into being.
    struct unfinished {
        request_arena& arena;
        void* memory;
        std::size_t size;
        ~unfinished() {
            if (memory != nullptr) arena.deallocate_bytes(memory, size);
        }
    };
    template <class T>
    struct built_items {
        T* items;
        std::size_t count;
        ~built_items() {
            while (count > 0) items[--count].~T();
        }
    };

    static const arena_options& checked(const arena_options& bounds) {
        detail::require_option(bounds.max_bytes >= 1, "arena_options: max_bytes is at least 1");
        return bounds;
    }

    // ---- the fast path

    [[nodiscard]] PLATEAU_ALWAYS_INLINE void* take(std::size_t n, std::size_t align) noexcept {
        n += n == 0;
        if constexpr (redzone != 0) {
            if (n > SIZE_MAX - redzone) return nullptr;
            if (align < 8) align = 8;
        }
        return take_from(current_, n, align);
    }
    /// In no order can these sums wrap around, whatever `n` and `align` are.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE static void* take_from(detail::arena_window& from, std::size_t n,
                                                               std::size_t align) noexcept {
        const std::size_t padding = (0 - from.at) & (align - 1);
        const std::size_t room = from.room();
        const std::size_t needed = n + redzone;
        if (needed > room || padding > room - needed) [[unlikely]]
            return nullptr;
        const std::uintptr_t at = from.at + padding;
        from.at = at + needed;
        void* const memory = reinterpret_cast<void*>(at);
        detail::unpoison(memory, n);
        return memory;
    }

    [[nodiscard]] detail::arena_window* room_behind(std::uintptr_t at) noexcept {
        return current_.at == at ? &current_ : spare_.at == at ? &spare_ : nullptr;
    }

    template <class T, class... Args>
    T& make(void* memory, Args&&... args) {
        using cell = cell_of<T>;
        unfinished whole{*this, memory, sizeof(cell)};
        auto* const place = ::new (memory) cell;
        T* const made = detail::construct_in<T>(place->value, std::forward<Args>(args)...);
        whole.memory = nullptr;
        if constexpr (!std::is_trivially_destructible_v<T>)
            link(*place, [](detail::arena_cleanup& node) noexcept {
                std::launder(reinterpret_cast<T*>(static_cast<cell&>(node).value))->~T();
            });
        return *made;
    }

    // ---- new blocks

    [[nodiscard]] PLATEAU_COLD void* allocate_slowly(std::size_t n, std::size_t align) {
        const refill got = take_slowly(n, align);
        if (got.memory == nullptr) refuse(got.reason);
        return got.memory;
    }

    [[noreturn]] PLATEAU_COLD void refuse([[maybe_unused]] arena_reason why) const {
#if PLATEAU_EXCEPTIONS
        throw limit_exceeded(why, max_bytes_);
#else
        detail::violation("plateau: a request_arena has no memory, and exceptions are off: use the try_ forms\n");
#endif
    }

    [[nodiscard]] PLATEAU_COLD refill take_slowly(std::size_t n, std::size_t align) noexcept {
        n += n == 0;
        if (redzone != 0 && align < 8) align = 8;
        if (n > largest || align > largest) return {nullptr, arena_reason::too_large};
        if (void* const memory = take_from(spare_, n, align)) {
            if (spare_.room() > current_.room()) std::swap(current_, spare_);
            return {memory, arena_reason::none};
        }
        // A run begins at a page: a greater alignment may need all of itself before it is met.
        constexpr std::size_t page = 4096;
        constexpr std::size_t head = sizeof(detail::block_run);
        const std::size_t needed = head + n + redzone + (align > page ? align : (0 - head) & (align - 1));
        const std::size_t blocks = needed / block_bytes_ + (needed % block_bytes_ != 0);
        if (blocks > max_blocks_ - held_) return {nullptr, arena_reason::request_limit};
        const auto got = source_.take(blocks, runs_ == nullptr);
        if (got.run == nullptr) return {nullptr, got.reason};
        add(*got.run);
        detail::arena_window fresh = inside(*got.run);
        void* const memory = take_from(fresh, n, align);
        fresh.from = fresh.at;
        fresh.run = got.run;
        keep_room(fresh);
        verify_hardened();
        return {memory, arena_reason::none};
    }

    void add(detail::block_run& run) noexcept {
        run.serial = ++run_serial_;
        run.next = runs_;
        runs_ = &run;
        held_ += run.blocks;
        const detail::arena_window all = inside(run);
        detail::poison(reinterpret_cast<void*>(all.at), all.room());
    }

    [[nodiscard]] detail::arena_window inside(const detail::block_run& run) const noexcept {
        const auto at = reinterpret_cast<std::uintptr_t>(&run);
        return {at + sizeof run, at + run.blocks * block_bytes_};
    }
    [[nodiscard]] bool lies_in(const detail::arena_window& room, const detail::block_run& run) const noexcept {
        const detail::arena_window all = inside(run);
        return room.at >= all.at && room.end <= all.end && room.at <= room.end;
    }

    /// Of three pieces of free room the smallest is given up.
    void keep_room(detail::arena_window room) noexcept {
        if (room.room() > current_.room()) std::swap(room, current_);
        if (room.room() > spare_.room()) std::swap(room, spare_);
        // The end of a run that nothing is in: an object that fills what is before it has the run for itself.
        if (room.run != nullptr && room.at == room.from) room.run->closed_at = room.from;
    }

    /// The newest run, when the free room is its end, grows over the blocks behind it.
    [[nodiscard]] PLATEAU_COLD bool extend_blocks(std::size_t more) noexcept {
        if (runs_ == nullptr || current_.end != inside(*runs_).end || more > largest) return false;
        const std::size_t lacking = more - current_.room();
        const std::size_t blocks = lacking / block_bytes_ + (lacking % block_bytes_ != 0);
        if (blocks > max_blocks_ - held_ || !source_.extend(*runs_, blocks)) return false;
        held_ += blocks;
        detail::poison(reinterpret_cast<void*>(current_.end), blocks * block_bytes_);
        current_.end += blocks * block_bytes_;
        return true;
    }

    void give_back_room(std::uintptr_t at, std::size_t n) noexcept {
        if (detail::arena_window* const behind = room_behind(at + n + redzone)) behind->at = at;
        else keep_room({at, at + n + redzone});
    }

    /// A large object that is all there is in its run: the run goes back to the pool, unless a mark is as young.
    /// Returns: whether it did.
    PLATEAU_COLD bool give_back_run(std::uintptr_t at, std::size_t n) noexcept {
        detail::block_run** link = &runs_;
        while (*link != nullptr && !lies_in({at, at + n}, **link)) link = &(*link)->next;
        if (*link == nullptr) return false;
        detail::block_run& run = **link;
        const std::uintptr_t behind = at + n + redzone;
        const bool alone = at == inside(run).at && (is_room(behind, inside(run).end) || run.closed_at == behind);
        if (!alone || run.serial <= marked_runs_) return false;
        // The free end, and a place that the object has filled.
        if (lies_in(spare_, run)) spare_ = {};
        if (lies_in(current_, run)) current_ = std::exchange(spare_, {});
        held_ -= run.blocks;
        *link = run.next;
        run.next = nullptr;
        source_.give_back(&run, runs_ == nullptr);
        verify_hardened();
        return true;
    }
    [[nodiscard]] bool is_room(std::uintptr_t at, std::uintptr_t end) const noexcept {
        return (current_.at == at && current_.end == end) || (spare_.at == at && spare_.end == end);
    }

    // ---- ends

    void link(detail::arena_cleanup& node, void (*run)(detail::arena_cleanup&) noexcept) noexcept {
        node.run = run;
        node.next = cleanups_;
        cleanups_ = &node;
    }

    /// What it runs may allocate, create and defer: that is run, too.
    void run_cleanups(const detail::arena_cleanup* until) noexcept {
        PLATEAU_EXPECTS(!ending_,
                        "a request_arena ends, resets or rewinds inside a destructor or a deferred call of it");
        ending_ = true;
        while (cleanups_ != until) {
            detail::arena_cleanup& newest = *cleanups_;
            cleanups_ = newest.next;
            newest.run(newest);
        }
        ending_ = false;
    }

    void give_back_runs(std::uint64_t younger_than) noexcept {
        detail::block_run* const newest = runs_;
        detail::block_run* oldest = nullptr;
        for (; runs_ != nullptr && runs_->serial > younger_than; runs_ = runs_->next) {
            held_ -= runs_->blocks;
            oldest = runs_;
        }
        if (oldest == nullptr) return;
        oldest->next = nullptr;
        source_.give_back(newest, runs_ == nullptr);
    }

    void end() noexcept {
        run_cleanups(nullptr);
        give_back_runs(0);
        current_ = first_room_;
        spare_ = {};
        poison_room();
        verify_hardened();
    }

    void poison_room() const noexcept {
        detail::poison(reinterpret_cast<void*>(current_.at), current_.room());
        detail::poison(reinterpret_cast<void*>(spare_.at), spare_.room());
    }

    // ---- which marks are valid: those that are in none of the ranges (after, until] of serials

    struct forgotten_range {
        std::uint64_t after;
        std::uint64_t until;
    };
    static constexpr std::size_t max_forgotten = 8;

    [[nodiscard]] bool still_valid(std::uint64_t serial) const noexcept {
        for (std::size_t i = 0; i < forgotten_count_; ++i)
            if (serial > forgotten_[i].after && serial <= forgotten_[i].until) return false;
        return true;
    }
    /// The ranges are in order, apart from each other. Where there is no place for one more, the two oldest become one,
    /// with the marks between them: refused is safe.
    void forget_marks_since(std::uint64_t serial) noexcept {
        if (serial == serial_) return;
        while (forgotten_count_ > 0 && forgotten_[forgotten_count_ - 1].after >= serial) --forgotten_count_;
        if (forgotten_count_ == max_forgotten) join_forgotten();
        forgotten_[forgotten_count_++] = {serial, serial_};
    }
    /// Two ranges become one, and the marks between them are forgotten as well: where these are fewest, and youngest.
    /// Of a loop that came and went, its own mark alone stands there.
    PLATEAU_COLD void join_forgotten() noexcept {
        std::size_t best = 1;
        const auto between = [this](std::size_t i) { return forgotten_[i].after - forgotten_[i - 1].until; };
        for (std::size_t i = 2; i < forgotten_count_; ++i)
            if (between(i) <= between(best)) best = i;
        forgotten_[best - 1].until = forgotten_[best].until;
        for (std::size_t i = best + 1; i < forgotten_count_; ++i) forgotten_[i - 1] = forgotten_[i];
        --forgotten_count_;
    }

    [[nodiscard]] std::size_t bytes_at_most() const noexcept {
        return max_bytes_ == unlimited ? unlimited : max_blocks_ * block_bytes_;
    }

    void verify_hardened() const noexcept {
#if PLATEAU_HARDENED
        check_invariants();
#endif
    }

    // ---- as a std::pmr::memory_resource

    void* do_allocate(std::size_t n, std::size_t align) override { return allocate_bytes(n, align); }
    void do_deallocate(void* p, std::size_t n, std::size_t) override { deallocate_bytes(p, n); }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

    static constexpr std::size_t largest = SIZE_MAX / 4;

    detail::arena_window current_;  // where the next object goes
    detail::arena_window spare_;    // room that a larger object did not fit in, or that was given back
    detail::block_run* runs_ = nullptr;
    detail::arena_cleanup* cleanups_ = nullptr;
    detail::block_source& source_;
    const std::size_t block_bytes_;
    const std::size_t max_blocks_;
    const std::size_t max_bytes_;
    const std::size_t large_bytes_;
    std::size_t held_ = 0;
    std::uint64_t run_serial_ = 0;
    std::uint64_t generation_ = 0;
    mutable std::uint64_t serial_ = 0;       // of the latest mark
    mutable std::uint64_t marked_runs_ = 0;  // the youngest run that any mark knows
    std::size_t forgotten_count_ = 0;
    forgotten_range forgotten_[max_forgotten];
    detail::arena_window first_room_;  // of a run that the arena itself lies in
    bool ending_ = false;
};

PLATEAU_NAMESPACE_END
