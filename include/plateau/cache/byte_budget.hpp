// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/byte_pool.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The bytes that the shards of a cache have in common: those charged for entries, and those charged for what is
/// pinned.
///
/// Owns a pool of each. A shard has taken from it what its own bounds allow; a call that finds its shard short takes
/// more. Where the pool has no more, the call leaves the shard, enters the others one after the other to collect what
/// they can do without, and comes back with that as a loan: nobody is ever in two shards at once.
///
/// I1  what is taken of a pool is what the bounds of the shards allow, and what is on loan.
/// I2  once a call has returned nothing is on loan: what its shard did not take has gone back to the pool.
///
/// Without threads and without an outer budget nothing is taken: the limits are the bounds of the one shard, and the
/// pools only know them.
///
/// Thread safety: any thread. A `core` is one that the caller has entered; a `shard` is one that he has not.
template <class Shards>
class byte_budget {
    using shard_type = typename Shards::shard_type;
    using core_type = typename shard_type::core_type;
    using session = typename shard_type::session;
    static constexpr bool pooled = shard_type::pooled;
    static constexpr bool has_charge = shard_type::has_charge;

public:
    using pool_type = typename shard_type::pool_type;

    byte_budget(std::size_t max_bytes, std::size_t max_pinned_bytes, const typename shard_type::charge_type& outer)
        : bytes_(max_bytes, outer), pinned_(max_pinned_bytes, outer) {}

    /// Bytes taken from a pool, on their way to a shard: they go back unless the shard takes them.
    class loan {
    public:
        explicit loan(pool_type& from) noexcept : from_(from) {}
        loan(const loan&) = delete;
        loan& operator=(const loan&) = delete;
        ~loan() { from_.give(bytes_); }
        void add(std::size_t bytes) noexcept { bytes_ += bytes; }
        [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
        [[nodiscard]] std::size_t take() noexcept { return std::exchange(bytes_, 0); }

    private:
        pool_type& from_;
        std::size_t bytes_ = 0;
    };

    /// What a shard lacks for a put.
    struct need {
        std::size_t bytes = 0;
        bool sheer = false;  ///< even if all that it holds made room
        bool fair = false;   ///< it has less than its part of the whole
    };

    [[nodiscard]] pool_type& bytes() noexcept { return bytes_; }
    [[nodiscard]] const pool_type& bytes() const noexcept { return bytes_; }
    [[nodiscard]] pool_type& pinned() noexcept { return pinned_; }
    [[nodiscard]] const pool_type& pinned() const noexcept { return pinned_; }

    // ---- for a put

    /// A put enters other shards so many times before it is refused: what it collected may be used by then.
    static constexpr unsigned max_collections = 3;

    /// Whether the shard has what it needs for an entry of that weight, and no loan is to be taken in.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE static bool suffices(const core_type& core, std::size_t held,
                                                             const loan& brought) noexcept {
        return core.shortage(held) == 0 && brought.bytes() == 0;
    }
    /// Effects: where that is not so, what it lacks comes from the loan and the pool. Returns: what is still missing,
    /// and worth collecting.
    [[nodiscard]] need provide(const Shards& shards, core_type& core, std::size_t held, loan& brought) noexcept {
        if (core.bounds().max_bytes == unlimited) return {};
        // Unless the bound was lowered meanwhile: then what is in the shards goes first.
        if (bytes_.taken() <= bytes_.limit()) core.add_bytes(brought.take());
        const std::size_t lacks = core.shortage(held);
        if (lacks == 0) return {};
        const bool plenty = bytes_.left() > bytes_.limit() / 8;
        std::size_t got = bytes_.take(lacks, plenty ? saturating_add(lacks, shard_type::ahead(core)) : lacks);
        if (got == 0) got = bytes_.take(1, lacks);
        core.add_bytes(got);
        if (got >= lacks) return {};
        if (core.sheer_shortage(held) != 0) core.add_bytes(bytes_.take(core.sheer_shortage(held), 0));
        if (shards.size() == 1) return {};
        if (const std::size_t sheer = core.sheer_shortage(held); sheer != 0) return {sheer, true, false};
        // Entries of this shard would have to go. What others could give instead is not asked for ever in vain.
        if (!core.may_collect()) return {};
        return {lacks - got, false, saturating_add(core.bounds().max_bytes, lacks) <= fair_share(shards)};
    }
    /// Effects: the loan grows by what other shards gave up, one after the other: what they do not use; where this one
    /// has less than its part, what they have beyond theirs; and for an entry that is too large for this shard, all
    /// that it takes.
    void collect(const Shards& shards, shard_type& shard, need lacks, loan& brought) {
        std::size_t first = 0;
        while (&shards[first] != &shard) ++first;
        const std::size_t fair = fair_share(shards);
        for (unsigned pass = 0; pass < (lacks.sheer ? 2 : 1); ++pass)
            for (std::size_t i = 1; i < shards.size() && brought.bytes() < lacks.bytes; ++i) {
                shard_type& other = shards[(first + i) % shards.size()];
                const std::size_t missing = lacks.bytes - brought.bytes();
                const std::size_t least = pass == 1 ? 0 : fair;
                const bool evicts = lacks.sheer || lacks.fair;
                if (evicts) session(other)->make_givable(missing, least);  // and sees out who had to go
                brought.add(session(other)->give_bytes(missing, evicts ? least : 0));
            }
        if (brought.bytes() < lacks.bytes) session(shard)->collected_in_vain();
    }
    /// Effects: what the shard lacks for an entry of that weight comes from the pool, if that has it. Nobody gives way.
    void provide_unused(core_type& core, std::size_t held) noexcept {
        if (const std::size_t lacks = core.shortage(held); lacks != 0)
            core.add_bytes(bytes_.take(lacks, saturating_add(lacks, shard_type::ahead(core))));
    }

