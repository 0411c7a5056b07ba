// SPDX-License-Identifier: MIT
/// Virtual threads on one thread of the system, one running at a time, and each choice of who runs next, which write a
/// load sees and whether a wait times out taken from a tape.
///
/// A thread stops before each of its operations (of an explored atomic, mutex or parker); then the next thread to make
/// an operation is chosen. Leaving a thread that could go on costs a preemption. A thread that waits for a mutex or a
/// parker cannot go on until it would get through; one that pauses cannot go on until another thread has made an
/// operation, so that a spin loop takes no more executions than what it waits for.
#pragma once

#include "tools/explorer/choice_tape.hpp"
#include "tools/explorer/fiber.hpp"
#include "tools/explorer/memory.hpp"
#include "tools/explorer/report.hpp"

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace plateau_test::explorer {

/// What an explored object has in it. The bits are the last write: all that counts outside an execution.
struct word {
    std::uint64_t bits = 0;
    std::uint32_t id = none;
};

class machine {
public:
    /// The machine whose execution runs now, or null: then explored objects are plain ones.
    static inline machine* active = nullptr;

    using body = void (*)(void*);

    machine(const explore_options& bounds, body f, void* scenario) : bounds_(bounds), body_(f), scenario_(scenario) {}
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;

    /// Effects: one execution along `tape`, from the start of the body to its end or to the first failure.
    void execute(choice_tape& tape, bool tracing) {
        tape_ = &tape;
        tape.rewind();
        tracing_ = tracing;
        trace_.clear();
        pointers_.clear();
        failure_.clear();
        memory_.begin(is_weak());
        declared_ = started_ = 0;
        live_ = fresh_ = yielded_ = spun_ = 0;
        preempted_ = stale_ = steps_ = idle_ = 0;
        last_object_ = none;
        current_ = 0;
        threads_[0].name = "(body)";
        threads_[0].context.prepare(&run_body, this);
        active = this;
        fiber::switch_to(root_, threads_[0].context);
        active = nullptr;
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    }
    [[nodiscard]] bool failed() const noexcept { return !failure_.empty(); }
    [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
    /// One line a step, the middle of a long one left out.
    [[nodiscard]] std::string trace() const {
        static constexpr std::size_t shown_lines = 200;
        std::string lines;
        for (std::size_t i = 0; i < trace_.size(); ++i) {
            if (trace_.size() > shown_lines && i == shown_lines / 2) {
                lines += "  ... " + std::to_string(trace_.size() - shown_lines) + " steps\n";
                i = trace_.size() - shown_lines / 2;
            }
            lines += trace_[i];
        }
        return lines;
    }

    // ---- for the body

    template <class F>
    void declare(const char* name, F f) {
        static_assert(sizeof(F) <= sizeof(virtual_thread::function), "capture by reference");
        if (declared_ + 1 == max_threads) fail("more than seven threads were declared");
        virtual_thread& made = threads_[++declared_];
        made.name = name;
        ::new (static_cast<void*>(made.function)) F(std::move(f));
        made.call = [](void* stored) { (*static_cast<F*>(stored))(); };
        made.end = [](void* stored) { static_cast<F*>(stored)->~F(); };
    }

    /// Effects: runs the threads declared since the last run, and joins them.
    void run() {
        const unsigned first = started_ + 1;
        if (running() || first > declared_) return;
        for (unsigned t = first; t <= declared_; ++t) {
            memory_.start_thread(t);
            threads_[t].waits = wait::nothing;
            threads_[t].just_chosen = false;
            threads_[t].context.prepare(&run_thread, this);
            live_ |= bit(t);
            fresh_ |= bit(t);
        }
        memory_.step(0);
        started_ = declared_;
        give_way(false);
        for (unsigned t = first; t <= declared_; ++t) {
            memory_.join_thread(t);
            threads_[t].end(threads_[t].function);
        }
    }

    void name(const word& w, const char* name) {
        if (is_here(w)) memory_.at(w.id).name = name;
    }

    /// Ends the execution. What the threads have on their stacks is abandoned.
    [[noreturn]] void fail(std::string sentence) noexcept {
        if (tracing_) note("-> " + sentence);
        failure_ = std::move(sentence);
        // Reached where not even a destructor may run: the sentence is moved, nothing else is owned here.
        fiber::switch_to(threads_[current_].context, root_);
        std::abort();
    }

    // ---- objects

    void make(word& w, object_kind kind, word_shape shape, unsigned bytes) {
        w.id = memory_.make(kind, shape, &w, w.bits, bytes, current_);
        if (w.id == none) fail("more atomics and parkers in one execution than the model has places for");
    }
    void unmake(word& w) {
        if (!is_here(w)) return;
        object& o = memory_.at(w.id);
        o.alive = false;
        if (o.holder != nobody) fail(what(o) + " was destroyed while " + threads_[o.holder].name + " held it");
        check_seen(o, "was destroyed");
        if (!memory_.sees_write(current_, o))
            fail("data race: " + what(o) + " was destroyed, and nothing orders that after the write of " +
                 threads_[o.writer].name);
        w.id = none;
    }

    // ---- operations

    [[nodiscard]] std::uint64_t load(const word& w, std::memory_order order) {
        before(wait::nothing, w);
        object& o = reach(w);
        const unsigned older = choose_older(o, order);
        const std::uint64_t bits = older == 0 ? w.bits : memory_.bits_of(o, older);
        memory_.read(current_, o, older, order);
        after();
        if (tracing_) note_operation("load", order, o, bits, older);
        return bits;
    }
    void store(word& w, std::uint64_t bits, std::memory_order order) {
        before(wait::nothing, w);
        object& o = reach(w);
        if (bits != w.bits) progressed();
        w.bits = bits;
        written(o, bits, order, false);
        after();
        if (tracing_) note_operation("store", order, o, bits);
    }
    template <class F>
    std::uint64_t modify(word& w, std::memory_order order, const char* verb, F next) {
        before(wait::nothing, w);
        object& o = reach(w);
        const std::uint64_t old = w.bits;
        memory_.read(current_, o, 0, order);
        if (const std::uint64_t bits = next(old); bits != old) {
            progressed();
            w.bits = bits;
        }
        written(o, w.bits, order, true);
        after();
        if (tracing_) note_operation(verb, order, o, w.bits, 0, "was " + shown(o, old));
        return old;
    }
    [[nodiscard]] bool compare_exchange(word& w, std::uint64_t& expected, std::uint64_t desired,
                                        std::memory_order success, std::memory_order failure, bool may_fail) {
        before(wait::nothing, w);
        object& o = reach(w);
        const bool equal = w.bits == expected;
        const choice_of_exchange how = choose_exchange(o, equal, expected, failure, equal && may_fail);
        if (equal && !how.fails) {
            memory_.read(current_, o, 0, success);
            if (desired != w.bits) progressed();
            w.bits = desired;
            written(o, desired, success, true);
            after();
            if (tracing_) note_operation("compare_exchange", success, o, desired, 0, "was " + shown(o, expected));
            return true;
        }
        const std::uint64_t bits = how.older == 0 ? w.bits : memory_.bits_of(o, how.older);
        memory_.read(current_, o, how.older, failure);
        after();
        if (tracing_)
            note_operation("compare_exchange", failure, o, bits, how.older, "fails, expected " + shown(o, expected));
        expected = bits;
        return false;
    }

    void lock(word& w) {
        before(wait::lock, w);
        object& o = reach(w);
        if (o.holder != nobody) fail(what(o) + " is locked already, and this is the only thread");
        taken(o);
        if (tracing_) note("lock " + what(o));
    }
    [[nodiscard]] bool try_lock(word& w) {
        before(wait::nothing, w);
        object& o = reach(w);
        const bool free = o.holder == nobody;
        if (free) taken(o);
        if (tracing_) note("try_lock " + what(o) + (free ? "" : " in vain"));
        return free;
    }
    void unlock(word& w) {
        before(wait::nothing, w);
        object& o = reach(w);
        if (o.holder != current_) fail(what(o) + " was unlocked by a thread that does not hold it");
        o.holder = nobody;
        memory_.release_into(current_, o);
        after();
        if (tracing_) note("unlock " + what(o));
    }

    void sleep(word& w) {
        before(wait::sleep, w);
        object& o = reach(w);
        if (w.bits == 0) fail("a sleep on " + what(o) + " that nobody can end");
        woken(o);
        if (tracing_) note("sleep on " + what(o) + " ends");
    }
    [[nodiscard]] bool sleep_or_time_out(word& w) {
        before(wait::sleep_or_time_out, w);
        object& o = reach(w);
        const bool signalled = w.bits != 0;
        if (signalled) woken(o);
        else after();
        if (tracing_) note("sleep_until on " + what(o) + (signalled ? " ends" : " times out"));
        return signalled;
    }
    void signal(word& w) {
        before(wait::nothing, w);
        object& o = reach(w);
        if (w.bits != 0) fail(what(o) + " was signalled twice");
        progressed();
        w.bits = 1;
        written(o, 1, std::memory_order_release, false);
        after();
        if (tracing_) note("signal " + what(o));
    }
    /// Of a parker, by its owner, while no other thread knows of it.
    void reset(word& w) {
        object& o = reach(w);
        check_seen(o, "was reset");
        w.bits = 0;
        written(o, 0, std::memory_order_relaxed, false);
        after();
        if (tracing_) note("reset " + what(o));
    }

    void pause() {
        if (!running()) return;
        yielded_ |= bit(current_);
        spun_ |= bit(current_);
        threads_[current_].yielded_at = steps_;
        if (++idle_ > patience && spinners() == waiting_for_nothing()) fail("no thread makes progress:" + states());
        count_step();
        choose_thread(wait::nothing, nullptr);
        yielded_ &= ~bit(current_);
        if (tracing_) note("pause");
    }

    // ---- plain data

    void read_value(const word& w) {
        object& o = reach_value(w, "read");
        if (!memory_.sees_write(current_, o)) race(o, "reads", o.writer, "wrote");
        memory_.touch(current_, o);
    }
    void write_value(word& w) {
        object& o = reach_value(w, "written");
        if (!memory_.sees_write(current_, o)) race(o, "writes", o.writer, "wrote");
        if (const unsigned other = memory_.touched_unseen(current_, o); other != nobody)
            race(o, "writes", other, "read");
        o.writer = static_cast<std::uint8_t>(current_);
        o.wrote = memory_.now(current_);
    }

    // ---- who

    [[nodiscard]] const void* thread_id() const noexcept { return &threads_[current_]; }

private:
    enum class wait : std::uint8_t { nothing, lock, sleep, sleep_or_time_out };
    struct virtual_thread {
        fiber context;
        const char* name = "";
        wait waits = wait::nothing;
        const word* on = nullptr;
        bool just_chosen = false;  ///< before its first operation: that one was chosen together with the thread
        std::uint32_t yielded_at = 0;
        void (*call)(void*) = nullptr;
        void (*end)(void*) = nullptr;
        alignas(std::max_align_t) std::byte function[256] = {};
    };
    struct way {
        std::uint8_t thread;
        std::uint8_t cost;
    };
    struct choice_of_exchange {
        bool fails = false;
        unsigned older = 0;
    };
    static constexpr std::uint32_t patience = 200;  // pauses of threads that all spin, before they are said to hang

    static constexpr unsigned bit(unsigned thread) noexcept { return 1U << thread; }
    [[nodiscard]] bool is_weak() const noexcept { return bounds_.mode == explore_mode::weak; }
    [[nodiscard]] bool running() const noexcept { return current_ != 0; }

    // ---- fibers

    static void run_body(void* self) noexcept {
        auto& in = *static_cast<machine*>(self);
        try {
            in.body_(in.scenario_);
        } catch (...) {
            in.thrown_ = std::current_exception();
        }
        fiber::switch_to(in.threads_[0].context, in.root_);
    }
    static void run_thread(void* self) noexcept {
        auto& in = *static_cast<machine*>(self);
        virtual_thread& me = in.threads_[in.current_];
        const char* thrown = nullptr;
        try {
            me.call(me.function);
        } catch (const std::exception& error) {
            in.fail(std::string("a thread threw an exception: ") + error.what());
        } catch (...) {
            thrown = "a thread threw something that is no std::exception";
        }
        if (thrown != nullptr) in.fail(thrown);
        in.end_thread();
    }
    void end_thread() {
        live_ &= ~bit(current_);
        yielded_ = 0;
        progressed();
        if (tracing_) note("ends");
        give_way(false);
        std::abort();
    }

    // ---- whose turn it is

    void before(wait what_for, const word& w) {
        if (!running()) return;
        count_step();
        choose_thread(what_for, &w);
        yielded_ = 0;
    }
    void count_step() {
        if (++steps_ > bounds_.max_steps)
            fail("an execution took more than " + std::to_string(bounds_.max_steps) + " steps:" + states());
    }
    void choose_thread(wait what_for, const word* w) {
        virtual_thread& me = threads_[current_];
        me.waits = what_for;
        me.on = w;
        last_object_ = w == nullptr ? none : w->id;
        const bool can_go_on = may_go_on(current_);
        if (std::exchange(me.just_chosen, false) && can_go_on) return;
        if (!can_go_on || preempted_ < bounds_.preemptions) give_way(can_go_on);
    }

    [[nodiscard]] bool may_go_on(unsigned thread) {
        if (((live_ & ~yielded_) & bit(thread)) == 0) return false;
        const virtual_thread& it = threads_[thread];
        if (it.waits == wait::nothing) return true;
        if (it.waits == wait::lock) return !is_here(*it.on) || memory_.at(it.on->id).holder == nobody;
        return !is_here(*it.on) || it.on->bits != 0;
    }
    [[nodiscard]] bool may_time_out(unsigned thread) const noexcept {
        return (live_ & bit(thread)) != 0 && threads_[thread].waits == wait::sleep_or_time_out &&
               threads_[thread].on->bits == 0;
    }

    /// Effects: chooses the thread that makes the next operation, and returns when this one is chosen.
    void give_way(bool can_go_on) {
        if (live_ == 0) return go_to(0);
        way ways[2 * max_threads];
        unsigned count = 0;
        const bool affordable = preempted_ < bounds_.preemptions;
        if (can_go_on) ways[count++] = {static_cast<std::uint8_t>(current_), 0};
        if (!can_go_on || affordable) {
            for (unsigned t = 1; t <= started_; ++t)
                if (t != current_ && may_go_on(t))
                    ways[count++] = {static_cast<std::uint8_t>(t), static_cast<std::uint8_t>(can_go_on)};
        }
        const bool time_passes = count == 0;
        if (affordable || time_passes) {
            for (unsigned t = 1; t <= started_; ++t)
                if (may_time_out(t))
                    ways[count++] = {static_cast<std::uint8_t>(t), static_cast<std::uint8_t>(!time_passes)};
        }
        if (count == 0) return go_to(longest_yielded());
        const way taken = ways[choose(count)];
        preempted_ += taken.cost;
        go_to(taken.thread);
    }
    void go_to(unsigned next) {
        const unsigned left = std::exchange(current_, next);
        if (left == next) return;
        virtual_thread& chosen = threads_[next];
        if (next != 0 && (fresh_ & bit(next)) != 0) {
            fresh_ &= ~bit(next);
            chosen.just_chosen = true;
        }
        fiber::switch_to(threads_[left].context, chosen.context);
    }
    /// Where only threads that pause are left, they look again, the one first that has waited longest.
    [[nodiscard]] unsigned longest_yielded() {
        unsigned found = 0;
        for (unsigned t = 1; t <= started_; ++t) {
            if ((live_ & yielded_ & bit(t)) == 0 || threads_[t].waits != wait::nothing) continue;
            if (found == 0 || threads_[t].yielded_at < threads_[found].yielded_at) found = t;
        }
        if (found == 0) fail("no runnable thread while work exists:" + states());
        return found;
    }
    [[nodiscard]] unsigned waiting_for_nothing() {
        unsigned found = 0;
        for (unsigned t = 1; t <= started_; ++t)
            if ((live_ & bit(t)) != 0 && (threads_[t].waits == wait::nothing || may_go_on(t))) found |= bit(t);
        return found;
    }
    [[nodiscard]] unsigned spinners() { return spun_ & waiting_for_nothing(); }
    void progressed() noexcept {
        spun_ = 0;
        idle_ = 0;
    }

    unsigned choose(unsigned ways) {
        if (ways == 1) return 0;
        const unsigned taken = tape_->choose(ways, (steps_ * max_threads + current_) ^ (last_object_ << 20U));
        if (!tape_->fits()) [[unlikely]]
            fail(misfit);
        return taken;
    }

    // ---- objects

    [[nodiscard]] bool is_here(const word& w) noexcept {
        return w.id < memory_.object_count() && memory_.at(w.id).address == &w && memory_.at(w.id).alive;
    }
    [[nodiscard]] object& known(const word& w) {
        if (!is_here(w)) fail("an object was used after its end, or was not made in this execution");
        object& o = memory_.at(w.id);
        if (!memory_.sees_made(current_, o))
            fail(what(o) + " is used, and nothing orders that after its construction by " + threads_[o.maker].name);
        return o;
    }
    [[nodiscard]] object& reach(const word& w) {
        object& o = known(w);
        memory_.touch(current_, o);
        return o;
    }
    [[nodiscard]] object& reach_value(const word& w, const char* verb) {
        object& o = known(w);
        if (tracing_) note(what(o) + " is " + verb);
        return o;
    }
    void after() noexcept {
        if (running()) memory_.step(current_);
    }
    void written(object& o, std::uint64_t bits, std::memory_order order, bool of_rmw) {
        if (running()) memory_.write(current_, o, bits, order, of_rmw);
        else memory_.overwrite(o, bits);
    }
    void taken(object& o) {
        o.holder = static_cast<std::uint8_t>(current_);
        memory_.acquire_from(current_, o);
        after();
    }
    void woken(object& o) {
        memory_.read(current_, o, 0, std::memory_order_acquire);
        after();
    }

    [[nodiscard]] bool may_be_stale() const noexcept { return is_weak() && running() && stale_ < bounds_.stale; }
    [[nodiscard]] unsigned choose_older(const object& o, std::memory_order order) {
        if (!may_be_stale()) return 0;
        const std::vector<unsigned>& ages = memory_.older_readable(current_, o, order);
        const unsigned taken = choose(1 + static_cast<unsigned>(ages.size()));
        if (taken == 0) return 0;
        ++stale_;
        return ages[taken - 1];
    }
    /// A failing exchange is a load: it may see an older message, if that holds something else. A weak one may fail
    /// without a reason.
    [[nodiscard]] choice_of_exchange choose_exchange(const object& o, bool equal, std::uint64_t expected,
                                                     std::memory_order failure, bool for_no_reason) {
        if (!may_be_stale()) return {!equal, 0};
        const std::vector<unsigned>& ages = memory_.older_readable(current_, o, failure);
        const auto differs = [&](unsigned age) { return memory_.bits_of(o, age) != expected; };
        const auto different = static_cast<unsigned>(std::count_if(ages.begin(), ages.end(), differs));
        unsigned taken = choose(1 + (for_no_reason ? 1U : 0U) + different);
        if (taken == 0) return {!equal, 0};
        ++stale_;
        if (for_no_reason && --taken == 0) return {true, 0};
        auto age = ages.begin();
        while (!differs(*age) || --taken != 0) ++age;
        return {true, *age};
    }

    // ---- words

    void check_seen(const object& o, const char* happened) {
        const unsigned other = memory_.touched_unseen(current_, o);
        if (other == nobody) return;
        fail(what(o) + ' ' + happened + " by " + threads_[current_].name +
             ", and nothing orders that after the last use by " + threads_[other].name);
    }
    [[noreturn]] void race(const object& o, const char* verb, unsigned other, const char* before_that) {
        fail(std::string("data race: ") + threads_[current_].name + ' ' + verb + ' ' + what(o) +
             ", and nothing orders that after " + threads_[other].name + ' ' + before_that + " it");
    }
    [[nodiscard]] std::string what(const object& o) const {
        static constexpr const char* kinds[] = {"atomic", "mutex", "parker", "value"};
        if (o.name != nullptr) return o.name;
        return std::string(kinds[static_cast<unsigned>(o.kind)]) + '#' + std::to_string(memory_.number_of(o));
    }
    /// A pointer by when the trace met it: addresses differ from run to run.
    [[nodiscard]] std::string shown(const object& o, std::uint64_t bits) {
        if (o.shape == word_shape::pointer) {
            if (bits == 0) return "null";
            const auto met = std::find(pointers_.begin(), pointers_.end(), bits);
            const auto number = met - pointers_.begin();
            if (met == pointers_.end()) pointers_.push_back(bits);
            return "pointer " + std::to_string(number);
        }
        const unsigned width = 8U * o.bytes;
        if (o.shape == word_shape::with_sign) {
            if (width < 64 && (bits >> (width - 1)) != 0) bits |= ~std::uint64_t{0} << width;
            return std::to_string(static_cast<std::int64_t>(bits));
        }
        if (bits < 0x1'0000) return std::to_string(bits);
        char text[24];
        std::snprintf(text, sizeof text, "0x%" PRIx64, bits);
        return text;
    }
    [[nodiscard]] std::string states() {
        std::string words;
        for (unsigned t = 1; t <= started_; ++t) {
            if ((live_ & bit(t)) == 0) continue;
            words += words.empty() ? " " : ", ";
            words += threads_[t].name;
            words += state(t);
        }
        return words;
    }
    [[nodiscard]] std::string state(unsigned t) {
        const virtual_thread& it = threads_[t];
        if (it.waits == wait::nothing) return (spun_ & bit(t)) != 0 ? " spins" : " runs";
        if (!is_here(*it.on)) return " waits for what has ended";
        const object& o = memory_.at(it.on->id);
        if (it.waits != wait::lock) return " sleeps on " + what(o);
        const std::string held =
            o.holder == nobody ? " (free)" : std::string(" (held by ") + threads_[o.holder].name + ')';
        return " waits for " + what(o) + held;
    }

    void note(const std::string& line) {
        std::string name = threads_[current_].name;
        name.resize(name.size() < 12 ? 12 : name.size(), ' ');
        trace_.push_back("  " + name + ' ' + line + '\n');
    }
    void note_operation(const char* verb, std::memory_order order, const object& o, std::uint64_t bits,
                        unsigned older = 0, const std::string& more = {}) {
        static constexpr const char* orders[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};
        std::string line =
            std::string(verb) + ' ' + orders[static_cast<unsigned>(order)] + ' ' + what(o) + ": " + shown(o, bits);
        if (older != 0) line += ", " + std::to_string(older) + " older than the last write";
        if (!more.empty()) line += ", " + more;
        note(line);
    }

public:
    static constexpr const char* misfit = "the choices do not fit the code: it has changed since the schedule was "
                                          "recorded, or does not do the same each time";

private:
    const explore_options bounds_;
    const body body_;
    void* const scenario_;
    choice_tape* tape_ = nullptr;
    bool tracing_ = false;
    std::vector<std::string> trace_;
    std::vector<std::uint64_t> pointers_;  // in the order in which the trace met them
    std::string failure_;
    std::exception_ptr thrown_;

    memory memory_;
    fiber root_;
    virtual_thread threads_[max_threads];
    unsigned declared_ = 0;
    unsigned started_ = 0;
    unsigned current_ = 0;
    unsigned live_ = 0;     // bits of threads, and so are these
    unsigned fresh_ = 0;    // not entered yet
    unsigned yielded_ = 0;  // no other thread has made an operation since
    unsigned spun_ = 0;     // have paused since something was written
    unsigned preempted_ = 0;
    unsigned stale_ = 0;
    std::uint32_t steps_ = 0;
    std::uint32_t last_object_ = none;  // about to be used
    std::uint32_t idle_ = 0;            // pauses since something was written
};

}  // namespace plateau_test::explorer
