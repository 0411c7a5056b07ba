// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/chunk_index.hpp>
#include <plateau/cache/ghosts.hpp>
#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The order of eviction S3-FIFO (Yang and others, 2023): two queues, first in, first out. What is new waits in a small
/// one, a tenth of the entries; who was used there goes on to the main queue, the others leave and are remembered as
/// ghosts. A ghost that comes back goes to the main queue at once. There the oldest stays, and becomes the newest, as
/// often as it was used, up to three times. So what is asked for once passes by and displaces nothing.
///
/// Uses are counted in the links: a use writes at most one word, in the entry that was used. For the interface see
/// lru_order.
///
/// previous = [ main:1 | uses:2 | newer:29 ]
template <class Policies>
class s3fifo_order {
    using ghosts_type = ghosts<typename Policies::allocator>;

public:
    static constexpr unsigned slot_bits = 29;
    static constexpr std::size_t bytes_an_entry = sizeof(std::uint32_t);  ///< for 0.9 ghosts

    explicit s3fifo_order(const typename Policies::allocator& allocator) noexcept : ghosts_(allocator) {}

    void reserve(std::size_t entries) {
        if (entries <= room_) [[likely]]
            return;
        ghosts_.reserve(ghosts_for(entries));
        room_ = entries;
    }
    void release() noexcept {
        ghosts_.release();
        room_ = 0;
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return ghosts_.bytes(); }
    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t entries) noexcept {
        return ghosts_type::bytes_for(ghosts_for(entries));
    }

    template <class Slots>
    void insert(Slots slots, std::uint32_t slot, std::uint32_t hash) noexcept {
        const bool known = ghosts_.take(hash);
        push(slots, known ? main_ : small_, slot, known ? in_main : 0);
        latest_ = slot;
    }
    template <class Slots>
    void replace(Slots slots, std::uint32_t old, std::uint32_t slot) noexcept {
        const auto& from = slots[old];
        auto& to = slots[slot];
        to.previous = from.previous;
        to.next = from.next;
        queue& in = queue_of(to.previous);
        if (const std::uint32_t newer = newer_of(to.previous); newer != nil) slots[newer].next = slot;
        else in.newest = slot;
        if (to.next != nil) set_newer(slots[to.next].previous, slot);
        else in.oldest = slot;
        use(slots, slot);
        latest_ = slot;
    }
    template <class Slots>
    PLATEAU_ALWAYS_INLINE void use(Slots slots, std::uint32_t slot) noexcept {
        std::uint32_t& word = slots[slot].previous;
        if ((word & most_uses) != most_uses) word += one_use;
    }
    template <class Slots>
    void remove(Slots slots, std::uint32_t slot) noexcept {
        unlink(slots, slot);
        if (slot == latest_) latest_ = nil;
    }

    template <class Slots, class HashOf>
    [[nodiscard]] std::uint32_t victim(Slots slots, std::uint32_t spared, HashOf hash_of) noexcept {
        for (;;) {
            const bool from_small = takes_from_small(spared);
            const std::uint32_t slot = from_small ? small_.oldest : main_.oldest;
            const std::uint32_t uses = slots[slot].previous & most_uses;
            if (uses == 0 && slot != spared) {
                if (from_small) ghosts_.add(hash_of(slot));
                return slot;
            }
            unlink(slots, slot);
            push(slots, main_, slot, from_small || uses == 0 ? in_main : in_main | (uses - one_use));
        }
    }

    [[nodiscard]] std::uint32_t coldest() const noexcept { return small_.count != 0 ? small_.oldest : main_.oldest; }
    [[nodiscard]] std::uint32_t hottest() const noexcept { return main_.count != 0 ? main_.newest : small_.newest; }
    template <class Slots>
    [[nodiscard]] std::uint32_t hotter(Slots slots, std::uint32_t slot) const noexcept {
        const std::uint32_t word = slots[slot].previous;
        if (const std::uint32_t newer = newer_of(word); newer != nil) return newer;
        return (word & in_main) != 0 ? nil : main_.oldest;
    }
    template <class Slots>
    [[nodiscard]] std::uint32_t colder(Slots slots, std::uint32_t slot) const noexcept {
        const auto& entry = slots[slot];
        if (entry.next != nil) return entry.next;
        return (entry.previous & in_main) != 0 ? small_.newest : nil;
    }
    [[nodiscard]] std::uint32_t latest() const noexcept { return latest_; }

    template <class Slots>
    void check_invariants(Slots slots, std::size_t entries) const noexcept {
        check_queue(slots, small_, 0);
        check_queue(slots, main_, in_main);
        PLATEAU_EXPECTS(small_.count + main_.count == entries, "s3fifo: the queues hold each entry once");
    }

