// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/chunk_index.hpp>
#include <plateau/cache/pin_count.hpp>
#include <plateau/cache/timer_wheel.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/poison.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

struct nothing {};

/// One entry: its neighbours in the list it stands in, part of its hash if that is not computed anew, what a layer
/// notes of it, key and value. The links are those of its order of eviction, which may keep more in them than slots.
/// The two unions are alive while the entry is; beyond that, `next` links free slots and those on their way out, and
/// `previous` then holds the cause.
template <class K, class V, bool KeepsHash, class Note, unsigned SlotBits>
struct cache_node {
    /// What a link has room for.
    static constexpr unsigned slot_bits = SlotBits;

    cache_node() noexcept {}
    cache_node(const cache_node&) = delete;
    cache_node& operator=(const cache_node&) = delete;
    ~cache_node() {}

    std::uint32_t previous;
    std::uint32_t next;
    PLATEAU_NO_UNIQUE_ADDRESS std::conditional_t<KeepsHash, std::uint32_t, nothing> hash;
    PLATEAU_NO_UNIQUE_ADDRESS Note note;
    union {
        K key;
    };
    union {
        V value;
    };
};

/// Slots for nodes, in pages that never move, with columns beside them that exist only where they are needed: a weight,
/// a deadline, one that does not move, a count of pins.
///
/// New entries go to the page that has been open longest until it is full. So pages whose entries have left stay empty
/// and can be given back (`release_empty_page`), whichever slots the evictions happened to free.
///
/// Complexity: O(1), a page at a time. Throws: what the allocator throws; then nothing has changed.
template <class Node, class Allocator, std::size_t MaxPageSlots, std::size_t MaxPageBytes, bool HasPins>
class slab {
    template <class T>
    using allocator_for = typename std::allocator_traits<Allocator>::template rebind_alloc<T>;

public:
    static constexpr std::size_t page_slots =
        std::bit_floor(MaxPageBytes / sizeof(Node) < 16 ? (MaxPageSlots < 16 ? MaxPageSlots : std::size_t{16})
                       : MaxPageBytes / sizeof(Node) > MaxPageSlots ? MaxPageSlots
                                                                    : MaxPageBytes / sizeof(Node));
    /// Bytes of one slot with every column but that of fixed deadlines.
    static constexpr std::size_t slot_bytes = sizeof(Node) + sizeof(std::uint32_t) + sizeof(std::uint32_t) +
                                              sizeof(timer_links) + (HasPins ? sizeof(pin_count) : 0);

    /// The first page has `first_page` slots, at least one ordinary page: where all that will ever be needed is in it,
    /// a slot is found without a table.
    slab(const Allocator& allocator, std::size_t first_page) noexcept
        : first_range_(range_of(first_page)), one_page_range_(first_range_), allocator_(allocator) {}
    slab(const slab&) = delete;
    slab& operator=(const slab&) = delete;
    ~slab() { release(); }

    [[nodiscard]] PLATEAU_ALWAYS_INLINE Node& node(std::uint32_t slot) const noexcept {
        return *reinterpret_cast<Node*>(origins_[slot / page_slots] + std::uintptr_t{slot} * sizeof(Node));
    }

    /// Two ways from a slot to what belongs to it, for paths that look up several: any pages, or all slots in one.
    struct paged_slots {
        static constexpr bool may_move_deadlines = true;
        const slab& in;
        [[nodiscard]] PLATEAU_ALWAYS_INLINE Node& operator[](std::uint32_t slot) const noexcept {
            return in.node(slot);
        }
        [[nodiscard]] std::uint32_t deadline(std::uint32_t slot) const noexcept { return in.deadline(slot); }
    };
    struct one_page_slots {
        static constexpr bool may_move_deadlines = false;
        Node* nodes;
        const std::uint32_t* deadlines;
        [[nodiscard]] PLATEAU_ALWAYS_INLINE Node& operator[](std::uint32_t slot) const noexcept { return nodes[slot]; }
        [[nodiscard]] std::uint32_t deadline(std::uint32_t slot) const noexcept { return deadlines[slot]; }
    };
    [[nodiscard]] paged_slots pages() const noexcept { return {*this}; }
    /// Never true with fixed deadlines: who looks up among the slots of one page moves no deadline.
    [[nodiscard]] bool is_one_page() const noexcept { return page_count_ == one_page_range_; }
    /// Expects: is_one_page().
    [[nodiscard]] one_page_slots one_page() const noexcept { return {pages_->nodes, pages_->deadlines}; }

    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::uint32_t& deadline(std::uint32_t slot) const noexcept {
        return pages_[page_of(slot)].deadlines[place_of(slot)];
    }
    [[nodiscard]] PLATEAU_ALWAYS_INLINE timer_links& links(std::uint32_t slot) const noexcept {
        return pages_[page_of(slot)].links[place_of(slot)];
    }
    [[nodiscard]] std::uint32_t& fixed_deadline(std::uint32_t slot) const noexcept {
        return pages_[page_of(slot)].fixed_deadlines[place_of(slot)];
    }
    [[nodiscard]] std::uint32_t& weight(std::uint32_t slot) const noexcept {
        return pages_[page_of(slot)].weights[place_of(slot)];
    }
    [[nodiscard]] pin_count& pins(std::uint32_t slot) const noexcept {
        return pages_[page_of(slot)].pins[place_of(slot)];
    }

