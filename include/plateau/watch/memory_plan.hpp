// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/fwd.hpp>
#include <plateau/watch/memory_limit.hpp>
#include <plateau/watch/memory_reader.hpp>
#include <plateau/watch/short_name.hpp>
#include <plateau/watch/text_sink.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

PLATEAU_NAMESPACE_BEGIN

struct memory_plan_stats {
    double total_bytes = 0;  ///< infinite where a part is unlimited
    double limit_bytes = 0;  ///< infinite where there is none
    std::uint64_t parts = 0;

    static constexpr std::string_view family = "memory_plan";
    template <class F>
    void visit_fields(F&& f) const {
        f(field_info{"total", "bytes", "The declared ceilings of all parts together.", field_kind::gauge}, total_bytes);
        f(field_info{"limit", "bytes", "What the container, or else the machine, allows this process.",
                     field_kind::gauge},
          limit_bytes);
        f(field_info{"parts", "", "Parts in the plan.", field_kind::gauge}, parts);
    }
};

/// What the program may hold at most: the declared ceilings of its parts, against what it is allowed.
///
/// Two kinds of row, so that nothing is counted twice: `holds` is what a part holds by itself (caches, queues, pools,
/// stacks), `admits` what the requests that a gate lets in may hold in their arenas. The arenas then have no row of
/// their own. A part's ceiling is taken when it is added; the plan keeps no reference to the part. It counts the part's
/// object too, so what a part is made of has no row of its own: a pipeline's queues, the arena of a scope. A row that
/// is `unlimited` makes the total so, and then the plan does not fit.
///
/// Thread safety: filled by one thread, then read by any.
class memory_plan {
public:
    memory_plan() = default;
    memory_plan(const memory_plan&) = delete;
    memory_plan& operator=(const memory_plan&) = delete;

    /// Effects: adds a row that holds `part.memory_ceiling()` bytes.
    /// Throws: std::invalid_argument when the name has not 1 to 63 bytes; std::bad_alloc.
    template <class Part>
        requires requires(const Part& part) {
            { part.memory_ceiling() } -> std::convertible_to<std::size_t>;
        }
    void add(std::string_view name, const Part& part) { add_bytes(name, part.memory_ceiling()); }

    /// The same for what has no type of ours: code, stacks, another library's buffers.
    void add_bytes(std::string_view name, std::size_t bytes) { add_row(name, kind::holds, bytes); }

    /// Effects: adds a row that admits what requests may hold in `arenas`: the least of the bytes that `door`, a gate,
    /// lets in together, of `door.limit()` arenas of `max_arena_bytes` each, and of the arenas' own ceiling. Where none
    /// of the three is bounded the row is `unlimited`.
    ///
    /// A service with two gates adds a row for each, over the same arenas.
    template <class Gate, class Arenas>
        requires requires(const Gate& door, const Arenas& arenas) {
            { door.limit() } -> std::convertible_to<std::size_t>;
            { door.max_bytes() } -> std::convertible_to<std::size_t>;
            { arenas.memory_ceiling() } -> std::convertible_to<std::size_t>;
        }
    void add_admitted(std::string_view name, const Gate& door, const Arenas& arenas,
                      std::size_t max_arena_bytes = unlimited) {
        auto bytes = static_cast<std::size_t>(door.max_bytes());
        const std::size_t in_arenas = detail::saturating_mul(static_cast<std::size_t>(door.limit()), max_arena_bytes);
        if (in_arenas < bytes) bytes = in_arenas;
        const auto ceiling = static_cast<std::size_t>(arenas.memory_ceiling());
        add_row(name, kind::admits, ceiling < bytes ? ceiling : bytes);
    }

    /// Saturates at `unlimited`.
    [[nodiscard]] std::size_t total_bytes() const noexcept { return total_; }

    /// The smallest memory limit of the process's control groups (version 2, and 1), never more than the machine's
    /// memory; `unlimited` where the system tells neither. Read when asked: some files, 0.2 ms.
    [[nodiscard]] std::size_t limit_bytes() const noexcept { return detail::memory_limit(); }

    /// Whether everything has a ceiling, and all of it at once fits the limit.
    [[nodiscard]] bool fits() const noexcept { return total_ != unlimited && total_ <= limit_bytes(); }

    /// Whether the resident memory is within the plan. Never false for a plan without a total.
    [[nodiscard]] bool within(const memory_sample& now) const noexcept { return now.resident_bytes <= total_; }

    /// Effects: writes a table: part, kind, ceiling, share of the total; then the total against the limit, and the
    /// parts that have no ceiling by name.
    template <text_sink Sink>
    void write(Sink&& sink) const {
        detail::write_text(sink, [this](detail::text_out& out) { write_to(out); });
    }

    [[nodiscard]] memory_plan_stats stats() const noexcept {
        return {.total_bytes = finite(total_), .limit_bytes = finite(limit_bytes()), .parts = rows_.size()};
    }

    /// Of the plan itself: it grows with each row.
    [[nodiscard]] std::size_t memory_ceiling() const noexcept { return sizeof(*this) + rows_.capacity() * sizeof(row); }

    void check_invariants() const noexcept {
        std::size_t sum = 0;
        for (const row& part : rows_) sum = detail::saturating_add(sum, part.bytes);
        PLATEAU_EXPECTS(sum == total_, "memory_plan: the total is not the sum of the rows");
    }

private:
    enum class kind : unsigned char { holds, admits };

    struct row {
        detail::short_name name;
        kind of;
        std::size_t bytes;
    };

    void add_row(std::string_view name, kind of, std::size_t bytes) {
        rows_.push_back({detail::short_name(name, "memory_plan: the name of a part has 1 to 63 bytes"), of, bytes});
        total_ = detail::saturating_add(total_, bytes);
#if PLATEAU_HARDENED
        check_invariants();
#endif
    }

    static double finite(std::size_t bytes) noexcept {
        return bytes == unlimited ? std::numeric_limits<double>::infinity() : static_cast<double>(bytes);
    }

    void write_row(detail::text_out& out, std::string_view name, std::string_view of, std::size_t bytes) const {
        out.column(name, 32).column(of, 8).size(bytes, 14);
        if (total_ != unlimited && total_ != 0) {
            const auto per_cent = static_cast<double>(bytes) * 100 / static_cast<double>(total_);
            out.number(static_cast<unsigned>(per_cent + 0.5), 7).put(" %");
        }
        out.put("\n");
    }

    void write_to(detail::text_out& out) const {
        out.column("part", 32).column("kind", 8).right("ceiling", 14).right("share", 9).put("\n");
        for (const row& part : rows_)
            write_row(out, part.name.view(), part.of == kind::admits ? "admits" : "holds", part.bytes);
        write_row(out, "total", "", total_);
        const std::size_t limit = limit_bytes();
        out.column("limit", 32).column("", 8).size(limit, 14).put("\n");
        for (const row& part : rows_) {
            if (part.bytes == unlimited) out.put(part.name.view()).put(" has no ceiling\n");
        }
        out.put(total_ != unlimited && total_ <= limit ? "the plan fits\n" : "the plan does not fit\n");
    }

    std::vector<row> rows_;  // one a call of add, add_bytes or add_admitted
    std::size_t total_ = 0;
};

PLATEAU_NAMESPACE_END
