// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/place_stack.hpp>
#include <plateau/channel/run_queue.hpp>
#include <plateau/clock.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/detail/parts.hpp>
#include <plateau/detail/wait_forms.hpp>
#include <plateau/executor.hpp>
#include <plateau/fwd.hpp>
#include <plateau/result.hpp>
#include <plateau/stop.hpp>
#include <plateau/sync.hpp>
#include <plateau/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

struct worker_pool_options {
    unsigned threads = 0;         ///< at most 4'096; 0: one for each processor that this process may use
    std::size_t max_tasks = 256;  ///< tasks that wait to be run; 1 to 2^24
};

/// Why a task was not taken.
enum class submit_reason : unsigned char {
    none,
    full,  ///< `max_tasks` wait already; also where one of the pool's own threads would have to wait for room
    timed_out,
    cancelled,
    closed,
};

[[nodiscard]] constexpr std::string_view to_string(submit_reason reason) noexcept {
    switch (reason) {
    case submit_reason::none:
        return "none";
    case submit_reason::full:
        return "full";
    case submit_reason::timed_out:
        return "timed_out";
    case submit_reason::cancelled:
        return "cancelled";
    case submit_reason::closed:
        return "closed";
    }
    return "unknown";
}

using submit_result = result<void, submit_reason>;

struct worker_pool_policies {
    using sync = default_sync;
    using clock = steady_clock;
    using stats = counting;
    using thread = std::thread;  ///< or what a test runs in its place: made from a callable, and joined

    /// Internal constant: bytes of one task, its captures included. A larger one does not compile.
    static constexpr std::size_t task_bytes = 64;
};

/// What a pool did since it was made (counters), and what it holds (gauges).
struct worker_pool_stats {
    std::uint64_t submitted = 0;
    std::uint64_t completed = 0;
    std::uint64_t failed = 0;
    std::uint64_t refused = 0;
    std::uint64_t posted = 0;
    std::uint64_t tasks = 0;
    std::uint64_t queued = 0;
    std::uint64_t threads = 0;

    static constexpr std::string_view family = "worker_pool";

    template <class F>
    void visit_fields(F&& f) const {
        constexpr auto counter = field_kind::counter;
        constexpr auto gauge = field_kind::gauge;
        f(field_info{"submitted", "", "Tasks taken.", counter}, submitted);
        f(field_info{"completed", "", "Tasks that have run, failed ones included.", counter}, completed);
        f(field_info{"failed", "", "Tasks that threw.", counter}, failed);
        f(field_info{"refused", "", "Tasks refused, for whatever reason.", counter}, refused);
        f(field_info{"posted", "", "Work posted to the pool as an executor.", counter}, posted);
        f(field_info{"tasks", "", "Tasks that wait to be run now.", gauge}, tasks);
        f(field_info{"queued", "", "Tasks and posted work that wait to be run now.", gauge}, queued);
        f(field_info{"threads", "", "Threads of the pool.", gauge}, threads);
    }
};

/// A fixed number of threads that run tasks, of which a bounded number waits; and an executor.
///
/// Tasks    any `f()` of at most `task_bytes` with its captures, nothrow-movable; what it owns elsewhere is its own. A
///          task leaves its place when it begins: `max_tasks` wait, and `threads` more run. What a task returns is
///          dropped. One that throws is told to `on_error(std::exception_ptr) noexcept`, given after the options;
///          without that part std::terminate is called where it threw.
/// Work     `post(work)` neither waits nor allocates nor fails: the work carries its link. It shares the queue with the
///          tasks, in order of arrival.
/// End      `close` refuses new tasks, those of waiting callers too. `~worker_pool` closes, runs all that was taken and
///          posted, and joins. Not on one of its own threads: a violation. It outlives a wait until that has told its
///          callback or coroutine on the executor it was given.
///
/// I1  at most `max_tasks` tasks wait.
/// I2  each task taken, and each work posted, runs exactly once.
/// I3  a refused task was left untouched.
///
/// Nothing is allocated after construction. Complexity: constant. Thread safety: any thread, tasks included; a task
/// that finds no room on the pool's own thread is refused with `full` by the waiting forms too, since what it waits for
/// might be itself. Neither copied nor moved.
template <class Policies>
class basic_worker_pool {
    using sync = typename Policies::sync;
    using thread = typename Policies::thread;

public:
    using options = worker_pool_options;
    using clock_type = typename Policies::clock;

