// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/arguments.hpp>
#include <plateau/cache/load_ticket.hpp>
#include <plateau/cache/loaded.hpp>
#include <plateau/config.hpp>
#include <plateau/executor.hpp>
#include <plateau/owned_bytes.hpp>

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// The kinds of loaders, and how each ends its load. A loader is called with the key, and answers
///   by a value: a V, an optional<V> (nothing: absent), a loaded<V>, or an optional<loaded<V>>;
///   by an awaitable of one of these, which is awaited in a coroutine of the cache;
///   through a load_ticket that it takes beside the key.

/// Returns: what `f` threw, or null.
template <class F>
[[nodiscard]] std::exception_ptr caught(F&& f) noexcept {
#if PLATEAU_EXCEPTIONS
    try {
        f();
    } catch (...) {
        return std::current_exception();
    }
#else
    f();
#endif
    return nullptr;
}

template <class A>
concept awaitable = requires(A&& one) {
    one.await_ready();
    one.await_resume();
}
|| requires(A&& one) { static_cast<A&&>(one).operator co_await(); }
|| requires(A&& one) { operator co_await(static_cast<A&&>(one)); };

template <class L, class K, class V>
inline constexpr bool takes_ticket = std::is_invocable_v<L&, const K&, load_ticket<V>>;

template <class L, class K>
inline constexpr bool awaits = false;
template <class L, class K>
    requires std::is_invocable_v<L&, const K&>
inline constexpr bool awaits<L, K> = awaitable<std::invoke_result_t<L&, const K&>>;

/// Its call takes as long as the load does.
template <class L, class K, class V>
inline constexpr bool blocks = !takes_ticket<L, K, V> && !awaits<L, K>;

template <class R, class V>
inline constexpr bool is_load_answer = stored_as<R, V>;
template <class V>
inline constexpr bool is_load_answer<loaded<V>, V> = true;
template <class U, class V>
inline constexpr bool is_load_answer<std::optional<U>, V> =
    std::is_same_v<std::optional<U>, V> || stored_as<U, V> || std::is_same_v<U, loaded<V>>;

template <class L, class K, class V>
inline constexpr bool is_loader = takes_ticket<L, K, V> || awaits<L, K>;
template <class L, class K, class V>
    requires(!takes_ticket<L, K, V> && !awaits<L, K> && std::is_invocable_v<L&, const K&>)
inline constexpr bool is_loader<L, K, V> = is_load_answer<std::remove_cvref_t<std::invoke_result_t<L&, const K&>>, V>;

template <class V, class R>
void end_load(load_ticket<V>& ticket, R&& answer) {
    using bare = std::remove_cvref_t<R>;
    if constexpr (std::is_same_v<bare, loaded<V>>) {
        ticket.store(std::forward<R>(answer));
    } else if constexpr (is_optional<bare> && !std::is_same_v<bare, V>) {
        if (answer) end_load(ticket, *std::forward<R>(answer));
        else ticket.absent();
    } else {
        static_assert(stored_as<R, V>,
                      "plateau: a loader returns V, std::optional<V>, plateau::loaded<V>, or an awaitable of one of "
                      "these, or takes a load_ticket<V> beside the key; what neither converts to V nor is assigned to "
                      "one, it returns as V(...)");
        ticket.store(loaded<V>{.value = V(std::forward<R>(answer))});
    }
}

/// A coroutine that nobody waits for: it ends a load and is gone.
struct load_coroutine {
    struct promise_type {
        static load_coroutine get_return_object() noexcept { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        [[noreturn]] static void unhandled_exception() noexcept { std::terminate(); }
    };
};
#if defined(__GNUC__) && !defined(__clang__)
// The frame holds a loader whose type may be local to a source; g++ takes the frame for a type of this header.
#    pragma GCC diagnostic push
#    pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
/// `loader` is its own: what is awaited may refer to it. The key is there until the ticket has ended the load.
template <class V, class L, class K>
load_coroutine await_load(L loader, const K& key, load_ticket<V> ticket) {
    std::exception_ptr why;
#if PLATEAU_EXCEPTIONS
    try {
        auto answer = co_await loader(key);
        end_load(ticket, std::move(answer));
    } catch (...) {
        why = std::current_exception();
    }
#else
    auto answer = co_await loader(key);
    end_load(ticket, std::move(answer));
#endif
    if (ticket) ticket.fail(why);
}
#if defined(__GNUC__) && !defined(__clang__)
#    pragma GCC diagnostic pop
#endif

/// A loader that is the cache's, by reference.
template <class L>
struct lent_loader {
    L* loader;
    template <class K>
    decltype(auto) operator()(const K& key) {
        return (*loader)(key);
    }
};

/// Throws: what the loader throws before it has an answer; the ticket may then be used up.
template <class V, class L, class Lasting, class K>
void call_loader(L& loader, Lasting&& lasting, const K& key, load_ticket<V>&& ticket) {
    if constexpr (takes_ticket<L, K, V>) loader(key, std::move(ticket));
    else if constexpr (awaits<L, K>)
        await_load<V, std::remove_cvref_t<Lasting>>(std::forward<Lasting>(lasting), key, std::move(ticket));
    else end_load(ticket, loader(key));
}

/// The loader of a cache, whatever its type.
template <class K, class V>
class any_loader {
public:
    any_loader() = default;
    any_loader(const any_loader&) = delete;
    any_loader& operator=(const any_loader&) = delete;
    virtual ~any_loader() = default;

