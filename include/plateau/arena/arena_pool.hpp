// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/arena/block_source.hpp>
#include <plateau/arena/pages.hpp>
#include <plateau/arena/pool_options.hpp>
#include <plateau/arena/superblock_table.hpp>
#include <plateau/charge.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/poison.hpp>
#include <plateau/fwd.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <mutex>
#include <new>
#include <type_traits>

PLATEAU_NAMESPACE_BEGIN
/// The memory of all requests: blocks of one size, lent to arenas and kept for the next ones, never more than
/// `max_bytes` of them.
///
/// Promise    Blocks in use and blocks kept take `max_bytes` together at most, at every moment. A block that an arena
///            gives back serves any other: the peak of one large request becomes the working memory of many small ones.
///            While requests run nothing is given back to the system; `maintain` does that, by what was needed lately.
/// Retention  `needed` is the most that was in use in the latest window, or in earlier ones with a quarter off for each
///            window since (three quarters off, once a window's peak is below `floor_bytes`). After `maintain`, blocks
///            in use and kept take no more than max(`floor_bytes`, `headroom` x `needed`), if what is in use allows.
///            A pool whose `maintain` is never called keeps what it once needed, below `max_bytes`.
/// Refusals   are values: `pool_limit` when the bound, the budget or `max_scopes` is reached, and before that idle
///            blocks were given back to make room; `no_memory` when the system gives none.
/// Blocks     are cut from superblocks of `superblock_blocks` (one mapping each; a mapping a block would meet the
///            kernel's limit on their number). An object that needs more blocks in a row has a mapping of its own,
///            which goes back to the system with it.
/// Parts      after the options, by reference, each at most once: a budget (`charge`, an `account` for one) that is
///            charged for blocks in use and kept, under the pool's lock; a `std::pmr::memory_resource` to take
///            superblocks from, in place of the system. It gets them back whole, so a superblock with one block in use
///            stays; and all of a superblock counts from the start. Several threads may call it at the same time.
///
/// Thread safety  all members from any thread, construction and destruction apart. Blocks: for the pool's mutex, held
///                for a few loads and stores a block; the system is called outside of it, but for a new superblock.
/// Lifetime       the pool outlives its arenas and parked scopes: ending it before them is a violation.
///
/// I1  in use + idle + leaving == held <= max. I2  scopes <= max_scopes. I3  in use <= the window's peak <= the peak.
template <class Policies>
class basic_arena_pool final : private detail::block_source {
    static_assert(Policies::superblock_blocks >= 1 && Policies::superblock_blocks <= 64);
    using mutex = typename Policies::sync::mutex;
    using lock = std::unique_lock<mutex>;
    using place = detail::superblock_table::place;
    using leaving = detail::superblock_table::leaving;

    template <class Part>
    static constexpr bool is_upstream = std::derived_from<std::remove_cvref_t<Part>, std::pmr::memory_resource>;
    template <class Part>
    static constexpr bool is_budget = !is_upstream<Part> && charge<std::remove_reference_t<Part>>;

public:
    using options = arena_pool_options;
    using policies = Policies;

    /// Throws: std::invalid_argument for options out of range.
    template <class... Parts>
    explicit basic_arena_pool(const arena_pool_options& bounds = {}, Parts&&... parts)
        : detail::block_source(checked(bounds).block_bytes),
          options_(bounds),
          max_blocks_(at_least_one(bounds.max_bytes / bounds.block_bytes)),
          floor_blocks_(bounds.floor_bytes / bounds.block_bytes),
          pages_(upstream_of(parts...)),
          budget_(budget_of(parts...)),
          table_(bounds.block_bytes) {
        static_assert(((is_upstream<Parts> || is_budget<Parts>)&&...),
                      "plateau: the parts of an arena_pool are a budget (charge) and a std::pmr::memory_resource");
        static_assert((std::is_lvalue_reference_v<Parts> && ...),
                      "plateau: a part of an arena_pool is taken by reference and outlives it: pass an lvalue");
        static_assert((std::size_t{0} + ... + is_upstream<Parts>) <= 1 &&
                          (std::size_t{0} + ... + is_budget<Parts>) <= 1,
                      "plateau: the same part was passed twice");
    }
    basic_arena_pool(const basic_arena_pool&) = delete;
    basic_arena_pool& operator=(const basic_arena_pool&) = delete;

