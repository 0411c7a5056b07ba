// SPDX-License-Identifier: MIT
/// What the tests of request scopes check, as functions over their policies: with the shipped ones, and with defects.
#pragma once

#include "seeded_bugs/shared_check.hpp"

#include <plateau/arena/arena_pool.hpp>
#include <plateau/arena/request_scope.hpp>
#include <plateau/clock.hpp>
#include <plateau/stop.hpp>
#include <plateau/support/subscription.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace plateau_test {

template <class Policies>
using scope_of = plateau::basic_request_scope<Policies>;

/// Writes a letter when it ends.
class ends_in {
public:
    ends_in(std::string& log, char letter) noexcept : log_(&log), letter_(letter) {}
    ends_in(ends_in&& other) noexcept : log_(std::exchange(other.log_, nullptr)), letter_(other.letter_) {}
    ~ends_in() {
        if (log_ != nullptr) *log_ += letter_;
    }

private:
    std::string* log_;
    char letter_;
};

/// Stop, then callbacks and listeners, then one list of deferred calls and destructors, then the memory.
template <class Policies>
void the_end_has_one_order(shared_check& check) {
    plateau::arena_pool pool;
    plateau::event<> happens;
    std::string log;
    std::size_t held = 0;
    {
        scope_of<Policies> request{pool};
        request.template attach<ends_in>(log, 'a');
        request.defer([&]() noexcept { log += 'b'; });
        struct stop_seen {
            std::string* log;
            void operator()() const noexcept { *log += 'S'; }
        };
        using seen_callback = plateau::inplace_stop_callback<stop_seen, typename Policies::sync>;
        request.template attach<seen_callback>(request.get_stop_token(), stop_seen{&log});
        check.expect(happens.subscribe(request, [last = ends_in(log, 'l')] {}) == plateau::subscribe_reason::none,
                     "the request listens");
        request.on_cancel([&]() noexcept { log += 'C'; });
        request.arena().template create<ends_in>(log, 'c');
        request.defer([&]() noexcept {
            log += 'd';
            held = happens.stats().listeners;
            request.arena().template create<ends_in>(log, 'e');
            request.defer([&]() noexcept { log += pool.stats().in_use_bytes > 0 ? 'f' : '-'; });
        });
        request.arena().template create<ends_in>(log, 'g');
    }
    check.equal(log, "Slgdfecba", "the end");
    check.equal(held, std::size_t{0}, "listeners when the deferred calls run");
    check.equal(pool.stats().in_use_bytes, 0U, "bytes left");
    check.equal(pool.stats().scopes, 0U, "scopes left");
    pool.check_invariants();
}

template <class Policies>
void callbacks_run_when_cancelled_and_not_at_the_end(shared_check& check) {
    plateau::arena_pool pool;
    std::string log;
    {
        scope_of<Policies> ends{pool};
        ends.on_cancel([&]() noexcept { log += 'x'; });
        check.expect(!ends.stop_requested() && !ends.get_stop_token().stop_requested(), "nobody asks it to stop");
    }
    check.equal(log, "", "what ran at the end of a request that nobody cancelled");
    {
        scope_of<Policies> left{pool};
        left.on_cancel([&]() noexcept { log += 'a'; });
        left.on_cancel([&]() noexcept {
            log += 'b';
            left.cancel();
        });
        left.cancel();
        check.expect(left.stop_requested() && left.get_stop_token().stop_requested(), "it is asked to stop");
        left.on_cancel([&]() noexcept { log += 'c'; });
        left.cancel();
        left.defer([&]() noexcept { log += 'd'; });
        left.check_invariants();
    }
    check.equal(log, "bacd", "what a cancelled request runs");
    log.clear();
    {
        scope_of<Policies> ending{pool};
        ending.defer([&]() noexcept {
            ending.on_cancel([&]() noexcept { log += 'x'; });
            ending.cancel();
            log += ending.stop_requested() ? 's' : '-';
        });
    }
    check.equal(log, "s", "what is cancelled during its end");
}

