// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#include <concepts>

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Something that somebody else has to end: whoever holds it calls `run` once, after which it may be gone.
struct end_link {
    void (*run)(end_link&) noexcept = nullptr;
    end_link* next = nullptr;   ///< the one that was added before
    end_link** link = nullptr;  ///< what points here; null when it is in no list
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

    void add(end_link& link) noexcept {
        PLATEAU_EXPECTS(!ended_, "what has ended takes nothing that is to end with it");
        link.next = newest_;
        link.link = &newest_;
        if (newest_ != nullptr) newest_->link = &link.next;
        newest_ = &link;
    }
    /// Effects: takes off what ends by itself. Of one in no list: nothing.
    static void remove(end_link& link) noexcept {
        if (link.link == nullptr) return;
        *link.link = link.next;
        if (link.next != nullptr) link.next->link = link.link;
        link.link = nullptr;
    }

    /// Effects: ends everything, and takes no more.
    void end() noexcept {
        ended_ = true;
        while (newest_ != nullptr) {
            end_link& link = *newest_;
            remove(link);
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
