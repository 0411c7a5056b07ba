// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/options.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unistd.h>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The shards of a cache: as many as its bounds are worth, from its construction to its end.
///
/// Owns the list, and each shard until `abandon`: after that a shard is its pins', and goes with the last of them.
///
/// I1  their number is a power of two and never changes; where one thread uses the cache it is 1.
/// I2  the top bits of a hash say which shard a key is in. The index within it sees the low half.
///
/// Thread safety: any thread, from when `make` has returned until `abandon` is called. It takes no lock: who is given a
/// shard enters it by a session.
template <class Shard, class Policies>
class shard_list {
    using allocator_type = typename Policies::allocator;
    using list_allocator = typename std::allocator_traits<allocator_type>::template rebind_alloc<Shard*>;
    using list_traits = std::allocator_traits<list_allocator>;

public:
    using shard_type = Shard;

    explicit shard_list(const allocator_type& allocator) : allocator_(allocator) {}
    shard_list(const shard_list&) = delete;
    shard_list& operator=(const shard_list&) = delete;
    ~shard_list() {
        abandon();  // those that were made before one could not be
        list_allocator own(allocator_);
        if (shards_ != nullptr) list_traits::deallocate(own, shards_, size_);
    }

    /// How many shards a cache of these bounds has.
    [[nodiscard]] static std::size_t count_for(const cache_options& options) noexcept {
        if constexpr (!Shard::is_shared) return 1;
        else {
            std::size_t wanted = Policies::shards;
            if (wanted == 0) {
                const long processors = ::sysconf(_SC_NPROCESSORS_ONLN);
                wanted = std::bit_ceil(4 * static_cast<std::size_t>(processors > 0 ? processors : 1));
            }
            wanted = std::bit_floor(smaller(wanted, most));
            while (wanted > 1 && too_small(options, wanted)) wanted /= 2;
            return wanted;
        }
    }

    /// Effects: calls `make_one(i)`, which answers a new shard, for each of `count`. Called once, by the constructor of
    /// the cache. Throws: what `make_one` and the allocator throw.
    template <class Make>
    void make(std::size_t count, Make make_one) {
        list_allocator own(allocator_);
        shards_ = list_traits::allocate(own, count);
        size_ = count;
        shift_ = 63 - static_cast<unsigned>(std::countr_zero(count));
        for (; made_ != count; ++made_) shards_[made_] = make_one(made_);
    }
    /// Effects: each shard is on its own. Expects: they are empty, and the parts that they share with the cache have
    /// not yet ended.
    void abandon() noexcept {
        while (made_ != 0) Shard::abandon(shards_[--made_]);
    }

    [[nodiscard]] PLATEAU_ALWAYS_INLINE Shard& of(std::uint64_t hash) const noexcept {
        if constexpr (!Shard::is_shared) return *shards_[0];
        else return *shards_[(hash >> 1) >> shift_];
    }
    [[nodiscard]] Shard& operator[](std::size_t i) const noexcept { return *shards_[i]; }
    template <class F>
    PLATEAU_ALWAYS_INLINE void for_each(F f) const {
        for (std::size_t i = 0; i < made_; ++i) f(*shards_[i]);
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// The part of a bound that falls to shard i: all parts together are the bound.
    [[nodiscard]] std::size_t share(std::size_t bound, std::size_t i) const noexcept {
        if (bound == unlimited) return unlimited;
        return bound / size_ + (i < bound % size_);
    }

    /// Traps a caller who is inside one of them.
    void trap_holder() const noexcept {
        for (std::size_t i = 0; i < made_; ++i) shards_[i]->trap_holder();
    }

    [[nodiscard]] const allocator_type& allocator() const noexcept { return allocator_; }

private:
    static constexpr std::size_t most = 1024;

    [[nodiscard]] static bool too_small(const cache_options& options, std::size_t shards) noexcept {
        const std::size_t heaviest = options.max_entry_bytes == unlimited
                                         ? Policies::min_shard_entries * Shard::core_type::entry_overhead
                                         : options.max_entry_bytes;
        return options.max_entries / shards < Policies::min_shard_entries ||
               options.max_bytes / shards < saturating_mul<std::size_t>(heaviest, 8);
    }

    Shard** shards_ = nullptr;
    std::size_t made_ = 0;
    std::size_t size_ = 0;
    unsigned shift_ = 63;
    PLATEAU_NO_UNIQUE_ADDRESS allocator_type allocator_;
};

}
PLATEAU_NAMESPACE_END
