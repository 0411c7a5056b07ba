// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <concepts>
#include <utility>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Something that somebody else has to end. Whoever holds the pointer calls `run` once; after that the link may be
/// gone.
struct end_link {
    void (*run)(end_link&) noexcept = nullptr;
    end_link* next = nullptr;  ///< the one that was added before; of the list that holds it
};

/// What ends with its owner, newest first. It owns no memory: each link stands in the object that it ends.
/// Thread safety: one thread at a time, as its owner.
class end_list {
public:
    end_list() noexcept = default;
    end_list(const end_list&) = delete;
    end_list& operator=(const end_list&) = delete;
    ~end_list() { PLATEAU_EXPECTS(newest_ == nullptr, "an owner ended without what was to end with it"); }

    [[nodiscard]] bool ended() const noexcept { return ended_; }

    /// Expects: not ended.
    void add(end_link& link) noexcept {
        PLATEAU_EXPECTS(!ended_, "what has ended takes nothing that is to end with it");
        link.next = newest_;
        newest_ = &link;
    }

    /// Effects: ends everything, and takes no more.
    void end() noexcept {
        ended_ = true;
        while (newest_ != nullptr) {
            end_link& link = *std::exchange(newest_, newest_->next);
            link.run(link);
        }
    }

private:
    end_link* newest_ = nullptr;
    bool ended_ = false;
};

/// Whatever has an end that others can be bound to: `ends_of(owner)`, found by ADL, is its list.
template <class T>
concept ending = requires(T& owner) {
    { ends_of(owner) } -> std::same_as<end_list&>;
    requires noexcept(ends_of(owner));
};

}
PLATEAU_NAMESPACE_END
