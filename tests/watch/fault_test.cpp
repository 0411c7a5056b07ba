// SPDX-License-Identifier: MIT
// Every fallible step of what watches memory fails once, and from then on: the books stay right, and nobody's memory is
// lost. What is called while memory is short (charges, ticks, figures) has nothing that can fail.
#include "tools/catch.hpp"
#include "tools/fault_sweep.hpp"
#include "tools/fault_table.hpp"

#include <plateau/clock.hpp>
#include <plateau/watch.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace plateau_test;
using namespace std::chrono_literals;

namespace {

constexpr const char* long_name = "a name of more than sixty-three bytes, which no account and no part may have";

/// The sentence of a std::invalid_argument is allocated, too.
template <class Call>
void refused_option(Call call) {
    try {
        call();
    } catch (const std::invalid_argument&) {}
}

/// Where text goes: it allocates, and may refuse for a reason of its own.
struct fallible_sink {
    std::string text;
    void operator()(std::string_view piece) {
        fault_here(fault::callback);
        text += piece;
    }
};

/// What was written before a failure is the beginning of the whole.
void check_beginning(const std::string& text, const std::string& whole, bool threw) {
    CHECK(whole.compare(0, text.size(), text) == 0);
    CHECK((threw || text == whole));
}

// ---- ledger

struct books {
    std::unique_ptr<plateau::ledger> ledger = std::make_unique<plateau::ledger>(plateau::ledger_options{4});
    plateau::account pages = ledger->open("pages", {.max_bytes = 1'000});
    plateau::account texts = ledger->open("texts");

    books() {
        pages.charge(300);
        texts.charge(40);
    }
    void check_unchanged(std::uint64_t accounts = 2) const {
        ledger->check_invariants();
        CHECK(ledger->stats().bytes == 340);
        CHECK(ledger->stats().accounts == accounts);
        CHECK(pages.bytes() == 300);
        CHECK(texts.bytes() == 40);
    }
};

}  // namespace

TEST_CASE("a ledger whose memory fails at any step keeps its books", "[watch][alloc]") {
    fault_table table("watch");
    const auto make = [] { return books{}; };
    const auto nothing = [] { return 0; };
    const auto unchanged = [](const books& b, const sweep_step&) { b.check_unchanged(); };

    sweep(
        table, "construction of a ledger", nothing, [](int&) { const plateau::ledger made({.max_accounts = 100}); },
        [](int, const sweep_step&) {});
    sweep(
        table, "construction of a ledger with wrong options", nothing,
        [](int&) { refused_option([] { const plateau::ledger made({.max_accounts = 0}); }); },
        [](int, const sweep_step&) {});
    sweep_safe(
        table, "open", "accounts have a fixed table, and names are held in place", make,
        [](books& b) {
            static_cast<void>(b.ledger->open("a name that would not fit into a short string"));
            static_cast<void>(b.ledger->open("pages"));
        },
        [](const books& b, const sweep_step&) { b.check_unchanged(3); });
    sweep_safe(
        table, "open, when the table is full", "what finds no account is answered with `other`", make,
        [](books& b) {
            for (const char* name : {"1", "2", "3", "4"}) b.ledger->open(name).charge(0);
        },
        [](const books& b, const sweep_step&) {
            b.check_unchanged(4);
            CHECK(b.ledger->stats().shared_opens == 2);
        });
    sweep(
        table, "open with a wrong name or budget", make,
        [](books& b) {
            refused_option([&] { static_cast<void>(b.ledger->open(long_name)); });
            refused_option([&] { static_cast<void>(b.ledger->open("none", {.max_bytes = 0})); });
        },
        unchanged);
    sweep(
        table, "snapshot", make,
        [](books& b) {
            const auto taken = b.ledger->snapshot();
            if (taken.rows().size() != 3) throw std::logic_error("a snapshot without its rows");
        },
        unchanged);
    sweep(
        table, "diff", make,
        [](books& b) {
            const auto before = b.ledger->snapshot();
            const auto grown = diff(before, b.ledger->snapshot());
            if (grown.rows().size() != 3) throw std::logic_error("a diff without its rows");
        },
        unchanged);
    sweep_safe(
        table, "charge, refund and figures of an account", "an account is a word, its books are atomics", make,
        [](books& b) {
            const plateau::account copy = b.pages;
            static_cast<void>(copy.try_charge(700));
            static_cast<void>(copy.try_charge(1));
            copy.charge(1);
            copy.refund(701);
            static_cast<void>(copy.stats());
            static_cast<void>(copy.name());
        },
        [](const books& b, const sweep_step&) {
            b.check_unchanged();
            CHECK(b.pages.stats().refused == 1);
            CHECK(b.pages.stats().peak_bytes == 1'001);
        });
    sweep_safe(
        table, "figures of a ledger", "numbers", make,
        [](books& b) {
            static_cast<void>(b.ledger->stats());
            static_cast<void>(b.ledger->memory_ceiling());
            b.ledger->check_invariants();
        },
        unchanged);
    CHECK(table.contradictions({"open", "snapshot", "diff"}) == std::vector<std::string>{});
    table.tell();
}

TEST_CASE("a difference that cannot be written to its end is written as far as that", "[watch][alloc]") {
    struct written {
        plateau::ledger_diff changes;
        fallible_sink sink;
    };
    const auto make = [] {
        const books b;
        const auto before = b.ledger->snapshot();
        for (int i = 0; i < 2; ++i) b.ledger->open("account " + std::to_string(i)).charge(1'000);
        b.texts.refund(40);
        return written{diff(before, b.ledger->snapshot()), {}};
    };
    std::string whole;
    make().changes.write(whole);
    fault_table table("watch");
    sweep(
        table, "write of a diff", make, [](written& w) { w.changes.write(w.sink); },
        [&](const written& w, const sweep_step& step) {
            check_beginning(w.sink.text, whole, step.threw);
            CHECK(w.changes.rows().size() == 5);
        });
    sweep(
        table, "copy of a diff", make, [](written& w) { const plateau::ledger_diff copy = w.changes; },
        [](const written& w, const sweep_step&) { CHECK(w.changes.rows().size() == 5); });
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}

// ---- counted allocator

namespace {

struct alignas(64) wide {
    char bytes[64] = {};
};

template <class T>
struct counted_items {
    using items_type = std::vector<T, plateau::counted_allocator<T>>;
    std::unique_ptr<plateau::ledger> ledger = std::make_unique<plateau::ledger>();
    plateau::account paying = ledger->open("items", {.max_bytes = 100 * sizeof(T)});
    plateau::account other = ledger->open("others");
    std::unique_ptr<items_type> items = std::make_unique<items_type>(3, T{}, paying);

    /// What is charged is what the containers hold, here to the byte.
    void check_books(std::size_t size) const {
        CHECK(items->size() == size);
        CHECK(items->get_allocator().get_account() == paying);
        CHECK(paying.bytes() == items->capacity() * sizeof(T));
        CHECK(other.bytes() == 0);
        CHECK(ledger->stats().bytes == paying.bytes());
    }
};

template <class T>
void sweep_counted_items(fault_table& table) {
    using s = counted_items<T>;
    using items_type = typename s::items_type;
    const auto make = [] { return s{}; };
    const auto unchanged = [](const s& t, const sweep_step&) { t.check_books(3); };
    sweep(
        table, "growth of a counted container", make, [](s& t) { t.items->resize(20); },
        [](const s& t, const sweep_step& step) { t.check_books(step.threw ? 3 : 20); });
    sweep(
        table, "growth of a counted container over its budget", make,
        [](s& t) {
            for (int i = 0; i < 200; ++i) t.items->push_back(T{});
            throw std::logic_error("a budget that nobody kept");
        },
        [](const s& t, const sweep_step& step) {
            CHECK(step.threw);
            t.check_books(t.items->size());
            CHECK(t.items->size() <= 100);
        });
    sweep(
        table, "copy of a counted container", make, [](s& t) { const items_type copy = *t.items; }, unchanged);
    sweep(
        table, "copy of a counted container into another", make,
        [](s& t) {
            items_type copy(1, T{}, t.other);
            copy = *t.items;
        },
        unchanged);
    sweep_safe(
        table, "move and swap of counted containers", "the account goes along", make,
        [](s& t) {
            items_type moved = std::move(*t.items);
            items_type empty(t.other);
            swap(moved, empty);
            *t.items = std::move(empty);
        },
        unchanged);
    sweep(
        table, "a request of more than there are addresses", make,
        [](s& t) {
            plateau::counted_allocator<T> allocator(t.paying);
            T* const one = allocator.allocate(1);  // so that there is a step before
            allocator.deallocate(one, 1);
            try {
                allocator.deallocate(allocator.allocate(SIZE_MAX / sizeof(T) + 1), 0);
                throw std::logic_error("more bytes than there are addresses");
            } catch (const std::bad_alloc&) {}
        },
        unchanged);
}

}  // namespace

TEST_CASE("a counted container that gets no memory has charged nothing for it", "[watch][alloc]") {
    fault_table table("watch");
    sweep_counted_items<int>(table);
    sweep_counted_items<wide>(table);
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}

// ---- sampler and judge

namespace {

struct told_reader {
    std::uint64_t bytes = 1'000'000;
    plateau::result<plateau::memory_sample, plateau::read_reason> read() noexcept {
        if (++reads % 5 == 0) return plateau::read_reason::unreadable;
        bytes += 10'000;
        return plateau::memory_sample{.resident_bytes = bytes};
    }
    int reads = 0;
};
struct told_policies : plateau::memory_sampler_policies {
    using clock = plateau::manual_clock;
    using reader = told_reader;
};
struct sampled {
    using sampler_type = plateau::basic_memory_sampler<told_policies>;
    std::unique_ptr<plateau::manual_clock> clock = std::make_unique<plateau::manual_clock>();
    std::unique_ptr<sampler_type> sampler =
        std::make_unique<sampler_type>(plateau::memory_sampler_options{.max_points = 64}, *clock);

    explicit sampled(std::uint64_t ticks) { tick(ticks); }
    void tick(std::uint64_t times) {
        for (std::uint64_t i = 0; i < times; ++i) {
            sampler->tick(work += 10);
            clock->advance(1s);
        }
    }
    std::uint64_t work = 0;
};

std::vector<plateau::memory_sample> line(std::size_t points, std::uint64_t step) {
    std::vector<plateau::memory_sample> samples;
    for (std::size_t i = 0; i < points; ++i) {
        samples.push_back({.at = plateau::time_point(std::chrono::seconds(i)),
                           .work_done = 100 * i,
                           .resident_bytes = 10'000'000 + step * i});
    }
    return samples;
}

}  // namespace

TEST_CASE("a sampler takes its samples where nothing can be allocated, and hands them out whole or not at all",
          "[watch][alloc]") {
    fault_table table("watch");
    const auto nothing = [] { return 0; };
    const auto none = [](int, const sweep_step&) {};
    const auto make = [] { return sampled(50); };
    const auto unchanged = [](const sampled& s, const sweep_step&) {
        s.sampler->check_invariants();
        CHECK(s.sampler->stats().samples == 40);
        CHECK(s.sampler->stats().failed_reads == 10);
    };
    sweep(
        table, "construction of a sampler", nothing,
        [](int&) {
            const plateau::memory_sampler plain;
            plateau::manual_clock clock;
            const sampled::sampler_type told({.max_points = 8}, clock);
        },
        none);
    sweep(
        table, "construction of a sampler with wrong options", nothing,
        [](int&) {
            refused_option([] { const plateau::memory_sampler made({.max_points = 1}); });
            refused_option([] { const plateau::memory_sampler made({.period = -1s}); });
        },
        none);
    sweep_safe(
        table, "tick", "all points have their room from the beginning", make, [](sampled& s) { s.tick(500); },
        [](const sampled& s, const sweep_step&) {
            s.sampler->check_invariants();
            CHECK(s.sampler->stats().samples == 440);
            CHECK(s.sampler->stats().samples_per_point > 1);
        });
    sweep(
        table, "samples", make,
        [](sampled& s) {
            if (s.sampler->samples().size() != 40) throw std::logic_error("samples are missing");
        },
        unchanged);
    sweep_safe(
        table, "figures of a sampler", "numbers", make,
        [](sampled& s) {
            static_cast<void>(s.sampler->stats());
            static_cast<void>(s.sampler->memory_ceiling());
            s.sampler->check_invariants();
        },
        unchanged);
    sweep(
        table, "judge of a sampler", make,
        [](sampled& s) {
            if (judge(*s.sampler).verdict != plateau::verdict::growing) throw std::logic_error("a line that rises");
        },
        unchanged);
    sweep_safe(
        table, "memory_reader", "its buffers are its own", nothing,
        [](int&) {
            plateau::memory_reader reader;
            static_cast<void>(static_cast<bool>(reader.read()));
        },
        none);
    CHECK(table.contradictions({"tick", "samples", "judge of a sampler"}) == std::vector<std::string>{});
    table.tell();
}

TEST_CASE("a judgement is made whole or not at all", "[watch][alloc]") {
    fault_table table("watch");
    struct lines {
        std::vector<plateau::memory_sample> flat = line(40, 0);
        std::vector<plateau::memory_sample> growing = line(600, 5'000);
        std::vector<plateau::memory_sample> few = line(5, 0);
    };
    const auto make = [] { return lines{}; };
    const auto none = [](const lines&, const sweep_step&) {};
    sweep(
        table, "judge", make,
        [](lines& l) {
            const bool right = judge(l.flat).verdict == plateau::verdict::flat &&
                               judge(l.growing).verdict == plateau::verdict::growing &&
                               judge(l.few).verdict == plateau::verdict::inconclusive;
            if (!right) throw std::logic_error("a wrong verdict");
        },
        none);
    sweep(
        table, "judge with wrong options", make,
        [](lines& l) {
            refused_option([&] { static_cast<void>(judge(l.flat, {.tolerance = -1})); });
            refused_option([&] { static_cast<void>(judge(l.flat, {.confidence = 1})); });
            refused_option([&] { static_cast<void>(judge(l.flat, {.min_points = 2})); });
        },
        none);

    const plateau::judgement found = judge(line(40, 5'000), {.limit_bytes = 1'000'000'000});
    std::string whole;
    found.write(whole);
    sweep(
        table, "write of a judgement", [] { return fallible_sink{}; }, [&](fallible_sink& sink) { found.write(sink); },
        [&](const fallible_sink& sink, const sweep_step& step) { check_beginning(sink.text, whole, step.threw); });
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}

// ---- plan

TEST_CASE("a plan that gets no memory for a row is the plan that it was", "[watch][alloc]") {
    fault_table table("watch");
    struct planned {
        std::unique_ptr<plateau::memory_plan> plan = std::make_unique<plateau::memory_plan>();
        fallible_sink sink;
        plateau::ledger part{{.max_accounts = 1}};
    };
    struct filled {
        std::unique_ptr<planned> all = std::make_unique<planned>();
        filled() {
            all->plan->add("books", all->part);
            all->plan->add_bytes("stacks", 8'000'000);
        }
    };
    const auto make = [] { return filled{}; };
    const std::size_t total = filled{}.all->plan->total_bytes();
    const auto check_rows = [total](const filled& f, std::uint64_t rows, std::size_t more) {
        f.all->plan->check_invariants();
        CHECK(f.all->plan->stats().parts == rows);
        CHECK(f.all->plan->total_bytes() == total + more);
    };
    const auto unchanged = [&](const filled& f, const sweep_step&) { check_rows(f, 2, 0); };

    sweep(
        table, "add and add_bytes", make,
        [](filled& f) {
            for (int i = 0; i < 8; ++i) f.all->plan->add_bytes("a part", 10);
            f.all->plan->add("books again", f.all->part);
        },
        [&](const filled& f, const sweep_step&) {
            const std::uint64_t rows = f.all->plan->stats().parts;
            const std::size_t again = rows == 11 ? f.all->part.memory_ceiling() : 0;
            const auto tens = static_cast<std::size_t>(rows == 11 ? 8 : rows - 2);
            check_rows(f, rows, again + 10 * tens);
        });
    sweep(
        table, "add with a wrong name", make,
        [](filled& f) {
            refused_option([&] { f.all->plan->add("", f.all->part); });
            refused_option([&] { f.all->plan->add_bytes(long_name, 1); });
        },
        unchanged);
    std::string whole;
    filled{}.all->plan->write(whole);
    sweep(
        table, "write of a plan", make, [](filled& f) { f.all->plan->write(f.all->sink); },
        [&](const filled& f, const sweep_step& step) { check_beginning(f.all->sink.text, whole, step.threw); });
    sweep_safe(
        table, "figures of a plan", "numbers, and files that are read in place", make,
        [](filled& f) {
            const plateau::memory_plan& plan = *f.all->plan;
            static_cast<void>(plan.stats());
            static_cast<void>(plan.total_bytes());
            static_cast<void>(plan.limit_bytes());
            static_cast<void>(plan.fits());
            static_cast<void>(plan.within({}));
            static_cast<void>(plan.memory_ceiling());
            plan.check_invariants();
        },
        unchanged);
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}

// ---- soak

TEST_CASE("a soak whose call or memory fails lets it out, and the books are those of the calls", "[watch][alloc]") {
    fault_table table("watch");
    struct soaked {
        std::unique_ptr<plateau::ledger> ledger = std::make_unique<plateau::ledger>();
        plateau::account texts = ledger->open("texts");
        std::uint64_t calls = 0;
    };
    const auto make = [] { return soaked{}; };
    const auto unchanged = [](const soaked& s, const sweep_step&) {
        s.ledger->check_invariants();
        CHECK(s.ledger->stats().bytes == 0);
    };
    const auto call_of = [](soaked& s) {
        return [&s] {
            fault_here(fault::callback);
            const std::vector<char, plateau::counted_allocator<char>> text(100, 'x', s.texts);
            ++s.calls;
        };
    };
    sweep(
        table, "soak with books", make,
        [&](soaked& s) {
            const auto report = plateau::soak({.warm_up = 2, .work = 64, .books = s.ledger.get()}, call_of(s));
            if (report.work_done != 64 || report.grown.rows().size() != 2) throw std::logic_error("a soak without end");
        },
        [&](const soaked& s, const sweep_step& step) {
            unchanged(s, step);
            CHECK((step.threw || s.calls == 66));
        });
    sweep(
        table, "soak without books", make,
        [&](soaked& s) { static_cast<void>(plateau::soak({.warm_up = 1, .work = 40}, call_of(s))); }, unchanged);
    sweep(
        table, "soak with wrong options", make,
        [&](soaked& s) {
            refused_option([&] { static_cast<void>(plateau::soak({.work = 0}, call_of(s))); });
            refused_option([&] { static_cast<void>(plateau::soak({.tolerance = -1}, call_of(s))); });
            refused_option([&] { static_cast<void>(plateau::soak({.max_time = 0s}, call_of(s))); });
        },
        [&](const soaked& s, const sweep_step& step) {
            unchanged(s, step);
            CHECK(s.calls == 0);
        });

    soaked s;
    const auto report =
        plateau::soak({.warm_up = 0, .work = 64, .books = s.ledger.get()}, [&] { s.texts.charge(100); });
    CHECK_FALSE(report.flat());
    std::string whole;
    report.write(whole);
    sweep(
        table, "write of a soak's report", [] { return fallible_sink{}; },
        [&](fallible_sink& sink) { report.write(sink); },
        [&](const fallible_sink& sink, const sweep_step& step) { check_beginning(sink.text, whole, step.threw); });
    sweep(
        table, "copy of a soak's report", [] { return 0; }, [&](int&) { const plateau::soak_report copy = report; },
        [](int, const sweep_step&) {});
    CHECK(table.contradictions({}) == std::vector<std::string>{});
    table.tell();
}

// ---- metrics

namespace {

/// Figures that a program might have: they can fail to be copied, and to be told.
struct fallible_stats {
    std::uint64_t figure = 7;

    fallible_stats() = default;
    fallible_stats(const fallible_stats& other) : figure(other.figure) { fault_here(fault::copy); }
    fallible_stats& operator=(const fallible_stats&) = delete;

    static constexpr std::string_view family = "program";
    template <class F>
    void visit_fields(F&& f) const {
        fault_here(fault::callback);
        f(plateau::field_info{"figure", "", "A figure.", plateau::field_kind::gauge}, figure);
    }
};
struct fallible_part {
    fallible_stats held;
    const fallible_stats& stats() const { return held; }
};

struct told {
    std::unique_ptr<plateau::ledger> ledger = std::make_unique<plateau::ledger>();
    fallible_part part;
    fallible_sink sink;

    void write_prometheus(plateau::text_sink auto&& to) const {
        plateau::write_prometheus(to, plateau::named("books", *ledger), plateau::named("mine", part));
    }
    void write_json(plateau::text_sink auto&& to) const {
        plateau::write_json(to, plateau::named("books", *ledger), plateau::named("mine", part));
    }
};

}  // namespace

TEST_CASE("metrics that cannot be written to their end are written as far as that", "[watch][alloc]") {
    fault_table table("watch");
    const auto make = [] { return told{}; };
    std::string prometheus;
    std::string json;
    told{}.write_prometheus(prometheus);
    told{}.write_json(json);

    sweep(
        table, "write_prometheus", make, [](told& t) { t.write_prometheus(t.sink); },
        [&](const told& t, const sweep_step& step) { check_beginning(t.sink.text, prometheus, step.threw); });
    sweep(
        table, "write_json", make, [](told& t) { t.write_json(t.sink); },
        [&](const told& t, const sweep_step& step) { check_beginning(t.sink.text, json, step.threw); });
    sweep(
        table, "metrics of two parts of one name", make,
        [](told& t) {
            const auto books = plateau::named("books", *t.ledger);
            refused_option([&] { plateau::write_prometheus(t.sink, books, books); });
            refused_option([&] { plateau::write_json(t.sink, books, books); });
        },
        [](const told& t, const sweep_step&) { CHECK(t.sink.text.empty()); });
    sweep(
        table, "named figures that are copied", make,
        [](told& t) { static_cast<void>(plateau::named("mine", t.part)); },
        [](const told& t, const sweep_step&) { CHECK(t.part.held.figure == 7); });
    sweep_safe(
        table, "metrics into a sink that does not fail", "the writer collects in place", make,
        [](told& t) {
            std::size_t bytes = 0;
            const auto count = [&](std::string_view piece) { bytes += piece.size(); };
            const auto books = plateau::named("books", *t.ledger);
            plateau::write_prometheus(count, books);
            plateau::write_json(count, books);
            if (bytes == 0) throw std::logic_error("nothing was written");
        },
        [](const told&, const sweep_step&) {});

    struct file {
        char text[8'192] = {};
        std::unique_ptr<std::FILE, int (*)(std::FILE*)> out{nullptr, &std::fclose};
        plateau::ledger ledger;
    };
    sweep_safe(
        table, "metrics into a file", "the buffer of a file is the system's",
        [] {
            auto made = std::make_unique<file>();
            made->out.reset(::fmemopen(made->text, sizeof made->text, "w"));
            return made;
        },
        [](std::unique_ptr<file>& f) { plateau::write_json(f->out.get(), plateau::named("books", f->ledger)); },
        [](const std::unique_ptr<file>& f, const sweep_step&) {
            std::fflush(f->out.get());
            CHECK(std::string_view(f->text).find("\"books\"") != std::string_view::npos);
        });
    CHECK(table.contradictions({"write_prometheus", "write_json"}) == std::vector<std::string>{});
    table.tell();
}
