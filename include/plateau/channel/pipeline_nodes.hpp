// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/emitter.hpp>
#include <plateau/channel/pipeline_edge.hpp>
#include <plateau/channel/stage.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A count that one stage writes and anybody reads.
template <class Policies>
class pipeline_counter {
public:
    void add() noexcept {
        if constexpr (!std::is_same_v<typename Policies::stats, bare>)
            count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // one writer
    }
    [[nodiscard]] std::uint64_t read() const noexcept { return count_.load(std::memory_order_relaxed); }

private:
    typename Policies::sync::template atomic<std::uint64_t> count_{0};
};

/// The first stage: asks the source, and pushes.
template <class Policies, class F, class Out>
class pipeline_source : public pipeline_types<Policies>::actor {
    using actor = typename pipeline_types<Policies>::actor;
    using core_type = typename pipeline_types<Policies>::core;
    using then = typename actor::then;

public:
    pipeline_source(core_type& core, F f, pipeline_edge<Policies, Out>& following)
        : actor(core, [](actor& self) noexcept { return static_cast<pipeline_source&>(self).step(); }),
          f_(std::move(f)),
          out_(*this, following) {}

    [[nodiscard]] std::uint64_t sourced() const noexcept { return sourced_.read(); }
    [[nodiscard]] std::size_t ceiling() const noexcept { return out_.edge().ceiling_of_items(2); }

private:
    then step() noexcept {
        for (unsigned n = 0; n < Policies::batch; ++n) {
            if (this->core().stopping()) return finish();
            if (!out_.flush()) return then::pause;
            std::optional<Out> item;
            if (!this->core().closing() && !call_user(this->core(), [&] { ask(item); })) continue;
            if (!item) {
                out_.close();
                return then::end;
            }
            sourced_.add();
            out_.put(*item);
        }
        return then::again;
    }
    void ask(std::optional<Out>& item) {
        if (auto got = f_()) item.emplace(*std::move(got));
    }
    then finish() noexcept {
        if (this->obliged()) return then::pause;
        out_.drop();
        return then::end;
    }

    F f_;
    pipeline_outlet<Policies, Out> out_;
    pipeline_counter<Policies> sourced_;
};

/// The last: pops, and hands to the sink.
template <class Policies, class In, class F>
class pipeline_sink : public pipeline_types<Policies>::actor {
    using actor = typename pipeline_types<Policies>::actor;
    using core_type = typename pipeline_types<Policies>::core;
    using then = typename actor::then;

public:
    pipeline_sink(core_type& core, F f, pipeline_edge<Policies, In>& before)
        : actor(core, [](actor& self) noexcept { return static_cast<pipeline_sink&>(self).step(); }),
          f_(std::move(f)),
          before_(before),
          in_(*this, before) {}

    [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_.read(); }
    [[nodiscard]] std::size_t ceiling() const noexcept { return before_.ceiling_of_items(1); }

private:
    then step() noexcept {
        for (unsigned n = 0; n < Policies::batch; ++n) {
            if (this->core().stopping()) break;
            pop_result<In> item = in_.take();
            if (item) {
                if (call_user(this->core(), [&] { static_cast<void>(f_(item.take())); })) delivered_.add();
            } else if (item.reason() == queue_reason::empty) {
                return then::pause;
            } else {
                return this->obliged() ? then::pause : then::end;
            }
        }
        if (!this->core().stopping()) return then::again;
        return this->obliged() ? then::pause : then::end;
    }

    F f_;
    pipeline_edge<Policies, In>& before_;
    pipeline_inlet<Policies, In> in_;
    pipeline_counter<Policies> delivered_;
};

/// What a one-to-many stage emits into: a place of its own, after the next queue where it may use that directly.
template <class Policies, class Out>
class pipeline_emission final : public emitter<Out> {
    using base = emitter<Out>;
    using outlet = pipeline_outlet<Policies, Out>;
    using core_type = typename pipeline_types<Policies>::core;
    using buffer = overflow_buffer<Out, typename Policies::queue::allocator>;

public:
    /// Without an outlet everything stays here.
    pipeline_emission(core_type& core, pipeline_edge<Policies, Out>& following, outlet* direct) noexcept
        : base(calls),
          core_(core),
          next_(following),
          direct_(direct),
          kept_(following.queue.capacity(), following.max_bytes()) {}

    /// The items that stayed, in their order.
    [[nodiscard]] Out* front() noexcept { return kept_.empty() ? nullptr : &kept_.front(); }
    void pop_front() noexcept { kept_.pop_front(); }
    void clear() noexcept { kept_.clear(); }

private:
    queue_reason take(Out& item) {
        if (core_.stopping()) return queue_reason::aborted;
        if (direct_ != nullptr && kept_.empty()) {
            const queue_reason why = direct_->try_put(item);
            if (why != queue_reason::full) return why;
        }
        const std::size_t bytes = next_.weigh(item);
        return kept_.push(item, bytes) ? queue_reason::none : queue_reason::too_large;
    }