    /// Returns: a slot, or nil when `limit` are taken already.
    [[nodiscard]] std::uint32_t take(std::size_t limit) {
        if (used_ >= limit) return nil;
        const std::uint32_t slot = spare_ != nil ? std::exchange(spare_, nil) : take_from_page(limit);
        if (slot == nil) return nil;
        ++used_;
        unpoison(contents(slot), contents_bytes);
        return slot;
    }

    /// Effects: the slot is free again. Expects: its key and value have ended.
    void give_back(std::uint32_t slot) noexcept {
        --used_;
        poison(contents(slot), contents_bytes);
        if (spare_ == nil) spare_ = slot;  // most likely the next to be taken: its page need not know
        else give_to_page(slot);
    }

    /// Effects: from now on each slot has a deadline; those that exist already have `never`.
    void add_timers() {
        if (has_timers_) return;
        add_column(&page::deadlines);
        column_guard<std::uint32_t> undone{*this, &page::deadlines, page_count_};
        add_column(&page::links);
        undone.pages = 0;
        for (std::uint32_t id = 0; id < page_count_; ++id) fill_timers(pages_[id]);
        has_timers_ = true;
    }
    /// Effects: from now on each slot has a deadline beside that which may move; those that exist already have `never`.
    void add_fixed_deadlines() {
        if (has_fixed_deadlines_) return;
        add_column(&page::fixed_deadlines);
        for (std::uint32_t id = 0; id < page_count_; ++id) fill_fixed_deadlines(pages_[id]);
        has_fixed_deadlines_ = true;
        one_page_range_ = nil;
    }
    /// Effects: from now on each slot has a weight; those that exist already have `weight`, unless `correct()` writes
    /// another there. Throws: what `correct` throws, too.
    template <class F>
    void add_weights(std::uint32_t weight, F correct) {
        add_column(&page::weights);
        column_guard<std::uint32_t> undone{*this, &page::weights, page_count_};
        for (std::uint32_t id = 0; id < page_count_; ++id)
            for (std::uint32_t i = 0; i < pages_[id].slots; ++i) std::construct_at(pages_[id].weights + i, weight);
        correct();
        undone.pages = 0;
        has_weights_ = true;
    }
    /// Calls `f(deadline&)` for every deadline of every slot, taken or not. Expects: has_timers().
    template <class F>
    void for_each_deadline(F f) noexcept {
        for (std::uint32_t id = 0; id < page_count_; ++id)
            for (std::uint32_t i = 0; i < pages_[id].slots; ++i) {
                f(pages_[id].deadlines[i]);
                if (has_fixed_deadlines_) f(pages_[id].fixed_deadlines[i]);
            }
    }
    [[nodiscard]] bool has_timers() const noexcept { return has_timers_; }
    [[nodiscard]] bool has_weights() const noexcept { return has_weights_; }

    /// Effects: gives one page back in which nothing lives. Returns: false when there is none.
    bool release_empty_page() noexcept {
        give_spare_to_page();
        if (empty_pages_ == 0) return false;
        std::uint32_t id = last_open_;  // opened last, so probably empty
        while (pages_[id].used != 0) id = pages_[id].previous;
        release_page(id);
        return true;
    }

