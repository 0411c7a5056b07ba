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

struct counter : plateau::work_link {
    int runs = 0;
};
void count(plateau::work_link& object) noexcept { ++static_cast<counter&>(object).runs; }

struct one_thread_executor {
    bool here = true;
    void post(work what) { what(); }
    bool runs_here() const noexcept { return here; }
};

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
    counter object;
    inline_executor{}.post(work{&count, object});
    CHECK(object.runs == 1);
}

TEST_CASE("work runs its function on its object, and names the object", "[floor][unit]") {
    counter object;
    const work what{&count, object};
    CHECK(&what.link() == &object);
    what();
    const work copy = what;
    copy();
    CHECK(object.runs == 2);
}

TEST_CASE("a reference to an executor posts there, also through a copy and through another reference",
          "[floor][unit]") {
    counter object;
    queueing_executor queue;
    const executor_ref ref = queue;
    executor_ref copy = ref;
    ref.post(work{&count, object});
    copy.post(work{&count, object});
    REQUIRE(queue.posted.size() == 2);
    CHECK(object.runs == 0);
    for (const work& what : queue.posted) what();
    CHECK(object.runs == 2);
    const inline_executor constant;
    executor_ref{constant}.post(work{&count, object});
    CHECK(object.runs == 3);
}

TEST_CASE("an executor whose post throws ends the process", "[floor][unit]") {
    CHECK(dies([] {
              throwing_executor bad;
              const executor_ref ref = bad;
              counter object;
              try {
                  ref.post(work{&count, object});
              } catch (int) {}
          }).signal == SIGABRT);
}

TEST_CASE("work without a function is a violation", "[floor][unit]") {
    CHECK(dies([] {
              counter object;
              [[maybe_unused]] const work what{nullptr, object};
          }).says("plateau: work needs a function to run"));
}

TEST_CASE("posting through a reference allocates nothing", "[floor][unit]") {
    counter object;
    inline_executor here;
    const plateau_test::new_scope scope;
    executor_ref{here}.post(work{&count, object});
    const auto delta = scope.delta();
    CHECK(delta.calls == 0);
    CHECK(object.runs == 1);
}

TEST_CASE("posted objects carry the link of the queue they wait in, and come back as the same work", "[floor][unit]") {
    counter first, second;
    plateau::work_link* queue = nullptr;
    for (const work& what : {work{&count, first}, work{&count, second}}) {
        what.link().next = queue;
        queue = &what.link();
    }
    const plateau_test::new_scope scope;
    for (; queue != nullptr; queue = queue->next) work(queue->run, *queue)();
    CHECK(scope.delta().calls == 0);
    CHECK(first.runs == 1);
    CHECK(second.runs == 1);
}

TEST_CASE("a reference knows its executor: which one, whether it runs here, whether it is inline", "[floor][unit]") {
    queueing_executor queue, other;
    one_thread_executor thread;
    const inline_executor constant;
    CHECK(executor_ref(queue) == executor_ref(queue));
    CHECK_FALSE(executor_ref(queue) == executor_ref(other));
    CHECK_FALSE(executor_ref(queue).runs_here());
    CHECK(executor_ref(thread).runs_here());
    thread.here = false;
    CHECK_FALSE(executor_ref(thread).runs_here());
    CHECK(executor_ref(plateau::inline_here).is_inline());
    CHECK(executor_ref(constant).is_inline());
    CHECK_FALSE(executor_ref(thread).is_inline());
}