private:
    static constexpr std::uint32_t in_main = 1U << 31;
    static constexpr std::uint32_t one_use = 1U << slot_bits;
    static constexpr std::uint32_t most_uses = 3 * one_use;
    static constexpr std::uint32_t newer_mask = one_use - 1;

    struct queue {
        std::uint32_t newest = nil;
        std::uint32_t oldest = nil;
        std::size_t count = 0;
    };

    [[nodiscard]] static constexpr std::size_t ghosts_for(std::size_t entries) noexcept {
        return entries - entries / 10;
    }

    [[nodiscard]] queue& queue_of(std::uint32_t word) noexcept { return (word & in_main) != 0 ? main_ : small_; }
    [[nodiscard]] static std::uint32_t newer_of(std::uint32_t word) noexcept {
        const std::uint32_t newer = word & newer_mask;
        return newer == newer_mask ? nil : newer;
    }
    static void set_newer(std::uint32_t& word, std::uint32_t newer) noexcept {
        word = (word & ~newer_mask) | (newer & newer_mask);
    }

    /// The one that is spared does not stand in for a whole queue.
    [[nodiscard]] bool takes_from_small(std::uint32_t spared) const noexcept {
        if (main_.count == 0) return true;
        if (small_.count == 0) return false;
        if (small_.count == 1 && small_.oldest == spared) return false;
        return (main_.count == 1 && main_.oldest == spared) || 10 * small_.count >= small_.count + main_.count;
    }

    template <class Slots>
    static void push(Slots slots, queue& to, std::uint32_t slot, std::uint32_t flags) noexcept {
        auto& entry = slots[slot];
        entry.previous = flags | newer_mask;
        entry.next = to.newest;
        if (to.newest != nil) set_newer(slots[to.newest].previous, slot);
        else to.oldest = slot;
        to.newest = slot;
        ++to.count;
    }
    template <class Slots>
    void unlink(Slots slots, std::uint32_t slot) noexcept {
        const auto& entry = slots[slot];
        queue& from = queue_of(entry.previous);
        const std::uint32_t newer = newer_of(entry.previous);
        if (newer != nil) slots[newer].next = entry.next;
        else from.newest = entry.next;
        if (entry.next != nil) set_newer(slots[entry.next].previous, newer);
        else from.oldest = newer;
        --from.count;
    }

    template <class Slots>
    static void check_queue(Slots slots, const queue& of, std::uint32_t flag) noexcept {
        std::uint32_t newer = nil;
        std::size_t count = 0;
        for (std::uint32_t slot = of.newest; slot != nil; newer = slot, slot = slots[slot].next) {
            PLATEAU_EXPECTS(newer_of(slots[slot].previous) == newer, "s3fifo: a queue is linked both ways");
            PLATEAU_EXPECTS((slots[slot].previous & in_main) == flag, "s3fifo: an entry knows its queue");
            PLATEAU_EXPECTS(++count <= of.count, "s3fifo: a queue holds each entry once");
        }
        PLATEAU_EXPECTS(newer == of.oldest && count == of.count, "s3fifo: a queue ends at its oldest entry");
    }

    queue small_;
    queue main_;
    std::uint32_t latest_ = nil;
    std::size_t room_ = 0;
    ghosts_type ghosts_;
};

}
PLATEAU_NAMESPACE_END
