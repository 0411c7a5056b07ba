// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"

#include <plateau/executor.hpp>

#include <csignal>
#include <type_traits>
#include <vector>

using plateau::executor_ref;
using plateau::inline_executor;
using plateau::work;
using plateau_test::dies;

namespace {

struct queueing_executor {
    std::vector<work> posted;
    void post(work what) { posted.push_back(what); }
};
struct throwing_executor {
    void post(work) { throw 7; }
};

void count(void* object) noexcept { ++*static_cast<int*>(object); }

}  // namespace

static_assert(sizeof(work) == 16 && std::is_trivially_copyable_v<work> && !std::is_default_constructible_v<work>);
static_assert(sizeof(executor_ref) == 16 && std::is_trivially_copyable_v<executor_ref>);
static_assert(plateau::executor<inline_executor> && plateau::executor<executor_ref> &&
              plateau::executor<queueing_executor>);
static_assert(plateau::executor<const inline_executor> && !plateau::executor<const queueing_executor> &&
              !plateau::executor<int>);
static_assert(std::is_convertible_v<queueing_executor&, executor_ref>);
static_assert(!std::is_constructible_v<executor_ref, queueing_executor&&>, "a temporary executor would dangle");
static_assert(!std::is_constructible_v<executor_ref, const inline_executor&&>, "a temporary executor would dangle");

TEST_CASE("the inline executor runs at once, on the thread that posts", "[floor][unit]") {
    int runs = 0;
    inline_executor{}.post(work{&count, &runs});
    CHECK(runs == 1);
}

TEST_CASE("work runs its function on its object, and names the object", "[floor][unit]") {
    int runs = 0;
    const work what{&count, &runs};
    CHECK(what.object() == &runs);
    what();
    const work copy = what;
    copy();
    CHECK(runs == 2);
}

TEST_CASE("a reference to an executor posts there, also through a copy and through another reference",
          "[floor][unit]") {
    int runs = 0;
    queueing_executor queue;
    const executor_ref ref = queue;
    executor_ref copy = ref;
    ref.post(work{&count, &runs});
    copy.post(work{&count, &runs});
    REQUIRE(queue.posted.size() == 2);
    CHECK(runs == 0);
    for (const work& what : queue.posted) what();
    CHECK(runs == 2);
    const inline_executor constant;
    executor_ref{constant}.post(work{&count, &runs});
    CHECK(runs == 3);
}

TEST_CASE("an executor whose post throws ends the process", "[floor][unit]") {
    CHECK(dies([] {
              throwing_executor bad;
              const executor_ref ref = bad;
              int runs = 0;
              try {
                  ref.post(work{&count, &runs});
              } catch (int) {}
          }).signal == SIGABRT);
}

TEST_CASE("work without a function is a violation", "[floor][unit]") {
    CHECK(dies([] {
              [[maybe_unused]] const work what{nullptr, nullptr};
          }).says("plateau: work needs a function to run"));
}

TEST_CASE("posting through a reference allocates nothing", "[floor][unit]") {
    int runs = 0;
    inline_executor here;
    const plateau_test::new_scope scope;
    executor_ref{here}.post(work{&count, &runs});
    const auto delta = scope.delta();
    CHECK(delta.calls == 0);
    CHECK(runs == 1);
}
