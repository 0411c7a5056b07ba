// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/channel/failure.hpp>
#include <plateau/channel/queue_options.hpp>
#include <plateau/config.hpp>
#include <plateau/fwd.hpp>
#include <plateau/result.hpp>

#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

/// What a one-to-many stage makes its items into, and how it tells the pipeline about itself. Valid during the call.
///
/// What finds no room in the next queue stays with the stage, up to one more bound of that queue, in items and in
/// bytes; no input is taken until it has left.
/// Thread safety: the thread that the function was called on.
template <class T>
class emitter {
public:
    emitter(const emitter&) = delete;
    emitter& operator=(const emitter&) = delete;

    /// Returns: whether the item was taken; if not, it is untouched, and the reason is
    ///   too_large   heavier than the next queue may ever hold, or beyond the bound that one item may be made into;
    ///   aborted     the pipeline is ending.
    /// Throws: std::bad_alloc, the first time that something has to stay. Blocks: never.
    result<void, queue_reason> push(T&& item) { return calls_->push(*this, item); }
    result<void, queue_reason> push(const T& item) requires std::is_copy_constructible_v<T> {
        T copy(item);
        return push(std::move(copy));
    }
    /// Effects: ends the pipeline with this error, as an exception out of the stage does.
    void fail(failure why) noexcept { calls_->fail(*this, std::move(why)); }
    /// Whether what is made now is wanted by nobody.
    [[nodiscard]] bool stop_requested() const noexcept { return calls_->stop_requested(*this); }

protected:
    struct calls {
        queue_reason (*push)(emitter&, T&);
        void (*fail)(emitter&, failure) noexcept;
        bool (*stop_requested)(const emitter&) noexcept;
    };

    explicit emitter(const calls& how) noexcept : calls_(&how) {}
    ~emitter() = default;

private:
    const calls* calls_;
};

PLATEAU_NAMESPACE_END
