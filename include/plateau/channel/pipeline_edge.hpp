// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/bounded_queue.hpp>
#include <plateau/channel/failure.hpp>
#include <plateau/channel/overflow_buffer.hpp>
#include <plateau/channel/pipeline_actor.hpp>
#include <plateau/channel/pipeline_core.hpp>
#include <plateau/config.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/waiter.hpp>

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#if PLATEAU_EXCEPTIONS
#    include <stdexcept>
#else
#    include <system_error>
#endif

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The types that the parts of a pipeline with these policies are made of.
template <class Policies>
struct pipeline_types {
    using sync = typename Policies::sync;
    using core = pipeline_core<sync, Policies::max_errors>;
    using actor = pipeline_actor<core, sync>;
    template <class T>
    using queue = bounded_queue<T, typename Policies::queue>;
    template <class F>
    using node = waiter<F, sync>;
    static_assert(std::is_same_v<sync, typename Policies::queue::sync>,
                  "plateau: a pipeline and its queues share one sync policy");
};

[[nodiscard]] inline failure too_heavy_for_the_next_queue() noexcept {
#if PLATEAU_EXCEPTIONS
    return std::make_exception_ptr(
        std::length_error("plateau: a stage made an item heavier than the next queue holds"));
#else
    return std::make_error_code(std::errc::message_size);
#endif
}

/// Calls `f`; an exception out of it ends the pipeline. Returns: whether there was none.
template <class Core, class F>
bool call_user(Core& core, F f) noexcept {
#if PLATEAU_EXCEPTIONS
    try {
        f();
        return true;
    } catch (...) {
        core.fail(std::current_exception());
        return false;
    }
#else
    f();
    static_cast<void>(core);
    return true;
#endif
}

/// The queue between two stages. One stage pushes and one pops.
template <class Policies, class T>
class pipeline_edge : abortable {
public:
    using queue_type = typename pipeline_types<Policies>::template queue<T>;

    pipeline_edge(typename pipeline_types<Policies>::core& core, const queue_options& bounds)
        : queue(bounds),
          weighed_(bounds.max_bytes != unlimited),
          alone_(bounds.oversize == oversize::alone),
          max_bytes_(bounds.max_bytes) {
        abortable::abort = [](abortable& self, const failure& why) noexcept {
            static_cast<pipeline_edge&>(self).queue.abort(why);
        };
        core.enlist(*this);
    }

    /// What the queue charges for an item. Throws: what the weigher throws.
    [[nodiscard]] std::size_t weigh(const T& item) const {
        if (!weighed_) return 0;
        const auto bytes =
            saturating_add<std::size_t>(queue_type::item_overhead, typename Policies::queue::weigher{}(item));
        return alone_ && bytes > max_bytes_ ? max_bytes_ : bytes;
    }
    [[nodiscard]] std::size_t max_bytes() const noexcept { return max_bytes_; }

    /// What the queue may hold elsewhere: it lies in the pipeline itself.
    [[nodiscard]] std::size_t ceiling() const noexcept {
        const std::size_t all = queue.memory_ceiling();
        return all == unlimited ? unlimited : all - sizeof(queue);
    }
    /// What `n` items in somebody's hands may hold.
    [[nodiscard]] std::size_t ceiling_of_items(std::size_t n) const noexcept {
        if (ceiling() == unlimited) return unlimited;
        const std::size_t owned = ceiling() - queue.capacity() * queue_type::item_overhead;
        return saturating_mul(n, saturating_add(sizeof(T), owned));
    }

    queue_type queue;

private:
    bool weighed_;
    bool alone_;
    std::size_t max_bytes_;
};

/// Where a stage gets its items.
template <class Policies, class T>
class pipeline_inlet {
    using types = pipeline_types<Policies>;
    using actor = typename types::actor;

public:
    pipeline_inlet(actor& owner, pipeline_edge<Policies, T>& edge) noexcept
        : owner_(owner), edge_(edge), node_(told{this}) {}

    /// Returns: the next item; or `closed`, `aborted`; or `empty`, and then the stage will be signalled.
    [[nodiscard]] pop_result<T> take() noexcept {
        pop_result<T> got = edge_.queue.try_pop();
        took_ = took_ || static_cast<bool>(got);
        if (got.reason() == queue_reason::empty && !owner_.obliged(actor::listening)) {
            // Told that there is one, and there is not: it is on its way by a thread that is not running.
            if (told_ && !took_) types::sync::yield();
            told_ = took_ = false;
            owner_.oblige(actor::listening);
            edge_.queue.readable_then(node_);
        }
        return got;
    }

private:
    struct told {
        pipeline_inlet* self;
        void operator()(push_result) const noexcept {
            self->told_ = true;  // the stage sees it with the signal
            self->owner_.signal(actor::listening);
        }
    };

    actor& owner_;
    pipeline_edge<Policies, T>& edge_;
    bool told_ = false;  // the callback's, while the stage is listening
    bool took_ = false;  // something since it was told
    typename types::template node<told> node_;
};

/// Where a stage puts its items. One that finds no room is held, and pushed when there is some.
template <class Policies, class T>
class pipeline_outlet {
    using types = pipeline_types<Policies>;
    using actor = typename types::actor;

public:
    pipeline_outlet(actor& owner, pipeline_edge<Policies, T>& edge) noexcept
        : owner_(owner), edge_(edge), node_(told{this}) {}

    /// Effects: moves the item into the queue, or holds it, or, where the pipeline ends, drops it. One that is heavier
    /// than the queue ever holds fails the pipeline. Expects: clear().
    void put(T& item) noexcept {
        call_user(owner_.core(), [&] {
            const queue_reason why = try_put(item);
            if (why == queue_reason::full) held_.emplace(std::move(item));
            else if (why == queue_reason::too_large) owner_.core().fail(too_heavy_for_the_next_queue());
        });
    }
    /// Returns: none, full, too_large, or why the queue has ended. Throws: what the weigher throws.
    [[nodiscard]] queue_reason try_put(T& item) { return edge_.queue.try_push(std::move(item)).reason(); }

    /// Returns: whether nothing is held; if something is, the stage will be signalled.
    [[nodiscard]] bool flush() noexcept {
        if (!held_) return true;
        if (owner_.obliged(actor::pushing)) return false;
        if (told_) {
            told_ = false;
            held_.reset();  // it is in, or nobody wants it
            return true;
        }
        owner_.oblige(actor::pushing);
        const bool armed = call_user(owner_.core(), [&] { edge_.queue.push_then(node_, *held_); });
        if (!armed) owner_.signal(actor::pushing);
        return false;
    }
    [[nodiscard]] bool clear() const noexcept { return !held_; }

    void close() noexcept { edge_.queue.close(); }
    /// Without obligations.
    void drop() noexcept { held_.reset(); }

    [[nodiscard]] pipeline_edge<Policies, T>& edge() const noexcept { return edge_; }

private:
    struct told {
        pipeline_outlet* self;
        void operator()(push_result) const noexcept {
            self->told_ = true;  // the stage sees it with the signal
            self->owner_.signal(actor::pushing);
        }
    };

    actor& owner_;
    pipeline_edge<Policies, T>& edge_;
    std::optional<T> held_;
    bool told_ = false;
    typename types::template node<told> node_;
};

}
PLATEAU_NAMESPACE_END
