// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/tag_list.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>
#include <plateau/hash.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// What an entry remembers of its tags. All zero: it has none.
struct tag_note {
    std::uint64_t stamp = 0;                      ///< the epoch at which it was stored
    std::uint16_t records[tag_list::capacity]{};  ///< one more than their numbers; 0 ends them
    std::uint8_t families[tag_list::capacity]{};  ///< of the names
};
static_assert(sizeof(tag_note) == 32);

/// Objects without a move, in memory of the allocator's, from construction to destruction.
template <class T, class Allocator>
class fixed_array {
    using allocator_type = typename std::allocator_traits<Allocator>::template rebind_alloc<T>;
    using traits = std::allocator_traits<allocator_type>;
    static_assert(std::is_nothrow_default_constructible_v<T>);

public:
    fixed_array(std::size_t size, const Allocator& allocator)
        : allocator_(allocator), size_(size), items_(std::addressof(*traits::allocate(allocator_, size))) {
        for (std::size_t i = 0; i < size; ++i) std::construct_at(items_ + i);
    }
    fixed_array(const fixed_array&) = delete;
    fixed_array& operator=(const fixed_array&) = delete;
    ~fixed_array() {
        for (std::size_t i = 0; i < size_; ++i) std::destroy_at(items_ + i);
        traits::deallocate(allocator_, items_, size_);
    }

    [[nodiscard]] T& operator[](std::size_t i) noexcept { return items_[i]; }
    [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return items_[i]; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return size_ * sizeof(T); }

private:
    PLATEAU_NO_UNIQUE_ADDRESS allocator_type allocator_;
    std::size_t size_;
    T* items_;
};

/// When each tag was last invalidated, in bounded memory: how entries by the thousand end in one step.
///
/// An epoch counts what happens here. An entry carries the epoch at which it was stored, its stamp, and the numbers of
/// its tags' records; it is over when one of them was invalidated at a later epoch. A record is of one name, which it
/// knows by a fingerprint of 64 bits. When all records are taken, a new name gets the one that was longest not stored
/// with. Entries of the former name still refer to it; they are told by their stamps, older than the `assigned` epoch
/// of the record, and from then on stand for their family: one of up to 256, by the fingerprint. Whoever invalidates a
/// name that has no record, or that had none for a while, invalidates what stands for its family; and whoever
/// invalidates the name that has got the record invalidates what refers to it: which name's an earlier invalidation was
/// is not known from then on, and nothing that was over comes back.
///
/// Invariants
/// I1  an entry that carries a name, stored with a stamp below the epoch at which that name was invalidated, is over
///     for whoever that invalidation happened before; for ever, since all that `over` reads only grows.
/// I2  while a name has kept its record since an entry was stored, only the invalidation of that name (or of one of the
///     same fingerprint) ends the entry: `max_tags` names, those last stored with, are told apart.
/// I3  nothing is allocated after construction.
///
/// Protocol of a put: the stamp is drawn before the value is handed in, under the mutex that an invalidation holds.
/// An invalidation therefore ends every entry that was stored before it, and every entry whose put had drawn its stamp
/// before it, no matter when that put reaches the cache. Likewise a value that was loaded: `stamp_since(tags, then)`
/// refuses when a tag was invalidated after the epoch `then`, drawn when the load began. A name without a record leaves
/// a trace of its invalidation in its family, so that this holds for names that nobody had stored with.
///
/// Thread safety: any thread, any member. `over` takes no lock: it runs under the lock of a shard. Complexity: O(1) a
/// name. Blocks: for the mutex, held for at most eight names' steps.
template <class Sync, class Allocator>
class tag_table {
    template <class T>
    using atomic = typename Sync::template atomic<T>;

public:
    static constexpr std::size_t most_tags = 0xffff;

    /// Expects: 1 <= max_tags <= most_tags. There is a record for each tag of one entry, even so.
    tag_table(std::size_t max_tags, const keyed_hash& hash, const Allocator& allocator)
        : hash_(hash),
          records_(max_tags < tag_list::capacity ? tag_list::capacity : max_tags, allocator),
          buckets_(std::bit_ceil(records_.size()), allocator),
          families_(std::bit_ceil(records_.size()) < max_families ? std::bit_ceil(records_.size()) : max_families,
                    allocator) {}
    tag_table(const tag_table&) = delete;
    tag_table& operator=(const tag_table&) = delete;

