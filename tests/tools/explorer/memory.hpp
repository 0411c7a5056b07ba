// SPDX-License-Identifier: MIT
/// What virtual threads share, as C++20 describes it, executed step by step.
///
/// Each atomic has a place: a list of messages in modification order. Each thread has a view: for each place the oldest
/// message that it may still read, and for each thread how far it has seen that one go (a vector clock). A release
/// write leaves a copy of the writer's view in its message, an acquire read takes it over; a read-modify-write reads
/// the newest message, and hands on the view that it found there (a release sequence). A seq_cst read reads nothing
/// older than what a seq_cst operation on the same place has written or read before. The order of execution is the
/// single order of the seq_cst operations. Mutexes and parkers release and acquire.
///
/// In sequential mode there are no messages: every read sees the last write and acquires what it released, whatever
/// order the code names.
///
/// What this cannot see, because a write takes effect where it is executed: any execution in which program order,
/// reads-from, modification order and the order of the seq_cst operations form a cycle. Those are load buffering, 2+2W
/// and S by relaxed stores, and seq_cst operations that are ordered against a chain of weaker ones (Z6.U); hardware of
/// today shows some of them on ARM and POWER for relaxed operations. Nor values out of thin air. Fences are not
/// modelled: the library has none.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace plateau_test::explorer {

/// A moment of a thread, or the position of a message in its place.
using stamp = std::uint16_t;

inline constexpr unsigned max_threads = 8;  // thread 0 is the body of the scenario
inline constexpr unsigned max_places = 248;
inline constexpr std::uint32_t none = 0xffff'ffffU;
inline constexpr unsigned nobody = max_threads;

[[nodiscard]] constexpr bool acquires(std::memory_order order) noexcept {
    return order != std::memory_order_relaxed && order != std::memory_order_release;
}
[[nodiscard]] constexpr bool releases(std::memory_order order) noexcept {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}

enum class object_kind : std::uint8_t { atomic, mutex, parker, value };
/// How a trace writes the bits of one.
enum class word_shape : std::uint8_t { plain, with_sign, pointer };

/// What is known of an explored object during one execution.
struct object {
    const void* address;
    const char* name;  ///< null unless the scenario gave it one
    object_kind kind;
    bool alive;
    word_shape shape;
    std::uint8_t bytes;
    std::uint8_t maker;          ///< the thread that constructed it
    std::uint8_t holder;         ///< of a mutex, or nobody
    std::uint8_t writer;         ///< the last one of a value
    stamp made;                  ///< moment of `maker`
    stamp wrote;                 ///< moment of `writer`, or 0
    stamp newest_stamp;          ///< of `newest` in its place
    stamp seq_cst_floor;         ///< the oldest that a seq_cst read may see
    std::uint16_t place;         ///< in weak mode, of an atomic or a parker
    std::uint32_t newest;        ///< message
    std::uint32_t released;      ///< view: what a mutex's last unlock released, or in sequential mode the last write
    stamp touched[max_threads];  ///< each thread's last access; of a value: its last read
};

class memory {
public:
    void begin(bool weak) noexcept {
        weak_ = weak;
        object_count_ = 0;
        places_ = 0;
        messages_.clear();
        used_ = 1;
        for (view& each : views_) std::fill_n(each.at, max_threads, stamp{0});
        for (unsigned t = 0; t < max_threads; ++t) views_[t].at[t] = 1;  // 0 is before all moments
    }

    // ---- objects

    /// Returns: its number, or none when there are too many.
    [[nodiscard]] std::uint32_t make(object_kind kind, word_shape shape, const void* address, std::uint64_t bits,
                                     unsigned bytes, unsigned thread) {
        if (object_count_ == objects_.size()) objects_.resize(objects_.size() * 2 + 64);
        object& made = objects_[object_count_];
        made = {};
        made.address = address;
        made.kind = kind;
        made.alive = true;
        made.shape = shape;
        made.bytes = static_cast<std::uint8_t>(bytes);
        made.maker = static_cast<std::uint8_t>(thread);
        made.holder = nobody;
        made.writer = nobody;
        made.made = now(thread);
        if (weak_ && (kind == object_kind::atomic || kind == object_kind::parker)) {
            if (places_ == max_places) return none;
            made.place = static_cast<std::uint16_t>(max_threads + places_++);
            for (view& each : views_) each.at[made.place] = 0;
            made.newest = static_cast<std::uint32_t>(messages_.size());
            messages_.push_back({bits, none, 0});
        }
        return object_count_++;
    }
    [[nodiscard]] std::uint32_t object_count() const noexcept { return object_count_; }
    [[nodiscard]] object& at(std::uint32_t id) noexcept { return objects_[id]; }
    [[nodiscard]] std::size_t number_of(const object& o) const noexcept {
        return static_cast<std::size_t>(&o - objects_.data());
    }

    // ---- happens-before

    [[nodiscard]] stamp now(unsigned thread) const noexcept { return views_[thread].at[thread]; }
    /// What the thread does from here on is not part of what it has released so far.
    void step(unsigned thread) noexcept { ++views_[thread].at[thread]; }
    [[nodiscard]] bool sees(unsigned thread, unsigned other, stamp moment) const noexcept {
        return views_[thread].at[other] >= moment;
    }
    [[nodiscard]] bool sees_made(unsigned thread, const object& o) const noexcept {
        return sees(thread, o.maker, o.made);
    }
    void touch(unsigned thread, object& o) noexcept { o.touched[thread] = now(thread); }
    /// Returns: a thread whose last access to `o` does not happen before this moment of `thread`, or nobody.
    [[nodiscard]] unsigned touched_unseen(unsigned thread, const object& o) const noexcept {
        for (unsigned other = 0; other < max_threads; ++other)
            if (!sees(thread, other, o.touched[other])) return other;
        return nobody;
    }
    [[nodiscard]] bool sees_write(unsigned thread, const object& o) const noexcept {
        return o.writer == nobody || sees(thread, o.writer, o.wrote);
    }

