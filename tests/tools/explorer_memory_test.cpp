// SPDX-License-Identifier: MIT
// The shapes by which memory models are told apart, each with all the results that C++20 allows where a write takes
// effect at its place in program order. The shapes and their names: J. Alglave, L. Maranget, M. Tautschnig, "Herding
// cats", 2014.
#include "tools/catch.hpp"
#include "tools/explorer/checks.hpp"

#include <array>
#include <set>
#include <string>
#include <vector>

using namespace plateau_test;

namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;
constexpr auto seq_cst = std::memory_order_seq_cst;

using atomic_int = explored_atomic<int>;

/// What the threads of a shape work with: three words, and a digit for each result.
struct shape {
    atomic_int x{0};
    atomic_int y{0};
    atomic_int z{0};
    int results[4] = {};
};

using thread_body = void (*)(shape&);

/// All strings of results that come out, one digit a result.
std::set<std::string> outcomes(explore_mode mode, int results, std::vector<thread_body> threads) {
    static constexpr const char* names[] = {"t1", "t2", "t3", "t4"};
    std::set<std::string> seen;
    const explore_report report =
        explore({.name = "shapes", .preemptions = explore_options::unbounded, .mode = mode, .stale = 8}, [&](scene& s) {
            shape in;
            for (std::size_t t = 0; t < threads.size(); ++t) s.thread(names[t], [&in, f = threads[t]] { f(in); });
            s.run();
            std::string digits;
            for (int i = 0; i < results; ++i) digits += static_cast<char>('0' + in.results[i]);
            seen.insert(digits);
        });
    CHECK((report.skipped || report.exhaustive));
    return seen;
}
bool replaying() {
    return explore({.name = "is another replayed?"}, [](scene&) {}).skipped;
}

std::set<std::string> sequential(int results, std::vector<thread_body> threads) {
    return outcomes(explore_mode::sequential, results, std::move(threads));
}
std::set<std::string> weak(int results, std::vector<thread_body> threads) {
    return outcomes(explore_mode::weak, results, std::move(threads));
}
using strings = std::set<std::string>;

template <auto Write, auto Read>
void store_x_load_y(shape& s) {
    s.x.store(1, Write);
    s.results[0] = s.y.load(Read);
}
template <auto Write, auto Read>
void store_y_load_x(shape& s) {
    s.y.store(1, Write);
    s.results[1] = s.x.load(Read);
}

}  // namespace

TEST_CASE("SB: a load may pass an earlier store to another word unless both are seq_cst", "[tools][explore]") {
    if (replaying()) return;
    const strings all{"00", "01", "10", "11"};
    const strings ordered{"01", "10", "11"};
    const std::vector<thread_body> plain{&store_x_load_y<release, acquire>, &store_y_load_x<release, acquire>};
    CHECK(sequential(2, plain) == ordered);
    CHECK(weak(2, plain) == all);
    CHECK(weak(2, {&store_x_load_y<relaxed, relaxed>, &store_y_load_x<relaxed, relaxed>}) == all);
    CHECK(weak(2, {&store_x_load_y<seq_cst, acquire>, &store_y_load_x<seq_cst, acquire>}) == all);
    CHECK(weak(2, {&store_x_load_y<release, seq_cst>, &store_y_load_x<release, seq_cst>}) == all);
    CHECK(weak(2, {&store_x_load_y<seq_cst, seq_cst>, &store_y_load_x<seq_cst, acquire>}) == all);
    CHECK(weak(2, {&store_x_load_y<seq_cst, seq_cst>, &store_y_load_x<seq_cst, seq_cst>}) == ordered);
}

TEST_CASE("SB by read-modify-writes: two words lose, seq_cst keeps, one word keeps whatever the order",
          "[tools][explore]") {
    if (replaying()) return;
    const auto two = []<auto Exchange, auto Look>()->std::vector<thread_body> {
        return {[](shape& s) {
                    s.x.fetch_add(1, Exchange);
                    s.results[0] = s.y.load(Look);
                },
                [](shape& s) {
                    s.y.fetch_add(1, Exchange);
                    s.results[1] = s.x.load(Look);
                }};
    };
    const strings all{"00", "01", "10", "11"};
    const strings ordered{"01", "10", "11"};
    CHECK(weak(2, two.operator()<acq_rel, acquire>()) == all);
    CHECK(weak(2, two.operator()<seq_cst, relaxed>()) == all);
    CHECK(weak(2, two.operator()<seq_cst, acquire>()) == all);
    CHECK(weak(2, two.operator()<seq_cst, seq_cst>()) == ordered);
    const std::vector<thread_body> one{[](shape& s) { s.results[0] = s.x.fetch_or(1, relaxed) & 2 ? 1 : 0; },
                                       [](shape& s) { s.results[1] = s.x.fetch_or(2, relaxed) & 1 ? 1 : 0; }};
    CHECK(weak(2, one) == strings{"01", "10"});
    // A load of the other word by a read-modify-write that changes nothing sees the last write.
    const std::vector<thread_body> by_add{[](shape& s) {
                                              s.x.store(1, relaxed);
                                              s.results[0] = s.y.fetch_add(0, acq_rel);
                                          },
                                          [](shape& s) {
                                              s.y.store(1, relaxed);
                                              s.results[1] = s.x.fetch_add(0, acq_rel);
                                          }};
    CHECK(weak(2, by_add) == ordered);
}