    /// The same, and starts anew with a first page of that many slots.
    void release(std::size_t first_page) noexcept {
        release();
        first_range_ = range_of(first_page);
        if (!has_fixed_deadlines_) one_page_range_ = first_range_;
    }
    /// Effects: gives all memory back. Expects: no slot is taken.
    void release() noexcept {
        give_spare_to_page();
        for (std::uint32_t id = 0; id < page_count_; ++id)
            if (pages_[id].nodes != nullptr) release_page(id);
        give(origins_, table_size_);
        give(pages_, table_size_);
        origins_ = nullptr;
        pages_ = nullptr;
        page_count_ = 0;
        table_size_ = 0;
        spare_ids_ = nil;
    }

    [[nodiscard]] std::size_t used() const noexcept { return used_; }
    /// Slots in which no entry stands.
    [[nodiscard]] std::size_t idle_slots() const noexcept { return slots_ - used_; }
    /// What the pages of today come to, tables included, once a slot takes `bytes_a_slot`.
    [[nodiscard]] std::size_t bytes_with(std::size_t bytes_a_slot) const noexcept {
        return slots_ * bytes_a_slot + table_bytes();
    }
    /// The tables stay while one page does.
    [[nodiscard]] std::size_t table_bytes() const noexcept {
        return table_size_ * (sizeof(page) + sizeof(std::uintptr_t));
    }
    /// Bytes asked from the allocator and not given back.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

    /// The most bytes that pages for `slots` slots come to, tables included, where one takes `bytes_a_slot`.
    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t slots, std::size_t bytes_a_slot) noexcept {
        const std::size_t rounded = saturating_add(slots, min_page_slots);
        return saturating_add(saturating_mul(rounded, bytes_a_slot), table_bytes_for(slots));
    }
    /// The same of the tables alone; while they grow, the old ones stand beside the new.
    [[nodiscard]] static constexpr std::size_t table_bytes_for(std::size_t slots) noexcept {
        const std::size_t pages = saturating_add(slots, min_page_slots) / page_slots;
        return saturating_mul(3 * (sizeof(page) + sizeof(std::uintptr_t)), saturating_add(pages, 2 * min_table));
    }
    /// Every slot is taken, free, or was never taken; a page is in the open list exactly while it has room.
    void check_invariants() const noexcept {
        std::size_t used = 0;
        std::size_t empty = 0;
        std::size_t with_room = 0;
        std::size_t slots = 0;
        for (std::uint32_t id = 0; id < page_count_; ++id) {
            const page& at = pages_[id];
            if (at.slots == 0) continue;
            std::uint32_t free = 0;
            for (std::uint32_t slot = at.first_free; slot != nil; slot = node(slot).next) ++free;
            PLATEAU_EXPECTS(at.used + free == at.fresh && at.fresh <= at.slots, "slab: every slot is accounted for");
            slots += at.slots;
            used += at.used;
            empty += at.used == 0;
            with_room += at.used < at.slots;
        }
        for (std::uint32_t id = first_open_; id != nil; id = pages_[id].next) --with_room;
        PLATEAU_EXPECTS(with_room == 0, "slab: a page is open exactly while it has room");
        PLATEAU_EXPECTS(slots == slots_ && used == used_ + (spare_ != nil) && empty == empty_pages_,
                        "slab: the sums are those of the pages");
    }

