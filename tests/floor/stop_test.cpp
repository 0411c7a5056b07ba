// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"

#include <plateau/stop.hpp>

#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using plateau::inplace_stop_callback;
using plateau::inplace_stop_source;
using plateau::inplace_stop_token;
using plateau::never_stop_token;
using plateau_test::dies;

static_assert(!std::is_copy_constructible_v<inplace_stop_source> && !std::is_move_constructible_v<inplace_stop_source>);
static_assert(std::is_nothrow_default_constructible_v<inplace_stop_source>);
static_assert(plateau::stoppable_token<inplace_stop_token> && plateau::stoppable_token<never_stop_token>);
static_assert(!plateau::stoppable_token<int> && !plateau::stoppable_token<inplace_stop_source>);
static_assert(std::is_trivially_copyable_v<inplace_stop_token> && sizeof(inplace_stop_token) == sizeof(void*));
static_assert(
    std::is_same_v<plateau::stop_callback_for_t<inplace_stop_token, void (*)()>, inplace_stop_callback<void (*)()>>);
static_assert(std::is_same_v<plateau::stop_callback_for_t<const inplace_stop_token&, void (*)()>,
                             inplace_stop_callback<void (*)()>>);

TEST_CASE("a token without a source can never stop", "[floor][unit]") {
    const inplace_stop_token none;
    CHECK_FALSE(none.stop_possible());
    CHECK_FALSE(none.stop_requested());
    CHECK(none == inplace_stop_token{});
    int runs = 0;
    {
        const inplace_stop_callback callback{none, [&] { ++runs; }};
    }
    CHECK(runs == 0);
    CHECK_FALSE(never_stop_token::stop_possible());
    CHECK_FALSE(never_stop_token::stop_requested());
    CHECK(never_stop_token{} == never_stop_token{});
    {
        const never_stop_token::callback_type<void (*)()> ignored{never_stop_token{}, [] {}};
    }
}

TEST_CASE("a token belongs to its source", "[floor][unit]") {
    inplace_stop_source a;
    const inplace_stop_source b;
    CHECK(a.get_token() == a.get_token());
    CHECK_FALSE(a.get_token() == b.get_token());
    CHECK(a.get_token().stop_possible());
    CHECK(inplace_stop_source::stop_possible());
    CHECK_FALSE(a.get_token().stop_requested());
    CHECK(a.request_stop());
    CHECK(a.stop_requested());
    CHECK(a.get_token().stop_requested());
    CHECK(a.get_token().stop_possible());
    CHECK_FALSE(b.stop_requested());
}

TEST_CASE("only the first request counts", "[floor][unit]") {
    inplace_stop_source source;
    int runs = 0;
    const inplace_stop_callback callback{source.get_token(), [&] { ++runs; }};
    CHECK(source.request_stop());
    CHECK_FALSE(source.request_stop());
    CHECK(runs == 1);
}

TEST_CASE("callbacks run newest first, each once, with stop_requested already true", "[floor][unit]") {
    inplace_stop_source source;
    std::string order;
    const auto say = [&](char c) {
        return [&, c] {
            order += c;
            if (!source.stop_requested()) order += '!';
        };
    };
    const inplace_stop_callback a{source.get_token(), say('a')};
    const inplace_stop_callback b{source.get_token(), say('b')};
    const inplace_stop_callback c{source.get_token(), say('c')};
    source.request_stop();
    CHECK(order == "cba");
}

TEST_CASE("a withdrawn callback does not run, wherever in the list it stood", "[floor][unit]") {
    for (int gone = 0; gone < 3; ++gone) {
        inplace_stop_source source;
        std::string order;
        const auto say = [&](char c) { return [&order, c] { order += c; }; };
        using callback = inplace_stop_callback<std::function<void()>>;
        std::optional<callback> callbacks[3];
        for (int i = 0; i < 3; ++i)
            callbacks[i].emplace(source.get_token(), std::function<void()>(say(static_cast<char>('a' + i))));
        callbacks[gone].reset();
        source.request_stop();
        const std::string expected[] = {"cb", "ca", "ba"};
        CHECK(order == expected[gone]);
    }
}

TEST_CASE("a callback registered after the request runs at once, on its own thread", "[floor][unit]") {
    inplace_stop_source source;
    source.request_stop();
    const void* ran_on = nullptr;
    const inplace_stop_callback callback{source.get_token(), [&] { ran_on = plateau::default_sync::thread_id(); }};
    CHECK(ran_on == plateau::default_sync::thread_id());
}