TEST_CASE("MP: what was written before a release is there after the acquire that saw it", "[tools][explore]") {
    if (replaying()) return;
    const auto message = []<auto Publish, auto Look>()->std::vector<thread_body> {
        return {[](shape& s) {
                    s.x.store(1, relaxed);
                    s.y.store(1, Publish);
                },
                [](shape& s) {
                    s.results[0] = s.y.load(Look);
                    s.results[1] = s.x.load(relaxed);
                }};
    };
    const strings all{"00", "01", "10", "11"};
    const strings ordered{"00", "01", "11"};
    CHECK(sequential(2, message.operator()<relaxed, relaxed>()) == ordered);
    CHECK(weak(2, message.operator()<release, acquire>()) == ordered);
    CHECK(weak(2, message.operator()<seq_cst, seq_cst>()) == ordered);
    CHECK(weak(2, message.operator()<relaxed, acquire>()) == all);
    CHECK(weak(2, message.operator()<release, relaxed>()) == all);
}

TEST_CASE("MP through a chain: read-modify-writes hand on what was released, a store does not", "[tools][explore]") {
    if (replaying()) return;
    const auto chain = [](thread_body between) -> std::vector<thread_body> {
        return {[](shape& s) {
                    s.x.store(1, relaxed);
                    s.y.store(1, release);
                },
                between,
                [](shape& s) {
                    s.results[0] = s.y.load(acquire);
                    s.results[1] = s.x.load(relaxed);
                }};
    };
    const strings by_exchange = weak(2, chain([](shape& s) {
                                         int one = 1;
                                         s.y.compare_exchange_strong(one, 2, relaxed, relaxed);
                                     }));
    CHECK(by_exchange == strings{"00", "01", "11", "21"});
    const strings by_store = weak(2, chain([](shape& s) {
                                      if (s.y.load(relaxed) == 1) s.y.store(2, relaxed);
                                  }));
    CHECK(by_store == strings{"00", "01", "11", "20", "21"});
}

TEST_CASE("WRC and ISA2: order goes through a third thread by acquire and release", "[tools][explore]") {
    if (replaying()) return;
    const auto wrc = []<auto Look, auto Publish>()->std::vector<thread_body> {
        return {[](shape& s) { s.x.store(1, relaxed); },
                [](shape& s) {
                    s.results[0] = s.x.load(Look);
                    s.y.store(1, Publish);
                },
                [](shape& s) {
                    s.results[1] = s.y.load(acquire);
                    s.results[2] = s.x.load(relaxed);
                }};
    };
    CHECK(weak(3, wrc.operator()<relaxed, release>()).count("110") == 0);  // by coherence through the one who read
    CHECK(weak(3, wrc.operator()<relaxed, relaxed>()).count("110") == 1);
    const auto isa2 = []<auto Publish>()->std::vector<thread_body> {
        return {[](shape& s) {
                    s.x.store(1, relaxed);
                    s.y.store(1, Publish);
                },
                [](shape& s) {
                    s.results[0] = s.y.load(acquire);
                    s.z.store(1, release);
                },
                [](shape& s) {
                    s.results[1] = s.z.load(acquire);
                    s.results[2] = s.x.load(relaxed);
                }};
    };
    CHECK(weak(3, isa2.operator()<release>()).count("110") == 0);
    CHECK(weak(3, isa2.operator()<relaxed>()).count("110") == 1);
}

TEST_CASE("IRIW: two readers may disagree on the order of two writes unless all is seq_cst", "[tools][explore]") {
    if (replaying()) return;
    const auto iriw = []<auto Write, auto Read>()->std::vector<thread_body> {
        return {[](shape& s) { s.x.store(1, Write); }, [](shape& s) { s.y.store(1, Write); },
                [](shape& s) {
                    s.results[0] = s.x.load(Read);
                    s.results[1] = s.y.load(Read);
                },
                [](shape& s) {
                    s.results[2] = s.y.load(Read);
                    s.results[3] = s.x.load(Read);
                }};
    };
    CHECK(weak(4, iriw.operator()<release, acquire>()).count("1010") == 1);
    CHECK(weak(4, iriw.operator()<release, acquire>()).size() == 16);
    CHECK(weak(4, iriw.operator()<seq_cst, acquire>()).count("1010") == 1);
    CHECK(weak(4, iriw.operator()<release, seq_cst>()).size() ==
          15);  // what a seq_cst read has seen, the next one sees
    CHECK(weak(4, iriw.operator()<seq_cst, seq_cst>()).count("1010") == 0);
    CHECK(weak(4, iriw.operator()<seq_cst, seq_cst>()).size() == 15);
    CHECK(sequential(4, iriw.operator()<relaxed, relaxed>()).size() == 15);
}

