// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/cache/loaded.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>

#include <exception>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// A load, as its ticket sees it. Each of these ends it, and is the last touch.
template <class V>
struct load_target {
    struct endings {
        void (*store)(load_target&, loaded<V>&&) noexcept;
        void (*absent)(load_target&) noexcept;
        void (*fail)(load_target&, const std::exception_ptr&) noexcept;
        void (*drop)(load_target&) noexcept;
    };
    const endings* end = nullptr;
};

}

/// The duty to end one load: given to a loader that answers later, on any thread.
///
/// Used once; later calls do nothing. Dropping it fails the load, without an error to tell. The cache waits in its
/// destructor for every ticket that is out.
/// Thread safety: one thread at a time.
template <class V>
class [[nodiscard]] load_ticket {
    using target = detail::load_target<V>;

public:
    /// For caches: `load` stays until its ticket ends it.
    explicit load_ticket(target& load) noexcept : load_(&load) {}
    load_ticket(load_ticket&& other) noexcept : load_(std::exchange(other.load_, nullptr)) {}
    load_ticket& operator=(load_ticket&& other) noexcept {
        if (this != &other) {
            drop();
            load_ = std::exchange(other.load_, nullptr);
        }
        return *this;
    }
    ~load_ticket() { drop(); }

    /// False once it was used, or moved from.
    [[nodiscard]] explicit operator bool() const noexcept { return load_ != nullptr; }

    /// Effects: the value goes to all who wait, and into the cache. Runs their callbacks where these are inline.
    void store(loaded<V> value) noexcept {
        if (target* const load = std::exchange(load_, nullptr)) load->end->store(*load, std::move(value));
    }
    void store(V value) noexcept { store(loaded<V>{.value = std::move(value)}); }
    /// Effects: all who wait are told that there is none.
    void absent() noexcept {
        if (target* const load = std::exchange(load_, nullptr)) load->end->absent(*load);
    }
    /// Effects: `why` is thrown to all who wait; null: they are told `failed`.
    void fail(const std::exception_ptr& why = nullptr) noexcept {
        if (target* const load = std::exchange(load_, nullptr)) load->end->fail(*load, why);
    }

    /// For caches: the load is ended by other means.
    void release() noexcept { load_ = nullptr; }

private:
    void drop() noexcept {
        if (target* const load = std::exchange(load_, nullptr)) load->end->drop(*load);
    }

    target* load_;
};

PLATEAU_NAMESPACE_END