private:
    /// A later page is rarely small: where pins hold entries beyond the bound, pages of a few slots would be mostly
    /// table.
    static constexpr std::size_t wanted_least = HasPins ? 64 : 4;
    static constexpr std::size_t min_page_slots = page_slots < wanted_least ? page_slots : wanted_least;
    static constexpr std::size_t min_first_slots = page_slots < 4 ? page_slots : 4;
    static constexpr std::size_t min_table = 4;
    static constexpr std::size_t contents_bytes = sizeof(Node) - 2 * sizeof(std::uint32_t);
    /// The last slot numbers are names of timer lists, and nil.
    static constexpr std::size_t max_pages = ((std::size_t{1} << Node::slot_bits) - 0x1'0000) / page_slots;

    [[nodiscard]] static constexpr std::size_t range_of(std::size_t first_page) noexcept {
        return first_page <= page_slots ? 1 : (first_page + page_slots - 1) / page_slots;
    }

    struct page {
        Node* nodes;
        std::uint32_t* deadlines;
        timer_links* links;
        std::uint32_t* fixed_deadlines;
        std::uint32_t* weights;
        pin_count* pins;
        std::uint32_t slots;
        std::uint32_t used;
        std::uint32_t fresh;       ///< slots from here on were never taken
        std::uint32_t first_free;  ///< list of those that were, and came back
        std::uint32_t previous;    ///< in the list of open pages, oldest first
        std::uint32_t next;        ///< also links the numbers of pages that were given back
    };

    [[nodiscard]] std::uint32_t take_from_page(std::size_t limit) {
        if (first_open_ == nil && !open_page(limit)) return nil;
        page& from = pages_[first_open_];
        std::uint32_t slot = from.first_free;
        if (slot != nil) from.first_free = node(slot).next;
        else slot = static_cast<std::uint32_t>(first_open_ * page_slots) + from.fresh++;
        ++from.used;
        if (from.used == 1) --empty_pages_;
        if (from.used == from.slots) close(first_open_);
        return slot;
    }
    void give_to_page(std::uint32_t slot) noexcept {
        const std::uint32_t id = page_of(slot);
        page& to = pages_[id];
        if (to.used == to.slots) open(id);
        node(slot).next = to.first_free;
        to.first_free = slot;
        --to.used;
        if (to.used == 0) ++empty_pages_;
    }
    void give_spare_to_page() noexcept {
        if (spare_ != nil) give_to_page(std::exchange(spare_, nil));
    }

    [[nodiscard]] void* contents(std::uint32_t slot) const noexcept {
        return reinterpret_cast<unsigned char*>(&node(slot)) + 2 * sizeof(std::uint32_t);
    }

    template <class T>
    [[nodiscard]] T* get(std::size_t count) {
        allocator_for<T> allocator(allocator_);
        T* const memory = std::allocator_traits<allocator_for<T>>::allocate(allocator, count);
        bytes_ += count * sizeof(T);
        return memory;
    }
    template <class T>
    void give(T* memory, std::size_t count) noexcept {
        if (memory == nullptr) return;
        allocator_for<T> allocator(allocator_);
        std::allocator_traits<allocator_for<T>>::deallocate(allocator, memory, count);
        bytes_ -= count * sizeof(T);
    }

    /// Each page number stands for `page_slots` slot numbers. Page 0 takes the numbers of `first_range_` pages.
    [[nodiscard]] std::uint32_t page_of(std::uint32_t slot) const noexcept {
        const auto id = static_cast<std::uint32_t>(slot / page_slots);
        return id < first_range_ ? 0 : id;
    }
    [[nodiscard]] std::size_t place_of(std::uint32_t slot) const noexcept { return slot - page_of(slot) * page_slots; }

    void open(std::uint32_t id) noexcept {
        pages_[id].previous = last_open_;
        pages_[id].next = nil;
        if (last_open_ != nil) pages_[last_open_].next = id;
        else first_open_ = id;
        last_open_ = id;
    }
    void close(std::uint32_t id) noexcept {
        const page& done = pages_[id];
        if (done.previous != nil) pages_[done.previous].next = done.next;
        else first_open_ = done.next;
        if (done.next != nil) pages_[done.next].previous = done.previous;
        else last_open_ = done.previous;
    }

    PLATEAU_COLD bool open_page(std::size_t limit) {
        const std::uint32_t id = spare_ids_ != nil ? spare_ids_ : page_count_;
        const std::size_t range = id == 0 ? first_range_ : 1;
        if (id + range > table_size_ && !grow_table(id + range)) return false;
        const std::size_t most = range * page_slots;
        const std::size_t least = id == 0 ? min_first_slots : min_page_slots;
        const std::size_t wanted = limit - used_;  // every page is full: as many slots as are taken
        page fresh{};
        fresh.slots = static_cast<std::uint32_t>(wanted >= most ? most : (wanted < least ? least : wanted));
        fresh.first_free = nil;
        page_guard whole{this, fresh};
        fresh.nodes = get<Node>(fresh.slots);
        if (has_timers_) fresh.deadlines = get<std::uint32_t>(fresh.slots);
        if (has_timers_) fresh.links = get<timer_links>(fresh.slots);
        if (has_fixed_deadlines_) fresh.fixed_deadlines = get<std::uint32_t>(fresh.slots);
        if (has_weights_) fresh.weights = get<std::uint32_t>(fresh.slots);
        if constexpr (HasPins) fresh.pins = get<pin_count>(fresh.slots);
        whole.owner = nullptr;

        for (std::uint32_t i = 0; i < fresh.slots; ++i) std::construct_at(fresh.nodes + i);
        if (has_timers_) fill_timers(fresh);
        if (has_fixed_deadlines_) fill_fixed_deadlines(fresh);
        if (spare_ids_ != nil) spare_ids_ = pages_[id].next;
        else page_count_ += static_cast<std::uint32_t>(range);
        const auto nodes = reinterpret_cast<std::uintptr_t>(fresh.nodes);
        for (std::size_t i = 0; i < range; ++i)
            origins_[id + i] = nodes - std::uintptr_t{id} * page_slots * sizeof(Node);
        pages_[id] = fresh;
        slots_ += fresh.slots;
        ++empty_pages_;
        open(id);
        return true;
    }

    /// Gives the parts of a page back when a later part of it could not be had.
    struct page_guard {
        slab* owner;
        page& parts;
        ~page_guard() {
            if (owner != nullptr) owner->give_parts(parts);
        }
    };

    void give_parts(const page& parts) noexcept {
        give(parts.nodes, parts.slots);
        give(parts.deadlines, parts.slots);
        give(parts.links, parts.slots);
        give(parts.fixed_deadlines, parts.slots);
        give(parts.weights, parts.slots);
        give(parts.pins, parts.slots);
    }

    void release_page(std::uint32_t id) noexcept {
        close(id);
        unpoison(pages_[id].nodes, pages_[id].slots * sizeof(Node));
        give_parts(pages_[id]);
        slots_ -= pages_[id].slots;
        pages_[id] = page{};
        pages_[id].next = spare_ids_;
        spare_ids_ = id;
        --empty_pages_;
    }

    bool grow_table(std::size_t least) {
        if (least > max_pages) return false;
        std::size_t size = table_size_ == 0 ? min_table : 2 * table_size_;
        if (size < least) size = least;
        table_guard origins{*this, get<std::uintptr_t>(size), size};
        page* const pages = get<page>(size);
        for (std::size_t id = 0; id < size; ++id) {
            origins.table[id] = id < page_count_ ? origins_[id] : 0;
            std::construct_at(pages + id, id < page_count_ ? pages_[id] : page{});
        }
        give(origins_, table_size_);
        give(pages_, table_size_);
        origins_ = std::exchange(origins.table, nullptr);
        pages_ = pages;
        table_size_ = size;
        return true;
    }

    struct table_guard {
        slab& owner;
        std::uintptr_t* table;
        std::size_t size;
        ~table_guard() { owner.give(table, size); }
    };

    static void fill_timers(const page& of) noexcept {
        for (std::uint32_t i = 0; i < of.slots; ++i) {
            std::construct_at(of.deadlines + i, no_deadline);
            std::construct_at(of.links + i, timer_links{nil, nil});
        }
    }

    static void fill_fixed_deadlines(const page& of) noexcept {
        for (std::uint32_t i = 0; of.fixed_deadlines != nullptr && i < of.slots; ++i)
            std::construct_at(of.fixed_deadlines + i, no_deadline);
    }

    /// All or nothing: a column is added to every page, or to none.
    template <class T>
    void add_column(T* page::*column) {
        column_guard<T> made{*this, column, 0};
        for (; made.pages < page_count_; ++made.pages) {
            page& to = pages_[made.pages];
            if (to.slots != 0) to.*column = get<T>(to.slots);
        }
        made.pages = 0;
    }

    template <class T>
    struct column_guard {
        slab& owner;
        T* page::*column;
        std::uint32_t pages;
        ~column_guard() {
            for (std::uint32_t id = 0; id < pages; ++id) {
                page& from = owner.pages_[id];
                owner.give(from.*column, from.slots);
                from.*column = nullptr;
            }
        }
    };

    std::size_t first_range_;            // how many page numbers page 0 takes
    std::size_t one_page_range_;         // the same, or what no number of pages is
    std::uintptr_t* origins_ = nullptr;  // a page's nodes, less the bytes of all slots before it
    page* pages_ = nullptr;
    std::uint32_t first_open_ = nil;
    std::uint32_t last_open_ = nil;
    std::uint32_t page_count_ = 0;
    std::uint32_t spare_ids_ = nil;
    std::size_t table_size_ = 0;
    std::size_t empty_pages_ = 0;
    std::size_t bytes_ = 0;
    bool has_timers_ = false;
    bool has_fixed_deadlines_ = false;
    bool has_weights_ = false;
    std::uint32_t slots_ = 0;  // of all pages
    std::size_t used_ = 0;
    std::uint32_t spare_ = nil;  // free, and still taken as far as its page knows
    PLATEAU_NO_UNIQUE_ADDRESS Allocator allocator_;
};

}
PLATEAU_NAMESPACE_END