    /// Parts: `on_error`, copied; a clock with state, by reference.
    /// Throws: std::invalid_argument, std::bad_alloc, std::system_error (no thread to be had).
    template <class... Parts>
    explicit basic_worker_pool(worker_pool_options chosen, Parts&&... parts)
        : options_(checked(chosen)),
          clock_(pick_clock(std::forward<Parts>(parts)...)),
          on_error_(error_handler::of(parts...)),
          slots_(new slot[options_.max_tasks]),
          free_(options_.max_tasks),
          ids_(new typename sync::template atomic<const void*>[options_.threads]()),
          workers_(new thread[options_.threads]) {
        for (std::size_t i = 0; i < options_.max_tasks; ++i) {
            slots_[i].pool = this;
            slots_[i].number = static_cast<std::uint32_t>(i);
        }
        start();
    }
    basic_worker_pool() : basic_worker_pool(worker_pool_options{}) {}
    basic_worker_pool(const basic_worker_pool&) = delete;
    basic_worker_pool& operator=(const basic_worker_pool&) = delete;
    ~basic_worker_pool() {
        PLATEAU_EXPECTS(!runs_here(), "a worker_pool ended on one of its own threads");
        close();
        join();
    }

    // ---- tasks

    template <class F>
    submit_result try_submit(F&& task) {
        return with(std::forward<F>(task), [&](auto& own) {
            auto done = submission<std::decay_t<F>>{this, &own}.attempt();
            return told(done ? *done : submit_result(submit_reason::full));
        });
    }
    /// Blocks: until there is room, the pool is closed, or `stop`.
    template <class F, stoppable_token Token = never_stop_token>
    submit_result submit(F&& task, const Token& stop = {}) {
        return wait(std::forward<F>(task), stop, detail::patience_limit());
    }
    template <class F>
    submit_result submit_for(F&& task, duration length) {
        return wait(std::forward<F>(task), never_stop_token{}, detail::patience_limit(length));
    }
    template <class F>
    submit_result submit_until(F&& task, time_point moment) {
        return wait(std::forward<F>(task), never_stop_token{}, detail::patience_limit(moment));
    }
    /// The task is the caller's until it was taken: it is moved from then, and outlives the wait.
    template <class F, executor E>
        requires(!std::is_const_v<std::remove_reference_t<F>>)
    auto async_submit(F&& task PLATEAU_LIFETIMEBOUND, E& where) noexcept {
        return detail::wait_awaitable<submission<F>>(submission<F>{this, std::addressof(task)}, where);
    }
    template <class F, class Task, executor E = const inline_executor>
    void submit_then(waiter<F, sync>& node, Task& task, E& where = inline_here) noexcept {
        detail::wait_then(node, submission<Task>{this, std::addressof(task)}, where);
    }

    // ---- executor

    void post(work what) noexcept {
        count(posted_);
        queue_.post(what);
    }
    /// Whether the calling thread is one of the pool's.
    [[nodiscard]] bool runs_here() const noexcept {
        const void* const self = sync::thread_id();
        for (unsigned i = 0; i < options_.threads; ++i)
            if (ids_[i].load(std::memory_order_relaxed) == self) return true;  // only its own name matters
        return false;
    }

    /// Effects: refuses new tasks from now on, and those that wait for room. What was taken runs.
    void close() noexcept {
        room_session in(waiting_, room_flag{&free_});
        free_.close();
        // Granted is the news itself: whoever gets it does not come back to a pool that may be gone.
        while (in.front() != nullptr) in.claim_front(detail::wake::granted);
    }
    [[nodiscard]] bool is_closed() const noexcept { return free_.is_closed(); }

    // ---- observers

    [[nodiscard]] unsigned threads() const noexcept { return options_.threads; }

    [[nodiscard]] worker_pool_stats stats() const noexcept {
        const auto read = [](const auto& one) { return one.load(std::memory_order_relaxed); };
        return {.submitted = read(submitted_),
                .completed = read(completed_),
                .failed = read(failed_),
                .refused = read(refused_),
                .posted = read(posted_),
                .tasks = read(tasks_),
                .queued = queue_.length(),
                .threads = options_.threads};
    }

    /// Without the stacks of its threads, which are the system's: only touched pages are resident. In a memory_plan
    /// they are a row of their own (`add_bytes`).
    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        return sizeof(*this) + options_.max_tasks * sizeof(slot) + places::bytes_for(options_.max_tasks) +
               options_.threads * (sizeof(thread) + sizeof(ids_[0])) + on_error_.bytes();
    }

    /// For tests, while nobody submits and no task begins.
    void check_invariants() noexcept {
        queue_.check_invariants();
        PLATEAU_EXPECTS(free_.count() + tasks_.load(std::memory_order_relaxed) == options_.max_tasks,
                        "worker_pool: a place is neither free nor taken by a task");
    }