TEST_CASE("a callback may register another while the request runs: it runs at once", "[floor][unit]") {
    inplace_stop_source source;
    std::string order;
    const auto inner = [&] { order += 'i'; };
    std::optional<inplace_stop_callback<decltype(inner)>> late;
    const inplace_stop_callback outer{source.get_token(), [&] {
                                          order += '<';
                                          late.emplace(source.get_token(), inner);
                                          order += '>';
                                      }};
    source.request_stop();
    CHECK(order == "<i>");
}

TEST_CASE("a callback may destroy itself", "[floor][unit]") {
    inplace_stop_source source;
    int runs = 0;
    struct holder {
        std::unique_ptr<inplace_stop_callback<std::function<void()>>> callback;
    };
    auto self = std::make_unique<holder>();
    self->callback =
        std::make_unique<inplace_stop_callback<std::function<void()>>>(source.get_token(), std::function<void()>([&] {
                                                                           ++runs;
                                                                           self.reset();
                                                                       }));
    source.request_stop();
    CHECK(runs == 1);
    CHECK(self == nullptr);
}

TEST_CASE("a callback may destroy another that has run and one that has not", "[floor][unit]") {
    inplace_stop_source source;
    std::string order;
    using callback = inplace_stop_callback<std::function<void()>>;
    std::unique_ptr<callback> never;
    std::unique_ptr<callback> done;
    never = std::make_unique<callback>(source.get_token(), std::function<void()>([&] { order += 'n'; }));
    const callback middle{source.get_token(), std::function<void()>([&] {
                              order += 'm';
                              never.reset();
                              done.reset();
                          })};
    done = std::make_unique<callback>(source.get_token(), std::function<void()>([&] { order += 'd'; }));
    source.request_stop();
    CHECK(order == "dm");
}

TEST_CASE("a request inside a callback changes nothing and does not wait", "[floor][unit]") {
    inplace_stop_source source;
    bool again = true;
    const inplace_stop_callback callback{source.get_token(), [&] { again = source.request_stop(); }};
    CHECK(source.request_stop());
    CHECK_FALSE(again);
}

TEST_CASE("a callback object may be destroyed after its run by the thread of the request", "[floor][unit]") {
    inplace_stop_source source;
    int runs = 0;
    {
        const inplace_stop_callback callback{source.get_token(), [&] { ++runs; }};
        source.request_stop();
    }
    CHECK(runs == 1);
}

TEST_CASE("a callback that throws ends the process", "[floor][unit]") {
    CHECK(dies([] {
              inplace_stop_source source;
              const inplace_stop_callback callback{source.get_token(), [] { throw 1; }};
              source.request_stop();
          }).signal == SIGABRT);
    CHECK(dies([] {
              inplace_stop_source source;
              source.request_stop();
              try {
                  const inplace_stop_callback callback{source.get_token(), [] { throw 1; }};
              } catch (int) {}
          }).signal == SIGABRT);
}

TEST_CASE("a source that ends before its callbacks is a violation", "[floor][unit]") {
    const auto end = dies([] {
        auto source = std::make_unique<inplace_stop_source>();
        const inplace_stop_callback callback{source->get_token(), [] {}};
        source.reset();
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("plateau: an inplace_stop_source ended before the callbacks registered with it"));
}

TEST_CASE("a callable that fails to be made leaves nothing registered", "[floor][unit]") {
    struct fails {
        explicit fails(int) { throw 7; }
        void operator()() const {}
    };
    inplace_stop_source source;
    CHECK_THROWS_AS((inplace_stop_callback<fails>(source.get_token(), 1)), int);
    CHECK(source.request_stop());
}

TEST_CASE("a move-only callable is taken, and run as an rvalue where it asks for it", "[floor][unit]") {
    inplace_stop_source source;
    auto owned = std::make_unique<int>(7);
    int seen = 0;
    const inplace_stop_callback callback{source.get_token(), [&seen, owned = std::move(owned)] { seen = *owned; }};
    struct once {
        int* runs;
        void operator()() && { ++*runs; }
    };
    int runs = 0;
    const inplace_stop_callback<once> rvalue{source.get_token(), once{&runs}};
    source.request_stop();
    CHECK(seen == 7);
    CHECK(runs == 1);
}

TEST_CASE("sources, tokens and callbacks allocate nothing", "[floor][unit]") {
    int runs = 0;
    const plateau_test::new_scope scope;
    {
        inplace_stop_source source;
        const inplace_stop_callback a{source.get_token(), [&] { ++runs; }};
        {
            const inplace_stop_callback b{source.get_token(), [&] { runs += 100; }};
        }
        source.request_stop();
        const inplace_stop_callback c{source.get_token(), [&] { ++runs; }};
    }
    const auto delta = scope.delta();
    CHECK(delta.calls == 0);
    CHECK(runs == 2);
}