    virtual void call(const K& key, load_ticket<V>&& ticket) = 0;
    [[nodiscard]] virtual bool blocks() const noexcept = 0;
    [[nodiscard]] virtual std::size_t size() const noexcept = 0;
};
template <class K, class V, class L>
class loader_of final : public any_loader<K, V> {
public:
    template <class Part>
    explicit loader_of(Part&& loader) : loader_(std::forward<Part>(loader)) {}

    void call(const K& key, load_ticket<V>&& ticket) override {
        call_loader<V>(loader_, lent_loader<L>{std::addressof(loader_)}, key, std::move(ticket));
    }
    [[nodiscard]] bool blocks() const noexcept override { return detail::blocks<L, K, V>; }
    [[nodiscard]] std::size_t size() const noexcept override { return sizeof(*this); }

private:
    L loader_;
};

/// Where a load comes from, whatever the loader's type: the cache's own loader, or one that came with the call and is
/// the caller's until it is called elsewhere. `Core` runs what is packed.
template <class Core>
class load_source {
    using K = typename Core::key_type;
    using V = typename Core::mapped_type;
    using record = typename Core::record;

    struct calls {
        void (*call)(void* loader, const K& key, load_ticket<V>&& ticket);
        void (*pack)(void* loader, record& into);
    };

public:
    /// Expects of a null loader: it is asked for nothing but is_there().
    explicit load_source(any_loader<K, V>* loader) noexcept
        : loader_(loader), calls_(&own_calls), blocks_(loader != nullptr && loader->blocks()), is_own_(true) {}
    template <class L>
    [[nodiscard]] static load_source of_call(L& loader) noexcept {
        return load_source(std::addressof(loader), &calls_of<L>, detail::blocks<L, K, V>);
    }

    [[nodiscard]] bool is_there() const noexcept { return loader_ != nullptr; }
    [[nodiscard]] bool is_own() const noexcept { return is_own_; }
    [[nodiscard]] bool blocks() const noexcept { return blocks_; }

    /// Throws: what the loader throws before it has an answer; the ticket may then be used up.
    void call(const K& key, load_ticket<V>&& ticket) const { calls_->call(loader_, key, std::move(ticket)); }
    /// Effects: the loader goes into the record, to be called by its `job` on another thread. Throws: std::bad_alloc.
    void pack(record& into) const { calls_->pack(loader_, into); }

private:
    load_source(void* loader, const calls* how, bool blocks) noexcept
        : loader_(loader), calls_(how), blocks_(blocks), is_own_(false) {}

    static void call_own(void* loader, const K& key, load_ticket<V>&& ticket) {
        static_cast<any_loader<K, V>*>(loader)->call(key, std::move(ticket));
    }
    static void pack_own(void* loader, record& into) {
        std::construct_at(reinterpret_cast<any_loader<K, V>**>(into.job_room), static_cast<any_loader<K, V>*>(loader));
        into.job = [](record& at) noexcept {
            any_loader<K, V>* const own = *std::launder(reinterpret_cast<any_loader<K, V>**>(at.job_room));
            Core::of(at).run(at, load_source(own));
        };
    }
    static constexpr calls own_calls{&call_own, &pack_own};

    template <class L>
    static constexpr bool fits_record = sizeof(L) <= sizeof(record::job_room) &&
                                        alignof(L) <= alignof(void*) && std::is_nothrow_move_constructible_v<L>;
    template <class L>
    static void call_it(void* loader, const K& key, load_ticket<V>&& ticket) {
        L& own = *static_cast<L*>(loader);
        call_loader<V>(own, std::move(own), key, std::move(ticket));
    }
    template <class L>
    static void pack_it(void* loader, record& into) {
        L& own = *static_cast<L*>(loader);
        if constexpr (fits_record<L>) {
            std::construct_at(reinterpret_cast<L*>(into.job_room), std::move(own));
            into.job = [](record& at) noexcept {
                L* const packed = std::launder(reinterpret_cast<L*>(at.job_room));
                L moved(std::move(*packed));
                std::destroy_at(packed);
                Core::of(at).run(at, of_call(moved));
            };
        } else {
            auto box = std::make_unique<L>(std::move(own));
            std::construct_at(reinterpret_cast<L**>(into.job_room), box.release());
            into.job = [](record& at) noexcept {
                const std::unique_ptr<L> packed(*std::launder(reinterpret_cast<L**>(at.job_room)));
                Core::of(at).run(at, of_call(*packed));
            };
        }
    }
    template <class L>
    static constexpr calls calls_of{&call_it<L>, &pack_it<L>};

    void* loader_;
    const calls* calls_;
    bool blocks_;
    bool is_own_;
};

}
PLATEAU_NAMESPACE_END