    /// Where time stands: what is invalidated from now on is invalidated after it.
    [[nodiscard]] std::uint64_t now() const noexcept { return epoch_.load(std::memory_order_acquire); }

    /// The note of an entry that is stored with these tags from now on.
    [[nodiscard]] tag_note stamp(const tag_list& tags) noexcept {
        if (tags.empty()) return {};
        const tag_list names = hashed(tags);
        const std::lock_guard held(mutex_);
        return stamp_named(names);
    }
    /// The same for a value that was made since the epoch `then`; none if one of its tags was invalidated after that,
    /// or may have been.
    [[nodiscard]] std::optional<tag_note> stamp_since(const tag_list& tags, std::uint64_t then) noexcept {
        if (tags.empty()) return tag_note{};
        const tag_list names = hashed(tags);
        const std::lock_guard held(mutex_);
        for (std::size_t i = 0; i < names.size(); ++i)
            if (invalidated_since(names.prints_[i], then)) return std::nullopt;
        return stamp_named(names);
    }

    /// Effects: the entries that were stored with `name` are over. Returns: whether there may have been any.
    bool invalidate(std::string_view name) noexcept {
        const std::uint64_t print = hash_(tag_list::fingerprint(name));
        const std::lock_guard held(mutex_);
        const std::uint64_t moment = next_epoch();
        ++invalidations_;
        const std::uint16_t at = find(print);
        bool any = false;
        if (at != nil) {
            record& known = records_[at];
            any = may_have_entries(known);
            known.invalidated.store(moment, std::memory_order_relaxed);  // see over()
            move_to_oldest(at);
        }
        if (at == nil || family_of(print).had_entries_before(assigned(records_[at])))
            any = invalidate_family(family_of(print), moment) || any;
        // Released with what it stands for: a sweep that begins at this epoch sees all that ended at it.
        if (any) ended_.store(moment, std::memory_order_release);
        return any;
    }

    /// Whether an entry with this note is over. Relaxed: whoever must see an invalidation is ordered after it already,
    /// and so reads what it wrote or newer; what is read only grows, so nothing that is over comes back.
    [[nodiscard]] PLATEAU_ALWAYS_INLINE bool over(const tag_note& note) const noexcept {
        if (note.records[0] == 0) return false;
        return over_by_tags(note);
    }
    /// Effects: a sweep is due, for an entry that was over before it got to its place.
    void sweep_again() noexcept {
        const std::lock_guard held(mutex_);
        ended_.store(next_epoch(), std::memory_order_release);
    }
    /// Another number whenever more entries may be over.
    [[nodiscard]] std::uint64_t ended() const noexcept { return ended_.load(std::memory_order_acquire); }

    struct figures {
        std::uint64_t names = 0;          ///< told apart now
        std::uint64_t displaced = 0;      ///< names that lost their record to another while entries might carry them
        std::uint64_t invalidations = 0;  ///< calls
    };
    [[nodiscard]] figures stats() const noexcept {
        const std::lock_guard held(mutex_);
        return {used_, displaced_, invalidations_};
    }
    /// What it allocated.
    [[nodiscard]] std::size_t bytes() const noexcept { return records_.bytes() + buckets_.bytes() + families_.bytes(); }

    /// Every name is found, in the order of use and in its bucket once each. A violation otherwise. For tests.
    void check_invariants() const noexcept {
        const std::lock_guard held(mutex_);
        std::size_t in_order = 0;
        std::uint16_t newer = nil;
        for (std::uint16_t at = newest_; at != nil; newer = at, at = records_[at].older) {
            const record& one = records_[at];
            PLATEAU_EXPECTS(one.newer == newer, "tags: the order of use is linked both ways");
            PLATEAU_EXPECTS(find(one.name) == at, "tags: each name is found where it stands");
            PLATEAU_EXPECTS(assigned(one) <= one.stored || one.stored == 0,
                            "tags: a record is stored with by its name");
            PLATEAU_EXPECTS(++in_order <= used_, "tags: the order of use holds each record once");
        }
        PLATEAU_EXPECTS(newer == oldest_ && in_order == used_, "tags: the order of use holds every record");
        std::size_t in_buckets = 0;
        for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket)
            for (std::uint16_t at = buckets_[bucket].first; at != nil; at = records_[at].next) ++in_buckets;
        PLATEAU_EXPECTS(in_buckets == used_, "tags: the buckets hold every record once");
    }