    static pipeline_emission& of(base& self) noexcept { return static_cast<pipeline_emission&>(self); }
    static constexpr typename base::calls calls{
        [](base& self, Out& item) { return of(self).take(item); },
        [](base& self, failure why) noexcept { of(self).core_.fail(std::move(why)); },
        [](const base& self) noexcept { return static_cast<const pipeline_emission&>(self).core_.stopping(); }};

    core_type& core_;
    pipeline_edge<Policies, Out>& next_;
    outlet* direct_;
    buffer kept_;
};

/// What a stage that maps or filters has made of one item.
template <class Policies, class Out>
class pipeline_product {
    using core_type = typename pipeline_types<Policies>::core;

public:
    pipeline_product(core_type&, pipeline_edge<Policies, Out>&, pipeline_outlet<Policies, Out>*) noexcept {}

    std::optional<Out> made;

    [[nodiscard]] Out* front() noexcept { return made ? &*made : nullptr; }
    void pop_front() noexcept { made.reset(); }
    void clear() noexcept { made.reset(); }
};

/// A stage between two queues. One worker: it pops, calls and pushes itself. Several: it pops, posts each item to the
/// executor in a slot, and pushes what the slots have made, in the order of the items or of their ends. The queues see
/// one producer and one consumer either way.
template <class Policies, class In, class Makes, class F>
class pipeline_stage : public pipeline_types<Policies>::actor {
    using actor = typename pipeline_types<Policies>::actor;
    using core_type = typename pipeline_types<Policies>::core;
    using sync = typename Policies::sync;
    using then = typename actor::then;
    using shape = stage_shape<Makes, F, In>;
    using Out = typename shape::output;
    using results = std::conditional_t<shape::emits, pipeline_emission<Policies, Out>, pipeline_product<Policies, Out>>;

public:
    pipeline_stage(core_type& core, stage_part<Makes, F> part, pipeline_edge<Policies, In>& before,
                   pipeline_edge<Policies, Out>& following)
        : actor(core, [](actor& self) noexcept { return static_cast<pipeline_stage&>(self).step(); }),
          f_(std::move(part.f)),
          workers_(checked(part.options).workers),
          ordered_(part.options.ordered),
          before_(before),
          in_(*this, before),
          out_(*this, following),
          own_(core, following, &out_),
          slots_(workers_ == 1 ? 0 : workers_ * Policies::slots_per_worker, *this, core, following) {}

    [[nodiscard]] unsigned workers() const noexcept { return workers_; }
    [[nodiscard]] std::size_t ceiling() const noexcept {
        const std::size_t places = slots_.size() + 1;
        std::size_t made = out_.edge().ceiling_of_items(places + 1);
        if constexpr (shape::emits) {
            const std::size_t bound =
                saturating_add(saturating_mul(sizeof(Out), out_.edge().queue.capacity()),
                               out_.edge().max_bytes() == unlimited ? out_.edge().ceiling() : out_.edge().max_bytes());
            made = saturating_add(made, saturating_mul(places, bound));
        }
        return saturating_add(saturating_add(made, before_.ceiling_of_items(places)), slots_.size() * sizeof(slot));
    }

private:
    struct slot : work_link {
        slot(pipeline_stage& stage, core_type& core, pipeline_edge<Policies, Out>& following) noexcept
            : owner(&stage), out(core, following, nullptr) {}

        pipeline_stage* owner;
        std::optional<In> item;
        results out;
        typename sync::template atomic<bool> done{false};
        bool used = false;  // the stage's own
    };

    /// A fixed number of slots, made where they are.
    class slot_array {
        using traits =
            typename std::allocator_traits<typename Policies::queue::allocator>::template rebind_traits<slot>;

    public:
        template <class... Args>
        explicit slot_array(std::size_t size, Args&... args) : size_(size) {
            if (size == 0) return;
            slots_ = traits::allocate(allocator_, size);
            for (std::size_t i = 0; i < size; ++i) std::construct_at(slots_ + i, args...);
        }
        slot_array(const slot_array&) = delete;
        slot_array& operator=(const slot_array&) = delete;
        ~slot_array() {
            std::destroy_n(slots_, size_);
            if (size_ != 0) traits::deallocate(allocator_, slots_, size_);
        }
        [[nodiscard]] std::size_t size() const noexcept { return size_; }
        [[nodiscard]] slot& operator[](std::size_t i) const noexcept { return slots_[i]; }

    private:
        typename traits::allocator_type allocator_;
        std::size_t size_;
        slot* slots_ = nullptr;
    };