    void start_thread(unsigned thread) noexcept {
        const stamp own = now(thread);
        std::copy_n(views_[0].at, view_length(), views_[thread].at);
        if (own > now(thread)) views_[thread].at[thread] = own;
    }
    void join_thread(unsigned thread) noexcept { join(views_[0], views_[thread].at, view_length()); }

    // ---- mutexes

    void acquire_from(unsigned thread, const object& o) noexcept { acquire(thread, o.released); }
    void release_into(unsigned thread, object& o) { o.released = copy(thread); }

    // ---- atomics

    /// The messages older than the newest that this read may see, by how much older they are. Of those that give the
    /// same bits and the same view only the oldest: what may follow a read of a newer one may follow that as well.
    /// Valid until the next call.
    [[nodiscard]] const std::vector<unsigned>& older_readable(unsigned thread, const object& o,
                                                              std::memory_order order) {
        ages_.clear();
        stamp floor = views_[thread].at[o.place];
        if (order == std::memory_order_seq_cst && floor < o.seq_cst_floor) floor = o.seq_cst_floor;
        const auto most = static_cast<unsigned>(o.newest_stamp - floor);
        std::uint32_t at = o.newest;
        for (unsigned age = 1; age <= most; ++age) {
            at = messages_[at].older;
            const auto same = std::find_if(ages_.begin(), ages_.end(), [&](unsigned other) {
                const message& seen = messages_[older(o, other)];
                return seen.bits == messages_[at].bits && (!acquires(order) || seen.released == messages_[at].released);
            });
            if (same == ages_.end()) ages_.push_back(age);
            else *same = age;
        }
        return ages_;
    }
    [[nodiscard]] std::uint64_t bits_of(const object& o, unsigned age) const noexcept {
        return messages_[older(o, age)].bits;
    }
    /// Effects: the thread has read the message that is `age` older than the newest.
    void read(unsigned thread, object& o, unsigned age, std::memory_order order) noexcept {
        if (!weak_) return acquire(thread, o.released);
        const auto seen = static_cast<stamp>(o.newest_stamp - age);
        stamp& known = views_[thread].at[o.place];
        if (known < seen) known = seen;
        if (acquires(order)) acquire(thread, messages_[older(o, age)].released);
        if (order == std::memory_order_seq_cst && o.seq_cst_floor < seen) o.seq_cst_floor = seen;
    }
    /// `of_rmw`: right after read(thread, o, 0, order).
    void write(unsigned thread, object& o, std::uint64_t bits, std::memory_order order, bool of_rmw) {
        if (!weak_) {
            o.released = copy(thread);
            return;
        }
        const std::uint32_t older = o.newest;
        o.newest = static_cast<std::uint32_t>(messages_.size());
        views_[thread].at[o.place] = ++o.newest_stamp;
        std::uint32_t released = of_rmw ? messages_[older].released : 0;
        if (releases(order)) {
            const std::uint32_t found = released;
            released = copy(thread);
            if (found != 0) merge(released, found);
        }
        messages_.push_back({bits, older, released});
        if (order == std::memory_order_seq_cst) o.seq_cst_floor = o.newest_stamp;
    }
    /// A write that no thread can look behind, as in the body of a scenario.
    void overwrite(object& o, std::uint64_t bits) noexcept {
        if (weak_) messages_[o.newest].bits = bits;
    }

private:
    struct view {
        stamp at[max_threads + max_places] = {};
    };
    struct message {
        std::uint64_t bits;
        std::uint32_t older;
        std::uint32_t released;  ///< a stored view, 0 for none
    };

    [[nodiscard]] std::size_t view_length() const noexcept { return max_threads + places_; }
    [[nodiscard]] std::uint32_t older(const object& o, unsigned age) const noexcept {
        std::uint32_t at = o.newest;
        for (; age != 0; --age) at = messages_[at].older;
        return at;
    }

    // Stored views: their length, then that many stamps. What came into being later stands at 0 for them.
    [[nodiscard]] std::uint32_t copy(unsigned thread) {
        const std::size_t length = view_length();
        if (used_ + 1 + length > stored_.size()) stored_.resize(stored_.size() * 2 + 4096);
        const std::size_t at = used_;
        stored_[at] = static_cast<stamp>(length);
        std::copy_n(views_[thread].at, length, &stored_[at + 1]);
        used_ += 1 + length;
        return static_cast<std::uint32_t>(at);
    }
    void acquire(unsigned thread, std::uint32_t stored) noexcept {
        if (stored != 0) join(views_[thread], &stored_[stored + 1], stored_[stored]);
    }
    /// Both stored; `into` is the longer one.
    void merge(std::uint32_t into, std::uint32_t from) noexcept {
        for (std::size_t i = 1; i <= stored_[from]; ++i)
            stored_[into + i] = std::max(stored_[into + i], stored_[from + i]);
    }
    static void join(view& into, const stamp* from, std::size_t length) noexcept {
        for (std::size_t i = 0; i < length; ++i) into.at[i] = std::max(into.at[i], from[i]);
    }

    bool weak_ = false;
    std::uint32_t object_count_ = 0;
    unsigned places_ = 0;
    std::vector<object> objects_;
    view views_[max_threads];
    std::vector<message> messages_;
    std::vector<unsigned> ages_;
    std::vector<stamp> stored_;
    std::size_t used_ = 1;
};

}  // namespace plateau_test::explorer