private:
    static constexpr std::uint16_t nil = 0xffff;
    static constexpr std::size_t max_families = 256;

    /// Written under the mutex; what `over` reads is atomic.
    struct record {
        atomic<std::uint64_t> assigned{0};     ///< the epoch at which it went to the name that it has
        atomic<std::uint64_t> invalidated{0};  ///< the latest; of a former name, if that is before `assigned`
        std::uint64_t name = 0;
        std::uint64_t stored = 0;  ///< the latest stamp that was drawn for the name
        std::uint16_t next = nil;  ///< in its bucket
        std::uint16_t newer = nil;
        std::uint16_t older = nil;
    };
    struct bucket_head {
        std::uint16_t first = nil;
    };
    struct family {
        atomic<std::uint64_t> invalidated{0};  ///< the latest, of the entries that stand for the family
        std::uint64_t traced = 0;              ///< the latest invalidation of any of its names that has no record
        std::uint64_t displaced = 0;           ///< when the first entries since `invalidated` came to stand for it

        /// Whether a name whose record was assigned at `moment` may have entries that stand for the family.
        [[nodiscard]] bool had_entries_before(std::uint64_t moment) const noexcept {
            return displaced != 0 && displaced < moment;
        }
    };
    [[nodiscard]] static std::uint64_t assigned(const record& of) noexcept {
        return of.assigned.load(std::memory_order_relaxed);
    }
    [[nodiscard]] static std::uint64_t invalidated(const record& of) noexcept {
        return of.invalidated.load(std::memory_order_relaxed);
    }
    [[nodiscard]] static bool may_have_entries(const record& of) noexcept { return of.stored >= invalidated(of); }

    [[nodiscard]] bool over_by_tags(const tag_note& note) const noexcept {
        for (std::size_t i = 0; i < tag_list::capacity && note.records[i] != 0; ++i) {
            const record& at = records_[note.records[i] - 1U];
            if (invalidated(at) > note.stamp) return true;
            if (assigned(at) > note.stamp &&
                families_[note.families[i]].invalidated.load(std::memory_order_relaxed) > note.stamp)
                return true;
        }
        return false;
    }

    /// Under the table's secret: where a name stands is nobody's to choose.
    [[nodiscard]] tag_list hashed(const tag_list& tags) const noexcept {
        tag_list names;
        for (; names.size_ < tags.size_; ++names.size_) names.prints_[names.size_] = hash_(tags.prints_[names.size_]);
        return names;
    }

    // ---- under the mutex

    /// Released to `now()`: whoever draws this epoch sees what the caller did before he invalidated.
    std::uint64_t next_epoch() noexcept {
        const std::uint64_t next = epoch_.load(std::memory_order_relaxed) + 1;
        epoch_.store(next, std::memory_order_release);
        return next;
    }

    [[nodiscard]] std::uint8_t family_number(std::uint64_t print) const noexcept {
        return static_cast<std::uint8_t>((print >> 56) & (families_.size() - 1));
    }
    [[nodiscard]] family& family_of(std::uint64_t print) noexcept { return families_[family_number(print)]; }
    [[nodiscard]] std::uint16_t& bucket_of(std::uint64_t print) noexcept {
        return buckets_[print & (buckets_.size() - 1)].first;
    }
    [[nodiscard]] std::uint16_t find(std::uint64_t print) const noexcept {
        std::uint16_t at = buckets_[print & (buckets_.size() - 1)].first;
        while (at != nil && records_[at].name != print) at = records_[at].next;
        return at;
    }

    [[nodiscard]] bool invalidated_since(std::uint64_t print, std::uint64_t then) noexcept {
        const std::uint16_t at = find(print);
        if (at != nil) {
            const record& known = records_[at];
            if (invalidated(known) > then && invalidated(known) > assigned(known)) return true;
            if (assigned(known) <= then) return false;
        }
        return family_of(print).traced > then;
    }

    /// All names have their records before the stamp is drawn: an epoch at which one was assigned is none of it.
    [[nodiscard]] tag_note stamp_named(const tag_list& names) noexcept {
        tag_note note;
        // Who is used now gives its record to none of the names that follow: those that have one come first.
        for (std::size_t i = 0; i < names.size(); ++i)
            if (const std::uint16_t known = find(names.prints_[i]); known != nil) move_to_newest(known);
        for (std::size_t i = 0; i < names.size(); ++i) {
            const std::uint16_t known = find(names.prints_[i]);
            const std::uint16_t at = known != nil ? known : assign(names.prints_[i]);
            move_to_newest(at);
            note.records[i] = static_cast<std::uint16_t>(at + 1);
            note.families[i] = family_number(names.prints_[i]);
        }
        note.stamp = epoch_.load(std::memory_order_relaxed);
        for (std::size_t i = 0; i < names.size(); ++i) records_[note.records[i] - 1U].stored = note.stamp;
        return note;
    }

    [[nodiscard]] std::uint16_t assign(std::uint64_t print) noexcept {
        const std::uint64_t moment = next_epoch();
        std::uint16_t at = oldest_;
        if (used_ < records_.size()) {
            at = static_cast<std::uint16_t>(used_++);
            link_oldest(at);
        } else {
            displace(records_[at], moment);
        }
        record& given = records_[at];
        given.assigned.store(moment, std::memory_order_relaxed);  // see over()
        given.name = print;
        given.stored = 0;
        std::uint16_t& first = bucket_of(print);
        given.next = std::exchange(first, at);
        return at;
    }
    /// Effects: the record is nobody's; the entries that may carry its name stand for the family from now on.
    void displace(const record& from, std::uint64_t moment) noexcept {
        family& heir = family_of(from.name);
        if (heir.traced < invalidated(from)) heir.traced = invalidated(from);
        if (may_have_entries(from)) {
            if (heir.displaced == 0) heir.displaced = moment;
            ++displaced_;
        }
        std::uint16_t* link = &bucket_of(from.name);
        while (&records_[*link] != &from) link = &records_[*link].next;
        *link = from.next;
    }

    /// Returns: whether entries may have stood for it.
    bool invalidate_family(family& all, std::uint64_t moment) noexcept {
        all.traced = moment;
        if (all.displaced == 0) return false;
        all.invalidated.store(moment, std::memory_order_relaxed);  // see over()
        all.displaced = 0;
        return true;
    }

    void unlink(std::uint16_t at) noexcept {
        const record& one = records_[at];
        (one.newer != nil ? records_[one.newer].older : newest_) = one.older;
        (one.older != nil ? records_[one.older].newer : oldest_) = one.newer;
    }
    void link_oldest(std::uint16_t at) noexcept {
        record& one = records_[at];
        one.older = nil;
        one.newer = oldest_;
        (oldest_ != nil ? records_[oldest_].older : newest_) = at;
        oldest_ = at;
    }
    void move_to_newest(std::uint16_t at) noexcept {
        if (at == newest_) return;
        unlink(at);
        record& one = records_[at];
        one.newer = nil;
        one.older = newest_;
        (newest_ != nil ? records_[newest_].newer : oldest_) = at;
        newest_ = at;
    }
    /// Nothing live carries it any more: it is the first to go.
    void move_to_oldest(std::uint16_t at) noexcept {
        if (at == oldest_) return;
        unlink(at);
        link_oldest(at);
    }

    const keyed_hash hash_;
    fixed_array<record, Allocator> records_;
    fixed_array<bucket_head, Allocator> buckets_;
    fixed_array<family, Allocator> families_;
    atomic<std::uint64_t> epoch_{1};  // written under the mutex; above 0, which is the stamp of no tags
    atomic<std::uint64_t> ended_{0};  // likewise
    mutable typename Sync::mutex mutex_;
    std::size_t used_ = 0;
    std::uint16_t newest_ = nil;  // stored with
    std::uint16_t oldest_ = nil;
    std::uint64_t displaced_ = 0;
    std::uint64_t invalidations_ = 0;
};

}
PLATEAU_NAMESPACE_END