    static const stage_options& checked(const stage_options& options) {
        require_option(options.workers >= 1 && options.workers <= 1'024, "stage_options: workers is 1 to 1024");
        return options;
    }

    then step() noexcept { return workers_ == 1 ? step_alone() : step_with_workers(); }

    // ---- one worker

    then step_alone() noexcept {
        for (unsigned n = 0; n < Policies::batch; ++n) {
            if (this->core().stopping()) return finish();
            if (!flush(own_)) return then::pause;
            pop_result<In> item = in_.take();
            if (item) call(std::move(*item), own_);
            else if (item.reason() == queue_reason::empty) return then::pause;
            else return end_of_input();
        }
        return then::again;
    }

    // ---- several

    then step_with_workers() noexcept {
        for (unsigned n = 0; n < Policies::batch; ++n) {
            if (this->core().stopping()) return finish();
            const bool room = push_results();
            if (!take_item()) {
                if (input_over_ && used_ == 0 && room) return end_of_input();
                return then::pause;
            }
        }
        return then::again;
    }
    /// Returns: false when the next queue is full.
    bool push_results() noexcept {
        for (;;) {
            if (!out_.flush()) return false;
            slot* const ready = finished();
            if (ready == nullptr) return true;
            if (!flush(ready->out)) return false;
            ready->used = false;
            --used_;
            leaving_ = nullptr;
            if (ordered_) oldest_ = after(oldest_);
        }
    }
    /// The slot whose results leave next, if it has them all.
    [[nodiscard]] slot* finished() noexcept {
        if (leaving_ != nullptr || used_ == 0) return leaving_;
        const auto is_done = [](const slot& one) { return one.used && one.done.load(std::memory_order_acquire); };
        if (ordered_) {
            if (is_done(slots_[oldest_])) leaving_ = &slots_[oldest_];
            return leaving_;
        }
        for (std::size_t i = 0; i < slots_.size() && leaving_ == nullptr; ++i)
            if (is_done(slots_[i])) leaving_ = &slots_[i];
        return leaving_;
    }
    /// Returns: whether an item was taken and posted. If not, something will signal, or the input is over.
    bool take_item() noexcept {
        if (input_over_ || used_ == slots_.size() || this->works() >= workers_) return false;
        pop_result<In> item = in_.take();
        if (!item) {
            input_over_ = item.reason() != queue_reason::empty;
            return false;
        }
        slot& free = free_slot();
        free.used = true;
        ++used_;
        free.done.store(false, std::memory_order_relaxed);  // the post publishes it
        free.item.emplace(std::move(*item));
        this->oblige(actor::running);
        this->core().where().post(work([](work_link& link) noexcept { run(static_cast<slot&>(link)); }, free));
        return true;
    }
    [[nodiscard]] slot& free_slot() noexcept {
        if (ordered_) {
            slot& free = slots_[newest_];
            newest_ = after(newest_);
            return free;
        }
        std::size_t i = 0;
        while (slots_[i].used) ++i;
        return slots_[i];
    }
    [[nodiscard]] std::size_t after(std::size_t i) const noexcept { return i + 1 == slots_.size() ? 0 : i + 1; }

    static void run(slot& mine) noexcept {
        pipeline_stage& stage = *mine.owner;
        if (!stage.core().stopping()) stage.call(*std::move(mine.item), mine.out);
        mine.item.reset();
        mine.done.store(true, std::memory_order_release);  // from here on the slot is the stage's
        stage.signal(actor::running);
    }

    // ---- both

    void call(In&& item, results& out) noexcept {
        call_user(this->core(), [&] {
            if constexpr (shape::emits) {
                f_(std::move(item), static_cast<emitter<Out>&>(out));
            } else if constexpr (shape::filters) {
                if (auto made = f_(std::move(item))) out.made.emplace(*std::move(made));
            } else {
                out.made.emplace(f_(std::move(item)));
            }
        });
    }
    /// Returns: whether all of it is in the next queue; if not, the stage will be signalled.
    bool flush(results& made) noexcept {
        for (;;) {
            if (!out_.flush()) return false;
            Out* const oldest = made.front();
            if (oldest == nullptr) return true;
            out_.put(*oldest);
            made.pop_front();
        }
    }
    then end_of_input() noexcept {
        out_.close();
        return this->obliged() ? then::pause : then::end;
    }
    then finish() noexcept {
        if (this->obliged()) return then::pause;
        out_.drop();
        own_.clear();
        for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].out.clear();
        return then::end;
    }

    F f_;
    const unsigned workers_;
    const bool ordered_;
    pipeline_edge<Policies, In>& before_;
    pipeline_inlet<Policies, In> in_;
    pipeline_outlet<Policies, Out> out_;
    results own_;

    slot_array slots_;
    std::size_t used_ = 0;
    std::size_t oldest_ = 0;  // ordered: where results leave
    std::size_t newest_ = 0;  // ordered: where items come in
    slot* leaving_ = nullptr;
    bool input_over_ = false;
};

}
PLATEAU_NAMESPACE_END