    // ---- for a pin

    /// As for a put. Returns: what is still missing, and may be with other shards.
    [[nodiscard]] std::size_t provide_pinned(const Shards& shards, core_type& core, std::uint32_t slot,
                                             loan& brought) noexcept {
        if (core.bounds().max_pinned_bytes == unlimited) return 0;
        if (pinned_.taken() <= pinned_.limit()) core.add_pinned_bytes(brought.take());
        const std::size_t lacks = core.pin_shortage(slot);
        if (lacks == 0) [[likely]]
            return 0;
        std::size_t got = pinned_.take(lacks, saturating_add(lacks, shard_type::spare_pinned(pinned_)));
        if (got == 0) got = pinned_.take(1, lacks);
        core.add_pinned_bytes(got);
        return got >= lacks || shards.size() == 1 ? 0 : lacks - got;
    }
    PLATEAU_COLD void collect_pinned(const Shards& shards, shard_type& shard, std::size_t lacks,
                                     loan& brought) noexcept {
        shards.for_each([&](shard_type& other) {
            if (&other != &shard && brought.bytes() < lacks) brought.add(session(other)->give_pinned_bytes(0));
        });
    }

    // ---- the limits

    /// What a shard holds before anything is put: of a limit that it shares, nothing until it needs it.
    [[nodiscard]] std::size_t bytes_at_first() const noexcept { return at_first(bytes_.limit()); }
    [[nodiscard]] std::size_t pinned_at_first() const noexcept { return at_first(pinned_.limit()); }

    /// From here on no more is handed out than these. Each shard is bounded anew after that.
    void set_limits(std::size_t max_bytes, std::size_t max_pinned_bytes) noexcept {
        bytes_.set_limit(max_bytes);
        pinned_.set_limit(max_pinned_bytes);
    }
    /// Effects: shard i keeps within the limits what it holds. Returns: how many entries were evicted.
    std::size_t bound(const Shards& shards, core_type& core, std::size_t i) noexcept {
        const std::size_t limit = bytes_.limit();
        const std::size_t part = shards.share(limit, i);
        bound_pinned(shards, core, i);
        if constexpr (!pooled) return core.set_max_bytes(limit, limit, limit);
        const std::size_t before = core.bounds().max_bytes;
        std::size_t after = before;
        if (limit == unlimited && !has_charge) after = unlimited;
        else if (before == unlimited) after = bytes_.take(1, smaller(core.used_bytes(), part));
        else if (bytes_.taken() > limit) after = smaller(before, part);
        const std::size_t evicted = core.set_max_bytes(after, limit, part);
        if (before != unlimited) bytes_.give(after == unlimited ? before : before - after);
        return evicted;
    }
    /// Effects: all that the shard holds goes back. At the end of the cache, and once: the end of a pin may come to the
    /// shard until that has gone.
    void take_back(core_type& core) noexcept {
        bytes_.give(core.give_all_bytes());
        pinned_.give(core.give_pinned_bytes(0));
    }

private:
    [[nodiscard]] std::size_t fair_share(const Shards& shards) const noexcept {
        const std::size_t limit = bytes_.limit();
        return limit == unlimited ? unlimited : limit / shards.size();
    }

    void bound_pinned(const Shards& shards, core_type& core, std::size_t i) noexcept {
        if constexpr (!shard_type::has_pins) return;
        else if constexpr (!pooled) core.set_max_pinned_bytes(pinned_.limit());
        else {
            const std::size_t before = core.bounds().max_pinned_bytes;
            if (pinned_.limit() == unlimited && !has_charge) {
                core.set_max_pinned_bytes(unlimited);
                if (before != unlimited) pinned_.give(before);
            } else if (before == unlimited) {
                const std::size_t part = shards.share(pinned_.limit(), i);
                core.set_max_pinned_bytes(pinned_.take(1, smaller(core.pinned_bytes(), part)));
            } else {
                pinned_.give(core.give_pinned_bytes(0));
            }
        }
    }

    [[nodiscard]] static std::size_t at_first(std::size_t bound) noexcept {
        return pooled && (bound != unlimited || has_charge) ? 0 : bound;
    }

    pool_type bytes_;
    pool_type pinned_;
};

}
PLATEAU_NAMESPACE_END