private:
    struct slot : work_link {
        basic_worker_pool* pool = nullptr;
        std::uint32_t number = 0;
        alignas(std::max_align_t) std::byte task[Policies::task_bytes];
    };

    /// What a task that threw is told to, of any type.
    class error_handler {
    public:
        template <class... Parts>
        static error_handler of(const Parts&... parts) {
            static_assert((std::size_t{0} + ... + !std::is_same_v<Parts, clock_type>) <= 1,
                          "plateau: the same part was passed twice");
            error_handler made;
            (made.take(parts), ...);
            return made;
        }
        error_handler(error_handler&& other) noexcept
            : object_(std::exchange(other.object_, nullptr)), calls_(std::exchange(other.calls_, nullptr)) {}
        error_handler& operator=(error_handler&&) = delete;
        ~error_handler() {
            if (calls_ != nullptr) calls_->destroy(object_);
        }
        explicit operator bool() const noexcept { return calls_ != nullptr; }
        void operator()(std::exception_ptr what) const noexcept { calls_->call(object_, std::move(what)); }
        [[nodiscard]] std::size_t bytes() const noexcept { return calls_ != nullptr ? calls_->bytes : 0; }

    private:
        struct calls {
            void (*call)(void*, std::exception_ptr) noexcept;
            void (*destroy)(void*) noexcept;
            std::size_t bytes;
        };
        template <class H>
        static constexpr calls calls_of{
            [](void* object, std::exception_ptr what) noexcept { (*static_cast<H*>(object))(std::move(what)); },
            [](void* object) noexcept { delete static_cast<H*>(object); }, sizeof(H)};

        error_handler() = default;
        template <class H>
        void take(const H& handler) {
            constexpr bool called = std::is_invocable_v<H&, std::exception_ptr>;
            static_assert(called || std::is_same_v<H, clock_type>,
                          "plateau: after the options come parts of this pool: on_error(std::exception_ptr), a clock");
            if constexpr (called && !std::is_same_v<H, clock_type>) {
                static_assert(std::is_nothrow_invocable_v<H&, std::exception_ptr>,
                              "plateau: a worker_pool's on_error(std::exception_ptr) is noexcept");
                using held = std::decay_t<H>;  // of a function, its address
                object_ = new held(handler);
                calls_ = &calls_of<held>;
            }
        }

        void* object_ = nullptr;
        const calls* calls_ = nullptr;
    };

    using places = detail::place_stack<sync>;
    using room_flag = typename places::flag;
    using room_session = typename detail::wait_list<sync>::template session<room_flag>;

    /// A task on its way in, from the caller's object.
    template <class Given>
    struct submission {
        using sync = typename Policies::sync;
        using result_type = submit_result;
        using task = std::remove_cvref_t<Given>;
        static constexpr unsigned patience = 1;
        static_assert(std::is_invocable_v<task>, "plateau: a task is called without arguments");
        static_assert(sizeof(task) <= Policies::task_bytes && alignof(task) <= alignof(std::max_align_t),
                      "plateau: a task this large does not fit a worker_pool's place: capture a pointer or a "
                      "unique_ptr, or raise task_bytes in its policies");
        static_assert(std::is_nothrow_move_constructible_v<task> && std::is_nothrow_destructible_v<task>,
                      "plateau: a task is moved into its place, and destroyed, without throwing");

        basic_worker_pool* pool;
        task* object;

        std::optional<submit_result> attempt() noexcept {
            if (pool->is_closed()) return submit_result(submit_reason::closed);
            const std::uint32_t number = pool->free_.take();
            if (number == places::none) return std::nullopt;
            slot* const place = &pool->slots_[number];
            pool->tasks_.fetch_add(1, std::memory_order_relaxed);  // a count: orders nothing
            ::new (static_cast<void*>(place->task)) task(std::move(*object));
            pool->count(pool->submitted_);
            pool->queue_.post(work(&run_task<task>, *place));
            return submit_result();
        }
        detail::wait_list<sync>& list() noexcept { return pool->waiting_; }
        room_flag flag() noexcept { return {&pool->free_}; }
        static submit_result granted(detail::park_node<sync>&) noexcept { return submit_reason::closed; }
        static submit_result refused(detail::wake why) noexcept {
            return why == detail::wake::cancelled ? submit_reason::cancelled : submit_reason::timed_out;
        }
        void hand_on(detail::park_node<sync>& gone) noexcept {
            if (gone.outcome() == detail::wake::nudged) pool->waiting_.nudge(1, flag());
        }
    };

    static worker_pool_options checked(worker_pool_options chosen) {
        if (chosen.threads == 0) chosen.threads = sync::processors();
        detail::require_option(chosen.threads <= 4'096, "worker_pool_options: threads is at most 4096");
        detail::require_option(chosen.max_tasks >= 1 && chosen.max_tasks <= (std::size_t{1} << 24),
                               "worker_pool_options: max_tasks is 1 to 2^24");
        return chosen;
    }
    template <class... Parts>
    static auto pick_clock(Parts&&... parts) noexcept {
        return detail::shared_part<clock_type>(std::in_place, std::forward<Parts>(parts)...);
    }

    /// Calls `use` with an object of the task's own type: the caller's where he gave it away, a copy where he did not.
    template <class F, class Use>
    submit_result with(F&& task, Use use) {
        if constexpr (!std::is_constructible_v<std::decay_t<F>, F>) {
            static_assert(std::is_copy_constructible_v<std::decay_t<F>>,
                          "plateau: a task that is not given away is copied, and this one cannot be: std::move it");
            return submit_result(submit_reason::full);
        } else if constexpr (std::is_lvalue_reference_v<F>) {
            std::decay_t<F> copy(task);
            return use(copy);
        } else {
            return use(task);
        }
    }
    template <class F, class Token>
    submit_result wait(F&& task, const Token& stop, detail::patience_limit limit) {
        return with(std::forward<F>(task), [&](auto& own) {
            submission<std::decay_t<F>> verb{this, &own};
            if (auto done = verb.attempt()) return told(*done);
            if (runs_here()) return told(submit_reason::full);
            return told(detail::wait_after_miss(verb, stop, *clock_, limit));
        });
    }
    submit_result told(submit_result done) noexcept {
        // A pool that was closed may be gone by now: those refusals are not its own any more.
        if (!done && done.reason() != submit_reason::closed) count(refused_);
        return done;
    }

    void give_back(slot& place) noexcept {
        tasks_.fetch_sub(1, std::memory_order_relaxed);  // a count: orders nothing
        if (free_.give(place.number)) waiting_.nudge(1, room_flag{&free_});
    }

    template <class Task>
    static void run_task(work_link& link) noexcept {
        slot& place = static_cast<slot&>(link);
        basic_worker_pool& pool = *place.pool;
        Task* const queued = std::launder(reinterpret_cast<Task*>(place.task));
        {
            Task task(std::move(*queued));
            std::destroy_at(queued);
            pool.give_back(place);
            pool.call(task);
        }
        pool.count(pool.completed_);
    }
    template <class Task>
    void call(Task& task) noexcept {
#if PLATEAU_EXCEPTIONS
        if (on_error_) {
            try {
                static_cast<void>(std::move(task)());
            } catch (...) {
                count(failed_);
                on_error_(std::current_exception());
            }
            return;
        }
#endif
        static_cast<void>(std::move(task)());
    }

    void start() {
        struct all_or_none {
            basic_worker_pool* pool;
            ~all_or_none() {
                if (pool != nullptr) pool->join();
            }
        } guard{this};
        for (; started_ < options_.threads; ++started_)
            workers_[started_] = thread([this, i = started_]() noexcept { serve(i); });
        guard.pool = nullptr;
    }
    void serve(unsigned index) noexcept {
        ids_[index].store(sync::thread_id(), std::memory_order_relaxed);
        while (work_link* const one = queue_.next()) work(*one->run, *one)();
    }
    void join() noexcept {
        queue_.close();
        while (started_ != 0) workers_[--started_].join();
    }

    using figure = typename sync::template atomic<std::uint64_t>;
    void count(figure& of) noexcept {
        if constexpr (!std::is_same_v<typename Policies::stats, bare>)
            of.fetch_add(1, std::memory_order_relaxed);  // a count: orders nothing
    }

    const worker_pool_options options_;
    detail::shared_part<clock_type> clock_;
    const error_handler on_error_;
    const std::unique_ptr<slot[]> slots_;
    places free_;
    const std::unique_ptr<typename sync::template atomic<const void*>[]> ids_;  // written by each thread for itself

    detail::run_queue<sync> queue_;
    detail::wait_list<sync> waiting_;  // for a place
    typename sync::template atomic<std::size_t> tasks_{0};
    figure submitted_{0}, completed_{0}, failed_{0}, refused_{0}, posted_{0};
    const std::unique_ptr<thread[]> workers_;
    unsigned started_ = 0;
};

PLATEAU_NAMESPACE_END