    ~basic_arena_pool() {
        PLATEAU_EXPECTS(in_use_ == 0 && scopes_ == 0, "an arena_pool ends while arenas hold its memory");
        PLATEAU_EXPECTS(first_parked_ == nullptr, "an arena_pool ends while requests are parked in it");
        table_.for_each_mapping([this](std::byte* base, std::size_t blocks) { pages_.unmap(base, bytes(blocks)); });
        budget_.refund(bytes(held_));
    }

    /// Effects: closes the window if `now` is past its end, and then gives back to the system what exceeds the
    /// retention rule. Called from a timer of the program's, a few times a window; a call in the midst of a window is a
    /// few instructions. Time that goes back is ignored. Complexity: O(blocks given back + superblocks).
    void maintain(time_point now) noexcept {
        lock held(mutex_);
        if (!close_windows(now)) return;
        for (const std::size_t target = target_blocks(); idle() > 0 && held_ - leaving_ > target;)
            if (shed(held, held_ - leaving_ - target) == 0) break;
        verify_hardened();
    }

    /// Effects: gives idle blocks back to the system until at most `keep` bytes of them are left; with an upstream
    /// resource, as far as whole superblocks are idle. Returns: the bytes given back.
    std::size_t trim(std::size_t keep = 0) noexcept {
        lock held(mutex_);
        const std::size_t keep_blocks = keep / options_.block_bytes;
        std::size_t gone = 0;
        while (idle() > keep_blocks) {
            const std::size_t now = shed(held, idle() - keep_blocks);
            if (now == 0) break;
            gone += now;
        }
        verify_hardened();
        return bytes(gone);
    }

    /// Exact: one moment of the pool. `oldest_parked` is as of the latest `maintain`.
    [[nodiscard]] arena_pool_stats stats() const noexcept {
        const lock held(mutex_);
        return {.in_use_bytes = bytes(in_use_),
                .retained_bytes = bytes(held_ - in_use_),
                .needed_bytes = bytes(needed_),
                .peak_in_use_bytes = bytes(peak_),
                .fresh = fresh_,
                .recycled = recycled_,
                .returned = returned_,
                .refused = refused_,
                .scopes = scopes_,
                .parked_scopes = parked_,
                .oldest_parked =
                    first_parked_ == nullptr ? 0 : static_cast<double>(latest_ - first_parked_->since) * 1e-9};
    }

    /// `max_bytes`, and what the pool itself takes.
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        if (options_.max_bytes == unlimited) return unlimited;
        const std::size_t table = detail::superblock_table::bytes_for(max_blocks_);
        return detail::saturating_add(detail::saturating_add(bytes(max_blocks_), table), sizeof(*this));
    }

    void check_invariants() const noexcept {
        const lock held(mutex_);
        check_locked();
    }