template <class Policies>
void what_is_attached_is_found_while_it_lives(shared_check& check) {
    struct number {
        int value;
    };
    plateau::arena_pool pool;
    std::string log;
    struct looks_back {
        scope_of<Policies>* request;
        std::string* log;
        looks_back(scope_of<Policies>* r, std::string* l) noexcept : request(r), log(l) {}
        ~looks_back() {
            *log += request->template find<looks_back>() == nullptr ? '0' : '1';
            if (const number* const older = request->template find<number>()) *log += std::to_string(older->value);
        }
    };
    {
        scope_of<Policies> request{pool};
        check.expect(request.template find<number>() == nullptr, "nothing is attached at first");
        number& first = request.template attach<number>(1);
        check.expect(request.template find<number>() == &first && request.template find<const number>() == &first,
                     "it is found");
        request.template attach<looks_back>(&request, &log);
        request.template attach<number>(number{2});
        request.template attach<long>(3);
        check.equal(request.template find<number>()->value, 2, "the newest");
        check.equal(*request.template find<long>(), 3L, "the other");
        check.expect(request.template find<int>() == nullptr, "another type is not found");
    }
    check.equal(log, "01", "what the end of an attached object finds");
}

template <class Policies>
void a_token_keeps_the_memory_until_it_goes(shared_check& check) {
    plateau::arena_pool pool;
    plateau::event<> happens;
    std::string log;
    std::optional<plateau::basic_scope_token<Policies>> background, more;
    int* number = nullptr;
    {
        scope_of<Policies> request{pool};
        number = &request.arena().template create<int>(7);
        request.defer([&]() noexcept { log += 'd'; });
        request.on_cancel([&]() noexcept { log += 'x'; });
        check.expect(happens.subscribe(request, [&] { log += 'x'; }) == plateau::subscribe_reason::none, "listens");
        background.emplace(request.keep_alive());
        more.emplace(request.keep_alive());
        check.equal(request.stats().tokens, 2U, "tokens");
        check.equal(pool.stats().parked_scopes, 0U, "parked before the end");
    }
    happens.emit();
    check.equal(happens.stats().listeners, 0U, "listeners of a parked request");
    check.equal(log, "", "what has run at the end of the scope");
    check.equal(*number, 7, "what was made in it");
    check.equal(pool.stats().parked_scopes, 1U, "parked");
    check.equal(pool.stats().in_use_bytes, 65'536U, "bytes in use while it is parked");
    background.reset();
    check.equal(log, "", "what has run while a token is left");
    more.reset();
    check.equal(log, "d", "what the last token runs");
    check.equal(pool.stats().parked_scopes, 0U, "parked in the end");
    check.equal(pool.stats().in_use_bytes, 0U, "bytes in use in the end");
    pool.check_invariants();
}

template <class Policies>
void a_token_that_went_before_the_end_parks_nothing(shared_check& check) {
    plateau::arena_pool pool;
    std::string log;
    {
        scope_of<Policies> request{pool};
        request.defer([&]() noexcept { log += pool.stats().parked_scopes == 0 ? 'd' : 'p'; });
        auto token = request.keep_alive();
        auto other = std::move(token);
        check.expect(!token && other, "a token moves");
        token = std::move(other);
        token.reset();
        check.equal(request.stats().tokens, 0U, "tokens");
    }
    check.equal(log, "d", "the end");
    check.equal(pool.stats().in_use_bytes, 0U, "bytes left");
}

/// One message of a long request after the other, each with objects and callbacks of its own.
template <class Policies>
void going_back_ends_what_was_made_since(shared_check& check) {
    plateau::arena_pool pool;
    std::string log;
    {
        scope_of<Policies> request{pool};
        request.on_cancel([&]() noexcept { log += 'a'; });
        request.template attach<int>(1);
        const plateau::checkpoint before = request.arena().mark();
        for (int message = 0; message < 1'000; ++message) {
            request.on_cancel([&]() noexcept { log += 'x'; });
            request.template attach<int>(2);
            static_cast<void>(request.arena().allocate_bytes(100'000));
            check.expect(request.arena().rewind(before), "the mark is valid");
        }
        check.equal(*request.template find<int>(), 1, "what is attached after going back");
        check.equal(request.stats().held_bytes, 65'536U, "bytes held after going back");
        request.check_invariants();
        request.cancel();
        check.equal(log, "a", "callbacks that are left");

        request.arena().reset();
        check.expect(request.template find<int>() == nullptr, "a reset ends what is attached");
        request.template attach<int>(3);
        request.defer([&]() noexcept { log += 'd'; });
        request.check_invariants();
    }
    check.equal(log, "ad", "the end");
    check.equal(pool.stats().in_use_bytes, 0U, "bytes left");
}

}  // namespace plateau_test