TEST_CASE("CoRR, CoWR and CoRW: one word is seen in one order by all", "[tools][explore]") {
    if (replaying()) return;
    const std::vector<thread_body> corr{[](shape& s) {
                                            s.x.store(1, relaxed);
                                            s.x.store(2, relaxed);
                                        },
                                        [](shape& s) {
                                            s.results[0] = s.x.load(relaxed);
                                            s.results[1] = s.x.load(relaxed);
                                        }};
    CHECK(weak(2, corr) == strings{"00", "01", "02", "11", "12", "22"});
    const std::vector<thread_body> cowr{[](shape& s) {
                                            s.x.store(1, relaxed);
                                            s.results[0] = s.x.load(relaxed);
                                        },
                                        [](shape& s) { s.x.store(2, relaxed); }};
    CHECK(weak(1, cowr) == strings{"1", "2"});
    const std::vector<thread_body> readers{[](shape& s) { s.x.store(1, relaxed); },
                                           [](shape& s) { s.x.store(2, relaxed); },
                                           [](shape& s) {
                                               s.results[0] = s.x.load(relaxed);
                                               s.results[1] = s.x.load(relaxed);
                                           },
                                           [](shape& s) {
                                               s.results[2] = s.x.load(relaxed);
                                               s.results[3] = s.x.load(relaxed);
                                           }};
    const strings seen = weak(4, readers);
    CHECK(seen.count("1221") == 0);
    CHECK(seen.count("1212") == 1);
}

TEST_CASE("LB and 2+2W: what no interleaving of writes gives is not seen", "[tools][explore]") {
    if (replaying()) return;
    const std::vector<thread_body> lb{[](shape& s) {
                                          s.results[0] = s.x.load(relaxed);
                                          s.y.store(1, relaxed);
                                      },
                                      [](shape& s) {
                                          s.results[1] = s.y.load(relaxed);
                                          s.x.store(1, relaxed);
                                      }};
    CHECK(weak(2, lb) == strings{"00", "01", "10"});  // C++20 allows 11 too: a limit of the model
    const std::vector<thread_body> writes{[](shape& s) {
                                              s.x.store(1, relaxed);
                                              s.y.store(2, relaxed);
                                          },
                                          [](shape& s) {
                                              s.y.store(1, relaxed);
                                              s.x.store(2, relaxed);
                                          }};
    strings last;
    const explore_report report = explore({.name = "2+2W", .mode = explore_mode::weak}, [&](scene& s) {
        shape in;
        s.thread("t1", [&] { writes[0](in); });
        s.thread("t2", [&] { writes[1](in); });
        s.run();
        last.insert(std::to_string(in.x.load()) + std::to_string(in.y.load()));
    });
    CHECK(report.exhaustive);
    CHECK(last == strings{"12", "21", "22"});  // C++20 allows 11 too
}

TEST_CASE("an exchange that fails is a load: it may see an older write, a weak one may fail for no reason",
          "[tools][explore]") {
    if (replaying()) return;
    const auto exchange = []<bool Weak>() -> std::vector<thread_body> {
        return {[](shape& s) { s.x.store(1, relaxed); },
                [](shape& s) {
                    int expected = 1;
                    const bool done = Weak ? s.x.compare_exchange_weak(expected, 2, relaxed, relaxed)
                                           : s.x.compare_exchange_strong(expected, 2, relaxed, relaxed);
                    s.results[0] = done;
                    s.results[1] = expected;
                }};
    };
    CHECK(sequential(2, exchange.operator()<true>()) == strings{"00", "11"});
    CHECK(weak(2, exchange.operator()<false>()) == strings{"00", "11"});
    CHECK(weak(2, exchange.operator()<true>()) == strings{"00", "01", "11"});
    // After the store is seen, only the newest can be.
    const std::vector<thread_body> after{[](shape& s) { s.x.store(1, relaxed); },
                                         [](shape& s) {
                                             while (s.x.load(relaxed) == 0) explored_sync::pause();
                                             int expected = 1;
                                             s.results[0] = s.x.compare_exchange_strong(expected, 2);
                                         }};
    CHECK(weak(1, after) == strings{"1"});
}

TEST_CASE("a seq_cst load is not older than what another seq_cst load has seen", "[tools][explore]") {
    if (replaying()) return;
    const auto both = []<auto Read>()->std::vector<thread_body> {
        return {[](shape& s) { s.x.store(1, release); },
                [](shape& s) {
                    s.results[0] = s.x.load(Read);
                    s.y.store(1, seq_cst);
                },
                [](shape& s) {
                    s.results[1] = s.y.load(seq_cst);
                    s.results[2] = s.x.load(Read);
                }};
    };
    CHECK(weak(3, both.operator()<seq_cst>()).count("110") == 0);
}