private:
    friend detail::pool_access;

    struct nothing {};

    static const arena_pool_options& checked(const arena_pool_options& bounds) {
        using detail::require_option;
        require_option(bounds.max_bytes >= 1, "arena_pool_options: max_bytes is at least 1");
        require_option(bounds.max_scopes >= 1, "arena_pool_options: max_scopes is at least 1");
        require_option(bounds.block_bytes >= 4096 && bounds.block_bytes <= std::size_t{16} << 20,
                       "arena_pool_options: block_bytes is 4 KiB to 16 MiB");
        require_option(bounds.block_bytes % detail::page_supply::system_page_bytes() == 0,
                       "arena_pool_options: block_bytes is a multiple of the system's page");
        require_option(bounds.headroom >= 1 && bounds.headroom <= 64, "arena_pool_options: headroom is 1 to 64");
        require_option(bounds.window > duration::zero(), "arena_pool_options: window is above 0");
        return bounds;
    }
    static constexpr std::size_t at_least_one(std::size_t n) noexcept { return n == 0 ? 1 : n; }

    static std::pmr::memory_resource* upstream_of() noexcept { return nullptr; }
    template <class First, class... Rest>
    static std::pmr::memory_resource* upstream_of(First& first, Rest&... rest) noexcept {
        if constexpr (is_upstream<First>) return &first;
        else return upstream_of(rest...);
    }
    static charge_ref budget_of() noexcept {
        static constinit no_charge free;
        return free;
    }
    template <class First, class... Rest>
    static charge_ref budget_of(First& first, Rest&... rest) noexcept {
        if constexpr (is_budget<First>) return first;
        else return budget_of(rest...);
    }

    [[nodiscard]] std::size_t bytes(std::size_t blocks) const noexcept { return blocks * options_.block_bytes; }
    [[nodiscard]] std::size_t idle() const noexcept { return held_ - in_use_ - leaving_; }

    // ---- what arenas ask for

    [[nodiscard]] taken take(std::size_t blocks, bool opens) noexcept override {
        lock held(mutex_);
        for (;;) {
            if ((opens && scopes_ == options_.max_scopes) || blocks > max_blocks_)
                return refuse(arena_reason::pool_limit);
            if (blocks > superblock_blocks()) return take_mapping(held, blocks, opens);
            place at = table_.find(blocks, idle() > 0);
            const std::size_t region = at ? 0 : new_region_blocks();
            const std::size_t fresh = at ? table_.empty_in(at, blocks) : pages_.discards() ? blocks : region;
            if (region < blocks && !at) {  // an upstream superblock that would not fit: room is whole ones
                if (shed(held, blocks) == 0) return refuse(arena_reason::pool_limit);
                continue;
            }
            if (!admit(fresh)) {
                if (shed(held, missing(fresh), at, blocks) == 0) return refuse(arena_reason::pool_limit);
                continue;
            }
            if (!at) {
                at = map_superblock(region);
                if (!at) {
                    budget_.refund(bytes(fresh));
                    return refuse(arena_reason::no_memory);
                }
            }
            table_.take(at, blocks);
            held_ += fresh;
            use(blocks, fresh < blocks ? fresh : blocks);
            scopes_ += opens;
            std::byte* const memory = table_.address(at);
            verify_hardened();
            held.unlock();
            return {head_of(memory, blocks, at.region, at.first), arena_reason::none};
        }
    }

    [[nodiscard]] bool extend(detail::block_run& run, std::size_t more) noexcept override {
        if (run.region == detail::block_run::own_mapping) return false;
        const lock held(mutex_);
        const place at{run.region, static_cast<std::uint32_t>(run.first + run.blocks)};
        if (!table_.is_free(at, more)) return false;
        const std::size_t fresh = table_.empty_in(at, more);
        if (!admit(fresh)) return false;
        table_.take(at, more);
        held_ += fresh;
        use(more, fresh);
        run.blocks += more;
        verify_hardened();
        return true;
    }

    void give_back(detail::block_run* runs, bool closes) noexcept override {
        // Reads every head before the lock is taken: under it they are in the cache.
        detail::block_run* in_table = nullptr;
        std::size_t unmapped = 0;
        while (runs != nullptr) {
            detail::block_run& run = *runs;
            runs = run.next;
            if (run.region == detail::block_run::own_mapping) {
                unmapped += run.blocks;
                pages_.unmap(reinterpret_cast<std::byte*>(&run), bytes(run.blocks));
            } else {
                run.next = in_table;
                in_table = &run;
            }
        }
        const lock held(mutex_);
        std::size_t blocks = unmapped;
        while (in_table != nullptr) {
            const detail::block_run run = *in_table;
            detail::poison(in_table, bytes(run.blocks));
            table_.give({run.region, run.first}, run.blocks);
            blocks += run.blocks;
            in_table = run.next;
        }
        PLATEAU_EXPECTS(blocks <= in_use_ && closes <= scopes_, "arena_pool: more is given back than was taken");
        in_use_ -= blocks;
        held_ -= unmapped;
        count(returned_, unmapped);
        budget_.refund(bytes(unmapped));
        scopes_ -= closes;
        verify_hardened();
    }

    void park(detail::parked_scope& scope) noexcept override {
        const lock held(mutex_);
        scope.since = latest_;
        scope.previous = last_parked_;
        scope.next = nullptr;
        (last_parked_ == nullptr ? first_parked_ : last_parked_->next) = &scope;
        last_parked_ = &scope;
        ++parked_;
    }
    void unpark(detail::parked_scope& scope) noexcept override {
        const lock held(mutex_);
        (scope.previous == nullptr ? first_parked_ : scope.previous->next) = scope.next;
        (scope.next == nullptr ? last_parked_ : scope.next->previous) = scope.previous;
        --parked_;
    }

    // ---- under the lock

    [[nodiscard]] std::size_t superblock_blocks() const noexcept {
        return Policies::superblock_blocks < max_blocks_ ? Policies::superblock_blocks : max_blocks_;
    }
    /// From the system untouched blocks cost nothing; from a resource, no more than the bound leaves.
    [[nodiscard]] std::size_t new_region_blocks() const noexcept {
        const std::size_t room = max_blocks_ - held_;
        return pages_.discards() || superblock_blocks() < room ? superblock_blocks() : room;
    }

    /// Returns: whether `fresh` blocks more may hold memory; they are charged then.
    [[nodiscard]] bool admit(std::size_t fresh) noexcept {
        return fresh == 0 || (fresh <= max_blocks_ - held_ && budget_.try_charge(bytes(fresh)));
    }

    /// How many blocks to give up for `fresh` ones: what the bound lacks, or else the budget.
    [[nodiscard]] std::size_t missing(std::size_t fresh) const noexcept {
        return fresh > max_blocks_ - held_ ? fresh - (max_blocks_ - held_) : fresh;
    }

    void use(std::size_t blocks, std::size_t fresh) noexcept {
        in_use_ += blocks;
        if (in_use_ > window_peak_) window_peak_ = in_use_;
        if (in_use_ > peak_) peak_ = in_use_;
        count(fresh_, fresh);
        count(recycled_, blocks - fresh);
    }

    taken refuse(arena_reason why) noexcept {
        count(refused_, 1);
        verify_hardened();
        return {nullptr, why};
    }

    [[nodiscard]] place map_superblock(std::size_t blocks) noexcept {
        if (!table_.make_place()) return {};
        std::byte* const memory = pages_.map(bytes(blocks));
        if (memory == nullptr) return {};
        return {table_.insert(memory, static_cast<std::uint32_t>(blocks), !pages_.discards()), 0};
    }

    PLATEAU_COLD taken take_mapping(lock& held, std::size_t blocks, bool opens) noexcept {
        while (!admit(blocks))
            if (shed(held, missing(blocks)) == 0) return refuse(arena_reason::pool_limit);
        // Shedding let go of the lock.
        if (opens && scopes_ == options_.max_scopes) {
            budget_.refund(bytes(blocks));
            return refuse(arena_reason::pool_limit);
        }
        held_ += blocks;
        use(blocks, blocks);
        scopes_ += opens;
        held.unlock();
        if (std::byte* const memory = pages_.map(bytes(blocks)))
            return {head_of(memory, blocks, detail::block_run::own_mapping, 0), arena_reason::none};
        held.lock();
        held_ -= blocks;
        in_use_ -= blocks;
        scopes_ -= opens;
        budget_.refund(bytes(blocks));
        return refuse(arena_reason::no_memory);
    }

    static detail::block_run* head_of(std::byte* memory, std::size_t blocks, std::uint32_t region,
                                      std::uint32_t first) noexcept {
        detail::unpoison(memory, sizeof(detail::block_run));
        return ::new (memory) detail::block_run{.next = nullptr,
                                                .serial = 0,
                                                .blocks = blocks,
                                                .region = region,
                                                .first = static_cast<std::uint16_t>(first),
                                                .closed_at = 0};
    }

    /// Effects: gives up to `want` idle blocks back to the system, without the lock; until then nobody can take them,
    /// and they count as held. Returns: how many; 0 when there are none, and then the lock was kept.
    std::size_t shed(lock& held, std::size_t want, place spared = {}, std::size_t spared_blocks = 0) noexcept {
        leaving out[16];
        const std::size_t runs = table_.pick_idle(out, want, !pages_.discards(), spared, spared_blocks);
        if (runs == 0) return 0;
        std::size_t blocks = 0;
        for (std::size_t i = 0; i < runs; ++i) blocks += out[i].blocks;
        leaving_ += blocks;
        held.unlock();
        for (std::size_t i = 0; i < runs; ++i) {
            if (out[i].region == detail::superblock_table::none) pages_.unmap(out[i].memory, bytes(out[i].mapped));
            else pages_.discard(out[i].memory, bytes(out[i].blocks));
        }
        held.lock();
        for (std::size_t i = 0; i < runs; ++i) {
            if (out[i].region == detail::superblock_table::none) continue;
            const leaving emptied = table_.settle(out[i]);
            if (emptied.memory != nullptr) pages_.unmap(emptied.memory, bytes(emptied.mapped));
        }
        leaving_ -= blocks;
        held_ -= blocks;
        count(returned_, blocks);
        budget_.refund(bytes(blocks));
        return blocks;
    }

    // ---- retention

    /// Returns: whether a window has ended.
    bool close_windows(time_point now) noexcept {
        const std::int64_t at = now.time_since_epoch().count();
        if (!started_) {
            started_ = true;
            latest_ = window_start_ = at;
            for (detail::parked_scope* scope = first_parked_; scope != nullptr; scope = scope->next) scope->since = at;
            return false;
        }
        if (at > latest_) latest_ = at;
        const std::int64_t passed = detail::saturating_sub(latest_, window_start_);
        if (passed < options_.window.count()) return false;
        window_start_ = latest_;
        close_window(window_peak_);
        // Windows in which nobody called: what is in use now was in use then, as far as anybody can tell.
        window_peak_ = in_use_;
        for (std::int64_t missed = passed / options_.window.count() - 1; missed > 0 && needed_ > in_use_; --missed)
            close_window(in_use_);
        return true;
    }
    void close_window(std::size_t peak) noexcept {
        const std::size_t decayed = peak <= floor_blocks_ ? needed_ / 4 : needed_ - (needed_ + 3) / 4;
        needed_ = peak > decayed ? peak : decayed;
    }
    [[nodiscard]] std::size_t target_blocks() const noexcept {
        const double wanted = static_cast<double>(needed_) * options_.headroom;
        if (wanted >= static_cast<double>(max_blocks_)) return max_blocks_;
        const auto target = static_cast<std::size_t>(wanted);
        return target > floor_blocks_ ? target : floor_blocks_;
    }

    // ---- books

    static void count(std::uint64_t& counter, std::size_t more) noexcept {
        if constexpr (std::is_same_v<typename Policies::stats, counting>) counter += more;
    }

    void verify_hardened() const noexcept {
#if PLATEAU_HARDENED
        check_locked();
#endif
    }
    void check_locked() const noexcept {
        PLATEAU_EXPECTS(in_use_ + leaving_ <= held_ && held_ <= max_blocks_, "arena_pool: I1, held");
        PLATEAU_EXPECTS(scopes_ <= options_.max_scopes, "arena_pool: I2, scopes");
        PLATEAU_EXPECTS(in_use_ <= window_peak_ && window_peak_ <= peak_, "arena_pool: I3, peaks");
        const detail::superblock_table::tally sum = table_.check_invariants();
        // Mappings of their own and whole superblocks that are leaving are not in the table.
        PLATEAU_EXPECTS(sum.resident <= held_ && sum.mapped - sum.free <= in_use_ + leaving_,
                        "arena_pool: I1, the table holds more than the books say");
        PLATEAU_EXPECTS(leaving_ != 0 || sum.resident - (sum.mapped - sum.free) == idle(),
                        "arena_pool: I1, idle blocks");
        std::size_t parked = 0;
        for (const detail::parked_scope* at = first_parked_; at != nullptr; at = at->next) ++parked;
        PLATEAU_EXPECTS(parked == parked_, "arena_pool: parked scopes");
    }

    const arena_pool_options options_;
    const std::size_t max_blocks_;
    const std::size_t floor_blocks_;
    detail::page_supply pages_;
    const charge_ref budget_;

    mutable mutex mutex_;  // owns all that follows; none of it is touched without it
    detail::superblock_table table_;
    std::size_t held_ = 0;     // blocks that hold memory: in use, idle and leaving
    std::size_t in_use_ = 0;   // by arenas
    std::size_t leaving_ = 0;  // being given back to the system, outside the lock
    std::size_t scopes_ = 0;
    std::size_t window_peak_ = 0;
    std::size_t needed_ = 0;
    std::size_t peak_ = 0;
    std::int64_t window_start_ = 0;
    std::int64_t latest_ = 0;
    bool started_ = false;
    detail::parked_scope* first_parked_ = nullptr;  // the oldest; as many as max_scopes
    detail::parked_scope* last_parked_ = nullptr;
    std::size_t parked_ = 0;
    std::uint64_t fresh_ = 0;
    std::uint64_t recycled_ = 0;
    std::uint64_t returned_ = 0;
    std::uint64_t refused_ = 0;
};

PLATEAU_NAMESPACE_END
